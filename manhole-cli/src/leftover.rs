//! Socket files that nobody will ever answer at: their process is dead, and its pid perhaps another one's by now.
//!
//! Runs in the client for a socket that has just refused a connection. It removes a file only when it is the user's own,
//! and refuses once more; else it leaves everything as it is.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::errno::Errno;

use crate::{connect, process};

/// A process counts as younger than a file only by more than this: the kernel rounds the times of both.
const ROUNDING: Duration = Duration::from_secs(1);
/// A socket refuses between bind(2) and listen(2) as well; no manhole needs so long from one to the other.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Removes the socket at `path`, which has refused a connection and bears the number of process `pid`, when that process
/// cannot have made it. The text says what was done, or why it failed; nothing when the file may still have an owner.
pub(crate) fn remove(path: &Path, pid: i32) -> Option<String> {
    let file = fs::symlink_metadata(path).ok()?;
    let is_ours = file.file_type().is_socket() && file.uid() == nix::unistd::geteuid().as_raw();
    let own_pid = process::status(pid).and_then(|status| status.own_pid()).unwrap_or(pid);
    if !is_ours || !bears_number(path, &[pid, own_pid]) {
        return None;
    }
    let reason = if !process::exists(pid) {
        format!("process {pid} is gone")
    } else if is_older(&file, pid) {
        format!("its process is gone, and process {pid} has begun since")
    } else {
        return None;
    };
    std::thread::sleep(BETWEEN_LOOKS);
    let refuses_still = matches!(connect::attempt(path, connect::Introduction::Probe), Err(Errno::ECONNREFUSED));
    let is_the_same = fs::symlink_metadata(path).is_ok_and(|now| (now.dev(), now.ino()) == (file.dev(), file.ino()));
    if !refuses_still || !is_the_same {
        return None;
    }
    Some(match fs::remove_file(path) {
        Ok(()) => format!("removed {}: {reason}", path.display()),
        Err(error) => format!("cannot remove {}, a leftover ({reason}): {}", path.display(), connect::describe(&error)),
    })
}

/// Whether the socket was there before the process that has this pid now. A clock that was set forward meanwhile makes
/// every file look old, so this is never enough by itself.
pub(crate) fn is_older_than(path: &Path, pid: i32) -> bool {
    fs::metadata(path).is_ok_and(|file| is_older(&file, pid))
}

fn is_older(file: &Metadata, pid: i32) -> bool {
    // The later of the two: renaming and changing the mode leave both, and touching the file only makes it younger.
    let made = file.modified().ok().max(file.created().ok());
    match (made, process::started(pid)) {
        (Some(made), Some(started)) => precedes(made, started),
        _ => false,
    }
}

fn precedes(made: SystemTime, started: SystemTime) -> bool {
    started.duration_since(made).is_ok_and(|between| between > ROUNDING)
}

/// Only `manhole-PID` names its process; a path without a number may be anybody's.
fn bears_number(path: &Path, numbers: &[i32]) -> bool {
    let digits = path.file_name().and_then(|name| name.to_str()?.strip_prefix("manhole-"));
    digits.is_some_and(|digits| numbers.iter().any(|number| number.to_string() == digits))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    const NOBODY: i32 = i32::MAX - 1;

    #[test]
    fn what_is_gone_is_removed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let stale = directory.path().join(format!("manhole-{NOBODY}"));
        drop(UnixListener::bind(&stale).unwrap());
        assert_eq!(remove(&stale, 5), None, "another number");
        // Another test's child may hold the listener between its fork and its exec.
        let end = std::time::Instant::now() + Duration::from_secs(10);
        let said = loop {
            if let Some(said) = remove(&stale, NOBODY) {
                break said;
            }
            assert!(std::time::Instant::now() < end);
        };
        assert!(said.ends_with(&format!("process {NOBODY} is gone")) && !stale.exists(), "{said}");

        let file = directory.path().join(format!("manhole-{NOBODY}"));
        fs::write(&file, "").unwrap();
        assert_eq!(remove(&file, NOBODY), None, "no socket");
        let own = directory.path().join(format!("manhole-{}", std::process::id()));
        drop(UnixListener::bind(&own).unwrap());
        assert_eq!(remove(&own, std::process::id() as i32), None, "its process lives");
        let listening = directory.path().join(format!("manhole-{}", NOBODY - 1));
        let _listener = UnixListener::bind(&listening).unwrap();
        assert_eq!(remove(&listening, NOBODY - 1), None, "somebody answers");
        assert!(file.exists() && own.exists() && listening.exists());
    }

    #[test]
    fn rounding_is_no_age() {
        let made = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (milliseconds, expected) in [(0, false), (900, false), (1_100, true), (1_000_000, true)] {
            let started = made + Duration::from_millis(milliseconds);
            assert_eq!(precedes(made, started), expected, "{milliseconds}");
        }
        assert!(!precedes(made, made - Duration::from_secs(5)));
    }
}
