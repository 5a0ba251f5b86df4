//! Room for the host's threads and processes where their number is limited (RLIMIT_NPROC, pids.max): ours must not be the one too many.
//!
//! Context: host threads, in signal handlers as well, where the host forks in one.

use core::ffi::c_int;

use super::guarded;
use crate::aside;

/// Runs `act`, and once more if it `was_refused` for want of room and our thread has made some.
pub(super) fn with_room<R>(act: impl Fn() -> R, was_refused: impl Fn(&R) -> bool) -> R {
    let result = act();
    if !was_refused(&result) {
        return result;
    }
    // SAFETY: the calling thread's errno, which is the answer of the call.
    let errno = unsafe { *libc::__errno_location() };
    let mut is_there = false;
    guarded("a call for want of room", || is_there = aside::make_room());
    let result = if is_there { act() } else { result };
    // SAFETY: as above.
    let errno = if is_there { unsafe { *libc::__errno_location() } } else { errno };
    if is_there {
        guarded("a call for want of room", aside::come_back);
    }
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    result
}

/// Whether a call that tells by errno has met a limit. glibc's popen(3) says ENOMEM then.
pub(super) fn by_errno(has_failed: bool) -> bool {
    // SAFETY: the calling thread's errno.
    has_failed && matches!(unsafe { *libc::__errno_location() }, libc::EAGAIN | libc::ENOMEM)
}

/// Whether a call that gives an error number has met a limit.
pub(super) fn by_result(result: &c_int) -> bool {
    *result == libc::EAGAIN
}
