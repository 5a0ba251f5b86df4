//! What Python's console does while the interpreter's lock does not come, and when it comes at last.
//!
//! Context: the agent's thread, but for [`forget`] in a freshly forked child.

use core::time::Duration;
use std::sync::Arc;

use super::super::Prompt;
use super::super::jobs::{Job, TICK};
use super::expressions::opening;
use super::{Answer, Errand, OPENED, SETUP, What};
use crate::call::script::{Act, Progress};
use crate::call::stop;
use crate::command::dump_stacktraces;
use crate::sys::lock::Lock;
use crate::sys::process;
use crate::worker::{self, Outcome, Ticket};
use crate::{held, state};

/// How long a Tab waits for the interpreter's lock at most.
const TAB: Duration = Duration::from_millis(300);

/// What has become of a held thread that has, or had, what a line needs.
const GOES_ON: &str =
    "The held thread is not held at this moment: it goes on to its next instruction of Python's, and is held there.\n";

/// How long the lock is waited for before a thread that is held goes on: Python's threads give it up every 5 ms (`sys.setswitchinterval`).
pub(super) const SOON: Duration = Duration::from_millis(100);

/// A worker that waits for the interpreter's lock for something that nobody wants any more. It does the next thing that is wanted: where the lock
/// never comes no more than one waits.
static WAITER: Lock<Option<(Ticket, Arc<Progress>)>> = Lock::new(None);

/// In a freshly forked child, which has no workers.
pub(crate) fn forget() {
    WAITER.forget(None);
}

/// That worker, if there is one.
pub(super) fn take() -> Option<(Ticket, Arc<Progress>)> {
    WAITER.lock().take().filter(|(_, progress)| !progress.is_lost())
}

/// Nobody wants what this job waits for the lock for.
pub(super) fn leave_waiting(job: &Job, progress: &Arc<Progress>) {
    progress.cancel();
    if progress.waits() {
        *WAITER.lock() = Some((job.ticket.again(), progress.clone()));
    }
}

impl Errand {
    /// How long the interpreter's lock is waited for.
    pub(super) fn patience(&self) -> Option<Duration> {
        let patience = state::settings().gil_timeout;
        match self.what {
            What::Complete(_) => Some(patience.map_or(TAB, |patience| patience.min(TAB))),
            _ => patience,
        }
    }
}

impl Prompt<'_> {
    /// Whether the console of a client that was greeted as its is opened in the place of its first line, when the lock comes.
    pub(super) fn only_opens(&self, errand: &Errand) -> bool {
        matches!(errand.what, What::Line | What::Debug) && self.console.has_greeted && self.console.globals == 0
    }

    /// When the lock comes no line is run any more; false when it has come already.
    pub(super) fn gives_up_waiting(&self, errand: &Errand) -> bool {
        if errand.what == What::Open {
            return true;
        }
        if !self.only_opens(errand) {
            return errand.progress.cancel();
        }
        let opening = opening(self.console.client, self.console.main);
        let expression = [OPENED, b"\0"].concat();
        errand.progress.give(Act::Run { globals: 0, setup: SETUP.to_vec(), opening, expression, is_last: false })
    }

    /// Where the thread that `oneshot_on` holds has the interpreter's lock, or is among those who are to be woken when it is free, nobody else would get
    /// it. It goes on then.
    pub(super) fn let_held_move(&mut self, is_late: bool) {
        if let Some(held) = held::current()
            && self.session.keeps_the_lock(held.tid, is_late)
        {
            stop::let_go();
        }
    }

    /// The same where it could not be seen before: the lock does not come.
    pub(super) fn look_at_held(&mut self, errand: &Errand) {
        let is_line = !matches!(errand.what, What::Complete(_));
        if is_line && errand.progress.waits() && errand.began.saturating_add(SOON) <= process::monotonic() {
            self.let_held_move(true);
        }
    }

    /// A line has run while the held thread went on still.
    pub(super) fn tell_of_held(&mut self, errand: &Errand, mut answer: Answer) -> Answer {
        if errand.what == What::Line
            && held::moving().is_some()
            && !core::mem::replace(&mut self.console.has_told, true)
        {
            answer.text.insert_str(0, GOES_ON);
        }
        answer
    }

    /// The interpreter's lock does not come: who has it, and what the client gets instead.
    pub(super) fn lock_does_not_come(&mut self, errand: &mut Errand) -> Answer {
        if let What::Complete(_) = errand.what {
            leave_waiting(&errand.job, &errand.progress);
            return Answer::default();
        }
        let seconds = process::monotonic().saturating_sub(errand.began).as_secs_f64();
        let holder = self.session.holder_of_the_lock();
        let goes_on = if held::moving().is_some() { GOES_ON } else { "" };
        let waited = format!(
            "The lock of the Python interpreter (the GIL) has not come within {seconds:.1} s.\n{holder}{goes_on}"
        );
        let is_line = errand.what != What::Open;
        if is_line && !self.only_opens(errand) {
            leave_waiting(&errand.job, &errand.progress);
            let error = format!(
                "{waited}The line was not run. %bt and its like work all the same; %native gives the native prompt."
            );
            return Answer { error: Some(error), ..Answer::default() };
        }
        self.console.entering = Some((errand.job.again(), errand.progress.clone()));
        self.console.is_active = false;
        const MEANWHILE: &str = "Until it comes this is the native prompt; Python's follows by itself.";
        if is_line {
            return Answer { error: Some(format!("{waited}The line was not run. {MEANWHILE}")), ..Answer::default() };
        }
        Answer { text: format!("{waited}{MEANWHILE}\n{}", dump_stacktraces::banner()), ..Answer::default() }
    }

    /// When to look again whether anything of a session that is over is left in the interpreter; `None` when that is not waited for.
    pub(crate) fn time_to_close(&self) -> Option<Duration> {
        let (progress, until) = self.console.closing.as_ref()?;
        (!progress.is_over() && process::monotonic() < *until).then_some(TICK)
    }

    /// For a prompt at rest: what there is to tell when the interpreter's lock has come at last.
    pub(crate) fn lock_has_come(&mut self) -> Option<String> {
        let (job, progress) = self.console.entering.take()?;
        let answer = match worker::outcome(&job.ticket) {
            Outcome::Ran(script) => self.script_has_run(What::Open, *script, None),
            Outcome::Running if !progress.is_lost() => {
                self.console.entering = Some((job, progress));
                return None;
            }
            Outcome::Faulted(_) => {
                job.ticket.release();
                self.console.entering = Some((job, progress));
                return None;
            }
            _ => {
                self.console.forget();
                return None;
            }
        };
        let words = match answer.error {
            None => format!("The lock of the Python interpreter has come: this is its prompt.\n{}", answer.text),
            Some(error) => format!("{error}\n"),
        };
        Some(words)
    }
}
