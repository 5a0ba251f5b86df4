//! Which files on disk tell of a module: the mapped file itself, and its separate debug file.
//!
//! Context: the agent's thread. A path is only a hint: the file may have been replaced since it was mapped. What is
//! opened is compared with what is in memory and not believed on its name.

use super::elf::{ElfFile, u32_at};
use crate::memory::Memory;
use crate::modules::{Module, Modules};

/// Where distributions install separate debug files.
const DEBUG_ROOT: &str = "/usr/lib/debug";

/// The files of one module.
#[derive(Default)]
pub(super) struct Files {
    /// The file that is mapped.
    pub(super) main: Option<ElfFile>,
    /// The one with the debug information that was split off.
    pub(super) debug: Option<ElfFile>,
    pub(super) problems: Vec<String>,
}

/// Finds and opens them.
pub(super) fn find(modules: &Modules, memory: &Memory, module: &Module) -> Files {
    let mut files = Files::default();
    if module.path == "[vdso]" {
        return files;
    }
    match main_file(modules, memory, module) {
        Ok(main) => files.main = Some(main),
        Err(problem) => files.problems.push(problem),
    }
    let complete = files.main.as_ref().is_some_and(|main| main.debug_section("info").is_some());
    if !complete {
        files.debug = by_build_id(&module.build_id).or_else(|| by_link(module, files.main.as_ref()?));
    }
    files
}

/// The mapped file, by its path or by the kernel's links to it.
fn main_file(modules: &Modules, memory: &Memory, module: &Module) -> Result<ElfFile, String> {
    let mut problem = match ElfFile::open(module.path.as_bytes()) {
        Ok(file) if is_mapped(memory, module, &file) => return Ok(file),
        Ok(file) if module.build_id.is_empty() || file.build_id.is_empty() => {
            format!("{}: the file was replaced since it was loaded", module.path)
        }
        Ok(file) => format!(
            "{}: the file was replaced since it was loaded (build id {} now, {} in memory)",
            module.path,
            hex(&file.build_id),
            hex(&module.build_id)
        ),
        Err(_) if module.deleted => format!("{}: the file was deleted", module.path),
        Err(problem) => format!("{}: {problem}", module.path),
    };
    // Links to the file itself, whatever became of its name; the second kind needs privileges (proc_pid_map_files(5)).
    let link = modules
        .mapping(module.start)
        .map(|mapping| format!("/proc/self/map_files/{:x}-{:x}", mapping.start, mapping.end));
    for path in core::iter::once("/proc/self/exe".to_owned()).chain(link) {
        if let Ok(file) = ElfFile::open(path.as_bytes())
            && is_mapped(memory, module, &file)
        {
            return Ok(file);
        }
    }
    problem.push_str("; only symbols in memory are known");
    Err(problem)
}

/// Whether this is the file that was mapped.
fn is_mapped(memory: &Memory, module: &Module, file: &ElfFile) -> bool {
    if !module.build_id.is_empty() {
        return file.build_id == module.build_id;
    }
    let (device, inode) = file.identity();
    let same_device = (libc::major(device), libc::minor(device)) == module.device;
    // Some file systems (btrfs, overlayfs) show other devices in maps than in stat; then the headers must agree.
    let same_head = || {
        let memory = memory.bytes(module.start, file.head.len());
        memory.is_ok_and(|memory| memory == file.head)
    };
    file.build_id.is_empty() && inode == module.inode && (same_device || same_head())
}

/// `/usr/lib/debug/.build-id/ab/cdef.debug` (gdb manual, "Separate Debug Files").
fn by_build_id(build_id: &[u8]) -> Option<ElfFile> {
    let (first, rest) = build_id.split_first()?;
    let path = format!("{DEBUG_ROOT}/.build-id/{first:02x}/{}.debug", hex(rest));
    ElfFile::open(path.as_bytes()).ok().filter(|file| file.build_id == build_id)
}

/// The file that `.gnu_debuglink` names: a name, zeros up to a multiple of 4, the file's CRC.
fn by_link(module: &Module, main: &ElfFile) -> Option<ElfFile> {
    let link = main.raw(main.section(b".gnu_debuglink").filter(|section| section.size <= 4096)?).ok()?;
    let name = link.split(|&byte| byte == 0).next().filter(|name| !name.is_empty() && !name.contains(&b'/'))?;
    let crc = u32_at(&link, name.len().checked_add(1)?.checked_next_multiple_of(4)?)?;
    let directory = module.path.rsplit_once('/')?.0;
    let places = [directory.to_owned(), format!("{directory}/.debug"), format!("{DEBUG_ROOT}{directory}")];
    places.into_iter().find_map(|place| {
        let path = [place.as_bytes(), b"/", name].concat();
        let file = ElfFile::open(&path).ok().filter(|file| file.identity() != main.identity())?;
        // The build id, where both have one, is as good as the CRC and need not read all of a large file.
        let same = if file.build_id.is_empty() || main.build_id.is_empty() {
            file.crc32().is_ok_and(|found| found == crc)
        } else {
            file.build_id == main.build_id
        };
        same.then_some(file)
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
