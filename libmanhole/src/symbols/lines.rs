//! DWARF: functions, files and lines, and what was inlined where.
//!
//! Context: the agent's thread. What is read lives as long as the session; units are
//! parsed one by one as addresses fall into them, so a library of 2,000 units costs what its few used ones cost.
//!
//! Built on gimli rather than on addr2line, which would parse every unit first, descends into inlined functions by
//! recursion (a corrupt file then overflows the stack), and believes functions that the linker has discarded.

use core::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use gimli::UnitRef;

use super::dwarf::Dwarf;
use super::names;
use super::reader::Reader;
use functions::Functions;
use rows::Rows;
use scopes::Scopes;

mod functions;
mod rows;
mod scopes;
mod walk;

/// The lines of one module.
pub(super) struct Lines<'s> {
    dwarf: Rc<Dwarf<'s>>,
    /// What was found out about each unit.
    known: Vec<OnceCell<Box<Known>>>,
    /// The namespaces and types of units.
    scopes: RefCell<BTreeMap<Place, Rc<Scopes>>>,
    /// Where units are put that are read once.
    room: Cell<Vec<u8>>,
}

/// What is known of a unit.
#[derive(Default)]
struct Known {
    functions: OnceCell<Functions>,
    rows: OnceCell<Rows>,
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

/// A unit in which names stand: of which file, and its number there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Main(usize),
    Shared(usize),
    /// What was split off the unit of this number.
    Split(usize),
}

impl<'s> Lines<'s> {
    /// What the debug information tells of lines.
    pub(super) fn new(dwarf: Rc<Dwarf<'s>>) -> Self {
        let known = core::iter::repeat_with(OnceCell::new).take(dwarf.main.list().len()).collect();
        Lines { dwarf, known, scopes: RefCell::default(), room: Cell::default() }
    }

    /// What stands at the address of the file, innermost first; empty where nothing is known.
    pub(super) fn calls(&self, address: u64) -> Vec<Call> {
        let by_index = self.calls_in(address, false);
        if by_index.is_empty() { self.calls_in(address, true) } else { by_index }
    }

    fn calls_in(&self, address: u64, by_units: bool) -> Vec<Call> {
        let mut line_only = Vec::new();
        for unit in self.dwarf.units_at(address, by_units) {
            let Some(calls) = self.calls_of(unit, address) else { continue };
            if calls.iter().any(|call| call.function.is_some()) {
                return calls;
            }
            if line_only.is_empty() {
                line_only = calls;
            }
        }
        line_only
    }

    fn calls_of(&self, number: usize, address: u64) -> Option<Vec<Call>> {
        // Lines and the numbers of files are always those of the unit itself; the functions may be split off.
        let unit = self.dwarf.main.unit_ref(number)?;
        let known = self.known.get(number)?.get_or_init(Box::default);
        let (place, body) = match self.dwarf.split(number) {
            Some(split) => (Place::Split(number), split.unit_ref()),
            None => (Place::Main(number), unit),
        };
        let rows = known.rows.get_or_init(|| Rows::parse(unit, &self.dwarf.code));
        let (mut file, mut line) = match rows.at(address) {
            Some((file, line)) => (rows::file_name(unit, file), line),
            None => (None, None),
        };
        let functions = known.functions.get_or_init(|| {
            let mut room = self.room.take();
            let functions = Functions::parse(body, &self.dwarf.code, &mut room);
            self.room.set(room);
            functions
        });
        let Some(function) = functions.at(address) else {
            let something = file.is_some() || line.is_some();
            return Some(if something { vec![Call { function: None, file, line, start: None }] } else { Vec::new() });
        };
        let mut calls = Vec::new();
        let name = |entry| self.name(place, body, entry);
        for inlined in functions::inlined_at(body, function.entry, address).into_iter().rev() {
            calls.push(Call { function: name(inlined.entry), file, line, start: None });
            file = inlined.call_file.and_then(|file| rows::file_name(unit, file));
            line = inlined.call_line;
        }
        calls.push(Call { function: name(function.entry), file, line, start: Some(function.range.start) });
        Some(calls)
    }

    /// The name of the function at this entry: its linkage name demangled, else its plain name in its scope.
    fn name<'a>(
        &'a self,
        mut place: Place,
        mut unit: UnitRef<'a, Reader<'s>>,
        mut entry: gimli::UnitOffset,
    ) -> Option<String> {
        const STEPS: usize = 16;
        let mut plain = None;
        for _ in 0..STEPS {
            let found = functions::Names::read(unit, entry);
            let linkage = found.linkage.as_ref().and_then(|linkage| gimli::Reader::to_slice(linkage).ok());
            if let Some(name) = linkage.and_then(|linkage| names::of_linkage(&linkage)) {
                return Some(name);
            }
            if let Some(name) = found.plain {
                // The last entry that has a name is the declaration, which stands in the scope.
                plain = Some((place, unit, entry, name));
            }
            let (shared, offset) = match found.origin {
                Some(gimli::AttributeValue::UnitRef(offset)) => {
                    entry = offset;
                    continue;
                }
                Some(gimli::AttributeValue::DebugInfoRef(offset)) => match place {
                    Place::Main(_) => (false, offset),
                    Place::Shared(_) => (true, offset),
                    Place::Split(_) => match offset.to_unit_offset(&unit.header) {
                        Some(offset) => {
                            entry = offset;
                            continue;
                        }
                        None => break,
                    },
                },
                Some(gimli::AttributeValue::DebugInfoRefSup(offset)) => (true, offset),
                _ => break,
            };
            let Some((units, number)) = self.dwarf.unit_at(shared, offset.0) else { break };
            let Some(other) = units.unit_ref(number) else { break };
            let Some(offset) = offset.to_unit_offset(&other.header) else { break };
            place = if shared { Place::Shared(number) } else { Place::Main(number) };
            (unit, entry) = (other, offset);
        }
        let (place, unit, entry, name) = plain?;
        Some(self.scopes(place, unit)?.prefix(unit, entry) + &name.text())
    }

    /// The namespaces and types of the unit, parsed once.
    fn scopes(&self, place: Place, unit: UnitRef<'_, Reader<'s>>) -> Option<Rc<Scopes>> {
        let mut known = self.scopes.try_borrow_mut().ok()?;
        Some(Rc::clone(known.entry(place).or_insert_with(|| Rc::new(Scopes::parse(unit)))))
    }
}
