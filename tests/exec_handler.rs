//! `connection_handler="exec"`: nothing is sent to the client, each line is run, and the log tells the rest.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, place, turn, victims, wait_for};

const OPTIONS: &str = "verbose=True, connection_handler=\"exec\"";

fn victim(options: &str) -> Victim {
    Host::new(victims::c("exits")).arg("return").options(options).ready()
}

fn connect(victim: &Victim) -> UnixStream {
    let stream = wait_for("a manhole", PATIENCE, || UnixStream::connect(victim.socket()).ok());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends it and reads until the manhole closes.
fn exchange(victim: &Victim, text: &str) -> Vec<u8> {
    let mut stream = connect(victim);
    stream.write_all(text.as_bytes()).unwrap();
    let mut got = Vec::new();
    // A reset is an end too: lines after the one that ended it are not read.
    let _ = stream.read_to_end(&mut got);
    got
}

/// The messages of the log, each without its head; other lines as they are.
fn messages(log: &str) -> Vec<String> {
    log.lines().map(|line| line.split_once("]: ").map_or(line, |(_, message)| message).to_owned()).collect()
}

/// What the log says from the last accepted connection on.
fn of_last_session(log: &str) -> Vec<String> {
    let mut messages = messages(log);
    let start = messages.iter().rposition(|line| line.starts_with("Accepted connection on fd:")).expect("a session");
    messages.split_off(start + 1)
}

/// Waits until so many sessions are over, and gives the log.
fn log_after(victim: &Victim, sessions: usize) -> String {
    wait_for("the end of the session", PATIENCE, || {
        let log = victim.log();
        let waits = log.matches("Waiting for new connection (in pid:").count();
        (waits > sessions).then_some(log)
    })
}

/// The processor time of the process, in clock ticks of 10 ms.
fn ticks(victim: &Victim) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", victim.pid())).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_line_and_exit_as_hunter_sends_them() {
    let _turn = turn::shared();
    let mut victim = victim(OPTIONS);
    assert_eq!(exchange(&victim, "print('FOOBAR')\nexit()\n"), b"");
    let log = log_after(&victim, 1);
    let waiting = format!("Waiting for new connection (in pid:{}) ...", victim.pid());
    assert_eq!(
        of_last_session(&log),
        [r#"Running: "print('FOOBAR')\n"."#, "FOOBAR", r"Running: 'exit()\n'.", "Exiting exec loop.", waiting.as_str(),]
    );
    assert!(!log.contains("DONE.") && !log.contains("Cleaned up."), "{log}");
    assert!(victim.runs());
}

#[test]
fn two_hundred_in_a_row() {
    let _turn = turn::shared();
    let victim = victim(OPTIONS);
    for _ in 0..200 {
        assert_eq!(exchange(&victim, "print 6*7\nquit\n"), b"");
    }
    let log = log_after(&victim, 200);
    assert_eq!(log.matches("Exiting exec loop.").count(), 200);
    assert_eq!(log.matches("\n$1 = 42\n").count(), 200);
}

#[test]
fn an_error_is_logged_and_ends_the_connection() {
    let _turn = turn::shared();
    let mut victim = victim(OPTIONS);
    assert_eq!(exchange(&victim, "print 1/0\nprint 6*7\n"), b"");
    let log = log_after(&victim, 1);
    let said = of_last_session(&log);
    assert_eq!(said[..2], [r"Running: 'print 1/0\n'.", "ManholeConnectionThread failure: Division by zero"], "{log}");
    assert!(!log.contains(" = 42") && !log.contains("Exiting exec loop."), "{log}");
    // The next client is served.
    assert_eq!(exchange(&victim, "print 6*7\nexit()\n"), b"");
    assert!(log_after(&victim, 2).contains("$1 = 42"));
    assert!(victim.runs());
}

#[test]
fn the_end_of_input_leaves_and_a_line_without_newline_counts() {
    let _turn = turn::shared();
    let victim = victim(OPTIONS);
    let mut stream = connect(&victim);
    stream.write_all(b"\nprint 40+2").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"");
    let said = of_last_session(&log_after(&victim, 1));
    assert_eq!(said[..4], [r"Running: '\n'.", "Running: 'print 40+2'.", "$1 = 42", "Exiting exec loop."]);
}

#[test]
fn lines_of_a_client_that_does_not_wait_are_run() {
    let _turn = turn::shared();
    let victim = victim(OPTIONS);
    for session in 1..=50 {
        let mut stream = connect(&victim);
        stream.write_all(b"print 6*7\n").unwrap();
        drop(stream);
        let log = log_after(&victim, session);
        assert_eq!(log.matches("\n$1 = 42\n").count(), session, "{log}");
    }
}

#[test]
fn who_waits_for_the_turn_gets_no_byte_either() {
    let _turn = turn::shared();
    let victim = victim(OPTIONS);
    let mut first = connect(&victim);
    victim.log_with("Accepted connection");
    // One that leaves before its turn, and one that stays.
    connect(&victim).write_all(b"print 5*5\n").unwrap();
    let mut second = connect(&victim);
    second.write_all(b"print 6*7\nexit()\n").unwrap();
    wait_for("three clients", PATIENCE, || (victim.log().matches("Accepted connection").count() == 3).then_some(()));
    // The one that has left does not keep the manhole awake.
    let before = ticks(&victim);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert!(ticks(&victim) - before < 5, "the manhole spins");
    first.write_all(b"exit()\n").unwrap();
    let mut got = Vec::new();
    first.read_to_end(&mut got).unwrap();
    second.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"");
    let log = log_after(&victim, 1);
    assert!(log.contains("\n$1 = 25\n") && log.contains("\n$1 = 42\n"), "{log}");
}

#[test]
fn without_verbose_only_answers_and_failures_are_logged() {
    let _turn = turn::shared();
    let victim = victim("connection_handler='exec'");
    assert_eq!(exchange(&victim, "print 6*7\nprint no_such_symbol\n"), b"");
    let log = victim.log_with("ManholeConnectionThread failure: ");
    assert_eq!(messages(&log).len(), 2, "{log}");
    assert_eq!(messages(&log)[0], "$1 = 42");
    assert!(log.contains("No symbol \"no_such_symbol\""), "{log}");
}

#[test]
fn a_long_line_is_one_line_of_the_log() {
    let _turn = turn::shared();
    let victim = victim(OPTIONS);
    let digits = "9".repeat(100_000);
    assert_eq!(exchange(&victim, &format!("print {digits}\n")), b"");
    let log = log_after(&victim, 1);
    assert!(log.lines().all(|line| line.starts_with("Manhole[") && line.len() < 2048), "{log}");
    assert!(log.contains("999...'."), "{log}");
}

#[test]
fn the_exiting_process_waits_and_says_nothing() {
    let _turn = turn::shared();
    let mut victim = victim(OPTIONS);
    let mut stream = connect(&victim);
    stream.write_all(b"print 6*7\n").unwrap();
    victim.log_with("$1 = 42");
    victim.say("go");
    victim.log_with("it waits for the connected client");
    assert!(victim.runs());
    stream.write_all(b"exit()\n").unwrap();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert_eq!(got, b"");
    assert_eq!(victim.ended().code(), Some(4));
}

#[test]
fn a_structured_client_is_told_where_the_answers_are() {
    let _turn = turn::shared();
    let victim = victim(OPTIONS);
    let mut client = victim.structured();
    assert_eq!(client.hello["prompt"], "exec> ");
    let id = client.ask(serde_json::json!({"greet": true}));
    let greeting = client.answer(id);
    assert!(greeting.text.contains("connection_handler=\"exec\""), "{greeting:?}");
    let answer = client.run("print 6*7");
    assert_eq!((answer.done.as_str(), answer.text.contains("log")), ("ok", true), "{answer:?}");
    assert_eq!(client.data("print 6*7"), serde_json::Value::Null);
    let answer = client.run("print 1/0");
    assert_eq!((answer.done.as_str(), answer.message.as_str()), ("error", "Division by zero"));
    let log = log_after(&victim, 1);
    assert!(log.contains("\n$1 = 42\n") && log.contains("\n$2 = 42\n"), "{log}");
    assert!(log.contains("ManholeConnectionThread failure: Division by zero"), "{log}");
}

#[test]
fn manhole_cli_does_not_hang() {
    let _turn = turn::shared();
    let victim = victim(OPTIONS);
    let cli = place::target().join("release/manhole-cli");
    let run = |command: &str| {
        let output = std::process::Command::new(&cli)
            .args(["-c", command, &victim.pid().to_string()])
            .stdin(std::process::Stdio::null())
            .output()
            .expect("start manhole-cli");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, said, errors) = run("print 6*7");
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{said}");
    assert!(said.contains("in the process's log"), "{said}");
    let (code, _, errors) = run("print 1/0");
    assert_eq!(code, Some(3));
    assert!(errors.contains("Division by zero"), "{errors}");
    victim.log_with("$1 = 42");
}
