//! What an expression is made of at the bottom: literals, names, types, parentheses.

use super::{Parsed, Parser};
use crate::ast::{Builtin, CastKind, Expression};
use crate::lex::{self, Token, shown};

impl Parser<'_, '_> {
    pub(super) fn primary(&mut self) -> Parsed {
        self.step()?;
        let Some(token) = self.peek().cloned() else {
            return Err("the expression ends where a value is expected".to_owned());
        };
        match token {
            Token::Integer(value, builtin) => self.literal(Expression::Integer(value, builtin)),
            Token::Floating(text, builtin) => self.literal(Expression::Floating(text, builtin)),
            Token::Imaginary(number) => match *number {
                Token::Integer(value, builtin) => self.imaginary(Expression::Integer(value, builtin)),
                Token::Floating(text, builtin) => self.imaginary(Expression::Floating(text, builtin)),
                _ => Err(format!("{} is no number", self.rest())),
            },
            Token::Character(code, builtin) => self.literal(Expression::Character(code, builtin)),
            Token::String(bytes, builtin) => self.string(bytes, builtin),
            Token::Dollar(name) => self.literal(dollar(name)),
            Token::Operator("(") if !self.is_anonymous_namespace() => {
                self.at += 1;
                // A type may stand in parentheses where an expression may: `whatis (int)`.
                let inner = self.deeper(Self::comma)?;
                self.expect(")")?;
                Ok(inner)
            }
            Token::Name(word) => match word.as_str() {
                "true" => self.literal(Expression::Truth(true)),
                "false" => self.literal(Expression::Truth(false)),
                "nullptr" => self.literal(Expression::NullPointer),
                "static_cast" => self.named_cast(CastKind::Static),
                "dynamic_cast" => self.named_cast(CastKind::Dynamic),
                "reinterpret_cast" => self.named_cast(CastKind::Reinterpret),
                "const_cast" => self.named_cast(CastKind::Const),
                _ => self.name_or_type(),
            },
            Token::Quoted(_) | Token::Operator("::" | "(" | "~") => self.name_or_type(),
            Token::Operator(_) => Err(format!("a value is expected before {}", self.rest())),
            Token::Digits(digits) => Err(format!("{} stands where no value can", shown(&digits))),
        }
    }

    fn imaginary(&mut self, number: Expression) -> Parsed {
        self.literal(Expression::Imaginary(Box::new(number)))
    }

    fn literal(&mut self, expression: Expression) -> Parsed {
        self.at += 1;
        Ok(expression)
    }

    /// Strings next to each other are one, of the kind that any of them has (C 2011, 6.4.5).
    #[inline(never)]
    fn string(&mut self, bytes: Vec<u8>, builtin: Builtin) -> Parsed {
        let start = self.at;
        let (mut bytes, mut builtin, mut is_mixed) = (bytes, builtin, false);
        self.at += 1;
        while let Some(Token::String(more, kind)) = self.peek() {
            if *kind != builtin {
                if *kind != Builtin::Char && builtin != Builtin::Char {
                    return Err(format!("strings of two wide kinds stand next to each other, at {}", self.rest()));
                }
                is_mixed = true;
                if builtin == Builtin::Char {
                    builtin = *kind;
                }
            }
            bytes.extend_from_slice(more);
            self.at += 1;
        }
        if is_mixed {
            bytes.clear();
            for placed in self.tokens.get(start..self.at).unwrap_or_default() {
                bytes.extend(lex::string_as(self.text.get(placed.start..placed.end).unwrap_or_default(), builtin)?);
            }
        }
        Ok(Expression::String(bytes, builtin))
    }

    #[inline(never)]
    fn named_cast(&mut self, kind: CastKind) -> Parsed {
        self.at += 1;
        self.expect("<")?;
        let rest = self.rest();
        let name = self.deeper(Self::type_name)?.ok_or_else(|| format!("a type is expected at {rest}"))?;
        self.expect(">")?;
        self.expect("(")?;
        let value = self.deeper(Self::comma)?;
        self.expect(")")?;
        Ok(Expression::Cast(kind, name, Box::new(value)))
    }

    #[inline(never)]
    fn name_or_type(&mut self) -> Parsed {
        let start = self.at;
        if let Some(name) = self.type_name()? {
            // `T(x)` is a cast; a type alone is one where `whatis` takes it.
            if name.derivations.is_empty() && self.is("(") {
                self.at += 1;
                let mut arguments = self.deeper(Self::arguments)?;
                return match (arguments.pop(), arguments.is_empty()) {
                    (Some(value), true) => Ok(Expression::Cast(CastKind::C, name, Box::new(value))),
                    _ => Err("objects cannot be made: a type and one value in parentheses is a cast".to_owned()),
                };
            }
            return Ok(Expression::Type(name));
        }
        self.at = start;
        let path = self.path()?;
        self.refuse_pointer_to_unknown(&path)?;
        Ok(Expression::Name(path))
    }
}

/// What stands behind a `$`.
fn dollar(name: String) -> Expression {
    if let Some(back) = name.strip_prefix('$') {
        return if back.is_empty() {
            Expression::HistoryBack(1)
        } else {
            back.parse().map_or(Expression::Dollar(name.clone()), Expression::HistoryBack)
        };
    }
    if name.is_empty() {
        return Expression::HistoryBack(0);
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        return name.parse().map_or(Expression::Dollar(name.clone()), Expression::HistoryNumber);
    }
    Expression::Dollar(name)
}
