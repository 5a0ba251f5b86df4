//! Units found by name and by address; sections read by pages.
//!
//! Context: test.

use gimli::Reader as _;

use super::*;
use crate::symbols::dwarf::Dwarf;
use crate::symbols::search::{Found, Likelihood};

const HEADER: &str = r#"
struct config { int verbosity; }; enum color { red, green }; typedef unsigned long counter_t;
extern struct config server; extern counter_t many; int compute(int parameter);
"#;
const UNITS: [&str; 4] = [
    "#include \"all.h\"\nint compute(int parameter) { int local = parameter; return local + server.verbosity; }\n",
    "#include \"all.h\"\nstruct config server = {3}; struct config *other(void) { return &server; }\n",
    "#include \"all.h\"\ncounter_t many = 7; static int hidden_one = 1; int *take(void) { enum color c = green; hidden_one = c; return &hidden_one; }\n",
    "struct lonely { int a; } lonely_one; int x1; int main(void) { return lonely_one.a + x1; }\n",
];

/// The units, built by the compiler with the flags into one file.
fn program(directory: &Path, compiler: &str, flags: &str) -> PathBuf {
    std::fs::write(directory.join("all.h"), HEADER).unwrap();
    for (i, text) in UNITS.iter().enumerate() {
        std::fs::write(directory.join(format!("u{i}.c")), text).unwrap();
    }
    let path = directory.join("program");
    let script = format!("{compiler} -O0 {flags} u0.c u1.c u2.c u3.c -o program");
    run(Command::new("sh").current_dir(directory).args(["-ec", &script]));
    path
}

fn never() -> bool {
    false
}

/// The number of the program's unit in which a name is defined, by what was found: the first of the most likely.
fn units(dwarf: &Dwarf<'_>, found: &Found, most: Likelihood) -> Vec<String> {
    let wanted = found
        .candidates
        .iter()
        .filter(|candidate| candidate.likelihood <= most && candidate.part != dwarf::Part::Shared);
    let name = |unit| dwarf.main.parsed(unit).unwrap().name.unwrap().to_string_lossy().unwrap().into_owned();
    wanted.map(|candidate| name(candidate.unit)).collect()
}

fn open<'s>(store: &'s Store, path: &Path) -> Dwarf<'s> {
    let file = elf::ElfFile::open(path.to_str().unwrap().as_bytes()).unwrap();
    Dwarf::open(store, &file, &file.path, "program").unwrap().unwrap()
}

/// Where the program has the symbol.
fn address_of(path: &Path, name: &str) -> u64 {
    let store = Store::default();
    let file = elf::ElfFile::open(path.to_str().unwrap().as_bytes()).unwrap();
    let table = table::Table::of_file(&file, |bytes| store.keep(bytes)).unwrap().unwrap();
    table.entries().iter().find(|entry| table.name(entry) == name.as_bytes()).unwrap().address
}

#[test]
fn names_lead_to_the_units_that_define_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut compilers =
        vec![("gcc", "-g -gdwarf-5"), ("gcc", "-g -gdwarf-4"), ("gcc", "-g -gdwarf-2"), ("gcc", "-g -gz=zlib")];
    if offers("clang", "clang") {
        compilers.extend([("clang", "-g -gdwarf-5"), ("clang", "-g -gdwarf-4")]);
    } else {
        skip("clang", "clang");
    }
    for (compiler, flags) in compilers {
        for paged in [false, true] {
            let path = program(directory.path(), compiler, flags);
            let store = Store::default();
            if paged {
                store.used.pages_only();
            }
            let dwarf = open(&store, &path);
            let what = format!("{compiler} {flags} {paged}");
            // Numbers of strings do not say which entry has the name.
            let numbered = !gimli::Section::reader(&dwarf.main.dwarf.debug_str_offsets).is_empty();
            let definitions = if numbered { Likelihood::Unknown } else { Likelihood::Definition };
            for (name, unit) in
                [("server", "u1.c"), ("many", "u2.c"), ("compute", "u0.c"), ("lonely", "u3.c"), ("x1", "u3.c")]
            {
                let found = dwarf.units_with(name.as_bytes(), &never);
                assert!(found.complete, "{what} {name}");
                // clang puts the expression of the frame before the name of a function.
                let unsure = numbered || compiler == "clang" && name == "compute";
                let most = if unsure { Likelihood::Unknown } else { Likelihood::Definition };
                let found_units = units(&dwarf, &found, most);
                assert!(found_units.contains(&unit.to_owned()), "{what} {name}: {found_units:?} of {found:?}");
                if !unsure {
                    assert_eq!(found_units, [unit], "{what} {name}: {found:?}");
                }
            }
            // A type of the header is whole in each unit that uses it.
            let found = units(&dwarf, &dwarf.units_with(b"config", &never), definitions);
            assert!(found.contains(&"u1.c".to_owned()) && !found.contains(&"u3.c".to_owned()), "{what}: {found:?}");
            // By chance other numbers in small units look like the place of the name.
            let local = units(&dwarf, &dwarf.units_with(b"hidden_one", &never), Likelihood::Unknown);
            assert!(local.contains(&"u2.c".to_owned()), "{what} {local:?}");
            let parameter = dwarf.units_with(b"parameter", &never);
            assert!(!units(&dwarf, &parameter, Likelihood::Mention).is_empty(), "{what}");
            assert_eq!(dwarf.units_with(b"no_such_name", &never), Found { candidates: Vec::new(), complete: true });
            assert_eq!(dwarf.units_with(b"server", &|| true), Found::default());

            for (name, unit) in [("server", "u1.c"), ("many", "u2.c"), ("hidden_one", "u2.c"), ("lonely_one", "u3.c")] {
                let found = dwarf.units_with_address(address_of(&path, name), &never);
                let found_units = units(&dwarf, &found, Likelihood::Unknown);
                assert_eq!(found_units, [unit], "{what} {name}: {found:?}");
            }
            assert!(dwarf.units_with_address(0x123_4567, &never).candidates.is_empty());
        }
    }
}

#[test]
fn indexes_are_used_and_corrupt_ones_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let gdb_index = "gdb -nx -batch -ex 'save gdb-index .' program && \
        objcopy --add-section .gdb_index=program.gdb-index program";
    let mut indexes =
        vec![("gcc", "-g -ggnu-pubnames", ""), ("gcc", "-g -gdwarf-4 -gpubnames", ""), ("gcc", "-g", gdb_index)];
    if offers("clang", "clang") {
        indexes.push(("clang", "-g -gdwarf-5 -gpubnames", ""));
    } else {
        skip("clang", "clang");
    }
    for (compiler, flags, script) in indexes {
        let path = program(directory.path(), compiler, flags);
        if !script.is_empty() {
            run(Command::new("sh").current_dir(&directory).args(["-ec", script]));
        }
        let what = format!("{compiler} {flags} {script}");
        let named = |path: &Path, name: &str| {
            let store = Store::default();
            let dwarf = open(&store, path);
            let found = dwarf.units_by_index(name.as_bytes(), &never);
            units(&dwarf, &found, Likelihood::Unknown)
        };
        // gdb 13 gives the unit of a declaration.
        let server = named(&path, "server");
        assert!(server == ["u1.c"] || !script.is_empty() && server == ["u0.c"], "{what}: {server:?}");
        assert_eq!(named(&path, "lonely_one"), ["u3.c"], "{what}");
        assert_eq!(named(&path, "compute"), ["u0.c"], "{what}");
        assert_eq!(named(&path, "no_such_name"), Vec::<String>::new(), "{what}");
        // Whatever stands in an index, a search ends.
        let whole = std::fs::read(&path).unwrap();
        let file = elf::ElfFile::open(path.to_str().unwrap().as_bytes()).unwrap();
        let corrupt = directory.path().join("corrupt");
        for section in [&b".gdb_index"[..], b".debug_names", b".debug_pubnames", b".debug_gnu_pubnames"] {
            let Some(bytes) = file.section(section).map(|section| file.raw(section).unwrap()) else { continue };
            let start = whole.windows(bytes.len()).position(|window| window == bytes).unwrap();
            for at in (0..bytes.len()).step_by(1 + bytes.len() / 150) {
                let mut bytes = whole.clone();
                bytes[start + at] = if at % 2 == 0 { 0xff } else { bytes[start + at] ^ 0x10 };
                std::fs::write(&corrupt, bytes).unwrap();
                named(&corrupt, "server");
            }
        }
    }
}

/// The same answers whether sections stand in memory or are read by pages.
#[test]
fn pages_and_memory_agree() {
    for (what, step) in [("libc.so.6", 1511), ("manhole", 4999)] {
        let look = Look::now();
        let mut files = files::find(&look.modules, &look.memory, look.module(what));
        let main = files.main.take().unwrap();
        let file = if main.debug_section("info").is_some() { Some(main) } else { files.debug.take() };
        let Some(file) = file else { continue };
        let (memory, pages) = (Store::default(), Store::default());
        pages.used.pages_only();
        let (memory, pages) = (lines_of(&memory, &file, what), lines_of(&pages, &file, what));
        let (memory, pages) = (memory.unwrap().unwrap(), pages.unwrap().unwrap());
        let mut answered = 0;
        for address in file.code().step_by(step) {
            let calls = memory.calls(address);
            assert_eq!(calls, pages.calls(address), "{what} {address:#x}");
            answered += usize::from(!calls.is_empty());
        }
        assert!(answered > 100, "{what}: {answered}");
    }
}

#[test]
fn a_file_that_is_cut_short_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = program(directory.path(), "gcc", "-g");
    let store = Store::default();
    store.used.pages_only();
    let dwarf = open(&store, &path);
    assert!(dwarf.main.list().len() >= 4);
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(100).unwrap();
    let found = dwarf.units_with(b"server", &never);
    assert!(!found.complete && found.candidates.is_empty());
}

/// Every kind of reading at every border of a page gives what memory gives.
#[test]
fn readings_across_the_borders_of_pages() {
    let directory = tempfile::tempdir().unwrap();
    let path = program(directory.path(), "gcc", "-g");
    let bytes: Vec<u8> = (0..100_001_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8 | 1).collect();
    std::fs::write(directory.path().join("big"), &bytes).unwrap();
    let add = format!("--add-section=.big={}", directory.path().join("big").display());
    tool("objcopy", &[&add], &path);
    let store = Store::default();
    let file = elf::ElfFile::open(path.to_str().unwrap().as_bytes()).unwrap();
    let paged = store.paged(file.piece(file.section(b".big").unwrap()).unwrap().unwrap());
    let memory = reader::Reader::Memory(&bytes);
    assert_eq!((paged.len(), paged.to_slice().unwrap().as_ref()), (bytes.len(), bytes.as_slice()));
    for at in (1..7).flat_map(|page| page * 16384 - 9..page * 16384 + 2).chain(bytes.len() - 9..=bytes.len()) {
        let (mut a, mut b) = (paged, memory);
        let both = (a.skip(at).is_ok(), b.skip(at).is_ok());
        assert_eq!(both.0, both.1, "{at}");
        assert_eq!(a.len(), b.len());
        assert_eq!(a.clone().read_u64().ok(), b.clone().read_u64().ok(), "{at}");
        assert_eq!(a.clone().read_uint(3).ok(), b.clone().read_uint(3).ok(), "{at}");
        assert_eq!(a.clone().read_uleb128().ok(), b.clone().read_uleb128().ok(), "{at}");
        assert_eq!(a.clone().split(8).ok().map(|it| it.text()), b.clone().split(8).ok().map(|it| it.text()), "{at}");
        for byte in [1, 77, 255, 0] {
            assert_eq!(a.find(byte).ok(), b.find(byte).ok(), "{at}");
        }
        assert_eq!(a.offset_from(&paged), at);
    }
}
