//! Rust's types, as its debug information describes them: boxes and slices are records with a pointer.

use super::classes::path_of;
use super::{Evaluator, error};
use crate::access::{integer, is_signed, member};
use crate::ast::{Builtin, Segment};
use crate::printers;
use crate::target::{Found, Stop};
use crate::types::{Base, Encoding, Language, MemberLocation, Record, Type, TypeId, VariantPart};
use crate::value::{Place, Value};

/// The members that lead to the pointer in `Box<[T]>`, `&[T]`, `NonNull<T>`, `Unique<T>`, `Rc<T>`.
const WAY: [&str; 5] = ["data_ptr", "pointer", "ptr", "__0", "__pointer"];

impl Evaluator<'_> {
    /// What `*record` is, when the record is one of Rust's pointers.
    pub(super) fn rust_pointee(&mut self, value: &Value) -> Result<Option<Value>, Stop> {
        if let Some(owned) = printers::rust_owned(value, self.target) {
            return Ok(Some(owned));
        }
        let mut at = value.clone();
        for _ in 0..8 {
            let (_, described) = self.stripped(at.type_id);
            let record = match &*described {
                Type::Record(record) if record.language == Language::Rust => record,
                Type::Pointer(_) => return self.dereferenced(at).map(Some),
                _ => return Ok(None),
            };
            match WAY.iter().find_map(|name| self.plain_member(&at, record, name)) {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        Ok(None)
    }

    /// An element of a slice, of a `Vec` or a `VecDeque`.
    pub(super) fn rust_element(&mut self, value: &Value, index: i128) -> Result<Option<Value>, Stop> {
        let (_, described) = self.stripped(value.type_id);
        let Type::Record(record) = &*described else { return Ok(None) };
        if record.language != Language::Rust {
            return Ok(None);
        }
        let pointer = self.plain_member(value, record, "data_ptr");
        let length = self.plain_member(value, record, "length");
        let (Some(pointer), Some(length)) = (pointer, length) else {
            return match printers::rust_element(value, index, self.target) {
                Some(Ok(element)) => Ok(Some(element)),
                Some(Err(reason)) if !self.types_only => error(reason),
                Some(Err(_)) | None => Ok(None),
            };
        };
        let length = self.integer(length)?;
        if !(0..length).contains(&index) && !self.types_only {
            return error(format!("the index {index} is outside of the slice, which has {length} elements"));
        }
        self.element(&pointer, index).map(Some)
    }

    /// A string literal as a `&str`.
    pub(super) fn cast_to_rust_text(
        &mut self,
        to: TypeId,
        wanted: &Type,
        value: &Value,
    ) -> Result<Option<Value>, Stop> {
        let (_, described) = self.stripped(value.type_id);
        let (Type::Record(record), Type::Array { count: Some(count), .. }) = (wanted, &*described) else {
            return Ok(None);
        };
        let is_text = record.language == Language::Rust && record.name.as_deref() == Some("&str");
        if !is_text || value.place != Place::None || self.size_of(value.type_id) != Some(*count) {
            return Ok(None);
        }
        let address = self.standing(value)?;
        let mut bytes = vec![0; usize::try_from(record.size).unwrap_or(0)];
        // Without the 0 behind it.
        for (name, word) in [("data_ptr", address), ("length", count.saturating_sub(1))] {
            let known = record.members.iter().find(|member| member.name.as_deref() == Some(name));
            let Some(MemberLocation::Offset(offset)) = known.map(|member| &member.location) else { return Ok(None) };
            let place = bytes.iter_mut().skip(usize::try_from(*offset).unwrap_or(usize::MAX));
            place.zip(word.to_le_bytes()).for_each(|(slot, byte)| *slot = byte);
        }
        Ok(Some(Value::new(to, bytes)))
    }

    /// The function that is an object's method, and the object as it takes it. Types do not tell of their methods.
    pub(super) fn rust_method(&mut self, object: &Value, name: &str) -> Result<Option<(u64, TypeId, Value)>, Stop> {
        let (_, described) = self.stripped(object.type_id);
        let own = match &*described {
            Type::Record(record) => record.name.clone(),
            Type::Enumeration(enumeration) => enumeration.name.clone(),
            _ => None,
        };
        let Some(own) = own else { return Ok(None) };
        let mut path = path_of(&own);
        path.segments.push(Segment { text: name.to_owned(), quoted: false });
        let Found::Function { address, type_id, .. } = self.target.find(&path)? else { return Ok(None) };
        let (_, function) = self.stripped(type_id);
        let Type::Function(function) = &*function else { return Ok(None) };
        let Some(receiver) = function.parameters.first() else { return Ok(None) };
        let (_, wanted) = self.stripped(*receiver);
        let receiver = match &*wanted {
            Type::Pointer(_) => {
                let address = self.standing(object)?;
                Value::new(*receiver, address.to_le_bytes().to_vec())
            }
            _ => object.clone(),
        };
        Ok(Some((address, type_id, receiver)))
    }

    /// The member of exactly this name that is a part of the record.
    fn plain_member(&mut self, value: &Value, record: &Record, name: &str) -> Option<Value> {
        let found = record.members.iter().find(|member| member.name.as_deref() == Some(name))?;
        member(value, &found.location, found.type_id, self.target)
    }

    /// The variant that an enum has: its name, and its fields.
    pub(super) fn active_variant(
        &mut self,
        value: &Value,
        variants: &VariantPart,
    ) -> Result<Option<(Option<String>, Value)>, Stop> {
        let number = match &variants.discriminant {
            Some(discriminant) => match self.located(value, &discriminant.location, discriminant.type_id)? {
                Some(found) => {
                    let bytes = self.bytes(&found)?;
                    let (_, described) = self.stripped(found.type_id);
                    Some((integer(&bytes, is_signed(&described)), integer(&bytes, false)))
                }
                None => None,
            },
            None => None,
        };
        let chosen = variants
            .variants
            .iter()
            .find(|variant| {
                // A reader may have taken the values with or without their sign.
                number.is_some_and(|(signed, unsigned)| {
                    variant.values.iter().any(|range| range.contains(&signed) || range.contains(&unsigned))
                })
            })
            .or_else(|| variants.variants.iter().find(|variant| variant.values.is_empty()));
        let Some(variant) = chosen else { return Ok(None) };
        let fields = self.located(value, &variant.member.location, variant.member.type_id)?;
        Ok(fields.map(|fields| (variant.member.name.clone(), fields)))
    }

    fn located(&mut self, value: &Value, location: &MemberLocation, type_id: TypeId) -> Result<Option<Value>, Stop> {
        self.target.check()?;
        Ok(member(value, location, type_id, self.target))
    }
}

/// The type of Rust's that a number of this kind has, as a suffix (`1u8`) or a result says it.
pub(super) fn base_of(builtin: Builtin) -> Option<Base> {
    primitive(match builtin {
        Builtin::SignedChar => "i8",
        Builtin::UnsignedChar => "u8",
        Builtin::Short => "i16",
        Builtin::UnsignedShort => "u16",
        Builtin::Int => "i32",
        Builtin::Unsigned => "u32",
        Builtin::Long | Builtin::LongLong => "i64",
        Builtin::UnsignedLong | Builtin::UnsignedLongLong => "u64",
        Builtin::Int128 => "i128",
        Builtin::UnsignedInt128 => "u128",
        Builtin::Float => "f32",
        Builtin::Double => "f64",
        _ => return None,
    })
}

/// A type that Rust itself has.
pub(super) fn primitive(name: &str) -> Option<Base> {
    use Encoding::{Boolean, Float, Signed, Unsigned, Utf};
    let (size, encoding) = match name {
        "bool" => (1, Boolean),
        "char" => (4, Utf),
        "i8" => (1, Signed),
        "u8" => (1, Unsigned),
        "i16" => (2, Signed),
        "u16" => (2, Unsigned),
        "i32" => (4, Signed),
        "u32" => (4, Unsigned),
        "i64" | "isize" => (8, Signed),
        "u64" | "usize" => (8, Unsigned),
        "i128" => (16, Signed),
        "u128" => (16, Unsigned),
        "f32" => (4, Float),
        "f64" => (8, Float),
        _ => return None,
    };
    Some(Base { name: name.to_owned(), size, encoding })
}
