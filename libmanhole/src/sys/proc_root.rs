//! The file system of proc(5) for a process whose root has none: a descriptor for it, in whose place the agent's thread looks for `/proc`.
//!
//! Context: the agent's thread, whose table the descriptor is in; the other threads' paths stay what they are.

use core::ffi::CStr;
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use core::time::Duration;

use super::fd::Fd;
use super::{Errno, Result, call, lock, process};

/// The descriptor, and whose table it is in: the kernel's id of a thread.
static NUMBER: AtomicI32 = AtomicI32::new(-1);
static OWNER: AtomicI32 = AtomicI32::new(0);

/// 1 when that thread has been asked to keep one.
static KEPT: AtomicU32 = AtomicU32::new(0);

/// What the flags of mount_setattr(2) call them (linux/mount.h).
const MOUNT_ATTR_RDONLY: usize = 1;
const MOUNT_ATTR_NOSUID: usize = 2;
const MOUNT_ATTR_NODEV: usize = 4;
const MOUNT_ATTR_NOEXEC: usize = 8;

/// Opens it where the root has it, for later.
pub(crate) fn open() -> Result<Fd> {
    Fd::open(c"/proc", libc::O_PATH | libc::O_DIRECTORY)
}

/// A file system of the kind that is mounted nowhere: who may mount anything may have one (fsopen(2), Linux 5.2). Not where system calls are
/// filtered: a filter may kill for these.
fn mount_nowhere() -> Result<Fd> {
    // SAFETY: numbers only.
    if unsafe { call(libc::SYS_prctl, [libc::PR_GET_SECCOMP as usize, 0, 0, 0, 0]) }? != 0 {
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

/// For the thread that [`look_in`] is about: keeps it from now on, as the root will not have it any more.
pub(crate) fn keep() {
    if NUMBER.load(Ordering::Acquire) < 0 {
        NUMBER.store(open().map_or(-1, Fd::into_number), Ordering::Release);
    }
    KEPT.store(1, Ordering::SeqCst);
    lock::wake(&KEPT, u32::MAX >> 1);
}

/// On a host thread that has asked for [`keep`]: waits for that, at most `limit`.
pub(crate) fn wait_until_open(limit: Duration) {
    let start = process::monotonic();
    while KEPT.load(Ordering::SeqCst) == 0 {
        let left = limit.saturating_sub(process::monotonic().saturating_sub(start));
        if left.is_zero() {
            return;
        }
        lock::wait(&KEPT, 0, Some(left));
    }
}

/// For the calling thread, which has a table of its own: looks there from now on, where the root has none. `kept` is what was opened before.
pub(crate) fn look_in(kept: Option<Fd>) {
    let is_there = || super::fd::stat_target(c"/proc/self/task").is_ok();
    let found = match kept {
        Some(fd) => Some(fd),
        None if is_there() => None,
        None => mount_nowhere().ok(),
    };
    KEPT.store(u32::from(found.is_some()), Ordering::SeqCst);
    OWNER.store(process::tid(), Ordering::Release);
    NUMBER.store(found.map_or(-1, Fd::into_number), Ordering::Release);
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
    KEPT.store(0, Ordering::SeqCst);
}
