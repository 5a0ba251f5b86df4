//! Values: a type, bytes, and where they are.
//!
//! Pure data.

use core::ops::Range;

use crate::types::TypeId;

/// A value.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields say it")]
pub struct Value {
    pub type_id: TypeId,
    pub place: Place,
    pub content: Content,
    /// It belongs to a frame that has run on since the capture: printed with a mark.
    pub is_stale: bool,
}

/// Where a value is.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the fields say it")]
pub enum Place {
    /// Nowhere: it was computed, or stands in a register as of the capture. It has no address and cannot be assigned.
    None,
    /// In memory, at this address.
    Memory(u64),
    /// A bit-field: its least significant bit is this many bits from the address on.
    Bits { address: u64, offset: u64, size: u64 },
    /// A convenience variable, or a part of one: its name, and the first byte.
    Convenience(String, usize),
}

/// What a value holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// In memory at its place, read when it is needed: an array may be larger than what anybody wants to see.
    Unread,
    /// All of it; a bit-field is stored as an integer of its type.
    Bytes(Vec<u8>),
    /// Some of it: what is missing of the bytes, and why.
    Partial(Vec<u8>, Vec<(Range<usize>, Missing)>),
    /// None of it.
    Missing(Missing),
}

/// Why a value is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Debug information says that it is nowhere: `<optimized out>`.
    OptimizedOut,
    /// It is in a register that was not captured: `<not captured>`.
    NotCaptured,
    /// A pointer that the program has no need of; debug information says what it would point to, which may be nowhere in memory:
    /// `<synthetic pointer>`.
    SyntheticPointer,
}

impl Value {
    /// A computed value.
    pub fn new(type_id: TypeId, bytes: Vec<u8>) -> Value {
        Value { type_id, place: Place::None, content: Content::Bytes(bytes), is_stale: false }
    }

    /// What is in memory at this address.
    pub fn at(type_id: TypeId, address: u64) -> Value {
        Value { type_id, place: Place::Memory(address), content: Content::Unread, is_stale: false }
    }

    /// A value that is not known.
    pub fn missing(type_id: TypeId, missing: Missing) -> Value {
        Value { type_id, place: Place::None, content: Content::Missing(missing), is_stale: false }
    }
}
