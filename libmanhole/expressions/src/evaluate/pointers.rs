//! Where values are: references, arrays and functions as pointers, `*`, `&`, `[]`, `@`, `{type}`.

use super::numbers::{Number, is_integral};
use super::{Answer, CODE_WITHOUT_TYPE, DATA_WITHOUT_TYPE, Evaluator, error};
use crate::access::part;
use crate::ast::{Builtin, Expression, TypeName, Unary};
use crate::target::{Found, Stop};
use crate::types::{Type, TypeId};
use crate::value::{Content, Place, Value};

const NO_ADDRESS: &str = "Attempt to take address of value not located in memory.";
const GENERIC: &str = "Attempt to dereference a generic pointer.";

impl Evaluator<'_> {
    pub(super) fn pointer(&mut self, to: TypeId, address: u64) -> Value {
        let type_id = self.intern(Type::Pointer(to));
        Value::new(type_id, address.to_le_bytes().to_vec())
    }

    /// What a reference refers to; any other value itself.
    pub(super) fn referent(&mut self, value: Value) -> Answer {
        match &*self.stripped(value.type_id).1 {
            Type::Reference { to, .. } => {
                let address = self.word(&value)?;
                Ok(Value { is_stale: value.is_stale, ..Value::at(*to, address) })
            }
            _ => Ok(value),
        }
    }

    /// Without reference; arrays and functions as pointers.
    pub(super) fn decayed(&mut self, value: Value) -> Answer {
        let value = self.referent(value)?;
        let (stripped_id, described) = self.stripped(value.type_id);
        match &*described {
            Type::Array { of, is_vector: false, .. } => {
                let address = self.standing(&value)?;
                Ok(self.pointer(*of, address))
            }
            Type::Function(_) => {
                let address = self.standing(&value)?;
                Ok(self.pointer(value.type_id, address))
            }
            Type::Unknown(name) if name == CODE_WITHOUT_TYPE => {
                let address = self.standing(&value)?;
                Ok(self.pointer(stripped_id, address))
            }
            _ => Ok(value),
        }
    }

    /// The address of a value without reference. What stands nowhere is given memory.
    pub(super) fn standing(&mut self, value: &Value) -> Result<u64, Stop> {
        if let Place::Memory(address) = value.place {
            return Ok(address);
        }
        if self.types_only {
            return Ok(0);
        }
        let bytes = self.bytes(value)?;
        self.target.allocate(&bytes)
    }

    /// `*value`.
    #[inline(never)]
    pub(super) fn dereferenced(&mut self, value: Value) -> Answer {
        let value = self.referent(value)?;
        if self.is_record(&value) {
            return match self.rust_pointee(&value)? {
                Some(pointee) => Ok(pointee),
                None => self.unary_by_operator(Unary::Dereference, value),
            };
        }
        let (_, described) = self.stripped(value.type_id);
        match &*described {
            Type::Function(_) => return Ok(value),
            Type::Unknown(name) if name == CODE_WITHOUT_TYPE => return Ok(value),
            _ => {}
        }
        let value = self.decayed(value)?;
        let (_, described) = self.stripped(value.type_id);
        match &*described {
            Type::Pointer(to) => {
                if matches!(&*self.stripped(*to).1, Type::Void) && !self.types_only {
                    return error(GENERIC);
                }
                let address = self.word(&value)?;
                Ok(Value { is_stale: value.is_stale, ..Value::at(*to, address) })
            }
            Type::MemberPointer { .. } => error("Attempt to dereference pointer to member without an object"),
            // gdb's: an address may be given as a number.
            Type::Base(_) if is_integral(&described) => {
                let address = self.address(value)?;
                let int = self.intern(Builtin::Int.as_type());
                Ok(Value::at(int, address))
            }
            _ => error("Attempt to take contents of a non-pointer value."),
        }
    }

    /// `&operand`.
    #[inline(never)]
    pub(super) fn address_of(&mut self, operand: &Expression) -> Answer {
        if let Expression::Name(path) = operand {
            if let Some(pointer) = self.member_pointer(path)? {
                return Ok(pointer);
            }
            match self.resolved(path)? {
                Found::Enumerator { .. } => {
                    return error(format!("Can't take address of \"{path}\" which isn't an lvalue."));
                }
                Found::Symbol { address, is_function: false, type_id: None, .. } => {
                    let unknown = self.intern(Type::Unknown(DATA_WITHOUT_TYPE.to_owned()));
                    return Ok(self.pointer(unknown, address));
                }
                Found::Expression(text) => {
                    return self.inside(&path.to_string(), &text, |evaluator, inner| evaluator.address_of(inner));
                }
                _ => {}
            }
        }
        let value = self.value(operand)?;
        let value = self.referent(value)?;
        match &value.place {
            Place::Memory(address) => Ok(self.pointer(value.type_id, *address)),
            // As gdb has it: the address of the unit that holds the bits.
            Place::Bits { address, offset, .. } => {
                let size = self.size_of(value.type_id).unwrap_or(1).max(1);
                let unit = (*offset / 8).saturating_sub((*offset / 8).checked_rem(size).unwrap_or(0));
                Ok(self.pointer(value.type_id, address.wrapping_add(unit)))
            }
            _ if matches!(operand, Expression::String(..)) => {
                let address = self.standing(&value)?;
                Ok(self.pointer(value.type_id, address))
            }
            _ => error(NO_ADDRESS),
        }
    }

    #[inline(never)]
    pub(super) fn index_expression(&mut self, array: &Expression, index: &Expression) -> Answer {
        let array = self.value(array)?;
        let array = self.referent(array)?;
        let index = self.value(index)?;
        if self.is_record(&array) {
            let at = self.referent(index.clone())?;
            if let Some(Number::Integer(at)) = self.number(&at)?
                && let Some(element) = self.rust_element(&array, at.value)?
            {
                return Ok(element);
            }
            return self.by_operator("operator[]", vec![array, index]);
        }
        let index = self.integer(index)?;
        self.element(&array, index)
    }

    /// `array[index]`.
    pub(super) fn element(&mut self, array: &Value, index: i128) -> Answer {
        let (_, described) = self.stripped(array.type_id);
        match &*described {
            Type::Array { of, count, .. } => {
                let size = self.size_of(*of).unwrap_or(0);
                let is_inside = count.is_some_and(|count| (0..i128::from(count)).contains(&index));
                let offset = (index as u64).wrapping_mul(size);
                match array.place {
                    // An array in memory has no end.
                    Place::Memory(address) if !is_inside || array.content == Content::Unread => {
                        Ok(Value { is_stale: array.is_stale, ..Value::at(*of, address.wrapping_add(offset)) })
                    }
                    _ if is_inside => Ok(part(array, offset, *of, self.target)),
                    _ => error("no such vector element"),
                }
            }
            Type::Pointer(to) => {
                let moved = self.moved(array, *to, index)?;
                self.dereferenced(moved)
            }
            _ => {
                let name = self.type_text(array.type_id);
                error(format!("cannot subscript something of type `{name}'"))
            }
        }
    }

    #[inline(never)]
    pub(super) fn repeat_expression(&mut self, first: &Expression, count: &Expression) -> Answer {
        let first = self.value(first)?;
        let first = self.referent(first)?;
        let count = self.value(count)?;
        let count = self.referent(count)?;
        let count = match self.number(&count)? {
            Some(Number::Integer(count)) => count.value,
            _ => return error("Non-integral right operand for \"@\" operator."),
        };
        let Place::Memory(address) = first.place else {
            return error("Only values in memory can be extended with '@'.");
        };
        let count = match u64::try_from(count) {
            Ok(known) if known > 0 => known,
            // The count may be one that could not be read.
            Ok(_) if self.types_only => 1,
            _ => return error(format!("Invalid number {count} of repetitions.")),
        };
        let type_id = self.intern(Type::Array { of: first.type_id, count: Some(count), is_vector: false });
        if self.size_of(type_id).is_none() {
            return error(format!("Invalid number {count} of repetitions."));
        }
        Ok(Value { is_stale: first.is_stale, ..Value::at(type_id, address) })
    }

    #[inline(never)]
    pub(super) fn at_expression(&mut self, name: &TypeName, address: &Expression) -> Answer {
        let type_id = self.named_type(name)?;
        let address = self.value(address)?;
        let address = self.address(address)?;
        if matches!(&*self.stripped(type_id).1, Type::Void) {
            return error(GENERIC);
        }
        Ok(Value::at(type_id, address))
    }
}
