//! `print`, and every line that is no command: the value of an expression.
//!
//! Context: the agent's thread.

use serde_json::json;

use super::{Command, Context, Takes};
use crate::eval::Word;
use crate::render::frames::hex;
use crate::render::words::{self, Format, Padding};

pub(super) static COMMAND: Command = Command {
    names: &["print"],
    arguments: "[/FORMAT] EXPRESSION",
    summary: "show the value of an expression",
    help: "Symbols, $registers of the selected frame, integers (10, 0x10, 010, 0b10, 'A') and C's operators, 64 bits wide.\n\
           A variable of 1, 2, 4 or 8 bytes stands for its content, a function or a larger variable for its address;\n\
           &NAME is the address, *ADDRESS the word of 8 bytes there. Names with signs stand in quotes: 'ns::f(int)'.\n\
           info names lists the names that stand for expressions.\n\
           FORMAT is one of x d u o t a c f z.",
    takes: Takes::Symbols,
    run,
};

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    let (format, expression) = match arguments.strip_prefix('/') {
        None => (None, arguments),
        Some(rest) => {
            let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let (letters, expression) = rest.split_at_checked(end).unwrap_or((rest, ""));
            (Some(format(letters)?), expression)
        }
    };
    let value = context.value(expression)?;
    show(context, value, format);
    Ok(())
}

fn format(letters: &str) -> Result<Format, String> {
    let mut all = letters.chars();
    match (all.next(), all.next()) {
        (Some('i' | 's'), None) => Err(format!("format {letters} is about memory: x/{letters} ADDRESS")),
        (Some(letter), None) => {
            Format::of_letter(letter).ok_or_else(|| format!("format \"{letter}\" is none of x d u o t a c f z"))
        }
        _ => Err("a format is one letter of x d u o t a c f z".to_owned()),
    }
}

/// Shows a value as `print` does.
pub(crate) fn show(context: &mut Context<'_, '_>, value: Word, format: Option<Format>) {
    let label = context.session.label(value.bits);
    let symbol = label.as_ref().map(|label| format!(" <{label}>")).unwrap_or_default();
    let text = match format {
        Some(Format::Address) => format!("{}{symbol}", hex(value.bits)),
        Some(format) => words::word(value.bits, 8, format, Padding::None),
        None if label.is_some() => format!("{}{symbol}", hex(value.bits)),
        None => plain(value),
    };
    context.out.line(format_args!("= {text}"));
    context.out.data = json!({
        "value": if value.signed { json!(value.bits as i64) } else { json!(value.bits) },
        "hex": hex(value.bits),
        "symbol": label,
        "text": text,
    });
}

/// A number in decimal, and in hexadecimal where that says more.
fn plain(value: Word) -> String {
    match value.bits {
        0..=9 => value.bits.to_string(),
        bits if value.signed => format!("{} ({})", bits as i64, hex(bits)),
        bits => format!("{bits} ({})", hex(bits)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_both_forms() {
        assert_eq!(plain(Word::number(7)), "7");
        assert_eq!(plain(Word::number(3579)), "3579 (0xdfb)");
        assert_eq!(plain(Word::number(-1)), "-1 (0xffffffffffffffff)");
        assert_eq!(plain(Word::address(u64::MAX)), "18446744073709551615 (0xffffffffffffffff)");
    }

    #[test]
    fn formats_are_one_letter() {
        assert_eq!(format("x"), Ok(Format::Hexadecimal));
        assert!(format("i").unwrap_err().contains("x/i"));
        assert!(format("xx").is_err());
        assert!(format("").is_err());
    }
}
