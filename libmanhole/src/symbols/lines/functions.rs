//! The functions of one unit by address, and what was inlined into one of them.
//!
//! Context: the agent's thread. Errors of a corrupt unit end the reading; what was read before stands.

use core::ops::Range;

use gimli::{AttributeValue, UnitHeader, UnitOffset, UnitRef};

use super::Reader;
use super::walk;

/// The functions of a unit that have code, by address.
pub(super) struct Functions {
    by_start: Vec<Function>,
    /// For each the greatest end of it and all before.
    reach: Vec<u64>,
}

/// One contiguous piece of a function.
pub(super) struct Function {
    pub(super) range: Range<u64>,
    pub(super) entry: UnitOffset,
}

impl Functions {
    /// `room` is for what is read at once.
    pub(super) fn parse(unit: UnitRef<'_, Reader<'_>>, code: &Range<u64>, room: &mut Vec<u8>) -> Functions {
        let mut by_start = Vec::new();
        if let Ok(header) = walk::in_memory(&unit.header, room) {
            // What was read before an error stands.
            let _ = walk::functions(unit, &header, |entry| {
                let _ = add_pieces(unit, &header, entry, code, &mut by_start);
            });
        }
        by_start.sort_by_key(|function| (function.range.start, core::cmp::Reverse(function.range.end)));
        let reach = by_start.iter().scan(0, |most, function| {
            *most = function.range.end.max(*most);
            Some(*most)
        });
        let reach = reach.collect();
        Functions { by_start, reach }
    }

    /// The innermost function at the address.
    pub(super) fn at(&self, address: u64) -> Option<&Function> {
        let mut at = self.by_start.partition_point(|function| function.range.start <= address);
        loop {
            at = at.checked_sub(1)?;
            if *self.reach.get(at)? <= address {
                return None;
            }
            let function = self.by_start.get(at)?;
            if function.range.contains(&address) {
                return Some(function);
            }
        }
    }
}

/// Where the function at this entry has code.
fn add_pieces(
    unit: UnitRef<'_, Reader<'_>>,
    header: &UnitHeader<Reader<'_>>,
    entry: UnitOffset,
    code: &Range<u64>,
    functions: &mut Vec<Function>,
) -> gimli::Result<()> {
    let mut entries = header.entries_raw(&unit.abbreviations, Some(entry))?;
    let Some(abbreviation) = entries.read_abbreviation()? else { return Ok(()) };
    let mut ranges = Ranges::default();
    for specification in abbreviation.attributes() {
        let attribute = entries.read_attribute(*specification)?;
        ranges.see(unit, attribute.name(), attribute.value());
    }
    ranges.each(unit, |range| {
        if code.contains(&range.start) {
            functions.push(Function { range, entry });
        }
        false
    });
    Ok(())
}

/// Whether the unit says that it was written in C.
pub(super) fn is_of_c(unit: UnitRef<'_, Reader<'_>>) -> gimli::Result<bool> {
    let mut entries = unit.entries_raw(None)?;
    let Some(abbreviation) = entries.read_abbreviation()? else { return Ok(false) };
    let mut language = None;
    for specification in abbreviation.attributes() {
        let attribute = entries.read_attribute(*specification)?;
        if attribute.name() == gimli::DW_AT_language {
            language = Some(attribute.value());
        }
    }
    Ok(matches!(
        language,
        Some(AttributeValue::Language(
            gimli::DW_LANG_C89 | gimli::DW_LANG_C | gimli::DW_LANG_C99 | gimli::DW_LANG_C11 | gimli::DW_LANG_C17
        ))
    ))
}

/// A function that was inlined.
pub(super) struct Inlined {
    pub(super) entry: UnitOffset,
    /// Where it was called: the number of the file, and the line.
    pub(super) call_file: Option<u64>,
    pub(super) call_line: Option<u32>,
}

/// What was inlined into the function at this address, outermost first.
pub(super) fn inlined_at(unit: UnitRef<'_, Reader<'_>>, function: UnitOffset, address: u64) -> Vec<Inlined> {
    let mut chain = Vec::new();
    // What was read before an error stands.
    let _ = descend(unit, function, address, &mut chain);
    chain
}

fn descend(
    unit: UnitRef<'_, Reader<'_>>,
    function: UnitOffset,
    address: u64,
    chain: &mut Vec<Inlined>,
) -> gimli::Result<()> {
    let mut entries = unit.entries_raw(Some(function))?;
    // Entries at this depth or less are outside of what holds the address.
    let mut inside = entries.next_depth();
    // Entries deeper than this belong to something that does not hold the address.
    let mut skip_below = isize::MAX;
    let Some(abbreviation) = entries.read_abbreviation()? else { return Ok(()) };
    entries.skip_attributes(abbreviation.attributes())?;
    while !entries.is_empty() {
        let (depth, entry) = (entries.next_depth(), entries.next_offset());
        if depth <= inside {
            break;
        }
        let Some(abbreviation) = entries.read_abbreviation()? else { continue };
        if depth > skip_below {
            entries.skip_attributes(abbreviation.attributes())?;
            continue;
        }
        skip_below = isize::MAX;
        match abbreviation.tag() {
            gimli::DW_TAG_inlined_subroutine => {}
            // A nested function is found by its own range.
            gimli::DW_TAG_subprogram => {
                entries.skip_attributes(abbreviation.attributes())?;
                skip_below = depth;
                continue;
            }
            _ => {
                entries.skip_attributes(abbreviation.attributes())?;
                continue;
            }
        }
        let mut ranges = Ranges::default();
        let mut inlined = Inlined { entry, call_file: None, call_line: None };
        for specification in abbreviation.attributes() {
            let attribute = entries.read_attribute(*specification)?;
            match attribute.name() {
                gimli::DW_AT_call_file => {
                    inlined.call_file = match attribute.value() {
                        AttributeValue::FileIndex(file) => Some(file),
                        other => other.udata_value(),
                    };
                }
                gimli::DW_AT_call_line => {
                    let line = attribute.udata_value().and_then(|line| u32::try_from(line).ok());
                    inlined.call_line = line.filter(|&line| line != 0);
                }
                name => ranges.see(unit, name, attribute.value()),
            }
        }
        if ranges.each(unit, |range| range.contains(&address)) {
            chain.push(inlined);
            inside = depth;
        } else {
            skip_below = depth;
        }
    }
    Ok(())
}

/// The names that one entry gives, and the entry that it refers to for more.
#[derive(Default)]
pub(super) struct Names<'s> {
    pub(super) linkage: Option<Reader<'s>>,
    pub(super) plain: Option<Reader<'s>>,
    pub(super) origin: Option<AttributeValue<Reader<'s>>>,
}

impl<'s> Names<'s> {
    pub(super) fn read(unit: UnitRef<'_, Reader<'s>>, entry: UnitOffset) -> Self {
        let mut names = Names::default();
        // What was read before an error stands.
        let _ = names.fill(unit, entry);
        names
    }

    fn fill(&mut self, unit: UnitRef<'_, Reader<'s>>, entry: UnitOffset) -> gimli::Result<()> {
        let mut entries = unit.entries_raw(Some(entry))?;
        let Some(abbreviation) = entries.read_abbreviation()? else { return Ok(()) };
        for specification in abbreviation.attributes() {
            let attribute = entries.read_attribute(*specification)?;
            match attribute.name() {
                gimli::DW_AT_linkage_name | gimli::DW_AT_MIPS_linkage_name => {
                    self.linkage = unit.attr_string(attribute.value()).ok();
                }
                gimli::DW_AT_name => self.plain = unit.attr_string(attribute.value()).ok(),
                gimli::DW_AT_abstract_origin | gimli::DW_AT_specification => self.origin = Some(attribute.value()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The attributes that tell where an entry's code stands (DWARF 5, 2.17).
#[derive(Default)]
struct Ranges {
    low: Option<u64>,
    high: Option<u64>,
    size: Option<u64>,
    list: Option<gimli::RangeListsOffset>,
}

impl Ranges {
    fn see(&mut self, unit: UnitRef<'_, Reader<'_>>, name: gimli::DwAt, value: AttributeValue<Reader<'_>>) {
        let address = |value| match value {
            AttributeValue::Addr(address) => Some(address),
            AttributeValue::DebugAddrIndex(index) => unit.address(index).ok(),
            _ => None,
        };
        match (name, value) {
            (gimli::DW_AT_low_pc, value) => self.low = address(value),
            (gimli::DW_AT_high_pc, AttributeValue::Udata(size)) => self.size = Some(size),
            (gimli::DW_AT_high_pc, value) => self.high = address(value),
            (gimli::DW_AT_ranges, AttributeValue::RangeListsRef(offset)) => {
                self.list = Some(unit.ranges_offset_from_raw(offset));
            }
            (gimli::DW_AT_ranges, AttributeValue::DebugRngListsIndex(index)) => {
                self.list = unit.ranges_offset(index).ok();
            }
            _ => {}
        }
    }

    /// Calls `act` with each range until it answers true; returns whether it did.
    fn each(&self, unit: UnitRef<'_, Reader<'_>>, mut act: impl FnMut(Range<u64>) -> bool) -> bool {
        /// More pieces than any function has.
        const LIMIT: usize = 1 << 16;
        if let Some(list) = self.list {
            let Ok(mut list) = unit.ranges(list) else { return false };
            for _ in 0..LIMIT {
                match list.next() {
                    Ok(Some(range)) if range.begin < range.end && act(range.begin..range.end) => return true,
                    Ok(Some(_)) => {}
                    _ => return false,
                }
            }
            return false;
        }
        let Some(low) = self.low else { return false };
        let high = self.high.or_else(|| low.checked_add(self.size?));
        high.is_some_and(|high| low < high && act(low..high))
    }
}
