//! `==`, `<` and their like.

use core::cmp::Ordering;

use super::numbers::Number;
use super::{Evaluator, error};
use crate::access::extended;
use crate::ast::Binary;
use crate::target::Stop;
use crate::types::Type;
use crate::value::Value;

impl Evaluator<'_> {
    /// Whether a comparison of two decayed values holds.
    pub(super) fn compared(&mut self, operator: Binary, left: &Value, right: &Value) -> Result<bool, Stop> {
        let is_equality = matches!(operator, Binary::Equal | Binary::NotEqual);
        let order = match (self.number(left)?, self.number(right)?) {
            (Some(Number::Integer(a)), Some(Number::Integer(b))) => {
                let (a, b) = (a.promoted(), b.promoted());
                let (size, is_signed) = a.common(b);
                let fit = |value: i128| extended(value as u128, size.saturating_mul(8), is_signed);
                Some(if is_signed {
                    (fit(a.value) as i128).cmp(&(fit(b.value) as i128))
                } else {
                    fit(a.value).cmp(&fit(b.value))
                })
            }
            (Some(Number::Float(a)), Some(Number::Float(b))) => a.compared(&b),
            // As gdb has it: the integer is rounded to the other one's type first.
            (Some(Number::Float(a)), Some(Number::Integer(b))) => a.compared(&a.of_integer(b)),
            (Some(Number::Integer(a)), Some(Number::Float(b))) => b.of_integer(a).compared(&b),
            (Some(Number::Integer(a)), None) if self.is_pointer(right) => {
                Some((a.value as u64).cmp(&self.word(right)?))
            }
            (None, Some(Number::Integer(b))) if self.is_pointer(left) => Some(self.word(left)?.cmp(&(b.value as u64))),
            (None, None) if self.is_pointer(left) && self.is_pointer(right) => {
                Some(self.word(left)?.cmp(&self.word(right)?))
            }
            (None, None) if is_equality && self.is_same_plain(left, right) => {
                let (a, b) = (self.bytes(left)?, self.bytes(right)?);
                Some(if a == b { Ordering::Equal } else { Ordering::Less })
            }
            _ if is_equality => return error("Invalid type combination in equality test."),
            _ => return error("Invalid type combination in ordering comparison."),
        };
        Ok(match operator {
            Binary::Equal => order == Some(Ordering::Equal),
            Binary::NotEqual => order != Some(Ordering::Equal),
            Binary::Less => order == Some(Ordering::Less),
            Binary::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Binary::Greater => order == Some(Ordering::Greater),
            _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        })
    }

    pub(super) fn is_pointer(&mut self, value: &Value) -> bool {
        matches!(&*self.stripped(value.type_id).1, Type::Pointer(_))
    }

    /// Two values of one kind whose bytes tell whether they are equal: vectors, complex numbers, pointers to members.
    fn is_same_plain(&mut self, left: &Value, right: &Value) -> bool {
        let (_, a) = self.stripped(left.type_id);
        let (_, b) = self.stripped(right.type_id);
        let is_same = core::mem::discriminant(&*a) == core::mem::discriminant(&*b);
        is_same
            && !matches!(&*a, Type::Void | Type::Unknown(_))
            && self.size_of(left.type_id) == self.size_of(right.type_id)
    }
}
