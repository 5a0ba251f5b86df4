//! GNU C's vector types: operators go over the elements, and a number stands for a vector of it.

use super::{Answer, Evaluator, error};
use crate::access::{LARGEST, part};
use crate::ast::{Binary, Unary};
use crate::types::{Type, TypeId};
use crate::value::Value;

impl Evaluator<'_> {
    pub(super) fn is_vector(&mut self, value: &Value) -> bool {
        self.vector(value).is_some()
    }

    /// The type of a vector's elements, their size, and how many there are.
    fn vector(&mut self, value: &Value) -> Option<(TypeId, u64, u64)> {
        match &*self.stripped(value.type_id).1 {
            Type::Array { of, count, is_vector: true } => {
                let size = self.size_of(*of)?;
                let count = (*count)?;
                (size.checked_mul(count)? <= LARGEST).then_some((*of, size, count))
            }
            _ => None,
        }
    }

    pub(super) fn binary_of_vectors(&mut self, operator: Binary, left: Value, right: Value) -> Answer {
        let (left_shape, right_shape) = (self.vector(&left), self.vector(&right));
        let Some((of, size, count)) = left_shape.or(right_shape) else {
            return error("the vector is too large");
        };
        if let (Some((_, a, n)), Some((_, b, m))) = (left_shape, right_shape)
            && (a, n) != (b, m)
        {
            return error("Cannot perform operation on vectors with different types");
        }
        let type_id = if left_shape.is_some() { left.type_id } else { right.type_id };
        if matches!(operator, Binary::Equal | Binary::NotEqual) {
            let is_equal = self.bytes(&left)? == self.bytes(&right)?;
            return Ok(self.truth_value(is_equal == (operator == Binary::Equal)));
        }
        let mut bytes = Vec::new();
        for at in 0..count {
            self.target.check()?;
            let offset = at.saturating_mul(size);
            let a = if left_shape.is_some() { part(&left, offset, of, self.target) } else { left.clone() };
            let b = if right_shape.is_some() { part(&right, offset, of, self.target) } else { right.clone() };
            let sum = self.binary(operator, a, b)?;
            let sum = self.cast(of, sum)?;
            bytes.extend(self.bytes(&sum)?);
        }
        Ok(Value::new(type_id, bytes))
    }

    pub(super) fn unary_of_vector(&mut self, operator: Unary, value: &Value) -> Answer {
        let Some((of, size, count)) = self.vector(value) else {
            return error("the vector is too large");
        };
        let mut bytes = Vec::new();
        for at in 0..count {
            self.target.check()?;
            let element = part(value, at.saturating_mul(size), of, self.target);
            let element = self.unary(operator, element)?;
            let element = self.cast(of, element)?;
            bytes.extend(self.bytes(&element)?);
        }
        Ok(Value::new(value.type_id, bytes))
    }
}
