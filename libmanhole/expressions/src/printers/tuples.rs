//! `std::pair` and `std::tuple`.
//!
//! Pure.

use super::{View, libcxx};
use crate::access;
use crate::print::pretty::Shape;
use crate::types::Member;
use crate::value::Value;

/// Elements of a tuple that are looked for.
pub(super) const MOST: usize = 256;

pub(super) fn pair(value: &Value, view: &mut View<'_>) -> Option<Shape> {
    let first = view.field(value, "first")?;
    let second = view.field(value, "second")?;
    let children = vec![("first".to_owned(), first), ("second".to_owned(), second)];
    Some(Shape::Children { summary: None, children })
}

fn members(value: &Value, view: &mut View<'_>) -> Option<Vec<Member>> {
    let (_, described) = view.described(value.type_id);
    Some(described.as_record()?.members.clone())
}

fn part(value: &Value, member: &Member, view: &mut View<'_>) -> Option<Value> {
    access::member(value, &member.location, member.type_id, view.target)
}

/// The elements: each stands in a base class of a base class, or is one when it is empty.
pub(super) fn elements(value: &Value, view: &mut View<'_>) -> Option<Vec<Value>> {
    if libcxx::owns(value, view) {
        return libcxx::tuple_elements(value, view);
    }
    let mut found = Vec::new();
    let outer = members(value, view)?;
    let Some(first) = outer.first() else { return Some(found) };
    let mut head = Some(part(value, first, view)?);
    while let Some(at) = head.take() {
        let nodes = members(&at, view)?;
        let (rest, holder) = match nodes.as_slice() {
            [] => break,
            [only] if only.is_base => (None, only),
            [rest, holder] if rest.is_base && holder.is_base => (Some(rest), holder),
            _ => return None,
        };
        let holder = part(&at, holder, view)?;
        let element = match members(&holder, view)?.first() {
            Some(member) if member.name.as_deref() == Some("_M_head_impl") => part(&holder, member, view)?,
            _ => holder,
        };
        found.push(element);
        if found.len() > MOST {
            return None;
        }
        head = match rest {
            Some(rest) => Some(part(&at, rest, view)?),
            None => None,
        };
    }
    Some(found)
}

pub(super) fn tuple(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    if members(value, view)?.is_empty() {
        return Some(Shape::Summary(format!("empty {full}")));
    }
    let elements = elements(value, view)?;
    let children = (1..).zip(elements).map(|(at, element)| (format!("[{at}]"), element)).collect();
    Some(Shape::Children { summary: Some(format!("{full} containing")), children })
}
