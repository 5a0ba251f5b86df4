//! Characters and strings, and names in single quotes.
//!
//! Pure.

use super::{Token, shown};
use crate::ast::Builtin;

/// What the text begins with, and its length; `None` when it begins with neither.
pub(super) fn read(text: &str) -> Result<Option<(Token, usize)>, String> {
    let (prefix, builtin) = match () {
        () if text.starts_with("u8") => ("u8", Builtin::Char8),
        () if text.starts_with('L') => ("L", Builtin::WideChar),
        () if text.starts_with('u') => ("u", Builtin::Char16),
        () if text.starts_with('U') => ("U", Builtin::Char32),
        // Rust's: its string stays one of C.
        () if text.starts_with("b'") => ("b", Builtin::UnsignedChar),
        () if text.starts_with('b') => ("b", Builtin::Char),
        () => ("", Builtin::Char),
    };
    let rest = text.get(prefix.len()..).unwrap_or_default();
    // A prefix stands right before the quote, else it begins a name.
    match rest.chars().next() {
        Some('"') => string(rest, if prefix == "u8" { Builtin::Char } else { builtin })
            .map(|(token, length)| Some((token, prefix.len() + length))),
        Some('\'') if prefix.is_empty() => quoted(rest).map(Some),
        Some('\'') => match character(rest, builtin)? {
            Some((token, length)) => Ok(Some((token, prefix.len() + length))),
            None => Err(format!("one character is expected between the quotes of {}", shown(text))),
        },
        _ => Ok(None),
    }
}

/// A character, or a name in quotes.
fn quoted(rest: &str) -> Result<(Token, usize), String> {
    if let Some(found) = character(rest, Builtin::Char)? {
        return Ok(found);
    }
    let inside = rest.get(1..).unwrap_or_default();
    match inside.find('\'') {
        Some(0) => Err(format!("nothing stands between the quotes of {}", shown(rest))),
        Some(end) => Ok((Token::Quoted(inside.get(..end).unwrap_or_default().to_owned()), end + 2)),
        None => Err(unclosed('\'', rest)),
    }
}

fn unclosed(quote: char, rest: &str) -> String {
    format!("the closing quote {quote} is missing behind {}", shown(rest))
}

/// The one character between single quotes; `None` when there are more.
fn character(rest: &str, builtin: Builtin) -> Result<Option<(Token, usize)>, String> {
    let inside = rest.get(1..).unwrap_or_default();
    let (unit, length) = match inside.chars().next() {
        None => return Err(unclosed('\'', rest)),
        Some('\'') => return Ok(None),
        Some('\\') => {
            let (unit, length) = escape(inside.get(1..).unwrap_or_default())?;
            (unit, 1 + length)
        }
        Some(letter) => (Unit::Point(letter), letter.len_utf8()),
    };
    if inside.get(length..).is_none_or(|rest| !rest.starts_with('\'')) {
        return Ok(None);
    }
    let (code, builtin, largest) = match (unit, builtin) {
        // A letter that needs more than a `char` has Rust's type.
        (Unit::Point(letter), Builtin::Char) if !letter.is_ascii() => (u32::from(letter), Builtin::Char32, u32::MAX),
        (Unit::Point(letter), Builtin::Char8 | Builtin::UnsignedChar) => (u32::from(letter), builtin, 0x7f),
        (unit, builtin) => {
            let largest = match builtin {
                Builtin::Char | Builtin::Char8 | Builtin::UnsignedChar => 0xff,
                Builtin::Char16 => 0xffff,
                _ => u32::MAX,
            };
            (unit.code(), builtin, largest)
        }
    };
    if code > largest {
        return Err(format!("the character is too large for its type, at {}: U'x' is a wide one", shown(rest)));
    }
    Ok(Some((Token::Character(code, builtin), length + 2)))
}

/// What an escape stands for.
enum Unit {
    /// A value of one element: `\x41`, `\101`, `\n`.
    Element(u32),
    /// A code point: `\u20ac`.
    Point(char),
}

impl Unit {
    fn code(&self) -> u32 {
        match self {
            Unit::Element(code) => *code,
            Unit::Point(letter) => u32::from(*letter),
        }
    }
}

/// What stands behind a backslash, and its length.
fn escape(text: &str) -> Result<(Unit, usize), String> {
    let digits =
        |text: &str, base: u32, most: usize| text.chars().take(most).take_while(|digit| digit.is_digit(base)).count();
    let number = |text: &str, base: u32| {
        u32::from_str_radix(text, base)
            .map_err(|_| format!("the number {} behind the backslash is too large", shown(text)))
    };
    let letter =
        |code: u32| char::from_u32(code).ok_or_else(|| format!("{code:#x} is no character, at {}", shown(text)));
    let Some(first) = text.chars().next() else { return Err("nothing stands behind the backslash".to_owned()) };
    let plain = match first {
        'n' => 10,
        't' => 9,
        'r' => 13,
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'v' => 11,
        'e' => 27,
        '0'..='7' => {
            let count = digits(text, 8, 3);
            return Ok((Unit::Element(number(text.get(..count).unwrap_or_default(), 8)?), count));
        }
        'x' => {
            let rest = text.get(1..).unwrap_or_default();
            let count = digits(rest, 16, usize::MAX);
            if count == 0 {
                return Err(format!("hexadecimal digits are missing behind \\x, at {}", shown(text)));
            }
            return Ok((Unit::Element(number(rest.get(..count).unwrap_or_default(), 16)?), 1 + count));
        }
        // Rust's.
        'u' if text.starts_with("u{") => {
            let inside = text.get(2..).unwrap_or_default();
            let count = digits(inside, 16, usize::MAX);
            if count == 0 || inside.get(count..).is_none_or(|rest| !rest.starts_with('}')) {
                return Err(format!("hexadecimal digits and }} are expected behind \\u{{, at {}", shown(text)));
            }
            return Ok((Unit::Point(letter(number(inside.get(..count).unwrap_or_default(), 16)?)?), count + 3));
        }
        'u' | 'U' => {
            let wanted = if first == 'u' { 4 } else { 8 };
            let rest = text.get(1..).unwrap_or_default();
            let count = digits(rest, 16, wanted);
            if count != wanted {
                return Err(format!("\\{first} needs {wanted} hexadecimal digits, at {}", shown(text)));
            }
            return Ok((Unit::Point(letter(number(rest.get(..count).unwrap_or_default(), 16)?)?), 1 + count));
        }
        other => u32::from(other),
    };
    Ok((Unit::Element(plain), first.len_utf8()))
}

/// The string between double quotes, as the bytes of its elements.
pub(super) fn string(rest: &str, builtin: Builtin) -> Result<(Token, usize), String> {
    let mut bytes = Vec::new();
    let mut at = 1;
    loop {
        let here = rest.get(at..).unwrap_or_default();
        let Some(letter) = here.chars().next() else { return Err(unclosed('"', rest)) };
        match letter {
            '"' => return Ok((Token::String(bytes, builtin), at + 1)),
            '\\' => {
                let (unit, length) = escape(here.get(1..).unwrap_or_default())?;
                match unit {
                    Unit::Element(code) => element(&mut bytes, code, builtin)?,
                    Unit::Point(letter) => point(&mut bytes, letter, builtin),
                }
                at += 1 + length;
            }
            letter => {
                point(&mut bytes, letter, builtin);
                at += letter.len_utf8();
            }
        }
    }
}

fn element(bytes: &mut Vec<u8>, code: u32, builtin: Builtin) -> Result<(), String> {
    match builtin {
        Builtin::Char16 => match u16::try_from(code) {
            Ok(code) => bytes.extend(code.to_le_bytes()),
            Err(_) => return Err(format!("the escape {code:#x} is too large for an element of the string")),
        },
        Builtin::WideChar | Builtin::Char32 => bytes.extend(code.to_le_bytes()),
        _ => match u8::try_from(code) {
            Ok(code) => bytes.push(code),
            Err(_) => return Err(format!("the escape {code:#x} is too large for an element of the string")),
        },
    }
    Ok(())
}

fn point(bytes: &mut Vec<u8>, letter: char, builtin: Builtin) {
    match builtin {
        Builtin::Char16 => {
            let mut units = [0; 2];
            letter.encode_utf16(&mut units).iter().for_each(|unit| bytes.extend(unit.to_le_bytes()));
        }
        Builtin::WideChar | Builtin::Char32 => bytes.extend(u32::from(letter).to_le_bytes()),
        _ => {
            let mut units = [0; 4];
            bytes.extend_from_slice(letter.encode_utf8(&mut units).as_bytes());
        }
    }
}
