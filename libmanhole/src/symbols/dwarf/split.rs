//! Split DWARF: what a compiler has left beside the object files (`.dwo`), or a packager beside the program (`.dwp`).
//!
//! Context: the agent's thread. A file is believed when its id is the skeleton's.

use gimli::{DwarfPackage, Reader as _, SectionId, UnitRef};

use super::sections;
use crate::symbols::Store;
use crate::symbols::elf::ElfFile;
use crate::symbols::reader::Reader;

/// The unit that belongs to a skeleton, with the sections that it refers to.
pub(crate) struct Split<'s> {
    dwarf: gimli::Dwarf<Reader<'s>>,
    unit: gimli::Unit<Reader<'s>>,
}

impl<'s> Split<'s> {
    /// The unit as most of gimli wants it. Lines and the numbers of files are the skeleton's.
    pub(crate) fn unit_ref(&self) -> UnitRef<'_, Reader<'s>> {
        UnitRef::new(&self.dwarf, &self.unit)
    }
}

/// The unit of a type that was split off.
pub(crate) enum SplitType<'s> {
    /// Of the same file as the unit that uses it.
    Same(Box<gimli::Unit<Reader<'s>>>),
    /// Of a package.
    Own(Box<Split<'s>>),
}

impl<'s> Split<'s> {
    /// The sections that the unit refers to.
    pub(crate) fn dwarf(&self) -> &gimli::Dwarf<Reader<'s>> {
        &self.dwarf
    }

    pub(super) fn type_unit(
        &self,
        parent: &gimli::Dwarf<Reader<'s>>,
        package: Option<&Package<'s>>,
        signature: gimli::DebugTypeSignature,
    ) -> Option<SplitType<'s>> {
        if let Some(unit) = with_signature(&self.dwarf, signature) {
            return Some(SplitType::Same(Box::new(unit)));
        }
        let dwarf = package?.find_tu(signature, parent).ok()??;
        let unit = with_signature(&dwarf, signature)?;
        Some(SplitType::Own(Box::new(Split { dwarf, unit })))
    }
}

/// The unit of the type with this signature.
fn with_signature<'s>(
    dwarf: &gimli::Dwarf<Reader<'s>>,
    signature: gimli::DebugTypeSignature,
) -> Option<gimli::Unit<Reader<'s>>> {
    let (mut types, mut units) = (dwarf.type_units(), dwarf.units());
    let mut next = || types.next().ok().flatten().or_else(|| units.next().ok().flatten());
    loop {
        let header = next()?;
        match header.type_() {
            gimli::UnitType::Type { type_signature, .. } | gimli::UnitType::SplitType { type_signature, .. }
                if type_signature == signature =>
            {
                return dwarf.unit(header).ok();
            }
            _ => {}
        }
    }
}

/// All split units of a program.
pub(super) type Package<'s> = DwarfPackage<Reader<'s>>;

/// The package of the file at this path: `.dwp` is appended. `None` where there is none.
pub(super) fn package<'s>(store: &'s Store, path: &[u8], name: &str) -> Option<Result<Package<'s>, String>> {
    let file = ElfFile::open(&[path, b".dwp"].concat()).ok()?;
    let opened = (|| {
        let mut load = sections(store, &file, name, SectionId::dwo_name)?;
        // The indexes of the units have names of their own.
        let mut load = |id: SectionId| match id {
            SectionId::DebugCuIndex | SectionId::DebugTuIndex => match file.section(id.name().as_bytes()) {
                Some(section) => Ok(Reader::Memory(store.keep(file.content(section)?))),
                None => Ok(Reader::default()),
            },
            id => load(id),
        };
        Package::load(|id| load(id).map_err(Problem), Reader::default()).map_err(|Problem(problem)| problem)
    })();
    file.close();
    Some(opened.map_err(|problem| format!("{}: {problem}", file.shown())))
}

struct Problem(String);

impl From<gimli::Error> for Problem {
    fn from(error: gimli::Error) -> Problem {
        Problem(error.to_string())
    }
}

/// What belongs to the skeleton; `None` where the unit is whole.
pub(super) fn find<'s>(
    store: &'s Store,
    parent: &gimli::Dwarf<Reader<'s>>,
    skeleton: &gimli::Unit<Reader<'s>>,
    name: &str,
    package: Option<&Package<'s>>,
) -> Result<Option<Box<Split<'s>>>, String> {
    let Some(id) = skeleton.dwo_id else { return Ok(None) };
    let wrong = |error: gimli::Error| error.to_string();
    if let Some(dwarf) = package.map(|package| package.find_cu(id, parent)).transpose().map_err(wrong)?.flatten() {
        return attach(dwarf, skeleton, id).map(Some);
    }
    let unit = UnitRef::new(parent, skeleton);
    let Some(path) = skeleton.dwo_name().map_err(wrong)? else { return Ok(None) };
    let path = unit.attr_string(path).and_then(|path| path.to_slice().map(|path| path.into_owned())).map_err(wrong)?;
    let compiled_in = skeleton.comp_dir.and_then(|directory| directory.to_slice().ok().map(|path| path.into_owned()));
    let shown = String::from_utf8_lossy(&path).into_owned();
    let file = open(&path, compiled_in.as_deref()).map_err(|problem| format!("{shown}: {problem}"))?;
    let found = (|| {
        let mut dwarf = gimli::Dwarf::load(sections(store, &file, name, SectionId::dwo_name)?)?;
        dwarf.make_dwo(parent);
        attach(dwarf, skeleton, id)
    })();
    file.close();
    found.map(Some).map_err(|problem| format!("{}: {problem}", file.shown()))
}

/// The file where the compiler has left it.
fn open(path: &[u8], compiled_in: Option<&[u8]>) -> Result<ElfFile, String> {
    match compiled_in {
        Some(directory) if !path.starts_with(b"/") => ElfFile::open(&[directory, b"/", path].concat()),
        _ => ElfFile::open(path),
    }
}

/// The unit with this id among those of `dwarf`.
fn attach<'s>(
    dwarf: gimli::Dwarf<Reader<'s>>,
    skeleton: &gimli::Unit<Reader<'s>>,
    id: gimli::DwoId,
) -> Result<Box<Split<'s>>, String> {
    let mut headers = dwarf.units();
    while let Ok(Some(header)) = headers.next() {
        let Ok(mut unit) = dwarf.unit(header) else { continue };
        if unit.dwo_id == Some(id) {
            unit.copy_relocated_attributes(skeleton);
            return Ok(Box::new(Split { dwarf, unit }));
        }
    }
    Err("it is of another build".to_owned())
}
