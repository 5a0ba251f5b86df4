//! Commands of the application at the prompt: started on the worker, followed by the event loop.
//!
//! Context: the agent's thread. Nothing here waits.

use core::cell::Cell;
use core::time::Duration;

use serde_json::{Value, json};

use super::{Answer, Prompt};
use crate::app::{self, Command};
use crate::sys::process;
use crate::worker::{self, Outcome, Ticket};
use crate::{log, redirect, state};

/// A request that is answered when its job has ended, or is given up.
pub(crate) struct Pending {
    /// The request's id in the structured mode.
    pub(crate) id: Value,
    pub(crate) as_data: bool,
    pub(crate) job: Job,
}

/// A job, and until when it has the prompt.
pub(crate) struct Job {
    ticket: Ticket,
    /// Whether its output has been redirected for it.
    redirected: Cell<bool>,
    limit: Option<Duration>,
    until: Option<Duration>,
}

impl Pending {
    /// Starts `command`.
    pub(super) fn start(
        command: &'static Command,
        line: &str,
        arguments: &str,
        as_data: bool,
    ) -> Result<Pending, String> {
        let mut words = app::words(arguments)?;
        words.insert(0, command.name.clone().into_bytes());
        if redirect::concerns_lines() {
            redirect::expect_hand();
            worker::want_redirection();
        }
        let ticket = worker::start(command, line, words).inspect_err(|_| worker::go())?;
        let limit = state::settings().timeout;
        let until = limit.map(|limit| process::monotonic().saturating_add(limit));
        Ok(Pending { id: Value::Null, as_data, job: Job { ticket, redirected: Cell::new(false), limit, until } })
    }
}

impl Prompt<'_> {
    /// The answer of a job, once there is one. `interrupted` says whether the client does not want to wait any more.
    pub(crate) fn follow(&self, job: &Job, interrupted: &dyn Fn() -> bool) -> Option<Answer> {
        let name = job.ticket.name;
        if worker::waits_for_redirection() {
            // A job whose output cannot be redirected runs all the same; its output is where it belongs.
            let redirected = redirect::line_begins().unwrap_or_else(|reason| {
                log::event(format_args!("The output of {name} is not redirected: {reason}."));
                false
            });
            job.redirected.set(redirected);
            redirect::input::begin();
            worker::go();
        }
        let given_up = |reason: &str| {
            let number = worker::give_up(&job.ticket);
            let error = format!("{reason}: {name} still runs, as job {number}; jobs lists it");
            Some(Answer { data: json!({ "job": number }), error: Some(error), ..Answer::default() })
        };
        let answer = match worker::outcome(&job.ticket) {
            Outcome::Returned(value) => {
                let text = if value == 0 { String::new() } else { format!("returned {value}\n") };
                Some(Answer { text, data: json!({ "returned": value }), ..Answer::default() })
            }
            Outcome::Vanished => {
                let error = format!("{name} has ended its thread instead of returning");
                Some(Answer { error: Some(error), ..Answer::default() })
            }
            Outcome::Running if interrupted() => given_up("interrupted"),
            Outcome::Running if job.until.is_some_and(|until| until <= process::monotonic()) => {
                let limit = job.limit.unwrap_or_default().as_secs_f64();
                given_up(&format!("no end after {limit} s"))
            }
            Outcome::Running => None,
        };
        let answer = answer?;
        let unread = redirect::input::end();
        if job.redirected.take() {
            let _ = redirect::line_ends();
        }
        Some(Answer { unread, ..answer })
    }

    /// When the pending job is to be looked at, if nothing happens before.
    pub(crate) fn time_for_job(&self) -> Option<Duration> {
        let until = self.pending.as_ref()?.job.until;
        let until = until.map(|until| until.saturating_sub(process::monotonic()));
        [until, redirect::input::time()].into_iter().flatten().min()
    }
}
