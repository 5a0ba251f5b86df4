//! In which registers a value of a type travels (System V ABI of x86-64, 3.2.3 "Parameter Passing").
//!
//! Context: the agent's thread. Pure.

use manhole_expressions::Target;
use manhole_expressions::access::{size_of, stripped};
use manhole_expressions::copies;
use manhole_expressions::types::{Base, Encoding, MemberLocation, Type, TypeId};

use super::rust::Part;

/// The class of an eightbyte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Nothing is there: padding.
    None,
    Integer,
    Sse,
    /// The upper half of a vector register.
    SseUp,
    X87,
    X87Up,
    Memory,
}

/// How a value travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Passing {
    /// Not at all: an empty class of C++.
    Nothing,
    /// The classes of its eightbytes, at most two.
    Registers(Vec<Class>),
    /// On the stack; as a result, in memory that the caller provides.
    Memory,
    /// By the address of a copy: a C++ object whose copies run code (Itanium C++ ABI, 3.1.1).
    Reference,
    /// `long double _Complex`: on the stack, and as a result in st0 and st1.
    ComplexX87,
    /// Each of its parts as if it were a value of its own: Rust's.
    Apart(Vec<Part>),
    /// By the address of a copy of its bytes: Rust's.
    Pointer,
}

/// How deep records in records are followed.
const DEPTH: usize = 32;

/// How a value of this type travels; an error says why it cannot.
pub(super) fn passing(type_id: TypeId, target: &mut dyn Target) -> Result<Passing, String> {
    let (_, described) = stripped(type_id, target);
    let Some(size) = size_of(type_id, target) else { return Err("a type whose size is not known".to_owned()) };
    match &*described {
        // Of two `_Float128` it is in memory, as all else of its size.
        Type::Base(base)
            if base.encoding == Encoding::ComplexFloat && base.size == 32 && !base.name.contains("128") =>
        {
            return Ok(Passing::ComplexX87);
        }
        Type::Record(_) if copies::run_code(type_id, target)? => return Ok(Passing::Reference),
        Type::Array { is_vector: true, .. } if size > 16 => {
            return Err(format!("a vector of {size} bytes"));
        }
        Type::Void => return Ok(Passing::Nothing),
        _ => {}
    }
    if size > 16 {
        return Ok(Passing::Memory);
    }
    if matches!(&*described, Type::Record(_)) && holds_quad(type_id, DEPTH, target) {
        return Err("a record with a __float128, which gcc and clang do not pass in the same way,".to_owned());
    }
    let mut classes = [Class::None; 2];
    classify(type_id, 0, &mut classes, DEPTH, target);
    let used = usize::try_from(size.div_ceil(8)).unwrap_or(2);
    // The upper half of a vector whose lower half goes elsewhere, as in a union with an integer, goes alone.
    if let [first, up @ Class::SseUp] = &mut classes
        && *first != Class::Sse
    {
        *up = Class::Sse;
    }
    let classes = classes.get(..used).unwrap_or(&classes);
    let is_memory =
        classes.contains(&Class::Memory) || (classes.contains(&Class::X87Up) && classes.first() != Some(&Class::X87));
    if is_memory {
        return Ok(Passing::Memory);
    }
    if classes.iter().all(|class| *class == Class::None) {
        return Ok(Passing::Nothing);
    }
    Ok(Passing::Registers(classes.to_vec()))
}

/// A float of 16 bytes that is not the x87's.
fn is_quad(base: &Base) -> bool {
    base.encoding == Encoding::Float && base.size == 16 && base.name.contains("128")
}

/// Whether one is in a type: gcc passes such records as the ABI says, clang 14 in memory.
fn holds_quad(type_id: TypeId, depth: usize, target: &mut dyn Target) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return true };
    match &*stripped(type_id, target).1 {
        Type::Base(base) => is_quad(base),
        Type::Array { of, .. } => holds_quad(*of, depth, target),
        Type::Record(record) => {
            let mut inside = record.members.iter().filter(|it| matches!(it.location, MemberLocation::Offset(_)));
            inside.any(|member| holds_quad(member.type_id, depth, target))
        }
        _ => false,
    }
}

fn merged(one: Class, other: Class) -> Class {
    match (one, other) {
        (one, other) if one == other => one,
        (Class::None, other) => other,
        (one, Class::None) => one,
        (Class::Memory, _) | (_, Class::Memory) => Class::Memory,
        (Class::Integer, _) | (_, Class::Integer) => Class::Integer,
        (Class::X87 | Class::X87Up, _) | (_, Class::X87 | Class::X87Up) => Class::Memory,
        _ => Class::Sse,
    }
}

fn classify(type_id: TypeId, offset: u64, classes: &mut [Class; 2], depth: usize, target: &mut dyn Target) {
    let mut add = |at: u64, class: Class| {
        if let Some(slot) = usize::try_from(at / 8).ok().and_then(|at| classes.get_mut(at)) {
            *slot = merged(*slot, class);
        }
    };
    let Some(depth) = depth.checked_sub(1) else { return add(offset, Class::Memory) };
    let (_, described) = stripped(type_id, target);
    match &*described {
        Type::Base(base) => {
            if base.size > 0 && !offset.is_multiple_of(base.size.min(16)) && base.encoding != Encoding::ComplexFloat {
                return add(offset, Class::Memory);
            }
            match (base.encoding, base.size) {
                (Encoding::Float, 16) if !is_quad(base) => {
                    add(offset, Class::X87);
                    add(offset.saturating_add(8), Class::X87Up);
                }
                (Encoding::Float, 16) => {
                    add(offset, Class::Sse);
                    add(offset.saturating_add(8), Class::SseUp);
                }
                (Encoding::ComplexFloat, 16) => {
                    add(offset, Class::Sse);
                    add(offset.saturating_add(8), Class::Sse);
                }
                (Encoding::Float | Encoding::ComplexFloat, _) => add(offset, Class::Sse),
                (_, 16) => {
                    add(offset, Class::Integer);
                    add(offset.saturating_add(8), Class::Integer);
                }
                _ => add(offset, Class::Integer),
            }
        }
        Type::Array { is_vector: true, .. } => {
            let size = size_of(type_id, target).unwrap_or(16);
            add(offset, Class::Sse);
            if size > 8 {
                add(offset.saturating_add(8), Class::SseUp);
            }
        }
        Type::Array { of, count, .. } => {
            let size = size_of(*of, target).unwrap_or(16).max(1);
            for index in 0..count.unwrap_or(0).min(16) {
                classify(*of, offset.saturating_add(index.saturating_mul(size)), classes, depth, target);
            }
        }
        Type::Record(record) => {
            let variants = record
                .variants
                .iter()
                .flat_map(|part| part.discriminant.iter().chain(part.variants.iter().map(|variant| &variant.member)));
            for member in record.members.iter().chain(variants) {
                match member.location {
                    MemberLocation::Offset(at) => {
                        classify(member.type_id, offset.saturating_add(at), classes, depth, target);
                    }
                    MemberLocation::Bits { offset: bits, size } if member.name.is_some() => {
                        for at in [bits, bits.saturating_add(size).saturating_sub(1)] {
                            let place = offset.saturating_add(at / 8);
                            if let Some(slot) = usize::try_from(place / 8).ok().and_then(|at| classes.get_mut(at)) {
                                *slot = merged(*slot, Class::Integer);
                            }
                        }
                    }
                    MemberLocation::Virtual { .. } => add_memory(classes),
                    _ => {}
                }
            }
        }
        Type::MemberPointer { .. } => {
            add(offset, Class::Integer);
            if size_of(type_id, target) == Some(16) {
                add(offset.saturating_add(8), Class::Integer);
            }
        }
        Type::Void | Type::Unknown(_) => {}
        _ => add(offset, Class::Integer),
    }
}

fn add_memory(classes: &mut [Class; 2]) {
    *classes = [Class::Memory; 2];
}
