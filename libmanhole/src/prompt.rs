//! The prompt: a line -> what is meant -> an answer.
//!
//! Context: the agent's thread.

use crate::symbols::{Store, Symbols};

/// What a line has led to.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The answer for people; ends with a newline unless empty.
    pub(crate) text: String,
    /// The answer for programs.
    pub(crate) data: serde_json::Value,
    /// What was wrong, without newline; the text then holds what was said before the error.
    pub(crate) error: Option<String>,
    /// Whether the client wants to leave.
    pub(crate) quit: bool,
}

/// One client's prompt: its symbols, its last snapshot, its selected thread and frame, its history.
pub(crate) struct Prompt<'s> {
    _symbols: Symbols<'s>,
}

impl<'s> Prompt<'s> {
    /// The text before each line.
    pub(crate) const PROMPT: &'static str = ">>> ";

    pub(crate) fn new(store: &'s Store) -> Self {
        Prompt { _symbols: Symbols::new(store) }
    }

    /// What a client sees on connect: the dump of all threads, its closing line, and the banner.
    pub(crate) fn greeting(&mut self) -> String {
        String::new()
    }

    /// Runs one line (without its newline). `interrupted` is asked now and then; true ends the command early.
    pub(crate) fn run(&mut self, _line: &[u8], _interrupted: &dyn Fn() -> bool) -> Answer {
        Answer::default()
    }

    /// What may stand before the byte offset `cursor`: the offset where the replaced text starts, and the candidates.
    pub(crate) fn complete(&mut self, _line: &str, cursor: usize) -> (usize, Vec<String>) {
        (cursor, Vec::new())
    }
}
