//! What may stand at the cursor.
//!
//! Context: the agent's thread.

use crate::command::find::{self, Found};
use crate::command::{Session, Takes};
use crate::render::quote;

/// Candidates that are offered at most.
const LIMIT: usize = 200;

/// The offset where the replaced text starts, and what may stand there, sorted.
pub(super) fn complete(session: &mut Session<'_>, line: &str, cursor: usize) -> (usize, Vec<String>) {
    let cursor = quote::boundary(line, cursor);
    let text = line.get(..cursor).unwrap_or_default();
    let (words, rest) = find::command_words(text);
    let mut candidates: Vec<String> = Vec::new();
    let mut start = cursor.saturating_sub(rest.len());
    // A word of a command, where nothing but its beginning stands there.
    if find::split_word(rest).1.is_empty() {
        candidates.extend(starting(find::words_after(&words), rest));
    }
    let takes = match find::find(text) {
        Found::Command(command, _) if !words.is_empty() => command.takes,
        Found::OfApplication(..) if !rest.is_empty() && text.len() > rest.len() => Takes::Nothing,
        _ if words.is_empty() => Takes::Symbols,
        _ => Takes::Nothing,
    };
    match takes {
        Takes::Nothing => {}
        Takes::Commands => {
            let (words, rest) = find::command_words(rest);
            start = cursor.saturating_sub(rest.len());
            candidates = starting(find::words_after(&words), rest);
        }
        Takes::Threads => {
            candidates.extend(session.thread_ids().iter().map(i32::to_string).filter(|id| id.starts_with(rest)));
            candidates.extend(starting(vec!["all"], rest).into_iter().filter(|_| words.first() == Some(&"bt")));
        }
        Takes::Symbols if candidates.is_empty() => {
            let prefix = symbol_prefix(rest);
            start = cursor.saturating_sub(prefix.len());
            if !prefix.is_empty() {
                candidates = session.complete(prefix, LIMIT);
            }
        }
        Takes::Symbols => {}
    }
    candidates.sort_unstable();
    candidates.dedup();
    candidates.truncate(LIMIT);
    (start, candidates)
}

fn starting(words: Vec<&'static str>, prefix: &str) -> Vec<String> {
    words.into_iter().filter(|word| word.starts_with(prefix)).map(str::to_owned).collect()
}

/// The beginning of a symbol's name at the end of the text; empty where a number or a register stands.
fn symbol_prefix(text: &str) -> &str {
    let is_part = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | ':' | '.');
    let start =
        text.char_indices().rev().take_while(|(_, letter)| is_part(*letter)).last().map_or(text.len(), |(at, _)| at);
    let word = text.get(start..).unwrap_or_default();
    let is_register = text.get(..start).is_some_and(|before| before.ends_with('$'));
    if is_register || word.starts_with(|letter: char| letter.is_ascii_digit()) { "" } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::Store;

    fn candidates(line: &str) -> (usize, Vec<String>) {
        let store = Store::default();
        complete(&mut Session::new(&store), line, line.len())
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn words_of_commands_at_every_level() {
        assert_eq!(candidates("hi"), (0, words(&["history"])));
        assert_eq!(candidates("info th"), (5, words(&["threads"])));
        assert_eq!(candidates("i th"), (2, words(&["threads"])));
        assert_eq!(candidates("thread apply "), (13, words(&["all"])));
        assert_eq!(candidates("help info ma"), (10, words(&["maps"])));
        assert_eq!(candidates("help his"), (5, words(&["history"])));
        assert_eq!(candidates("info li"), (5, words(&["limits", "line"])));
        assert!(candidates("").1.contains(&"bt".to_owned()));
        assert!(candidates("info ").1.contains(&"registers".to_owned()));
        assert_eq!(candidates("bt al"), (3, words(&["all"])));
        assert_eq!(candidates("quit x"), (5, words(&[])));
    }

    #[test]
    fn the_cursor_may_be_anywhere() {
        let store = Store::default();
        let mut session = Session::new(&store);
        assert_eq!(complete(&mut session, "info th xyz", 7), (5, words(&["threads"])));
        assert_eq!(complete(&mut session, "hi", 999), (0, words(&["history"])));
        assert_eq!(complete(&mut session, "ä", 1).0, 0);
    }

    #[test]
    fn beginnings_of_symbols() {
        assert_eq!(symbol_prefix("1 + fo"), "fo");
        assert_eq!(symbol_prefix("&std::ve"), "std::ve");
        assert_eq!(symbol_prefix("0x1f"), "");
        assert_eq!(symbol_prefix("$ri"), "");
        assert_eq!(symbol_prefix(""), "");
    }
}
