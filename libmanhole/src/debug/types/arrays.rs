//! Arrays and their bounds.
//!
//! Context: the agent's thread.

use core::ops::ControlFlow;

use gimli::AttributeValue;
use manhole_expressions::types::{Type, TypeId};

use super::{Debug, Image};
use crate::debug::entry::{Entry, constant};
use crate::debug::{Place, source::Reader};

/// More dimensions than any array has.
const DIMENSIONS: usize = 32;

/// How many elements a dimension has.
pub(in crate::debug) enum Bound<'s> {
    Known(Option<u64>),
    /// What is to be computed in a frame, the entry that says so, and what is added to it.
    Computed(Place, AttributeValue<Reader<'s>>, i128),
}

impl<'s> Debug<'s> {
    pub(super) fn read_array(&mut self, image: &Image<'s>, entry: &Entry<'s>) -> Type {
        let bounds = bounds(image, entry.place);
        let known = |bound: &Bound<'s>| match bound {
            Bound::Known(count) => *count,
            Bound::Computed(..) => None,
        };
        let counts: Vec<Option<u64>> = bounds.iter().map(known).collect();
        self.array_of(image, entry, &counts)
    }

    /// The array of these dimensions, outermost first.
    pub(in crate::debug) fn array_of(&mut self, image: &Image<'s>, entry: &Entry<'s>, counts: &[Option<u64>]) -> Type {
        let mut of: TypeId = self.own_type(image, entry);
        let is_vector = entry.flag(gimli::DW_AT_GNU_vector);
        let (outermost, inner) = counts.split_first().map_or((None, [].as_slice()), |(first, rest)| (*first, rest));
        for count in inner.iter().rev() {
            of = self.intern(Type::Array { of, count: *count, is_vector: false });
        }
        Type::Array { of, count: outermost, is_vector }
    }
}

/// The dimensions of an array, outermost first.
pub(in crate::debug) fn bounds<'s>(image: &Image<'s>, array: Place) -> Vec<Bound<'s>> {
    let mut bounds = Vec::new();
    image.children(array, |child| {
        match child.tag {
            gimli::DW_TAG_subrange_type | gimli::DW_TAG_generic_subrange => bounds.push(bound(&child)),
            gimli::DW_TAG_enumeration_type => bounds.push(Bound::Known(None)),
            _ => {}
        }
        if bounds.len() < DIMENSIONS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    bounds
}

fn bound<'s>(entry: &Entry<'s>) -> Bound<'s> {
    let lower = entry.constant(gimli::DW_AT_lower_bound).unwrap_or(0);
    if let Some(count) = entry.get(gimli::DW_AT_count) {
        return match constant(&count) {
            // All ones say that it is not known.
            Some(count) => Bound::Known(u64::try_from(count).ok().filter(|count| *count != u64::MAX)),
            None => Bound::Computed(entry.place, count, 0),
        };
    }
    let Some(upper) = entry.get(gimli::DW_AT_upper_bound) else { return Bound::Known(None) };
    match constant(&upper) {
        // All ones are -1: no element.
        Some(upper) if upper == i128::from(u64::MAX) => Bound::Known(Some(0)),
        Some(upper) => Bound::Known(u64::try_from(upper.saturating_sub(lower).saturating_add(1)).ok()),
        None => Bound::Computed(entry.place, upper, 1i128.saturating_sub(lower)),
    }
}
