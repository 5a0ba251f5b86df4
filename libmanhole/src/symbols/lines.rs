//! DWARF: functions, files and lines, and what was inlined where.
//!
//! Context: the agent's thread. Sections are read and decompressed once and live in the session's [`Store`].

use addr2line::Context;
use gimli::{EndianSlice, LittleEndian};

use super::elf::ElfFile;
use super::{Store, budget, names};

type Reader<'s> = EndianSlice<'s, LittleEndian>;

/// The DWARF of one module.
pub(super) struct Lines<'s> {
    context: Context<Reader<'s>>,
}

/// A function at an address, innermost first.
pub(super) struct Call {
    pub(super) function: Option<String>,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
}

const SECTIONS: [&str; 10] =
    ["abbrev", "addr", "aranges", "info", "line", "line_str", "ranges", "rnglists", "str", "str_offsets"];

impl<'s> Lines<'s> {
    /// Reads the debug sections of the file; `None` where it has none. `name` is the module's, for messages.
    pub(super) fn load(store: &'s Store, file: &ElfFile, name: &str) -> Option<Result<Self, String>> {
        file.debug_section("info")?;
        Some(Self::read(store, file, name))
    }

    fn read(store: &'s Store, file: &ElfFile, name: &str) -> Result<Self, String> {
        let mut needed: u64 = 0;
        for section in SECTIONS.iter().filter_map(|section| file.debug_section(section)) {
            needed = needed.saturating_add(file.content_size(section)?);
        }
        budget::check(name, needed)?;
        let mut bytes: [&'s [u8]; SECTIONS.len()] = [&[]; SECTIONS.len()];
        for (slot, section) in bytes.iter_mut().zip(SECTIONS) {
            if let Some(section) = file.debug_section(section) {
                *slot = store.keep(file.content(section)?);
            }
        }
        let reader = |bytes: &'s [u8]| EndianSlice::new(bytes, LittleEndian);
        let [abbrev, addr, aranges, info, line, line_str, ranges, rnglists, str, str_offsets] = bytes.map(reader);
        let context = Context::from_sections(
            abbrev.into(),
            addr.into(),
            gimli::DebugAranges::from(aranges),
            info.into(),
            line.into(),
            line_str.into(),
            ranges.into(),
            rnglists.into(),
            str.into(),
            str_offsets.into(),
            reader(&[]),
        );
        context.map(|context| Lines { context }).map_err(|e| format!("{name}: the debug information is corrupt: {e}"))
    }

    /// What stands at the address of the file; empty where nothing is known.
    pub(super) fn calls(&self, address: u64) -> Vec<Call> {
        let mut calls = Vec::new();
        if address == u64::MAX {
            return calls;
        }
        let Ok(mut frames) = self.context.find_frames(address).skip_all_loads() else { return calls };
        while let Ok(Some(frame)) = frames.next() {
            let function = frame.function.map(|function| names::shown(function.name.slice()));
            let location = frame.location.as_ref();
            calls.push(Call {
                function,
                file: location.and_then(|location| location.file).map(str::to_owned),
                line: location.and_then(|location| location.line),
            });
        }
        calls
    }
}
