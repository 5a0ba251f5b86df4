//! Text that came from outside, made fit for one line of a message.
//!
//! Context: the agent's thread. Pure.

use core::fmt::Write;

/// The text with control characters written out, cut after `limit` characters.
pub(crate) fn short(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == limit {
            shown.push_str("...");
            break;
        }
        push(&mut shown, character);
    }
    shown
}

/// The text with control characters written out.
pub(crate) fn plain(text: &str) -> String {
    short(text, usize::MAX)
}

fn push(shown: &mut String, character: char) {
    match character {
        '\n' => shown.push_str("\\n"),
        '\t' => shown.push_str("\\t"),
        '\r' => shown.push_str("\\r"),
        character if character.is_control() => {
            let _ = write!(shown, "\\x{:02x}", u32::from(character));
        }
        character => shown.push(character),
    }
}

/// The last byte offset up to `limit` where a character starts or the text ends.
pub(crate) fn boundary(text: &str, limit: usize) -> usize {
    let mut at = limit.min(text.len());
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    at
}

/// Numbers as ranges, `1-3, 7`, at most `limit` ranges.
pub(crate) fn ranges(numbers: &[i32], limit: usize) -> String {
    let mut spans: Vec<(i32, i32)> = Vec::new();
    for &number in numbers {
        match spans.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => spans.push((number, number)),
        }
    }
    let mut shown: Vec<String> = spans
        .iter()
        .take(limit)
        .map(|&(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") })
        .collect();
    if spans.len() > limit {
        shown.push("...".to_owned());
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn control_characters_and_length() {
        assert_eq!(super::short("a\nb\u{1b}[31mc", 100), "a\\nb\\x1b[31mc");
        assert_eq!(super::short("abcdef", 3), "abc...");
        assert_eq!(super::short("äöü", 3), "äöü");
    }

    #[test]
    fn numbers_become_ranges() {
        assert_eq!(super::ranges(&[1, 2, 3, 7, 9, 10], 10), "1-3, 7, 9-10");
        assert_eq!(super::ranges(&[1, 3, 5], 2), "1, 3, ...");
        assert_eq!(super::ranges(&[], 2), "");
    }
}
