//! Numbers: C's and C++'s, with Rust's suffixes.
//!
//! Pure.

use super::{Token, shown};
use crate::ast::Builtin;

/// The number that the text begins with, and its length.
pub(super) fn read(text: &str) -> Result<(Token, usize), String> {
    let bytes = text.as_bytes();
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    let mut end = 0;
    let mut is_float = false;
    while let Some(&byte) = bytes.get(end) {
        let before = end.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(0);
        let exponent = if is_hex { matches!(before, b'p' | b'P') } else { matches!(before, b'e' | b'E') };
        match byte {
            b'.' => {
                // `1..` and `1.x` are not numbers with fractions, `1.` and `1.f` are.
                let next = bytes.get(end + 1).copied().unwrap_or(0);
                if is_float
                    || next == b'.'
                    || (next.is_ascii_alphabetic()
                        && !is_hex
                        && !matches!(next, b'e' | b'E' | b'f' | b'F' | b'l' | b'L'))
                {
                    break;
                }
                is_float = true;
            }
            b'+' | b'-' if exponent => is_float = true,
            b'\'' if bytes.get(end + 1).is_some_and(u8::is_ascii_hexdigit) && before.is_ascii_hexdigit() => {}
            byte if byte.is_ascii_alphanumeric() || byte == b'_' => {
                if (is_hex && matches!(byte, b'p' | b'P')) || (!is_hex && matches!(byte, b'e' | b'E')) {
                    is_float = true;
                }
            }
            _ => break,
        }
        end += 1;
    }
    let whole = text.get(..end).unwrap_or_default();
    let plain: String = whole.chars().filter(|letter| !matches!(letter, '\'' | '_')).collect();
    let real = without_i(&plain);
    let number = real.as_deref().unwrap_or(&plain);
    let token = if is_float { float(number, whole)? } else { integer(number, whole)? };
    Ok((if real.is_some() { Token::Imaginary(Box::new(token)) } else { token }, end))
}

/// The number without GNU C's suffix of imaginary ones, if it has it: `2i`, `2iu`, `1.5fi`.
fn without_i(plain: &str) -> Option<String> {
    let (digits, rest) = plain.rsplit_once(['i', 'I'])?;
    rest.bytes().all(|letter| matches!(letter, b'u' | b'U' | b'l' | b'L')).then(|| format!("{digits}{rest}"))
}

fn float(plain: &str, whole: &str) -> Result<Token, String> {
    let is_hex = plain.starts_with("0x") || plain.starts_with("0X");
    let (digits, builtin) = match plain.as_bytes().last() {
        _ if plain.ends_with("f32") && !is_hex => (plain.strip_suffix("f32"), Builtin::Float),
        _ if plain.ends_with("f64") && !is_hex => (plain.strip_suffix("f64"), Builtin::Double),
        // Without an exponent too: gdb takes `0x1.8f` as 1.5.
        Some(b'f' | b'F') => (plain.get(..plain.len() - 1), Builtin::Float),
        Some(b'l' | b'L') => (plain.get(..plain.len() - 1), Builtin::LongDouble),
        _ => (Some(plain), Builtin::Double),
    };
    let digits = digits.unwrap_or_default();
    let mantissa = digits.trim_start_matches("0x").trim_start_matches("0X");
    let is_digit = |letter: char| if is_hex { letter.is_ascii_hexdigit() } else { letter.is_ascii_digit() };
    let marks: &[char] = if is_hex { &['p', 'P'] } else { &['e', 'E'] };
    let (mantissa, exponent) = match mantissa.split_once(marks) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (mantissa, None),
    };
    let exponent_is_good = exponent.is_none_or(|exponent| {
        let digits = exponent.trim_start_matches(['+', '-']);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let is_good = mantissa.chars().any(is_digit) && mantissa.chars().all(|letter| letter == '.' || is_digit(letter));
    if !is_good || !exponent_is_good {
        return Err(format!("{} is no number", shown(whole)));
    }
    Ok(Token::Floating(digits.to_owned(), builtin))
}

/// The suffixes: how many `l`, and whether `u`; or Rust's type.
fn suffix(text: &str) -> Option<(u8, bool, Option<Builtin>)> {
    let rust = match text {
        "i8" => Builtin::SignedChar,
        "u8" => Builtin::UnsignedChar,
        "i16" => Builtin::Short,
        "u16" => Builtin::UnsignedShort,
        "i32" => Builtin::Int,
        "u32" => Builtin::Unsigned,
        "i64" | "isize" => Builtin::Long,
        "u64" | "usize" => Builtin::UnsignedLong,
        "i128" => Builtin::Int128,
        "u128" => Builtin::UnsignedInt128,
        _ => {
            return match text.to_ascii_lowercase().as_str() {
                "" => Some((0, false, None)),
                "u" => Some((0, true, None)),
                "l" | "z" => Some((1, false, None)),
                "ll" => Some((2, false, None)),
                "ul" | "lu" | "uz" | "zu" => Some((1, true, None)),
                "ull" | "llu" => Some((2, true, None)),
                _ => None,
            };
        }
    };
    Some((0, false, Some(rust)))
}

fn integer(plain: &str, whole: &str) -> Result<Token, String> {
    let lower = plain.to_ascii_lowercase();
    let (digits, base, what) = match (lower.get(..2), plain.len()) {
        (Some("0x"), _) => (plain.get(2..).unwrap_or_default(), 16, "hexadecimal"),
        (Some("0b"), _) => (plain.get(2..).unwrap_or_default(), 2, "binary"),
        (Some("0o"), _) => (plain.get(2..).unwrap_or_default(), 8, "octal"),
        _ if plain.starts_with('0') && plain.as_bytes().get(1).is_some_and(u8::is_ascii_digit) => (plain, 8, "octal"),
        _ => (plain, 10, "decimal"),
    };
    let mut end = digits.bytes().position(|byte| !char::from(byte).is_digit(base)).unwrap_or(digits.len());
    // `0xffu8` ends in a suffix of Rust's, `0xb8` does not.
    if base == 16 {
        end = ["u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize"]
            .iter()
            .find_map(|suffix| digits.strip_suffix(suffix).map(str::len))
            .unwrap_or(end);
    }
    let (number, suffix_text) = digits.split_at_checked(end).unwrap_or((digits, ""));
    match suffix_text {
        "f32" if base == 10 => return Ok(Token::Floating(number.to_owned(), Builtin::Float)),
        "f64" if base == 10 => return Ok(Token::Floating(number.to_owned(), Builtin::Double)),
        _ => {}
    }
    if number.is_empty() && !suffix_text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("{} has no digits", shown(whole)));
    }
    let Some((longs, is_unsigned, rust)) = suffix(suffix_text) else {
        let what = if suffix_text.starts_with(|c: char| c.is_ascii_digit()) {
            format!("{} is no {what} number: a digit is too large", shown(whole))
        } else {
            format!("{} is no suffix of a number, in {}", shown(suffix_text), shown(whole))
        };
        return Err(what);
    };
    let value = u128::from_str_radix(number, base).map_err(|_| format!("{} is larger than 128 bits", shown(whole)))?;
    if let Some(builtin) = rust {
        return Ok(Token::Integer(value, builtin));
    }
    // C 2011, 6.4.4.1: the first of these types that can hold it. Only decimal ones without `u` stay signed.
    let candidates: [(u8, bool, u32, Builtin); 6] = [
        (0, false, 31, Builtin::Int),
        (0, true, 32, Builtin::Unsigned),
        (1, false, 63, Builtin::Long),
        (1, true, 64, Builtin::UnsignedLong),
        (2, false, 63, Builtin::LongLong),
        (2, true, 64, Builtin::UnsignedLongLong),
    ];
    let fits = |bits: u32| value.checked_shr(bits).unwrap_or(0) == 0;
    let found = candidates.into_iter().find(|(rank, unsigned, bits, _)| {
        *rank >= longs && fits(*bits) && if is_unsigned { *unsigned } else { !*unsigned || base != 10 }
    });
    match found {
        Some((.., builtin)) => Ok(Token::Integer(value, builtin)),
        // gdb lets a decimal number that needs the 64th bit be unsigned.
        None if fits(64) && longs == 2 => Ok(Token::Integer(value, Builtin::UnsignedLongLong)),
        None if fits(64) => Ok(Token::Integer(value, Builtin::UnsignedLong)),
        None => Err(format!("{} is larger than 64 bits", shown(whole))),
    }
}
