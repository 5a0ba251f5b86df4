//! Python's literals: what a value may be, and how it is read. Pure.

use std::ops::Range;

use crate::error::{ErrorKind, Fault};
use crate::number::{begins_number, take_number};
use crate::scan::{Cursor, continues_name};
use crate::string::{begins_string, take_strings};

/// Deeper nesting is refused: the parser calls itself once a level, on the host's stack.
const DEEPEST: usize = 32;

/// A literal and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Literal {
    pub(crate) value: Value,
    pub(crate) span: Range<usize>,
}

/// The value of a literal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// A list or a tuple; no option tells them apart.
    Sequence(Vec<Literal>),
    Dict(Vec<(Literal, Literal)>),
}

impl Value {
    /// The value as it is named in `takes ..., not ...`.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::None => "None".to_owned(),
            Self::Bool(true) => "True".to_owned(),
            Self::Bool(false) => "False".to_owned(),
            Self::Int(number) => format!("the integer {number}"),
            Self::Float(number) => format!("the float {number}"),
            Self::Text(_) => "a string".to_owned(),
            Self::Sequence(_) => "a list or tuple".to_owned(),
            Self::Dict(_) => "a dict".to_owned(),
        }
    }
}

/// The literal at the cursor, which stands behind blanks. What follows it must be an end: a comma, a closing
/// bracket, a colon, or the end of the text.
pub(crate) fn take_literal(cursor: &mut Cursor<'_>) -> Result<Literal, Fault> {
    take_nested(cursor, 0)
}

fn take_nested(cursor: &mut Cursor<'_>, depth: usize) -> Result<Literal, Fault> {
    let start = cursor.at();
    let value = match cursor.peek() {
        None => return Err(Fault::syntax(cursor.here(), "a value is missing")),
        Some('[' | '(' | '{') if depth >= DEEPEST => {
            let reason = format!("brackets are nested more than {DEEPEST} deep");
            return Err(Fault::syntax(cursor.here(), reason));
        }
        Some('[') => Value::Sequence(take_items(cursor, "]", depth)?.0),
        Some('(') => take_parentheses(cursor, depth)?,
        Some('{') => take_dict(cursor, depth)?,
        Some('+' | '-') => take_signed(cursor)?,
        Some(_) if begins_string(cursor) => Value::Text(take_strings(cursor)?),
        Some(_) if begins_number(cursor) => take_number(cursor, false)?,
        Some(_) => take_word(cursor)?,
    };
    let span = start..cursor.at();
    refuse_expression(cursor, &span)?;
    Ok(Literal { value, span })
}

/// The items up to `closing`, and whether a comma was among them.
fn take_items(
    cursor: &mut Cursor<'_>,
    closing: &str,
    depth: usize,
) -> Result<(Vec<Literal>, bool), Fault> {
    let opening = cursor.here();
    cursor.next();
    let mut items = Vec::new();
    let mut comma = false;
    loop {
        cursor.skip_blank();
        if cursor.take(closing) {
            return Ok((items, comma));
        }
        if cursor.peek().is_none() {
            return Err(never_closed(opening, closing));
        }
        items.push(take_nested(cursor, depth.saturating_add(1))?);
        comma |= take_separator(cursor, &opening, closing)?;
    }
}

/// A comma between items (true), or nothing before `closing` (false).
fn take_separator(
    cursor: &mut Cursor<'_>,
    opening: &Range<usize>,
    closing: &str,
) -> Result<bool, Fault> {
    cursor.skip_blank();
    if cursor.take(",") {
        return Ok(true);
    }
    match cursor.peek() {
        None => Err(never_closed(opening.clone(), closing)),
        _ if cursor.rest().starts_with(closing) => Ok(false),
        _ => Err(Fault::syntax(
            cursor.here(),
            format!("a comma or '{closing}' is missing"),
        )),
    }
}

fn never_closed(opening: Range<usize>, closing: &str) -> Fault {
    Fault::syntax(
        opening,
        format!("the bracket is never closed by '{closing}'"),
    )
}

/// `(1)` is the 1 itself; `(1,)` and `()` are tuples.
fn take_parentheses(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Fault> {
    let (mut items, comma) = take_items(cursor, ")", depth)?;
    if items.len() == 1
        && !comma
        && let Some(only) = items.pop()
    {
        return Ok(only.value);
    }
    Ok(Value::Sequence(items))
}

fn take_dict(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Fault> {
    let opening = cursor.here();
    cursor.next();
    let mut pairs = Vec::new();
    loop {
        cursor.skip_blank();
        if cursor.take("}") {
            return Ok(Value::Dict(pairs));
        }
        if cursor.peek().is_none() {
            return Err(never_closed(opening, "}"));
        }
        let key = take_nested(cursor, depth.saturating_add(1))?;
        cursor.skip_blank();
        if !cursor.take(":") {
            let fault = Fault::syntax(cursor.here(), "a ':' is missing after the dict's key");
            return Err(fault.hint("a dict is written {\"name\": value}"));
        }
        cursor.skip_blank();
        let value = take_nested(cursor, depth.saturating_add(1))?;
        pairs.push((key, value));
        take_separator(cursor, &opening, "}")?;
    }
}

fn take_signed(cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
    let mut negative = false;
    while let Some(sign @ ('+' | '-')) = cursor.peek() {
        negative ^= sign == '-';
        cursor.next();
        cursor.skip_blank();
    }
    if !begins_number(cursor) {
        return Err(Fault::syntax(
            cursor.here(),
            "a number is missing after the sign",
        ));
    }
    take_number(cursor, negative)
}

fn take_word(cursor: &mut Cursor<'_>) -> Result<Value, Fault> {
    let start = cursor.at();
    match cursor.take_name() {
        Some("None") => Ok(Value::None),
        Some("True") => Ok(Value::Bool(true)),
        Some("False") => Ok(Value::Bool(false)),
        Some(_) => {
            cursor.take_while(|next| continues_name(next) || matches!(next, '.' | '(' | ')'));
            let word = cursor.since(start);
            let reason = format!("'{}' is not a literal", shortened(word));
            let fault = Fault::new(ErrorKind::NotLiteral, start..cursor.at(), reason);
            Err(fault.hint(instead_of(word)))
        }
        None => {
            let here = cursor.here();
            Err(match cursor.peek() {
                Some('*') => Fault::new(
                    ErrorKind::NotLiteral,
                    here,
                    "'*' unpacks nothing here: only literals are understood",
                ),
                Some(',') => Fault::syntax(here, "a value is missing before the comma"),
                Some(']' | ')' | '}') => Fault::syntax(here, "a bracket closes that never opened"),
                _ => Fault::syntax(here, "this cannot begin a value"),
            })
        }
    }
}

/// What to write instead of a name that Python would evaluate.
fn instead_of(word: &str) -> String {
    match word.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => "did you mean True?".to_owned(),
        "false" | "no" => "did you mean False?".to_owned(),
        "off" => "'off' stands alone; an option is switched off by False".to_owned(),
        "none" | "null" | "nil" => "did you mean None?".to_owned(),
        "sys.stderr" | "sys.__stderr__" => "use the descriptor: 2".to_owned(),
        "sys.stdout" | "sys.__stdout__" => "use the descriptor: 1".to_owned(),
        lower if lower.contains("getpid") => PID_HINT.to_owned(),
        lower if lower.starts_with("signal.") => {
            let name = word.get("signal.".len()..).unwrap_or("");
            format!("write the name in quotes: \"{}\"", shortened(name))
        }
        _ => format!(
            "a string stands in quotes: \"{}\"; a shell removes one level of them",
            shortened(word)
        ),
    }
}

const PID_HINT: &str = "{pid} stands for the process id: socket_path=\"/tmp/manhole-{pid}\"";

fn shortened(word: &str) -> String {
    word.chars().take(40).collect()
}

/// An operator, an attribute or a call after a literal: Python would evaluate it.
fn refuse_expression(cursor: &mut Cursor<'_>, literal: &Range<usize>) -> Result<(), Fault> {
    let mut ahead = Cursor::new(cursor.rest());
    ahead.skip_blank();
    let operator = match ahead.peek() {
        Some(
            first @ ('%' | '+' | '-' | '*' | '/' | '|' | '&' | '^' | '<' | '>' | '.' | '(' | '['
            | '@'),
        ) => first.to_string(),
        Some(_) => match ahead.take_name() {
            Some(word @ ("if" | "or" | "and" | "in" | "is" | "not" | "for")) => word.to_owned(),
            _ => return Ok(()),
        },
        None => return Ok(()),
    };
    let beginning: String = cursor.rest().chars().take(200).collect();
    cursor.skip_blank();
    let here = cursor.at();
    let end = here.saturating_add(operator.len());
    let reason = format!("'{operator}' would need evaluation: only literals are understood");
    let fault = Fault::new(ErrorKind::NotLiteral, literal.start..end, reason);
    Err(if beginning.contains("getpid") {
        fault.hint(PID_HINT)
    } else {
        fault
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, Fault> {
        let mut cursor = Cursor::new(text);
        take_literal(&mut cursor).map(|literal| literal.value)
    }

    /// The value without its spans.
    fn plain(value: &Value) -> String {
        match value {
            Value::None => "None".to_owned(),
            Value::Bool(flag) => format!("{flag}"),
            Value::Int(number) => format!("{number}"),
            Value::Float(number) => format!("{number:?}"),
            Value::Text(text) => format!("{text:?}"),
            Value::Sequence(items) => {
                let items: Vec<_> = items.iter().map(|item| plain(&item.value)).collect();
                format!("[{}]", items.join(" "))
            }
            Value::Dict(pairs) => {
                let pairs: Vec<_> = pairs
                    .iter()
                    .map(|(key, value)| format!("{}:{}", plain(&key.value), plain(&value.value)))
                    .collect();
                format!("{{{}}}", pairs.join(" "))
            }
        }
    }

    #[test]
    fn values() {
        for (text, value) in [
            ("None", "None"),
            ("True", "true"),
            ("False", "false"),
            ("-5", "-5"),
            ("- -5", "5"),
            ("+ 0x10", "16"),
            ("-.5", "-0.5"),
            ("'x' \"y\"", "\"xy\""),
            ("[]", "[]"),
            ("()", "[]"),
            ("{}", "{}"),
            ("( 1 )", "1"),
            ("((('a')))", "\"a\""),
            ("(1,)", "[1]"),
            ("[1, 'a', (2, 3), [None], ]", "[1 \"a\" [2 3] [None]]"),
            ("{'a': 1, 'b': [2,],}", "{\"a\":1 \"b\":[2]}"),
            ("[ # first\n 1,\n 2\n]", "[1 2]"),
        ] {
            assert_eq!(plain(&read(text).unwrap()), value, "{text}");
        }
    }

    #[test]
    fn refusals() {
        use ErrorKind::{NotLiteral, Syntax};
        for (text, kind, spot, said) in [
            ("", Syntax, "", "a value is missing"),
            ("[1, 2", Syntax, "[", "never closed"),
            ("[", Syntax, "[", "never closed"),
            ("{'a': 1", Syntax, "{", "never closed"),
            ("(1", Syntax, "(", "never closed"),
            ("[1 2]", Syntax, "2", "a comma or ']'"),
            ("[,]", Syntax, ",", "before the comma"),
            ("[1,,]", Syntax, ",", "before the comma"),
            ("[1)", Syntax, ")", "a comma or ']'"),
            ("{1, 2}", Syntax, ",", "a ':' is missing"),
            ("{'a'}", Syntax, "}", "a ':' is missing"),
            ("{'a':}", Syntax, "}", "never opened"),
            ("-", Syntax, "", "after the sign"),
            ("-'a'", Syntax, "'", "after the sign"),
            ("]", Syntax, "]", "never opened"),
            ("$", Syntax, "$", "cannot begin"),
            ("*args", NotLiteral, "*", "unpacks"),
            ("true", NotLiteral, "true", "did you mean True?"),
            ("FALSE", NotLiteral, "FALSE", "did you mean False?"),
            ("null", NotLiteral, "null", "did you mean None?"),
            ("off", NotLiteral, "off", "stands alone"),
            ("USR2", NotLiteral, "USR2", "quotes: \"USR2\""),
            (
                "signal.SIGUSR2",
                NotLiteral,
                "signal.SIGUSR2",
                "quotes: \"SIGUSR2\"",
            ),
            ("sys.stderr", NotLiteral, "sys.stderr", "descriptor: 2"),
            ("os.getpid()", NotLiteral, "os.getpid()", "{pid}"),
            ("'/x-%d' % os.getpid()", NotLiteral, "'/x-%d' %", "{pid}"),
            ("'/x-' + str(os.getpid())", NotLiteral, "'/x-' +", "{pid}"),
            ("'{}'.format(1)", NotLiteral, "'{}'.", "literals"),
            ("1 + 1", NotLiteral, "1 +", "literals"),
            ("1 if x else 2", NotLiteral, "1 if", "literals"),
        ] {
            let fault = read(text).unwrap_err();
            let hint = fault.hint.clone().unwrap_or_default();
            let shown = format!("{} ({hint})", fault.reason);
            assert_eq!(fault.kind, kind, "{text}: {shown}");
            assert_eq!(text.get(fault.span.clone()), Some(spot), "{text}: {shown}");
            assert!(shown.contains(said), "{text}: {shown}");
        }
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(DEEPEST)).is_ok());
        for text in [
            nested(DEEPEST + 1),
            "[".repeat(1_000_000),
            "(".repeat(1_000_000),
            "{1:".repeat(1_000_000),
        ] {
            let fault = read(&text).unwrap_err();
            assert!(fault.reason.contains("32 deep"), "{}", fault.reason);
        }
        assert!(read(&format!("{}1", "-".repeat(1_000_000))).is_ok());
    }
}
