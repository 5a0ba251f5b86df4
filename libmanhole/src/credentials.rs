//! The agent's thread follows the host when it changes its user or its groups.
//!
//! Context: [`ask`] on host threads inside setuid(2) and its kin, signal handlers included; [`follow`] on the agent's thread.
//!
//! The kernel keeps credentials by thread; glibc makes a change in all threads that it knows, and ours it does not. So the
//! interposed functions ask the thread to make the same system call, and wait until it has: when setuid has returned, no
//! thread has the old user. Should the thread not be able to follow (its capabilities differ), it ends.

use core::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};
use core::time::Duration;

use crate::sys::lock::Lock;
use crate::sys::{lock, process};
use crate::{hand, state};

const NOTHING: u32 = 0;
const ASKED: u32 = 1;
const AT_WORK: u32 = 2;
const DONE: u32 = 3;
const FAILED: u32 = 4;

static STATE: AtomicU32 = AtomicU32::new(NOTHING);
static NUMBER: AtomicI64 = AtomicI64::new(0);
static ARGUMENTS: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

/// One change at a time, as in glibc.
static ONE: Lock<()> = Lock::new(());

/// How long a host thread waits: for its turn and for our thread together.
const LIMIT: Duration = Duration::from_secs(1);

/// How long it waits until it looks again whether our thread is still there: one that has just left answers nobody.
const LOOK: Duration = Duration::from_millis(5);

/// A system call of the setuid(2) family that the host has made with success.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) number: i64,
    pub(crate) arguments: [usize; 3],
}

/// Asks the agent's thread to make the same change; false when it has not. A thread that is there no more has nothing to change.
///
/// No handler of the host may run on the calling thread meanwhile: one that changes the user as well would wait for its own
/// thread.
pub(crate) fn ask(change: Change, is_there: impl Fn() -> bool) -> bool {
    let start = process::monotonic();
    let left = || LIMIT.saturating_sub(process::monotonic().saturating_sub(start));
    let Some(_one) = ONE.lock_within(LIMIT) else { return false };
    NUMBER.store(change.number, Ordering::SeqCst);
    for (slot, argument) in ARGUMENTS.iter().zip(change.arguments) {
        slot.store(argument, Ordering::SeqCst);
    }
    STATE.store(ASKED, Ordering::SeqCst);
    state::poke();
    // Once it has begun, the arguments must stay where they are.
    let withdraw = || STATE.compare_exchange(ASKED, NOTHING, Ordering::SeqCst, Ordering::SeqCst).is_ok();
    loop {
        match STATE.load(Ordering::SeqCst) {
            DONE => return true,
            FAILED => return false,
            ASKED if !is_there() && withdraw() => return true,
            ASKED if left().is_zero() && withdraw() => return false,
            now => lock::wait(&STATE, now, Some(LOOK)),
        }
    }
}

/// Makes the change that the host asks for, if any. Also the last thing that the thread does before it goes: nobody waits in vain.
pub(crate) fn follow() {
    if STATE.compare_exchange(ASKED, AT_WORK, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        return;
    }
    let mut arguments = [0; 3];
    for (argument, slot) in arguments.iter_mut().zip(&ARGUMENTS) {
        *argument = slot.load(Ordering::SeqCst);
    }
    let number = NUMBER.load(Ordering::SeqCst);
    let result = process::follow(number, arguments).and_then(|()| hand::follow(number, arguments));
    STATE.store(if result.is_ok() { DONE } else { FAILED }, Ordering::SeqCst);
    lock::wake(&STATE, u32::MAX >> 1);
}

/// In a freshly forked child.
pub(crate) fn forget() {
    STATE.store(NOTHING, Ordering::SeqCst);
    ONE.forget(());
}
