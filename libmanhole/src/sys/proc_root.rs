//! The file system of proc(5) for a process whose root has none: a descriptor for it, in whose place the agent's thread looks for `/proc`.
//!
//! Context: the agent's thread, whose table the descriptor is in; the other threads' paths stay what they are.

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use core::time::Duration;

use super::fd::{self, Fd};
use super::{Errno, Result, call, directory, lock, process};

/// The descriptor, and whose table it is in: the kernel's id of a thread.
static NUMBER: AtomicI32 = AtomicI32::new(-1);
static OWNER: AtomicI32 = AtomicI32::new(0);

/// What that thread has done last of what host threads wait for.
static DONE: AtomicU32 = AtomicU32::new(0);

/// What [`is_of_others`] says.
static IS_OF_OTHERS: AtomicBool = AtomicBool::new(false);

/// It has one open.
pub(crate) const KEPT: u32 = 1;
/// It has looked whether it needs one.
pub(crate) const LOOKED: u32 = 2;

/// What the flags of mount_setattr(2) call them (linux/mount.h).
const MOUNT_ATTR_RDONLY: usize = 1;
const MOUNT_ATTR_NOSUID: usize = 2;
const MOUNT_ATTR_NODEV: usize = 4;
const MOUNT_ATTR_NOEXEC: usize = 8;

/// A file system of the kind that is mounted nowhere: who may mount anything may have one (fsopen(2), Linux 5.2). Not where system calls are
/// filtered: a filter may kill for these.
fn mount_nowhere() -> Result<Fd> {
    if process::has_filters() {
        return Err(Errno(libc::EPERM));
    }
    const FSCONFIG_CMD_CREATE: usize = 6;
    const CLOEXEC: usize = 1;
    let attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    // SAFETY: a C string; the kernel gives a new descriptor.
    let context = unsafe { call(libc::SYS_fsopen, [c"proc".as_ptr() as usize, CLOEXEC]) }.map(Fd::from_kernel)?;
    // SAFETY: numbers, and the null pointers that this command wants.
    unsafe { call(libc::SYS_fsconfig, [context.number() as usize, FSCONFIG_CMD_CREATE, 0, 0, 0]) }?;
    // SAFETY: numbers; the kernel gives a new descriptor.
    unsafe { call(libc::SYS_fsmount, [context.number() as usize, CLOEXEC, attributes]) }.map(Fd::from_kernel)
}

/// The id that this process has in `/proc`; `None` where there is no such file system. Where a process was put into a namespace of process ids and
/// left with the `/proc` of another one (pid_namespaces(7)), it is another than its own, and so are all ids there.
fn whose() -> Option<i32> {
    directory::number(fd::read_link(c"/proc/self", &mut [0; 16]).ok()?)
}

/// What has no files: better none than those that ids of another namespace name.
fn nothing() -> Result<Fd> {
    Fd::open(c"/proc/self/stat", libc::O_PATH)
}

/// For the thread that [`look`] is about: keeps it from now on, as the root may not have it any more.
pub(crate) fn keep() {
    if NUMBER.load(Ordering::Acquire) < 0 && whose() == Some(process::pid()) {
        let found = Fd::open(c"/proc", libc::O_PATH | libc::O_DIRECTORY);
        NUMBER.store(found.map_or(-1, Fd::into_number), Ordering::Release);
    }
    tell(KEPT);
}

/// Lets host threads know.
pub(crate) fn tell(done: u32) {
    DONE.store(done, Ordering::SeqCst);
    lock::wake(&DONE, u32::MAX >> 1);
}

/// On a host thread that has asked for it: waits until it is done, at most `limit`.
pub(crate) fn wait_for(done: u32, limit: Duration) {
    let start = process::monotonic();
    loop {
        let last = DONE.load(Ordering::SeqCst);
        let left = limit.saturating_sub(process::monotonic().saturating_sub(start));
        if last == done || left.is_zero() {
            return;
        }
        lock::wait(&DONE, last, Some(left));
    }
}

/// For the calling thread, which has a table of its own: looks there from now on, where the root has none, or that of another namespace of process ids;
/// in what it has kept, or else in one of its own. Where there is only the other namespace's, nothing is found.
pub(crate) fn look() {
    let kept = (OWNER.swap(process::tid(), Ordering::AcqRel) == process::tid())
        .then(|| NUMBER.swap(-1, Ordering::AcqRel))
        .filter(|&number| number >= 0)
        .map(Fd::adopt);
    NUMBER.store(-1, Ordering::Release);
    let own = whose();
    let found = match own {
        Some(own) if own == process::pid() => None,
        _ => kept.or_else(|| mount_nowhere().ok()),
    };
    IS_OF_OTHERS.store(found.is_none() && own.is_some_and(|own| own != process::pid()), Ordering::Release);
    let found = found.or_else(|| is_of_others().then(nothing)?.ok());
    NUMBER.store(found.map_or(-1, Fd::into_number), Ordering::Release);
}

/// Whether there is no other `/proc` than that of another namespace of process ids.
pub(crate) fn is_of_others() -> bool {
    IS_OF_OTHERS.load(Ordering::Acquire)
}

/// The descriptor of the calling thread's, if it has one.
pub(crate) fn number() -> Option<i32> {
    let number = NUMBER.load(Ordering::Acquire);
    (number >= 0 && OWNER.load(Ordering::Acquire) == process::tid()).then_some(number)
}

/// Where the calling thread looks for `path`: a directory's descriptor, and the path from there.
pub(super) fn place_of(path: &CStr) -> (i32, &CStr) {
    const PREFIX: &[u8] = b"/proc/";
    if path.to_bytes().starts_with(PREFIX)
        && let Some(number) = number()
        && let Some(rest) = path.to_bytes_with_nul().get(PREFIX.len()..)
        && let Ok(rest) = CStr::from_bytes_with_nul(rest)
    {
        return (number, rest);
    }
    (libc::AT_FDCWD, path)
}

/// In a freshly forked child, which has no thread of ours.
pub(crate) fn forget() {
    NUMBER.store(-1, Ordering::Release);
    OWNER.store(0, Ordering::Release);
    DONE.store(0, Ordering::SeqCst);
}
