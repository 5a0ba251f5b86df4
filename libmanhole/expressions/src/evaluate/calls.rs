//! Calls of functions and methods.

use super::classes::path_of;
use super::member_pointers::At;
use super::names::ambiguous;
use super::overloads::{Candidate, Way};
use super::{Answer, CODE_WITHOUT_TYPE, Evaluator, error};
use crate::access::memory;
use crate::ast::{Expression, Path, Segment};
use crate::target::{Found, Stop};
use crate::types::{Function, Language, Method, Type, TypeId};
use crate::value::{Place, Value};

/// Arguments of one call.
const MOST: usize = 256;

/// Classes that are looked at for a method.
const CLASSES: usize = 2000;

impl Evaluator<'_> {
    /// `function(arguments)`. `returns` is what a cast says that a function without debug information returns.
    #[inline(never)]
    pub(super) fn call_expression(
        &mut self,
        function: &Expression,
        arguments: &[Expression],
        returns: Option<TypeId>,
    ) -> Answer {
        if arguments.len() > MOST {
            return error(format!("more than {MOST} arguments"));
        }
        if let Expression::Member { object, name, through_pointer } = function {
            let object = self.value(object)?;
            let object = self.object(object, *through_pointer)?;
            let arguments = self.arguments(arguments)?;
            let is_qualified = name.segments.len() > 1;
            let (object, name) = self.qualified(&object, name)?;
            return self.call_member(&object, name, is_qualified, arguments);
        }
        if let Expression::ThroughMember { object, pointer, through_pointer } = function {
            let callee = self.member_at(object, pointer, *through_pointer)?;
            let arguments = self.arguments(arguments)?;
            return match callee {
                At::Data(value) => self.call_value(value, arguments, returns),
                At::Code { address, type_id, this } => self.invoke(address, type_id, Some(this), arguments),
            };
        }
        if let Expression::Dollar(name) = function
            && !self.variables.convenience.contains_key(name)
            && let Some(value) = self.call_own(name, arguments)?
        {
            return Ok(value);
        }
        if let Expression::Name(path) = function
            && let Some(value) = self.call_name(path, arguments, returns)?
        {
            return Ok(value);
        }
        let function = self.value(function)?;
        let arguments = self.arguments(arguments)?;
        self.call_value(function, arguments, returns)
    }

    #[inline(never)]
    fn arguments(&mut self, arguments: &[Expression]) -> Result<Vec<Value>, Stop> {
        arguments.iter().map(|argument| self.value(argument)).collect()
    }

    /// A call of what only a name can be: overloads, methods, types, symbols. `None`: it is a value like any other.
    #[inline(never)]
    fn call_name(
        &mut self,
        path: &Path,
        arguments: &[Expression],
        returns: Option<TypeId>,
    ) -> Result<Option<Value>, Stop> {
        let found = self.resolved(path)?;
        if self.variables.language == Language::Cpp
            && let Some(name) = path.single()
            && !matches!(found, Found::Variable(_))
            && let Some(this) = self.this()?
            && !self.is_local(path, &found)?
            && !self.methods(&this, name)?.is_empty()
        {
            let arguments = self.arguments(arguments)?;
            return self.call_member(&this, name, false, arguments).map(Some);
        }
        match found {
            Found::Overloads(overloads) => {
                let arguments = self.arguments(arguments)?;
                let candidates: Vec<_> = overloads
                    .into_iter()
                    .map(|overload| Candidate {
                        type_id: overload.type_id,
                        name: overload.name,
                        has_this: false,
                        way: Way::Address(overload.address),
                    })
                    .collect();
                self.call_best(&format!("function {}", path.last()), candidates, None, arguments).map(Some)
            }
            Found::Type(type_id) => match arguments {
                // C++: `int(x)`.
                [only] => {
                    let value = self.value(only)?;
                    self.cast(type_id, value).map(Some)
                }
                _ => error("Attempt to use a type as an expression"),
            },
            Found::Symbol { name, address, is_function: true, type_id: None, .. } => {
                if returns.is_none()
                    && !self.types_only
                    && let Some((address, type_id)) = self.target.function_behind(address)?
                {
                    let arguments = self.arguments(arguments)?;
                    return self.invoke(address, type_id, None, arguments).map(Some);
                }
                let Some(returns) = returns else { return unknown_return(&name) };
                let arguments = self.arguments(arguments)?;
                self.call_untyped(address, returns, arguments).map(Some)
            }
            Found::Ambiguous(candidates) => ambiguous(path, &candidates),
            Found::Nothing => {
                let Some((class, name)) = self.class_of(path) else { return Ok(None) };
                let this = match self.this()? {
                    Some(this) => self.cast_record(class, &this)?,
                    None => None,
                };
                let arguments = self.arguments(arguments)?;
                let object = this.unwrap_or_else(|| Value::new(class, Vec::new()));
                if self.methods(&object, name)?.is_empty() {
                    return Ok(None);
                }
                self.call_member(&object, name, true, arguments).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Calls a function, a pointer to one, or an object that has `operator()`.
    #[inline(never)]
    fn call_value(&mut self, function: Value, arguments: Vec<Value>, returns: Option<TypeId>) -> Answer {
        let function = self.referent(function)?;
        if self.is_record(&function) {
            if self.methods(&function, "operator()")?.is_empty() {
                return error("Invalid data type for function to be called.");
            }
            return self.call_member(&function, "operator()", false, arguments);
        }
        let function = self.decayed(function)?;
        let (_, described) = self.stripped(function.type_id);
        match &*described {
            Type::Pointer(to) => {
                let address = self.word(&function)?;
                let (function_id, pointee) = self.stripped(*to);
                match (&*pointee, returns) {
                    (Type::Function(_), _) => self.invoke(address, function_id, None, arguments),
                    (Type::Unknown(name), Some(returns)) if name == CODE_WITHOUT_TYPE => {
                        self.call_untyped(address, returns, arguments)
                    }
                    _ => self.unknown_function(address),
                }
            }
            _ => match self.number(&function)? {
                Some(super::numbers::Number::Integer(integer)) => self.unknown_function(integer.value as u64),
                _ => error("Invalid data type for function to be called."),
            },
        }
    }

    fn unknown_function(&mut self, address: u64) -> Answer {
        match self.target.symbol_at(address) {
            Some(symbol) if symbol.offset == 0 => unknown_return(&symbol.name),
            _ => unknown_return(&format!("at {address:#x}")),
        }
    }

    /// A function of which only the type that it returns is known.
    fn call_untyped(&mut self, address: u64, returns: TypeId, arguments: Vec<Value>) -> Answer {
        let function =
            Function { returns, parameters: Vec::new(), is_variadic: false, is_prototyped: false, is_of_rust: false };
        let type_id = self.intern(Type::Function(function));
        self.invoke(address, type_id, None, arguments)
    }

    /// A method of this name; or a member that can be called.
    #[inline(never)]
    pub(super) fn call_member(
        &mut self,
        object: &Value,
        name: &str,
        is_qualified: bool,
        arguments: Vec<Value>,
    ) -> Answer {
        if !is_qualified && let Some(value) = self.native(object, name, &arguments)? {
            return Ok(value);
        }
        if self.variables.language == Language::Rust
            && let Some((address, type_id, receiver)) = self.rust_method(object, name)?
        {
            let arguments = core::iter::once(receiver).chain(arguments).collect();
            return self.invoke(address, type_id, None, arguments);
        }
        let methods = self.methods(object, name)?;
        if methods.is_empty() {
            let field = self.find_member(object, name)?;
            // A number that happens to have the name of a method, as a vector's `len`, is no address of one.
            let is_number = |described: &Type| matches!(described, Type::Base(_) | Type::Enumeration(_));
            let Some(field) = field.filter(|field| !is_number(&self.stripped(field.type_id).1)) else {
                let class = self.type_text(object.type_id);
                return error(format!("Couldn't find method {class}::{name}"));
            };
            return self.call_value(field, arguments, None);
        }
        let mut candidates = Vec::new();
        for (method, part) in methods {
            let parameters = self.type_text(method.type_id);
            candidates.push(Candidate {
                type_id: method.type_id,
                name: format!("{} {parameters}", method.name),
                has_this: !method.is_static,
                way: Way::Method { method, part, is_qualified },
            });
        }
        let class = self.type_text(object.type_id);
        self.call_best(&format!("method {class}::{name}"), candidates, Some(object), arguments)
    }

    /// Calls the candidate that fits the arguments best.
    #[inline(never)]
    pub(super) fn call_best(
        &mut self,
        what: &str,
        candidates: Vec<Candidate>,
        object: Option<&Value>,
        arguments: Vec<Value>,
    ) -> Answer {
        let chosen = self.chosen(what, candidates, object, &arguments)?;
        match chosen.way {
            Way::Address(address) => self.invoke(address, chosen.type_id, None, arguments),
            Way::Method { method, part, is_qualified } => {
                // A class's name stands for no object: `Class::method()`.
                let is_object = object.is_some_and(|object| {
                    object.content != crate::value::Content::Bytes(Vec::new())
                        || self.size_of(object.type_id) == Some(0)
                });
                if method.is_static {
                    let address = self.code_of(&method, part.type_id)?;
                    return self.invoke(address, method.type_id, None, arguments);
                }
                if !is_object {
                    return error(format!("the method {} needs an object", method.name));
                }
                let this = self.standing(&part)?;
                let address = match (method.virtual_slot, &part.place) {
                    (Some(slot), Place::Memory(_)) if method.is_virtual && !is_qualified => {
                        self.virtual_code(&part, slot)?
                    }
                    _ => self.code_of(&method, part.type_id)?,
                };
                self.invoke(address, method.type_id, Some(this), arguments)
            }
        }
    }

    fn virtual_code(&mut self, part: &Value, slot: u64) -> Result<u64, Stop> {
        if self.types_only {
            return Ok(0);
        }
        let table = self.vtable(part)?;
        let bytes = memory(table.wrapping_add(slot.wrapping_mul(8)), 8, self.target)?;
        Ok(crate::access::integer(&bytes, false) as u64)
    }

    fn code_of(&mut self, method: &Method, class: TypeId) -> Result<u64, Stop> {
        match self.method_address(method, class)? {
            Some(address) => Ok(address),
            None if self.types_only => Ok(0),
            None => error("Cannot evaluate function -- may be inlined"),
        }
    }

    /// Where a method's code is, unless it was never made.
    pub(super) fn method_address(&mut self, method: &Method, class: TypeId) -> Result<Option<u64>, Stop> {
        if let Some(linkage) = &method.linkage
            && let Some(address) = self.target.find_linkage(linkage)
        {
            return Ok(Some(address));
        }
        let Some(class) = self.record_name(class) else { return Ok(None) };
        let mut path = path_of(&class);
        path.segments.push(Segment { text: method.name.clone(), quoted: false });
        Ok(match self.target.find(&path)? {
            Found::Function { address, .. } | Found::Symbol { address, is_function: true, .. } => Some(address),
            Found::Overloads(overloads) => {
                let mut same = overloads.iter().filter(|overload| overload.type_id == method.type_id);
                same.next().map(|overload| overload.address)
            }
            _ => None,
        })
    }

    /// The methods of this name that are nearest: those of a class hide its bases'. With each, the part of the object that is
    /// its class.
    pub(super) fn methods(&mut self, object: &Value, name: &str) -> Result<Vec<(Method, Value)>, Stop> {
        let mut level = vec![object.clone()];
        for _ in 0..24 {
            let mut found = Vec::new();
            let mut next = Vec::new();
            for part in level {
                self.target.check()?;
                let (_, described) = self.stripped(part.type_id);
                let Type::Record(record) = &*described else { continue };
                let before = found.len();
                let methods = record.methods.iter().filter(|method| method.name == name);
                found.extend(methods.map(|method| (method.clone(), part.clone())));
                if found.len() > before {
                    continue;
                }
                for base in record.members.iter().filter(|member| member.is_base) {
                    if next.len() < 256 && self.has_method(base.type_id, name, 24, &mut { CLASSES }) {
                        next.extend(self.base(&part, base)?);
                    }
                }
            }
            if !found.is_empty() || next.is_empty() {
                return Ok(found);
            }
            level = next;
        }
        Ok(Vec::new())
    }

    fn has_method(&mut self, class: TypeId, name: &str, levels: u32, budget: &mut usize) -> bool {
        let (Some(levels), Some(rest)) = (levels.checked_sub(1), budget.checked_sub(1)) else { return false };
        *budget = rest;
        let (_, described) = self.stripped(class);
        let Type::Record(record) = &*described else { return false };
        let mut bases = record.members.iter().filter(|member| member.is_base);
        record.methods.iter().any(|method| method.name == name)
            || bases.any(|base| self.has_method(base.type_id, name, levels, budget))
    }

    /// Converts the arguments to the types of the parameters, and calls.
    #[inline(never)]
    pub(super) fn invoke(&mut self, address: u64, type_id: TypeId, this: Option<u64>, arguments: Vec<Value>) -> Answer {
        let (_, described) = self.stripped(type_id);
        let Type::Function(function) = &*described else {
            return error("Invalid data type for function to be called.");
        };
        let mut parameters = function.parameters.iter().copied();
        let mut values = Vec::new();
        if let Some(this) = this {
            let bytes = this.to_le_bytes().to_vec();
            let of_this = match parameters.next() {
                Some(of_this) => of_this,
                None => self.intern(Type::Pointer(function.returns)),
            };
            values.push(Value::new(of_this, bytes));
        }
        if arguments.len() < parameters.len() {
            return error("Too few arguments in function call.");
        }
        let mut made = Vec::new();
        for argument in arguments {
            let value = match parameters.next() {
                Some(parameter) => self.argument(parameter, argument, &mut made)?,
                None => self.promoted_argument(argument)?,
            };
            values.push(value);
        }
        if self.types_only {
            return Ok(self.zero(function.returns));
        }
        let result = self.target.call(address, type_id, values)?;
        self.destroy(made)?;
        Ok(result)
    }

    /// An argument as a parameter of this type wants it.
    fn argument(&mut self, parameter: TypeId, argument: Value, made: &mut Vec<(TypeId, u64)>) -> Answer {
        let (_, described) = self.stripped(parameter);
        if let Type::Reference { to, is_rvalue } = &*described {
            let argument = self.referent(argument)?;
            let part = self.cast(*to, argument)?;
            let is_const = matches!(&*self.target.describe(*to), Type::Const(_));
            if !matches!(part.place, Place::Memory(_)) && !is_const && !is_rvalue && !self.is_record(&part) {
                return error("Attempt to take address of value not located in memory.");
            }
            let address = self.standing(&part)?;
            return Ok(Value::new(parameter, address.to_le_bytes().to_vec()));
        }
        let value = self.cast(parameter, argument)?;
        if matches!(&*described, Type::Record(_)) {
            return self.object_to_pass(parameter, value, made);
        }
        self.loaded(value)
    }
}

fn unknown_return<T>(name: &str) -> Result<T, Stop> {
    error(format!("'{name}' has unknown return type; cast the call to its declared return type"))
}
