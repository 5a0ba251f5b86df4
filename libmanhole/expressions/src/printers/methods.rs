//! Methods of C++'s containers and smart pointers whose answer stands in memory.
//!
//! Pure. They are inline in the library, so that a program often has no code for them; gdb answers the same ones without a call.

use super::sequences::{self, Chain, Deque};
use super::smart::Counts;
use super::{View, hashes, libcxx, strings, template, trees};
use crate::access;
use crate::print::Options;
use crate::target::Target;
use crate::types::{Base, Encoding, Type, TypeId};
use crate::value::{Place, Value};

/// What a method gives.
enum Answer {
    Value(Value),
    Size(u64),
    Truth(bool),
}

/// What a method of this name gives for an object and an index; `None` when it is not one that is known, or the object looks odd.
/// An error says that there is no such element.
pub(crate) fn method(
    object: &Value,
    name: &str,
    index: Option<u64>,
    target: &mut dyn Target,
) -> Option<Result<Value, String>> {
    let options = Options::default();
    let view = &mut View::new(None, &options, target);
    let class = view.name_of(object.type_id)?;
    let (full, last) = template(&class)?;
    let scope = full.strip_suffix(last)?;
    if !matches!(scope, "std::" | "std::__cxx11::" | "std::__cxx1998::" | "std::__debug::") {
        return None;
    }
    let answer = match (last, index) {
        ("vector" | "deque" | "array", _) => match sequence(object, last, name, index, view)? {
            Ok(answer) => answer,
            Err(error) => return Some(Err(error)),
        },
        ("basic_string" | "basic_string_view", _) => text(object, last, name, index, view)?,
        ("list", None) => list(object, name, view)?,
        ("forward_list", None) => forward_list(object, name, view)?,
        ("map" | "multimap" | "set" | "multiset", None) => counted(trees::count(object, view)?, name)?,
        ("unordered_map" | "unordered_multimap" | "unordered_set" | "unordered_multiset", None) => {
            counted(hashes::count(object, view)?, name)?
        }
        ("unique_ptr", _) => {
            let pointer = super::smart::unique_pointer(object, view)?;
            pointing(object, pointer, name, index, view)?
        }
        ("shared_ptr", _) => shared(object, name, index, view)?,
        ("optional", None) => match optional(object, name, view)? {
            Ok(answer) => answer,
            Err(error) => return Some(Err(error)),
        },
        _ => return None,
    };
    Some(Ok(match answer {
        Answer::Value(value) => value,
        Answer::Size(size) => self::size(size, view),
        Answer::Truth(truth) => view.truth(truth),
    }))
}

/// A `std::size_t`.
pub(super) fn size(size: u64, view: &mut View<'_>) -> Value {
    let path = crate::evaluate::path_of("std::size_t");
    let type_id = view.target.find_type(None, &path).unwrap_or_else(|| {
        let base = Base { name: "unsigned long".to_owned(), size: 8, encoding: Encoding::Unsigned };
        view.target.intern(Type::Base(base))
    });
    Value::new(type_id, size.to_le_bytes().to_vec())
}

fn counted(count: u64, name: &str) -> Option<Answer> {
    match name {
        "size" | "length" => Some(Answer::Size(count)),
        "empty" => Some(Answer::Truth(count == 0)),
        _ => None,
    }
}

/// Which element a method means, of so many; or why there is none.
fn position(name: &str, index: Option<u64>, count: u64) -> Option<Result<u64, String>> {
    Some(match (name, index) {
        ("operator[]", Some(index)) => Ok(index),
        ("at", Some(index)) if index < count => Ok(index),
        ("at", Some(index)) => Err(format!("the index {index} is outside: there are {count} elements")),
        ("front", None) if count > 0 => Ok(0),
        ("back", None) if count > 0 => Ok(count - 1),
        ("front" | "back", None) => Err("there are no elements".to_owned()),
        _ => return None,
    })
}

/// `std::vector`, `std::deque`, `std::array`.
fn sequence(
    object: &Value,
    last: &str,
    name: &str,
    index: Option<u64>,
    view: &mut View<'_>,
) -> Option<Result<Answer, String>> {
    let is_counted = index.is_none() && matches!(name, "size" | "empty");
    let at = |count: u64| position(name, index, count);
    Some(Ok(match last {
        "vector" if sequences::is_of_bools(object.type_id, view) => {
            let (start, count, _) = sequences::bits_parts(object, view)?;
            if is_counted {
                return counted(count, name).map(Ok);
            }
            match at(count)? {
                Ok(at) => {
                    let word = view.load(start.checked_add(at / 64 * 8)?)?;
                    Answer::Truth(word >> (at % 64) & 1 == 1)
                }
                Err(error) => return Some(Err(error)),
            }
        }
        "vector" => {
            let (of, start, count, _) = sequences::vector_parts(object, view)?;
            if is_counted {
                return counted(count, name).map(Ok);
            }
            let size = view.size_of(of)?;
            match at(count)? {
                Ok(at) => Answer::Value(Value::at(of, start.wrapping_add(at.wrapping_mul(size)))),
                Err(error) => return Some(Err(error)),
            }
        }
        "deque" => {
            let deque = Deque::of(object, view)?;
            if is_counted {
                return counted(deque.length, name).map(Ok);
            }
            match at(deque.length)? {
                Ok(at) => Answer::Value(deque.element(at, view)?),
                Err(error) => return Some(Err(error)),
            }
        }
        _ => {
            let elements = view.field(object, "_M_elems").or_else(|| view.field(object, "__elems_"));
            let (of, count) = match &elements {
                Some(elements) => match &*view.described(elements.type_id).1 {
                    Type::Array { of, count, .. } => (*of, (*count)?),
                    _ => return None,
                },
                None => return None,
            };
            // One without elements can have room for some all the same.
            let count = if libcxx::is_empty_array(object, view) { 0 } else { count };
            if is_counted {
                return counted(count, name).map(Ok);
            }
            let size = view.size_of(of)?;
            match at(count)? {
                Ok(at) if at < count => Answer::Value(access::part(&elements?, at.checked_mul(size)?, of, view.target)),
                Ok(at) => return Some(Err(format!("the index {at} is outside: there are {count} elements"))),
                Err(error) => return Some(Err(error)),
            }
        }
    }))
}

/// Strings, and views of them.
fn text(object: &Value, last: &str, name: &str, index: Option<u64>, view: &mut View<'_>) -> Option<Answer> {
    let (pointer, count) = match last {
        "basic_string_view" => strings::view_parts(object, view)?,
        _ if libcxx::owns(object, view) => match libcxx::string(object, view)? {
            (libcxx::Text::At(pointer), length) => (pointer, length),
            (libcxx::Text::Here(_), length) => return counted(length, name),
        },
        // The ABI before C++11 has the length before the characters, and its printer knows it.
        _ => (view.way(object, &["_M_dataplus", "_M_p"])?, view.number(object, &["_M_string_length"])?),
    };
    let of = view.pointee(pointer.type_id)?;
    match (name, index) {
        ("size" | "length" | "empty", None) => counted(count, name),
        ("operator[]", Some(at)) => element(of, &pointer, at, view),
        ("front", None) if count > 0 => element(of, &pointer, 0, view),
        ("back", None) => element(of, &pointer, count.checked_sub(1)?, view),
        ("at", Some(at)) if at < count => element(of, &pointer, at, view),
        _ => None,
    }
}

fn element(of: TypeId, pointer: &Value, at: u64, view: &mut View<'_>) -> Option<Answer> {
    let (start, size) = (view.word(pointer)?, view.size_of(of)?);
    Some(Answer::Value(Value::at(of, start.wrapping_add(at.wrapping_mul(size)))))
}

fn list(object: &Value, name: &str, view: &mut View<'_>) -> Option<Answer> {
    let list = Chain::of_list(object, view)?;
    match name {
        "empty" => Some(Answer::Truth(list.is_empty())),
        "size" => counted(list.length?, name),
        "front" if !list.is_empty() => list.value(list.first, view).map(Answer::Value),
        "back" if !list.is_empty() => list.value(list.last, view).map(Answer::Value),
        _ => None,
    }
}

fn forward_list(object: &Value, name: &str, view: &mut View<'_>) -> Option<Answer> {
    let list = Chain::of_forward_list(object, view)?;
    match name {
        "empty" => Some(Answer::Truth(list.is_empty())),
        "front" if !list.is_empty() => list.value(list.first, view).map(Answer::Value),
        _ => None,
    }
}

/// What smart pointers have in common.
fn pointing(object: &Value, pointer: Value, name: &str, index: Option<u64>, view: &mut View<'_>) -> Option<Answer> {
    let of = view.pointee(pointer.type_id)?;
    let argument = view.argument(object.type_id, 0)?;
    let is_array = matches!(&*view.described(argument).1, Type::Array { .. });
    match (name, index) {
        ("get", None) => Some(Answer::Value(pointer)),
        ("operator->", None) if !is_array => Some(Answer::Value(pointer)),
        ("operator bool", None) => view.word(&pointer).map(|address| Answer::Truth(address != 0)),
        ("operator*", None) if !is_array => Some(Answer::Value(Value::at(of, view.word(&pointer)?))),
        ("operator[]", Some(at)) if is_array => element(of, &pointer, at, view),
        _ => None,
    }
}

fn shared(object: &Value, name: &str, index: Option<u64>, view: &mut View<'_>) -> Option<Answer> {
    if index.is_none() && matches!(name, "use_count" | "unique") {
        let count = match super::smart::shared_parts(object, view)?.1 {
            Counts::None => 0,
            Counts::Known { used, .. } => used,
            Counts::Undescribed => return None,
        };
        return Some(match name {
            "unique" => Answer::Truth(count == 1),
            _ => Answer::Value(view.integer(i128::from(count))),
        });
    }
    let pointer = view.field(object, "_M_ptr").or_else(|| view.field(object, "__ptr_"))?;
    pointing(object, pointer, name, index, view)
}

fn optional(object: &Value, name: &str, view: &mut View<'_>) -> Option<Result<Answer, String>> {
    let inner = super::vocabulary::optional_value(object, view)?;
    Some(match (name, inner) {
        ("has_value" | "operator bool", inner) => Ok(Answer::Truth(inner.is_some())),
        ("value" | "operator*", Some(value)) => Ok(Answer::Value(value)),
        ("value" | "operator*" | "operator->", None) => Err("the optional has no value".to_owned()),
        ("operator->", Some(value)) => {
            let Place::Memory(address) = value.place else { return None };
            let type_id = view.target.intern(Type::Pointer(value.type_id));
            Ok(Answer::Value(Value::new(type_id, address.to_le_bytes().to_vec())))
        }
        _ => return None,
    })
}
