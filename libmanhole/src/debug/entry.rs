//! One entry of DWARF with its attributes, and how they are read.
//!
//! Context: the agent's thread. Pure.

use gimli::{Attribute, AttributeValue, DwAt, DwTag, Reader as _};

use super::Place;
use super::source::Reader;

/// A debugging information entry.
pub(super) struct Entry<'s> {
    pub(super) place: Place,
    pub(super) tag: DwTag,
    pub(super) attributes: Vec<Attribute<Reader<'s>>>,
}

impl<'s> Entry<'s> {
    /// The attribute in its normal form.
    pub(super) fn get(&self, name: DwAt) -> Option<AttributeValue<Reader<'s>>> {
        self.attributes.iter().find(|attribute| attribute.name() == name).map(Attribute::value)
    }

    pub(super) fn has(&self, name: DwAt) -> bool {
        self.attributes.iter().any(|attribute| attribute.name() == name)
    }

    /// A flag that is set.
    pub(super) fn flag(&self, name: DwAt) -> bool {
        matches!(self.get(name), Some(AttributeValue::Flag(true)))
    }

    /// A constant that cannot be negative.
    pub(super) fn unsigned(&self, name: DwAt) -> Option<u64> {
        constant(&self.get(name)?).and_then(|value| u64::try_from(value).ok())
    }

    /// A constant as the file has it.
    pub(super) fn constant(&self, name: DwAt) -> Option<i128> {
        constant(&self.get(name)?)
    }
}

/// A constant; one whose form tells no sign is not negative.
pub(super) fn constant(value: &AttributeValue<Reader<'_>>) -> Option<i128> {
    Some(match value {
        AttributeValue::Data1(value) => i128::from(*value),
        AttributeValue::Data2(value) => i128::from(*value),
        AttributeValue::Data4(value) => i128::from(*value),
        AttributeValue::Data8(value) | AttributeValue::Udata(value) | AttributeValue::FileIndex(value) => {
            i128::from(*value)
        }
        AttributeValue::Data16(value) => *value as i128,
        AttributeValue::Sdata(value) => i128::from(*value),
        AttributeValue::Block(bytes) => {
            let bytes = bytes.to_slice().ok()?;
            let mut wide = [0; 16];
            if bytes.len() > wide.len() {
                return None;
            }
            for (slot, byte) in wide.iter_mut().zip(bytes.iter()) {
                *slot = *byte;
            }
            i128::from_le_bytes(wide)
        }
        _ => return None,
    })
}

/// A constant as the `size` bytes that it has in memory; blocks as they are.
pub(super) fn constant_bytes(value: &AttributeValue<Reader<'_>>, size: usize) -> Option<Vec<u8>> {
    /// No constant is larger.
    const LIMIT: usize = 1 << 20;
    if size > LIMIT {
        return None;
    }
    if let AttributeValue::Block(bytes) = value {
        let mut bytes = bytes.to_slice().ok()?.into_owned();
        bytes.resize(size, 0);
        return Some(bytes);
    }
    let constant = constant(value)?;
    let mut bytes = constant.to_le_bytes().to_vec();
    bytes.resize(size, if constant < 0 { 0xff } else { 0 });
    Some(bytes)
}

/// Names are shorter than this, in bytes; the rest is cut off.
const NAME: usize = 16 << 10;

/// A string's text.
pub(super) fn text(bytes: &Reader<'_>) -> Option<String> {
    let bytes = bytes.to_slice().ok()?;
    Some(String::from_utf8_lossy(bytes.get(..NAME.min(bytes.len()))?).into_owned())
}
