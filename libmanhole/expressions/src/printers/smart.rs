//! Smart pointers and atomic variables.
//!
//! Pure.

use super::{View, libcxx};
use crate::print::pretty::Shape;
use crate::types::{Base, Encoding, Type};
use crate::value::Value;

/// The pointer that a `std::unique_ptr` holds.
pub(super) fn unique_pointer(value: &Value, view: &mut View<'_>) -> Option<Value> {
    if libcxx::owns(value, view) {
        return libcxx::unique_pointer(value, view);
    }
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

/// What is known of those that share what a pointer points to.
pub(super) enum Counts {
    /// There is nothing.
    None,
    /// How many own it, and how many only know it.
    Known { used: i64, weak: i64 },
    /// The class that counts them is inside the library, and the program may have only its name.
    Undescribed,
}

/// The pointer that a `std::shared_ptr` or a `std::weak_ptr` holds, and the counts.
pub(super) fn shared_parts(value: &Value, view: &mut View<'_>) -> Option<(Value, Counts)> {
    if libcxx::owns(value, view) {
        return libcxx::shared_parts(value, view);
    }
    let pointer = view.field(value, "_M_ptr")?;
    let counts = view.way(value, &["_M_refcount", "_M_pi"])?;
    let address = view.word(&counts)?;
    if address == 0 {
        return Some((pointer, Counts::None));
    }
    let class = view.pointee(counts.type_id)?;
    let counts = Value::at(class, address);
    let used = view.signed(&counts, &["_M_use_count"])?;
    let all = view.signed(&counts, &["_M_weak_count"])?;
    // Together those that own it are one of those that know it.
    let weak = if used == 0 { all } else { all.wrapping_sub(1) };
    Some((pointer, Counts::Known { used, weak }))
}

pub(super) fn shared(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    let of = view.argument(value.type_id, 0)?;
    let of = view.spelled(of);
    let (pointer, counts) = shared_parts(value, view)?;
    let state = match counts {
        Counts::None => "empty".to_owned(),
        Counts::Known { used: 0, weak } => format!("expired, weak count {weak}"),
        Counts::Known { used, weak } => format!("use count {used}, weak count {weak}"),
        Counts::Undescribed => "counts not described".to_owned(),
    };
    Some(pointing(format!("{full}<{of}> ({state})"), pointer))
}

pub(super) fn atomic(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    let of = view.argument(value.type_id, 0)?;
    if libcxx::owns(value, view) {
        let inner = libcxx::atomic_value(value, view)?;
        let (of, text) = (view.spelled(of), view.text(&inner)?);
        return Some(Shape::Summary(format!("{full}<{of}> = {{ {text} }}")));
    }
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
