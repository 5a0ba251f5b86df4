//! Questions whose signals have not been taken yet: threads that are woken for them and get no processor.
//!
//! Context: the agent's thread; [`forget`] in a forked child. From Linux 6.13 on the kernel takes the signal of a timer back that is deleted. The call
//! that it has interrupted has ended then, and no handler is there to have it go on.

use super::task::Task;
use crate::sys::lock::Lock;
use crate::sys::timer::ThreadTimer;

/// The thread, the signal, and the timer that has sent it.
type Open = (i32, i32, ThreadTimer);

/// So many at most; of more the oldest is given up.
const MOST: usize = 8;

static OPEN: Lock<[Option<Open>; MOST]> = Lock::new([const { None }; MOST]);

/// Keeps the timer until its signal has been taken.
pub(super) fn keep(tid: i32, signal: i32, timer: ThreadTimer) {
    let mut open = OPEN.lock();
    open.rotate_right(1);
    if let Some(first) = open.first_mut() {
        *first = Some((tid, signal, timer));
    }
}

/// Whether no question to this thread is open. Deletes the timers of those that are not any more.
pub(super) fn is_free(tid: i32) -> bool {
    let mut open = OPEN.lock();
    for place in open.iter_mut() {
        if place.as_ref().is_some_and(|(tid, signal, _)| !Task::new(*tid).has_pending(*signal)) {
            *place = None;
        }
    }
    !open.iter().flatten().any(|(known, ..)| *known == tid)
}

/// A forked child has no timers of its parent's.
pub(super) fn forget() {
    OPEN.forget([const { None }; MOST]);
}
