//! The interposed functions that make processes or end them: fork, forkpty, daemon, _Fork, _exit.
//!
//! Context: host threads; fork and `_Fork` and `_exit` in signal handlers as well.

use core::ffi::{c_char, c_int};
use core::sync::atomic::{AtomicBool, Ordering};

use super::{guarded, room};
use crate::sys::signal::{self, Set};
use crate::sys::{next, process};
use crate::{decoding, install, worker};

/// Whether the C library has told this child of its fork. Another library's `fork`, which the host finds before ours, may go on to ours.
static NOTICED: AtomicBool = AtomicBool::new(false);

/// Where the host's fork is not ours, because the library was dlopened or another one comes before it: the C library tells of forks.
pub(super) fn follow_without_interposition() {
    extern "C" fn prepare() {
        decoding::fork_begins();
    }
    extern "C" fn parent() {
        decoding::fork_has_ended();
    }
    extern "C" fn child() {
        decoding::forget();
        guarded("fork", install::notice_fork_and_go_on);
        NOTICED.store(true, Ordering::Release);
    }
    if !next::takes_place_of_fork() {
        // SAFETY: the library stays (-z nodelete), and with it the function.
        let _ = unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    }
}

/// Forks, after which parent and child are told.
fn followed(name: &str, fork: impl Fn() -> libc::pid_t) -> libc::pid_t {
    let mask = worker::masks::host_mask().inspect(|_| worker::note_start());
    NOTICED.store(false, Ordering::Release);
    let fork = || {
        decoding::fork_begins();
        let pid = fork();
        if pid != 0 {
            decoding::fork_has_ended();
        }
        pid
    };
    let pid = room::with_room(fork, |pid| room::by_errno(*pid < 0));
    match pid {
        0 => guarded(name, || born(mask)),
        1.. => guarded(name, || install::child_is_born(pid)),
        _ => {}
    }
    pid
}

/// In a child of a thread that has blocked all signals for us if there is a `mask`, which is the host's.
fn born(mask: Option<Set>) {
    decoding::forget();
    if let Some(mask) = mask {
        signal::exchange_mask(mask);
        worker::masks::note_child();
    }
    if !NOTICED.swap(false, Ordering::AcqRel) {
        install::process_is_forked();
    }
}

/// fork(2): the child gets a manhole of its own.
#[unsafe(no_mangle)]
pub extern "C" fn fork() -> libc::pid_t {
    followed("fork", next::fork)
}

/// `_Fork`(3), the async-signal-safe fork.
#[unsafe(no_mangle)]
pub extern "C" fn _Fork() -> libc::pid_t {
    // SAFETY: no arguments.
    followed("_Fork", || unsafe { next::function::_Fork() })
}

/// forkpty(3): the child gets a manhole of its own.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn forkpty(
    terminal: *mut c_int,
    name: *mut c_char,
    attributes: *const libc::termios,
    size: *const libc::winsize,
) -> libc::pid_t {
    // SAFETY: the caller's arguments, passed on as they are.
    followed("forkpty", || unsafe { next::function::forkpty(terminal, name, attributes, size) })
}

/// daemon(3): it forks inside the C library and goes on in the child, which gets a manhole of its own.
#[unsafe(no_mangle)]
pub extern "C" fn daemon(keep_directory: c_int, keep_descriptors: c_int) -> c_int {
    let (before, mask) = (process::pid(), worker::masks::host_mask());
    NOTICED.store(false, Ordering::Release);
    decoding::fork_begins();
    // This process ends inside the C library, where nobody is told, unless the call fails.
    guarded("daemon", install::socket_goes);
    // SAFETY: numbers only.
    let result = unsafe { next::function::daemon(keep_directory, keep_descriptors) };
    if process::pid() == before {
        decoding::fork_has_ended();
        // SAFETY: the calling thread's errno, which is the answer of the call.
        let errno = unsafe { *libc::__errno_location() };
        guarded("daemon", install::socket_comes_back);
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = errno };
    } else {
        guarded("daemon", || born(mask));
    }
    result
}

/// `_exit`(2): no socket stays behind.
#[unsafe(no_mangle)]
pub extern "C" fn _exit(status: c_int) -> ! {
    guarded("_exit", install::process_leaves);
    next::exit_now(status)
}

/// `_Exit`(3) of the C standard, which is the same.
#[unsafe(no_mangle)]
pub extern "C" fn _Exit(status: c_int) -> ! {
    _exit(status)
}
