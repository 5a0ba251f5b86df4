//! A line -> native line, Python, or a wish to leave.
//!
//! Context: the agent's thread. Pure.

use super::python;
use crate::render::quote;

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning<'t> {
    /// A command or an expression.
    Line(&'t str),
    /// Something that only wants this text back.
    Say(String),
    /// The client wants to leave.
    Quit,
    /// Something that cannot be done here, and what can.
    Refused(String),
}

/// Bytes of a line that the history keeps.
const KEPT: usize = 4096;

/// What a line (without blanks around it) means.
pub(super) fn meaning(line: &str) -> Meaning<'_> {
    let without_parentheses = line.strip_suffix("()").map(str::trim_end).unwrap_or(line);
    match without_parentheses {
        // As python-manhole's users type them; gdb's spelling is in the table of commands.
        "exit" | "quit" | "raise SystemExit" | "sys.exit" => Meaning::Quit,
        "dump_stacktraces" | "help" => Meaning::Line(without_parentheses),
        // print(1 + 2) with Python's blank or gdb's: the value of what stands in the parentheses.
        _ if line.starts_with("print(") && python::meaning(line).is_none() => {
            Meaning::Line(line.strip_prefix("print").unwrap_or(line))
        }
        _ => python::meaning(line).unwrap_or(Meaning::Line(line)),
    }
}

/// The part of a line that is worth keeping.
pub(super) fn kept(line: &str) -> &str {
    line.get(..quote::boundary(line, KEPT)).unwrap_or_default()
}

/// Whether the line is a word, alone or before other words or options: what a command looks like, an expression not.
pub(super) fn looks_like_a_command(line: &str) -> bool {
    let (word, rest) = crate::command::find::split_word(line);
    let starts = word.starts_with(|letter: char| letter.is_ascii_alphabetic());
    let rest_starts = rest.trim_start().chars().next();
    let blank = rest.starts_with(char::is_whitespace);
    starts && rest_starts.is_none_or(|letter| blank && (letter.is_alphanumeric() || "/$&*-_".contains(letter)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parentheses_of_python() {
        assert_eq!(meaning("exit()"), Meaning::Quit);
        assert_eq!(meaning("exit ()"), Meaning::Quit);
        assert_eq!(meaning("dump_stacktraces()"), Meaning::Line("dump_stacktraces"));
        assert_eq!(meaning("help()"), Meaning::Line("help"));
        assert_eq!(meaning("f()"), Meaning::Line("f()"));
    }

    #[test]
    fn commands_and_expressions() {
        assert!(looks_like_a_command("frobnicate"));
        assert!(looks_like_a_command("frobnicate 3"));
        assert!(!looks_like_a_command("a + 1"));
        assert!(!looks_like_a_command("a.b"));
        assert!(!looks_like_a_command("1"));
    }

    #[test]
    fn long_lines_are_kept_in_part() {
        assert_eq!(kept("abc"), "abc");
        assert_eq!(kept(&"ä".repeat(10_000)).len(), KEPT);
    }
}
