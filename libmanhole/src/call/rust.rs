//! How values travel to and from functions of Rust's own calling convention, as far as debug information tells: it is the compiler's business
//! (rustc_target's `fn_abi_adjust_for_abi`), so what versions of it do in several ways is refused.
//!
//! Context: the agent's thread. Pure.

use manhole_expressions::Target;
use manhole_expressions::access::{size_of, stripped};
use manhole_expressions::types::{Encoding, MemberLocation, Record, RecordKind, Type, TypeId};

use super::classes::{Passing, passing};

/// One of the numbers that a record is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// In bytes from the record's start.
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) is_float: bool,
}

/// How deep records in records are followed.
const DEPTH: usize = 32;
/// A record of more numbers is no pair.
const MOST: usize = 64;
/// In bytes: a record of more numbers than two travels as one integer up to this size.
const WORD: u64 = 8;

/// What a record is made of.
#[derive(Default)]
struct Parts {
    all: Vec<Part>,
    has_array: bool,
    /// Whether there is a pointer that may own something.
    owns: bool,
}

/// How a value of this type travels to a function of Rust's, or from it.
pub(super) fn travels(type_id: TypeId, is_result: bool, target: &mut dyn Target) -> Result<Passing, String> {
    let (_, described) = stripped(type_id, target);
    let Type::Record(record) = &*described else { return passing(type_id, target) };
    let name = || record.name.clone().unwrap_or_else(|| "a record without a name".to_owned());
    let unknown = || format!("{}, of which it is not known how Rust does that,", name());
    let size = size_of(type_id, target).ok_or_else(unknown)?;
    if size == 0 {
        return Ok(Passing::Nothing);
    }
    if record.kind == RecordKind::Union {
        return Err(unknown());
    }
    if is_result && size > 2 * WORD {
        return Ok(Passing::Memory);
    }
    let mut parts = Parts::default();
    collect(&described, 0, DEPTH, &mut parts, target).ok_or_else(unknown)?;
    // `&str`, `&[T]`, `&dyn Trait` own nothing.
    if !is_result && parts.owns && !name().starts_with('&') {
        return Err(format!("{}, which would be moved into it and still belongs to the program,", name()));
    }
    parts.all.sort_unstable();
    parts.all.dedup();
    let overlap = parts.all.windows(2).any(|two| matches!(two, [a, b] if a.offset + a.size > b.offset));
    match parts.all.as_slice() {
        _ if overlap => Err(unknown()),
        // `#[repr(C)]` would make an integer of it.
        [only] if only.is_float && !parts.has_array => Err(unknown()),
        [only] if !parts.has_array => Ok(Passing::Apart(vec![*only])),
        [first, second] if !parts.has_array => Ok(Passing::Apart(vec![*first, *second])),
        _ if size <= WORD => Ok(Passing::Apart(vec![Part { offset: 0, size, is_float: false }])),
        _ if !is_result => Ok(Passing::Pointer),
        // Some versions return it in two registers.
        _ => Err(unknown()),
    }
}

/// Adds the numbers of a type at an offset; `None`: there is something that is not understood.
fn collect(described: &Type, offset: u64, depth: usize, parts: &mut Parts, target: &mut dyn Target) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    match described {
        Type::Record(record) if record.kind == RecordKind::Union => None,
        Type::Record(record) => {
            for member in &record.members {
                let MemberLocation::Offset(at) = member.location else { return None };
                let (_, inner) = stripped(member.type_id, target);
                let owned = parts.owns;
                collect(&inner, offset.checked_add(at)?, depth, parts, target)?;
                let is_reference = matches!(&*inner, Type::Record(inner) if inner.name.as_deref().is_some_and(|name| name.starts_with('&')));
                parts.owns = owned || parts.owns && !is_reference;
            }
            variants(record, offset, depth, parts, target)
        }
        Type::Array { count: Some(0), .. } | Type::Void => Some(()),
        Type::Array { .. } => {
            parts.has_array = true;
            add(Part { offset, size: 1, is_float: false }, parts)
        }
        Type::Base(base) if base.size == 0 => Some(()),
        Type::Base(base) if base.size <= WORD => {
            add(Part { offset, size: base.size, is_float: base.encoding == Encoding::Float }, parts)
        }
        Type::Enumeration(enumeration) => add(Part { offset, size: enumeration.size, is_float: false }, parts),
        Type::Pointer(_) => {
            parts.owns = true;
            add(Part { offset, size: WORD, is_float: false }, parts)
        }
        _ => None,
    }
}

fn add(part: Part, parts: &mut Parts) -> Option<()> {
    (parts.all.len() < MOST).then(|| parts.all.push(part))
}

/// The numbers of an enum's variants. Two variants with fields make a pair only of the tag and one number that is the same in each.
fn variants(record: &Record, offset: u64, depth: usize, parts: &mut Parts, target: &mut dyn Target) -> Option<()> {
    let Some(part) = &record.variants else { return Some(()) };
    let mut of_variants: Vec<Vec<Part>> = Vec::new();
    for variant in &part.variants {
        let MemberLocation::Offset(at) = variant.member.location else { return None };
        let (_, inner) = stripped(variant.member.type_id, target);
        let mut own = Parts::default();
        collect(&inner, offset.checked_add(at)?, depth, &mut own, target)?;
        parts.has_array |= own.has_array;
        parts.owns |= own.owns;
        own.all.sort_unstable();
        own.all.dedup();
        if !own.all.is_empty() {
            of_variants.push(own.all);
        }
    }
    let tag = match &part.discriminant {
        Some(discriminant) => {
            let MemberLocation::Offset(at) = discriminant.location else { return None };
            let size = size_of(discriminant.type_id, target)?;
            Some(Part { offset: offset.checked_add(at)?, size, is_float: false })
        }
        None => None,
    };
    let is_niche = tag.is_some_and(|tag| of_variants.iter().flatten().any(|part| part.offset == tag.offset));
    match (of_variants.as_slice(), tag) {
        // The tag is one of the numbers, which has room for it.
        ([only], Some(_)) if is_niche => parts.all.extend(only),
        (_, Some(_)) if is_niche => return None,
        (all, tag) => {
            parts.all.extend(all.iter().flatten());
            parts.all.extend(tag);
        }
    }
    Some(())
}
