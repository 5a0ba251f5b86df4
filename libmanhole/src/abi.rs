//! All that the loader and C see: the constructor, the destructor, and the interposed functions.
//!
//! Context: host threads. No panic leaves this room: each entry catches it, logs it, and does what the host asked for.
//! The constructor runs before `main`, single-threaded as a rule; the destructor inside `exit`; the interposed functions
//! on any thread. Nothing here waits, but the destructor where `daemon_connection=False` asks for it.
#![allow(unsafe_code)]
#![allow(unreachable_pub, reason = "the loader sees them")]
#![cfg(not(any(test, fuzzing)))]

mod births;
mod credentials;
mod descriptors;
mod filters;
mod forks;
mod interface;
mod namespaces;
mod preload;
mod programs;
mod room;
mod roots;
mod signals;
mod threads;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::sys::{arch, at_start, next, own_image, process};
use crate::{arena, children, install, log, state, wake};

#[global_allocator]
static ALLOCATOR: arena::Arena = arena::Arena;

#[ctor::ctor(unsafe, priority = early)]
#[cold]
fn load() {
    guarded("the constructor", || {
        next::look_up();
        std::panic::set_hook(Box::new(panicked));
        forks::follow_without_interposition();
        // A program with privileges that its caller lacks takes nothing from its caller's environment.
        if process::secure() {
            return;
        }
        let variables = children::Environment::of_process();
        let options = variables.get(at_start::OPTIONS);
        // Linked or dlopened, the library opens nothing that nobody has asked for.
        if options.is_some() || preload::is_preloaded(&variables) {
            install::install_from_environment(options, variables.get(at_start::PYTHON_OPTIONS));
        }
        if !state::settings().children {
            variables.restore_preload();
        }
        own_image::let_pages_go();
    });
}

// What the C compiler's start files define, which are left out (build.rs): by it the C library knows whose a handler is.
core::arch::global_asm!(
    ".pushsection .data.rel.ro.manhole_dso_handle, \"aw\", @progbits",
    ".p2align 3",
    ".hidden __dso_handle",
    ".globl __dso_handle",
    ".type __dso_handle, @object",
    "__dso_handle:",
    ".quad __dso_handle",
    ".size __dso_handle, 8",
    ".popsection",
);

/// The panic hook. The agent's thread, of which glibc and the unwinder know nothing, ends its work here.
fn panicked(info: &std::panic::PanicHookInfo<'_>) {
    log::panic(info);
    if state::on_agent_thread() {
        log::problem(format_args!("the manhole is off"));
        wake::stop();
    }
}

/// Runs after the host's own `atexit` handlers, with the destructors of shared objects.
#[cold]
extern "C" fn unload() {
    guarded("the destructor", install::process_exits);
}

#[used]
#[unsafe(link_section = ".fini_array")]
static UNLOAD: extern "C" fn() = unload;

/// The last of the start, after [`load`], which has a priority: nothing of what that was made of is run again before somebody comes.
#[used]
#[unsafe(link_section = ".init_array")]
static LET_PAGES_GO: unsafe extern "C" fn() = arch::let_pages_go;

/// Runs `act`; a panic becomes a log line.
fn guarded(place: &str, act: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(act)).is_err() {
        log::problem(format_args!("internal error in {place}: the manhole is off"));
        state::turn_off();
    }
}
