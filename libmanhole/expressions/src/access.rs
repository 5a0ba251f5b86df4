//! What printing and evaluation both need of types and values: sizes, types below typedefs, bytes.
//!
//! Pure.

use std::rc::Rc;

use crate::ast::Segment;
use crate::evaluate::path_of;
use crate::target::{Found, Stop, Target};
use crate::types::{Encoding, MemberLocation, Record, StaticVariable, Type, TypeId};
use crate::value::{Content, Missing, Place, Value};

/// How many typedefs, qualifiers or dimensions are followed: debug information can be corrupt, and go round in a circle.
const CHAIN: usize = 256;

/// A size that no value is read whole beyond, in bytes (gdb's `max-value-size`).
pub const LARGEST: u64 = 65536;

/// The type below typedefs and qualifiers, completed if it is a declaration.
pub fn stripped(type_id: TypeId, target: &mut dyn Target) -> (TypeId, Rc<Type>) {
    let mut at = type_id;
    for _ in 0..CHAIN {
        let described = target.describe(at);
        match &*described {
            Type::Typedef { to, .. } => at = *to,
            Type::Const(to) | Type::Volatile(to) | Type::Restrict(to) | Type::Atomic(to) => at = *to,
            Type::Record(Record { is_declaration: true, .. }) => {
                let complete = target.complete(at);
                if complete == at {
                    return (at, described);
                }
                at = complete;
            }
            Type::Enumeration(enumeration) if enumeration.is_declaration => {
                let complete = target.complete(at);
                if complete == at {
                    return (at, described);
                }
                at = complete;
            }
            _ => return (at, described),
        }
    }
    (at, Rc::new(Type::Unknown("a type that stands for itself".to_owned())))
}

/// The size of a type in bytes; `None` where it has none that is known. GNU C's `void` and functions have 1.
pub fn size_of(type_id: TypeId, target: &mut dyn Target) -> Option<u64> {
    let mut factor: u64 = 1;
    let mut at = type_id;
    for _ in 0..CHAIN {
        let size = match &*stripped(at, target).1 {
            Type::Void | Type::Function(_) => 1,
            Type::Base(base) => base.size,
            Type::Pointer(_) | Type::Reference { .. } => 8,
            Type::MemberPointer { to, .. } => match &*stripped(*to, target).1 {
                // Itanium C++ ABI, 2.3: a pointer to a member function is a pair.
                Type::Function(_) => 16,
                _ => 8,
            },
            Type::Array { of, count, .. } => {
                factor = factor.checked_mul((*count)?)?;
                at = *of;
                continue;
            }
            Type::Record(record) if record.is_declaration => return None,
            Type::Record(record) => record.size,
            Type::Enumeration(enumeration) => enumeration.size,
            _ => return None,
        };
        return factor.checked_mul(size);
    }
    None
}

/// All bytes of a value, or what is missing of them. What is larger than [`LARGEST`] is an error: print it piece by piece.
pub fn bytes(value: &Value, target: &mut dyn Target) -> Result<Result<Vec<u8>, Missing>, Stop> {
    Ok(match &value.content {
        Content::Bytes(bytes) => Ok(bytes.clone()),
        Content::Missing(missing) => Err(*missing),
        Content::Partial(bytes, gaps) => match gaps.first() {
            Some((_, missing)) => Err(*missing),
            None => Ok(bytes.clone()),
        },
        Content::Unread => {
            let Some(size) = size_of(value.type_id, target) else {
                return Err(Stop::Error("the size of the value's type is not known".to_owned()));
            };
            match value.place {
                Place::Memory(address) => Ok(memory(address, size, target)?),
                Place::Bits { address, offset, size: bits } => Ok(bit_field(value, address, offset, bits, target)?),
                _ => Err(Missing::OptimizedOut),
            }
        }
    })
}

/// `size` bytes of memory.
pub fn memory(address: u64, size: u64, target: &mut dyn Target) -> Result<Vec<u8>, Stop> {
    if size > LARGEST {
        return Err(Stop::Error(format!("the value has {size} bytes, more than the {LARGEST} that are read at once")));
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or_default()];
    match target.read(address, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_) => Err(cannot_access(address)),
    }
}

/// gdb's words for an address that cannot be read.
pub fn cannot_access(address: u64) -> Stop {
    Stop::Error(format!("Cannot access memory at address {address:#x}"))
}

/// The bytes of a bit-field as those of an integer of its type.
fn bit_field(value: &Value, address: u64, offset: u64, bits: u64, target: &mut dyn Target) -> Result<Vec<u8>, Stop> {
    let first = address.wrapping_add(offset / 8);
    let shift = offset % 8;
    let count = shift.saturating_add(bits).div_ceil(8).min(17);
    let raw = memory(first, count, target)?;
    let (_, described) = stripped(value.type_id, target);
    let size = size_of(value.type_id, target).unwrap_or(8).min(16);
    let mut low = [0; 16];
    let mut carry = 0;
    for (slot, byte) in low.iter_mut().zip(&raw) {
        *slot = *byte;
    }
    if let Some(byte) = raw.get(16) {
        carry = u128::from(*byte);
    }
    let mut word = u128::from_le_bytes(low) >> shift;
    if shift > 0 {
        word |= carry.checked_shl(u32::try_from(128 - shift).unwrap_or(128)).unwrap_or(0);
    }
    let word = extended(word, bits, is_signed(&described));
    Ok(word.to_le_bytes().get(..usize::try_from(size).unwrap_or(8)).unwrap_or_default().to_vec())
}

/// The lowest `bits` of a word, with the sign or with zeros above.
pub fn extended(word: u128, bits: u64, is_signed: bool) -> u128 {
    let unused = u32::try_from(128u64.saturating_sub(bits)).unwrap_or(0);
    if unused >= 128 {
        return 0;
    }
    let shifted = word << unused;
    if is_signed { ((shifted as i128) >> unused) as u128 } else { shifted >> unused }
}

/// Whether an integer, an enum or a character of this (stripped) type can be negative.
pub fn is_signed(described: &Type) -> bool {
    match described {
        Type::Base(base) => matches!(base.encoding, Encoding::Signed | Encoding::SignedChar),
        Type::Enumeration(enumeration) => enumeration.is_signed,
        _ => false,
    }
}

/// Little-endian bytes as an integer; at most 16 are looked at.
pub fn integer(bytes: &[u8], is_signed: bool) -> i128 {
    let mut wide = [0; 16];
    for (slot, byte) in wide.iter_mut().zip(bytes) {
        *slot = *byte;
    }
    extended(u128::from_le_bytes(wide), bytes.len().min(16) as u64 * 8, is_signed) as i128
}

/// An integer as `size` little-endian bytes, cut to them.
pub fn integer_bytes(integer: i128, size: u64) -> Vec<u8> {
    let bytes = integer.to_le_bytes();
    bytes.get(..usize::try_from(size).unwrap_or(16).min(16)).unwrap_or_default().to_vec()
}

/// A part of a value: `size` bytes, `offset` bytes from its start, as a value of another type. Where the whole is, so is the part.
pub fn part(value: &Value, offset: u64, type_id: TypeId, target: &mut dyn Target) -> Value {
    let place = match &value.place {
        Place::None | Place::Bits { .. } => Place::None,
        Place::Memory(address) => Place::Memory(address.wrapping_add(offset)),
        Place::Convenience(name, start) => {
            Place::Convenience(name.clone(), start.saturating_add(usize::try_from(offset).unwrap_or(usize::MAX)))
        }
    };
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let end = start.saturating_add(usize::try_from(size_of(type_id, target).unwrap_or(0)).unwrap_or(usize::MAX));
    let content = match &value.content {
        Content::Unread => Content::Unread,
        Content::Missing(missing) => Content::Missing(*missing),
        Content::Bytes(bytes) => match bytes.get(start..end) {
            Some(bytes) => Content::Bytes(bytes.to_vec()),
            None => Content::Missing(Missing::OptimizedOut),
        },
        Content::Partial(bytes, gaps) => {
            let inside: Vec<_> = gaps
                .iter()
                .filter(|(gap, _)| gap.start < end && gap.end > start)
                .map(|(gap, why)| (gap.start.max(start) - start..gap.end.min(end) - start, *why))
                .collect();
            match (bytes.get(start..end), inside.first()) {
                (None, _) => Content::Missing(Missing::OptimizedOut),
                (Some(bytes), None) => Content::Bytes(bytes.to_vec()),
                (Some(bytes), Some((gap, why))) if *gap == (0..bytes.len()) => Content::Missing(*why),
                (Some(bytes), Some(_)) => Content::Partial(bytes.to_vec(), inside),
            }
        }
    };
    Value { type_id, place, content, is_stale: value.is_stale }
}

/// A member of a record's value. `None` where its place is not understood, or is a static member's or a virtual base's.
pub fn member(value: &Value, location: &MemberLocation, type_id: TypeId, target: &mut dyn Target) -> Option<Value> {
    match location {
        MemberLocation::Offset(offset) => Some(part(value, *offset, type_id, target)),
        MemberLocation::Bits { offset, size } => Some(match (&value.content, &value.place) {
            (Content::Unread, Place::Memory(address)) => Value {
                type_id,
                place: Place::Bits { address: *address, offset: *offset, size: *size },
                content: Content::Unread,
                is_stale: value.is_stale,
            },
            (Content::Bytes(bytes) | Content::Partial(bytes, _), _) => {
                let first = usize::try_from(*offset / 8).unwrap_or(usize::MAX);
                let bytes = bytes.get(first..).unwrap_or_default();
                let mut wide = [0; 16];
                for (slot, byte) in wide.iter_mut().zip(bytes) {
                    *slot = *byte;
                }
                let (_, described) = stripped(type_id, target);
                let word = extended(u128::from_le_bytes(wide) >> (*offset % 8), *size, is_signed(&described));
                let size = size_of(type_id, target).unwrap_or(8);
                Value { is_stale: value.is_stale, ..Value::new(type_id, integer_bytes(word as i128, size)) }
            }
            (Content::Missing(missing), _) => Value::missing(type_id, *missing),
            _ => Value::missing(type_id, Missing::OptimizedOut),
        }),
        _ => None,
    }
}

/// A static member of a class; `None` where it has no place in the process.
pub fn static_member(
    record: &Record,
    name: &str,
    location: &MemberLocation,
    type_id: TypeId,
    target: &mut dyn Target,
) -> Result<Option<Value>, Stop> {
    let MemberLocation::Static { constant, variable } = location else { return Ok(None) };
    // A constant of another size is not of this type, or not all of it.
    if let Some(bytes) = constant
        && size_of(type_id, target) == Some(bytes.len() as u64)
    {
        return Ok(Some(Value::new(type_id, bytes.clone())));
    }
    let linkage = match variable {
        StaticVariable::Named(linkage) => linkage,
        StaticVariable::At(address) => return Ok(Some(Value::at(type_id, *address))),
        StaticVariable::Nowhere => return Ok(None),
    };
    let class = record.name.as_deref().unwrap_or_default();
    let address = linkage.as_deref().and_then(|name| target.find_linkage(name));
    if let Some(address) = address.or_else(|| target.find_linkage(&format!("{class}::{name}"))) {
        return Ok(Some(Value::at(type_id, address)));
    }
    // Before DWARF 5 the definition alone has the linkage name, which is another where the ABI tags it (`S[abi:cxx11]`).
    let mut path = path_of(class);
    path.segments.push(Segment { text: name.to_owned(), quoted: false });
    Ok(match target.find(&path)? {
        Found::Variable(value) => Some(value),
        Found::Symbol { address, is_function: false, .. } => Some(Value::at(type_id, address)),
        _ => None,
    })
}
