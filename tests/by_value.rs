//! Calls whose arguments and results are objects: each class of the ABIs of C and of C++, what owns something, and Rust's own convention.
//! What is expected stands in the victims: gdb cannot make all of these calls.

use std::path::PathBuf;

use manhole_tests::victim::Host;
use manhole_tests::{StructuredClient, requires, turn, victims};

use super::expressions::{comparable, select};

fn value(client: &mut StructuredClient, line: &str) -> String {
    let reply = client.run(line);
    match reply.done.as_str() {
        "ok" => comparable(&reply.text),
        _ => format!("error: {}", reply.message),
    }
}

/// Asks for all, and tells all that is wrong at once.
fn expect(client: &mut StructuredClient, name: &str, table: &[(&str, &str)]) {
    let answers = table.iter().map(|(line, expected)| (line, expected, value(client, line)));
    let wrong: Vec<String> = answers
        .filter(|(_, expected, answer)| match expected.strip_prefix("error: ") {
            Some(part) => !(answer.starts_with("error: ") && answer.contains(part)),
            None => answer != *expected,
        })
        .map(|(line, expected, answer)| format!("{line}: {answer}, not {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
}

const OF_CPP: &[(&str, &str)] = &[
    ("print trivial()", "{a = 1, b = 2}"),
    ("print defaulted()", "{a = 3}"),
    ("print defaulted_end()", "{a = 4}"),
    ("print defaulted_outside()", "{a = 5}"),
    ("print copied()", "{a = 6}"),
    ("print moved_only()", "{a = 7}"),
    ("print not_copied()", "{a = 8}"),
    ("print ended().a", "9"),
    ("print around().inner.a", "10"),
    ("print derived().a", "11"),
    ("print from_reference()", "{a = 12}"),
    ("print converting()", "{v = 13}"),
    ("print of_virtual().a", "7"),
    ("print empty()", "{<No data fields>}"),
    ("print big()", "{a = {1, 2, 3}}"),
    ("print extended()", "{x = 1.5}"),
    ("print mixed()", "{f = 1.5, d = 2.5}"),
    ("print floats()", "{a = 1, b = 2, c = 3}"),
    ("print packed()", "{c = 112 'p', i = 77}"),
    ("print of_four()", "{5, 6, 7, 8}"),
    ("print wide().parts", "{1, 2, 3, 4}"),
    ("print in_wide(6, g_wide, 5)", "5426"),
    ("print quad()", "error: a record with a __float128"),
    ("print in_quad(g_quad)", "error: a record with a __float128"),
    ("print in_only_quad(g_only_quad)", "error: a record with a __float128"),
    ("print in_around_quad(g_around_quad)", "error: a record with a __float128"),
    ("print pair()", "{first = 1, second = 2}"),
    ("print pair_of_string()", "{first = 1, second = \"x\"}"),
    ("print tuple()", "std::tuple containing = {[1] = 3, [2] = 4}"),
    ("print optional()", "std::optional<int> = {[contained value] = 7}"),
    ("print complex()._M_value", "1 + 2i"),
    ("print complex_float()._M_value", "3 + 4i"),
    ("print view()", "\"view\""),
    ("print string()", "\"short\""),
    ("print $", "\"short\""),
    ("print *unique()", "5"),
    ("print in_trivial(g_trivial)", "12"),
    ("print in_trivial(trivial())", "12"),
    ("print in_defaulted(g_defaulted)", "3"),
    ("print in_defaulted_end(g_defaulted_end)", "4"),
    ("print in_defaulted_outside(g_defaulted_outside)", "5"),
    ("print in_copied(g_copied)", "6"),
    ("print in_copied(copied())", "6"),
    ("print in_moved_only(moved_only())", "7"),
    ("print in_derived(derived())", "11"),
    ("print in_empty(g_empty, 3)", "3"),
    ("print in_big(g_big)", "321"),
    ("print in_extended(g_extended)", "1.5"),
    ("print in_mixed(g_mixed)", "17.5"),
    ("print in_floats(g_floats)", "321"),
    ("print in_packed(g_packed)", "77"),
    ("print in_bits(g_bits)", "5099997"),
    ("print in_either(g_either)", "1.25"),
    ("print in_four(g_four)", "85"),
    ("print in_pair(g_pair)", "12"),
    ("print in_pair(pair())", "12"),
    ("print in_optional(g_optional)", "7"),
    ("print in_complex(g_complex)", "12"),
    ("print in_complex_float(g_complex_float)", "34"),
    ("print in_view(g_view)", "4"),
    ("print in_string(g_string)", "43"),
    ("print in_string(string())", "6"),
    ("print g_string", "\"a string of the program's own, on the heap\""),
    ("print in_unique(unique())", "5"),
    ("print in_unique(g_unique)", "error: cannot be passed by value"),
    ("print in_owner(g_owner)", "41"),
    ("print Owner::copied", "1"),
    ("print Owner::living", "1"),
    ("print *g_owner.owned", "40"),
    (
        "print in_many(1, 2, g_trivial, g_mixed, 3, 4, g_big, 5, g_extended, 6, 7, 8, 9, 10, 11, 12, 13, 14, g_complex)",
        "5725.5",
    ),
];

/// What only gcc's debug information tells enough of: whether a copy constructor that nobody has written runs code.
const OF_GCC: &[(&str, &str)] = &[
    ("print in_ended(g_ended)", "9"),
    ("print in_ended(g_ended)", "9"),
    ("print Ended::ended >= 2", "true"),
    ("print in_around(g_around)", "10"),
    ("print in_tuple(g_tuple)", "34"),
];

#[test]
fn objects_of_cpp() {
    let _turn = turn::shared();
    let mut programs: Vec<(&str, PathBuf)> = Vec::new();
    for version in ["-gdwarf-5", "-gdwarf-4"] {
        programs.extend(victims::cpp("by_value", &["-O0", version]).map(|program| ("gcc", program)));
        if requires::installed("clang++", "clang") {
            programs.push(("clang", victims::by_clang("by_value", &["-O0", version])));
        }
    }
    for (compiler, program) in programs {
        let mut victim = Host::new(&program).options("timeout=5").ready();
        let mut client = victim.structured();
        let name = program.display().to_string();
        // The language is that of a frame of the program's.
        select(&mut client, "main");
        expect(&mut client, &name, OF_CPP);
        if compiler == "gcc" {
            expect(&mut client, &name, OF_GCC);
        }
        drop(client);
        assert_eq!(victim.finish().1.code(), Some(0), "{name}: the program's objects are as they were");
    }
}

const OF_RUST: &[(&str, &str)] = &[
    ("print pair()", "by_value::Pair {a: 1, b: 2}"),
    ("print floats()", "by_value::Floats {a: 1.5, b: 2.5}"),
    ("print mixed()", "by_value::Mixed {a: 7, b: 8.5}"),
    ("print bytes()", "by_value::Bytes {a: 1, b: 2, c: 3}"),
    ("print large()", "by_value::Large {a: 1, b: 2, c: 3}"),
    ("print word()", "by_value::Word ([5, 6])"),
    ("print other()", "by_value::Other {a: 1, b: 2}"),
    ("print new()", "by_value::New (9)"),
    ("print some()", "core::option::Option<u32>::Some(5)"),
    ("print none()", "core::option::Option<u32>::None"),
    ("print tuple()", "(1, 2.5)"),
    ("print string()", "\"owned\""),
    ("print text()", "\"static\""),
    ("print result()", "core::result::Result<u8, alloc::string::String>::Ok(4)"),
    ("print in_pair(g_pair)", "12"),
    ("print in_pair(pair())", "12"),
    ("print in_floats(g_floats)", "17.5"),
    ("print in_mixed(g_mixed)", "78.5"),
    ("print in_bytes(g_bytes)", "123"),
    ("print in_triple(g_triple)", "123"),
    ("print in_large(*g_large)", "123"),
    ("print in_word(g_word)", "56"),
    ("print in_other(g_other)", "12"),
    ("print in_new(g_new)", "9"),
    ("print in_some(some())", "5"),
    ("print in_some(none())", "77"),
    ("print in_tuple(tuple())", "12.5"),
    ("print in_text(1, g_text)", "4"),
    ("print in_text(1, \"four\")", "5"),
    // As long as a &str is itself.
    ("print in_text(1, \"fifteen letters\")", "16"),
    ("print in_many(1, 2.0, g_text, 4, 5, g_text, g_pair)", "2135433"),
    ("print g_large.sum(2)", "12"),
    ("print in_string(g_string)", "error: still belongs to the program"),
];

#[test]
fn records_of_rust() {
    let _turn = turn::shared();
    let mut victim = Host::new(victims::rust("by_value", &["-g", "-Copt-level=0"])).options("timeout=5").ready();
    let mut client = victim.structured();
    select(&mut client, "by_value::hold");
    expect(&mut client, "by_value.rs", OF_RUST);
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0));
}
