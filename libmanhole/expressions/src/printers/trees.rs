//! libstdc++'s red-black trees: `std::map`, `std::set` and those with equal keys.
//!
//! Pure. A tree is walked node by node from the least one, no further than somebody looks; that no way in it is longer than a tree's
//! can be is what keeps a corrupt one from going round for ever.

use super::keyed::{self, Visit};
use super::sequences::{node_type, value_of_node};
use super::{View, counted, libcxx, numbered};
use crate::access;
use crate::print::pretty::Shape;
use crate::value::Value;

/// No way from the root of a red-black tree is longer than twice the logarithm of its nodes, which have 32 bytes at least.
pub(super) const HEIGHT: u32 = 128;

/// `_Rb_tree_node_base`.
#[derive(Clone, Copy)]
struct Links {
    parent: u64,
    left: u64,
    right: u64,
}

fn links(address: u64, view: &mut View<'_>) -> Option<Links> {
    // The colour fills the first word.
    let mut bytes = [0; 24];
    view.target.read(address.checked_add(8)?, &mut bytes).ok()?;
    let mut words = bytes.chunks_exact(8).map(|word| access::integer(word, false) as u64);
    Some(Links { parent: words.next()?, left: words.next()?, right: words.next()? })
}

/// The node after this one in order.
fn next(address: u64, view: &mut View<'_>) -> Option<u64> {
    let mut at = address;
    let here = links(at, view)?;
    if here.right != 0 {
        at = here.right;
        for _ in 0..HEIGHT {
            match links(at, view)?.left {
                0 => return Some(at),
                left => at = left,
            }
        }
        return None;
    }
    let mut parent = here.parent;
    for _ in 0..HEIGHT {
        let above = links(parent, view)?;
        if above.right != at {
            return Some(parent);
        }
        at = parent;
        parent = above.parent;
    }
    None
}

/// How many values there are.
pub(super) fn count(value: &Value, view: &mut View<'_>) -> Option<u64> {
    if libcxx::owns(value, view) {
        return libcxx::tree_count(value, view);
    }
    view.number(value, &["_M_t", "_M_impl", "_M_node_count"])
}

/// Visits the values in their order, and says how many there are.
pub(super) fn each(value: &Value, view: &mut View<'_>, visit: Visit<'_>) -> Option<u64> {
    if libcxx::owns(value, view) {
        return libcxx::each_of_tree(value, view, visit);
    }
    let implementation = view.way(value, &["_M_t", "_M_impl"])?;
    let count = view.number(&implementation, &["_M_node_count"])?;
    if count == 0 {
        return Some(0);
    }
    let node = node_type(&implementation, "std::_Rb_tree_node<", view)?;
    let mut at = view.number(&implementation, &["_M_header", "_M_left"])?;
    for step in 1..=count {
        view.goes_on(step)?;
        let value = value_of_node(node, at, view)?;
        if !visit(value, view)? || step == count {
            break;
        }
        at = next(at, view)?;
    }
    Some(count)
}

pub(super) fn map(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    let (count, pairs) = keyed::some(view.limit.div_ceil(2), view, |view, visit| each(value, view, visit))?;
    let has_more = count > pairs.len() as u64;
    entries(pairs, format!("{full} with {}", counted(count)), has_more, view)
}

/// Pairs as keys and values.
pub(super) fn entries(pairs: Vec<Value>, summary: String, has_more: bool, view: &mut View<'_>) -> Option<Shape> {
    let entries: Option<Vec<_>> =
        pairs.iter().map(|pair| Some((view.field(pair, "first")?, view.field(pair, "second")?))).collect();
    Some(Shape::Map { summary: Some(summary), entries: entries?, has_more })
}

pub(super) fn set(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    let (count, found) = keyed::some(view.limit, view, |view, visit| each(value, view, visit))?;
    let summary = Some(format!("{full} with {}", counted(count)));
    Some(Shape::Children { summary, children: numbered(found) })
}

pub(super) fn iterator(value: &Value, view: &mut View<'_>) -> Option<Shape> {
    let address = view.number(value, &["_M_node"])?;
    if address == 0 {
        return Some(Shape::Summary("non-dereferenceable iterator for associative container".to_owned()));
    }
    let of = view.element_type(value.type_id)?;
    let node = super::type_names::instance("std::_Rb_tree_node", of, view)?;
    let element = value_of_node(node, address, view)?;
    view.text(&element).map(Shape::Summary)
}
