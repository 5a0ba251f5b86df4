//! Elements of maps and sets by their keys: `map[key]`, `map.at(key)`, `set.count(key)`, `set.contains(key)`.
//!
//! Pure. All keys are looked at in turn, as neither the order nor the hash of a program's own making is known here; who compares keys
//! by a function of their own gets no answer, rather than a wrong one. Nothing is inserted.

use super::{View, argument_text, hashes, template, trees};
use crate::access;
use crate::print::Options;
use crate::print::pretty::Shape;
use crate::target::Target;
use crate::types::{Base, Encoding, Type};
use crate::value::Value;

/// What keys are compared by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// Integers, characters, enums, pointers.
    Integer,
    /// `std::string` and `std::string_view`.
    Text,
}

/// A key that is looked for.
pub(crate) enum Key {
    Integer(i128),
    Text(Vec<u8>),
}

/// What is done with each value of a container, in the container's order: whether the walk goes on.
pub(super) type Visit<'a> = &'a mut dyn FnMut(Value, &mut View<'_>) -> Option<bool>;

/// How many values a container has, and as many of them as are wanted.
pub(super) fn some(
    limit: usize,
    view: &mut View<'_>,
    each: impl FnOnce(&mut View<'_>, Visit<'_>) -> Option<u64>,
) -> Option<(u64, Vec<Value>)> {
    let mut found = Vec::new();
    let count = each(view, &mut |value, _| {
        found.push(value);
        Some(found.len() < limit)
    })?;
    Some((count, found))
}

/// How the keys of this container are compared, when it has keys and a method of this name is about one.
pub(crate) fn keys(object: &Value, method: &str, target: &mut dyn Target) -> Option<KeyKind> {
    if !matches!(method, "operator[]" | "at" | "count" | "contains") {
        return None;
    }
    let options = Options::default();
    let view = &mut View::new(None, &options, target);
    let last = container(object, view)?;
    if matches!(method, "operator[]" | "at") && !matches!(last, "map" | "unordered_map") {
        return None;
    }
    // `std::less<Key>` stands behind what a container holds, `std::equal_to<Key>` behind the hash.
    let compared_by = match last {
        "set" | "multiset" => 1,
        "map" | "multimap" | "unordered_set" | "unordered_multiset" => 2,
        _ => 3,
    };
    let class = view.name_of(object.type_id)?;
    let comparison = match argument_text(&class, compared_by) {
        Some(name) => name.to_owned(),
        None => {
            let type_id = view.argument(object.type_id, compared_by)?;
            view.name_of(type_id)?
        }
    };
    let (comparison, _) = template(&comparison)?;
    if !matches!(comparison.as_str(), "std::less" | "std::greater" | "std::equal_to") {
        return None;
    }
    let key = view.argument(object.type_id, 0)?;
    match &*view.described(key).1 {
        Type::Base(Base { encoding: Encoding::Float | Encoding::ComplexFloat, .. }) => None,
        Type::Base(_) | Type::Enumeration(_) | Type::Pointer(_) => Some(KeyKind::Integer),
        Type::Record(record) => {
            let (full, _) = template(record.name.as_deref()?)?;
            let is_text =
                matches!(full.as_str(), "std::basic_string" | "std::__cxx11::basic_string" | "std::basic_string_view");
            let of = view.argument(key, 0)?;
            (is_text && view.size_of(of) == Some(1)).then_some(KeyKind::Text)
        }
        _ => None,
    }
}

/// The name of the template of a container that has keys.
fn container(object: &Value, view: &mut View<'_>) -> Option<&'static str> {
    const NAMES: [&str; 8] = [
        "map",
        "multimap",
        "set",
        "multiset",
        "unordered_map",
        "unordered_multimap",
        "unordered_set",
        "unordered_multiset",
    ];
    let class = view.name_of(object.type_id)?;
    let (full, last) = template(&class)?;
    let is_standard = matches!(full.strip_suffix(last)?, "std::" | "std::__cxx1998::" | "std::__debug::");
    NAMES.into_iter().find(|name| is_standard && *name == last)
}

/// The characters of a `std::string` or a `std::string_view`, as many as are wanted at most.
pub(crate) fn text(value: &Value, most: u64, target: &mut dyn Target) -> Option<Vec<u8>> {
    let options = Options::default();
    characters(value, |length| length <= most, &mut View::new(None, &options, target))
}

/// The characters of a string, when it is as long as is wanted.
fn characters(value: &Value, is_wanted: impl FnOnce(u64) -> bool, view: &mut View<'_>) -> Option<Vec<u8>> {
    match view.shape(value)? {
        Shape::TextAt { address, length, element: Some(of) } if view.size_of(of) == Some(1) => {
            if !is_wanted(length) {
                return None;
            }
            let mut bytes = vec![0; usize::try_from(length).ok()?];
            view.target.read(address, &mut bytes).ok()?;
            Some(bytes)
        }
        Shape::Text { bytes, length } => (is_wanted(length) && bytes.len() as u64 == length).then_some(bytes),
        _ => None,
    }
}

/// A value of the type that the method gives, of which nothing else is known.
pub(crate) fn found_type(object: &Value, method: &str, target: &mut dyn Target) -> Option<Value> {
    let options = Options::default();
    let view = &mut View::new(None, &options, target);
    Some(match method {
        "count" => super::methods::size(0, view),
        "contains" => view.truth(false),
        _ => Value::at(view.argument(object.type_id, 1)?, 0),
    })
}

fn is_key(value: &Value, key: &Key, view: &mut View<'_>) -> Option<bool> {
    match key {
        Key::Integer(wanted) => {
            let (_, described) = view.described(value.type_id);
            let bytes = access::bytes(value, view.target).ok()?.ok()?;
            // As the language converts an argument to the type of the parameter.
            let wanted = match &*described {
                described if super::type_names::is_boolean(described) => vec![u8::from(*wanted != 0)],
                _ => access::integer_bytes(*wanted, bytes.len() as u64),
            };
            Some(bytes == wanted)
        }
        Key::Text(wanted) => {
            let length = wanted.len() as u64;
            Some(characters(value, |found| found == length, view).is_some_and(|text| text == *wanted))
        }
    }
}

/// What a method that [`keys`] knows gives for this key; an error says that there is no such element. `None` when the container
/// looks odd.
pub(crate) fn find(object: &Value, method: &str, key: &Key, target: &mut dyn Target) -> Option<Result<Value, String>> {
    let options = Options::default();
    let view = &mut View::new(None, &options, target);
    let last = container(object, view)?;
    let is_map = last.ends_with("map");
    let only_first = matches!(method, "operator[]" | "at" | "contains");
    let mut found = None;
    let mut times = 0u64;
    let visit: Visit<'_> = &mut |value, view| {
        let held = if is_map { view.field(&value, "first")? } else { value.clone() };
        if !is_key(&held, key, view)? {
            return Some(true);
        }
        times += 1;
        found = Some(value);
        Some(!only_first)
    };
    if last.starts_with("unordered_") {
        hashes::each(object, view, visit)?;
    } else {
        trees::each(object, view, visit)?;
    }
    match method {
        "count" => Some(Ok(super::methods::size(times, view))),
        "contains" => Some(Ok(view.truth(times > 0))),
        _ => match found {
            Some(pair) => view.field(&pair, "second").map(Ok),
            None => Some(Err("there is no element with this key (none is inserted from here)".to_owned())),
        },
    }
}
