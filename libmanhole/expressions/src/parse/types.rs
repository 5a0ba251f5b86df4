//! Names of types, with their declarators.

use super::Parser;
use crate::ast::{Builtin, Derivation, Tag, TypeBase, TypeName};
use crate::lex::{Token, shown};

/// Stars, brackets and parameters of one declarator.
const DERIVATIONS: usize = 64;

/// The words of a builtin type, as often as each has come.
#[derive(Default)]
struct Words {
    signed: bool,
    unsigned: bool,
    short: bool,
    longs: u8,
    base: Option<Builtin>,
    complex: bool,
    any: bool,
}

impl Words {
    /// Takes a word that may come once.
    fn set(&mut self, flag: impl FnOnce(&mut Words) -> &mut bool) -> bool {
        self.any = true;
        !core::mem::replace(flag(self), true)
    }

    /// Takes one more word; false when it is none, or does not go with the others.
    fn add(&mut self, word: &str) -> bool {
        let base = match word {
            "signed" | "__signed__" | "__signed" => return self.set(|words| &mut words.signed),
            "unsigned" => return self.set(|words| &mut words.unsigned),
            "short" => return self.set(|words| &mut words.short),
            "_Complex" | "__complex__" | "__complex" => return self.set(|words| &mut words.complex),
            "long" => {
                self.any = true;
                self.longs = self.longs.saturating_add(1);
                return self.longs <= 2;
            }
            "int" => Builtin::Int,
            "char" => Builtin::Char,
            "void" => Builtin::Void,
            "float" => Builtin::Float,
            "double" => Builtin::Double,
            "_Bool" | "bool" => Builtin::Bool,
            "__int128" | "__int128_t" => Builtin::Int128,
            "__uint128_t" => Builtin::UnsignedInt128,
            "wchar_t" => Builtin::WideChar,
            "char8_t" => Builtin::Char8,
            "char16_t" => Builtin::Char16,
            "char32_t" => Builtin::Char32,
            _ => return false,
        };
        if self.base.is_some() {
            return false;
        }
        self.base = Some(base);
        self.any = true;
        true
    }

    /// Whether the words go together (C 2011, 6.7.2).
    fn fits(&self) -> bool {
        let sized = self.short || self.longs > 0;
        let signs = self.signed || self.unsigned;
        // C knows complex numbers without a type of their parts; gdb does not.
        let is_bare = self.base.is_none() && !sized && !signs;
        let is_number = !matches!(self.base, Some(Builtin::Void | Builtin::Bool));
        !(self.complex && (is_bare || !is_number))
            && !(self.signed && self.unsigned || self.short && self.longs > 0)
            && match self.base {
                None | Some(Builtin::Int) => true,
                Some(Builtin::Char) => !sized,
                Some(Builtin::Int128) => !sized,
                Some(Builtin::Double) => !signs && !self.short && self.longs < 2,
                Some(_) => !sized && !signs,
            }
    }

    fn builtin(&self) -> Builtin {
        match (self.base, self.unsigned) {
            (Some(Builtin::Char), true) => Builtin::UnsignedChar,
            (Some(Builtin::Char), false) if self.signed => Builtin::SignedChar,
            (Some(Builtin::Int128), true) => Builtin::UnsignedInt128,
            (Some(Builtin::Double), _) if self.longs > 0 => Builtin::LongDouble,
            (Some(Builtin::Int) | None, unsigned) => match (self.short, self.longs, unsigned) {
                (true, _, false) => Builtin::Short,
                (true, _, true) => Builtin::UnsignedShort,
                (_, 0, false) => Builtin::Int,
                (_, 0, true) => Builtin::Unsigned,
                (_, 1, false) => Builtin::Long,
                (_, 1, true) => Builtin::UnsignedLong,
                (.., false) => Builtin::LongLong,
                (.., true) => Builtin::UnsignedLongLong,
            },
            (Some(base), _) => base,
        }
    }
}

/// Words that belong to a type but are none.
fn qualifier(word: &str) -> Option<Option<Derivation>> {
    Some(match word {
        "const" | "__const" | "__const__" => Some(Derivation::Const),
        "volatile" | "__volatile__" => Some(Derivation::Volatile),
        "restrict" | "__restrict" | "__restrict__" | "_Atomic" | "typename" => None,
        _ => return None,
    })
}

impl Parser<'_, '_> {
    /// The type that stands here, with its declarator; `None` when what stands here is no type.
    pub(super) fn type_name(&mut self) -> Result<Option<TypeName>, String> {
        let start = self.at;
        let mut derivations = Vec::new();
        let Some(base) = self.type_base(&mut derivations)? else {
            self.at = start;
            return Ok(None);
        };
        self.declarator(&mut derivations)?;
        Ok(Some(TypeName { base, derivations }))
    }

    /// The type behind Rust's `as`: pointers stand before it, and what follows is an operator.
    #[inline(never)]
    pub(super) fn type_of_rust(&mut self) -> Result<TypeName, String> {
        let mut pointers = 0_usize;
        while self.is("*")
            && matches!(self.peek_at(1), Some(Token::Name(word)) if matches!(word.as_str(), "const" | "mut"))
        {
            self.at += 2;
            pointers = pointers.saturating_add(1);
        }
        if pointers > DERIVATIONS {
            return Err(format!("a type is made in more than {DERIVATIONS} steps"));
        }
        let mut derivations = Vec::new();
        let base = match self.type_base(&mut derivations)? {
            Some(base) => base,
            None if self.starts_name() => TypeBase::Named(self.path()?),
            None => return Err(format!("a type is expected behind as, at {}", self.rest())),
        };
        derivations.resize(derivations.len().saturating_add(pointers), Derivation::Pointer);
        Ok(TypeName { base, derivations })
    }

    /// The words before the declarator, in any order.
    #[inline(never)]
    pub(super) fn type_base(&mut self, derivations: &mut Vec<Derivation>) -> Result<Option<TypeBase>, String> {
        self.step()?;
        let start = self.at;
        let mut words = Words::default();
        let mut base = None;
        while let Some(Token::Name(word)) = self.peek().cloned() {
            if let Some(qualifier) = qualifier(&word) {
                self.at += 1;
                derivations.extend(qualifier);
                continue;
            }
            if base.is_some() {
                break;
            }
            let tag = match word.as_str() {
                "struct" => Some(Tag::Struct),
                "union" => Some(Tag::Union),
                "class" => Some(Tag::Class),
                "enum" => Some(Tag::Enum),
                _ => None,
            };
            if let Some(tag) = tag {
                self.at += 1;
                base = Some(TypeBase::Tagged(tag, self.path()?));
                continue;
            }
            if matches!(word.as_str(), "typeof" | "__typeof__" | "__typeof" | "decltype") {
                self.at += 1;
                self.expect("(")?;
                let start = self.at;
                let inner = match self.deeper(Self::type_name)? {
                    Some(name) if self.is(")") => crate::ast::Expression::Type(name),
                    _ => {
                        self.at = start;
                        self.deeper(Self::comma)?
                    }
                };
                self.expect(")")?;
                base = Some(TypeBase::Of(Box::new(inner)));
                continue;
            }
            let is_scope = matches!(self.peek_at(1), Some(Token::Operator("::")));
            if !is_scope && words.add(&word) {
                self.at += 1;
                continue;
            }
            break;
        }
        if words.any {
            if base.is_some() {
                return Err(format!("two types stand next to each other, before {}", self.rest()));
            }
            let is_more = matches!(self.peek(), Some(Token::Name(word)) if Words::default().add(word))
                && self.peek_at(1) != Some(&Token::Operator("::"));
            if is_more || !words.fits() {
                let end = self.at.saturating_add(usize::from(is_more));
                self.at = end;
                return Err(format!("the words {} make no type", shown(self.since(start))));
            }
            let builtin = words.builtin();
            return Ok(Some(if words.complex { TypeBase::Complex(builtin) } else { TypeBase::Builtin(builtin) }));
        }
        if base.is_none() && self.starts_name() {
            let start = self.at;
            let path = self.path()?;
            if self.names.is_type(&path) {
                base = Some(TypeBase::Named(path));
                // `T const`.
                while let Some(Token::Name(word)) = self.peek() {
                    let Some(qualifier) = qualifier(word) else { break };
                    self.at += 1;
                    derivations.extend(qualifier);
                }
            } else {
                self.at = start;
            }
        }
        Ok(base)
    }

    pub(super) fn starts_name(&self) -> bool {
        match self.peek() {
            Some(Token::Name(word)) => !matches!(word.as_str(), "sizeof" | "operator" | "true" | "false" | "nullptr"),
            Some(Token::Quoted(_)) => true,
            Some(Token::Operator("::")) => matches!(self.peek_at(1), Some(Token::Name(_))),
            _ => self.is_anonymous_namespace(),
        }
    }

    /// Stars, references, brackets and parameters without a name (C 2011, 6.7.7).
    fn declarator(&mut self, derivations: &mut Vec<Derivation>) -> Result<(), String> {
        self.pointers(derivations);
        let mut inner = Vec::new();
        if self.is("(") && self.opens_declarator(0) {
            self.at += 1;
            self.deeper(|parser| parser.declarator(&mut inner))?;
            self.expect(")")?;
        }
        let mut suffixes = Vec::new();
        loop {
            // `int(3)` is a cast: parameters belong to a declarator in parentheses, or hold types.
            let takes_parameters = self.is("(") && (!inner.is_empty() || self.opens_parameters());
            if self.take("[") {
                suffixes.push(Derivation::Array(self.array_count()?));
            } else if takes_parameters {
                self.at += 1;
                suffixes.push(self.deeper(Self::parameters)?);
            } else {
                break;
            }
            if suffixes.len() > DERIVATIONS {
                return Err(format!("a type has more than {DERIVATIONS} dimensions"));
            }
        }
        derivations.extend(suffixes.into_iter().rev());
        derivations.extend(inner);
        if derivations.len() > DERIVATIONS {
            return Err(format!("a type is made in more than {DERIVATIONS} steps"));
        }
        Ok(())
    }

    pub(super) fn pointers(&mut self, derivations: &mut Vec<Derivation>) {
        loop {
            if self.take("*") {
                derivations.push(Derivation::Pointer);
            } else if self.take("&") {
                derivations.push(Derivation::Reference);
            } else if self.take("&&") {
                derivations.push(Derivation::RvalueReference);
            } else if let Some(Token::Name(word)) = self.peek()
                && let Some(qualifier) = qualifier(word)
            {
                self.at += 1;
                derivations.extend(qualifier);
            } else {
                return;
            }
        }
    }

    /// Whether the parenthesis that many tokens ahead groups a declarator: `(*)(int)`, `(*const)[3]`, `(*(*)(int))(char)`. In
    /// `int(*p)` and `int(**(p))` a value stands.
    fn opens_declarator(&self, ahead: usize) -> bool {
        let (mut at, mut stars) = (ahead.saturating_add(1), 0_usize);
        // One pass over what is nested, without recursion.
        loop {
            match self.peek_at(at) {
                Some(Token::Operator("*" | "&" | "&&")) => stars = stars.saturating_add(1),
                Some(Token::Name(word)) if stars > 0 && qualifier(word).is_some() => {}
                Some(Token::Operator("(")) => {}
                Some(Token::Operator(")" | "[")) => return stars > 0,
                _ => return false,
            }
            at = at.saturating_add(1);
        }
    }

    /// Whether the parenthesis here holds parameters.
    fn opens_parameters(&mut self) -> bool {
        match self.peek_at(1) {
            Some(Token::Operator(")" | "...")) => true,
            Some(Token::Name(_) | Token::Operator("::")) => {
                let start = self.at;
                self.at += 1;
                let is_type = matches!(self.type_base(&mut Vec::new()), Ok(Some(_)))
                    // `int(T(3))` is a cast of a cast.
                    && !matches!((self.peek(), self.peek_at(1)), (Some(Token::Operator("(")), Some(token)) if !matches!(token, Token::Operator("*" | "&")));
                self.at = start;
                is_type
            }
            _ => false,
        }
    }

    fn array_count(&mut self) -> Result<Option<u64>, String> {
        let count = match self.peek().cloned() {
            Some(Token::Integer(count, _)) => {
                self.at += 1;
                Some(u64::try_from(count).map_err(|_| "an array has too many elements".to_owned())?)
            }
            _ => None,
        };
        if self.take("]") {
            return Ok(count);
        }
        Err(format!("a number and ] are expected in a type, at {}", self.rest()))
    }

    #[inline(never)]
    fn parameters(&mut self) -> Result<Derivation, String> {
        let mut parameters: Vec<TypeName> = Vec::new();
        let mut is_variadic = false;
        if !self.take(")") {
            loop {
                if self.take("...") {
                    is_variadic = true;
                } else {
                    let rest = self.rest();
                    let Some(parameter) = self.type_name()? else {
                        return Err(format!("the type of a parameter is expected at {rest}"));
                    };
                    // A parameter's name says nothing.
                    if let (Some(Token::Name(_)), Some(Token::Operator("," | ")"))) = (self.peek(), self.peek_at(1)) {
                        self.at += 1;
                    }
                    parameters.push(parameter);
                }
                if self.take(",") {
                    continue;
                }
                self.expect(")")?;
                break;
            }
        }
        if parameters.len() > DERIVATIONS {
            return Err(format!("a function has more than {DERIVATIONS} parameters, before {}", self.rest()));
        }
        Ok(Derivation::Function { parameters, is_variadic })
    }
}
