//! The prompt's expressions against gdb's `print`, `whatis` and `ptype` of the same lines in the same program: `expressions/*.txt`.
//!
//! Assignments and calls change the program, so gdb gets a process of its own. The programs are linked at fixed addresses; what
//! differs between two processes all the same (the stack, the heap, libraries) is compared as "an address".

mod libcxx;

use std::path::Path;
use std::process::Command;

use manhole_tests::victim::Host;

use manhole_tests::{StructuredClient, gdb, place, requires, turn, victims};

/// A line of a table, and what is to be answered instead of gdb's answer, with the reason.
struct Row {
    line: String,
    ours: Option<String>,
    reason: Option<String>,
}

fn table(name: &str) -> Vec<Row> {
    let path = place::tests().join("expressions").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut rows: Vec<Row> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        let last = rows.last_mut();
        if let Some(ours) = line.strip_prefix("= ") {
            last.expect("an answer belongs to a line").ours = Some(ours.replace("\\n", "\n").replace("\\t", "\t"));
        } else if let Some(reason) = line.strip_prefix("because ") {
            last.expect("a reason belongs to a line").reason = Some(reason.to_owned());
        } else {
            rows.push(Row { line: line.to_owned(), ours: None, reason: None });
        }
    }
    for row in &rows {
        assert_eq!(row.ours.is_some(), row.reason.is_some(), "{}: a difference needs a reason", row.line);
    }
    rows
}

/// Without the numbers of the history and with addresses that are the process's own made equal.
pub(super) fn comparable(text: &str) -> String {
    let text = text.trim_end();
    let text = match text.split_once(" = ") {
        Some((number, rest)) if number.strip_prefix('$').is_some_and(|n| n.parse::<u32>().is_ok()) => rest,
        _ => text,
    };
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("0x") {
        let (before, hex) = rest.split_at(at);
        let end = hex[2..].find(|c: char| !c.is_ascii_hexdigit()).map_or(hex.len(), |end| end + 2);
        result.push_str(before);
        match u64::from_str_radix(&hex[2..end], 16) {
            // Below is what a program at a fixed place has itself; its heap begins anywhere in the 32 MiB behind that.
            Ok(0x50_0000..0xffff_0000_0000_0000) if !before.ends_with("unknown: ") => result.push_str("0xADDRESS"),
            _ => result.push_str(&hex[..end]),
        }
        rest = &hex[end..];
    }
    result.push_str(rest);
    without_hashes(&result)
}

/// Without the hashes of Rust's older mangling, which our names leave out: `::h0123456789abcdef`.
fn without_hashes(text: &str) -> String {
    let mut pieces = text.split("::h");
    let mut result = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_at_checked(16) {
            Some((hash, rest)) if hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => result.push_str(rest),
            _ => result = result + "::h" + piece,
        }
    }
    result
}

/// Selects the frame of a function.
pub(super) fn select(client: &mut StructuredClient, function: &str) {
    let level = client.data("bt")["frames"].as_array().expect("frames").iter().position(|frame| {
        frame["function"].as_str().is_some_and(|name| manhole_tests::compare::plain(name) == function)
    });
    let level = level.unwrap_or_else(|| panic!("no frame of {function}"));
    assert_eq!(client.run(&format!("frame {level}")).done, "ok");
}

/// Runs a table over a program and fails with all that differs.
fn compare(name: &str, program: &Path, function: &str, printers: Option<&[&str]>) {
    compare_some(name, usize::MAX, program, function, printers);
}

/// The same with the first rows of the table only.
fn compare_some(name: &str, most: usize, program: &Path, function: &str, printers: Option<&[&str]>) {
    let mut rows = table(name);
    rows.truncate(most);
    let lines: Vec<String> = rows.iter().map(|row| row.line.clone()).collect();
    let other = Host::new(program).options("off").ready();
    let theirs = gdb::answers(other.pid(), function, &lines, printers);
    let victim = Host::new(program).options("timeout=5").ready();
    let mut client = victim.structured();
    select(&mut client, function);
    if printers.is_none() {
        assert_eq!(client.run("set print raw-values on").done, "ok");
    }
    let mut wrong = Vec::new();
    for (row, theirs) in rows.iter().zip(theirs) {
        let reply = client.run(&row.line);
        let ours = if reply.done == "ok" { Ok(comparable(&reply.text)) } else { Err(reply.message) };
        let expected = match (&row.ours, theirs) {
            (Some(ours), _) if ours == "an error" => Err(String::new()),
            (Some(ours), _) => Ok(ours.clone()),
            (None, theirs) => theirs.map(|text| comparable(&text)),
        };
        let equal = match (&ours, &expected) {
            (Ok(ours), Ok(expected)) => ours == expected,
            (Err(_), Err(_)) => true,
            _ => false,
        };
        if !equal {
            wrong.push(format!("{}\n   ours: {}\n    gdb: {}", row.line, shown(&ours), shown(&expected)));
        }
    }
    let name = format!("{name} in {}", program.display());
    assert!(wrong.is_empty(), "{name}: {} of {} lines differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

fn shown(answer: &Result<String, String>) -> String {
    match answer {
        Ok(text) => text.clone(),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn of_c() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    compare("c.txt", &victims::c_with("values", &["-O0", "-g", "-no-pie", "-lm"]), "hold", None);
}

#[test]
fn of_c_in_dwarf_4_and_optimized() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    compare("c.txt", &victims::c_with("values", &["-O0", "-gdwarf-4", "-no-pie", "-lm"]), "hold", None);
    compare("c_globals.txt", &victims::c_with("values", &["-O2", "-g", "-no-pie", "-lm"]), "main", None);
}

#[test]
fn of_a_program_without_debug_information() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    compare("without_debug.txt", &victims::c_with("values", &["-O0", "-no-pie", "-lm"]), "hold", None);
}

/// The same answers wherever the compiler, the linker or a packager has put the debug information.
#[test]
fn of_c_in_every_place_of_debug_information() {
    const ROWS: usize = 110;
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    let placed = place::target().join("victims").join("placed");
    std::fs::create_dir_all(&placed).expect("make the directory");
    let source = place::tests().join("victims").join("values.c");
    let libraries = "-lm -lpthread -ldl -lrt -lutil";
    // What builds `program` in a directory of its own, and the tool that it needs.
    let ways = [
        ("types", "gcc", "gcc -O0 -g -fdebug-types-section -no-pie SOURCE -o program LIBS".to_owned()),
        ("types4", "gcc", "gcc -O0 -gdwarf-4 -fdebug-types-section -no-pie SOURCE -o program LIBS".to_owned()),
        ("compressed", "gcc", "gcc -O0 -g -gz=zlib -no-pie SOURCE -o program LIBS".to_owned()),
        ("dwo", "gcc", "gcc -O0 -g -gsplit-dwarf -no-pie -c SOURCE -o o.o; gcc -no-pie o.o -o program LIBS".to_owned()),
        ("dwo4", "gcc", "gcc -O0 -gdwarf-4 -gsplit-dwarf -no-pie -c SOURCE -o o.o; gcc -no-pie o.o -o program LIBS".to_owned()),
        (
            "dwp",
            "dwp",
            "gcc -O0 -gdwarf-4 -gsplit-dwarf -no-pie -c SOURCE -o o.o; gcc -no-pie o.o -o program LIBS; dwp -e program -o program.dwp; rm *.dwo".to_owned(),
        ),
        ("clang", "clang", "clang -O0 -gdwarf-5 -no-pie SOURCE -o program LIBS".to_owned()),
        (
            "dwz",
            "dwz",
            "gcc -O0 -g -no-pie SOURCE -o program LIBS; cp program other; dwz -m shared program other".to_owned(),
        ),
        (
            "separate",
            "gcc",
            "gcc -O0 -g -no-pie -Wl,--build-id SOURCE -o program LIBS; objcopy --only-keep-debug program program.debug; strip program; objcopy --add-gnu-debuglink=program.debug program".to_owned(),
        ),
    ];
    for (name, tool, script) in ways {
        if !requires::installed(tool, tool) {
            continue;
        }
        let directory = placed.join(name);
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).expect("make the directory");
        let script = script.replace("SOURCE", &source.to_string_lossy()).replace("LIBS", libraries);
        let built = Command::new("sh").args(["-ec", &script]).current_dir(&directory).output().expect("sh");
        assert!(built.status.success(), "{name}: {}", String::from_utf8_lossy(&built.stderr));
        compare_some("c.txt", ROWS, &directory.join("program"), "hold", None);
    }
}

/// What one unit of many defines, and what each of them has of its own. With 255 units of 2900 records it is 500 MB: `big_debug.py`.
/// The only thread waits in the C library, whose debug information has statics of the same name.
#[test]
fn what_is_static_in_a_library_hides_nothing() {
    let _turn = turn::shared();
    let victim = Host::new(victims::c_with("starter", &["-O1", "-g"])).options("").ready();
    let mut client = victim.structured();
    assert!(client.run("frame").text.contains("libc"), "{}", client.run("frame").text);
    assert_eq!(comparable(&client.run("print buffer").text), "77");
}

#[test]
fn names_of_one_unit_among_many() {
    let _turn = turn::shared();
    let directory = place::target().join("victims");
    std::fs::create_dir_all(&directory).expect("make the directory");
    let program = directory.join("big_debug");
    let script = place::tests().join("victims").join("big_debug.py");
    let built = Command::new("python3").arg(script).arg(&program).args(["24", "60"]).output().expect("python3");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let victim = Host::new(&program).options("timeout=5").ready();
    let mut client = victim.structured();
    for (line, answer) in [
        ("print server.verbosity", "3"),
        ("print *server.name@3", "\"big\""),
        ("print favourite", "GREEN"),
        ("print GREEN", "GREEN"),
        ("print value_17", "18"),
        ("print 'unit_7.c'::hidden", "8"),
        ("print sizeof(struct config)", "48"),
        ("print sizeof(struct record_23_59) > 400", "1"),
        ("whatis compute", "type = int (int)"),
    ] {
        for _ in 0..2 {
            let reply = client.run(line);
            assert_eq!(
                (reply.done.as_str(), comparable(&reply.text).as_str()),
                ("ok", answer),
                "{line}: {}",
                reply.message
            );
        }
    }
    for line in ["print nobody_has_this", "print sizeof(struct nobody)", "print hidden"] {
        assert_eq!(client.run(line).done, "error", "{line}");
    }
}

#[test]
fn of_cpp() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    let Some(program) = victims::cpp("values", &["-O0", "-g", "-no-pie"]) else { return };
    compare("cpp.txt", &program, "Holder::hold", None);
}

#[test]
fn of_pointers_to_members() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    for version in ["-gdwarf-5", "-gdwarf-4"] {
        let Some(program) = victims::cpp("members", &["-O0", version, "-no-pie"]) else { return };
        compare("members.txt", &program, "hold", None);
    }
}

/// Old versions of DWARF count the bits of a field from the other end.
#[test]
fn of_numbers_and_layouts() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    for version in ["-gdwarf-5", "-gdwarf-4", "-gdwarf-2"] {
        compare("numbers.txt", &victims::c_with("numbers", &["-O0", version, "-no-pie", "-lm"]), "hold", None);
    }
}

/// `x`, `printf`, `output`, `echo`.
#[test]
fn of_commands() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    compare("commands.txt", &victims::c_with("values", &["-O0", "-g", "-no-pie", "-lm"]), "hold", None);
}

#[test]
fn of_containers() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    // At no fixed address, so that the heap is never near the program.
    let Some(program) = victims::cpp("values", &["-O0", "-g"]) else { return };
    compare("containers.txt", &program, "Holder::hold", Some(&[]));
}

#[test]
fn of_rust() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    // At no fixed address, so that the heap is never near the program.
    compare("rust.txt", &victims::rust("values", &["-g", "-Copt-level=0"]), "values::hold", None);
}

#[test]
fn of_more_containers() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let Some(program) = victims::cpp("containers", &["-O0", version]) else { return };
        compare("containers_more.txt", &program, "hold", Some(&[]));
    }
}

/// gdb has the printers that rustc brings.
#[test]
fn of_rust_containers() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    let output = std::process::Command::new("rustc").args(["--print", "sysroot"]).output().expect("run rustc");
    let printers = format!("{}/lib/rustlib/etc", String::from_utf8_lossy(&output.stdout).trim());
    let trust = format!("add-auto-load-safe-path {printers}");
    let program = victims::rust("std_types", &["-g", "-Copt-level=0"]);
    compare("rust_std.txt", &program, "std_types::hold", Some(&["-directory", &printers, "-iex", &trust]));
}
