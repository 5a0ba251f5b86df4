//! Floating-point numbers in their own format: arithmetic, comparison, conversions.
//!
//! Pure. `float` and `double` are the processor's, by Rust's own types; all other formats are calculated bit by bit.

use core::cmp::Ordering;

use super::numbers::Integer;
use crate::ast::Binary;
use crate::float::{self, Format, Operation};
use crate::types::TypeId;
use crate::value::Value;

/// A number, and the stripped type that it has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Float {
    bytes: [u8; 16],
    pub(super) format: Format,
    pub(super) type_id: TypeId,
    /// Of a value of the type, in bytes: there may be padding.
    pub(super) size: u64,
}

impl Float {
    pub(super) fn new(bytes: &[u8], format: Format, type_id: TypeId, size: u64) -> Float {
        let mut wide = [0; 16];
        for (slot, byte) in wide.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        Float { bytes: wide, format, type_id, size }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.format.size()).unwrap_or_default()
    }

    /// As a value of its type.
    pub(super) fn value(&self) -> Value {
        let mut bytes = self.bytes().to_vec();
        bytes.resize(usize::try_from(self.size).unwrap_or(0), 0);
        Value::new(self.type_id, bytes)
    }

    /// Of the type that `like` has, rounded.
    pub(super) fn converted(&self, like: &Float) -> Float {
        self.to(like.format, like.type_id, like.size)
    }

    /// Of another type, rounded.
    pub(super) fn to(&self, format: Format, type_id: TypeId, size: u64) -> Float {
        let bytes = match (self.format, format) {
            // The processor keeps what it can of a NaN.
            (Format::Single, Format::Double) => f64::from(self.single()).to_le_bytes().to_vec(),
            (Format::Double, Format::Single) => (self.double() as f32).to_le_bytes().to_vec(),
            (from, to) => float::convert(self.bytes(), from, to),
        };
        Float::new(&bytes, format, type_id, size)
    }

    fn single(&self) -> f32 {
        f32::from_le_bytes(self.bytes().try_into().unwrap_or_default())
    }

    fn double(&self) -> f64 {
        f64::from_le_bytes(self.bytes().try_into().unwrap_or_default())
    }

    /// The integer as a number of the type that this one has.
    pub(super) fn of_integer(&self, integer: Integer) -> Float {
        let is_negative = integer.is_signed && integer.value < 0;
        let magnitude = if is_negative { integer.value.unsigned_abs() } else { integer.value as u128 };
        let bytes = float::from_integer(magnitude, is_negative, self.format);
        Float::new(&bytes, self.format, self.type_id, self.size)
    }

    /// All but zero is true.
    pub(super) fn is_true(&self) -> bool {
        float::is_true(self.bytes(), self.format)
    }

    pub(super) fn negated(&self) -> Float {
        Float::new(&float::negated(self.bytes(), self.format), self.format, self.type_id, self.size)
    }

    fn is_nan(&self) -> bool {
        self.compared(self).is_none()
    }

    fn is_negative(&self) -> bool {
        self.bytes.get(self.last()).is_some_and(|byte| byte & 0x80 != 0)
    }

    /// The byte with the sign.
    fn last(&self) -> usize {
        if self.format == Format::Extended { 9 } else { self.format.size().saturating_sub(1) }
    }

    /// Cut to an integer, as a processor's conversion would have it, but never wrapping.
    pub(super) fn truncated(&self, is_signed: bool, size: u64) -> i128 {
        if self.is_nan() {
            return if is_signed { -1i128 << size.saturating_mul(8).saturating_sub(1).min(127) } else { 0 };
        }
        let whole = float::to_integer(self.bytes(), self.format);
        let whole = whole.unwrap_or(if self.is_negative() { i128::MIN } else { i128::MAX });
        let (least, most) = match (size > 8, is_signed) {
            (true, _) => (i128::MIN, i128::MAX),
            (false, true) => (i128::from(i64::MIN), i128::from(i64::MAX)),
            (false, false) => (i128::from(i64::MIN), i128::from(u64::MAX)),
        };
        whole.clamp(least, most)
    }

    /// Whether something is left of it without its fraction.
    pub(super) fn is_true_cut(&self) -> bool {
        float::to_integer(self.bytes(), self.format) != Some(0)
    }

    pub(super) fn compared(&self, other: &Float) -> Option<Ordering> {
        if self.format == other.format {
            return float::compare(self.bytes(), other.bytes(), self.format);
        }
        let (a, b) = widened(self, other);
        float::compare(a.bytes(), b.bytes(), a.format)
    }

    /// `+`, `-`, `*`, `/`: the result has the longer one's type. `None`: an operator of integers.
    pub(super) fn calculated(&self, operator: Binary, other: &Float) -> Option<Float> {
        let operation = match operator {
            Binary::Add => Operation::Add,
            Binary::Subtract => Operation::Subtract,
            Binary::Multiply => Operation::Multiply,
            Binary::Divide => Operation::Divide,
            _ => return None,
        };
        let (a, b) = widened(self, other);
        let bytes = match a.format {
            Format::Single => {
                let (a, b) = (a.single(), b.single());
                let result = match operation {
                    Operation::Add => a + b,
                    Operation::Subtract => a - b,
                    Operation::Multiply => a * b,
                    Operation::Divide => a / b,
                };
                result.to_le_bytes().to_vec()
            }
            Format::Double => {
                let (a, b) = (a.double(), b.double());
                let result = match operation {
                    Operation::Add => a + b,
                    Operation::Subtract => a - b,
                    Operation::Multiply => a * b,
                    Operation::Divide => a / b,
                };
                result.to_le_bytes().to_vec()
            }
            _ => float::arithmetic(operation, a.bytes(), b.bytes(), a.format),
        };
        Some(Float::new(&bytes, a.format, a.type_id, a.size))
    }
}

/// Both as numbers of the longer one's type.
fn widened(left: &Float, right: &Float) -> (Float, Float) {
    let is_wider = |a: &Float, b: &Float| (a.size, a.format == Format::Quad) > (b.size, b.format == Format::Quad);
    if is_wider(right, left) { (left.converted(right), *right) } else { (*left, right.converted(left)) }
}
