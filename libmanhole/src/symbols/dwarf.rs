//! The debug information of one module, opened once for all who read it: lines, types, variables, searches by name.
//!
//! Context: the agent's thread. Small sections are read into memory; of large ones that are not compressed only the pages
//! that are looked at, so that hundreds of megabytes cost tens. Compressed ones must be taken whole, if the budget allows.
//!
//! What dwz has moved to a file of its own is gimli's `sup`, with a list of units here; what a compiler has split off
//! (`.dwo`, `.dwp`) is found unit by unit.

use core::cell::{Cell, OnceCell, RefCell};
use core::ops::Range;
use std::collections::BTreeSet;
use std::sync::Arc;

use gimli::{Section as _, SectionId, UnitHeader, UnitRef, UnitType};

use super::elf::ElfFile;
use super::reader::Reader;
use super::{Store, budget};
use split::Package;

mod alternative;
mod ranges;
mod roots;
mod split;

pub(crate) use roots::Root;
pub(crate) use split::{Split, SplitType};

/// A file whose sections are this large together, uncompressed, is read whole: that is the fastest for few megabytes.
const WHOLE: u64 = 32 << 20;
/// No more than this is read whole in a session.
const WHOLE_IN_ALL: u64 = 64 << 20;
/// Sections of large files that are read whole all the same, but no more of them than this in a session.
const SMALL: u64 = 1 << 20;
const SMALL_IN_ALL: u64 = 96 << 20;
/// Units of large files that are held in memory while they are read: faster, but for a session no more than this.
const HELD: usize = 24 << 20;

/// The debug information of one module.
pub(crate) struct Dwarf<'s> {
    /// The units of the file itself.
    pub(crate) main: Units<'s>,
    /// The units of types in `.debug_types`, where DWARF 4 has put them.
    pub(crate) types: Units<'s>,
    /// Those that several files share.
    pub(crate) shared: Option<Units<'s>>,
    /// The addresses of the file between which code can be; what was discarded stands elsewhere.
    pub(crate) code: Range<u64>,
    /// The lowest address of the file that something stands at.
    pub(crate) lowest: u64,
    /// What indexes by name there are.
    pub(super) indexes: Indexes<'s>,
    /// What searches have found out.
    pub(super) memo: super::search::Memo,
    /// Which units have code where.
    ranges: ranges::Ranges,
    /// The module's name, for messages.
    name: String,
    /// The files beside which a package may lie.
    binaries: Vec<Vec<u8>>,
    store: &'s Store,
    package: OnceCell<Option<Package<'s>>>,
    problems: RefCell<BTreeSet<String>>,
    /// How many problems of split units were told.
    told: Cell<usize>,
}

/// Sections that tell which unit has which names.
#[derive(Default)]
pub(super) struct Indexes<'s> {
    /// `.gdb_index`
    pub(super) gdb: Reader<'s>,
    /// `.debug_gnu_pubnames` or `.debug_pubnames`, and the same of types.
    pub(super) public: [Reader<'s>; 2],
}

/// A list of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// [`Dwarf::main`]
    Main,
    /// [`Dwarf::types`]
    Types,
    /// [`Dwarf::shared`]
    Shared,
}

/// The units of one section of a file, in ascending order of offset.
pub(crate) struct Units<'s> {
    pub(crate) dwarf: Arc<gimli::Dwarf<Reader<'s>>>,
    /// Whether they are those of `.debug_types`.
    of_types: bool,
    list: OnceCell<Vec<Unit<'s>>>,
    store: &'s Store,
}

/// A unit, parsed when first needed.
pub(crate) struct Unit<'s> {
    /// In its section.
    pub(crate) offset: usize,
    pub(crate) header: UnitHeader<Reader<'s>>,
    parsed: OnceCell<Option<Box<gimli::Unit<Reader<'s>>>>>,
    split: OnceCell<Option<Box<Split<'s>>>>,
}

/// How much of the files stands in memory.
#[derive(Default)]
pub(super) struct Use {
    whole: Cell<u64>,
    held: Cell<usize>,
}

#[cfg(any(test, fuzzing))]
impl Use {
    /// From now on nothing is read whole that can be read by pages.
    pub(super) fn pages_only(&self) {
        self.whole.set(u64::MAX);
        self.held.set(usize::MAX);
    }
}

impl<'s> Dwarf<'s> {
    /// Opens the debug information in the file; `None` where it has none. `name` is the module's, for messages, `binary` the
    /// path of the file that is mapped.
    pub(super) fn open(
        store: &'s Store,
        file: &ElfFile,
        binary: &[u8],
        name: &str,
    ) -> Option<Result<Dwarf<'s>, String>> {
        file.debug_section("info")?;
        let opened = Self::of_file(store, file, binary, name);
        // What is read later opens the file again.
        file.close();
        Some(opened)
    }

    fn of_file(store: &'s Store, file: &ElfFile, binary: &[u8], name: &str) -> Result<Dwarf<'s>, String> {
        let mut dwarf = gimli::Dwarf::load(sections(store, file, name, |id| Some(id.name()))?)?;
        let mut problems = BTreeSet::new();
        let mut shared = None;
        match alternative::find(file) {
            Some(Ok(alternative)) => match sections(store, &alternative, name, |id| Some(id.name())) {
                Ok(load) => {
                    let sup = counted(gimli::Dwarf::load(load)?);
                    dwarf.sup = Some(Arc::clone(&sup));
                    shared = Some(Units::new(store, sup, false));
                }
                Err(problem) => drop(problems.insert(problem)),
            },
            Some(Err(problem)) => {
                problems.insert(format!("{name}: names may be missing: {problem}"));
            }
            None => {}
        }
        // What cannot be read of an index is as good as no index.
        let later = |names: [&str; 2]| {
            let section = names.iter().find_map(|name| file.section(name.as_bytes()));
            let piece = section.and_then(|section| file.piece(section).ok().flatten());
            piece.map_or_else(Reader::default, |piece| store.paged(piece))
        };
        let indexes = Indexes {
            gdb: later([".gdb_index"; 2]),
            public: [
                later([".debug_gnu_pubnames", ".debug_pubnames"]),
                later([".debug_gnu_pubtypes", ".debug_pubtypes"]),
            ],
        };
        let mut binaries = vec![binary.to_owned()];
        if file.path != binary {
            binaries.push(file.path.clone());
        }
        let dwarf = counted(dwarf);
        Ok(Dwarf {
            main: Units::new(store, Arc::clone(&dwarf), false),
            types: Units::new(store, dwarf, true),
            shared,
            code: file.code(),
            lowest: file.lowest(),
            indexes,
            memo: super::search::Memo::default(),
            ranges: ranges::Ranges::default(),
            name: name.to_owned(),
            binaries,
            store,
            package: OnceCell::new(),
            problems: RefCell::new(problems),
            told: Cell::new(0),
        })
    }

    /// What these sections (`info`, `abbrev` and so on) say.
    #[cfg(test)]
    pub(crate) fn of_sections(store: &'s Store, section: impl Fn(&str) -> &'s [u8], code: Range<u64>) -> Self {
        let load = |id: SectionId| Ok(Reader::Memory(section(id.name().strip_prefix(".debug_").unwrap_or_default())));
        let dwarf = counted(gimli::Dwarf::load::<_, gimli::Error>(load).unwrap());
        Dwarf {
            main: Units::new(store, Arc::clone(&dwarf), false),
            types: Units::new(store, dwarf, true),
            shared: None,
            code,
            lowest: 1,
            indexes: Indexes::default(),
            memo: super::search::Memo::default(),
            ranges: ranges::Ranges::default(),
            name: "test".to_owned(),
            binaries: Vec::new(),
            store,
            package: OnceCell::new(),
            problems: RefCell::default(),
            told: Cell::new(0),
        }
    }

    /// What of the debug information could not be read, and why; each is told once.
    pub(crate) fn take_problems(&self) -> BTreeSet<String> {
        self.problems.try_borrow_mut().map(|mut problems| core::mem::take(&mut *problems)).unwrap_or_default()
    }

    /// Where a reference by offset in the main file's, or the shared file's, `.debug_info` leads.
    pub(crate) fn unit_at(&self, shared: bool, offset: usize) -> Option<(&Units<'s>, usize)> {
        let units = if shared { self.shared.as_ref()? } else { &self.main };
        Some((units, units.containing(offset)?))
    }

    /// What was split off the unit with this number of the main file; `None` where nothing was, or where it is not found.
    pub(crate) fn split(&self, number: usize) -> Option<&Split<'s>> {
        let entry = self.main.get(number)?;
        let find = || {
            let skeleton = self.main.parsed(number)?;
            let found = split::find(self.store, &self.main.dwarf, skeleton, &self.name, self.package(skeleton));
            found.unwrap_or_else(|problem| {
                self.tell(format!("{}: inlined functions may be missing: {problem}", self.name));
                None
            })
        };
        entry.split.get_or_init(find).as_deref()
    }

    /// The units of this list.
    pub(crate) fn part(&self, part: Part) -> Option<&Units<'s>> {
        match part {
            Part::Main => Some(&self.main),
            Part::Types => Some(&self.types),
            Part::Shared => self.shared.as_ref(),
        }
    }

    /// The unit of a type that was split off together with the unit of this number.
    pub(crate) fn split_type(&self, number: usize, signature: gimli::DebugTypeSignature) -> Option<SplitType<'s>> {
        let split = self.split(number)?;
        let package = self.package.get().and_then(Option::as_ref);
        split.type_unit(&self.main.dwarf, package, signature)
    }

    /// The package beside the file, where a unit is a skeleton.
    fn package(&self, unit: &gimli::Unit<Reader<'s>>) -> Option<&Package<'s>> {
        unit.dwo_id?;
        let open = || {
            let mut packages = self.binaries.iter().map(|path| split::package(self.store, path, &self.name));
            packages.find_map(|package| match package {
                Some(Ok(package)) => Some(package),
                Some(Err(problem)) => {
                    self.tell(format!("{}: {problem}", self.name));
                    None
                }
                None => None,
            })
        };
        self.package.get_or_init(open).as_ref()
    }

    /// A few messages are enough: thousands of units may miss their files.
    fn tell(&self, problem: String) {
        const MOST: usize = 3;
        if self.told.get() < MOST
            && let Ok(mut problems) = self.problems.try_borrow_mut()
        {
            self.told.set(self.told.get() + 1);
            problems.insert(problem);
        }
    }
}

impl<'s> Units<'s> {
    fn new(store: &'s Store, dwarf: Arc<gimli::Dwarf<Reader<'s>>>, of_types: bool) -> Self {
        Units { dwarf, of_types, list: OnceCell::new(), store }
    }

    /// The section that they stand in.
    pub(crate) fn section(&self) -> &Reader<'s> {
        if self.of_types { self.dwarf.debug_types.reader() } else { self.dwarf.debug_info.reader() }
    }

    /// All units.
    pub(crate) fn list(&self) -> &[Unit<'s>] {
        self.list.get_or_init(|| {
            let mut list = Vec::new();
            let mut add = |header: UnitHeader<Reader<'s>>| {
                let offset = match header.debug_types_offset() {
                    Some(gimli::DebugTypesOffset(offset)) => Some(offset),
                    None => header.debug_info_offset().map(|gimli::DebugInfoOffset(offset)| offset),
                };
                if let Some(offset) = offset {
                    list.push(Unit { offset, header, parsed: OnceCell::new(), split: OnceCell::new() });
                }
            };
            // What was read before an error stands.
            if self.of_types {
                let mut headers = self.dwarf.type_units();
                while let Ok(Some(header)) = headers.next() {
                    add(header);
                }
            } else {
                let mut headers = self.dwarf.units();
                while let Ok(Some(header)) = headers.next() {
                    add(header);
                }
            }
            list
        })
    }

    pub(crate) fn get(&self, number: usize) -> Option<&Unit<'s>> {
        self.list().get(number)
    }

    /// The number of the unit that starts at this offset of `.debug_info`.
    pub(crate) fn starting(&self, offset: usize) -> Option<usize> {
        self.list().binary_search_by_key(&offset, |unit| unit.offset).ok()
    }

    /// The number of the unit that this offset of `.debug_info` stands in.
    pub(crate) fn containing(&self, offset: usize) -> Option<usize> {
        let number = self.list().partition_point(|unit| unit.offset <= offset).checked_sub(1)?;
        let unit = self.get(number)?;
        (offset - unit.offset < unit.header.length_including_self()).then_some(number)
    }

    /// The unit with this number; `None` where it is corrupt.
    pub(crate) fn parsed(&self, number: usize) -> Option<&gimli::Unit<Reader<'s>>> {
        let unit = self.get(number)?;
        let parse = || self.dwarf.unit(self.held(unit)).ok().map(Box::new);
        unit.parsed.get_or_init(parse).as_deref()
    }

    /// The unit with its sections, as most of gimli wants it.
    pub(crate) fn unit_ref(&self, number: usize) -> Option<UnitRef<'_, Reader<'s>>> {
        Some(UnitRef::new(&self.dwarf, self.parsed(number)?))
    }

    /// What the unit's first entry tells, without parsing the unit.
    pub(crate) fn root(&self, number: usize) -> gimli::Result<Root<'s>> {
        let unit = self.get(number).ok_or(gimli::Error::MissingUnitDie)?;
        Root::read(&self.dwarf, &unit.header)
    }

    /// The header, with the unit's bytes in memory where there is room.
    fn held(&self, unit: &Unit<'s>) -> UnitHeader<Reader<'s>> {
        let header = &unit.header;
        let Ok(entries) = header.range_from(header.root_offset()..) else { return *header };
        let held = self.store.used.held.get().saturating_add(gimli::Reader::len(&entries));
        if entries.in_memory().is_some() || held > HELD {
            return *header;
        }
        let Ok(bytes) = entries.to_vec() else { return *header };
        self.store.used.held.set(held);
        with_entries(header, Reader::Memory(self.store.keep(bytes)))
    }
}

impl Unit<'_> {
    /// Whether code can stand in it; other units hold what several share.
    pub(crate) fn has_code(&self) -> bool {
        matches!(self.header.type_(), UnitType::Compilation | UnitType::Skeleton(_))
    }
}

/// The header, with its entries read from elsewhere.
pub(super) fn with_entries<'e>(header: &UnitHeader<Reader<'_>>, entries: Reader<'e>) -> UnitHeader<Reader<'e>> {
    UnitHeader::new(
        header.encoding(),
        header.unit_length(),
        header.type_(),
        header.debug_abbrev_offset(),
        header.section(),
        header.offset(),
        entries,
    )
}

/// gimli wants the shared file's sections counted this way, though they never leave the thread.
#[allow(clippy::arc_with_non_send_sync)]
fn counted(dwarf: gimli::Dwarf<Reader<'_>>) -> Arc<gimli::Dwarf<Reader<'_>>> {
    Arc::new(dwarf)
}

/// Sections that are read for every address, so that having them in memory pays.
const HOT: [SectionId; 10] = [
    SectionId::DebugAbbrev,
    SectionId::DebugAddr,
    SectionId::DebugAranges,
    SectionId::DebugInfo,
    SectionId::DebugLine,
    SectionId::DebugLineStr,
    SectionId::DebugRanges,
    SectionId::DebugRngLists,
    SectionId::DebugStr,
    SectionId::DebugStrOffsets,
];
/// Macros are of no use here.
const UNUSED: [SectionId; 2] = [SectionId::DebugMacinfo, SectionId::DebugMacro];

/// What gives gimli the sections of the file, after a look at how much memory they need. `named` tells how a section is
/// named there.
fn sections<'f, 's>(
    store: &'s Store,
    file: &'f ElfFile,
    name: &str,
    named: impl Fn(SectionId) -> Option<&'static str> + 'f,
) -> Result<impl FnMut(SectionId) -> Result<Reader<'s>, String> + 'f, String>
where
    's: 'f,
{
    let blame = {
        let name = name.to_owned();
        move |problem: String| format!("no lines of {name}: {}: {problem}", file.shown())
    };
    let section = move |id| file.debug_section(named(id)?.strip_prefix(".debug_")?);
    let (mut whole, mut unpacked): (u64, u64) = (0, 0);
    for section in HOT.into_iter().filter_map(&section) {
        let size = file.content_size(section).map_err(&blame)?;
        let sum = if file.is_compressed(section).map_err(&blame)? { &mut unpacked } else { &mut whole };
        *sum = sum.saturating_add(size);
    }
    let used = &store.used.whole;
    let in_memory = whole <= WHOLE && used.get().saturating_add(whole) <= WHOLE_IN_ALL;
    // The decoder's own memory, and pages and units of what is not read whole.
    let beside = if unpacked == 0 { 0 } else { 2 << 20 };
    let needed = unpacked.saturating_add(beside).saturating_add(if in_memory { whole } else { whole.min(WHOLE) });
    budget::check(name, needed)?;
    if in_memory {
        used.set(used.get().saturating_add(whole));
    }
    Ok(move |id: SectionId| {
        let Some(section) = section(id).filter(|_| !UNUSED.contains(&id)) else { return Ok(Reader::default()) };
        let read = || {
            let Some(piece) = file.piece(section)? else {
                return Ok(Reader::Memory(store.keep(file.content(section)?)));
            };
            let with_it = used.get().saturating_add(piece.size);
            let small = piece.size <= SMALL && with_it <= SMALL_IN_ALL;
            let now = HOT.contains(&id) && (in_memory || piece.is_compressed() || small);
            if now && !in_memory && !piece.is_compressed() {
                used.set(with_it);
            }
            Ok(if now { Reader::Memory(store.keep(piece.content()?)) } else { store.paged(piece) })
        };
        read().map_err(&blame)
    })
}
