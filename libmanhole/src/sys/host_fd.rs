//! The host's descriptors, from the agent's thread, whose own table has none of them.
//!
//! Context: agent threads. A copy exists for as long as a write takes, so the host's pipes end when the host says.

use super::fd::{self, Fd};
use super::{Result, call, directory, process};

/// A short-lived copy of descriptor `number` of the host's table.
///
/// Opening the link below `/proc` does for files, pipes and terminals. pidfd_getfd(2) copies sockets too, but a filter for
/// system calls may kill for it, so it is left alone where there is one.
pub(crate) fn borrow(number: i32) -> Result<Fd> {
    let mut path = crate::text::Text::<64>::new();
    path.push_fmt(format_args!("/proc/self/task/{}/fd/{number}", host_task()));
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_NONBLOCK;
    Fd::open(path.as_c_str(), flags).or_else(|error| if is_filtered() { Err(error) } else { copy_by_pidfd(number) })
}

/// Whether this thread's system calls are filtered (`Seccomp` in proc_pid_status(5)).
fn is_filtered() -> bool {
    let status = fd::read_file(c"/proc/thread-self/status", 8192).unwrap_or_default();
    !String::from_utf8_lossy(&status)
        .lines()
        .any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == "0"))
}

fn copy_by_pidfd(number: i32) -> Result<Fd> {
    // SAFETY: numbers only; the kernel gives a new descriptor.
    let pidfd = Fd::from_kernel(unsafe { call(libc::SYS_pidfd_open, [process::pid() as usize, 0]) }?);
    // SAFETY: as above.
    let copy = unsafe { call(libc::SYS_pidfd_getfd, [pidfd.number() as usize, number as usize, 0]) }?;
    Ok(Fd::from_kernel(copy))
}

/// A thread whose descriptor table is the host's: the leader, or when that has ended another one that is not ours.
pub(crate) fn host_task() -> i32 {
    let leader = process::pid();
    let own = process::tid();
    let alive = |tid: i32| {
        let mut path = crate::text::Text::<64>::new();
        path.push_fmt(format_args!("/proc/self/task/{tid}/fd"));
        directory::numbers(path.as_c_str()).is_ok_and(|fds| !fds.is_empty())
    };
    if alive(leader) {
        return leader;
    }
    let others = directory::numbers(c"/proc/self/task").unwrap_or_default();
    others.into_iter().find(|&tid| tid != own && alive(tid)).unwrap_or(leader)
}
