//! Tokens -> expression.
//!
//! Context: the agent's thread. Pure. Depth is bounded: the agent's stack is small.

use super::lex::Token;
use super::value::Word;

/// An expression of C, as far as it is understood without types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    Number(Word),
    Symbol(String),
    Register(String),
    Unary(Unary, Box<Expression>),
    Binary(Binary, Box<Expression>, Box<Expression>),
    /// Condition, value if true, value if false.
    Choice(Box<Expression>, Box<Expression>, Box<Expression>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary {
    Minus,
    Plus,
    Complement,
    Not,
    AddressOf,
    /// `*`: the word of 8 bytes at an address.
    Load,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binary {
    Multiply,
    Divide,
    Remainder,
    Add,
    Subtract,
    ShiftLeft,
    ShiftRight,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    BitAnd,
    BitXor,
    BitOr,
    And,
    Or,
}

/// Names that are no symbols in C.
const TYPES: [&str; 14] = [
    "int", "char", "long", "short", "unsigned", "signed", "void", "float", "double", "struct", "union", "enum",
    "const", "sizeof",
];

/// Nested parentheses and prefix operators that are followed.
const DEPTH: usize = 60;

/// The expression that the tokens make, all of them.
pub(crate) fn expression(tokens: &[Token]) -> Result<Expression, String> {
    if tokens.is_empty() {
        return Err("an expression is missing".to_owned());
    }
    let mut parser = Parser { rest: tokens, depth: 0 };
    let expression = parser.choice()?;
    match parser.rest.first() {
        None => Ok(expression),
        Some(Token::Operator("=" | "+=" | "-=" | "*=" | "/=" | "<<=" | ">>=" | "++" | "--")) => {
            Err("nothing can be assigned yet: expressions only read".to_owned())
        }
        Some(Token::Operator("(")) => Err("functions cannot be called yet".to_owned()),
        Some(Token::Operator("." | "->")) => {
            Err("members are not understood yet: types are missing; x/NFU ADDRESS shows memory".to_owned())
        }
        Some(Token::Operator("[")) => {
            Err("elements are not understood yet: types are missing; x/NFU ADDRESS shows memory".to_owned())
        }
        Some(Token::Number(_) | Token::Name(_)) if matches!(expression, Expression::Symbol(_)) => {
            let Expression::Symbol(name) = &expression else { return Ok(expression) };
            Err(format!("what stands after {} is not understood", crate::render::quote::short(name, 60)))
        }
        Some(token) => Err(format!("unexpected {} after an expression", shown(token))),
    }
}

fn shown(token: &Token) -> String {
    match token {
        Token::Number(word) => word.bits.to_string(),
        Token::Name(name) => crate::render::quote::short(name, 60),
        Token::Register(name) => format!("${}", crate::render::quote::short(name, 60)),
        Token::Operator(operator) => (*operator).to_owned(),
    }
}

/// Binary operators with their precedence; higher binds tighter.
fn binary(operator: &str) -> Option<(u8, Binary)> {
    Some(match operator {
        "*" => (10, Binary::Multiply),
        "/" => (10, Binary::Divide),
        "%" => (10, Binary::Remainder),
        "+" => (9, Binary::Add),
        "-" => (9, Binary::Subtract),
        "<<" => (8, Binary::ShiftLeft),
        ">>" => (8, Binary::ShiftRight),
        "<" => (7, Binary::Less),
        "<=" => (7, Binary::LessOrEqual),
        ">" => (7, Binary::Greater),
        ">=" => (7, Binary::GreaterOrEqual),
        "==" => (6, Binary::Equal),
        "!=" => (6, Binary::NotEqual),
        "&" => (5, Binary::BitAnd),
        "^" => (4, Binary::BitXor),
        "|" => (3, Binary::BitOr),
        "&&" => (2, Binary::And),
        "||" => (1, Binary::Or),
        _ => return None,
    })
}

struct Parser<'t> {
    rest: &'t [Token],
    depth: usize,
}

impl Parser<'_> {
    fn take(&mut self, operator: &str) -> bool {
        match self.rest.split_first() {
            Some((Token::Operator(found), rest)) if *found == operator => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH { Err(format!("the expression is nested deeper than {DEPTH}")) } else { Ok(()) }
    }

    fn choice(&mut self) -> Result<Expression, String> {
        self.deeper()?;
        let condition = self.operation(1)?;
        let result = if self.take("?") {
            let yes = self.choice()?;
            if !self.take(":") {
                return Err("a : is missing after ?".to_owned());
            }
            let no = self.choice()?;
            Expression::Choice(Box::new(condition), Box::new(yes), Box::new(no))
        } else {
            condition
        };
        self.depth = self.depth.saturating_sub(1);
        Ok(result)
    }

    /// Operators that bind at least as tight as `least`.
    fn operation(&mut self, least: u8) -> Result<Expression, String> {
        let mut left = self.prefix()?;
        while let Some((Token::Operator(operator), rest)) = self.rest.split_first() {
            let Some((precedence, operator)) = binary(operator).filter(|(precedence, _)| *precedence >= least) else {
                break;
            };
            self.rest = rest;
            let right = self.operation(precedence.saturating_add(1))?;
            left = Expression::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn prefix(&mut self) -> Result<Expression, String> {
        let Some((first, rest)) = self.rest.split_first() else {
            return Err("the expression ends where a value is expected".to_owned());
        };
        self.rest = rest;
        let unary = match first {
            Token::Number(word) => return Ok(Expression::Number(*word)),
            Token::Register(name) => return Ok(Expression::Register(name.clone())),
            Token::Name(name) if TYPES.contains(&name.as_str()) => {
                return Err(format!(
                    "{name}: types are not understood yet; x/NFU ADDRESS shows memory in a chosen size"
                ));
            }
            Token::Name(name) => return Ok(Expression::Symbol(name.clone())),
            Token::Operator("(") => {
                let inner = self.choice()?;
                return if self.take(")") { Ok(inner) } else { Err(self.unclosed()) };
            }
            Token::Operator("-") => Unary::Minus,
            Token::Operator("+") => Unary::Plus,
            Token::Operator("~") => Unary::Complement,
            Token::Operator("!") => Unary::Not,
            Token::Operator("&") => Unary::AddressOf,
            Token::Operator("*") => Unary::Load,
            // `- -x` without its blank.
            Token::Operator("--") => return self.twice(Unary::Minus),
            Token::Operator("++") => return self.twice(Unary::Plus),
            Token::Operator("&&") => return Err("a value is expected before &&".to_owned()),
            Token::Operator(operator) => return Err(format!("a value is expected before {operator}")),
        };
        self.deeper()?;
        let inner = self.prefix()?;
        self.depth = self.depth.saturating_sub(1);
        Ok(Expression::Unary(unary, Box::new(inner)))
    }

    fn twice(&mut self, operator: Unary) -> Result<Expression, String> {
        self.deeper()?;
        let inner = self.prefix()?;
        self.depth = self.depth.saturating_sub(1);
        Ok(Expression::Unary(operator, Box::new(Expression::Unary(operator, Box::new(inner)))))
    }

    fn unclosed(&self) -> String {
        match self.rest.first() {
            None => "a ) is missing".to_owned(),
            Some(token) => format!("a ) is missing before {}", shown(token)),
        }
    }
}
