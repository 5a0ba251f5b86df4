//! The interposed functions by which a host filters its system calls (seccomp(2)): the manhole goes first where the filter does not spare
//! what it does.
//!
//! Context: host threads; `prctl` and `syscall` anywhere, signal handlers included.

use core::ffi::{c_int, c_long, c_ulong};

use super::guarded;
use crate::install;
use crate::sys::next::{self as sys_next, function as next};
use crate::sys::sock_fprog;

/// Calls `filter`, with the manhole out of the way of the program that the structure at `program` describes; 0 is the strict mode. Where there is
/// no manhole no call is made: a filter that is there already may kill for it.
fn filtering<R>(program: usize, has_failed: impl FnOnce(&R) -> bool, filter: impl FnOnce() -> R) -> R {
    let mut gone = None;
    guarded("seccomp", || {
        if !install::may_leave_for_filter() {
            return;
        }
        gone = match (program, sock_fprog::copied(program)) {
            (0, _) => install::leave_for_filter(None),
            (_, Some(program)) => install::leave_for_filter(Some(&program)),
            // The kernel cannot read it either.
            (_, None) => None,
        };
    });
    let result = filter();
    if has_failed(&result)
        && let Some(gone) = gone
    {
        // SAFETY: the calling thread's errno, which is the answer of the call.
        let errno = unsafe { *libc::__errno_location() };
        guarded("seccomp", || install::come_back_from_filter(gone));
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = errno };
    }
    result
}

/// prctl(2).
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn prctl(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int {
    // SAFETY: the caller's arguments; the C library hands on as many.
    let act = || unsafe { next::prctl(option, a, b, c, d) };
    match (option, a as u32) {
        (libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_STRICT) => filtering(0, |result| *result != 0, act),
        (libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER) if b != 0 => {
            filtering(b as usize, |result| *result != 0, act)
        }
        _ => act(),
    }
}

/// syscall(2) of `prctl` or `seccomp`, which has no function of its own in the C library.
pub(super) extern "C" fn by_number(number: c_long, a: usize, b: usize, c: usize, d: usize, e: usize) -> c_long {
    // SAFETY: the caller's arguments; these calls have no more.
    let act = || unsafe { sys_next::syscall_with(number, [a, b, c, d, e]) };
    let (operation, strict, filter, program) = match number {
        libc::SYS_seccomp => (a as u32, libc::SECCOMP_SET_MODE_STRICT, libc::SECCOMP_SET_MODE_FILTER, c),
        _ if a as c_int == libc::PR_SET_SECCOMP => (b as u32, libc::SECCOMP_MODE_STRICT, libc::SECCOMP_MODE_FILTER, c),
        _ => return act(),
    };
    // A filter for all threads that one of them cannot have is answered by that one's id; one with a listener by a descriptor (seccomp(2)).
    let has_listener = number == libc::SYS_seccomp && b & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER as usize != 0;
    let has_failed = |result: &c_long| *result < 0 || (*result > 0 && !has_listener);
    if operation == strict {
        filtering(0, has_failed, act)
    } else if operation == filter && program != 0 {
        filtering(program, has_failed, act)
    } else {
        act()
    }
}
