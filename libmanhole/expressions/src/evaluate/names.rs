//! What names stand for.

use super::{Answer, CODE_WITHOUT_TYPE, DATA_WITHOUT_TYPE, Evaluator, error};
use crate::access::integer_bytes;
use crate::ast::{Expression, Path};
use crate::parse::Names;
use crate::target::{Found, Stop, Target};
use crate::types::{Language, MemberLocation, Type, TypeId};
use crate::value::Value;

/// What the parser must know of names, asked of a target.
pub struct TargetNames<'t>(pub &'t mut dyn Target);

impl Names for TargetNames<'_> {
    /// A variable or a function hides a type of its name, as `stat` hides `struct stat`.
    fn is_type(&mut self, path: &Path) -> bool {
        match self.0.find(path) {
            Ok(Found::Type(_)) => true,
            Ok(Found::Nothing) | Err(_) => self.0.find_type(None, path).is_some(),
            Ok(_) => false,
        }
    }

    fn is_known(&mut self, path: &Path) -> bool {
        self.is_type(path) || self.0.find(path).is_ok_and(|found| found != Found::Nothing)
    }
}

impl Evaluator<'_> {
    /// What a name stands for. In a method of C++, members of `this` hide what is outside.
    pub(super) fn resolved(&mut self, path: &Path) -> Result<Found, Stop> {
        let found = self.target.find(path)?;
        let Some(name) = self.could_be_member(path) else { return Ok(found) };
        let Some(this) = self.this()? else { return Ok(found) };
        if self.is_local(path, &found)? {
            return Ok(found);
        }
        match self.find_member(&this, name)? {
            Some(value) => Ok(Found::Variable(value)),
            None => Ok(found),
        }
    }

    /// The name, if it may be that of a member of `this`.
    fn could_be_member<'p>(&self, path: &'p Path) -> Option<&'p str> {
        let name = path.single()?;
        (self.variables.language == Language::Cpp && name != "this").then_some(name)
    }

    /// Whether a name was found in the selected frame's blocks: then the outermost scope has another one, or none.
    pub(super) fn is_local(&mut self, path: &Path, found: &Found) -> Result<bool, Stop> {
        match found {
            Found::Nothing => Ok(false),
            Found::Expression(_) => Ok(true),
            _ => {
                let outermost = Path { global: true, segments: path.segments.clone() };
                Ok(self.target.find(&outermost)? != *found)
            }
        }
    }

    /// `*this`, in a method.
    pub(super) fn this(&mut self) -> Result<Option<Value>, Stop> {
        match self.target.find(&Path::plain("this"))? {
            Found::Variable(this) if self.is_pointer(&this) => {
                let object = self.dereferenced(this)?;
                Ok(self.is_record(&object).then_some(object))
            }
            _ => Ok(None),
        }
    }

    /// A name as a value.
    #[inline(never)]
    pub(super) fn name(&mut self, path: &Path) -> Answer {
        match self.resolved(path)? {
            Found::Variable(value) => Ok(value),
            Found::Function { address, type_id, .. } => Ok(Value::at(type_id, address)),
            Found::Overloads(overloads) => match overloads.as_slice() {
                [only] => Ok(Value::at(only.type_id, only.address)),
                _ => {
                    let lines: Vec<_> = overloads.iter().map(|overload| format!("\n  {}", overload.name)).collect();
                    error(format!("\"{path}\" is overloaded:{}", lines.concat()))
                }
            },
            Found::Enumerator { type_id, value } => {
                let size = self.size_of(type_id).unwrap_or(4);
                Ok(Value::new(type_id, integer_bytes(value, size)))
            }
            Found::Type(_) => error("Attempt to use a type as an expression"),
            Found::Symbol { address, type_id: Some(type_id), .. } => Ok(Value::at(type_id, address)),
            Found::Symbol { address, is_function: true, .. } => {
                let unknown = self.intern(Type::Unknown(CODE_WITHOUT_TYPE.to_owned()));
                Ok(Value::at(unknown, address))
            }
            Found::Symbol { name, .. } => error(format!("'{name}' has unknown type; cast it to its declared type")),
            Found::Ambiguous(candidates) => ambiguous(path, &candidates),
            Found::Expression(text) => self.inside(&path.to_string(), &text, |evaluator, inner| evaluator.value(inner)),
            Found::Nothing => match self.class_member(path)? {
                Some(value) => Ok(value),
                None => error(format!("No symbol \"{path}\" in current context.")),
            },
        }
    }

    /// The type of a name: that of a variable without debug information has a name too.
    pub(super) fn type_of_name(&mut self, path: &Path) -> Result<TypeId, Stop> {
        match self.resolved(path)? {
            Found::Symbol { is_function: false, type_id: None, .. } => {
                Ok(self.intern(Type::Unknown(DATA_WITHOUT_TYPE.to_owned())))
            }
            Found::Type(type_id) => Ok(type_id),
            Found::Nothing => match self.target.find_type(None, path) {
                Some(type_id) => Ok(type_id),
                None => self.name(path).map(|value| value.type_id),
            },
            _ => self.name(path).map(|value| value.type_id),
        }
    }

    /// What `act` makes of the expression that a name stands for.
    pub(super) fn inside(
        &mut self,
        name: &str,
        text: &str,
        act: fn(&mut Self, &Expression) -> Result<Value, Stop>,
    ) -> Answer {
        self.expansions.enter(name)?;
        // What fails leaves the name entered: it is to blame.
        let expression = crate::parse::expression(text, &mut TargetNames(self.target))?;
        let value = act(self, &expression)?;
        self.expansions.leave();
        Ok(value)
    }

    /// The class that a path's scopes name, and the name in it.
    pub(super) fn class_of<'p>(&mut self, path: &'p Path) -> Option<(TypeId, &'p str)> {
        let (last, scopes) = path.segments.split_last()?;
        if scopes.is_empty() {
            return None;
        }
        let scope = Path { global: path.global, segments: scopes.to_vec() };
        let class = self.target.find_type(None, &scope)?;
        self.is_record_type(class).then_some((class, last.text.as_str()))
    }

    /// `Class::member`: a static one, one of `this`, or a method.
    fn class_member(&mut self, path: &Path) -> Result<Option<Value>, Stop> {
        let Some((class, name)) = self.class_of(path) else { return Ok(None) };
        if self.variables.language == Language::Cpp
            && let Some(this) = self.this()?
            && let Some(object) = self.cast_record(class, &this)?
            && let Some(value) = self.find_member(&object, name)?
        {
            return Ok(Some(value));
        }
        if let Some(value) = self.static_member(class, name)? {
            return Ok(Some(value));
        }
        let nowhere = Value::at(class, 0);
        let mut methods = self.methods(&nowhere, name)?;
        match (methods.pop(), methods.is_empty()) {
            (Some((method, _)), true) => {
                let address = self.method_address(&method, class)?;
                Ok(address.map(|address| Value::at(method.type_id, address)))
            }
            (Some(_), false) => error(format!("cannot resolve overloaded method `{name}': no arguments supplied")),
            (None, _) => error(format!("There is no field named {name}")),
        }
    }

    /// A static member of a class or of one of its bases.
    fn static_member(&mut self, class: TypeId, name: &str) -> Result<Option<Value>, Stop> {
        let mut open = vec![class];
        for _ in 0..256 {
            let Some(class) = open.pop() else { break };
            let (_, described) = self.stripped(class);
            let Type::Record(record) = &*described else { continue };
            let found = record.members.iter().find(|member| !member.is_base && member.name.as_deref() == Some(name));
            match found {
                Some(member) if matches!(member.location, MemberLocation::Static { .. }) => {
                    return self.find_member(&Value::at(class, 0), name);
                }
                Some(_) => return Ok(None),
                None => open.extend(record.members.iter().filter(|member| member.is_base).map(|base| base.type_id)),
            }
        }
        Ok(None)
    }
}

/// An error that lists what a name may stand for.
pub(super) fn ambiguous<T>(path: &Path, candidates: &[String]) -> Result<T, Stop> {
    let lines: Vec<_> = candidates.iter().map(|candidate| format!("\n  {candidate}")).collect();
    error(format!("\"{path}\" is ambiguous; say which:{}", lines.concat()))
}
