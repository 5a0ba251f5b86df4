//! What the workers do: the table of jobs, as the agent's thread sees it.
//!
//! Context: the agent's thread; [`forget`] in a forked child. Nothing here waits.

use core::ffi::c_int;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering::SeqCst};
use core::time::Duration;

use super::{BUSY, HAND_LENT, HAND_WANTED, IDLE, LAST, NONE, OPEN, WORKERS, Worker, visits};
use crate::app::Command;
use crate::call::Call;
use crate::call::guard::{self, Fault};
use crate::call::script::Script;
use crate::sys::lock::{self, Lock};
use crate::sys::process;

/// What a worker is to do.
pub(crate) enum Task {
    /// A command of the application; each argument is without its NUL.
    Command {
        command: &'static Command,
        arguments: Vec<Vec<u8>>,
    },
    Call(Box<Call>),
    /// A text for a Python interpreter.
    Script(Box<Script>),
}

/// What has come of it.
pub(crate) enum Done {
    Command(c_int),
    /// With what the function has returned, or the word that it was abandoned.
    Call(Box<Call>),
    Script(Box<Script>),
    /// A call or a script whose result has been taken.
    Taken,
}

/// A command, a call or a script at work.
pub(crate) struct Job {
    serial: u64,
    /// What `jobs` calls it; 0 while nobody has needed a number.
    pub(crate) number: u32,
    /// Taken by the worker.
    pub(super) task: Option<Task>,
    /// The line that was typed.
    pub(crate) line: String,
    started: Duration,
    /// When it returned, and what.
    pub(crate) end: Option<(Duration, Done)>,
}

/// Which worker has got the last job.
static CURRENT: AtomicUsize = AtomicUsize::new(0);

/// Jobs that were started, and numbers that were given.
static COUNTS: Lock<(u64, u32)> = Lock::new((0, 0));

/// What workers and visited threads have in common.
#[derive(Clone, Copy)]
pub(super) struct Seat {
    pub(super) tid: &'static AtomicI32,
    pub(super) permission: &'static AtomicU32,
    pub(super) job: &'static Lock<Option<Job>>,
}

impl Seat {
    fn of(slot: usize) -> Option<Seat> {
        let worker =
            |worker: &'static Worker| Seat { tid: &worker.tid, permission: &worker.permission, job: &worker.job };
        WORKERS.get(slot).map(worker).or_else(|| visits::parts(slot.checked_sub(WORKERS.len())?))
    }

    /// Whether the thread that has said its id is no thread any more.
    fn is_gone(self) -> bool {
        let tid = self.tid.load(SeqCst);
        tid != 0 && !process::has_thread(tid)
    }
}

impl Job {
    /// One that starts now, and needs no worker to take it.
    pub(super) fn new(line: String) -> Job {
        let serial = {
            let mut counts = COUNTS.lock();
            counts.0 += 1;
            counts.0
        };
        Job { serial, number: 0, task: None, line, started: process::monotonic(), end: None }
    }

    /// Its number, from now on.
    fn number(&mut self) -> u32 {
        if self.number == 0 {
            let mut counts = COUNTS.lock();
            counts.1 += 1;
            self.number = counts.1;
        }
        self.number
    }

    /// For how long it has run.
    pub(crate) fn duration(&self) -> Duration {
        let end = self.end.as_ref().map_or_else(process::monotonic, |(end, _)| *end);
        end.saturating_sub(self.started)
    }
}

/// What the agent's thread keeps of a job that it has started.
pub(crate) struct Ticket {
    slot: usize,
    serial: u64,
    /// What is called.
    pub(crate) name: String,
    /// The thread of the host's on which it is called, as people know it; `None` for a worker.
    pub(crate) visited: Option<String>,
}

impl Ticket {
    /// Of a visit that has begun ([`visits::want`]).
    pub(crate) fn of_visit(number: usize, name: &str, visited: String) -> Ticket {
        let slot = WORKERS.len() + number;
        let serial = Seat::of(slot).and_then(|seat| seat.job.lock().as_ref().map(|job| job.serial)).unwrap_or(0);
        Ticket { slot, serial, name: name.to_owned(), visited: Some(visited) }
    }

    /// Another one for the same job.
    pub(crate) fn again(&self) -> Ticket {
        Ticket { name: self.name.clone(), visited: self.visited.clone(), ..*self }
    }

    /// The kernel's id of the thread that has the job.
    pub(crate) fn tid(&self) -> i32 {
        self.seat().map_or(0, |seat| seat.tid.load(SeqCst))
    }

    /// Whether the thread waits for the redirection.
    pub(crate) fn waits_for_redirection(&self) -> bool {
        self.seat().is_some_and(|seat| seat.permission.load(SeqCst) == HAND_LENT)
    }

    /// The thread may begin.
    pub(crate) fn go(&self) {
        if let Some(seat) = self.seat() {
            seat.permission.store(OPEN, SeqCst);
            lock::wake(seat.permission, 1);
        }
    }

    /// Whether the worker gets nothing else to do although the job may end: what has come of it is still to be taken.
    pub(crate) fn keep(&self, is_kept: bool) {
        if let Some(worker) = WORKERS.get(self.slot) {
            worker.is_kept.store(is_kept, SeqCst);
        }
    }

    /// The worker, which was to end after a job of an earlier session, stays for this one.
    pub(crate) fn stay(&self) {
        if let Some(worker) = WORKERS.get(self.slot) {
            worker.stay();
        }
    }

    /// The fault of the call has been looked at.
    pub(crate) fn release(&self) {
        guard::release(self.slot);
    }

    fn seat(&self) -> Option<Seat> {
        Seat::of(self.slot)
    }

    /// Notes what a thread of the host's has done.
    fn collect(&self) {
        if let Some(number) = self.slot.checked_sub(WORKERS.len()) {
            visits::collect(number);
        }
    }
}

impl Worker {
    /// One that was to end after its job does not.
    pub(super) fn stay(&self) {
        let _ = self.state.compare_exchange(LAST, BUSY, SeqCst, SeqCst);
    }
}

/// What has become of a job.
pub(crate) enum Outcome {
    Running,
    Returned(c_int),
    /// The call, back with its result.
    Called(Box<Call>),
    /// The script, the same.
    Ran(Box<Script>),
    /// The call has failed, and waits for [`Ticket::release`].
    Faulted(Box<Fault>),
    /// Its function has ended the thread instead of returning.
    Vanished,
}

/// Why no worker takes a job.
pub(crate) enum Refusal {
    /// All have jobs, or there is none; the task comes back.
    NoWorker(Task),
    /// The manhole is being taken out.
    Ending,
}

/// In a freshly forked child.
pub(super) fn forget() {
    COUNTS.forget((0, 0));
}

/// Gives an idle worker a job. `redirected` says that it waits until its output is redirected ([`Ticket::go`]).
pub(crate) fn start(task: Task, name: &str, line: &str, redirected: bool) -> Result<Ticket, Refusal> {
    WORKERS.iter().for_each(Worker::look);
    let is_free = |worker: &Worker| worker.state.load(SeqCst) == IDLE && !worker.is_kept.load(SeqCst);
    let idle = WORKERS.iter().enumerate().find(|(_, worker)| is_free(worker));
    let Some((slot, worker)) = idle else { return Err(Refusal::NoWorker(task)) };
    let mut task = task;
    if let Task::Command { arguments, .. } = &mut task {
        arguments.iter_mut().for_each(|argument| argument.push(0));
    }
    let job = Job { task: Some(task), ..Job::new(line.to_owned()) };
    let serial = job.serial;
    *worker.job.lock() = Some(job);
    CURRENT.store(slot, SeqCst);
    worker.permission.store(if redirected { HAND_WANTED } else { OPEN }, SeqCst);
    if worker.state.compare_exchange(IDLE, BUSY, SeqCst, SeqCst).is_err() {
        *worker.job.lock() = None;
        return Err(Refusal::Ending);
    }
    lock::wake(&worker.state, u32::MAX >> 1);
    Ok(Ticket { slot, serial, name: name.to_owned(), visited: None })
}

/// The kernel's id of the worker that has the line's job; 0 when there is none.
pub(crate) fn tid() -> i32 {
    WORKERS.get(CURRENT.load(SeqCst)).map_or(0, |worker| worker.tid.load(SeqCst))
}

/// What has become of a job.
pub(crate) fn outcome(ticket: &Ticket) -> Outcome {
    ticket.collect();
    let Some(seat) = ticket.seat() else { return Outcome::Vanished };
    let mut slot = seat.job.lock();
    let Some(job) = slot.as_mut().filter(|job| job.serial == ticket.serial) else { return Outcome::Vanished };
    match job.end.as_mut().map(|(_, done)| core::mem::replace(done, Done::Taken)) {
        Some(Done::Command(value)) => {
            if let Some((_, done)) = job.end.as_mut() {
                *done = Done::Command(value);
            }
            Outcome::Returned(value)
        }
        Some(Done::Call(call)) => Outcome::Called(call),
        Some(Done::Script(script)) => Outcome::Ran(script),
        Some(Done::Taken) => Outcome::Vanished,
        None => match guard::fault(ticket.slot) {
            Some(fault) => Outcome::Faulted(Box::new(fault)),
            None if !seat.is_gone() => {
                guard::stand_fast();
                Outcome::Running
            }
            None => {
                // What was guarded for it is the host's again.
                WORKERS.iter().for_each(Worker::look);
                Outcome::Vanished
            }
        },
    }
}

/// The number under which a job is listed from now on.
pub(crate) fn give_up(ticket: &Ticket) -> u32 {
    let job = |seat: Seat| seat.job.lock().as_mut().filter(|job| job.serial == ticket.serial).map_or(0, Job::number);
    ticket.seat().map_or(0, job)
}

/// Shows each job that runs or was given up to `show`, with whether its thread has vanished.
pub(crate) fn each_job(mut show: impl FnMut(&Job, bool)) {
    (0..guard::VISITS).for_each(visits::collect);
    let workers = WORKERS.iter().map(|worker| worker.state.load(SeqCst) == NONE);
    for (slot, has_ended) in workers.chain([false; guard::VISITS]).enumerate() {
        let Some(seat) = Seat::of(slot) else { continue };
        let mut job = seat.job.lock();
        if let Some(job) = job.as_mut().filter(|job| job.end.is_none() || job.number != 0) {
            job.number();
            let vanished = job.end.is_none() && (seat.is_gone() || has_ended);
            show(job, vanished);
        }
    }
}
