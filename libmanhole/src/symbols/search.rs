//! Which units tell of a name or of an address of data, found without parsing all units.
//!
//! Context: the agent's thread. Indexes are asked where a linker or compiler has left one. Else the bytes are searched: for
//! the name among the strings, then for its place there among the units' bytes, which goes as fast as the file is read. What
//! is found that way is a hint: the unit must be parsed to know. A wrong hint costs time only.
//!
//! An index is believed in what it names, never in what it leaves out.

use core::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use gimli::{Reader as _, Section as _};

use super::dwarf::{Dwarf, Part, Units};
use super::reader::Reader;
use entries::{Entries, Kind};
use scan::{Needles, scan};

mod entries;
mod indexes;
mod scan;
mod splits;

/// Places in one unit that are looked at.
const LOOKS: usize = 2048;
/// More places than this are not looked at: then all units are as likely.
const HITS: usize = 1 << 20;

/// A unit that may tell of what was searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The list that has the unit.
    pub(crate) part: Part,
    /// The unit's number there.
    pub(crate) unit: usize,
    pub(crate) likelihood: Likelihood,
    /// What the name can be in the unit.
    pub(crate) kinds: Kinds,
    /// The entry, where its place is known.
    pub(crate) entry: Option<gimli::UnitOffset>,
}

/// What a name can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

impl Kinds {
    pub(crate) const VARIABLES: Kinds = Kinds(1);
    pub(crate) const FUNCTIONS: Kinds = Kinds(2);
    pub(crate) const TYPES: Kinds = Kinds(4);
    pub(crate) const ENUMERATORS: Kinds = Kinds(8);
    const NONE: Kinds = Kinds(0);
    const ALL: Kinds = Kinds(15);

    /// Whether something can be of both.
    pub(crate) fn overlap(self, other: Kinds) -> bool {
        self.0 & other.0 != 0
    }

    fn with(self, other: Kinds) -> Kinds {
        Kinds(self.0 | other.0)
    }
}

/// In descending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Likelihood {
    /// A type, an enumerator, a function, or a variable that other units see.
    Definition,
    /// Anything; a variable of the unit, or of a function.
    Unknown,
    /// Something declared only.
    Declaration,
    /// A member, a parameter, a local variable.
    Mention,
}

/// The most likely first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) candidates: Vec<Candidate>,
    /// Whether no other unit can have it.
    pub(crate) complete: bool,
}

/// What searching has found out that holds for the next search as well.
#[derive(Default)]
pub(super) struct Memo {
    /// Where in `.debug_str_offsets` the units' parts begin, in ascending order.
    bases: OnceCell<Vec<(usize, usize)>>,
    /// Places of expressions for fixed addresses: the address and the offset in `.debug_info`.
    addresses: OnceCell<Option<Vec<(u64, usize)>>>,
}

/// The best that is known of each unit.
type Best = BTreeMap<(Part, usize), Judged>;

/// What is known of a unit.
#[derive(Clone, Copy)]
struct Judged {
    likelihood: Likelihood,
    kinds: Kinds,
    entry: Option<gimli::UnitOffset>,
}

impl Judged {
    /// Anything may be there.
    const UNKNOWN: Judged = Judged { likelihood: Likelihood::Unknown, kinds: Kinds::ALL, entry: None };

    /// Takes over what is more likely, and of both what it can be.
    fn improve(&mut self, other: Judged) {
        let kinds = self.kinds.with(other.kinds);
        if other.likelihood < self.likelihood || self.entry.is_none() && other.likelihood == self.likelihood {
            *self = other;
        }
        self.kinds = kinds;
    }

    fn definition(kinds: Kinds, entry: Option<gimli::UnitOffset>) -> Judged {
        Judged { likelihood: Likelihood::Definition, kinds, entry }
    }
}

fn note(best: &mut Best, at: (Part, usize), judged: Judged) {
    let known = best.entry(at).or_insert(judged);
    known.improve(judged);
}

fn ranked(best: Best, complete: bool) -> Found {
    let candidate =
        |((part, unit), Judged { likelihood, kinds, entry })| Candidate { part, unit, likelihood, kinds, entry };
    let mut candidates: Vec<Candidate> = best.into_iter().map(candidate).collect();
    candidates.sort_by_key(|candidate| candidate.likelihood);
    Found { candidates, complete }
}

impl Dwarf<'_> {
    /// The units that an index names for this name, the last part of what people write (`b` of `a::b`). Empty where there is no
    /// index, or where it does not have the name: local names, for example, are in none.
    pub(crate) fn units_by_index(&self, name: &[u8], stop: &dyn Fn() -> bool) -> Found {
        let mut best = Best::new();
        if name.is_empty() || name.contains(&0) {
            return Found::default();
        }
        for unit in indexes::public(self, name, stop) {
            note(&mut best, (Part::Main, unit), Judged::definition(Kinds::ALL, None));
        }
        // gdb's own may name a unit that declares only.
        for unit in indexes::gdb(self, name, stop) {
            note(&mut best, (Part::Main, unit), Judged::UNKNOWN);
        }
        if !self.main.dwarf.debug_names.reader().is_empty() {
            let strings = string_offsets(self.main.dwarf.debug_str.reader(), name, stop).unwrap_or_default();
            for (unit, entry) in indexes::names(self, &strings, stop) {
                note(&mut best, (Part::Main, unit), Judged::definition(Kinds::ALL, entry));
            }
        }
        ranked(best, false)
    }

    /// The units in which this name stands, the last part of what people write. `stop` is asked now and then whether to give up.
    pub(crate) fn units_with(&self, name: &[u8], stop: &dyn Fn() -> bool) -> Found {
        if name.is_empty() || name.contains(&0) {
            return Found { candidates: Vec::new(), complete: true };
        }
        let mut best = Best::new();
        let shared_strings = match &self.shared {
            Some(shared) => string_offsets(shared.dwarf.debug_str.reader(), name, stop),
            None => Some(BTreeSet::new()),
        };
        let own_strings = string_offsets(self.main.dwarf.debug_str.reader(), name, stop);
        let (Some(shared_strings), Some(own_strings)) = (shared_strings, own_strings) else {
            return Found::default();
        };
        let mut complete = self.by_string_index(&own_strings, &mut best, stop);
        if let Some(shared) = &self.shared {
            complete &= in_units(shared, Part::Shared, name, &shared_strings, &mut best, stop);
        }
        let strings = &own_strings | &shared_strings;
        complete &= in_units(&self.main, Part::Main, name, &strings, &mut best, stop);
        complete &= in_units(&self.types, Part::Types, name, &strings, &mut best, stop);
        complete &= splits::search(self, name, stop, |number| note(&mut best, (Part::Main, number), Judged::UNKNOWN));
        ranked(best, complete)
    }

    /// The units that have a variable at this address of the file. The first search reads all of `.debug_info`, the next ones
    /// nothing.
    pub(crate) fn units_with_address(&self, address: u64, stop: &dyn Fn() -> bool) -> Found {
        let mut best = Best::new();
        let known = match self.memo.addresses.get() {
            Some(known) => known,
            // A search that was given up is made again.
            None => match addresses(&self.main, stop) {
                Some(found) => self.memo.addresses.get_or_init(|| found),
                None => return Found::default(),
            },
        };
        let Some(known) = known else { return Found::default() };
        let first = known.partition_point(|(at, _)| *at < address);
        for &(_, offset) in known.iter().skip(first).take_while(|(at, _)| *at == address) {
            if let Some(unit) = self.main.containing(offset) {
                note(&mut best, (Part::Main, unit), Judged::definition(Kinds::VARIABLES, None));
            }
        }
        // clang keeps addresses in a table, of which every unit has a part.
        let table = self.main.dwarf.debug_addr.reader();
        let needle = address.to_le_bytes();
        let mut hits = Vec::new();
        let complete = scan(table, 7, stop, |base, fresh, chunk| {
            let found = memchr::memmem::find_iter(chunk, &needle);
            hits.extend(found.take_while(|at| *at < fresh).map(|at| base + at));
            hits.len() < HITS
        });
        if !hits.is_empty() {
            let mut bases: Vec<(usize, usize)> = (0..self.main.list().len())
                .filter_map(|unit| Some((self.main.root(unit).ok()?.address_base.0, unit)))
                .filter(|(base, _)| *base != 0)
                .collect();
            bases.sort_unstable();
            for hit in hits {
                each_with_base(&bases, hit, |unit| note(&mut best, (Part::Main, unit), Judged::UNKNOWN));
            }
        }
        ranked(best, complete)
    }

    /// Names that are numbers of strings (`DW_FORM_strx`): the units whose part of the table has the string.
    fn by_string_index(&self, strings: &BTreeSet<u32>, best: &mut Best, stop: &dyn Fn() -> bool) -> bool {
        let table = self.main.dwarf.debug_str_offsets.reader();
        if table.is_empty() || strings.is_empty() {
            return true;
        }
        let bases = self.memo.bases.get_or_init(|| {
            let base = |unit| Some((self.main.root(unit).ok()?.string_offsets_base?.0, unit));
            let mut bases: Vec<(usize, usize)> = (0..self.main.list().len()).filter_map(base).collect();
            bases.sort_unstable();
            bases
        });
        let needles = Needles::new(strings);
        scan(table, 3, stop, |base, fresh, chunk| {
            needles.each(chunk, fresh, |at| {
                each_with_base(bases, base + at, |unit| note(best, (Part::Main, unit), Judged::UNKNOWN));
            });
            true
        })
    }
}

/// The units with the last base that is not after `at`.
fn each_with_base(bases: &[(usize, usize)], at: usize, mut act: impl FnMut(usize)) {
    let after = bases.partition_point(|(base, _)| *base <= at);
    let Some((last, _)) = after.checked_sub(1).and_then(|at| bases.get(at)).copied() else { return };
    for (_, unit) in bases.get(..after).unwrap_or_default().iter().rev().take_while(|(base, _)| *base == last) {
        act(*unit);
    }
}

/// Whether the name stands at this place of the bytes: it ends there, or arguments of a template follow. Where they follow it must
/// begin there as well: of `vector<pair<int>>` nobody refers to the middle.
fn is_name(bytes: &[u8], at: usize, len: usize) -> bool {
    match bytes.get(at.saturating_add(len)) {
        Some(0) => true,
        Some(b'<') => {
            let before = at.checked_sub(1).and_then(|before| bytes.get(before));
            before.is_none_or(|byte| !b"<>, :(*&".contains(byte))
        }
        _ => false,
    }
}

/// Where strings that end in the name begin it, or that go on with arguments of a template; `None` where the search was given up. A
/// linker lets strings share their ends, so the middle of a string is as good as its start.
fn string_offsets(section: &Reader<'_>, name: &[u8], stop: &dyn Fn() -> bool) -> Option<BTreeSet<u32>> {
    let finder = memchr::memmem::Finder::new(name);
    let mut offsets = BTreeSet::new();
    let complete = scan(section, name.len(), stop, |base, fresh, chunk| {
        let found = finder.find_iter(chunk).take_while(|at| *at < fresh).filter(|at| is_name(chunk, *at, name.len()));
        offsets.extend(found.filter_map(|at| u32::try_from(base + at).ok()));
        offsets.len() < HITS
    });
    complete.then_some(offsets)
}

/// Searches the units' bytes for references to the strings, and for the name itself.
fn in_units(
    units: &Units<'_>,
    part: Part,
    name: &[u8],
    strings: &BTreeSet<u32>,
    best: &mut Best,
    stop: &dyn Fn() -> bool,
) -> bool {
    let info = units.section();
    let finder = memchr::memmem::Finder::new(name);
    let needles = Needles::new(strings);
    // Offset, and whether it is the text itself.
    let mut hits: Vec<(usize, bool)> = Vec::new();
    let complete = scan(info, name.len().max(3), stop, |base, fresh, chunk| {
        needles.each(chunk, fresh, |at| hits.push((base + at, false)));
        let texts = finder.find_iter(chunk).take_while(|at| *at < fresh);
        hits.extend(texts.filter(|at| is_name(chunk, *at, name.len())).map(|at| (base + at, true)));
        hits.len() < HITS
    });
    hits.sort_unstable();
    let mut rest = hits.as_slice();
    while let Some(unit) = rest.first().map(|(offset, _)| units.containing(*offset)) {
        let end = unit.and_then(|unit| Some(units.get(unit)?.offset + units.get(unit)?.header.length_including_self()));
        let in_unit = end.map_or(1, |end| rest.partition_point(|(offset, _)| *offset < end)).max(1);
        let (these, others) = rest.split_at_checked(in_unit).unwrap_or((rest, &[]));
        rest = others;
        let Some(unit) = unit else { continue };
        if stop() {
            note(best, (part, unit), Judged::UNKNOWN);
            continue;
        }
        note(best, (part, unit), judge(units, unit, these, stop));
    }
    complete
}

/// What the places in one unit say.
fn judge(units: &Units<'_>, unit: usize, hits: &[(usize, bool)], stop: &dyn Fn() -> bool) -> Judged {
    /// What stands in more places is a number that is used for other things as well, mostly.
    const FEW: usize = 64;
    /// Declarations whose definitions are looked for.
    const DECLARED: usize = 4;
    let Some(entries) = Entries::new(units, unit) else { return Judged::UNKNOWN };
    let mut best = Judged { likelihood: Likelihood::Mention, kinds: Kinds::NONE, entry: None };
    let mut declared = Vec::new();
    for &(offset, is_text) in hits.iter().take(LOOKS) {
        let found = entries.named_at(offset, is_text);
        if found.is_empty() && hits.len() <= FEW {
            best.improve(Judged::UNKNOWN);
        }
        for (kind, kinds, entry) in found {
            let likelihood = match kind {
                Kind::Definition => Likelihood::Definition,
                Kind::Local => Likelihood::Unknown,
                Kind::Declaration => {
                    declared.push(entry);
                    Likelihood::Declaration
                }
                Kind::Other => Likelihood::Mention,
            };
            best.improve(Judged { likelihood, kinds, entry: Some(entry) });
        }
    }
    if hits.len() > LOOKS {
        best.kinds = Kinds::ALL;
    }
    if best.likelihood == Likelihood::Definition {
        return best;
    }
    // What is declared first is defined by an entry that has no name, but refers to the declaration.
    for declaration in declared.into_iter().take(DECLARED) {
        if let Some(definition) = entries.defining(declaration, stop) {
            return Judged::definition(best.kinds, Some(definition));
        }
    }
    if hits.len() > LOOKS && best.likelihood > Likelihood::Unknown {
        best = Judged::UNKNOWN;
    }
    best
}

/// The expressions `DW_OP_addr ADDRESS` in the units; `Some(None)` where there are too many, `None` where the search was given up.
fn addresses(units: &Units<'_>, stop: &dyn Fn() -> bool) -> Option<Option<Vec<(u64, usize)>>> {
    /// `DW_FORM_exprloc`: the length, then the expression (DWARF 5, 7.5.5 and 7.7.1). Before DWARF 4 the form is a block with
    /// a length of one byte, which looks the same.
    const START: [u8; 2] = [9, 3];
    let finder = memchr::memmem::Finder::new(&START);
    let mut found = Vec::new();
    let mut few = true;
    let complete = scan(units.dwarf.debug_info.reader(), 9, stop, |base, fresh, chunk| {
        for at in finder.find_iter(chunk).take_while(|at| *at < fresh) {
            let address = chunk.get(at + 2..at + 10).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
            // Chance gives larger numbers, mostly.
            if let Some(address) = address.filter(|&address| address != 0 && address < 1 << 47) {
                found.push((address, base + at));
            }
        }
        few = found.len() < HITS;
        few
    });
    if few && !complete {
        return None;
    }
    found.sort_unstable();
    found.shrink_to_fit();
    Some(few.then_some(found))
}
