//! Why the program is not started: one line of reason, at most one of remedy, and the exit code. Runs in the launcher.

use std::fmt;

/// The options or the command line are wrong.
pub(crate) const BAD_OPTIONS: i32 = 2;
/// The program could be started, but no manhole could be in it.
pub(crate) const NO_MANHOLE: i32 = 125;
/// The program was found and cannot be executed.
pub(crate) const NOT_EXECUTABLE: i32 = 126;
/// The program, or something that it cannot start without, was not found.
pub(crate) const NOT_FOUND: i32 = 127;

/// A refusal; `Display` gives the lines for standard error.
#[derive(Debug, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) code: i32,
    pub(crate) reason: String,
    pub(crate) remedy: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: i32, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
            remedy: None,
        }
    }

    pub(crate) fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// Says of what the refused thing is a part.
    pub(crate) fn within(mut self, whole: &str) -> Self {
        self.reason = format!("{whole}: {}", self.reason);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "manhole-run: {}", self.reason)?;
        match &self.remedy {
            Some(remedy) => write!(out, "\nmanhole-run: {remedy}"),
            None => Ok(()),
        }
    }
}
