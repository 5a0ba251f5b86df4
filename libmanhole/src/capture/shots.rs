//! Pursues threads that keep running, and asks those that cannot be read from outside.
//!
//! Context: the agent's thread. The signal is taken from the host only while it is needed.

use core::time::Duration;

use super::handler::{self, ALL_ROOM, Armed, ROOM, SHOTS, Seen};
use super::passive::{self, Try};
use super::task::Task;
use super::unanswered;
use super::{settle, state_of};
use crate::interrupted::{self, channels};
use crate::loan::{self, Loan};
use crate::modules::Modules;
use crate::snapshot::{Capture, Chain, Method, RSP, StackCopy, State, Thread};
use crate::sys::process;
use crate::sys::timer::ThreadTimer;

/// The signals by which threads are asked, taken when they are needed.
#[derive(Default)]
struct Loans {
    /// For most of them.
    first: Option<Result<Loan, String>>,
    /// For those that block that, and where that is not to be had.
    second: Option<Result<Loan, String>>,
}

impl Loans {
    /// The signal for a thread.
    fn number_for(&mut self, task: &Task) -> Result<i32, String> {
        let first = self.first.get_or_insert_with(|| {
            prepare()?;
            Loan::take(handler::capture_entry)
        });
        let asks = |loan: &Loan| Some(loan.number()).filter(|number| task.may_be_asked(*number));
        if let Some(number) = first.as_ref().ok().and_then(asks) {
            return Ok(number);
        }
        let second = self.second.get_or_insert_with(|| {
            prepare()?;
            Loan::take_library_s(handler::capture_entry)
        });
        if let Some(number) = second.as_ref().ok().and_then(asks) {
            return Ok(number);
        }
        let reason = first.as_ref().err().cloned();
        Err(reason.unwrap_or_else(|| "it blocks the signals that would ask it, or filters its system calls".to_owned()))
    }
}

fn prepare() -> Result<(), String> {
    handler::prepare().map_err(|error| format!("no memory to ask it ({error})"))
}

/// In a forked child: a loan of the parent's at the moment of the fork is given back here as well.
pub(super) fn forget() {
    loan::forget(handler::capture_entry);
    handler::forget();
}

/// Handlers that stayed go, as far as no signal is still to be taken.
pub(super) fn tidy_up() {
    loan::tidy_up(handler::capture_entry);
}

/// When the manhole is taken out.
pub(super) fn retire() {
    loan::retire(handler::capture_entry);
}

/// A running thread that is pursued.
pub(super) struct Pursued {
    task: Task,
    /// Its place in the list of threads.
    place: usize,
    /// The signal that asks it, once that is known; `Err` where there was none.
    signal: Option<Result<i32, ()>>,
    shot: Option<(Armed, ThreadTimer)>,
}

impl Pursued {
    pub(super) fn new(task: Task, place: usize) -> Pursued {
        Pursued { task, place, signal: None, shot: None }
    }
}

/// Pursues the threads until each is taken or the time is over.
pub(super) fn pursue(threads: &mut [Thread], mut pursued: Vec<Pursued>, modules: &Modules, limit: Duration) {
    let start = process::monotonic();
    let mut loans = Loans::default();
    let mut pause = Duration::from_micros(20);
    for round in 0.. {
        pursued.retain_mut(|hunted| {
            let Some(thread) = threads.get_mut(hunted.place) else { return false };
            match look_again(hunted, thread, modules) {
                Some(()) => {
                    hunted.shot = None;
                    false
                }
                None => true,
            }
        });
        if pursued.is_empty() || process::monotonic().saturating_sub(start) > limit {
            break;
        }
        // Most threads that were running block again before long: those need no signal.
        if round >= 2 {
            // Those that cannot be asked take no shot from those that can. Each of them may do so for a moment only: one that has just been created blocks everything until
            // it begins to run (nptl/pthread_create.c).
            let is_tried_again = u32::is_power_of_two(round);
            let askable = pursued.iter_mut().filter(|hunted| is_tried_again || hunted.signal != Some(Err(())));
            for (index, hunted) in askable.take(SHOTS).enumerate() {
                aim(hunted, index, &mut loans, threads);
            }
        }
        process::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(1));
    }
    // The timers end before the loans do.
    drop(pursued);
    drop(loans);
}

/// Looks whether the thread has answered or can be read from outside by now.
fn look_again(hunted: &Pursued, thread: &mut Thread, modules: &Modules) -> Option<()> {
    if let Some(seen) = hunted.shot.as_ref().and_then(|(armed, _)| armed.seen()) {
        thread.capture = Ok(capture_of(seen, modules));
        return Some(());
    }
    let identity = hunted.task.identity();
    let letter = identity.map_or(b'X', |identity| identity.letter);
    match passive::take(&hunted.task, modules, passive::FIRST_COPY) {
        Try::Moved => None,
        attempt => {
            settle(thread, attempt, letter);
            Some(())
        }
    }
}

/// Starts the thread's timer, if that has a meaning.
fn aim(hunted: &mut Pursued, index: usize, loans: &mut Loans, threads: &mut [Thread]) {
    if hunted.shot.is_some() {
        return;
    }
    let Some(thread) = threads.get_mut(hunted.place) else { return };
    let number = match hunted.signal {
        Some(Ok(number)) => number,
        Some(Err(())) | None => match loans.number_for(&hunted.task) {
            Ok(number) => {
                hunted.signal = Some(Ok(number));
                number
            }
            Err(reason) => {
                hunted.signal = Some(Err(()));
                thread.capture = Err(format!("it runs, and could not be asked: {reason}"));
                return;
            }
        },
    };
    let free = (0..SHOTS).cycle().skip(index).take(SHOTS).find_map(|index| handler::arm(index, ROOM, thread.chain));
    let Some(armed) = free else { return };
    match ThreadTimer::while_running(hunted.task.tid(), number, armed.value()) {
        Ok(timer) => {
            hunted.shot = Some((armed, timer));
            thread.capture = Err("it kept running, and did not answer when it was asked".to_owned());
        }
        Err(error) => {
            thread.capture = Err(format!("it kept running, and no timer could be had to ask it ({error})"));
        }
    }
}

fn capture_of(seen: Seen, modules: &Modules) -> Capture {
    let sp = seen.registers.get(RSP).unwrap_or(seen.start);
    let limit = passive::limit(sp, modules);
    let mut bytes = seen.bytes;
    bytes.truncate(limit.saturating_sub(seen.start) as usize);
    Capture {
        registers: seen.registers,
        stack: StackCopy { start: seen.start, bytes, limit },
        links: seen.links,
        method: Method::Signal,
        stamp: None,
    }
}

/// Takes a thread again that was taken by signal, with room for more of its stack.
pub(super) fn again(thread: &mut Thread, task: Task, modules: &Modules, size: u64) -> Result<(), String> {
    let had = thread.capture.as_ref().map_or(0, |capture| capture.stack.bytes.len());
    let mut loans = Loans::default();
    let number = loans.number_for(&task)?;
    let room = (size as usize).min(ALL_ROOM);
    let armed = handler::arm(0, room, thread.chain).ok_or("an earlier question to it is still open")?;
    let timer = ThreadTimer::while_running(task.tid(), number, armed.value());
    let _timer = timer.map_err(|error| format!("no timer could be had to ask it again ({error})"))?;
    let start = process::monotonic();
    while process::monotonic().saturating_sub(start) < Duration::from_millis(100) {
        if let Some(seen) = armed.seen() {
            thread.capture = Ok(capture_of(seen, modules));
            return Ok(());
        }
        if let Try::Taken(position, capture) = passive::take(&task, modules, size) {
            if capture.stack.bytes.len() <= had {
                return Err("no more of the stack can be read".to_owned());
            }
            let letter = task.identity().map_or(b'S', |identity| identity.letter);
            thread.state = state_of(&position, letter);
            thread.capture = Ok(capture);
            return Ok(());
        }
        process::sleep(Duration::from_micros(200));
    }
    Err("it did not answer when asked for more of its stack".to_owned())
}

/// Asks a blocked thread by signal, in a process whose `/proc/self/task/TID/syscall` is closed to itself.
pub(super) fn ask_blocked(thread: &mut Thread, task: &Task, modules: &Modules, letter: u8, insist: bool) {
    let channel = task.wait_channel();
    if letter == b'R' {
        // It runs: `pursue` asks it.
        thread.state = State::Running;
        return;
    }
    if letter != b'S' {
        return;
    }
    if !insist && !channels::begins_anew(&channel) && !channels::waits_for_peer(&channel) {
        thread.capture = Err(format!(
            "this process may not look at itself (it is not dumpable), and a signal could lengthen its wait in {}; \
             bt -f insists",
            match channels::function(&channel) {
                "" => "the kernel",
                function => function,
            }
        ));
        return;
    }
    thread.capture = ask(thread.tid, thread.chain, task, modules);
    if let Ok(capture) = &thread.capture {
        thread.state = interrupted::call_in(&capture.registers).map_or(State::Waiting, State::Blocked);
    }
}

fn ask(tid: i32, chain: Option<Chain>, task: &Task, modules: &Modules) -> Result<Capture, String> {
    let mut loans = Loans::default();
    let number = loans.number_for(task)?;
    let armed = handler::arm(0, ROOM, chain).ok_or("an earlier question to it is still open")?;
    if !unanswered::is_free(tid) {
        return Err("an earlier question to it is still open".to_owned());
    }
    let timer = ThreadTimer::at_once(tid, number, armed.value());
    let timer = timer.map_err(|error| format!("it could not be asked ({error})"))?;
    let start = process::monotonic();
    loop {
        if let Some(seen) = armed.seen() {
            return Ok(capture_of(seen, modules));
        }
        if process::monotonic().saturating_sub(start) >= PATIENCE {
            break;
        }
        process::sleep(Duration::from_micros(50));
    }
    // Who takes the signal back leaves the call that it has interrupted at its end.
    if task.has_pending(number) {
        unanswered::keep(tid, number, timer);
        return Err("it did not answer within 100 ms: it has no processor".to_owned());
    }
    Err("it did not answer within 100 ms".to_owned())
}

/// How long a blocked thread has to answer.
const PATIENCE: Duration = Duration::from_millis(100);
