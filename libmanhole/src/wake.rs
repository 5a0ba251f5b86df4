//! What starts the serving, and what calls it back: the agent's thread.
//!
//! Context: constructor and fork child start it; any thread, signal handlers included, may poke it.

use core::ffi::c_void;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::panic::catch_unwind;

use crate::sys::{self, process, thread};
use crate::{log, serve, state};

/// The signal that calls the agent's thread. It blocks every signal, so the kernel keeps this one for it, and the loop finds
/// it on a signal descriptor; the host's disposition is not touched. By default SIGURG is ignored (signal(7)), so it harms
/// nobody should it ever go astray.
pub(crate) const SIGNAL: i32 = libc::SIGURG;

/// How long the thread waits before it binds, in nanoseconds.
static DELAY: AtomicU64 = AtomicU64::new(0);

/// Starts the agent's thread; it binds after `delay`.
pub(crate) fn start_thread(delay: Duration) -> sys::Result<()> {
    DELAY.store(delay.as_nanos().min(u128::from(u64::MAX)) as u64, Ordering::Release);
    thread::start(run)
}

/// Makes the agent's thread look at what has changed. Safe in a signal handler.
pub(crate) fn poke() {
    let agent = state::agent();
    if agent != 0 {
        let _ = process::signal_thread(agent, SIGNAL);
    }
}

extern "C" fn run(_: *mut c_void) -> *mut c_void {
    if catch_unwind(agent).is_err() {
        log::problem(format_args!("internal error in the manhole's thread: the manhole is off"));
        state::turn_off();
    }
    core::ptr::null_mut()
}

fn agent() {
    state::agent_starts();
    thread::set_name(c"Manhole");
    let delay = Duration::from_nanos(DELAY.load(Ordering::Acquire));
    if !delay.is_zero() {
        log::event(format_args!("Delaying UDS binding {} seconds ...", delay.as_secs_f64()));
        process::sleep(delay);
    }
    serve::serve();
}
