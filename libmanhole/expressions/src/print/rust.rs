//! Rust's structs, tuples, slices, strings and enums.
//!
//! Pure. Which fields mean what is told by their names, as rustc writes them into debug information.

use super::{Level, Printer, strings};
use crate::access;
use crate::target::{Stop, Target};
use crate::types::{Base, Language, Member, Record, Type, TypeId, Variant, VariantPart};
use crate::value::Value;

/// Whether a type is one of Rust's: a record or an enum says so, a base type by its name, others by what they are made of.
pub(super) fn is_rust(type_id: TypeId, target: &mut dyn Target) -> bool {
    let mut at = type_id;
    for _ in 0..16 {
        let (_, described) = access::stripped(at, target);
        match &*described {
            Type::Base(base) => return is_rust_base(base),
            Type::Record(record) => return record.language == Language::Rust,
            Type::Enumeration(enumeration) => return enumeration.language == Language::Rust,
            Type::Pointer(to) | Type::Reference { to, .. } => at = *to,
            Type::Array { of, .. } => at = *of,
            Type::Function(function) => {
                at = match (&*target.describe(function.returns), function.parameters.first()) {
                    (Type::Void, Some(first)) => *first,
                    _ => function.returns,
                }
            }
            _ => return false,
        }
    }
    false
}

fn is_rust_base(base: &Base) -> bool {
    match base.name.as_str() {
        "char" => base.size == 4,
        name => matches!(
            name,
            "i8" | "i16"
                | "i32"
                | "i64"
                | "i128"
                | "isize"
                | "u8"
                | "u16"
                | "u32"
                | "u64"
                | "u128"
                | "usize"
                | "f16"
                | "f32"
                | "f64"
                | "f128"
                | "()"
                | "!"
                | "str"
        ),
    }
}

/// Whether the elements of an array are bytes.
pub(super) fn is_u8(type_id: TypeId, target: &mut dyn Target) -> bool {
    matches!(&*access::stripped(type_id, target).1, Type::Base(base) if base.name == "u8")
}

/// `(i32, u8)`.
pub(super) fn is_tuple(record: &Record) -> bool {
    record.name.as_deref().is_some_and(|name| name.starts_with('('))
}

/// Fields without names: `Pair(i32, u8)`.
pub(super) fn is_tuple_struct(record: &Record) -> bool {
    let is_numbered = |(at, member): (usize, &Member)| member.name.as_deref() == Some(&format!("__{at}"));
    !record.members.is_empty() && record.members.iter().enumerate().all(is_numbered)
}

/// Where a slice's data and its length are: `&[i32]`, `&str`, `Box<[i32]>`.
fn slice(record: &Record) -> Option<(&Member, &Member)> {
    let name = record.name.as_deref()?;
    let is_box = name.starts_with("alloc::boxed::Box<");
    if !(is_box || name.starts_with("&[") || name.starts_with("&mut [") || name == "&str" || name == "&mut str") {
        return None;
    }
    let named = |wanted: &str| record.members.iter().find(|member| member.name.as_deref() == Some(wanted));
    (record.members.len() == 2).then_some((named("data_ptr")?, named("length")?))
}

/// The variant that an enum's value has.
pub(super) fn active<'a>(part: &'a VariantPart, value: &Value, target: &mut dyn Target) -> Option<&'a Variant> {
    let Some(discriminant) = &part.discriminant else {
        return part.variants.first();
    };
    let place = access::member(value, &discriminant.location, discriminant.type_id, target)?;
    let bytes = access::bytes(&place, target).ok()?.ok()?;
    let default = part.variants.iter().find(|variant| variant.values.is_empty());
    // The values of a variant may be spelled signed or not.
    let unsigned = access::integer(&bytes, false);
    let spelled = [unsigned, access::integer(&bytes, true)];
    let bits = u32::try_from(bytes.len() * 8).unwrap_or(128);
    let chosen = part.variants.iter().find(|variant| {
        variant.values.iter().any(|range| {
            spelled.iter().any(|number| range.contains(number))
                || (bits < 128 && range.start() == range.end() && (range.start() ^ unsigned) & ((1 << bits) - 1) == 0)
        })
    });
    chosen.or(default)
}

impl Printer<'_> {
    pub(super) fn rust_record(&mut self, value: &Value, record: &Record, level: Level) -> Result<(), Stop> {
        let name = record.name.as_deref().unwrap_or_default();
        if let Some(part) = &record.variants {
            return self.variant(value, record, part, level);
        }
        if let Some((data, length)) = slice(record) {
            return self.slice(value, name, data, length, level);
        }
        let is_tuple = is_tuple(record);
        let has_parentheses = is_tuple || is_tuple_struct(record);
        if !is_tuple {
            self.put(name);
            if record.members.is_empty() {
                return Ok(());
            }
            if !name.is_empty() {
                self.put(" ");
            }
        }
        self.put(if has_parentheses { "(" } else { "{" });
        for (at, member) in record.members.iter().enumerate() {
            if at > 0 {
                self.put(",");
            }
            if self.options.pretty {
                self.line(level.depth + 1);
            } else if at > 0 {
                self.put(" ");
            }
            if !has_parentheses {
                self.put(&format!("{}: ", member.name.as_deref().unwrap_or_default()));
            }
            self.rust_field(value, member, level)?;
        }
        if self.options.pretty {
            self.line(level.depth);
        }
        self.put(if has_parentheses { ")" } else { "}" });
        Ok(())
    }

    fn rust_field(&mut self, value: &Value, member: &Member, level: Level) -> Result<(), Stop> {
        match access::member(value, &member.location, member.type_id, self.target) {
            Some(part) => {
                let done = self.print(&part, level.member());
                self.or_mark(done)
            }
            None => {
                self.put("<error reading variable>");
                Ok(())
            }
        }
    }

    /// `Shape::Rect(1, 2)`.
    fn variant(&mut self, value: &Value, record: &Record, part: &VariantPart, level: Level) -> Result<(), Stop> {
        let name = record.name.as_deref().unwrap_or_default();
        if part.variants.is_empty() {
            self.put(&format!("{name} {{<No data fields>}}"));
            return Ok(());
        }
        let Some(variant) = active(part, value, self.target) else {
            self.put(&format!("{name} {{<unknown variant>}}"));
            return Ok(());
        };
        let (_, described) = access::stripped(variant.member.type_id, self.target);
        let inner = access::member(value, &variant.member.location, variant.member.type_id, self.target);
        let (Type::Record(fields), Some(inner)) = (&*described, inner) else {
            self.put(&format!("{name} {{<unknown variant>}}"));
            return Ok(());
        };
        self.put(&match &fields.name {
            Some(full) => full.clone(),
            None => format!("{name}::{}", variant.member.name.as_deref().unwrap_or_default()),
        });
        if fields.members.is_empty() {
            return Ok(());
        }
        let is_tuple = is_tuple_struct(fields);
        self.put(if is_tuple { "(" } else { "{" });
        for (at, member) in fields.members.iter().enumerate() {
            if at > 0 {
                self.put(", ");
            }
            if !is_tuple {
                self.put(&format!("{}: ", member.name.as_deref().unwrap_or_default()));
            }
            self.rust_field(&inner, member, level)?;
        }
        self.put(if is_tuple { ")" } else { "}" });
        Ok(())
    }

    /// `"text"`, `&[i32] [1, 2, 3]`.
    fn slice(&mut self, value: &Value, name: &str, data: &Member, length: &Member, level: Level) -> Result<(), Stop> {
        let mut numbers = [0; 2];
        for (number, member) in numbers.iter_mut().zip([data, length]) {
            let Some(part) = access::member(value, &member.location, member.type_id, self.target) else {
                self.put("<error reading variable>");
                return Ok(());
            };
            let Some(bytes) = self.scalar_bytes(&part)? else {
                return Ok(());
            };
            *number = access::integer(&bytes, false) as u64;
        }
        let [address, count] = numbers;
        let (_, pointer) = access::stripped(data.type_id, self.target);
        let Type::Pointer(of) = &*pointer else {
            self.put("<unknown slice>");
            return Ok(());
        };
        if name.ends_with("str") {
            return self.string_at(address, Some(count), strings::Element::RUST, false);
        }
        self.put(&format!("{name} "));
        let array = self.target.intern(Type::Array { of: *of, count: Some(count), is_vector: false });
        let array = Value { is_stale: value.is_stale, ..Value::at(array, address) };
        let done = self.print(&array, level);
        self.or_mark(done)
    }
}
