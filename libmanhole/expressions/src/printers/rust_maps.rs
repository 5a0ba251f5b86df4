//! Rust's maps and sets: B-trees, and hashbrown's tables.
//!
//! Pure. No more nodes and slots are visited than the number of elements that are shown asks for; a table's empty slots are bounded.

use super::View;
use super::rust::thin;
use crate::access;
use crate::print::pretty::Shape;
use crate::types::TypeId;
use crate::value::{Place, Value};

/// A B-tree's node has 11 keys at most.
const CAPACITY: u64 = 11;

/// A B-tree is never higher.
const HEIGHT: u64 = 32;

/// Slots of a table that are looked at.
const SLOTS: u64 = 1 << 24;

/// Slots that are read at once.
const CHUNK: u64 = 256;

/// The nodes of one B-tree.
struct Tree {
    leaf: TypeId,
    key: TypeId,
    content: TypeId,
    limit: usize,
    found: Vec<(Value, Value)>,
}

impl Tree {
    fn node(&mut self, address: u64, height: u64, view: &mut View<'_>) -> Option<()> {
        view.target.check().ok()?;
        let leaf = Value::at(self.leaf, address);
        let length = view.number(&leaf, &["len"])?;
        if length > CAPACITY {
            return None;
        }
        let (Place::Memory(keys), Place::Memory(contents)) =
            (view.field(&leaf, "keys")?.place, view.field(&leaf, "vals")?.place)
        else {
            return None;
        };
        let (key_size, content_size) = (view.size_of(self.key)?, view.size_of(self.content)?);
        // An inner node is a leaf with the pointers to its children behind it.
        let edges = address.checked_add(view.size_of(self.leaf)?.next_multiple_of(8))?;
        for at in 0..=length {
            if self.found.len() >= self.limit {
                return Some(());
            }
            if let Some(below) = height.checked_sub(1) {
                let child = view.load(edges.checked_add(at * 8)?)?;
                self.node(child, below, view)?;
            }
            if at < length && self.found.len() < self.limit {
                let key = Value::at(self.key, keys.checked_add(at.checked_mul(key_size)?)?);
                let content = Value::at(self.content, contents.checked_add(at.checked_mul(content_size)?)?);
                self.found.push((key, content));
            }
        }
        Some(())
    }
}

/// What an option holds, when it holds something.
fn some(option: &Value, view: &mut View<'_>) -> Option<Value> {
    let (_, described) = view.described(option.type_id);
    let variants = &described.as_record()?.variants.as_ref()?.variants;
    variants.iter().find_map(|variant| {
        let fields = access::member(option, &variant.member.location, variant.member.type_id, view.target)?;
        view.field(&fields, "__0")
    })
}

/// How a tree's length is written: with the format, unlike those of other types.
fn length_text(map: &Value, view: &mut View<'_>) -> Option<String> {
    let length = view.field(map, "length")?;
    view.text(&length)
}

/// How many entries there are, and those that are wanted.
fn tree(map: &Value, limit: usize, view: &mut View<'_>) -> Option<(u64, Vec<(Value, Value)>)> {
    let length = view.number(map, &["length"])?;
    if length == 0 {
        return Some((0, Vec::new()));
    }
    let root = view.field(map, "root")?;
    // There is a root where there are entries.
    let root = some(&root, view).unwrap_or(root);
    let height = view.number(&root, &["height"])?;
    if height > HEIGHT {
        return None;
    }
    let node = view.field(&root, "node")?;
    let node = thin(&node, view)?;
    let leaf = view.pointee(node.type_id)?;
    let (key, content) = (view.argument(leaf, 0)?, view.argument(leaf, 1)?);
    let mut tree = Tree { leaf, key, content, limit, found: Vec::new() };
    tree.node(view.word(&node)?, height, view)?;
    let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(limit);
    (tree.found.len() == wanted).then_some((length, tree.found))
}

pub(super) fn btree_map(value: &Value, view: &mut View<'_>) -> Option<Shape> {
    let (length, entries) = tree(value, view.limit.div_ceil(2), view)?;
    let has_more = length > entries.len() as u64;
    let text = length_text(value, view)?;
    Some(Shape::Map { summary: Some(format!("BTreeMap(size={text})")), entries, has_more })
}

pub(super) fn btree_set(value: &Value, view: &mut View<'_>) -> Option<Shape> {
    let map = view.field(value, "map")?;
    let (length, entries) = tree(&map, view.limit, view)?;
    let has_more = length > entries.len() as u64;
    let elements = entries.into_iter().map(|(key, _)| key).collect();
    let text = length_text(&map, view)?;
    Some(Shape::Array { summary: Some(format!("BTreeSet(size={text})")), elements, has_more })
}

/// How many pairs a table has, and those that are wanted.
fn table(map: &Value, limit: usize, view: &mut View<'_>) -> Option<(u64, Vec<Value>)> {
    let outer = view.field(map, "table")?;
    let pair = view.argument(outer.type_id, 0)?;
    let size = view.size_of(pair)?;
    let table = view.field(&outer, "table")?;
    let slots = view.number(&table, &["bucket_mask"])?.checked_add(1)?;
    let items = view.number(&table, &["items"])?;
    let control = view.field(&table, "ctrl")?;
    let control = thin(&control, view)?;
    let control = view.word(&control)?;
    if !slots.is_power_of_two() || items > slots {
        return None;
    }
    let wanted = usize::try_from(items).unwrap_or(usize::MAX).min(limit);
    let mut found = Vec::new();
    let mut first = 0;
    while found.len() < wanted && first < slots.min(SLOTS) {
        view.target.check().ok()?;
        let mut chunk = vec![0; usize::try_from(CHUNK.min(slots - first)).ok()?];
        view.target.read(control.checked_add(first)?, &mut chunk).ok()?;
        // A slot's control byte has its highest bit set when nothing is in it; the slots themselves lie before, backwards.
        for (at, _) in (first..).zip(&chunk).filter(|(_, byte)| **byte & 0x80 == 0) {
            if found.len() < wanted {
                found.push(Value::at(pair, control.checked_sub((at + 1).checked_mul(size)?)?));
            }
        }
        first += CHUNK;
    }
    (found.len() == wanted).then_some((items, found))
}

pub(super) fn hash_map(value: &Value, view: &mut View<'_>) -> Option<Shape> {
    let map = view.field(value, "base")?;
    let (items, pairs) = table(&map, view.limit.div_ceil(2), view)?;
    let entries: Option<Vec<_>> =
        pairs.iter().map(|pair| Some((view.field(pair, "__0")?, view.field(pair, "__1")?))).collect();
    let has_more = items > pairs.len() as u64;
    Some(Shape::Map { summary: Some(format!("HashMap(size={items})")), entries: entries?, has_more })
}

pub(super) fn hash_set(value: &Value, view: &mut View<'_>) -> Option<Shape> {
    let map = view.way(value, &["base", "map"]).or_else(|| view.way(value, &["map", "base"]))?;
    let (items, pairs) = table(&map, view.limit, view)?;
    let elements: Option<Vec<_>> = pairs.iter().map(|pair| view.field(pair, "__0")).collect();
    let has_more = items > pairs.len() as u64;
    Some(Shape::Array { summary: Some(format!("HashSet(size={items})")), elements: elements?, has_more })
}
