//! Rust's enums with fields: `DW_TAG_variant_part`.
//!
//! Context: the agent's thread.

use core::ops::{ControlFlow, RangeInclusive};

use gimli::{AttributeValue, Reader as _};
use manhole_expressions::access::extended;
use manhole_expressions::types::{Encoding, Language, Member, RecordKind, Variant, VariantPart};

use super::{Debug, Image, scalar};
use crate::debug::entry::Entry;
use crate::debug::source::Reader;

impl<'s> Debug<'s> {
    pub(super) fn read_variants(&mut self, image: &Image<'s>, part: &Entry<'s>) -> VariantPart {
        let chosen_by = image.referred(part, gimli::DW_AT_discr).and_then(|place| image.entry(place));
        let (size, encoding) = chosen_by
            .as_ref()
            .and_then(|entry| scalar(image, image.referred(entry, gimli::DW_AT_type)))
            .unwrap_or((16, Encoding::Unsigned));
        let width = Width { bits: size.min(16).saturating_mul(8), is_signed: encoding == Encoding::Signed };
        let mut variants = Vec::new();
        image.children(part.place, |child| {
            if child.tag == gimli::DW_TAG_variant {
                let values = values(&child, &width);
                if let Some(member) = self.variant_member(image, &child) {
                    variants.push(Variant { values, member });
                }
            }
            ControlFlow::Continue(())
        });
        let member = |entry: Entry<'s>| self.read_member(image, &entry, (RecordKind::Struct, false), Language::Rust);
        VariantPart { discriminant: chosen_by.and_then(member), variants }
    }

    fn variant_member(&mut self, image: &Image<'s>, variant: &Entry<'s>) -> Option<Member> {
        let mut member = None;
        image.children(variant.place, |child| {
            if child.tag == gimli::DW_TAG_member {
                member = self.read_member(image, &child, (RecordKind::Struct, false), Language::Rust);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        member
    }
}

/// How the discriminant's values are read.
struct Width {
    bits: u64,
    is_signed: bool,
}

impl Width {
    fn value(&self, raw: i128) -> i128 {
        extended(raw as u128, self.bits, self.is_signed) as i128
    }
}

/// The values that choose the variant (DWARF 5, 5.7.10).
fn values(variant: &Entry<'_>, width: &Width) -> Vec<RangeInclusive<i128>> {
    if let Some(value) = variant.constant(gimli::DW_AT_discr_value) {
        let value = width.value(value);
        return vec![value..=value];
    }
    let mut values = Vec::new();
    if let Some(AttributeValue::Block(bytes)) = variant.get(gimli::DW_AT_discr_list) {
        // What was read before an error stands.
        let _ = list(bytes, width, &mut values);
    }
    values
}

fn list(mut bytes: Reader<'_>, width: &Width, values: &mut Vec<RangeInclusive<i128>>) -> gimli::Result<()> {
    let number = |bytes: &mut Reader<'_>| -> gimli::Result<i128> {
        let raw = match width.is_signed {
            true => i128::from(bytes.read_sleb128()?),
            false => i128::from(bytes.read_uleb128()?),
        };
        Ok(width.value(raw))
    };
    while !bytes.is_empty() {
        match gimli::DwDsc(bytes.read_u8()?) {
            gimli::DW_DSC_label => {
                let value = number(&mut bytes)?;
                values.push(value..=value);
            }
            gimli::DW_DSC_range => {
                let (low, high) = (number(&mut bytes)?, number(&mut bytes)?);
                values.push(low..=high);
            }
            _ => break,
        }
    }
    Ok(())
}
