//! Tokens -> tree.
//!
//! Pure. Depth is bounded: the caller's stack is small.

mod names;
mod primary;
mod types;

#[cfg(test)]
mod tests;

use crate::ast::{Binary, CastKind, Expression, Path, Segment, TypeName, Unary};
use crate::lex::{self, Placed, Token, shown};

/// What the parser must know of names: C cannot be parsed without.
pub trait Names {
    /// Whether the path names a type.
    fn is_type(&mut self, path: &Path) -> bool;

    /// Whether the path names anything: a `<` behind a name opens the arguments of a template only if the whole is known.
    fn is_known(&mut self, path: &Path) -> bool {
        self.is_type(path)
    }
}

/// Parentheses, operators and types inside each other that are followed. What is rare in a value is kept out of line
/// (`inline(never)`), so that the frames between two levels stay small.
const DEPTH: usize = 64;

/// Steps of one parse. What may be a type is read as one first, and again as a value: in `(typeof((typeof(...` that doubles at
/// every level.
const STEPS: usize = 64 * 1024;

/// The expression that the text is.
pub fn expression(text: &str, names: &mut dyn Names) -> Result<Expression, String> {
    let tokens = lex::tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, at: 0, depth: 0, steps: 0, doubt: None, names };
    if tokens.is_empty() {
        return Err("an expression is missing".to_owned());
    }
    let expression = parser.comma().and_then(|expression| parser.end().map(|()| expression));
    expression.map_err(|error| match parser.doubt {
        Some(name) => format!("{error}; {} is no template that is known", shown(&name)),
        None => error,
    })
}

/// The expressions that the text is, with commas between them.
pub fn expressions(text: &str, names: &mut dyn Names) -> Result<Vec<Expression>, String> {
    let tokens = lex::tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, at: 0, depth: 0, steps: 0, doubt: None, names };
    let mut all = Vec::new();
    while parser.peek().is_some() {
        all.push(parser.assign()?);
        if !parser.take(",") {
            parser.end()?;
        }
    }
    Ok(all)
}

/// The type that the text names.
pub fn type_name(text: &str, names: &mut dyn Names) -> Result<TypeName, String> {
    let tokens = lex::tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, at: 0, depth: 0, steps: 0, doubt: None, names };
    let name = parser.type_name()?.ok_or_else(|| format!("{} is no type that is known", shown(text)))?;
    parser.end()?;
    Ok(name)
}

struct Parser<'t, 'n> {
    text: &'t str,
    tokens: &'t [Placed],
    at: usize,
    depth: usize,
    steps: usize,
    /// What looked like a name with template arguments, but is none that is known: then `<` was read as an operator.
    doubt: Option<String>,
    names: &'n mut dyn Names,
}

type Parsed = Result<Expression, String>;

/// Binary operators with their precedence; higher binds tighter. gdb's `@` stands between shifts and sums.
fn binary(operator: &str) -> Option<(u8, Option<Binary>)> {
    Some(match operator {
        "*" => (12, Some(Binary::Multiply)),
        "/" => (12, Some(Binary::Divide)),
        "%" => (12, Some(Binary::Remainder)),
        "+" => (11, Some(Binary::Add)),
        "-" => (11, Some(Binary::Subtract)),
        "@" => (10, None),
        "<<" => (9, Some(Binary::ShiftLeft)),
        ">>" => (9, Some(Binary::ShiftRight)),
        "<" => (8, Some(Binary::Less)),
        "<=" => (8, Some(Binary::LessOrEqual)),
        ">" => (8, Some(Binary::Greater)),
        ">=" => (8, Some(Binary::GreaterOrEqual)),
        "==" => (7, Some(Binary::Equal)),
        "!=" => (7, Some(Binary::NotEqual)),
        "&" => (6, Some(Binary::BitAnd)),
        "^" => (5, Some(Binary::BitXor)),
        "|" => (4, Some(Binary::BitOr)),
        "&&" => (3, Some(Binary::And)),
        "||" => (2, Some(Binary::Or)),
        _ => return None,
    })
}

/// The operator before the `=` of an assignment; `None` for `=` alone.
fn assignment(operator: &str) -> Option<Option<Binary>> {
    Some(Some(match operator {
        "=" => return Some(None),
        "+=" => Binary::Add,
        "-=" => Binary::Subtract,
        "*=" => Binary::Multiply,
        "/=" => Binary::Divide,
        "%=" => Binary::Remainder,
        "&=" => Binary::BitAnd,
        "|=" => Binary::BitOr,
        "^=" => Binary::BitXor,
        "<<=" => Binary::ShiftLeft,
        ">>=" => Binary::ShiftRight,
        _ => return None,
    }))
}

impl Parser<'_, '_> {
    fn peek(&self) -> Option<&Token> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at.saturating_add(ahead)).map(|placed| &placed.token)
    }

    fn is(&self, operator: &str) -> bool {
        matches!(self.peek(), Some(Token::Operator(found)) if *found == operator)
    }

    fn take(&mut self, operator: &str) -> bool {
        let is = self.is(operator);
        self.at += usize::from(is);
        is
    }

    #[inline(never)]
    fn expect(&mut self, operator: &str) -> Result<(), String> {
        if self.take(operator) {
            return Ok(());
        }
        Err(match self.peek() {
            None => format!("a {operator} is missing at the end"),
            Some(_) => format!("a {operator} is missing before {}", self.rest()),
        })
    }

    /// What is left of the text, as an error shows it.
    #[inline(never)]
    fn rest(&self) -> String {
        match self.tokens.get(self.at) {
            Some(placed) => shown(self.text.get(placed.start..).unwrap_or_default()),
            None => "the end".to_owned(),
        }
    }

    /// The text from a token on, up to the one that is next.
    fn since(&self, start: usize) -> &str {
        let from = self.tokens.get(start).map_or(self.text.len(), |placed| placed.start);
        let to = self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |placed| placed.end);
        self.text.get(from..to).unwrap_or_default()
    }

    fn step(&mut self) -> Result<(), String> {
        self.steps = self.steps.saturating_add(1);
        if self.steps > STEPS {
            return Err(format!("the expression can be read in too many ways: more than {STEPS} steps"));
        }
        Ok(())
    }

    fn end(&self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(Token::Operator(")" | "]" | "}")) => Err(format!("{} closes what nothing has opened", self.rest())),
            Some(_) => Err(format!("{} stands behind an expression that is complete", self.rest())),
        }
    }

    fn deeper<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, String>) -> Result<T, String> {
        self.step()?;
        if self.depth >= DEPTH {
            return Err(format!("the expression is nested deeper than {DEPTH}, at {}", self.rest()));
        }
        self.depth += 1;
        let result = act(self);
        // After an error too: who has only tried goes on.
        self.depth = self.depth.saturating_sub(1);
        result
    }

    fn comma(&mut self) -> Parsed {
        let mut left = self.assign()?;
        while self.take(",") {
            let right = self.assign()?;
            left = Expression::Comma(Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn assign(&mut self) -> Parsed {
        // Assignments group from the right.
        let mut targets: Vec<(Expression, Option<Binary>)> = Vec::new();
        loop {
            let part = self.conditional()?;
            let operator = match self.peek() {
                Some(Token::Operator(operator)) => assignment(operator),
                _ => None,
            };
            let Some(operator) = operator else {
                return Ok(targets.into_iter().rev().fold(part, |value, (target, operator)| {
                    let (target, value) = (Box::new(target), Box::new(value));
                    match operator {
                        None => Expression::Assign(target, value),
                        Some(operator) => Expression::Modify(operator, target, value),
                    }
                }));
            };
            self.at += 1;
            targets.push((part, operator));
            if targets.len() > DEPTH {
                return Err(format!("more than {DEPTH} assignments follow each other"));
            }
        }
    }

    fn conditional(&mut self) -> Parsed {
        let condition = self.operation()?;
        if !self.take("?") {
            return Ok(condition);
        }
        self.deeper(|parser| {
            let yes = parser.comma()?;
            if !parser.take(":") {
                return Err(format!("a : is missing after ?, at {}", parser.rest()));
            }
            let no = parser.conditional()?;
            Ok(Expression::Conditional(Box::new(condition), Box::new(yes), Box::new(no)))
        })
    }

    /// Operators between values. Those that wait for their right side stand in a list, not on the stack: ten of them may wait at
    /// every level of parentheses.
    fn operation(&mut self) -> Parsed {
        let mut waiting: Vec<(Expression, u8, Option<Binary>)> = Vec::new();
        let mut value = self.prefix()?;
        loop {
            if matches!(self.peek(), Some(Token::Name(word)) if word == "as") {
                value = self.cast_of_rust(value)?;
                continue;
            }
            let next = match self.peek() {
                Some(Token::Operator(sign)) => binary(sign),
                _ => None,
            };
            // All group from the left.
            let bound = next.map_or(0, |(precedence, _)| precedence);
            while let Some((left, _, operator)) = waiting.pop_if(|(_, precedence, _)| *precedence >= bound) {
                let (a, b) = (Box::new(left), Box::new(value));
                value = match operator {
                    Some(operator) => Expression::Binary(operator, a, b),
                    None => Expression::Repeat(a, b),
                };
            }
            let Some((precedence, operator)) = next else { return Ok(value) };
            self.at += 1;
            waiting.push((value, precedence, operator));
            value = self.prefix()?;
        }
    }

    /// `value as TYPE`, which binds more tightly than operators between values.
    #[inline(never)]
    fn cast_of_rust(&mut self, value: Expression) -> Parsed {
        self.step()?;
        self.at += 1;
        let name = self.type_of_rust()?;
        Ok(Expression::Cast(CastKind::C, name, Box::new(value)))
    }

    /// What may stand before a value: operators and casts. They are collected, not followed, so that many need no stack.
    fn prefix(&mut self) -> Parsed {
        enum Before {
            Unary(Unary),
            Cast(TypeName),
            At(TypeName),
            Sizeof,
            Alignof,
        }
        let mut before = Vec::new();
        let mut value = loop {
            if before.len() > DEPTH {
                return Err(format!("more than {DEPTH} operators stand before a value"));
            }
            let sign = match self.peek() {
                Some(Token::Operator(sign)) => *sign,
                Some(Token::Name(name)) => match name.as_str() {
                    "sizeof" => "sizeof",
                    "alignof" | "_Alignof" | "__alignof__" | "__alignof" => "alignof",
                    _ => "",
                },
                _ => "",
            };
            let unary = match sign {
                "-" => Unary::Minus,
                "+" => Unary::Plus,
                "!" => Unary::Not,
                "~" => Unary::Complement,
                "*" => Unary::Dereference,
                "&" => Unary::AddressOf,
                "++" => Unary::PreIncrement,
                "--" => Unary::PreDecrement,
                "sizeof" | "alignof" => {
                    self.at += 1;
                    let is_size = sign == "sizeof";
                    let start = self.at;
                    if self.take("(") {
                        // `sizeof(int(x))` has a value.
                        if let Some(name) = self.deeper(Self::type_name)?
                            && self.take(")")
                        {
                            break if is_size { Expression::SizeofType(name) } else { Expression::AlignofType(name) };
                        }
                        self.at = start;
                    }
                    before.push(if is_size { Before::Sizeof } else { Before::Alignof });
                    continue;
                }
                "{" => {
                    self.at += 1;
                    let rest = self.rest();
                    let name = self
                        .deeper(Self::type_name)?
                        .ok_or_else(|| format!("a type is expected in braces, at {rest}"))?;
                    self.expect("}")?;
                    before.push(Before::At(name));
                    continue;
                }
                "(" => match self.cast()? {
                    Some(name) => {
                        before.push(Before::Cast(name));
                        continue;
                    }
                    None => break self.postfix()?,
                },
                _ => break self.postfix()?,
            };
            self.at += 1;
            before.push(Before::Unary(unary));
        };
        while let Some(before) = before.pop() {
            let inner = Box::new(value);
            value = match before {
                Before::Unary(operator) => Expression::Unary(operator, inner),
                Before::Cast(name) => Expression::Cast(CastKind::C, name, inner),
                Before::At(name) => Expression::At(name, inner),
                Before::Sizeof => Expression::SizeofValue(inner),
                Before::Alignof => Expression::AlignofValue(inner),
            };
        }
        Ok(value)
    }

    /// The type of a cast, if the parenthesis here begins one.
    #[inline(never)]
    fn cast(&mut self) -> Result<Option<TypeName>, String> {
        let start = self.at;
        if self.is_anonymous_namespace() {
            return Ok(None);
        }
        self.at += 1;
        let name = self.deeper(Self::type_name)?;
        let is_cast = name.is_some() && self.take(")") && self.starts_value();
        if is_cast {
            return Ok(name);
        }
        let is_closed = name.is_some();
        self.at = start;
        if is_closed {
            return Ok(None);
        }
        // `(name) value`, where the name is no type: a cast is what was meant.
        self.at += 1;
        let unknown = if self.starts_name() { self.path().ok() } else { None };
        let is_value = self.take(")")
            // `(pair).0` is a member.
            && !self.rest().starts_with("\".")
            && matches!(
                self.peek(),
                Some(
                    Token::Name(_)
                        | Token::Integer(..)
                        | Token::Floating(..)
                        | Token::String(..)
                        | Token::Character(..)
                        | Token::Dollar(_)
                )
            );
        self.at = start;
        match unknown {
            Some(unknown) if is_value => Err(not_a_type(&unknown)),
            _ => Ok(None),
        }
    }

    /// Whether a value can begin here.
    fn starts_value(&self) -> bool {
        match self.peek() {
            None => false,
            Some(Token::Operator(sign)) => {
                matches!(*sign, "(" | "-" | "+" | "!" | "~" | "*" | "&" | "++" | "--" | "{" | "::")
            }
            Some(_) => true,
        }
    }

    fn postfix(&mut self) -> Parsed {
        let mut value = self.primary()?;
        loop {
            if matches!(self.peek(), Some(Token::Floating(..))) {
                match self.member_of_tuple(value) {
                    Ok(member) => value = member,
                    Err(value) => return Ok(value),
                }
                continue;
            }
            let Some(Token::Operator(sign)) = self.peek() else { return Ok(value) };
            match *sign {
                "[" => {
                    self.at += 1;
                    let index = self.deeper(Self::comma)?;
                    self.expect("]")?;
                    value = Expression::Index(Box::new(value), Box::new(index));
                }
                "(" => {
                    self.at += 1;
                    let start = self.at;
                    let arguments = self.deeper(Self::arguments)?;
                    if let Expression::Name(path) = &value
                        && let Some(function) = self.overload(path, &arguments, start)?
                    {
                        value = Expression::Name(function);
                        continue;
                    }
                    value = Expression::Call { function: Box::new(value), arguments };
                }
                "." | "->" => {
                    let through_pointer = *sign == "->";
                    self.at += 1;
                    let name = self.member_name()?;
                    value = Expression::Member { object: Box::new(value), name, through_pointer };
                }
                "++" | "--" => {
                    let operator = if *sign == "++" { Unary::PostIncrement } else { Unary::PostDecrement };
                    self.at += 1;
                    value = Expression::Unary(operator, Box::new(value));
                }
                ".*" | "->*" => {
                    let through_pointer = *sign == "->*";
                    self.at += 1;
                    // Binds as tightly as `.` does, as gdb has it: `-a.*p` is `-(a.*p)`; its right side takes all that follows.
                    let mut pointer = self.deeper(Self::prefix)?;
                    // But `++` and `--` behind it step what it points to.
                    let mut steps = Vec::new();
                    let mut end = self.at;
                    while let (Some(Token::Operator("++" | "--")), Expression::Unary(step, inner)) = (
                        end.checked_sub(1).and_then(|last| self.tokens.get(last)).map(|last| &last.token),
                        &mut pointer,
                    ) {
                        steps.push(*step);
                        pointer = core::mem::replace(inner, Expression::NullPointer);
                        end -= 1;
                    }
                    let member = Expression::ThroughMember {
                        object: Box::new(value),
                        pointer: Box::new(pointer),
                        through_pointer,
                    };
                    return Ok(steps
                        .into_iter()
                        .rev()
                        .fold(member, |inner, step| Expression::Unary(step, Box::new(inner))));
                }
                _ => return Ok(value),
            }
        }
    }

    /// The member of a tuple that a fraction behind `)` is: `(pair).0`, and one behind such a one.
    #[inline(never)]
    fn member_of_tuple(&mut self, tuple: Expression) -> Result<Expression, Expression> {
        let digits = |placed: &Placed| {
            let digits = self.text.get(placed.start..placed.end)?.strip_prefix('.')?;
            digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.to_owned())
        };
        let before = self.at.checked_sub(1).and_then(|last| self.tokens.get(last));
        let follows = before.is_some_and(|it| it.token == Token::Operator(")") || digits(it).is_some());
        match self.tokens.get(self.at).filter(|_| follows).and_then(digits) {
            Some(name) => {
                self.at += 1;
                let name = Path::plain(&name);
                Ok(Expression::Member { object: Box::new(tuple), name, through_pointer: false })
            }
            None => Err(tuple),
        }
    }

    /// Behind `(`: values up to `)`.
    #[inline(never)]
    fn arguments(&mut self) -> Result<Vec<Expression>, String> {
        let mut arguments = Vec::new();
        if self.take(")") {
            return Ok(arguments);
        }
        loop {
            arguments.push(self.assign()?);
            if !self.take(",") {
                self.expect(")")?;
                return Ok(arguments);
            }
        }
    }
}

fn not_a_type(path: &Path) -> String {
    format!("{} is no type that is known", shown(&path.to_string()))
}

fn segment(text: &str, quoted: bool) -> Segment {
    Segment { text: text.to_owned(), quoted }
}
