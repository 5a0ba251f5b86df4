//! Expressions: symbols, registers and integers, with C's operators and precedence. C's types come later.
//!
//! Context: the agent's thread. The lexer and the parser are pure; what they name is asked of an [`Environment`].

mod expand;
pub(crate) mod lex;
pub(crate) mod parse;
pub(crate) mod value;

use expand::Expansions;
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
    /// The expression that a name stands for, if it is no symbol's: it hides one of the same name.
    fn local(&mut self, name: &str) -> Option<String>;
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
    let expression = parsed(text)?;
    let mut evaluator = Evaluator { reading, environment, depth: 0, expansions: Expansions::default() };
    evaluator.value(&expression).map_err(|reason| evaluator.expansions.blame(reason))
}

fn parsed(text: &str) -> Result<Expression, String> {
    parse::expression(&lex::tokens(text)?)
}

/// Operators inside operators that are followed, over all names that stand for expressions: the agent's stack is small.
const DEPTH: usize = 600;

struct Evaluator<'e> {
    reading: Reading,
    environment: &'e mut dyn Environment,
    depth: usize,
    expansions: Expansions,
}

impl Evaluator<'_> {
    fn value(&mut self, expression: &Expression) -> Result<Word, String> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH {
            return Err(format!("the expression is nested deeper than {DEPTH}"));
        }
        let value = self.value_here(expression)?;
        self.depth = self.depth.saturating_sub(1);
        Ok(value)
    }

    fn value_here(&mut self, expression: &Expression) -> Result<Word, String> {
        match expression {
            Expression::Number(word) => Ok(*word),
            Expression::Register(name) => self.environment.register(name).map(Word::address),
            Expression::Symbol(name) => {
                if let Some(text) = self.environment.local(name) {
                    return self.inside(name, &text, Self::value);
                }
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

    /// What `act` finds in the expression that `name` stands for.
    fn inside(
        &mut self,
        name: &str,
        text: &str,
        act: fn(&mut Self, &Expression) -> Result<Word, String>,
    ) -> Result<Word, String> {
        self.expansions.enter(name)?;
        // What fails leaves the name entered: it is to blame.
        let value = act(self, &parsed(text)?)?;
        self.expansions.leave();
        Ok(value)
    }

    fn named(&mut self, name: &str) -> Result<Named, String> {
        self.environment.symbol(name).ok_or_else(|| unknown(name))
    }

    fn address_of(&mut self, expression: &Expression) -> Result<Word, String> {
        match expression {
            Expression::Symbol(name) => match self.environment.local(name) {
                Some(text) => self.inside(name, &text, Self::address_of),
                None => self.named(name).map(|named| Word::address(named.address)),
            },
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
                "hidden" => Some(Named { address: 0x6000, size: 8, is_function: false }),
                "ns::f<int>" => Some(Named { address: 0x5000, size: 8, is_function: true }),
                _ => None,
            }
        }
        fn local(&mut self, name: &str) -> Option<String> {
            let text = match name {
                "count" => "counter",
                "where" => "&counter",
                "sum" => "1 + 2",
                "twice" => "sum * 2",
                "hidden" => "7",
                "bad" => "1 +",
                "worse" => "bad + 1",
                "lost" => "no_such + 1",
                "loop" => "pool + 1",
                "pool" => "loop",
                "self" => "self",
                "wide" => "sum+sum+sum+sum+sum+sum+sum+sum+sum+sum",
                "wider" => "wide+wide+wide+wide+wide+wide+wide+wide+wide+wide",
                "widest" => "wider+wider+wider+wider+wider+wider+wider+wider+wider+wider",
                _ => {
                    let number: u32 = name.strip_prefix("deep")?.parse().ok()?;
                    return Some(if number == 0 { "1".to_owned() } else { format!("deep{}", number - 1) });
                }
            };
            Some(text.to_owned())
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
    fn names_stand_for_expressions() {
        for (text, value) in [
            ("count", 0x2004),
            ("&count", 0x2000),
            ("*where", 0x2008),
            ("sum", 3),
            ("sum * 2", 6),
            ("twice - sum", 3),
            ("hidden", 7),
            ("deep16", 1),
            ("wide", 30),
            ("0 ? loop : 5", 5),
        ] {
            assert_eq!(content(text), Ok(value), "{text}");
        }
        assert_eq!(evaluate("count", Reading::Address, &mut Fixed).map(|word| word.bits), Ok(0x2000));
        for (text, message) in [
            ("bad", "bad (a name of the option locals): the expression ends where a value is expected"),
            ("2 * worse", "worse -> bad (names of the option locals): the expression ends where a value is expected"),
            ("sum + lost", "lost (a name of the option locals): no symbol \"no_such\" in the process"),
            ("loop", "loop -> pool (names of the option locals): loop stands for itself: loop -> pool -> loop"),
            ("1 + self", "self (a name of the option locals): self stands for itself: self -> self"),
            ("sum + no_such", "no symbol \"no_such\" in the process"),
        ] {
            assert_eq!(content(text).as_ref().map_err(String::as_str), Err(message), "{text}");
        }
        let error = content("deep17").unwrap_err();
        assert!(error.starts_with("deep17 -> deep16 -> ") && error.contains("more than 16"), "{error}");
        assert!(content("widest").unwrap_err().contains("1000"));
        assert!(content("&sum").unwrap_err().starts_with("sum (a name of the option locals): & needs"));
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
