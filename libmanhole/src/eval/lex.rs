//! Text -> tokens.
//!
//! Context: the agent's thread. Pure.

use super::value::Word;
use crate::render::quote::short;

/// A piece of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    Number(Word),
    /// A name, with its `::` parts.
    Name(String),
    /// The name after a `$`.
    Register(String),
    Operator(&'static str),
}

/// Tokens that an expression may have: what parse trees of that size need fits the stack of the agent's thread.
const LIMIT: usize = 500;

/// Longer operators stand before those that they start with.
const OPERATORS: [&str; 33] = [
    "<<=", ">>=", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "->", "++", "--", "+=", "-=", "*=", "/=", "+", "-",
    "*", "/", "%", "&", "|", "^", "~", "!", "<", ">", "=", "(", ")", "?",
];
const MORE_OPERATORS: [&str; 5] = [":", "[", "]", ".", ","];

/// The tokens of an expression.
pub(crate) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if tokens.len() >= LIMIT {
            return Err(format!("the expression is too long: more than {LIMIT} parts"));
        }
        let (token, after) = match first {
            '0'..='9' => number(rest)?,
            '\'' => quoted(rest)?,
            '"' => return Err("a string has no address in the process yet: strings are not understood".to_owned()),
            '$' => {
                let (name, after) = split_name(rest.get(1..).unwrap_or_default(), false);
                if name.is_empty() {
                    return Err("a register's name is missing after $".to_owned());
                }
                (Token::Register(name.to_owned()), after)
            }
            first if is_name_start(first) => {
                let (name, after) = split_name(rest, true);
                (Token::Name(name.to_owned()), after)
            }
            _ => operator(rest)?,
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn is_name_start(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

/// A name at the start of the text; symbols have `::` between parts, and may have a version or suffix (`x@plt`, `f.cold`
/// must be quoted).
fn split_name(text: &str, scopes: bool) -> (&str, &str) {
    let mut end = 0;
    let mut rest = text.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        if character.is_alphanumeric() || character == '_' {
            end = at.saturating_add(character.len_utf8());
        } else if scopes
            && character == ':'
            && rest.next_if(|(_, next)| *next == ':').is_some()
            && rest.peek().is_some_and(|(_, next)| is_name_start(*next))
        {
            end = at.saturating_add(2);
        } else {
            break;
        }
    }
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn operator(text: &str) -> Result<(Token, &str), String> {
    OPERATORS
        .iter()
        .chain(&MORE_OPERATORS)
        .find_map(|operator| text.strip_prefix(operator).map(|after| (Token::Operator(operator), after)))
        .ok_or_else(|| format!("invalid character in the expression at \"{}\"", short(text, 20)))
}

fn number(text: &str) -> Result<(Token, &str), String> {
    let (digits, radix) = match text.get(..2) {
        Some("0x" | "0X") => (text.get(2..).unwrap_or_default(), 16),
        Some("0b" | "0B") => (text.get(2..).unwrap_or_default(), 2),
        _ if text.starts_with('0') => (text, 8),
        _ => (text, 10),
    };
    let end = digits.find(|digit: char| !digit.is_digit(radix)).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at_checked(end).unwrap_or((digits, ""));
    let shown = short(text, 24);
    if digits.is_empty() {
        return Err(format!("a digit is missing in \"{shown}\""));
    }
    let bits = u64::from_str_radix(digits, radix).map_err(|_| format!("\"{shown}\" does not fit 64 bits"))?;
    let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
    let (suffix, rest) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if rest.starts_with('.') {
        return Err(format!("\"{shown}\" has a fraction: only integers are understood yet"));
    }
    let signed = match suffix.to_ascii_lowercase().as_str() {
        "" | "l" | "ll" => i64::try_from(bits).is_ok(),
        "u" | "ul" | "ull" | "lu" | "llu" => false,
        _ => return Err(format!("invalid number \"{shown}\"")),
    };
    Ok((Token::Number(Word { bits, signed }), rest))
}

/// A character in single quotes; more than one is a symbol's name, as in gdb.
fn quoted(text: &str) -> Result<(Token, &str), String> {
    let inside = text.get(1..).unwrap_or_default();
    let unfinished = || "the closing quote ' is missing".to_owned();
    if let Some(escape) = inside.strip_prefix('\\') {
        let (value, rest) = escaped(escape).ok_or_else(|| format!("unknown escape \"\\{}\"", short(escape, 4)))?;
        let rest = rest.strip_prefix('\'').ok_or_else(unfinished)?;
        return Ok((Token::Number(Word::number(value)), rest));
    }
    let (name, rest) = inside.split_once('\'').ok_or_else(unfinished)?;
    let mut characters = name.chars();
    match (characters.next(), characters.next()) {
        (None, _) => Err("nothing stands between the quotes".to_owned()),
        (Some(character), None) => Ok((Token::Number(Word::number(i64::from(u32::from(character)))), rest)),
        _ => Ok((Token::Name(name.to_owned()), rest)),
    }
}

/// The value of an escape after its backslash, a C `char` on x86_64: with a sign.
fn escaped(text: &str) -> Option<(i64, &str)> {
    let first = text.chars().next()?;
    let simple = |value: i64| Some((value, text.get(1..)?));
    match first {
        'n' => simple(10),
        't' => simple(9),
        'r' => simple(13),
        'a' => simple(7),
        'b' => simple(8),
        'f' => simple(12),
        'v' => simple(11),
        'e' => simple(27),
        '\\' | '\'' | '"' | '?' => simple(i64::from(u32::from(first))),
        'x' => digits(text.get(1..)?, 16, 2),
        '0'..='7' => digits(text, 8, 3),
        _ => None,
    }
}

fn digits(text: &str, radix: u32, limit: usize) -> Option<(i64, &str)> {
    let end = text.find(|digit: char| !digit.is_digit(radix)).unwrap_or(text.len()).min(limit);
    let (digits, rest) = text.split_at_checked(end)?;
    let value = u32::from_str_radix(digits, radix).ok()?;
    Some((i64::from(value as u8 as i8), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_scopes_and_without() {
        let name = |text: &str| Token::Name(text.to_owned());
        assert_eq!(tokens("std::vec::f + x").unwrap(), [name("std::vec::f"), Token::Operator("+"), name("x")]);
        assert_eq!(tokens("a?b:c").unwrap().len(), 5);
        assert_eq!(tokens("größe").unwrap(), [name("größe")]);
        assert_eq!(tokens("$rip+1").unwrap()[0], Token::Register("rip".to_owned()));
    }

    #[test]
    fn the_longest_operator_wins() {
        assert_eq!(tokens("1<<2").unwrap()[1], Token::Operator("<<"));
        assert_eq!(tokens("1< <2").unwrap().len(), 4);
        assert_eq!(tokens("a->b").unwrap()[1], Token::Operator("->"));
    }
}
