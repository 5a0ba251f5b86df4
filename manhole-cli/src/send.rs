//! Sends signals by number: to a process, and to one of its threads.
//!
//! Runs in the client. The one file of the client with unsafe code: nix knows no real-time signals and no `tgkill`.
//! Nothing else belongs here.
#![allow(unsafe_code)]

use std::io;

/// Sends signal `number` to process `pid`; 0 only asks whether one could be sent.
///
/// # Errors
/// As kill(2): no such process, not permitted, no such signal.
pub(crate) fn to_process(pid: i32, number: i32) -> io::Result<()> {
    // SAFETY: kill(2) takes two integers and touches no memory of ours; pid is positive, so no group is meant.
    let result = unsafe { libc::kill(pid.max(1), number) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Sends signal `number` to thread `tid` of process `pid`.
///
/// # Errors
/// As tgkill(2).
pub(crate) fn to_thread(pid: i32, tid: i32, number: i32) -> io::Result<()> {
    // SAFETY: tgkill(2) takes three integers and touches no memory of ours; the C library has had no wrapper for it before 2.30.
    let result = unsafe { libc::syscall(libc::SYS_tgkill, pid, tid, number) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Whether a process with this pid exists (a zombie does).
pub(crate) fn exists(pid: i32) -> bool {
    match to_process(pid, 0) {
        Ok(()) => true,
        Err(error) => error.raw_os_error() != Some(libc::ESRCH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn existence_of_processes() {
        assert!(exists(std::process::id() as i32));
        // Above the kernel's PID_MAX_LIMIT of 2^22.
        assert!(!exists(i32::MAX - 1));
    }

    #[test]
    fn a_missing_thread_is_an_error() {
        let error = to_thread(std::process::id() as i32, i32::MAX - 1, 0).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ESRCH));
    }
}
