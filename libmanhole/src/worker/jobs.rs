//! What the workers do: the table of jobs, as the agent's thread sees it.
//!
//! Context: the agent's thread; [`forget`] in a forked child. Nothing here waits.

use core::ffi::c_int;
use core::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use core::time::Duration;

use super::{BUSY, HAND_LENT, HAND_WANTED, IDLE, NONE, OPEN, WORKERS, Worker};
use crate::app::Command;
use crate::call::Call;
use crate::call::guard::{self, Fault};
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
}

/// What has come of it.
pub(crate) enum Done {
    Command(c_int),
    /// With what the function has returned, or the word that it was abandoned.
    Call(Box<Call>),
    /// A call whose result has been taken.
    Taken,
}

/// A command or a call at work.
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

impl Job {
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
}

impl Ticket {
    /// The kernel's id of the worker that has the job.
    pub(crate) fn tid(&self) -> i32 {
        self.worker().map_or(0, |worker| worker.tid.load(SeqCst))
    }

    /// Whether the worker waits for the redirection.
    pub(crate) fn waits_for_redirection(&self) -> bool {
        self.worker().is_some_and(|worker| worker.permission.load(SeqCst) == HAND_LENT)
    }

    /// The worker may begin.
    pub(crate) fn go(&self) {
        if let Some(worker) = self.worker() {
            worker.permission.store(OPEN, SeqCst);
            lock::wake(&worker.permission, 1);
        }
    }

    /// The fault of the call has been looked at.
    pub(crate) fn release(&self) {
        guard::release(self.slot);
    }

    fn worker(&self) -> Option<&'static Worker> {
        WORKERS.get(self.slot)
    }
}

/// What has become of a job.
pub(crate) enum Outcome {
    Running,
    Returned(c_int),
    /// The call, back with its result.
    Called(Box<Call>),
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
    let idle = WORKERS.iter().enumerate().find(|(_, worker)| worker.state.load(SeqCst) == IDLE);
    let Some((slot, worker)) = idle else { return Err(Refusal::NoWorker(task)) };
    let serial = {
        let mut counts = COUNTS.lock();
        counts.0 += 1;
        counts.0
    };
    let mut task = task;
    if let Task::Command { arguments, .. } = &mut task {
        arguments.iter_mut().for_each(|argument| argument.push(0));
    }
    *worker.job.lock() = Some(Job {
        serial,
        number: 0,
        task: Some(task),
        line: line.to_owned(),
        started: process::monotonic(),
        end: None,
    });
    CURRENT.store(slot, SeqCst);
    worker.permission.store(if redirected { HAND_WANTED } else { OPEN }, SeqCst);
    if worker.state.compare_exchange(IDLE, BUSY, SeqCst, SeqCst).is_err() {
        *worker.job.lock() = None;
        return Err(Refusal::Ending);
    }
    lock::wake(&worker.state, u32::MAX >> 1);
    Ok(Ticket { slot, serial, name: name.to_owned() })
}

/// The kernel's id of the worker that has the line's job; 0 when there is none.
pub(crate) fn tid() -> i32 {
    WORKERS.get(CURRENT.load(SeqCst)).map_or(0, |worker| worker.tid.load(SeqCst))
}

/// What has become of a job.
pub(crate) fn outcome(ticket: &Ticket) -> Outcome {
    let Some(worker) = ticket.worker() else { return Outcome::Vanished };
    let mut slot = worker.job.lock();
    let Some(job) = slot.as_mut().filter(|job| job.serial == ticket.serial) else { return Outcome::Vanished };
    match job.end.as_mut().map(|(_, done)| core::mem::replace(done, Done::Taken)) {
        Some(Done::Command(value)) => {
            if let Some((_, done)) = job.end.as_mut() {
                *done = Done::Command(value);
            }
            Outcome::Returned(value)
        }
        Some(Done::Call(call)) => Outcome::Called(call),
        Some(Done::Taken) => Outcome::Vanished,
        None => match guard::fault(ticket.slot) {
            Some(fault) => Outcome::Faulted(Box::new(fault)),
            None if !worker.is_gone() => {
                guard::stand_fast();
                Outcome::Running
            }
            None => {
                // What was guarded for it is the host's again.
                worker.look();
                Outcome::Vanished
            }
        },
    }
}

/// The number under which a job is listed from now on.
pub(crate) fn give_up(ticket: &Ticket) -> u32 {
    let job = |worker: &'static Worker| {
        worker.job.lock().as_mut().filter(|job| job.serial == ticket.serial).map_or(0, Job::number)
    };
    ticket.worker().map_or(0, job)
}

/// Shows each job that runs or was given up to `show`, with whether its thread has vanished.
pub(crate) fn each_job(mut show: impl FnMut(&Job, bool)) {
    for worker in &WORKERS {
        let mut slot = worker.job.lock();
        if let Some(job) = slot.as_mut().filter(|job| job.end.is_none() || job.number != 0) {
            job.number();
            let vanished = job.end.is_none() && (worker.is_gone() || worker.state.load(SeqCst) == NONE);
            show(job, vanished);
        }
    }
}
