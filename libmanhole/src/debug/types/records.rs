//! Structs, unions and classes with all that stands in them.
//!
//! Context: the agent's thread.

use core::ops::ControlFlow;

use gimli::{AttributeValue, Operation};
use manhole_expressions::types::{
    Access, Copies, Encoding, Language, Member, MemberLocation, Method, Record, RecordKind, StaticVariable,
    TemplateArgument, Type,
};

use super::copies::Special;
use super::{Debug, Image, scalar};
use crate::debug::Storage;
use crate::debug::entry::{Entry, constant, constant_bytes};
use crate::debug::source::Reader;

impl<'s> Debug<'s> {
    pub(super) fn read_record(&mut self, image: &Image<'s>, chain: &[Entry<'s>]) -> Type {
        let Some(entry) = chain.first() else { return Type::Void };
        let kind = match entry.tag {
            gimli::DW_TAG_union_type => RecordKind::Union,
            gimli::DW_TAG_class_type => RecordKind::Class,
            _ => RecordKind::Struct,
        };
        let language = image.language(entry.place.unit);
        let mut record = Record {
            kind,
            name: self.full_name(image, chain),
            size: entry.unsigned(gimli::DW_AT_byte_size).unwrap_or(0),
            language,
            is_declaration: entry.flag(gimli::DW_AT_declaration),
            members: Vec::new(),
            methods: Vec::new(),
            template_arguments: Vec::new(),
            nested: Vec::new(),
            variants: None,
            copies: Copies::AsMembers,
            copying: Copies::AsMembers,
        };
        let is_of_unit = record.name.as_ref().is_some_and(|name| name.contains("(anonymous namespace)"));
        let (mut bases, mut special) = (Vec::new(), Special::default());
        let mut read = |child: Entry<'s>| {
            match child.tag {
                gimli::DW_TAG_member | gimli::DW_TAG_variable => {
                    record.members.extend(self.read_member(image, &child, (kind, is_of_unit), language));
                }
                gimli::DW_TAG_inheritance => bases.push(self.read_base(image, &child, kind, language)),
                gimli::DW_TAG_subprogram => {
                    if language == Language::Cpp {
                        special.add(image, chain, &child);
                    }
                    record.methods.extend(self.read_method(image, &child, kind, language));
                }
                gimli::DW_TAG_variant_part if record.variants.is_none() => {
                    record.variants = Some(Box::new(self.read_variants(image, &child)));
                }
                gimli::DW_TAG_template_type_parameter | gimli::DW_TAG_template_value_parameter => {
                    record.template_arguments.extend(self.read_template_argument(image, &child));
                }
                gimli::DW_TAG_GNU_template_parameter_pack => {
                    let arguments = &mut record.template_arguments;
                    image.children(child.place, |argument| {
                        arguments.extend(self.read_template_argument(image, &argument));
                        ControlFlow::Continue(())
                    });
                }
                gimli::DW_TAG_typedef
                | gimli::DW_TAG_structure_type
                | gimli::DW_TAG_class_type
                | gimli::DW_TAG_union_type
                | gimli::DW_TAG_enumeration_type
                    if language != Language::Rust =>
                {
                    if let Some(name) = image.string(&child, gimli::DW_AT_name) {
                        record.nested.push((name, self.number(child.place)));
                    }
                }
                _ => {}
            }
            ControlFlow::Continue(())
        };
        image.children(entry.place, &mut read);
        bases.append(&mut record.members);
        record.members = bases;
        if language == Language::Cpp {
            record.copies = special.said(entry);
            record.copying = special.said_of_copying();
        }
        Type::Record(record)
    }

    /// A member; `None` for what has no place in a record. `is_of_unit`: whether other units may have a class of the same name.
    pub(super) fn read_member(
        &mut self,
        image: &Image<'s>,
        entry: &Entry<'s>,
        (kind, is_of_unit): (RecordKind, bool),
        language: Language,
    ) -> Option<Member> {
        let is_static = entry.tag == gimli::DW_TAG_variable
            || entry.flag(gimli::DW_AT_external)
            || entry.flag(gimli::DW_AT_declaration);
        let location = if is_static {
            let value = entry.get(gimli::DW_AT_const_value);
            let constant = value.and_then(|value| static_constant(image, entry, &value));
            let variable = match is_of_unit {
                true => self.variable_of_unit(entry),
                false => StaticVariable::Named(image.linkage(core::slice::from_ref(entry))),
            };
            MemberLocation::Static { constant, variable }
        } else {
            location(image, entry)
        };
        Some(Member {
            name: image.string(entry, gimli::DW_AT_name),
            type_id: self.own_type(image, entry),
            location,
            is_base: false,
            is_artificial: entry.flag(gimli::DW_AT_artificial),
            access: access(entry, kind, language),
        })
    }

    /// What the unit of a static member's declaration defines it as.
    fn variable_of_unit(&mut self, declaration: &Entry<'s>) -> StaticVariable {
        let find = || {
            let (image, unit) = (self.image(declaration.place)?, declaration.place.unit);
            let (index, name) = (image.index(unit)?, image.string(declaration, gimli::DW_AT_name)?);
            let mut chains = index.with_name(&name).map(|named| image.chain(image.place(unit, named.offset)));
            let chain = chains.find(|chain| chain.iter().skip(1).any(|entry| entry.place == declaration.place))?;
            Some((image.clone(), chain))
        };
        let found = find();
        match found.and_then(|(image, chain)| Some(self.static_place(&image, chain.first()?))) {
            Some(Storage::Address(address)) => StaticVariable::At(address),
            _ => StaticVariable::Nowhere,
        }
    }

    fn read_base(&mut self, image: &Image<'s>, entry: &Entry<'s>, kind: RecordKind, language: Language) -> Member {
        let type_id = self.own_type(image, entry);
        let class = image.referred(entry, gimli::DW_AT_type);
        let name = class.and_then(|class| self.full_name(image, &image.chain(class)));
        let is_virtual = matches!(
            entry.get(gimli::DW_AT_virtuality),
            Some(AttributeValue::Virtuality(gimli::DW_VIRTUALITY_virtual | gimli::DW_VIRTUALITY_pure_virtual))
        );
        let location = match location(image, entry) {
            MemberLocation::Offset(_) if is_virtual => MemberLocation::Unknown,
            location => location,
        };
        let access = access(entry, kind, language);
        Member { name, type_id, location, is_base: true, is_artificial: false, access }
    }

    fn read_method(
        &mut self,
        image: &Image<'s>,
        entry: &Entry<'s>,
        kind: RecordKind,
        language: Language,
    ) -> Option<Method> {
        let chain = core::slice::from_ref(entry);
        let name = image.string(entry, gimli::DW_AT_name)?;
        let mut hidden = 0;
        image.children(entry.place, |child| {
            if child.tag == gimli::DW_TAG_formal_parameter {
                if !child.flag(gimli::DW_AT_artificial) {
                    return ControlFlow::Break(());
                }
                hidden += 1;
            }
            ControlFlow::Continue(())
        });
        let virtual_slot = match entry.get(gimli::DW_AT_vtable_elem_location) {
            Some(AttributeValue::Exprloc(expression)) => {
                let unit = image.unit(entry.place.unit)?;
                match expression.operations(unit.encoding()).next() {
                    Ok(Some(Operation::UnsignedConstant { value })) => Some(value),
                    Ok(Some(Operation::SignedConstant { value })) => u64::try_from(value).ok(),
                    _ => None,
                }
            }
            Some(other) => constant(&other).and_then(|slot| u64::try_from(slot).ok()),
            None => None,
        };
        Some(Method {
            name,
            linkage: image.linkage(chain),
            type_id: self.number(entry.place),
            is_static: !entry.has(gimli::DW_AT_object_pointer) && hidden == 0,
            is_artificial: entry.flag(gimli::DW_AT_artificial),
            hidden,
            virtual_slot,
            is_virtual: matches!(
                entry.get(gimli::DW_AT_virtuality),
                Some(AttributeValue::Virtuality(gimli::DW_VIRTUALITY_virtual | gimli::DW_VIRTUALITY_pure_virtual))
            ),
            access: access(entry, kind, language),
        })
    }

    fn read_template_argument(&mut self, image: &Image<'s>, entry: &Entry<'s>) -> Option<TemplateArgument> {
        let name = image.string(entry, gimli::DW_AT_name);
        match entry.tag {
            gimli::DW_TAG_template_type_parameter => {
                Some(TemplateArgument::Type { name, type_id: self.own_type(image, entry) })
            }
            gimli::DW_TAG_template_value_parameter => {
                let value = entry.constant(gimli::DW_AT_const_value)?;
                Some(TemplateArgument::Value { name, type_id: self.own_type(image, entry), value })
            }
            _ => None,
        }
    }
}

/// A constant's bytes. Those of an array or a record are a block that has all of them; a number may have less than its size there
/// (clang's `long double` has ten).
fn static_constant<'s>(image: &Image<'s>, entry: &Entry<'s>, value: &AttributeValue<Reader<'s>>) -> Option<Vec<u8>> {
    let (size, encoding) = scalar(image, image.referred(entry, gimli::DW_AT_type)).unwrap_or((8, Encoding::Unsigned));
    let mut size = usize::try_from(size).ok()?;
    if let AttributeValue::Block(bytes) = value {
        let least = if encoding == Encoding::Float { size } else { 0 };
        size = gimli::Reader::len(bytes).max(least);
    }
    constant_bytes(value, size)
}

fn access(entry: &Entry<'_>, kind: RecordKind, language: Language) -> Access {
    if language != Language::Cpp {
        return Access::Public;
    }
    match entry.get(gimli::DW_AT_accessibility) {
        Some(AttributeValue::Accessibility(gimli::DW_ACCESS_private)) => Access::Private,
        Some(AttributeValue::Accessibility(gimli::DW_ACCESS_protected)) => Access::Protected,
        Some(AttributeValue::Accessibility(_)) => Access::Public,
        _ if kind == RecordKind::Class => Access::Private,
        _ => Access::Public,
    }
}

/// Where a member that is in the object is in it (DWARF 5, 5.7.3 and 5.7.6; DWARF 3, 5.6.6 for bit-fields from the other end).
pub(super) fn location<'s>(image: &Image<'s>, entry: &Entry<'s>) -> MemberLocation {
    let offset = match entry.get(gimli::DW_AT_data_member_location) {
        None => 0,
        Some(AttributeValue::Exprloc(expression)) => {
            let Some(unit) = image.unit(entry.place.unit) else { return MemberLocation::Unknown };
            match of_expression(expression.operations(unit.encoding())) {
                MemberLocation::Offset(offset) => offset,
                other => return other,
            }
        }
        Some(value) => match constant(&value).and_then(|offset| u64::try_from(offset).ok()) {
            Some(offset) => offset,
            None => return MemberLocation::Unknown,
        },
    };
    let Some(size) = entry.unsigned(gimli::DW_AT_bit_size) else { return MemberLocation::Offset(offset) };
    if let Some(bits) = entry.unsigned(gimli::DW_AT_data_bit_offset) {
        return MemberLocation::Bits { offset: offset.saturating_mul(8).saturating_add(bits), size };
    }
    // Counted from the most significant bit of the storage.
    let from_top = entry.constant(gimli::DW_AT_bit_offset).unwrap_or(0);
    // It may be negative, in a form that does not tell.
    let from_top = i128::from(i32::try_from(from_top).unwrap_or(from_top as i32));
    let storage = entry.unsigned(gimli::DW_AT_byte_size);
    let storage = storage.or_else(|| Some(scalar(image, image.referred(entry, gimli::DW_AT_type))?.0));
    let Some(storage) = storage else { return MemberLocation::Unknown };
    let (bits, start) = (i128::from(storage) * 8, i128::from(offset) * 8);
    match u64::try_from(start + bits - from_top - i128::from(size)) {
        Ok(offset) => MemberLocation::Bits { offset, size },
        Err(_) => MemberLocation::Unknown,
    }
}

/// An offset that is added to the object's address, or one that is found below its vtable.
fn of_expression(mut operations: gimli::OperationIter<Reader<'_>>) -> MemberLocation {
    /// What the stack holds.
    enum Held {
        /// The object's address and a constant.
        Object(i64),
        /// A constant alone.
        Number(i64),
        /// The vtable's address and a constant.
        Table(i64),
        /// What stands in the vtable there.
        Found(i64),
    }
    let mut stack = vec![Held::Object(0)];
    while let Ok(Some(operation)) = operations.next() {
        if stack.len() > 8 {
            return MemberLocation::Unknown;
        }
        let held = match operation {
            Operation::UnsignedConstant { value } => Held::Number(value as i64),
            Operation::SignedConstant { value } => Held::Number(value),
            Operation::PlusConstant { value } => match stack.pop() {
                Some(Held::Object(offset)) => Held::Object(offset.wrapping_add(value as i64)),
                Some(Held::Table(offset)) => Held::Table(offset.wrapping_add(value as i64)),
                _ => return MemberLocation::Unknown,
            },
            Operation::Pick { index: 0 } => match stack.last() {
                Some(Held::Object(offset)) => Held::Object(*offset),
                _ => return MemberLocation::Unknown,
            },
            Operation::Deref { .. } => match stack.pop() {
                Some(Held::Object(0)) => Held::Table(0),
                Some(Held::Table(offset)) => Held::Found(offset),
                _ => return MemberLocation::Unknown,
            },
            Operation::Plus | Operation::Minus => {
                let sign = if matches!(operation, Operation::Plus) { 1 } else { -1 };
                match (stack.pop(), stack.pop()) {
                    (Some(Held::Number(number)), Some(Held::Object(offset))) => {
                        Held::Object(offset.wrapping_add(number.wrapping_mul(sign)))
                    }
                    (Some(Held::Number(number)), Some(Held::Table(offset))) => {
                        Held::Table(offset.wrapping_add(number.wrapping_mul(sign)))
                    }
                    (Some(Held::Found(offset)), Some(Held::Object(0))) if sign > 0 => {
                        return MemberLocation::Virtual { vtable_offset: offset.wrapping_neg() };
                    }
                    _ => return MemberLocation::Unknown,
                }
            }
            _ => return MemberLocation::Unknown,
        };
        stack.push(held);
    }
    match stack.as_slice() {
        [Held::Object(offset)] => u64::try_from(*offset).map_or(MemberLocation::Unknown, MemberLocation::Offset),
        // DWARF 2's of some compilers: a constant alone.
        [Held::Object(0), Held::Number(offset)] => {
            u64::try_from(*offset).map_or(MemberLocation::Unknown, MemberLocation::Offset)
        }
        _ => MemberLocation::Unknown,
    }
}
