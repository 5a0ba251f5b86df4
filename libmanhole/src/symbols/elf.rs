//! An ELF file on disk: its headers at once, its sections one by one as they are asked for.
//!
//! Context: the agent's thread. Nothing in the file is believed before it is compared with the file's size; numbers are
//! read by checked access, so a corrupt file is an error.

use core::ops::Range;
use std::rc::Rc;

use object::elf;

use super::compressed::{Packed, Packing, ReadAt};
use super::regular_file::{RegularFile, zeroed};

/// Headers that no linker writes: more than this is not an object file, but an attack on our memory.
const HEADERS_LIMIT: u64 = 16 << 20;

/// A section header (System V ABI, "Sections").
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) name: Vec<u8>,
    pub(super) kind: elf::SectionType,
    pub(super) flags: u64,
    pub(super) address: u64,
    offset: u64,
    pub(super) size: u64,
    pub(super) link: u32,
}

impl Section {
    /// Whether code stands in it.
    pub(super) fn executable(&self) -> bool {
        self.flags & elf::SHF_EXECINSTR.0 != 0
    }

    /// Whether it is loaded into memory.
    pub(super) fn allocated(&self) -> bool {
        self.flags & elf::SHF_ALLOC.0 != 0
    }

    /// Whether the file holds bytes for it.
    pub(super) fn has_bytes(&self) -> bool {
        self.kind != elf::SHT_NOBITS && self.kind != elf::SHT_NULL && self.size != 0
    }
}

/// Where the bytes of an ELF file are.
enum Source {
    Disk(Rc<RegularFile>),
    /// What stood compressed in another file.
    Memory(Vec<u8>),
}

impl Source {
    fn size(&self) -> u64 {
        match self {
            Source::Disk(file) => file.size(),
            Source::Memory(bytes) => bytes.len() as u64,
        }
    }

    fn bytes(&self, offset: u64, len: u64) -> Result<Vec<u8>, String> {
        if offset.checked_add(len).is_none_or(|end| end > self.size()) {
            return Err(format!("the file ends before {len} bytes at {offset:#x}"));
        }
        let mut bytes = zeroed(len)?;
        self.read(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `buffer` with what stands at `offset`.
    fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), String> {
        match self {
            Source::Disk(file) => file.read(offset, buffer),
            Source::Memory(bytes) => {
                let from =
                    usize::try_from(offset).ok().and_then(|start| bytes.get(start..start.checked_add(buffer.len())?));
                buffer.copy_from_slice(from.ok_or_else(|| format!("the file ends before {offset:#x}"))?);
                Ok(())
            }
        }
    }
}

/// An open ELF file.
pub(super) struct ElfFile {
    file: Source,
    pub(super) path: Vec<u8>,
    pub(super) sections: Vec<Section>,
    /// Empty where there is none.
    pub(super) build_id: Vec<u8>,
    /// The first bytes of the file: the ELF header and usually the program headers.
    pub(super) head: Vec<u8>,
}

impl ElfFile {
    /// Opens the file and reads its headers.
    pub(super) fn open(path: &[u8]) -> Result<ElfFile, String> {
        Self::read(Source::Disk(Rc::new(RegularFile::open(path)?)), path)
    }

    /// An ELF file that stood in the one at `path`.
    pub(super) fn in_memory(bytes: Vec<u8>, path: &[u8]) -> Result<ElfFile, String> {
        Self::read(Source::Memory(bytes), path)
    }

    fn read(file: Source, path: &[u8]) -> Result<ElfFile, String> {
        let head = file.bytes(0, file.size().min(4096))?;
        // 64 bit, little-endian (System V ABI, "ELF Header").
        if head.get(..6) != Some(b"\x7fELF\x02\x01") {
            return Err("is no ELF file of 64 bits".to_owned());
        }
        let sections = section_headers(&file, &head).ok_or("has a corrupt section table")?;
        let mut elf = ElfFile { file, path: path.to_owned(), sections, build_id: Vec::new(), head };
        elf.build_id = elf.read_build_id();
        Ok(elf)
    }

    /// Gives the descriptor back until the next reading.
    pub(super) fn close(&self) {
        if let Source::Disk(file) = &self.file {
            file.close();
        }
    }

    /// Device and inode.
    pub(super) fn identity(&self) -> (u64, u64) {
        match &self.file {
            Source::Disk(file) => file.identity(),
            Source::Memory(_) => (0, 0),
        }
    }

    /// The path for messages.
    pub(super) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }

    /// The section of this name that has bytes in this file.
    pub(super) fn section(&self, name: &[u8]) -> Option<&Section> {
        self.sections.iter().find(|section| section.name == name && section.has_bytes())
    }

    /// The section `.debug_<name>`, or `.zdebug_<name>` as older tools wrote compressed ones.
    pub(super) fn debug_section(&self, name: &str) -> Option<&Section> {
        self.section(format!(".debug_{name}").as_bytes()).or_else(|| self.section(format!(".zdebug_{name}").as_bytes()))
    }

    /// The bytes of the section as they stand in the file.
    pub(super) fn raw(&self, section: &Section) -> Result<Vec<u8>, String> {
        self.file.bytes(section.offset, section.size)
    }

    /// The section for reading it later.
    pub(super) fn piece(&self, section: &Section) -> Result<Option<Piece>, String> {
        let Source::Disk(file) = &self.file else { return Ok(None) };
        if section.offset.checked_add(section.size).is_none_or(|end| end > file.size()) {
            return Err(format!("the file ends before {} bytes at {:#x}", section.size, section.offset));
        }
        let compression = self.compression(section)?;
        let size = compression.as_ref().map_or(section.size, |compression| compression.size);
        Ok(Some(Piece { file: Rc::clone(file), offset: section.offset, stored: section.size, compression, size }))
    }

    /// The file's own path, where links lead to it.
    pub(super) fn real_path(&self) -> Option<Vec<u8>> {
        match &self.file {
            Source::Disk(file) => file.real_path(),
            Source::Memory(_) => None,
        }
    }

    /// Whether the section is compressed.
    pub(super) fn is_compressed(&self, section: &Section) -> Result<bool, String> {
        Ok(self.compression(section)?.is_some())
    }

    /// How many bytes [`ElfFile::content`] gives.
    pub(super) fn content_size(&self, section: &Section) -> Result<u64, String> {
        Ok(self.compression(section)?.map_or(section.size, |compression| compression.size))
    }

    /// The bytes of the section, decompressed.
    pub(super) fn content(&self, section: &Section) -> Result<Vec<u8>, String> {
        let Some(compression) = self.compression(section)? else { return self.raw(section) };
        compression.unpack(&|at, buffer| self.file.read(at, buffer), section.offset, section.size)
    }

    /// How the section is compressed (System V ABI, "Section compression"; "ZLIB" is GNU's older form).
    fn compression(&self, section: &Section) -> Result<Option<Compression>, String> {
        let (packing, header, size) = if section.flags & elf::SHF_COMPRESSED.0 != 0 {
            let header = self.file.bytes(section.offset, section.size.min(24))?;
            let packing = match u32_at(&header, 0).map(elf::CompressionType) {
                Some(elf::ELFCOMPRESS_ZLIB) => Packing::Zlib,
                Some(elf::ELFCOMPRESS_ZSTD) => Packing::Zstd,
                _ => return Err("a section is compressed in an unknown way".to_owned()),
            };
            (packing, 24, u64_at(&header, 8).ok_or("a compressed section is too short")?)
        } else if section.name.starts_with(b".zdebug_") {
            let header = self.file.bytes(section.offset, section.size.min(12))?;
            let size = header.get(4..12).and_then(|size| size.try_into().ok()).map(u64::from_be_bytes);
            if header.get(..4) != Some(b"ZLIB") {
                return Err("a compressed section is corrupt".to_owned());
            }
            (Packing::Zlib, 12, size.ok_or("a compressed section is too short")?)
        } else {
            return Ok(None);
        };
        if size > section.size.saturating_mul(packing.ratio()) {
            return Err(format!("a compressed section claims {size} bytes, which it cannot hold"));
        }
        Ok(Some(Compression { packing, header, size }))
    }

    /// The addresses between the first and the last executable section; all but 0 where there are no sections.
    pub(super) fn code(&self) -> Range<u64> {
        let code = || self.sections.iter().filter(|section| section.executable() && section.allocated());
        let start = code().map(|section| section.address).min().unwrap_or(1);
        let end = code().map(|section| section.address.saturating_add(section.size)).max().unwrap_or(u64::MAX);
        start.max(1)..end
    }

    /// The lowest address that a section is mapped at; 1 where there are no sections. Linkers put what they have discarded below it.
    pub(super) fn lowest(&self) -> u64 {
        let mapped = self.sections.iter().filter(|section| section.allocated());
        mapped.map(|section| section.address).min().unwrap_or(1)
    }

    /// The CRC that `.gnu_debuglink` uses, of the whole file.
    pub(super) fn crc32(&self) -> Result<u32, String> {
        const PIECE: u64 = 256 << 10;
        let mut crc = u32::MAX;
        let mut offset = 0;
        while offset < self.file.size() {
            let piece = self.file.bytes(offset, PIECE.min(self.file.size() - offset))?;
            crc = super::crc32::update(crc, &piece);
            offset += piece.len() as u64;
        }
        Ok(!crc)
    }

    fn read_build_id(&self) -> Vec<u8> {
        const NOTES_LIMIT: u64 = 64 << 10;
        let in_sections = self.sections.iter().filter(|section| section.kind == elf::SHT_NOTE).find_map(|section| {
            let notes = self.file.bytes(section.offset, section.size.min(NOTES_LIMIT)).ok()?;
            build_id(&notes)
        });
        // A file without section table still has its program headers.
        let in_segments = || {
            let (table, count) = (u64_at(&self.head, 32)?, u16_at(&self.head, 56)?);
            let headers = self.file.bytes(table, u64::from(count) * 56).ok()?;
            headers.chunks_exact(56).filter(|header| u32_at(header, 0) == Some(elf::PT_NOTE.0)).find_map(|header| {
                let (offset, size) = (u64_at(header, 8)?, u64_at(header, 32)?);
                build_id(&self.file.bytes(offset, size.min(NOTES_LIMIT)).ok()?)
            })
        };
        in_sections.or_else(in_segments).unwrap_or_default()
    }
}

struct Compression {
    packing: Packing,
    /// Bytes before the stream.
    header: usize,
    /// Bytes after decompression.
    size: u64,
}

impl Compression {
    fn unpack(&self, read: ReadAt<'_>, offset: u64, stored: u64) -> Result<Vec<u8>, String> {
        let end = offset.checked_add(stored).ok_or("a compressed section is too long")?;
        self.packing.unpack(&mut Packed::new(read, offset.saturating_add(self.header as u64), end), self.size)
    }
}

/// A section that is read when it is needed.
pub(super) struct Piece {
    file: Rc<RegularFile>,
    offset: u64,
    /// Bytes in the file.
    stored: u64,
    compression: Option<Compression>,
    /// Bytes after decompression.
    pub(super) size: u64,
}

impl Piece {
    pub(super) fn is_compressed(&self) -> bool {
        self.compression.is_some()
    }

    /// All of it, decompressed.
    pub(super) fn content(&self) -> Result<Vec<u8>, String> {
        match &self.compression {
            Some(compression) => compression.unpack(&|at, buffer| self.file.read(at, buffer), self.offset, self.stored),
            None => self.file.bytes(self.offset, self.stored),
        }
    }

    /// Fills `buffer` with what stands at `at` of a section that is not compressed.
    pub(super) fn read(&self, at: u64, buffer: &mut [u8]) -> Result<(), String> {
        if self.is_compressed() || at.checked_add(buffer.len() as u64).is_none_or(|end| end > self.stored) {
            return Err("is read past the end of a section".to_owned());
        }
        self.file.read(self.offset.saturating_add(at), buffer)
    }
}

/// All section headers with their names; `None` where they contradict the file. No table at all is an empty one.
fn section_headers(file: &Source, head: &[u8]) -> Option<Vec<Section>> {
    const SIZE: u64 = 64;
    let (table, size) = (u64_at(head, 40)?, u16_at(head, 58)?);
    let (count, names) = (u16_at(head, 60)?, u16_at(head, 62)?);
    if table == 0 {
        return Some(Vec::new());
    }
    if u64::from(size) != SIZE {
        return None;
    }
    // More sections than the header's field can count: section 0 holds the numbers.
    let zero = file.bytes(table, SIZE).ok()?;
    let count = if count == 0 { u64_at(&zero, 32)? } else { u64::from(count) };
    let names = if u32::from(names) == u32::from(elf::SHN_XINDEX.0) { u32_at(&zero, 40)? } else { u32::from(names) };
    let length = count.checked_mul(SIZE).filter(|&length| length <= HEADERS_LIMIT)?;
    let headers = file.bytes(table, length).ok()?;
    let mut sections: Vec<(u32, Section)> = headers.chunks_exact(SIZE as usize).filter_map(section_header).collect();
    let strings = sections
        .get(names as usize)
        .filter(|(_, section)| section.size <= HEADERS_LIMIT)
        .and_then(|(_, section)| file.bytes(section.offset, section.size).ok())
        .unwrap_or_default();
    for (name, section) in &mut sections {
        section.name = string_at(&strings, *name as usize).unwrap_or_default().to_owned();
    }
    Some(sections.into_iter().map(|(_, section)| section).collect())
}

fn section_header(raw: &[u8]) -> Option<(u32, Section)> {
    let section = Section {
        name: Vec::new(),
        kind: elf::SectionType(u32_at(raw, 4)?),
        flags: u64_at(raw, 8)?,
        address: u64_at(raw, 16)?,
        offset: u64_at(raw, 24)?,
        size: u64_at(raw, 32)?,
        link: u32_at(raw, 40)?,
    };
    Some((u32_at(raw, 0)?, section))
}

/// The build id among notes.
fn build_id(notes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = notes;
    loop {
        let (name_size, size, kind) = (u32_at(rest, 0)? as usize, u32_at(rest, 4)? as usize, u32_at(rest, 8)?);
        let start = 12usize.checked_add(name_size.checked_next_multiple_of(4)?)?;
        let end = start.checked_add(size)?;
        if kind == elf::NT_GNU_BUILD_ID.0 && rest.get(12..16) == Some(b"GNU\0") {
            return rest.get(start..end).map(<[u8]>::to_vec);
        }
        rest = rest.get(end.checked_next_multiple_of(4)?..)?;
    }
}

/// The bytes up to the NUL.
pub(super) fn string_at(strings: &[u8], at: usize) -> Option<&[u8]> {
    strings.get(at..)?.split(|&byte| byte == 0).next()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}
