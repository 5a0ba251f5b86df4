//! How late the manhole's thread is, or its socket.
//!
//! Context: [`called`] on host threads, signal handlers included; [`say`] on the agent's thread.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::time::Duration;

use crate::sys::process;
use crate::{log, state};

/// When the thread was created, on the monotonic clock in nanoseconds.
static CALLED_AT: AtomicU64 = AtomicU64::new(0);

/// Whether that was said, or is not to be said any more.
static IS_LATE_SAID: AtomicBool = AtomicBool::new(false);

/// The thread is about to be created.
pub(crate) fn called() {
    CALLED_AT.store(process::monotonic().as_nanos() as u64, Ordering::SeqCst);
    IS_LATE_SAID.store(false, Ordering::Relaxed);
}

/// There is a socket.
pub(crate) fn arrived() {
    IS_LATE_SAID.store(true, Ordering::Relaxed);
}

/// Says so when the thread has come late, or has no socket for so long, which on a busy machine is no failure.
pub(crate) fn say() {
    let waited = waited();
    if waited > state::settings().start_timeout && !IS_LATE_SAID.swap(true, Ordering::Relaxed) {
        log::late_start(log::event, waited);
    }
}

/// How long it is until that is to be said; `None` when it has been.
pub(crate) fn left() -> Option<Duration> {
    const AFTER: Duration = Duration::from_millis(1);
    let left = state::settings().start_timeout.saturating_sub(waited()).saturating_add(AFTER);
    (!IS_LATE_SAID.load(Ordering::Relaxed) && state::is_on()).then_some(left)
}

fn waited() -> Duration {
    process::monotonic().saturating_sub(Duration::from_nanos(CALLED_AT.load(Ordering::SeqCst)))
}
