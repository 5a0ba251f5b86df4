//! What kind of entry a name belongs to that stands somewhere in a unit, without parsing the unit up to there.
//!
//! Context: the agent's thread. Compilers put the name first, or nearly, so the number of the abbreviation stands shortly before it;
//! whether the abbreviation agrees is checked. Chance can agree as well: what comes out is a hint.

use std::sync::Arc;

use gimli::{Abbreviation, Abbreviations, AttributeValue, DwForm, Reader as _, UnitHeader, UnitOffset};

use super::Kinds;
use super::scan::scan;
use crate::symbols::dwarf::Units;
use crate::symbols::reader::Reader;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Definition,
    /// A variable that other units do not see, or a namespace.
    Local,
    /// Of a variable or function that is defined elsewhere, perhaps further on.
    Declaration,
    Other,
}

/// The entries of one unit.
pub(super) struct Entries<'s> {
    info: Reader<'s>,
    /// Where the unit begins and ends in `.debug_info`.
    start: usize,
    end: usize,
    abbreviations: Arc<Abbreviations>,
    header: UnitHeader<Reader<'s>>,
}

impl<'s> Entries<'s> {
    pub(super) fn new(units: &Units<'s>, number: usize) -> Option<Self> {
        let unit = units.get(number)?;
        let abbreviations = units.dwarf.abbreviations(&unit.header).ok()?;
        let end = unit.offset.checked_add(unit.header.length_including_self())?;
        Some(Entries { info: *units.section(), start: unit.offset, end, abbreviations, header: unit.header })
    }

    /// The entries whose name may stand at the offset of the section: the text itself, or a reference to it.
    pub(super) fn named_at(&self, offset: usize, is_text: bool) -> Vec<(Kind, Kinds, UnitOffset)> {
        let form = |form| match form {
            gimli::DW_FORM_string => is_text,
            gimli::DW_FORM_strp | gimli::DW_FORM_GNU_strp_alt | gimli::DW_FORM_strp_sup => !is_text,
            _ => false,
        };
        let mut found = Vec::new();
        self.entries_before(offset, gimli::DW_AT_name, form, |abbreviation, entry| {
            let (mut kind, kinds) = kind(abbreviation);
            if kind == Kind::Local && !self.is_static(entry) {
                kind = Kind::Other;
            }
            found.push((kind, kinds, entry));
        });
        found
    }

    /// Whether a variable is at a fixed place, or always the same.
    fn is_static(&self, entry: UnitOffset) -> bool {
        let read = || {
            let mut entries = self.header.entries_raw(&self.abbreviations, Some(entry))?;
            let Some(abbreviation) = entries.read_abbreviation()? else { return Ok(false) };
            for specification in abbreviation.attributes() {
                let attribute = entries.read_attribute(*specification)?;
                let bytes = match (attribute.name(), attribute.value()) {
                    (gimli::DW_AT_const_value, _) => return Ok(true),
                    (gimli::DW_AT_location, AttributeValue::Exprloc(expression)) => expression.0,
                    (gimli::DW_AT_location, AttributeValue::Block(bytes)) => bytes,
                    _ => continue,
                };
                let bytes = bytes.to_slice()?;
                let (first, last) = (bytes.first().copied().map(gimli::DwOp), bytes.last().copied().map(gimli::DwOp));
                let fixed = [gimli::DW_OP_addr, gimli::DW_OP_addrx, gimli::DW_OP_GNU_addr_index];
                let of_thread = [gimli::DW_OP_form_tls_address, gimli::DW_OP_GNU_push_tls_address];
                return Ok(
                    first.is_some_and(|op| fixed.contains(&op)) || last.is_some_and(|op| of_thread.contains(&op))
                );
            }
            Ok::<_, gimli::Error>(false)
        };
        // Of a place where it goes wrong nothing is known.
        read().unwrap_or(true)
    }

    /// The entry that defines what this one declares.
    pub(super) fn defining(&self, declaration: UnitOffset, stop: &dyn Fn() -> bool) -> Option<UnitOffset> {
        let mut unit = self.info;
        unit.skip(self.start).ok()?;
        unit.truncate(self.end.checked_sub(self.start)?).ok()?;
        let finder = memchr::memmem::Finder::new(&u32::try_from(declaration.0).ok()?.to_le_bytes()).into_owned();
        let mut definition = None;
        scan(&unit, 3, stop, |base, fresh, chunk| {
            let form = |form| form == gimli::DW_FORM_ref4;
            definition = finder.find_iter(chunk).take_while(|at| *at < fresh).find_map(|at| {
                let mut found = None;
                self.entries_before(self.start + base + at, gimli::DW_AT_specification, form, |_, entry| {
                    found.get_or_insert(entry);
                });
                found
            });
            definition.is_none()
        });
        definition
    }

    /// The entries that may have the attribute in one of these forms at the offset, with little before it. There can be several: the
    /// end of a number is a number as well.
    fn entries_before(
        &self,
        offset: usize,
        name: gimli::DwAt,
        form: impl Fn(DwForm) -> bool,
        mut act: impl FnMut(&Abbreviation, UnitOffset),
    ) -> Option<()> {
        const LONGEST: usize = 3;
        let first = offset.saturating_sub(LONGEST + BEFORE).max(self.start);
        let mut bytes = [0; LONGEST + BEFORE];
        let bytes = bytes.get_mut(..offset.checked_sub(first)?)?;
        match self.info {
            Reader::Memory(_) => self.info.read_at(first, bytes).ok()?,
            // By the cache: neighbours are asked for as well.
            mut info => {
                info.skip(first).ok()?;
                info.read_slice(bytes).ok()?;
            }
        }
        for distance in 0..=BEFORE {
            let before = bytes.get(..bytes.len().checked_sub(distance)?)?;
            for len in 1..=before.len().min(LONGEST) {
                let Some((last, others)) = before.get(before.len() - len..)?.split_last() else { continue };
                if last & 0x80 != 0 || others.iter().any(|byte| byte & 0x80 == 0) {
                    continue;
                }
                let high = u64::from(last & 0x7f);
                let code = others.iter().rev().fold(high, |code, byte| code << 7 | u64::from(byte & 0x7f));
                let Some(abbreviation) = self.abbreviations.get(code) else { continue };
                let entry = UnitOffset(first.checked_add(before.len() - len)?.checked_sub(self.start)?);
                if distance_to(abbreviation, name, &form) == Some(distance) {
                    act(abbreviation, entry);
                }
            }
        }
        Some(())
    }
}

/// Bytes of attributes that may stand before the one that is looked for.
const BEFORE: usize = 9;

/// How many bytes stand before the attribute, where that can be told and is little.
fn distance_to(abbreviation: &Abbreviation, name: gimli::DwAt, form: impl Fn(DwForm) -> bool) -> Option<usize> {
    let mut distance = 0;
    for attribute in abbreviation.attributes() {
        if attribute.name() == name {
            return form(attribute.form()).then_some(distance);
        }
        distance += match attribute.form() {
            gimli::DW_FORM_flag_present | gimli::DW_FORM_implicit_const => 0,
            gimli::DW_FORM_flag | gimli::DW_FORM_data1 | gimli::DW_FORM_addrx1 | gimli::DW_FORM_strx1 => 1,
            gimli::DW_FORM_data2 | gimli::DW_FORM_addrx2 | gimli::DW_FORM_strx2 => 2,
            gimli::DW_FORM_data4 | gimli::DW_FORM_ref4 => 4,
            gimli::DW_FORM_data8 | gimli::DW_FORM_addr => 8,
            _ => return None,
        };
        if distance > BEFORE {
            return None;
        }
    }
    None
}

fn kind(abbreviation: &Abbreviation) -> (Kind, Kinds) {
    let has = |name| abbreviation.attributes().iter().any(|attribute| attribute.name() == name);
    let declared = has(gimli::DW_AT_declaration);
    let kinds = match abbreviation.tag() {
        gimli::DW_TAG_variable | gimli::DW_TAG_member => Kinds::VARIABLES,
        gimli::DW_TAG_subprogram => Kinds::FUNCTIONS,
        gimli::DW_TAG_enumerator => Kinds::ENUMERATORS,
        gimli::DW_TAG_structure_type
        | gimli::DW_TAG_class_type
        | gimli::DW_TAG_union_type
        | gimli::DW_TAG_enumeration_type
        | gimli::DW_TAG_typedef
        | gimli::DW_TAG_base_type
        | gimli::DW_TAG_interface_type
        | gimli::DW_TAG_unspecified_type => Kinds::TYPES,
        _ => return (Kind::Other, Kinds::NONE),
    };
    let kind = match abbreviation.tag() {
        _ if declared => Kind::Declaration,
        gimli::DW_TAG_member => Kind::Other,
        gimli::DW_TAG_variable if !has(gimli::DW_AT_external) => Kind::Local,
        _ => Kind::Definition,
    };
    (kind, if kind == Kind::Other { Kinds::NONE } else { kinds })
}
