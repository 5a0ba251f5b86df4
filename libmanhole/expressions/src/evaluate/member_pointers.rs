//! C++'s pointers to members: `&Class::member`, `object.*pointer`, `object->*pointer`.
//!
//! Itanium C++ ABI, 2.3: to data it is the offset in the class, -1 for none. To a function it is a pair: the code's address, or one
//! more than the offset in the vtable; and what is added to `this`.

use super::{Answer, Evaluator, error};
use crate::access::{integer, memory, part};
use crate::ast::{Expression, Path};
use crate::target::Stop;
use crate::types::{MemberLocation, Type, TypeId};
use crate::value::Value;

/// Classes above classes that are followed.
const LEVELS: u32 = 24;

/// Base classes that one search looks at.
const MOST: usize = 2000;

/// What a pointer to a member stands for in an object.
pub(super) enum At {
    Data(Value),
    /// A function, and the `this` that it wants.
    Code {
        address: u64,
        type_id: TypeId,
        this: u64,
    },
}

/// What a class has under a name.
enum Pointee {
    /// Bytes from the start of the class.
    Data(u64, TypeId),
    Method(crate::types::Method, TypeId),
    /// Static: what is no pointer to a member.
    Plain,
}

impl Evaluator<'_> {
    #[inline(never)]
    pub(super) fn through_member(
        &mut self,
        object: &Expression,
        pointer: &Expression,
        through_pointer: bool,
    ) -> Answer {
        Ok(match self.member_at(object, pointer, through_pointer)? {
            At::Data(value) => value,
            At::Code { address, type_id, .. } => Value::at(type_id, address),
        })
    }

    /// The member that a pointer says, in an object.
    #[inline(never)]
    pub(super) fn member_at(
        &mut self,
        object: &Expression,
        pointer: &Expression,
        through_pointer: bool,
    ) -> Result<At, Stop> {
        let object = self.value(object)?;
        let object = self.object(object, through_pointer)?;
        let pointer = self.value(pointer)?;
        let pointer = self.referent(pointer)?;
        let (_, described) = self.stripped(pointer.type_id);
        let Type::MemberPointer { class, to } = *described else {
            return error("non-pointer-to-member value used in pointer-to-member construct");
        };
        let Some(object) = self.cast_record(class, &object)? else {
            let (object, class) = (self.type_text(object.type_id), self.type_text(class));
            return error(format!("a member of {class} is in no {object}"));
        };
        let bytes = self.bytes(&pointer)?;
        if !matches!(&*self.stripped(to).1, Type::Function(_)) {
            let offset = integer(&bytes, true);
            return match u64::try_from(offset) {
                Ok(offset) => Ok(At::Data(part(&object, offset, to, self.target))),
                Err(_) if self.types_only => Ok(At::Data(self.zero(to))),
                Err(_) => error("the pointer to a member is null"),
            };
        }
        let (code, adjustment) = bytes.split_at_checked(8).unwrap_or((&bytes, &[]));
        let (code, adjustment) = (integer(code, false) as u64, integer(adjustment, true) as u64);
        if self.types_only {
            return Ok(At::Code { address: 0, type_id: to, this: 0 });
        }
        if code == 0 {
            return error("the pointer to a member function is null");
        }
        let this = self.standing(&object)?.wrapping_add(adjustment);
        let address = if code & 1 == 1 {
            let table = integer(&memory(this, 8, self.target)?, false) as u64;
            integer(&memory(table.wrapping_add(code & !1), 8, self.target)?, false) as u64
        } else {
            code
        };
        Ok(At::Code { address, type_id: to, this })
    }

    /// `&Class::member` of a member that is not static; `None` for anything else.
    pub(super) fn member_pointer(&mut self, path: &Path) -> Result<Option<Value>, Stop> {
        let Some((class, name)) = self.class_of(path) else { return Ok(None) };
        Ok(match self.pointee(class, name, 0, LEVELS, &mut { MOST })? {
            None | Some(Pointee::Plain) => None,
            Some(Pointee::Data(offset, to)) => {
                let type_id = self.intern(Type::MemberPointer { class, to });
                Some(Value::new(type_id, offset.to_le_bytes().to_vec()))
            }
            Some(Pointee::Method(method, owner)) => {
                let code = match method.virtual_slot {
                    Some(slot) if method.is_virtual => Some(slot.wrapping_mul(8).wrapping_add(1)),
                    _ => self.method_address(&method, owner)?,
                };
                let Some(code) = code else { return error("Cannot evaluate function -- may be inlined") };
                let type_id = self.intern(Type::MemberPointer { class, to: method.type_id });
                Some(Value::new(type_id, u128::from(code).to_le_bytes().to_vec()))
            }
        })
    }

    fn pointee(
        &mut self,
        class: TypeId,
        name: &str,
        start: u64,
        levels: u32,
        budget: &mut usize,
    ) -> Result<Option<Pointee>, Stop> {
        let (Some(levels), Some(rest)) = (levels.checked_sub(1), budget.checked_sub(1)) else { return Ok(None) };
        *budget = rest;
        self.target.check()?;
        let (_, described) = self.stripped(class);
        let Type::Record(record) = &*described else { return Ok(None) };
        let (bases, members): (Vec<_>, Vec<_>) = record.members.iter().partition(|member| member.is_base);
        if let Some(found) = members.into_iter().find(|member| member.name.as_deref() == Some(name)) {
            return match found.location {
                MemberLocation::Offset(offset) => Ok(Some(Pointee::Data(start.wrapping_add(offset), found.type_id))),
                MemberLocation::Bits { .. } => error("pointers to bitfield members not allowed"),
                _ => Ok(Some(Pointee::Plain)),
            };
        }
        let mut methods = record.methods.iter().filter(|method| method.name == name);
        match (methods.next(), methods.next()) {
            (Some(method), None) if method.is_static => return Ok(Some(Pointee::Plain)),
            (Some(method), None) => return Ok(Some(Pointee::Method(method.clone(), class))),
            (Some(_), Some(_)) => {
                return error(format!("non-unique member `{name}' requires type instantiation"));
            }
            (None, _) => {}
        }
        for base in bases {
            let MemberLocation::Offset(offset) = base.location else { continue };
            let found = self.pointee(base.type_id, name, start.wrapping_add(offset), levels, budget)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}
