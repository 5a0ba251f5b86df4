//! What the shipped library asks of a process: read from its ELF file.

use std::collections::BTreeSet;

use manhole_tests::place;
use object::read::elf::{Dyn, ElfFile64, ProgramHeader};
use object::{Object, ObjectSymbol, elf};

type File<'a> = ElfFile64<'a, object::Endianness>;

fn bytes() -> Vec<u8> {
    std::fs::read(place::library()).unwrap()
}

/// The values of all entries of the dynamic section with this tag.
fn dynamic(file: &File<'_>, tag: elf::DynamicTag) -> Vec<u64> {
    let endian = file.endian();
    let segments = file.elf_program_headers().iter();
    segments
        .filter_map(|segment| segment.dynamic(endian, file.data()).unwrap())
        .flatten()
        .filter(|entry| entry.d_tag(endian) == tag)
        .map(|entry| entry.d_val(endian))
        .collect()
}

#[test]
fn needs_libc_and_the_loader_and_nothing_else() {
    let data = bytes();
    let file = File::parse(&*data).unwrap();
    let sections = file.elf_section_table();
    let (entries, link) = sections.dynamic(file.endian(), file.data()).unwrap().expect("a dynamic section");
    let strings = sections.strings(file.endian(), file.data(), link).unwrap();
    let needed: BTreeSet<String> = entries
        .iter()
        .filter(|entry| entry.d_tag(file.endian()) == elf::DT_NEEDED)
        .map(|entry| String::from_utf8(entry.string(file.endian(), strings).unwrap().to_vec()).unwrap())
        .collect();
    let expected = ["ld-linux-x86-64.so.2", "libc.so.6"].map(str::to_owned).into();
    assert_eq!(needed, expected);
}

#[test]
fn binds_at_once_and_has_no_text_relocations() {
    let data = bytes();
    let file = File::parse(&*data).unwrap();
    let flags = |tag| dynamic(&file, tag).into_iter().fold(0, |all, value| all | value);
    let now = flags(elf::DT_FLAGS) & elf::DF_BIND_NOW.0 != 0
        || flags(elf::DT_FLAGS_1) & elf::DF_1_NOW.0 != 0
        || !dynamic(&file, elf::DT_BIND_NOW).is_empty();
    assert!(now, "BIND_NOW is not set: a first call would take the loader's lock");
    assert!(dynamic(&file, elf::DT_TEXTREL).is_empty(), "DT_TEXTREL");
    assert_eq!(flags(elf::DT_FLAGS) & elf::DF_TEXTREL.0, 0, "DF_TEXTREL");
}

#[test]
fn its_stack_is_not_executable_and_nothing_is_writable_and_executable() {
    let data = bytes();
    let file = File::parse(&*data).unwrap();
    let endian = file.endian();
    let stack: Vec<elf::ProgramFlags> = file
        .elf_program_headers()
        .iter()
        .filter(|segment| segment.p_type(endian) == elf::PT_GNU_STACK)
        .map(|segment| segment.p_flags(endian))
        .collect();
    assert_eq!(stack.len(), 1, "one PT_GNU_STACK, or the kernel makes the host's stack executable");
    assert_eq!(stack[0] & elf::PF_X, elf::ProgramFlags(0), "the stack is executable");
    for segment in file.elf_program_headers() {
        let both = elf::PF_W | elf::PF_X;
        assert!(
            segment.p_type(endian) != elf::PT_LOAD || segment.p_flags(endian) & both != both,
            "a segment is writable and executable"
        );
    }
}

/// What takes the place of the C library's: processes, threads, descriptors, signals, credentials, namespaces.
const INTERPOSED: &str = include_str!("../packaging/exports");

#[test]
fn exports_the_interposed_functions_and_manhole_names_only() {
    let data = bytes();
    let file = File::parse(&*data).unwrap();
    let exported: BTreeSet<&str> = file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && symbol.is_global())
        .map(|symbol| symbol.name().unwrap())
        .collect();
    let interposed: Vec<&str> = INTERPOSED.lines().collect();
    for interposed in &interposed {
        assert!(exported.contains(interposed), "{interposed} is not interposed: {exported:?}");
    }
    let others: Vec<&&str> =
        exported.iter().filter(|name| !interposed.contains(name) && !name.starts_with("manhole_")).collect();
    assert!(others.is_empty(), "these would take the place of the host's: {others:?}");
}

/// What is shipped is checked by the script that builds it.
#[test]
fn the_check_of_a_release_passes() {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/release");
    let library = place::library();
    let mut check = std::process::Command::new(script);
    let output = check.arg("--check").arg(library.parent().unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_newest_glibc_that_it_needs_is_known() {
    let data = bytes();
    let text = String::from_utf8_lossy(&data);
    let newest = text
        .match_indices("GLIBC_2.")
        .filter_map(|(at, found)| {
            let digits: String = text.get(at + found.len()..)?.chars().take_while(char::is_ascii_digit).collect();
            digits.parse::<u32>().ok()
        })
        .max()
        .expect("versioned symbols");
    println!("the newest symbol version needed is GLIBC_2.{newest}");
    assert!(newest <= 36, "needs GLIBC_2.{newest}: newer than Debian 12, the oldest system that is promised");
}

#[test]
fn thread_local_storage_is_small() {
    // A preloaded library's thread-locals come out of the room that the loader keeps for libraries loaded later.
    let data = bytes();
    let file = File::parse(&*data).unwrap();
    let size: u64 = file
        .elf_program_headers()
        .iter()
        .filter(|segment| segment.p_type(file.endian()) == elf::PT_TLS)
        .map(|segment| segment.p_memsz(file.endian()))
        .sum();
    assert!(size <= 512, "{size} bytes of thread-local storage");
}
