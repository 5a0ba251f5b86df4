//! Text from the process, made safe for a terminal.
//!
//! Runs in the client; pure. The memory of a process may hold anything, so may its output: an escape sequence could
//! retitle, redraw or type into the terminal of the one who only looks.

use std::borrow::Cow;

/// The text with each control character but newline and tab, and each invisible reordering mark, written as an escape.
pub(crate) fn on_terminal(text: &str) -> Cow<'_, str> {
    if !text.contains(is_dangerous) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len().saturating_add(16));
    for character in text.chars() {
        if is_dangerous(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

fn is_dangerous(character: char) -> bool {
    (character.is_control() && character != '\n' && character != '\t')
        || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_shown_and_text_is_kept() {
        assert_eq!(on_terminal("a\tb\nänd → ok"), "a\tb\nänd → ok");
        assert_eq!(on_terminal("\x1b]0;x\x07\r"), "\\u{1b}]0;x\\u{7}\\r");
        assert_eq!(on_terminal("\u{9b}2J\u{202e}"), "\\u{9b}2J\\u{202e}");
    }
}
