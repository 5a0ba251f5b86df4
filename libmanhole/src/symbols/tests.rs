//! The symbols of this very test program, of libc, and of small libraries that the tests build and load.
//!
//! Context: test.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

mod corrupt;
mod files_of_others;
mod search;
mod witness;

/// A look at this process.
struct Look {
    memory: Memory,
    modules: Modules,
}

impl Look {
    fn now() -> Look {
        let memory = Memory::new();
        let modules = Modules::read(&memory).unwrap();
        Look { memory, modules }
    }

    fn module(&self, name: &str) -> &Module {
        self.modules.modules.iter().find(|module| module.name().starts_with(name)).unwrap()
    }
}

/// A library that is built and loaded; it stays loaded.
struct Library {
    directory: tempfile::TempDir,
    path: PathBuf,
    handle: *mut libc::c_void,
}

const SOURCE: &str = r#"
volatile int sink;
static __attribute__((noinline)) int hidden(int x) { sink = x; return sink + 1; }
static inline __attribute__((always_inline)) int inlined(int x) { sink = x * 3; return sink; }
__attribute__((visibility("hidden"))) int discarded(int x) {
#define M sink = x; sink *= 3; x ^= sink;
#define M8 M M M M M M M M
#define M64 M8 M8 M8 M8 M8 M8 M8 M8
    M64 M64 M64 M64 M64 M64 M64 M64
    return x;
}
__attribute__((noinline)) int first(int x) { return inlined(x) + hidden(x); }
int exported(int x) { return first(x) + 1; }
int variable = 7;
"#;

impl Library {
    /// Builds `SOURCE` with the given flags, lets `change` work on the file, and loads it.
    fn new(flags: &[&str], change: impl FnOnce(&Path)) -> Library {
        let directory = tempfile::tempdir().unwrap();
        let source = directory.path().join("source.c");
        std::fs::write(&source, SOURCE).unwrap();
        // The name is the test's own, for the loader knows libraries by it.
        let name = format!("lib{}.so", directory.path().file_name().unwrap().to_str().unwrap().trim_start_matches('.'));
        let path = directory.path().join(name);
        run(Command::new("gcc").args(["-shared", "-fPIC", "-O1"]).args(flags).arg(&source).arg("-o").arg(&path));
        change(&path);
        let c_path = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: the library has no constructors.
        let handle = unsafe { libc::dlopen(c_path.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null());
        Library { directory, path, handle }
    }

    fn address(&self, name: &str) -> u64 {
        let name = CString::new(name).unwrap();
        // SAFETY: the library is loaded.
        let address = unsafe { libc::dlsym(self.handle, name.as_ptr()) };
        assert!(!address.is_null());
        address as u64
    }
}

/// The lines that the file has.
fn lines_of<'s>(store: &'s Store, file: &elf::ElfFile, name: &str) -> Option<Result<lines::Lines<'s>, String>> {
    let dwarf = dwarf::Dwarf::open(store, file, &file.path, name)?;
    Some(dwarf.map(|dwarf| lines::Lines::new(Rc::new(dwarf))))
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Says that a part of a test is left out; with `CI=true` that is a failure.
fn skip(what: &str, package: &str) {
    eprintln!("skipped: needs {what} (sudo apt-get install {package})");
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "{what} is missing");
}

/// Whether the program is there, and its help has this word.
fn offers(program: &str, word: &str) -> bool {
    let output = Command::new(program).arg("--help").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).contains(word))
}

fn tool(name: &str, arguments: &[&str], path: &Path) {
    run(Command::new(name).args(arguments).arg(path));
}

/// The address of an instruction that is inlined into the caller, and its line.
#[inline(always)]
fn inlined_here() -> (u64, u32) {
    let address: u64;
    let line = line!() + 2;
    // SAFETY: reads the instruction pointer only.
    unsafe { core::arch::asm!("lea {}, [rip]", out(reg) address, options(nomem, nostack)) };
    (address - 1, line)
}

#[inline(never)]
fn outer() -> (u64, u32, u32) {
    let (address, line) = inlined_here();
    (address, line, line!() - 1)
}

#[test]
fn this_program_has_functions_lines_and_inlined_functions() {
    let (store, look) = (Store::default(), Look::now());
    let mut symbols = Symbols::new(&store);
    let (address, line, outer_line) = outer();
    let found = symbols.locate(&look.modules, &look.memory, address);
    let start = outer as *const () as u64;
    let location = |function: &str, line, inlined| Location {
        function: Some(format!("manhole::symbols::tests::{function}")),
        offset: address - start,
        object: std::env::current_exe().unwrap().to_str().unwrap().to_owned(),
        file: found[0].file.clone(),
        line: Some(line),
        inlined,
    };
    assert_eq!(found, [location("inlined_here", line, true), location("outer", outer_line, false)]);
    let file = found[0].file.clone().unwrap();
    assert!(Path::new(&file).ends_with(file!()), "{file}");
    let text = symbols.source_line(&file, outer_line);
    assert_eq!(text.as_deref(), Some("let (address, line) = inlined_here();"));
    assert_eq!(symbols.problems(), Vec::<String>::new());
    // The second answer comes from the cache.
    assert_eq!(symbols.locate(&look.modules, &look.memory, address), found);
}

#[test]
fn libc_by_address_by_name_and_by_prefix() {
    let (store, look) = (Store::default(), Look::now());
    let mut symbols = Symbols::new(&store);
    let address = libc::getpid as *const () as u64;
    let symbol = symbols.symbol_at(&look.modules, &look.memory, address + 1).unwrap();
    assert!(symbol.address == address && symbol.is_function && symbol.size > 1, "{symbol:?}");
    assert!(symbol.name.ends_with("getpid") && symbol.object.ends_with("libc.so.6"), "{symbol:?}");
    let found = symbols.find(&look.modules, &look.memory, "getpid");
    assert!(found.iter().any(|symbol| symbol.address == address && symbol.is_function), "{found:?}");
    let names = symbols.complete(&look.modules, &look.memory, "getpi", 10);
    assert!(names.contains(&"getpid".to_owned()) && names.iter().all(|name| name.starts_with("getpi")), "{names:?}");
    let names = symbols.complete(&look.modules, &look.memory, "manhole::symbols::tests::libc_by", 10);
    assert!(names.contains(&"manhole::symbols::tests::libc_by_address_by_name_and_by_prefix".to_owned()), "{names:?}");
    assert_eq!(symbols.complete(&look.modules, &look.memory, "get", 3).len(), 3);
    assert!(symbols.find(&look.modules, &look.memory, "manhole::symbols::tests::outer").len() == 1);
    assert!(symbols.find(&look.modules, &look.memory, "no_such_symbol_anywhere").is_empty());
}

#[test]
fn a_name_means_what_the_loader_finds_first_and_without_its_list_what_is_ours() {
    let look = Look::now();
    let theirs = Module { rank: u32::MAX, ..look.module("libc.so").clone() };
    let function = exported(&look.memory, &theirs, "fork").unwrap();
    // As if this very program were a library that exports it.
    let here = this_function as *const () as usize as u64;
    let ours = Module { bias: theirs.bias.wrapping_add(here.wrapping_sub(function)), ..theirs.clone() };
    let first = |modules: &[Module]| first_exported(&look.memory, modules, "fork");
    assert_eq!(first(&[theirs.clone(), ours.clone()]), Some(here));
    assert_eq!(first(&[ours.clone(), theirs.clone()]), Some(here));
    assert_eq!(first(&[ours, Module { rank: 3, ..theirs.clone() }]), Some(function));
    assert_eq!(first_exported(&look.memory, &[theirs], "no_such_function"), None);
}

/// Stands for something that this library exports.
extern "C" fn this_function() {}

#[test]
fn the_vdso_has_its_functions() {
    let (store, look) = (Store::default(), Look::now());
    let mut symbols = Symbols::new(&store);
    let found = symbols.find(&look.modules, &look.memory, "__vdso_clock_gettime");
    let [symbol] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((symbol.object.as_str(), symbol.is_function), ("[vdso]", true));
    let located = symbols.locate(&look.modules, &look.memory, symbol.address + 1);
    assert_eq!((located.len(), located[0].offset, located[0].object.as_str()), (1, 1, "[vdso]"));
    assert!(located[0].function.as_deref().unwrap().ends_with("clock_gettime"));
    assert_eq!(symbols.problems(), Vec::<String>::new());
}

#[test]
fn code_in_no_module_is_in_no_object() {
    let (store, look) = (Store::default(), Look::now());
    let mut symbols = Symbols::new(&store);
    for address in [0, 8, u64::MAX] {
        assert_eq!(symbols.locate(&look.modules, &look.memory, address), [Location::default()]);
        assert_eq!(symbols.symbol_at(&look.modules, &look.memory, address), None);
    }
}

/// `first` with the inlined function and the static one that it calls.
fn assert_full(library: &Library) {
    let (store, look) = (Store::default(), Look::now());
    let mut symbols = Symbols::new(&store);
    let start = library.address("first");
    let mut seen = BTreeSet::new();
    for address in start..start + 12 {
        let located = symbols.locate(&look.modules, &look.memory, address);
        let last = located.last().unwrap();
        assert_eq!((last.function.as_deref(), last.offset, last.inlined), (Some("first"), address - start, false));
        assert_eq!(last.line, Some(12), "{located:?}");
        assert!(last.file.as_deref().unwrap().ends_with("/source.c"));
        for location in &located[..located.len() - 1] {
            assert!(location.inlined && location.line == Some(4), "{located:?}");
        }
        seen.extend(located.into_iter().filter_map(|location| location.function));
    }
    assert!(seen.contains("inlined"), "{seen:?}");
    let hidden = symbols.find(&look.modules, &look.memory, "hidden");
    assert!(hidden.iter().any(|symbol| Path::new(&symbol.object) == library.path), "{hidden:?}");
    assert_eq!(symbols.problems(), Vec::<String>::new());
}

/// Only the exported names are known.
fn assert_stripped(library: &Library) -> Vec<String> {
    let (store, look) = (Store::default(), Look::now());
    let mut symbols = Symbols::new(&store);
    let start = library.address("first");
    let module = look.modules.module(start).unwrap();
    let located = symbols.locate(&look.modules, &look.memory, start + 1);
    let expected = Location {
        function: Some("first".to_owned()),
        offset: 1,
        object: library.path.to_str().unwrap().to_owned(),
        ..Location::default()
    };
    assert_eq!(located, [expected]);
    // `hidden` lies before `first` and `discarded`, which are sized: no name is better than a wrong one.
    let found = symbols.find(&look.modules, &look.memory, "hidden");
    assert!(!found.iter().any(|symbol| symbol.object == module.path));
    let data = symbols.symbol_at(&look.modules, &look.memory, library.address("variable") + 3).unwrap();
    assert_eq!((data.name.as_str(), data.size, data.is_function), ("variable", 4, false));
    symbols.problems()
}

#[test]
fn a_library_with_debug_information() {
    assert_full(&Library::new(&["-g"], |_| ()));
    assert_full(&Library::new(&["-g", "-gdwarf-4", "-Wl,--hash-style=sysv"], |_| ()));
    assert_full(&Library::new(&["-g", "-Wl,--build-id=none"], |_| ()));
}

#[test]
fn compressed_debug_sections() {
    assert_full(&Library::new(&["-g", "-gz=zlib"], |_| ()));
    assert_full(&Library::new(&["-g", "-gz=zlib-gnu"], |_| ()));
    if offers("objcopy", "zstd") {
        assert_full(&Library::new(&["-g"], |path| tool("objcopy", &["--compress-debug-sections=zstd"], path)));
    } else {
        skip("objcopy with zstd", "binutils");
    }
}

#[test]
fn an_unknown_compression_is_named_as_the_reason() {
    let library = Library::new(&["-g"], |path| {
        tool("objcopy", &["--compress-debug-sections=zlib"], path);
        let mut bytes = std::fs::read(path).unwrap();
        let file = elf::ElfFile::open(path.to_str().unwrap().as_bytes()).unwrap();
        let header = file.raw(file.debug_section("info").unwrap()).unwrap();
        let at = bytes.windows(24).position(|window| window == &header[..24]).unwrap();
        bytes[at] = 9;
        std::fs::write(path, bytes).unwrap();
    });
    let (store, look) = (Store::default(), Look::now());
    let mut symbols = Symbols::new(&store);
    let located = symbols.locate(&look.modules, &look.memory, library.address("first"));
    assert_eq!((located[0].function.as_deref(), located[0].line), (Some("first"), None));
    let problems = symbols.problems();
    assert!(problems.iter().any(|line| line.contains("a section is compressed in an unknown way")), "{problems:?}");
}

#[test]
fn a_stripped_library_has_exported_names_only() {
    for hash in ["gnu", "sysv"] {
        let library = Library::new(&[&format!("-Wl,--hash-style={hash}")], |path| tool("strip", &[], path));
        let name = library.path.file_name().unwrap().to_str().unwrap();
        assert_eq!(assert_stripped(&library), [format!("no debug information, so no lines, for {name}")]);
    }
}

#[test]
fn separate_debug_files_are_found_by_link() {
    let split = |path: &Path, place: &str| {
        let debug = path.parent().unwrap().join(place).join("some.debug");
        std::fs::create_dir_all(debug.parent().unwrap()).unwrap();
        run(Command::new("objcopy").arg("--only-keep-debug").arg(path).arg(&debug));
        tool("strip", &[], path);
        let link = format!("--add-gnu-debuglink={}", debug.display());
        run(Command::new("objcopy").arg(link).arg(path));
        debug
    };
    for place in [".", ".debug"] {
        assert_full(&Library::new(&["-g"], |path| drop(split(path, place))));
    }
    // Without build ids the checksum decides.
    let flags = ["-g", "-gz=zlib", "-Wl,--build-id=none"];
    assert_full(&Library::new(&flags, |path| drop(split(path, "."))));
    let other = Library::new(&flags, |path| {
        let debug = split(path, ".");
        let mut bytes = std::fs::read(&debug).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&debug, bytes).unwrap();
    });
    assert_eq!(assert_stripped(&other).len(), 1);
}

#[test]
fn a_file_that_was_replaced_is_not_believed() {
    for (flags, expected) in [
        (&["-g"][..], "the file was replaced since it was loaded (build id "),
        (&["-g", "-Wl,--build-id=none"][..], "the file was replaced since it was loaded;"),
    ] {
        let library = Library::new(flags, |_| ());
        let new = library.directory.path().join("new");
        let source = library.directory.path().join("source.c");
        run(Command::new("gcc").args(["-shared", "-fPIC", "-O0"]).args(flags).arg(source).arg("-o").arg(&new));
        // With privileges the kernel still has a link to the old file; then all is known and nothing is wrong.
        std::fs::rename(&new, &library.path).unwrap();
        let look = Look::now();
        let module = look.modules.module(library.address("first")).unwrap();
        let mapping = look.modules.mapping(module.start).unwrap();
        let link = format!("/proc/self/map_files/{:x}-{:x}", mapping.start, mapping.end);
        if std::fs::File::open(link).is_ok() {
            assert_full(&library);
        } else {
            let problems = assert_stripped(&library);
            assert!(problems[0].contains(expected) && problems[0].contains(module.name()), "{problems:?}");
        }
    }
}

#[test]
fn a_replaced_file_is_recognised_by_its_build_id() {
    let library = Library::new(&["-g"], |_| ());
    let look = Look::now();
    let mut module = look.modules.module(library.address("first")).unwrap().clone();
    *module.build_id.last_mut().unwrap() ^= 1;
    let files = files::find(&look.modules, &look.memory, &module);
    assert!(files.main.is_none() && files.debug.is_none());
    assert!(files.problems[0].contains("the file was replaced since it was loaded (build id "), "{:?}", files.problems);
}

#[test]
fn what_the_linker_has_discarded_is_not_found() {
    // GNU ld leaves discarded functions at address 0, where this one would reach over all others.
    let library = Library::new(&["-g", "-ffunction-sections", "-Wl,--gc-sections"], |_| ());
    let module = Look::now().module(library.path.file_name().unwrap().to_str().unwrap()).clone();
    assert!(library.address("first") - module.start < 0x3000, "the discarded function is too small to matter");
    assert_full(&library);
}
