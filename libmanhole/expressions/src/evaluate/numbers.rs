//! Values as numbers, and numbers as values of a type.

use super::floats::Float;
use super::{Evaluator, error};
use crate::access::{integer, integer_bytes, is_signed};
use crate::ast::{Binary, Builtin};
use crate::float::Format;
use crate::target::Stop;
use crate::types::{Encoding, Type, TypeId};
use crate::value::Value;

/// What arithmetic can be done with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Integer(Integer),
    Float(Float),
}

/// An integer of a width. What is above the width repeats the sign, or is zero.
#[derive(Clone, Copy, Debug)]
pub(super) struct Integer {
    pub(super) value: i128,
    pub(super) size: u64,
    pub(super) is_signed: bool,
    pub(super) is_boolean: bool,
}

impl Integer {
    /// C's integer promotion.
    pub(super) fn promoted(self) -> Integer {
        if self.size < 4 { Integer { size: 4, is_signed: true, is_boolean: false, ..self } } else { self }
    }

    /// The type that two promoted operands are converted to: the longer one's; of two equally long ones, the unsigned one's.
    pub(super) fn common(self, other: Integer) -> (u64, bool) {
        match self.size.cmp(&other.size) {
            core::cmp::Ordering::Greater => (self.size, self.is_signed),
            core::cmp::Ordering::Less => (other.size, other.is_signed),
            core::cmp::Ordering::Equal => (self.size, self.is_signed && other.is_signed),
        }
    }
}

/// The type of an integer that was computed, as gdb names it.
pub(super) fn builtin_of(size: u64, is_signed: bool) -> Builtin {
    match (size, is_signed) {
        (0..=4, true) => Builtin::Int,
        (0..=4, false) => Builtin::Unsigned,
        (5..=8, true) => Builtin::Long,
        (5..=8, false) => Builtin::UnsignedLong,
        (_, true) => Builtin::Int128,
        (_, false) => Builtin::UnsignedInt128,
    }
}

/// Whether a stripped type is an integer, an enum, a character, a boolean.
pub(super) fn is_integral(described: &Type) -> bool {
    match described {
        Type::Base(base) => {
            !matches!(base.encoding, Encoding::Float | Encoding::ComplexFloat | Encoding::ComplexInteger)
        }
        Type::Enumeration(_) => true,
        _ => false,
    }
}

pub(super) fn is_float(described: &Type) -> bool {
    matches!(described, Type::Base(base) if base.encoding == Encoding::Float)
}

pub(super) fn is_boolean(described: &Type) -> bool {
    matches!(described, Type::Base(base) if base.encoding == Encoding::Boolean)
}

impl Evaluator<'_> {
    /// The number that a value without reference is; `None` if it is none.
    pub(super) fn number(&mut self, value: &Value) -> Result<Option<Number>, Stop> {
        let (type_id, described) = self.stripped(value.type_id);
        if let Type::Base(base) = &*described
            && base.encoding == Encoding::Float
        {
            let bytes = self.bytes(value)?;
            let Some(format) = Format::of(base) else {
                return error(format!("the format of {} is not known", base.name));
            };
            return Ok(Some(Number::Float(Float::new(&bytes, format, type_id, bytes.len() as u64))));
        }
        if !is_integral(&described) {
            return Ok(None);
        }
        let bytes = self.bytes(value)?;
        let is_signed = is_signed(&described);
        Ok(Some(Number::Integer(Integer {
            value: integer(&bytes, is_signed),
            size: bytes.len() as u64,
            is_signed,
            is_boolean: is_boolean(&described),
        })))
    }

    /// A value as C's `long`, or longer: an index, a count, an address.
    pub(super) fn integer(&mut self, value: Value) -> Result<i128, Stop> {
        let value = self.decayed(value)?;
        match self.number(&value)? {
            Some(Number::Integer(integer)) => Ok(integer.value),
            Some(Number::Float(float)) => Ok(float.truncated(true, 8)),
            None => match &*self.stripped(value.type_id).1 {
                Type::Pointer(_) => Ok(i128::from(self.word(&value)?)),
                _ => error("Value can't be converted to integer."),
            },
        }
    }

    /// A value as an address.
    pub(super) fn address(&mut self, value: Value) -> Result<u64, Stop> {
        self.integer(value).map(|integer| integer as u64)
    }

    /// The first eight bytes of a value as an unsigned integer: the address in a pointer.
    pub(super) fn word(&mut self, value: &Value) -> Result<u64, Stop> {
        let bytes = self.bytes(value)?;
        Ok(integer(bytes.get(..8).unwrap_or(&bytes), false) as u64)
    }

    pub(super) fn integer_value(&mut self, integer: i128, size: u64, is_signed: bool) -> Value {
        self.builtin(builtin_of(size, is_signed), integer)
    }

    /// An integer as a value of an integral type.
    pub(super) fn integral_value(&mut self, integer: i128, type_id: TypeId) -> Value {
        let size = self.size_of(type_id).unwrap_or(4);
        Value::new(type_id, integer_bytes(integer, size))
    }

    /// Whether a condition holds.
    pub(super) fn holds(&mut self, condition: &crate::ast::Expression) -> Result<bool, Stop> {
        let value = self.value(condition)?;
        self.truth_for(&value, None)
    }

    /// Whether a value counts as true. The operator that asks is named when a class has no such one.
    pub(super) fn truth_for(&mut self, value: &Value, asking: Option<Binary>) -> Result<bool, Stop> {
        let value = self.referent(value.clone())?;
        match &*self.stripped(value.type_id).1 {
            Type::Void => return Ok(false),
            Type::Record(_) => return self.truth_of_record(&value, asking),
            _ => {}
        }
        let value = self.decayed(value)?;
        match self.number(&value)? {
            Some(Number::Float(float)) => Ok(float.is_true()),
            Some(Number::Integer(integer)) => Ok(integer.value != 0),
            None => Ok(self.bytes(&value)?.iter().any(|byte| *byte != 0)),
        }
    }
}
