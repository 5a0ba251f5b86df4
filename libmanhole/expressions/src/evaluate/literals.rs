//! Numbers and strings as they are written.

use super::floats;
use super::{Answer, Evaluator, error};
use crate::access::integer_bytes;
use crate::ast::Builtin;
use crate::types::Type;
use crate::value::Value;

impl Evaluator<'_> {
    #[inline(never)]
    pub(super) fn floating(&mut self, text: &str, builtin: Builtin) -> Answer {
        let Some(number) = parsed(text) else {
            return error(format!("Invalid number \"{text}\"."));
        };
        let type_id = self.intern(builtin.as_type());
        let size = builtin.base().map_or(8, |base| base.size);
        Ok(Value::new(type_id, floats::bytes(number, size)))
    }

    /// An array with its NUL. It stands nowhere until something wants its address.
    #[inline(never)]
    pub(super) fn string(&mut self, bytes: &[u8], builtin: Builtin) -> Value {
        let size = builtin.base().map_or(1, |base| base.size);
        let of = self.intern(builtin.as_type());
        let count = (bytes.len() as u64).checked_div(size).unwrap_or(0).saturating_add(1);
        let type_id = self.intern(Type::Array { of, count: Some(count), is_vector: false });
        let mut all = bytes.to_vec();
        all.extend(integer_bytes(0, size));
        Value::new(type_id, all)
    }

    #[inline(never)]
    pub(super) fn null(&mut self) -> Value {
        let void = self.intern(Type::Void);
        self.pointer(void, 0)
    }
}

/// Decimal, or C's hexadecimal with a binary exponent.
fn parsed(text: &str) -> Option<f64> {
    let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) else {
        return text.parse().ok();
    };
    let (mantissa, exponent) = digits.split_once(['p', 'P']).unwrap_or((digits, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut number = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        number = number * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let places = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    Some(number * 2f64.powi(exponent.saturating_sub(places)))
}
