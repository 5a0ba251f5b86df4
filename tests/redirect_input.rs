//! The session's input, which a line that runs code of the process reads: all of it, nobody else's, and only while it runs.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use manhole_tests::screen::Terminal;
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, StructuredClient, TextClient, place, tasks, turn, victims, wait_for};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::redirect::{Before, identities};

fn asker(way: &str, options: &str) -> Victim {
    Host::new(victims::c("asker")).arg(way).options(options).ready()
}

/// Reads until `text` has come, and gives all that came.
fn until(client: &mut TextClient, text: &str) -> String {
    let mut got = String::new();
    wait_for(text, PATIENCE, || {
        got += &client.read_available();
        got.contains(text).then_some(())
    });
    got
}

/// All that a client gets for `input`, which it sends at once and ends.
fn answers(victim: &Victim, input: &str) -> String {
    let (mut client, _) = victim.text();
    client.send(input.as_bytes()).unwrap();
    client.end()
}

/// Waits until the main thread waits in one of these calls.
fn wait_for_main(pid: i32, calls: &[i64]) {
    wait_for("the main thread's call", PATIENCE, || {
        let now = std::fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
        calls.contains(&now.split(' ').next()?.parse().ok()?).then_some(())
    });
}

/// The directory of the thread with this name.
fn task(victim: &Victim, name: &str) -> PathBuf {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", victim.pid())).unwrap();
    let is_it = |path: &PathBuf| std::fs::read_to_string(path.join("comm")).is_ok_and(|found| found.trim() == name);
    tasks.map(|task| task.unwrap().path()).find(is_it).expect(name)
}

/// A file that a command waits for.
struct Go(tempfile::TempDir);

impl Go {
    fn new() -> Go {
        Go(tempfile::tempdir().unwrap())
    }

    fn line(&self) -> String {
        format!("waits {}\n", self.0.path().join("go").display())
    }

    fn now(&self) {
        std::fs::write(self.0.path().join("go"), "").unwrap();
    }
}

#[test]
fn a_person_is_asked() {
    let _turn = turn::shared();
    for options in ["", "thread=True", "redirect=\"session\"", "redirect=\"tee\"", "redirect_stderr=False"] {
        let victim = asker("rests", options);
        let (mut client, _) = victim.text();
        let before = options.is_empty().then(|| Before::of(&victim));
        for name in ["Anna", "Berta"] {
            client.send(b"ask\n").unwrap();
            until(&mut client, "Your name?\n");
            client.send(format!("{name}\n").as_bytes()).unwrap();
            assert_eq!(client.until_prompt(), format!("Hello {name}!\n"), "{options}");
        }
        client.send(b"raw\n").unwrap();
        client.send(b"direct\n").unwrap();
        assert_eq!(client.until_prompt(), "raw 7 direct\n");
        client.send(b"count\n").unwrap();
        client.send(b"one\n").unwrap();
        client.send(b"two\nstop\n").unwrap();
        assert_eq!(client.until_prompt(), "13 bytes, stopped\n");
        assert_eq!(client.run("1 + 1"), "$1 = 2\n");
        if let Some(before) = before {
            before.is_again();
        }
    }
}

#[test]
fn typed_ahead_and_the_rest() {
    let _turn = turn::shared();
    let victim = asker("rests", "");
    let before = Before::of(&victim);
    let got = answers(&victim, "ask\nAnna\n1+1\nraw 1\nx7+0\nletter\ny8+0\nruns 'head -n1'\nline\nask\nBerta\n9+0\n");
    let wanted = "Your name?\nHello Anna!\n>>> $1 = 2\n>>> raw 1 x\n>>> $2 = 7\n>>> letter y\n>>> $3 = 8\n>>> ";
    assert!(got.starts_with(wanted), "{got}");
    let got = got.split_once("line\n").expect("what head has read").1;
    assert_eq!(got, ">>> Your name?\nHello Berta!\n>>> $4 = 9\n>>> \nnow exiting ManholeConsole...\n");
    before.is_again();
    // Lines that are longer than the pipe, and many.
    let long = "x".repeat(10_000);
    let lines: String = (0..20_000).map(|n| format!("{n}\n")).collect();
    let size = long.len() + 1 + lines.len() + 5;
    let got = answers(&victim, &format!("count\n{long}\n{lines}stop\n3+4\n"));
    assert!(got.starts_with(&format!("{size} bytes, stopped\n>>> $1 = 7\n>>> ")), "{got}");
}

#[test]
fn the_end_of_input() {
    let _turn = turn::shared();
    let victim = asker("rests", "");
    let before = Before::of(&victim);
    for _ in 0..3 {
        // The stream of stdio sees the end each time anew.
        assert!(answers(&victim, "ask").starts_with("Your name?\nnobody\nreturned 1\n>>> "));
        assert!(answers(&victim, "count\nab\nc").starts_with("4 bytes, end\n>>> "));
        assert!(answers(&victim, "runs cat\nab\nc").contains("ab\nc>>> "));
        assert!(answers(&victim, "raw").starts_with("raw 0 \n>>> "));
    }
    before.is_again();
}

#[test]
fn the_process_s_own_reader_reads_its_own() {
    let _turn = turn::shared();
    let mut victim = asker("reads", "");
    let before = Before::of(&victim);
    for round in 1..=10 {
        let go = Go::new();
        let (mut client, _) = victim.text();
        client.send(go.line().as_bytes()).unwrap();
        until(&mut client, "waiting\n");
        assert_ne!(identities(victim.pid())[0], before.identities()[0]);
        // From its own to the session's.
        victim.say(&format!("first {round}"));
        victim.log_with(&format!("main: got first {round}\n"));
        wait_for_main(victim.pid(), &[libc::SYS_read]);
        go.now();
        client.until_prompt();
        assert_eq!(client.run("1 + 1"), "$1 = 2\n");
        victim.say(&format!("second {round}"));
        victim.log_with(&format!("main: got second {round}\n"));
        drop(client);
        before.is_again();
    }
    let log = victim.log();
    assert!(!log.contains("main: the end") && !log.contains("fails"), "{log}");
    assert!(!log.contains("finds nothing"), "{log}");
    assert_eq!(log.matches("main: got").count(), 20, "{log}");
    assert_eq!(victim.finish().1.code(), Some(3), "its own end is its end");
}

/// A poll would be woken for its own input and then find the session's pipe in its place, and sleep on; epoll(7) would tell of its own, and the
/// read that follows would be of the session's.
#[test]
fn who_polls_its_input_keeps_it() {
    const CALLS: [i64; 6] = [
        libc::SYS_poll,
        libc::SYS_select,
        libc::SYS_pselect6,
        libc::SYS_epoll_wait,
        libc::SYS_epoll_pwait,
        libc::SYS_restart_syscall,
    ];
    let _turn = turn::shared();
    for (way, is_stopped) in [("polls", false), ("selects", false), ("epolls", false), ("polls", true)] {
        let mut victim = asker(way, "");
        wait_for_main(victim.pid(), &CALLS);
        let before = Before::of(&victim);
        for round in 1..=10 {
            if is_stopped {
                // It goes on by restart_syscall(2), whose arguments are not to be seen.
                victim.signal(Signal::SIGSTOP);
                wait_for("the stop", PATIENCE, || {
                    tasks::of(victim.pid())[0].field("State").starts_with('T').then_some(())
                });
                victim.signal(Signal::SIGCONT);
                wait_for_main(victim.pid(), &[libc::SYS_restart_syscall]);
            }
            let go = Go::new();
            let (mut client, _) = victim.text();
            client.send(go.line().as_bytes()).unwrap();
            until(&mut client, "waiting\n");
            assert_eq!(identities(victim.pid())[0], before.identities()[0], "{way}");
            // What comes for it while the line runs is noticed while the line runs.
            victim.say(&format!("first {round}"));
            victim.log_with(&format!("main: got first {round}\n"));
            go.now();
            client.until_prompt();
            drop(client);
            before.is_again();
            wait_for_main(victim.pid(), &CALLS);
        }
        let log = victim.log();
        assert!(!log.contains("main: the end") && !log.contains("fails") && !log.contains("finds nothing"), "{log}");
    }
}

/// Its code does not tell which call it waits in: the C library's syscall(3) takes the number as an argument.
#[test]
fn a_bare_call_is_not_disturbed() {
    let _turn = turn::shared();
    let victim = asker("waits", "redirect=\"session\"");
    wait_for_main(victim.pid(), &[libc::SYS_poll]);
    for _ in 0..20 {
        let (mut client, _) = victim.text();
        assert_eq!(client.run("ask\nAnna"), "Your name?\nHello Anna!\n");
        client.end();
    }
    assert!(!victim.log().contains("disturbed"), "{}", victim.log());
}

#[test]
fn the_end_of_input_is_not_the_process_s() {
    let _turn = turn::shared();
    for line in ["count\n", "runs cat\n"] {
        let mut victim = asker("reads", "");
        let before = Before::of(&victim);
        let (mut client, _) = victim.text();
        client.send(line.as_bytes()).unwrap();
        wait_for("the pipe", PATIENCE, || (identities(victim.pid())[0] != before.identities()[0]).then_some(()));
        victim.say("first");
        victim.log_with("main: got first\n");
        wait_for_main(victim.pid(), &[libc::SYS_read]);
        let answer = client.end();
        assert!(line != "count\n" || answer.starts_with("0 bytes, end\n>>> "), "{answer}");
        before.is_again();
        victim.say("second");
        victim.log_with("main: got second\n");
        assert!(!victim.log().contains("main: the end"), "{}", victim.log());
    }
}

/// A thread that waits for its own input when the line begins never gets what comes for the line, an end in between or not.
#[test]
fn what_comes_after_an_end_is_the_line_s() {
    let _turn = turn::shared();
    let mut victim = asker("reads", "");
    wait_for_main(victim.pid(), &[libc::SYS_read]);
    let mut client = victim.structured();
    let mut late = 0;
    for round in 1..=10 {
        client.ask(json!({"run": "twice"}));
        client.send(&json!({"input_end": true}).to_string());
        let (_, first) = messages(&mut client, "text");
        // What the line prints next may come in the same message.
        let next = first.strip_prefix("the end\n").unwrap_or_else(|| panic!("{first:?}"));
        client.send(&json!({"input": "secret\n"}).to_string());
        let (all, rest) = messages(&mut client, "done");
        let answer = format!("{next}{rest}");
        if answer == "then " {
            // What follows an end comes after 2 ms, or the end comes again.
            late += 1;
            if all.iter().all(|message| message.get("unread").is_none()) {
                messages(&mut client, "unread");
            }
        } else {
            assert_eq!(answer, "then secret\n");
        }
        victim.say(&format!("own {round}"));
        victim.log_with(&format!("main: got own {round}\n"));
        wait_for_main(victim.pid(), &[libc::SYS_read]);
    }
    assert!(!victim.log().contains("secret"), "{}", victim.log());
    assert!(late < 10);
}

#[test]
fn a_reader_that_cannot_be_asked_sees_no_end() {
    let _turn = turn::shared();
    let mut victim = asker("deaf", "verbose=True, thread=True");
    let before = identities(victim.pid());
    let go = Go::new();
    let (mut client, _) = victim.text();
    client.send(go.line().as_bytes()).unwrap();
    until(&mut client, "waiting\n");
    victim.say("first");
    victim.log_with("main: got first\n");
    wait_for_main(victim.pid(), &[libc::SYS_read]);
    go.now();
    client.until_prompt();
    assert_eq!(identities(victim.pid()), before);
    victim.log_with("A thread of the process that blocks signals waits for the input");
    let answer = client.run("ask\nAnna");
    assert!(answer.contains("Hello Anna!"), "{answer}");
    client.end();
    assert!(!victim.log().contains("main: the end"), "{}", victim.log());
    assert!(victim.runs());
}

#[test]
fn a_client_that_vanishes() {
    let _turn = turn::shared();
    let mut victim = asker("reads", "");
    let before = Before::of(&victim);
    for (line, call) in [("ask", libc::SYS_read), ("runs 'exec cat'", libc::SYS_wait4)] {
        let mut client = UnixStream::connect(victim.socket()).unwrap();
        client.write_all(format!("{line}\n").as_bytes()).unwrap();
        wait_for("the pipe", PATIENCE, || (identities(victim.pid())[0] != before.identities()[0]).then_some(()));
        // One that begins to read only after that reads what is the process's.
        let worker = task(&victim, "Manhole-worker");
        wait_for("the command's call", PATIENCE, || {
            let now = std::fs::read_to_string(worker.join("syscall")).ok()?;
            now.starts_with(&format!("{call} ")).then_some(())
        });
        drop(client);
        before.is_again();
        // The command has got an end, and not what is the process's.
        victim.say(line);
        victim.log_with(&format!("main: got {line}\n"));
        let mut client = victim.structured();
        wait_for("the end of the command", PATIENCE, || (client.run("raw 0").done == "ok").then_some(()));
    }
}

#[test]
fn given_up_by_the_time_limit() {
    let _turn = turn::shared();
    let victim = asker("rests", "timeout=0.3");
    let before = Before::of(&victim);
    let (mut client, _) = victim.text();
    client.send(b"ask\n").unwrap();
    let answer = client.until_prompt();
    assert!(answer.contains("no end after 0.3 s: ask still runs, as job 1"), "{answer}");
    wait_for("the job's end", PATIENCE, || client.run("jobs").contains("returned 1").then_some(()));
    before.is_again();
    let answer = client.run("ask\nAnna");
    assert!(answer.contains("Hello Anna!"), "{answer}");
}

#[test]
fn children_and_ends() {
    let _turn = turn::shared();
    let mut victim = asker("rests", "reinstall_delay=30");
    let before = Before::of(&victim);
    let got = answers(&victim, "forks\nforks\nleaves\nx\n1+1\n");
    assert!(got.starts_with("own 20 of 20\n>>> own 20 of 20\n>>> leaves has ended its thread"), "{got}");
    assert!(got.contains(">>> $1 = 2\n"), "{got}");
    before.is_again();
    drop(victim);
    victim = asker("rests", "daemon_connection=True");
    let (mut client, _) = victim.text();
    client.send(b"ends\nx\n").unwrap();
    assert_eq!(victim.ended().code(), Some(7));
}

#[test]
fn only_where_the_output_is_the_client_s() {
    let _turn = turn::shared();
    // Not at all.
    let mut victim = asker("rests", "redirect=\"off\"");
    let (mut client, _) = victim.text();
    victim.say("Owner");
    client.run("ask");
    victim.line_that_starts("Hello Owner!");
    // Not between lines.
    assert!(client.run("redirect on").contains("redirect is on"));
    let own = identities(victim.pid())[0];
    assert!(client.run("ask\nAnna").contains("Hello Anna!"));
    assert_eq!(identities(victim.pid())[0], own);
    // With it the output stays where it was sent.
    assert!(client.run("redirect").contains("redirect is on"));
    assert!(client.run("redirect off").contains("redirect is off"));
    // Standard error is its own.
    let victim = asker("rests", "redirect_stderr=False");
    let before = identities(victim.pid());
    let go = Go::new();
    let (mut client, _) = victim.text();
    client.send(go.line().as_bytes()).unwrap();
    until(&mut client, "waiting\n");
    let now = identities(victim.pid());
    assert!(now[0] != before[0] && now[1] != before[1] && now[2] == before[2]);
    go.now();
    client.until_prompt();
}

/// Reads messages until one has this member, and gives them all, with the texts put together.
fn messages(client: &mut StructuredClient, member: &str) -> (Vec<Value>, String) {
    let mut all = Vec::new();
    loop {
        let message = client.line();
        all.push(message.clone());
        if message.get(member).is_some() {
            let texts = all.iter().filter_map(|message| message["text"].as_str()).collect();
            return (all, texts);
        }
    }
}

#[test]
fn the_structured_mode() {
    let _turn = turn::shared();
    let victim = asker("rests", "");
    let mut client = victim.structured();
    let id = client.ask(json!({"run": "ask"}));
    let (all, mut text) = messages(&mut client, "takes");
    assert_eq!(all.last(), Some(&json!({"id": id, "takes": "input"})));
    client.send(&json!({"input": "Ann"}).to_string());
    client.send(&json!({"input": "a\n1+1\nhalf"}).to_string());
    let (all, rest) = messages(&mut client, "done");
    text += &rest;
    assert_eq!(text, "Your name?\nHello Anna!\n");
    assert!(all.contains(&json!({"id": id, "unread": "1+1\nhalf"})), "{all:?}");
    // Sent along with the line; the end; input of nobody.
    client.ask(json!({"run": "count"}));
    client.send(&json!({"input": "abc"}).to_string());
    client.send(&json!({"input_end": true}).to_string());
    assert_eq!(messages(&mut client, "done").1, "3 bytes, end\n");
    client.send(&json!({"input": "late"}).to_string());
    assert_eq!(client.line(), json!({"unread": "late"}));
    client.ask(json!({"run": "ask"}));
    client.send(&json!({"input_end": true}).to_string());
    assert_eq!(messages(&mut client, "done").1, "Your name?\nnobody\nreturned 1\n");
    // A line that runs nothing of the process's gives it back as well.
    client.ask(json!({"run": "1 + 1"}));
    client.send(&json!({"input": "x"}).to_string());
    let (mut all, mut text) = messages(&mut client, "unread");
    if !text.contains(" = 2") {
        // It came before the line was run.
        let (more, rest) = messages(&mut client, "done");
        all.extend(more);
        text += &rest;
    }
    let unread = all.iter().find_map(|message| message["unread"].as_str());
    assert!(text.contains(" = 2") && unread == Some("x"), "{all:?}");
}

/// A thread of the victim's that is stopped until this is dropped.
struct Stopped(nix::unistd::Pid);

impl Stopped {
    fn hand(victim: &Victim) -> Stopped {
        let path = task(victim, "Manhole hand");
        let tid = nix::unistd::Pid::from_raw(path.file_name().unwrap().to_str().unwrap().parse().unwrap());
        nix::sys::ptrace::attach(tid).expect("attach to a child's thread");
        nix::sys::wait::waitpid(tid, Some(nix::sys::wait::WaitPidFlag::__WALL)).expect("the stop");
        Stopped(tid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = nix::sys::ptrace::detach(self.0, None);
    }
}

#[test]
fn a_hand_that_is_late() {
    let _turn = turn::shared();
    for options in ["thread=True", ""] {
        let victim = asker("reads", options);
        let before = Before::of(&victim);
        // Late to put back: it does so all the same.
        let (mut client, _) = victim.text();
        client.run("redirect on");
        let hand = Stopped::hand(&victim);
        let answer = client.run("redirect off");
        assert!(answer.contains("could not be given back"), "{answer}");
        drop(hand);
        wait_for("the original", PATIENCE, || (identities(victim.pid()) == before.identities()).then_some(()));
        client.end();
        before.is_again();
        // Late to put the session's input in: it does not do so any more.
        let (mut client, _) = victim.text();
        client.run("redirect on");
        let hand = Stopped::hand(&victim);
        let go = Go::new();
        client.send(go.line().as_bytes()).unwrap();
        until(&mut client, "waiting\n");
        drop(hand);
        go.now();
        client.until_prompt();
        wait_for("an idle hand", PATIENCE, || client.run("redirect off").contains("redirect is off").then_some(()));
        before.is_again();
        // And it works again.
        assert!(client.run("ask\nAnna").contains("Hello Anna!"));
        drop(client);
        before.is_again();
    }
}

/// What manhole-cli with a pipe for its input says.
fn cli(victim: &Victim, arguments: &[&str], input: &str) -> String {
    let mut client = Command::new(place::client());
    client.args(arguments).arg(victim.pid().to_string());
    let mut client =
        client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("manhole-cli");
    // It may have ended without reading.
    let _ = client.stdin.take().unwrap().write_all(input.as_bytes());
    let output = client.wait_with_output().unwrap();
    [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat()
}

#[test]
fn through_manhole_cli() {
    let _turn = turn::shared();
    let victim = asker("rests", "");
    let before = Before::of(&victim);
    let got = cli(&victim, &[], "ask\nAnna\n1+1\ncount\nab\ncd");
    assert!(got.contains("Hello Anna!\n") && got.contains("$1 = 2\n") && got.contains("5 bytes, end\n"), "{got}");
    assert!(!got.contains("unknown"), "{got}");
    let got = cli(&victim, &["-c", "ask", "-c", "count", "-c", "1+1"], "Anna\n");
    assert!(got.contains("nobody\n") && got.contains("0 bytes, end\n") && got.contains("$1 = 2\n"), "{got}");
    before.is_again();
}

#[test]
fn at_a_terminal() {
    let _turn = turn::shared();
    let victim = asker("rests", "");
    let before = Before::of(&victim);
    let Terminal { mut client, mut keys, mut screen, home: _home } = Terminal::to(victim.pid());
    let mut type_and_see = |typed: &str, text: &str| {
        keys.write_all(typed.as_bytes()).unwrap();
        screen.until(text);
        std::mem::take(&mut screen.seen)
    };
    type_and_see("", "(ManholeConsole)\r\n");
    for name in ["Anna", "Berta"] {
        type_and_see("ask\r", "Your name?");
        type_and_see(&format!("{name}\r"), &format!("Hello {name}!"));
    }
    // Ctrl-D is an end, and not the session's; the rest is the prompt's.
    type_and_see("ask\r", "Your name?");
    type_and_see("\x04", "nobody");
    type_and_see("ask\r", "Your name?");
    let got = type_and_see("Carla\r100+23\r", " = 123");
    assert!(got.contains("Hello Carla!") && !got.contains("unknown"), "{got}");
    type_and_see("quit\r", "quit");
    wait_for("the end of manhole-cli", PATIENCE, || client.try_wait().unwrap());
    before.is_again();
}
