//! Manholes that speak text, and `--raw`.
//!
//! Runs in the test binary.

use std::io::{Read, Write};

use crate::client::{OnTerminal, run};
use crate::manhole::{Manhole, python_like};

#[test]
fn a_pipe_into_a_text_manhole() {
    let manhole = python_like();
    let left = run(manhole.home(), &[manhole.path()], "1234+2345\n");
    assert_eq!(left.code, 0);
    assert!(
        left.stdout.contains("(ManholeConsole)\n>>> 3579\n>>> "),
        "{}",
        left.stdout
    );
    assert!(
        left.stdout.ends_with("now exiting ManholeConsole...\n"),
        "{}",
        left.stdout
    );
}

#[test]
fn commands_need_frames() {
    let manhole = python_like();
    let path = manhole.path().to_str().unwrap();
    for flags in [&["-c", "1+1"][..], &["--json"]] {
        let left = run(manhole.home(), &[flags, &[path]].concat(), "");
        assert_eq!((left.code, left.stdout.as_str()), (1, ""));
        assert!(left.stderr.contains("speaks text only"), "{}", left.stderr);
    }
}

#[test]
fn raw_copies_bytes_and_has_no_name() {
    let manhole = Manhole::serve("app.sock", |mut stream, _| {
        assert!(stream.peer_addr().unwrap().is_unnamed());
        let mut all = Vec::new();
        stream.write_all(b"{\"hello\":\xff\x1b").unwrap();
        stream.read_to_end(&mut all).unwrap();
        all.reverse();
        stream.write_all(&all).unwrap();
    });
    let mut child = crate::client::command(manhole.home())
        .arg("--raw")
        .arg(manhole.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"\x00\xfe\n")
        .unwrap();
    let status = crate::client::wait(&mut child);
    let output = child.wait_with_output().unwrap();
    assert!(status.success());
    assert_eq!(output.stdout, b"{\"hello\":\xff\x1b\n\xfe\x00");
}

#[test]
fn a_terminal_on_a_text_manhole_edits_lines() {
    let manhole = python_like();
    let mut client = OnTerminal::start(manhole.home(), &[manhole.path()]);
    client.screen.expect("(ManholeConsole)");
    client.expect_editing();
    // A typing error, mended with the arrow and backspace keys: 129234+2345, back before 4, drop the 9 and the 2.
    client
        .send("129234+2345\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x7f\x1b[D\x1b[C\x7f\r");
    client.screen.expect("3579");
    client.expect_editing();
    client.send("dropped\x03");
    client.screen.expect("dropped\r\n");
    client.expect_editing();
    client.send("def f():\r");
    client.screen.expect("... ");
    client.send("x\r");
    client.screen.expect("<x>");
    client.send("input('name? ')\r");
    client.screen.expect("name? ");
    client.send("Ada\r");
    client.screen.expect("<Ada>");
    client.expect_editing();
    client.send("\x04");
    let (code, screen) = client.end();
    assert_eq!(code, 0);
    assert!(screen.contains("now exiting ManholeConsole..."), "{screen}");
    assert!(!screen.contains("<dropped>"), "{screen}");
    let history = std::fs::read_to_string(manhole.home().join(".manhole_history")).unwrap();
    assert!(history.contains("1234+2345\ndef f():\n"), "{history}");
}

#[test]
fn a_text_manhole_that_closes_ends_the_client() {
    let manhole = python_like();
    let mut client = OnTerminal::start(manhole.home(), &[manhole.path()]);
    client.screen.expect(">>> ");
    client.expect_editing();
    client.send("half a li");
    client.screen.expect("half a li");
    manhole.say_text("NEWS\n");
    client.screen.expect("NEWS");
    manhole.hang_up();
    client.screen.expect("connection closed by the process");
    assert_eq!(client.end().0, 0);
}

#[test]
fn a_dumb_terminal_gets_bytes() {
    let manhole = python_like();
    let mut client = OnTerminal::start_with(manhole.home(), &[manhole.path()], |command| {
        command.env("TERM", "dumb");
    });
    client.screen.expect("(ManholeConsole)");
    client.send("1234+2345\n");
    client.screen.expect("3579");
    client.send("exit()\n");
    assert_eq!(client.end().0, 0);
}
