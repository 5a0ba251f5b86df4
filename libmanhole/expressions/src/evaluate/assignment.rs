//! `=`, `+=`, `++`: to memory, bit-fields and convenience variables.

use super::{Answer, Evaluator, error};
use crate::access::{extended, integer, integer_bytes, is_signed, memory};
use crate::ast::{Binary, Builtin, Expression, Unary};
use crate::target::{Found, Stop};
use crate::types::Type;
use crate::value::{Content, Place, Value};

const NO_PLACE: &str = "Left operand of assignment is not an lvalue.";

impl Evaluator<'_> {
    #[inline(never)]
    pub(super) fn assign_expression(&mut self, left: &Expression, right: &Expression) -> Answer {
        if let Some(name) = self.whole_convenience(left)? {
            let value = self.value(right)?;
            return self.set_convenience(name, value);
        }
        let place = self.value(left)?;
        let value = self.value(right)?;
        self.assign(left, place, value)
    }

    #[inline(never)]
    pub(super) fn modify_expression(&mut self, operator: Binary, left: &Expression, right: &Expression) -> Answer {
        let name = self.whole_convenience(left)?;
        let place = self.value(left)?;
        let operand = self.value(right)?;
        let place = self.referent(place)?;
        if self.is_record(&place) {
            return self.modify_by_operator(operator, place, operand);
        }
        let value = self.binary(operator, place.clone(), operand)?;
        match name {
            Some(name) => self.set_convenience(name, value),
            None => self.assign(left, place, value),
        }
    }

    /// `++` and `--`, before and after.
    #[inline(never)]
    pub(super) fn step_expression(&mut self, operator: Unary, operand: &Expression) -> Answer {
        let name = self.whole_convenience(operand)?;
        let place = self.value(operand)?;
        let place = self.referent(place)?;
        if self.is_record(&place) {
            return self.step_by_operator(operator, place);
        }
        if self.number(&place)?.is_none() && !self.is_pointer(&place) {
            return error("Not a numeric type.");
        }
        let before = Value::new(place.type_id, self.bytes(&place)?);
        let one = self.builtin(Builtin::Int, 1);
        let is_up = matches!(operator, Unary::PreIncrement | Unary::PostIncrement);
        let value = self.binary(if is_up { Binary::Add } else { Binary::Subtract }, place.clone(), one)?;
        let after = match name {
            Some(name) => self.set_convenience(name, value)?,
            None => self.assign(operand, place, value)?,
        };
        Ok(if matches!(operator, Unary::PostIncrement | Unary::PostDecrement) { before } else { after })
    }

    /// The convenience variable that the left side is as a whole. A register is none, and cannot be assigned.
    fn whole_convenience<'e>(&mut self, left: &'e Expression) -> Result<Option<&'e str>, Stop> {
        let Expression::Dollar(name) = left else { return Ok(None) };
        match self.target.register(name) {
            Some(_) if self.types_only => Ok(None),
            Some(_) => error(format!("${name} cannot be written: the registers of a frame are a copy")),
            None => Ok(Some(name)),
        }
    }

    /// Writes a value to where `place` is, and gives it as it stands there.
    #[inline(never)]
    fn assign(&mut self, left: &Expression, place: Value, value: Value) -> Answer {
        let place = self.referent(place)?;
        if self.types_only {
            return Ok(place);
        }
        if place.place == Place::None {
            return self.nowhere(left);
        }
        let (_, described) = self.stripped(place.type_id);
        if matches!(&*described, Type::Function(_)) {
            return error("Invalid cast.");
        }
        let mut bytes = match self.literal_for(&described, &value)? {
            Some(bytes) => bytes,
            None => {
                let value = self.cast(place.type_id, value)?;
                self.bytes(&value)?
            }
        };
        match &place.place {
            Place::None => return error(NO_PLACE),
            Place::Memory(address) => self.target.write(*address, &bytes)?,
            Place::Bits { address, offset, size } => {
                self.write_bits(*address, *offset, *size, &bytes)?;
                let is_signed = is_signed(&described);
                let fitting = extended(integer(&bytes, is_signed) as u128, *size, is_signed);
                bytes = integer_bytes(fitting as i128, bytes.len() as u64);
            }
            Place::Convenience(name, start) => self.write_convenience(name, *start, &bytes)?,
        }
        Ok(Value { content: Content::Bytes(bytes), is_stale: false, ..place })
    }

    /// Why a value that stands nowhere cannot be assigned.
    fn nowhere(&mut self, left: &Expression) -> Answer {
        if let Expression::Name(path) = left
            && let Found::Variable(_) = self.resolved(path)?
        {
            return error(format!("{path} cannot be written: it is not in memory, and the registers are a copy"));
        }
        error(NO_PLACE)
    }

    /// A string for an array of characters: the rest of the array is zero, as gdb has it.
    fn literal_for(&mut self, described: &Type, value: &Value) -> Result<Option<Vec<u8>>, Stop> {
        let Type::Array { of, count: Some(count), is_vector: false } = described else { return Ok(None) };
        let (_, given) = self.stripped(value.type_id);
        let Type::Array { of: given_of, .. } = &*given else { return Ok(None) };
        let (Some(size), Some(given_size)) = (self.size_of(*of), self.size_of(*given_of)) else { return Ok(None) };
        let (wanted_id, wanted_type) = self.stripped(*of);
        let (given_id, given_type) = self.stripped(*given_of);
        let is_same = wanted_id == given_id || (wanted_type == given_type && matches!(&*wanted_type, Type::Base(_)));
        if size != given_size || (!is_same && value.place != Place::None) {
            return Ok(None);
        }
        let Some(wanted) = size.checked_mul(*count).and_then(|wanted| usize::try_from(wanted).ok()) else {
            return Ok(None);
        };
        let mut bytes = self.bytes(value)?;
        if bytes.len() > wanted {
            return error("Too many array elements");
        }
        bytes.resize(wanted, 0);
        Ok(Some(bytes))
    }

    fn write_bits(&mut self, address: u64, offset: u64, size: u64, value: &[u8]) -> Result<(), Stop> {
        let first = address.wrapping_add(offset / 8);
        let shift = offset % 8;
        let size = size.min(128);
        let mut bytes = memory(first, shift.saturating_add(size).div_ceil(8), self.target)?;
        let word = integer(value, false) as u128;
        for bit in 0..size {
            let at = shift.saturating_add(bit);
            let mask = 1u8 << (at % 8);
            if let Some(byte) = usize::try_from(at / 8).ok().and_then(|at| bytes.get_mut(at)) {
                if (word >> bit) & 1 == 1 { *byte |= mask } else { *byte &= !mask }
            }
        }
        self.target.write(first, &bytes)
    }
}
