//! Why a text is refused, in one line, with the offending spot marked. Pure.

use std::fmt;
use std::ops::Range;

use crate::quote::one_line;

/// The spot is shown with at most this many characters of text on either side, so that a megabyte of options does
/// not become a megabyte of log.
const CONTEXT: usize = 60;
/// A longer spot is shown by its beginning and its end.
const SPOT: usize = 80;

/// What sort of mistake a text contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is not a list of arguments as Python writes it.
    Syntax,
    /// Python would evaluate this; here only literals are understood.
    NotLiteral,
    /// There is no option of this name.
    UnknownOption,
    /// The same option is given twice.
    RepeatedOption,
    /// The value has a type that the option does not take.
    WrongType,
    /// The type is right and the value is not: an unknown signal, a path that is too long.
    BadValue,
    /// Two options exclude each other.
    ConfigurationConflict,
}

/// A refused text. `Display` gives one line: the reason, the spot, the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What sort of mistake it is.
    pub kind: ErrorKind,
    /// The offending bytes of the text; empty where something is missing.
    pub span: Range<usize>,
    /// What is wrong, as a lowercase fragment.
    pub reason: String,
    /// What would be right, where that is known.
    pub hint: Option<String>,
    place: String,
    excerpt: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} at {}: {}",
            one_line(&self.reason),
            self.place,
            self.excerpt
        )?;
        match &self.hint {
            Some(hint) => write!(out, " ({})", one_line(hint)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ParseError {}

/// A mistake that does not know the text around it yet.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) kind: ErrorKind,
    pub(crate) span: Range<usize>,
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(kind: ErrorKind, span: Range<usize>, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self {
            kind,
            span,
            reason,
            hint: None,
        }
    }

    pub(crate) fn syntax(span: Range<usize>, reason: impl Into<String>) -> Self {
        Self::new(ErrorKind::Syntax, span, reason)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the place and the excerpt, which only the whole text can give.
    pub(crate) fn within(self, text: &str) -> ParseError {
        ParseError {
            place: place(text, self.span.start),
            excerpt: excerpt(text, &self.span),
            kind: self.kind,
            span: self.span,
            reason: self.reason,
            hint: self.hint,
        }
    }
}

/// `column 7`, or `line 2, column 7` when the text has several lines. Counted in characters, from 1.
fn place(text: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count().saturating_add(1);
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or("")
        .chars()
        .count()
        .saturating_add(1);
    if text.contains('\n') {
        format!("line {line}, column {column}")
    } else {
        format!("column {column}")
    }
}

fn excerpt(text: &str, span: &Range<usize>) -> String {
    let before = text.get(..span.start).unwrap_or("");
    let spot = text.get(span.clone()).unwrap_or("");
    let after = text.get(span.end..).unwrap_or("");
    format!(
        "{}>>>{}<<<{}",
        one_line(&last(before)),
        one_line(&middle(spot)),
        one_line(&first(after))
    )
}

fn first(text: &str) -> String {
    match text.char_indices().nth(CONTEXT) {
        Some((cut, _)) => format!("{}...", text.get(..cut).unwrap_or("")),
        None => text.to_owned(),
    }
}

fn last(text: &str) -> String {
    match text.char_indices().rev().nth(CONTEXT.saturating_sub(1)) {
        Some((cut, _)) if cut > 0 => format!("...{}", text.get(cut..).unwrap_or("")),
        _ => text.to_owned(),
    }
}

fn middle(text: &str) -> String {
    if text.char_indices().nth(SPOT).is_none() {
        return text.to_owned();
    }
    let head: String = text.chars().take(SPOT / 2).collect();
    let mut tail: Vec<char> = text.chars().rev().take(SPOT / 4).collect();
    tail.reverse();
    format!("{head}...{}", tail.into_iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_counts_characters_and_lines() {
        assert_eq!(place("äb=1", 3), "column 3");
        assert_eq!(place("a=1,\nbc=2", 6), "line 2, column 2");
        assert_eq!(place("", 0), "column 1");
    }

    #[test]
    fn excerpt_is_bounded_and_one_line() {
        let text = format!("{}\nBAD\n{}", "é".repeat(100_000), "z".repeat(100_000));
        let start = text.find("BAD").unwrap();
        let shown = Fault::syntax(start..start + 3, "no")
            .within(&text)
            .to_string();
        assert!(shown.contains("\\n>>>BAD<<<\\n"), "{shown}");
        assert!(!shown.contains('\n'));
        assert!(shown.chars().count() < 250, "{shown}");
    }

    #[test]
    fn a_long_spot_shows_both_ends() {
        let text = format!("a{}b", "-".repeat(1_000_000));
        let shown = Fault::syntax(0..text.len(), "no").within(&text).to_string();
        assert!(
            shown.contains(">>>a-") && shown.contains("-b<<<"),
            "{shown}"
        );
        assert!(shown.len() < 200);
    }
}
