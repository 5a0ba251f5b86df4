//! Decompression: zlib and zstd for debug sections, deflate for archives, xz for MiniDebugInfo.
//!
//! Context: the agent's thread. What comes out has a size that is known before and never exceeded; what the decoders need
//! beside it is bounded here. The decoders have no locks, threads or thread-locals.

use zlib_rs::{Inflate, InflateFlush, Status};

use super::regular_file::zeroed;
use crate::sys::mapping;

/// The most that a zstd or xz stream may want to look back; tools write 8 MiB.
pub(super) const WINDOW: u64 = 32 << 20;

/// How the bytes of a section, or of a file in an archive, are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Zlib,
    Zstd,
    /// As zlib, without what that has around it.
    Deflate,
}

impl Packing {
    /// How many bytes one packed byte can become.
    pub(super) fn ratio(self) -> u64 {
        match self {
            // zlib's technical details: 1032 to 1.
            Packing::Zlib | Packing::Deflate => 1040,
            // A block of a repeated byte (RFC 8878, 3.1.1.2.2): 4 bytes become 128 KiB.
            Packing::Zstd => 32 << 10,
        }
    }

    /// The `size` bytes that `packed` holds.
    pub(super) fn unpack(self, packed: &mut Packed<'_>, size: u64) -> Result<Vec<u8>, String> {
        let mut bytes = zeroed(size)?;
        mapping::populate(&mut bytes);
        let n = match self {
            Packing::Zlib => inflate(packed, &mut bytes, true),
            Packing::Deflate => inflate(packed, &mut bytes, false),
            Packing::Zstd => zstd(packed, &mut bytes),
        };
        match (n, packed.problem.take()) {
            (_, Some(problem)) => Err(problem),
            (Some(n), None) if n == bytes.len() => Ok(bytes),
            (Some(n), None) => Err(format!("a section decompresses to {n} bytes instead of {size}")),
            (None, None) => Err("a compressed section is corrupt".to_owned()),
        }
    }
}

/// Fills the buffer with what stands at the offset.
pub(super) type ReadAt<'a> = &'a dyn Fn(u64, &mut [u8]) -> Result<(), String>;

/// The compressed bytes, which are read piece by piece: a large section need not stand in memory twice.
pub(super) struct Packed<'a> {
    read: ReadAt<'a>,
    at: u64,
    end: u64,
    piece: Vec<u8>,
    /// Bytes of the piece that are used up.
    used: usize,
    problem: Option<String>,
}

impl<'a> Packed<'a> {
    /// What stands from `at` to `end`.
    pub(super) fn new(read: ReadAt<'a>, at: u64, end: u64) -> Self {
        Packed { read, at, end, piece: Vec::new(), used: 0, problem: None }
    }

    /// What is left of the piece, or the next one; empty at the end.
    fn piece(&mut self) -> &[u8] {
        const SIZE: u64 = 256 << 10;
        if self.used >= self.piece.len() {
            self.used = 0;
            let size = SIZE.min(self.end.saturating_sub(self.at));
            self.piece.resize(size as usize, 0);
            if let Err(problem) = (self.read)(self.at, &mut self.piece) {
                self.problem = Some(problem);
                self.piece.clear();
            }
            self.at = self.at.saturating_add(size);
        }
        self.piece.get(self.used..).unwrap_or_default()
    }

    /// Whether no piece follows.
    fn is_last(&self) -> bool {
        self.at >= self.end
    }
}

impl ruzstd::io::Read for Packed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ruzstd::io::Error> {
        let piece = self.piece();
        let n = piece.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..n), piece.get(..n)) {
            to.copy_from_slice(from);
        }
        self.used += n;
        Ok(n)
    }
}

/// How many bytes came out; `None` where the stream is corrupt or longer. `has_header`: zlib's (RFC 1950).
fn inflate(packed: &mut Packed<'_>, bytes: &mut [u8], has_header: bool) -> Option<usize> {
    /// How far back a stream may look, as a power of two: the most that the format has.
    const WINDOW_BITS: u8 = 15;
    let mut state = Inflate::new(has_header, WINDOW_BITS);
    let mut done = 0;
    while !packed.piece().is_empty() {
        let flush = if packed.is_last() { InflateFlush::Finish } else { InflateFlush::NoFlush };
        let read = state.total_in();
        let status = state.decompress(packed.piece(), bytes.get_mut(done..)?, flush).ok()?;
        let read = usize::try_from(state.total_in() - read).ok()?;
        packed.used += read;
        let before = core::mem::replace(&mut done, usize::try_from(state.total_out()).ok()?);
        match status {
            Status::StreamEnd => return Some(done),
            _ if read == 0 && done == before => return None,
            _ => {}
        }
    }
    None
}

/// As [`inflate`].
fn zstd(packed: &mut Packed<'_>, bytes: &mut [u8]) -> Option<usize> {
    use ruzstd::io::Read;
    let mut done = 0;
    // A section is one frame; more of them would follow one another.
    while !packed.piece().is_empty() {
        let mut decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(&mut *packed, WINDOW).ok()?;
        loop {
            let room = bytes.get_mut(done..)?;
            // Nothing comes into no room: then the end must have come.
            let n = if room.is_empty() {
                decoder.read(&mut [0]).ok().filter(|&n| n == 0)?
            } else {
                decoder.read(room).ok()?
            };
            if n == 0 {
                break;
            }
            done += n;
        }
    }
    Some(done)
}

/// What the xz file holds; `limit` is the most that it may hold.
pub(super) fn xz(packed: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    const PIECE: usize = 64 << 10;
    let mut reader = lzma_rust2::XzReader::new_mem_limit(packed, false, (WINDOW >> 10) as u32);
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let len = bytes.len();
        bytes.try_reserve(PIECE).map_err(|_| format!("no memory for {len} bytes"))?;
        bytes.resize(len + PIECE, 0);
        let room = bytes.get_mut(len..).unwrap_or_default();
        let n = lzma_rust2::Read::read(&mut reader, room).map_err(|_| "the xz data is corrupt".to_owned())?;
        bytes.truncate(len.saturating_add(n));
        if n == 0 {
            return Ok(bytes);
        }
        if bytes.len() > limit {
            return Err(format!("the xz data holds more than {limit} bytes"));
        }
    }
}
