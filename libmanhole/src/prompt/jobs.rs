//! What a line waits for: a command of the application, or a call that an expression has made. Started on a worker, followed by the event loop.
//!
//! Context: the agent's thread. Nothing here waits.

use core::cell::Cell;
use core::time::Duration;

use serde_json::{Value, json};

use super::console::Errand;
use super::{Answer, Prompt};
use crate::app::{self, Command};
use crate::command::watch::Watch;
use crate::command::{Context, Journal, Session};
use crate::sys::process;
use crate::worker::{self, Outcome, Task, Ticket};
use crate::{log, redirect, state};

/// How often it is looked whether the thread of a job is still there.
pub(super) const TICK: Duration = Duration::from_millis(100);

/// A request that is answered when its job has ended, or is given up.
pub(crate) struct Pending {
    /// The request's id in the structured mode.
    pub(crate) id: Value,
    pub(crate) as_data: bool,
    pub(crate) work: Work,
}

/// What is waited for.
pub(crate) enum Work {
    Job(Job),
    /// Python's console is to be opened, when the client has the dump.
    Opening,
    /// What the Python console does.
    Script(Errand),
    /// Something that is watched until the client ends it.
    Watch(Watch),
}

/// A job, and until when it has the prompt.
pub(crate) struct Job {
    pub(super) ticket: Ticket,
    /// The line to evaluate again when the call has returned; `None` for a command of the application.
    line: Option<String>,
    /// How the call has failed.
    pub(super) failure: Option<String>,
    /// Whether its output has been redirected for it.
    redirected: Cell<bool>,
    limit: Option<Duration>,
    until: Option<Duration>,
}

/// How it stands with a job.
pub(crate) enum Followed {
    /// It runs.
    Waits,
    /// It runs, and there is something to tell.
    Says(String),
    Answered(Answer),
    /// The line has made another call; what the first one has left of the session's input.
    Again(Work, Vec<u8>),
}

impl Pending {
    /// Starts `command`.
    pub(super) fn start(
        context: &mut Context<'_, '_>,
        command: &'static Command,
        line: &str,
        arguments: &str,
    ) -> Result<Pending, String> {
        let mut words = app::words(arguments)?;
        words.insert(0, command.name.clone().into_bytes());
        let task = Task::Command { command, arguments: words };
        let (is_redirected, interrupted) = (redirect::concerns_lines(), context.interrupted);
        let ticket = context.session.start_job(task, &command.name, line, None, is_redirected, interrupted)?;
        Ok(Pending { id: Value::Null, as_data: context.out.wants_data(), work: Work::Job(Job::new(ticket, None)) })
    }
}

impl Pending {
    /// Whether something runs for it.
    pub(crate) fn is_job(&self) -> bool {
        matches!(self.work, Work::Job(_) | Work::Script(_))
    }
}

impl Job {
    /// What has just been started.
    pub(super) fn new(ticket: Ticket, line: Option<String>) -> Job {
        let limit = state::settings().timeout;
        let until = limit.map(|limit| process::monotonic().saturating_add(limit));
        Job { ticket, line, failure: None, redirected: Cell::new(false), limit, until }
    }

    /// The same job for somebody else to follow.
    pub(super) fn again(&mut self) -> Job {
        let ticket = self.ticket.again();
        Job { ticket, line: None, failure: None, redirected: Cell::new(self.redirected.take()), ..*self }
    }

    /// Redirects the host's output, when the job waits for that; and its input if the job `takes_input` from the start.
    pub(super) fn redirect(&self, takes_input: bool) {
        if !self.ticket.waits_for_redirection() {
            return;
        }
        self.begin_redirection();
        // A thread of the host's reads what is its own, and so does what Python's console starts.
        if self.ticket.visited.is_none() && takes_input {
            redirect::input::begin();
        }
        self.ticket.go();
    }

    /// Redirects the host's output. A job whose output cannot be redirected runs all the same; its output is where it belongs.
    pub(super) fn begin_redirection(&self) {
        let redirected = redirect::line_begins(self.ticket.tid()).unwrap_or_else(|reason| {
            log::event(format_args!("The output of {} is not redirected: {reason}.", self.ticket.name));
            false
        });
        self.redirected.set(redirected);
    }

    /// Ends that. What is left of the client's input.
    pub(super) fn give_back(&self) -> Vec<u8> {
        let unread = redirect::input::end();
        if self.redirected.take() {
            let _ = redirect::line_ends();
        }
        unread
    }
}

impl Prompt<'_> {
    /// How it stands with a job. `interrupted` says whether the client does not want to wait any more.
    pub(crate) fn follow(&mut self, pending: &mut Pending, interrupted: &dyn Fn() -> bool) -> Followed {
        let as_data = pending.as_data;
        let job = match &mut pending.work {
            Work::Job(job) => job,
            Work::Opening => return self.open_console(interrupted),
            Work::Script(errand) => return self.follow_script(errand, interrupted),
            Work::Watch(_) if interrupted() => return Followed::Answered(Answer::default()),
            Work::Watch(watch) if !watch.time().is_zero() => return Followed::Waits,
            Work::Watch(watch) => return self.look_at(watch),
        };
        let name = job.ticket.name.clone();
        job.redirect(true);
        let mut again = None;
        let answer = match worker::outcome(&job.ticket) {
            Outcome::Returned(value) => {
                let text = if value == 0 { String::new() } else { format!("returned {value}\n") };
                Answer { text, data: json!({ "returned": value }), ..Answer::default() }
            }
            Outcome::Called(call) => {
                again = Some(call);
                Answer::default()
            }
            Outcome::Faulted(fault) => {
                job.failure = Some(self.session.fault_report(&job.ticket, *fault));
                job.ticket.release();
                return Followed::Waits;
            }
            Outcome::Vanished | Outcome::Ran(_) => {
                let error = format!("{name} has ended its thread instead of returning");
                Answer { error: Some(error), ..Answer::default() }
            }
            Outcome::Running if job.failure.is_some() => return Followed::Waits,
            Outcome::Running if interrupted() => self.session.given_up(&job.ticket, "interrupted"),
            Outcome::Running if job.until.is_some_and(|until| until <= process::monotonic()) => {
                let limit = job.limit.unwrap_or_default().as_secs_f64();
                self.session.given_up(&job.ticket, &format!("no end after {limit} s"))
            }
            Outcome::Running => return Followed::Waits,
        };
        let unread = job.give_back();
        let (Some(mut call), Some(line)) = (again, job.line.take()) else {
            return Followed::Answered(Answer { unread, ..answer });
        };
        self.session.answer_call(&mut call, job.failure.take());
        let answer = self.run_again(&line, as_data, interrupted);
        match self.pending.take() {
            Some(next) => Followed::Again(next.work, unread),
            None => Followed::Answered(Answer { unread, ..answer }),
        }
    }

    fn look_at(&mut self, watch: &mut Watch) -> Followed {
        self.session.begin_line();
        self.session.journal = Journal::default();
        let mut context = Context::new(&mut self.session, "", false, &|| false);
        let said = watch.look(&mut context);
        self.session.end_line();
        match said {
            Ok(Some(line)) => Followed::Says(line + "\n"),
            _ => Followed::Waits,
        }
    }

    /// When the pending job is to be looked at, if nothing happens before.
    pub(crate) fn time_for_job(&self) -> Option<Duration> {
        let Some(pending) = &self.pending else { return self.console.waits().then_some(TICK) };
        let until = match &pending.work {
            Work::Job(job) => job.until,
            Work::Opening => return Some(Duration::ZERO),
            Work::Script(errand) => errand.until(),
            Work::Watch(watch) => return Some(watch.time()),
        };
        let until = until.map(|until| until.saturating_sub(process::monotonic()));
        // A thread that ends tells nobody.
        [until, redirect::input::time(), Some(TICK)].into_iter().flatten().min()
    }
}

impl Session<'_> {
    pub(super) fn given_up(&mut self, ticket: &Ticket, reason: &str) -> Answer {
        let number = worker::give_up(ticket);
        let name = &ticket.name;
        let jobs = format!("{}jobs lists it", self.sign);
        let mut error = match &ticket.visited {
            None => format!("{reason}: {name} still runs, as job {number}; {jobs}"),
            Some(thread) => format!(
                "{reason}: {name} still runs in {thread}, as job {number}; {jobs}. {thread} does nothing else until it has returned"
            ),
        };
        if let Some(lock) = self.lock_waited_for(ticket) {
            error.push_str("; ");
            error.push_str(&lock);
        }
        Answer { data: json!({ "job": number }), error: Some(error), ..Answer::default() }
    }
}
