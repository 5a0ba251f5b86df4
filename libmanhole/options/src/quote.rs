//! Text made safe to print: as one line of a log, or as a Python string literal. Pure.

/// No more than this many characters of a value appear in a log line.
const LINE_LIMIT: usize = 1000;

/// The text as one line: control characters are escaped as Python writes them, and what is longer than 1,000
/// characters is cut, with a note how much is missing. Everything else stays as it is, backslashes included.
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (count, (at, character)) in text.char_indices().enumerate() {
        if count == LINE_LIMIT {
            let left = text.len().saturating_sub(at);
            line.push_str(&format!("... ({left} more bytes)"));
            break;
        }
        push_visible(&mut line, character);
    }
    line
}

/// The text as a Python string literal in double quotes, on one line.
pub fn quote(text: &str) -> String {
    let mut literal = String::from("\"");
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            literal.push('\\');
        }
        push_visible(&mut literal, character);
    }
    literal.push('"');
    literal
}

fn push_visible(out: &mut String, character: char) {
    match character {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        // Line and paragraph separators end a line for some readers of logs.
        '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
        _ if character.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(character))),
        _ => out.push(character),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_escapes_what_would_break_a_line() {
        assert_eq!(one_line("a=1,\r\n\tb='é\\n'"), "a=1,\\r\\n\\tb='é\\n'");
        assert_eq!(one_line("\x1b[2J\0\u{2028}"), "\\x1b[2J\\x00\\u2028");
    }

    #[test]
    fn one_line_is_bounded() {
        let line = one_line(&"x".repeat(1_000_000));
        assert_eq!(
            line,
            format!("{}... (999000 more bytes)", "x".repeat(LINE_LIMIT))
        );
        assert_eq!(one_line(&"x".repeat(LINE_LIMIT)).len(), LINE_LIMIT);
    }

    #[test]
    fn quote_is_a_literal() {
        assert_eq!(quote("a\"b\\c'\n\u{7f}"), r#""a\"b\\c'\n\x7f""#);
    }
}
