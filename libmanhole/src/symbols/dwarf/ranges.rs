//! Which units have code at an address.
//!
//! Context: the agent's thread.

use core::cell::OnceCell;
use core::ops::Range;

use super::Dwarf;

/// What is known of all units; found out when first needed.
#[derive(Default)]
pub(super) struct Ranges {
    /// What `.debug_aranges` tells, and for units that it leaves out what they say themselves.
    by_index: OnceCell<Vec<UnitRange>>,
    /// What all units say themselves: needed only for addresses that `.debug_aranges` does not know.
    by_units: OnceCell<Vec<UnitRange>>,
}

struct UnitRange {
    range: Range<u64>,
    unit: usize,
    /// The greatest end of this range and all before.
    reach: u64,
}

impl Dwarf<'_> {
    /// The units (of [`Dwarf::main`]) with code at the address of the file, by `.debug_aranges` where there is one, or by what the
    /// units say themselves; innermost first.
    pub(crate) fn units_at(&self, address: u64, by_units: bool) -> Vec<usize> {
        if !self.code.contains(&address) {
            return Vec::new();
        }
        let ranges = match by_units {
            false => self.ranges.by_index.get_or_init(|| self.read_index()),
            true => self.ranges.by_units.get_or_init(|| sorted(self.ranges_of_units(|_| true))),
        };
        let mut units = Vec::new();
        let mut at = ranges.partition_point(|entry| entry.range.start <= address);
        while let Some(entry) = at.checked_sub(1).and_then(|at| ranges.get(at)).filter(|entry| entry.reach > address) {
            at -= 1;
            if entry.range.contains(&address) {
                units.push(entry.unit);
            }
        }
        units
    }

    fn read_index(&self) -> Vec<UnitRange> {
        let units = &self.main;
        let mut ranges = Vec::new();
        let mut indexed = vec![false; units.list().len()];
        let mut headers = units.dwarf.debug_aranges.headers();
        while let Ok(Some(header)) = headers.next() {
            let Some(unit) = units.starting(header.debug_info_offset().0) else { continue };
            let mut entries = header.entries();
            while let Ok(Some(entry)) = entries.next_raw() {
                let end = entry.address().saturating_add(entry.length());
                self.add(&mut ranges, entry.address()..end, unit);
                if let Some(indexed) = indexed.get_mut(unit) {
                    *indexed = true;
                }
            }
        }
        ranges.extend(self.ranges_of_units(|unit| indexed.get(unit) == Some(&false)));
        sorted(ranges)
    }

    fn ranges_of_units(&self, wanted: impl Fn(usize) -> bool) -> Vec<UnitRange> {
        let units = &self.main;
        let mut ranges = Vec::new();
        for (i, unit) in units.list().iter().enumerate().filter(|&(i, unit)| unit.has_code() && wanted(i)) {
            let Ok(root) = units.root(i) else { continue };
            // What was read before an error stands.
            let _ = root.each_range(&units.dwarf, &unit.header, |range| self.add(&mut ranges, range, i));
        }
        ranges
    }

    fn add(&self, ranges: &mut Vec<UnitRange>, range: Range<u64>, unit: usize) {
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
