//! Sequences: what stands in memory in a row, in blocks, or in a chain; adapters and iterators of them.
//!
//! Pure.

use super::{View, counted, libcxx, numbered};
use crate::access;
use crate::print::pretty::Shape;
use crate::types::{TemplateArgument, Type, TypeId};
use crate::value::{Place, Value};

/// How many elements are between two pointers; `None` when that is no number of elements.
pub(super) fn distance(start: u64, end: u64, size: u64) -> Option<u64> {
    let bytes = end.checked_sub(start)?;
    (size > 0 && bytes % size == 0).then(|| bytes / size)
}

/// Where a vector's elements are: their type, the first one, how many, and for how many there is room.
pub(super) fn vector_parts(value: &Value, view: &mut View<'_>) -> Option<(TypeId, u64, u64, u64)> {
    if libcxx::owns(value, view) {
        return libcxx::vector(value, view);
    }
    let start = view.way(value, &["_M_impl", "_M_start"])?;
    let of = view.pointee(start.type_id)?;
    let size = view.size_of(of)?;
    let start = view.word(&start)?;
    let finish = view.number(value, &["_M_impl", "_M_finish"])?;
    let end = view.number(value, &["_M_impl", "_M_end_of_storage"])?;
    let (length, capacity) = (distance(start, finish, size)?, distance(start, end, size)?);
    (length <= capacity).then_some((of, start, length, capacity))
}

/// Where the bits of a vector of `bool` are: the first word, how many bits, and for how many there is room.
pub(super) fn bits_parts(value: &Value, view: &mut View<'_>) -> Option<(u64, u64, u64)> {
    if libcxx::owns(value, view) {
        return libcxx::bits(value, view);
    }
    let start = view.number(value, &["_M_impl", "_M_start", "_M_p"])?;
    let finish = view.number(value, &["_M_impl", "_M_finish", "_M_p"])?;
    let offset = view.number(value, &["_M_impl", "_M_finish", "_M_offset"])?;
    let end = view.number(value, &["_M_impl", "_M_end_of_storage"])?;
    let words = distance(start, finish, 8)?;
    let capacity = distance(start, end, 8)?;
    (words <= capacity && offset < 64).then_some((start, words * 64 + offset, capacity * 64))
}

pub(super) fn is_of_bools(type_id: TypeId, view: &mut View<'_>) -> bool {
    let argument = view.argument(type_id, 0);
    argument.is_some_and(|of| super::type_names::is_boolean(&view.described(of).1))
}

pub(super) fn vector(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    if is_of_bools(value.type_id, view) {
        let (start, length, capacity) = bits_parts(value, view)?;
        let shown = usize::try_from(length).unwrap_or(usize::MAX).min(view.limit);
        let mut elements = Vec::new();
        for at in 0..shown as u64 {
            let word = view.load(start.wrapping_add(at / 64 * 8))?;
            elements.push(view.truth(word >> (at % 64) & 1 == 1));
        }
        let summary = Some(format!("{full}<bool> of length {length}, capacity {capacity}"));
        return Some(Shape::Array { summary, elements, has_more: length > shown as u64 });
    }
    let (of, start, length, capacity) = vector_parts(value, view)?;
    let (elements, has_more) = view.elements(of, start, length)?;
    let summary = Some(format!("{full} of length {length}, capacity {capacity}"));
    Some(Shape::Array { summary, elements, has_more })
}

/// A deque's parts.
pub(super) struct Deque {
    pub(super) of: TypeId,
    pub(super) size: u64,
    /// Elements in a block.
    pub(super) per_block: u64,
    /// The first element, and how many are from there to the end of its block.
    pub(super) first: u64,
    pub(super) in_first: u64,
    /// The place in the map of blocks where the first one's address stands.
    pub(super) node: u64,
    pub(super) length: u64,
}

impl Deque {
    pub(super) fn of(value: &Value, view: &mut View<'_>) -> Option<Deque> {
        let of = view.argument(value.type_id, 0).or_else(|| {
            let pointer = view.way(value, &["_M_impl", "_M_start", "_M_cur"])?;
            view.pointee(pointer.type_id)
        })?;
        if libcxx::owns(value, view) {
            return libcxx::deque(value, of, view);
        }
        let size = view.size_of(of)?;
        let per_block = 512u64.checked_div(size)?.max(1);
        let mut ends = [[0; 4]; 2];
        for (end, name) in ends.iter_mut().zip(["_M_start", "_M_finish"]) {
            let iterator = view.way(value, &["_M_impl", name])?;
            for (word, name) in end.iter_mut().zip(["_M_cur", "_M_first", "_M_last", "_M_node"]) {
                *word = view.number(&iterator, &[name])?;
            }
        }
        let [[first, _, last, node], [end, end_first, _, end_node]] = ends;
        let blocks = distance(node, end_node, 8)?;
        let in_first = distance(first, last, size)?;
        let length = match blocks.checked_sub(1) {
            Some(between) => {
                let whole = per_block.checked_mul(between)?;
                whole.checked_add(in_first)?.checked_add(distance(end_first, end, size)?)?
            }
            None => distance(first, end, size)?,
        };
        Some(Deque { of, size, per_block, first, in_first, node, length })
    }

    pub(super) fn element(&self, at: u64, view: &mut View<'_>) -> Option<Value> {
        let address = match at.checked_sub(self.in_first) {
            None => self.first.checked_add(at.checked_mul(self.size)?)?,
            Some(beyond) => {
                let node = self.node.checked_add((beyond / self.per_block).checked_add(1)?.checked_mul(8)?)?;
                let block = view.load(node)?;
                block.checked_add((beyond % self.per_block).checked_mul(self.size)?)?
            }
        };
        Some(Value::at(self.of, address))
    }
}

pub(super) fn deque(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    let deque = Deque::of(value, view)?;
    let shown = usize::try_from(deque.length).unwrap_or(usize::MAX).min(view.limit);
    let elements: Option<Vec<_>> = (0..shown as u64).map(|at| deque.element(at, view)).collect();
    let summary = Some(format!("{full} with {}", counted(deque.length)));
    Some(Shape::Array { summary, elements: elements?, has_more: deque.length > shown as u64 })
}

/// The type of a container's nodes: its allocator, which is a base class, is one for them.
pub(super) fn node_type(value: &Value, prefix: &str, view: &mut View<'_>) -> Option<TypeId> {
    let (_, described) = view.described(value.type_id);
    let record = described.as_record()?;
    let allocators = record.members.iter().filter(|member| member.is_base).map(|member| member.type_id);
    let found = allocators.clone().find_map(|allocator| {
        let node = view.element_type(allocator)?;
        view.name_of(node)?.starts_with(prefix).then_some(node)
    });
    // An allocator of one's own may be a class that is derived from such a one.
    found.or_else(|| {
        allocators.clone().find_map(|allocator| {
            let (_, described) = view.described(allocator);
            let bases = described.as_record()?.members.iter().filter(|member| member.is_base);
            bases.map(|base| base.type_id).collect::<Vec<_>>().into_iter().find_map(|base| {
                let node = view.element_type(base)?;
                view.name_of(node)?.starts_with(prefix).then_some(node)
            })
        })
    })
}

/// The value that a node holds.
pub(super) fn value_of_node(node: TypeId, address: u64, view: &mut View<'_>) -> Option<Value> {
    if view.name_of(node).is_some_and(|name| libcxx::has(&name)) {
        return libcxx::value_of_node(node, address, view);
    }
    let at = Value::at(node, address);
    // The libraries for C++98 have it as it is.
    if let Some(plain) = view.field(&at, "_M_data").or_else(|| view.field(&at, "_M_value_field")) {
        return Some(plain);
    }
    let storage = view.field(&at, "_M_storage")?;
    let Place::Memory(address) = storage.place else { return None };
    Some(Value::at(view.argument(node, 0)?, address))
}

/// A chain of nodes: the first one, the last one where that is known, and what the last one leads to.
pub(super) struct Chain {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) end: u64,
    /// How many there are, where that is kept.
    pub(super) length: Option<u64>,
    /// The type of the nodes. A program that never has one need not describe it.
    pub(super) node: Option<TypeId>,
    /// The member that leads to the next node.
    pub(super) next: &'static str,
}

impl Chain {
    /// A list's.
    pub(super) fn of_list(value: &Value, view: &mut View<'_>) -> Option<Chain> {
        if libcxx::owns(value, view) {
            return libcxx::list(value, view);
        }
        let implementation = view.field(value, "_M_impl")?;
        let head = view.field(&implementation, "_M_node")?;
        let Place::Memory(end) = head.place else { return None };
        Some(Chain {
            first: view.number(&head, &["_M_next"])?,
            last: view.number(&head, &["_M_prev"])?,
            end,
            length: view.number(&head, &["_M_size"]),
            node: node_type(&implementation, "std::_List_node<", view),
            next: "_M_next",
        })
    }

    /// That of a list of one direction.
    pub(super) fn of_forward_list(value: &Value, view: &mut View<'_>) -> Option<Chain> {
        if libcxx::owns(value, view) {
            return libcxx::forward_list(value, view);
        }
        let implementation = view.field(value, "_M_impl")?;
        let first = view.number(&implementation, &["_M_head", "_M_next"])?;
        let node = node_type(&implementation, "std::_Fwd_list_node<", view);
        Some(Chain { first, last: 0, end: 0, length: None, node, next: "_M_next" })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first == self.end
    }

    /// The value of the node at an address.
    pub(super) fn value(&self, address: u64, view: &mut View<'_>) -> Option<Value> {
        value_of_node(self.node?, address, view)
    }

    /// The values from the first one on, as many as are wanted.
    fn values(&self, view: &mut View<'_>) -> Option<Vec<Value>> {
        let mut at = self.first;
        let mut elements = Vec::new();
        while at != self.end && elements.len() < view.limit {
            view.goes_on(elements.len() as u64)?;
            elements.push(self.value(at, view)?);
            at = view.number(&Value::at(self.node?, at), &[self.next])?;
        }
        Some(elements)
    }

    fn shape(&self, full: &str, view: &mut View<'_>) -> Option<Shape> {
        if self.is_empty() {
            return Some(Shape::Summary(format!("empty {full}")));
        }
        let children = numbered(self.values(view)?);
        Some(Shape::Children { summary: Some(full.to_owned()), children })
    }
}

pub(super) fn list(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    Chain::of_list(value, view)?.shape(full, view)
}

pub(super) fn forward_list(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    Chain::of_forward_list(value, view)?.shape(full, view)
}

/// `std::stack`, `std::queue`, `std::priority_queue`: around another container.
pub(super) fn adapter(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    let inner = view.field(value, "c")?;
    let shape = view.shape(&inner)?;
    let summary = |inner: Option<String>| Some(format!("{full} wrapping: {}", inner.as_deref().unwrap_or("None")));
    Some(match shape {
        Shape::Array { summary: inner, elements, has_more } => {
            Shape::Array { summary: summary(inner), elements, has_more }
        }
        Shape::Children { summary: inner, children } => Shape::Children { summary: summary(inner), children },
        Shape::Summary(inner) => Shape::Summary(summary(Some(inner))?),
        _ => return None,
    })
}

/// The bits that are set.
pub(super) fn bitset(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    let summary = Some(full.to_owned());
    let Some(words) = view.field(value, "_M_w").or_else(|| view.field(value, "__first_")) else {
        return Some(Shape::Children { summary, children: Vec::new() });
    };
    let size = view.size_of(words.type_id)?;
    let (_, described) = view.described(words.type_id);
    let word_type = match &*described {
        Type::Array { of, .. } => *of,
        _ => words.type_id,
    };
    let mut children = Vec::new();
    for at in 0..size / 8 {
        view.goes_on(at)?;
        let word = access::part(&words, at * 8, word_type, view.target);
        let word = view.word(&word)?;
        for bit in (0..64).filter(|bit| word >> bit & 1 == 1) {
            if children.len() >= view.limit {
                return Some(Shape::Children { summary, children });
            }
            let one = view.integer(1);
            children.push((format!("[{}]", at * 64 + bit), one));
        }
    }
    Some(Shape::Children { summary, children })
}

pub(super) fn initializer_list(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    // Compilers know this type, so that it is in no namespace of libc++'s.
    let length = view.number(value, &["_M_len"]).or_else(|| view.number(value, &["__size_"]))?;
    pointed(value, full, &["_M_array", "__begin_"], length, view)
}

pub(super) fn span(value: &Value, full: &str, view: &mut View<'_>) -> Option<Shape> {
    let (_, described) = view.described(value.type_id);
    let extent = match described.as_record()?.template_arguments.get(1)? {
        TemplateArgument::Value { value, .. } => *value as u64,
        TemplateArgument::Type { .. } => return None,
    };
    let length = match extent {
        u64::MAX if libcxx::owns(value, view) => libcxx::string_view(value, view)?.1,
        u64::MAX => view.number(value, &["_M_extent", "_M_extent_value"])?,
        _ => extent,
    };
    pointed(value, full, &["_M_ptr", "__data_", "__data"], length, view)
}

fn pointed(value: &Value, full: &str, members: &[&str], length: u64, view: &mut View<'_>) -> Option<Shape> {
    let pointer = members.iter().find_map(|member| view.field(value, member))?;
    let of = view.pointee(pointer.type_id)?;
    let start = view.word(&pointer)?;
    let (elements, has_more) = view.elements(of, start, length)?;
    Some(Shape::Array { summary: Some(format!("{full} of length {length}")), elements, has_more })
}

/// An iterator that is a pointer to an element.
pub(super) fn pointer_iterator(value: &Value, members: &[&str], container: &str, view: &mut View<'_>) -> Option<Shape> {
    let pointer = members.iter().find_map(|member| view.field(value, member))?;
    let of = view.pointee(pointer.type_id)?;
    match view.word(&pointer)? {
        0 => Some(Shape::Summary(format!("non-dereferenceable iterator for {container}"))),
        address => view.text(&Value::at(of, address)).map(Shape::Summary),
    }
}

/// An iterator that is a pointer to a node.
pub(super) fn node_iterator(value: &Value, container: &str, node: &str, view: &mut View<'_>) -> Option<Shape> {
    let address = view.number(value, &["_M_node"])?;
    if address == 0 {
        return Some(Shape::Summary(format!("non-dereferenceable iterator for std::{container}")));
    }
    let of = view.element_type(value.type_id)?;
    let node = super::type_names::instance(node, of, view)?;
    let element = value_of_node(node, address, view)?;
    view.text(&element).map(Shape::Summary)
}

pub(super) fn bit_iterator(value: &Value, [word, bit_in]: [&str; 2], view: &mut View<'_>) -> Option<Shape> {
    let (address, offset) = (view.number(value, &[word])?, view.number(value, &[bit_in])?);
    if address == 0 {
        return Some(Shape::Summary("non-dereferenceable iterator for std::vector<bool>".to_owned()));
    }
    bit(address, 1u64.checked_shl(u32::try_from(offset).ok()?)?, view)
}

pub(super) fn bit_reference(value: &Value, [word, mask]: [&str; 2], view: &mut View<'_>) -> Option<Shape> {
    let (address, mask) = (view.number(value, &[word])?, view.number(value, &[mask])?);
    if address == 0 {
        return Some(Shape::Summary("invalid std::vector<bool>::reference".to_owned()));
    }
    bit(address, mask, view)
}

fn bit(address: u64, mask: u64, view: &mut View<'_>) -> Option<Shape> {
    let word = view.load(address)?;
    Some(Shape::Other(view.truth(word & mask != 0)))
}
