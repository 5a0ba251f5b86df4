//! Words of memory in gdb's output formats.
//!
//! Context: the agent's thread. Pure.

use manhole_expressions::float;

/// A format letter that stands for one value (`s` and `i` are no such: they decide their own length).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Hexadecimal,
    Decimal,
    Unsigned,
    Octal,
    Binary,
    Address,
    Character,
    Float,
    ZeroPadded,
}

impl Format {
    /// The format of gdb's letter.
    pub(crate) fn of_letter(letter: char) -> Option<Format> {
        Some(match letter {
            'x' => Format::Hexadecimal,
            'd' => Format::Decimal,
            'u' => Format::Unsigned,
            'o' => Format::Octal,
            't' => Format::Binary,
            'a' => Format::Address,
            'c' => Format::Character,
            'f' => Format::Float,
            'z' => Format::ZeroPadded,
            _ => return None,
        })
    }
}

/// The value of a word of `size` bytes (1, 2, 4 or 8; `value` holds it without sign), hexadecimal and binary ones as wide as the word.
pub(crate) fn word(value: u64, size: usize, format: Format) -> String {
    match format {
        Format::Hexadecimal | Format::ZeroPadded => format!("0x{value:0width$x}", width = size.saturating_mul(2)),
        Format::Decimal => signed(value, size).to_string(),
        Format::Unsigned => value.to_string(),
        Format::Octal if value == 0 => "0".to_owned(),
        Format::Octal => format!("0{value:o}"),
        Format::Binary => format!("{value:0width$b}", width = size.saturating_mul(8)),
        Format::Address => format!("0x{value:x}"),
        Format::Character => character(value),
        Format::Float => float(value, size),
    }
}

/// The value with the sign that its highest bit says.
pub(crate) fn signed(value: u64, size: usize) -> i64 {
    let unused = 64usize.saturating_sub(size.saturating_mul(8)).min(63) as u32;
    ((value << unused) as i64) >> unused
}

fn character(value: u64) -> String {
    // As gdb: the number and the character are those of the low byte.
    let mut shown = String::new();
    push_byte(&mut shown, value as u8, '\'');
    format!("{} '{shown}'", signed(value, 1))
}

fn float(value: u64, size: usize) -> String {
    let format = match size {
        4 => float::Format::Single,
        8 => float::Format::Double,
        _ => return signed(value, size).to_string(),
    };
    float::text(&value.to_le_bytes(), format)
}

/// One byte of a character or string, escaped as C writes it. An octal escape always has three digits, so what follows
/// it cannot be read as a part of it.
fn push_byte(shown: &mut String, byte: u8, quote: char) {
    match byte {
        7 => shown.push_str("\\a"),
        8 => shown.push_str("\\b"),
        b'\t' => shown.push_str("\\t"),
        b'\n' => shown.push_str("\\n"),
        11 => shown.push_str("\\v"),
        12 => shown.push_str("\\f"),
        b'\r' => shown.push_str("\\r"),
        27 => shown.push_str("\\033"),
        b'\\' => shown.push_str("\\\\"),
        32..=126 if char::from(byte) == quote => {
            shown.push('\\');
            shown.push(quote);
        }
        32..=126 => shown.push(char::from(byte)),
        _ => shown.push_str(&format!("\\{byte:03o}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_as_gdb_shows_it() {
        let table: [(u64, usize, char, &str); 24] = [
            (0x68, 1, 'x', "0x68"),
            (1, 4, 'x', "0x00000001"),
            (0x12_3456_7890, 8, 'x', "0x0000001234567890"),
            (0xffff_fffe, 4, 'd', "-2"),
            (0xff, 1, 'd', "-1"),
            (300, 4, 'd', "300"),
            (0xff, 1, 'u', "255"),
            (0xffff_fffe, 4, 'o', "037777777776"),
            (0, 4, 'o', "0"),
            (0x68, 1, 't', "01101000"),
            (5, 4, 't', "00000000000000000000000000000101"),
            (0x5555_5555_8060, 8, 'a', "0x555555558060"),
            (104, 1, 'c', "104 'h'"),
            (10, 1, 'c', "10 '\\n'"),
            (0xff, 1, 'c', "-1 '\\377'"),
            (0, 1, 'c', "0 '\\000'"),
            (39, 1, 'c', "39 '\\''"),
            (0xffff_fffe, 4, 'c', "-2 '\\376'"),
            (0x400c_0000_0000_0000, 8, 'f', "3.5"),
            (0x3fc0_0000, 4, 'f', "1.5"),
            (0x7ff0_0000_0000_0000, 8, 'f', "inf"),
            (0x7ff8_0000_0000_0000, 8, 'f', "nan(0x8000000000000)"),
            (1, 4, 'z', "0x00000001"),
            (0xfe, 1, 'f', "-2"),
        ];
        for (value, size, letter, expected) in table {
            let format = Format::of_letter(letter).unwrap();
            assert_eq!(word(value, size, format), expected, "{value:#x} {size} {letter}");
        }
        assert_eq!(word(1, 8, Format::Float), "4.9406564584124654e-324");
    }
}
