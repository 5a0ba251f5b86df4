//! libstdc++'s smart pointers and atomic variables.
//!
//! Pure.

use super::View;
use crate::print::pretty::Shape;
use crate::types::{Base, Encoding, Type};
use crate::value::Value;

/// The pointer that a `std::unique_ptr` holds.
pub(super) fn unique_pointer(value: &Value, view: &mut View<'_>) -> Option<Value> {
    let mut at = view.field(value, "_M_t")?;
    for _ in 0..4 {
        if view.name_of(at.type_id)?.starts_with("std::tuple<") {
            return super::tuples::elements(&at, view)?.into_iter().next();
        }
        at = view.field(&at, "_M_t")?;
    }
    None
}

fn pointing(summary: String, pointer: Value) -> Shape {
    Shape::Children { summary: Some(summary), children: vec![("get()".to_owned(), pointer)] }
}

pub(super) fn unique(value: &Value, view: &mut View<'_>) -> Option<Shape> {
    let pointer = unique_pointer(value, view)?;
    let of = view.argument(value.type_id, 0)?;
    let of = view.spelled(of);
    Some(pointing(format!("std::unique_ptr<{of}>"), pointer))
}

pub(super) fn shared(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    let of = view.argument(value.type_id, 0)?;
    let of = view.spelled(of);
    let pointer = view.field(value, "_M_ptr")?;
    let counts = view.way(value, &["_M_refcount", "_M_pi"])?;
    let state = match view.word(&counts)? {
        0 => "empty".to_owned(),
        address => {
            let class = view.pointee(counts.type_id)?;
            let counts = Value::at(class, address);
            let used = view.signed(&counts, &["_M_use_count"])?;
            let weak = view.signed(&counts, &["_M_weak_count"])?;
            match used {
                0 => format!("expired, weak count {weak}"),
                _ => format!("use count {used}, weak count {}", weak.wrapping_sub(1)),
            }
        }
    };
    Some(pointing(format!("{full}<{of}> ({state})"), pointer))
}

pub(super) fn atomic(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    let of = view.argument(value.type_id, 0)?;
    let (_, described) = view.described(of);
    let inner = match &*described {
        Type::Base(Base { encoding: Encoding::Float, .. }) => view.field(value, "_M_fp"),
        Type::Base(Base { encoding: Encoding::Boolean, .. }) => view.way(value, &["_M_base", "_M_i"]),
        Type::Pointer(_) => view.way(value, &["_M_b", "_M_p"]),
        _ => view.field(value, "_M_i"),
    }?;
    let (of, text) = (view.spelled(of), view.text(&inner)?);
    Some(Shape::Summary(format!("{full}<{of}> = {{ {text} }}")))
}
