//! libc++'s tuples, smart pointers, and types that hold one value or none.
//!
//! Pure.

use super::{held, number, one_of};
use crate::access;
use crate::evaluate::path_of;
use crate::printers::smart::Counts;
use crate::printers::tuples::MOST;
use crate::printers::vocabulary::same_place;
use crate::printers::{View, argument_text, template, type_names};
use crate::types::TypeId;
use crate::value::Value;

/// A tuple's elements: each stands in a base class of a member, or is a base class of that when it is empty.
pub(in super::super) fn tuple_elements(value: &Value, view: &mut View<'_>) -> Option<Vec<Value>> {
    let Some(all) = one_of(value, &["__base_", "base_"], view) else { return Some(Vec::new()) };
    let (_, described) = view.described(all.type_id);
    let mut found = Vec::new();
    for base in described.as_record()?.members.iter().filter(|member| member.is_base) {
        let name = view.name_of(base.type_id);
        if name.as_deref().and_then(template).is_none_or(|(_, last)| last != "__tuple_leaf") {
            continue;
        }
        let leaf = access::member(&all, &base.location, base.type_id, view.target)?;
        // Its only member, or its only base class.
        found.push(view.first(&leaf)?);
        if found.len() > MOST {
            return None;
        }
    }
    Some(found)
}

pub(in super::super) fn unique_pointer(value: &Value, view: &mut View<'_>) -> Option<Value> {
    held(value, &["__ptr_"], view)
}

pub(in super::super) fn shared_parts(value: &Value, view: &mut View<'_>) -> Option<(Value, Counts)> {
    let pointer = view.field(value, "__ptr_")?;
    let control = view.field(value, "__cntrl_")?;
    let address = view.word(&control)?;
    if address == 0 {
        return Some((pointer, Counts::None));
    }
    let class = view.pointee(control.type_id)?;
    let (_, described) = view.described(class);
    if described.as_record()?.is_declaration {
        return Some((pointer, Counts::Undescribed));
    }
    let control = Value::at(class, address);
    // Both count from -1 on.
    let used = view.signed(&control, &["__shared_owners_"])?.wrapping_add(1);
    let all = view.signed(&control, &["__shared_weak_owners_"])?.wrapping_add(1);
    let weak = if used == 0 { all } else { all.wrapping_sub(1) };
    Some((pointer, Counts::Known { used, weak }))
}

pub(in super::super) fn atomic_value(value: &Value, view: &mut View<'_>) -> Option<Value> {
    view.way(value, &["__a_", "__a_value"])
}

pub(in super::super) fn optional_value(value: &Value, view: &mut View<'_>) -> Option<Option<Value>> {
    let is_engaged = view.number(value, &["__engaged_"])? != 0;
    let inner = view.field(value, "__val_")?;
    Some(is_engaged.then_some(inner))
}

/// Which alternative a variant holds, and where all of them begin.
pub(in super::super) fn variant_parts(value: &Value, view: &mut View<'_>) -> Option<(u64, Value)> {
    let inner = one_of(value, &["__impl_", "__impl"], view)?;
    let index = number(&inner, &["__index_", "__index"], view)?;
    Some((index, one_of(&inner, &["__data_", "__data"], view)?))
}

/// What a `std::any` holds, and its type; `None` inside when it holds nothing.
pub(in super::super) fn any_value(value: &Value, view: &mut View<'_>) -> Option<Option<(TypeId, Value)>> {
    let handler = number(value, &["__h_", "__h"], view)?;
    if handler == 0 {
        return Some(None);
    }
    // The function that handles the value is a static one of a class whose argument is the value's type.
    let symbol = view.target.symbol_at(handler).filter(|symbol| symbol.offset == 0)?;
    let (class, _) = symbol.name.rsplit_once("::__handle")?;
    let of = match view.target.find_type(None, &path_of(class)) {
        Some(class) => view.argument(class, 0)?,
        None => type_names::named(argument_text(class, 0)?, view)?,
    };
    let storage = one_of(value, &["__s_", "__s"], view)?;
    let inner = if class.contains("::_SmallHandler<") {
        let buffer = one_of(&storage, &["__buf_", "__buf"], view)?;
        same_place(&buffer, of, view)?
    } else {
        Value::at(of, number(&storage, &["__ptr_", "__ptr"], view)?)
    };
    Some(Some((of, inner)))
}

/// A path's text; its parts are not kept.
pub(in super::super) fn path(value: &Value, view: &mut View<'_>) -> Option<String> {
    let text = view.field(value, "__pn_")?;
    view.text(&text)
}
