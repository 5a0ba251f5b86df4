//! Floating-point numbers of every size that C has on x86_64.
//!
//! Pure. `long double` is x87's format of 80 bits (Intel SDM volume 1, 4.2.2), which Rust has no type for. All formats are unpacked to
//! a whole number and a power of two, and packed again with one rounding, to nearest and to even; their decimal digits are exact.
//! Arithmetic is exact up to that rounding too, except in [`Format::Quad`], which is calculated in x87's format.

mod decimal;

use core::cmp::Ordering;

use crate::types::Base;

/// A layout of bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// IEEE, 2 bytes.
    Half,
    /// IEEE, 4 bytes.
    Single,
    /// IEEE, 8 bytes.
    Double,
    /// x87's 10 bytes, mostly stored in 16.
    Extended,
    /// IEEE, 16 bytes: `__float128`.
    Quad,
}

/// A number without its format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unpacked {
    /// Negative, and the bits of the fraction.
    Nan(bool, u128),
    Infinite(bool),
    /// (-1)^negative * mantissa * 2^exponent.
    Finite {
        is_negative: bool,
        mantissa: u128,
        exponent: i32,
    },
    /// x87's combinations that no processor makes any more.
    Invalid,
}

/// The operations of [`arithmetic`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Format {
    /// The format of a type's values; of one of a complex type's parts with half the size.
    pub fn of(base: &Base) -> Option<Format> {
        Format::named(&base.name, base.size)
    }

    /// The format of a type of this name and size.
    pub fn named(name: &str, size: u64) -> Option<Format> {
        let is_quad = ["128", "f128"].iter().any(|quad| name.contains(quad));
        match size {
            2 => Some(Format::Half),
            4 => Some(Format::Single),
            8 => Some(Format::Double),
            16 if is_quad => Some(Format::Quad),
            10 | 12 | 16 => Some(Format::Extended),
            _ => None,
        }
    }

    /// The format of a size alone.
    pub fn of_size(size: u64) -> Option<Format> {
        Format::named("", size)
    }

    /// Bits of the mantissa, the leading one among them.
    fn precision(self) -> u32 {
        match self {
            Format::Half => 11,
            Format::Single => 24,
            Format::Double => 53,
            Format::Extended => 64,
            Format::Quad => 113,
        }
    }

    fn exponent_bits(self) -> u32 {
        match self {
            Format::Half => 5,
            Format::Single => 8,
            Format::Double => 11,
            Format::Extended | Format::Quad => 15,
        }
    }

    fn bias(self) -> i32 {
        (1 << (self.exponent_bits() - 1)) - 1
    }

    /// Bits of the fraction as they are stored.
    fn fraction_bits(self) -> u32 {
        if self == Format::Extended { 64 } else { self.precision() - 1 }
    }

    /// Bytes that carry information.
    fn width(self) -> usize {
        match self {
            Format::Half => 2,
            Format::Single => 4,
            Format::Double => 8,
            Format::Extended => 10,
            Format::Quad => 16,
        }
    }

    /// Bytes of a value as C stores it.
    pub fn size(self) -> usize {
        if self == Format::Extended { 16 } else { self.width() }
    }

    /// As many decimal digits as gdb shows: enough to tell all numbers apart.
    fn digits(self) -> usize {
        match self {
            Format::Half => 5,
            Format::Single => 9,
            Format::Double => 17,
            Format::Extended => 21,
            Format::Quad => 36,
        }
    }

    fn mask(bits: u32) -> u128 {
        if bits >= 128 { u128::MAX } else { (1 << bits) - 1 }
    }

    fn unpack(self, bytes: &[u8]) -> Unpacked {
        let mut wide = [0; 16];
        for (slot, byte) in wide.iter_mut().zip(bytes.iter().take(self.width())) {
            *slot = *byte;
        }
        let word = u128::from_le_bytes(wide);
        let stored = self.fraction_bits();
        let fraction = word & Self::mask(stored);
        let exponent = (word >> stored) & Self::mask(self.exponent_bits());
        let is_negative = (word >> (stored + self.exponent_bits())) & 1 != 0;
        let explicit = self == Format::Extended;
        let leading = 1u128 << (self.precision() - 1);
        if exponent == Self::mask(self.exponent_bits()) {
            let rest = if explicit { fraction & !leading } else { fraction };
            return match (rest, explicit && fraction & leading == 0) {
                (_, true) => Unpacked::Invalid,
                (0, false) => Unpacked::Infinite(is_negative),
                (_, false) => Unpacked::Nan(is_negative, fraction),
            };
        }
        // As gdb has it: a number with the lowest exponent is one without a leading bit, and all others have it.
        if explicit && (exponent != 0) != (fraction & leading != 0) {
            return Unpacked::Invalid;
        }
        let mantissa = if explicit || exponent == 0 { fraction } else { fraction | leading };
        let scale = i32::try_from(exponent.max(1)).unwrap_or(0);
        Unpacked::Finite {
            is_negative,
            mantissa,
            exponent: scale - self.bias() - (i32::try_from(self.precision()).unwrap_or(0) - 1),
        }
    }

    fn assemble(self, is_negative: bool, exponent: u128, fraction: u128) -> Vec<u8> {
        let stored = self.fraction_bits();
        let word = fraction | (exponent << stored) | (u128::from(is_negative) << (stored + self.exponent_bits()));
        let mut bytes = word.to_le_bytes().get(..self.width()).unwrap_or_default().to_vec();
        bytes.resize(self.size(), 0);
        bytes
    }

    /// The nearest number of this format; `is_sticky`: there is more below the mantissa's last bit.
    fn pack(self, number: Unpacked, is_sticky: bool) -> Vec<u8> {
        let leading = 1u128 << (self.precision() - 1);
        let top = Self::mask(self.exponent_bits());
        let whole = if self == Format::Extended { leading } else { 0 };
        let (is_negative, mut mantissa, mut exponent) = match number {
            Unpacked::Nan(is_negative, fraction) => {
                // Quiet; what fits of the payload is not kept.
                let quiet = if fraction == 0 { 0 } else { leading >> 1 };
                return self.assemble(is_negative, top, whole | quiet);
            }
            Unpacked::Invalid => return self.assemble(true, top, whole | (leading >> 1)),
            Unpacked::Infinite(is_negative) => return self.assemble(is_negative, top, whole),
            Unpacked::Finite { is_negative, mantissa, exponent } => (is_negative, mantissa, exponent),
        };
        if mantissa == 0 {
            return self.assemble(is_negative, 0, 0);
        }
        let precision = i32::try_from(self.precision()).unwrap_or(0);
        let lowest = 1 - self.bias() - (precision - 1);
        let length = i32::try_from(128 - mantissa.leading_zeros()).unwrap_or(0);
        // The exponent of the last bit that is kept.
        let unit = (exponent + length - precision).max(lowest);
        let drop = unit - exponent;
        if drop > 0 {
            let shift = u32::try_from(drop).unwrap_or(0);
            let (kept, half, rest) = if shift > 128 {
                (0, false, true)
            } else if shift == 128 {
                (0, mantissa >> 127 != 0, mantissa << 1 != 0 || is_sticky)
            } else {
                let half = (mantissa >> (shift - 1)) & 1 != 0;
                let below = mantissa & Self::mask(shift - 1);
                (mantissa >> shift, half, below != 0 || is_sticky)
            };
            mantissa = kept + u128::from(half && (rest || kept & 1 != 0));
            if mantissa > Self::mask(self.precision()) {
                mantissa >>= 1;
                exponent = unit + 1;
            } else {
                exponent = unit;
            }
        } else {
            mantissa <<= u32::try_from(-drop).unwrap_or(0);
            exponent = unit;
        }
        if mantissa < leading {
            return self.assemble(is_negative, 0, mantissa);
        }
        let biased = exponent + (precision - 1) + self.bias();
        match u128::try_from(biased) {
            Ok(biased) if biased < top => {
                let fraction = if self == Format::Extended { mantissa } else { mantissa & !leading };
                self.assemble(is_negative, biased, fraction)
            }
            _ => self.assemble(is_negative, top, whole),
        }
    }
}

/// The number in these bytes (2, 4, 8, or x87's 10 and more), rounded to an `f64`.
pub fn to_f64(bytes: &[u8]) -> f64 {
    let format = match bytes.len() {
        0 | 1 => return 0.0,
        2 | 3 => Format::Half,
        4..=7 => Format::Single,
        8 | 9 => Format::Double,
        _ => Format::Extended,
    };
    let double = convert(bytes, format, Format::Double);
    f64::from_bits(u64::from_le_bytes(double.try_into().unwrap_or_default()))
}

/// The bytes of a number in the format of this size (2, 4, 8 or 16, which is x87's).
pub fn from_f64(number: f64, size: u64) -> Vec<u8> {
    let format = Format::of_size(size).unwrap_or(Format::Double);
    convert(&number.to_bits().to_le_bytes(), Format::Double, format)
}

/// A number in another format.
pub fn convert(bytes: &[u8], from: Format, to: Format) -> Vec<u8> {
    if from == to {
        let mut bytes = bytes.get(..from.width().min(bytes.len())).unwrap_or_default().to_vec();
        bytes.resize(to.size(), 0);
        return bytes;
    }
    to.pack(from.unpack(bytes), false)
}

/// An integer as a floating-point number: its magnitude, and whether it is negative.
pub fn from_integer(magnitude: u128, is_negative: bool, format: Format) -> Vec<u8> {
    format.pack(Unpacked::Finite { is_negative, mantissa: magnitude, exponent: 0 }, false)
}

/// The number without its fraction; `None` for what no `i128` can hold.
pub fn to_integer(bytes: &[u8], format: Format) -> Option<i128> {
    let Unpacked::Finite { is_negative, mantissa, exponent } = format.unpack(bytes) else {
        return None;
    };
    let magnitude = if exponent < 0 {
        mantissa.checked_shr(exponent.unsigned_abs()).unwrap_or(0)
    } else if mantissa == 0 {
        0
    } else if mantissa.leading_zeros() > exponent.unsigned_abs() {
        mantissa << exponent
    } else {
        return None;
    };
    let magnitude = i128::try_from(magnitude).ok()?;
    Some(if is_negative { -magnitude } else { magnitude })
}

/// Whether the number counts as true: all but zero.
pub fn is_true(bytes: &[u8], format: Format) -> bool {
    !matches!(format.unpack(bytes), Unpacked::Finite { mantissa: 0, .. })
}

/// The number with the other sign.
pub fn negated(bytes: &[u8], format: Format) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(last) = bytes.get_mut(format.width() - 1) {
        *last ^= 0x80;
    }
    bytes
}

/// What C's comparisons say; `None` with a NaN.
pub fn compare(left: &[u8], right: &[u8], format: Format) -> Option<Ordering> {
    let key = |number: Unpacked| match number {
        Unpacked::Nan(..) | Unpacked::Invalid => None,
        Unpacked::Infinite(is_negative) => Some((is_negative, i32::MAX, 0)),
        Unpacked::Finite { mantissa: 0, .. } => Some((false, i32::MIN, 0)),
        Unpacked::Finite { is_negative, mantissa, exponent } => {
            let zeros = mantissa.leading_zeros();
            Some((is_negative, exponent - i32::try_from(zeros).unwrap_or(0), mantissa << zeros))
        }
    };
    let ((left_sign, left_scale, left), (right_sign, right_scale, right)) =
        (key(format.unpack(left))?, key(format.unpack(right))?);
    Some(match (left_sign, right_sign) {
        (false, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, false) => (left_scale, left).cmp(&(right_scale, right)),
        (true, true) => (right_scale, right).cmp(&(left_scale, left)),
    })
}

/// C's arithmetic in one format.
pub fn arithmetic(operation: Operation, left: &[u8], right: &[u8], format: Format) -> Vec<u8> {
    if format == Format::Quad {
        let (left, right) = (convert(left, format, Format::Extended), convert(right, format, Format::Extended));
        return convert(&arithmetic(operation, &left, &right, Format::Extended), Format::Extended, format);
    }
    let (a, mut b) = (format.unpack(left), format.unpack(right));
    if operation == Operation::Subtract {
        b = match b {
            Unpacked::Infinite(is_negative) => Unpacked::Infinite(!is_negative),
            Unpacked::Finite { is_negative, mantissa, exponent } => {
                Unpacked::Finite { is_negative: !is_negative, mantissa, exponent }
            }
            other => other,
        };
    }
    // The processor's own answer to what has none: a negative quiet NaN.
    let indefinite = Unpacked::Invalid;
    let (number, is_sticky) = match (a, b) {
        (Unpacked::Nan(..) | Unpacked::Invalid, _) => (a, false),
        (_, Unpacked::Nan(..) | Unpacked::Invalid) => (b, false),
        _ => match operation {
            Operation::Add | Operation::Subtract => sum(a, b, indefinite),
            Operation::Multiply => product(a, b, indefinite),
            Operation::Divide => quotient(a, b, indefinite),
        },
    };
    format.pack(number, is_sticky)
}

fn is_negative(number: Unpacked) -> bool {
    match number {
        Unpacked::Nan(is_negative, _) | Unpacked::Infinite(is_negative) => is_negative,
        Unpacked::Finite { is_negative, .. } => is_negative,
        Unpacked::Invalid => true,
    }
}

/// With the mantissa's highest bit at bit 63: all formats that are calculated in have at most 64.
fn normalized(mantissa: u128, exponent: i32) -> (u128, i32) {
    let shift = 64 - i32::try_from(128 - mantissa.leading_zeros()).unwrap_or(0);
    (mantissa << u32::try_from(shift).unwrap_or(0), exponent - shift)
}

fn sum(a: Unpacked, b: Unpacked, indefinite: Unpacked) -> (Unpacked, bool) {
    let (
        Unpacked::Finite { is_negative: a_sign, mantissa: a_mantissa, exponent: a_exponent },
        Unpacked::Finite { is_negative: b_sign, mantissa: b_mantissa, exponent: b_exponent },
    ) = (a, b)
    else {
        let both = matches!((a, b), (Unpacked::Infinite(_), Unpacked::Infinite(_)));
        let infinite = if matches!(a, Unpacked::Infinite(_)) { a } else { b };
        return (if both && a != b { indefinite } else { infinite }, false);
    };
    if a_mantissa == 0 || b_mantissa == 0 {
        let zero = Unpacked::Finite { is_negative: a_sign && b_sign, mantissa: 0, exponent: 0 };
        return (
            if a_mantissa != 0 {
                a
            } else if b_mantissa != 0 {
                b
            } else {
                zero
            },
            false,
        );
    }
    let ((a_mantissa, a_exponent), (b_mantissa, b_exponent)) =
        (normalized(a_mantissa, a_exponent), normalized(b_mantissa, b_exponent));
    let a_is_larger = (a_exponent, a_mantissa) >= (b_exponent, b_mantissa);
    let (sign, large, scale, small, small_scale) = if a_is_larger {
        (a_sign, a_mantissa, a_exponent, b_mantissa, b_exponent)
    } else {
        (b_sign, b_mantissa, b_exponent, a_mantissa, a_exponent)
    };
    // 62 bits of room below the larger one.
    let large = large << 62;
    let distance = u32::try_from(scale - small_scale).unwrap_or(u32::MAX);
    let shifted = (small << 62).checked_shr(distance).unwrap_or(0);
    let is_sticky = distance > 62 && (distance >= 126 || small & Format::mask(distance - 62) != 0);
    let mantissa = if a_sign == b_sign { large + shifted } else { large - shifted - u128::from(is_sticky) };
    let sign = sign && mantissa != 0;
    (Unpacked::Finite { is_negative: sign, mantissa, exponent: scale - 62 }, is_sticky)
}

fn product(a: Unpacked, b: Unpacked, indefinite: Unpacked) -> (Unpacked, bool) {
    let sign = is_negative(a) != is_negative(b);
    let is_zero = |number| matches!(number, Unpacked::Finite { mantissa: 0, .. });
    match (a, b) {
        (
            Unpacked::Finite { mantissa: left, exponent: scale, .. },
            Unpacked::Finite { mantissa: right, exponent: other, .. },
        ) => {
            let mantissa = left.checked_mul(right).unwrap_or(0);
            (Unpacked::Finite { is_negative: sign, mantissa, exponent: scale + other }, false)
        }
        _ if is_zero(a) || is_zero(b) => (indefinite, false),
        _ => (Unpacked::Infinite(sign), false),
    }
}

fn quotient(a: Unpacked, b: Unpacked, indefinite: Unpacked) -> (Unpacked, bool) {
    let sign = is_negative(a) != is_negative(b);
    let zero = Unpacked::Finite { is_negative: sign, mantissa: 0, exponent: 0 };
    match (a, b) {
        (Unpacked::Infinite(_), Unpacked::Infinite(_)) => (indefinite, false),
        (Unpacked::Infinite(_), _) => (Unpacked::Infinite(sign), false),
        (_, Unpacked::Infinite(_)) => (zero, false),
        (
            Unpacked::Finite { mantissa: left, exponent: scale, .. },
            Unpacked::Finite { mantissa: right, exponent: other, .. },
        ) => match (left, right) {
            (0, 0) => (indefinite, false),
            (0, _) => (zero, false),
            (_, 0) => (Unpacked::Infinite(sign), false),
            _ => {
                let ((left, scale), (right, other)) = (normalized(left, scale), normalized(right, other));
                let dividend = left << 64;
                let (high, rest) = (dividend / right, dividend % right);
                let (digits, left_over) = ((rest << 60) / right, (rest << 60) % right);
                let mantissa = (high << 60) | digits;
                (Unpacked::Finite { is_negative: sign, mantissa, exponent: scale - other - 124 }, left_over != 0)
            }
        },
        _ => (indefinite, false),
    }
}

/// The number as gdb prints it: C's `%g` with enough digits to tell it from its neighbours.
pub fn text(bytes: &[u8], format: Format) -> String {
    match format.unpack(bytes) {
        Unpacked::Nan(is_negative, fraction) => format!("{}nan({fraction:#x})", if is_negative { "-" } else { "" }),
        Unpacked::Infinite(is_negative) => if is_negative { "-inf" } else { "inf" }.to_owned(),
        Unpacked::Invalid => "<invalid float value>".to_owned(),
        Unpacked::Finite { is_negative, mantissa, exponent } => {
            let sign = if is_negative { "-" } else { "" };
            format!("{sign}{}", decimal::general(mantissa, exponent, format.digits()))
        }
    }
}

/// The number that a literal (without suffix) is, correctly rounded: `1.5e3`, `.5`, `0x1p-3`, `inf`, `nan`.
pub fn parse(text: &str, format: Format) -> Option<Vec<u8>> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.eq_ignore_ascii_case("inf") || digits.eq_ignore_ascii_case("infinity") {
        return Some(format.pack(Unpacked::Infinite(is_negative), false));
    }
    if digits.eq_ignore_ascii_case("nan") {
        return Some(format.pack(Unpacked::Nan(is_negative, 1), false));
    }
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (mantissa, exponent, is_sticky) = match hexadecimal {
        Some(digits) => decimal::parse_hexadecimal(digits)?,
        None => decimal::parse(digits)?,
    };
    Some(format.pack(Unpacked::Finite { is_negative, mantissa, exponent }, is_sticky))
}

#[cfg(test)]
mod tests;
