//! Numbers, characters, truth, enums; and every scalar with a format letter.
//!
//! Pure.

use super::{Format, Printer, is_float, strings};
use crate::access::{integer, is_signed};
use crate::evaluate::complex::part_of;
use crate::float;
use crate::target::Stop;
use crate::types::{Base, Encoding, Enumeration, Type};
use crate::value::Value;

impl Printer<'_> {
    /// A value of a base type or an enum.
    pub(super) fn scalar(&mut self, value: &Value, described: &Type) -> Result<(), Stop> {
        let Some(bytes) = self.scalar_bytes(value)? else {
            return Ok(());
        };
        match described {
            Type::Base(base) if let Some(part) = part_of(base) => return self.complex(&bytes, part),
            Type::Base(base) if self.is_rust && base.size == 0 => {
                self.put(&base.name);
                return Ok(());
            }
            _ if self.scalar_format().is_some() => return self.formatted(&bytes, described),
            _ => {}
        }
        match described {
            Type::Enumeration(enumeration) => {
                let text = enumerator(integer(&bytes, enumeration.is_signed), enumeration);
                self.put(&text);
            }
            Type::Base(base) => match base.encoding {
                Encoding::Float => {
                    let text = float::Format::of(base).map(|format| float::text(&bytes, format));
                    self.put(&text.unwrap_or_else(|| "<a number of an unknown format>".to_owned()));
                }
                Encoding::Boolean => match integer(&bytes, false) {
                    0 => self.put("false"),
                    1 => self.put("true"),
                    other => self.put(&other.to_string()),
                },
                _ => {
                    self.put(&whole(&bytes, is_signed(described)));
                    if let Some(element) = strings::element(value.type_id, self.format, self.is_rust, self.target) {
                        self.put(" ");
                        self.character(&bytes, element);
                    }
                }
            },
            _ => self.put("<unknown type>"),
        }
        Ok(())
    }

    /// `1 + 2i`.
    fn complex(&mut self, bytes: &[u8], part: Base) -> Result<(), Stop> {
        let (real, imaginary) = bytes.split_at_checked(bytes.len() / 2).unwrap_or_default();
        let format = float::Format::of(&part).filter(|_| part.encoding == Encoding::Float);
        let part = Type::Base(part);
        for (bytes, after) in [(real, " + "), (imaginary, "i")] {
            match (self.scalar_format(), format) {
                (Some(_), _) => self.formatted(bytes, &part)?,
                (None, Some(format)) => self.put(&float::text(bytes, format)),
                (None, None) => self.put(&whole(bytes, is_signed(&part))),
            }
            self.put(after);
        }
        Ok(())
    }

    /// A scalar as its format letter says.
    pub(super) fn formatted(&mut self, bytes: &[u8], described: &Type) -> Result<(), Stop> {
        let Some(format) = self.scalar_format() else {
            return Ok(());
        };
        let word = integer(bytes, false) as u128;
        let is_signed = is_signed(described);
        let text = match format {
            Format::Hexadecimal => hexadecimal(bytes, false),
            Format::PaddedHexadecimal => hexadecimal(bytes, true),
            Format::Octal if word == 0 => "0".to_owned(),
            Format::Octal => format!("0{word:o}"),
            Format::Binary => format!("{word:b}"),
            Format::Decimal => whole(bytes, true),
            Format::Unsigned => word.to_string(),
            Format::Address => {
                let address = as_word(bytes, described)?;
                let symbol = self.target.symbol_at(address).map(|symbol| super::pointers::bracketed(&symbol));
                format!("{address:#x}{}{}", if symbol.is_some() { " " } else { "" }, symbol.unwrap_or_default())
            }
            Format::Character => {
                let [low, ..] = as_word(bytes, described)?.to_le_bytes();
                let is_unsigned =
                    !is_signed && !is_float(described) && !matches!(described, Type::MemberPointer { .. });
                self.put(&if is_unsigned { low.to_string() } else { (low as i8).to_string() });
                self.put(" ");
                self.character(&[low], strings::Element::BYTE);
                return Ok(());
            }
            Format::Float => match described {
                Type::Base(base) if base.encoding == Encoding::Float => {
                    float::Format::of(base).map(|format| float::text(bytes, format)).unwrap_or_default()
                }
                _ => match bytes.len() {
                    4 => float::text(bytes, float::Format::Single),
                    8 => float::text(bytes, float::Format::Double),
                    16 => float::text(bytes, float::Format::Extended),
                    _ => whole(bytes, is_signed),
                },
            },
            Format::String => return Ok(()),
        };
        self.put(&text);
        Ok(())
    }
}

/// An integer in decimal.
fn whole(bytes: &[u8], is_signed: bool) -> String {
    let number = integer(bytes, is_signed);
    if is_signed { number.to_string() } else { (number as u128).to_string() }
}

/// Of any length; the first bytes are the lowest.
fn hexadecimal(bytes: &[u8], is_padded: bool) -> String {
    let digits: String = bytes.iter().rev().map(|byte| format!("{byte:02x}")).collect();
    if is_padded {
        return format!("0x{digits}");
    }
    let significant = digits.trim_start_matches('0');
    format!("0x{}", if significant.is_empty() { "0" } else { significant })
}

/// The value as 64 bits: floating-point numbers are cut to whole ones.
fn as_word(bytes: &[u8], described: &Type) -> Result<u64, Stop> {
    match described {
        Type::Base(base) if base.encoding == Encoding::Float => {
            let format = float::Format::of(base).unwrap_or(float::Format::Double);
            let number = float::to_integer(bytes, format).and_then(|number| i64::try_from(number).ok());
            let text = float::text(bytes, format);
            let is_low = text.starts_with('-') && !text.contains("nan");
            Ok(number.unwrap_or(if is_low { i64::MIN } else { i64::MAX }) as u64)
        }
        Type::Base(base) if part_of(base).is_some() => {
            Err(Stop::Error("Value can't be converted to integer.".to_owned()))
        }
        Type::Function(_) => Err(Stop::Error("Value can't be converted to integer.".to_owned())),
        Type::MemberPointer { .. } if bytes.len() > 8 => {
            Err(Stop::Error("Value can't be converted to integer.".to_owned()))
        }
        _ if bytes.len() > 8 => {
            Err(Stop::Error("That operation is not available on integers of more than 8 bytes.".to_owned()))
        }
        _ => Ok(integer(bytes, crate::access::is_signed(described)) as u64),
    }
}

/// The name of an enum's value; an enum of single bits is shown as their sum.
pub(super) fn enumerator(number: i128, enumeration: &Enumeration) -> String {
    if let Some((name, _)) = enumeration.enumerators.iter().find(|(_, value)| *value == number) {
        return name.clone();
    }
    let is_flags = enumeration.enumerators.iter().all(|(_, value)| *value >= 0 && value.count_ones() < 2);
    if !is_flags {
        return number.to_string();
    }
    let mut left = number;
    let mut parts: Vec<String> = Vec::new();
    for (name, value) in &enumeration.enumerators {
        if left & value != 0 {
            left &= !value;
            parts.push(name.clone());
        }
    }
    if left != 0 {
        parts.push(format!("unknown: {left:#x}"));
    }
    if parts.is_empty() { "0".to_owned() } else { format!("({})", parts.join(" | ")) }
}
