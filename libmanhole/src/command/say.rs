//! `output`, `echo` and `printf`: what a line or a script wants to say, without numbers of the history.
//!
//! Context: the agent's thread. Nothing of the host's is called to write a number.

use manhole_expressions::float;
use manhole_expressions::value::Value;

use super::expressions::CNumber;
use super::print::Asked;
use super::{Command, Context, Takes};
use crate::memory;
use crate::render::printf::{self, Directive, Piece};

/// Bytes of a string that `%s` shows.
const LONGEST: usize = 1 << 20;

pub(super) static OUTPUT: Command = Command {
    names: &["output"],
    arguments: "[/FORMAT] EXPRESSION",
    summary: "show the value of an expression alone: no $1 =, no end of the line",
    help: "The value is not kept in the history.",
    takes: Takes::Symbols,
    run: |context, arguments| {
        let asked = Asked::parse(arguments)?;
        if asked.expression.is_empty() {
            return Err("Argument required (expression to compute).".to_owned());
        }
        let value = context.value(asked.expression)?;
        let text = match context.is_void(&value) {
            true => "void".to_owned(),
            false => context.shown(&value, asked.format)?,
        };
        context.out.push(format_args!("{text}"));
        Ok(())
    },
};

pub(super) static ECHO: Command = Command {
    names: &["echo"],
    arguments: "TEXT",
    summary: "show a text",
    help: "\\n ends a line, \\t is a tab, \\101 a character by its number; a backslash keeps a blank at the end.",
    takes: Takes::Nothing,
    run: |context, arguments| {
        context.out.push(format_args!("{}", unescaped(arguments)));
        Ok(())
    },
};

pub(super) static PRINTF: Command = Command {
    names: &["printf"],
    arguments: "\"FORMAT\", EXPRESSION...",
    summary: "show values in a format of C's: printf \"%d of %s\\n\", n, name",
    help: "%d i u o x X, %c, %s, %f e g, %p, with flags, widths and precisions; l, ll and z for 64 bits. The program's printf is not called.",
    takes: Takes::Symbols,
    run: |context, arguments| {
        if arguments.is_empty() {
            return Err("Argument required (format-control string and values to print).".to_owned());
        }
        let (pieces, rest) = printf::parse(arguments)?;
        let values = match rest.trim_start() {
            "" => Vec::new(),
            rest => context.values(rest.strip_prefix(',').ok_or("Invalid argument syntax")?)?,
        };
        let wanted = pieces.iter().filter(|piece| matches!(piece, Piece::Directive(_))).count();
        if wanted != values.len() {
            return Err("Wrong number of arguments for specified format-string".to_owned());
        }
        let mut values = values.iter();
        let mut text = String::new();
        for piece in &pieces {
            match (piece, piece_value(piece, &mut values)) {
                (Piece::Directive(directive), Some(value)) => text.push_str(&written(context, directive, value)?),
                (Piece::Text(plain), _) => text.push_str(plain),
                (Piece::Directive(_), None) => {}
            }
        }
        context.out.push(format_args!("{text}"));
        Ok(())
    },
};

fn piece_value<'v>(piece: &Piece, values: &mut core::slice::Iter<'v, Value>) -> Option<&'v Value> {
    if matches!(piece, Piece::Directive(_)) { values.next() } else { None }
}

/// A value as a directive says.
fn written(context: &mut Context<'_, '_>, directive: &Directive, value: &Value) -> Result<String, String> {
    if directive.conversion == 's' {
        let text = string(context, value, directive.is_long)?;
        return Ok(directive.text(&text));
    }
    let number = context.c_number(value)?;
    if directive.is_float() {
        return Ok(directive.float(match number {
            CNumber::Integer(integer) => integer as f64,
            CNumber::Float(bytes, format) => {
                let double = float::convert(&bytes, format, float::Format::Double);
                float::to_f64(&double)
            }
        }));
    }
    let integer = match number {
        CNumber::Integer(integer) => integer,
        CNumber::Float(bytes, format) => float::to_integer(&bytes, format).unwrap_or(i128::from(i64::MIN)),
    };
    if directive.conversion != 'c' {
        return Ok(directive.integer(integer));
    }
    let character = match directive.is_long {
        true => u32::try_from(integer).ok().and_then(char::from_u32),
        false => Some(char::from(integer as u8)),
    };
    if character == Some('\0') {
        return Ok(directive.text(""));
    }
    Ok(directive.text(&character.map_or("?".to_owned(), String::from)))
}

/// The string that a value is, or points to.
fn string(context: &mut Context<'_, '_>, value: &Value, is_wide: bool) -> Result<String, String> {
    let size = if is_wide { 4 } else { 1 };
    if let Some(bytes) = context.own_characters(value) {
        return Ok(readable(&until_end(&bytes, size).0, is_wide));
    }
    let CNumber::Integer(address) = context.c_number(value)? else {
        return Err("the argument of %s is no string".to_owned());
    };
    let address = address as u64;
    if address == 0 {
        return Ok("(null)".to_owned());
    }
    let mut bytes = Vec::new();
    while bytes.len() < LONGEST {
        context.check()?;
        let mut piece = [0; 256];
        let at = address.wrapping_add(bytes.len() as u64);
        // To the end of what a page may end with.
        let length = 256usize.saturating_sub((at % 256) as usize);
        let buffer = piece.get_mut(..length).unwrap_or_default();
        let read = memory::read_now(at, buffer).unwrap_or(0);
        if read == 0 {
            return Err(format!("Cannot access memory at address {at:#x}"));
        }
        bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
        let (text, has_end) = until_end(&bytes, size);
        if has_end {
            return Ok(readable(&text, is_wide));
        }
    }
    Err(format!("the string is longer than {LONGEST} bytes"))
}

/// The bytes before the NUL, and whether there is one.
fn until_end(bytes: &[u8], size: usize) -> (Vec<u8>, bool) {
    let end = bytes.chunks_exact(size).position(|unit| unit.iter().all(|byte| *byte == 0));
    let length = end.map_or(bytes.len(), |end| end.saturating_mul(size));
    (bytes.get(..length).unwrap_or_default().to_vec(), end.is_some())
}

/// What is no character is written as its number.
fn readable(bytes: &[u8], is_wide: bool) -> String {
    if is_wide {
        let units = bytes.chunks_exact(4).map(|unit| u32::from_le_bytes(unit.try_into().unwrap_or_default()));
        return units.map(|unit| char::from_u32(unit).unwrap_or('?')).collect();
    }
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\{byte:03o}"));
        }
    }
    text
}

/// The text of `echo`.
fn unescaped(text: &str) -> String {
    let mut result = String::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            result.push(letter);
            continue;
        }
        let Some(escaped) = letters.next() else { break };
        if let Some(first) = escaped.to_digit(8) {
            let mut code = first;
            for _ in 0..2 {
                let Some(digit) = letters.peek().and_then(|digit| digit.to_digit(8)) else { break };
                code = code.saturating_mul(8).saturating_add(digit);
                letters.next();
            }
            result.push(char::from(code as u8));
        } else {
            // As gdb has it: of C's escapes, all but this one.
            let control = printf::control(escaped).filter(|_| escaped != 'e');
            result.push(control.unwrap_or(escaped));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_echo() {
        for (text, wanted) in [
            ("a\\tb\\\\c", "a\tb\\c"),
            ("\\101\\7x", "A\x07x"),
            ("\"q\\q\\\"", "\"qq\""),
            ("end\\ \\n", "end \n"),
            ("cut\\", "cut"),
            ("", ""),
        ] {
            assert_eq!(unescaped(text), wanted);
        }
    }

    #[test]
    fn strings_end_at_their_nul() {
        assert_eq!(until_end(b"ab\0cd", 1), (b"ab".to_vec(), true));
        assert_eq!(until_end(b"ab", 1), (b"ab".to_vec(), false));
        assert_eq!(until_end(&[0, 1, 0, 0, 0, 0, 0, 0], 4), (vec![0, 1, 0, 0], true));
        assert_eq!(readable(b"a\xffb", false), "a\\377b");
    }
}
