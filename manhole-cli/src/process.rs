//! What /proc tells about the process that is asked for.
//!
//! Runs in the client; only reads. Everything is optional: /proc may hide other users' processes.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::send;

/// The lines of `/proc/PID/status` that matter to a client.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// The command name, at most 15 bytes.
    pub(crate) name: String,
    /// The state's letter, as proc_pid_status(5) lists them.
    pub(crate) state: char,
    /// Real, effective, saved and file system uid.
    pub(crate) uids: Vec<u32>,
    /// The pid in each namespace, from ours inwards.
    pub(crate) pids: Vec<i32>,
    /// Who traces it, or 0.
    pub(crate) tracer: i32,
}

impl Status {
    /// The pid as the process itself knows it.
    pub(crate) fn own_pid(&self) -> Option<i32> {
        self.pids.last().copied()
    }

    /// The effective uid: who may enter.
    pub(crate) fn owner(&self) -> Option<u32> {
        self.uids.get(1).copied()
    }
}

/// Reads the status of `pid`; nothing when it does not exist or is hidden.
pub(crate) fn status(pid: i32) -> Option<Status> {
    fs::read(format!("/proc/{pid}/status")).ok().map(|text| parse_status(&String::from_utf8_lossy(&text)))
}

fn parse_status(text: &str) -> Status {
    let mut status = Status::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key {
            "Name" => value.clone_into(&mut status.name),
            "State" => status.state = value.chars().next().unwrap_or_default(),
            "Uid" => status.uids = numbers(value),
            "NSpid" => status.pids = numbers(value),
            "TracerPid" => status.tracer = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    status
}

fn numbers<T: std::str::FromStr>(text: &str) -> Vec<T> {
    text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// Whether libmanhole.so is mapped there; nothing when that may not be read.
pub(crate) fn has_library(pid: i32) -> Option<bool> {
    let maps = fs::read(format!("/proc/{pid}/maps")).ok()?;
    // A zombie, or a kernel thread, has no mappings at all.
    (!maps.is_empty()).then(|| String::from_utf8_lossy(&maps).contains("libmanhole.so"))
}

/// The signal that the agent's thread waits for, blocked.
pub(crate) const BELL: i32 = libc::SIGSTKFLT;

/// The threads that are named as the agent's and block its signal, as nearly nobody else does.
pub(crate) fn listening_threads(pid: i32) -> Vec<i32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    tasks
        .filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok())
        .filter(|tid: &i32| {
            fs::read(format!("/proc/{pid}/task/{tid}/comm")).is_ok_and(|name| name.trim_ascii() == b"Manhole")
        })
        .filter(|tid| blocks(pid, *tid, BELL))
        .collect()
}

/// Whether the thread blocks the signal.
fn blocks(pid: i32, tid: i32, signal: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status")).unwrap_or_default();
    let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:"));
    blocked.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).is_some_and(|set| set >> (signal - 1) & 1 == 1)
}

/// The program's file, or its command name when the link may not be read.
pub(crate) fn program(pid: i32) -> Option<String> {
    fs::read_link(format!("/proc/{pid}/exe"))
        .map(|path| path.to_string_lossy().into_owned())
        .ok()
        .or_else(|| status(pid).map(|status| status.name))
}

/// The value of a variable in the environment that the process was started with.
pub(crate) fn environment(pid: i32, name: &str) -> Option<String> {
    let block = fs::read(format!("/proc/{pid}/environ")).ok()?;
    block
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok())
        .find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))
        .map(str::to_owned)
}

/// Paths of listening stream sockets in the process's network namespace whose file name speaks of a manhole and which
/// belong to the process: by their name, or by a descriptor.
pub(crate) fn manhole_sockets(pid: i32, own_pid: i32) -> Vec<PathBuf> {
    let Ok(table) = fs::read(format!("/proc/{pid}/net/unix")) else {
        return Vec::new();
    };
    let table = String::from_utf8_lossy(&table);
    let listening: Vec<(u64, &str)> = table.lines().filter_map(listening_entry).collect();
    let by_name = format!("manhole-{own_pid}");
    let mut held = None;
    listening
        .into_iter()
        .filter(|(inode, path)| {
            let file = path.rsplit('/').next().unwrap_or_default();
            file == by_name
                || (file.contains("manhole") && held.get_or_insert_with(|| socket_inodes(pid)).contains(inode))
        })
        .map(|(_, path)| PathBuf::from(path))
        .collect()
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
fn socket_inodes(pid: i32) -> BTreeSet<u64> {
    let mut inodes = BTreeSet::new();
    let mut tables = vec![format!("/proc/{pid}/fd")];
    tables.extend(listening_threads(pid).into_iter().map(|tid| format!("/proc/{pid}/task/{tid}/fd")));
    for table in tables {
        let Ok(entries) = fs::read_dir(table) else {
            continue;
        };
        inodes.extend(entries.filter_map(|entry| {
            let link = fs::read_link(entry.ok()?.path()).ok()?;
            let text = link.to_str()?.strip_prefix("socket:[")?;
            text.strip_suffix(']')?.parse::<u64>().ok()
        }));
    }
    inodes
}

/// `uid 1000 (alice)`, or without the name when there is none.
pub(crate) fn user(uid: u32) -> String {
    match nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)) {
        Ok(Some(user)) => format!("uid {uid} ({})", user.name),
        _ => format!("uid {uid}"),
    }
}

/// Whether the process is there at all, even when /proc hides it.
pub(crate) fn exists(pid: i32) -> bool {
    send::exists(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_status() {
        let status = parse_status(
            "Name:\tnginx: worker\nUmask:\t0022\nState:\tt (tracing stop)\nTracerPid:\t99\nUid:\t1\t2\t3\t4\nNSpid:\t500\t7\n",
        );
        let expected = Status {
            name: "nginx: worker".to_owned(),
            state: 't',
            uids: vec![1, 2, 3, 4],
            pids: vec![500, 7],
            tracer: 99,
        };
        assert_eq!(status, expected);
        assert_eq!((status.own_pid(), status.owner()), (Some(7), Some(2)));
    }

    #[test]
    fn own_status_and_environment() {
        let pid = std::process::id() as i32;
        assert_eq!(status(pid).unwrap().pids.first(), Some(&pid));
        assert_eq!(environment(pid, "PATH"), std::env::var("PATH").ok());
        assert_eq!(environment(pid, "PAT"), None);
        assert_eq!(has_library(pid), Some(false));
    }

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
        let found = manhole_sockets(pid, pid);
        assert!(found.contains(&path), "{found:?}");
        assert!(found.iter().all(|path| !path.ends_with("other.sock")), "{found:?}");
    }
}
