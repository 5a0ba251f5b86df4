//! Variables, enumerators and functions by name, and lists of them.
//!
//! Context: test.

use core::ops::ControlFlow;
use std::collections::BTreeSet;

use manhole_expressions::types::Language;

use super::sources::{C, C_OTHER, CPP, RUST};
use super::*;

const GDB: &str = r#"
import gdb
for name in open("names").read().splitlines():
    try:
        print("@%s|%x" % (name, int(gdb.parse_and_eval("&" + name).cast(gdb.lookup_type("unsigned long")))))
    except Exception as error:
        print("@%s|!%s" % (name, error))
print("END")
"#;

fn find<'s>(debug: &mut Debug<'s>, look: Look<'_, 's>, name: &str) -> Vec<FoundVariable> {
    debug.find_variable(look, &path(name), None, &mut |_| None)
}

/// The addresses of names in the file as gdb knows them.
fn addresses(program: &Program, names: &[&str]) -> Vec<(String, u64)> {
    std::fs::write(program.directory.path().join("names"), names.join("\n")).unwrap();
    let text = program.gdb(GDB);
    let parse = |line: &str| {
        let (name, address) = line.strip_prefix('@')?.split_once('|')?;
        Some((name.to_owned(), u64::from_str_radix(address, 16).unwrap_or_else(|_| panic!("{line}"))))
    };
    let found: Vec<_> = text.lines().filter_map(parse).collect();
    assert_eq!(found.len(), names.len());
    found
}

#[test]
fn variables_of_c() {
    for flags in [&["-gdwarf-2"][..], &["-gdwarf-4"], &["-gdwarf-5"], &["-gdwarf-3", "-ffunction-sections"]] {
        let program = Program::new("gcc", flags, &[("a.c", C), ("b.c", C_OTHER)]);
        let store = Store::default();
        let symbols = symbols_in(&store);
        let look = program.look(&symbols);
        let mut debug = Debug::new();
        let names = ["global_int", "constant", "table", "list", "counter::calls", "other::calls", "'a.c'::same_name"];
        for (name, address) in addresses(&program, &names) {
            let found = find(&mut debug, look, &name);
            assert_eq!(found.len(), 1, "{flags:?} {name} {found:#?}");
            assert_eq!(found[0].storage, Storage::Address(address + BIAS), "{name}");
        }
        let same = find(&mut debug, look, "same_name");
        let units: BTreeSet<&str> = same.iter().map(|it| it.unit.as_str()).collect();
        assert_eq!((same.len(), units), (2, BTreeSet::from(["a.c", "b.c"])));
        assert!(same.iter().all(|it| it.matched == Match::Exact && !it.is_external));
        // Declared in one unit, defined in the other.
        let elsewhere = find(&mut debug, look, "defined_elsewhere");
        assert!(matches!(elsewhere.as_slice(), [FoundVariable { storage: Storage::Address(_), .. }]), "{elsewhere:#?}");
        assert!(elsewhere[0].declared.file.as_ref().unwrap().ends_with("/b.c"));
        assert_eq!((elsewhere[0].declared.line, elsewhere[0].matched), (Some(6), Match::Exact));
        // In each thread: the block of this program has them one after the other.
        let mut threads = |name: &str| match find(&mut debug, look, name).as_slice() {
            [FoundVariable { storage: Storage::ThreadLocal { module: BIAS, offset }, .. }] => *offset,
            other => panic!("{other:?}"),
        };
        let mut offsets = [threads("in_thread"), threads("second_in_thread")];
        offsets.sort_unstable();
        assert_eq!(offsets, [0, 8]);
        // Two statics in blocks of one function.
        assert_eq!(find(&mut debug, look, "counter::nested").len(), 2);
        assert_eq!(find(&mut debug, look, "calls").iter().filter(|it| it.matched == Match::Loose).count(), 2);
        assert!(find(&mut debug, look, "nothing").is_empty() && find(&mut debug, look, "other::nested").is_empty());
        let green = debug.find_enumerator(look, &path("GREEN"), None);
        assert_eq!((green.len(), green[0].value, green[0].name.as_str()), (1, 5, "GREEN"));
        assert_eq!(debug.find_enumerator(look, &path("MINUS"), None)[0].value, -1);
        // From inside of a function its statics need no prefix.
        let function = debug.find_function(look, &path("counter"), None, &mut |_| None).remove(0);
        let here = debug.here(look, function.address.unwrap() + 1);
        let calls = debug.find_variable(look, &path("calls"), Some(&here), &mut |_| None);
        assert_eq!((calls[0].matched, calls[0].name.as_str()), (Match::Used, "calls"));
        assert_eq!(calls[0].storage, find(&mut debug, look, "counter::calls")[0].storage);
        let same = debug.find_variable(look, &path("same_name"), Some(&here), &mut |_| None);
        assert_eq!((same.len(), same[0].is_here, same[0].unit.as_str()), (1, true, "a.c"));
    }
}

#[test]
fn what_is_only_declared_is_asked_of_the_symbol_tables() {
    let other = "int elsewhere = 3; int function_elsewhere(int x) { return x; }";
    let main = "extern int elsewhere; extern int function_elsewhere(int); int main() { return function_elsewhere(elsewhere); }";
    let directory = tempfile::tempdir().unwrap();
    let object = directory.path().join("other.o");
    std::fs::write(directory.path().join("other.c"), other).unwrap();
    let mut compiler = Command::new("gcc");
    assert!(compiler.current_dir(&directory).args(["-c", "other.c", "-o"]).arg(&object).status().unwrap().success());
    let program = Program::new("gcc", &["-g", "-O2", object.to_str().unwrap()], &[("a.c", main)]);
    let store = Store::default();
    let symbols = symbols_in(&store);
    let look = program.look(&symbols);
    let mut debug = Debug::new();
    assert_eq!(find(&mut debug, look, "elsewhere")[0].storage, Storage::Declared);
    let mut resolve =
        |name: &str| (name == "elsewhere").then_some(0x1234).or((name == "function_elsewhere").then_some(5));
    let found = debug.find_variable(look, &path("elsewhere"), None, &mut resolve);
    assert_eq!(found[0].storage, Storage::Address(0x1234));
    assert_eq!(debug.size_of(found[0].type_id), Some(4));
    let found = debug.find_function(look, &path("function_elsewhere"), None, &mut resolve);
    assert_eq!(found[0].address, Some(5));
}

#[test]
fn variables_and_functions_of_cpp() {
    for flags in [&["-gdwarf-4"][..], &["-gdwarf-5"], &["-g", "-fdebug-types-section"]] {
        let program = Program::new("g++", flags, &[("a.cc", CPP)]);
        let store = Store::default();
        let symbols = symbols_in(&store);
        let look = program.look(&symbols);
        let mut debug = Debug::new();
        let names = [
            "ns::value",
            "ns::v1::inlined_value",
            "'(anonymous namespace)::anonymous_value'",
            "ns::Hidden::shared",
            "derived",
            "text",
        ];
        for (name, address) in addresses(&program, &names) {
            let found = find(&mut debug, look, &name);
            assert_eq!(found.len(), 1, "{flags:?} {name} {found:#?}");
            assert_eq!(found[0].storage, Storage::Address(address + BIAS), "{name}");
        }
        for (name, whole) in [
            ("anonymous_value", "(anonymous namespace)::anonymous_value"),
            ("ns::inlined_value", "ns::v1::inlined_value"),
            ("ns::deep_anonymous", "ns::(anonymous namespace)::deep_anonymous"),
        ] {
            let found = find(&mut debug, look, name);
            assert_eq!((found.len(), found[0].name.as_str(), found[0].matched), (1, whole, Match::Exact));
        }
        let constant = find(&mut debug, look, "ns::Hidden::constant");
        assert_eq!(constant[0].storage, Storage::Constant(77i32.to_le_bytes().to_vec()));
        // `using namespace ns` stands in the unit.
        let main = debug.find_function(look, &path("main"), None, &mut |_| None).remove(0);
        let here = debug.here(look, main.address.unwrap());
        let value = debug.find_variable(look, &path("value"), Some(&here), &mut |_| None);
        assert_eq!((value[0].matched, value[0].name.as_str()), (Match::Used, "ns::value"));
        let mut functions = |name: &str| debug.find_function(look, &path(name), None, &mut |_| None);
        let over = functions("ns::over");
        let mut full: Vec<_> = over.iter().map(|it| it.in_full.clone().unwrap()).collect();
        full.sort();
        assert_eq!(full, ["ns::over(double)", "ns::over(int)"]);
        let one = functions("'ns::over(int)'");
        assert_eq!((one.len(), one[0].linkage.as_deref()), (1, Some("_ZN2ns4overEi")));
        for (name, address) in addresses(&program, &["plain_c", "'ns::Hidden::still()'", "'ns::over(double)'"]) {
            assert_eq!(functions(&name)[0].address, Some(address + BIAS), "{name}");
        }
        assert_eq!(functions("ns::twice<int>")[0].name, "ns::twice<int>");
        assert_eq!(functions("ns::twice").len(), 1);
        assert_eq!(functions("ns::Hidden::method")[0].name, "ns::Hidden::method");
        assert_eq!(functions("anonymous_function")[0].name, "(anonymous namespace)::anonymous_function");
        let over = one[0].address.unwrap();
        let calls = find(&mut debug, look, "ns::over::calls");
        assert_eq!(calls.len(), 1, "{calls:?}");
        assert!(debug.at(look, over).unwrap().functions[0].name == "ns::over");
        for (name, value, whole) in [
            ("ns::SECOND", 1, "ns::SECOND"),
            ("ns::Plain::SECOND", 1, "ns::SECOND"),
            ("ns::Color::Blue", 255, "ns::Color::Blue"),
            ("ns::Sign::Neg", -3, "ns::Sign::Neg"),
        ] {
            let found = debug.find_enumerator(look, &path(name), None);
            assert_eq!((found.len(), found[0].value, found[0].name.as_str()), (1, value, whole), "{name}");
        }
        assert!(debug.find_enumerator(look, &path("::ns::Blue"), None).is_empty());
    }
}

#[test]
fn statics_of_rust() {
    let program = Program::new("rustc", &["-g"], &[("a.rs", RUST)]);
    let store = Store::default();
    let symbols = symbols_in(&store);
    let look = program.look(&symbols);
    let mut debug = Debug::new();
    for name in ["a::shapes::COUNT", "crate::shapes::COUNT", "a::SHAPE", "a::shapes::TOTAL", "crate::NICHE"] {
        let found = find(&mut debug, look, name);
        assert!(matches!(found.as_slice(), [FoundVariable { storage: Storage::Address(_), .. }]), "{name} {found:#?}");
    }
    assert_eq!(find(&mut debug, look, "crate::shapes::COUNT")[0].name, "a::shapes::COUNT");
    let area = debug.find_function(look, &path("a::shapes::area"), None, &mut |_| None).remove(0);
    let here = debug.here(look, area.address.unwrap());
    let near = debug.find_variable(look, &path("COUNT"), Some(&here), &mut |_| None);
    assert_eq!((near[0].matched, near[0].name.as_str()), (Match::Used, "a::shapes::COUNT"));
}

#[test]
fn lists_are_as_long_as_wanted() {
    let program = Program::new("gcc", &["-g"], &[("a.c", C), ("b.c", C_OTHER)]);
    let store = Store::default();
    let symbols = symbols_in(&store);
    let look = program.look(&symbols);
    let mut debug = Debug::new();
    let module = &program.modules.modules[0];
    let mut names = |kind, part: &str| {
        let mut names = Vec::new();
        let _ = debug.list(look, module, kind, &mut |name| ControlFlow::Continue(name.contains(part)), &mut |it| {
            names.push(format!("{} {}", it.name, it.declared.line.unwrap_or_default()));
            ControlFlow::Continue(())
        });
        names.sort();
        names
    };
    assert_eq!(names(Kind::Variables, "same"), ["same_name 22", "same_name 5"]);
    assert_eq!(names(Kind::Functions, "e").len(), 6);
    assert_eq!(names(Kind::Types, "opaque"), ["opaque 2"]);
    let mut seen = 0;
    let broken = debug.list(look, module, Kind::Variables, &mut |_| ControlFlow::Continue(true), &mut |_| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(broken.is_break() && seen == 3);
}

/// A compiler's units by the thousand: the test program itself, with what is mapped beside it.
#[test]
fn this_very_program() {
    let memory = Memory::new();
    let modules = Modules::read(&memory).unwrap();
    let store = Store::default();
    let symbols = symbols_in(&store);
    let look = Look { modules: &modules, memory: &memory, files: &symbols, stop: &never };
    let mut debug = Debug::new();
    assert!(find(&mut debug, look, "manhole::debug::nothing").is_empty());
    assert!(type_of(&mut debug, look, "manhole::debug::Debug").is_some());
    assert!(!debug.take_gave_up());
    let address = this_very_program as *const () as u64;
    let scopes = debug.at(look, address).unwrap();
    let outermost = scopes.functions.last().unwrap();
    assert_eq!(outermost.name, "manhole::debug::tests::globals::this_very_program");
    assert_eq!((scopes.language, outermost.address), (Language::Rust, Some(address)));
    assert!(outermost.declared.file.as_ref().unwrap().ends_with(file!()));
}
