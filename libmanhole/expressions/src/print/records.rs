//! Structs, unions and classes of C and C++.
//!
//! Pure.

use super::{Level, Printer};
use crate::access;
use crate::target::Stop;
use crate::types::{Language, Member, MemberLocation, Record, RecordKind, Type, TypeId};
use crate::value::{Place, Value};

impl Printer<'_> {
    pub(super) fn record(&mut self, value: &Value, record: &Record, level: Level) -> Result<(), Stop> {
        if record.language == Language::Rust {
            return self.rust_record(value, record, level);
        }
        if record.kind == RecordKind::Union && level.depth > 0 && !self.options.union {
            self.put("{...}");
            return Ok(());
        }
        let (statics, bases) = (self.statics.len(), core::mem::take(&mut self.virtual_bases));
        let done = self.fields(value, record, level);
        self.statics.truncate(statics);
        self.virtual_bases = bases;
        done
    }

    fn fields(&mut self, value: &Value, record: &Record, level: Level) -> Result<(), Stop> {
        self.put("{");
        let has_bases = record.members.iter().any(|member| member.is_base);
        for base in record.members.iter().filter(|member| member.is_base) {
            self.base(value, base, level.inner())?;
        }
        let mut has_fields = false;
        let mut is_first = true;
        for member in record.members.iter().filter(|member| !member.is_base) {
            has_fields = true;
            let is_static = matches!(member.location, MemberLocation::Static { .. });
            if is_static && !self.options.static_members {
                continue;
            }
            if self.is_full() {
                break;
            }
            if !is_first {
                self.put(if self.options.pretty { "," } else { ", " });
            } else if has_bases && self.options.pretty {
                self.line(level.depth + 1);
                self.put(&format!("members of {}:", record.name.as_deref().unwrap_or_default()));
            }
            is_first = false;
            if self.options.pretty {
                self.line(level.depth + 1);
            }
            self.field(value, record, member, level)?;
        }
        if !has_fields {
            self.put("<No data fields>");
        } else if self.options.pretty {
            self.line(level.depth);
        }
        self.put("}");
        Ok(())
    }

    /// `name = value`.
    fn field(&mut self, value: &Value, record: &Record, member: &Member, level: Level) -> Result<(), Stop> {
        let mut inner = level.member();
        let is_static = matches!(member.location, MemberLocation::Static { .. });
        if is_static {
            self.put("static ");
        }
        match member.name.as_deref() {
            Some(name) if !name.is_empty() => self.put(&format!("{name} = ")),
            _ => inner.nameless += 1,
        }
        let name = member.name.as_deref().unwrap_or_default();
        if is_static {
            let found = match access::static_member(record, name, &member.location, member.type_id, self.target) {
                // It is only declared, or there are several.
                Err(Stop::Error(_)) => None,
                found => found?,
            };
            return match found {
                Some(found) => self.static_member(&found, level),
                None => {
                    self.put("<optimized out>");
                    Ok(())
                }
            };
        }
        let Some(part) = access::member(value, &member.location, member.type_id, self.target) else {
            self.put("<error reading variable>");
            return Ok(());
        };
        if member.is_artificial && name.starts_with("_vptr") {
            return match self.scalar_bytes(&part)? {
                Some(bytes) => {
                    self.address(access::integer(&bytes, false) as u64, true);
                    Ok(())
                }
                None => Ok(()),
            };
        }
        let done = self.print(&part, inner);
        self.or_mark(done)
    }

    /// Those that hold themselves are shown once.
    fn static_member(&mut self, value: &Value, level: Level) -> Result<(), Stop> {
        let (_, described) = access::stripped(value.type_id, self.target);
        let Type::Record(record) = &*described else {
            let done = self.print(value, level.member());
            return self.or_mark(done);
        };
        let Place::Memory(address) = value.place else {
            return self.print(value, level.member());
        };
        if self.statics.contains(&address) {
            self.put("<same as static member of an already seen type>");
            return Ok(());
        }
        self.statics.push(address);
        if level.depth >= super::DEEPEST {
            self.put("{...}");
            return Ok(());
        }
        // gdb does not count static members for `max-depth`.
        let done = match self.fetched(value, &described) {
            Ok(value) => self.fields(&value, record, level.member()),
            Err(stop) => Err(stop),
        };
        self.or_mark(done)
    }

    /// `<Base> = {...}, `.
    fn base(&mut self, value: &Value, base: &Member, level: Level) -> Result<(), Stop> {
        let (base_id, described) = access::stripped(base.type_id, self.target);
        let Type::Record(record) = &*described else {
            return Ok(());
        };
        let found = match base.location {
            MemberLocation::Virtual { vtable_offset } => {
                if self.virtual_bases.contains(&base_id) {
                    return Ok(());
                }
                self.virtual_bases.push(base_id);
                self.virtual_base(value, base.type_id, vtable_offset)
            }
            _ => access::member(value, &base.location, base.type_id, self.target),
        };
        if self.options.pretty {
            self.line(level.depth);
        }
        self.put(&format!("<{}> = ", record.name.as_deref().unwrap_or_default()));
        match found {
            None => self.put("<invalid address>"),
            Some(found) => {
                if self.is_too_deep(base_id, &described, level) {
                    self.put("{...}");
                } else if !self.options.raw
                    && let Some(shape) =
                        super::pretty::pretty(&found, self.format, self.options, self.parts, self.target)
                {
                    self.shape(shape, level)?;
                } else {
                    let done = match self.fetched(&found, &described) {
                        Ok(found) => self.fields(&found, record, level),
                        Err(stop) => Err(stop),
                    };
                    self.or_mark(done)?;
                }
            }
        }
        self.put(", ");
        Ok(())
    }

    /// A virtual base: its offset stands in the vtable of the object at hand (Itanium C++ ABI, 2.5.2).
    fn virtual_base(&mut self, value: &Value, type_id: TypeId, vtable_offset: i64) -> Option<Value> {
        let Place::Memory(address) = value.place else {
            return None;
        };
        let vtable = self.word(address)?;
        let offset = self.word(vtable.wrapping_sub(vtable_offset as u64))?;
        Some(Value { is_stale: value.is_stale, ..Value::at(type_id, address.wrapping_add(offset)) })
    }
}
