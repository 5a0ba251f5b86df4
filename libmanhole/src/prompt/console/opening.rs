//! Whether a client has Python's console, and how that is opened: by its first line, or at once where the banner cannot be had without it.
//!
//! Context: the agent's thread. Opening it may disturb a thread of the process and wait for that: not for a client that has gone, nor for an
//! interpreter that has ended.

use serde_json::Value;

use super::{OPENED, What};
use crate::command::dump_stacktraces;
use crate::prompt::jobs::{Followed, Pending, Work};
use crate::prompt::{Answer, Prompt, SIGN};
use crate::{redirect, state};

impl Prompt<'_> {
    /// Whether the client's prompt is to be Python's.
    pub(in crate::prompt) fn wants_console(&mut self) -> bool {
        self.console.is_settled = true;
        if state::settings().wants_python && !state::settings().exec {
            self.console.api = self.session.interpreter();
        }
        let wants = self.console.api.is_some();
        self.session.sign = if wants { SIGN } else { "" };
        wants
    }

    /// Python's banner, for a console that is opened by the first line; `None` where its version cannot be read.
    pub(in crate::prompt) fn greet_as_console(&mut self) -> Option<String> {
        self.console.version = self.session.version_of_python()?;
        (self.console.is_active, self.console.has_greeted) = (true, true);
        Some(self.console.banner())
    }

    /// What is waited for by a client whose console is opened without a line of its own.
    pub(in crate::prompt) fn opens_console(&mut self) {
        self.pending = Some(Pending { id: Value::Null, as_data: false, work: Work::Opening });
    }

    /// Opens Python's console, when the client has the dump.
    pub(in crate::prompt) fn open_console(&mut self, interrupted: &dyn Fn() -> bool) -> Followed {
        let started = self.begin_console(interrupted);
        match (started, self.pending.take()) {
            (Ok(_), Some(next)) => Followed::Again(next.work, Vec::new()),
            // There is nothing that could be tried again before an interpreter begins.
            (Err(reason), _) if self.console.api.is_none() => Followed::Answered(Answer {
                text: dump_stacktraces::banner(),
                error: Some(reason),
                ..Answer::default()
            }),
            (started, _) => {
                let reason = started.err().unwrap_or_default();
                let banner = dump_stacktraces::banner();
                let text = format!("{reason}. %python tries again.\n{banner}");
                Followed::Answered(Answer { text, ..Answer::default() })
            }
        }
    }

    /// Whether there is one, be it only by now.
    pub(super) fn knows_interpreter(&mut self) -> bool {
        if self.console.api.is_none() && state::settings().wants_python {
            self.console.api = self.session.interpreter();
        }
        self.console.api.is_some()
    }

    pub(super) fn back_to_python(&mut self, interrupted: &dyn Fn() -> bool) -> Result<Answer, String> {
        if self.console.waits() {
            return Err("the interpreter's lock has not come yet; its prompt follows by itself".to_owned());
        }
        // Who was greeted as Python's has its console opened by the first line that needs it.
        if self.console.globals != 0 || self.console.has_greeted {
            self.console.is_active = true;
        } else {
            return self.begin_console(interrupted);
        }
        Ok(Answer::default())
    }

    fn begin_console(&mut self, interrupted: &dyn Fn() -> bool) -> Result<Answer, String> {
        if interrupted() {
            return Err("interrupted".to_owned());
        }
        self.start_script(What::Open, "%python", OPENED.to_vec(), interrupted)
    }

    /// Makes the client known to the interpreter, before the first script.
    pub(super) fn announce(&mut self, is_given: bool) {
        if self.console.globals == 0 {
            self.console.client = redirect::outlet::open(is_given);
            self.console.main = self.session.main_thread_of_python();
        }
    }
}
