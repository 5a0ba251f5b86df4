//! What a module exports, as its dynamic section in memory says it.
//!
//! Context: the agent's thread. The loader is not asked: its locks may be held for ever.

use object::elf;

use super::elf::{u16_at, u32_at, u64_at};
use crate::memory::Memory;
use crate::modules::Module;
use crate::sys::own_image;

/// One entry of a symbol table (System V ABI, "Symbol Table") in bytes.
pub(super) const ENTRY: usize = 24;
/// No table in memory has more bytes than this: what is exported is a part of all.
pub(super) const LIMIT: u64 = 64 << 20;
/// A chain of names that share a bucket is short; more than this is no table.
const CHAIN: u32 = 4096;

/// The addresses in memory that the dynamic section tells.
pub(super) struct Dynamic {
    pub(super) symbols: u64,
    pub(super) strings: u64,
    pub(super) strings_size: u64,
    /// Of each symbol, its version in two bytes.
    pub(super) versions: Option<u64>,
    hash: Option<u64>,
    gnu_hash: Option<u64>,
}

/// The address in memory of what a module exports under this name.
pub(crate) fn exported(memory: &Memory, module: &Module, name: &str) -> Option<u64> {
    let dynamic = Dynamic::read(memory, module)?;
    let number = match dynamic.gnu_hash {
        Some(table) => dynamic.find_by_gnu_hash(memory, table, name)?,
        None => dynamic.find_by_hash(memory, dynamic.hash?, name)?,
    };
    let entry = memory.bytes(dynamic.symbol(number)?, ENTRY).ok()?;
    let is_defined = u16_at(&entry, 6)? != elf::SHN_UNDEF.0;
    is_defined.then(|| Some(u64_at(&entry, 8)?.wrapping_add(module.bias)))?
}

/// Of what the modules export under this name, the address of what the loader finds first: the modules know their rank. Where its list cannot be read,
/// as in a program that unpacks itself, this library counts as the first.
pub(crate) fn first_exported(memory: &Memory, modules: &[Module], name: &str) -> Option<u64> {
    let exporting = modules.iter().filter_map(|module| Some((module.rank, exported(memory, module, name)?)));
    let place = |(rank, address): &(u32, u64)| (*rank, !own_image::contains(*address as usize));
    exporting.min_by_key(place).map(|(_, address)| address)
}

impl Dynamic {
    pub(super) fn read(memory: &Memory, module: &Module) -> Option<Dynamic> {
        const SIZE_LIMIT: u64 = 64 << 10;
        let (address, size) = module.dynamic?;
        let table = memory.bytes(address, size.min(SIZE_LIMIT) as usize).ok()?;
        let value = |tag: elf::DynamicTag| {
            let mut pairs = table.chunks_exact(16).map(|pair| (u64_at(pair, 0), u64_at(pair, 8)));
            pairs.find(|(found, _)| *found == Some(tag.0 as u64))?.1
        };
        // glibc's loader has replaced addresses of the file by those in memory; in the vDSO nobody has.
        let inside = module.start..module.end;
        let place = |tag| {
            let value = value(tag)?;
            let moved = value.wrapping_add(module.bias);
            [value, moved].into_iter().find(|address| inside.contains(address))
        };
        Some(Dynamic {
            symbols: place(elf::DT_SYMTAB)?,
            strings: place(elf::DT_STRTAB)?,
            strings_size: value(elf::DT_STRSZ)?,
            versions: place(elf::DT_VERSYM),
            hash: place(elf::DT_HASH),
            gnu_hash: place(elf::DT_GNU_HASH),
        })
    }

    /// How many dynamic symbols there are: only the hash tables know, which stand before `end`.
    pub(super) fn symbol_count(&self, memory: &Memory, end: u64) -> Option<u64> {
        if let Some(hash) = self.hash {
            // System V ABI, "Hash Table": nbucket, nchain.
            return memory.u32(hash.checked_add(4)?).ok().map(u64::from);
        }
        // GNU hash: nbuckets, symoffset, bloom words of 8 bytes, shift; the chain of the last bucket ends the table.
        let hash = self.gnu_hash?;
        let field = |at: u64| {
            let place = hash.checked_add(at).filter(|place| *place < end)?;
            memory.u32(place).ok().map(u64::from)
        };
        let (buckets, first, bloom) = (field(0)?, field(4)?, field(8)?);
        let table = bloom.checked_mul(8)?.checked_add(16)?;
        let chains = buckets.checked_mul(4)?.checked_add(table).filter(|&size| size <= LIMIT)?;
        let last = (0..buckets).try_fold(0, |last, i| Some(field(table + i * 4)?.max(last)))?;
        let mut count = last;
        if last < first {
            return Some(first);
        }
        while count < LIMIT / ENTRY as u64 {
            let chain = field(chains.checked_add((count - first).checked_mul(4)?)?)?;
            count += 1;
            if chain & 1 == 1 {
                return Some(count);
            }
        }
        None
    }

    fn symbol(&self, number: u32) -> Option<u64> {
        self.symbols.checked_add(u64::from(number) * ENTRY as u64)
    }

    /// Whether the symbol of this number has the name.
    fn is_named(&self, memory: &Memory, number: u32, name: &str) -> bool {
        let at = self.symbol(number).and_then(|symbol| memory.u32(symbol).ok());
        let text = at.and_then(|at| memory.bytes(self.strings.checked_add(at.into())?, name.len() + 1).ok());
        text.is_some_and(|text| text.strip_suffix(&[0]) == Some(name.as_bytes()))
    }

    /// By the hash table of GNU's linkers: nbuckets, symoffset, bloom words of 8 bytes, shift; the filter, the buckets, the chains.
    fn find_by_gnu_hash(&self, memory: &Memory, table: u64, name: &str) -> Option<u32> {
        let hash = name.bytes().fold(5381u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(byte.into()));
        let head = memory.bytes(table, 16).ok()?;
        let (buckets, offset) = (u32_at(&head, 0)?, u32_at(&head, 4)?);
        let words = u32_at(&head, 8)?;
        let bucket = hash.checked_rem(buckets)?;
        let first = table.checked_add(16)?.checked_add(u64::from(words) * 8)?;
        let chains = first.checked_add(u64::from(buckets) * 4)?;
        let mut number = memory.u32(first.checked_add(u64::from(bucket) * 4)?).ok()?;
        for _ in 0..CHAIN {
            let at = number.checked_sub(offset)?;
            let link = memory.u32(chains.checked_add(u64::from(at) * 4)?).ok()?;
            if link | 1 == hash | 1 && self.is_named(memory, number, name) {
                return Some(number);
            }
            if link & 1 != 0 {
                return None;
            }
            number = number.checked_add(1)?;
        }
        None
    }

    /// By the hash table of the System V ABI: nbucket, nchain, the buckets, the chains.
    fn find_by_hash(&self, memory: &Memory, table: u64, name: &str) -> Option<u32> {
        let hash = name.bytes().fold(0u32, |hash, byte| {
            let hash = (hash << 4).wrapping_add(byte.into());
            let high = hash & 0xf000_0000;
            (hash ^ high >> 24) & !high
        });
        let word = |at: u32| memory.u32(table.checked_add(u64::from(at) * 4)?).ok();
        let buckets = word(0)?;
        let mut number = word(hash.checked_rem(buckets)?.checked_add(2)?)?;
        for _ in 0..CHAIN {
            if number == 0 {
                return None;
            }
            if self.is_named(memory, number, name) {
                return Some(number);
            }
            number = word(number.checked_add(buckets)?.checked_add(2)?)?;
        }
        None
    }
}
