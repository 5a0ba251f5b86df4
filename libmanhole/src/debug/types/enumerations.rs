//! Enums.
//!
//! Context: the agent's thread.

use core::ops::ControlFlow;

use manhole_expressions::types::{Encoding, Enumeration, Type};

use super::{Debug, Image, scalar};
use crate::debug::entry::Entry;

impl<'s> Debug<'s> {
    pub(super) fn read_enumeration(&mut self, image: &Image<'s>, chain: &[Entry<'s>]) -> Type {
        let Some(entry) = chain.first() else { return Type::Void };
        let name = self.full_name(image, chain);
        let underlying = scalar(image, image.referred(entry, gimli::DW_AT_type));
        let size = entry.unsigned(gimli::DW_AT_byte_size).or(underlying.map(|(size, _)| size));
        let is_signed = is_signed(image, entry);
        let mut enumerators = Vec::new();
        let mut prefix = None;
        image.children(entry.place, |child| {
            if child.tag == gimli::DW_TAG_enumerator
                && let Some(name) = image.string(&child, gimli::DW_AT_name)
            {
                // The same for all of them.
                let prefix = prefix.get_or_insert_with(|| image.qualified(child.place, ""));
                enumerators.push((format!("{prefix}{name}"), value(&child, size, is_signed)));
            }
            ControlFlow::Continue(())
        });
        Type::Enumeration(Enumeration {
            name,
            size: size.unwrap_or(4),
            is_signed,
            is_class: chain.iter().any(|entry| entry.flag(gimli::DW_AT_enum_class)),
            language: image.language(entry.place.unit),
            is_declaration: entry.flag(gimli::DW_AT_declaration),
            enumerators,
        })
    }
}

/// The value of an enumerator of an enum of this size.
pub(in crate::debug) fn value(enumerator: &Entry<'_>, size: Option<u64>, is_signed: bool) -> i128 {
    let value = enumerator.constant(gimli::DW_AT_const_value).unwrap_or(0);
    let bits = u32::try_from(size.unwrap_or(16).min(16)).unwrap_or(16) * 8;
    manhole_expressions::access::extended(value as u128, u64::from(bits), is_signed) as i128
}

/// Whether an enum can be negative: as its underlying type, else when an enumerator is.
pub(in crate::debug) fn is_signed<'s>(image: &Image<'s>, entry: &Entry<'s>) -> bool {
    let underlying = image.referred(entry, gimli::DW_AT_type);
    // One that is said to be under itself would be followed for ever.
    let underlying = underlying.and_then(|place| image.entry(place));
    let underlying = underlying.filter(|entry| entry.tag != gimli::DW_TAG_enumeration_type);
    if let Some((_, encoding)) = underlying.and_then(|underlying| scalar_below(image, &underlying)) {
        return matches!(encoding, Encoding::Signed | Encoding::SignedChar);
    }
    let mut negative = false;
    image.children(entry.place, |child| {
        negative |= child.constant(gimli::DW_AT_const_value).is_some_and(|value| value < 0);
        if negative { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    negative
}

/// The size and encoding of a type that is no enum, nor stands for one.
fn scalar_below<'s>(image: &Image<'s>, entry: &Entry<'s>) -> Option<(u64, Encoding)> {
    let mut at = entry.place;
    for _ in 0..super::CHAIN {
        let entry = image.entry(at)?;
        match entry.tag {
            gimli::DW_TAG_base_type => return scalar(image, Some(at)),
            gimli::DW_TAG_typedef | gimli::DW_TAG_const_type | gimli::DW_TAG_volatile_type => {
                at = image.referred(&entry, gimli::DW_AT_type)?;
            }
            _ => return None,
        }
    }
    None
}
