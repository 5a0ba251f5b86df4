//! The values of variables in a frame.
//!
//! Context: the agent's thread.

use gimli::{AttributeValue, Location, Piece, Reader as _};
use manhole_expressions::types::TypeId;
use manhole_expressions::value::{Content, Missing, Value};

use super::entry::{Entry, constant_bytes};
use super::location::{Context, Failure, Frame, Surroundings};
use super::source::Reader;
use super::types::{Bound, bounds};
use super::{Debug, Local, Place};

/// A value in pieces, or in registers, is no larger than this.
const LARGEST: u64 = 1 << 20;

impl<'s> Debug<'s> {
    /// The value of a variable in a frame. What is in memory is not read yet.
    pub(crate) fn value(&mut self, local: &Local, frame: &Frame<'_>, surroundings: &mut dyn Surroundings) -> Value {
        let lost = |type_id| Value::missing(type_id, Missing::OptimizedOut);
        let Some(image) = self.image(local.place) else { return lost(local.type_id) };
        let chain = image.chain(local.place);
        let mut context =
            Context { image: &image, function: Some(local.function), frame: Some(frame), surroundings, depth: 0 };
        let type_id = self.sized(local.type_id, &mut context);
        if let Some(value) = chain.iter().find_map(|entry| entry.get(gimli::DW_AT_const_value)) {
            let size = self.size_of(type_id).and_then(|size| usize::try_from(size).ok());
            let bytes = size.and_then(|size| constant_bytes(&value, size));
            return bytes.map_or(lost(type_id), |bytes| Value::new(type_id, bytes));
        }
        let with_location = chain.iter().find_map(|entry| Some((entry, entry.get(gimli::DW_AT_location)?)));
        let Some((entry, location)) = with_location else { return lost(type_id) };
        match context.locate(entry.place.unit, location) {
            Ok(pieces) => self.assemble(type_id, &pieces, &mut context),
            Err(Failure::Missing(missing)) => Value::missing(type_id, missing),
            Err(Failure::ThreadLocal(_)) => Value::missing(type_id, Missing::NotCaptured),
            Err(Failure::Corrupt) => lost(type_id),
        }
    }

    fn assemble(&mut self, type_id: TypeId, pieces: &[Piece<Reader<'s>>], context: &mut Context<'_, 's>) -> Value {
        let size = self.size_of(type_id);
        if let [Piece { size_in_bits: None, location, .. }] = pieces {
            if let Location::Address { address } = location {
                return Value::at(type_id, *address);
            }
            let size = size.filter(|size| *size <= LARGEST).unwrap_or(8);
            return match bytes_of(location, size, context) {
                Ok(bytes) => Value::new(type_id, bytes),
                Err(missing) => Value::missing(type_id, missing),
            };
        }
        let Some(size) = size.filter(|size| *size <= LARGEST).and_then(|size| usize::try_from(size).ok()) else {
            return Value::missing(type_id, Missing::OptimizedOut);
        };
        let (mut bytes, mut gaps) = (Vec::new(), Vec::new());
        for piece in pieces {
            let start = bytes.len();
            let left = size.saturating_sub(start);
            let bits = piece.size_in_bits.unwrap_or(0);
            let length = usize::try_from(bits / 8).unwrap_or(usize::MAX).min(left);
            // Pieces that are no whole bytes, or begin inside of one, are not put together.
            let is_plain = bits % 8 == 0 && piece.bit_offset.unwrap_or(0) == 0;
            let part = match is_plain {
                true => bytes_of(&piece.location, length as u64, context),
                false => Err(Missing::OptimizedOut),
            };
            match part {
                Ok(mut part) => {
                    part.resize(length, 0);
                    bytes.append(&mut part);
                }
                Err(missing) => {
                    bytes.resize(start.saturating_add(length), 0);
                    gaps.push((start..bytes.len(), missing));
                }
            }
            if !is_plain {
                break;
            }
        }
        if bytes.len() < size {
            gaps.push((bytes.len()..size, Missing::OptimizedOut));
            bytes.resize(size, 0);
        }
        let first = gaps.first().map(|(_, missing)| *missing);
        let missing: usize = gaps.iter().map(|(gap, _)| gap.len()).sum();
        match first {
            None => Value::new(type_id, bytes),
            Some(why) if missing >= size && gaps.iter().all(|(_, other)| *other == why) => Value::missing(type_id, why),
            Some(_) => Value { content: Content::Partial(bytes, gaps), ..Value::new(type_id, Vec::new()) },
        }
    }

    /// The type with the bounds that its arrays have in this frame.
    fn sized(&mut self, type_id: TypeId, context: &mut Context<'_, 's>) -> TypeId {
        let image = context.image;
        let array = self.place_of(type_id).and_then(|place| image.entry(place));
        let Some(array) = array.filter(|entry| entry.tag == gimli::DW_TAG_array_type) else { return type_id };
        let bounds = bounds(image, array.place);
        if bounds.iter().all(|bound| matches!(bound, Bound::Known(_))) {
            return type_id;
        }
        let mut counts = Vec::new();
        for bound in bounds {
            counts.push(match bound {
                Bound::Known(count) => count,
                Bound::Computed(place, value, more) => self.bound(place, value, context).and_then(|bound| {
                    // A bound is signed: -1 where there is no element.
                    let count = i128::from(bound as i64).saturating_add(more);
                    u64::try_from(count).ok()
                }),
            });
        }
        let sized = self.array_of(image, &array, &counts);
        self.intern(sized)
    }

    /// A bound that is computed, or stands in a variable.
    fn bound(&mut self, place: Place, value: AttributeValue<Reader<'s>>, context: &mut Context<'_, 's>) -> Option<u64> {
        let Some(variable) = context.image.resolve(place, &value) else {
            let pieces = context.locate(place.unit, value).ok()?;
            return context.word_of(&pieces, true).ok();
        };
        let chain = context.image.chain(variable);
        let type_id = self.type_of(context.image, &chain);
        let size = self.size_of(type_id).filter(|size| *size <= 8)?;
        let word = |mut bytes: Vec<u8>| {
            // It is signed.
            let sign = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
            bytes.resize(8, sign);
            bytes.try_into().ok().map(u64::from_le_bytes)
        };
        if let Some(constant) = chain.iter().find_map(|entry| entry.get(gimli::DW_AT_const_value)) {
            return word(constant_bytes(&constant, usize::try_from(size).ok()?)?);
        }
        let location = |entry: &Entry<'s>| Some((entry.place.unit, entry.get(gimli::DW_AT_location)?));
        let (unit, location) = chain.iter().find_map(location)?;
        let pieces = context.locate(unit, location).ok()?;
        let [piece] = pieces.as_slice() else { return None };
        word(bytes_of(&piece.location, size, context).ok()?)
    }
}

/// The bytes of a piece of a value.
fn bytes_of(location: &Location<Reader<'_>>, size: u64, context: &mut Context<'_, '_>) -> Result<Vec<u8>, Missing> {
    let length = usize::try_from(size).map_err(|_| Missing::OptimizedOut)?;
    let of_word = |word: u64| {
        let mut bytes = word.to_le_bytes().to_vec();
        bytes.resize(length, 0);
        bytes
    };
    match location {
        Location::Empty => Err(Missing::OptimizedOut),
        Location::ImplicitPointer { .. } => Err(Missing::SyntheticPointer),
        // What is wider continues in a place that was not captured.
        Location::Register { .. } if size > 8 => Err(Missing::NotCaptured),
        Location::Register { register } => match context.register(*register) {
            Ok(word) => Ok(of_word(word)),
            Err(Failure::Missing(missing)) => Err(missing),
            Err(_) => Err(Missing::OptimizedOut),
        },
        Location::Address { address } => {
            let mut bytes = vec![0; length];
            match context.surroundings.read(*address, &mut bytes) {
                true => Ok(bytes),
                false => Err(Missing::NotCaptured),
            }
        }
        Location::Value { value } => match value {
            gimli::Value::F32(value) => Ok(of_word(u64::from(value.to_bits()))),
            gimli::Value::F64(value) => Ok(of_word(value.to_bits())),
            value => {
                let word = value.to_u64(u64::MAX).map_err(|_| Missing::OptimizedOut)?;
                let mut bytes = of_word(word);
                if let Some(high) = bytes.get_mut(8..).filter(|_| is_negative(value)) {
                    high.fill(0xff);
                }
                Ok(bytes)
            }
        },
        Location::Bytes { value } => {
            let mut bytes = value.to_slice().map_err(|_| Missing::OptimizedOut)?.into_owned();
            if bytes.len() < length {
                return Err(Missing::OptimizedOut);
            }
            bytes.truncate(length);
            Ok(bytes)
        }
    }
}

fn is_negative(value: &gimli::Value) -> bool {
    match value {
        gimli::Value::I8(value) => *value < 0,
        gimli::Value::I16(value) => *value < 0,
        gimli::Value::I32(value) => *value < 0,
        gimli::Value::I64(value) => *value < 0,
        _ => false,
    }
}
