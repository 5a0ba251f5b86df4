//! Questions whose signals have not been taken yet: threads that are woken for them and get no processor.
//!
//! Context: the agent's thread; [`forget`] in a forked child. From Linux 6.13 on the kernel takes the signal of a timer back that is deleted. The call
//! that it has interrupted has ended then, and no handler is there to have it go on.

use super::task::Task;
use crate::loan;
use crate::sys::lock::Lock;
use crate::sys::timer::ThreadTimer;

/// The thread, the signal, and the timer that has sent it.
type Open = (i32, i32, ThreadTimer);

/// So many at most; for one more the first is given up.
const MOST: usize = 8;

static OPEN: Lock<[Option<Open>; MOST]> = Lock::new([const { None }; MOST]);

/// Keeps the timer until its signal has been taken.
pub(super) fn keep(tid: i32, signal: i32, timer: ThreadTimer) {
    let mut open = OPEN.lock();
    let place = open.iter().position(Option::is_none).unwrap_or_default();
    if let Some(place) = open.get_mut(place) {
        close(place);
        loan::is_left_under_way(signal);
        *place = Some((tid, signal, timer));
    }
}

fn close(place: &mut Option<Open>) {
    if let Some((_, signal, _)) = place.take() {
        loan::has_arrived(signal);
    }
}

/// Deletes the timers of those that are not open any more.
pub(super) fn look() {
    for place in OPEN.lock().iter_mut() {
        if place.as_ref().is_some_and(|(tid, signal, _)| !Task::new(*tid).has_pending(*signal)) {
            close(place);
        }
    }
}

/// Whether no question to this thread is open.
pub(super) fn is_free(tid: i32) -> bool {
    look();
    !OPEN.lock().iter().flatten().any(|(known, ..)| *known == tid)
}

/// A forked child has no timers of its parent's.
pub(super) fn forget() {
    OPEN.forget([const { None }; MOST]);
}
