//! The guard of a call: what faults in it comes back as a message, and what faults elsewhere is the host's as ever.
//!
//! Context: [`begin`] and [`end`] on the worker; [`on_fault`] in a **signal handler** on any thread; [`fault`] and [`release`] on the
//! agent's thread; [`step_aside`] on host threads, in the interposed sigaction; [`forget`] in a forked child. Atomics and
//! system calls only.
//!
//! While a call runs, the dispositions of the signals that faults raise are ours. They have the host's flags and mask, and pass on to the
//! host's own handler all that no guarded call has raised.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering::SeqCst};
use core::time::Duration;

use super::arch::Gate;
use crate::interrupted::{Interrupted, entry, is_of_agent};
use crate::snapshot::Registers;
use crate::sys::replaced::Replaced;
use crate::sys::signal::{self, Action, Set, Silence};
use crate::sys::{lock, mapping, process};
use crate::{state, worker};

/// What a fault, or abort(3), raises.
pub(crate) const SIGNALS: [i32; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT, libc::SIGTRAP, libc::SIGSYS];

/// Calls that may be guarded at the same time: as many as there are workers.
pub(crate) const CALLS: usize = 8;

/// As many more on threads of the host's own.
pub(crate) const VISITS: usize = 4;

/// All of them.
const PLACES: usize = CALLS + VISITS;

/// How long a host thread waits for the lock at the end of its call. Otherwise the agent's thread ends it.
const MOMENT: Duration = Duration::from_millis(20);

/// How long a faulted call waits for the agent's thread to have looked at it.
const PATIENCE: Duration = Duration::from_secs(5);

/// The stack for the handler, should the call's own have overflown, in bytes.
const STACK: usize = 64 * 1024;

/// Nothing is wrong.
const RUNNING: u32 = 0;
/// It has faulted, and waits to be looked at.
const FAULTED: u32 = 1;
/// It has been looked at.
const SEEN: u32 = 2;

/// A guarded call.
struct Guarded {
    /// The thread; 0 for none.
    tid: AtomicI32,
    gate: AtomicUsize,
    state: AtomicU32,
    fault: UnsafeCell<Fault>,
    /// The thread's alternate stack; 0 before the first call.
    stack: AtomicUsize,
}

// SAFETY: `fault` is written by the guarded thread before it says FAULTED, and read after that.
unsafe impl Sync for Guarded {}

// Behind what a start touches.
#[unsafe(link_section = ".gnu.linkonce.b.manhole.guarded")]
static GUARDED: [Guarded; PLACES] = [const {
    Guarded {
        tid: AtomicI32::new(0),
        gate: AtomicUsize::new(0),
        state: AtomicU32::new(RUNNING),
        fault: UnsafeCell::new(Fault { signal: 0, code: 0, address: 0, registers: Registers::NONE }),
        stack: AtomicUsize::new(0),
    }
}; PLACES];

/// How a call has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) signal: i32,
    /// `si_code` of sigaction(2).
    pub(crate) code: i32,
    /// `si_addr`: what could not be accessed, or the instruction that is wrong.
    pub(crate) address: u64,
    pub(crate) registers: Registers,
}

/// One of the host's dispositions, kept while ours is in its place. Whether it is, the kernel alone knows: a word in memory would be shared
/// with the child of a vfork(2), which has dispositions of its own.
struct Kept {
    before: Replaced<Action>,
}

static KEPT: [Kept; SIGNALS.len()] = [const { Kept { before: Replaced::new(Action::DEFAULT) } }; SIGNALS.len()];

/// Which workers have guarded calls. Taken by workers and the agent's thread, for a few system calls.
static ARMED: lock::Lock<[bool; PLACES]> = lock::Lock::new([false; PLACES]);

entry!(
    /// The disposition of the signals while a call is guarded.
    fault_entry, on_fault
);

/// The dispositions become ours with the first guarded call, and the host's again with the end of the last one.
fn arm(slot: usize, is_armed: bool) {
    arm_in(&mut ARMED.lock(), slot, is_armed);
}

fn arm_in(armed: &mut [bool; PLACES], slot: usize, is_armed: bool) {
    let before = armed.contains(&true);
    if let Some(own) = armed.get_mut(slot) {
        *own = is_armed;
    }
    match (before, armed.contains(&true)) {
        // With each call: the host may have asked for one meanwhile, and got its own back.
        (_, true) if is_armed => SIGNALS.into_iter().zip(&KEPT).for_each(|(number, kept)| kept.take(number)),
        (true, false) => SIGNALS.into_iter().zip(&KEPT).for_each(|(number, kept)| kept.give_back(number)),
        _ => {}
    }
}

/// On a host thread that is about to change a disposition: it finds its own. A call that runs is without this guard until [`stand_again`].
pub(crate) fn step_aside(number: i32) {
    if let Some((_, kept)) = SIGNALS.into_iter().zip(&KEPT).find(|(guarded, _)| *guarded == number) {
        kept.give_back(number);
    }
}

/// On a host thread that has changed a disposition, or on the agent's thread: a call that runs is guarded again. Not in the child of a vfork(2), which
/// shares this memory and has dispositions of its own: the caller knows that it is this process.
pub(crate) fn stand_again(number: i32) {
    let Some((_, kept)) = SIGNALS.into_iter().zip(&KEPT).find(|(guarded, _)| *guarded == number) else { return };
    if GUARDED.iter().all(|guarded| guarded.tid.load(SeqCst) == 0) {
        return;
    }
    // A handler that never comes back must not take the lock along; one that has interrupted its holder goes without.
    let _silence = Silence::begin();
    if let Some(armed) = ARMED.try_lock()
        && armed.contains(&true)
    {
        kept.take(number);
    }
}

/// For the agent's thread, while a call runs: what has stepped aside for a handler of the host's stands again.
pub(crate) fn stand_fast() {
    SIGNALS.into_iter().for_each(stand_again);
}

/// On a host thread that has been told a disposition: the host's, when it is ours that is in its place.
pub(crate) fn hidden(number: i32, handler: usize) -> Option<Action> {
    let (_, kept) = SIGNALS.into_iter().zip(&KEPT).find(|(guarded, _)| *guarded == number)?;
    (handler == fault_entry as *const () as usize).then(|| *kept.before.get())
}

/// In a freshly forked child: no call is guarded there, but for the one that has forked.
pub(crate) fn forget() {
    for guarded in &GUARDED {
        guarded.tid.store(0, SeqCst);
        guarded.state.store(RUNNING, SeqCst);
    }
    ARMED.forget([false; PLACES]);
    SIGNALS.into_iter().zip(&KEPT).for_each(|(number, kept)| kept.give_back(number));
}

impl Kept {
    fn take(&self, number: i32) {
        let Ok(before) = signal::action(number) else { return };
        if before.handler == fault_entry as *const () as usize {
            return;
        }
        // What is to be passed on is known before anything can come.
        self.before.replace(before);
        let is_handler = before.handler > libc::SIG_IGN;
        let mut ours = Action::handler(fault_entry, if is_handler { before.mask } else { Set::ALL });
        if is_handler {
            ours.flags |= before.flags & (libc::SA_NODEFER | libc::SA_RESTART) as u64;
        }
        if let Ok(was) = signal::set_action(number, &ours)
            && was != before
        {
            // The host was quicker: it keeps what it has just set.
            let _ = signal::set_action(number, &was);
        }
    }

    fn give_back(&self, number: i32) {
        let is_ours = |action: &Action| action.handler == fault_entry as *const () as usize;
        if !signal::action(number).is_ok_and(|now| is_ours(&now)) {
            return;
        }
        if let Ok(was) = signal::set_action(number, self.before.get())
            && !is_ours(&was)
        {
            let _ = signal::set_action(number, &was);
        }
    }
}

/// On the worker of this number: the call that passes this gate is guarded.
pub(crate) fn begin(slot: usize, gate: &Gate) {
    provide_stack(slot);
    enter(slot, gate);
    arm(slot, true);
}

/// For the agent's thread: a call of this number will be made on a thread of the host's. False when there is no memory.
pub(crate) fn prepare(slot: usize) -> bool {
    let is_ready = provide_stack(slot);
    if is_ready {
        arm(slot, true);
    }
    is_ready
}

/// Makes sure that there is a stack for the handler.
fn provide_stack(slot: usize) -> bool {
    let Some(guarded) = GUARDED.get(slot) else { return false };
    if guarded.stack.load(SeqCst) == 0 {
        guarded.stack.store(mapping::map(STACK).map_or(0, |stack| stack as usize), SeqCst);
    }
    guarded.stack.load(SeqCst) != 0
}

/// On the thread that makes the call, when all is ready: from here on it is guarded.
pub(crate) fn enter(slot: usize, gate: &Gate) {
    let Some(guarded) = GUARDED.get(slot) else { return };
    let stack = guarded.stack.load(SeqCst);
    if stack != 0 {
        // A worker has none of its own; a host thread gets its own back at the end of its visit.
        let _ = signal::provide_alternate_stack(stack as *mut u8, STACK);
    }
    guarded.state.store(RUNNING, SeqCst);
    guarded.gate.store(core::ptr::from_ref(gate) as usize, SeqCst);
    guarded.tid.store(process::tid(), SeqCst);
}

/// On a thread of the host's: its call has ended. [`end`] follows on the agent's thread.
pub(crate) fn leave(slot: usize) {
    if let Some(guarded) = GUARDED.get(slot) {
        guarded.tid.store(0, SeqCst);
    }
    if let Some(mut armed) = ARMED.lock_within(MOMENT) {
        arm_in(&mut armed, slot, false);
    }
}

/// The call has ended: on the worker, or on the agent's thread when the worker has vanished in it.
pub(crate) fn end(slot: usize) {
    if let Some(guarded) = GUARDED.get(slot) {
        guarded.tid.store(0, SeqCst);
    }
    arm(slot, false);
}

/// For the agent's thread: how the call of this worker has failed, while it waits to be looked at.
pub(crate) fn fault(slot: usize) -> Option<Fault> {
    let guarded = GUARDED.get(slot).filter(|guarded| guarded.state.load(SeqCst) == FAULTED)?;
    // SAFETY: written before the state became FAULTED, and not again before the call is over.
    Some(unsafe { *guarded.fault.get() })
}

/// For the agent's thread: the fault has been looked at; the call is abandoned.
pub(crate) fn release(slot: usize) {
    if let Some(guarded) = GUARDED.get(slot) {
        let _ = guarded.state.compare_exchange(FAULTED, SEEN, SeqCst, SeqCst);
        lock::wake(&guarded.state, u32::MAX >> 1);
    }
}

extern "C" fn on_fault(number: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes valid structures to a handler with SA_SIGINFO.
    let facts = unsafe { &*info };
    let tid = process::tid();
    let guarded = GUARDED.iter().find(|guarded| guarded.tid.load(SeqCst) == tid && is_own(facts));
    match guarded {
        Some(guarded) => guarded.fail(number, facts, context),
        None if facts.si_code <= 0 && worker::is_one(tid) => {
            // Sent to the process, whose own threads all block it: one of them waits for it.
            // SAFETY: the kernel's third argument.
            unsafe { Interrupted::from_kernel(context) }.block(number);
            let _ = process::send_again(number, facts);
        }
        None => pass_on(number, info, context),
    }
}

/// Whether the signal was raised by what the thread has done: by the kernel, or by the thread itself (abort(3)).
fn is_own(info: &libc::siginfo_t) -> bool {
    // SAFETY: reads the union of the structure, of which every bit pattern is a value.
    info.si_code > 0 || (info.si_code == libc::SI_TKILL && unsafe { info.si_pid() } == process::pid())
}

impl Guarded {
    /// The call has failed: it is looked at, and then the gate returns.
    fn fail(&self, signal: i32, info: &libc::siginfo_t, context: *mut libc::c_void) {
        // From here on a fault is nobody's but the host's.
        self.tid.store(0, SeqCst);
        // SAFETY: the kernel's third argument; `si_addr` reads the union of the structure.
        let (interrupted, address) = unsafe { (Interrupted::from_kernel(context), info.si_addr() as u64) };
        let fault = Fault { signal, code: info.si_code, address, registers: interrupted.registers() };
        // SAFETY: nobody reads it before the state is FAULTED.
        unsafe { *self.fault.get() = fault };
        self.state.store(FAULTED, SeqCst);
        state::poke();
        let start = process::monotonic();
        while self.state.load(SeqCst) == FAULTED {
            let left = PATIENCE.saturating_sub(process::monotonic().saturating_sub(start));
            if left.is_zero() {
                break;
            }
            lock::wait(&self.state, FAULTED, Some(left));
        }
        // SAFETY: the gate outlives the call, which is this thread's; the context is the kernel's.
        unsafe { (*(self.gate.load(SeqCst) as *mut Gate)).abandon_from(&mut *context.cast()) };
    }
}

/// The host's own: to its handler, or to the fate that it has left it to.
fn pass_on(number: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some((_, kept)) = SIGNALS.into_iter().zip(&KEPT).find(|(guarded, _)| *guarded == number) else { return };
    let before = *kept.before.get();
    if before.handler == libc::SIG_IGN {
        // SAFETY: the kernel passes a valid structure.
        if unsafe { (*info).si_code } <= 0 {
            return;
        }
    } else if before.flags & libc::SA_ONSTACK as u64 == 0
        && before.handler != libc::SIG_DFL
        && signal::room_on_alternate_stack().is_some()
    {
        // The host wants this handler on the thread's own stack: the kernel calls it there.
        kept.give_back(number);
        // SAFETY: the kernel passes a valid structure.
        let _ = process::raise_again(number, unsafe { &*info });
        return;
    } else if before.handler != libc::SIG_DFL && !is_of_agent(&before) {
        if before.flags & libc::SA_RESETHAND as u64 != 0 {
            kept.before.replace(Action::DEFAULT);
        }
        // SAFETY: the host's handler, called as the kernel would have called it, with what the kernel has given.
        unsafe {
            if before.flags & libc::SA_SIGINFO as u64 != 0 {
                let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                    core::mem::transmute(before.handler);
                handler(number, info, context);
            } else {
                let handler: extern "C" fn(i32) = core::mem::transmute(before.handler);
                handler(number);
            }
        }
        return;
    }
    kept.give_back(number);
    // It is blocked here, and comes when the interrupted code is back in place.
    // SAFETY: the kernel passes a valid structure.
    let _ = process::raise_again(number, unsafe { &*info });
}
