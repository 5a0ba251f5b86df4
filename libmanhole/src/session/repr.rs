//! A line as Python's `repr` writes it.
//!
//! Context: the agent's thread. Pure.

use core::fmt::Write;

/// The text in quotes with what cannot be printed written out; after `limit` characters it is cut.
pub(super) fn repr(text: &str, limit: usize) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut shown = String::from(quote);
    for (count, character) in text.chars().enumerate() {
        if count == limit {
            shown.push_str("...");
            break;
        }
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            '\\' => shown.push_str("\\\\"),
            _ if character == quote => shown.extend(['\\', quote]),
            '\u{80}'..='\u{a0}' | '\u{ad}' | '\0'..=' ' | '\u{7f}' if character != ' ' => {
                let _ = write!(shown, "\\x{:02x}", u32::from(character));
            }
            // Ends of lines and directions of writing: what stands after them in the log must stay readable.
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' => {
                let _ = write!(shown, "\\u{:04x}", u32::from(character));
            }
            _ => shown.push(character),
        }
    }
    shown.push(quote);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_python_writes_it() {
        for (text, shown) in [
            ("exit()\n", r"'exit()\n'"),
            ("print('x')\n", r#""print('x')\n""#),
            ("'\"", r#"'\'"'"#),
            ("a\\b\t\r\u{1b}\u{7f}", r"'a\\b\t\r\x1b\x7f'"),
            ("größe €", "'größe €'"),
            ("\u{a0}\u{2028}", r"'\xa0\u2028'"),
            ("", "''"),
        ] {
            assert_eq!(repr(text, 100), shown);
        }
        assert_eq!(repr("abcdef", 3), "'abc...'");
    }
}
