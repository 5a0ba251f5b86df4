//! Through the entries of a unit, from function to function, by what the abbreviations tell alone.
//!
//! Context: the agent's thread. Most entries of a unit are types. Nearly all that they say has a fixed size, which is reckoned once for each
//! abbreviation: to read each attribute takes several times as long.

use gimli::{Abbreviation, Reader as _, UnitHeader, UnitOffset, UnitRef};

use super::Reader;
use super::functions::is_of_c;
use crate::symbols::dwarf::with_entries;

/// Numbers of abbreviations up to this one are remembered; compilers count from 1.
const REMEMBERED: usize = 4096;

/// What an abbreviation tells of its entries.
#[derive(Clone, Copy)]
struct Shape {
    /// Whether it is a function that has code.
    is_function: bool,
    /// How many bytes the attributes take; `None` where they tell themselves.
    size: Option<usize>,
    /// So many bytes into the attributes of a type stands where the next entry is that is no part of it.
    sibling: Option<usize>,
}

impl Shape {
    fn of(abbreviation: &Abbreviation, unit: UnitRef<'_, Reader<'_>>, skips_types: bool) -> Shape {
        let mut size = Some(0_usize);
        let mut sibling = None;
        let may_be_skipped = skips_types && abbreviation.has_children() && is_type(abbreviation.tag());
        for attribute in abbreviation.attributes() {
            if may_be_skipped && attribute.name() == gimli::DW_AT_sibling && attribute.form() == gimli::DW_FORM_ref4 {
                sibling = size;
            }
            size = size.zip(attribute.size(&unit.header)).and_then(|(before, own)| before.checked_add(own));
        }
        let code = [gimli::DW_AT_low_pc, gimli::DW_AT_ranges];
        let has_code = abbreviation.attributes().iter().any(|attribute| code.contains(&attribute.name()));
        Shape { is_function: abbreviation.tag() == gimli::DW_TAG_subprogram && has_code, size, sibling }
    }
}

fn is_type(tag: gimli::DwTag) -> bool {
    matches!(tag, gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type | gimli::DW_TAG_enumeration_type)
}

/// The unit's entries in memory: where they stand in a file, as many as `room` is worth keeping for are copied there, at once.
pub(super) fn in_memory<'e, 's: 'e>(
    header: &UnitHeader<Reader<'s>>,
    room: &'e mut Vec<u8>,
) -> gimli::Result<UnitHeader<Reader<'e>>> {
    /// Larger ones are read page by page.
    const MOST: usize = 4 << 20;
    let entries = header.range_from(header.root_offset()..)?;
    let len = entries.len();
    let more = len.saturating_sub(room.len());
    if entries.in_memory().is_some() || len > MOST || room.try_reserve(more).is_err() {
        return Ok(with_entries(header, entries));
    }
    // What it has grown to stays: the next unit finds memory that is there already.
    room.resize(room.len() + more, 0);
    let room = room.get_mut(..len).unwrap_or_default();
    // What stands before the place that cannot be read is found by pages.
    let is_whole = entries.read_at(0, room).is_ok();
    Ok(with_entries(header, if is_whole { Reader::Memory(room) } else { entries }))
}

/// Hands out each entry of a function that has code, in the order in which they stand.
pub(super) fn functions(
    unit: UnitRef<'_, Reader<'_>>,
    header: &UnitHeader<Reader<'_>>,
    mut act: impl FnMut(UnitOffset),
) -> gimli::Result<()> {
    // No function stands in one of C's types, which are most of many units.
    let skips_types = is_of_c(unit) == Ok(true);
    let end = header.length_including_self();
    let from = |offset: usize| {
        if offset < end { header.range_from(UnitOffset(offset)..) } else { Ok(Reader::default()) }
    };
    let mut shapes: Vec<Option<Shape>> = Vec::new();
    let mut rest = from(header.root_offset().0)?;
    while !rest.is_empty() {
        let entry = UnitOffset(end.saturating_sub(rest.len()));
        let code = rest.read_uleb128()?;
        if code == 0 {
            continue;
        }
        let index = usize::try_from(code).unwrap_or(usize::MAX);
        let shape = match shapes.get(index).copied().flatten() {
            Some(shape) => shape,
            None => {
                let abbreviation = unit.abbreviations.get(code).ok_or(gimli::Error::InvalidAbbreviationCode(code))?;
                let shape = Shape::of(abbreviation, unit, skips_types);
                if index < REMEMBERED {
                    shapes.resize(shapes.len().max(index + 1), None);
                }
                if let Some(slot) = shapes.get_mut(index) {
                    *slot = Some(shape);
                }
                shape
            }
        };
        if shape.is_function {
            act(entry);
        }
        if let Some(at) = shape.sibling {
            let mut attributes = rest;
            attributes.skip(at)?;
            let next = attributes.read_u32()? as usize;
            if next > entry.0 {
                rest = from(next)?;
                continue;
            }
        }
        match shape.size {
            Some(size) => rest.skip(size)?,
            None => {
                let mut entries = header.entries_raw(&unit.abbreviations, Some(entry))?;
                if let Some(abbreviation) = entries.read_abbreviation()? {
                    entries.skip_attributes(abbreviation.attributes())?;
                }
                rest = from(entries.next_offset().0)?;
            }
        }
    }
    Ok(())
}
