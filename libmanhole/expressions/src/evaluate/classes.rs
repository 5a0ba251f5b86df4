//! C++'s inheritance: base classes inside objects, objects around base classes, the type that an object really has.
//!
//! Itanium C++ ABI, 2.4 and 2.5: an object with virtual parts begins with the address of its vtable; below that address stand the
//! offsets of virtual bases and the offset to the whole object.

use super::{Evaluator, error};
use crate::access::{integer, member};
use crate::ast::{Path, Segment};
use crate::target::Stop;
use crate::types::{Member, MemberLocation, Record, Type, TypeId};
use crate::value::{Place, Value};

/// Classes above classes that are followed.
const LEVELS: u32 = 24;

/// Base classes that one search looks at: a diamond of diamonds grows with the power of its height.
const MOST: usize = 2000;

impl Evaluator<'_> {
    pub(super) fn is_record(&mut self, value: &Value) -> bool {
        self.is_record_type(value.type_id)
    }

    pub(super) fn is_record_type(&mut self, type_id: TypeId) -> bool {
        matches!(&*self.stripped(type_id).1, Type::Record(_))
    }

    /// Whether two types are the same class: units have numbers of their own for it.
    pub(super) fn is_same_record(&mut self, one: TypeId, other: TypeId) -> bool {
        let (one, first) = self.stripped(one);
        let (other, second) = self.stripped(other);
        match (&*first, &*second) {
            (Type::Record(a), Type::Record(b)) => {
                one == other || (a.name.is_some() && a.name == b.name && a.language == b.language)
            }
            _ => one == other,
        }
    }

    /// A record as a record of another class that it has as a base, or is a base of. `None`: they are not related.
    pub(super) fn cast_record(&mut self, to: TypeId, value: &Value) -> Result<Option<Value>, Stop> {
        if self.is_same_record(to, value.type_id) {
            return Ok(Some(Value { type_id: to, ..value.clone() }));
        }
        if let Some(part) = self.upcast(to, value)? {
            return Ok(Some(part));
        }
        self.downcast(to, value)
    }

    /// The base class `to` in an object.
    pub(super) fn upcast(&mut self, to: TypeId, value: &Value) -> Result<Option<Value>, Stop> {
        let mut budget = MOST;
        let mut found = Vec::new();
        self.bases_of(to, value, LEVELS, &mut budget, &mut found)?;
        match found.len() {
            0 => Ok(None),
            1 => Ok(found.pop()),
            _ => {
                let (base, class) = (self.type_text(to), self.type_text(value.type_id));
                error(format!("base class '{base}' is ambiguous in type '{class}'"))
            }
        }
    }

    fn bases_of(
        &mut self,
        to: TypeId,
        value: &Value,
        levels: u32,
        budget: &mut usize,
        found: &mut Vec<Value>,
    ) -> Result<(), Stop> {
        let (Some(levels), Some(rest)) = (levels.checked_sub(1), budget.checked_sub(1)) else { return Ok(()) };
        *budget = rest;
        self.target.check()?;
        let (_, described) = self.stripped(value.type_id);
        let Type::Record(record) = &*described else { return Ok(()) };
        for base in record.members.iter().filter(|member| member.is_base) {
            if self.is_same_record(to, base.type_id) {
                let Some(part) = self.base(value, base)? else { continue };
                // A virtual base is one, however many ways lead to it.
                if !found.iter().any(|known| known.place == part.place && matches!(part.place, Place::Memory(_))) {
                    found.push(Value { type_id: to, ..part });
                }
            } else if self.has_base(base.type_id, to, levels, budget)
                && let Some(part) = self.base(value, base)?
            {
                self.bases_of(to, &part, levels, budget, found)?;
            }
        }
        Ok(())
    }

    /// Whether a class has another one somewhere among its bases. Looks at types only.
    pub(super) fn has_base(&mut self, class: TypeId, wanted: TypeId, levels: u32, budget: &mut usize) -> bool {
        let (Some(levels), Some(rest)) = (levels.checked_sub(1), budget.checked_sub(1)) else { return false };
        *budget = rest;
        let (_, described) = self.stripped(class);
        let Type::Record(record) = &*described else { return false };
        record.members.iter().filter(|member| member.is_base).any(|base| {
            self.is_same_record(base.type_id, wanted) || self.has_base(base.type_id, wanted, levels, budget)
        })
    }

    /// A direct base class of an object.
    pub(super) fn base(&mut self, value: &Value, base: &Member) -> Result<Option<Value>, Stop> {
        let MemberLocation::Virtual { vtable_offset } = base.location else {
            return Ok(member(value, &base.location, base.type_id, self.target));
        };
        let table = self.vtable(value)?;
        let slot = table.wrapping_sub(vtable_offset as u64);
        let offset = match crate::access::memory(slot, 8, self.target) {
            Ok(bytes) => integer(&bytes, true) as u64,
            Err(Stop::Error(_)) if self.types_only => 0,
            Err(stop) => return Err(stop),
        };
        if let Place::Memory(address) = value.place {
            return Ok(Some(Value {
                is_stale: value.is_stale,
                ..Value::at(base.type_id, address.wrapping_add(offset))
            }));
        }
        Ok(Some(crate::access::part(value, offset, base.type_id, self.target)))
    }

    /// The address in the first word of an object: that of its vtable.
    pub(super) fn vtable(&mut self, value: &Value) -> Result<u64, Stop> {
        let word = self.intern(crate::ast::Builtin::UnsignedLong.as_type());
        let first = crate::access::part(value, 0, word, self.target);
        self.word(&first)
    }

    /// The object of class `to` that has this one as a base.
    fn downcast(&mut self, to: TypeId, value: &Value) -> Result<Option<Value>, Stop> {
        let Place::Memory(address) = value.place else { return Ok(None) };
        if !self.has_base(to, value.type_id, LEVELS, &mut { MOST }) {
            return Ok(None);
        }
        let mut ways = Vec::new();
        let is_static = self.static_offsets(to, value.type_id, 0, LEVELS, &mut ways);
        if let (true, [offset]) = (is_static, ways.as_slice()) {
            let start = address.wrapping_sub(*offset);
            return Ok(Some(Value { is_stale: value.is_stale, ..Value::at(to, start) }));
        }
        // Over a virtual base, only the object itself knows where it begins.
        let Some(whole) = self.whole_object(value)? else {
            return error("cannot cast from a virtual base: the type of the whole object is not known");
        };
        if self.is_same_record(to, whole.type_id) {
            return Ok(Some(Value { type_id: to, ..whole }));
        }
        self.upcast(to, &whole)
    }

    /// The offsets at which `wanted` stands in `class`; false if a virtual base is on one of the ways.
    fn static_offsets(&mut self, class: TypeId, wanted: TypeId, start: u64, levels: u32, ways: &mut Vec<u64>) -> bool {
        let Some(levels) = levels.checked_sub(1) else { return false };
        let (_, described) = self.stripped(class);
        let Type::Record(record) = &*described else { return true };
        for base in record.members.iter().filter(|member| member.is_base) {
            let is_wanted = self.is_same_record(base.type_id, wanted);
            if !is_wanted && !self.has_base(base.type_id, wanted, levels, &mut { MOST }) {
                continue;
            }
            let MemberLocation::Offset(offset) = base.location else { return false };
            let at = start.wrapping_add(offset);
            if is_wanted {
                ways.push(at);
            } else if ways.len() > 16 || !self.static_offsets(base.type_id, wanted, at, levels, ways) {
                return false;
            }
        }
        true
    }

    /// The whole object that this one is a part of, by the vtable's symbol. `None` if it has none that is known.
    pub(super) fn whole_object(&mut self, value: &Value) -> Result<Option<Value>, Stop> {
        let Place::Memory(address) = value.place else { return Ok(None) };
        let table = self.vtable(value)?;
        let Some(symbol) = self.target.symbol_at(table) else { return Ok(None) };
        let Some(name) = symbol.name.strip_prefix("vtable for ") else { return Ok(None) };
        let Some(type_id) = self.target.find_type(None, &path_of(name)) else { return Ok(None) };
        let bytes = crate::access::memory(table.wrapping_sub(16), 8, self.target)?;
        let to_top = integer(&bytes, true) as u64;
        Ok(Some(Value { is_stale: value.is_stale, ..Value::at(type_id, address.wrapping_add(to_top)) }))
    }

    /// The name of a record, without `struct`.
    pub(super) fn record_name(&mut self, type_id: TypeId) -> Option<String> {
        match &*self.stripped(type_id).1 {
            Type::Record(Record { name, .. }) => name.clone(),
            _ => None,
        }
    }
}

/// A whole name as a path: `a::b<c::d>::e`.
pub(crate) fn path_of(name: &str) -> Path {
    let mut segments = Vec::new();
    let mut text = String::new();
    let mut open = 0u32;
    let mut characters = name.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '<' | '(' | '{' => open = open.saturating_add(1),
            '>' | ')' | '}' => open = open.saturating_sub(1),
            _ => {}
        }
        if character == ':' && open == 0 && characters.peek() == Some(&':') {
            characters.next();
            segments.push(Segment { text: core::mem::take(&mut text), quoted: false });
        } else {
            text.push(character);
        }
    }
    segments.push(Segment { text, quoted: false });
    Path { global: false, segments }
}
