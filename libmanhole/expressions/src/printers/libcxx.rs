//! LLVM's libc++: where its types keep what libstdc++'s keep elsewhere. What is shown of it is the same.
//!
//! Pure. Only the names of members tell the layout, which differs between the library's versions and ABIs: what has one of two
//! names is looked for under both, the newer one first.

mod nodes;
mod single;

pub(super) use nodes::{
    each_of_hash, each_of_tree, forward_list, hash_count, iterator, list, tree_count, value_of_node,
};
pub(super) use single::{
    any_value, atomic_value, optional_value, path, shared_parts, tuple_elements, unique_pointer, variant_parts,
};

use super::sequences::{Deque, distance};
use super::{View, template};
use crate::types::{TemplateArgument, Type, TypeId};
use crate::value::{Place, Value};

/// Namespaces in `std` that are libstdc++'s. libc++'s is called after its ABI's version, or as who has built it likes.
const OTHERS: [&str; 7] = ["__cxx11", "__cxx1998", "__debug", "__detail", "__parallel", "__profile", "__8"];

/// Bytes of a block of a deque, and elements of one when they are large.
const BLOCK: (u64, u64) = (4096, 16);

/// Where a string has its characters: behind a pointer, or inside itself, which is nowhere when it is a computed one.
pub(super) enum Text {
    At(Value),
    Here(Value),
}

/// The namespace of the ABI's version that a name in `std` goes on with, with its colons.
fn version(rest: &str) -> Option<&str> {
    let (scope, _) = rest.split_once("::")?;
    let name = scope.strip_prefix("__")?;
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_name && !OTHERS.contains(&scope)).then(|| rest.get(..scope.len() + 2))?
}

/// Whether a type of this name is one of this library's.
pub(super) fn has(name: &str) -> bool {
    name.strip_prefix("std::").is_some_and(|rest| version(rest).is_some())
}

/// Whether this is an object of one of this library's types.
pub(super) fn owns(value: &Value, view: &mut View<'_>) -> bool {
    view.name_of(value.type_id).is_some_and(|name| has(&name))
}

/// A name without the namespaces that say versions, and so as programs spell it.
pub(super) fn plain(name: &str) -> String {
    let mut pieces = name.split("std::");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        plain.push_str("std::");
        let piece = version(piece).and_then(|version| piece.strip_prefix(version)).unwrap_or(piece);
        plain.push_str(piece.strip_prefix("__fs::").unwrap_or(piece));
    }
    plain
}

/// The first of these members that there is.
fn one_of(value: &Value, names: &[&str], view: &mut View<'_>) -> Option<Value> {
    names.iter().find_map(|name| view.field(value, name))
}

fn is_pair(type_id: TypeId, view: &mut View<'_>) -> bool {
    let name = view.name_of(type_id);
    name.as_deref().and_then(template).is_some_and(|(_, last)| last == "__compressed_pair")
}

/// The first of these members that there is, or what stands first in it where it is a pair whose empty part takes no room.
fn held(value: &Value, names: &[&str], view: &mut View<'_>) -> Option<Value> {
    let member = one_of(value, names, view)?;
    if !is_pair(member.type_id, view) {
        return Some(member);
    }
    // The oldest pairs have a member of their own for each part.
    let first = view.first(&member)?;
    view.field(&first, "__value_").or_else(|| view.field(&member, "__first_"))
}

fn number(value: &Value, names: &[&str], view: &mut View<'_>) -> Option<u64> {
    let held = held(value, names, view)?;
    view.word(&held)
}

/// How far a member is from the start of its record.
fn offset(record: TypeId, name: &str, view: &mut View<'_>) -> Option<u64> {
    match view.field(&Value::at(record, 0), name)?.place {
        Place::Memory(offset) => Some(offset),
        _ => None,
    }
}

fn pointer(of: TypeId, address: u64, view: &mut View<'_>) -> Value {
    let type_id = view.target.intern(Type::Pointer(of));
    Value::new(type_id, address.to_le_bytes().to_vec())
}

/// A string's characters, and how many they are.
pub(super) fn string(value: &Value, view: &mut View<'_>) -> Option<(Text, u64)> {
    let both = held(value, &["__rep_", "__r_"], view)?;
    let short = view.field(&both, "__s")?;
    let size = view.number(&short, &["__size_"])?;
    let (is_long, length) = match view.number(&short, &["__is_long_"]) {
        Some(is_long) => (is_long != 0, size),
        // Before it was a bit-field, the bit was the least significant one of a byte before the characters, or the most
        // significant one of a byte behind them.
        None if offset(short.type_id, "__size_", view)? < offset(short.type_id, "__data_", view)? => {
            (size & 1 != 0, size >> 1)
        }
        None => (size & 0x80 != 0, size),
    };
    if is_long {
        let long = view.field(&both, "__l")?;
        return Some((Text::At(view.field(&long, "__data_")?), view.number(&long, &["__size_"])?));
    }
    let array = view.field(&short, "__data_")?;
    let (of, room) = match &*view.described(array.type_id).1 {
        Type::Array { of, count, .. } => (*of, (*count)?),
        _ => return None,
    };
    if length > room {
        return None;
    }
    Some(match array.place {
        Place::Memory(address) => (Text::At(pointer(of, address, view)), length),
        _ => (Text::Here(array), length),
    })
}

/// A view's pointer, and how many characters there are.
pub(super) fn string_view(value: &Value, view: &mut View<'_>) -> Option<(Value, u64)> {
    Some((one_of(value, &["__data_", "__data"], view)?, number(value, &["__size_", "__size"], view)?))
}

/// Where a vector's elements are: their type, the first one, how many, and for how many there is room.
pub(super) fn vector(value: &Value, view: &mut View<'_>) -> Option<(TypeId, u64, u64, u64)> {
    let begin = view.field(value, "__begin_")?;
    let of = view.pointee(begin.type_id)?;
    let size = view.size_of(of)?;
    let start = view.word(&begin)?;
    let length = distance(start, view.number(value, &["__end_"])?, size)?;
    let capacity = distance(start, number(value, &["__cap_", "__end_cap_"], view)?, size)?;
    (length <= capacity).then_some((of, start, length, capacity))
}

/// Where the bits of a vector of `bool` are: the first word, how many bits, and for how many there is room.
pub(super) fn bits(value: &Value, view: &mut View<'_>) -> Option<(u64, u64, u64)> {
    let begin = view.field(value, "__begin_")?;
    let word = view.pointee(begin.type_id)?;
    if view.size_of(word)? != 8 {
        return None;
    }
    let length = view.number(value, &["__size_"])?;
    let capacity = number(value, &["__cap_", "__cap_alloc_"], view)?.checked_mul(64)?;
    let start = view.word(&begin)?;
    (length <= capacity).then_some((start, length, capacity))
}

/// A deque's parts: which of the blocks' elements is the first one, and how many there are.
pub(super) fn deque(value: &Value, of: TypeId, view: &mut View<'_>) -> Option<Deque> {
    let size = view.size_of(of)?;
    let per_block = if size < BLOCK.0 / BLOCK.1 { BLOCK.0.checked_div(size)? } else { BLOCK.1 };
    let map = view.field(value, "__map_")?;
    let begin = view.number(&map, &["__begin_"])?;
    let blocks = match view.number(&map, &["__end_"]) {
        Some(end) => distance(begin, end, 8)?,
        None => view.number(&map, &["__size_"])?,
    };
    let start = view.number(value, &["__start_"])?;
    let length = number(value, &["__size_"], view)?;
    if start.checked_add(length)? > blocks.checked_mul(per_block)? {
        return None;
    }
    let node = begin.checked_add((start / per_block).checked_mul(8)?)?;
    let inside = start % per_block;
    let first = match length {
        0 => 0,
        _ => view.load(node)?.checked_add(inside.checked_mul(size)?)?,
    };
    Some(Deque { of, size, per_block, first, in_first: per_block - inside, node, length })
}

/// Whether an array is one of no elements.
pub(super) fn is_empty_array(value: &Value, view: &mut View<'_>) -> bool {
    let (_, described) = view.described(value.type_id);
    let count = described.as_record().and_then(|record| record.template_arguments.get(1));
    owns(value, view) && matches!(count, Some(TemplateArgument::Value { value: 0, .. }))
}
