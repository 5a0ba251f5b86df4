//! libstdc++'s hash tables: `std::unordered_map`, `std::unordered_set` and those with equal keys.
//!
//! Pure. All nodes of such a table hang in one chain.

use super::keyed::{self, Visit};
use super::sequences::value_of_node;
use super::{View, counted, libcxx, numbered};
use crate::print::pretty::Shape;
use crate::types::TypeId;
use crate::value::Value;

/// The type of the nodes: what the table allocates.
fn node_type(table: &Value, view: &mut View<'_>) -> Option<TypeId> {
    let (_, described) = view.described(table.type_id);
    let bases: Vec<_> = described.as_record()?.members.iter().filter(|member| member.is_base).collect();
    bases.into_iter().find_map(|base| {
        if !view.name_of(base.type_id)?.starts_with("std::__detail::_Hashtable_alloc<") {
            return None;
        }
        let allocator = view.argument(base.type_id, 0)?;
        let node = view.element_type(allocator)?;
        view.name_of(node)?.starts_with("std::__detail::_Hash_node<").then_some(node)
    })
}

/// How many values there are.
pub(super) fn count(value: &Value, view: &mut View<'_>) -> Option<u64> {
    if libcxx::owns(value, view) {
        return libcxx::hash_count(value, view);
    }
    view.number(value, &["_M_h", "_M_element_count"])
}

/// Visits the values, and says how many there are.
pub(super) fn each(value: &Value, view: &mut View<'_>, visit: Visit<'_>) -> Option<u64> {
    if libcxx::owns(value, view) {
        return libcxx::each_of_hash(value, view, visit);
    }
    let table = view.field(value, "_M_h")?;
    let count = view.number(&table, &["_M_element_count"])?;
    let mut at = view.number(&table, &["_M_before_begin", "_M_nxt"])?;
    if at == 0 {
        return Some(count);
    }
    let node = node_type(&table, view)?;
    for step in 1..=count {
        if at == 0 {
            break;
        }
        view.goes_on(step)?;
        let value = value_of_node(node, at, view)?;
        if !visit(value, view)? {
            break;
        }
        at = view.number(&Value::at(node, at), &["_M_nxt"])?;
    }
    Some(count)
}

pub(super) fn map(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    let (count, pairs) = keyed::some(view.limit.div_ceil(2), view, |view, visit| each(value, view, visit))?;
    let has_more = count > pairs.len() as u64;
    super::trees::entries(pairs, format!("{full} with {}", counted(count)), has_more, view)
}

pub(super) fn set(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    let (count, found) = keyed::some(view.limit, view, |view, visit| each(value, view, visit))?;
    let summary = Some(format!("{full} with {}", counted(count)));
    Some(Shape::Children { summary, children: numbered(found) })
}
