//! Words of 64 bits and C's operators on them.
//!
//! Context: the agent's thread. Pure. Everything is 64 bits wide until types come: `int` does not wrap at 32.

use super::parse::{Binary, Unary};

/// A value: its bits, and whether C's signed or unsigned arithmetic applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) bits: u64,
    pub(crate) signed: bool,
}

impl Word {
    /// A signed number.
    pub(crate) fn number(value: i64) -> Word {
        Word { bits: value as u64, signed: true }
    }

    /// An address, or a word of memory whose type nobody knows.
    pub(crate) fn address(bits: u64) -> Word {
        Word { bits, signed: false }
    }

    pub(super) fn truth(value: bool) -> Word {
        Word::number(i64::from(value))
    }

    pub(super) fn is_true(self) -> bool {
        self.bits != 0
    }

    pub(super) fn unary(self, operator: Unary) -> Word {
        match operator {
            Unary::Minus => Word { bits: self.bits.wrapping_neg(), ..self },
            Unary::Complement => Word { bits: !self.bits, ..self },
            Unary::Not => Word::truth(!self.is_true()),
            Unary::Plus | Unary::AddressOf | Unary::Load => self,
        }
    }

    pub(super) fn binary(self, operator: Binary, other: Word) -> Result<Word, String> {
        // C's usual arithmetic conversions: unsigned wins.
        let signed = self.signed && other.signed;
        let (a, b) = (self.bits, other.bits);
        let (sa, sb) = (a as i64, b as i64);
        let bits = match operator {
            Binary::Multiply => a.wrapping_mul(b),
            Binary::Divide | Binary::Remainder if b == 0 => return Err("division by zero".to_owned()),
            Binary::Divide if signed => sa.wrapping_div(sb) as u64,
            Binary::Divide => a.checked_div(b).unwrap_or(0),
            Binary::Remainder if signed => sa.wrapping_rem(sb) as u64,
            Binary::Remainder => a.checked_rem(b).unwrap_or(0),
            Binary::Add => a.wrapping_add(b),
            Binary::Subtract => a.wrapping_sub(b),
            // The type of a shift is that of its left side; what C leaves undefined is zero here.
            Binary::ShiftLeft => {
                return Ok(Word { bits: shift(b, |by| a.checked_shl(by)).unwrap_or(0), signed: self.signed });
            }
            Binary::ShiftRight if self.signed => {
                let filled = if sa < 0 { u64::MAX } else { 0 };
                let bits = shift(b, |by| sa.checked_shr(by)).map_or(filled, |value| value as u64);
                return Ok(Word { bits, signed: true });
            }
            Binary::ShiftRight => {
                return Ok(Word { bits: shift(b, |by| a.checked_shr(by)).unwrap_or(0), signed: false });
            }
            Binary::Less => return Ok(Word::truth(if signed { sa < sb } else { a < b })),
            Binary::LessOrEqual => return Ok(Word::truth(if signed { sa <= sb } else { a <= b })),
            Binary::Greater => return Ok(Word::truth(if signed { sa > sb } else { a > b })),
            Binary::GreaterOrEqual => return Ok(Word::truth(if signed { sa >= sb } else { a >= b })),
            Binary::Equal => return Ok(Word::truth(a == b)),
            Binary::NotEqual => return Ok(Word::truth(a != b)),
            Binary::BitAnd => a & b,
            Binary::BitXor => a ^ b,
            Binary::BitOr => a | b,
            Binary::And => return Ok(Word::truth(self.is_true() && other.is_true())),
            Binary::Or => return Ok(Word::truth(self.is_true() || other.is_true())),
        };
        Ok(Word { bits, signed })
    }
}

fn shift<T>(by: u64, act: impl Fn(u32) -> Option<T>) -> Option<T> {
    u32::try_from(by).ok().and_then(act)
}
