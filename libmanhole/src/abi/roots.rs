//! The interposed functions by which a host goes to another root: chroot, and pivot_root by its number.
//!
//! Context: host threads, signal handlers included: at most 400 ms are waited.

use core::ffi::{c_char, c_int, c_long};

use super::guarded;
use crate::rooted;
use crate::sys::next::{self as sys_next, function as next};

/// chroot(2).
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chroot(path: *const c_char) -> c_int {
    // SAFETY: the caller's argument, passed on as it is.
    moving(|| unsafe { next::chroot(path) })
}

/// Makes the call that changes the root.
fn moving<R>(change: impl FnOnce() -> R) -> R {
    guarded("chroot", rooted::root_will_change);
    let result = change();
    // A child that shares this memory may have no thread-local storage, and so no errno (clone(2) with CLONE_VM and CLONE_SETTLS).
    if rooted::is_concern_of_ours() {
        // SAFETY: the calling thread's errno, which is the answer of the call.
        let errno = unsafe { *libc::__errno_location() };
        guarded("chroot", rooted::root_has_changed);
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = errno };
    }
    result
}

/// syscall(2) of `chroot` or `pivot_root`.
pub(super) extern "C" fn by_number(number: c_long, a: usize, b: usize) -> c_long {
    // SAFETY: the caller's arguments; these calls have no more.
    moving(|| unsafe { sys_next::syscall_with(number, [a, b, 0, 0, 0]) })
}
