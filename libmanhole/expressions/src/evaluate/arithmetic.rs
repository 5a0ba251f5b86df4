//! Operators on numbers and pointers.

use super::floats::Float;
use super::numbers::{Integer, Number, is_boolean, is_integral};
use super::{Answer, Evaluator, error};
use crate::access::extended;
use crate::ast::{Binary, Builtin, Unary};
use crate::target::Stop;
use crate::types::{Language, Type, TypeId};
use crate::value::Value;

const NOT_A_NUMBER: &str = "Argument to arithmetic operation not a number or boolean.";

impl Evaluator<'_> {
    /// All operators of two operands but `&&` and `||`, which are lazy.
    #[inline(never)]
    pub(super) fn binary(&mut self, operator: Binary, left: Value, right: Value) -> Answer {
        let left = self.referent(left)?;
        let right = self.referent(right)?;
        if self.is_record(&left) || self.is_record(&right) {
            return self.binary_by_operator(operator, left, right);
        }
        if self.is_vector(&left) || self.is_vector(&right) {
            return self.binary_of_vectors(operator, left, right);
        }
        let left = self.decayed(left)?;
        let right = self.decayed(right)?;
        if is_comparison(operator) {
            let truth = self.compared(operator, &left, &right)?;
            return Ok(self.truth_value(truth));
        }
        if self.is_complex(&left) || self.is_complex(&right) {
            return self.binary_of_complex(operator, &left, &right);
        }
        let (_, left_type) = self.stripped(left.type_id);
        let (_, right_type) = self.stripped(right.type_id);
        match (operator, &*left_type, &*right_type) {
            (Binary::Subtract, Type::Pointer(of), Type::Pointer(other)) => {
                return self.pointer_difference(&left, *of, &right, *other);
            }
            (Binary::Add | Binary::Subtract, Type::Pointer(to), _) => {
                return match self.number(&right)? {
                    Some(Number::Integer(steps)) => {
                        let steps = if operator == Binary::Add { steps.value } else { steps.value.wrapping_neg() };
                        self.moved(&left, *to, steps)
                    }
                    _ => error(NOT_A_NUMBER),
                };
            }
            (Binary::Add, _, Type::Pointer(to)) => {
                return match self.number(&left)? {
                    Some(Number::Integer(steps)) => self.moved(&right, *to, steps.value),
                    _ => error(NOT_A_NUMBER),
                };
            }
            _ => {}
        }
        match (self.number(&left)?, self.number(&right)?) {
            (Some(Number::Integer(a)), Some(Number::Integer(b))) => {
                let is_logic = matches!(operator, Binary::BitAnd | Binary::BitOr | Binary::BitXor);
                if a.is_boolean && b.is_boolean && is_logic {
                    let bits = whole_number(operator, a, b, (a.size, false))?;
                    let (type_id, _) = self.stripped(left.type_id);
                    return Ok(self.integral_value(bits, type_id));
                }
                let is_shift = matches!(operator, Binary::ShiftLeft | Binary::ShiftRight);
                // As gdb has it: a flag that is shifted is another flag.
                if is_shift && a.size >= 4 {
                    let bits = whole_number(operator, a, b, (a.size, a.is_signed))?;
                    let (type_id, _) = self.stripped(left.type_id);
                    return Ok(self.integral_value(bits, type_id));
                }
                self.integers(operator, a, b)
            }
            (Some(Number::Float(a)), Some(Number::Float(b))) => floats(operator, a, b),
            // As gdb has it: the integer is rounded to the other one's type first.
            (Some(Number::Float(a)), Some(Number::Integer(b))) => floats(operator, a, a.of_integer(b)),
            (Some(Number::Integer(a)), Some(Number::Float(b))) => floats(operator, b.of_integer(a), b),
            _ => error(NOT_A_NUMBER),
        }
    }

    fn integers(&mut self, operator: Binary, left: Integer, right: Integer) -> Answer {
        let (left, right) = (left.promoted(), right.promoted());
        let (size, is_signed) = match operator {
            // The type of a shift is that of what is shifted.
            Binary::ShiftLeft | Binary::ShiftRight => (left.size, left.is_signed),
            _ => left.common(right),
        };
        let divides = matches!(operator, Binary::Divide | Binary::Remainder);
        if divides && self.types_only && right.value == 0 {
            return Ok(self.integer_value(0, size, is_signed));
        }
        let result = whole_number(operator, left, right, (size, is_signed))?;
        Ok(self.integer_value(result, size, is_signed))
    }

    /// A pointer that many elements further.
    pub(super) fn moved(&mut self, pointer: &Value, to: TypeId, steps: i128) -> Answer {
        let size = self.element_size(to)?;
        let address = self.word(pointer)?.wrapping_add((steps as u64).wrapping_mul(size));
        Ok(Value::new(pointer.type_id, address.to_le_bytes().to_vec()))
    }

    fn element_size(&mut self, to: TypeId) -> Result<u64, Stop> {
        match self.size_of(to) {
            Some(size) => Ok(size.max(1)),
            None => {
                let name = self.type_text(to);
                error(format!(
                    "Cannot perform pointer math on incomplete type \"{name}\", try casting to a known type, or void *."
                ))
            }
        }
    }

    fn pointer_difference(&mut self, left: &Value, of: TypeId, right: &Value, other: TypeId) -> Answer {
        let size = self.element_size(of)?;
        if self.element_size(other)? != size {
            return error(
                "First argument of `-' is a pointer and second argument is neither\nan integer nor a pointer of the same type.",
            );
        }
        let bytes = self.word(left)?.wrapping_sub(self.word(right)?) as i64;
        let elements = i64::try_from(size).ok().and_then(|size| bytes.checked_div(size)).unwrap_or(0);
        Ok(self.builtin(Builtin::Long, i128::from(elements)))
    }

    /// `-`, `+`, `!`, `~`.
    #[inline(never)]
    pub(super) fn unary(&mut self, operator: Unary, value: Value) -> Answer {
        let value = self.referent(value)?;
        if self.is_record(&value) {
            return self.unary_by_operator(operator, value);
        }
        let described = self.stripped(value.type_id).1;
        // Rust has one operator for both.
        let inverts = self.variables.language == Language::Rust && is_integral(&described) && !is_boolean(&described);
        let inverted = operator == Unary::Not && inverts;
        let operator = if inverted { Unary::Complement } else { operator };
        if operator == Unary::Not {
            let truth = self.truth_for(&value, None)?;
            return Ok(self.truth_value(!truth));
        }
        if self.is_vector(&value) {
            return self.unary_of_vector(operator, &value);
        }
        if self.is_complex(&value) {
            return self.unary_of_complex(operator, &value);
        }
        let value = self.decayed(value)?;
        let number = self.number(&value)?;
        match (operator, number) {
            (Unary::Minus, Some(Number::Float(float))) => Ok(float.negated().value()),
            (Unary::Plus, Some(Number::Float(float))) => Ok(float.value()),
            (_, Some(Number::Integer(integer))) => {
                let result = match operator {
                    Unary::Minus => integer.value.wrapping_neg(),
                    Unary::Complement => !integer.value,
                    _ => integer.value,
                };
                // What is not promoted keeps its type: `~flags` is one of the flags' type, and Rust promotes nothing.
                if integer.size >= 4 || inverted {
                    let (type_id, _) = self.stripped(value.type_id);
                    return Ok(self.integral_value(result, type_id));
                }
                Ok(self.builtin(Builtin::Int, result))
            }
            (Unary::Minus, _) => error("Argument to negate operation not a number."),
            (Unary::Plus, _) => error("Argument to positive operation not a number."),
            _ => error("Argument to complement operation not an integer, boolean."),
        }
    }
}

pub(super) fn is_comparison(operator: Binary) -> bool {
    use Binary::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    matches!(operator, Equal | NotEqual | Less | LessOrEqual | Greater | GreaterOrEqual)
}

fn floats(operator: Binary, left: Float, right: Float) -> Answer {
    match left.calculated(operator, &right) {
        Some(result) => Ok(result.value()),
        None => error("Integer-only operation on floating point number."),
    }
}

/// Arithmetic of integers at a width. What overflows wraps round.
fn whole_number(operator: Binary, left: Integer, right: Integer, common: (u64, bool)) -> Result<i128, Stop> {
    let (size, is_signed) = common;
    let bits = size.saturating_mul(8);
    let fit = |value: i128| extended(value as u128, bits, is_signed) as i128;
    let (a, b) = (fit(left.value), fit(right.value));
    Ok(match operator {
        Binary::Add => a.wrapping_add(b),
        Binary::Subtract => a.wrapping_sub(b),
        Binary::Multiply => a.wrapping_mul(b),
        Binary::Divide | Binary::Remainder if b == 0 => return error("Division by zero"),
        Binary::Divide if is_signed => a.wrapping_div(b),
        Binary::Divide => ((a as u128).wrapping_div(b as u128)) as i128,
        Binary::Remainder if is_signed => a.wrapping_rem(b),
        Binary::Remainder => ((a as u128).wrapping_rem(b as u128)) as i128,
        Binary::BitAnd => a & b,
        Binary::BitOr => a | b,
        Binary::BitXor => a ^ b,
        // The count is not converted to the width of what is shifted.
        Binary::ShiftLeft => match u32::try_from(right.value) {
            Ok(count) if u64::from(count) < bits => a.wrapping_shl(count),
            _ => 0,
        },
        Binary::ShiftRight => match u32::try_from(right.value) {
            Ok(count) if u64::from(count) < bits => {
                if is_signed {
                    a.wrapping_shr(count)
                } else {
                    (a as u128).wrapping_shr(count) as i128
                }
            }
            _ if is_signed && a < 0 => -1,
            _ => 0,
        },
        _ => return error(NOT_A_NUMBER),
    })
}
