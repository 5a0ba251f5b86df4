//! Address <-> function, file and line, inlined frames, source text.
//!
//! Context: the agent's thread. Files are read by pread(2), never mapped: a file that is cut short is an error, not a SIGBUS.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::memory::Memory;
use crate::modules::{Module, Modules};
use crate::snapshot::Location;

mod remembered;
mod source;
mod encodings;
mod archive;
mod lines;
mod search;
mod dwarf;
mod reader;
mod table;
mod dynamic;
mod files;
mod names;
mod budget;
mod elf;
mod compressed;
mod crc32;
mod regular_file;
mod go_functions;
mod jit;
#[cfg(any(test, fuzzing))]
pub(crate) mod exercise;

pub(crate) use budget::headroom as free_memory;
pub(crate) use dwarf::{Dwarf, Part, SplitType};
pub(crate) use dynamic::{exported, first_exported};
pub(crate) use reader::Reader;
pub(crate) use search::{Candidate, Kinds, Likelihood};

#[cfg(test)]
mod tests;

/// The whole C++ or Rust name behind a linkage name, with its parameters; `None` where it is in no mangling that is understood.
pub(crate) fn in_full(linkage: &str) -> Option<String> {
    names::in_full(linkage.as_bytes())
}

/// Where the bytes of debug files live for as long as the session lasts.
#[derive(Default)]
pub(crate) struct Store {
    bytes: typed_arena::Arena<Vec<u8>>,
    paged: typed_arena::Arena<reader::PagedSection>,
    pages: Rc<reader::PageCache>,
    used: dwarf::Use,
}

impl Store {
    fn keep(&self, bytes: Vec<u8>) -> &[u8] {
        self.bytes.alloc(bytes)
    }

    /// What reads the section when it is needed.
    fn paged(&self, piece: elf::Piece) -> reader::Reader<'_> {
        let len = usize::try_from(piece.size).unwrap_or(usize::MAX);
        let section = self.paged.alloc(reader::PagedSection::new(&self.pages, piece));
        reader::Reader::Paged { section, start: 0, len }
    }
}

/// A symbol of a symbol table, at its address in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    /// The name as the table has it.
    pub(crate) name: String,
    pub(crate) address: u64,
    /// In bytes; 0 where the table does not say.
    pub(crate) size: u64,
    /// Whether it is a function (else data).
    pub(crate) is_function: bool,
    /// Whether its code gives the address of the function (`STT_GNU_IFUNC`).
    pub(crate) is_indirect: bool,
    /// Whether other modules, or other units at least, can use it.
    pub(crate) is_external: bool,
    /// The path of the module.
    pub(crate) object: String,
}

impl Symbol {
    /// The name as people read it: demangled, without its version.
    pub(crate) fn shown(&self) -> String {
        names::shown(self.name.as_bytes())
    }
}

/// What is known of the symbols of all modules; loads each module's when first needed.
pub(crate) struct Symbols<'s> {
    store: &'s Store,
    loaded: BTreeMap<Key, Loaded<'s>>,
    sources: source::Sources,
    python_sources: source::Sources,
    problems: BTreeSet<String>,
    /// The names of modules whose lines were wanted and that have no debug information.
    without_lines: BTreeSet<String>,
    /// Answers of earlier sessions, for modules that are not loaded yet.
    recalled: remembered::Answers,
    /// The names of code that is in no module.
    jit: jit::Jit,
}

/// A module at a place: what is loaded for it holds as long as this is mapped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    device: (u32, u32),
    inode: u64,
    build_id: Vec<u8>,
    bias: u64,
}

impl Key {
    pub(crate) fn of(module: &Module) -> Key {
        Key { device: module.device, inode: module.inode, build_id: module.build_id.clone(), bias: module.bias }
    }
}

/// Answers that are kept of one module while a session lasts: more than the frames of any dump.
const ANSWERS: usize = 10_000;

/// What is loaded of one module.
struct Loaded<'s> {
    table: table::Table<'s>,
    dwarf: DwarfState<'s>,
    lines: Option<Box<lines::Lines<'s>>>,
    /// Answers given, by address in memory.
    located: BTreeMap<u64, Vec<Location>>,
    /// Whether some of them are of an earlier session.
    recalled: bool,
}

/// The debug information of a module.
enum DwarfState<'s> {
    /// Not asked for yet; the files that may have it.
    Unread(Box<files::Files>),
    Read(Rc<dwarf::Dwarf<'s>>),
    None,
}

impl<'s> Symbols<'s> {
    pub(crate) fn new(store: &'s Store) -> Self {
        Symbols {
            store,
            loaded: BTreeMap::new(),
            sources: source::Sources::default(),
            python_sources: source::Sources::of_python(),
            problems: BTreeSet::new(),
            without_lines: BTreeSet::new(),
            recalled: remembered::Answers::new(),
            jit: jit::Jit::default(),
        }
    }

    /// Takes over what [`Symbols::remember`] of an earlier session has given.
    pub(crate) fn recall(&mut self, packed: &[u8]) {
        self.recalled = remembered::unpack(packed);
    }

    /// The answers of this session that needed debug information, packed for the next one.
    pub(crate) fn remember(&self) -> Vec<u8> {
        let costly = |loaded: &Loaded<'_>| loaded.recalled || loaded.lines.is_some();
        let loaded =
            self.loaded.iter().filter(|(_, loaded)| costly(loaded)).map(|(key, loaded)| (key, &loaded.located));
        remembered::pack(loaded.chain(&self.recalled))
    }

    /// What the address of code means, innermost inlined function first; never empty.
    /// For a caller's frame pass [`crate::snapshot::Frame::lookup_address`]; `offset` counts from the address passed.
    pub(crate) fn locate(&mut self, modules: &Modules, memory: &Memory, address: u64) -> Vec<Location> {
        let Some(module) = modules.module(address) else {
            let compiled = self.compiled(modules, address);
            return vec![compiled.map_or_else(Location::default, |function| Location {
                function: Some(function.name),
                offset: address.wrapping_sub(function.start),
                object: function.object,
                ..Location::default()
            })];
        };
        let loaded = load(&mut self.loaded, &mut self.problems, self.store, (modules, memory, module));
        if let Some(answers) = self.recalled.remove(&Key::of(module)) {
            loaded.recalled = true;
            loaded.located.extend(answers);
        }
        if let Some(known) = loaded.located.get(&address) {
            return known.clone();
        }
        if loaded.lines.is_none() {
            let dwarf = loaded.dwarf(self.store, module, &mut self.problems);
            if dwarf.is_none() && module.path != "[vdso]" {
                self.without_lines.insert(module.name().to_owned());
            }
            loaded.lines = dwarf.map(|dwarf| Box::new(lines::Lines::new(dwarf)));
        }
        let locations = loaded.describe(module, address);
        if let DwarfState::Read(dwarf) = &loaded.dwarf {
            self.problems.append(&mut dwarf.take_problems());
        }
        if loaded.located.len() >= ANSWERS {
            loaded.located.clear();
        }
        loaded.located.insert(address, locations.clone());
        locations
    }

    /// The debug information of the module, as much of it as is there; problems are among [`Symbols::problems`].
    pub(crate) fn dwarf(
        &mut self,
        modules: &Modules,
        memory: &Memory,
        module: &Module,
    ) -> Option<Rc<dwarf::Dwarf<'s>>> {
        let loaded = load(&mut self.loaded, &mut self.problems, self.store, (modules, memory, module));
        let dwarf = loaded.dwarf(self.store, module, &mut self.problems);
        if let Some(dwarf) = &dwarf {
            self.problems.append(&mut dwarf.take_problems());
        }
        dwarf
    }

    /// The symbol that covers the address (code or data).
    pub(crate) fn symbol_at(&mut self, modules: &Modules, memory: &Memory, address: u64) -> Option<Symbol> {
        let Some(module) = modules.module(address) else {
            return self.compiled(modules, address).map(|function| Symbol {
                name: function.name,
                address: function.start,
                size: function.size,
                is_function: true,
                is_indirect: false,
                is_external: false,
                object: function.object,
            });
        };
        let table = &load(&mut self.loaded, &mut self.problems, self.store, (modules, memory, module)).table;
        table.covering(address.wrapping_sub(module.bias)).map(|entry| symbol(module, table, entry))
    }

    /// The function at an address that is in no module, if code can run there.
    fn compiled(&mut self, modules: &Modules, address: u64) -> Option<jit::Function> {
        let problems = &mut self.problems;
        modules.executable(address).then(|| {
            self.jit.function(address, &mut |problem| {
                problems.insert(problem);
            })
        })?
    }

    /// Every symbol of this name (as in the table, or demangled): the one that the loader would give first, what nobody but its own
    /// module can use last.
    pub(crate) fn find(&mut self, modules: &Modules, memory: &Memory, name: &str) -> Vec<Symbol> {
        let in_order = modules.in_order();
        let found = in_order.into_iter().flat_map(|module| self.find_in((modules, memory, module), name));
        let mut found: Vec<Symbol> = found.collect();
        found.sort_by_key(|symbol| !symbol.is_external);
        found
    }

    /// Every symbol of this name in one module.
    pub(crate) fn find_in(&mut self, from: (&Modules, &Memory, &Module), name: &str) -> Vec<Symbol> {
        let table = &load(&mut self.loaded, &mut self.problems, self.store, from).table;
        table.named(name).map(|entry| symbol(from.2, table, entry)).collect()
    }

    /// Passes on every symbol of every module.
    pub(crate) fn each(&mut self, modules: &Modules, memory: &Memory, act: &mut dyn FnMut(&Module, Symbol)) {
        for module in &modules.modules {
            let table = &load(&mut self.loaded, &mut self.problems, self.store, (modules, memory, module)).table;
            table.entries().iter().for_each(|entry| act(module, symbol(module, table, entry)));
        }
    }

    /// The thread-local variable of this name: the module that has it, its offset in the thread's block, and its size.
    pub(crate) fn find_thread_local(
        &mut self,
        modules: &Modules,
        memory: &Memory,
        name: &str,
    ) -> Option<(u64, u64, u64)> {
        let hint = names::hint(name);
        modules.modules.iter().find_map(|module| {
            let table = &load(&mut self.loaded, &mut self.problems, self.store, (modules, memory, module)).table;
            let (_, found) = table.thread_locals().find(|(raw, _)| names::matches(raw, name, hint))?;
            Some((module.start, found.offset, found.size))
        })
    }

    /// Up to `limit` symbol names that start with `prefix`, sorted.
    pub(crate) fn complete(&mut self, modules: &Modules, memory: &Memory, prefix: &str, limit: usize) -> Vec<String> {
        let hint = names::hint(prefix);
        let mut names = BTreeSet::new();
        for module in &modules.modules {
            let table = &load(&mut self.loaded, &mut self.problems, self.store, (modules, memory, module)).table;
            for raw in table.entries().iter().map(|entry| table.name(entry)) {
                let mangled = names::is_mangled(raw) && !prefix.starts_with("_Z") && !prefix.starts_with("_R");
                let name = match mangled {
                    true if names::contains(raw, hint.as_bytes()) => names::shown(raw),
                    true => continue,
                    false if raw.starts_with(prefix.as_bytes()) => String::from_utf8_lossy(raw).into_owned(),
                    false => continue,
                };
                if name.starts_with(prefix) {
                    names.insert(name);
                    if names.len() > limit {
                        names.pop_last();
                    }
                }
            }
        }
        names.into_iter().collect()
    }

    /// The text of a source line without surrounding blanks, when the file can be read and is not newer than the object.
    pub(crate) fn source_line(&mut self, file: &str, line: u32) -> Option<String> {
        self.sources.line(file, line)
    }

    /// The text of a line of Python's without surrounding blanks, when the file can be read and its encoding is known.
    pub(crate) fn python_line(&mut self, file: &str, line: u32) -> Option<String> {
        self.python_sources.line(file, line)
    }

    /// The text of a source line as it stands in the file.
    pub(crate) fn whole_source_line(&mut self, file: &str, line: u32) -> Option<String> {
        self.sources.whole_line(file, line)
    }

    /// What could not be loaded and why, one line each (no debug file, too little memory for lines, file changed on disk).
    pub(crate) fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.problems.iter().cloned().collect();
        if !self.without_lines.is_empty() {
            let names: Vec<&str> = self.without_lines.iter().map(String::as_str).collect();
            problems.push(format!("no debug information, so no lines, for {}", names.join(", ")));
        }
        problems
    }
}

/// What is known of the module, its symbol table loaded.
fn load<'a, 's>(
    all: &'a mut BTreeMap<Key, Loaded<'s>>,
    problems: &mut BTreeSet<String>,
    store: &'s Store,
    (modules, memory, module): (&Modules, &Memory, &Module),
) -> &'a mut Loaded<'s> {
    all.entry(Key::of(module)).or_insert_with(|| {
        let mut files = files::find(modules, memory, module);
        problems.append(&mut files.problems.drain(..).collect());
        let mut table = None;
        for file in [&files.main, &files.debug].into_iter().flatten() {
            match table::Table::of_file(file, |bytes| store.keep(bytes)) {
                Some(Ok(found)) => {
                    table = Some(found);
                    break;
                }
                Some(Err(problem)) => drop(problems.insert(format!("{}: {problem}", file.shown()))),
                None => {}
            }
        }
        if table.is_none()
            && let Some(main) = &files.main
            && let Some(mini) = table::Table::of_mini(main, (modules, memory, module), |bytes| store.keep(bytes))
        {
            match mini {
                Ok(mini) => table = Some(mini),
                Err(problem) => drop(problems.insert(format!("{}: {problem}", main.shown()))),
            }
        }
        if table.is_none()
            && let Some(main) = &files.main
            && let Some(go) = table::Table::of_go(main, (modules, memory, module), |bytes| store.keep(bytes))
        {
            match go {
                Ok(go) => table = Some(go),
                Err(problem) => drop(problems.insert(format!("{}: {problem}", main.shown()))),
            }
        }
        let table = table.or_else(|| table::Table::of_memory(modules, memory, module, |bytes| store.keep(bytes)));
        // Hundreds of modules must not hold hundreds of descriptors.
        for file in [&files.main, &files.debug].into_iter().flatten() {
            file.close();
        }
        Loaded {
            table: table.unwrap_or_else(table::Table::empty),
            dwarf: DwarfState::Unread(Box::new(files)),
            lines: None,
            located: BTreeMap::new(),
            recalled: false,
        }
    })
}

/// The debug information of the first of the files that has any.
fn open_dwarf<'s>(
    store: &'s Store,
    files: &files::Files,
    module: &Module,
) -> Result<Option<Rc<dwarf::Dwarf<'s>>>, String> {
    let mut files = [&files.main, &files.debug].into_iter().flatten();
    let opened = files.find_map(|file| dwarf::Dwarf::open(store, file, module.path.as_bytes(), module.name()));
    opened.transpose().map(|dwarf| dwarf.map(Rc::new))
}

impl<'s> Loaded<'s> {
    /// The debug information, opened when first wanted.
    fn dwarf(
        &mut self,
        store: &'s Store,
        module: &Module,
        problems: &mut BTreeSet<String>,
    ) -> Option<Rc<dwarf::Dwarf<'s>>> {
        if let DwarfState::Unread(files) = &self.dwarf {
            self.dwarf = match open_dwarf(store, files, module) {
                Ok(Some(dwarf)) => DwarfState::Read(dwarf),
                Ok(None) => DwarfState::None,
                Err(problem) => {
                    problems.insert(problem);
                    DwarfState::None
                }
            };
        }
        match &self.dwarf {
            DwarfState::Read(dwarf) => Some(Rc::clone(dwarf)),
            _ => None,
        }
    }

    /// The locations of an address in memory.
    fn describe(&self, module: &Module, address: u64) -> Vec<Location> {
        let in_file = address.wrapping_sub(module.bias);
        let entry = self.table.covering(in_file).filter(|entry| entry.is_function);
        let calls = match &self.lines {
            Some(lines) => lines.calls(in_file),
            None => Vec::new(),
        };
        // The symbol's start goes first: a function's cold part has a symbol of its own, as gdb counts.
        let start = entry.map(|entry| entry.address).or_else(|| calls.last()?.start);
        let start = start.map_or(module.start, |start| start.wrapping_add(module.bias));
        let name = || entry.map(|entry| names::shown(self.table.name(entry)));
        let location = |function, file, line, inlined| Location {
            function,
            offset: address.wrapping_sub(start),
            object: module.path.clone(),
            file,
            line,
            inlined,
        };
        if calls.is_empty() {
            return vec![location(name(), None, None, false)];
        }
        let last = calls.len() - 1;
        let describe = |(i, call): (usize, lines::Call)| {
            let inlined = i < last;
            let function = if inlined { call.function } else { call.function.or_else(name) };
            location(function, call.file, call.line, inlined)
        };
        calls.into_iter().enumerate().map(describe).collect()
    }
}

fn symbol(module: &Module, table: &table::Table<'_>, entry: &table::Entry) -> Symbol {
    Symbol {
        name: String::from_utf8_lossy(table.name(entry)).into_owned(),
        address: entry.address.wrapping_add(module.bias),
        size: entry.size,
        is_function: entry.is_function,
        is_indirect: entry.is_indirect,
        is_external: entry.reach != table::Reach::Unit,
        object: module.path.clone(),
    }
}
