//! `watch`: an expression that is looked at again and again, and told when it changes.
//!
//! Context: the agent's thread. Nothing waits and nothing is called: the event loop comes back when it is time, and the client ends it by
//! whatever it sends.

use core::time::Duration;

use super::{Command, Context, Takes};
use crate::render::quote::short;
use crate::sys::process;

/// How often, when nothing is said.
const USUAL: Duration = Duration::from_secs(1);
/// At most so often.
const LEAST: Duration = Duration::from_millis(10);

pub(super) static COMMAND: Command = Command {
    names: &["watch"],
    arguments: "EXPRESSION [every MILLISECONDS]",
    summary: "show an expression each time it has changed, until a key",
    help: "It is read once a second, or every so many milliseconds: what changes and changes back between is not seen. The program is\n\
           not stopped and not slowed down. Any line, which is not run, Ctrl-C or the end of input ends it.",
    takes: Takes::Symbols,
    run: |context, arguments| {
        let (expression, every) = match arguments.rsplit_once(" every ") {
            None => (arguments, USUAL),
            Some((expression, every)) => {
                let digits = every.trim().trim_end_matches("ms").trim_end();
                let every = digits.parse().ok().map(Duration::from_millis).filter(|every| *every >= LEAST);
                let wrong = || format!("\"{}\" is no number of milliseconds from 10 on", short(digits, 40));
                (expression, every.ok_or_else(wrong)?)
            }
        };
        let mut watch = Watch { expression: expression.trim().to_owned(), every, next: Duration::ZERO, last: None };
        if watch.expression.is_empty() {
            return Err("watch needs an expression, such as watch counter every 100".to_owned());
        }
        let first = watch.look(context)?;
        context.out.line(format_args!("{}", first.unwrap_or_default()));
        context.session.watch = Some(watch);
        Ok(())
    },
};

/// What is watched.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    expression: String,
    every: Duration,
    /// When it is looked at next, on the monotonic clock.
    next: Duration,
    last: Option<String>,
}

impl Watch {
    /// How long until it is looked at.
    pub(crate) fn time(&self) -> Duration {
        self.next.saturating_sub(process::monotonic())
    }

    /// Looks at it; the line to tell, if it has changed.
    pub(crate) fn look(&mut self, context: &mut Context<'_, '_>) -> Result<Option<String>, String> {
        self.next = process::monotonic().saturating_add(self.every);
        context.calls_nothing = true;
        context.session.is_live = true;
        let value = context.value(&self.expression);
        let text = value.and_then(|value| context.shown(&value, None));
        context.session.is_live = false;
        let text = match (text, &self.last) {
            (Err(reason), None) => return Err(reason),
            (Err(reason), Some(_)) => reason,
            (Ok(text), _) => text,
        };
        if self.last.as_ref() == Some(&text) {
            return Ok(None);
        }
        let line = match &self.last {
            None => format!("{}  {} = {text}", clock(), self.expression),
            Some(last) => format!("{}  {} = {text}  (was {last})", clock(), self.expression),
        };
        self.last = Some(text);
        Ok(Some(line))
    }
}

/// The time of day, in UTC, with milliseconds: the host's time zone is behind its locks.
fn clock() -> String {
    let now = process::realtime();
    let seconds = now.as_secs() % 86_400;
    format!("{:02}:{:02}:{:02}.{:03}Z", seconds / 3600, seconds / 60 % 60, seconds % 60, now.subsec_millis())
}
