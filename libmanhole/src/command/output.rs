//! What a command says: text for people and data for programs, both bounded.
//!
//! Context: the agent's thread. Pure.

use core::fmt::{Arguments, Write};

use serde_json::Value;

use crate::render::quote;

/// More text than this is cut: it would take the host's memory.
const LIMIT: usize = 16 << 20;

/// The answer of a command while it grows.
#[derive(Debug, Default)]
pub(crate) struct Output {
    text: String,
    is_cut: bool,
    /// Whether the client asked for data: making them costs more than the text.
    wants_data: bool,
    pub(crate) data: Value,
    /// Whether the client wants to leave.
    pub(crate) quit: bool,
}

impl Output {
    /// An empty answer, as text or as data.
    pub(crate) fn new(wants_data: bool) -> Self {
        Output { wants_data, ..Output::default() }
    }

    /// Whether data are asked for; a command whose data are small need not ask.
    pub(crate) fn wants_data(&self) -> bool {
        self.wants_data
    }

    /// Appends formatted text.
    pub(crate) fn push(&mut self, what: Arguments<'_>) {
        if !self.is_full() {
            let _ = self.text.write_fmt(what);
        }
    }

    /// Appends a line.
    pub(crate) fn line(&mut self, what: Arguments<'_>) {
        self.push(format_args!("{what}\n"));
    }

    /// Whether nothing more will be taken: a long command ends early.
    pub(crate) fn is_full(&mut self) -> bool {
        self.is_cut |= self.text.len() >= LIMIT;
        self.is_cut
    }

    /// The text, and the data: where a command gave none, the text stands there.
    pub(crate) fn finish(mut self) -> (String, Value) {
        if self.text.len() > LIMIT {
            self.text.truncate(quote::boundary(&self.text, LIMIT));
        }
        if self.is_cut {
            self.text.push_str("\n(cut here: an answer has at most 16 MiB)\n");
        }
        if self.data.is_null() && self.wants_data {
            self.data = serde_json::json!({ "text": self.text });
        }
        (self.text, self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_bounded_and_says_so() {
        let mut output = Output::default();
        let piece = "ä".repeat(1 << 20);
        for _ in 0..20 {
            output.line(format_args!("{piece}"));
        }
        assert!(output.is_full());
        let (text, _) = output.finish();
        assert!(text.len() < LIMIT + 100);
        assert!(text.ends_with("at most 16 MiB)\n"));
    }

    #[test]
    fn text_stands_for_data_that_is_not_there() {
        let mut output = Output::new(true);
        output.line(format_args!("hello"));
        assert_eq!(output.finish().1, serde_json::json!({ "text": "hello\n" }));
    }
}
