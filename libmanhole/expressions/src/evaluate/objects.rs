//! Objects of C++ classes as arguments by value: copied by their own copy constructors, and destroyed after the call.
//!
//! Pure. The bytes of such an object are not a copy of it: both would own what it owns.

use super::classes::path_of;
use super::{Answer, Evaluator, error};
use crate::ast::{Path, Segment};
use crate::copies;
use crate::print::short_name;
use crate::target::{Found, Stop};
use crate::types::{Function, Method, Type, TypeId};
use crate::value::{Content, Place, Value};

impl Evaluator<'_> {
    /// The argument for a parameter of this class, as an object that the function may do with what it likes; where it was made for that, its
    /// address is added to `made`.
    pub(super) fn object_to_pass(&mut self, class: TypeId, value: Value, made: &mut Vec<(TypeId, u64)>) -> Answer {
        if !copies::run_code(class, self.target).map_err(|what| Stop::Error(cannot_pass(&what)))? {
            return self.loaded(value);
        }
        if self.types_only {
            return Ok(self.zero(class));
        }
        let Place::Memory(source) = value.place else { return error(cannot_pass("an object that is not in memory")) };
        // What a call has returned belongs to nobody else.
        if self.target.owns(source) {
            return Ok(Value { content: Content::Unread, ..value });
        }
        let constructor = self.copy_constructor(class)?;
        let bytes = self.bytes(&value)?;
        let address = match constructor {
            Some((code, type_id)) => {
                let address = self.target.allocate(&vec![0; bytes.len()])?;
                self.invoke(code, type_id, Some(address), vec![value])?;
                address
            }
            None if copies::are_bytes(class, self.target) => self.target.allocate(&bytes)?,
            None => {
                let name = self.type_text(class);
                return error(format!(
                    "{name} cannot be passed by value: its copy constructor has no code of its own in the program (it may be inlined, or deleted)"
                ));
            }
        };
        made.push((class, address));
        Ok(Value::at(class, address))
    }

    /// Ends the objects that were made for a call.
    pub(super) fn destroy(&mut self, made: Vec<(TypeId, u64)>) -> Result<(), Stop> {
        for (class, address) in made.into_iter().rev() {
            let methods = self.own_methods(class);
            let destructor = methods.iter().find(|method| method.name.starts_with('~'));
            if let Some(destructor) = destructor
                && let Some(code) = self.code_of_special(destructor, class)?
            {
                let type_id = self.type_of_special(destructor);
                self.invoke(code, type_id, Some(address), Vec::new())?;
            }
        }
        Ok(())
    }

    fn own_methods(&mut self, class: TypeId) -> Vec<Method> {
        match &*self.stripped(class).1 {
            Type::Record(record) => record.methods.clone(),
            _ => Vec::new(),
        }
    }

    /// The code of the class's copy constructor, and its type.
    fn copy_constructor(&mut self, class: TypeId) -> Result<Option<(u64, TypeId)>, Stop> {
        let Some(name) = self.record_name(class) else { return Ok(None) };
        let short = short_name(&name).to_owned();
        for method in self.own_methods(class) {
            if method.name == short
                && self.takes_constant(&method, class)
                && let Some(code) = self.code_of_special(&method, class)?
            {
                return Ok(Some((code, self.type_of_special(&method))));
            }
        }
        Ok(None)
    }

    /// Whether it has one parameter, a reference to an object of the class that is not changed.
    fn takes_constant(&mut self, method: &Method, class: TypeId) -> bool {
        let (_, described) = self.stripped(method.type_id);
        let Type::Function(function) = &*described else { return false };
        let [only] = function.parameters.get(method.hidden..).unwrap_or_default() else { return false };
        match &*self.stripped(*only).1 {
            Type::Reference { to, is_rvalue: false } => {
                let to = *to;
                matches!(&*self.target.describe(to), Type::Const(_)) && self.is_same_record(to, class)
            }
            _ => false,
        }
    }

    /// The type of the code that makes or ends whole objects: of what the compiler adds it takes `this` alone.
    fn type_of_special(&mut self, method: &Method) -> TypeId {
        let (_, described) = self.stripped(method.type_id);
        let Type::Function(function) = &*described else { return method.type_id };
        let this = function.parameters.first().into_iter();
        let parameters =
            this.chain(function.parameters.get(method.hidden.max(1)..).unwrap_or_default()).copied().collect();
        self.intern(Type::Function(Function { parameters, ..function.clone() }))
    }

    /// Where a constructor or a destructor of whole objects is: the class names one that stands for all of its kinds (Itanium C++ ABI,
    /// 5.1.4.3).
    fn code_of_special(&mut self, method: &Method, class: TypeId) -> Result<Option<u64>, Stop> {
        let kinds = if method.name.starts_with('~') { ["D4E", "D1E", "D2E"] } else { ["C4E", "C1E", "C2E"] };
        let [all, kinds @ ..] = kinds;
        if let Some(linkage) = &method.linkage {
            let named = kinds.iter().find_map(|kind| self.target.find_linkage(&linkage.replacen(all, kind, 1)));
            return Ok(named.or_else(|| self.target.find_linkage(linkage)));
        }
        // clang does not say the name.
        let Some(name) = self.record_name(class) else { return Ok(None) };
        let mut path = path_of(&name);
        path.segments.push(Segment { text: method.name.clone(), quoted: false });
        let (_, wanted) = self.stripped(method.type_id);
        let described = match self.target.find(&path)? {
            Found::Function { address, type_id, .. } => (self.stripped(type_id).1 == wanted).then_some(address),
            Found::Overloads(all) => {
                all.iter().find(|one| self.stripped(one.type_id).1 == wanted).map(|one| one.address)
            }
            _ => None,
        };
        if described.is_some() {
            return Ok(described);
        }
        // A library may have it without describing it.
        let parameters = if method.name.starts_with('~') { String::new() } else { format!("{name} const&") };
        let text = format!("{name}::{}({parameters})", method.name);
        let whole = Path { global: false, segments: vec![Segment { text, quoted: true }] };
        Ok(match self.target.find(&whole)? {
            Found::Function { address, .. } | Found::Symbol { address, is_function: true, .. } => Some(address),
            _ => None,
        })
    }
}

fn cannot_pass(what: &str) -> String {
    format!("a function that would be passed {what} cannot be called")
}
