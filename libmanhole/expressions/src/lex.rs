//! Text -> tokens.
//!
//! Pure. The grammar is C's and C++'s as gdb takes it, with a little of Rust's spelling of numbers.

mod literal;
mod number;

use crate::ast::Builtin;

/// Bytes of an expression that are looked at.
pub(crate) const LONGEST: usize = 64 * 1024;

/// Tokens of one expression. Every step of a tree has a token, so this is the most that a tree can be high: `a++++++`. What walks
/// over a tree, and what frees it, needs stack for that.
const MOST: usize = 2048;

/// A piece of an expression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Integer(u128, Builtin),
    /// The digits of a tuple's member: Rust's `pair.0`.
    Digits(String),
    Floating(String, Builtin),
    /// GNU C's `2i`.
    Imaginary(Box<Token>),
    Character(u32, Builtin),
    String(Vec<u8>, Builtin),
    Name(String),
    /// What stands in single quotes and is no character.
    Quoted(String),
    /// Without its `$`.
    Dollar(String),
    Operator(&'static str),
}

/// A token, and where it stands in the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    pub(crate) token: Token,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Longer ones first.
const OPERATORS: [&str; 46] = [
    "<<=", ">>=", "...", "->*", "::", "->", "++", "--", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=",
    "*=", "/=", "%=", "&=", "|=", "^=", ".*", "+", "-", "*", "/", "%", "&", "|", "^", "~", "!", "<", ">", "=", "?",
    ":", ",", "(", ")", "[", "]", "{",
];

/// C++'s other spellings.
const WORDS: [(&str, &str); 11] = [
    ("and", "&&"),
    ("or", "||"),
    ("not", "!"),
    ("xor", "^"),
    ("bitand", "&"),
    ("bitor", "|"),
    ("compl", "~"),
    ("and_eq", "&="),
    ("or_eq", "|="),
    ("xor_eq", "^="),
    ("not_eq", "!="),
];

/// The tokens of a text.
pub(crate) fn tokens(text: &str) -> Result<Vec<Placed>, String> {
    if text.len() > LONGEST {
        return Err(format!("the expression is longer than {LONGEST} bytes"));
    }
    let mut tokens: Vec<Placed> = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(first) = rest.chars().next() else { break };
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let (token, length) = token(rest, tokens.last().map(|last| &last.token))?;
        let end = at + length.max(1);
        tokens.push(Placed { token, start: at, end });
        at = end;
        if tokens.len() > MOST {
            return Err(format!("the expression has more than {MOST} words and signs"));
        }
    }
    Ok(tokens)
}

fn token(rest: &str, before: Option<&Token>) -> Result<(Token, usize), String> {
    let bytes = rest.as_bytes();
    let (first, second) = (bytes.first().copied().unwrap_or(0), bytes.get(1).copied().unwrap_or(0));
    if first.is_ascii_digit() {
        // `pair.0.1` are members, not a number with a fraction.
        if before == Some(&Token::Operator(".")) {
            let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
            return Ok((Token::Digits(rest.get(..end).unwrap_or_default().to_owned()), end));
        }
        return number::read(rest);
    }
    // Behind `)` it may be either: `(float).5`, `(pair).0`.
    let is_value = matches!(
        before,
        Some(Token::Name(_) | Token::Digits(_) | Token::Dollar(_) | Token::Quoted(_) | Token::Operator("]"))
    );
    if first == b'.' && second.is_ascii_digit() && !is_value {
        return number::read(rest);
    }
    if let Some(found) = literal::read(rest)? {
        return Ok(found);
    }
    if first == b'$' {
        let end = name_end(rest.get(1..).unwrap_or_default());
        let name = rest.get(1..1 + end).unwrap_or_default();
        if name.is_empty() && second == b'$' {
            // `$$`, `$$n`, `$$name`: the second sign belongs to the name.
            let name = rest.get(2..).unwrap_or_default();
            let end = name_end(name);
            return Ok((Token::Dollar(format!("${}", name.get(..end).unwrap_or_default())), 2 + end));
        }
        return Ok((Token::Dollar(name.to_owned()), 1 + end));
    }
    // Rust's names that are words of its own: debug information has them without the prefix.
    if let Some(raw) = rest.strip_prefix("r#")
        && let end @ 1.. = name_end(raw)
    {
        return Ok((Token::Name(raw.get(..end).unwrap_or_default().to_owned()), 2 + end));
    }
    let end = name_end(rest);
    if end > 0 {
        let name = rest.get(..end).unwrap_or_default();
        if let Some(operator) = word(name, rest.get(end..).unwrap_or_default(), before) {
            return Ok((Token::Operator(operator), end));
        }
        return Ok((Token::Name(name.to_owned()), end));
    }
    for operator in OPERATORS.iter().copied().chain(["}", ".", "@"]) {
        if rest.starts_with(operator) {
            return Ok((Token::Operator(operator), operator.len()));
        }
    }
    let letter = rest.chars().next().unwrap_or(' ');
    Err(format!("{} means nothing in an expression", shown(&letter.to_string())))
}

/// The operator that a word of C++ is here. gdb takes them in C++ only; a variable or a member of C may have such a name, so they
/// are operators only where one can stand.
fn word(name: &str, rest: &str, before: Option<&Token>) -> Option<&'static str> {
    let (_, operator) = WORDS.iter().find(|(word, _)| *word == name)?;
    if matches!(before, Some(Token::Operator("." | "->" | "::"))) {
        return None;
    }
    let follows_value = match before {
        None => false,
        Some(Token::Operator(sign)) => matches!(*sign, ")" | "]" | "}" | "++" | "--"),
        Some(_) => true,
    };
    let value_can_follow = can_begin_value(rest.trim_start());
    let can_stand = match *operator {
        "!" | "~" => !follows_value && value_can_follow,
        "&" => follows_value || value_can_follow,
        _ => follows_value,
    };
    can_stand.then_some(*operator)
}

/// Whether a value may begin with this text.
fn can_begin_value(text: &str) -> bool {
    match text.chars().next() {
        None | Some(')' | ']' | '}' | ',' | '=' | '[' | '?' | '/' | '%' | '|' | '^' | '<' | '>' | '@') => false,
        Some(':') => text.starts_with("::"),
        Some('-') => !text.starts_with("->"),
        Some('.') => text.chars().nth(1).is_some_and(|second| second.is_ascii_digit()),
        Some(_) => true,
    }
}

/// How many bytes of the text are a name: letters, digits, `_`, and letters of other alphabets; `$` inside, as GNU C takes it.
fn name_end(text: &str) -> usize {
    let is_part = |letter: char| letter == '_' || letter.is_alphanumeric();
    match text.chars().next() {
        Some(first) if is_part(first) => {
            text.find(|letter: char| letter != '$' && !is_part(letter)).unwrap_or(text.len())
        }
        _ => 0,
    }
}

/// The bytes of a string with elements of another type than its prefix says: a narrow one next to a wide one.
pub(crate) fn string_as(text: &str, builtin: Builtin) -> Result<Vec<u8>, String> {
    let start = text.find('"').unwrap_or(0);
    match literal::string(text.get(start..).unwrap_or_default(), builtin)? {
        (Token::String(bytes, _), _) => Ok(bytes),
        _ => Ok(Vec::new()),
    }
}

/// A piece of the text as an error shows it: short, and without control characters.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 40;
    let mut shown = String::from("\"");
    for (count, letter) in text.chars().enumerate() {
        if count >= MOST {
            shown.push_str("...");
            break;
        }
        if letter.is_control() {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown.push('"');
    shown
}
