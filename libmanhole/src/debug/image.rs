//! The DWARF of one module: its entries, how they refer to each other, their names.
//!
//! Context: the agent's thread. An error of a corrupt unit ends that walk; what was read before stands.

use core::cell::{OnceCell, RefCell};
use core::ops::ControlFlow;
use std::collections::BTreeMap;
use std::rc::Rc;

use gimli::{AttributeValue, DwAt, UnitOffset, UnitRef};
use manhole_expressions::types::Language;

use super::entry::{Entry, text};
use super::index::{Index, Scope, ScopeKind};
use super::remembered::Remembered;
use super::source::{Reader, Source};
use super::{Declared, Place};
use crate::modules::Module;

/// How many specifications and abstract origins are followed.
const CHAIN: usize = 8;
/// How many scopes a name has at most.
const SCOPES: usize = 64;

/// The DWARF of one module.
pub(super) struct Image<'s> {
    number: u32,
    /// What is added to an address of the file.
    pub(super) bias: u64,
    /// Where the module starts in memory.
    pub(super) start: u64,
    /// Where in the file the first content of the thread-local variables is, by its address there, and their size.
    pub(super) thread_local: Option<(u64, u64)>,
    pub(super) path: String,
    pub(super) source: Source<'s>,
    pub(super) remembered: Remembered,
    /// Of each unit that was asked for.
    languages: RefCell<BTreeMap<u32, Option<Language>>>,
    language: OnceCell<Language>,
}

impl<'s> Image<'s> {
    pub(super) fn new(number: u32, module: &Module, source: Source<'s>) -> Self {
        Image {
            number,
            bias: module.bias,
            start: module.start,
            thread_local: module.thread_local.map(|(start, size)| (start.wrapping_sub(module.bias), size)),
            path: module.path.clone(),
            source,
            remembered: Remembered::default(),
            languages: RefCell::default(),
            language: OnceCell::new(),
        }
    }

    pub(super) fn unit(&self, unit: u32) -> Option<UnitRef<'_, Reader<'s>>> {
        self.source.unit(usize::try_from(unit).ok()?)
    }

    /// An entry of one of the units.
    pub(super) fn place(&self, unit: u32, offset: usize) -> Place {
        Place { image: self.number, unit, offset }
    }

    /// Reads an entry.
    pub(super) fn entry(&self, place: Place) -> Option<Entry<'s>> {
        let unit = self.unit(place.unit)?;
        let mut entries = unit.entries_raw(Some(UnitOffset(place.offset))).ok()?;
        let abbreviation = entries.read_abbreviation().ok()??;
        let mut attributes = Vec::new();
        entries.read_attributes(abbreviation.attributes(), &mut attributes).ok()?;
        Some(Entry { place, tag: abbreviation.tag(), attributes })
    }

    /// Passes on the direct children of an entry until it is answered with a break.
    pub(super) fn children(&self, parent: Place, mut each: impl FnMut(Entry<'s>) -> ControlFlow<()>) {
        let mut walk = || -> gimli::Result<()> {
            let Some(unit) = self.unit(parent.unit) else { return Ok(()) };
            let mut entries = unit.entries_raw(Some(UnitOffset(parent.offset)))?;
            let Some(abbreviation) = entries.read_abbreviation()? else { return Ok(()) };
            if !abbreviation.has_children() {
                return Ok(());
            }
            entries.skip_attributes(abbreviation.attributes())?;
            let mut level = entries.next_depth();
            while !entries.is_empty() {
                let (depth, offset) = (entries.next_depth(), entries.next_offset());
                if depth < level {
                    break;
                }
                let Some(abbreviation) = entries.read_abbreviation()? else { continue };
                if depth > level {
                    entries.skip_attributes(abbreviation.attributes())?;
                    continue;
                }
                let mut attributes = Vec::new();
                entries.read_attributes(abbreviation.attributes(), &mut attributes)?;
                let entry = Entry { place: self.place(parent.unit, offset.0), tag: abbreviation.tag(), attributes };
                let sibling = match entry.get(gimli::DW_AT_sibling) {
                    Some(AttributeValue::UnitRef(sibling)) => Some(sibling),
                    _ => None,
                };
                if each(entry).is_break() {
                    break;
                }
                // Only forward, so that it ends.
                if let Some(sibling) =
                    sibling.filter(|sibling| abbreviation.has_children() && *sibling > entries.next_offset())
                {
                    entries = unit.entries_raw(Some(sibling))?;
                    level = entries.next_depth();
                }
            }
            Ok(())
        };
        let _ = walk();
    }

    /// The entry that an attribute of the entry at `from` refers to.
    pub(super) fn resolve(&self, from: Place, value: &AttributeValue<Reader<'s>>) -> Option<Place> {
        let (unit, offset) = match value {
            AttributeValue::UnitRef(offset) => return Some(self.place(from.unit, offset.0)),
            AttributeValue::DebugInfoRef(offset) => self.source.unit_at(usize::try_from(from.unit).ok()?, *offset)?,
            AttributeValue::DebugInfoRefSup(offset) => self.source.unit_at_sup(*offset)?,
            AttributeValue::DebugTypesRef(signature) => {
                self.source.unit_of_signature(usize::try_from(from.unit).ok()?, signature.0)?
            }
            _ => return None,
        };
        Some(self.place(u32::try_from(unit).ok()?, offset.0))
    }

    /// The entry that this attribute refers to.
    pub(super) fn referred(&self, entry: &Entry<'s>, name: DwAt) -> Option<Place> {
        self.resolve(entry.place, &entry.get(name)?)
    }

    /// The entry and those that it completes: what it is a concrete instance of, what it is the definition of.
    pub(super) fn chain(&self, place: Place) -> Vec<Entry<'s>> {
        let mut chain: Vec<Entry<'s>> = Vec::new();
        let mut next = Some(place);
        while let Some(place) = next.filter(|_| chain.len() < CHAIN) {
            let Some(entry) = self.entry(place) else { break };
            next = self.origin(&entry);
            chain.push(entry);
        }
        chain
    }

    /// What the entry completes.
    pub(super) fn origin(&self, entry: &Entry<'s>) -> Option<Place> {
        self.referred(entry, gimli::DW_AT_abstract_origin)
            .or_else(|| self.referred(entry, gimli::DW_AT_specification))
            .filter(|origin| *origin != entry.place)
    }

    /// A string attribute.
    pub(super) fn string(&self, entry: &Entry<'s>, name: DwAt) -> Option<String> {
        let value = entry.get(name)?;
        text(&self.unit(entry.place.unit)?.attr_string(value).ok()?)
    }

    /// The name of the entry or of what it completes.
    pub(super) fn name(&self, chain: &[Entry<'s>]) -> Option<String> {
        chain.iter().find_map(|entry| self.string(entry, gimli::DW_AT_name))
    }

    pub(super) fn linkage(&self, chain: &[Entry<'s>]) -> Option<String> {
        chain.iter().find_map(|entry| {
            self.string(entry, gimli::DW_AT_linkage_name).or_else(|| self.string(entry, gimli::DW_AT_MIPS_linkage_name))
        })
    }

    /// Where the entry is declared: its own words, else those of what it completes.
    pub(super) fn declared(&self, chain: &[Entry<'s>]) -> Declared {
        let line = chain.iter().find_map(|entry| entry.unsigned(gimli::DW_AT_decl_line));
        let file = chain.iter().find_map(|entry| {
            let file = entry.unsigned(gimli::DW_AT_decl_file)?;
            self.file(entry.place.unit, file)
        });
        Declared { file, line: line.and_then(|line| u32::try_from(line).ok()) }
    }

    /// The path of a file of the unit's line table.
    pub(super) fn file(&self, unit: u32, number: u64) -> Option<String> {
        let unit = self.source.with_files(usize::try_from(unit).ok()?)?;
        let header = unit.line_program.as_ref()?.header();
        let file = header.file(number)?;
        let part = |value: AttributeValue<Reader<'s>>| text(&unit.attr_string(value).ok()?);
        let name = part(file.path_name())?;
        if name.starts_with('/') {
            return Some(name);
        }
        let directory = file.directory(header).and_then(part).filter(|directory| !directory.is_empty());
        let path = match directory {
            Some(directory) => format!("{directory}/{name}"),
            None => name,
        };
        // A directory that packagers have made relative leads nowhere, and is in the path once more.
        let home = unit.comp_dir.as_ref().and_then(text).filter(|home| !path.starts_with('/') && home.starts_with('/'));
        Some(match home {
            Some(home) => format!("{home}/{path}"),
            None => path,
        })
    }

    /// The numbers of the files in the unit's line table whose last names are this.
    pub(super) fn files_named(&self, unit: u32, last: &str) -> Vec<u64> {
        let unit = usize::try_from(unit).ok().and_then(|unit| self.source.with_files(unit));
        let Some((unit, program)) = unit.and_then(|unit| Some((unit, unit.line_program.as_ref()?))) else {
            return Vec::new();
        };
        let header = program.header();
        // DWARF 5, 6.2.4: they are counted from 0, and before that from 1.
        let first = if header.version() >= 5 { 0 } else { 1 };
        let is_it = |file: &gimli::FileEntry<Reader<'s>>| {
            let path = unit.attr_string(file.path_name()).ok().and_then(|path| text(&path));
            path.is_some_and(|path| path.rsplit('/').next() == Some(last))
        };
        header.file_names().iter().zip(first..).filter(|(file, _)| is_it(file)).map(|(_, number)| number).collect()
    }

    /// The directory in which the unit was compiled.
    pub(super) fn directory(&self, unit: u32) -> Option<String> {
        text(self.unit(unit)?.comp_dir.as_ref()?)
    }

    /// The path of the unit's file, with the directory in which it was compiled.
    pub(super) fn source_path(&self, unit: u32) -> Option<String> {
        let name = self.unit_name(unit);
        if name.is_empty() || name.starts_with('/') {
            return Some(name).filter(|name| !name.is_empty());
        }
        let home = text(self.unit(unit)?.comp_dir.as_ref()?)?;
        Some(format!("{home}/{name}"))
    }

    /// The unit's name: its file as the compiler was given it.
    pub(super) fn unit_name(&self, unit: u32) -> String {
        self.unit(unit).and_then(|unit| text(unit.name.as_ref()?)).unwrap_or_default()
    }

    /// The language of the unit. One that has none (those of dwz) has the module's.
    pub(super) fn language(&self, unit: u32) -> Language {
        self.own_language(unit).unwrap_or_else(|| {
            *self.language.get_or_init(|| {
                let known = |unit: usize| self.own_language(u32::try_from(unit).ok()?);
                (0..self.source.units()).find_map(known).unwrap_or(Language::Other)
            })
        })
    }

    /// Whether the unit was written in the processor's own language.
    pub(super) fn is_assembly(&self, unit: u32) -> bool {
        self.stated_language(unit) == Some(gimli::DW_LANG_Mips_Assembler)
    }

    /// The compiler of a unit, in its own words.
    pub(super) fn producer(&self, unit: u32) -> Option<String> {
        let header = self.unit(unit)?;
        let root = self.entry(self.place(unit, header.header.root_offset().0))?;
        self.string(&root, gimli::DW_AT_producer)
    }

    /// The language that the unit names.
    pub(super) fn stated_language(&self, unit: u32) -> Option<gimli::DwLang> {
        let header = self.unit(unit)?;
        let root = self.entry(self.place(unit, header.header.root_offset().0))?;
        match root.get(gimli::DW_AT_language) {
            Some(AttributeValue::Language(language)) => Some(language),
            _ => None,
        }
    }

    fn own_language(&self, unit: u32) -> Option<Language> {
        let read = || self.stated_language(unit).map(of_dwarf);
        if let Some(known) = self.languages.try_borrow().ok()?.get(&unit) {
            return *known;
        }
        let language = read();
        self.languages.try_borrow_mut().ok()?.insert(unit, language);
        language
    }

    /// The names and scopes of a unit.
    pub(super) fn index(&self, unit: u32) -> Option<Rc<Index>> {
        self.unit(unit)?;
        Some(self.remembered.index(unit, || Index::build(self, unit)))
    }

    /// The innermost function with code at this address of the file, and its unit.
    pub(super) fn function_at(&self, address: u64) -> Option<(u32, Place)> {
        let find = |by_units| {
            self.source.units_at(address, by_units).into_iter().find_map(|unit| {
                let unit = u32::try_from(unit).ok()?;
                let offset = self.index(unit)?.function_at(address)?;
                Some((unit, self.place(unit, offset)))
            })
        };
        find(false).or_else(|| find(true))
    }

    /// The scopes around an entry, innermost first.
    pub(super) fn scopes(&self, place: Place) -> Vec<(Place, Scope)> {
        let Some(index) = self.index(place.unit) else { return Vec::new() };
        let around = index.around(place.offset).take(SCOPES);
        around.map(|scope| (self.place(place.unit, scope.offset), scope.clone())).collect()
    }

    /// The name of an entry with its scopes, as people write it. `name` is the entry's own.
    pub(super) fn qualified(&self, place: Place, name: &str) -> String {
        if matches!(self.language(place.unit), Language::C | Language::Other) {
            return name.to_owned();
        }
        let mut full = String::new();
        for part in self.scope_names(place).iter().rev() {
            if matches!(part.kind, ScopeKind::Function | ScopeKind::Enumeration | ScopeKind::AnonymousType) {
                continue;
            }
            full.push_str(&part.name);
            full.push_str("::");
        }
        full.push_str(name);
        full
    }

    /// The names of the scopes around an entry, innermost first. Those around the declaration of what it defines count.
    pub(super) fn scope_names(&self, place: Place) -> Vec<ScopeName> {
        let mut names = Vec::new();
        for (scope, found) in self.scopes(place) {
            let chain = self.chain(scope);
            let name = self.name(&chain);
            names.push(ScopeName::of(found.kind, name));
            // A function or a class that is defined outside of its scope.
            if let Some(last) = chain.last().filter(|last| last.place != scope) {
                if names.len() < SCOPES {
                    let outer = last.place;
                    names.extend(self.outer_names(outer, SCOPES - names.len()));
                }
                break;
            }
        }
        names
    }

    fn outer_names(&self, place: Place, most: usize) -> Vec<ScopeName> {
        let named = |(scope, found): (Place, Scope)| ScopeName::of(found.kind, self.name(&self.chain(scope)));
        self.scopes(place).into_iter().take(most).map(named).collect()
    }
}

/// A scope by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ScopeName {
    pub(super) name: String,
    pub(super) kind: ScopeKind,
    pub(super) is_anonymous: bool,
}

impl ScopeName {
    fn of(kind: ScopeKind, name: Option<String>) -> ScopeName {
        let is_anonymous = name.is_none();
        let (kind, fallback) = match kind {
            ScopeKind::Type if is_anonymous => (ScopeKind::AnonymousType, ""),
            ScopeKind::Namespace | ScopeKind::InlineNamespace => (kind, "(anonymous namespace)"),
            _ => (kind, ""),
        };
        ScopeName { name: name.unwrap_or_else(|| fallback.to_owned()), kind, is_anonymous }
    }
}

fn of_dwarf(language: gimli::DwLang) -> Language {
    match language {
        gimli::DW_LANG_C89
        | gimli::DW_LANG_C
        | gimli::DW_LANG_C99
        | gimli::DW_LANG_C11
        | gimli::DW_LANG_C17
        | gimli::DW_LANG_ObjC
        | gimli::DW_LANG_Mips_Assembler => Language::C,
        gimli::DW_LANG_C_plus_plus
        | gimli::DW_LANG_C_plus_plus_03
        | gimli::DW_LANG_C_plus_plus_11
        | gimli::DW_LANG_C_plus_plus_14
        | gimli::DW_LANG_C_plus_plus_17
        | gimli::DW_LANG_C_plus_plus_20
        | gimli::DW_LANG_ObjC_plus_plus => Language::Cpp,
        gimli::DW_LANG_Rust => Language::Rust,
        _ => Language::Other,
    }
}
