//! The interposed pthread_create: a host that has threads gets ours along.
//!
//! Context: host threads.

use core::ffi::{c_int, c_void};

use super::guarded;
use crate::install;
use crate::sys::next::function as next;

/// pthread_create(3).
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    start: *mut c_void,
    argument: *mut c_void,
) -> c_int {
    guarded("pthread_create", install::host_has_threads);
    // SAFETY: the caller's arguments, passed on as they are.
    unsafe { next::pthread_create(thread, attributes, start, argument) }
}
