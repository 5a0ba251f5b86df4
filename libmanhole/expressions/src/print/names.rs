//! The names of types as declarations spell them: `int (*)(int, char **)`.
//!
//! Pure. A declarator is written in three parts around the name it declares: the base type, what stands before the name, what stands
//! behind. `show` is gdb's: above zero, definitions are written out and typedefs resolved; at zero, only nameless types are; below,
//! nothing is.

use std::rc::Rc;

use super::offsets::{self, Offsets};
use super::rust;
use crate::access;
use crate::target::Target;
use crate::types::{Function, Language, Record, RecordKind, Type, TypeId};

/// How deep types are followed.
const DEEPEST: u32 = 40;

/// Names with more templates in them stay as they are.
const MOST_BRACKETS: usize = 32;

/// Definitions longer than this are cut, in bytes.
const LONGEST: usize = 1 << 20;

/// A type's name or definition.
pub(super) fn spelled(type_id: TypeId, show: i32, target: &mut dyn Target) -> String {
    let is_rust = rust::is_rust(type_id, target);
    let mut speller = Speller::new(target);
    if is_rust {
        speller.rust(type_id, show, 0);
    } else {
        speller.declare(type_id, "", show, 0);
    }
    speller.out
}

/// A declaration of `variable`. Rust's types have no middle: they stand before it.
pub(super) fn declared(type_id: TypeId, variable: &str, target: &mut dyn Target) -> String {
    if rust::is_rust(type_id, target) {
        return format!("{} {variable}", spelled(type_id, -1, target));
    }
    let mut speller = Speller::new(target);
    speller.declare(type_id, variable, -1, 0);
    speller.out
}

/// A type's definition with the places and sizes of its members.
pub(super) fn with_offsets(type_id: TypeId, target: &mut dyn Target) -> String {
    let is_record = matches!(&*access::stripped(type_id, target).1, Type::Record(_));
    let mut speller = Speller::new(target);
    speller.offsets = Some(Offsets::default());
    speller.put(if is_record { offsets::HEAD } else { "" });
    speller.put("type = ");
    speller.declare(type_id, "", 1, 0);
    speller.out
}

/// Text of a type in the making.
pub(super) struct Speller<'a> {
    pub(super) target: &'a mut dyn Target,
    pub(super) out: String,
    /// Inside a template: what its arguments are called, by the name of the type that they have.
    pub(super) substitutions: Vec<(String, String)>,
    depth: u32,
    /// The next parameters are those of a method, `this` first.
    is_method: bool,
    /// Where members are is to be told.
    pub(super) offsets: Option<Offsets>,
}

/// `const` and its like, of one type.
#[derive(Clone, Copy, Default)]
struct Qualifiers {
    is_const: bool,
    is_volatile: bool,
    is_restrict: bool,
    is_atomic: bool,
}

impl Qualifiers {
    fn words(self) -> Vec<&'static str> {
        let all = [
            (self.is_const, "const"),
            (self.is_volatile, "volatile"),
            (self.is_restrict, "restrict"),
            (self.is_atomic, "_Atomic"),
        ];
        all.into_iter().filter_map(|(is, word)| is.then_some(word)).collect()
    }
}

impl Speller<'_> {
    fn new(target: &mut dyn Target) -> Speller<'_> {
        let (out, substitutions) = (String::new(), Vec::new());
        Speller { target, out, substitutions, depth: 0, is_method: false, offsets: None }
    }

    pub(super) fn put(&mut self, text: &str) {
        if self.out.len() < LONGEST {
            self.out.push_str(text);
        }
    }

    /// The qualifiers of a type, and the type below them.
    fn unqualified(&mut self, type_id: TypeId, mut qualifiers: Qualifiers) -> (Qualifiers, TypeId, Rc<Type>) {
        let mut at = type_id;
        for _ in 0..64 {
            let described = self.target.describe(at);
            at = match &*described {
                Type::Const(to) => {
                    qualifiers.is_const = true;
                    *to
                }
                Type::Volatile(to) => {
                    qualifiers.is_volatile = true;
                    *to
                }
                Type::Restrict(to) => {
                    qualifiers.is_restrict = true;
                    *to
                }
                Type::Atomic(to) => {
                    qualifiers.is_atomic = true;
                    *to
                }
                _ => return (qualifiers, at, described),
            };
        }
        (qualifiers, at, Rc::new(Type::Void))
    }

    /// The qualifiers of a type, and the type below them; below typedefs too when definitions are wanted.
    fn below(&mut self, type_id: TypeId, show: i32) -> (Qualifiers, TypeId, Rc<Type>) {
        let mut found = self.unqualified(type_id, Qualifiers::default());
        for _ in 0..64 {
            match &*found.2 {
                Type::Typedef { to, .. } if show > 0 => found = self.unqualified(*to, found.0),
                Type::Record(Record { is_declaration: true, .. }) if show > 0 => {
                    let complete = self.target.complete(found.1);
                    if complete == found.1 {
                        return found;
                    }
                    found = self.unqualified(complete, found.0);
                }
                _ => return found,
            }
        }
        found
    }

    /// A name, with the arguments of the template around it by their names.
    pub(super) fn substituted(&self, name: &str) -> String {
        if let Some((_, short)) = self.substitutions.iter().find(|(long, _)| long == name) {
            return short.clone();
        }
        let is_nested = name.bytes().filter(|byte| *byte == b'<').count() > MOST_BRACKETS;
        let Some((head, rest)) = name.split_once('<').filter(|_| !self.substitutions.is_empty() && !is_nested) else {
            return name.to_owned();
        };
        let mut depth = 0_i32;
        let mut parts = vec![String::new()];
        let mut length = 0;
        for character in rest.chars() {
            length += character.len_utf8();
            match character {
                '<' | '(' => depth += 1,
                '>' if depth == 0 => break,
                '>' | ')' => depth -= 1,
                _ => {}
            }
            if character == ',' && depth == 0 {
                parts.push(String::new());
            } else if let Some(last) = parts.last_mut() {
                last.push(character);
            }
        }
        let parts: Vec<String> = parts.iter().map(|part| self.substituted(part.trim())).collect();
        let rest = rest.get(length..).unwrap_or_default();
        let rest = if rest.contains('<') { self.substituted(rest) } else { rest.to_owned() };
        format!("{head}<{}>{rest}", parts.join(", "))
    }

    /// A declaration of `variable` with this type; the type's name when there is none.
    pub(super) fn declare(&mut self, type_id: TypeId, variable: &str, show: i32, indent: usize) {
        if self.depth > DEEPEST || self.out.len() >= LONGEST {
            self.put("...");
            return;
        }
        self.depth += 1;
        self.base(type_id, show, indent, Qualifiers::default());
        let (_, _, described) = self.below(type_id, show);
        let has_stars = match &*described {
            Type::Pointer(_) | Type::Reference { .. } | Type::MemberPointer { .. } | Type::Function(_) => true,
            Type::Array { is_vector, .. } => !is_vector,
            _ => false,
        };
        if !variable.is_empty() || has_stars {
            self.put(" ");
        }
        self.before(type_id, show, false, !variable.is_empty());
        self.put(variable);
        self.behind(type_id, show, false);
        self.depth -= 1;
    }

    /// What a declaration begins with. Qualifiers of an array are those of its elements.
    fn base(&mut self, type_id: TypeId, show: i32, indent: usize, outer: Qualifiers) {
        if self.depth > DEEPEST {
            return;
        }
        let (mut qualifiers, at, described) = self.below(type_id, show);
        qualifiers.is_const |= outer.is_const;
        qualifiers.is_volatile |= outer.is_volatile;
        self.depth += 1;
        match &*described {
            Type::Pointer(to) | Type::Reference { to, .. } | Type::MemberPointer { to, .. } => {
                self.base(*to, show, indent, Qualifiers::default());
            }
            Type::Array { of, .. } => self.base(*of, show, indent, qualifiers),
            Type::Function(function) => self.base(function.returns, show, indent, Qualifiers::default()),
            _ => {
                // gdb's definition of `const void` is `void`.
                let is_hidden = show > 0 && matches!(&*described, Type::Void);
                for word in qualifiers.words().into_iter().filter(|_| !is_hidden) {
                    self.put(&format!("{word} "));
                }
                match &*described {
                    Type::Record(record) => self.tagged_record(at, record, show, indent),
                    Type::Enumeration(enumeration) => {
                        let is_plain = show <= 0 && enumeration.name.is_some();
                        match enumeration.name.as_deref().filter(|_| is_plain) {
                            Some(name) => {
                                self.put(if enumeration.language == Language::C { "enum " } else { "" });
                                let name = self.substituted(name);
                                self.put(&name);
                            }
                            None => self.enumeration(enumeration, show),
                        }
                    }
                    Type::Void => self.put("void"),
                    Type::Base(base) => {
                        let name = self.substituted(canonical(&base.name));
                        self.put(&name);
                    }
                    Type::Typedef { name, .. } => {
                        let name = self.substituted(name);
                        self.put(&name);
                    }
                    Type::Unknown(what) => self.put(&unknown(what)),
                    _ => {}
                }
            }
        }
        self.depth -= 1;
    }

    fn tagged_record(&mut self, type_id: TypeId, record: &Record, show: i32, indent: usize) {
        match record.name.as_deref().filter(|_| show <= 0) {
            Some(name) => {
                if record.language == Language::C {
                    self.put(keyword(record.kind));
                    self.put(" ");
                }
                let name = self.substituted(name);
                self.put(&name);
            }
            None => self.record(type_id, record, show, indent),
        }
    }

    /// What stands before the name. `is_pointee`: a pointer to it is being written.
    fn before(&mut self, type_id: TypeId, show: i32, is_pointee: bool, needs_space: bool) {
        if self.depth > DEEPEST {
            return;
        }
        self.depth += 1;
        let (qualifiers, _, described) = self.below(type_id, show);
        match &*described {
            Type::Pointer(to) => {
                self.before(*to, show, true, true);
                self.put("*");
                self.qualifiers_behind(qualifiers, needs_space);
            }
            Type::Reference { to, is_rvalue } => {
                self.before(*to, show, true, false);
                self.put(if *is_rvalue { "&&" } else { "&" });
                self.qualifiers_behind(qualifiers, needs_space);
            }
            Type::MemberPointer { class, to } => {
                let is_method = matches!(&*access::stripped(*to, self.target).1, Type::Function(_));
                if is_method {
                    self.put("(");
                } else {
                    self.before(*to, show, false, false);
                }
                let name = match &*access::stripped(*class, self.target).1 {
                    Type::Record(record) => record.name.clone().unwrap_or_default(),
                    _ => String::new(),
                };
                let name = self.substituted(&name);
                self.put(&format!("{name}::*"));
            }
            Type::Function(function) => {
                self.before(function.returns, show, false, false);
                self.put(if is_pointee { "(" } else { "" });
            }
            Type::Array { of, .. } => {
                self.before(*of, show, false, needs_space);
                self.put(if is_pointee { "(" } else { "" });
            }
            _ => {}
        }
        self.depth -= 1;
    }

    fn qualifiers_behind(&mut self, qualifiers: Qualifiers, needs_space: bool) {
        let words = qualifiers.words();
        for word in &words {
            self.put(&format!(" {word}"));
        }
        if !words.is_empty() && needs_space {
            self.put(" ");
        }
    }

    /// What stands behind the name.
    fn behind(&mut self, type_id: TypeId, show: i32, is_pointee: bool) {
        if self.depth > DEEPEST {
            return;
        }
        self.depth += 1;
        let (_, _, described) = self.below(type_id, show);
        match &*described {
            Type::Pointer(to) | Type::Reference { to, .. } => self.behind(*to, show, true),
            Type::MemberPointer { to, .. } => {
                let is_method = matches!(&*access::stripped(*to, self.target).1, Type::Function(_));
                self.put(if is_method { ")" } else { "" });
                self.is_method = is_method;
                self.behind(*to, show, false);
            }
            Type::Array { of, count, is_vector } => {
                self.put(if is_pointee { ")" } else { "" });
                let count = count.map(|count| count.to_string()).unwrap_or_default();
                let (open, close) = if *is_vector { (" __attribute__ ((vector_size(", ")))") } else { ("[", "]") };
                self.put(&format!("{open}{count}{close}"));
                self.behind(*of, show, false);
            }
            Type::Function(function) => {
                self.put(if is_pointee { ")" } else { "" });
                self.parameters(function, 0);
                self.behind(function.returns, show, false);
            }
            _ => {}
        }
        self.depth -= 1;
    }

    /// `(int, char **)`, without the first few.
    pub(super) fn parameters(&mut self, function: &Function, skipped: usize) {
        self.put("(");
        let shown = function.parameters.get(skipped..).unwrap_or_default();
        let is_method = core::mem::take(&mut self.is_method);
        for (at, parameter) in shown.iter().enumerate() {
            self.put(if at > 0 { ", " } else { "" });
            self.declare(*parameter, "", 0, 0);
            // `this` itself cannot be changed.
            if at == 0 && is_method && matches!(&*self.target.describe(*parameter), Type::Pointer(_)) {
                self.put(" const");
            }
        }
        match (shown.is_empty(), function.is_variadic) {
            (false, true) => self.put(", ..."),
            (true, true) if function.is_prototyped => self.put("..."),
            (true, true) => {}
            (true, false) if function.is_prototyped => self.put("void"),
            _ => {}
        }
        self.put(")");
    }

    /// Rust's names and definitions.
    pub(super) fn rust(&mut self, type_id: TypeId, show: i32, indent: usize) {
        if self.depth > DEEPEST || self.out.len() >= LONGEST {
            self.put("...");
            return;
        }
        self.depth += 1;
        let (_, _, described) = self.below(type_id, show);
        match &*described {
            Type::Void => self.put("()"),
            Type::Base(base) => self.put(&base.name.clone()),
            Type::Typedef { name, .. } => self.put(&name.clone()),
            Type::Pointer(to) => {
                self.put("*mut ");
                self.rust(*to, show - 1, indent);
            }
            Type::Array { of, count, .. } => {
                self.put("[");
                self.rust(*of, show - 1, indent);
                self.put(&format!("; {}]", count.unwrap_or(0)));
            }
            Type::Function(function) => {
                self.put("fn (");
                for (at, parameter) in function.parameters.iter().enumerate() {
                    self.put(if at > 0 { ", " } else { "" });
                    self.rust(*parameter, -1, indent);
                }
                self.put(")");
                if !matches!(&*self.target.describe(function.returns), Type::Void) {
                    self.put(" -> ");
                    self.rust(function.returns, -1, indent);
                }
            }
            Type::Record(record) => match record.name.as_deref().filter(|_| show <= 0) {
                Some(name) => self.put(name),
                None => self.rust_record(record, show, indent),
            },
            Type::Enumeration(enumeration) => match enumeration.name.as_deref().filter(|_| show <= 0) {
                Some(name) => self.put(name),
                None => self.rust_enumeration(enumeration, indent),
            },
            _ => self.declare(type_id, "", show, indent),
        }
        self.depth -= 1;
    }
}

/// The name that gdb has for what debug information may spell in another order.
fn canonical(name: &str) -> &str {
    match name {
        "short int" | "signed short" | "signed short int" => "short",
        "short unsigned int" | "unsigned short int" => "unsigned short",
        "signed" | "signed int" => "int",
        "unsigned" => "unsigned int",
        "long int" | "signed long" | "signed long int" => "long",
        "long unsigned int" | "unsigned long int" => "unsigned long",
        "long long int" | "signed long long" => "long long",
        "long long unsigned int" | "unsigned long long int" => "unsigned long long",
        other => other,
    }
}

/// `struct`.
pub(super) fn keyword(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Struct => "struct",
        RecordKind::Union => "union",
        RecordKind::Class => "class",
    }
}

/// How a type is spelled that is none: in brackets, which those without debug information have.
pub(super) fn unknown(what: &str) -> String {
    if what.starts_with('<') { what.to_owned() } else { format!("<{what}>") }
}
