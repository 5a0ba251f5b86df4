//! DWARF: functions, files and lines, and what was inlined where.
//!
//! Context: the agent's thread. Sections are read and decompressed once and live in the session's [`Store`]; units are
//! parsed one by one as addresses fall into them, so a library of 2,000 units costs what its few used ones cost.
//!
//! Built on gimli rather than on addr2line, which would parse every unit first, descends into inlined functions by
//! recursion (a corrupt file then overflows the stack), and believes functions that the linker has discarded.

use core::cell::OnceCell;
use core::ops::Range;

use gimli::{DebugInfoOffset, EndianSlice, LittleEndian, UnitHeader, UnitRef, UnitType};

use super::elf::ElfFile;
use super::{Store, budget, names};
use functions::Functions;
use rows::Rows;
use scopes::Scopes;

mod functions;
mod rows;
mod scopes;

type Reader<'s> = EndianSlice<'s, LittleEndian>;

/// The DWARF of one module.
pub(super) struct Lines<'s> {
    dwarf: gimli::Dwarf<Reader<'s>>,
    /// In ascending order of offset.
    units: Vec<Unit<'s>>,
    /// What `.debug_aranges` tells, and for units that it leaves out what they say themselves.
    ranges: Vec<UnitRange>,
    /// What all units say themselves: needed only for addresses that `.debug_aranges` does not know.
    all_ranges: OnceCell<Vec<UnitRange>>,
    /// Where code can be. What the linker has discarded is left at 0 or at the end of the address space.
    code: Range<u64>,
    /// What is missing here.
    pub(super) problem: Option<String>,
}

/// A unit, parsed when first needed.
struct Unit<'s> {
    offset: usize,
    header: UnitHeader<Reader<'s>>,
    parsed: OnceCell<Option<Box<Parsed<'s>>>>,
}

struct Parsed<'s> {
    unit: gimli::Unit<Reader<'s>>,
    functions: OnceCell<Functions>,
    rows: OnceCell<Rows>,
    scopes: OnceCell<Scopes>,
}

struct UnitRange {
    range: Range<u64>,
    unit: usize,
    /// The greatest end of this range and all before.
    reach: u64,
}

/// A function at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) function: Option<String>,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
    /// Where the function starts in the file; `None` for inlined ones.
    pub(super) start: Option<u64>,
}

const SECTIONS: [&str; 10] =
    ["abbrev", "addr", "aranges", "info", "line", "line_str", "ranges", "rnglists", "str", "str_offsets"];

impl<'s> Lines<'s> {
    /// Reads the debug sections of the file; `None` where it has none. `name` is the module's, for messages.
    pub(super) fn load(store: &'s Store, file: &ElfFile, name: &str) -> Option<Result<Self, String>> {
        file.debug_section("info")?;
        Some(Self::read(store, file, name))
    }

    fn read(store: &'s Store, file: &ElfFile, name: &str) -> Result<Self, String> {
        let blame = |problem: String| format!("no lines of {name}: {}: {problem}", file.shown());
        let mut needed: u64 = 0;
        for section in SECTIONS.iter().filter_map(|section| file.debug_section(section)) {
            needed = needed.saturating_add(file.content_size(section).map_err(blame)?);
        }
        budget::check(name, needed)?;
        let mut bytes: [&'s [u8]; SECTIONS.len()] = [&[]; SECTIONS.len()];
        for (slot, section) in bytes.iter_mut().zip(SECTIONS) {
            if let Some(section) = file.debug_section(section) {
                *slot = store.keep(file.content(section).map_err(blame)?);
            }
        }
        let mut lines = Self::of_sections(bytes, file.code());
        if file.section(b".gnu_debugaltlink").is_some() {
            lines.problem =
                Some(format!("{name}: debug information shared by dwz is not read yet: names may be missing"));
        } else if lines.units.iter().any(|unit| matches!(unit.header.type_(), UnitType::Skeleton(_))) {
            lines.problem =
                Some(format!("{name}: split debug information (.dwo) is not read yet: inlined functions are missing"));
        }
        Ok(lines)
    }

    /// `bytes` in the order of [`SECTIONS`].
    fn of_sections(bytes: [&'s [u8]; SECTIONS.len()], code: Range<u64>) -> Self {
        let reader = |bytes: &'s [u8]| EndianSlice::new(bytes, LittleEndian);
        let [abbrev, addr, aranges, info, line, line_str, ranges, rnglists, str, str_offsets] = bytes.map(reader);
        let dwarf = gimli::Dwarf {
            debug_abbrev: abbrev.into(),
            debug_addr: addr.into(),
            debug_aranges: aranges.into(),
            debug_info: info.into(),
            debug_line: line.into(),
            debug_line_str: line_str.into(),
            debug_str: str.into(),
            debug_str_offsets: str_offsets.into(),
            ranges: gimli::RangeLists::new(ranges.into(), rnglists.into()),
            ..gimli::Dwarf::default()
        };
        let mut units = Vec::new();
        let mut headers = dwarf.units();
        while let Ok(Some(header)) = headers.next() {
            if let Some(DebugInfoOffset(offset)) = header.debug_info_offset() {
                units.push(Unit { offset, header, parsed: OnceCell::new() });
            }
        }
        let mut lines = Lines { dwarf, units, ranges: Vec::new(), all_ranges: OnceCell::new(), code, problem: None };
        lines.ranges = lines.ranges_by_index();
        lines
    }

    /// What stands at the address of the file, innermost first; empty where nothing is known.
    pub(super) fn calls(&self, address: u64) -> Vec<Call> {
        if !self.code.contains(&address) {
            return Vec::new();
        }
        let by_index = self.calls_in(&self.ranges, address);
        if !by_index.is_empty() {
            return by_index;
        }
        self.calls_in(self.all_ranges.get_or_init(|| self.ranges_by_units(|_| true)), address)
    }

    fn calls_in(&self, ranges: &[UnitRange], address: u64) -> Vec<Call> {
        let mut line_only = Vec::new();
        let mut at = ranges.partition_point(|entry| entry.range.start <= address);
        while let Some(entry) = at.checked_sub(1).and_then(|at| ranges.get(at)).filter(|entry| entry.reach > address) {
            at -= 1;
            if !entry.range.contains(&address) {
                continue;
            }
            let Some(unit) = self.units.get(entry.unit).and_then(|unit| self.parsed(unit)) else { continue };
            let calls = self.calls_of(unit, address);
            if calls.iter().any(|call| call.function.is_some()) {
                return calls;
            }
            if line_only.is_empty() {
                line_only = calls;
            }
        }
        line_only
    }

    fn calls_of(&self, parsed: &Parsed<'s>, address: u64) -> Vec<Call> {
        let unit = UnitRef::new(&self.dwarf, &parsed.unit);
        let rows = parsed.rows.get_or_init(|| Rows::parse(unit, &self.code));
        let (mut file, mut line) = match rows.at(address) {
            Some((file, line)) => (rows::file_name(unit, file), line),
            None => (None, None),
        };
        let functions = parsed.functions.get_or_init(|| Functions::parse(unit, &self.code));
        let Some(function) = functions.at(address) else {
            let known = file.is_some() || line.is_some();
            return if known { vec![Call { function: None, file, line, start: None }] } else { Vec::new() };
        };
        let mut calls = Vec::new();
        let name = |entry| self.name(parsed, entry);
        for inlined in functions::inlined_at(unit, function.entry, address).into_iter().rev() {
            calls.push(Call { function: name(inlined.entry), file, line, start: None });
            file = inlined.call_file.and_then(|file| rows::file_name(unit, file));
            line = inlined.call_line;
        }
        calls.push(Call { function: name(function.entry), file, line, start: Some(function.range.start) });
        calls
    }

    /// The name of the function at this entry: its linkage name demangled, else its plain name in its scope.
    fn name(&self, unit: &Parsed<'s>, entry: gimli::UnitOffset) -> Option<String> {
        const STEPS: usize = 16;
        let (mut parsed, mut entry, mut plain) = (unit, entry, None);
        for _ in 0..STEPS {
            let unit = UnitRef::new(&self.dwarf, &parsed.unit);
            let found = functions::Names::read(unit, entry);
            if let Some(name) = found.linkage.and_then(|linkage| names::of_linkage(linkage.slice())) {
                return Some(name);
            }
            if let Some(name) = found.plain {
                // The last entry that has a name is the declaration, which stands in the scope.
                plain = Some((parsed, entry, name));
            }
            match found.origin {
                Some(gimli::AttributeValue::UnitRef(offset)) => entry = offset,
                Some(gimli::AttributeValue::DebugInfoRef(offset)) => {
                    let after = self.units.partition_point(|unit| unit.offset <= offset.0);
                    let Some(other) = after.checked_sub(1).and_then(|at| self.units.get(at)) else { break };
                    let Some(other_parsed) = self.parsed(other) else { break };
                    let Some(offset) = offset.to_unit_offset(&other.header) else { break };
                    (parsed, entry) = (other_parsed, offset);
                }
                _ => break,
            }
        }
        let (parsed, entry, name) = plain?;
        let unit = UnitRef::new(&self.dwarf, &parsed.unit);
        let prefix = parsed.scopes.get_or_init(|| Scopes::parse(unit)).prefix(unit, entry);
        Some(prefix + &String::from_utf8_lossy(name.slice()))
    }

    fn parsed<'a>(&'a self, unit: &'a Unit<'s>) -> Option<&'a Parsed<'s>> {
        let parse = || {
            let unit = self.dwarf.unit(unit.header).ok()?;
            Some(Box::new(Parsed { unit, functions: OnceCell::new(), rows: OnceCell::new(), scopes: OnceCell::new() }))
        };
        unit.parsed.get_or_init(parse).as_deref()
    }

    fn ranges_by_index(&self) -> Vec<UnitRange> {
        let mut ranges = Vec::new();
        let mut indexed = vec![false; self.units.len()];
        let mut headers = self.dwarf.debug_aranges.headers();
        while let Ok(Some(header)) = headers.next() {
            let Ok(unit) = self.units.binary_search_by_key(&header.debug_info_offset().0, |unit| unit.offset) else {
                continue;
            };
            let mut entries = header.entries();
            while let Ok(Some(entry)) = entries.next_raw() {
                let end = entry.address().saturating_add(entry.length());
                self.add_range(&mut ranges, entry.address()..end, unit);
                if let Some(indexed) = indexed.get_mut(unit) {
                    *indexed = true;
                }
            }
        }
        ranges.extend(self.ranges_by_units(|unit| indexed.get(unit) == Some(&false)));
        sorted(ranges)
    }

    fn ranges_by_units(&self, wanted: impl Fn(usize) -> bool) -> Vec<UnitRange> {
        let mut ranges = Vec::new();
        for (i, unit) in self.units.iter().enumerate().filter(|&(i, _)| wanted(i)) {
            // Other units hold what several share; no code stands in them.
            if !matches!(unit.header.type_(), UnitType::Compilation | UnitType::Skeleton(_)) {
                continue;
            }
            let Some(parsed) = self.parsed(unit) else { continue };
            let Ok(mut found) = self.dwarf.unit_ranges(&parsed.unit) else { continue };
            while let Ok(Some(range)) = found.next() {
                self.add_range(&mut ranges, range.begin..range.end, i);
            }
        }
        sorted(ranges)
    }

    fn add_range(&self, ranges: &mut Vec<UnitRange>, range: Range<u64>, unit: usize) {
        if range.start < range.end && self.code.contains(&range.start) {
            ranges.push(UnitRange { range, unit, reach: 0 });
        }
    }
}

fn sorted(mut ranges: Vec<UnitRange>) -> Vec<UnitRange> {
    ranges.sort_unstable_by_key(|entry| (entry.range.start, core::cmp::Reverse(entry.unit)));
    let mut most = 0;
    for entry in &mut ranges {
        most = entry.range.end.max(most);
        entry.reach = most;
    }
    ranges
}
