//! The variables of frames, and the names of a program: `info locals`, `info args`, `info functions` and its kin, `list`, against gdb's answers in
//! another process of the same program; `display`, `watch`, `thread T` and `thread apply`.

use std::collections::BTreeSet;
use std::path::Path;

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{StructuredClient, gdb, turn, victims};
use serde_json::json;

use crate::expressions::comparable;

const FUNCTIONS: [&str; 3] = ["level_two", "level_one", "main"];

fn theirs(program: &Path, function: &str, lines: &[&str]) -> Vec<String> {
    let other = Host::new(program).options("off").ready();
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let answers = gdb::answers(other.pid(), function, &lines, None);
    answers.into_iter().map(|answer| comparable(&answer.unwrap_or_else(|error| panic!("gdb: {error}")))).collect()
}

fn entered(program: &Path) -> (Victim, StructuredClient) {
    let victim = Host::new(program).options("timeout=5").ready();
    let client = victim.structured();
    (victim, client)
}

fn answer(client: &mut StructuredClient, line: &str) -> String {
    let reply = client.run(line);
    assert_eq!(reply.done, "ok", "{line}: {reply:?}");
    comparable(&reply.text)
}

fn select(client: &mut StructuredClient, function: &str) {
    let frames = client.data("bt")["frames"].as_array().expect("frames").clone();
    let level = frames.iter().position(|frame| frame["function"] == function);
    answer(client, &format!("frame {}", level.unwrap_or_else(|| panic!("no frame of {function}: {frames:?}"))));
}

#[test]
fn variables_of_every_frame() {
    let _turn = turn::shared();
    for flags in [&["-O0", "-g"][..], &["-O0", "-g", "-gdwarf-4"]] {
        let program = victims::c_with("levels", flags);
        let (_victim, mut client) = entered(&program);
        for function in FUNCTIONS {
            let theirs = theirs(&program, function, &["info locals", "info args", "info locals ^[a-j]"]);
            select(&mut client, function);
            assert_eq!(answer(&mut client, "info locals"), theirs[0], "{function}, {flags:?}");
            assert_eq!(answer(&mut client, "info args"), theirs[1], "{function}, {flags:?}");
            let some = answer(&mut client, "info locals ^[a-j]");
            assert_eq!(
                some.replace("None of them matches \"^[a-j]\".", "No matching locals."),
                theirs[2],
                "{function}, {flags:?}"
            );
        }
    }
}

#[test]
fn a_full_backtrace_has_the_variables_of_every_frame() {
    let _turn = turn::shared();
    let program = victims::c_with("levels", &["-O0", "-g"]);
    let (_victim, mut client) = entered(&program);
    answer(&mut client, "frame 1");
    let full = answer(&mut client, "bt full");
    let data = client.data("bt full");
    assert!(answer(&mut client, "frame").starts_with("#1 "), "another frame is selected afterwards");
    for function in FUNCTIONS {
        // gdb has the arguments in the frame's own line.
        let theirs = theirs(&program, function, &["info args", "info locals"]);
        let expected: Vec<String> = theirs
            .iter()
            .flat_map(|text| text.lines())
            .filter(|line| !line.starts_with("No "))
            .map(|line| format!("        {line}"))
            .collect();
        assert!(!expected.is_empty(), "{function}: {theirs:?}");
        let below = full.lines().skip_while(|line| !line.contains(&format!("{function} ()"))).skip(1);
        let below: Vec<&str> = below.take_while(|line| line.starts_with("        ")).collect();
        assert_eq!(below, expected, "{function}: {full}");
        let frames = data["frames"].as_array().expect("frames");
        let frame = frames.iter().find(|frame| frame["function"] == function).expect("a frame");
        assert_eq!(frame["variables"].as_array().map(Vec::len), Some(expected.len()), "{frame}");
    }
    // Without debug information, and of all threads.
    assert!(full.contains("        No symbol table info available."), "{full}");
    let all = answer(&mut client, "bt all full");
    assert!(all.contains("\n        own = 44\n"), "{all}");
    assert!(!answer(&mut client, "bt").contains("        "));
}

/// What a register held that nobody has captured is said not to be captured; everything else is gdb's.
#[test]
fn variables_of_optimized_frames() {
    let _turn = turn::shared();
    let program = victims::c_with("levels", &["-O2", "-g"]);
    let (_victim, mut client) = entered(&program);
    for function in FUNCTIONS {
        let theirs = theirs(&program, function, &["info locals", "info args"]);
        select(&mut client, function);
        for (line, theirs) in ["info locals", "info args"].into_iter().zip(&theirs) {
            let ours = answer(&mut client, line);
            assert_eq!(ours.lines().count(), theirs.lines().count(), "{function}, {line}: {ours}\n{theirs}");
            for (ours, theirs) in ours.lines().zip(theirs.lines()) {
                let name = ours.split(" = ").next().expect("a name");
                assert_eq!(theirs.split(" = ").next(), Some(name), "{function}, {line}");
                assert!(ours == theirs || ours.ends_with("<not captured>"), "{function}: {ours}, gdb: {theirs}");
            }
        }
    }
}

/// The lines of a list that name something, each once.
fn named(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| line.contains("level_") && !line.starts_with("All "));
    let lines: Vec<String> = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert!(!lines.is_empty(), "{text}");
    let all: BTreeSet<String> = lines.iter().cloned().collect();
    assert_eq!(all.len(), lines.len(), "something is listed twice: {text}");
    all
}

#[test]
fn names_of_a_program() {
    let _turn = turn::shared();
    let program = victims::c_with("levels", &["-O0", "-g"]);
    let (_victim, mut client) = entered(&program);
    let lines = ["info functions ^level_", "info variables ^level_", "info types level_"];
    for (line, theirs) in lines.into_iter().zip(theirs(&program, "level_two", &lines)) {
        assert_eq!(named(&answer(&mut client, line)), named(&theirs), "{line}");
    }
    let lines = ["list level_one", "list", "list levels.c:20", "info line level_two", "info scope level_one"];
    let theirs = theirs(&program, "level_two", &lines[..3]);
    for (line, theirs) in lines.into_iter().zip(theirs) {
        assert_eq!(answer(&mut client, line), theirs, "{line}");
    }
}

#[test]
fn a_frame_by_its_function() {
    let _turn = turn::shared();
    let (_victim, mut client) = entered(&victims::c_with("levels", &["-O0", "-g"]));
    for function in FUNCTIONS {
        let shown = answer(&mut client, &format!("frame function {function}"));
        assert!(shown.starts_with('#') && shown.contains(&format!(" {function} (")), "{shown}");
        assert_eq!(client.data("frame")["function"], function);
    }
    let level = client.data("frame")["level"].clone();
    assert_eq!(client.data(&format!("frame level {level}"))["function"], "main");
    for line in ["frame function nobody", "frame function level", "frame function", "frame level x", "frame other"] {
        assert_eq!(client.run(line).done, "error", "{line}");
    }
}

#[test]
fn read_only_memory_is_written_to_when_that_is_insisted_on() {
    let _turn = turn::shared();
    let (_victim, mut client) = entered(&victims::c_with("levels", &["-O0", "-g"]));
    let write = "set var level_origin.name[0] = 'O'";
    assert_eq!(answer(&mut client, "show memory force"), "off");
    let refused = client.run(write).message;
    assert!(
        refused.contains("is read-only") && refused.contains("/levels") && refused.contains("set memory force"),
        "{refused}"
    );
    answer(&mut client, "set memory force on");
    assert_eq!(answer(&mut client, "show memory force"), "on");
    answer(&mut client, write);
    answer(&mut client, "set memory force off");
    assert_eq!(answer(&mut client, "show memory force"), "off");
    assert!(answer(&mut client, "print level_origin.name").ends_with("\"Origin\""));
    assert!(client.run("set var level_origin.name[0] = 'o'").message.contains("is read-only"));
    assert!(client.run("print *(char *)0 = 1").message.contains("0x0"));
}

#[test]
fn expressions_that_are_shown_again() {
    let _turn = turn::shared();
    let (mut victim, mut client) = entered(&victims::c_with("levels", &["-O0", "-g"]));
    assert_eq!(answer(&mut client, "display level_counter"), "1: level_counter = 7");
    assert!(answer(&mut client, "display/x level_table[1]").contains("2: /x level_table[1] = 0x2"));
    assert_eq!(victim.ask("bump"), "level_counter 8");
    let shown = answer(&mut client, "print 1");
    assert!(shown.contains("1: level_counter = 8\n2: /x level_table[1] = 0x2"), "{shown}");
    answer(&mut client, "undisplay 1");
    let shown = answer(&mut client, "print 1");
    assert!(!shown.contains("level_counter") && shown.contains("level_table[1]"), "{shown}");
}

#[test]
fn a_change_is_told_when_it_happens() {
    let _turn = turn::shared();
    let (mut victim, mut client) = entered(&victims::c_with("levels", &["-O0", "-g"]));
    let id = client.ask(json!({"run": "watch level_counter every 10"}));
    let mut told = String::new();
    let mut until = |client: &mut StructuredClient, text: &str| {
        while !told.contains(text) {
            let message = client.line();
            assert!(message.get("done").is_none(), "{message}, after {told}");
            told += message["text"].as_str().unwrap_or_default();
        }
    };
    until(&mut client, "level_counter = 7");
    for value in 8..12 {
        assert_eq!(victim.ask("bump"), format!("level_counter {value}"));
        until(&mut client, &format!("level_counter = {value}  (was {})", value - 1));
    }
    client.send(&json!({"interrupt": id}).to_string());
    client.answer(id);
    assert_eq!(answer(&mut client, "print level_counter"), "11");
    for line in ["watch level_counter++ every 10", "watch level_counter = 3", "display level_counter++"] {
        let reply = client.run(line);
        assert!(reply.message.contains("would change the process"), "{line}: {reply:?}");
    }
    assert_eq!(answer(&mut client, "print level_counter"), "11");
}

#[test]
fn expressions_of_other_threads() {
    let _turn = turn::shared();
    let (victim, mut client) = entered(&victims::c_with("levels", &["-O0", "-g"]));
    let threads = manhole_tests::tasks::of(victim.pid());
    let others = threads.iter().filter(|task| !task.is_ours()).count();
    assert_eq!(others, 2);
    let number = client.stacks().iter().find(|thread| thread.is_in("level_waits")).expect("the second thread").tid;
    assert_eq!(answer(&mut client, &format!("thread {number} print errno")), "33");
    let applied = answer(&mut client, &format!("thread apply {number} print errno"));
    assert!(applied.ends_with("$2 = 33"), "{applied}");
    let quiet = answer(&mut client, &format!("thread apply {number} -q -s print errno + 1"));
    assert!(quiet.ends_with("$3 = 34"), "{quiet}");
    let all = answer(&mut client, "thread apply all print $pc");
    assert!(all.matches("(void (*)())").count() >= others, "{all}");
    let all = answer(&mut client, "thread apply all bt 1");
    assert!(all.matches("#0").count() >= others, "{all}");
}
