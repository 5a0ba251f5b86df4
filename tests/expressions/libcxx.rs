//! LLVM's C++ library: what the prompt shows of its types is what gdb shows of libstdc++'s, in the same program with the same values.
//!
//! Debian's gdb has no printers for this library. Where the libraries differ in what they keep, a table says what is shown instead.

use std::collections::{BTreeMap, VecDeque};

use manhole_tests::victim::Host;
use manhole_tests::{gdb, requires, turn, victims};

use super::{Row, comparable, select, shown, table};

/// Without the namespaces that say the ABI's version.
fn unversioned(text: &str) -> String {
    comparable(text).replace("std::__cxx11::", "std::").replace("std::__1::", "std::")
}

/// Runs the table of libstdc++'s containers over the program with the other library. What it answers otherwise is in tables too:
/// the first row of a line is for the first time that the containers' table has it, and so on.
fn compare(flags: &[&str], more: Option<&str>) {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    let (Some(other), Some(program)) =
        (victims::cpp("containers", &["-O0", "-gdwarf-5"]), victims::libcxx("containers", flags))
    else {
        return;
    };
    let rows = table("containers_more.txt");
    let lines: Vec<String> = rows.iter().map(|row| row.line.clone()).collect();
    let other = Host::new(&other).options("off").ready();
    let theirs = gdb::answers(other.pid(), "hold", &lines, Some(&[]));
    let victim = Host::new(&program).options("timeout=5").ready();
    let mut client = victim.structured();
    select(&mut client, "hold");
    let mut exceptions = table("containers_libcxx.txt");
    exceptions.extend(more.map(table).unwrap_or_default());
    // Only the library itself need have the class that counts the owners; unoptimized programs of some compilers have it too.
    if client.run("print sizeof(std::__1::__shared_weak_count)").done != "ok" {
        exceptions.extend(table("containers_libcxx_counts.txt"));
    }
    let mut answers: BTreeMap<String, VecDeque<Row>> = BTreeMap::new();
    for row in exceptions {
        answers.entry(row.line.clone()).or_default().push_back(row);
    }
    let mut wrong = Vec::new();
    for (row, theirs) in rows.iter().zip(theirs) {
        let reply = client.run(&row.line);
        let ours = if reply.done == "ok" { Ok(unversioned(&reply.text)) } else { Err(reply.message) };
        let exception = answers.get_mut(&row.line).and_then(VecDeque::pop_front).and_then(|row| row.ours);
        if exception.as_deref() == Some("anything") && ours.is_ok() {
            continue;
        }
        let expected = match exception.or_else(|| row.ours.clone()) {
            Some(answer) if answer == "an error" => Err(String::new()),
            Some(answer) => Ok(answer),
            None => theirs.map(|text| unversioned(&text)),
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
    let unused: Vec<_> = answers.into_values().flatten().map(|row| row.line).collect();
    assert!(unused.is_empty(), "exceptions of lines that are not there: {unused:?}");
    let name = program.display();
    assert!(wrong.is_empty(), "{name}: {} of {} lines differ:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

#[test]
fn of_containers_of_libcxx() {
    compare(&["-O0", "-g"], None);
}

#[test]
fn of_containers_of_libcxx_optimized() {
    compare(&["-O2", "-g"], Some("containers_libcxx_optimized.txt"));
}
