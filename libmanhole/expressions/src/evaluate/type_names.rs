//! Types as they are spelled -> their numbers.

use super::{Evaluator, error, rust};
use crate::ast::{Builtin, Derivation, Path, Tag, TypeBase, TypeName};
use crate::target::Stop;
use crate::types::{Base, Function, Language, Type, TypeId};

/// Types in the parameters of types that are followed.
const DEPTH: u32 = super::DEPTH;

impl Evaluator<'_> {
    pub(super) fn named_type(&mut self, name: &TypeName) -> Result<TypeId, Stop> {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH {
            return error(format!("more than {DEPTH} types stand in each other"));
        }
        let mut type_id = self.base_type(&name.base)?;
        for derivation in &name.derivations {
            let derived = match derivation {
                Derivation::Const => Type::Const(type_id),
                Derivation::Volatile => Type::Volatile(type_id),
                Derivation::Pointer => Type::Pointer(type_id),
                Derivation::Reference => Type::Reference { to: type_id, is_rvalue: false },
                Derivation::RvalueReference => Type::Reference { to: type_id, is_rvalue: true },
                Derivation::Array(count) => Type::Array { of: type_id, count: *count, is_vector: false },
                Derivation::Function { parameters, is_variadic } => {
                    let mut known = Vec::new();
                    for parameter in parameters {
                        known.push(self.named_type(parameter)?);
                    }
                    // `f(void)` has no parameters; of `f()` C does not know, C++ does.
                    let is_prototyped = !parameters.is_empty() || self.variables.language == Language::Cpp;
                    if let [only] = known.as_slice()
                        && matches!(&*self.target.describe(*only), Type::Void)
                    {
                        known.clear();
                    }
                    Type::Function(Function {
                        returns: type_id,
                        parameters: known,
                        is_variadic: *is_variadic,
                        is_prototyped,
                        is_of_rust: self.variables.language == Language::Rust,
                    })
                }
            };
            type_id = self.intern(derived);
        }
        self.depth = self.depth.saturating_sub(1);
        Ok(type_id)
    }

    fn base_type(&mut self, base: &TypeBase) -> Result<TypeId, Stop> {
        match base {
            TypeBase::Builtin(builtin) => Ok(self.builtin_type(*builtin)),
            TypeBase::Complex(builtin) => {
                let part = self.builtin_type(*builtin);
                self.complex_type(part)
            }
            TypeBase::Of(operand) => self.type_of_expression(operand),
            TypeBase::Named(path) => match self.target.find_type(None, path) {
                Some(type_id) => Ok(type_id),
                // A program that does not use a type of Rust's does not describe it.
                None => {
                    match path.single().filter(|_| self.variables.language == Language::Rust).and_then(rust::primitive)
                    {
                        Some(base) => Ok(self.intern(Type::Base(base))),
                        None => error(format!("No symbol \"{path}\" in current context.")),
                    }
                }
            },
            TypeBase::Tagged(tag, path) => match self.target.find_type(Some(*tag), path) {
                Some(type_id) => Ok(type_id),
                None => {
                    let kind = match tag {
                        Tag::Struct | Tag::Class => "struct",
                        Tag::Union => "union",
                        Tag::Enum => "enum",
                    };
                    error(format!("No {kind} type named {path}."))
                }
            },
        }
    }
    /// The type that the frame's language has for it. C has another name for truth, and typedefs for wide characters, if any.
    pub(super) fn builtin_type(&mut self, builtin: Builtin) -> TypeId {
        let Type::Base(base) = builtin.as_type() else { return self.intern(Type::Void) };
        match (self.variables.language, builtin) {
            (Language::C, Builtin::Bool) => self.intern(Type::Base(Base { name: "_Bool".to_owned(), ..base })),
            (Language::C, Builtin::WideChar | Builtin::Char16 | Builtin::Char32) => {
                match self.target.find_type(None, &Path::plain(&base.name)) {
                    Some(typedef) => typedef,
                    None => self.intern(Type::Base(base)),
                }
            }
            (Language::Rust, _) => self.intern(Type::Base(rust::base_of(builtin).unwrap_or(base))),
            _ => self.intern(Type::Base(base)),
        }
    }
}
