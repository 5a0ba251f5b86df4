//! Commands of `-c`, `--json`, and lines from a pipe.
//!
//! Runs in the test binary.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::client::{Left, Running, run};
use crate::manhole::{Manhole, Manner};

fn on(manhole: &Manhole, flags: &[&str], input: &str) -> Left {
    let mut arguments = flags.to_vec();
    arguments.push(manhole.path().to_str().unwrap());
    run(manhole.home(), &arguments, input)
}

#[test]
fn commands_print_their_text_and_nothing_else() {
    let manhole = Manhole::open();
    let left = on(&manhole, &["-c", "echo one", "-c", "echo two"], "");
    assert_eq!((left.code, left.stdout.as_str(), left.stderr.as_str()), (0, "one\ntwo\n", ""));
    assert_eq!(manhole.lines_run(), ["echo one", "echo two"]);
}

#[test]
fn an_error_goes_to_stderr_and_the_rest_is_run() {
    let manhole = Manhole::open();
    let left = on(&manhole, &["-c", "fail", "-c", "echo two"], "");
    assert_eq!((left.code, left.stdout.as_str(), left.stderr.as_str()), (3, "two\n", "no such thing\n"));
}

#[test]
fn bytes_of_the_answer_are_kept_for_a_pipe() {
    let manhole = Manhole::open();
    let left = on(&manhole, &["-c", "escape"], "");
    assert_eq!(left.stdout, "\u{1b}]0;owned\u{7}\n");
}

#[test]
fn data_is_one_document_a_line() {
    let manhole = Manhole::open();
    let left = on(&manhole, &["--json", "-c", "bt all", "-c", "fail", "-c", "info fds"], "");
    assert_eq!((left.code, left.stderr.as_str()), (3, "no such thing\n"));
    let documents: Vec<Value> = left.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(documents, [json!({"line": "bt all"}), json!({"line": "info fds"})]);
}

#[test]
fn data_of_lines_from_a_pipe() {
    let manhole = Manhole::open();
    let left = on(&manhole, &["--json"], "bt\ninfo fds\n");
    assert_eq!(left.code, 0);
    assert_eq!(left.stdout, "{\"line\":\"bt\"}\n{\"line\":\"info fds\"}\n");
}

#[test]
fn a_command_that_quits() {
    let manhole = Manhole::open();
    assert_eq!(on(&manhole, &["-c", "echo x", "-c", "quit"], "").code, 0);
    let left = on(&manhole, &["-c", "quit", "-c", "echo x", "-c", "echo y"], "");
    assert_eq!(left.code, 1);
    assert!(left.stderr.contains("not run: 2"), "{}", left.stderr);
}

#[test]
fn a_process_that_dies_under_a_command() {
    let manhole = Manhole::open();
    let left = on(&manhole, &["-c", "die"], "");
    assert_eq!(left.code, 1);
    assert!(left.stderr.contains("before \"die\" was answered"), "{}", left.stderr);
}

#[test]
fn a_pipe_sees_what_a_text_client_sees() {
    let manhole = Manhole::open();
    let left = on(&manhole, &[], "echo one\nfail\n\necho last without newline");
    assert_eq!(left.code, 0);
    assert_eq!(left.stdout, "GREETING\n>>> one\n>>> no such thing\n>>> >>> last without newline\n>>> \n");
    assert_eq!(manhole.lines_run(), ["echo one", "fail", "", "echo last without newline"]);
}

#[test]
fn answers_come_while_the_pipe_stays_open() {
    let manhole = Manhole::open();
    let mut running = Running::start(manhole.home(), &[manhole.path()]);
    running.stdout.expect("GREETING\n>>> ");
    let mut input = running.input.take().unwrap();
    input.write_all(b"echo one\n").unwrap();
    running.stdout.expect("one\n>>> ");
    input.write_all(b"mode gdb\n").unwrap();
    running.stdout.expect("gdb> ");
    drop(input);
    assert_eq!(running.end().code, 0);
}

#[test]
fn quit_in_a_pipe_ends_the_session() {
    let manhole = Manhole::open();
    let left = on(&manhole, &[], "quit\necho never\n");
    assert_eq!((left.code, left.stdout.as_str()), (0, "GREETING\n>>> "));
    assert_eq!(manhole.lines_run(), ["quit"]);
}

#[test]
fn the_process_closes_while_the_pipe_is_silent() {
    let manhole = Manhole::open();
    let running = Running::start(manhole.home(), &[manhole.path()]);
    running.stdout.expect(">>> ");
    manhole.hang_up();
    running.stderr.expect("connection closed by the process\n");
    assert_eq!(running.end().code, 0);
}

#[test]
fn an_occupied_prompt_is_told_and_awaited() {
    let manner = Manner { is_occupied: true, ..Manner::default() };
    let manhole = Manhole::open_as("app.sock", manner);
    let mut running = Running::start(manhole.home(), &[manhole.path()]);
    running.input.take().unwrap().write_all(b"echo mine\n").unwrap();
    running.stderr.expect("the prompt is taken by PID 4712 (uid 1000); waiting for its turn ...\n");
    let before = running.stdout.expect("GREETING\n");
    assert!(!before.contains(">>>"), "{before}");
    assert!(manhole.lines_run().is_empty());
    manhole.say(&json!({"turn": {}}));
    running.stdout.expect("mine\n");
    running.stderr.expect("the prompt is free now\n");
    assert_eq!(running.end().code, 0);
}

#[test]
fn complaints_of_the_process_are_shown() {
    let manhole = Manhole::open();
    let running = Running::start(manhole.home(), &[manhole.path()]);
    running.stdout.expect(">>> ");
    manhole.say(&json!({"error": "that was no JSON"}));
    running.stderr.expect("that was no JSON\n");
    manhole.say(&json!({"later": 1}));
    running.stderr.expect("does not know: {\"later\":1}\n");
    assert_eq!(running.end().code, 0);
}

#[test]
fn a_reader_that_closes_early_is_no_news() {
    let manhole = Manhole::open();
    let mut child = crate::client::command(manhole.home())
        .args(["-c", "chatter"])
        .arg(manhole.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "more\n");
    // Now the pipe is closed, as by `| head -n 1`.
    let status = crate::client::wait(&mut child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn a_command_of_c_sees_the_end_of_its_input() {
    let manhole = Manhole::open();
    let left = on(&manhole, &["-c", "reads", "-c", "echo two"], "not for it\n");
    assert_eq!((left.code, left.stdout.as_str(), left.stderr.as_str()), (0, "read \"\"\ntwo\n", ""));
}

#[test]
fn lines_of_a_pipe_are_input_of_a_command_that_reads() {
    let manhole = Manhole::open();
    let left = on(&manhole, &[], "reads\nAnna\necho for the prompt\nreads\nhalf");
    assert_eq!(left.code, 0, "{left:?}");
    assert!(left.stdout.contains("read \"Anna\"\n>>> for the prompt\n>>> read \"half\"\n"), "{left:?}");
    let lines: Vec<String> = manhole.lines_run().into_iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, ["reads", "echo for the prompt", "reads"]);
}
