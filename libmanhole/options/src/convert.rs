//! Literals to the types of the options. Pure.

use std::ops::Range;
use std::time::Duration;

use crate::literal::{Literal, Value};
use crate::options::{Destination, LOCALS_LIMIT, SOCKET_PATH_LIMIT, Thread, expand};
use crate::quote::quote;
use crate::scan::{Cursor, continues_name};
use crate::signal::{Signal, SignalError};

/// The largest process id that Linux gives out on 64-bit machines (`PID_MAX_LIMIT`, proc(5)).
const LARGEST_PID: u32 = 4_194_304;

/// Longer than any wait that makes sense, and short enough that adding it to a clock cannot overflow.
const LONGEST_WAIT: f64 = 1e9;

/// Why a literal does not fit an option.
#[derive(Debug, PartialEq)]
pub(crate) enum Misfit {
    /// It has another type; where.
    Type(Range<usize>, String),
    /// The type is right, the value is not: where, why, and what would be right.
    Value(Range<usize>, String, Option<String>),
}

fn wrong_type<T>(literal: &Literal) -> Result<T, Misfit> {
    Err(Misfit::Type(literal.span.clone(), literal.value.describe()))
}

fn bad_value<T>(literal: &Literal, reason: impl Into<String>) -> Result<T, Misfit> {
    Err(Misfit::Value(literal.span.clone(), reason.into(), None))
}

/// `True` or `False`; 1 and 0 do as well, as they do in Python.
pub(crate) fn boolean(literal: &Literal) -> Result<bool, Misfit> {
    match literal.value {
        Value::Bool(flag) => Ok(flag),
        Value::Int(1) => Ok(true),
        Value::Int(0) => Ok(false),
        _ => wrong_type(literal),
    }
}

/// `True`, `False` or `"auto"`.
pub(crate) fn thread(literal: &Literal) -> Result<Thread, Misfit> {
    match &literal.value {
        Value::Text(_) => choice(literal, &[("auto", Thread::Auto)]),
        _ => boolean(literal).map(|flag| if flag { Thread::Always } else { Thread::Never }),
    }
}

/// A signal's name or number.
pub(crate) fn signal(literal: &Literal) -> Result<Signal, Misfit> {
    let found = match &literal.value {
        Value::Int(number) => Signal::from_number(*number),
        Value::Text(name) => Signal::from_name(name),
        _ => return wrong_type(literal),
    };
    found.map_err(|SignalError { reason, hint }| Misfit::Value(literal.span.clone(), reason, hint))
}

/// A list of signals, as `None` one without any; `"all"` is `None` here.
pub(crate) fn signals(literal: &Literal) -> Result<Option<Vec<Signal>>, Misfit> {
    match &literal.value {
        Value::Sequence(items) => items.iter().map(signal).collect::<Result<_, _>>().map(Some),
        Value::None => Ok(Some(Vec::new())),
        Value::Text(text) if text == "all" => Ok(None),
        _ => wrong_type(literal),
    }
}

/// `None`, or what `inner` reads.
pub(crate) fn optional<T>(
    literal: &Literal,
    inner: impl Fn(&Literal) -> Result<T, Misfit>,
) -> Result<Option<T>, Misfit> {
    match literal.value {
        Value::None => Ok(None),
        _ => inner(literal).map(Some),
    }
}

/// A number of seconds that is not negative.
pub(crate) fn seconds(literal: &Literal) -> Result<Duration, Misfit> {
    let seconds = match literal.value {
        // Exact up to 2^53, which is far above the limit.
        Value::Int(number) => number as f64,
        Value::Float(number) => number,
        _ => return wrong_type(literal),
    };
    if seconds < 0.0 {
        return bad_value(literal, "a time cannot be negative");
    }
    if seconds > LONGEST_WAIT || !seconds.is_finite() {
        return bad_value(literal, format!("at most {LONGEST_WAIT} seconds"));
    }
    Duration::try_from_secs_f64(seconds).or_else(|error| bad_value(literal, error.to_string()))
}

/// A descriptor or a path.
pub(crate) fn destination(literal: &Literal) -> Result<Destination, Misfit> {
    match &literal.value {
        Value::Int(number) => match i32::try_from(*number) {
            Ok(descriptor @ 0..) => Ok(Destination::Descriptor(descriptor)),
            _ => bad_value(literal, format!("there is no descriptor {number}")),
        },
        Value::Text(_) => path(literal).map(Destination::Path),
        _ => wrong_type(literal),
    }
}

/// The path of a socket, which may contain `{pid}`.
pub(crate) fn socket_path(literal: &Literal) -> Result<String, Misfit> {
    let path = path(literal)?;
    let length = expand(&path, LARGEST_PID).len();
    if length > SOCKET_PATH_LIMIT {
        let with_pid = if path.contains("{pid}") { " with the longest process id in it" } else { "" };
        let reason =
            format!("the path has {length} bytes{with_pid}, and a Unix socket's path has at most {SOCKET_PATH_LIMIT}");
        return bad_value(literal, reason);
    }
    Ok(path)
}

fn path(literal: &Literal) -> Result<String, Misfit> {
    match &literal.value {
        Value::Text(text) if text.is_empty() => bad_value(literal, "the path is empty"),
        Value::Text(text) if text.contains('\0') => bad_value(literal, "a path cannot contain a NUL byte"),
        Value::Text(text) => Ok(text.clone()),
        _ => wrong_type(literal),
    }
}

/// One of a few words, in lowercase.
pub(crate) fn choice<T: Copy>(literal: &Literal, choices: &[(&str, T)]) -> Result<T, Misfit> {
    let Value::Text(word) = &literal.value else {
        return wrong_type(literal);
    };
    if let Some((_, chosen)) = choices.iter().find(|(known, _)| known == word) {
        return Ok(*chosen);
    }
    let known: Vec<&str> = choices.iter().map(|(known, _)| *known).collect();
    let hint = match crate::suggest::nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean '{near}'?"),
        None => format!("known: '{}'", known.join("', '")),
    };
    let shown: String = word.chars().take(40).collect();
    let reason = format!("'{shown}' is not known");
    Err(Misfit::Value(literal.span.clone(), reason, Some(hint)))
}

/// A dict of names and the expressions that they stand for; of a name that occurs twice the last one counts.
pub(crate) fn names(literal: &Literal, are_objects: bool) -> Result<Vec<(String, String)>, Misfit> {
    let pairs = match &literal.value {
        Value::None => return Ok(Vec::new()),
        Value::Dict(pairs) => pairs,
        _ => return wrong_type(literal),
    };
    let mut names = std::collections::BTreeMap::new();
    let mut order = Vec::new();
    for (key, value) in pairs {
        let name = name(key)?;
        let value = if are_objects { object(value)? } else { expression(value)? };
        if names.insert(name.clone(), value).is_none() {
            order.push(name);
        }
    }
    let pairs: Vec<_> = order.into_iter().filter_map(|name| names.remove(&name).map(|value| (name, value))).collect();
    names_fit(&pairs).or_else(|reason| bad_value(literal, reason))?;
    Ok(pairs)
}

/// An error when the names and expressions are longer than what the agent keeps of them.
pub(crate) fn names_fit(pairs: &[(String, String)]) -> Result<(), String> {
    let bytes: usize = pairs.iter().map(|(name, expression)| name.len() + expression.len() + 2).sum();
    if bytes <= LOCALS_LIMIT {
        return Ok(());
    }
    Err(format!("the names and expressions take {bytes} bytes, and at most {LOCALS_LIMIT} fit"))
}

fn name(key: &Literal) -> Result<String, Misfit> {
    let Value::Text(text) = &key.value else {
        return wrong_type(key);
    };
    let mut cursor = Cursor::new(text);
    let whole = cursor.take_name().is_some() && cursor.rest().is_empty();
    if whole && text.chars().all(continues_name) {
        return Ok(text.clone());
    }
    bad_value(key, "a name has letters, digits and '_' only, and no digit first")
}

/// An expression as text; a number is an expression too.
fn expression(value: &Literal) -> Result<String, Misfit> {
    match &value.value {
        Value::Text(text) if text.trim().is_empty() => bad_value(value, "the expression is empty"),
        Value::Text(text) if text.contains('\0') => bad_value(value, "an expression cannot contain a NUL byte"),
        Value::Text(text) => Ok(text.clone()),
        Value::Int(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(format!("{number:?}")),
        _ => wrong_type(value),
    }
}

/// An object as an expression of Python's.
fn object(value: &Literal) -> Result<String, Misfit> {
    match &value.value {
        Value::Text(text) if text.contains('\0') => bad_value(value, "a text cannot contain a NUL byte"),
        Value::Text(text) => Ok(quote(text)),
        Value::None => Ok("None".to_owned()),
        Value::Bool(true) => Ok("True".to_owned()),
        Value::Bool(false) => Ok("False".to_owned()),
        Value::Sequence(elements) => {
            let elements: Result<Vec<_>, _> = elements.iter().map(object).collect();
            Ok(format!("[{}]", elements?.join(", ")))
        }
        Value::Dict(pairs) => {
            let pairs: Result<Vec<_>, _> =
                pairs.iter().map(|(key, value)| Ok(format!("{}: {}", object(key)?, object(value)?))).collect();
            Ok(format!("{{{}}}", pairs?.join(", ")))
        }
        _ => expression(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(value: Value) -> Literal {
        Literal { value, span: 0..1 }
    }

    #[test]
    fn seconds_have_bounds() {
        for (value, expected) in [
            (Value::Int(0), Some(Duration::ZERO)),
            (Value::Int(3), Some(Duration::from_secs(3))),
            (Value::Float(0.25), Some(Duration::from_millis(250))),
            (Value::Int(1_000_000_000), Some(Duration::from_secs(1_000_000_000))),
            (Value::Int(1_000_000_001), None),
            (Value::Int(i64::MAX), None),
            (Value::Float(f64::INFINITY), None),
            (Value::Float(-0.1), None),
            (Value::Int(-1), None),
        ] {
            assert_eq!(seconds(&literal(value.clone())).ok(), expected, "{value:?}");
        }
    }

    #[test]
    fn many_names_take_time_in_proportion() {
        let pairs = (0..100_000)
            .map(|index| {
                let name = Value::Text(format!("n{}", index % 50_000));
                (literal(name), literal(Value::Int(index)))
            })
            .collect();
        let Err(Misfit::Value(_, reason, _)) = names(&literal(Value::Dict(pairs)), false) else {
            panic!("50,000 names fit");
        };
        assert!(reason.contains("at most 4095 fit"), "{reason}");
    }

    #[test]
    fn of_a_name_that_occurs_twice_the_last_counts() {
        let pair = |name: &str, number| (literal(Value::Text(name.to_owned())), literal(Value::Int(number)));
        let names = names(&literal(Value::Dict(vec![pair("b", 1), pair("a", 2), pair("b", 3)])), false).unwrap();
        let pairs = [("b", "3"), ("a", "2")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(names, pairs);
    }

    #[test]
    fn names_take_no_more_than_their_limit() {
        let of_length = |length: usize| [("n".to_owned(), "x".repeat(length))];
        assert_eq!(names_fit(&of_length(LOCALS_LIMIT - 3)), Ok(()));
        assert!(names_fit(&of_length(LOCALS_LIMIT - 2)).unwrap_err().contains("4096 bytes"));
    }

    #[test]
    fn the_length_of_a_socket_path_counts_the_longest_pid() {
        let of_length = |length| literal(Value::Text("x".repeat(length)));
        assert!(socket_path(&of_length(SOCKET_PATH_LIMIT)).is_ok());
        assert!(socket_path(&of_length(SOCKET_PATH_LIMIT + 1)).is_err());
        let with_pid = |length| literal(Value::Text("x".repeat(length) + "{pid}"));
        assert!(socket_path(&with_pid(100)).is_ok());
        let Err(Misfit::Value(_, reason, _)) = socket_path(&with_pid(101)) else {
            panic!("a path of 108 bytes is accepted");
        };
        assert!(reason.contains("108 bytes with the longest process id"), "{reason}");
    }
}
