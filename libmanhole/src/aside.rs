//! Out of the host's way: what only a process of one thread may do, and what there is no room for beside our thread.
//!
//! Context: host threads, signal handlers included; nothing is allocated, and what is waited for is our own thread, for at most 1.2 s.
//!
//! Several threads may want that at once. The manhole comes back when the last of them is through, by that one alone.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::time::Duration;

use crate::state::{self, Call};
use crate::sys::lock::Lock;
use crate::sys::signal;
use crate::{dormant, wake};

/// How many threads of the host want ours away, or have it away.
static WANTED: AtomicU32 = AtomicU32::new(0);

/// Whether it has gone for one of them, and is to come back.
static HAS_GONE: AtomicBool = AtomicBool::new(false);

/// Who brings it back.
static RETURN: Lock<()> = Lock::new(());

/// The host is about to do what only a process of one thread may: ours ends, unless a client is there. Whether it has gone, and [`come_back`]
/// is to be called.
pub(crate) fn stand_aside() -> bool {
    if !wake::is_awake() || !state::is_on_here() || state::has_session() {
        return false;
    }
    WANTED.fetch_add(1, Ordering::SeqCst);
    // One that has only just been called to listen would see both calls at once, and stay.
    let was_called = state::withdraw_call(Call::Listen);
    if goes() {
        return true;
    }
    if was_called {
        wake::stay(format_args!(""));
    }
    one_is_through();
    false
}

fn goes() -> bool {
    let tid = state::agent();
    let _ = wake::call(Call::StandAside);
    if wake::wait_until_asleep(tid, Duration::from_millis(200)) {
        return true;
    }
    // It is busy. Nobody would call it back if it left later.
    if state::withdraw_call(Call::StandAside) {
        return false;
    }
    // It comes to its end now, unless it had a client.
    wake::wait_until_asleep(tid, Duration::from_secs(1)) || !state::has_session()
}

/// The host was refused a thread or a process, for as many are there as may be: ours goes, unless a client is there, and from here on it comes for clients only.
/// Whether it has gone, and [`come_back`] is to be called.
pub(crate) fn make_room() -> bool {
    stand_aside() && {
        wake::leave_room();
        true
    }
}

/// After [`stand_aside`] or [`make_room`].
pub(crate) fn come_back() {
    HAS_GONE.store(true, Ordering::SeqCst);
    one_is_through();
}

/// The last one brings it back. In a child that was forked in between nobody is counted, and its own manhole opens by itself.
fn one_is_through() {
    let is_last = WANTED.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| count.checked_sub(1)) == Ok(1);
    // One that came and went while another brought it back has found it gone or sent it away: who brings it back looks again.
    while is_last && HAS_GONE.load(Ordering::SeqCst) {
        let Some(_one) = RETURN.try_lock() else { return };
        if HAS_GONE.swap(false, Ordering::SeqCst) && state::is_on_here() {
            bring_back();
        }
    }
}

fn bring_back() {
    if wake::is_awake() {
        // It may have shut the door, and be called for something else; or it is on its way out.
        wake::stay(format_args!(""));
    } else if !dormant::is_intact() {
        wake::open(signal::mask());
    }
}

/// In a freshly forked child, where no other thread is.
pub(crate) fn forget() {
    WANTED.store(0, Ordering::SeqCst);
    HAS_GONE.store(false, Ordering::SeqCst);
    RETURN.forget(());
}
