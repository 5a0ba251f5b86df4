//! Pointers, references, functions, and pointers to members; the type that `print` writes before them.
//!
//! Pure.

use super::{Level, Printer, names, rust, strings};
use crate::access::{self, integer};
use crate::ast::Path;
use crate::target::{Stop, SymbolAt, Target};
use crate::types::{MemberLocation, Record, Type, TypeId};
use crate::value::Value;

/// `<main+4>`.
pub(super) fn bracketed(symbol: &SymbolAt) -> String {
    match symbol.offset {
        0 => format!("<{}>", symbol.name),
        offset => format!("<{}+{offset}>", symbol.name),
    }
}

/// The type below qualifiers, but not below typedefs.
fn unqualified(type_id: TypeId, target: &mut dyn Target) -> (TypeId, std::rc::Rc<Type>) {
    let mut at = type_id;
    for _ in 0..64 {
        let described = target.describe(at);
        match &*described {
            Type::Const(to) | Type::Volatile(to) | Type::Restrict(to) | Type::Atomic(to) => at = *to,
            _ => return (at, described),
        }
    }
    (at, target.describe(at))
}

/// Whether a string stands behind a pointer to it, so that its type needs no mention.
fn is_character(type_id: TypeId, target: &mut dyn Target) -> bool {
    let (_, described) = unqualified(type_id, target);
    let name = match &*described {
        Type::Base(base) => &base.name,
        Type::Typedef { name, .. } => name,
        _ => return false,
    };
    matches!(name.as_str(), "char" | "wchar_t" | "char16_t" | "char32_t")
}

impl Printer<'_> {
    /// Writes the type before a pointer or a reference; with the option `object`, gives the object as what it really is.
    pub(super) fn prefix(&mut self, value: &Value, described: &Type) -> Result<Value, Stop> {
        let to = match described {
            Type::Pointer(to) | Type::Reference { to, .. } => *to,
            Type::Record(_) if self.options.object && !self.is_rust => return self.whole_object(value),
            _ => return Ok(value.clone()),
        };
        let (_, plain) = unqualified(value.type_id, self.target);
        if matches!(&*plain, Type::Pointer(_)) && !self.is_rust && is_character(to, self.target) {
            return Ok(value.clone());
        }
        let mut value = value.clone();
        if self.options.object
            && !self.is_rust
            && let Ok(bytes) = access::bytes(&value, self.target)?
            && let Some((class, start)) = self.dynamic(to, integer(&bytes, false) as u64)
        {
            let class = self.requalified(to, class);
            let made = match described {
                Type::Reference { is_rvalue, .. } => Type::Reference { to: class, is_rvalue: *is_rvalue },
                _ => Type::Pointer(class),
            };
            let type_id = self.target.intern(made);
            let type_id = self.requalified(value.type_id, type_id);
            value = Value::new(type_id, start.to_le_bytes().to_vec());
        }
        let name = names::spelled(value.type_id, -1, self.target);
        self.put(&format!("({name}) "));
        Ok(value)
    }

    /// A type with the `const` and `volatile` of another.
    fn requalified(&mut self, like: TypeId, type_id: TypeId) -> TypeId {
        let (mut at, mut made) = (like, type_id);
        for _ in 0..8 {
            (at, made) = match &*self.target.describe(at) {
                Type::Const(to) => (*to, self.target.intern(Type::Const(made))),
                Type::Volatile(to) => (*to, self.target.intern(Type::Volatile(made))),
                _ => break,
            };
        }
        made
    }

    /// A class's object with the option `object`.
    fn whole_object(&mut self, value: &Value) -> Result<Value, Stop> {
        let crate::value::Place::Memory(address) = value.place else {
            return Ok(value.clone());
        };
        let Some((class, start)) = self.dynamic(value.type_id, address) else {
            return Ok(value.clone());
        };
        let name = names::spelled(class, -1, self.target);
        self.put(&format!("({name}) "));
        Ok(Value { is_stale: value.is_stale, ..Value::at(class, start) })
    }

    /// The dynamic class of the object at an address, and where that object begins: its vtable has a symbol.
    fn dynamic(&mut self, class: TypeId, address: u64) -> Option<(TypeId, u64)> {
        let slot = self.vtable_slot(class, 0)?;
        let vtable = self.word(address.wrapping_add(slot))?;
        let symbol = self.target.symbol_at(vtable)?;
        let name = symbol.name.strip_prefix("vtable for ")?;
        let found = self.target.find_type(None, &path(name))?;
        // Itanium C++ ABI, 2.5.2: the offset to the top is two words below the address point.
        let top = self.word(vtable.wrapping_sub(16))?;
        Some((found, address.wrapping_add(top)))
    }

    /// Where an object of this class has a pointer to its vtable.
    fn vtable_slot(&mut self, class: TypeId, depth: u32) -> Option<u64> {
        let (_, described) = access::stripped(class, self.target);
        let Type::Record(Record { members, .. }) = &*described else {
            return None;
        };
        let own = members.iter().find(|member| member.name.as_deref().is_some_and(|name| name.starts_with("_vptr")));
        if let Some(MemberLocation::Offset(offset)) = own.map(|member| &member.location) {
            return Some(*offset);
        }
        let bases = members.iter().filter(|member| member.is_base && depth < 16);
        bases.into_iter().find_map(|base| match base.location {
            MemberLocation::Offset(offset) => Some(offset + self.vtable_slot(base.type_id, depth + 1)?),
            // A virtual base makes the class itself have a vtable, at its start.
            MemberLocation::Virtual { .. } => Some(0),
            _ => None,
        })
    }

    /// Eight bytes of memory.
    pub(super) fn word(&mut self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.target.read(address, &mut bytes).ok()?;
        Some(u64::from_le_bytes(bytes))
    }

    pub(super) fn pointer(&mut self, value: &Value, to: TypeId) -> Result<(), Stop> {
        let Some(bytes) = self.scalar_bytes(value)? else {
            return Ok(());
        };
        if self.scalar_format().is_some() {
            return self.formatted(&bytes, &Type::Pointer(to));
        }
        let address = integer(&bytes, false) as u64;
        let (_, described) = access::stripped(to, self.target);
        if self.is_rust
            && let Type::Array { of, count: Some(count), .. } = &*described
            && rust::is_u8(*of, self.target)
        {
            self.address(address, true);
            self.put(if self.options.address { " b" } else { "b" });
            return self.string_at(address, Some(*count), strings::Element::BYTE, true);
        }
        if matches!(&*described, Type::Function(_)) {
            self.address(address, true);
            return Ok(());
        }
        self.pointer_to_data(address, to)
    }

    /// An address of data, with the string that begins there.
    pub(super) fn pointer_to_data(&mut self, address: u64, to: TypeId) -> Result<(), Stop> {
        let has_symbol = self.address(address, self.options.symbol);
        if address == 0 || self.is_rust {
            return Ok(());
        }
        if let Some(element) = strings::element(to, self.format, self.is_rust, self.target) {
            if self.options.address || has_symbol {
                self.put(" ");
            }
            return self.string_at(address, None, element, false);
        }
        Ok(())
    }

    /// An address, if addresses are wanted, and its symbol, if that is. Whether there was a symbol.
    pub(super) fn address(&mut self, address: u64, with_symbol: bool) -> bool {
        if self.options.address {
            self.put(&format!("{address:#x}"));
        }
        let symbol = if with_symbol { self.target.symbol_at(address) } else { None };
        if let Some(symbol) = &symbol {
            if self.options.address {
                self.put(" ");
            }
            self.put(&bracketed(symbol));
        }
        symbol.is_some()
    }

    pub(super) fn reference(&mut self, value: &Value, to: TypeId, level: Level) -> Result<(), Stop> {
        let Some(bytes) = self.scalar_bytes(value)? else {
            return Ok(());
        };
        let address = integer(&bytes, false) as u64;
        let start = self.out.len();
        if self.options.address {
            self.put(&format!("@{address:#x}"));
            if level.follows_references {
                self.put(": ");
            }
        }
        if !level.follows_references {
            return Ok(());
        }
        // A reference to a reference, which only corrupt debug information has, is not followed again.
        let done = self.print(&Value::at(to, address), Level { follows_references: false, ..level });
        if matches!(done, Err(Stop::Error(_))) {
            // The mark has the address.
            self.out.truncate(start);
        }
        self.or_mark(done)
    }

    /// `{int (int)} 0x1139 <f>`.
    pub(super) fn function(&mut self, value: &Value) -> Result<(), Stop> {
        let address = match value.place {
            crate::value::Place::Memory(address) => address,
            _ => 0,
        };
        let name = names::spelled(value.type_id, -1, self.target);
        self.put(&format!("{{{name}}} "));
        self.address(address, true);
        Ok(())
    }

    /// `&Base::x`; of a function, its address or its place in the vtable (Itanium C++ ABI, 2.3).
    pub(super) fn member_pointer(&mut self, value: &Value, class: TypeId, to: TypeId) -> Result<(), Stop> {
        let Some(bytes) = self.scalar_bytes(value)? else {
            return Ok(());
        };
        let (_, described) = access::stripped(to, self.target);
        let (_, of) = access::stripped(class, self.target);
        let Type::Record(record) = &*of else {
            self.put("<unknown class>");
            return Ok(());
        };
        let class_name = record.name.clone().unwrap_or_default();
        if !matches!(&*described, Type::Function(_)) {
            if self.scalar_format().is_some() {
                return self.formatted(&bytes, &Type::MemberPointer { class, to });
            }
            let offset = integer(&bytes, true);
            let text = match self.member_at(class, offset, 0) {
                _ if offset == -1 => "NULL".to_owned(),
                Some((class, name)) => format!("&{class}::{name}"),
                None => offset.to_string(),
            };
            self.put(&text);
            return Ok(());
        }
        let (address, adjustment) = bytes.split_at_checked(8).unwrap_or((&bytes, &[]));
        let (address, adjustment) = (integer(address, false) as u64, integer(adjustment, true));
        if address == 0 {
            self.put("NULL");
            return Ok(());
        }
        if address % 2 == 1 {
            let slot = address / 8;
            let method = record.methods.iter().find(|method| method.virtual_slot == Some(slot));
            let text = match method.map(|method| self.method_name(&class_name, method)) {
                Some(name) => format!("&virtual {name}"),
                None => format!("&virtual table offset {}", address - 1),
            };
            self.put(&text);
        } else {
            let name = names::spelled(value.type_id, -1, self.target);
            self.put(&format!("({name}) "));
            self.address(address, true);
        }
        if adjustment != 0 {
            self.put(&format!(", this adjustment {adjustment}"));
        }
        Ok(())
    }

    /// The class that declares the member at an offset, and its name: one of the class's own, or else of the base there.
    fn member_at(&mut self, class: TypeId, offset: i128, depth: u32) -> Option<(String, String)> {
        let (_, described) = access::stripped(class, self.target);
        let Type::Record(record) = &*described else { return None };
        let offset_of = |member: &crate::types::Member| match member.location {
            MemberLocation::Offset(at) => Some(i128::from(at)),
            _ => None,
        };
        let (bases, members): (Vec<_>, Vec<_>) = record.members.iter().partition(|member| member.is_base);
        if let Some(found) = members.into_iter().find(|member| offset_of(member) == Some(offset)) {
            return Some((record.name.clone().unwrap_or_default(), found.name.clone()?));
        }
        for base in bases {
            let Some(start) = offset_of(base) else { continue };
            let size = i128::from(access::size_of(base.type_id, self.target)?);
            if (start..start + size).contains(&offset) && depth < 16 {
                return self.member_at(base.type_id, offset - start, depth + 1);
            }
        }
        None
    }

    /// As the demangled name has it, which the symbol tables know; else without parameters.
    fn method_name(&mut self, class: &str, method: &crate::types::Method) -> String {
        let address = method.linkage.as_deref().and_then(|name| self.target.find_linkage(name));
        match address.and_then(|address| self.target.symbol_at(address)) {
            Some(symbol) => symbol.name,
            None => format!("{class}::{}", method.name),
        }
    }
}

/// The segments of a C++ name; `::` between brackets does not separate.
fn path(name: &str) -> Path {
    let mut segments = vec![String::new()];
    let mut depth = 0_u32;
    let mut rest = name;
    while let Some(character) = rest.chars().next() {
        if depth == 0
            && let Some(after) = rest.strip_prefix("::")
        {
            segments.push(String::new());
            rest = after;
            continue;
        }
        match character {
            '<' | '(' => depth += 1,
            '>' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let Some(last) = segments.last_mut() {
            last.push(character);
        }
        rest = rest.get(character.len_utf8()..).unwrap_or_default();
    }
    let segments = segments.into_iter().map(|text| crate::ast::Segment { text, quoted: false }).collect();
    Path { global: false, segments }
}
