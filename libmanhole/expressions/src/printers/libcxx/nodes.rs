//! libc++'s lists, trees and hash tables: what hangs together by pointers.
//!
//! Pure. A tree is walked as libstdc++'s is, and so is what keeps a corrupt one from going round for ever.

use super::{held, is_pair, number, one_of};
use crate::evaluate::path_of;
use crate::print::pretty::Shape;
use crate::printers::keyed::Visit;
use crate::printers::sequences::Chain;
use crate::printers::trees::HEIGHT;
use crate::printers::vocabulary::same_place;
use crate::printers::{View, template};
use crate::types::TypeId;
use crate::value::{Place, Value};

/// The type of a container's nodes, which is what its allocator allocates: that stands second in a pair, or is a member.
fn allocated(value: &Value, pair: &str, view: &mut View<'_>) -> Option<TypeId> {
    let pair = view.field(value, pair).filter(|pair| is_pair(pair.type_id, view));
    let allocator = match pair {
        Some(pair) => view.argument(pair.type_id, 1)?,
        None => one_of(value, &["__node_alloc_", "__alloc_"], view)?.type_id,
    };
    view.element_type(allocator)
}

/// The value that a node holds. A map's pair can be in a wrapper, which lets the library change its key.
pub(in super::super) fn value_of_node(node: TypeId, address: u64, view: &mut View<'_>) -> Option<Value> {
    let at = Value::at(node, address);
    let value = match view.field(&at, "__value_") {
        Some(value) => value,
        None => {
            let buffer = view.field(&at, "__buffer_")?;
            same_place(&buffer, view.argument(node, 0)?, view)?
        }
    };
    let name = view.name_of(value.type_id);
    match name.as_deref().and_then(template) {
        Some((_, "__value_type" | "__hash_value_type")) => one_of(&value, &["__cc_", "__cc"], view),
        _ => Some(value),
    }
}

pub(in super::super) fn list(value: &Value, view: &mut View<'_>) -> Option<Chain> {
    let end = view.field(value, "__end_")?;
    let Place::Memory(address) = end.place else { return None };
    Some(Chain {
        first: view.number(&end, &["__next_"])?,
        last: view.number(&end, &["__prev_"])?,
        end: address,
        length: number(value, &["__size_", "__size_alloc_"], view),
        node: allocated(value, "__size_alloc_", view),
        next: "__next_",
    })
}

pub(in super::super) fn forward_list(value: &Value, view: &mut View<'_>) -> Option<Chain> {
    let before = held(value, &["__before_begin_"], view)?;
    let next = view.field(&before, "__next_")?;
    let first = view.word(&next)?;
    Some(Chain { first, last: 0, end: 0, length: None, node: view.pointee(next.type_id), next: "__next_" })
}

pub(in super::super) fn tree_count(value: &Value, view: &mut View<'_>) -> Option<u64> {
    let tree = view.field(value, "__tree_")?;
    number(&tree, &["__size_", "__pair3_"], view)
}

/// Visits the values of a map or a set in their order, and says how many there are.
pub(in super::super) fn each_of_tree(value: &Value, view: &mut View<'_>, visit: Visit<'_>) -> Option<u64> {
    let count = tree_count(value, view)?;
    if count == 0 {
        return Some(0);
    }
    let tree = view.field(value, "__tree_")?;
    let node = allocated(&tree, "__pair1_", view)?;
    let mut at = view.number(&tree, &["__begin_node_"])?;
    for step in 1..=count {
        view.goes_on(step)?;
        let value = value_of_node(node, at, view)?;
        if !visit(value, view)? || step == count {
            break;
        }
        at = next(at, node, view)?;
    }
    Some(count)
}

/// The node after this one in order. What is above the root has the root to its left, and nothing else.
fn next(address: u64, node: TypeId, view: &mut View<'_>) -> Option<u64> {
    let link = |at: u64, name: &str, view: &mut View<'_>| view.number(&Value::at(node, at), &[name]);
    let mut at = address;
    match link(at, "__right_", view)? {
        0 => {
            for _ in 0..HEIGHT {
                let parent = link(at, "__parent_", view)?;
                if link(parent, "__left_", view)? == at {
                    return Some(parent);
                }
                at = parent;
            }
        }
        right => {
            at = right;
            for _ in 0..HEIGHT {
                match link(at, "__left_", view)? {
                    0 => return Some(at),
                    left => at = left,
                }
            }
        }
    }
    None
}

pub(in super::super) fn hash_count(value: &Value, view: &mut View<'_>) -> Option<u64> {
    let table = view.field(value, "__table_")?;
    number(&table, &["__size_", "__p2_"], view)
}

/// The same of a hash table, whose nodes hang in one chain.
pub(in super::super) fn each_of_hash(value: &Value, view: &mut View<'_>, visit: Visit<'_>) -> Option<u64> {
    let count = hash_count(value, view)?;
    let table = view.field(value, "__table_")?;
    let head = held(&table, &["__first_node_", "__p1_"], view)?;
    let node = view.argument(head.type_id, 0)?;
    let node = view.pointee(node)?;
    let mut at = view.number(&head, &["__next_"])?;
    for step in 1..=count {
        if at == 0 {
            break;
        }
        view.goes_on(step)?;
        let value = value_of_node(node, at, view)?;
        if !visit(value, view)? {
            break;
        }
        at = view.number(&Value::at(node, at), &["__next_"])?;
    }
    Some(count)
}

/// An iterator of a chain or a tree.
pub(in super::super) fn iterator(value: &Value, container: &str, view: &mut View<'_>) -> Option<Shape> {
    // A map's has a tree's inside.
    let inner = view.field(value, "__i_").unwrap_or_else(|| value.clone());
    let link = view.field(&inner, "__ptr_")?;
    let address = view.word(&link)?;
    if address == 0 {
        return Some(Shape::Summary(format!("non-dereferenceable iterator for {container}")));
    }
    let class = view.name_of(inner.type_id)?;
    let node = match template(&class)?.1 {
        "__list_iterator" | "__list_const_iterator" => {
            let base = view.pointee(link.type_id)?;
            let name = view.name_of(base)?.replacen("::__list_node_base<", "::__list_node<", 1);
            view.target.find_type(None, &path_of(&name))?
        }
        "__forward_list_iterator" | "__forward_list_const_iterator" => {
            let pointer = view.argument(inner.type_id, 0)?;
            view.pointee(pointer)?
        }
        "__tree_iterator" | "__tree_const_iterator" => {
            let pointer = view.argument(inner.type_id, 1)?;
            view.pointee(pointer)?
        }
        _ => return None,
    };
    let element = value_of_node(node, address, view)?;
    view.text(&element).map(Shape::Summary)
}
