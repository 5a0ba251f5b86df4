//! Where code and variables are: `info line`, `info scope`, `info address`, `info source`, `info frame`, and lists of names that are limited, against
//! gdb's answers in another process of the same program.

use std::path::Path;

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{StructuredClient, gdb, requires, turn, victims};

use crate::expressions::{comparable, select};

/// At fixed addresses, so that both processes have the same.
fn program(flags: &[&str]) -> std::path::PathBuf {
    victims::c_with("levels", &[&["-no-pie"], flags].concat())
}

fn entered(program: &Path, function: &str) -> (Victim, StructuredClient) {
    let victim = Host::new(program).options("timeout=5").ready();
    let mut client = victim.structured();
    select(&mut client, function);
    (victim, client)
}

fn theirs(program: &Path, function: &str, lines: &[String]) -> Vec<String> {
    let other = Host::new(program).options("off").ready();
    let answers = gdb::answers(other.pid(), function, lines, None);
    answers.into_iter().map(|answer| comparable(&answer.unwrap_or_else(|error| error))).collect()
}

/// What is answered, be it an error.
fn answer(client: &mut StructuredClient, line: &str) -> String {
    let reply = client.run(line);
    if reply.done == "ok" { comparable(&reply.text) } else { reply.message }
}

/// Each line of the source file: where its code begins, that it has none, or that no line behind it has some.
#[test]
fn the_code_of_lines() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    for flags in [&["-O0", "-g"][..], &["-O0", "-gdwarf-4"]] {
        let program = program(flags);
        let lines: Vec<String> = (1..80).map(|line| format!("info line levels.c:{line}")).collect();
        let theirs = theirs(&program, "level_two", &lines);
        let (_victim, mut client) = entered(&program, "level_two");
        let mut counts = [0; 3];
        for (line, theirs) in lines.iter().zip(theirs) {
            let ours = answer(&mut client, line);
            // gdb shows the first place, up to the next row of the table, be it the same line's.
            let start = |text: &str| text.split(" and ends at").next().unwrap_or_default().to_owned();
            let ours: Vec<String> = ours.lines().map(start).collect();
            assert!(ours.contains(&start(&theirs)), "{line}, {flags:?}\nours: {ours:#?}\n gdb: {theirs}");
            let kinds = ["starts at address", "but contains no code", "is out of range"];
            kinds.iter().zip(&mut counts).for_each(|(kind, count)| *count += usize::from(theirs.contains(kind)));
        }
        assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
        assert_eq!(answer(&mut client, "info line 28"), answer(&mut client, "info line levels.c:28"));
        let unknown = answer(&mut client, "info line nobody.c:3");
        assert_eq!(unknown, "No source file named nobody.c.");
        assert!(
            answer(&mut client, "list stdio.h:30,31").starts_with("30\t"),
            "{}",
            answer(&mut client, "list stdio.h:30,31")
        );
    }
}

/// The optimizer lets several rows begin at one address: no code of theirs is denied.
#[test]
fn the_code_of_lines_in_an_optimized_program() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    let program = victims::c_with("optimized", &["-no-pie", "-O2", "-g"]);
    let lines: Vec<String> = (1..80).map(|line| format!("info line optimized.c:{line}")).collect();
    let theirs = theirs(&program, "main", &lines);
    let (_victim, mut client) = entered(&program, "main");
    let mut count = 0;
    for (line, theirs) in lines.iter().zip(theirs).filter(|(_, theirs)| theirs.contains(" starts at address")) {
        let ours = answer(&mut client, line);
        assert!(ours.contains(" starts at address"), "{line}\nours: {ours}\n gdb: {theirs}");
        count += 1;
    }
    assert!(count > 5, "{count}");
}

/// `Symbol NAME is ..., length N.` without the words between.
fn symbols(text: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    // An expression of DWARF that gdb shows takes lines of its own.
    for piece in text.split("Symbol ").skip(1) {
        let name = piece.split(' ').next().unwrap_or_default().to_owned();
        let length = piece.rsplit("length ").next().unwrap_or_default().trim_end_matches(['.', '\n']).to_owned();
        all.push((name, length));
    }
    all.sort();
    all
}

#[test]
fn the_variables_of_a_place() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    let program = program(&["-O0", "-g"]);
    let lines: Vec<String> =
        ["info scope level_two", "info scope level_one", "info scope levels.c:41", "info scope main"]
            .map(str::to_owned)
            .into();
    let theirs = theirs(&program, "level_two", &lines);
    let (_victim, mut client) = entered(&program, "level_two");
    for (line, theirs) in lines.iter().zip(theirs) {
        let ours = answer(&mut client, line);
        assert!(!symbols(&theirs).is_empty(), "{theirs}");
        assert_eq!(symbols(&ours), symbols(&theirs), "{line}\nours: {ours}\n gdb: {theirs}");
    }
    let ours = answer(&mut client, "info scope level_one");
    assert!(ours.contains("Symbol count is a variable at frame base -"), "{ours}");
    assert!(answer(&mut client, "info scope nobody").contains("nobody"));
}

#[test]
fn where_a_name_is_kept() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    let program = program(&["-O0", "-g"]);
    let lines: Vec<String> =
        ["level_counter", "level_origin", "main", "level_two"].map(|name| format!("info address {name}")).into();
    let theirs = theirs(&program, "level_two", &lines);
    let (_victim, mut client) = entered(&program, "level_two");
    for (line, theirs) in lines.iter().zip(theirs) {
        assert_eq!(answer(&mut client, line), theirs, "{line}");
    }
    assert!(answer(&mut client, "info address round").contains("is a variable at frame base -"));
    assert!(
        answer(&mut client, "info address errno").contains("thread-local"),
        "{}",
        answer(&mut client, "info address errno")
    );
    assert!(answer(&mut client, "info address nobody").contains("nobody"));
    for line in ["info address *argv", "info address 5", "info address level_counter++", "info address sizeof(int)"] {
        assert!(answer(&mut client, line).contains("is no name of a variable"), "{line}");
    }
}

#[test]
fn how_a_frame_was_made() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    let program = program(&["-O0", "-gdwarf-4"]);
    let theirs = theirs(&program, "level_two", &["info source".to_owned()]);
    let (_victim, mut client) = entered(&program, "level_two");
    let ours = answer(&mut client, "info source");
    for words in
        ["Current source file is", "Compilation directory is", "Located in", "Producer is", "Compiled with DWARF 4"]
    {
        let line = |text: &str| text.lines().find(|line| line.starts_with(words)).map(str::to_owned);
        assert!(line(&ours).is_some(), "{words}: {ours}");
        assert_eq!(line(&ours), line(&theirs[0]), "{words}");
    }
    let frame = client.data("info frame");
    assert!(client.run("info frame").text.contains(" in level_two ("), "{frame}");
    client.run("up");
    let caller = client.data("info frame");
    // The frame ends where its caller's stack was before the call.
    let number = |client: &mut StructuredClient, line: &str| {
        client.run(line).text.split(" = ").nth(1).unwrap_or_default().trim().to_owned()
    };
    assert_eq!(frame["frame"], number(&mut client, "print/x $sp"));
    assert_eq!(frame["saved_pc"], number(&mut client, "print/x $pc"));
    assert_eq!(caller["pc"], frame["saved_pc"]);
    assert_eq!(caller["level"], frame["level"].as_u64().map(|level| level + 1).unwrap_or_default());
}

#[test]
fn names_of_one_type_and_described_ones() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb") {
        return;
    }
    let program = program(&["-O0", "-g"]);
    let lines: Vec<String> = [
        "info variables -t level_point ^level",
        "info variables -t ^long level",
        "info functions -t level_point ^level",
        "info functions -n ^level",
        "info variables -q -n -t 'volatile int' ^level_co",
        "info types -q ^level_p",
        "info locals -q",
        "info locals -q ^nobody",
        "info args -q ^rat",
    ]
    .map(str::to_owned)
    .into();
    let theirs = theirs(&program, "level_two", &lines);
    let (_victim, mut client) = entered(&program, "level_two");
    for (line, theirs) in lines.iter().zip(theirs) {
        assert_eq!(answer(&mut client, line), theirs, "{line}");
    }
    assert!(answer(&mut client, "info variables -t").contains("-t needs"));
    for line in ["info types -n level", "info locals -n", "info args -t int"] {
        let answer = answer(&mut client, line);
        assert!(answer.contains("there is no -") && answer.contains("only -q;"), "{line}: {answer}");
    }
    assert!(answer(&mut client, "ptype/m struct level_point").contains("knows no /m"));
}
