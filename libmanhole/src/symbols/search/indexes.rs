//! Indexes by name that a compiler or linker has left: `.debug_names`, `.gdb_index`, `.debug_pubnames` and GNU's form of it.
//!
//! Context: the agent's thread. All are checked against the section's size; what is corrupt is as good as absent. Hash tables are
//! left alone: going through the names finds `b` of `a::b` as well, and needs no trust in the hashes.

use std::collections::BTreeSet;

use gimli::{Reader as _, UnitOffset};

use super::HITS;
use super::scan::scan;
use crate::symbols::dwarf::Dwarf;
use crate::symbols::elf::{u16_at, u32_at, u64_at};
use crate::symbols::reader::Reader;

/// Whether a name may end at this byte: parameters and arguments of templates follow.
fn ends(byte: Option<&u8>) -> bool {
    matches!(byte, Some(0 | b'(' | b'<'))
}

/// `len` bytes at `at`.
fn bytes(section: &Reader<'_>, at: usize, len: usize) -> Option<Vec<u8>> {
    const LIMIT: usize = 64 << 20;
    let mut buffer = super::super::regular_file::zeroed(len.min(LIMIT + 1) as u64).ok().filter(|_| len <= LIMIT)?;
    section.read_at(at, &mut buffer).ok()?;
    Some(buffer)
}

/// The units whose lists of public names or types (DWARF 4, 6.1.1) have the name.
pub(super) fn public(dwarf: &Dwarf<'_>, name: &[u8], stop: &dyn Fn() -> bool) -> Vec<usize> {
    let mut units = BTreeSet::new();
    for section in &dwarf.indexes.public {
        if section.is_empty() {
            continue;
        }
        // Where each unit's list begins.
        let mut lists: Vec<(usize, usize)> = Vec::new();
        let mut at = 0;
        while at < section.len() {
            let Some(header) = bytes(section, at, 14.min(section.len() - at)) else { break };
            let (Some(length), Some(version), Some(offset)) =
                (u32_at(&header, 0), u16_at(&header, 4), u32_at(&header, 6))
            else {
                break;
            };
            let Some(unit) = dwarf.main.starting(offset as usize).filter(|_| version == 2) else { break };
            lists.push((at, unit));
            let Some(next) = at.checked_add(4).and_then(|at| at.checked_add(length as usize)) else { break };
            at = next;
        }
        if at != section.len() {
            continue;
        }
        let finder = memchr::memmem::Finder::new(name);
        scan(section, name.len(), stop, |base, fresh, chunk| {
            for found in finder.find_iter(chunk).take_while(|at| *at < fresh) {
                if ends(chunk.get(found + name.len())) {
                    let after = lists.partition_point(|(at, _)| *at <= base + found);
                    units.extend(after.checked_sub(1).and_then(|at| lists.get(at)).map(|(_, unit)| *unit));
                }
            }
            true
        });
    }
    units.into_iter().collect()
}

/// The units that `.gdb_index` has for the name (gdb manual, "Index Section Format").
pub(super) fn gdb(dwarf: &Dwarf<'_>, name: &[u8], stop: &dyn Fn() -> bool) -> Vec<usize> {
    gdb_checked(dwarf, name, stop).unwrap_or_default()
}

fn gdb_checked(dwarf: &Dwarf<'_>, name: &[u8], stop: &dyn Fn() -> bool) -> Option<Vec<usize>> {
    let section = &dwarf.indexes.gdb;
    let header = bytes(section, 0, 28)?;
    let field = |at: usize| u32_at(&header, at * 4).map(|value| value as usize);
    let version = field(0)?;
    // In version 9 a table of shortcuts stands before the pool.
    let (units, types, slots) = (field(1)?, field(2)?, field(4)?);
    let (slots_end, pool) = match version {
        7 | 8 => (field(5)?, field(5)?),
        9 => (field(5)?, field(6)?),
        _ => return None,
    };
    let units = bytes(section, units, types.checked_sub(units)?)?;
    let units: Vec<Option<usize>> =
        units.chunks_exact(16).map(|entry| dwarf.main.starting(usize::try_from(u64_at(entry, 0)?).ok()?)).collect();
    // Where in the pool names begin that end in this one.
    let mut strings = *section;
    strings.skip(pool).ok()?;
    let mut names = BTreeSet::new();
    let finder = memchr::memmem::Finder::new(name);
    let mut before = Vec::new();
    scan(&strings, name.len(), stop, |base, fresh, chunk| {
        for found in finder.find_iter(chunk).take_while(|at| *at < fresh) {
            if !ends(chunk.get(found + name.len())) {
                continue;
            }
            let start = chunk.get(..found).and_then(|before| before.iter().rposition(|&byte| byte == 0));
            match start {
                Some(zero) => drop(names.insert((base + zero + 1) as u32)),
                None => before.push(base + found),
            }
        }
        names.len() < HITS
    });
    // Those at the start of a piece: the name begins in the piece before.
    for found in before {
        const LONGEST: usize = 4096;
        let first = found.saturating_sub(LONGEST);
        let text = bytes(&strings, first, found - first)?;
        let start = text.iter().rposition(|&byte| byte == 0).map_or(first, |zero| first + zero + 1);
        names.insert(u32::try_from(start).ok()?);
    }
    let mut table = *section;
    table.skip(slots).ok()?;
    table.truncate(slots_end.checked_sub(slots)?).ok()?;
    let mut vectors = BTreeSet::new();
    scan(&table, 0, stop, |_, _, chunk| {
        for slot in chunk.chunks_exact(8) {
            if let (Some(name), Some(vector)) = (u32_at(slot, 0), u32_at(slot, 4))
                && (name, vector) != (0, 0)
                && names.contains(&name)
            {
                vectors.insert(vector as usize);
            }
        }
        true
    });
    let mut found = BTreeSet::new();
    for vector in vectors {
        let Some(count) = bytes(&strings, vector, 4).and_then(|count| u32_at(&count, 0)) else { continue };
        let Some(entries) = bytes(&strings, vector + 4, (count as usize).min(HITS) * 4) else { continue };
        for entry in entries.chunks_exact(4).filter_map(|entry| u32_at(entry, 0)) {
            found.extend(units.get((entry & 0xff_ffff) as usize).copied().flatten());
        }
    }
    Some(found.into_iter().collect())
}

/// The units and entries that `.debug_names` (DWARF 5, 6.1.1) has for these strings.
pub(super) fn names(
    dwarf: &Dwarf<'_>,
    strings: &BTreeSet<u32>,
    stop: &dyn Fn() -> bool,
) -> Vec<(usize, Option<UnitOffset>)> {
    let mut found = Vec::new();
    let mut headers = dwarf.main.dwarf.debug_names.headers();
    while let Ok(Some(header)) = headers.next() {
        let Ok(index) = header.index() else { continue };
        for name in index.names() {
            if stop() {
                return found;
            }
            let Ok(string) = index.name_string_offset(name) else { break };
            if !u32::try_from(string.0).is_ok_and(|string| strings.contains(&string)) {
                continue;
            }
            let Ok(mut entries) = index.name_entries(name) else { continue };
            while let Ok(Some(entry)) = entries.next() {
                let unit = match entry.compile_unit(&index) {
                    Ok(Some(unit)) => Some(unit),
                    Ok(None) => index.default_compile_unit().ok().flatten(),
                    Err(_) => None,
                };
                let Some(unit) = unit.and_then(|unit| dwarf.main.starting(unit.0)) else { continue };
                let place = entry.die_offset().ok().flatten();
                let inside = |place: &UnitOffset| {
                    dwarf.main.get(unit).is_some_and(|unit| place.0 < unit.header.length_including_self())
                };
                found.push((unit, place.filter(inside)));
            }
        }
    }
    found
}
