//! Printers for the types of C++'s and Rust's standard libraries: what `std::vector` holds instead of its three pointers.
//!
//! Pure. Types are recognised by the names of their records and of their members; what looks otherwise than expected has no printer,
//! and is shown raw. No more nodes are visited than are shown or there
//! can be, whatever the memory says. What is shown, and how, is what the printers
//! give that come with libstdc++ and rustc for gdb.

mod hashes;
mod keyed;
mod libcxx;
mod methods;
mod rust;
mod rust_maps;
mod sequences;
mod smart;
mod strings;
mod trees;
mod tuples;
mod type_names;
mod vocabulary;

#[cfg(test)]
mod tests;

use std::rc::Rc;

use crate::access;
use crate::print::pretty::Shape;
use crate::print::{Format, Options};
use crate::target::Target;
use crate::types::{Base, Encoding, Language, TemplateArgument, Type, TypeId};
use crate::value::{Content, Value};

pub(crate) use keyed::{Key, KeyKind, find, found_type, keys, text};
pub(crate) use methods::method;
pub(crate) use rust::{rust_element, rust_owned};

/// Children of one value that are given, even when there is no limit.
const MOST: usize = 20_000;

/// Base classes in base classes that are looked into for a member.
const LEVELS: u32 = 16;

/// Classes that one search for a member looks into.
const CLASSES: u32 = 256;

/// Values in values that printers look through: an optional in an optional.
const NESTED: u32 = 8;

/// Summaries in summaries: iterators can point to themselves, and every level takes some of the caller's stack.
const PARTS: u32 = 2;

/// What the printer of a value's type makes of it. `parts`: how many summaries it is a part of.
pub(crate) fn shape(
    value: &Value,
    format: Option<Format>,
    options: &Options,
    parts: u32,
    target: &mut dyn Target,
) -> Option<Shape> {
    View { parts, ..View::new(format, options, target) }.shape(value)
}

/// A look at values of which one knows what they should look like. Everything is an `Option`: they may look otherwise.
struct View<'a> {
    target: &'a mut dyn Target,
    format: Option<Format>,
    options: &'a Options,
    /// How many children are wanted.
    limit: usize,
    nested: u32,
    /// Summaries around the value whose parts are values.
    parts: u32,
}

impl<'a> View<'a> {
    fn new(format: Option<Format>, options: &'a Options, target: &'a mut dyn Target) -> Self {
        let limit = options.elements.map_or(MOST, |limit| usize::try_from(limit).unwrap_or(MOST)).min(MOST);
        View { target, format, options, limit, nested: 0, parts: 0 }
    }

    /// What the printer of the value's type makes of it, or of what it refers to.
    fn shape(&mut self, value: &Value) -> Option<Shape> {
        let (_, described) = self.described(value.type_id);
        let value = match &*described {
            Type::Record(_) => value.clone(),
            Type::Reference { to, is_rvalue: false } => Value::at(*to, self.word(value)?),
            _ => return None,
        };
        let (_, described) = self.described(value.type_id);
        let Type::Record(record) = &*described else { return None };
        let name = record.name.as_deref()?;
        if record.is_declaration || matches!(value.content, Content::Missing(_)) || self.nested >= NESTED {
            return None;
        }
        self.nested += 1;
        let shape = match record.language {
            Language::Rust => rust::shape(&value, name, self),
            _ => cpp(&value, name, self),
        };
        self.nested -= 1;
        shape
    }

    fn described(&mut self, type_id: TypeId) -> (TypeId, Rc<Type>) {
        access::stripped(type_id, self.target)
    }

    fn size_of(&mut self, type_id: TypeId) -> Option<u64> {
        access::size_of(type_id, self.target)
    }

    /// The name of a record's type.
    fn name_of(&mut self, type_id: TypeId) -> Option<String> {
        match &*self.described(type_id).1 {
            Type::Record(record) => record.name.clone(),
            _ => None,
        }
    }

    /// The member of this name, in the record or in a base class of it.
    fn field(&mut self, value: &Value, name: &str) -> Option<Value> {
        self.search(value, name, LEVELS, &mut { CLASSES })
    }

    fn search(&mut self, value: &Value, name: &str, levels: u32, budget: &mut u32) -> Option<Value> {
        let levels = levels.checked_sub(1)?;
        *budget = budget.checked_sub(1)?;
        let (_, described) = self.described(value.type_id);
        let Type::Record(record) = &*described else { return None };
        let mut own = record.members.iter().filter(|member| !member.is_base);
        if let Some(member) = own.find(|member| member.name.as_deref() == Some(name)) {
            return access::member(value, &member.location, member.type_id, self.target);
        }
        let is_looked_into = |name: Option<&str>, is_base: bool| is_base || name.is_none_or(str::is_empty);
        record.members.iter().filter(|member| is_looked_into(member.name.as_deref(), member.is_base)).find_map(
            |member| {
                let part = access::member(value, &member.location, member.type_id, self.target)?;
                self.search(&part, name, levels, budget)
            },
        )
    }

    /// A member of a member.
    fn way(&mut self, value: &Value, names: &[&str]) -> Option<Value> {
        names.iter().try_fold(value.clone(), |at, name| self.field(&at, name))
    }

    /// The first member, or base class, of a record.
    fn first(&mut self, value: &Value) -> Option<Value> {
        let (_, described) = self.described(value.type_id);
        let Type::Record(record) = &*described else { return None };
        let member = record.members.first()?;
        access::member(value, &member.location, member.type_id, self.target)
    }

    /// The bytes of a pointer or an integer as a number.
    fn word(&mut self, value: &Value) -> Option<u64> {
        let bytes = access::bytes(value, self.target).ok()?.ok()?;
        (!bytes.is_empty() && bytes.len() <= 8).then(|| access::integer(&bytes, false) as u64)
    }

    /// The number in a member.
    fn number(&mut self, value: &Value, names: &[&str]) -> Option<u64> {
        let field = self.way(value, names)?;
        self.word(&field)
    }

    /// The same with its sign.
    fn signed(&mut self, value: &Value, names: &[&str]) -> Option<i64> {
        let field = self.way(value, names)?;
        let bytes = access::bytes(&field, self.target).ok()?.ok()?;
        (!bytes.is_empty() && bytes.len() <= 8).then(|| access::integer(&bytes, true) as i64)
    }

    /// The word in memory at an address.
    fn load(&mut self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.target.read(address, &mut bytes).ok()?;
        Some(u64::from_le_bytes(bytes))
    }

    /// The type that a pointer points to.
    fn pointee(&mut self, type_id: TypeId) -> Option<TypeId> {
        match &*self.described(type_id).1 {
            Type::Pointer(to) => Some(*to),
            _ => None,
        }
    }

    /// The type that stands at this place among a template's arguments.
    fn argument(&mut self, type_id: TypeId, at: usize) -> Option<TypeId> {
        let (_, described) = self.described(type_id);
        let record = described.as_record()?;
        match record.template_arguments.get(at) {
            Some(TemplateArgument::Type { type_id, .. }) => Some(*type_id),
            Some(TemplateArgument::Value { .. }) => None,
            // g++ does not always describe them; the name has them all the same.
            None if record.template_arguments.is_empty() => {
                let text = argument_text(record.name.as_deref()?, at)?;
                type_names::named(text, self)
            }
            None => None,
        }
    }

    /// What an allocator allocates, what an iterator gives. Compilers do not describe the arguments of each.
    fn element_type(&mut self, allocator: TypeId) -> Option<TypeId> {
        if let Some(of) = self.argument(allocator, 0) {
            return Some(of);
        }
        let (_, described) = self.described(allocator);
        let nested = &described.as_record()?.nested;
        nested.iter().find(|(name, _)| name == "value_type").map(|(_, of)| self.described(*of).0)
    }

    /// As many elements of an array in memory as are wanted, and whether there are more.
    fn elements(&mut self, of: TypeId, start: u64, count: u64) -> Option<(Vec<Value>, bool)> {
        let size = self.size_of(of)?;
        let shown = usize::try_from(count).unwrap_or(usize::MAX).min(self.limit);
        let elements =
            (0..shown as u64).map(|at| Value::at(of, start.wrapping_add(at.wrapping_mul(size)))).collect::<Vec<_>>();
        Some((elements, count > shown as u64))
    }

    /// A signed integer that a printer has computed.
    fn integer(&mut self, integer: i128) -> Value {
        let long = Base { name: "long".to_owned(), size: 8, encoding: Encoding::Signed };
        let type_id = self.target.intern(Type::Base(long));
        Value::new(type_id, access::integer_bytes(integer, 8))
    }

    fn truth(&mut self, truth: bool) -> Value {
        let bool = Base { name: "bool".to_owned(), size: 1, encoding: Encoding::Boolean };
        let type_id = self.target.intern(Type::Base(bool));
        Value::new(type_id, vec![u8::from(truth)])
    }

    /// The text of a value that is a part of a summary.
    fn text(&mut self, value: &Value) -> Option<String> {
        let parts = self.parts.checked_add(1).filter(|parts| *parts <= PARTS)?;
        crate::print::part(value, self.format, self.options, parts, self.target).ok()
    }

    /// How a type is spelled, without the namespaces that say versions.
    fn spelled(&mut self, type_id: TypeId) -> String {
        libcxx::plain(&crate::print::name(type_id, self.target))
    }

    /// Whether the person still waits, asked once in a while.
    fn goes_on(&mut self, step: u64) -> Option<()> {
        if step.is_multiple_of(64) { self.target.check().ok() } else { Some(()) }
    }
}

/// The name of a template without its arguments, its scope with the scopes inside it that say versions, and its own name.
fn template(name: &str) -> Option<(String, &str)> {
    let plain = match name.split_once('<') {
        Some((plain, rest)) => {
            let mut open = 1u32;
            let is_end = |(at, byte): (usize, u8)| {
                match byte {
                    b'<' | b'(' => open += 1,
                    b'>' | b')' => open = open.saturating_sub(1),
                    _ => {}
                }
                (open == 0).then_some(at)
            };
            let end = rest.bytes().enumerate().find_map(is_end)?;
            if end + 1 != rest.len() {
                return None;
            }
            plain
        }
        None => name,
    };
    let (_, last) = plain.rsplit_once("::")?;
    Some((libcxx::plain(plain).replace("__8::", ""), last))
}

/// The text of an argument in a template's name.
fn argument_text(name: &str, at: usize) -> Option<&str> {
    let (_, rest) = name.split_once('<')?;
    let rest = rest.strip_suffix('>')?;
    let mut open = 0u32;
    let mut arguments = rest.split(|character| {
        match character {
            '<' | '(' | '[' => open += 1,
            '>' | ')' | ']' => open = open.saturating_sub(1),
            _ => {}
        }
        character == ',' && open == 0
    });
    arguments.nth(at).map(str::trim)
}

/// `1 element`, `2 elements`.
fn counted(count: u64) -> String {
    if count == 1 { "1 element".to_owned() } else { format!("{count} elements") }
}

/// `[0]`, `[1]`: how children are called that have no names.
fn numbered(elements: Vec<Value>) -> Vec<(String, Value)> {
    elements.into_iter().enumerate().map(|(at, element)| (format!("[{at}]"), element)).collect()
}

/// libstdc++'s, and libc++'s by the same names.
fn cpp(value: &Value, name: &str, view: &mut View<'_>) -> Option<Shape> {
    let (full, last) = template(name)?;
    let scope = full.strip_suffix(last)?;
    let full = full.as_str();
    match scope {
        "std::" | "std::__cxx11::" | "std::__cxx1998::" | "std::__debug::" => match last {
            "basic_string" if libcxx::has(name) => strings::string_of_libcxx(value, view),
            "basic_string" => strings::string(value, scope == "std::__cxx11::", view),
            "basic_string_view" => strings::string_view(value, view),
            "vector" => sequences::vector(value, full, view),
            "deque" => sequences::deque(value, full, view),
            "list" => sequences::list(value, full, view),
            "forward_list" => sequences::forward_list(value, full, view),
            "stack" | "queue" | "priority_queue" => sequences::adapter(value, full, view),
            "bitset" => sequences::bitset(value, full, view),
            "initializer_list" => sequences::initializer_list(value, full, view),
            "span" => sequences::span(value, full, view),
            "map" | "multimap" => trees::map(value, full, view),
            "set" | "multiset" => trees::set(value, full, view),
            "unordered_map" | "unordered_multimap" => hashes::map(value, full, view),
            "unordered_set" | "unordered_multiset" => hashes::set(value, full, view),
            "pair" => tuples::pair(value, view),
            "tuple" => tuples::tuple(value, full, view),
            "unique_ptr" => smart::unique(value, view),
            "shared_ptr" | "weak_ptr" => smart::shared(value, full, view),
            "atomic" => smart::atomic(value, full, view),
            "optional" => vocabulary::optional(value, full, view),
            "variant" => vocabulary::variant(value, full, view),
            "any" => vocabulary::any(value, full, view),
            "partial_ordering" | "weak_ordering" | "strong_ordering" => vocabulary::ordering(value, last, view),
            "_List_iterator" | "_List_const_iterator" => {
                sequences::node_iterator(value, "list", "std::_List_node", view)
            }
            "_Fwd_list_iterator" | "_Fwd_list_const_iterator" => {
                sequences::node_iterator(value, "forward_list", "std::_Fwd_list_node", view)
            }
            "_Deque_iterator" | "_Deque_const_iterator" => {
                sequences::pointer_iterator(value, &["_M_cur"], "std::deque", view)
            }
            "_Bit_iterator" | "_Bit_const_iterator" => sequences::bit_iterator(value, ["_M_p", "_M_offset"], view),
            "_Bit_reference" => sequences::bit_reference(value, ["_M_p", "_M_mask"], view),
            "_Rb_tree_iterator" | "_Rb_tree_const_iterator" => trees::iterator(value, view),
            _ if libcxx::has(name) => libcxx_iterator(value, last, view),
            _ => None,
        },
        "std::filesystem::" | "std::filesystem::__cxx11::" if last == "path" => strings::path(value, full, view),
        "__gnu_cxx::" if last == "__normal_iterator" => {
            sequences::pointer_iterator(value, &["_M_current"], "std::vector", view)
        }
        _ => None,
    }
}

/// libc++'s iterators, and what stands for a bit.
fn libcxx_iterator(value: &Value, last: &str, view: &mut View<'_>) -> Option<Shape> {
    match last {
        "__wrap_iter" => sequences::pointer_iterator(value, &["__i_", "__i"], "std::vector", view),
        "__deque_iterator" => sequences::pointer_iterator(value, &["__ptr_"], "std::deque", view),
        "__bit_iterator" => sequences::bit_iterator(value, ["__seg_", "__ctz_"], view),
        "__bit_reference" | "__bit_const_reference" => sequences::bit_reference(value, ["__seg_", "__mask_"], view),
        "__list_iterator" | "__list_const_iterator" => libcxx::iterator(value, "std::list", view),
        "__forward_list_iterator" | "__forward_list_const_iterator" => {
            libcxx::iterator(value, "std::forward_list", view)
        }
        "__map_iterator" | "__map_const_iterator" | "__tree_iterator" | "__tree_const_iterator" => {
            libcxx::iterator(value, "associative container", view)
        }
        _ => None,
    }
}
