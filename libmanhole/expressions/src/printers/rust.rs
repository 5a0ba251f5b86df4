//! The types of Rust's library but its maps: strings, vectors, slices, counted pointers, cells.
//!
//! Pure. rustc writes whole paths into debug information; which modules lie between the crate and the type changes with its versions.

use super::{View, rust_maps};
use crate::evaluate::path_of;
use crate::print::Options;
use crate::print::pretty::Shape;
use crate::target::Target;
use crate::types::{Type, TypeId};
use crate::value::{Place, Value};

/// The crate and the type of a path, and whether it has arguments.
fn parts(name: &str) -> Option<(&str, &str, bool)> {
    let (plain, has_arguments) = match name.split_once('<') {
        Some((plain, _)) => (plain, name.ends_with('>')),
        None => (name, false),
    };
    let (scope, last) = plain.rsplit_once("::")?;
    let (root, modules) = scope.split_once("::")?;
    let is_module = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && !name.is_empty();
    modules.split("::").all(is_module).then_some((root, last, has_arguments))
}

pub(super) fn shape(value: &Value, name: &str, view: &mut View<'_>) -> Option<Shape> {
    if let Some(rest) = name.strip_prefix('&') {
        let rest = rest.strip_prefix("mut ").unwrap_or(rest);
        return match rest {
            "str" => {
                let address = view.number(value, &["data_ptr"])?;
                Some(Shape::TextAt { address, length: view.number(value, &["length"])?, element: None })
            }
            _ if rest.starts_with('[') && rest.ends_with(']') => slice(value, view),
            _ => None,
        };
    }
    match parts(name)? {
        ("alloc", "String", false) => {
            let bytes = view.field(value, "vec")?;
            text(&bytes, view)
        }
        ("std", "OsString", false) => {
            let buffer = view.way(value, &["inner", "inner"])?;
            text(&buffer, view)
        }
        ("alloc", "Vec", true) => vector(value, view),
        ("alloc", "VecDeque", true) => deque(value, view),
        ("alloc", "BTreeMap", true) => rust_maps::btree_map(value, view),
        ("alloc", "BTreeSet", true) => rust_maps::btree_set(value, view),
        ("std", "HashMap", true) => rust_maps::hash_map(value, view),
        ("std", "HashSet", true) => rust_maps::hash_set(value, view),
        ("alloc", "Rc", true) => counted(value, "Rc", "value", "value", view),
        ("alloc", "Arc", true) => counted(value, "Arc", "data", "v", view),
        ("core", "Cell", true) => {
            let inner = view.way(value, &["value", "value"])?;
            Some(Shape::Children { summary: Some("Cell".to_owned()), children: vec![("value".to_owned(), inner)] })
        }
        ("core", "RefCell", true) => {
            let inner = view.way(value, &["value", "value"])?;
            borrowed(value, "RefCell", "value", inner, &["borrow", "value", "value"], view)
        }
        ("core", "Ref" | "RefMut", true) => {
            let pointer = view.field(value, "value")?;
            let pointer = thin(&pointer, view)?;
            let of = view.pointee(pointer.type_id)?;
            let inner = Value::at(of, view.word(&pointer)?);
            let borrow = view.way(value, &["borrow", "borrow"])?;
            let borrow = match view.pointee(borrow.type_id) {
                Some(of) => Value::at(of, view.word(&borrow)?),
                None => borrow,
            };
            borrowed(&borrow, "Ref", "*value", inner, &["value", "value"], view)
        }
        ("core", "NonZero", true) => {
            let inner = view.first(value)?;
            view.first(&inner).map(Shape::Other)
        }
        _ => None,
    }
}

/// An element of a `Vec` or a `VecDeque`, or why there is none; `None` for what is neither.
pub(crate) fn rust_element(value: &Value, index: i128, target: &mut dyn Target) -> Option<Result<Value, String>> {
    let options = Options::default();
    let view = &mut View::new(None, &options, target);
    let class = view.name_of(value.type_id)?;
    let ("alloc", last @ ("Vec" | "VecDeque"), true) = parts(&class)? else { return None };
    let length = view.number(value, &["len"])?;
    let Some(at) = u64::try_from(index).ok().filter(|at| *at < length) else {
        return Some(Err(format!("the index {index} is outside: there are {length} elements")));
    };
    let of = view.argument(value.type_id, 0)?;
    match last {
        "Vec" => {
            let start = buffer(value, view)?;
            let offset = at.checked_mul(view.size_of(of)?)?;
            Some(Ok(Value::at(of, start.checked_add(offset)?)))
        }
        _ => Ring::of(value, view)?.element(at).map(Ok),
    }
}

/// The pointer in `Unique`, `NonNull` and what is around them. One with a length or a vtable beside it is not given.
pub(super) fn thin(value: &Value, view: &mut View<'_>) -> Option<Value> {
    let mut at = value.clone();
    for _ in 0..6 {
        match &*view.described(at.type_id).1 {
            Type::Pointer(_) => return Some(at),
            Type::Record(record) if record.members.iter().any(|member| member.name.as_deref() == Some("data_ptr")) => {
                return None;
            }
            Type::Record(_) => {}
            _ => return None,
        }
        at = match view.field(&at, "pointer") {
            Some(inner) => inner,
            None => view.first(&at)?,
        };
    }
    None
}

/// What a vector's buffer begins with.
fn buffer(value: &Value, view: &mut View<'_>) -> Option<u64> {
    let pointer = match view.way(value, &["buf", "inner", "ptr"]) {
        Some(pointer) => pointer,
        // Until 1.82 it had no inner one.
        None => view.way(value, &["buf", "ptr"])?,
    };
    let pointer = thin(&pointer, view)?;
    view.word(&pointer)
}

/// A vector of bytes that are text.
fn text(vector: &Value, view: &mut View<'_>) -> Option<Shape> {
    let length = view.number(vector, &["len"])?;
    Some(Shape::TextAt { address: buffer(vector, view)?, length, element: None })
}

fn row(summary: String, of: TypeId, start: u64, length: u64, view: &mut View<'_>) -> Option<Shape> {
    let (elements, has_more) = view.elements(of, start, length)?;
    Some(Shape::Array { summary: Some(summary), elements, has_more })
}

fn slice(value: &Value, view: &mut View<'_>) -> Option<Shape> {
    let pointer = view.field(value, "data_ptr")?;
    let of = view.pointee(pointer.type_id)?;
    let (start, length) = (view.word(&pointer)?, view.number(value, &["length"])?);
    let name = view.spelled(value.type_id);
    row(format!("{name}(size={length})"), of, start, length, view)
}

fn vector(value: &Value, view: &mut View<'_>) -> Option<Shape> {
    let of = view.argument(value.type_id, 0)?;
    let length = view.number(value, &["len"])?;
    let start = buffer(value, view)?;
    row(format!("Vec(size={length})"), of, start, length, view)
}

/// The buffer of a `VecDeque`, whose elements go round.
struct Ring {
    of: TypeId,
    size: u64,
    start: u64,
    head: u64,
    length: u64,
    capacity: u64,
}

impl Ring {
    fn of(value: &Value, view: &mut View<'_>) -> Option<Ring> {
        let of = view.argument(value.type_id, 0)?;
        let size = view.size_of(of)?;
        let (head, length) = (view.number(value, &["head"])?, view.number(value, &["len"])?);
        let capacity = view.way(value, &["buf", "inner", "cap"]).or_else(|| view.way(value, &["buf", "cap"]))?;
        let capacity = match &*view.described(capacity.type_id).1 {
            Type::Record(_) => view.first(&capacity)?,
            _ => capacity,
        };
        let capacity = view.word(&capacity)?;
        if size > 0 && length > capacity {
            return None;
        }
        Some(Ring { of, size, start: buffer(value, view)?, head, length, capacity })
    }

    fn element(&self, at: u64) -> Option<Value> {
        let slot = if self.size == 0 { 0 } else { self.head.wrapping_add(at).checked_rem(self.capacity)? };
        Some(Value::at(self.of, self.start.wrapping_add(slot.wrapping_mul(self.size))))
    }
}

fn deque(value: &Value, view: &mut View<'_>) -> Option<Shape> {
    let ring = Ring::of(value, view)?;
    let length = ring.length;
    let shown = usize::try_from(length).unwrap_or(usize::MAX).min(view.limit);
    let elements = (0..shown as u64).map(|at| ring.element(at)).collect::<Option<Vec<Value>>>()?;
    let summary = Some(format!("VecDeque(size={length})"));
    Some(Shape::Array { summary, elements, has_more: length > shown as u64 })
}

/// `Rc` and `Arc`.
fn counted(value: &Value, name: &str, content: &str, inside: &str, view: &mut View<'_>) -> Option<Shape> {
    let (inner, content) = owned(value, content, view)?;
    let strong = view.way(&inner, &["strong", inside, "value"])?;
    let weak = view.way(&inner, &["weak", inside, "value"])?;
    // All the strong ones together hold one weak one.
    let others = view.word(&weak)?.wrapping_sub(1);
    let weak = Value::new(weak.type_id, others.to_le_bytes().to_vec());
    let summary = Some(format!("{name}(strong={}, weak={others})", view.word(&strong)?));
    let children = vec![("value".to_owned(), content), ("strong".to_owned(), strong), ("weak".to_owned(), weak)];
    Some(Shape::Children { summary, children })
}

/// What an `Rc` or an `Arc` owns; `None` for what is neither.
pub(crate) fn rust_owned(value: &Value, target: &mut dyn Target) -> Option<Value> {
    let options = Options::default();
    let view = &mut View::new(None, &options, target);
    let class = view.name_of(value.type_id)?;
    let content = match parts(&class)? {
        ("alloc", "Rc", true) => "value",
        ("alloc", "Arc", true) => "data",
        _ => return None,
    };
    owned(value, content, view).map(|(_, content)| content)
}

/// The types without a size that are nothing but their bytes.
const TEXTS: [&str; 3] = ["str", "std::path::Path", "std::ffi::os_str::OsStr"];

/// What the counts of an `Rc` or an `Arc` stand in, and what it owns: a text as a `&str`, elements as an array.
fn owned(value: &Value, content: &str, view: &mut View<'_>) -> Option<(Value, Value)> {
    let pointer = view.field(value, "ptr")?;
    if let Some(pointer) = thin(&pointer, view) {
        let class = view.pointee(pointer.type_id)?;
        let inner = Value::at(class, view.word(&pointer)?);
        let content = view.field(&inner, content)?;
        return Some((inner, content));
    }
    let start = view.way(&pointer, &["pointer", "data_ptr"])?;
    let length = view.number(&pointer, &["pointer", "length"])?;
    let class = view.pointee(start.type_id)?;
    let inner = Value::at(class, view.word(&start)?);
    // Its type is that of one element, and has no part in the size of what it stands in.
    let first = view.field(&inner, content)?;
    let Place::Memory(address) = first.place else { return None };
    let class = view.name_of(value.type_id)?;
    let (_, arguments) = class.split_once('<')?;
    let is_first = |name: &str| arguments.strip_prefix(name).is_some_and(|rest| rest.starts_with([',', '>']));
    let content = if arguments.starts_with('[') {
        let array = Type::Array { of: first.type_id, count: Some(length), is_vector: false };
        Value::at(view.target.intern(array), address)
    } else if TEXTS.into_iter().any(is_first) {
        let text = view.target.find_type(None, &path_of("&str"))?;
        Value::new(text, [address, length].into_iter().flat_map(u64::to_le_bytes).collect())
    } else {
        // A record that ends in elements: the length is not of all of it.
        return None;
    };
    Some((inner, content))
}

/// `RefCell` and what borrows from one. A negative number says that one may write.
fn borrowed(value: &Value, name: &str, label: &str, inner: Value, way: &[&str], view: &mut View<'_>) -> Option<Shape> {
    let borrow = view.way(value, way)?;
    let summary = match view.signed(value, way)? {
        count if count >= 0 => format!("{name}(borrow={count})"),
        count => format!("{name}(borrow_mut={})", count.unsigned_abs()),
    };
    let children = vec![(label.to_owned(), inner), ("borrow".to_owned(), borrow)];
    Some(Shape::Children { summary: Some(summary), children })
}
