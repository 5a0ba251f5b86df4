//! The process's own memory, read through checked copies and cached by page for the length of one look.
//!
//! Context: the agent's thread. The cache is for what does not change while we look: ELF headers, symbol tables, call
//! frame information, code. What changes (stacks, data) is read with [`read_now`]. A bad address is an error, never a
//! fault, so a library that is unloaded under our eyes costs an answer and nothing else.

use core::cell::RefCell;
use std::collections::BTreeMap;

use crate::sys::own_memory;

const PAGE: usize = 4096;

/// The address that could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable(pub(crate) u64);

/// A read-through cache of pages.
#[derive(Default)]
pub(crate) struct Memory {
    pages: RefCell<BTreeMap<u64, Option<Box<[u8; PAGE]>>>>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Fills `buffer` from `address`.
    pub(crate) fn read(&self, address: u64, buffer: &mut [u8]) -> Result<(), Unreadable> {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let at = address.checked_add(done as u64).ok_or(Unreadable(address))?;
            let (page, offset) = (at & !(PAGE as u64 - 1), (at % PAGE as u64) as usize);
            let mut pages = self.pages.borrow_mut();
            let bytes = pages.entry(page).or_insert_with(|| copy_page(page)).as_ref().ok_or(Unreadable(at))?;
            let source = bytes.get(offset..).unwrap_or_default();
            let count = source.len().min(rest.len());
            for (slot, byte) in rest.iter_mut().zip(source) {
                *slot = *byte;
            }
            done += count;
        }
        Ok(())
    }

    /// The bytes of `address..address + len`.
    pub(crate) fn bytes(&self, address: u64, len: usize) -> Result<Vec<u8>, Unreadable> {
        let mut bytes = vec![0; len];
        self.read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// The little-endian word of 8 bytes at `address`.
    pub(crate) fn u64(&self, address: u64) -> Result<u64, Unreadable> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// The little-endian word of 4 bytes at `address`.
    pub(crate) fn u32(&self, address: u64) -> Result<u32, Unreadable> {
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// The string at `address` up to its NUL, at most `limit` bytes.
    pub(crate) fn c_string(&self, address: u64, limit: usize) -> Result<Vec<u8>, Unreadable> {
        let mut text = Vec::new();
        for i in 0..limit as u64 {
            let mut byte = [0];
            self.read(address.wrapping_add(i), &mut byte)?;
            match byte {
                [0] => break,
                [byte] => text.push(byte),
            }
        }
        Ok(text)
    }
}

fn copy_page(page: u64) -> Option<Box<[u8; PAGE]>> {
    let mut bytes = Box::new([0; PAGE]);
    own_memory::read(page, bytes.as_mut_slice()).ok().filter(|&n| n == PAGE)?;
    Some(bytes)
}

/// Fills as much of `buffer` as can be read from `address` now, past the cache; returns how much that was.
pub(crate) fn read_now(address: u64, buffer: &mut [u8]) -> Result<usize, Unreadable> {
    own_memory::read(address, buffer).map_err(|_| Unreadable(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_across_pages_and_refuses_bad_addresses() {
        let data: Vec<u8> = (0..20000u32).map(|i| i as u8).collect();
        let memory = Memory::new();
        assert_eq!(memory.bytes(data.as_ptr() as u64 + 100, 15000).unwrap(), data[100..15100]);
        assert_eq!(memory.u64(8), Err(Unreadable(8)));
        assert!(memory.u64(u64::MAX - 3).is_err());
    }
}
