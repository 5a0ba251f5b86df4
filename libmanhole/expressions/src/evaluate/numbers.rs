//! Values as numbers, and numbers as values of a type.

use super::floats;
use super::{Evaluator, error};
use crate::access::{integer, integer_bytes, is_signed};
use crate::ast::{Binary, Builtin};
use crate::target::Stop;
use crate::types::{Encoding, Type, TypeId};
use crate::value::Value;

/// What arithmetic can be done with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Integer(Integer),
    /// All sizes are computed as `f64`. The type is that of the value, stripped.
    Float {
        number: f64,
        type_id: TypeId,
        size: u64,
    },
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
        Type::Base(base) => !matches!(base.encoding, Encoding::Float | Encoding::ComplexFloat),
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

/// An `f64` cut to an integer, as a processor's conversion would have it, but never wrapping.
pub(super) fn truncated(number: f64, is_signed: bool, size: u64) -> i128 {
    if number.is_nan() {
        return if is_signed { -1i128 << size.saturating_mul(8).saturating_sub(1).min(127) } else { 0 };
    }
    if size > 8 {
        return number as i128;
    }
    if !is_signed && number > i64::MAX as f64 { i128::from(number as u64) } else { i128::from(number as i64) }
}

impl Evaluator<'_> {
    /// The number that a value without reference is; `None` if it is none.
    pub(super) fn number(&mut self, value: &Value) -> Result<Option<Number>, Stop> {
        let (type_id, described) = self.stripped(value.type_id);
        if is_float(&described) {
            let bytes = self.bytes(value)?;
            return Ok(Some(Number::Float { number: floats::number(&bytes), type_id, size: bytes.len() as u64 }));
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
            Some(Number::Float { number, .. }) => Ok(i128::from(number as i64)),
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

    pub(super) fn float_value(&mut self, number: f64, type_id: TypeId, size: u64) -> Value {
        Value::new(type_id, floats::bytes(number, size))
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
            Some(Number::Float { number, .. }) => Ok(number != 0.0),
            Some(Number::Integer(integer)) => Ok(integer.value != 0),
            None => Ok(self.bytes(&value)?.iter().any(|byte| *byte != 0)),
        }
    }
}
