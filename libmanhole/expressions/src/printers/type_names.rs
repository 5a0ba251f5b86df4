//! How libstdc++'s printers spell types inside summaries: without default arguments of templates, `std::string` by that name.
//!
//! Pure.

use super::{View, libcxx};
use crate::evaluate::path_of;
use crate::types::{Base, Encoding, Type, TypeId};

/// Types in types that are spelled this way.
const NESTED: u32 = 16;

pub(super) fn is_boolean(described: &Type) -> bool {
    matches!(described, Type::Base(Base { encoding: Encoding::Boolean, .. }))
}

/// The type of this name; pointers to it too.
pub(super) fn named(text: &str, view: &mut View<'_>) -> Option<TypeId> {
    let plain = text.trim_end_matches(['*', ' ']);
    let stars = text.get(plain.len()..)?.matches('*').count();
    let mut type_id = view.target.find_type(None, &path_of(plain))?;
    for _ in 0..stars.min(8) {
        type_id = view.target.intern(Type::Pointer(type_id));
    }
    Some(type_id)
}

/// The instance of a template with one argument.
pub(super) fn instance(template: &str, of: TypeId, view: &mut View<'_>) -> Option<TypeId> {
    let (of, _) = view.described(of);
    let of = crate::print::name(of, view.target);
    let gap = if of.ends_with('>') { " " } else { "" };
    view.target.find_type(None, &path_of(&format!("{template}<{of}{gap}>")))
}

/// A type as libstdc++'s printers spell it.
pub(super) fn recognised(type_id: TypeId, view: &mut View<'_>) -> String {
    known(type_id, NESTED, view).unwrap_or_else(|| view.spelled(type_id))
}

fn known(type_id: TypeId, levels: u32, view: &mut View<'_>) -> Option<String> {
    let levels = levels.checked_sub(1)?;
    // Only a class is recognised, not a name for one, nor a constant one.
    let described = view.target.describe(type_id);
    let name = described.as_record()?.name.clone()?;
    let (full, last) = super::template(&name)?;
    let plain = match full.strip_suffix(last)? {
        "std::" | "std::__cxx11::" => format!("std::{last}"),
        "std::__debug::" => full.clone(),
        _ => return None,
    };
    let count = described.as_record()?.template_arguments.len();
    if matches!(last, "basic_string" | "basic_string_view") {
        return character_type(&name, last, type_id, view);
    }
    let arguments: Option<Vec<TypeId>> = (0..count).map(|at| view.argument(type_id, at)).collect();
    let arguments = arguments?;
    let shown = match last {
        "unique_ptr" | "deque" | "forward_list" | "list" | "vector" | "set" | "multiset" | "unordered_set"
        | "unordered_multiset" => 1,
        "map" | "multimap" | "unordered_map" | "unordered_multimap" => 2,
        _ => return None,
    };
    let given = arguments.get(shown..)?;
    let spelled: Vec<_> = arguments.iter().map(|argument| view.spelled(*argument)).collect();
    let (first, second) = (spelled.first()?, spelled.get(1)?);
    let one = |template: &str, of: &str| format!("{template}<{of}>");
    let pair = || one("std::allocator", &format!("std::pair<{first} const, {second}>"));
    let constant_pair = || one("std::allocator", &format!("std::pair<const {first}, {second}>"));
    // clang's spelling of a pointer that does not change.
    let pointer_pair = || one("std::allocator", &format!("std::pair<{first}const, {second}>"));
    let expected: Vec<Vec<String>> = match last {
        "unique_ptr" => vec![vec![one("std::default_delete", first)]],
        "set" | "multiset" => vec![vec![one("std::less", first)], vec![one("std::allocator", first)]],
        "unordered_set" | "unordered_multiset" => {
            vec![vec![one("std::hash", first)], vec![one("std::equal_to", first)], vec![one("std::allocator", first)]]
        }
        "map" | "multimap" => vec![vec![one("std::less", first)], vec![pair(), constant_pair(), pointer_pair()]],
        "unordered_map" | "unordered_multimap" => {
            vec![
                vec![one("std::hash", first)],
                vec![one("std::equal_to", first)],
                vec![pair(), constant_pair(), pointer_pair()],
            ]
        }
        _ => vec![vec![one("std::allocator", first)]],
    };
    let is_default = given.len() == expected.len()
        && given.iter().zip(&expected).all(|(given, expected)| {
            let given = dense(&view.spelled(*given));
            expected.iter().any(|expected| dense(expected) == given)
        });
    if !is_default {
        return None;
    }
    let texts: Vec<_> = arguments.iter().take(shown).map(|argument| part(*argument, levels, view)).collect();
    Some(format!("{plain}<{}>", texts.join(", ")))
}

/// Without the blanks between closing brackets.
fn dense(name: &str) -> String {
    name.replace("> >", ">>").replace("> >", ">>")
}

fn part(type_id: TypeId, levels: u32, view: &mut View<'_>) -> String {
    let Some(below) = levels.checked_sub(1) else { return view.spelled(type_id) };
    match &*view.target.describe(type_id) {
        Type::Pointer(to) => format!("{}*", part(*to, below, view)),
        Type::Reference { to, is_rvalue } => {
            format!("{}{}", part(*to, below, view), if *is_rvalue { "&&" } else { "&" })
        }
        Type::Array { of, count, .. } => match count {
            Some(count) => format!("{}[{count}]", part(*of, below, view)),
            None => format!("{}[]", part(*of, below, view)),
        },
        _ => known(type_id, below, view).unwrap_or_else(|| view.spelled(type_id)),
    }
}

/// `std::string` and its like.
fn character_type(name: &str, last: &str, type_id: TypeId, view: &mut View<'_>) -> Option<String> {
    let of = view.argument(type_id, 0)?;
    let of = view.spelled(of);
    let traits = format!("std::char_traits<{of}>");
    let plain = if last == "basic_string" { "string" } else { "string_view" };
    let prefix = match of.as_str() {
        "char" => "",
        "wchar_t" => "w",
        "char8_t" => "u8",
        "char16_t" => "u16",
        "char32_t" => "u32",
        _ => return None,
    };
    let (_, arguments) =
        dense(&libcxx::plain(name)).split_once('<').map(|(start, rest)| (start.to_owned(), rest.to_owned()))?;
    let usual = match last {
        "basic_string" => format!("{of}, {traits}, std::allocator<{of}>>"),
        _ => format!("{of}, {traits}>"),
    };
    (arguments == usual).then(|| format!("std::{prefix}{plain}"))
}
