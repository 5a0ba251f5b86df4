//! Out of the host's way: what only a process of one thread may do, and what there is no room for beside our thread.
//!
//! Context: host threads, signal handlers included; nothing is allocated, and what is waited for is our own thread, for at most 1.2 s, with the
//! calling thread's signals blocked: a handler that leaves by a jump would never come back here.
//!
//! Several threads may want that at once. While one waits for ours to go, no other brings it back; then the first that is through does.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use core::time::Duration;

use crate::state::{self, Call};
use crate::sys::lock::Lock;
use crate::sys::process;
use crate::sys::signal::{self, Set, Silence};
use crate::{dormant, wake};

/// How many threads of the host wait for ours to go.
static WAITING: AtomicU32 = AtomicU32::new(0);

/// Whether ours has gone for one of them, and is to come back.
static HAS_GONE: AtomicBool = AtomicBool::new(false);

/// Whether one that was through has left it to those who wait to bring it back.
static IS_LEFT_TO_OTHERS: AtomicBool = AtomicBool::new(false);

/// Who brings it back.
static RETURN: Lock<()> = Lock::new(());

/// How long one that has gone by itself may be seen by the kernel.
const LAST_MOMENT: Duration = Duration::from_millis(20);

/// What became of our thread.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It was not there, or on its way out.
    Absent,
    /// It has gone for the caller.
    Gone,
    /// It is there.
    Stays,
}

/// The host is about to do what only a process of one thread may: ours ends, unless a client is there. Whether [`come_back`] is to be called.
pub(crate) fn stand_aside() -> bool {
    leave(false) == Outcome::Gone
}

/// The host was refused a thread or a process, for as many are there as may be: ours goes, unless a client is there, and from here on it comes for clients only.
/// Whether there is room now that was not there before; [`come_back`] is to be called then.
pub(crate) fn make_room() -> bool {
    let outcome = leave(true);
    if outcome == Outcome::Gone {
        // The call may last as long as what it starts, and whether it comes back is not certain (system(3) is where a thread can be cancelled).
        if dormant::has_signal(signal::mask()) {
            come_back();
        }
    }
    makes_room(outcome)
}

/// One that was there when a call was refused may have gone meanwhile.
fn makes_room(outcome: Outcome) -> bool {
    outcome == Outcome::Gone || outcome == Outcome::Absent && wake::has_just_left()
}

fn leave(is_for_room: bool) -> Outcome {
    if !state::is_on_here() {
        return Outcome::Absent;
    }
    if state::has_session() {
        return Outcome::Stays;
    }
    let silence = Silence::but_for_traps();
    WAITING.fetch_add(1, SeqCst);
    let outcome = if wake::is_awake() { go() } else { end_of_last() };
    // Before anybody can bring it back.
    if is_for_room && makes_room(outcome) {
        wake::leave_room();
    }
    WAITING.fetch_sub(1, SeqCst);
    drop(silence);
    if outcome != Outcome::Gone && IS_LEFT_TO_OTHERS.load(SeqCst) {
        come_back();
    }
    outcome
}

/// The thread may have left a moment ago, and still be counted.
fn end_of_last() -> Outcome {
    let last = state::last_agent();
    if last == 0 || !process::has_thread(last) {
        return Outcome::Absent;
    }
    if wake::wait_until_asleep(last, LAST_MOMENT) { Outcome::Absent } else { Outcome::Stays }
}

fn go() -> Outcome {
    // One that has only just been called to listen would see both calls at once, and stay.
    let was_called = state::withdraw_call(Call::Listen);
    let tid = state::agent();
    let _ = wake::call(Call::StandAside);
    let mut has_gone = wake::wait_until_asleep(tid, Duration::from_millis(200));
    // It is busy. Nobody would call it back if it left later.
    let is_withdrawn = !has_gone && WAITING.load(SeqCst) == 1 && state::withdraw_call(Call::StandAside);
    // It was another one's as well.
    if is_withdrawn && WAITING.load(SeqCst) > 1 {
        let _ = wake::call(Call::StandAside);
    }
    if !has_gone && !is_withdrawn {
        // It comes to its end now, unless it had a client.
        has_gone = wake::wait_until_asleep(tid, Duration::from_secs(1)) || !state::has_session();
    }
    if has_gone || was_called {
        HAS_GONE.store(true, SeqCst);
    }
    if has_gone {
        return Outcome::Gone;
    }
    if was_called {
        IS_LEFT_TO_OTHERS.store(true, SeqCst);
    }
    Outcome::Stays
}

/// After [`stand_aside`] or [`make_room`].
pub(crate) fn come_back() {
    let blocked = signal::mask();
    let _silence = Silence::but_for_traps();
    while HAS_GONE.load(SeqCst) {
        if WAITING.load(SeqCst) > 0 {
            IS_LEFT_TO_OTHERS.store(true, SeqCst);
            // One that has looked for that just before has looked too early.
            if WAITING.load(SeqCst) > 0 {
                return;
            }
        }
        // Who holds it looks again afterwards.
        let Some(_one) = RETURN.try_lock() else { return };
        IS_LEFT_TO_OTHERS.store(false, SeqCst);
        if WAITING.load(SeqCst) == 0 && HAS_GONE.swap(false, SeqCst) && state::is_on_here() && wake::is_to_listen() {
            bring_back(blocked);
        }
    }
}

fn bring_back(blocked: Set) {
    if wake::is_awake() {
        // It may have shut the door, and be called for something else; or it is on its way out.
        wake::stay(format_args!(""));
    } else if !dormant::is_intact() {
        wake::open(blocked);
    }
}

/// In a freshly forked child, where no other thread is, and what opens there opens by itself.
pub(crate) fn forget() {
    WAITING.store(0, SeqCst);
    HAS_GONE.store(false, SeqCst);
    IS_LEFT_TO_OTHERS.store(false, SeqCst);
    RETURN.forget(());
}
