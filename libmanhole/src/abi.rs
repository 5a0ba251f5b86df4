//! All that the loader and C see: the constructor, the destructor, and the interposed functions.
//!
//! Context: host threads. No panic leaves this file: each entry catches it, logs it, and does what the host asked for.
//! The constructor runs before `main`, single-threaded as a rule; the destructor inside `exit`; the interposed functions
//! on any thread. Nothing here waits, but the destructor where `daemon_connection=False` asks for it.
#![allow(unsafe_code)]
#![allow(unreachable_pub, reason = "the loader sees them")]
#![cfg(not(test))]

use core::ffi::{c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::sys::{next, process};
use crate::{arena, children, install, log, state};

#[global_allocator]
static ALLOCATOR: arena::Arena = arena::Arena;

#[ctor::ctor(unsafe)]
fn load() {
    guarded("the constructor", || {
        std::panic::set_hook(Box::new(log::panic));
        // A program with privileges that its caller lacks takes nothing from its caller's environment.
        if process::secure() {
            return;
        }
        next::look_up();
        let variables = children::Environment::of_process();
        install::install(variables.get(manhole_options::OPTIONS_VARIABLE));
        if !state::settings().children {
            variables.restore_preload();
        }
    });
}

/// Runs after the host's own `atexit` handlers, with the destructors of shared objects.
extern "C" fn unload() {
    guarded("the destructor", install::process_exits);
}

#[used]
#[unsafe(link_section = ".fini_array")]
static UNLOAD: extern "C" fn() = unload;

/// fork(2): the child gets a manhole of its own.
#[unsafe(no_mangle)]
pub extern "C" fn fork() -> libc::pid_t {
    let pid = next::fork();
    if pid == 0 {
        guarded("fork", install::process_is_forked);
    }
    pid
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
    let pid = unsafe { next::forkpty(terminal, name, attributes, size) };
    if pid == 0 {
        guarded("forkpty", install::process_is_forked);
    }
    pid
}

/// daemon(3): it forks inside the C library and goes on in the child, which gets a manhole of its own.
#[unsafe(no_mangle)]
pub extern "C" fn daemon(keep_directory: c_int, keep_descriptors: c_int) -> c_int {
    let before = process::pid();
    let result = next::daemon(keep_directory, keep_descriptors);
    if process::pid() != before {
        guarded("daemon", install::process_is_forked);
    }
    result
}

/// Runs `act`; a panic becomes a log line.
fn guarded(place: &str, act: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(act)).is_err() {
        log::problem(format_args!("internal error in {place}: the manhole is off"));
        state::turn_off();
    }
}
