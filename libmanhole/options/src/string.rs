//! Python's string literals: both quotes, triple quotes, prefixes, escapes, adjacent pieces. Pure.

use crate::error::{ErrorKind, Fault};
use crate::scan::Cursor;

/// True if a string literal, prefixed or not, starts at the cursor.
pub(crate) fn begins_string(cursor: &Cursor<'_>) -> bool {
    let mut characters = cursor.rest().chars();
    for _ in 0..3 {
        match characters.next() {
            Some('"' | '\'') => return true,
            Some(letter) if "rRuUbBfFtT".contains(letter) => {}
            _ => return false,
        }
    }
    false
}

/// One or more adjacent string literals, joined as Python joins them.
pub(crate) fn take_strings(cursor: &mut Cursor<'_>) -> Result<String, Fault> {
    let first = cursor.at();
    let mut joined = Vec::new();
    let mut bytes_before = None;
    loop {
        let start = cursor.at();
        let prefix = take_prefix(cursor)?;
        if bytes_before.is_some_and(|before| before != prefix.bytes) {
            let reason = "a bytes literal and a string cannot be joined";
            return Err(Fault::syntax(start..cursor.at(), reason).hint("remove the b prefix"));
        }
        bytes_before = Some(prefix.bytes);
        take_body(cursor, prefix, start, &mut joined)?;
        let mut ahead = Cursor::new(cursor.rest());
        ahead.skip_blank();
        if !begins_string(&ahead) {
            return String::from_utf8(joined).map_err(|_| {
                let span = first..cursor.at();
                Fault::new(ErrorKind::BadValue, span, "the bytes are not UTF-8")
            });
        }
        cursor.skip_blank();
    }
}

#[derive(Clone, Copy)]
struct Prefix {
    raw: bool,
    bytes: bool,
}

fn take_prefix(cursor: &mut Cursor<'_>) -> Result<Prefix, Fault> {
    let start = cursor.at();
    let letters = cursor
        .take_while(|character| !matches!(character, '"' | '\''))
        .to_lowercase();
    let (raw, bytes) = match letters.as_str() {
        "" | "u" => (false, false),
        "r" => (true, false),
        "b" => (false, true),
        "br" | "rb" => (true, true),
        _ if letters.contains(['f', 't']) => {
            let reason = "a formatted string is not a literal";
            let fault = Fault::new(ErrorKind::NotLiteral, start..cursor.at(), reason);
            return Err(fault.hint(
                "remove the prefix; in socket_path, {pid} stands for the process id by itself",
            ));
        }
        _ => {
            let reason = format!("'{letters}' is no string prefix");
            return Err(Fault::syntax(start..cursor.at(), reason));
        }
    };
    Ok(Prefix { raw, bytes })
}

fn take_body(
    cursor: &mut Cursor<'_>,
    prefix: Prefix,
    start: usize,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let quote = if cursor.peek() == Some('"') {
        "\""
    } else {
        "'"
    };
    let triple = quote.repeat(3);
    let (closing, long) = if cursor.take(&triple) {
        (triple.as_str(), true)
    } else {
        cursor.take(quote);
        (quote, false)
    };
    loop {
        if cursor.take(closing) {
            return Ok(());
        }
        let at = cursor.at();
        match cursor.next() {
            None => return Err(unterminated(start, at, closing)),
            Some('\n' | '\r') if !long => return Err(unterminated(start, at, closing)),
            // Python reads every kind of line end as \n.
            Some('\r') => {
                cursor.take("\n");
                out.push(b'\n');
            }
            // Even in a raw string a backslash keeps what comes after it from ending the string.
            Some('\\') if prefix.raw => {
                out.push(b'\\');
                match cursor.peek() {
                    Some('\r') => {
                        cursor.next();
                        cursor.take("\n");
                        out.push(b'\n');
                    }
                    Some(next @ ('"' | '\'' | '\\' | '\n')) => {
                        cursor.next();
                        push(out, next);
                    }
                    _ => {}
                }
            }
            Some('\\') => take_escape(cursor, prefix, at, out)?,
            Some(character) if prefix.bytes && !character.is_ascii() => {
                let reason = "a bytes literal holds ASCII characters only";
                return Err(Fault::syntax(at..cursor.at(), reason).hint("remove the b prefix"));
            }
            Some(character) => push(out, character),
        }
    }
}

fn unterminated(start: usize, end: usize, closing: &str) -> Fault {
    Fault::syntax(start..end, "the string does not end")
        .hint(format!("close it with {closing} on the same line"))
}

/// The rest of an escape whose backslash, at `start`, is behind the cursor.
fn take_escape(
    cursor: &mut Cursor<'_>,
    prefix: Prefix,
    start: usize,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let Some(letter) = cursor.next() else {
        return Ok(()); // The caller finds the end of the text and says so.
    };
    let code = match letter {
        '\r' => {
            cursor.take("\n");
            return Ok(());
        }
        '\n' => return Ok(()),
        '\\' | '\'' | '"' => u32::from(letter),
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => 0x0a,
        'r' => 0x0d,
        't' => 0x09,
        'v' => 0x0b,
        '0'..='7' => octal(cursor, letter),
        'x' => hexadecimal(cursor, start, 2)?,
        'u' if !prefix.bytes => hexadecimal(cursor, start, 4)?,
        'U' if !prefix.bytes => hexadecimal(cursor, start, 8)?,
        'N' if !prefix.bytes => {
            cursor.take_while(|character| !matches!(character, '}' | '"' | '\'' | '\n'));
            cursor.take("}");
            let reason = "names of characters are not known here";
            let fault = Fault::new(ErrorKind::NotLiteral, start..cursor.at(), reason);
            return Err(fault.hint("write the character itself, or \\uXXXX"));
        }
        // As Python does with escapes that it does not know: the backslash stays.
        other => {
            out.push(b'\\');
            push(out, other);
            return Ok(());
        }
    };
    if prefix.bytes {
        out.push(u8::try_from(code & 0xff).unwrap_or(0));
        return Ok(());
    }
    let Some(character) = char::from_u32(code) else {
        let reason = "the escape is no character";
        return Err(Fault::new(ErrorKind::BadValue, start..cursor.at(), reason));
    };
    push(out, character);
    Ok(())
}

/// Up to three octal digits, the first of which is known.
fn octal(cursor: &mut Cursor<'_>, first: char) -> u32 {
    let mut code = first.to_digit(8).unwrap_or(0);
    for _ in 0..2 {
        let Some(digit) = cursor.peek().and_then(|next| next.to_digit(8)) else {
            break;
        };
        cursor.next();
        code = code.wrapping_mul(8).wrapping_add(digit);
    }
    code
}

fn hexadecimal(cursor: &mut Cursor<'_>, start: usize, digits: u32) -> Result<u32, Fault> {
    let mut code = 0_u32;
    for _ in 0..digits {
        let Some(digit) = cursor.peek().and_then(|next| next.to_digit(16)) else {
            let reason = format!("the escape needs {digits} hexadecimal digits");
            return Err(Fault::syntax(start..cursor.at(), reason));
        };
        cursor.next();
        code = code.wrapping_mul(16).wrapping_add(digit);
    }
    Ok(code)
}

fn push(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, Fault> {
        let mut cursor = Cursor::new(text);
        let value = take_strings(&mut cursor)?;
        assert_eq!(cursor.rest(), "", "all of {text:?} is read");
        Ok(value)
    }

    #[test]
    fn literals_that_python_reads() {
        for (text, value) in [
            (r#""""#, ""),
            (r"''", ""),
            (r#""it's""#, "it's"),
            (r#"'say "x"'"#, "say \"x\""),
            ("'''a\n'b'' c'''", "a\n'b'' c"),
            ("\"\"\"a\r\nb\rc\"\"\"", "a\nb\nc"),
            ("''''a'''", "'a"),
            (r"'\a\b\f\n\r\t\v'", "\x07\x08\x0c\n\r\t\x0b"),
            (r#"'\\\'\"'"#, "\\'\""),
            (r"'\x41\u00e9\U0001F600'", "Aé😀"),
            (r"'\0\101\1011\18'", "\0AA1\u{1}8"),
            ("'a\\\nb\\\r\nc'", "abc"),
            (r"'\d\ '", r"\d\ "),
            (r"r'\n\x'", r"\n\x"),
            (r"R'a\'b'", r"a\'b"),
            (r"r'\\'", r"\\"),
            ("r'a\\\nb\\\r\nc'", "a\\\nb\\\nc"),
            (r"u'\u0041'", "A"),
            (r"b'\xc3\xa9\u0041'", "é\\u0041"),
            (r"rb'\x41'", r"\x41"),
            ("Br'x'", "x"),
            ("'a' \"b\"\n'''c''' # d\n r'\\e'", "abc\\e"),
            ("b'a' B'b'", "ab"),
            (r"b'\xc3' b'\xa9'", "é"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(value), "{text}");
        }
    }

    #[test]
    fn literals_that_are_refused() {
        for (text, spot, reason) in [
            ("'abc", "'abc", "does not end"),
            ("'abc\ndef'", "'abc", "does not end"),
            ("'''abc''", "'''abc''", "does not end"),
            ("'abc\\", "'abc\\", "does not end"),
            ("r'\\'", "r'\\'", "does not end"),
            (r"'\x4'", r"\x4", "2 hexadecimal digits"),
            (r"'\u12'", r"\u12", "4 hexadecimal digits"),
            (r"'\U0001'", r"\U0001", "8 hexadecimal digits"),
            (r"'\ud800'", r"\ud800", "no character"),
            (r"'\UFFFFFFFF'", r"\UFFFFFFFF", "no character"),
            (r"'\N{BULLET}'", r"\N{BULLET}", "names of characters"),
            ("f'{x}'", "f", "formatted"),
            ("Rf'{x}'", "Rf", "formatted"),
            ("ur'x'", "ur", "no string prefix"),
            ("b'é'", "é", "ASCII"),
            (r"b'\xff'", r"b'\xff'", "not UTF-8"),
            ("'a' b'b'", "b", "cannot be joined"),
        ] {
            let fault = read(text).unwrap_err();
            assert_eq!(text.get(fault.span.clone()), Some(spot), "{text}");
            assert!(fault.reason.contains(reason), "{text}: {}", fault.reason);
        }
    }

    #[test]
    fn what_begins_a_string() {
        for (text, expected) in [
            ("'", true),
            ("rb\"", true),
            ("False", false),
            ("f'", true),
            ("bytes'", false),
            ("", false),
            ("1'", false),
        ] {
            assert_eq!(begins_string(&Cursor::new(text)), expected, "{text}");
        }
    }
}
