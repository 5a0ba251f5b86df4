//! A held thread that has the interpreter's lock, or something else that a line of Python needs, goes on to where it stops without it
//! (`call/stop.rs`).
//!
//! Context: the agent's thread; [`wait`] on the worker that has got the lock; [`is_here`] and [`stop_here`] on the thread that goes on, and [`come`] in a
//! **signal handler** on it.

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering::SeqCst};
use core::time::Duration;

use crate::held;
use crate::interrupted::{self, Interrupted};
use crate::loan::Loan;
use crate::snapshot::is_fate;
use crate::sys::{own_image, process};

/// The signal that stops the thread; 0 for none.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// Whether the thread stops: a signal of this number may be another one's.
static STOPS: AtomicBool = AtomicBool::new(false);

/// A held thread that goes on to its next instruction of Python's, for as long as the client is there.
pub(crate) struct Moving {
    _loan: Loan,
}

impl Moving {
    /// Lets the held thread go on, if no signal that ends the process holds it. It has to be the one that makes the interpreter's pending calls: the
    /// process's first.
    pub(crate) fn begin() -> Option<Moving> {
        let held = held::current()?;
        let has_stopped = held.registers.pc().is_some_and(|pc| own_image::contains(pc as usize));
        if held.tid != process::pid() || is_fate(held.summons.signal) || has_stopped {
            return None;
        }
        let loan = super::loan().ok()?;
        STOPS.store(false, SeqCst);
        SIGNAL.store(loan.number(), SeqCst);
        held::let_move().then_some(Moving { _loan: loan })
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        SIGNAL.store(0, SeqCst);
    }
}

/// Whether a thread goes on still.
pub(crate) fn is_any() -> bool {
    held::moving().is_some()
}

/// Waits until the thread is held again, or for so long.
pub(crate) fn wait(limit: Duration) {
    let start = process::monotonic();
    while held::moving().is_some() {
        let left = limit.saturating_sub(process::monotonic().saturating_sub(start));
        if left.is_zero() {
            return;
        }
        held::wait_while_moving(left);
    }
}

/// Whether the calling thread is the one that goes on, and is wanted still.
pub(crate) fn is_here() -> bool {
    held::moving() == Some(process::tid()) && SIGNAL.load(SeqCst) != 0
}

/// The calling thread is held here until the client leaves.
pub(crate) fn stop_here() {
    STOPS.store(true, SeqCst);
    let _ = process::queue_to_thread(process::tid(), SIGNAL.load(SeqCst), 0);
    STOPS.store(false, SeqCst);
}

/// On the thread: it is held again, if it is to be.
pub(crate) fn come(interrupted: &Interrupted<'_>) {
    if STOPS.load(SeqCst)
        && let Some(signal) = held::hold_again(interrupted.registers())
    {
        held::wait(interrupted.mask(), || interrupted::forget_pending(signal));
    }
}
