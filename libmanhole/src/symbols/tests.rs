//! The symbols of this very test program and of small libraries that the tests build.
//!
//! Context: test.
#![allow(unsafe_code)]

use super::*;

#[inline(never)]
fn ordinary(value: u64) -> u64 {
    core::hint::black_box(value) + 1
}

#[test]
fn symbols_of_libc_are_found_by_address_and_name() {
    let (store, memory) = (Store::default(), Memory::new());
    let modules = Modules::read(&memory).unwrap();
    let mut symbols = Symbols::new(&store);
    let address = libc::getpid as *const () as u64;
    let symbol = symbols.symbol_at(&modules, &memory, address).unwrap();
    assert_eq!(symbol.address, address);
    assert!(symbol.name.trim_start_matches('_').ends_with("getpid"), "{symbol:?}");
    let found = symbols.find(&modules, &memory, "getpid");
    assert!(found.iter().any(|symbol| symbol.address == address && symbol.is_function), "{found:?}");
    let here = symbols.locate(&modules, &memory, ordinary as *const () as u64);
    assert_eq!(ordinary(1), 2);
    eprintln!("{here:?} {:?}", symbols.problems());
}

#[test]
#[ignore = "prints times and memory, for people"]
fn measure() {
    let rss = || {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4 / 1024
    };
    for what in ["libc.so.6", "manhole"] {
        let (store, memory) = (Store::default(), Memory::new());
        let modules = Modules::read(&memory).unwrap();
        let module = modules.modules.iter().find(|module| module.name().starts_with(what)).unwrap();
        let mut symbols = Symbols::new(&store);
        let before = (rss(), std::time::Instant::now());
        symbols.symbol_at(&modules, &memory, module.start + 0x50000);
        let table = before.1.elapsed();
        let entries = symbols.loaded.values().next().unwrap().table.entries();
        let mut functions: Vec<u64> =
            entries.iter().filter(|e| e.is_function && e.size > 8).map(|e| e.address).collect();
        functions.dedup();
        let step = functions.len() / 50;
        let addresses: Vec<u64> =
            functions.iter().step_by(step).map(|at| at.wrapping_add(module.bias).wrapping_add(5)).collect();
        let start = std::time::Instant::now();
        symbols.locate(&modules, &memory, addresses[0]);
        let first = start.elapsed();
        for &address in &addresses {
            symbols.locate(&modules, &memory, address);
        }
        let cold = start.elapsed();
        let start = std::time::Instant::now();
        for &address in &addresses {
            symbols.locate(&modules, &memory, address);
        }
        eprintln!(
            "{what}: table {table:?}; first {first:?}; {} addresses cold {cold:?}, warm {:?}; +{} MiB",
            addresses.len(),
            start.elapsed(),
            rss() - before.0
        );
    }
}

/// Another reader of DWARF as the witness: the same functions, files and lines on all of libc and of this program.
#[test]
fn lines_agree_with_addr2line() {
    let (store, memory) = (Store::default(), Memory::new());
    let modules = Modules::read(&memory).unwrap();
    for what in ["libc.so.6", "manhole"] {
        let module = modules.modules.iter().find(|module| module.name().starts_with(what)).unwrap();
        let mut files = files::find(&modules, &memory, module);
        let main = files.main.take().unwrap();
        let file = if main.debug_section("info").is_some() { main } else { files.debug.take().unwrap() };
        let lines = lines::Lines::load(&store, &file, what).unwrap().unwrap();
        let section =
            |name: &str| -> &[u8] { file.debug_section(name).map_or(&[], |s| store.keep(file.content(s).unwrap())) };
        let reader = |name: &str| gimli::EndianSlice::new(section(name), gimli::LittleEndian);
        let context = addr2line::Context::from_sections(
            reader("abbrev").into(),
            reader("addr").into(),
            gimli::DebugAranges::from(reader("aranges")),
            reader("info").into(),
            reader("line").into(),
            reader("line_str").into(),
            reader("ranges").into(),
            reader("rnglists").into(),
            reader("str").into(),
            reader("str_offsets").into(),
            reader("none"),
        )
        .unwrap();
        let code = file.code();
        let (mut same, mut different) = (0, Vec::new());
        for address in code.step_by(if what == "manhole" { 997 } else { 211 }) {
            let mut theirs = Vec::new();
            let mut frames = context.find_frames(address).skip_all_loads().unwrap();
            while let Ok(Some(frame)) = frames.next() {
                let location = frame.location.as_ref();
                theirs.push((
                    frame.function.map(|function| names::shown(function.name.slice())),
                    location.and_then(|l| l.file).map(str::to_owned),
                    location.and_then(|l| l.line),
                ));
            }
            let ours: Vec<_> =
                lines.calls(address).into_iter().map(|call| (call.function, call.file, call.line)).collect();
            if ours == theirs {
                same += 1;
            } else {
                different.push((address, ours, theirs));
            }
        }
        eprintln!("{what}: {same} same, {} different", different.len());
        for (address, ours, theirs) in different.iter().take(12) {
            eprintln!("{address:#x}\n   ours   {ours:?}\n   theirs {theirs:?}");
        }
        assert!(same > 1000);
    }
}

#[test]
#[ignore = "one-off"]
fn oneoff() {
    let path = std::env::var("ELF").unwrap();
    let store = Store::default();
    let file = elf::ElfFile::open(path.as_bytes()).unwrap();
    let table = table::Table::of_file(&file, |b| store.keep(b));
    let lines = lines::Lines::load(&store, &file, "x").map(|l| l.unwrap());
    let step: usize = std::env::var("STEP").unwrap().parse().unwrap();
    for address in file.code().step_by(step) {
        let calls = lines.as_ref().map(|l| l.calls(address)).unwrap_or_default();
        let symbol = table.as_ref().and_then(|t| {
            let t = t.as_ref().unwrap();
            t.covering(address).map(|e| format!("{}+{}", String::from_utf8_lossy(t.name(e)), address - e.address))
        });
        let names: Vec<String> = calls.iter().map(|c| c.function.clone().unwrap_or_default()).collect();
        println!(
            "@{address:#x}\t{}\t{}\t{}",
            names.join("|"),
            calls.first().and_then(|c| c.line).unwrap_or(0),
            symbol.unwrap_or_default()
        );
    }
}
