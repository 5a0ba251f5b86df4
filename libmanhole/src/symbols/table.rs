//! Symbol tables: sorted by address, with the rule which name an address has.
//!
//! Context: the agent's thread. Addresses here are the file's (virtual) ones; the caller adds the module's bias.
//!
//! Several names for one address: functions before data, those with a size before those without, and among equals the
//! last one in alphabetical order. That is what gdb shows (found by comparing all of libc with gdb 13), so that stacks
//! can be compared. An address that no sized symbol covers belongs to a symbol without size before it, up to the next
//! symbol or the section's end, and else to none.

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use object::elf;

use super::dynamic::{self, Dynamic, ENTRY};
use super::elf::{ElfFile, string_at, u16_at, u32_at, u64_at};
use super::names;
use super::{budget, compressed, go_functions};
use crate::memory::{self, Memory};
use crate::modules::{Module, Modules};

/// No object has more symbol or string bytes than this.
const LIMIT: u64 = 512 << 20;
/// A table of symbols shrinks to a fifth or so; more than this is no table.
const MINI_RATIO: u64 = 64;

/// A symbol, at its address in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) address: u64,
    /// As the table says.
    pub(super) size: u64,
    /// Past its last address.
    end: u64,
    name: u32,
    pub(super) is_function: bool,
    /// Whether its code gives the address of the function (`STT_GNU_IFUNC`).
    pub(super) is_indirect: bool,
    /// Who can use it.
    pub(super) reach: Reach,
}

/// Who can use a symbol by its name; who is preferred comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reach {
    /// All units at least; of several versions it is the one that programs are linked with now.
    All,
    /// Programs that were linked with this version of it.
    OldVersion,
    /// Its own unit.
    Unit,
}

/// A thread-local variable: where it is in each thread's block of the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct ThreadLocal {
    pub(super) offset: u64,
    pub(super) size: u64,
    name: u32,
}

/// The symbols of one module in ascending order of address.
pub(super) struct Table<'s> {
    strings: &'s [u8],
    entries: Vec<Entry>,
    /// For each entry the greatest end of it and all before: how far back a search must go.
    ends: Vec<u64>,
    thread_locals: Vec<ThreadLocal>,
    /// Names that were looked for, and where they are among the entries: one line asks for the same name many times.
    sought: RefCell<BTreeMap<String, Rc<[u32]>>>,
}

/// Names that were looked for and are kept.
const NAMES: usize = 1024;

impl<'s> Table<'s> {
    pub(super) fn empty() -> Self {
        Self::build(Vec::new(), Vec::new(), &[])
    }

    /// The table of section type `SHT_SYMTAB` in the file; `None` where it has none.
    pub(super) fn of_file(file: &ElfFile, keep: impl FnOnce(Vec<u8>) -> &'s [u8]) -> Option<Result<Self, String>> {
        let section = file.sections.iter().find(|s| s.kind == elf::SHT_SYMTAB && s.has_bytes())?;
        let strings = file.sections.get(section.link as usize).filter(|s| s.kind == elf::SHT_STRTAB)?;
        if section.size.max(strings.size) > LIMIT {
            return Some(Err("the symbol table is too large".to_owned()));
        }
        let read = || -> Result<Self, String> {
            let symbols = file.content(section)?;
            let strings = keep(file.content(strings)?);
            Ok(Self::build(entries(&symbols, strings, &[], in_section(file)), thread_locals(&symbols, 0), strings))
        };
        Some(read())
    }

    /// The table in the file's MiniDebugInfo (`.gnu_debugdata`, gdb manual, "MiniDebugInfo"): the functions that are no dynamic
    /// symbols, so these are added. `None` where the file has none.
    pub(super) fn of_mini(
        file: &ElfFile,
        (modules, memory, module): (&Modules, &Memory, &Module),
        keep: impl FnOnce(Vec<u8>) -> &'s [u8],
    ) -> Option<Result<Self, String>> {
        let section = file.section(b".gnu_debugdata")?;
        if section.size > LIMIT {
            return Some(Err("the MiniDebugInfo is too large".to_owned()));
        }
        let read = || -> Result<Self, String> {
            // Fedora's is 30 KiB for bash; what it becomes is asked from the budget by what it could be.
            let limit = section.size.saturating_mul(MINI_RATIO).min(LIMIT);
            budget::check(module.name(), limit.saturating_add(compressed::WINDOW).min(budget::MOST))?;
            let mini = ElfFile::in_memory(compressed::xz(&file.raw(section)?, limit as usize)?, &file.path)?;
            let table = mini.sections.iter().find(|s| s.kind == elf::SHT_SYMTAB && s.has_bytes());
            let table = table.ok_or("the MiniDebugInfo has no symbols")?;
            let strings = mini.sections.get(table.link as usize).filter(|s| s.kind == elf::SHT_STRTAB);
            let symbols = mini.content(table)?;
            let mut strings = mini.content(strings.ok_or("the MiniDebugInfo has no names")?)?;
            let mut all = entries(&symbols, &strings, &[], in_section(&mini));
            let mut locals = Vec::new();
            if let Some((symbols, more, versions)) = dynamic(modules, memory, module) {
                let from = u32::try_from(strings.len()).map_err(|_| "the MiniDebugInfo is too large")?;
                let dynamic = entries(&symbols, &more, &versions, in_memory(modules, module));
                all.extend(
                    dynamic
                        .into_iter()
                        .filter_map(|entry| Some(Entry { name: entry.name.checked_add(from)?, ..entry })),
                );
                locals = thread_locals(&symbols, from);
                strings.extend_from_slice(&more);
            }
            Ok(Self::build(all, locals, keep(strings)))
        };
        Some(read())
    }

    /// The functions of a Go program that was stripped, by the table of its runtime ([`go_functions`]), with its dynamic symbols. `None`
    /// for other programs.
    pub(super) fn of_go(
        file: &ElfFile,
        (modules, memory, module): (&Modules, &Memory, &Module),
        keep: impl FnOnce(Vec<u8>) -> &'s [u8],
    ) -> Option<Result<Self, String>> {
        let in_memory_now = |address: u64| {
            let mut word = [0; 8];
            let read = memory::read_now(address.wrapping_add(module.bias), &mut word);
            (read == Ok(word.len())).then(|| u64::from_le_bytes(word).wrapping_sub(module.bias))
        };
        let (functions, mut strings) = match go_functions::read(file, &in_memory_now)? {
            Ok(found) => found,
            Err(problem) => return Some(Err(problem)),
        };
        let entry = |it: go_functions::Function| Entry {
            address: it.address,
            size: it.size,
            end: it.address.saturating_add(it.size),
            name: it.name,
            is_function: true,
            is_indirect: false,
            reach: Reach::All,
        };
        let mut all: Vec<Entry> = functions.into_iter().map(entry).collect();
        let mut locals = Vec::new();
        if let Some((symbols, more, versions)) = dynamic(modules, memory, module)
            && let Ok(from) = u32::try_from(strings.len())
        {
            let dynamic = entries(&symbols, &more, &versions, in_memory(modules, module)).into_iter();
            all.extend(dynamic.filter_map(|entry| Some(Entry { name: entry.name.checked_add(from)?, ..entry })));
            locals = thread_locals(&symbols, from);
            strings.extend_from_slice(&more);
        }
        Some(Ok(Self::build(all, locals, keep(strings))))
    }

    /// The dynamic symbols as they stand in memory: all that is left of a deleted file, and all that the vDSO has.
    pub(super) fn of_memory(
        modules: &Modules,
        memory: &Memory,
        module: &Module,
        keep: impl FnOnce(Vec<u8>) -> &'s [u8],
    ) -> Option<Self> {
        let (symbols, strings, versions) = dynamic(modules, memory, module)?;
        let strings = keep(strings);
        let entries = entries(&symbols, strings, &versions, in_memory(modules, module));
        Some(Self::build(entries, thread_locals(&symbols, 0), strings))
    }

    fn build(mut entries: Vec<Entry>, thread_locals: Vec<ThreadLocal>, strings: &'s [u8]) -> Self {
        let name = |entry: &Entry| string_at(strings, entry.name as usize).map(names::without_version);
        let rank = |entry: &Entry| (entry.address, entry.is_function, entry.size != 0, entry.is_indirect);
        entries.sort_unstable_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| name(a).cmp(&name(b))));
        // A symbol without size reaches to the next one.
        let mut next = u64::MAX;
        let mut above = u64::MAX;
        for entry in entries.iter_mut().rev() {
            if entry.address != above {
                next = above;
                above = entry.address;
            }
            if entry.size == 0 {
                entry.end = entry.end.min(next);
            }
        }
        let ends = entries.iter().scan(0, |most, entry| {
            *most = entry.end.max(*most);
            Some(*most)
        });
        let ends = ends.collect();
        Table { strings, entries, ends, thread_locals, sought: RefCell::default() }
    }

    /// The symbols of this name, as in the table or demangled: those that most can use first, then in ascending order of address.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Entry> {
        let numbers = self.sought.try_borrow().ok().and_then(|sought| sought.get(name).cloned());
        let numbers = numbers.unwrap_or_else(|| self.seek(name));
        (0..numbers.len()).filter_map(move |at| self.entries.get(*numbers.get(at)? as usize))
    }

    fn seek(&self, name: &str) -> Rc<[u32]> {
        let hint = names::hint(name);
        let matching =
            self.entries.iter().enumerate().filter(|(_, entry)| names::matches(self.name(entry), name, hint));
        let mut found: Vec<(Reach, u32)> =
            matching.filter_map(|(number, entry)| Some((entry.reach, u32::try_from(number).ok()?))).collect();
        found.sort_unstable();
        let found: Rc<[u32]> = found.into_iter().map(|(_, number)| number).collect();
        if let Ok(mut sought) = self.sought.try_borrow_mut() {
            if sought.len() >= NAMES {
                sought.clear();
            }
            sought.insert(name.to_owned(), Rc::clone(&found));
        }
        found
    }

    /// The name as the table has it.
    pub(super) fn name(&self, entry: &Entry) -> &'s [u8] {
        string_at(self.strings, entry.name as usize).unwrap_or_default()
    }

    /// The thread-local variables, with the names as the table has them.
    pub(super) fn thread_locals(&self) -> impl Iterator<Item = (&'s [u8], &ThreadLocal)> {
        self.thread_locals.iter().map(|it| (string_at(self.strings, it.name as usize).unwrap_or_default(), it))
    }

    /// All symbols in ascending order of address.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The symbol that covers the address; see the rule above.
    pub(super) fn covering(&self, address: u64) -> Option<&Entry> {
        let mut best: Option<&Entry> = None;
        let mut at = self.entries.partition_point(|entry| entry.address <= address);
        while let Some(index) = at.checked_sub(1) {
            at = index;
            let (entry, end) = (self.entries.get(index)?, *self.ends.get(index)?);
            if end <= address {
                break;
            }
            if address < entry.end {
                let sized = entry.size != 0;
                match best {
                    None if sized => return Some(entry),
                    None => best = Some(entry),
                    Some(_) if sized => return Some(entry),
                    Some(_) => {}
                }
            }
        }
        best
    }
}

/// The thread-local variables of a table whose names begin at `from` of the strings.
fn thread_locals(symbols: &[u8], from: u32) -> Vec<ThreadLocal> {
    let all = symbols.chunks_exact(ENTRY).filter_map(thread_local);
    all.filter_map(|it| Some(ThreadLocal { name: it.name.checked_add(from)?, ..it })).collect()
}

/// A symbol that stands for a thread-local variable of this module; `None` for all others.
fn thread_local(raw: &[u8]) -> Option<ThreadLocal> {
    let is_defined = u16_at(raw, 6)? != elf::SHN_UNDEF.0;
    let is_one = elf::SymbolType(*raw.get(4)? & 0xf) == elf::STT_TLS && is_defined;
    is_one.then_some(ThreadLocal { offset: u64_at(raw, 8)?, size: u64_at(raw, 16)?, name: u32_at(raw, 0)? })
}

/// The symbols, the strings and the versions of the dynamic table in memory: of what it claims, as much as is mapped of the module.
fn dynamic(modules: &Modules, memory: &Memory, module: &Module) -> Option<(Vec<u8>, Vec<u8>, Vec<u8>)> {
    let dynamic = Dynamic::read(memory, module)?;
    let count = dynamic.symbol_count(memory, module.end)?;
    let size = count.checked_mul(ENTRY as u64)?;
    let read =
        |address, size: u64| read_now(address, size.min(mapped_from(modules, module, address)).min(dynamic::LIMIT));
    let versions = dynamic.versions.and_then(|versions| read(versions, count.checked_mul(2)?));
    Some((read(dynamic.symbols, size)?, read(dynamic.strings, dynamic.strings_size)?, versions.unwrap_or_default()))
}

/// How many bytes of the module are mapped from the address on without a gap.
fn mapped_from(modules: &Modules, module: &Module, address: u64) -> u64 {
    let mut end = address;
    while let Some(mapping) = modules.mapping(end).filter(|mapping| mapping.readable && end < module.end) {
        end = mapping.end;
    }
    end.min(module.end).saturating_sub(address)
}

/// `place` tells of a symbol's section (by index and address) whether it holds code and where it ends. `versions` are those of a dynamic
/// table; in others a name has its own behind it.
fn entries(
    symbols: &[u8],
    strings: &[u8],
    versions: &[u8],
    place: impl Fn(u16, u64) -> Option<(bool, u64)>,
) -> Vec<Entry> {
    // The bit of a version that is not the default (`VERSYM_HIDDEN`, gABI of GNU's versions).
    const HIDDEN: u16 = 0x8000;
    let is_old = |number: usize| u16_at(versions, number.saturating_mul(2)).is_some_and(|it| it & HIDDEN != 0);
    let all = symbols.chunks_exact(ENTRY).enumerate();
    all.filter_map(|(number, raw)| entry(raw, strings, is_old(number), &place)).collect()
}

/// The place of a symbol by the sections of its file.
fn in_section(file: &ElfFile) -> impl Fn(u16, u64) -> Option<(bool, u64)> {
    |index, _| {
        let section = file.sections.get(usize::from(index))?;
        section.allocated().then(|| (section.executable(), section.address.saturating_add(section.size)))
    }
}

/// The place of a symbol by what is mapped.
fn in_memory(modules: &Modules, module: &Module) -> impl Fn(u16, u64) -> Option<(bool, u64)> {
    |_, address: u64| {
        let mapping = modules.mapping(address.wrapping_add(module.bias))?;
        Some((mapping.executable, mapping.end.wrapping_sub(module.bias)))
    }
}

/// A symbol that stands for a place in memory; `None` for all others.
fn entry(raw: &[u8], strings: &[u8], is_old: bool, place: impl Fn(u16, u64) -> Option<(bool, u64)>) -> Option<Entry> {
    let (name, info, section) = (u32_at(raw, 0)?, *raw.get(4)?, u16_at(raw, 6)?);
    let (address, size) = (u64_at(raw, 8)?, u64_at(raw, 16)?);
    let text = string_at(strings, name as usize).filter(|text| !text.is_empty())?;
    let kind = elf::SymbolType(info & 0xf);
    if section == elf::SHN_UNDEF.0 || section == elf::SHN_ABS.0 || section == elf::SHN_COMMON.0 {
        return None;
    }
    let (executable, section_end) = place(section, address)?;
    let is_function = match kind {
        elf::STT_FUNC | elf::STT_GNU_IFUNC => true,
        elf::STT_OBJECT => false,
        // The mapping symbols of some linkers are no names.
        elf::STT_NOTYPE if text.starts_with(b"$") => return None,
        elf::STT_NOTYPE => executable,
        _ => return None,
    };
    let end = if size == 0 { section_end } else { address.saturating_add(size) };
    let is_old =
        is_old || (names::without_version(text).len() < text.len() && !text.windows(2).any(|two| two == b"@@"));
    let reach = match elf::SymbolBind(info >> 4) {
        elf::STB_LOCAL => Reach::Unit,
        _ if is_old => Reach::OldVersion,
        _ => Reach::All,
    };
    Some(Entry { address, size, end, name, is_function, is_indirect: kind == elf::STT_GNU_IFUNC, reach })
}

/// As much as can be read of `size` bytes, past the cache of pages: tables are read once.
fn read_now(address: u64, size: u64) -> Option<Vec<u8>> {
    let mut bytes = super::regular_file::zeroed(size).ok()?;
    let n = memory::read_now(address, &mut bytes).ok()?;
    bytes.truncate(n);
    Some(bytes)
}
