//! The functions that we interpose, as the host would have got them without us.
//!
//! Context: host threads. They are looked up with `RTLD_NEXT`, so another preloaded library's wrapper stays in the chain,
//! and in the constructor ([`look_up`]), where nobody can hold the loader's lock: a fork must not wait for it later. Only a
//! host that forks before our constructor has run looks up at the call. glibc's own `__fork` stands in when there is no next.

use core::ffi::{CStr, c_char, c_int};
use core::num::NonZeroUsize;

use once_cell::race::OnceNonZeroUsize;

/// The address of the next definition of `name`, looked up once. The cell takes no lock: two threads may both look.
fn next(cell: &OnceNonZeroUsize, name: &CStr) -> Option<NonZeroUsize> {
    cell.get_or_try_init(|| {
        // SAFETY: a C string; the loader answers with an address or null.
        let address = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
        NonZeroUsize::new(address as usize).ok_or(())
    })
    .ok()
}

static FORK: OnceNonZeroUsize = OnceNonZeroUsize::new();
static FORKPTY: OnceNonZeroUsize = OnceNonZeroUsize::new();
static DAEMON: OnceNonZeroUsize = OnceNonZeroUsize::new();
static MINIMAL_STACK: OnceNonZeroUsize = OnceNonZeroUsize::new();

/// Looks all of them up. Called by the constructor.
pub(crate) fn look_up() {
    next(&FORK, c"fork");
    next(&FORKPTY, c"forkpty");
    next(&DAEMON, c"daemon");
    next(&MINIMAL_STACK, c"__pthread_get_minstack");
}

/// What glibc takes out of a thread's stack for itself, in bytes: the static thread-local storage of all libraries, which may
/// be large. glibc tells by a function made for the JVM, which Rust's std uses as well.
pub(crate) fn minimal_stack() -> usize {
    type Function = unsafe extern "C" fn(*const libc::pthread_attr_t) -> libc::size_t;
    const WITHOUT_ANSWER: usize = 64 * 1024;
    match next(&MINIMAL_STACK, c"__pthread_get_minstack") {
        // SAFETY: glibc's function of this type; it does not look at its argument.
        Some(address) => unsafe { core::mem::transmute::<usize, Function>(address.get())(core::ptr::null()) },
        None => WITHOUT_ANSWER,
    }
}

/// fork(2).
pub(crate) fn fork() -> libc::pid_t {
    type Function = unsafe extern "C" fn() -> libc::pid_t;
    unsafe extern "C" {
        fn __fork() -> libc::pid_t;
    }
    match next(&FORK, c"fork") {
        // SAFETY: the loader's `fork` has this type.
        Some(address) => unsafe { core::mem::transmute::<usize, Function>(address.get())() },
        // SAFETY: glibc's own name of the same function.
        None => unsafe { __fork() },
    }
}

/// forkpty(3).
///
/// # Safety
/// As the C library's.
pub(crate) unsafe fn forkpty(
    terminal: *mut c_int,
    name: *mut c_char,
    attributes: *const libc::termios,
    size: *const libc::winsize,
) -> libc::pid_t {
    type Function =
        unsafe extern "C" fn(*mut c_int, *mut c_char, *const libc::termios, *const libc::winsize) -> libc::pid_t;
    match next(&FORKPTY, c"forkpty") {
        // SAFETY: the loader's `forkpty` has this type; the arguments are the caller's.
        Some(address) => unsafe {
            core::mem::transmute::<usize, Function>(address.get())(terminal, name, attributes, size)
        },
        None => unsupported(),
    }
}

/// daemon(3).
pub(crate) fn daemon(keep_directory: c_int, keep_descriptors: c_int) -> c_int {
    type Function = unsafe extern "C" fn(c_int, c_int) -> c_int;
    match next(&DAEMON, c"daemon") {
        // SAFETY: the loader's `daemon` has this type.
        Some(address) => unsafe {
            core::mem::transmute::<usize, Function>(address.get())(keep_directory, keep_descriptors)
        },
        None => unsupported(),
    }
}

/// The answer where the C library has no such function: as the kernel would answer.
fn unsupported() -> c_int {
    // SAFETY: the calling thread's errno.
    unsafe { *libc::__errno_location() = libc::ENOSYS };
    -1
}
