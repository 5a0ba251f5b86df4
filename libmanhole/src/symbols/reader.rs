//! What gimli reads from: bytes in memory, or a section that stays in its file and is read page by page.
//!
//! Context: the agent's thread. Little-endian only, as everything this agent runs on. A file is never mapped, so one that
//! is cut short while it is read is an error (`Error::Io`), not a SIGBUS. Pages are copied out of the cache, never lent, so
//! that any of them may be dropped at any time.
//!
//! In memory this is a slice, and as fast as gimli's own reader over slices: the variant is known by a null pointer.

use core::cell::{Cell, OnceCell, RefCell};
use std::borrow::Cow;
use std::rc::Rc;

use gimli::{Error, LittleEndian, ReaderOffsetId, Result};

use super::budget;
use super::elf::Piece;

/// What is read at once.
const PAGE: usize = 16 << 10;
/// Pages that are kept, of all sections together: 32 MiB.
const SLOTS: usize = 2048;

/// Bytes for gimli, cheap to copy.
#[derive(Clone, Copy)]
pub(crate) enum Reader<'s> {
    /// All in memory.
    Memory(&'s [u8]),
    /// `len` bytes at `start` of a section in a file.
    Paged {
        /// The section.
        section: &'s PagedSection,
        /// Counted from the section's start.
        start: usize,
        /// In bytes.
        len: usize,
    },
}

/// A section that is read when it is needed: page by page, or, where it is compressed, at once.
pub(crate) struct PagedSection {
    piece: Piece,
    size: usize,
    number: usize,
    cache: Rc<PageCache>,
    /// What was compressed; `None` where that is corrupt or too much.
    unpacked: OnceCell<Option<Vec<u8>>>,
}

/// The pages of all sections; each page has one place where it can be, so the cache is bounded.
#[derive(Default)]
pub(super) struct PageCache {
    slots: RefCell<Vec<Page>>,
    sections: Cell<usize>,
}

#[derive(Default)]
struct Page {
    /// Section and place; none where nothing was read yet.
    of: Option<(usize, usize)>,
    bytes: Vec<u8>,
}

impl PagedSection {
    pub(super) fn new(cache: &Rc<PageCache>, piece: Piece) -> Self {
        let number = cache.sections.get();
        cache.sections.set(number.wrapping_add(1));
        let size = usize::try_from(piece.size).unwrap_or(usize::MAX);
        PagedSection { piece, size, number, cache: Rc::clone(cache), unpacked: OnceCell::new() }
    }

    /// The bytes, where they had to be decompressed.
    fn unpacked(&self) -> Result<Option<&[u8]>> {
        if !self.piece.is_compressed() {
            return Ok(None);
        }
        let unpack = || {
            budget::check("a section", self.piece.size).ok()?;
            self.piece.content().ok()
        };
        self.unpacked.get_or_init(unpack).as_deref().map(Some).ok_or(Error::Io)
    }

    /// Fills `buffer` with what stands at `at`, past the cache.
    pub(super) fn read(&self, at: usize, buffer: &mut [u8]) -> Result<()> {
        let end = Error::UnexpectedEof(ReaderOffsetId(at as u64));
        match self.unpacked()? {
            Some(bytes) => {
                let from = at.checked_add(buffer.len()).and_then(|end| bytes.get(at..end));
                buffer.copy_from_slice(from.ok_or(end)?);
                Ok(())
            }
            None if at.checked_add(buffer.len()).is_none_or(|end| end > self.size) => Err(end),
            None => self.piece.read(at as u64, buffer).map_err(|_| Error::Io),
        }
    }

    /// Shows `see` the bytes from `at` on, to the end of a page or further; at least one, where there is one.
    fn with_page<T>(&self, at: usize, see: impl FnOnce(&[u8]) -> T) -> Result<T> {
        if let Some(bytes) = self.unpacked()? {
            return Ok(see(bytes.get(at..).unwrap_or_default()));
        }
        let page = at / PAGE;
        // Sections fall far apart, neighbours side by side.
        let slot = page.wrapping_add(self.number.wrapping_mul(797)) % SLOTS;
        let mut slots = self.cache.slots.try_borrow_mut().map_err(|_| Error::Io)?;
        if slots.is_empty() {
            slots.try_reserve_exact(SLOTS).map_err(|_| Error::Io)?;
            slots.resize_with(SLOTS, Page::default);
        }
        let slot = slots.get_mut(slot).ok_or(Error::Io)?;
        if slot.of != Some((self.number, page)) {
            slot.of = None;
            let start = page * PAGE;
            let len = self.size.saturating_sub(start).min(PAGE);
            if slot.bytes.is_empty() {
                slot.bytes.try_reserve_exact(PAGE).map_err(|_| Error::Io)?;
            }
            slot.bytes.resize(len, 0);
            self.read(start, &mut slot.bytes)?;
            slot.of = Some((self.number, page));
        }
        Ok(see(slot.bytes.get(at % PAGE..).unwrap_or_default()))
    }

    /// As [`PagedSection::read`], by the cache.
    fn copy(&self, mut at: usize, mut buffer: &mut [u8]) -> Result<()> {
        while !buffer.is_empty() {
            let copied = self.with_page(at, |bytes| {
                let n = bytes.len().min(buffer.len());
                if let (Some(to), Some(from)) = (buffer.get_mut(..n), bytes.get(..n)) {
                    to.copy_from_slice(from);
                }
                n
            })?;
            if copied == 0 {
                return Err(Error::UnexpectedEof(ReaderOffsetId(at as u64)));
            }
            at = at.saturating_add(copied);
            buffer = buffer.get_mut(copied..).unwrap_or_default();
        }
        Ok(())
    }

    /// How far behind `at` the first such byte stands, within `len`.
    fn find(&self, at: usize, len: usize, byte: u8) -> Result<Option<usize>> {
        let mut done = 0;
        while done < len {
            let (found, seen) = self.with_page(at.saturating_add(done), |bytes| {
                let bytes = bytes.get(..bytes.len().min(len - done)).unwrap_or_default();
                (memchr::memchr(byte, bytes), bytes.len())
            })?;
            match found {
                Some(found) => return Ok(Some(done + found)),
                None if seen == 0 => return Ok(None),
                None => done += seen,
            }
        }
        Ok(None)
    }
}

impl<'s> Reader<'s> {
    /// The bytes, where they are in memory.
    pub(super) fn in_memory(&self) -> Option<&'s [u8]> {
        match self {
            Reader::Memory(bytes) => Some(bytes),
            Reader::Paged { .. } => None,
        }
    }

    /// Everything in it, read past the cache where it is in a file.
    pub(super) fn to_vec(self) -> core::result::Result<Vec<u8>, String> {
        match self {
            Reader::Memory(bytes) => Ok(bytes.to_vec()),
            Reader::Paged { section, start, len } => {
                let mut bytes = super::regular_file::zeroed(len as u64)?;
                section.read(start, &mut bytes).map_err(|e| e.to_string())?;
                Ok(bytes)
            }
        }
    }

    /// Fills `buffer` with what stands at `at`, past the cache where it is in a file.
    pub(super) fn read_at(&self, at: usize, buffer: &mut [u8]) -> Result<()> {
        match *self {
            Reader::Memory(bytes) => {
                let from = at.checked_add(buffer.len()).and_then(|end| bytes.get(at..end));
                buffer.copy_from_slice(from.ok_or(Error::UnexpectedEof(ReaderOffsetId(at as u64)))?);
                Ok(())
            }
            Reader::Paged { section, start, len } => {
                if at.checked_add(buffer.len()).is_none_or(|end| end > len) {
                    return Err(Error::UnexpectedEof(ReaderOffsetId(at as u64)));
                }
                section.read(start.saturating_add(at), buffer)
            }
        }
    }

    /// The text in it; what is no UTF-8 is replaced, what cannot be read is empty.
    pub(crate) fn text(&self) -> String {
        gimli::Reader::to_slice(self).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self {
            Reader::Memory(bytes) => match bytes.split_first_chunk::<N>() {
                Some((first, rest)) => {
                    *bytes = rest;
                    Ok(*first)
                }
                None => Err(self.end()),
            },
            Reader::Paged { .. } => {
                let mut array = [0; N];
                self.fill(&mut array)?;
                Ok(array)
            }
        }
    }

    /// Reads what is paged.
    #[inline(never)]
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        let from = gimli::Reader::split(self, buffer.len())?;
        match from {
            Reader::Memory(bytes) => buffer.copy_from_slice(bytes),
            Reader::Paged { section, start, .. } => section.copy(start, buffer)?,
        }
        Ok(())
    }

    #[cold]
    fn end(&self) -> Error {
        Error::UnexpectedEof(gimli::Reader::offset_id(self))
    }
}

impl Default for Reader<'_> {
    fn default() -> Self {
        Reader::Memory(&[])
    }
}

impl core::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} bytes", gimli::Reader::len(self))
    }
}

impl<'s> gimli::Reader for Reader<'s> {
    type Endian = LittleEndian;
    type Offset = usize;

    #[inline]
    fn endian(&self) -> LittleEndian {
        LittleEndian
    }

    #[inline]
    fn len(&self) -> usize {
        match self {
            Reader::Memory(bytes) => bytes.len(),
            Reader::Paged { len, .. } => *len,
        }
    }

    #[inline]
    fn empty(&mut self) {
        match self {
            Reader::Memory(bytes) => *bytes = &[],
            Reader::Paged { len, .. } => *len = 0,
        }
    }

    #[inline]
    fn truncate(&mut self, to: usize) -> Result<()> {
        match self {
            Reader::Memory(bytes) => match bytes.get(..to) {
                Some(first) => *bytes = first,
                None => return Err(self.end()),
            },
            Reader::Paged { len, .. } if to <= *len => *len = to,
            Reader::Paged { .. } => return Err(self.end()),
        }
        Ok(())
    }

    #[inline]
    fn offset_from(&self, base: &Self) -> usize {
        match (self, base) {
            (Reader::Memory(bytes), Reader::Memory(base)) => {
                (bytes.as_ptr() as usize).wrapping_sub(base.as_ptr() as usize)
            }
            (Reader::Paged { start, .. }, Reader::Paged { start: base, .. }) => start.wrapping_sub(*base),
            // Never asked: gimli compares readers that come from one.
            _ => 0,
        }
    }

    #[inline]
    fn offset_id(&self) -> ReaderOffsetId {
        match self {
            Reader::Memory(bytes) => ReaderOffsetId(bytes.as_ptr() as u64),
            // No address has the first bit.
            Reader::Paged { section, start, .. } => {
                ReaderOffsetId(1 << 63 | (section.number as u64) << 48 | *start as u64)
            }
        }
    }

    #[inline]
    fn lookup_offset_id(&self, id: ReaderOffsetId) -> Option<usize> {
        let offset = id.0.checked_sub(self.offset_id().0)? as usize;
        (offset <= self.len()).then_some(offset)
    }

    #[inline]
    fn find(&self, byte: u8) -> Result<usize> {
        let found = match *self {
            Reader::Memory(bytes) => memchr::memchr(byte, bytes),
            Reader::Paged { section, start, len } => section.find(start, len, byte)?,
        };
        found.ok_or_else(|| self.end())
    }

    #[inline]
    fn skip(&mut self, by: usize) -> Result<()> {
        match self {
            Reader::Memory(bytes) => match bytes.get(by..) {
                Some(rest) => *bytes = rest,
                None => return Err(self.end()),
            },
            Reader::Paged { start, len, .. } if by <= *len => {
                *start += by;
                *len -= by;
            }
            Reader::Paged { .. } => return Err(self.end()),
        }
        Ok(())
    }

    #[inline]
    fn split(&mut self, at: usize) -> Result<Self> {
        match self {
            Reader::Memory(bytes) => match bytes.split_at_checked(at) {
                Some((first, rest)) => {
                    *bytes = rest;
                    Ok(Reader::Memory(first))
                }
                None => Err(self.end()),
            },
            Reader::Paged { section, start, len } if at <= *len => {
                let first = Reader::Paged { section, start: *start, len: at };
                *start += at;
                *len -= at;
                Ok(first)
            }
            Reader::Paged { .. } => Err(self.end()),
        }
    }

    #[inline]
    fn to_slice(&self) -> Result<Cow<'_, [u8]>> {
        match *self {
            Reader::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Reader::Paged { section, start, len } => {
                let mut bytes = super::regular_file::zeroed(len as u64).map_err(|_| Error::Io)?;
                section.copy(start, &mut bytes)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    fn to_string(&self) -> Result<Cow<'_, str>> {
        match self.to_slice()? {
            Cow::Borrowed(bytes) => core::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Error::BadUtf8),
            Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| Error::BadUtf8),
        }
    }

    fn to_string_lossy(&self) -> Result<Cow<'_, str>> {
        match self.to_slice()? {
            Cow::Borrowed(bytes) => Ok(String::from_utf8_lossy(bytes)),
            Cow::Owned(bytes) => Ok(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())),
        }
    }

    #[inline]
    fn read_slice(&mut self, buffer: &mut [u8]) -> Result<()> {
        match self {
            Reader::Memory(bytes) => match bytes.split_at_checked(buffer.len()) {
                Some((first, rest)) => {
                    *bytes = rest;
                    buffer.copy_from_slice(first);
                    Ok(())
                }
                None => Err(self.end()),
            },
            Reader::Paged { .. } => self.fill(buffer),
        }
    }

    #[inline]
    fn read_u8(&mut self) -> Result<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline]
    fn read_u16(&mut self) -> Result<u16> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    fn read_u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    fn read_u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }
}
