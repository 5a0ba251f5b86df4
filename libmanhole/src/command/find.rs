//! Words -> command, with gdb's abbreviations.
//!
//! Context: the agent's thread. Pure.

use super::{COMMANDS, Command, SHORT};
use crate::app;
use crate::render::quote::short;

/// What the first words of a line stand for.
#[derive(Clone, Copy)]
pub(crate) enum Found<'t> {
    /// A command, and the text of its arguments.
    Command(&'static Command, &'t str),
    /// A command that the application has added, and the text of its arguments.
    OfApplication(&'static app::Command, &'t str),
    /// The beginning of several commands; a word is missing or wrong.
    Incomplete(&'static str, &'t str),
    /// An abbreviation of several commands.
    Ambiguous(&'t str),
    /// No command.
    Unknown,
}

/// The word at the start of the text, and the rest. `p/x` and `x/8gx` are a word and its arguments.
pub(crate) fn split_word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let end = text.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'));
    let end = end.unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Whether commands start with this very word.
pub(crate) fn is_full_word(word: &str) -> bool {
    is_own_word(word) || app::named(word).is_some()
}

/// Whether commands of ours start with this very word: the application cannot have it.
pub(crate) fn is_own_word(word: &str) -> bool {
    let names = COMMANDS.iter().flat_map(|command| command.names.iter().copied());
    let first = |name: &str| name.split(' ').next() == Some(word);
    names.chain(SHORT.iter().map(|(short, _)| *short)).any(first)
}

/// Finds the command that a line starts with: an abbreviation means one of ours if it can.
pub(crate) fn find(line: &str) -> Found<'_> {
    let (word, rest) = split_word(line);
    let ends = rest.is_empty() || rest.starts_with(char::is_whitespace);
    if let Some(command) = app::named(word).filter(|_| ends) {
        return Found::OfApplication(command, rest.trim());
    }
    match find_own(line) {
        Found::Unknown if ends => {
            app::abbreviated(word).map_or(Found::Unknown, |command| Found::OfApplication(command, rest.trim()))
        }
        found => found,
    }
}

fn find_own(line: &str) -> Found<'_> {
    let mut prefix: Vec<&'static str> = Vec::new();
    let mut rest = line.trim();
    let mut complete: Option<&'static Command> = None;
    // The longest command so far, should a longer one not be meant after all.
    let mut shorter: Option<(&'static Command, &str)> = None;
    loop {
        let (word, after) = split_word(rest);
        // A word ends where a blank, a format or nothing follows: `bt()` or `x+1` are no commands.
        let ends = after.is_empty() || after.starts_with(char::is_whitespace) || after.starts_with('/');
        let next = if word.is_empty() || !ends { Vec::new() } else { next_words(&prefix, word) };
        match (next.as_slice(), complete) {
            ([], Some(command)) => return Found::Command(command, rest.trim()),
            ([], None) => {
                return match (shorter, prefix.first()) {
                    (Some((command, rest)), _) => Found::Command(command, rest),
                    // gdb's `set x = 3`: what is no setting is an expression.
                    (None, Some(&"set")) if prefix.len() == 1 && rest.contains('=') => {
                        Found::Command(&super::set::VAR, rest.trim())
                    }
                    (None, Some(first)) => Found::Incomplete(first, rest.trim()),
                    (None, None) => Found::Unknown,
                };
            }
            ([only], _) => prefix.push(only),
            // Several names of the same command are no ambiguity.
            (several, _) => match same_command(&prefix, several) {
                Some(name) => prefix.push(name),
                None if complete.is_some() => {
                    return complete.map_or(Found::Unknown, |c| Found::Command(c, rest.trim()));
                }
                None => return Found::Ambiguous(word),
            },
        }
        rest = after.trim_start();
        complete = COMMANDS.iter().copied().find(|command| command.names.iter().any(|name| is_name(name, &prefix)));
        shorter = complete.map(|command| (command, rest.trim())).or(shorter);
    }
}

fn is_name(name: &str, words: &[&str]) -> bool {
    name.split(' ').eq(words.iter().copied())
}

fn starts_with(name: &str, words: &[&str]) -> bool {
    name.split(' ').count() > words.len() && name.split(' ').zip(words).all(|(a, b)| a == *b)
}

/// The words that may follow `prefix` and that `word` abbreviates: one when it is exact, customary or unambiguous.
fn next_words(prefix: &[&'static str], word: &str) -> Vec<&'static str> {
    let all = own_words_after(prefix);
    if let Some(exact) = all.iter().find(|known| **known == word) {
        return vec![exact];
    }
    if let Some((_, customary)) = SHORT.iter().find(|(known, _)| prefix.is_empty() && *known == word) {
        return vec![customary];
    }
    all.into_iter().filter(|known| known.starts_with(word)).collect()
}

/// The words that may follow the words before, sorted.
pub(crate) fn words_after(prefix: &[&str]) -> Vec<&'static str> {
    let mut all = own_words_after(prefix);
    if prefix.is_empty() {
        all.extend(app::all().map(|command| command.name.as_str()));
        all.sort_unstable();
    }
    all
}

/// Those of our own commands.
fn own_words_after(prefix: &[&str]) -> Vec<&'static str> {
    let names = COMMANDS.iter().flat_map(|command| command.names.iter());
    let mut all: Vec<&'static str> =
        names.filter(|name| starts_with(name, prefix)).filter_map(|name| name.split(' ').nth(prefix.len())).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// One of the words, when all lead to the same single command.
fn same_command(prefix: &[&'static str], several: &[&'static str]) -> Option<&'static str> {
    let mut commands = COMMANDS.iter().enumerate().filter(|(_, command)| {
        command.names.iter().any(|name| {
            starts_with(name, prefix) && name.split(' ').nth(prefix.len()).is_some_and(|word| several.contains(&word))
        })
    });
    let first = commands.next()?;
    if commands.next().is_some() {
        return None;
    }
    // A single command may have names of different length; the shortest is complete soonest.
    let names = first.1.names.iter().filter(|name| starts_with(name, prefix));
    let name = names.min_by_key(|name| name.split(' ').count())?;
    let word = name.split(' ').nth(prefix.len())?;
    several.iter().copied().find(|known| *known == word).or_else(|| several.first().copied())
}

/// The canonical words of the text, as far as they are words of commands, and the rest.
pub(crate) fn command_words(text: &str) -> (Vec<&'static str>, &str) {
    let mut prefix: Vec<&'static str> = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let (word, after) = split_word(rest);
        if word.is_empty() || !after.starts_with(char::is_whitespace) {
            return (prefix, rest);
        }
        match next_words(&prefix, word).as_slice() {
            [only] => prefix.push(only),
            _ => return (prefix, rest),
        }
        rest = after.trim_start();
    }
}

/// The error for the beginning of several commands.
pub(crate) fn incomplete(first: &str, rest: &str) -> String {
    let words: Vec<&str> = words_after(&[first]).into_iter().collect();
    if rest.is_empty() {
        return format!("{first} needs one more word: {}", words.join(", "));
    }
    let (word, _) = split_word(rest);
    let candidates: Vec<&str> =
        words.iter().copied().filter(|known| !word.is_empty() && known.starts_with(word)).collect();
    if candidates.len() > 1 {
        return format!("ambiguous command \"{first} {word}\": {}", candidates.join(", "));
    }
    let shown = short(rest, 40);
    match nearest(word, &words) {
        Some(near) => {
            format!("unknown command \"{first} {shown}\"; did you mean \"{first} {near}\"? help lists the commands")
        }
        None => format!("unknown command \"{first} {shown}\": {first} knows {}", words.join(", ")),
    }
}

/// The error for an ambiguous abbreviation.
pub(crate) fn ambiguous(word: &str) -> String {
    let words = words_after(&[]);
    let candidates: Vec<&str> = words.into_iter().filter(|known| known.starts_with(word)).collect();
    format!("ambiguous command \"{}\": {}", short(word, 40), candidates.join(", "))
}

/// The error for a line that is no command.
pub(crate) fn unknown(line: &str) -> String {
    let (word, _) = split_word(line);
    let shown = short(if word.is_empty() { line.trim() } else { word }, 60);
    match nearest(word, &words_after(&[])) {
        Some(near) => {
            format!("unknown command or symbol \"{shown}\"; did you mean \"{near}\"? help lists the commands")
        }
        None => format!("unknown command or symbol \"{shown}\"; help lists the commands"),
    }
}

/// The word that is one or two slips of the finger away.
fn nearest<'w>(word: &str, words: &[&'w str]) -> Option<&'w str> {
    if word.is_empty() || word.len() > 40 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let distances = words.iter().map(|known| (distance(&word, known), *known));
    let limit = if word.len() < 4 { 1 } else { 2 };
    distances.filter(|(distance, _)| *distance <= limit).min().map(|(_, known)| known)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, j + 1) + 1).min(at(&row, j) + 1).min(at(&last, j) + usize::from(from != to));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(to) && b.get(j - 1) == Some(from);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = core::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(line: &str) -> (String, &str) {
        match find(line) {
            Found::Command(command, rest) => (command.name().to_owned(), rest),
            Found::Incomplete(first, rest) => (format!("{first} ..."), rest),
            Found::Ambiguous(word) => ("ambiguous".to_owned(), word),
            Found::OfApplication(command, rest) => (command.name.clone(), rest),
            Found::Unknown => ("unknown".to_owned(), ""),
        }
    }

    #[test]
    fn gdb_s_abbreviations() {
        for (line, command, rest) in [
            ("bt", "bt", ""),
            ("bt 3", "bt", "3"),
            ("backtrace -f", "bt", "-f"),
            ("where", "bt", ""),
            ("b", "bt", ""),
            ("bt all", "bt", "all"),
            ("t a a bt", "thread apply all bt", ""),
            ("thread apply all bt", "thread apply all bt", ""),
            ("thr app all backtrace", "thread apply all bt", ""),
            ("thread apply all where", "thread apply all bt", ""),
            ("thread apply all print 1", "thread apply", "all print 1"),
            ("t", "thread", ""),
            ("thread 3", "thread", "3"),
            ("i r", "info registers", ""),
            ("i th", "info threads", ""),
            ("info threads", "info threads", ""),
            ("inf sh", "info sharedlibrary", ""),
            ("info proc mappings", "info maps", ""),
            ("info proc map", "info maps", ""),
            ("i r rip", "info registers", "rip"),
            ("i li", "ambiguous", "li"),
            ("i lim", "info limits", ""),
            ("p/x 3", "print", "/x 3"),
            ("p 3", "print", "3"),
            ("x/8gx &table", "x", "/8gx &table"),
            ("x", "x", ""),
            ("disas main", "disassemble", "main"),
            ("f 2", "frame", "2"),
            ("up", "up", ""),
            ("dow", "down", ""),
            ("q", "quit", ""),
            ("h bt", "help", "bt"),
            ("d", "ambiguous", "d"),
            ("i", "info ...", ""),
            ("info frobnicate", "info ...", "frobnicate"),
            ("x+1", "unknown", ""),
            ("f(3)", "unknown", ""),
            ("1+2", "unknown", ""),
            ("frobnicate", "unknown", ""),
            ("", "unknown", ""),
        ] {
            assert_eq!(name(line), (command.to_owned(), rest), "{line}");
        }
    }

    #[test]
    fn wrong_words_get_help() {
        assert!(ambiguous("d").contains("disassemble, display, down, dump_stacktraces"));
        assert!(unknown("hlep").contains("did you mean \"help\""));
        assert!(unknown("bactrace 5").contains("\"backtrace\""));
        assert!(unknown("frobnicate").ends_with("help lists the commands"));
        assert!(incomplete("info", "theads").contains("info threads"));
        assert!(incomplete("info", "").contains("sharedlibrary"));
        assert!(incomplete("info", "s").contains("ambiguous"));
        assert!(unknown(&"y".repeat(1 << 20)).len() < 200);
    }

    #[test]
    fn distances() {
        assert_eq!(distance("help", "hlep"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn names_are_unique_and_documented() {
        let mut names: Vec<&str> = COMMANDS.iter().flat_map(|command| command.names.iter().copied()).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for command in COMMANDS {
            assert!(!command.summary.is_empty() && !command.summary.ends_with('.'), "{}", command.name());
            assert!(command.summary.len() < 76, "{}", command.name());
        }
    }
}
