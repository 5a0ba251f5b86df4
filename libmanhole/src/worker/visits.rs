//! Visits: calls that run on a thread of the host's own, which waits in a system call, instead of on a worker.
//!
//! Context: [`want`] and [`collect`] on the agent's thread; [`come`] in a **signal handler** on the host thread, at a place where that thread
//! was seen to hold nothing. Until the call itself it makes system calls and touches atomics; no allocation, no lock that is waited for.
//!
//! The handler stays where it is while the call runs, so the thread goes on exactly where it was when that has returned. The call has the
//! thread's own stack, below what is in use, where there is room, else one of ours. Signals of the host's that come meanwhile wait, and find the
//! thread as they would have found it.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use core::time::Duration;

use super::jobs::{Done, Job};
use super::{HAND_WANTED, OPEN, pass_gate};
use crate::call::{Call, guard, on_stack};
use crate::interrupted::Interrupted;
use crate::sys::libc_thread::Kept;
use crate::sys::lock::Lock;
use crate::sys::signal::{self, Set};
use crate::sys::{mapping, next, process};
use crate::{dormant, errand, redirect, state};

/// The stack of ours, in bytes, with a guard. Untouched pages cost nothing.
const STACK: usize = 1 << 20;

/// Bytes below the stack pointer that a function may use without saying so (System V ABI of x86-64, 3.2.2).
const RED_ZONE: u64 = 128;

/// Nobody visits.
const NONE: u32 = 0;
/// The thread is to come by.
const WANTED: u32 = 1;
/// The call runs.
const BUSY: u32 = 2;
/// It has ended.
const ENDED: u32 = 3;
/// The thread was somewhere else when it came by.
const MISSED: u32 = 4;

/// A visit.
struct Visit {
    state: AtomicU32,
    /// The thread.
    tid: AtomicI32,
    /// Where it was seen: program counter and stack pointer.
    place: [AtomicU64; 2],
    /// Whether its own stack has room.
    own_stack: AtomicBool,
    /// The stack of ours; 0 before it was needed.
    stack: AtomicUsize,
    call: AtomicPtr<Call>,
    /// What the thread blocks otherwise.
    mask: AtomicU64,
    /// Its alternate stack: start, flags, size.
    alternate: [AtomicUsize; 3],
    /// As a worker's.
    permission: AtomicU32,
    /// When it ended, in nanoseconds of the monotonic clock.
    end: AtomicU64,
    job: Lock<Option<Job>>,
}

static VISITS: [Visit; guard::VISITS] = [const {
    Visit {
        state: AtomicU32::new(NONE),
        tid: AtomicI32::new(0),
        place: [const { AtomicU64::new(0) }; 2],
        own_stack: AtomicBool::new(false),
        stack: AtomicUsize::new(0),
        call: AtomicPtr::new(core::ptr::null_mut()),
        mask: AtomicU64::new(0),
        alternate: [const { AtomicUsize::new(0) }; 3],
        permission: AtomicU32::new(OPEN),
        end: AtomicU64::new(0),
        job: Lock::new(None),
    }
}; guard::VISITS];

/// A call that is to be made on a thread of the host's.
pub(crate) struct Wish {
    pub(crate) tid: i32,
    pub(crate) place: errand::Place,
    /// Whether its own stack has room.
    pub(crate) own_stack: bool,
    pub(crate) call: Box<Call>,
    /// The line that was typed.
    pub(crate) line: String,
    /// Whether the call waits until its output is redirected.
    pub(crate) redirected: bool,
}

/// For the agent's thread: the thread of the wish is to come by. Gives the number of the visit, or the call back when there are as many
/// as there can be.
pub(crate) fn want(wish: Wish) -> Result<usize, Box<Call>> {
    (0..VISITS.len()).for_each(collect);
    let free = VISITS.iter().enumerate().find(|(_, visit)| visit.state.load(SeqCst) == NONE);
    let Some((number, visit)) = free else { return Err(wish.call) };
    if visit.stack.load(SeqCst) == 0 {
        visit.stack.store(new_stack().unwrap_or(0), SeqCst);
    }
    if visit.stack.load(SeqCst) == 0 || !guard::prepare(slot_of(number)) {
        return Err(wish.call);
    }
    *visit.job.lock() = Some(Job::new(wish.line));
    let [pc, sp] = &visit.place;
    pc.store(wish.place.pc, SeqCst);
    sp.store(wish.place.sp, SeqCst);
    visit.own_stack.store(wish.own_stack, SeqCst);
    visit.call.store(Box::into_raw(wish.call), SeqCst);
    visit.permission.store(if wish.redirected { HAND_WANTED } else { OPEN }, SeqCst);
    visit.tid.store(wish.tid, SeqCst);
    visit.state.store(WANTED, SeqCst);
    Ok(number)
}

/// For the agent's thread: whether the thread has come by; false also for one that was somewhere else.
pub(crate) fn is_awaited(number: usize) -> bool {
    VISITS.get(number).is_some_and(|visit| visit.state.load(SeqCst) == WANTED)
}

/// For the agent's thread: gives up a visit that has not begun; the call comes back. `None` when it has begun.
pub(crate) fn withdraw(number: usize) -> Option<Box<Call>> {
    let visit = VISITS.get(number)?;
    let was_wanted = visit.state.compare_exchange(WANTED, NONE, SeqCst, SeqCst).is_ok();
    if !was_wanted && visit.state.compare_exchange(MISSED, NONE, SeqCst, SeqCst).is_err() {
        return None;
    }
    guard::end(slot_of(number));
    *visit.job.lock() = None;
    visit.take_call()
}

/// For the agent's thread: which thread has a visit, by its kernel id.
pub(crate) fn is_visited(tid: i32) -> bool {
    VISITS.iter().any(|visit| visit.state.load(SeqCst) == BUSY && visit.tid.load(SeqCst) == tid)
}

/// Whether any call visits.
pub(super) fn is_any() -> bool {
    VISITS.iter().any(|visit| visit.state.load(SeqCst) == BUSY && !visit.is_gone())
}

/// On a visited thread: what it blocks otherwise.
pub(super) fn host_mask() -> Option<Set> {
    let mut busy = VISITS.iter().filter(|visit| visit.state.load(SeqCst) == BUSY).peekable();
    busy.peek()?;
    let tid = process::tid();
    busy.find(|visit| visit.tid.load(SeqCst) == tid).map(|visit| Set(visit.mask.load(SeqCst)))
}

/// For the agent's thread: notes what has become of a visit.
pub(super) fn collect(number: usize) {
    let Some(visit) = VISITS.get(number) else { return };
    match visit.state.load(SeqCst) {
        ENDED => {
            if let (Some(call), Some(job)) = (visit.take_call(), visit.job.lock().as_mut()) {
                job.end = Some((Duration::from_nanos(visit.end.load(SeqCst)), Done::Call(call)));
            }
        }
        // The call has ended the thread. What it has left of the call may be in use by whatever it has started.
        BUSY if visit.is_gone() => {}
        _ => return,
    }
    guard::end(slot_of(number));
    visit.state.store(NONE, SeqCst);
}

/// The parts of a visit that a job's ticket looks at.
pub(super) fn parts(number: usize) -> Option<super::jobs::Seat> {
    let visit = VISITS.get(number)?;
    Some(super::jobs::Seat { tid: &visit.tid, permission: &visit.permission, job: &visit.job })
}

/// In a freshly forked child, where at most the calling thread has a visit: its call returns, and ends the child.
pub(super) fn forget() {
    for visit in &VISITS {
        visit.state.store(NONE, SeqCst);
        visit.tid.store(0, SeqCst);
        visit.permission.store(OPEN, SeqCst);
        visit.job.forget(None);
    }
}

/// The place among the guarded calls.
fn slot_of(number: usize) -> usize {
    guard::CALLS + number
}

fn new_stack() -> Option<usize> {
    let start = mapping::map(STACK).ok()?;
    // SAFETY: the lowest page of the new mapping becomes the guard.
    unsafe { mapping::protect_none(start, mapping::PAGE) }.ok()?;
    Some(start as usize)
}

/// On the host thread that is asked: makes the call that is wanted of it, if it is still where it was seen.
pub(crate) fn come(interrupted: &mut Interrupted<'_>) {
    let tid = process::tid();
    let is_for_this = |visit: &Visit| visit.state.load(SeqCst) == WANTED && visit.tid.load(SeqCst) == tid;
    let Some((number, visit)) = VISITS.iter().enumerate().find(|(_, visit)| is_for_this(visit)) else { return };
    let place = errand::Place { pc: visit.place[0].load(SeqCst), sp: visit.place[1].load(SeqCst) };
    let is_there = place.is_of(&interrupted.registers());
    let next = if is_there { BUSY } else { MISSED };
    visit.mask.store(interrupted.mask().0, SeqCst);
    if visit.state.compare_exchange(WANTED, next, SeqCst, SeqCst).is_err() || !is_there {
        return;
    }
    let kept = Kept::keep();
    let before = process::pid();
    let alternate = interrupted.alternate_stack();
    visit.alternate.iter().zip(alternate).for_each(|(slot, part)| slot.store(part, SeqCst));
    let [start, _, size] = alternate;
    let is_alternate = |address: u64| (address as usize).wrapping_sub(start) < size;
    let top = match visit.own_stack.load(SeqCst) && !is_alternate(place.sp) {
        true if is_alternate(core::ptr::from_ref(&kept) as u64) => place.sp - RED_ZONE,
        // The handler stands on it already.
        true => 0,
        false => (visit.stack.load(SeqCst) + STACK) as u64,
    };
    // SAFETY: nothing else uses the stack from there downwards: the thread stands in this handler until the call has returned.
    unsafe { on_stack(top, run, number) };
    if process::pid() != before {
        // A child, which the call has forked: what the thread has to do is its parent's business.
        next::exit_now(0);
    }
    drop(kept);
    visit.end.store(process::monotonic().as_nanos() as u64, SeqCst);
    visit.state.store(ENDED, SeqCst);
    state::poke();
    interrupted.yield_to_host(place.pc);
}

/// The visit itself. The function may end its thread (pthread_exit): nothing in this frame needs to be cleaned up then.
extern "C-unwind" fn run(number: usize) {
    let Some(visit) = VISITS.get(number) else { return };
    let before = process::pid();
    let is_redirected = pass_gate(&visit.permission);
    let call = visit.call.load(SeqCst);
    // SAFETY: the call is this thread's alone until it has returned; the person at the prompt has asked for it.
    unsafe {
        guard::enter(slot_of(number), (*call).gate());
        let handler = signal::exchange_mask(visit.open_mask((*call).opens_signals));
        (*call).pass();
        signal::exchange_mask(handler);
    }
    guard::leave(slot_of(number));
    let _ = signal::put_back_alternate_stack(visit.alternate.each_ref().map(|part| part.load(SeqCst)));
    if is_redirected && process::pid() == before {
        redirect::flush_stdio();
    }
}

impl Visit {
    /// What is blocked while the call runs: what comes for the host waits. Open are what a fault raises, glibc's signal 33, for which a thread
    /// that changes the user waits, and the one that wakes the manhole.
    fn open_mask(&self, opens_signals: bool) -> Set {
        const SETXID: u64 = 1 << 32;
        let own = self.mask.load(SeqCst);
        let wake_up = Set::of(&[dormant::signal_in_use()]).0 & !own;
        let blocked = if opens_signals { own } else { !(SETXID | wake_up) };
        Set(blocked & !Set::of(&guard::SIGNALS).0)
    }

    fn is_gone(&self) -> bool {
        !process::has_thread(self.tid.load(SeqCst))
    }

    fn take_call(&self) -> Option<Box<Call>> {
        let call = self.call.swap(core::ptr::null_mut(), SeqCst);
        // SAFETY: made by `want`, and the thread that had it does not use it any more: the state says so.
        (!call.is_null()).then(|| unsafe { Box::from_raw(call) })
    }
}
