//! Python's numbers: integers of four bases, floats, underscores between digits. Pure.

use crate::error::{ErrorKind, Fault};
use crate::literal::Value;
use crate::scan::Cursor;

/// True if an unsigned number starts at the cursor.
pub(crate) fn begins_number(cursor: &Cursor<'_>) -> bool {
    match cursor.peek() {
        Some('.') => cursor
            .peek_second()
            .is_some_and(|next| next.is_ascii_digit()),
        Some(first) => first.is_ascii_digit(),
        None => false,
    }
}

/// An unsigned number whose sign, if any, has been read.
pub(crate) fn take_number(cursor: &mut Cursor<'_>, negative: bool) -> Result<Value, Fault> {
    let start = cursor.at();
    let mut before = ' ';
    // Everything that touches the number belongs to it, so that `10s` is one mistake and not two.
    while let Some(next) = cursor.peek() {
        let exponent_sign = matches!(next, '+' | '-') && matches!(before, 'e' | 'E');
        let hexadecimal = cursor.since(start).to_ascii_lowercase().starts_with("0x");
        if !(next == '.' || next == '_' || next.is_alphanumeric() || exponent_sign && !hexadecimal)
        {
            break;
        }
        before = next;
        cursor.next();
        if cursor.at().saturating_sub(start) > LONGEST {
            break;
        }
    }
    let text = cursor.since(start);
    let span = start..cursor.at();
    match read(text) {
        Ok(Read::Integer(value)) => {
            let signed = if negative { -value } else { value };
            i64::try_from(signed).map(Value::Int).map_err(|_| {
                Fault::new(ErrorKind::BadValue, span, "the number does not fit 64 bits")
            })
        }
        Ok(Read::Float(value)) => Ok(Value::Float(if negative { -value } else { value })),
        Err((reason, hint)) => {
            let fault = Fault::syntax(span, reason);
            Err(match hint {
                Some(hint) => fault.hint(hint),
                None => fault,
            })
        }
    }
}

/// No number that fits is longer, however many underscores and zeros it has.
const LONGEST: usize = 1000;

enum Read {
    Integer(i128),
    Float(f64),
}

type Refusal = (String, Option<String>);

fn read(text: &str) -> Result<Read, Refusal> {
    let lower = text.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            // Python allows an underscore between the prefix and the digits.
            let digits = digits.strip_prefix('_').unwrap_or(digits);
            return integer(text, &plain(text, digits)?, radix);
        }
    }
    if lower
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'_')
    {
        let digits = plain(text, &lower)?;
        if digits.starts_with('0') && digits.bytes().any(|byte| byte != b'0') {
            let octal = digits.trim_start_matches('0');
            let reason = format!("'{text}' has a leading zero");
            return Err((reason, Some(format!("octal is written 0o{octal}"))));
        }
        return integer(text, &digits, 10);
    }
    float(text, &lower)
}

/// The digits without their underscores, each of which must stand between two digits.
fn plain(text: &str, digits: &str) -> Result<String, Refusal> {
    if digits.is_empty()
        || digits.starts_with('_')
        || digits.ends_with('_')
        || digits.contains("__")
    {
        return Err((format!("'{text}' is not a number"), None));
    }
    Ok(digits.replace('_', ""))
}

fn integer(text: &str, digits: &str, radix: u32) -> Result<Read, Refusal> {
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err((format!("'{text}' is not a number"), None));
    }
    // Too long for 128 bits is too long for 64: saturate, the caller refuses it.
    Ok(Read::Integer(
        i128::from_str_radix(digits, radix).unwrap_or(i128::MAX),
    ))
}

fn float(text: &str, lower: &str) -> Result<Read, Refusal> {
    let not_a_number = || (format!("'{text}' is not a number"), None);
    if let Some(digits) = lower.strip_suffix(['s', 'j'])
        && digits.parse::<f64>().is_ok()
    {
        let hint = if lower.ends_with('s') {
            format!("seconds have no unit: {digits}")
        } else {
            "complex numbers have no use here".to_owned()
        };
        return Err((format!("'{text}' is not a number"), Some(hint)));
    }
    if !lower
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'+' | b'-' | b'_'))
    {
        return Err(not_a_number());
    }
    let mut digits = String::new();
    let mut before = ' ';
    let mut rest = lower.chars().peekable();
    while let Some(character) = rest.next() {
        let between = before.is_ascii_digit() && rest.peek().is_some_and(char::is_ascii_digit);
        if character != '_' {
            digits.push(character);
        } else if !between {
            return Err(not_a_number());
        }
        before = character;
    }
    digits
        .parse::<f64>()
        .map(Read::Float)
        .map_err(|_| not_a_number())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str, negative: bool) -> Result<Value, Fault> {
        let mut cursor = Cursor::new(text);
        assert!(begins_number(&cursor), "{text}");
        take_number(&mut cursor, negative)
    }

    #[test]
    fn integers() {
        for (text, value) in [
            ("0", 0),
            ("00", 0),
            ("7", 7),
            ("1_000", 1000),
            ("0x1F", 31),
            ("0X_ff", 255),
            ("0o17", 15),
            ("0b101", 5),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(number(text, false), Ok(Value::Int(value)), "{text}");
            assert_eq!(number(text, true), Ok(Value::Int(-value)), "-{text}");
        }
        assert_eq!(
            number("9223372036854775808", true),
            Ok(Value::Int(i64::MIN))
        );
        assert_eq!(number("0xe+1", false), Ok(Value::Int(14)));
    }

    #[test]
    fn floats() {
        for (text, value) in [
            ("0.5", 0.5),
            ("1.", 1.0),
            (".25", 0.25),
            ("1e3", 1000.0),
            ("1E-2", 0.01),
            ("2.5e+1", 25.0),
            ("1_0.2_5", 10.25),
            ("010.5", 10.5),
        ] {
            assert_eq!(number(text, false), Ok(Value::Float(value)), "{text}");
            assert_eq!(number(text, true), Ok(Value::Float(-value)), "-{text}");
        }
    }

    #[test]
    fn refused() {
        for (text, reason) in [
            ("0777", "leading zero"),
            ("1__0", "not a number"),
            ("1_", "not a number"),
            ("0x", "not a number"),
            ("0xg", "not a number"),
            ("0o8", "not a number"),
            ("0b2", "not a number"),
            ("1.2.3", "not a number"),
            ("1_.5", "not a number"),
            ("1e", "not a number"),
            ("2j", "not a number"),
            ("10s", "not a number"),
            ("12abc", "not a number"),
            ("9223372036854775808", "64 bits"),
            ("99999999999999999999999999999999999999999999", "64 bits"),
        ] {
            let fault = number(text, false).unwrap_err();
            assert!(fault.reason.contains(reason), "{text}: {}", fault.reason);
            assert_eq!(fault.span, 0..text.len(), "{text}");
        }
        assert_eq!(
            number("10s", false).unwrap_err().hint.as_deref(),
            Some("seconds have no unit: 10")
        );
        assert_eq!(
            number("0777", false).unwrap_err().hint.as_deref(),
            Some("octal is written 0o777")
        );
        assert!(number(&"1".repeat(1_000_000), false).is_err());
    }
}
