//! The thread that a signal holds while a client is served: `oneshot_on`.
//!
//! Context: [`hold`] and [`wait`] in **signal handlers** on host threads, the rest on the agent's thread. Atomics and system
//! calls only.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use core::time::Duration;

use crate::snapshot::{Registers, Summons};
use crate::sys::lock::{self, Heard};
use crate::sys::process;
use crate::sys::signal::Set;

/// What is known of the thread that is held.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) tid: i32,
    pub(crate) summons: Summons,
    /// Where the thread's control block is: for a thread of the C library's, at the end of its stack.
    pub(crate) thread_pointer: u64,
    /// The registers of what was interrupted.
    pub(crate) registers: Registers,
    /// All that the kernel has said of the signal: `siginfo_t` of sigaction(2).
    pub(crate) info: [u8; INFO],
}

/// The size of `siginfo_t`, in bytes.
pub(crate) const INFO: usize = size_of::<libc::siginfo_t>();

const FREE: u32 = 0;
const HOLDING: u32 = 1;
const HELD: u32 = 2;
/// The client is about to leave.
const LEAVING: u32 = 3;
/// The held thread has noted that.
const LEFT: u32 = 4;
/// It goes on, to be held again.
const MOVING: u32 = 5;
/// It says where it is held again.
const STOPPING: u32 = 6;

/// Whether a thread is held.
static STATE: AtomicU32 = AtomicU32::new(FREE);

/// The held thread's id, for those who only ask for it; 0 for none.
static TID: AtomicI32 = AtomicI32::new(0);

struct Place(UnsafeCell<Held>);

// SAFETY: written by the one who has moved STATE from FREE to HOLDING, read only while it is HELD.
unsafe impl Sync for Place {}

static PLACE: Place = Place(UnsafeCell::new(Held {
    tid: 0,
    thread_pointer: 0,
    summons: Summons { signal: 0, code: 0, detail: 0 },
    registers: Registers::NONE,
    info: [0; INFO],
}));

/// How long a thread may take to say where it is held again: a few instructions, with all signals blocked.
const STOPS: Duration = Duration::from_millis(2);

/// How long one that is to be held waits for the one before, whose client has left.
const BEFORE: Duration = Duration::from_secs(1);

/// Says that the calling thread is held; false when one is already.
pub(crate) fn hold(held: Held) -> bool {
    wait_while(&[LEAVING, LEFT], BEFORE);
    if STATE.compare_exchange(FREE, HOLDING, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        return false;
    }
    // SAFETY: this thread has taken the place.
    unsafe { *PLACE.0.get() = held };
    TID.store(held.tid, Ordering::SeqCst);
    STATE.store(HELD, Ordering::SeqCst);
    true
}

/// The thread that is held.
pub(crate) fn current() -> Option<Held> {
    // SAFETY: the place is not written to while the state is HELD, and only the caller, the agent's thread, ends that.
    (STATE.load(Ordering::SeqCst) == HELD).then(|| unsafe { *PLACE.0.get() })
}

/// Handlers of ours that have run on the held thread.
static OURS: AtomicU32 = AtomicU32::new(0);

/// A handler of ours begins, on whatever thread.
pub(crate) fn handler_begins() {
    let held = TID.load(Ordering::Relaxed);
    if held != 0 && held == process::tid() {
        OURS.fetch_add(1, Ordering::SeqCst);
    }
}

/// How long the client's end waits for the held thread to note it.
const NOTED: Duration = Duration::from_millis(50);

/// The client of the held thread is about to leave: what it does when it has is not for this shot.
pub(crate) fn client_leaves() {
    wait_while(&[STOPPING], STOPS);
    // Who goes on is not held again.
    if STATE.compare_exchange(MOVING, LEFT, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
        return;
    }
    if STATE.compare_exchange(HELD, LEAVING, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
        lock::wake(&STATE, u32::MAX >> 1);
        lock::wait(&STATE, LEAVING, Some(NOTED));
    }
}

/// Waits until the thread that is held may go on, with `mask` blocked; all signals are blocked before and after. A handler of the host that runs meanwhile may leave by
/// siglongjmp; those that have come back are told of. `client_leaves` is called once, before the client has left. The thread that is held, which `is_own` says
/// that the caller is, does not wait for the next one.
pub(crate) fn wait(mask: Set, is_own: bool, client_leaves: impl Fn()) -> Heard {
    let own = process::tid();
    let mut heard = Heard::default();
    let mut is_noted = false;
    let mut before = OURS.load(Ordering::SeqCst);
    loop {
        let now = STATE.load(Ordering::SeqCst);
        let is_over = now == FREE || is_own && TID.load(Ordering::SeqCst) != own;
        if (is_over || now == LEAVING) && !is_noted {
            is_noted = true;
            client_leaves();
        }
        match now {
            _ if is_over => return heard,
            MOVING if is_own => return heard,
            LEAVING => {
                let _ = STATE.compare_exchange(LEAVING, LEFT, Ordering::SeqCst, Ordering::SeqCst);
                lock::wake(&STATE, u32::MAX >> 1);
                continue;
            }
            _ => {}
        }
        let now = lock::wait_and_hear(&STATE, now, mask);
        let ours = OURS.load(Ordering::SeqCst);
        // Handlers of ours let calls begin anew.
        heard.ends_calls |= now.ends_calls;
        heard.any |= now.ends_calls || now.any && ours == before;
        before = ours;
    }
}

/// Lets the held thread go on for a while; false when none is held.
pub(crate) fn let_move() -> bool {
    let moves = STATE.compare_exchange(HELD, MOVING, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    lock::wake(&STATE, u32::MAX >> 1);
    moves
}

/// The thread that goes on for a while.
pub(crate) fn moving() -> Option<i32> {
    (STATE.load(Ordering::SeqCst) == MOVING).then(|| TID.load(Ordering::SeqCst))
}

/// Waits until it is held again, or for so long.
pub(crate) fn wait_while_moving(limit: Duration) {
    wait_while(&[MOVING, STOPPING], limit);
}

/// Waits while the state is one of these, and no longer than `limit`.
fn wait_while(states: &[u32], limit: Duration) {
    let start = process::monotonic();
    loop {
        let now = STATE.load(Ordering::SeqCst);
        let left = limit.saturating_sub(process::monotonic().saturating_sub(start));
        if !states.contains(&now) || left.is_zero() {
            return;
        }
        lock::wait(&STATE, now, Some(left));
    }
}

/// The calling thread is held again where `registers` are, if it is the one that moves: the signal that held it at first.
pub(crate) fn hold_again(registers: Registers) -> Option<i32> {
    if TID.load(Ordering::SeqCst) != process::tid()
        || STATE.compare_exchange(MOVING, STOPPING, Ordering::SeqCst, Ordering::SeqCst).is_err()
    {
        return None;
    }
    // SAFETY: this thread has taken the place, which it has filled before.
    let signal = unsafe {
        (*PLACE.0.get()).registers = registers;
        (*PLACE.0.get()).summons.signal
    };
    let is_held = STATE.compare_exchange(STOPPING, HELD, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    lock::wake(&STATE, u32::MAX >> 1);
    is_held.then_some(signal)
}

/// Lets whoever is held go on.
pub(crate) fn release() {
    // Its place is written to in that moment.
    wait_while(&[STOPPING], STOPS);
    TID.store(0, Ordering::SeqCst);
    STATE.store(FREE, Ordering::SeqCst);
    lock::wake(&STATE, u32::MAX >> 1);
}

/// In a freshly forked child: the held thread is the parent's, unless it is the one that has forked (in a handler).
pub(crate) fn forget() {
    STATE.store(FREE, Ordering::SeqCst);
    TID.store(0, Ordering::SeqCst);
}
