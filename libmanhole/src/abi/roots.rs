//! The interposed functions by which a host goes to another root: chroot, and pivot_root by its number.
//!
//! Context: host threads, signal handlers included: at most 200 ms are waited.

use core::ffi::{c_char, c_int, c_long};

use super::guarded;
use crate::install;
use crate::sys::next::{self as sys_next, function as next};

/// chroot(2).
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chroot(path: *const c_char) -> c_int {
    guarded("chroot", install::root_will_change);
    // SAFETY: the caller's argument, passed on as it is.
    unsafe { next::chroot(path) }
}

/// syscall(2) of `chroot` or `pivot_root`.
pub(super) extern "C" fn by_number(number: c_long, a: usize, b: usize) -> c_long {
    guarded("chroot", install::root_will_change);
    // SAFETY: the caller's arguments; these calls have no more.
    unsafe { sys_next::syscall_with(number, [a, b, 0, 0, 0]) }
}
