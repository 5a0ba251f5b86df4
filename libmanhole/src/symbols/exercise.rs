//! All that is asked of a file's symbols and lines, for files that are corrupt: every answer is allowed, a panic or an endless loop is not.
//!
//! Context: unit tests and the fuzzers, never the agent.

use std::rc::Rc;

use super::{Store, dwarf, elf, lines, names, table};
use crate::memory::Memory;
use crate::modules::{Module, Modules};

/// Addresses that a small file may have something at, and the edges.
fn addresses() -> impl Iterator<Item = u64> {
    (0..0x5000).step_by(61).chain([u64::MAX, u64::MAX - 1, 1 << 63])
}

/// All that is done with a file; the number of answers.
pub(crate) fn file(path: &[u8]) -> usize {
    let store = Store::default();
    let Ok(file) = elf::ElfFile::open(path) else { return 0 };
    let mut answers = file.crc32().map_or(0, |_| 1);
    if let Some(Ok(table)) = table::Table::of_file(&file, |bytes| store.keep(bytes)) {
        answers += answers_of(&table);
    }
    // Every other file by pages.
    if file.build_id.last().is_some_and(|byte| byte % 2 == 0) {
        store.used.pages_only();
    }
    if let Some(Ok(dwarf)) = dwarf::Dwarf::open(&store, &file, &file.path, "x") {
        for name in [&b"hidden"[..], b"x", b"variable"] {
            answers += dwarf.units_with(name, &|| false).candidates.len();
            answers += dwarf.units_by_index(name, &|| false).candidates.len();
        }
        answers += dwarf.units_with_address(0x4000, &|| false).candidates.len();
        let lines = lines::Lines::new(Rc::new(dwarf));
        answers += addresses().map(|address| lines.calls(address).len()).sum::<usize>();
    }
    answers
}

/// The debug information of a file, and where its code is.
#[cfg(fuzzing)]
pub(crate) fn dwarf<'s>(store: &'s Store, path: &[u8]) -> Option<(Rc<dwarf::Dwarf<'s>>, core::ops::Range<u64>)> {
    let file = elf::ElfFile::open(path).ok()?;
    let dwarf = dwarf::Dwarf::open(store, &file, &file.path, "x")?.ok()?;
    Some((Rc::new(dwarf), file.code()))
}

/// The symbols that a file has in its MiniDebugInfo and a module has in memory.
pub(crate) fn module(from: (&Modules, &Memory, &Module), file: Option<&[u8]>) -> usize {
    let store = Store::default();
    let mini = file.and_then(|path| {
        let file = elf::ElfFile::open(path).ok()?;
        table::Table::of_mini(&file, from, |bytes| store.keep(bytes))?.ok()
    });
    let size = from.2.end.wrapping_sub(from.2.start);
    let loaded = table::Table::of_memory(from.0, from.1, from.2, |bytes| {
        assert!(bytes.capacity() as u64 <= size, "{} bytes for a module of {size}", bytes.capacity());
        store.keep(bytes)
    });
    mini.iter().chain(&loaded).map(answers_of).sum()
}

fn answers_of(table: &table::Table<'_>) -> usize {
    let shown = |address| table.covering(address).map_or(0, |entry| names::shown(table.name(entry)).len());
    let matching = |entry| {
        usize::from(names::matches(table.name(entry), "a::b", "a") || names::in_full(table.name(entry)).is_some())
    };
    addresses().map(shown).sum::<usize>() + table.entries().iter().take(1000).map(matching).sum::<usize>()
}

/// A name in any mangling, as it is shown.
pub(crate) fn name(raw: &[u8]) {
    let _ = (names::shown(raw), names::of_linkage(raw), names::in_full(raw));
    let text = String::from_utf8_lossy(raw);
    let _ = names::matches(raw, &text, names::hint(&text));
}
