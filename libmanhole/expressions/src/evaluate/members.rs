//! `object.member`, in anonymous members and base classes too.

use super::classes::path_of;
use super::{Answer, Evaluator, error};
use crate::access::{member, static_member};
use crate::ast::{Expression, Path};
use crate::target::Stop;
use crate::types::{Language, MemberLocation, Record, Type, TypeId};
use crate::value::{Content, Place, Value};

/// Records in records that are looked into.
const LEVELS: u32 = 24;

/// Records that one search looks into.
const MOST: usize = 2000;

/// A member that a search has found.
struct Hit {
    value: Value,
    /// The class that declares it, and the classes on the way to that.
    class: TypeId,
    way: Vec<TypeId>,
    is_static: bool,
}

impl Evaluator<'_> {
    #[inline(never)]
    pub(super) fn member_expression(&mut self, object: &Expression, name: &Path, through_pointer: bool) -> Answer {
        let object = self.value(object)?;
        let object = self.object(object, through_pointer)?;
        self.member_of(&object, name)
    }

    /// The record before a `.` or `->`: gdb makes no difference between the two.
    pub(super) fn object(&mut self, object: Value, through_pointer: bool) -> Answer {
        let mut object = self.referent(object)?;
        if self.is_record(&object) && through_pointer {
            // A class that behaves like a pointer.
            for _ in 0..8 {
                if !self.is_record(&object) || self.methods(&object, "operator->")?.is_empty() {
                    break;
                }
                let next = self.by_operator("operator->", vec![object.clone()])?;
                let next = self.referent(next)?;
                let is_itself = next.place == object.place && next.place != Place::None;
                object = next;
                if is_itself {
                    break;
                }
            }
        }
        if self.is_record(&object) {
            return Ok(object);
        }
        let (_, described) = self.stripped(object.type_id);
        if let Type::Pointer(to) = &*described {
            if matches!(&*self.stripped(*to).1, Type::Void) {
                return error("Attempt to dereference a generic pointer.");
            }
            if self.is_record_type(*to) {
                return self.dereferenced(object);
            }
        }
        if through_pointer {
            return error("Attempt to extract a component of a value that is not a structure pointer.");
        }
        error("Attempt to extract a component of a value that is not a structure.")
    }

    pub(super) fn member_of(&mut self, object: &Value, path: &Path) -> Answer {
        let (object, name) = self.qualified(object, path)?;
        if let Some(found) = self.find_member(&object, name)? {
            return Ok(found);
        }
        let mut methods = self.methods(&object, name)?;
        match (methods.pop(), methods.is_empty()) {
            (Some((method, _)), true) => {
                let class = object.type_id;
                match self.method_address(&method, class)? {
                    Some(address) => return Ok(Value::at(method.type_id, address)),
                    None => return error("Cannot evaluate function -- may be inlined"),
                }
            }
            (Some(_), false) => {
                return error(format!("cannot resolve overloaded method `{name}': no arguments supplied"));
            }
            (None, _) => {}
        }
        self.no_member(&object, name)
    }

    fn no_member(&mut self, object: &Value, name: &str) -> Answer {
        let (_, described) = self.stripped(object.type_id);
        match &*described {
            Type::Record(record) if record.is_declaration => {
                let class = self.type_text(object.type_id);
                error(format!("the members of {class} are not known: it is only declared"))
            }
            Type::Record(record) if record.language == Language::Cpp => {
                error(format!("There is no member or method named {name}."))
            }
            _ => error(format!("There is no member named {name}.")),
        }
    }

    /// `a.Base::x`: the base that the name says, and the name in it.
    pub(super) fn qualified<'p>(&mut self, object: &Value, path: &'p Path) -> Result<(Value, &'p str), Stop> {
        let Some((last, scopes)) = path.segments.split_last() else { return Ok((object.clone(), "")) };
        if scopes.is_empty() {
            return Ok((object.clone(), &last.text));
        }
        let scope = Path { global: path.global, segments: scopes.to_vec() };
        let wanted = scope.to_string();
        let wanted = wanted.trim_start_matches("::");
        if self.is_named(object.type_id, wanted) {
            return Ok((object.clone(), &last.text));
        }
        let type_id = match self.base_named(object.type_id, wanted, LEVELS, &mut { MOST }) {
            Some(type_id) => Some(type_id),
            None => self.target.find_type(None, &scope),
        };
        let base = match type_id {
            Some(type_id) => self.cast_record(type_id, object)?,
            None => None,
        };
        match base {
            Some(base) => Ok((base, &last.text)),
            None => error(format!("base class '{wanted}' is not one of the object's")),
        }
    }

    /// Whether a class has this name, with or without its scopes.
    fn is_named(&mut self, type_id: TypeId, wanted: &str) -> bool {
        let Some(name) = self.record_name(type_id) else { return false };
        name == wanted || path_of(&name).last() == wanted
    }

    fn base_named(&mut self, class: TypeId, wanted: &str, levels: u32, budget: &mut usize) -> Option<TypeId> {
        let levels = levels.checked_sub(1)?;
        *budget = budget.checked_sub(1)?;
        let (_, described) = self.stripped(class);
        let Type::Record(record) = &*described else { return None };
        record.members.iter().filter(|member| member.is_base).find_map(|base| {
            if self.is_named(base.type_id, wanted) {
                return Some(base.type_id);
            }
            self.base_named(base.type_id, wanted, levels, budget)
        })
    }

    /// The member of this name. Several that are equally near are an error.
    pub(super) fn find_member(&mut self, object: &Value, name: &str) -> Result<Option<Value>, Stop> {
        let mut hits = Vec::new();
        self.search(object, name, &mut Vec::new(), &mut { MOST }, &mut hits)?;
        if hits.len() > 1 {
            let mut text = format!(
                "Request for member '{name}' is ambiguous in type '{}'. Candidates are:",
                self.type_text(object.type_id)
            );
            for hit in &hits {
                let (of, class) = (self.type_text(hit.value.type_id), self.type_text(hit.class));
                let way: Vec<_> = hit.way.iter().map(|class| self.type_text(*class)).collect();
                text.push_str(&format!("\n  '{of} {class}::{name}' ({})", way.join(" -> ")));
            }
            return error(text);
        }
        Ok(hits.pop().map(|hit| hit.value))
    }

    fn search(
        &mut self,
        object: &Value,
        name: &str,
        way: &mut Vec<TypeId>,
        budget: &mut usize,
        hits: &mut Vec<Hit>,
    ) -> Result<(), Stop> {
        let Some(rest) = budget.checked_sub(1) else { return Ok(()) };
        *budget = rest;
        if way.len() > LEVELS as usize {
            return Ok(());
        }
        self.target.check()?;
        let (_, described) = self.stripped(object.type_id);
        let Type::Record(record) = &*described else { return Ok(()) };
        way.push(object.type_id);
        let before = hits.len();
        for found in record.members.iter().filter(|found| !found.is_base) {
            match found.name.as_deref() {
                Some(known) if is_called(known, name, record) => {
                    let is_static = matches!(found.location, MemberLocation::Static { .. });
                    let value = self.value_of_member(object, record, &found.location, found.type_id, known)?;
                    let is_known = hits.iter().any(|hit| {
                        let in_memory = matches!(value.place, Place::Memory(_)) && hit.value.place == value.place;
                        in_memory && (is_static == hit.is_static)
                    });
                    if !is_known {
                        hits.push(Hit { value, class: object.type_id, way: way.clone(), is_static });
                    }
                    break;
                }
                Some("") | None => {
                    let Some(inner) = member(object, &found.location, found.type_id, self.target) else { continue };
                    self.search(&inner, name, way, budget, hits)?;
                }
                Some(_) => {}
            }
        }
        if hits.len() == before
            && let Some(variants) = &record.variants
            && let Some((variant, fields)) = self.active_variant(object, variants)?
        {
            if variant.as_deref() == Some(name) {
                hits.push(Hit { value: fields, class: object.type_id, way: way.clone(), is_static: false });
            } else {
                self.search(&fields, name, way, budget, hits)?;
            }
        }
        // A name hides those of the base classes.
        if hits.len() == before {
            for base in record.members.iter().filter(|member| member.is_base) {
                if !self.could_have(base.type_id, name, LEVELS, budget) {
                    continue;
                }
                if let Some(part) = self.base(object, base)? {
                    self.search(&part, name, way, budget, hits)?;
                }
            }
        }
        way.pop();
        Ok(())
    }

    /// Whether a class or a base of it has such a member: the vtable need not be read for nothing.
    fn could_have(&mut self, class: TypeId, name: &str, levels: u32, budget: &mut usize) -> bool {
        let (Some(levels), Some(rest)) = (levels.checked_sub(1), budget.checked_sub(1)) else { return false };
        *budget = rest;
        let (_, described) = self.stripped(class);
        let Type::Record(record) = &*described else { return false };
        record.variants.is_some()
            || record.members.iter().any(|member| match member.name.as_deref() {
                Some(known) if !member.is_base && !known.is_empty() => is_called(known, name, record),
                _ => self.could_have(member.type_id, name, levels, budget),
            })
    }

    fn value_of_member(
        &mut self,
        object: &Value,
        record: &Record,
        location: &MemberLocation,
        type_id: TypeId,
        name: &str,
    ) -> Answer {
        if matches!(location, MemberLocation::Static { .. }) {
            if let Some(value) = static_member(record, name, location, type_id, self.target)? {
                return Ok(value);
            }
            return error(format!("static field {name} has been optimized out"));
        }
        match member(object, location, type_id, self.target) {
            Some(value) => Ok(value),
            // The bits of a convenience variable have no place of their own.
            None if object.content == Content::Unread && self.types_only => Ok(self.zero(type_id)),
            None => error(format!("where the member {name} is, is not understood")),
        }
    }
}

/// Whether a member's name is what was asked for: Rust's `.0` is called `__0`.
fn is_called(known: &str, asked: &str, record: &Record) -> bool {
    known == asked
        || (record.language == Language::Rust
            && known.strip_prefix("__") == Some(asked)
            && asked.bytes().all(|byte| byte.is_ascii_digit()))
}
