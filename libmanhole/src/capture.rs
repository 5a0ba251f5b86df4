//! Threads -> registers, stack bytes and state, without disturbing them.
//!
//! Context: the agent's thread; [`handler`] runs in signal context on host threads.
//!
//! A thread that is off the processor is read from outside, and the copy counts only when the kernel's own count proves
//! that the thread did not run meanwhile. A thread that is running is looked at again, and is asked by a signal of its own
//! processor-time timer: such a timer only fires while its thread runs, so no system call is ever interrupted by it. Whoever
//! is quicker, wins. Only in a process that may not look at itself (not dumpable) are blocked threads asked as well, by
//! a timer that signals at once; the handler lets the interrupted call go on.
//!
//! What cannot be taken has a reason instead of a stack. The whole look is bounded in time.

mod handler;
mod unanswered;
mod passive;
mod shots;
pub(crate) mod task;

use core::time::Duration;

use passive::Try;
use task::{Identity, Look, Position, Task};

use crate::held::Held;
use crate::modules::Modules;
use crate::snapshot::{Capture, Chain, Method, RSP, Registers, Snapshot, StackCopy, State, Thread};
use crate::sys::signal::Set;
use crate::sys::{directory, proc_root, process, thread};
use crate::{held, loan, paused, state};

/// Which threads to look at.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    /// Every thread of the process.
    All,
    /// The one with this kernel id.
    One(i32),
    /// Every thread but those of which this is true.
    Except(fn(i32) -> bool),
}

/// How far below its mapping an overflowing stack's pointer is looked for: a frame larger than that is not.
const OVERFLOW: u64 = 16 << 20;

/// How long threads that keep running are pursued.
const PURSUIT: Duration = Duration::from_millis(400);

/// Which chain a thread has, by its id.
pub(crate) type Chains<'c> = &'c dyn Fn(i32) -> Option<Chain>;

/// Looks at the threads. `insist` captures also those that cannot be captured without a residue (`bt -f`).
pub(crate) fn snapshot(modules: &Modules, wanted: Wanted, insist: bool, chains: Chains<'_>) -> Snapshot {
    let mut snapshot = Snapshot { taken: process::monotonic(), ..Snapshot::default() };
    if !matches!(wanted, Wanted::One(_)) {
        loan::look_anew();
    }
    let tids = match wanted {
        Wanted::One(tid) => vec![tid],
        Wanted::All | Wanted::Except(_) => directory::numbers(c"/proc/self/task").unwrap_or_else(|error| {
            let why = match proc_root::is_of_others() {
                true => "the ids in /proc are those of another namespace (pid_namespaces(7))".to_owned(),
                false => format!("/proc: {error}"),
            };
            snapshot.problems.push(format!("cannot list the threads: {why}"));
            Vec::new()
        }),
    };
    let is_excepted = |tid: i32| matches!(wanted, Wanted::Except(except) if except(tid));
    let mut pursued = Vec::new();
    for tid in tids.into_iter().filter(|tid| !is_excepted(*tid)) {
        let task = Task::new(tid);
        let Some(thread) = first_look(&task, modules, insist, chains) else { continue };
        if thread.is_running() {
            pursued.push(shots::Pursued::new(task, snapshot.threads.len()));
        }
        snapshot.threads.push(thread);
    }
    shots::pursue(&mut snapshot.threads, pursued, modules, PURSUIT);
    handler::give_back();
    unanswered::look();
    shots::tidy_up();
    snapshot
}

impl Thread {
    /// Whether it was on a processor, so that its registers are still to be had.
    fn is_running(&self) -> bool {
        self.state == State::Running && !self.own && self.capture.is_err()
    }
}

/// Takes the thread if it can be taken now. `None`: it has gone.
fn first_look(task: &Task, modules: &Modules, insist: bool, chains: Chains<'_>) -> Option<Thread> {
    let Some(identity) = task.identity() else {
        return process::has_thread(task.tid()).then(|| unknown(task, chains));
    };
    loan::note_pending(identity.pending);
    let own = task.tid() == state::agent() || task.tid() == thread::hand();
    let mut thread = Thread {
        tid: task.tid(),
        name: identity.name.clone(),
        state: State::Unknown,
        own,
        chain: chains(task.tid()),
        capture: Err(if task.tid() == thread::hand() {
            "it holds what is redirected"
        } else {
            "it serves this prompt"
        }
        .to_owned()),
    };
    if own {
        thread.state = State::Running;
        return Some(thread);
    }
    if is_over(&identity, &mut thread) {
        return Some(thread);
    }
    if let Some(held) = held::current().filter(|held| held.tid == task.tid()) {
        thread.state = State::Held(held.summons);
        thread.capture = Ok(of_held(&held, task, modules, passive::FIRST_COPY));
        return Some(thread);
    }
    if let Some(registers) = paused::registers(task.tid()) {
        thread.state = State::Running;
        thread.capture = Ok(of_registers(registers, task, modules, passive::FIRST_COPY));
        return Some(thread);
    }
    settle(&mut thread, passive::take(task, modules, passive::FIRST_COPY), identity.letter);
    if thread.capture.is_err() && thread.state == State::Unknown && task.look() == Look::Refused {
        shots::ask_blocked(&mut thread, task, modules, identity.letter, insist);
    }
    // A thread that has begun to end since the first look has lost its registers in between.
    if thread.state == State::Unknown {
        is_over(&task.identity()?, &mut thread);
    }
    Some(thread)
}

/// A thread of which the kernel tells nothing more than that it is there.
fn unknown(task: &Task, chains: Chains<'_>) -> Thread {
    Thread {
        tid: task.tid(),
        name: String::new(),
        state: State::Unknown,
        own: false,
        chain: chains(task.tid()),
        capture: Err("its state cannot be read".to_owned()),
    }
}

/// What a thread was doing when a signal came that holds it: its handler has left all registers, and what lies above its stack pointer stays
/// as it was.
fn of_registers(registers: Registers, task: &Task, modules: &Modules, size: u64) -> Capture {
    let stack = passive::copy(registers.get(RSP).unwrap_or(0), modules, size);
    Capture { registers, stack, links: None, method: Method::Signal, stamp: task.stamp() }
}

/// What the thread that a signal holds was doing. If its stack has overflowed, the pointer stands below it: in the guard, or where nothing was and something else may
/// have come since.
fn of_held(held: &Held, task: &Task, modules: &Modules, size: u64) -> Capture {
    let sp = held.registers.get(RSP).unwrap_or(0);
    let mut capture = of_registers(held.registers, task, modules, size);
    let is_below = |start: &u64| *start > sp && *start - sp < OVERFLOW;
    let own = match held.tid == process::pid() {
        true => modules.mappings.iter().find(|mapping| mapping.path == "[stack]"),
        false => modules.mapping(held.thread_pointer),
    };
    let was_unmapped = held.summons.signal == libc::SIGSEGV
        && held.summons.code == SEGV_MAPERR
        && held.summons.detail.abs_diff(sp) < OVERFLOW;
    if capture.stack.bytes.is_empty() || was_unmapped {
        let own = own.map(|mapping| mapping.start).filter(is_below);
        let next = || modules.next_mapping(sp).filter(is_below).filter(|_| capture.stack.bytes.is_empty());
        if let Some(start) = own.or_else(next) {
            capture.stack = passive::copy(start, modules, size);
        }
    }
    capture
}

/// Nothing was mapped there (siginfo.h of Linux).
const SEGV_MAPERR: i32 = 1;

/// Whether the thread has ended or is about to; says so in the thread.
fn is_over(identity: &Identity, thread: &mut Thread) -> bool {
    let over = identity.is_ending || matches!(identity.letter, b'Z' | b'X');
    if over {
        thread.state = State::Ended;
        thread.capture = Err("it has ended: a main thread stays in the list until the process ends".to_owned());
    }
    over
}

/// Puts what one passive try has given into the thread.
fn settle(thread: &mut Thread, attempt: Try, letter: u8) {
    match attempt {
        Try::Taken(position, capture) => {
            thread.state = state_of(&position, letter);
            thread.capture = Ok(capture);
        }
        Try::Moved => {
            thread.state = State::Running;
            thread.capture = Err("it kept running and could not be asked".to_owned());
        }
        Try::Nothing(Look::Refused) => {
            thread.state = State::Unknown;
            thread.capture = Err("this process may not look at itself (it is not dumpable)".to_owned());
        }
        Try::Nothing(Look::Gone) => {
            thread.state = State::Ended;
            thread.capture = Err("it has just ended".to_owned());
        }
        Try::Nothing(_) => {
            thread.state = State::Unknown;
            thread.capture = Err("it has no user-space registers: a worker of the kernel".to_owned());
        }
    }
}

fn state_of(position: &Position, letter: u8) -> State {
    match (letter, position.syscall) {
        (b'T' | b't', _) => State::Stopped,
        (b'D', syscall) => State::Uninterruptible(syscall),
        (_, Some(syscall)) => State::Blocked(syscall),
        (_, None) => State::Waiting,
    }
}

/// Copies more of the stack of a thread that an unwind found too short (`End::NeedsStack`). An error says why the stack
/// can no longer be read as it was: the thread has run since.
pub(crate) fn deepen(thread: &mut Thread, modules: &Modules) -> Result<(), String> {
    let Ok(Capture { registers, stack, stamp, .. }) = &thread.capture else {
        return Err("there is no stack to deepen".to_owned());
    };
    let size = (stack.bytes.len() as u64).saturating_mul(8);
    if stack.end() >= stack.limit {
        return Err("the stack ends at the end of its mapping".to_owned());
    }
    let task = Task::new(thread.tid);
    if let (State::Held(_), Some(held)) = (thread.state, held::current()) {
        thread.capture = Ok(of_held(&held, &task, modules, size));
        return Ok(());
    }
    if let Some(registers) = paused::registers(thread.tid) {
        thread.capture = Ok(of_registers(registers, &task, modules, size));
        return Ok(());
    }
    if stamp.is_none() {
        return shots::again(thread, task, modules, size);
    }
    match passive::take(&task, modules, size) {
        Try::Taken(_, capture)
            if capture.stamp == *stamp
                && capture.registers == *registers
                && capture.stack.bytes.len() > stack.bytes.len() =>
        {
            thread.capture = Ok(capture);
            Ok(())
        }
        Try::Taken(_, capture) if capture.stamp == *stamp => Err("no more of the stack can be read".to_owned()),
        _ => Err("the thread has run since its stack was copied".to_owned()),
    }
}

/// Copies the part of another stack of the thread that starts at `address`: the one that a handler on the alternate stack, or
/// a coroutine, has left for the time being. Only for a thread that provably has not run since its capture.
pub(crate) fn other_stack(thread: &Thread, modules: &Modules, address: u64) -> Result<StackCopy, String> {
    const SIZE: u64 = 256 * 1024;
    let stamp = thread.capture.as_ref().ok().and_then(|capture| capture.stamp);
    if stamp.is_none() {
        return Err(format!("it was running, so its other stack at {address:#x} cannot be read as it was"));
    }
    let stack = passive::copy(address, modules, SIZE);
    if Task::new(thread.tid).stamp() != stamp {
        return Err("the thread has run since its stack was copied".to_owned());
    }
    Ok(stack)
}

/// Whether the thread has not run since it was captured.
pub(crate) fn has_rested(thread: &Thread) -> bool {
    let stamp = thread.capture.as_ref().ok().and_then(|capture| capture.stamp);
    stamp.is_some() && Task::new(thread.tid).stamp() == stamp
}

/// When the manhole is taken out: no handler of captures is left that another one could be in the place of.
pub(crate) fn retire() {
    shots::retire();
}

/// On the agent's thread before it leaves: a handler that stayed for a signal which was still to be taken goes.
pub(crate) fn tidy_up() {
    if loan::has_stayed() {
        unanswered::look();
        loan::look_anew();
        for tid in directory::numbers(c"/proc/self/task").unwrap_or_default() {
            loan::note_pending(Task::new(tid).identity().map_or(Set(0), |identity| identity.pending));
        }
        shots::tidy_up();
    }
}

/// On the agent's thread where it does nothing any more, amid a capture perhaps.
pub(crate) fn give_up() {
    loan::end_all();
    shots::tidy_up();
}

/// In a forked child: a capture that was under way in the parent is none of its business.
pub(crate) fn forget() {
    shots::forget();
    unanswered::forget();
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
    use std::sync::{Arc, mpsc};
    use std::time::Instant;

    use super::*;
    use crate::memory::Memory;
    use crate::snapshot::End;
    use crate::sys::process::tid;
    use crate::sys::signal;
    use crate::unwind::Unwinder;

    /// Looks at one thread and unwinds it.
    fn look(wanted: i32) -> (Thread, End) {
        let memory = Memory::new();
        let modules = Modules::read(&memory).unwrap();
        let snapshot = snapshot(&modules, Wanted::One(wanted), false, &|_| None);
        let thread = snapshot.threads.into_iter().next().unwrap();
        let capture = thread.capture.clone().unwrap();
        let unwound = Unwinder::new(&modules, &memory).unwind(&capture.registers, &capture.stack);
        (thread, unwound.end)
    }

    #[test]
    fn a_blocked_thread_is_read_without_a_signal() {
        let (send, receive) = mpsc::channel();
        let (release, held) = mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            send.send(tid()).unwrap();
            let _ = held.recv();
        });
        let waiting = receive.recv().unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let (thread, end) = look(waiting);
            if matches!(thread.state, State::Blocked(call) if call.number == libc::SYS_futex as u64) {
                assert_eq!(thread.capture.unwrap().method, Method::Passive);
                assert_eq!(end, End::ThreadStart);
                break;
            }
            assert!(Instant::now() < deadline, "the thread never blocked");
        }
        drop(release);
        thread.join().unwrap();
    }

    #[test]
    fn a_spinning_thread_answers_and_its_stack_is_complete() {
        let stop = Arc::new(AtomicBool::new(false));
        let spinner = Arc::new(AtomicI32::new(0));
        let thread = std::thread::spawn({
            let (stop, spinner) = (stop.clone(), spinner.clone());
            move || {
                spinner.store(tid(), Ordering::Release);
                while !stop.load(Ordering::Relaxed) {
                    std::hint::black_box(0);
                }
            }
        });
        while spinner.load(Ordering::Acquire) == 0 {
            std::thread::yield_now();
        }
        let (seen, end) = look(spinner.load(Ordering::Acquire));
        assert_eq!(seen.capture.unwrap().method, Method::Signal);
        assert_eq!(end, End::ThreadStart);
        stop.store(true, Ordering::Relaxed);
        thread.join().unwrap();
        // Other tests of this process borrow the signal too, for moments.
        let deadline = Instant::now() + Duration::from_secs(30);
        while !signal::action(libc::SIGWINCH).unwrap().is_default() {
            assert!(Instant::now() < deadline, "the signal was not given back");
            std::thread::yield_now();
        }
    }
}
