//! `sizeof` and `alignof`. Their operands are not evaluated: only their types are wanted.

use super::{Answer, Evaluator, error};
use crate::ast::{Builtin, Expression, TypeName};
use crate::target::Stop;
use crate::types::{MemberLocation, Type, TypeId};
use crate::value::Value;

/// Records in records that are looked into for their alignment.
const NESTED: u32 = 16;

/// Types that are looked at for one alignment.
const MOST: usize = 5000;

impl Evaluator<'_> {
    /// The type of an expression, which is not evaluated.
    pub(super) fn type_of_expression(&mut self, operand: &Expression) -> Result<TypeId, Stop> {
        if let Expression::Type(name) = operand {
            return self.named_type(name);
        }
        let before = core::mem::replace(&mut self.types_only, true);
        let value = self.value(operand);
        self.types_only = before;
        value.map(|value| value.type_id)
    }

    #[inline(never)]
    pub(super) fn size_of_name(&mut self, name: &TypeName) -> Answer {
        let type_id = self.named_type(name)?;
        self.size_of_type(type_id)
    }

    #[inline(never)]
    pub(super) fn size_of_value(&mut self, operand: &Expression) -> Answer {
        let type_id = self.type_of_expression(operand)?;
        self.size_of_type(type_id)
    }

    fn size_of_type(&mut self, type_id: TypeId) -> Answer {
        let type_id = self.without_reference(type_id);
        match self.size_of(type_id) {
            Some(size) => Ok(self.size_value(size)),
            None => {
                let name = self.type_text(type_id);
                error(format!("the size of the type \"{name}\" is not known"))
            }
        }
    }

    #[inline(never)]
    pub(super) fn alignment_of_name(&mut self, name: &TypeName) -> Answer {
        let type_id = self.named_type(name)?;
        let alignment = self.alignment(type_id, NESTED, &mut { MOST });
        Ok(self.size_value(alignment))
    }

    #[inline(never)]
    pub(super) fn alignment_of_value(&mut self, operand: &Expression) -> Answer {
        let type_id = self.type_of_expression(operand)?;
        let alignment = self.alignment(type_id, NESTED, &mut { MOST });
        Ok(self.size_value(alignment))
    }

    /// gdb's sizes are `int`s.
    fn size_value(&mut self, size: u64) -> Value {
        let builtin = if i32::try_from(size).is_ok() { Builtin::Int } else { Builtin::UnsignedLong };
        self.builtin(builtin, i128::from(size))
    }

    pub(super) fn without_reference(&mut self, type_id: TypeId) -> TypeId {
        match &*self.stripped(type_id).1 {
            Type::Reference { to, .. } => *to,
            _ => type_id,
        }
    }

    fn alignment(&mut self, type_id: TypeId, levels: u32, budget: &mut usize) -> u64 {
        let type_id = self.without_reference(type_id);
        let (Some(levels), Some(rest)) = (levels.checked_sub(1), budget.checked_sub(1)) else { return 1 };
        *budget = rest;
        match &*self.stripped(type_id).1 {
            Type::Array { of, is_vector: false, .. } => self.alignment(*of, levels, budget),
            Type::Record(record) => {
                let parts = record.members.iter();
                let parts = parts.filter(|member| !matches!(member.location, MemberLocation::Static { .. }));
                parts.map(|member| self.alignment(member.type_id, levels, budget)).max().unwrap_or(1)
            }
            Type::MemberPointer { .. } => 8,
            _ => self.size_of(type_id).unwrap_or(1).max(1),
        }
    }
}
