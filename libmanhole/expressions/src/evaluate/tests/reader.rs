//! A reader of expressions that is just good enough for the tables, so that they do not depend on the parser.

use crate::ast::{Binary, Builtin, CastKind, Derivation, Expression, Path, Segment, Tag, TypeBase, TypeName, Unary};

pub(super) fn read(text: &str, types: &[&str]) -> Expression {
    let mut reader = Reader { rest: text, types };
    let expression = reader.comma();
    assert_eq!(reader.rest.trim(), "", "the rest of {text}");
    expression
}

struct Reader<'t> {
    rest: &'t str,
    types: &'t [&'t str],
}

const LEVELS: [&[(&str, Binary)]; 10] = [
    &[("||", Binary::Or)],
    &[("&&", Binary::And)],
    &[("|", Binary::BitOr)],
    &[("^", Binary::BitXor)],
    &[("&", Binary::BitAnd)],
    &[("==", Binary::Equal), ("!=", Binary::NotEqual)],
    &[("<=", Binary::LessOrEqual), (">=", Binary::GreaterOrEqual), ("<", Binary::Less), (">", Binary::Greater)],
    &[("<<", Binary::ShiftLeft), (">>", Binary::ShiftRight)],
    &[("+", Binary::Add), ("-", Binary::Subtract)],
    &[("*", Binary::Multiply), ("/", Binary::Divide), ("%", Binary::Remainder)],
];

impl<'t> Reader<'t> {
    fn take(&mut self, token: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> Option<&'t str> {
        self.rest = self.rest.trim_start();
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        if end == 0 {
            return None;
        }
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(word)
    }

    fn comma(&mut self) -> Expression {
        let mut left = self.assignment();
        while self.take(",") {
            left = Expression::Comma(Box::new(left), Box::new(self.assignment()));
        }
        left
    }

    fn assignment(&mut self) -> Expression {
        let left = self.conditional();
        let all = LEVELS.iter().flat_map(|level| level.iter());
        for (sign, operator) in all.filter(|(sign, _)| !matches!(*sign, "==" | "!=" | "<=" | ">=" | "<" | ">")) {
            if self.take(&format!("{sign}=")) {
                return Expression::Modify(*operator, Box::new(left), Box::new(self.assignment()));
            }
        }
        if !self.rest.trim_start().starts_with("==") && self.take("=") {
            return Expression::Assign(Box::new(left), Box::new(self.assignment()));
        }
        left
    }

    fn conditional(&mut self) -> Expression {
        let condition = self.binary(0);
        if !self.take("?") {
            return condition;
        }
        let yes = self.comma();
        assert!(self.take(":"));
        Expression::Conditional(Box::new(condition), Box::new(yes), Box::new(self.conditional()))
    }

    fn binary(&mut self, level: usize) -> Expression {
        let Some(operators) = LEVELS.get(level) else { return self.repeat() };
        let mut left = self.binary(level + 1);
        'again: loop {
            let rest = self.rest.trim_start();
            for (sign, operator) in *operators {
                let Some(after) = rest.strip_prefix(sign) else { continue };
                let doubled = sign.len() == 1 && after.starts_with(*sign) && "&|<>".contains(sign);
                let shifts = matches!(*sign, "<" | ">") && after.starts_with(sign);
                if doubled || shifts || (after.starts_with('=') && !matches!(*sign, "==" | "!=" | "<=" | ">=")) {
                    continue;
                }
                self.rest = after;
                left = Expression::Binary(*operator, Box::new(left), Box::new(self.binary(level + 1)));
                continue 'again;
            }
            return left;
        }
    }

    fn repeat(&mut self) -> Expression {
        let mut left = self.unary();
        while self.take("@") {
            left = Expression::Repeat(Box::new(left), Box::new(self.unary()));
        }
        left
    }

    fn unary(&mut self) -> Expression {
        let signs = [
            ("++", Unary::PreIncrement),
            ("--", Unary::PreDecrement),
            ("-", Unary::Minus),
            ("+", Unary::Plus),
            ("!", Unary::Not),
            ("~", Unary::Complement),
            ("*", Unary::Dereference),
            ("&", Unary::AddressOf),
        ];
        for (sign, operator) in signs {
            if self.take(sign) {
                return Expression::Unary(operator, Box::new(self.unary()));
            }
        }
        if self.take("{") {
            let name = self.type_name().unwrap();
            assert!(self.take("}"));
            return Expression::At(name, Box::new(self.unary()));
        }
        let before = self.rest;
        if self.take("sizeof") {
            let inside = self.rest;
            if self.take("(")
                && let Some(name) = self.type_name()
            {
                assert!(self.take(")"));
                return Expression::SizeofType(name);
            }
            self.rest = inside;
            return Expression::SizeofValue(Box::new(self.unary()));
        }
        if self.take("_Alignof(") {
            let name = self.type_name().unwrap();
            assert!(self.take(")"));
            return Expression::AlignofType(name);
        }
        for (word, kind) in [("dynamic_cast<", CastKind::Dynamic), ("reinterpret_cast<", CastKind::Reinterpret)] {
            if self.take(word) {
                let name = self.type_name().unwrap();
                assert!(self.take(">") && self.take("("));
                let operand = self.comma();
                assert!(self.take(")"));
                return Expression::Cast(kind, name, Box::new(operand));
            }
        }
        self.rest = before;
        if self.take("(")
            && let Some(name) = self.type_name()
        {
            assert!(self.take(")"));
            return Expression::Cast(CastKind::C, name, Box::new(self.unary()));
        }
        self.rest = before;
        self.postfix()
    }

    fn type_name(&mut self) -> Option<TypeName> {
        let before = self.rest;
        let word = self.word()?;
        let base = match word {
            "struct" => TypeBase::Tagged(Tag::Struct, Path::plain(self.word()?)),
            "enum" => TypeBase::Tagged(Tag::Enum, Path::plain(self.word()?)),
            "void" => TypeBase::Builtin(Builtin::Void),
            "char" => TypeBase::Builtin(Builtin::Char),
            "short" => TypeBase::Builtin(Builtin::Short),
            "int" => TypeBase::Builtin(Builtin::Int),
            "long" => TypeBase::Builtin(Builtin::Long),
            "uchar" => TypeBase::Builtin(Builtin::UnsignedChar),
            "unsigned" => TypeBase::Builtin(Builtin::Unsigned),
            "ulong" => TypeBase::Builtin(Builtin::UnsignedLong),
            "float" => TypeBase::Builtin(Builtin::Float),
            "double" => TypeBase::Builtin(Builtin::Double),
            "bool" => TypeBase::Builtin(Builtin::Bool),
            "int128" => TypeBase::Builtin(Builtin::Int128),
            _ if self.types.contains(&word) => TypeBase::Named(Path::plain(word)),
            _ => {
                self.rest = before;
                return None;
            }
        };
        let mut derivations = Vec::new();
        let mut outer = Vec::new();
        while self.take("*") {
            derivations.push(Derivation::Pointer);
        }
        if self.take("(*)") {
            outer.push(Derivation::Pointer);
        }
        if self.take("&") {
            derivations.push(Derivation::Reference);
        }
        if self.take("(") {
            let mut parameters = Vec::new();
            while !self.take(")") {
                parameters.push(self.type_name()?);
                self.take(",");
            }
            derivations.push(Derivation::Function { parameters, is_variadic: false });
        } else if self.take("[") {
            let count = self.word().map(|count| count.parse().unwrap());
            assert!(self.take("]"));
            derivations.push(Derivation::Array(count));
        }
        derivations.extend(outer);
        Some(TypeName { base, derivations })
    }

    fn path(&mut self, first: &str) -> Path {
        let mut segments = vec![Segment { text: first.to_owned(), quoted: false }];
        while self.take("::") {
            segments.push(Segment { text: self.word().unwrap().to_owned(), quoted: false });
        }
        Path { global: false, segments }
    }

    fn postfix(&mut self) -> Expression {
        let mut left = self.primary();
        loop {
            left = if self.take("[") {
                let index = self.comma();
                assert!(self.take("]"));
                Expression::Index(Box::new(left), Box::new(index))
            } else if self.take("(") {
                let mut arguments = Vec::new();
                while !self.take(")") {
                    arguments.push(self.assignment());
                    self.take(",");
                }
                Expression::Call { function: Box::new(left), arguments }
            } else if self.take("->*") {
                let pointer = Box::new(self.primary());
                Expression::ThroughMember { object: Box::new(left), pointer, through_pointer: true }
            } else if self.take(".*") {
                let pointer = Box::new(self.primary());
                Expression::ThroughMember { object: Box::new(left), pointer, through_pointer: false }
            } else if self.take("->") {
                let first = self.word().unwrap();
                Expression::Member { object: Box::new(left), name: self.path(first), through_pointer: true }
            } else if self.take(".") {
                let first = self.word().unwrap();
                Expression::Member { object: Box::new(left), name: self.path(first), through_pointer: false }
            } else if self.take("++") {
                Expression::Unary(Unary::PostIncrement, Box::new(left))
            } else if self.take("--") {
                Expression::Unary(Unary::PostDecrement, Box::new(left))
            } else {
                return left;
            }
        }
    }

    fn primary(&mut self) -> Expression {
        if self.take("(") {
            let inner = self.comma();
            assert!(self.take(")"), "in {}", self.rest);
            return inner;
        }
        if self.take("'") {
            let (text, rest) = self.rest.split_once('\'').unwrap();
            self.rest = rest;
            return Expression::Character(u32::from(text.chars().next().unwrap()), Builtin::Char);
        }
        if self.take("\"") {
            let (text, rest) = self.rest.split_once('"').unwrap();
            self.rest = rest;
            return Expression::String(text.as_bytes().to_vec(), Builtin::Char);
        }
        let word = self.word().unwrap_or_else(|| panic!("what is {}", self.rest));
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return self.number(word);
        }
        if let Some(name) = word.strip_prefix('$') {
            return match (name, name.parse(), name.strip_prefix('$')) {
                ("", ..) => Expression::HistoryBack(0),
                (_, Ok(number), _) => Expression::HistoryNumber(number),
                (_, _, Some("")) => Expression::HistoryBack(1),
                (_, _, Some(back)) => Expression::HistoryBack(back.parse().unwrap()),
                _ => Expression::Dollar(name.to_owned()),
            };
        }
        match word {
            "true" => Expression::Truth(true),
            _ => Expression::Name(self.path(word)),
        }
    }

    fn number(&mut self, word: &str) -> Expression {
        if !word.starts_with("0x") && self.rest.starts_with('.') {
            self.rest = &self.rest[1..];
            let fraction = self.word().unwrap_or("");
            let text = format!("{word}.{fraction}");
            return match text.strip_suffix('f') {
                Some(text) => Expression::Floating(text.to_owned(), Builtin::Float),
                None => Expression::Floating(text, Builtin::Double),
            };
        }
        let digits = word.trim_end_matches(['u', 'l', 'U', 'L']);
        let suffix = word[digits.len()..].to_lowercase();
        let value = match digits.strip_prefix("0x") {
            Some(hexadecimal) => u128::from_str_radix(hexadecimal, 16).unwrap(),
            None => digits.parse().unwrap(),
        };
        let is_small = value <= 0x7fff_ffff;
        let builtin = match suffix.as_str() {
            "u" if value <= 0xffff_ffff => Builtin::Unsigned,
            "u" | "ul" => Builtin::UnsignedLong,
            "" if is_small => Builtin::Int,
            _ => Builtin::Long,
        };
        Expression::Integer(value, builtin)
    }
}
