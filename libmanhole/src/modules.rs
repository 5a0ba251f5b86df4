//! What is mapped where: `/proc/thread-self/maps` and the ELF headers in memory.
//!
//! Context: the agent's thread. The loader is not asked (`dl_iterate_phdr`, `dladdr`): its locks may be held for ever.
//! Headers are read through [`Memory`], so a library that goes away while we look is left out, not a crash.

use crate::memory::Memory;
use crate::sys::{self, fd};

/// A line of `/proc/thread-self/maps` (proc_pid_maps(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    pub(crate) executable: bool,
    pub(crate) shared: bool,
    /// Offset in the file, in bytes.
    pub(crate) offset: u64,
    /// Device, as major and minor number.
    pub(crate) device: (u32, u32),
    pub(crate) inode: u64,
    /// The path, `[stack]` and the like, or empty.
    pub(crate) path: String,
}

impl Mapping {
    /// Whether the address lies inside.
    pub(crate) fn contains(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }
}

/// An ELF object in memory: the program, a library, the vDSO.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    /// The file's path without ` (deleted)`, or `[vdso]`.
    pub(crate) path: String,
    /// Whether the file's name is gone or stands for another file now.
    pub(crate) deleted: bool,
    pub(crate) device: (u32, u32),
    pub(crate) inode: u64,
    /// First address.
    pub(crate) start: u64,
    /// Past the last address.
    pub(crate) end: u64,
    /// What is added to a virtual address of the file to get the address in memory.
    pub(crate) bias: u64,
    /// The address of `.eh_frame_hdr` and its size in bytes.
    pub(crate) eh_frame_hdr: Option<(u64, u64)>,
    /// The address of the dynamic section and its size in bytes.
    pub(crate) dynamic: Option<(u64, u64)>,
    /// What its thread-local storage begins as: address in memory and the storage's size.
    pub(crate) thread_local: Option<(u64, u64)>,
    /// The address of the program's entry point.
    pub(crate) entry: u64,
    /// The identity that the linker has stamped (`.note.gnu.build-id`); empty where there is none.
    pub(crate) build_id: Vec<u8>,
    /// Its place in the order in which the loader looks for names; the last one where that is not known.
    pub(crate) rank: u32,
}

impl Module {
    /// The last component of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// All mappings and modules, each in ascending order of address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Modules {
    pub(crate) mappings: Vec<Mapping>,
    pub(crate) modules: Vec<Module>,
}

impl Modules {
    /// Looks at what is mapped now.
    pub(crate) fn read(memory: &Memory) -> sys::Result<Modules> {
        const LIMIT: usize = 256 << 20;
        // Not `self`: that is the main thread, and once it has ended its list is empty.
        let text = fd::read_file(c"/proc/thread-self/maps", LIMIT)?;
        Ok(Modules::of_text(&text, memory))
    }

    /// What a text of this form says.
    pub(crate) fn of_text(text: &[u8], memory: &Memory) -> Modules {
        let mappings: Vec<Mapping> = text.split(|&byte| byte == b'\n').filter_map(parse).collect();
        let mut modules: Vec<Module> = mappings
            .iter()
            .filter(|mapping| {
                mapping.offset == 0 && mapping.readable && (mapping.inode != 0 || mapping.path == "[vdso]")
            })
            .filter_map(|mapping| module_at(memory, mapping))
            .filter(|module| {
                mappings.iter().any(|other| {
                    other.executable
                        && other.start >= module.start
                        && other.end <= module.end
                        && other.inode == module.inode
                })
            })
            .collect();
        modules.sort_by_key(|module| module.start);
        Modules { mappings, modules }
    }

    /// The mapping that holds the address.
    pub(crate) fn mapping(&self, address: u64) -> Option<&Mapping> {
        let after = self.mappings.partition_point(|mapping| mapping.start <= address);
        self.mappings.get(after.checked_sub(1)?).filter(|mapping| mapping.contains(address))
    }

    /// The start of the first mapping above the address.
    pub(crate) fn next_mapping(&self, address: u64) -> Option<u64> {
        let after = self.mappings.partition_point(|mapping| mapping.start <= address);
        self.mappings.get(after).map(|mapping| mapping.start)
    }

    /// The module that holds the address.
    pub(crate) fn module(&self, address: u64) -> Option<&Module> {
        let after = self.modules.partition_point(|module| module.start <= address);
        self.modules.get(after.checked_sub(1)?).filter(|module| address < module.end)
    }

    /// The module that holds the address, alone.
    pub(crate) fn of(all: &Modules, address: u64) -> Option<Modules> {
        let module = all.module(address)?;
        let mapping = all.mapping(module.start);
        Some(Modules { mappings: mapping.cloned().into_iter().collect(), modules: vec![module.clone()] })
    }

    /// In the order in which the loader looks for names.
    pub(crate) fn in_order(&self) -> Vec<&Module> {
        let mut modules: Vec<&Module> = self.modules.iter().collect();
        modules.sort_by_key(|module| module.rank);
        modules
    }

    /// Whether code can run at the address.
    pub(crate) fn executable(&self, address: u64) -> bool {
        self.mapping(address).is_some_and(|mapping| mapping.executable)
    }
}

/// One line of `/proc/thread-self/maps`; a malformed one is left out.
fn parse(line: &[u8]) -> Option<Mapping> {
    let line = String::from_utf8_lossy(line);
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let mut permissions = fields.next()?.bytes();
    let offset = fields.next()?;
    let (major, minor) = fields.next()?.split_once(':')?;
    let inode = fields.next()?;
    let hex = |digits: &str| u64::from_str_radix(digits, 16).ok();
    Some(Mapping {
        start: hex(start)?,
        end: hex(end)?,
        readable: permissions.next()? == b'r',
        writable: permissions.next()? == b'w',
        executable: permissions.next()? == b'x',
        shared: permissions.next()? == b's',
        offset: hex(offset)?,
        device: (hex(major)? as u32, hex(minor)? as u32),
        inode: inode.parse().ok()?,
        path: fields.next().unwrap_or("").trim_start().to_owned(),
    })
}

/// The ELF object whose header stands at the start of the mapping.
fn module_at(memory: &Memory, mapping: &Mapping) -> Option<Module> {
    const PT_LOAD: u32 = 1;
    const PT_DYNAMIC: u32 = 2;
    const PT_NOTE: u32 = 4;
    const PT_TLS: u32 = 7;
    const PT_GNU_EH_FRAME: u32 = 0x6474_e550;
    const HEADERS: u16 = 256;
    let header = memory.bytes(mapping.start, 64).ok()?;
    // 64 bit, little-endian (System V ABI, "ELF Header").
    if header.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let entry = word(&header, 24)?;
    let (table, size, count) = (word(&header, 32)?, half(&header, 54)?, half(&header, 56)?);
    if size != 56 || count > HEADERS {
        return None;
    }
    let headers = memory.bytes(mapping.start.checked_add(table)?, usize::from(size) * usize::from(count)).ok()?;
    let segments: Vec<Segment> = headers.chunks_exact(56).filter_map(Segment::parse).collect();
    let loads = || segments.iter().filter(|segment| segment.kind == PT_LOAD);
    let first = loads().find(|segment| segment.offset == 0)?;
    let bias = mapping.start.wrapping_sub(first.address & !4095);
    let place = |kind: u32| {
        segments.iter().find(|segment| segment.kind == kind).map(|s| (bias.wrapping_add(s.address), s.memory_size))
    };
    let end = loads().map(|segment| segment.address.wrapping_add(segment.memory_size)).max()?;
    let build_id = segments
        .iter()
        .filter(|segment| segment.kind == PT_NOTE)
        .find_map(|note| build_id(memory, bias.wrapping_add(note.address), note.memory_size))
        .unwrap_or_default();
    let path = mapping.path.strip_suffix(" (deleted)");
    Some(Module {
        deleted: path.is_some(),
        path: path.unwrap_or(&mapping.path).to_owned(),
        device: mapping.device,
        inode: mapping.inode,
        start: mapping.start,
        end: bias.wrapping_add(end).checked_next_multiple_of(4096)?,
        bias,
        eh_frame_hdr: place(PT_GNU_EH_FRAME),
        dynamic: place(PT_DYNAMIC),
        thread_local: place(PT_TLS),
        entry: bias.wrapping_add(entry),
        build_id,
        rank: u32::MAX,
    })
}

/// A program header (System V ABI, "Program Header").
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    memory_size: u64,
}

impl Segment {
    fn parse(raw: &[u8]) -> Option<Segment> {
        Some(Segment {
            kind: word(raw, 0)? as u32,
            offset: word(raw, 8)?,
            address: word(raw, 16)?,
            memory_size: word(raw, 40)?,
        })
    }
}

/// The build id among the notes at `address`.
fn build_id(memory: &Memory, address: u64, size: u64) -> Option<Vec<u8>> {
    const NT_GNU_BUILD_ID: u32 = 3;
    const LIMIT: u64 = 4096;
    let notes = memory.bytes(address, size.min(LIMIT) as usize).ok()?;
    let mut rest = notes.as_slice();
    while rest.len() >= 12 {
        let field = |at: usize| word(rest, at).map(|value| value as u32);
        let (name_size, content_size, kind) = (field(0)? as usize, field(4)? as usize, field(8)?);
        let content = 12usize.checked_add(name_size.checked_next_multiple_of(4)?)?;
        let end = content.checked_add(content_size)?;
        if kind == NT_GNU_BUILD_ID && rest.get(12..16) == Some(b"GNU\0") {
            return rest.get(content..end).map(<[u8]>::to_vec);
        }
        rest = rest.get(end.checked_next_multiple_of(4)?..)?;
    }
    None
}

/// Eight little-endian bytes at `at`; missing ones at the end count as zero.
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let mut value = [0; 8];
    for (slot, byte) in value.iter_mut().zip(bytes.get(at..)?) {
        *slot = *byte;
    }
    Some(u64::from_le_bytes(value))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    word(bytes, at).map(|value| value as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps() {
        let line = b"7f1000000000-7f1000002000 r-xp 00001000 fd:01 42                         /lib/a b.so (deleted)";
        let mapping = parse(line).unwrap();
        assert_eq!((mapping.start, mapping.end, mapping.offset), (0x7f1000000000, 0x7f1000002000, 0x1000));
        assert!(mapping.readable && mapping.executable && !mapping.writable && !mapping.shared);
        assert_eq!((mapping.device, mapping.inode, mapping.path.as_str()), ((0xfd, 1), 42, "/lib/a b.so (deleted)"));
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn this_program_libc_and_the_vdso_are_found() {
        let modules = Modules::read(&Memory::new()).unwrap();
        let here = modules.module(this_program_libc_and_the_vdso_are_found as *const () as u64).unwrap();
        assert_eq!(std::path::Path::new(&here.path), std::env::current_exe().unwrap());
        assert!(here.eh_frame_hdr.is_some());
        let libc = modules.module(libc::getpid as *const () as u64).unwrap();
        assert_eq!(libc.name(), "libc.so.6");
        assert!(!libc.build_id.is_empty());
        assert!(modules.modules.iter().any(|module| module.path == "[vdso]"));
    }
}
