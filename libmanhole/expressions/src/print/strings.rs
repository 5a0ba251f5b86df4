//! Characters, character arrays, and the strings behind pointers.
//!
//! Pure. Bytes are UTF-8, as gdb takes them in a UTF-8 locale; what is not printable is escaped.

use super::{Format, Options, Printer};
use crate::access;
use crate::target::{Stop, Target};
use crate::types::{Encoding, Type, TypeId};

/// Longer strings are cut even without `elements`, in elements.
const LONGEST: u64 = 1 << 20;

/// What a string is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// In bytes.
    pub(super) width: usize,
    /// `L`, `u`, `U`.
    prefix: &'static str,
    is_rust: bool,
}

impl Element {
    /// `char`.
    pub(super) const BYTE: Element = Element { width: 1, prefix: "", is_rust: false };
    /// A byte of a `str`: a NUL at the end is a part of it.
    pub(super) const RUST: Element = Element { is_rust: true, ..Element::BYTE };
}

/// Whether values of this type are text, and which.
pub(super) fn element(
    type_id: TypeId,
    format: Option<Format>,
    is_rust: bool,
    target: &mut dyn Target,
) -> Option<Element> {
    if format.is_some_and(|format| format != Format::String) {
        return None;
    }
    let mut at = type_id;
    let mut prefix = "";
    let mut is_named = false;
    for _ in 0..64 {
        let described = target.describe(at);
        let (name, next) = match &*described {
            Type::Const(to) | Type::Volatile(to) | Type::Restrict(to) | Type::Atomic(to) => (None, Some(*to)),
            Type::Typedef { name, to } => (Some(name), Some(*to)),
            Type::Base(base) => (Some(&base.name), None),
            _ => return None,
        };
        if !is_named && !is_rust {
            (prefix, is_named) = match name.map(String::as_str) {
                Some("wchar_t") => ("L", true),
                Some("char16_t") => ("u", true),
                Some("char32_t") => ("U", true),
                _ => (prefix, is_named),
            };
        }
        let Type::Base(base) = &*described else {
            at = next?;
            continue;
        };
        // What the command x gives the bytes that it has shown is a number.
        let is_byte = base.size == 1
            && base.name != "int8_t"
            && matches!(
                base.encoding,
                Encoding::SignedChar | Encoding::UnsignedChar | Encoding::Signed | Encoding::Unsigned
            );
        let is_text = is_named || base.encoding == Encoding::Utf || (is_byte && !is_rust);
        let width = usize::try_from(base.size).ok()?;
        return (is_text && matches!(width, 1 | 2 | 4)).then_some(Element { width, prefix, is_rust });
    }
    None
}

/// One character of a string, as far as it could be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Character(char, Vec<u8>),
    Invalid(Vec<u8>),
    /// The string ends inside a character.
    Incomplete(Vec<u8>),
}

/// The first character of these bytes, and how many bytes it has.
fn piece(bytes: &[u8], width: usize, is_ascii: bool) -> Option<(Piece, usize)> {
    let first = bytes.get(..width.min(bytes.len())).filter(|first| !first.is_empty())?;
    let invalid = || Some((Piece::Invalid(first.to_vec()), first.len()));
    let found = |character: char, length: usize| {
        let own = bytes.get(..length).unwrap_or_default().to_vec();
        Some((Piece::Character(character, own), length))
    };
    let unit = |at: usize| access::integer(bytes.get(at..at + width).unwrap_or_default(), false) as u32;
    match width {
        1 => {
            let window = bytes.get(..4.min(bytes.len())).unwrap_or_default();
            if is_ascii {
                return if first.is_ascii() { found(char::from(*first.first()?), 1) } else { invalid() };
            }
            let (valid, error) = match core::str::from_utf8(window) {
                Ok(valid) => (valid, None),
                Err(error) => {
                    let valid = window.get(..error.valid_up_to()).unwrap_or_default();
                    (core::str::from_utf8(valid).unwrap_or_default(), Some(error))
                }
            };
            match (valid.chars().next(), error) {
                (Some(character), _) => found(character, character.len_utf8()),
                (None, Some(error)) if error.error_len().is_none() && window.len() == bytes.len() => {
                    Some((Piece::Incomplete(window.to_vec()), window.len()))
                }
                _ => invalid(),
            }
        }
        2 => match char::decode_utf16([unit(0) as u16, unit(2) as u16]).next() {
            Some(Ok(character)) => found(character, 2 * character.len_utf16()),
            _ => invalid(),
        },
        _ => match char::from_u32(unit(0)) {
            Some(character) => found(character, width),
            None => invalid(),
        },
    }
}

/// Whether a terminal shows something for it.
fn is_printable(character: char) -> bool {
    let mut escaped = character.escape_debug();
    match (escaped.next(), escaped.next()) {
        (Some(only), None) => only == character,
        // Combining characters are printed, quotes are escaped elsewhere.
        _ => matches!(character, '"' | '\'' | '\\' | '\u{300}'..='\u{36f}'),
    }
}

/// Adds one character as it stands between quotes. `escapes`: the one before was a hexadecimal number, which a digit
/// would make longer.
fn escape(out: &mut String, piece: &Piece, width: usize, quote: char, escapes: &mut bool) {
    let had_number = core::mem::take(escapes);
    let bytes = match piece {
        Piece::Character(character, bytes) => {
            let short = match character {
                '\u{7}' => Some('a'),
                '\u{8}' => Some('b'),
                '\u{c}' => Some('f'),
                '\n' => Some('n'),
                '\r' => Some('r'),
                '\t' => Some('t'),
                '\u{b}' => Some('v'),
                _ => None,
            };
            if let Some(short) = short {
                out.extend(['\\', short]);
                return;
            }
            if is_printable(*character) && !(had_number && character.is_ascii_digit()) {
                if *character == quote || *character == '\\' {
                    out.push('\\');
                }
                out.push(*character);
                return;
            }
            bytes
        }
        Piece::Invalid(bytes) | Piece::Incomplete(bytes) => bytes,
    };
    for unit in bytes.chunks(width.max(1)) {
        let number = access::integer(unit, false);
        // Octal escapes end after three digits.
        *escapes = number > 0o777;
        out.push_str(&if *escapes { format!("\\x{number:x}") } else { format!("\\{number:03o}") });
    }
}

/// A string in quotes. Its bytes were cut with `is_cut`.
fn quoted(bytes: &[u8], element: Element, is_cut: bool, is_ascii: bool, options: &Options) -> String {
    let width = element.width;
    let mut bytes = bytes;
    let last = bytes.len().checked_sub(width).and_then(|at| bytes.get(at..));
    if !is_cut && !element.is_rust && last.is_some_and(|last| last.iter().all(|byte| *byte == 0)) {
        bytes = bytes.get(..bytes.len() - width).unwrap_or_default();
    }
    let mut out = element.prefix.to_owned();
    if bytes.is_empty() {
        out.push_str("\"\"");
        return out;
    }
    let limit = options.elements.unwrap_or(u64::MAX);
    let threshold = options.repeats.unwrap_or(u64::MAX);
    let mut shown = 0;
    let mut is_open = false;
    let mut is_first = true;
    let mut escapes = false;
    let mut next = piece(bytes, width, is_ascii);
    while let Some((this, length)) = next.take_if(|_| shown < limit) {
        let mut count = 1;
        bytes = bytes.get(length..).unwrap_or_default();
        next = piece(bytes, width, is_ascii);
        while let Some((_, length)) = next.as_ref().filter(|(that, _)| *that == this) {
            count += 1;
            bytes = bytes.get(*length..).unwrap_or_default();
            next = piece(bytes, width, is_ascii);
        }
        shown += count;
        let separator = if is_first { "" } else { ", " };
        is_first = false;
        let is_incomplete = matches!(this, Piece::Incomplete(_));
        if is_incomplete || count > threshold {
            if is_open {
                out.push('"');
                is_open = false;
            }
            out.push_str(separator);
            if is_incomplete {
                out.push_str("<incomplete sequence ");
                escape(&mut out, &this, width, '"', &mut escapes);
                out.push('>');
            } else {
                out.push('\'');
                escape(&mut out, &this, width, '\'', &mut escapes);
                out.push_str(&format!("' <repeats {count} times>"));
            }
            escapes = false;
        } else {
            if !is_open {
                out.push_str(separator);
                out.push('"');
                is_open = true;
            }
            for _ in 0..count {
                escape(&mut out, &this, width, '"', &mut escapes);
            }
        }
    }
    if is_open {
        out.push('"');
    }
    if is_cut || next.is_some() {
        out.push_str("...");
    }
    out
}

impl Printer<'_> {
    /// `'A'`.
    pub(super) fn character(&mut self, bytes: &[u8], element: Element) {
        let mut out = format!("{}'", element.prefix);
        let number = access::integer(bytes, false) as u32;
        match char::from_u32(number).filter(|_| element.is_rust) {
            Some(character) => out.push_str(&match character {
                '\\' | '\'' => format!("\\{character}"),
                '\n' => "\\n".to_owned(),
                '\r' => "\\r".to_owned(),
                '\t' => "\\t".to_owned(),
                '\0' => "\\0".to_owned(),
                ' '..='~' => character.to_string(),
                _ if number <= 255 => format!("\\x{number:02x}"),
                _ => format!("\\u{{{number:06x}}}"),
            }),
            None => {
                let one = piece(bytes, element.width, false).map(|(piece, _)| piece);
                escape(&mut out, &one.unwrap_or(Piece::Invalid(bytes.to_vec())), element.width, '\'', &mut false);
            }
        }
        out.push('\'');
        self.put(&out);
    }

    /// An array of characters. It is longer than these bytes with `is_cut`.
    pub(super) fn character_array(&mut self, bytes: &[u8], element: Element, is_cut: bool) {
        let mut bytes = bytes;
        let mut is_cut = is_cut;
        if self.options.null_stop {
            let limit = usize::try_from(self.options.elements.unwrap_or(LONGEST)).unwrap_or(usize::MAX);
            let mut units = bytes.chunks(element.width);
            let length = units.position(|unit| unit.iter().all(|byte| *byte == 0));
            let all = bytes.len() / element.width;
            is_cut = length.unwrap_or(all) > limit || (length.is_none() && is_cut);
            bytes = bytes.get(..length.unwrap_or(all).min(limit) * element.width).unwrap_or_default();
        }
        let text = quoted(bytes, element, is_cut, false, self.options);
        self.put(&text);
    }

    /// The string that begins at an address, until its NUL, or with this many elements.
    pub(super) fn string_at(
        &mut self,
        address: u64,
        length: Option<u64>,
        element: Element,
        is_ascii: bool,
    ) -> Result<(), Stop> {
        let limit = length.unwrap_or(u64::MAX).min(self.options.elements.unwrap_or(LONGEST)).min(LONGEST);
        let (bytes, is_ended, failure) = self.read_string(address, limit, length.is_none(), element.width)?;
        let count = (bytes.len() / element.width) as u64;
        let is_cut = match length {
            Some(length) => failure.is_some() || length > count,
            None => {
                let mut next = [0; 4];
                let next = next.get_mut(..element.width).unwrap_or_default();
                let end = address.wrapping_add(bytes.len() as u64);
                !is_ended && self.target.read(end, next).is_ok() && next.iter().any(|byte| *byte != 0)
            }
        };
        if failure.is_none() || !bytes.is_empty() {
            let text = quoted(&bytes, element, is_cut, is_ascii, self.options);
            self.put(&text);
        }
        if failure.is_some() {
            self.put(&format!("<error: Cannot access memory at address {address:#x}>"));
        }
        Ok(())
    }

    /// At most `limit` elements, the NUL at the end among them; whether there is one; and where memory ended before.
    fn read_string(
        &mut self,
        address: u64,
        limit: u64,
        ends_at_nul: bool,
        width: usize,
    ) -> Result<(Vec<u8>, bool, Option<u64>), Stop> {
        let wanted = usize::try_from(limit).unwrap_or(0).saturating_mul(width);
        let mut bytes = Vec::new();
        while bytes.len() < wanted {
            self.target.check()?;
            let at = address.wrapping_add(bytes.len() as u64);
            // Until the end of the page; more pages at once when the string is long.
            let step = if bytes.len() < 4096 { 256 } else { 4096 };
            let room = step - usize::try_from(at % step as u64).unwrap_or(0);
            let mut chunk = vec![0; room.next_multiple_of(width).min(wanted - bytes.len())];
            let failure = match self.target.read(at, &mut chunk) {
                Ok(()) => None,
                Err(first) => {
                    let readable = usize::try_from(first.wrapping_sub(at)).unwrap_or(0).min(chunk.len());
                    chunk.truncate(readable - readable % width);
                    match self.target.read(at, &mut chunk) {
                        Ok(()) => Some(first),
                        Err(_) => {
                            chunk.clear();
                            Some(first)
                        }
                    }
                }
            };
            let end = chunk.chunks(width).position(|unit| unit.iter().all(|byte| *byte == 0));
            if let Some(end) = end.filter(|_| ends_at_nul) {
                bytes.extend(chunk.get(..(end + 1) * width).unwrap_or_default());
                return Ok((bytes, true, None));
            }
            bytes.extend(chunk);
            if failure.is_some() {
                return Ok((bytes, false, failure));
            }
        }
        Ok((bytes, false, None))
    }

    /// A text of which nothing is known but its bytes, as pretty printers give it.
    pub(super) fn text(&mut self, bytes: &[u8], length: u64) {
        let text = quoted(bytes, Element::RUST, length > bytes.len() as u64, false, self.options);
        self.put(&text);
    }
}
