//! The structured session on a real terminal: editing, completion, Ctrl-C, history, notices.
//!
//! Runs in the test binary; the client runs on a pseudo terminal as its controlling one.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::client::OnTerminal;
use crate::manhole::{Manhole, Manner};

fn at_prompt(manhole: &Manhole) -> OnTerminal {
    let client = OnTerminal::start(manhole.home(), &[manhole.path()]);
    client.screen.expect("GREETING\r\n");
    client.screen.expect(">>> ");
    client.expect_editing();
    client
}

#[test]
fn a_line_is_edited_and_run() {
    let manhole = Manhole::open();
    let mut client = at_prompt(&manhole);
    // Ctrl-A, insert, Ctrl-E, backspace.
    client.send("cho onee\x01e\x05\x7f\r");
    client.screen.expect("\r\none\r\n");
    client.expect_editing();
    client.send("fail\r");
    client.screen.expect("no such thing\r\n");
    client.expect_editing();
    client.send("mode gdb\r");
    client.screen.expect("gdb> ");
    client.expect_editing();
    client.send("\x04");
    assert_eq!(client.end().0, 0);
    assert_eq!(manhole.lines_run(), ["echo one", "fail", "mode gdb"]);
}

#[test]
fn pasted_lines_are_all_run() {
    let manhole = Manhole::open();
    let mut client = at_prompt(&manhole);
    client.send("echo one\recho two\recho three\r");
    client.screen.expect("\r\nthree\r\n");
    client.expect_editing();
    client.send("\x04");
    assert_eq!(client.end().0, 0);
    assert_eq!(manhole.lines_run(), ["echo one", "echo two", "echo three"]);
}

#[test]
fn tab_completes_and_lists() {
    let manhole = Manhole::open();
    let mut client = at_prompt(&manhole);
    client.send("info sh\t");
    client.screen.expect("info sharedlibrary");
    client.send("\r");
    manhole.expect_request(|request| request["run"] == "info sharedlibrary");
    client.screen.expect_times(">>> ", 2);
    client.expect_editing();
    client.send("info th\t");
    client.screen.expect("thread-names");
    client.send("s\r");
    manhole.expect_request(|request| request["run"] == "info threads");
    let asked = manhole.expect_request(|request| request["complete"] == "info th");
    assert_eq!(asked["cursor"], 7);
    client.expect_editing();
    client.send("\x04");
    assert_eq!(client.end().0, 0);
}

#[test]
fn ctrl_c_stops_a_command_and_clears_a_line() {
    let manhole = Manhole::open();
    let mut client = at_prompt(&manhole);
    client.send("slow\r");
    client.screen.expect("begun");
    client.send("\x03");
    client.screen.expect("interrupted");
    let asked = manhole.expect_request(|request| request["run"] == "slow");
    manhole.expect_request(|request| request["interrupt"] == asked["id"]);
    client.expect_editing();
    client.send("never run\x03");
    client.screen.expect("never run\r\n");
    client.expect_editing();
    client.send("echo still here\r");
    client.screen.expect("\r\nstill here\r\n");
    client.expect_editing();
    client.send("\x04");
    assert_eq!(client.end().0, 0);
    assert_eq!(manhole.lines_run(), ["slow", "echo still here"]);
}

#[test]
fn what_is_typed_while_a_command_reads_is_its_input() {
    let manhole = Manhole::open();
    let mut client = at_prompt(&manhole);
    client.send("reads\r");
    manhole.expect_request(|request| request["run"] == "reads");
    client.send("Anna\r");
    client.screen.expect("read \"Anna\"\r\n");
    client.expect_editing();
    // Ctrl-D is the end of the command's input alone.
    client.send("reads\r");
    client.screen.expect_times("reads\r\n", 2);
    while !client.is_cooked() {
        std::thread::yield_now();
    }
    client.send("\x04");
    client.screen.expect("read \"\"\r\n");
    client.expect_editing();
    client.send("echo still here\r");
    client.screen.expect("\r\nstill here\r\n");
    client.expect_editing();
    client.send("\x04");
    assert_eq!(client.end().0, 0);
    let lines: Vec<String> = manhole.lines_run().into_iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines, ["reads", "reads", "echo still here"]);
}

#[test]
fn what_a_command_does_not_read_is_the_prompt_s() {
    let manhole = Manhole::open();
    let mut client = at_prompt(&manhole);
    client.send("reads\r");
    manhole.expect_request(|request| request["run"] == "reads");
    while !client.is_cooked() {
        std::thread::yield_now();
    }
    // Both lines are there before the terminal is read.
    client.send("Anna\recho for the prompt\r");
    client.screen.expect("read \"Anna\"\r\n");
    client.screen.expect("\r\nfor the prompt\r\n");
    client.expect_editing();
    client.send("\x04");
    assert_eq!(client.end().0, 0);
}

#[test]
fn a_command_that_does_not_stop_can_be_left() {
    let manhole = Manhole::open();
    let mut client = at_prompt(&manhole);
    client.send("stubborn\r");
    client.screen.expect("begun");
    client.send("\x03");
    manhole.expect_request(|request| request.get("interrupt").is_some());
    client.send("\x03");
    client.screen.expect("Ctrl-C once more leaves the session");
    client.send("\x03");
    assert_eq!(client.end().0, 0);
}

#[test]
fn history_is_kept_between_sessions() {
    let manhole = Manhole::open();
    let mut client = at_prompt(&manhole);
    client.send("echo from before\r");
    client.screen.expect("\r\nfrom before\r\n");
    client.expect_editing();
    client.send("\x04");
    assert_eq!(client.end().0, 0);
    let mut client = at_prompt(&manhole);
    client.send("\x1b[A\r");
    client.screen.expect("\r\nfrom before\r\n");
    client.expect_editing();
    client.send("\x04");
    assert_eq!(client.end().0, 0);
    assert_eq!(manhole.lines_run(), ["echo from before", "echo from before"]);
}

#[test]
fn a_pipe_leaves_no_history() {
    let manhole = Manhole::open();
    let left = crate::client::run(manhole.home(), &[manhole.path()], "echo x\n");
    assert_eq!(left.code, 0);
    assert!(!manhole.home().join(".manhole_history").exists());
}

#[test]
fn escapes_from_the_process_do_not_reach_the_terminal() {
    let manhole = Manhole::open();
    let mut client = at_prompt(&manhole);
    client.send("escape\r");
    let screen = client.screen.expect("owned");
    assert!(screen.contains("\\u{1b}]0;owned\\u{7}"), "{screen:?}");
    client.expect_editing();
    client.send("\x04");
    assert_eq!(client.end().0, 0);
}

#[test]
fn notices_stand_above_the_edited_line() {
    let manhole = Manhole::open();
    let mut client = at_prompt(&manhole);
    client.send("echo half");
    client.screen.expect("echo half");
    manhole.say(&json!({"text": "NEWS\n"}));
    let screen = client.screen.expect("NEWS");
    assert!(!screen.contains("halfNEWS"), "{screen:?}");
    client.screen.expect_times("echo half", 2);
    client.send(" and half\r");
    client.screen.expect("\r\nhalf and half\r\n");
    client.expect_editing();
    client.send("\x04");
    assert_eq!(client.end().0, 0);
}

#[test]
fn an_occupied_prompt_is_awaited() {
    let manner = Manner { is_occupied: true, ..Manner::default() };
    let manhole = Manhole::open_as("app.sock", manner);
    let mut client = OnTerminal::start(manhole.home(), &[manhole.path()]);
    client.screen.expect("GREETING");
    let screen = client.screen.expect("taken by PID 4712 (uid 1000)");
    assert!(!screen.contains(">>>"), "{screen}");
    manhole.say(&json!({"turn": {}}));
    client.screen.expect(">>> ");
    client.expect_editing();
    client.send("echo mine\r");
    client.screen.expect("\r\nmine\r\n");
    client.expect_editing();
    client.send("\x04");
    assert_eq!(client.end().0, 0);
}

#[test]
fn ctrl_c_ends_the_waiting_for_a_turn() {
    let manner = Manner { is_occupied: true, ..Manner::default() };
    let manhole = Manhole::open_as("app.sock", manner);
    let mut client = OnTerminal::start(manhole.home(), &[manhole.path()]);
    client.screen.expect("GREETING");
    client.send("\x03");
    assert_eq!(client.end().0, 0);
}

#[test]
fn the_end_of_the_process_ends_the_session() {
    let manhole = Manhole::open();
    let mut client = at_prompt(&manhole);
    client.send("half a li");
    client.screen.expect("half a li");
    manhole.hang_up();
    let (code, screen) = client.end();
    assert_eq!(code, 0);
    assert!(screen.ends_with("\r\nconnection closed by the process\r\n"), "{screen:?}");
}

#[test]
fn the_end_under_a_command_ends_the_session() {
    let manhole = Manhole::open();
    let mut client = at_prompt(&manhole);
    client.send("die\r");
    let (code, screen) = client.end();
    assert_eq!(code, 0);
    assert!(screen.ends_with("connection closed by the process\r\n"), "{screen:?}");
}

#[test]
fn quit_ends_silently() {
    let manhole = Manhole::open();
    let mut client = at_prompt(&manhole);
    client.send("quit\r");
    let (code, screen) = client.end();
    assert_eq!(code, 0);
    assert!(!screen.contains("closed"), "{screen:?}");
}

#[test]
fn a_killed_client_leaves_the_terminal_as_it_was() {
    let manhole = Manhole::open();
    let client = at_prompt(&manhole);
    kill(Pid::from_raw(client.pid()), Signal::SIGTERM).unwrap();
    let (code, _) = client.end();
    assert_eq!(code, 128 + Signal::SIGTERM as i32);
}

#[test]
fn a_dumb_terminal_has_a_prompt_too() {
    let manhole = Manhole::open();
    let mut client = OnTerminal::start_with(manhole.home(), &[manhole.path()], |command| {
        command.env("TERM", "dumb");
    });
    client.screen.expect(">>> ");
    client.send("echo plain\n");
    client.screen.expect("\r\nplain\r\n");
    client.send("\x04");
    assert_eq!(client.end().0, 0);
}
