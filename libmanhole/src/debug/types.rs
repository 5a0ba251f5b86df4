//! Types by number: those of DWARF are read when they are asked for, those that are made up have numbers like them.
//!
//! Context: the agent's thread. Reading one type gives numbers to those that it refers to and reads none of them, so neither a
//! circle nor a long chain in a corrupt file costs anything.

use std::collections::BTreeMap;
use std::rc::Rc;

use gimli::AttributeValue;
use manhole_expressions::types::{Base, Encoding, Function, Language, Record, Type, TypeId};

use super::entry::Entry;
use super::image::Image;
use super::{Debug, Place, canonical};

mod arrays;
mod copies;
mod enumerations;
mod records;
mod variants;

pub(super) use arrays::{Bound, bounds};
pub(super) use enumerations::value as value_of_enumerator;

/// The most numbers that are given out.
const LIMIT: usize = 1 << 22;
/// The most types that are made up: casts to arrays of every length, one after the other, end there.
const MADE: usize = 1 << 17;
/// How many typedefs, qualifiers and dimensions are followed.
const CHAIN: usize = 64;

/// What is known of each number.
pub(super) struct Types {
    slots: Vec<Slot>,
    numbers: BTreeMap<Place, TypeId>,
    /// Made-up types by how they print, which tells them apart.
    made: BTreeMap<String, TypeId>,
}

struct Slot {
    place: Option<Place>,
    described: Option<Rc<Type>>,
}

/// Stands for what cannot be numbered or found.
const UNKNOWN: TypeId = TypeId(0);

impl Types {
    pub(super) fn new() -> Self {
        let mut types = Types { slots: Vec::new(), numbers: BTreeMap::new(), made: BTreeMap::new() };
        types.intern(Type::Unknown("a type that is not described".to_owned()));
        types
    }

    fn add(&mut self, slot: Slot) -> TypeId {
        match u32::try_from(self.slots.len()) {
            Ok(number) if self.slots.len() < LIMIT => {
                self.slots.push(slot);
                TypeId(number)
            }
            _ => UNKNOWN,
        }
    }

    fn intern(&mut self, type_: Type) -> TypeId {
        let key = format!("{type_:?}");
        if let Some(known) = self.made.get(&key) {
            return *known;
        }
        if self.made.len() >= MADE {
            return UNKNOWN;
        }
        let number = self.add(Slot { place: None, described: Some(Rc::new(type_)) });
        if number != UNKNOWN || self.slots.len() == 1 {
            self.made.insert(key, number);
        }
        number
    }

    fn slot(&self, number: TypeId) -> Option<&Slot> {
        self.slots.get(usize::try_from(number.0).ok()?)
    }
}

impl<'s> Debug<'s> {
    /// The type of this number. Reads its entry, and none of those that it refers to.
    pub(crate) fn describe(&mut self, number: TypeId) -> Rc<Type> {
        let unknown = || Rc::new(Type::Unknown("no such type".to_owned()));
        let Some(slot) = self.types.slot(number) else { return unknown() };
        if let Some(described) = &slot.described {
            return described.clone();
        }
        let read = slot.place.and_then(|place| Some((self.image(place)?, place)));
        let type_ = read.map(|(image, place)| self.read_type(&image, place));
        let described = type_.map_or_else(unknown, Rc::new);
        // So that a pointer that is made later is this one.
        if let Type::Pointer(_) | Type::Reference { .. } | Type::Const(_) | Type::Volatile(_) = &*described
            && self.types.made.len() < MADE
        {
            self.types.made.entry(format!("{described:?}")).or_insert(number);
        }
        if let Some(slot) = usize::try_from(number.0).ok().and_then(|number| self.types.slots.get_mut(number)) {
            slot.described = Some(described.clone());
        }
        described
    }

    /// The number of a type that is made up; equal ones have equal numbers.
    pub(crate) fn intern(&mut self, type_: Type) -> TypeId {
        self.types.intern(type_)
    }

    /// The number of the type at this entry.
    pub(super) fn number(&mut self, place: Place) -> TypeId {
        if let Some(known) = self.types.numbers.get(&place) {
            return *known;
        }
        let number = self.types.add(Slot { place: Some(place), described: None });
        self.types.numbers.insert(place, number);
        number
    }

    /// Where in DWARF the type comes from.
    pub(super) fn place_of(&self, number: TypeId) -> Option<Place> {
        self.types.slot(number)?.place
    }

    /// The number of the type that an entry (or what it completes) has.
    pub(super) fn type_of(&mut self, image: &Image<'s>, chain: &[Entry<'s>]) -> TypeId {
        for entry in chain {
            if let Some(value) = entry.get(gimli::DW_AT_type) {
                return match image.resolve(entry.place, &value) {
                    Some(place) => self.number(place),
                    None => UNKNOWN,
                };
            }
        }
        self.intern(Type::Void)
    }

    fn own_type(&mut self, image: &Image<'s>, entry: &Entry<'s>) -> TypeId {
        self.type_of(image, core::slice::from_ref(entry))
    }

    fn read_type(&mut self, image: &Image<'s>, place: Place) -> Type {
        let mut chain = image.chain(place);
        let Some(first) = chain.first() else {
            return Type::Unknown("an entry that cannot be read".to_owned());
        };
        // The declaration of a type that has a unit of its own.
        if let Some(AttributeValue::DebugTypesRef(_)) = first.get(gimli::DW_AT_signature)
            && let Some(whole) = image.referred(first, gimli::DW_AT_signature).filter(|whole| *whole != place)
        {
            let found = image.chain(whole);
            if !found.is_empty() {
                chain = found;
            }
        }
        let Some(entry) = chain.first() else { return Type::Unknown(String::new()) };
        match entry.tag {
            gimli::DW_TAG_base_type => base(image, &chain),
            // C++'s type of nullptr: a pointer's size, and nothing but zeros.
            gimli::DW_TAG_unspecified_type => {
                match image.name(&chain) {
                    Some(name) => Type::Base(Base { name, size: 8, encoding: Encoding::Unsigned }),
                    // What functions of assembly return.
                    None => Type::Void,
                }
            }
            gimli::DW_TAG_pointer_type => Type::Pointer(self.own_type(image, entry)),
            gimli::DW_TAG_reference_type => Type::Reference { to: self.own_type(image, entry), is_rvalue: false },
            gimli::DW_TAG_rvalue_reference_type => Type::Reference { to: self.own_type(image, entry), is_rvalue: true },
            gimli::DW_TAG_const_type => Type::Const(self.own_type(image, entry)),
            gimli::DW_TAG_volatile_type => Type::Volatile(self.own_type(image, entry)),
            gimli::DW_TAG_restrict_type => Type::Restrict(self.own_type(image, entry)),
            gimli::DW_TAG_atomic_type => Type::Atomic(self.own_type(image, entry)),
            gimli::DW_TAG_ptr_to_member_type => {
                let class = image.referred(entry, gimli::DW_AT_containing_type);
                let class = class.map_or(UNKNOWN, |class| self.number(class));
                Type::MemberPointer { class, to: self.own_type(image, entry) }
            }
            gimli::DW_TAG_typedef | gimli::DW_TAG_template_alias | gimli::DW_TAG_subrange_type => {
                let name = self.full_name(image, &chain).unwrap_or_default();
                Type::Typedef { name, to: self.type_of(image, &chain) }
            }
            gimli::DW_TAG_array_type => self.read_array(image, entry),
            gimli::DW_TAG_structure_type
            | gimli::DW_TAG_class_type
            | gimli::DW_TAG_interface_type
            | gimli::DW_TAG_union_type => self.read_record(image, &chain),
            gimli::DW_TAG_enumeration_type => self.read_enumeration(image, &chain),
            gimli::DW_TAG_subroutine_type | gimli::DW_TAG_subprogram => self.read_function(image, &chain),
            tag => Type::Unknown(format!("{tag}")),
        }
    }

    /// The name with its scopes.
    fn full_name(&self, image: &Image<'s>, chain: &[Entry<'s>]) -> Option<String> {
        let name = image.name(chain)?;
        let whole = image.qualified(chain.last()?.place, &name);
        let is_cpp = chain.first().is_some_and(|entry| image.language(entry.place.unit) == Language::Cpp);
        Some(if is_cpp { canonical::name(&whole).into_owned() } else { whole })
    }

    fn read_function(&mut self, image: &Image<'s>, chain: &[Entry<'s>]) -> Type {
        let returns = self.type_of(image, chain);
        let (mut parameters, mut is_variadic) = (Vec::new(), false);
        // The declaration has all of them, an instance only those that are left of it.
        for entry in chain.iter().rev() {
            let mut kept = Vec::new();
            image.children(entry.place, |child| {
                match child.tag {
                    gimli::DW_TAG_formal_parameter => kept.push(child.place),
                    gimli::DW_TAG_unspecified_parameters => is_variadic = true,
                    _ => {}
                }
                core::ops::ControlFlow::Continue(())
            });
            for child in kept {
                let chain = image.chain(child);
                let mut type_id = self.type_of(image, &chain);
                // `this` cannot be changed, which compilers say in a definition only.
                let is_this = parameters.is_empty() && chain.iter().any(|entry| entry.flag(gimli::DW_AT_artificial));
                if is_this && matches!(&*self.describe(type_id), Type::Pointer(_)) {
                    type_id = self.intern(Type::Const(type_id));
                }
                parameters.push(type_id);
            }
            if !parameters.is_empty() {
                break;
            }
        }
        let says_so = chain.iter().any(|entry| entry.flag(gimli::DW_AT_prototyped));
        let is_c = chain.first().is_some_and(|entry| image.language(entry.place.unit) == Language::C);
        let is_prototyped = says_so || !is_c;
        // What has its own name is called from elsewhere: by C's rules.
        let is_of_rust = chain.first().is_some_and(|entry| image.language(entry.place.unit) == Language::Rust)
            && (entry_is_a_type(chain)
                || image.linkage(chain).is_some_and(|linkage| Some(linkage) != image.name(chain)));
        Type::Function(Function { returns, parameters, is_variadic, is_prototyped, is_of_rust })
    }

    /// The definition of a record or an enum that is only declared where it was found; else itself.
    pub(crate) fn complete(&mut self, look: super::Look<'_, 's>, number: TypeId) -> TypeId {
        // A library that was loaded since may have what was missing.
        if self.searched != look.modules.modules.len() {
            self.searched = look.modules.modules.len();
            self.completed.clear();
        }
        if let Some(known) = self.completed.get(&number) {
            return *known;
        }
        let described = self.describe(number);
        let name = match &*described {
            Type::Record(record) if record.is_declaration => record.name.clone(),
            Type::Enumeration(enumeration) if enumeration.is_declaration => enumeration.name.clone(),
            _ => return number,
        };
        let found = name.and_then(|name| self.definition(look, number, &name)).unwrap_or(number);
        self.completed.insert(number, found);
        found
    }

    /// The size of a type in bytes, where it is known without looking into other units.
    pub(super) fn size_of(&mut self, number: TypeId) -> Option<u64> {
        let (mut factor, mut at) = (1u64, number);
        for _ in 0..CHAIN {
            let size = match &*self.describe(at) {
                Type::Base(base) => base.size,
                Type::Pointer(_) | Type::Reference { .. } => 8,
                Type::MemberPointer { to, .. } => match &*self.describe(*to) {
                    Type::Function(_) => 16,
                    _ => 8,
                },
                Type::Typedef { to, .. }
                | Type::Const(to)
                | Type::Volatile(to)
                | Type::Restrict(to)
                | Type::Atomic(to) => {
                    at = *to;
                    continue;
                }
                Type::Array { of, count, .. } => {
                    factor = factor.checked_mul((*count)?)?;
                    at = *of;
                    continue;
                }
                Type::Record(Record { is_declaration: false, size, .. }) => *size,
                Type::Enumeration(enumeration) if !enumeration.is_declaration => enumeration.size,
                _ => return None,
            };
            return factor.checked_mul(size);
        }
        None
    }
}

fn base<'s>(image: &Image<'s>, chain: &[Entry<'s>]) -> Type {
    let Some(entry) = chain.first() else { return Type::Void };
    let size = entry.unsigned(gimli::DW_AT_byte_size);
    let bits = || entry.unsigned(gimli::DW_AT_bit_size).map(|bits| bits.div_ceil(8));
    let encoding = match entry.get(gimli::DW_AT_encoding) {
        Some(AttributeValue::Encoding(encoding)) => of_dwarf(encoding),
        _ => Encoding::Unsigned,
    };
    let size = size.or_else(bits).unwrap_or(0);
    Type::Base(Base { name: image.name(chain).unwrap_or_default(), size, encoding })
}

fn of_dwarf(encoding: gimli::DwAte) -> Encoding {
    match encoding {
        gimli::DW_ATE_signed => Encoding::Signed,
        gimli::DW_ATE_signed_char => Encoding::SignedChar,
        gimli::DW_ATE_unsigned_char | gimli::DW_ATE_ASCII => Encoding::UnsignedChar,
        gimli::DW_ATE_boolean => Encoding::Boolean,
        gimli::DW_ATE_float | gimli::DW_ATE_imaginary_float => Encoding::Float,
        gimli::DW_ATE_complex_float => Encoding::ComplexFloat,
        gimli::DW_ATE_UTF | gimli::DW_ATE_UCS => Encoding::Utf,
        _ => Encoding::Unsigned,
    }
}

/// Whether it is the type of pointers to functions, not a function.
fn entry_is_a_type(chain: &[Entry<'_>]) -> bool {
    chain.first().is_some_and(|entry| entry.tag == gimli::DW_TAG_subroutine_type)
}

/// The size and the encoding of a scalar type, read without describing it: typedefs and qualifiers are followed.
fn scalar(image: &Image<'_>, from: Option<Place>) -> Option<(u64, Encoding)> {
    let mut at = from?;
    for _ in 0..CHAIN {
        let entry = image.entry(at)?;
        let size = entry.unsigned(gimli::DW_AT_byte_size);
        match entry.tag {
            gimli::DW_TAG_pointer_type | gimli::DW_TAG_reference_type | gimli::DW_TAG_rvalue_reference_type => {
                return Some((size.unwrap_or(8), Encoding::Unsigned));
            }
            gimli::DW_TAG_enumeration_type => {
                let own = enumerations::is_signed(image, &entry);
                return Some((size?, if own { Encoding::Signed } else { Encoding::Unsigned }));
            }
            _ => {}
        }
        if let Some(size) = size {
            let encoding = match entry.get(gimli::DW_AT_encoding) {
                Some(AttributeValue::Encoding(encoding)) => of_dwarf(encoding),
                _ => Encoding::Unsigned,
            };
            return Some((size, encoding));
        }
        at = image.referred(&entry, gimli::DW_AT_type)?;
    }
    None
}
