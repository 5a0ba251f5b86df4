//! The host's descriptors, from the agent's thread, whose own table has none of them.
//!
//! Context: agent threads. Nothing is allocated: the log comes here where there is no memory. A copy exists for as long as a write takes, so
//! the host's pipes end when the host says.

use core::ffi::CStr;

use super::fd::{self, Fd};
use super::signal::Set;
use super::{Result, call, directory, process, thread};

/// A short-lived copy of descriptor `number` of the host's table.
///
/// Opening the link below `/proc` does for pipes and terminals. For a regular file it would give an offset of its own, and the
/// host's next write would land on ours: pidfd_getfd(2) copies the descriptor, sockets too. A filter for system calls may
/// kill for it, so it is left alone where there is one.
pub(crate) fn borrow(number: i32) -> Result<Fd> {
    let mut path = crate::text::Text::<64>::new();
    path.push_fmt(format_args!("/proc/self/task/{}/fd/{number}", host_task()));
    let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_NONBLOCK;
    let is_file = fd::stat_target(path.as_c_str()).is_ok_and(|stat| stat.is_regular());
    if is_file
        && !is_filtered()
        && let Ok(copy) = copy_by_pidfd(number)
    {
        return Ok(copy);
    }
    Fd::open(path.as_c_str(), flags).or_else(|error| if is_filtered() { Err(error) } else { copy_by_pidfd(number) })
}

/// Whether this thread's system calls are filtered (`Seccomp` in proc_pid_status(5)).
fn is_filtered() -> bool {
    field(c"/proc/thread-self/status", "Seccomp:", |mode| Some(mode == "0")) != Some(true)
}

/// What `read` makes of a field of a file in the form of proc_pid_status(5).
fn field<T>(path: &CStr, name: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
    let mut buffer = [0; 8192];
    let status = fd::read_into(path, &mut buffer).ok()?;
    let mut lines = status.split(|&byte| byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(name.as_bytes()))?;
    read(core::str::from_utf8(value).ok()?.trim())
}

/// A copy that shares everything with the host's descriptor `number`, its place in the file included. An error where system
/// calls are filtered.
pub(crate) fn share(number: i32) -> Result<Fd> {
    if is_filtered() { Err(super::Errno(libc::EPERM)) } else { copy_by_pidfd(number) }
}

/// Another descriptor for what stands behind descriptor `number` of thread `tid`'s table.
pub(crate) fn open_of(tid: i32, number: i32, flags: i32) -> Result<Fd> {
    let mut path = crate::text::Text::<64>::new();
    path.push_fmt(format_args!("/proc/self/task/{tid}/fd/{number}"));
    Fd::open(path.as_c_str(), flags)
}

/// A copy of descriptor `number` of thread `tid`'s table (Linux 6.9 where that is not the leader's).
pub(crate) fn share_of(tid: i32, number: i32) -> Result<Fd> {
    const PIDFD_THREAD: usize = libc::O_EXCL as usize;
    let flags = if tid == process::pid() { 0 } else { PIDFD_THREAD };
    // SAFETY: numbers only; the kernel gives a new descriptor.
    let pidfd = Fd::from_kernel(unsafe { call(libc::SYS_pidfd_open, [tid as usize, flags]) }?);
    // SAFETY: as above.
    let copy = unsafe { call(libc::SYS_pidfd_getfd, [pidfd.number() as usize, number as usize, 0]) }?;
    Ok(Fd::from_kernel(copy))
}

/// Opens what stands behind the host's descriptor `number` once more: a pipe or a device, which has no place in it.
pub(crate) fn reopen(number: i32, flags: i32) -> Result<Fd> {
    open_of(host_task(), number, flags)
}

fn copy_by_pidfd(number: i32) -> Result<Fd> {
    share_of(host_task(), number)
}

/// A thread whose descriptor table is the host's: the leader, or when that has ended another one that is not ours.
pub(crate) fn host_task() -> i32 {
    task_that(has_not_ended).unwrap_or_else(process::pid)
}

/// The thread of the host that the kernel would give `signal` to: the leader, or one that does not block it, but none that `is_ours`.
/// Where all block it, it waits at one that has not ended.
pub(crate) fn who_takes(signal: i32, is_ours: impl Fn(i32) -> bool) -> i32 {
    let takes = |tid: i32| !is_ours(tid) && has_not_ended(tid) && !blocked_by(tid).contains(signal);
    task_that(takes).or_else(|| task_that(|tid| !is_ours(tid) && has_not_ended(tid))).unwrap_or_else(process::pid)
}

/// The leader, or another thread that is neither the calling one nor the hand, if `fits` says so.
fn task_that(fits: impl Fn(i32) -> bool) -> Option<i32> {
    let leader = process::pid();
    if fits(leader) {
        return Some(leader);
    }
    let own = process::tid();
    let other = |tid: &i32| *tid != own && *tid != thread::hand() && fits(*tid);
    directory::find(c"/proc/self/task", |name| directory::number(name).filter(other)).ok().flatten()
}

/// Whether a thread still has descriptors.
fn has_not_ended(tid: i32) -> bool {
    let mut path = crate::text::Text::<64>::new();
    path.push_fmt(format_args!("/proc/self/task/{tid}/fd"));
    directory::find(path.as_c_str(), |_| Some(())) == Ok(Some(()))
}

/// Device and inode of what descriptor `number` of the host's table stands for.
pub(crate) fn identity(number: i32) -> Option<(u64, u64)> {
    let mut path = crate::text::Text::<64>::new();
    path.push_fmt(format_args!("/proc/self/task/{}/fd/{number}", host_task()));
    fd::stat_target(path.as_c_str()).ok().map(|stat| stat.identity)
}

/// The signals that the main thread blocks.
pub(crate) fn blocked_by_host() -> Set {
    blocked_by(host_task())
}

/// The signals that a thread blocks (`SigBlk` in proc_pid_status(5)).
fn blocked_by(tid: i32) -> Set {
    let mut path = crate::text::Text::<64>::new();
    path.push_fmt(format_args!("/proc/self/task/{tid}/status"));
    let set = |text: &str| u64::from_str_radix(text, 16).ok();
    field(path.as_c_str(), "SigBlk:", set).map_or(Set::ALL, Set)
}

/// With what the process's first thread has ended, which the kernel keeps (`exit_code` in proc_pid_stat(5)); 0 while it has not.
pub(crate) fn exit_code_of_leader() -> i32 {
    let mut path = crate::text::Text::<64>::new();
    path.push_fmt(format_args!("/proc/self/task/{}/stat", process::pid()));
    let mut buffer = [0; 1024];
    let stat = fd::read_into(path.as_c_str(), &mut buffer).unwrap_or_default();
    let last = stat.trim_ascii_end().rsplit(|&byte| byte == b' ').next();
    let status = last.and_then(|text| core::str::from_utf8(text).ok()?.parse::<i32>().ok());
    status.map_or(0, |status| libc::WEXITSTATUS(status))
}

/// Whether a thread of the host has not ended. What cannot be read says nothing: then one has not.
///
/// The first thread stays as a zombie until the last one has ended, the others are gone when they end. So once the first one has ended, the kernel's
/// count tells, in one look, whatever threads make others and end meanwhile; going through a list would miss those.
pub(crate) fn has_living_thread() -> bool {
    let mut path = crate::text::Text::<64>::new();
    path.push_fmt(format_args!("/proc/self/task/{}/stat", process::pid()));
    let mut buffer = [0; 1024];
    let stat = fd::read_into(path.as_c_str(), &mut buffer).unwrap_or_default();
    // The state stands behind the name, which is in parentheses and may hold some itself (proc_pid_stat(5)).
    let state = stat.iter().rposition(|&byte| byte == b')').and_then(|end| stat.get(end + 2));
    if !matches!(state, Some(b'Z' | b'X')) {
        return true;
    }
    // The directory and its parent have two names, each thread's directory one more.
    const NO_THREADS: u64 = 2;
    let Ok(task) = fd::stat_target(c"/proc/self/task") else { return true };
    // The calling thread and the first one; ours that lends its hand is counted if it is there after the look.
    let hand = thread::hand();
    let known = 2 + u64::from(hand != 0 && process::has_thread(hand));
    task.links != NO_THREADS + known
}
