//! `std::optional`, `std::variant`, `std::any`: one value, or none. And what C++20's `<=>` gives.
//!
//! Pure.

use super::type_names::recognised;
use super::{View, libcxx};
use crate::evaluate::path_of;
use crate::print::pretty::Shape;
use crate::types::TypeId;
use crate::value::{Place, Value};

/// One contained value. One that has children itself is shown by them.
fn containing(
    summary: String,
    description: Option<String>,
    value: Value,
    is_array: bool,
    view: &mut View<'_>,
) -> Shape {
    let said = |inner: Option<String>| Some(format!("{summary} containing {}", inner.as_deref().unwrap_or("None")));
    match view.shape(&value) {
        Some(Shape::Array { summary: inner, elements, has_more }) => {
            Shape::Array { summary: said(inner), elements, has_more }
        }
        Some(Shape::Map { summary: inner, entries, has_more }) => {
            Shape::Map { summary: said(inner), entries, has_more }
        }
        Some(Shape::Children { summary: inner, children }) if is_array => {
            let elements = children.into_iter().map(|(_, child)| child).collect();
            Shape::Array { summary: said(inner), elements, has_more: false }
        }
        Some(Shape::Children { summary: inner, children }) => Shape::Children { summary: said(inner), children },
        // Containers whose printer has children, of which there are none.
        Some(Shape::Summary(inner)) if inner.starts_with("empty ") => {
            Shape::Summary(format!("{summary} containing {inner}"))
        }
        _ => {
            let summary = Some(description.map_or(summary.clone(), |of| format!("{summary} containing {of}")));
            match is_array {
                true => Shape::Array { summary, elements: vec![value], has_more: false },
                false => Shape::Children { summary, children: vec![("[contained value]".to_owned(), value)] },
            }
        }
    }
}

pub(super) fn optional(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    let of = view.argument(value.type_id, 0)?;
    let summary = format!("{full}<{}>", recognised(of, view));
    Some(match optional_value(value, view)? {
        Some(value) => containing(summary, None, value, false, view),
        None => Shape::Summary(format!("{summary} [no contained value]")),
    })
}

/// What an optional holds.
pub(super) fn optional_value(value: &Value, view: &mut View<'_>) -> Option<Option<Value>> {
    if libcxx::owns(value, view) {
        return libcxx::optional_value(value, view);
    }
    let payload = view.field(value, "_M_payload")?;
    let is_engaged = view.number(&payload, &["_M_engaged"])? != 0;
    let inner = view.field(&payload, "_M_payload")?;
    let inner = view.field(&inner, "_M_value").unwrap_or(inner);
    Some(is_engaged.then_some(inner))
}

pub(super) fn variant(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    let (_, described) = view.described(value.type_id);
    let count = described.as_record()?.template_arguments.len();
    let alternatives: Option<Vec<TypeId>> = (0..count).map(|at| view.argument(value.type_id, at)).collect();
    let alternatives = alternatives?;
    let names: Vec<_> = alternatives.iter().map(|of| recognised(*of, view)).collect();
    let summary = format!("{full}<{}>", names.join(", "));
    let (index, storage) = if libcxx::owns(value, view) {
        let (index, storage) = libcxx::variant_parts(value, view)?;
        (index, Some(storage))
    } else {
        (view.number(value, &["_M_index"])?, view.way(value, &["_M_u", "_M_first", "_M_storage"]))
    };
    let Some(of) = alternatives.get(usize::try_from(index).ok()?) else {
        return Some(Shape::Summary(format!("{summary} [no contained value]")));
    };
    let inner = same_place(&storage?, *of, view)?;
    Some(containing(format!("{summary} [index {index}]"), None, inner, true, view))
}

/// What begins where this value does, as a value of another type.
pub(super) fn same_place(value: &Value, of: TypeId, view: &mut View<'_>) -> Option<Value> {
    match value.place {
        Place::Memory(address) => Some(Value::at(of, address)),
        // All alternatives begin where the first one does; it may be the smallest.
        _ if view.size_of(of)? <= view.size_of(value.type_id)? => Some(crate::access::part(value, 0, of, view.target)),
        _ => None,
    }
}

pub(super) fn any(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    if libcxx::owns(value, view) {
        return Some(match libcxx::any_value(value, view)? {
            Some((of, inner)) => {
                let description = recognised(of, view);
                containing(full.to_owned(), Some(description), inner, false, view)
            }
            None => Shape::Summary(format!("{full} [no contained value]")),
        });
    }
    let manager = view.number(value, &["_M_manager"])?;
    if manager == 0 {
        return Some(Shape::Summary(format!("{full} [no contained value]")));
    }
    // The function that manages the value is a static one of a class whose argument is the value's type.
    let symbol = view.target.symbol_at(manager).filter(|symbol| symbol.offset == 0)?;
    let (class, _) = symbol.name.rsplit_once("::_S_manage(")?;
    let is_inside = class.contains("::_Manager_internal<");
    let class = view.target.find_type(None, &path_of(class))?;
    let of = view.argument(class, 0)?;
    let storage = view.field(value, "_M_storage")?;
    let inner = if is_inside {
        let buffer = view.field(&storage, "_M_buffer")?;
        same_place(&buffer, of, view)?
    } else {
        Value::at(of, view.number(&storage, &["_M_ptr"])?)
    };
    let description = recognised(of, view);
    Some(containing(full.to_owned(), Some(description), inner, false, view))
}

pub(super) fn ordering(value: &Value, last: &str, view: &mut View<'_>) -> Option<Shape> {
    let number = match view.signed(value, &["_M_value"]) {
        Some(number) => number,
        // libc++ has its own number for what has no order.
        None => match view.signed(value, &["__value_"])? {
            -127 => 2,
            number => number,
        },
    };
    let name = match number {
        0 if last == "strong_ordering" => "equal",
        0 => "equivalent",
        -1 => "less",
        1 => "greater",
        2 => "unordered",
        _ => return None,
    };
    Some(Shape::Summary(format!("std::{last}::{name}")))
}
