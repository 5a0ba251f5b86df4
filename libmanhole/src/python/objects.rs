//! CPython's objects in memory: words and strings.
//!
//! Context: the agent's thread. Read now, past every cache: what is read belongs to a program that runs.

use super::layout::Unicode;
use crate::memory::read_now;

/// So much is read of a name or a path, in characters; what is cut off has a mark in its place.
const TEXT: u64 = 4096;
const CUT: char = '…';

/// No text is longer: what says so is none.
const LONGEST: u64 = 1 << 30;

pub(super) fn bytes(address: u64, len: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; len];
    (read_now(address, &mut bytes) == Ok(len)).then_some(bytes)
}

pub(super) fn word(address: u64) -> Option<u64> {
    let mut word = [0; 8];
    (read_now(address, &mut word) == Ok(8)).then(|| u64::from_le_bytes(word))
}

pub(super) fn int(address: u64) -> Option<i32> {
    let mut int = [0; 4];
    (read_now(address, &mut int) == Ok(4)).then(|| i32::from_le_bytes(int))
}

/// The beginning of a structure, read at once.
pub(super) struct Piece(Vec<u8>);

impl Piece {
    pub(super) fn read(address: u64, len: usize) -> Option<Piece> {
        // An offset that the interpreter has told may be anything.
        const MOST: usize = 4096;
        (len <= MOST).then(|| bytes(address, len))?.map(Piece)
    }

    /// One that was read before.
    pub(super) fn of(bytes: &[u8]) -> Piece {
        Piece(bytes.to_vec())
    }

    fn at<const N: usize>(&self, offset: u64) -> Option<[u8; N]> {
        let start = usize::try_from(offset).ok()?;
        self.0.get(start..start.checked_add(N)?)?.try_into().ok()
    }

    pub(super) fn word(&self, offset: u64) -> Option<u64> {
        self.at(offset).map(u64::from_le_bytes)
    }

    pub(super) fn int(&self, offset: u64) -> Option<i32> {
        self.at(offset).map(i32::from_le_bytes)
    }

    pub(super) fn byte(&self, offset: u64) -> Option<u8> {
        self.at(offset).map(u8::from_le_bytes)
    }
}

/// Pieces of what lies close together, each below the one before, as frames do: most come out of one reading.
#[derive(Default)]
pub(super) struct Downwards {
    start: u64,
    bytes: Vec<u8>,
}

impl Downwards {
    pub(super) fn piece(&mut self, address: u64, len: usize) -> Option<Piece> {
        const BLOCK: usize = 2048;
        if let Some(piece) = self.known(address, len) {
            return Some(piece);
        }
        // Below it there may be nothing.
        let start = address.checked_add(len as u64)?.checked_sub(BLOCK as u64)?;
        match bytes(start, BLOCK).filter(|_| len <= BLOCK) {
            Some(bytes) => *self = Downwards { start, bytes },
            None => return Piece::read(address, len),
        }
        self.known(address, len)
    }

    fn known(&self, address: u64, len: usize) -> Option<Piece> {
        let offset = usize::try_from(address.checked_sub(self.start)?).ok()?;
        self.bytes.get(offset..offset.checked_add(len)?).map(Piece::of)
    }
}

/// The word at `offset` of the object at `address`.
pub(super) fn field(address: u64, offset: u64) -> Option<u64> {
    word(address.checked_add(offset)?)
}

/// The text of a `str` (PEP 393): length, hash, state (kind: 3 bits, compact: 1, ascii: 1), characters.
pub(super) fn text(object: u64, layout: &Unicode) -> Option<String> {
    const STATE: u64 = 16;
    let length = field(object, layout.length).filter(|&length| length <= LONGEST)?;
    let state = int(object.checked_add(layout.length)?.checked_add(STATE)?)? >> layout.interned;
    let (kind, is_compact, is_ascii) = (state & 7, state >> 3 & 1 == 1, state >> 4 & 1 == 1);
    if !is_compact {
        return None;
    }
    let start = object.checked_add(if is_ascii { layout.ascii } else { layout.other })?;
    let width = match kind {
        1 | 2 | 4 => kind as u64,
        _ => return None,
    };
    let raw = bytes(start, usize::try_from(length.min(TEXT).checked_mul(width)?).ok()?)?;
    let mut text: String = match kind {
        1 => raw.iter().map(|&byte| char::from(byte)).collect(),
        2 => {
            let units = raw.chunks_exact(2).filter_map(|pair| Some(u16::from_le_bytes(pair.try_into().ok()?)));
            char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
        _ => {
            let points = raw.chunks_exact(4).filter_map(|four| Some(u32::from_le_bytes(four.try_into().ok()?)));
            points.map(|point| char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
    };
    if length > TEXT {
        text.push(CUT);
    }
    Some(text)
}

/// The content of a `bytes` object: behind the head (`PyObject_HEAD`) the size, a hash, the bytes.
pub(super) fn content(object: u64, head: u64) -> Option<Vec<u8>> {
    const CONTENT: u64 = 16;
    /// No table of lines is larger.
    const LIMIT: u64 = 16 << 20;
    let size = field(object, head).filter(|&size| size <= LIMIT)?;
    bytes(object.checked_add(head)?.checked_add(CONTENT)?, usize::try_from(size).ok()?)
}
