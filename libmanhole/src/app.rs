//! The application's own commands: what `manhole_add_command` has been given.
//!
//! Context: [`add`] on host threads in normal context, never in a signal handler; the rest on the agent's thread, without a lock. Commands
//! are never taken back, so they live for as long as the process; a forked child has them too.

use core::ffi::{c_char, c_int, c_void};

use once_cell::race::OnceRef;

use crate::sys::lock::Lock;

/// The type of the application's function: arguments as `main` has them, then the context.
pub(crate) type Function = unsafe extern "C-unwind" fn(c_int, *mut *mut c_char, *mut c_void) -> c_int;

/// The longest name.
const NAME: usize = 40;

/// A command of the application.
pub(crate) struct Command {
    pub(crate) name: String,
    /// The first line of its help.
    pub(crate) summary: String,
    /// The other lines.
    pub(crate) help: String,
    pub(crate) function: Function,
    /// The address that the function gets; it means nothing to us.
    pub(crate) context: usize,
    next: OnceRef<'static, Command>,
}

static FIRST: OnceRef<'static, Command> = OnceRef::new();

/// One addition at a time.
static ADDING: Lock<()> = Lock::new(());

/// Why a command was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Another command has this name.
    Exists,
    /// Another thread is adding one at this moment.
    Busy,
}

/// Whether a command may have this name.
pub(crate) fn is_name(name: &[u8]) -> bool {
    let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'_';
    name.len() <= NAME
        && name.first().is_some_and(is_letter)
        && name.iter().all(|byte| is_letter(byte) || byte.is_ascii_digit() || *byte == b'-')
}

/// Adds a command. One that is there already, with the same function and context, is not added again.
pub(crate) fn add(name: &str, help: &str, function: Function, context: usize) -> Result<(), Refusal> {
    let Some(_one) = ADDING.try_lock() else { return Err(Refusal::Busy) };
    if let Some(known) = named(name) {
        let is_same = core::ptr::fn_addr_eq(known.function, function) && known.context == context;
        return if is_same { Ok(()) } else { Err(Refusal::Exists) };
    }
    let (summary, rest) = help.split_once('\n').unwrap_or((help, ""));
    let command: &'static Command = Box::leak(Box::new(Command {
        name: name.to_owned(),
        summary: summary.trim_end().to_owned(),
        help: rest.trim_end().to_owned(),
        function,
        context,
        next: OnceRef::new(),
    }));
    let place = all().last().map_or(&FIRST, |last| &last.next);
    // The place is free: nobody else adds at this moment.
    let _ = place.set(command);
    Ok(())
}

/// All of them, in the order of their addition.
pub(crate) fn all() -> impl Iterator<Item = &'static Command> {
    core::iter::successors(FIRST.get(), |command| command.next.get())
}

/// The command of this name.
pub(crate) fn named(name: &str) -> Option<&'static Command> {
    all().find(|command| command.name == name)
}

/// The command that the word abbreviates, if it is the only one.
pub(crate) fn abbreviated(word: &str) -> Option<&'static Command> {
    let mut candidates = all().filter(|command| !word.is_empty() && command.name.starts_with(word));
    let first = candidates.next();
    first.filter(|_| candidates.next().is_none())
}

/// In a freshly forked child.
pub(crate) fn forget() {
    ADDING.forget(());
}

/// The words of a line, as a shell splits them: blanks separate, quotes and backslashes keep together.
pub(crate) fn words(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        let mut push = |letter: char| {
            word.get_or_insert_default().extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        };
        match (letter, quote) {
            ('\0', _) => return Err("an argument cannot hold a NUL".to_owned()),
            ('\\', None | Some('"')) => push(letters.next().ok_or("a backslash ends the line")?),
            ('"' | '\'', None) => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (_, Some(open)) if letter == open => quote = None,
            (_, Some(_)) => push(letter),
            _ if letter.is_whitespace() => words.extend(word.take()),
            _ => push(letter),
        }
    }
    if let Some(open) = quote {
        return Err(format!("a quote ({open}) is not closed"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["stats", "_x", "a-b_3", "A"] {
            assert!(is_name(good.as_bytes()), "{good}");
        }
        for bad in ["", "3a", "a b", "a.b", "-a", "ä", "a\n", &"x".repeat(41)] {
            assert!(!is_name(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn words_as_a_shell_splits_them() {
        let words = |line: &str| -> Vec<String> {
            words(line).unwrap().into_iter().map(|word| String::from_utf8(word).unwrap()).collect()
        };
        assert!(words("  ").is_empty());
        assert_eq!(words("a  'b c' \"d\\\"e\" f\\ g ''"), ["a", "b c", "d\"e", "f g", ""]);
        assert_eq!(words("x'y'z"), ["xyz"]);
        assert!(super::words("'a").is_err() && super::words("a\\").is_err() && super::words("\0").is_err());
    }
}
