//! Decimal digits of binary numbers, and back: whole numbers of any length.
//!
//! Pure. What a text can ask for is bounded: exponents beyond all formats are cut to zero or infinity.

/// Exponents of ten beyond this are outside every format (x87's smallest number is about 4e-4951).
const LARGEST_EXPONENT: i64 = 6000;

/// Digits of a literal that are looked at; the others only round.
const LONGEST: usize = 2000;

/// The base of numbers for arithmetic.
const BINARY: u64 = 1 << 32;

/// The base of numbers whose digits are wanted.
const DECIMAL: u64 = 1_000_000_000;

/// A whole number, least significant limb first. The base is a constant, since dividing by it is most of the work: a number of 15 bits
/// of exponent has thousands of digits.
struct Big<const BASE: u64> {
    limbs: Vec<u32>,
}

impl<const BASE: u64> Big<BASE> {
    fn new(mut number: u128) -> Self {
        let mut limbs = Vec::new();
        while number > 0 {
            limbs.push((number % u128::from(BASE)) as u32);
            number /= u128::from(BASE);
        }
        Big { limbs }
    }

    fn multiply_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for limb in &mut self.limbs {
            let product = u64::from(*limb) * u64::from(factor) + carry;
            *limb = (product % BASE) as u32;
            carry = product / BASE;
        }
        while carry > 0 {
            self.limbs.push((carry % BASE) as u32);
            carry /= BASE;
        }
    }

    /// Times `factor` to the power of `times`; `step` is the largest power of it that fits in 32 bits.
    fn scale(&mut self, factor: u32, mut times: u32) {
        let mut step = factor;
        let mut count = 1;
        while let Some(next) = step.checked_mul(factor) {
            step = next;
            count += 1;
        }
        while times >= count {
            self.multiply_add(step, 0);
            times -= count;
        }
        for _ in 0..times {
            self.multiply_add(factor, 0);
        }
    }

    fn shift_left(&mut self, bits: u32) {
        let whole = usize::try_from(bits / 32).unwrap_or(0);
        self.limbs.splice(0..0, core::iter::repeat_n(0, whole));
        if !bits.is_multiple_of(32) {
            self.multiply_add(1 << (bits % 32), 0);
        }
    }

    fn bits(&self) -> u32 {
        match self.limbs.iter().rposition(|limb| *limb != 0) {
            Some(at) => {
                let top = self.limbs.get(at).copied().unwrap_or(0);
                u32::try_from(at).unwrap_or(0) * 32 + (32 - top.leading_zeros())
            }
            None => 0,
        }
    }

    fn limb(&self, at: usize) -> u32 {
        self.limbs.get(at).copied().unwrap_or(0)
    }

    fn is_at_least(&self, other: &Self) -> bool {
        for at in (0..self.limbs.len().max(other.limbs.len())).rev() {
            if self.limb(at) != other.limb(at) {
                return self.limb(at) > other.limb(at);
            }
        }
        true
    }

    fn subtract(&mut self, other: &Self) {
        let mut borrow = 0;
        for (at, limb) in self.limbs.iter_mut().enumerate() {
            let taken = i64::from(*limb) - i64::from(other.limb(at)) - borrow;
            borrow = i64::from(taken < 0);
            *limb = taken.rem_euclid(1 << 32) as u32;
        }
    }
}

/// C's `%.{digits}g` of `mantissa * 2^exponent`, exactly rounded.
pub(super) fn general(mantissa: u128, exponent: i32, digits: usize) -> String {
    if mantissa == 0 {
        return "0".to_owned();
    }
    let mut big = Big::<DECIMAL>::new(mantissa);
    // With a negative exponent the number is mantissa * 5^n / 10^n.
    let mut point: i64 = 0;
    if exponent >= 0 {
        big.scale(2, exponent.unsigned_abs());
    } else {
        big.scale(5, exponent.unsigned_abs());
        point = i64::from(exponent);
    }
    let mut all = String::new();
    for limb in big.limbs.iter().rev() {
        all.push_str(&format!("{limb:09}"));
    }
    let all = all.trim_start_matches('0').as_bytes();
    // The decimal exponent of the first digit.
    let mut scale = i64::try_from(all.len()).unwrap_or(0) - 1 + point;
    let mut kept: Vec<u8> = all.iter().take(digits).copied().collect();
    let rest = all.get(digits..).unwrap_or_default();
    let is_odd = kept.last().is_some_and(|digit| digit % 2 == 1);
    let rounds_up = match rest.split_first() {
        Some((b'5', after)) => is_odd || after.iter().any(|digit| *digit != b'0'),
        Some((first, _)) => *first > b'5',
        None => false,
    };
    if rounds_up {
        let mut carries = true;
        for digit in kept.iter_mut().rev() {
            if *digit == b'9' {
                *digit = b'0';
            } else {
                *digit += 1;
                carries = false;
                break;
            }
        }
        if carries {
            kept.insert(0, b'1');
            kept.truncate(digits);
            scale += 1;
        }
    }
    while kept.last() == Some(&b'0') {
        kept.pop();
    }
    let kept = String::from_utf8(kept).unwrap_or_default();
    laid_out(&kept, scale, i64::try_from(digits).unwrap_or(0))
}

/// Digits without zeros at the end, the first of which counts 10^scale, as `%g` writes them.
fn laid_out(kept: &str, scale: i64, digits: i64) -> String {
    let (first, rest) = kept.split_at_checked(1).unwrap_or((kept, ""));
    if scale < -4 || scale >= digits {
        let dot = if rest.is_empty() { "" } else { "." };
        let sign = if scale < 0 { '-' } else { '+' };
        return format!("{first}{dot}{rest}e{sign}{:02}", scale.unsigned_abs());
    }
    let places = usize::try_from(scale.unsigned_abs()).unwrap_or(0);
    if scale < 0 {
        return format!("0.{}{kept}", "0".repeat(places - 1));
    }
    match kept.split_at_checked(places + 1) {
        Some((whole, "")) => whole.to_owned(),
        Some((whole, fraction)) => format!("{whole}.{fraction}"),
        None => format!("{kept}{}", "0".repeat(places + 1 - kept.len())),
    }
}

/// A decimal literal as a mantissa of about 128 bits, a power of two, and whether there is more.
pub(super) fn parse(text: &str) -> Option<(u128, i32, bool)> {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, bounded(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut number = Big::<BINARY>::new(0);
    let mut scale = exponent - i64::try_from(fraction.len()).ok()?;
    let mut is_sticky = false;
    let significant = whole.bytes().chain(fraction.bytes()).skip_while(|byte| *byte == b'0');
    for (at, digit) in significant.enumerate() {
        if at < LONGEST {
            number.multiply_add(10, u32::from(digit - b'0'));
        } else {
            scale += 1;
            is_sticky |= digit != b'0';
        }
    }
    if number.bits() == 0 {
        return Some((0, 0, false));
    }
    // Beyond these bounds (with room for all digits that count) the number is infinite or zero in every format.
    if scale > LARGEST_EXPONENT {
        return Some((1, i32::from(i16::MAX), false));
    }
    if scale < -2 * LARGEST_EXPONENT {
        return Some((1, i32::from(i16::MIN), true));
    }
    let mut divisor = Big::<BINARY>::new(1);
    let power = u32::try_from(scale.unsigned_abs()).unwrap_or(0);
    if scale >= 0 {
        number.scale(10, power);
    } else {
        divisor.scale(10, power);
    }
    // 126 bits of the quotient, by long division in base two.
    let (have, need) = (i64::from(number.bits()) - i64::from(divisor.bits()), 126);
    let shift = need - have;
    if shift >= 0 {
        number.shift_left(u32::try_from(shift).unwrap_or(0));
    } else {
        divisor.shift_left(u32::try_from(-shift).unwrap_or(0));
    }
    // The quotient is below 2^127: the divisor is doubled step by step by shifting the remainder instead.
    let mut quotient: u128 = 0;
    divisor.shift_left(127);
    for _ in 0..128 {
        quotient <<= 1;
        if number.is_at_least(&divisor) {
            number.subtract(&divisor);
            quotient |= 1;
        }
        number.multiply_add(2, 0);
    }
    Some((quotient, -i32::try_from(shift).unwrap_or(0), is_sticky || number.bits() > 0))
}

/// A hexadecimal literal behind its `0x`.
pub(super) fn parse_hexadecimal(text: &str) -> Option<(u128, i32, bool)> {
    let (digits, exponent) = match text.split_once(['p', 'P']) {
        Some((digits, exponent)) => (digits, bounded(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    let mut mantissa: u128 = 0;
    let mut scale = exponent - 4 * i64::try_from(fraction.len()).ok()?;
    let mut is_sticky = false;
    for digit in whole.chars().chain(fraction.chars()) {
        let digit = digit.to_digit(16)?;
        if mantissa >> 120 == 0 {
            mantissa = mantissa << 4 | u128::from(digit);
        } else {
            scale += 4;
            is_sticky |= digit != 0;
        }
    }
    let scale = scale.clamp(i64::from(i16::MIN), i64::from(i16::MAX));
    Some((mantissa, i32::try_from(scale).unwrap_or(0), is_sticky))
}

/// An exponent's number, cut to what is far outside every format.
fn bounded(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let magnitude = digits.parse().unwrap_or(i64::MAX).min(1_000_000);
    Some(if text.starts_with('-') { -magnitude } else { magnitude })
}
