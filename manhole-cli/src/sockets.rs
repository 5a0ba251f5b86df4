//! The listening sockets of processes: which are there, and who holds them.
//!
//! Runs in the client; only reads. Everything is optional: /proc may hide other users' processes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::process;

/// Paths of listening stream sockets in the process's network namespace whose file name speaks of a manhole and which
/// belong to the process: by their name, or by a descriptor.
pub(crate) fn of_manholes(pid: i32, own_pid: i32) -> Vec<PathBuf> {
    let by_name = format!("manhole-{own_pid}");
    let mut held = None;
    listening(pid)
        .into_iter()
        .filter(|(inode, path)| {
            let file = file_name(path);
            file == by_name || (file.contains("manhole") && held.get_or_insert_with(|| all_inodes(pid)).contains(inode))
        })
        .map(|(_, path)| PathBuf::from(path))
        .collect()
}

/// Whether the process's own descriptors have a listening socket that raises a signal for each connection (O_ASYNC), as a
/// manhole without a thread does.
pub(crate) fn has_sleeper(pid: i32) -> bool {
    let listening: BTreeSet<u64> = listening(pid).into_iter().map(|(inode, _)| inode).collect();
    inodes(&format!("/proc/{pid}/fd"))
        .into_iter()
        .any(|(descriptor, inode)| listening.contains(&inode) && raises_a_signal(pid, descriptor))
}

fn raises_a_signal(pid: i32, descriptor: i32) -> bool {
    let text = fs::read_to_string(format!("/proc/{pid}/fdinfo/{descriptor}")).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok()).is_some_and(|flags| flags & libc::O_ASYNC != 0)
}

/// The processes that hold a listening socket bound to a file of this name in the network namespace of `near`, as far as
/// their descriptors may be looked at.
pub(crate) fn holders(near: i32, path: &Path) -> Vec<i32> {
    let Some(file) = path.file_name().and_then(|name| name.to_str()) else {
        return Vec::new();
    };
    let wanted: BTreeSet<u64> =
        listening(near).into_iter().filter(|(_, path)| file_name(path) == file).map(|(inode, _)| inode).collect();
    let processes = fs::read_dir("/proc").into_iter().flatten();
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| !all_inodes(*pid).is_disjoint(&wanted))
        .collect()
}

/// Whether the descriptors of the process may be looked at.
pub(crate) fn may_be_seen(pid: i32) -> bool {
    fs::read_dir(format!("/proc/{pid}/fd")).is_ok()
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Inodes and paths of the listening sockets in the network namespace of `pid`.
fn listening(pid: i32) -> Vec<(u64, String)> {
    let table = fs::read(format!("/proc/{pid}/net/unix")).unwrap_or_default();
    let table = String::from_utf8_lossy(&table);
    table.lines().filter_map(listening_entry).map(|(inode, path)| (inode, path.to_owned())).collect()
}

/// Inode and path of a listening socket's line in `/proc/net/unix`; its columns are Num RefCount Protocol Flags Type St
/// Inode Path, and flag 0x10000 (__SO_ACCEPTCON) marks listeners.
fn listening_entry(line: &str) -> Option<(u64, &str)> {
    let mut rest = line;
    let mut columns = [""; 7];
    for column in &mut columns {
        rest = rest.trim_start();
        let end = rest.find(' ').unwrap_or(rest.len());
        (*column, rest) = rest.split_at_checked(end)?;
    }
    let flags = u32::from_str_radix(columns.get(3)?, 16).ok()?;
    let path = rest.trim_start();
    (flags & 0x1_0000 != 0 && path.starts_with('/')).then_some((columns.get(6)?.parse().ok()?, path))
}

/// The sockets that any thread holds: the agent's threads may have a descriptor table of their own.
fn all_inodes(pid: i32) -> BTreeSet<u64> {
    let mut tables = vec![format!("/proc/{pid}/fd")];
    tables.extend(process::listening_threads(pid).into_iter().map(|tid| format!("/proc/{pid}/task/{tid}/fd")));
    tables.iter().flat_map(|table| inodes(table)).map(|(_, inode)| inode).collect()
}

/// Descriptors and inodes of the sockets in one table.
fn inodes(table: &str) -> Vec<(i32, u64)> {
    let entries = fs::read_dir(table).into_iter().flatten();
    entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let link = fs::read_link(&path).ok()?;
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some((path.file_name()?.to_str()?.parse().ok()?, inode.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_socket_table() {
        let line = "ffff8881: 00000002 00000000 00010000 0001 01 41234 /tmp/with space/manhole-7";
        assert_eq!(listening_entry(line), Some((41234, "/tmp/with space/manhole-7")));
        let connected = "ffff8881: 00000003 00000000 00000000 0001 03 41234 /tmp/manhole-7";
        assert_eq!(listening_entry(connected), None);
        assert_eq!(listening_entry("Num       RefCount Protocol Flags    Type St Inode Path"), None);
    }

    #[test]
    fn a_listener_of_this_process_is_found_by_its_descriptor() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("my-manhole.sock");
        let other = directory.path().join("other.sock");
        let _one = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let _two = std::os::unix::net::UnixListener::bind(other).unwrap();
        let pid = std::process::id() as i32;
        let found = of_manholes(pid, pid);
        assert!(found.contains(&path), "{found:?}");
        assert!(found.iter().all(|path| !path.ends_with("other.sock")), "{found:?}");
    }

    #[test]
    fn holders_and_sleepers() {
        use std::os::fd::AsRawFd;
        let pid = std::process::id() as i32;
        let directory = tempfile::tempdir().unwrap();
        // A name that no other socket of this machine has.
        let name = directory.path().file_name().unwrap().to_owned();
        let path = directory.path().join(&name);
        assert!(holders(pid, &path).is_empty());
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        // A child of another test may hold it for a moment.
        assert!(holders(pid, &path).contains(&pid));
        assert!(!raises_a_signal(pid, listener.as_raw_fd()));
        nix::fcntl::fcntl(&listener, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_ASYNC)).unwrap();
        assert!(raises_a_signal(pid, listener.as_raw_fd()) && has_sleeper(pid));
    }
}
