//! `watch` ends at a line, at the end of the client's input, and by Ctrl-C, whatever the client is; until then it tells.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};

use manhole_tests::screen::{Screen, Terminal};
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, place, turn, victims, wait_for};

const WATCH: &str = "watch level_counter every 10";

fn victim() -> Victim {
    Host::new(victims::c_with("levels", &["-O0", "-g"])).options("").ready()
}

fn client(arguments: &[&str], pid: i32, input: Stdio, output: Stdio) -> Child {
    let mut client = Command::new(place::client());
    client.args(arguments).arg(pid.to_string()).stdin(input).stdout(output).stderr(Stdio::inherit()).spawn().unwrap()
}

fn end_of(mut client: Child) -> ExitStatus {
    wait_for("the end of manhole-cli", PATIENCE, || client.try_wait().unwrap())
}

/// Changes what is watched and sees it told.
fn changes(victim: &mut Victim, screen: &mut Screen, value: i32) {
    screen.until(&format!("level_counter = {}", value - 1));
    assert_eq!(victim.ask("bump"), format!("level_counter {value}"));
    screen.until(&format!("level_counter = {value}  (was {})", value - 1));
}

#[test]
fn a_pipe_that_has_ended_shows_the_value_once() {
    let _turn = turn::shared();
    let victim = victim();
    for arguments in [&[][..], &["-c", WATCH], &["-c", WATCH, "-c", "print 40+2"]] {
        let mut client = client(arguments, victim.pid(), Stdio::piped(), Stdio::piped());
        let lines = if arguments.is_empty() { format!("{WATCH}\n") } else { String::new() };
        client.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let said = Screen::of(client.stdout.take().unwrap()).until_end();
        assert_eq!(end_of(client).code(), Some(0), "{said}");
        assert_eq!(said.matches("level_counter = 7").count(), 1, "{said}");
        assert_eq!(said.contains("$1 = 42"), arguments.len() > 2, "{said}");
    }
    let status = end_of(client(&["-c", WATCH], victim.pid(), Stdio::null(), Stdio::null()));
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_pipe_that_lasts_sees_what_changes_until_it_ends() {
    let _turn = turn::shared();
    let mut victim = victim();
    let mut value = 8;
    for arguments in [&[][..], &["-c", WATCH]] {
        let mut client = client(arguments, victim.pid(), Stdio::piped(), Stdio::piped());
        let mut input = client.stdin.take().unwrap();
        let mut screen = Screen::of(client.stdout.take().unwrap());
        if arguments.is_empty() {
            input.write_all(format!("{WATCH}\n").as_bytes()).unwrap();
        }
        changes(&mut victim, &mut screen, value);
        changes(&mut victim, &mut screen, value + 1);
        drop(input);
        assert_eq!(end_of(client).code(), Some(0));
        value += 2;
    }
}

#[test]
fn a_line_ends_it_and_the_next_is_the_prompt_s() {
    let _turn = turn::shared();
    let mut victim = victim();
    let mut client = client(&[], victim.pid(), Stdio::piped(), Stdio::piped());
    let mut input = client.stdin.take().unwrap();
    let mut screen = Screen::of(client.stdout.take().unwrap());
    input.write_all(format!("{WATCH}\n").as_bytes()).unwrap();
    changes(&mut victim, &mut screen, 8);
    input.write_all(b"\nprint 40+2\n").unwrap();
    screen.until("$1 = 42");
    screen.seen.clear();
    input.write_all(format!("{WATCH}\n").as_bytes()).unwrap();
    changes(&mut victim, &mut screen, 9);
    // All at once: what ends it, and a line behind it.
    input.write_all(b"enough\nprint 41+2\n").unwrap();
    screen.until("$2 = 43");
    drop(input);
    let said = screen.until_end();
    assert!(!said.contains("enough") && !said.contains("unknown"), "{said}");
    assert_eq!(end_of(client).code(), Some(0));
}

#[test]
fn the_end_of_a_socket_s_input_ends_it() {
    let _turn = turn::shared();
    let mut victim = victim();
    let mut stream = UnixStream::connect(victim.socket()).unwrap();
    let mut screen = Screen::of(stream.try_clone().unwrap());
    stream.write_all(format!("{WATCH}\n").as_bytes()).unwrap();
    changes(&mut victim, &mut screen, 8);
    stream.shutdown(Shutdown::Write).unwrap();
    let said = screen.until_end();
    assert!(said.contains("now exiting"), "{said}");
}

#[test]
fn at_a_terminal_a_key_ends_it() {
    let _turn = turn::shared();
    let mut victim = victim();
    let Terminal { client, mut keys, mut screen, home: _home } = Terminal::to(victim.pid());
    screen.until(">>> ");
    // Return, Ctrl-D, Ctrl-C.
    for (value, key) in [(8, "\r"), (9, "\x04"), (10, "\x03")] {
        screen.seen.clear();
        keys.write_all(format!("{WATCH}\r").as_bytes()).unwrap();
        changes(&mut victim, &mut screen, value);
        screen.seen.clear();
        keys.write_all(key.as_bytes()).unwrap();
        screen.until(">>> ");
        keys.write_all(format!("print 100+{value}\r").as_bytes()).unwrap();
        screen.until(&format!(" = {}\r\n", 100 + value));
    }
    keys.write_all(b"quit\r").unwrap();
    assert_eq!(end_of(client).code(), Some(0));
}
