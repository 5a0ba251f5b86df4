//! Bytes of floating-point numbers <-> `f64`, in which all floating arithmetic is done.
//!
//! Pure. The one place to widen when `long double` is to be calculated as such.

use crate::float;

/// The number in these bytes.
pub(super) fn number(bytes: &[u8]) -> f64 {
    if let Ok(single) = bytes.try_into() {
        return f64::from(f32::from_le_bytes(single));
    }
    if let Ok(double) = bytes.try_into() {
        return f64::from_le_bytes(double);
    }
    float::to_f64(bytes)
}

/// A number in the format of this size.
pub(super) fn bytes(number: f64, size: u64) -> Vec<u8> {
    match size {
        4 => (number as f32).to_le_bytes().to_vec(),
        8 => number.to_le_bytes().to_vec(),
        _ => float::from_f64(number, size),
    }
}
