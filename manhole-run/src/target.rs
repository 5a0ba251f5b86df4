//! What an ELF file says about whether a library can be preloaded into it. Runs in the launcher; reads headers only,
//! however large the file is.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, ReadCache, ReadRef, elf};

use crate::library::Library;
use crate::refusal::{NO_MANHOLE, NOT_FOUND, Refusal};

/// The kind of machine that a file is for: the class, the byte order and the processor of its ELF header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    class: u8,
    order: u8,
    processor: u16,
}

impl Machine {
    /// From the first bytes of a file; `None` if it is not ELF.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        let class = *start.get(4)?;
        let order = *start.get(5)?;
        let pair = [*start.get(18)?, *start.get(19)?];
        let processor = if order == elf::ELFDATA2MSB.0 {
            u16::from_be_bytes(pair)
        } else {
            u16::from_le_bytes(pair)
        };
        start.starts_with(&elf::ELFMAG).then_some(Self {
            class,
            order,
            processor,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let narrow = self.class == elf::ELFCLASS32.0;
        let name = match self.processor {
            3 => "x86",
            62 if narrow => "x32",
            62 => "x86-64",
            40 => "ARM",
            183 => "AArch64",
            8 => "MIPS",
            20 | 21 => "PowerPC",
            22 => "S/390",
            243 => "RISC-V",
            258 => "LoongArch",
            other => return write!(out, "machine {other}"),
        };
        write!(out, "{}-bit {name}", if narrow { 32 } else { 64 })
    }
}

/// What is known about a program that can have a manhole.
#[derive(Debug, PartialEq, Default)]
pub(crate) struct Examined {
    /// What the user should know although the program is started.
    pub(crate) warning: Option<String>,
}

/// Checks the ELF program `path`, whose first bytes are `start`.
pub(crate) fn examine(path: &Path, start: &[u8], library: &Library) -> Result<Examined, Refusal> {
    let shown = path.display();
    let Some(machine) = Machine::of(start) else {
        return Ok(unclear(&shown.to_string(), "its ELF header is cut off"));
    };
    if machine != library.machine {
        let reason = format!(
            "{shown} is a program for {machine}, and libmanhole.so is for {}",
            library.machine
        );
        return Err(Refusal::new(NO_MANHOLE, reason)
            .remedy("a process can load libraries of its own kind only: give one as --lib"));
    }
    let headers = match File::open(path)
        .map_err(|error| error.to_string())
        .and_then(read)
    {
        Ok(headers) => headers,
        Err(error) => return Ok(unclear(&shown.to_string(), &error)),
    };
    let Some(interpreter) = &headers.interpreter else {
        // The loader itself, given a program as its argument, does preload.
        if headers
            .soname
            .as_deref()
            .is_some_and(|name| name.starts_with(b"ld-linux"))
        {
            return Ok(Examined::default());
        }
        return Err(Refusal::new(
            NO_MANHOLE,
            format!("{shown} is statically linked: it has no dynamic loader that could load libmanhole.so"),
        )
        .remedy("a manhole needs a dynamically linked build of it (no -static)"));
    };
    check_interpreter(path, interpreter)?;
    Ok(Examined {
        warning: headers.needs_nothing.then(|| {
            format!("{shown} uses no library, not even libc: what needs libc's help in it (fork, exit) goes unnoticed")
        }),
    })
}

/// The kind of machine that a shared library is for; `None` if the file is none.
pub(crate) fn machine_of_library(path: &Path) -> io::Result<Option<Machine>> {
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let start = beginning(&mut file)?;
    // e_type stands behind the 16 bytes of identification, in the file's own byte order; 3 is the same byte in both.
    let is_shared = start.get(16..18).is_some_and(|kind| kind.contains(&3));
    Ok(Machine::of(&start).filter(|_| is_shared))
}

/// The first bytes of a file: an ELF header, or a script's first line as far as the kernel reads it.
pub(crate) fn beginning(file: &mut File) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.take(256).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(start)
}

fn unclear(shown: &str, why: &str) -> Examined {
    Examined {
        warning: Some(format!(
            "cannot tell whether a manhole can be in {shown}: {why}"
        )),
    }
}

#[derive(Default)]
struct Headers {
    interpreter: Option<PathBuf>,
    soname: Option<Vec<u8>>,
    needs_nothing: bool,
}

fn read(file: File) -> Result<Headers, String> {
    let cache = ReadCache::new(file);
    headers(&cache).map_err(|error| error.to_string())
}

fn headers<'data, R: ReadRef<'data>>(data: R) -> object::Result<Headers> {
    let header = elf::FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let mut headers = Headers::default();
    let segments = header.program_headers(endian, data)?;
    for segment in segments {
        if let Some(path) = segment.interpreter(endian, data)? {
            headers.interpreter = Some(OsStr::from_bytes(path).into());
        }
    }
    for segment in segments {
        let Some(entries) = segment.dynamic(endian, data)? else {
            continue;
        };
        headers.needs_nothing = !entries
            .iter()
            .any(|entry| entry.tag(endian) == elf::DT_NEEDED);
        headers.soname = soname(entries, segments, endian, data);
    }
    Ok(headers)
}

fn soname<'data, R: ReadRef<'data>>(
    entries: &[elf::Dyn64<Endianness>],
    segments: &[elf::ProgramHeader64<Endianness>],
    endian: Endianness,
    data: R,
) -> Option<Vec<u8>> {
    let value = |wanted| {
        let entry = entries.iter().find(|entry| entry.tag(endian) == wanted)?;
        Some(entry.d_val(endian))
    };
    let address = value(elf::DT_STRTAB)?.checked_add(value(elf::DT_SONAME)?)?;
    let text = segments
        .iter()
        .find_map(|segment| segment.data_range(endian, data, address, 32).ok().flatten())?;
    Some(text.split(|byte| *byte == 0).next()?.to_vec())
}

/// Refuses loaders that are not glibc's, or not there.
fn check_interpreter(program: &Path, interpreter: &Path) -> Result<(), Refusal> {
    let shown = program.display();
    let loader = interpreter.display();
    // The name in the program, and what it leads to: compatibility packages link glibc's name to another loader.
    let resolved = interpreter.canonicalize();
    let names = [Some(interpreter), resolved.as_deref().ok()];
    for name in names.into_iter().flatten().filter_map(Path::file_name) {
        if let Some(library) = other_libc(name) {
            let reason =
                format!("{shown} uses {library} ({loader}), and libmanhole.so needs glibc");
            return Err(Refusal::new(NO_MANHOLE, reason)
                .remedy("a manhole needs a build of it that is linked against glibc"));
        }
    }
    if resolved.is_err() {
        let reason =
            format!("{shown} cannot start: its dynamic loader {loader} does not exist here");
        return Err(Refusal::new(NOT_FOUND, reason)
            .remedy("it was built for another system; install the C library that it needs"));
    }
    Ok(())
}

/// The C library to which a loader of this name belongs, if it is not glibc.
fn other_libc(name: &OsStr) -> Option<&'static str> {
    let name = name.as_bytes();
    let begins = |start: &str| name.starts_with(start.as_bytes());
    if begins("ld-musl") || begins("libc.musl") {
        Some("the musl C library")
    } else if begins("ld-uClibc") || begins("ld64-uClibc") {
        Some("the uClibc C library")
    } else if name == b"linker" || name == b"linker64" {
        Some("Android's C library")
    } else {
        None
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    /// A file built by gcc from C source; its `main` is there unless the source has one or it is a library.
    pub(crate) fn compile(directory: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
        let input = directory.join(format!("{name}.c"));
        let output = directory.join(name);
        fs::write(&input, source).unwrap();
        let status = Command::new("gcc")
            .args(flags)
            .arg("-o")
            .args([&output, &input])
            .status()
            .expect("gcc is needed for the tests (apt-get install gcc libc6-dev)");
        assert!(status.success(), "gcc {flags:?}");
        output
    }

    const MAIN: &str = "int main(void) { return 0; }";

    pub(crate) fn library(directory: &Path) -> Library {
        let path = compile(directory, "libmanhole.so", "", &["-shared", "-fPIC"]);
        let machine = machine_of_library(&path).unwrap().unwrap();
        Library { path, machine }
    }

    fn examined(path: &Path, library: &Library) -> Result<Examined, Refusal> {
        let start = beginning(&mut File::open(path).unwrap()).unwrap();
        examine(path, &start, library)
    }

    fn patched(path: &Path, name: &str, patches: &[(usize, &[u8])]) -> PathBuf {
        let mut bytes = fs::read(path).unwrap();
        for (at, patch) in patches {
            bytes[*at..*at + patch.len()].copy_from_slice(patch);
        }
        let output = path.with_file_name(name);
        fs::write(&output, bytes).unwrap();
        output
    }

    #[test]
    fn dynamic_programs_pass() {
        let root = tempfile::tempdir().unwrap();
        let library = library(root.path());
        for (name, flags) in [("pie", &["-pie"][..]), ("fixed", &["-no-pie"])] {
            let program = compile(root.path(), name, MAIN, flags);
            assert_eq!(
                examined(&program, &library),
                Ok(Examined::default()),
                "{name}"
            );
        }
        let own = std::env::current_exe().unwrap();
        assert_eq!(examined(&own, &library), Ok(Examined::default()));
    }

    #[test]
    fn static_programs_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let library = library(root.path());
        for flags in ["-static", "-static-pie"] {
            let program = compile(root.path(), &flags[1..], MAIN, &[flags]);
            let refusal = examined(&program, &library).unwrap_err();
            assert_eq!(refusal.code, NO_MANHOLE);
            assert!(refusal.reason.contains("is statically linked"), "{refusal}");
        }
    }

    #[test]
    fn the_loader_itself_passes() {
        let root = tempfile::tempdir().unwrap();
        let library = library(root.path());
        let program = compile(root.path(), "program", MAIN, &[]);
        let loader = read(File::open(program).unwrap()).unwrap().interpreter;
        assert_eq!(
            examined(&loader.unwrap(), &library),
            Ok(Examined::default())
        );
    }

    #[test]
    fn a_program_without_libraries_is_warned_about() {
        let root = tempfile::tempdir().unwrap();
        let library = library(root.path());
        let source = "void _start(void) { for (;;) ; }";
        let flags = [
            "-nostdlib",
            "-pie",
            "-Wl,--dynamic-linker=/lib64/ld-linux-x86-64.so.2",
        ];
        let program = compile(root.path(), "bare", source, &flags);
        let loader = read(File::open(&program).unwrap()).unwrap().interpreter;
        if loader.is_some_and(|loader| loader.exists()) {
            let warning = examined(&program, &library).unwrap().warning.unwrap();
            assert!(warning.contains("uses no library"), "{warning}");
        }
    }

    #[test]
    fn other_machines_are_refused_by_name() {
        let root = tempfile::tempdir().unwrap();
        let library = library(root.path());
        let program = compile(root.path(), "program", MAIN, &[]);
        for (name, patches, said) in [
            (
                "x86",
                &[(4, &[1_u8][..]), (18, &[3, 0])][..],
                "for 32-bit x86,",
            ),
            ("x32", &[(4, &[1]), (18, &[62, 0])], "for 32-bit x32,"),
            ("arm", &[(4, &[1]), (18, &[40, 0])], "for 32-bit ARM,"),
            ("s390", &[(5, &[2]), (18, &[0, 22])], "for 64-bit S/390,"),
            ("riscv", &[(18, &[243, 0])], "for 64-bit RISC-V,"),
            ("odd", &[(18, &[77, 0])], "for machine 77,"),
        ] {
            let refusal = examined(&patched(&program, name, patches), &library).unwrap_err();
            assert_eq!(refusal.code, NO_MANHOLE);
            assert!(refusal.reason.contains(said), "{refusal}");
        }
    }

    #[test]
    fn other_loaders_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let library = library(root.path());
        let alias = root.path().join("ld-linux-x86-64.so.2");
        fs::write(root.path().join("ld-musl-x86_64.so.1"), "").unwrap();
        std::os::unix::fs::symlink("ld-musl-x86_64.so.1", &alias).unwrap();
        for (number, (loader, code, said)) in [
            (
                "/lib/ld-musl-x86_64.so.1",
                NO_MANHOLE,
                "uses the musl C library",
            ),
            (
                "/lib/ld64-uClibc.so.1",
                NO_MANHOLE,
                "uses the uClibc C library",
            ),
            (
                "/system/bin/linker64",
                NO_MANHOLE,
                "uses Android's C library",
            ),
            (
                alias.to_str().unwrap(),
                NO_MANHOLE,
                "uses the musl C library",
            ),
            (
                "/nowhere/ld-linux-x86-64.so.2",
                NOT_FOUND,
                "does not exist here",
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let flag = format!("-Wl,--dynamic-linker={loader}");
            let program = compile(root.path(), &format!("p{number}"), MAIN, &[&flag]);
            let refusal = examined(&program, &library).unwrap_err();
            assert_eq!(refusal.code, code, "{refusal}");
            assert!(refusal.reason.contains(said), "{refusal}");
        }
    }

    #[test]
    fn broken_headers_are_left_to_the_kernel() {
        let root = tempfile::tempdir().unwrap();
        let library = library(root.path());
        let program = compile(root.path(), "program", MAIN, &[]);
        // The program headers start beyond the end of the file.
        let far = patched(&program, "far", &[(32, &[0xff; 7])]);
        let warning = examined(&far, &library).unwrap().warning.unwrap();
        assert!(warning.contains("cannot tell"), "{warning}");
        let bytes = fs::read(&program).unwrap();
        for length in [4, 10, 19, 63] {
            let cut = root.path().join("cut");
            fs::write(&cut, &bytes[..length]).unwrap();
            assert!(
                examined(&cut, &library).unwrap().warning.is_some(),
                "{length}"
            );
        }
    }
}
