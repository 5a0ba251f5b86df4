//! How the client ends when it cannot do what was asked: exit status and text.
//!
//! Runs in the client; pure but for the printing.

use std::io;

/// Usual failures.
pub(crate) const ERROR: u8 = 1;
/// A command was answered with an error.
pub(crate) const COMMAND_FAILED: u8 = 3;
/// No manhole answered in time.
pub(crate) const TIMEOUT: u8 = 5;

/// An end with a status other than 0.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The exit status.
    pub(crate) status: u8,
    /// What to say on stderr; may be empty, when it was said already.
    pub(crate) text: String,
}

impl Failure {
    /// An ordinary error with its text.
    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self {
            status: ERROR,
            text: text.into(),
        }
    }

    /// Writing the answer failed. A closed pipe (`| head`) is nothing to talk about.
    pub(crate) fn output(error: &io::Error) -> Self {
        Self::error(if error.kind() == io::ErrorKind::BrokenPipe {
            String::new()
        } else {
            format!("cannot write the answer: {error}")
        })
    }
}
