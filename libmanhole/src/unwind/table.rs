//! Address -> call frame information: the binary search table of a module's `.eh_frame_hdr` and the entries behind it.
//!
//! Context: the agent's thread. Reads single entries from memory and copies no section; everything read is checked, as the module
//! may be going away while we look. Formats: Linux Standard Base, "Exception Frames".

use std::collections::BTreeMap;

use gimli::{BaseAddresses, EhFrame, EndianSlice, LittleEndian, Register, UnwindContext, UnwindSection};

use super::rule::{CfaRule, RegisterRule, Rule};
use crate::memory::Memory;
use crate::modules::Module;
use crate::snapshot::{REGISTERS, RIP, RSP};

/// What call frame information says about one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Described {
    pub(super) rule: Rule,
    /// The first address that the entry covers.
    pub(super) start: u64,
    /// Past the last address that the entry covers.
    pub(super) end: u64,
    /// Whether `start` is where a function is entered, not a part that was moved away (`.cold`): nothing but the return
    /// address is on the stack there.
    pub(super) starts_function: bool,
}

/// The tables of the modules that were asked about.
#[derive(Default)]
pub(super) struct Tables {
    tables: BTreeMap<u64, Table>,
    context: UnwindContext<usize>,
}

/// How to find an entry by address in one module.
enum Table {
    /// The linker's sorted table: its base and place, in pairs of two signed 32-bit offsets from the base.
    Sorted {
        base: u64,
        first: u64,
        count: u64,
    },
    /// Made by reading all entries: start, end, address of the entry; ascending.
    Scanned(Vec<(u64, u64, u64)>),
    None,
}

impl Tables {
    /// The rules at `address`, which lies in `module`.
    pub(super) fn find(&mut self, memory: &Memory, module: &Module, address: u64) -> Option<Described> {
        let context = &mut self.context;
        let table =
            self.tables.entry(module.start).or_insert_with(|| Table::read(memory, module).unwrap_or(Table::None));
        let entry = table.entry(memory, address)?;
        Entry::read(memory, entry)?.describe(context, address)
    }
}

impl Table {
    fn read(memory: &Memory, module: &Module) -> Option<Table> {
        /// Signed 4 bytes relative to the header (DW_EH_PE_datarel | DW_EH_PE_sdata4): the only form that can be searched.
        const SORTED: u8 = 0x3b;
        let (base, size) = module.eh_frame_hdr?;
        let mut head = [0; 4];
        memory.read(base, &mut head).ok()?;
        let [1, frame_form, count_form, table_form] = head else { return None };
        let mut at = base.checked_add(4)?;
        let frames = pointer(memory, frame_form, base, &mut at)?;
        let count = pointer(memory, count_form, base, &mut at);
        match count {
            Some(count) if table_form == SORTED && count > 0 => {
                let room = size.saturating_sub(at.checked_sub(base)?) / 8;
                Some(Table::Sorted { base, first: at, count: count.min(room) })
            }
            _ => Some(Table::Scanned(scan(memory, frames, module.end))),
        }
    }

    /// The address of the entry that could cover `address`.
    fn entry(&self, memory: &Memory, address: u64) -> Option<u64> {
        match self {
            Table::None => None,
            Table::Scanned(entries) => {
                let after = entries.partition_point(|(start, ..)| *start <= address);
                entries.get(after.checked_sub(1)?).filter(|(_, end, _)| address < *end).map(|(.., entry)| *entry)
            }
            Table::Sorted { base, first, count } => {
                let field = |index: u64, offset: u64| {
                    let at = first.checked_add(index.checked_mul(8)?)?.checked_add(offset)?;
                    let relative = memory.u32(at).ok()?.cast_signed();
                    base.checked_add_signed(i64::from(relative))
                };
                let (mut low, mut high) = (0, *count);
                while low < high {
                    let middle = low + (high - low) / 2;
                    if field(middle, 0)? <= address { low = middle + 1 } else { high = middle }
                }
                field(low.checked_sub(1)?, 4)
            }
        }
    }
}

/// A pointer in one of the encodings that linkers write (`DW_EH_PE_*`); `at` moves past it.
fn pointer(memory: &Memory, form: u8, data: u64, at: &mut u64) -> Option<u64> {
    let place = *at;
    let (value, size) = match form & 0x0f {
        0x00 | 0x04 | 0x0c => (memory.u64(place).ok()?, 8),
        0x03 => (u64::from(memory.u32(place).ok()?), 4),
        0x0b => (i64::from(memory.u32(place).ok()?.cast_signed()).cast_unsigned(), 4),
        _ => return None,
    };
    *at = place.checked_add(size)?;
    match form & 0xf0 {
        0x00 => Some(value),
        0x10 => Some(place.wrapping_add(value)),
        0x30 => Some(data.wrapping_add(value)),
        _ => None,
    }
}

/// All entries from `at` to the terminator, the first malformed one, or `end`.
fn scan(memory: &Memory, mut at: u64, end: u64) -> Vec<(u64, u64, u64)> {
    /// More than the largest programs have; a broken section must not hold us for long.
    const ENTRIES: usize = 200_000;
    let mut found = Vec::new();
    for _ in 0..ENTRIES {
        let (Ok(length), Ok(id)) = (memory.u32(at), memory.u32(at.wrapping_add(4))) else { break };
        if at >= end || matches!(length, 0 | u32::MAX) {
            break;
        }
        if let Some((start, past)) =
            if id == 0 { None } else { Entry::read(memory, at).and_then(|entry| entry.range()) }
        {
            found.push((start, past, at));
        }
        let Some(next) = at.checked_add(4 + u64::from(length)) else { break };
        at = next;
    }
    found.sort_unstable();
    found
}

/// One entry (FDE) with what it shares (CIE), copied next to each other: the CIE first.
struct Entry {
    bytes: Vec<u8>,
    /// Where in `bytes` the entry starts.
    offset: usize,
    /// Where in memory it starts.
    address: u64,
}

impl Entry {
    fn read(memory: &Memory, address: u64) -> Option<Entry> {
        /// What many entries share is copied for each: real ones have some 30 bytes.
        const COMMON: usize = 4096;
        let length = length(memory, address)?;
        let back = memory.u32(address.checked_add(4)?).ok().filter(|&back| back != 0)?;
        let common = address.checked_add(4)?.checked_sub(u64::from(back))?;
        let common_length = self::length(memory, common).filter(|length| *length <= COMMON)?;
        if memory.u32(common.checked_add(4)?).ok()? != 0 {
            return None;
        }
        let mut bytes = vec![0; common_length.checked_add(length)?];
        let (first, second) = bytes.split_at_mut_checked(common_length)?;
        memory.read(common, first).ok()?;
        memory.read(address, second).ok()?;
        // The distance to the CIE is counted from the field itself.
        let distance = u32::try_from(common_length).ok()?.checked_add(4)?;
        for (slot, byte) in second.get_mut(4..8)?.iter_mut().zip(distance.to_le_bytes()) {
            *slot = byte;
        }
        Some(Entry { bytes, offset: common_length, address })
    }

    /// Calls `then` with the parsed entry.
    fn parsed<T>(
        &self,
        then: impl FnOnce(&gimli::FrameDescriptionEntry<Slice<'_>>, &EhFrame<Slice<'_>>, &BaseAddresses) -> Option<T>,
    ) -> Option<T> {
        let section = EhFrame::new(&self.bytes, LittleEndian);
        // Such that a position in the entry, not in the CIE, is where it is in memory: initial locations are relative to it.
        let bases = BaseAddresses::default().set_eh_frame(self.address.wrapping_sub(self.offset as u64));
        let entry = section.fde_from_offset(&bases, self.offset.into(), EhFrame::cie_from_offset).ok()?;
        entry.initial_address().checked_add(entry.len())?;
        then(&entry, &section, &bases)
    }

    fn range(&self) -> Option<(u64, u64)> {
        self.parsed(|entry, _, _| Some((entry.initial_address(), entry.end_address())))
    }

    fn describe(&self, context: &mut UnwindContext<usize>, address: u64) -> Option<Described> {
        self.parsed(|entry, section, bases| {
            if !entry.contains(address) {
                return None;
            }
            let start = entry.initial_address();
            let at_start = entry.unwind_info_for_address(section, bases, context, start).ok()?;
            let starts_function =
                *at_start.cfa() == gimli::CfaRule::RegisterAndOffset { register: Register(RSP), offset: 8 };
            let row = entry.unwind_info_for_address(section, bases, context, address).ok()?;
            let code = |expression: gimli::UnwindExpression<usize>| {
                expression.get(section).ok().map(|code| code.0.slice().into())
            };
            let cfa = match row.cfa() {
                gimli::CfaRule::RegisterAndOffset { register, offset } => CfaRule::Register(register.0, *offset),
                gimli::CfaRule::Expression(expression) => CfaRule::Expression(code(*expression)?),
            };
            let mut registers = Vec::new();
            for (register, rule) in row.registers() {
                let number = if *register == entry.cie().return_address_register() { RIP } else { register.0 };
                let rule = match rule {
                    gimli::RegisterRule::Undefined => RegisterRule::Undefined,
                    gimli::RegisterRule::SameValue => RegisterRule::Same,
                    gimli::RegisterRule::Offset(offset) => RegisterRule::Offset(*offset),
                    gimli::RegisterRule::ValOffset(offset) => RegisterRule::ValOffset(*offset),
                    gimli::RegisterRule::Register(other) => RegisterRule::Register(other.0),
                    gimli::RegisterRule::Expression(expression) => RegisterRule::Expression(code(*expression)?),
                    gimli::RegisterRule::ValExpression(expression) => RegisterRule::ValExpression(code(*expression)?),
                    _ => return None,
                };
                // Vector registers are not followed.
                if usize::from(number) < REGISTERS {
                    registers.push((number, rule));
                }
            }
            let is_signal = entry.is_signal_trampoline();
            let rule = Rule { cfa, registers, is_signal };
            Some(Described { rule, start, end: entry.end_address(), starts_function })
        })
    }
}

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// The size in bytes of the entry at `address`, its length field included.
fn length(memory: &Memory, address: u64) -> Option<usize> {
    /// Far above real entries; what claims more is not one.
    const LIMIT: u32 = 1 << 20;
    let length = memory.u32(address).ok().filter(|length| (8..LIMIT).contains(length))?;
    usize::try_from(length).ok()?.checked_add(4)
}
