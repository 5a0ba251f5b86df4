//! What starts the serving: the agent's thread.
//!
//! Context: the constructor and a fork child start it; from then on its own thread.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::panic::catch_unwind;

use crate::sys::{self, process, thread};
use crate::{log, serve, state};

/// How long the thread waits before it binds, in nanoseconds.
static DELAY: AtomicU64 = AtomicU64::new(0);

/// Starts the agent's thread; it binds after `delay`.
pub(crate) fn start_thread(delay: Duration) -> sys::Result<()> {
    DELAY.store(delay.as_nanos().min(u128::from(u64::MAX)) as u64, Ordering::Release);
    thread::start(run, false).map(drop)
}

extern "C" fn run() -> ! {
    if catch_unwind(agent).is_err() {
        log::problem(format_args!("internal error in the manhole's thread: the manhole is off"));
        state::turn_off();
    }
    // The thread stays, asleep: whoever pokes it must find one that blocks the signal.
    loop {
        process::sleep(Duration::from_secs(1 << 30));
    }
}

fn agent() {
    state::agent_starts();
    thread::set_name(c"Manhole");
    thread::leave_real_time();
    let delay = Duration::from_nanos(DELAY.load(Ordering::Acquire));
    if !delay.is_zero() {
        log::event(format_args!("Delaying UDS binding {} seconds ...", delay.as_secs_f64()));
        process::sleep(delay);
    }
    serve::serve();
}
