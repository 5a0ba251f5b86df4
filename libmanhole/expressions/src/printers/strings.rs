//! Strings and paths.
//!
//! Pure. A string's characters are not read here, only where they are.

use super::{View, libcxx};
use crate::access;
use crate::print::pretty::Shape;
use crate::types::Type;
use crate::value::Value;

/// `_Rep` before the characters of a string of the ABI before C++11: length, capacity, references.
const HEADER: u64 = 24;

/// `std::string` and its like, of the ABI since C++11 (`is_new`) and of the one before.
pub(super) fn string(value: &Value, is_new: bool, view: &mut View<'_>) -> Option<Shape> {
    let (address, element) = characters(value, view)?;
    let length =
        if is_new { view.number(value, &["_M_string_length"])? } else { view.load(address.checked_sub(HEADER)?)? };
    Some(Shape::TextAt { address, length, element: Some(element) })
}

/// Where the characters are, and of which type.
fn characters(value: &Value, view: &mut View<'_>) -> Option<(u64, crate::types::TypeId)> {
    if let Some(pointer) = view.way(value, &["_M_dataplus", "_M_p"]) {
        let element = view.pointee(pointer.type_id)?;
        return Some((view.word(&pointer)?, element));
    }
    // clang leaves the description of the part with the pointer, which stands first, to the library's debug information.
    let buffer = view.field(value, "_M_local_buf")?;
    let Type::Array { of, .. } = *view.described(buffer.type_id).1 else { return None };
    let bytes = access::bytes(value, view.target).ok()?.ok()?;
    Some((access::integer(bytes.get(..8)?, false) as u64, of))
}

/// `std::string` and its like, of libc++.
pub(super) fn string_of_libcxx(value: &Value, view: &mut View<'_>) -> Option<Shape> {
    let (text, length) = libcxx::string(value, view)?;
    match text {
        libcxx::Text::At(pointer) => {
            let element = view.pointee(pointer.type_id)?;
            Some(Shape::TextAt { address: view.word(&pointer)?, length, element: Some(element) })
        }
        libcxx::Text::Here(array) => {
            let mut bytes = access::bytes(&array, view.target).ok()?.ok()?;
            // Characters of several bytes are shown raw where they have no address.
            (bytes.len() as u64 == array_length(&array, view)?).then_some(())?;
            bytes.truncate(usize::try_from(length).ok()?);
            Some(Shape::Text { bytes, length })
        }
    }
}

fn array_length(array: &Value, view: &mut View<'_>) -> Option<u64> {
    match &*view.described(array.type_id).1 {
        Type::Array { count, .. } => *count,
        _ => None,
    }
}

/// A view's pointer, and how many characters there are.
pub(super) fn view_parts(value: &Value, view: &mut View<'_>) -> Option<(Value, u64)> {
    if libcxx::owns(value, view) {
        return libcxx::string_view(value, view);
    }
    Some((view.field(value, "_M_str")?, view.number(value, &["_M_len"])?))
}

/// `std::string_view` and its like.
pub(super) fn string_view(value: &Value, view: &mut View<'_>) -> Option<Shape> {
    let (pointer, length) = view_parts(value, view)?;
    let element = view.pointee(pointer.type_id)?;
    let address = view.word(&pointer)?;
    Some(Shape::TextAt { address, length, element: Some(element) })
}

/// `std::filesystem::path`: its text, and the parts that it was taken apart into.
pub(super) fn path(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    if libcxx::owns(value, view) {
        return libcxx::path(value, view).map(|text| Shape::Summary(format!("filesystem::path {text}")));
    }
    let pathname = view.field(value, "_M_pathname")?;
    let mut text = view.text(&pathname)?;
    let parts = view.way(value, &["_M_cmpts", "_M_impl"])?;
    let pointer = super::smart::unique_pointer(&parts, view)?;
    let word = view.word(&pointer)?;
    // The lowest bits of the pointer say what the path is when it has no parts.
    match word & 3 {
        0 => {}
        1 => text.push_str(" [root-name]"),
        2 => text.push_str(" [root-directory]"),
        _ => {}
    }
    let summary = Some(format!("filesystem::path {text}"));
    let mut children = Vec::new();
    if word & 3 == 0 && word != 0 {
        let class = format!("{full}::_Cmpt");
        let part = view.target.find_type(None, &crate::evaluate::path_of(&class))?;
        let size = view.size_of(part)?;
        let count = usize::try_from(view.load(word)? as u32).ok()?;
        for at in 0..count.min(view.limit) {
            let part = Value::at(part, word.checked_add(8)?.checked_add(size.checked_mul(at as u64)?)?);
            let name = view.field(&part, "_M_pathname")?;
            let inner = view.way(&part, &["_M_cmpts", "_M_impl"])?;
            let kind = super::smart::unique_pointer(&inner, view)?;
            let label = match view.word(&kind)? & 3 {
                1 => "[root-name]".to_owned(),
                2 => "[root-directory]".to_owned(),
                _ => format!("[{at}]"),
            };
            children.push((label, name));
        }
    }
    Some(Shape::Children { summary, children })
}
