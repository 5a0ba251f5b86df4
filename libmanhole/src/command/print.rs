//! `print`, `call`, and every line that is no command: the value of an expression.
//!
//! Context: the agent's thread.

use manhole_expressions::print::{Format, Options};
use manhole_expressions::value::Value;
use serde_json::json;

use super::{Command, Context, Takes, info_locals, set};
use crate::render::frames::hex;

pub(super) static COMMAND: Command = Command {
    names: &["print"],
    arguments: "[-SETTING [VALUE] ... --] [/FORMAT] [EXPRESSION]",
    summary: "show the value of an expression",
    help: "C's expressions over the program's variables and functions, as gdb understands them: *list->next, table[3]@5,\n\
           'file.c'::count, (struct conn *)p, count += 1, f(x), $pc, $1, $name = 3. A line that is no command is one too.\n\
           FORMAT is one of x d u o t a c f z s, or r for values without pretty printers. set print changes how values are shown.\n\
           Without an expression: the last value once more. Settings of set print before it hold for this value: print -elements 3 -- text",
    takes: Takes::Symbols,
    run: |context, arguments| {
        let mut options = context.session.options.clone();
        let asked = Asked::parse(set::for_one_value(arguments, &mut options)?)?;
        let value = context.value(if asked.expression.is_empty() { "$" } else { asked.expression })?;
        show(context, &value, asked, options, true)
    },
};

pub(super) static CALL: Command = Command {
    names: &["call"],
    arguments: "[-f] EXPRESSION",
    summary: "evaluate an expression that calls a function",
    help: "As print, but nothing is shown for void. A call runs on a thread of its own, and is given up after the option timeout or by\n\
           Ctrl-C: it then runs on as a job. -f calls even what could end the process or hang, with\n\
           the signals open that the process has open.",
    takes: Takes::Symbols,
    run: |context, arguments| {
        let arguments = match arguments.strip_prefix("-f").filter(|rest| rest.starts_with(char::is_whitespace)) {
            Some(rest) => {
                context.insists = true;
                rest.trim_start()
            }
            None => arguments,
        };
        let mut options = context.session.options.clone();
        let asked = Asked::parse(set::for_one_value(arguments, &mut options)?)?;
        if asked.expression.is_empty() {
            return Err("call needs an expression, such as call fflush(0)".to_owned());
        }
        let value = context.value(asked.expression)?;
        show(context, &value, asked, options, false)
    },
};

/// What stands behind the command.
#[derive(Clone, Copy)]
pub(super) struct Asked<'t> {
    pub(super) format: Option<Format>,
    is_raw: bool,
    pub(super) expression: &'t str,
}

impl<'t> Asked<'t> {
    /// `/FORMAT EXPRESSION`.
    pub(super) fn parse(arguments: &'t str) -> Result<Asked<'t>, String> {
        let mut asked = Asked { format: None, is_raw: false, expression: arguments.trim() };
        let Some(rest) = arguments.strip_prefix('/') else { return Ok(asked) };
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let (letters, expression) = rest.split_at_checked(end).unwrap_or((rest, ""));
        for letter in letters.chars() {
            match letter {
                'r' => asked.is_raw = true,
                letter if asked.format.is_none() => asked.format = Some(format(letter)?),
                _ => return Err("a format is one letter of x d u o t a c f z s".to_owned()),
            }
        }
        if letters.is_empty() {
            return Err("a format is one letter of x d u o t a c f z s".to_owned());
        }
        asked.expression = expression.trim();
        Ok(asked)
    }
}

fn format(letter: char) -> Result<Format, String> {
    Ok(match letter {
        'x' => Format::Hexadecimal,
        'z' => Format::PaddedHexadecimal,
        'd' => Format::Decimal,
        'u' => Format::Unsigned,
        'o' => Format::Octal,
        't' => Format::Binary,
        'a' => Format::Address,
        'c' => Format::Character,
        'f' => Format::Float,
        's' => Format::String,
        'i' => return Err("format i is about memory: x/i ADDRESS".to_owned()),
        letter => return Err(format!("format \"{letter}\" is none of x d u o t a c f z s")),
    })
}

/// The value of a line that is no command.
pub(crate) fn bare(context: &mut Context<'_, '_>, line: &str) -> Result<(), String> {
    let value = context.value(line)?;
    let options = context.session.options.clone();
    show(context, &value, Asked { format: None, is_raw: false, expression: line }, options, false)
}

/// Shows a value as `print` does. `even_void`: `void` is shown too.
fn show(
    context: &mut Context<'_, '_>,
    value: &Value,
    asked: Asked<'_>,
    mut options: Options,
    even_void: bool,
) -> Result<(), String> {
    if context.is_void(value) {
        if even_void {
            context.out.line(format_args!("void"));
        }
        context.out.data = json!({ "type": "void" });
        return Ok(());
    }
    options.raw |= asked.is_raw;
    let text = context.shown_with(value, asked.format, &options)?;
    let number = context.record(value)?;
    let stale = info_locals::mark(value);
    context.out.line(format_args!("${number} = {text}{stale}"));
    let integer = context.number(value);
    context.out.data = json!({
        "number": number,
        "text": text,
        "type": context.type_name(value.type_id)?,
        "value": integer.and_then(|integer| i64::try_from(integer).ok()),
        "hex": integer.and_then(|integer| u64::try_from(integer).ok()).map(hex),
        "stale": value.is_stale,
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_one_letter() {
        assert_eq!(
            Asked::parse("/x 1 + 1").map(|asked| (asked.format, asked.expression)),
            Ok((Some(Format::Hexadecimal), "1 + 1"))
        );
        assert_eq!(Asked::parse("1 / 2").map(|asked| (asked.format, asked.expression)), Ok((None, "1 / 2")));
        assert!(Asked::parse("/i 1").is_err_and(|error| error.contains("x/i")));
        assert!(Asked::parse("/xx 1").is_err());
        assert!(Asked::parse("/ 1").is_err());
        assert!(Asked::parse("/r v").is_ok_and(|asked| asked.is_raw));
    }
}
