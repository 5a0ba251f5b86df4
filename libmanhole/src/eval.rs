//! Expressions: symbols, registers and integers, with C's operators and precedence. C's types come later.
//!
//! Context: the agent's thread. The lexer and the parser are pure; what they name is asked of an [`Environment`].

pub(crate) mod lex;
pub(crate) mod parse;
pub(crate) mod value;

use parse::{Binary, Expression, Unary};
pub(crate) use value::Word;

/// A symbol as an expression needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) address: u64,
    /// In bytes; 0 where unknown.
    pub(crate) size: u64,
    pub(crate) is_function: bool,
}

/// What an expression can refer to.
pub(crate) trait Environment {
    /// The value of `$name` in the selected frame.
    fn register(&mut self, name: &str) -> Result<u64, String>;
    /// The symbol of this name.
    fn symbol(&mut self, name: &str) -> Option<Named>;
    /// The little-endian word of `size` bytes (1 to 8) at `address`.
    fn load(&mut self, address: u64, size: usize) -> Result<u64, String>;
}

/// What the name of a variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Its content, where its size is that of a word (else its address, as C's arrays).
    Content,
    /// Its address: where a command takes addresses.
    Address,
}

/// The value of an expression.
pub(crate) fn evaluate(text: &str, reading: Reading, environment: &mut dyn Environment) -> Result<Word, String> {
    let tokens = lex::tokens(text)?;
    let expression = parse::expression(&tokens)?;
    Evaluator { reading, environment }.value(&expression)
}

struct Evaluator<'e> {
    reading: Reading,
    environment: &'e mut dyn Environment,
}

impl Evaluator<'_> {
    fn value(&mut self, expression: &Expression) -> Result<Word, String> {
        match expression {
            Expression::Number(word) => Ok(*word),
            Expression::Register(name) => self.environment.register(name).map(Word::address),
            Expression::Symbol(name) => {
                let named = self.named(name)?;
                match (self.reading, named.size) {
                    (Reading::Content, size @ (1 | 2 | 4 | 8)) if !named.is_function => {
                        self.environment.load(named.address, size as usize).map(Word::address)
                    }
                    _ => Ok(Word::address(named.address)),
                }
            }
            Expression::Unary(Unary::AddressOf, inner) => self.address_of(inner),
            Expression::Unary(Unary::Load, inner) => {
                let address = self.value(inner)?.bits;
                self.environment.load(address, 8).map(Word::address)
            }
            Expression::Unary(operator, inner) => Ok(self.value(inner)?.unary(*operator)),
            Expression::Binary(Binary::And, left, right) => {
                Ok(Word::truth(self.value(left)?.is_true() && self.value(right)?.is_true()))
            }
            Expression::Binary(Binary::Or, left, right) => {
                Ok(Word::truth(self.value(left)?.is_true() || self.value(right)?.is_true()))
            }
            Expression::Binary(operator, left, right) => self.value(left)?.binary(*operator, self.value(right)?),
            Expression::Choice(condition, yes, no) => {
                if self.value(condition)?.is_true() {
                    self.value(yes)
                } else {
                    self.value(no)
                }
            }
        }
    }

    fn named(&mut self, name: &str) -> Result<Named, String> {
        self.environment.symbol(name).ok_or_else(|| unknown(name))
    }

    fn address_of(&mut self, expression: &Expression) -> Result<Word, String> {
        match expression {
            Expression::Symbol(name) => self.named(name).map(|named| Word::address(named.address)),
            Expression::Unary(Unary::Load, inner) => self.value(inner),
            _ => Err("& needs a symbol or a dereference: a plain value has no address".to_owned()),
        }
    }
}

fn unknown(name: &str) -> String {
    format!("no symbol \"{}\" in the process", crate::render::quote::short(name, 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Environment for Fixed {
        fn register(&mut self, name: &str) -> Result<u64, String> {
            if name == "pc" { Ok(0x1000) } else { Err(format!("${name} is <not captured>")) }
        }
        fn symbol(&mut self, name: &str) -> Option<Named> {
            match name {
                "counter" => Some(Named { address: 0x2000, size: 4, is_function: false }),
                "table" => Some(Named { address: 0x3000, size: 100, is_function: false }),
                "main" => Some(Named { address: 0x4000, size: 8, is_function: true }),
                "ns::f<int>" => Some(Named { address: 0x5000, size: 8, is_function: true }),
                _ => None,
            }
        }
        fn load(&mut self, address: u64, size: usize) -> Result<u64, String> {
            if address < 0x1000 {
                return Err(format!("cannot access memory at address {address:#x}"));
            }
            Ok(address + size as u64)
        }
    }

    fn content(text: &str) -> Result<i64, String> {
        evaluate(text, Reading::Content, &mut Fixed).map(|word| word.bits as i64)
    }

    #[test]
    fn arithmetic_with_c_s_precedence() {
        let table: [(&str, i64); 32] = [
            ("1234+2345", 3579),
            ("1 + 2 * 3", 7),
            ("(1 + 2) * 3", 9),
            ("10 - 3 - 2", 5),
            ("-7 / 2", -3),
            ("-7 % 3", -1),
            ("1 << 4 | 1", 17),
            ("0xff & ~0xf", 0xf0),
            ("6 ^ 3", 5),
            ("010", 8),
            ("0b101", 5),
            ("'A' + 1", 66),
            ("'\\n'", 10),
            ("'\\x41'", 65),
            ("!5 + !0", 1),
            ("- -3", 3),
            ("1 < 2 == 1", 1),
            ("3 >= 4 || 2 != 1", 1),
            ("1 ? 2 : 3", 2),
            ("0 ? 2 : 0 ? 3 : 4", 4),
            ("-1 >> 1", -1),
            ("0xffffffffffffffff >> 63", 1),
            ("0xffffffffffffffff > 0", 1),
            ("-1 < 0u", 0),
            ("1 << 64", 0),
            ("10ul", 10),
            ("18446744073709551615", -1),
            ("9223372036854775807 + 1", i64::MIN),
            ("$pc + 8", 0x1008),
            ("*0x2000", 0x2008),
            ("**0x2000", 0x2010),
            ("0 && *0", 0),
        ];
        for (text, expected) in table {
            assert_eq!(content(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn symbols_are_contents_or_addresses() {
        assert_eq!(content("counter"), Ok(0x2004));
        assert_eq!(content("&counter"), Ok(0x2000));
        assert_eq!(content("table"), Ok(0x3000));
        assert_eq!(content("main + 4"), Ok(0x4004));
        assert_eq!(content("&*counter"), Ok(0x2004));
        assert_eq!(content("'ns::f<int>' + 1"), Ok(0x5001));
        let address = |text: &str| evaluate(text, Reading::Address, &mut Fixed).map(|word| word.bits);
        assert_eq!(address("counter+8"), Ok(0x2008));
        assert_eq!(address("*counter"), Ok(0x2008));
    }

    #[test]
    fn errors_name_what_is_wrong() {
        for (text, part) in [
            ("", "expression"),
            ("1 +", "ends"),
            ("1 / 0", "division by zero"),
            ("nothing", "no symbol \"nothing\""),
            ("*8", "cannot access memory at address 0x8"),
            ("$xmm0", "<not captured>"),
            ("&5", "no address"),
            ("a = 3", "assign"),
            ("f(3)", "call"),
            ("a.b", "members"),
            ("a->b", "members"),
            ("a[1]", "types"),
            ("(int)3", "types"),
            ("(1", ")"),
            ("1 2", "2"),
            ("99999999999999999999", "64 bits"),
            ("0x", "digit"),
            ("1.5", "fraction"),
            ("'", "quote"),
            ("\"text\"", "string"),
            ("1 ? 2", ":"),
            ("@", "@"),
        ] {
            let error = content(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        assert!(content(&"(".repeat(100_000)).is_err());
        assert!(content(&"-".repeat(100_000)).is_err());
        assert!(content(&"1+".repeat(100_000)).unwrap_err().contains("long"));
        assert_eq!(content(&format!("{}1", "1+".repeat(200))), Ok(201));
    }
}
