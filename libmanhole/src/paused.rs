//! A thread that runs and waits for a moment in a handler of ours, so that its stack can be looked at: then it is known whether it may do
//! there what is wanted of it.
//!
//! Context: [`come`] in a **signal handler** on that thread: atomics and system calls only; [`forget`] in a forked child; the rest on the agent's
//! thread. The thread waits no longer than [`PATIENCE`], whatever becomes of the agent.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use core::time::Duration;

use crate::snapshot::{REGISTERS, Registers};
use crate::sys::{lock, process};

/// How long the thread waits.
const PATIENCE: Duration = Duration::from_millis(50);

// The stages, in the low bits of [`STATE`]; the rest is the thread's id, so that no other one and no later wish is meant.
const IDLE: u32 = 0;
/// It is to come.
const WANTED: u32 = 1;
/// It has come, and says what was interrupted.
const COMING: u32 = 2;
/// It waits.
const HERE: u32 = 3;
/// It may do what is wanted.
const FIT: u32 = 4;
/// It goes on.
const UNFIT: u32 = 5;
const STAGES: u32 = 3;

static STATE: AtomicU32 = AtomicU32::new(IDLE);

/// What was interrupted. In a handler all registers are known.
static PLACE: [AtomicU64; REGISTERS] = [const { AtomicU64::new(0) }; REGISTERS];

/// A thread's id has 22 bits (PID_MAX_LIMIT of Linux).
fn at(tid: i32, stage: u32) -> u32 {
    (tid as u32) << STAGES | stage
}

fn step(tid: i32, from: u32, to: u32) -> bool {
    STATE.compare_exchange(at(tid, from), at(tid, to), SeqCst, SeqCst).is_ok()
}

/// Wants the thread.
pub(crate) fn want(tid: i32) {
    STATE.store(at(tid, WANTED), SeqCst);
}

/// Whether it waits.
pub(crate) fn is_here(tid: i32) -> bool {
    STATE.load(SeqCst) == at(tid, HERE)
}

/// The registers of a thread that waits.
pub(crate) fn registers(tid: i32) -> Option<Registers> {
    if !is_here(tid) {
        return None;
    }
    let mut registers = Registers::default();
    for (number, value) in PLACE.iter().enumerate() {
        registers.set(number as u16, Some(value.load(SeqCst)));
    }
    Some(registers)
}

/// Lets the thread do what is wanted, or go on without it. False when it has waited no longer.
pub(crate) fn let_go(tid: i32, is_fit: bool) -> bool {
    let is_told = step(tid, HERE, if is_fit { FIT } else { UNFIT });
    lock::wake(&STATE, 1);
    is_told
}

/// It is no longer wanted, if it has not come.
pub(crate) fn give_up(tid: i32) {
    let _ = step(tid, WANTED, IDLE);
    let start = process::monotonic();
    while STATE.load(SeqCst) == at(tid, COMING) && process::monotonic().saturating_sub(start) < PATIENCE {
        process::sleep(Duration::from_micros(20));
    }
}

/// On the thread, if it is the one that is wanted: waits, and says whether it may do what is wanted. `None`: another one is wanted, or none.
pub(crate) fn come(interrupted: &Registers) -> Option<bool> {
    let tid = process::tid();
    if !step(tid, WANTED, COMING) {
        return None;
    }
    for (number, place) in PLACE.iter().enumerate() {
        place.store(interrupted.get(number as u16).unwrap_or(0), SeqCst);
    }
    if !step(tid, COMING, HERE) {
        return Some(false);
    }
    let start = process::monotonic();
    loop {
        let left = PATIENCE.saturating_sub(process::monotonic().saturating_sub(start));
        if left.is_zero() || !is_here(tid) {
            break;
        }
        lock::wait(&STATE, at(tid, HERE), Some(left));
    }
    let _ = step(tid, HERE, UNFIT);
    let is_fit = STATE.load(SeqCst) == at(tid, FIT);
    let _ = step(tid, FIT, IDLE) || step(tid, UNFIT, IDLE);
    Some(is_fit)
}

/// In a freshly forked child.
pub(crate) fn forget() {
    STATE.store(IDLE, SeqCst);
}
