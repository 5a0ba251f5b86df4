//! The interposed functions that a process of several threads may not call: unshare and setns.
//!
//! Context: host threads.

use core::ffi::c_int;

use super::guarded;
use crate::sys::fd;
use crate::sys::next::function as next;
use crate::{aside, install};

/// Runs `act`, with our thread out of the way when `is_wanted`.
fn alone(is_wanted: bool, act: impl FnOnce() -> c_int) -> c_int {
    let mut was_there = false;
    if is_wanted {
        guarded("unshare", || was_there = aside::stand_aside());
    }
    let result = act();
    if was_there {
        // SAFETY: the calling thread's errno, which is the answer of the call.
        let errno = unsafe { *libc::__errno_location() };
        guarded("unshare", aside::come_back);
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = errno };
    }
    result
}

/// unshare(2): a new user namespace, and what follows from it, is only for processes of one thread. After one of process ids none can begin.
#[unsafe(no_mangle)]
pub extern "C" fn unshare(flags: c_int) -> c_int {
    let single = libc::CLONE_NEWUSER | libc::CLONE_THREAD | libc::CLONE_SIGHAND | libc::CLONE_VM;
    if flags & single == 0 && flags & libc::CLONE_NEWPID != 0 {
        guarded("unshare", install::no_thread_can_begin);
    }
    // SAFETY: numbers.
    alone(flags & single != 0, || unsafe { next::unshare(flags) })
}

/// setns(2): a user namespace is only for processes of one thread, a mount namespace for those that share their root with no one.
/// After one of process ids no thread can begin.
#[unsafe(no_mangle)]
pub extern "C" fn setns(number: c_int, kind: c_int) -> c_int {
    // By a descriptor of a process several at once; the first of these two needs a process of one thread.
    let is_of_pids = kind & libc::CLONE_NEWPID != 0 && kind & (libc::CLONE_NEWUSER | libc::CLONE_NEWNS) == 0;
    if is_of_pids || (kind == 0 && fd::namespace_of(number) == Ok(libc::CLONE_NEWPID)) {
        guarded("setns", install::no_thread_can_begin);
        // SAFETY: numbers.
        return unsafe { next::setns(number, kind) };
    }
    // SAFETY: numbers.
    alone(true, || unsafe { next::setns(number, kind) })
}
