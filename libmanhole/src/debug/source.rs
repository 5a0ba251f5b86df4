//! The units of one module's DWARF under one numbering, and how they are reached: by offset, by signature, by address, by name.
//!
//! Context: the agent's thread. What is split off a unit stands in its place. The one file here that knows how DWARF is opened.

use core::cell::{Cell, OnceCell, RefCell};
use core::ops::Range;
use std::collections::BTreeMap;
use std::rc::Rc;

use gimli::{DebugInfoOffset, UnitOffset, UnitRef, UnitType};

pub(super) use crate::symbols::Reader;
use crate::symbols::{Dwarf, Kinds, Likelihood, Part, SplitType};

/// Types that were split off and are looked at.
const SPLIT_TYPES: usize = 8192;

/// The DWARF of one module.
pub(super) struct Source<'s> {
    dwarf: Rc<Dwarf<'s>>,
    /// Where the numbers of each list of units begin and end: the file's own, those of `.debug_types`, the shared file's.
    parts: [(Part, Range<usize>); 3],
    /// Signatures of types, and their units.
    signatures: OnceCell<Vec<(u64, usize)>>,
    /// Units of types that were split off, numbered behind the others as they are needed.
    split_types: OnceCell<Vec<OnceCell<SplitUnit<'s>>>>,
    used: Cell<usize>,
    /// The numbers of those, by skeleton and signature.
    split_signatures: RefCell<BTreeMap<(usize, u64), Option<usize>>>,
    /// The addresses in the file between which code can be.
    pub(super) code: Range<u64>,
    /// The lowest address in the file that something stands at.
    lowest: u64,
}

struct SplitUnit<'s> {
    skeleton: usize,
    unit: SplitType<'s>,
}

/// A unit that may define a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Likely {
    pub(super) unit: usize,
    pub(super) likelihood: Likelihood,
    pub(super) kinds: Kinds,
}

impl<'s> Source<'s> {
    pub(super) fn new(dwarf: Rc<Dwarf<'s>>) -> Self {
        let len = |part| dwarf.part(part).map_or(0, |units| units.list().len());
        let main = len(Part::Main);
        let types = main.saturating_add(len(Part::Types));
        let shared = types.saturating_add(len(Part::Shared));
        let (code, lowest) = (dwarf.code.clone(), dwarf.lowest);
        Source {
            dwarf,
            parts: [(Part::Main, 0..main), (Part::Types, main..types), (Part::Shared, types..shared)],
            signatures: OnceCell::new(),
            split_types: OnceCell::new(),
            used: Cell::new(0),
            split_signatures: RefCell::default(),
            code,
            lowest,
        }
    }

    /// Whether linkers write this address of the file where they have discarded what stood there: 0, or the last two.
    pub(super) fn is_discarded(&self, address: u64) -> bool {
        address < self.lowest || address >= u64::MAX - 1
    }

    /// How many units there are, but for types that were split off; they are numbered from 0.
    pub(super) fn units(&self) -> usize {
        let [.., (_, shared)] = &self.parts;
        shared.end
    }

    /// The list that has the unit, and its number there.
    fn part(&self, number: usize) -> Option<(Part, usize)> {
        let (part, range) = self.parts.iter().find(|(_, range)| range.contains(&number))?;
        Some((*part, number.checked_sub(range.start)?))
    }

    fn number(&self, part: Part, number: usize) -> Option<usize> {
        let (_, range) = self.parts.iter().find(|(known, _)| *known == part)?;
        range.start.checked_add(number).filter(|number| range.contains(number))
    }

    /// A unit, parsed.
    pub(super) fn unit(&self, number: usize) -> Option<UnitRef<'_, Reader<'s>>> {
        let unit = match self.part(number) {
            Some((Part::Main, number)) => match self.dwarf.split(number) {
                Some(split) => split.unit_ref(),
                None => self.dwarf.main.unit_ref(number)?,
            },
            Some((part, number)) => self.dwarf.part(part)?.unit_ref(number)?,
            None => {
                let split = self.split_type(number)?;
                match &split.unit {
                    SplitType::Same(unit) => UnitRef::new(self.dwarf.split(split.skeleton)?.dwarf(), unit),
                    SplitType::Own(own) => own.unit_ref(),
                }
            }
        };
        // Only x86_64 is understood, and some sizes would overflow elsewhere.
        (unit.header.address_size() == 8).then_some(unit)
    }

    /// The unit whose table of files counts for the numbers of files in this one.
    pub(super) fn with_files(&self, number: usize) -> Option<UnitRef<'_, Reader<'s>>> {
        match self.part(number) {
            Some((part, number)) => self.dwarf.part(part)?.unit_ref(number),
            None => self.unit(number),
        }
    }

    fn split_type(&self, number: usize) -> Option<&SplitUnit<'s>> {
        self.split_types.get()?.get(number.checked_sub(self.units())?)?.get()
    }

    /// The unit that holds this offset in `.debug_info`, and the offset in it. `from` is where it was found written.
    pub(super) fn unit_at(&self, from: usize, offset: DebugInfoOffset) -> Option<(usize, UnitOffset)> {
        let part = match self.part(from) {
            Some((Part::Main, number)) if self.dwarf.split(number).is_some() => None,
            Some((Part::Shared, _)) => Some(Part::Shared),
            Some(_) => Some(Part::Main),
            None => None,
        };
        match part {
            Some(part) => self.unit_in(part, offset),
            // What was split off refers to itself only.
            None => Some((from, offset.to_unit_offset(&self.unit(from)?.header)?)),
        }
    }

    /// The same in the file that dwz has moved common entries to.
    pub(super) fn unit_at_sup(&self, offset: DebugInfoOffset) -> Option<(usize, UnitOffset)> {
        self.unit_in(Part::Shared, offset)
    }

    fn unit_in(&self, part: Part, offset: DebugInfoOffset) -> Option<(usize, UnitOffset)> {
        let units = self.dwarf.part(part)?;
        let number = units.containing(offset.0)?;
        Some((self.number(part, number)?, offset.to_unit_offset(&units.get(number)?.header)?))
    }

    /// The unit of this type's signature, and where the type is in it. `from` is where the signature was found written.
    pub(super) fn unit_of_signature(&self, from: usize, signature: u64) -> Option<(usize, UnitOffset)> {
        let signatures = self.signatures.get_or_init(|| self.read_signatures());
        let place = signatures.partition_point(|(known, _)| *known < signature);
        let number = match signatures.get(place).filter(|(known, _)| *known == signature) {
            Some((_, number)) => *number,
            None => self.split_signature(from, signature)?,
        };
        match self.unit(number)?.header.type_() {
            UnitType::Type { type_offset, .. } | UnitType::SplitType { type_offset, .. } => Some((number, type_offset)),
            _ => None,
        }
    }

    fn read_signatures(&self) -> Vec<(u64, usize)> {
        let mut signatures = Vec::new();
        for (part, range) in &self.parts {
            let units = self.dwarf.part(*part).map(|units| units.list()).unwrap_or_default();
            for (number, unit) in range.clone().zip(units) {
                if let UnitType::Type { type_signature, .. } = unit.header.type_() {
                    signatures.push((type_signature.0, number));
                }
            }
        }
        signatures.sort_unstable();
        signatures
    }

    fn split_signature(&self, from: usize, signature: u64) -> Option<usize> {
        let skeleton = match self.part(from) {
            Some((Part::Main, number)) => number,
            Some(_) => return None,
            None => self.split_type(from)?.skeleton,
        };
        let known = self.split_signatures.try_borrow().ok()?.get(&(skeleton, signature)).copied();
        if let Some(known) = known {
            return known;
        }
        let add = || {
            let unit = self.dwarf.split_type(skeleton, gimli::DebugTypeSignature(signature))?;
            let slots = self.split_types.get_or_init(|| (0..SPLIT_TYPES).map(|_| OnceCell::new()).collect());
            let used = self.used.get();
            slots.get(used)?.set(SplitUnit { skeleton, unit }).ok()?;
            self.used.set(used.saturating_add(1));
            self.units().checked_add(used)
        };
        let number = add();
        self.split_signatures.try_borrow_mut().ok()?.insert((skeleton, signature), number);
        number
    }

    /// The units that a compiler's or linker's index names for this plain name (without scopes and template arguments).
    pub(super) fn by_index(&self, name: &str, stop: &dyn Fn() -> bool) -> Vec<Likely> {
        self.likely(self.dwarf.units_by_index(name.as_bytes(), stop).candidates)
    }

    /// The units in which this plain name stands, the most likely first, and whether these are all.
    pub(super) fn with_name(&self, name: &str, stop: &dyn Fn() -> bool) -> (Vec<Likely>, bool) {
        let found = self.dwarf.units_with(name.as_bytes(), stop);
        (self.likely(found.candidates), found.complete)
    }

    /// The units that may have a variable at this address of the file.
    pub(super) fn with_variable_at(&self, address: u64, stop: &dyn Fn() -> bool) -> Vec<Likely> {
        self.likely(self.dwarf.units_with_address(address, stop).candidates)
    }

    fn likely(&self, candidates: Vec<crate::symbols::Candidate>) -> Vec<Likely> {
        let likely = candidates.into_iter().filter_map(|it| {
            let unit = self.number(it.part, it.unit)?;
            Some(Likely { unit, likelihood: it.likelihood, kinds: it.kinds })
        });
        likely.collect()
    }

    /// The units that may have code at this address of the file: those that indexes name, or all that say so themselves.
    pub(super) fn units_at(&self, address: u64, by_units: bool) -> Vec<usize> {
        self.dwarf.units_at(address, by_units)
    }
}
