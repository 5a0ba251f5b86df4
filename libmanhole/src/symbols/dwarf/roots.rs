//! A unit's first entry, read alone.
//!
//! Context: the agent's thread. Parsing a unit reads all of its abbreviations and its table of files; where thousands of units are
//! asked for their ranges, that would take seconds and hundreds of megabytes.

use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugAbbrevOffset, DebugAddrBase, DebugRngListsBase,
    DebugStrOffsetsBase, Dwarf, Reader as _, Section as _, UnitHeader,
};

use crate::symbols::reader::Reader;

/// What the first entry tells.
pub(crate) struct Root<'s> {
    pub(crate) low: Option<AttributeValue<Reader<'s>>>,
    pub(crate) high: Option<AttributeValue<Reader<'s>>>,
    pub(crate) ranges: Option<AttributeValue<Reader<'s>>>,
    pub(crate) address_base: DebugAddrBase,
    pub(crate) ranges_base: DebugRngListsBase,
    pub(crate) string_offsets_base: Option<DebugStrOffsetsBase>,
}

impl<'s> Root<'s> {
    pub(super) fn read(dwarf: &Dwarf<Reader<'s>>, header: &UnitHeader<Reader<'s>>) -> gimli::Result<Self> {
        let code = header.range_from(header.root_offset()..)?.read_uleb128()?;
        let abbreviations = only(&dwarf.debug_abbrev, header.debug_abbrev_offset(), code)?;
        let mut root = Root {
            low: None,
            high: None,
            ranges: None,
            address_base: DebugAddrBase(0),
            ranges_base: DebugRngListsBase::default_for_encoding_and_file(header.encoding(), dwarf.file_type),
            string_offsets_base: None,
        };
        let mut entries = header.entries_raw(&abbreviations, None)?;
        let Some(abbreviation) = entries.read_abbreviation()? else { return Err(gimli::Error::MissingUnitDie) };
        for specification in abbreviation.attributes() {
            let attribute = entries.read_attribute(*specification)?;
            match (attribute.name(), attribute.value()) {
                (gimli::DW_AT_low_pc, value) => root.low = Some(value),
                (gimli::DW_AT_high_pc, value) => root.high = Some(value),
                (gimli::DW_AT_ranges, value) => root.ranges = Some(value),
                (_, AttributeValue::DebugAddrBase(base)) => root.address_base = base,
                (_, AttributeValue::DebugRngListsBase(base)) => root.ranges_base = base,
                (_, AttributeValue::DebugStrOffsetsBase(base)) => root.string_offsets_base = Some(base),
                _ => {}
            }
        }
        Ok(root)
    }

    /// Hands out the ranges of the unit's code.
    pub(crate) fn each_range(
        &self,
        dwarf: &Dwarf<Reader<'s>>,
        header: &UnitHeader<Reader<'s>>,
        mut act: impl FnMut(core::ops::Range<u64>),
    ) -> gimli::Result<()> {
        let encoding = header.encoding();
        let address = |value: &AttributeValue<Reader<'s>>| match *value {
            AttributeValue::Addr(address) => Ok(Some(address)),
            AttributeValue::DebugAddrIndex(index) => {
                dwarf.debug_addr.get_address(encoding.address_size, self.address_base, index).map(Some)
            }
            _ => Ok(None),
        };
        let low = self.low.as_ref().map(address).transpose()?.flatten();
        let list = match self.ranges {
            Some(AttributeValue::RangeListsRef(offset)) => Some(gimli::RangeListsOffset(offset.0)),
            Some(AttributeValue::DebugRngListsIndex(index)) => {
                Some(dwarf.ranges.get_offset(encoding, self.ranges_base, index)?)
            }
            _ => None,
        };
        if let Some(list) = list {
            let (base, addresses) = (low.unwrap_or(0), &dwarf.debug_addr);
            let mut list = dwarf.ranges.ranges(list, encoding, base, addresses, self.address_base)?;
            while let Some(range) = list.next()? {
                act(range.begin..range.end);
            }
            return Ok(());
        }
        let Some(low) = low else { return Ok(()) };
        let high = match &self.high {
            Some(AttributeValue::Udata(size)) => low.checked_add(*size),
            Some(value) => address(value)?,
            None => None,
        };
        if let Some(high) = high {
            act(low..high);
        }
        Ok(())
    }
}

/// The abbreviations at the offset, but no more than the one with this code.
fn only(section: &DebugAbbrev<Reader<'_>>, offset: DebugAbbrevOffset, wanted: u64) -> gimli::Result<Abbreviations> {
    /// More than any compiler's abbreviation of a unit has.
    const LIMIT: usize = 4096;
    let mut input = *section.reader();
    input.skip(offset.0)?;
    loop {
        let start = input;
        let code = input.read_uleb128()?;
        if code == 0 {
            return Err(gimli::Error::InvalidAbbreviationCode(wanted));
        }
        input.skip_leb128()?;
        input.skip(1)?;
        loop {
            let (name, form) = (input.read_uleb128()?, input.read_uleb128()?);
            if form == u64::from(gimli::DW_FORM_implicit_const.0) {
                input.skip_leb128()?;
            }
            if (name, form) == (0, 0) {
                break;
            }
        }
        if code == wanted {
            let mut one = start;
            one.truncate(input.offset_from(&start))?;
            let mut bytes = one.to_slice()?.into_owned();
            if bytes.len() > LIMIT {
                return Err(gimli::Error::InvalidAbbreviationCode(wanted));
            }
            bytes.push(0);
            return DebugAbbrev::from(Reader::Memory(&bytes)).abbreviations(DebugAbbrevOffset(0));
        }
    }
}
