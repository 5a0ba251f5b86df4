//! The end of an interpreter while a client is there, and the beginning of one: at exit, and in a program that has it inside for a time.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use manhole_tests::pythons::pythons;
use manhole_tests::text::CLOSING;
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{TextClient, requires, turn, victims};

/// What a process may take that does not wait for its client.
const SOON: Duration = Duration::from_secs(10);

/// What the best of several turns may take: half of what a thread for a line is looked for.
const AT_ONCE: Duration = Duration::from_millis(500);

fn victim(python: &Path, options: &str) -> Victim {
    Host::new(python).arg(victims::script("python_console.py")).options(options).ready()
}

fn ending(python: &Path, how: &str, options: &str) -> Victim {
    Host::new(python).arg(victims::script("python_ending.py")).arg(how).options(options).ready()
}

#[test]
fn the_interpreter_ends_while_a_client_is_there() {
    let _turn = turn::shared();
    for python in pythons() {
        let mut waiting = victim(&python, "verbose=True");
        let (mut client, _) = waiting.text();
        assert_eq!(client.run("1 + 1"), "2\n");
        assert_eq!(waiting.ask("end"), "END");
        assert_eq!(client.run("6 * 7"), "END\n42\n", "{}: it waits for the client", python.display());
        client.send(b"exit()\n").unwrap();
        client.until_end();
        assert_eq!(waiting.line(), "atexit", "{}", python.display());
        assert!(waiting.ended().success());
        // A client that has run nothing waits as long as one that has, at the native prompt, where no thread is left behind.
        let mut idle = ending(&python, "alone", "verbose=True");
        let (mut client, _) = idle.text();
        idle.closes_stdin();
        idle.log_with("it waits for the connected client to leave");
        client.until("(exit() or end of input).\n>>> ");
        let answer = client.run("6 * 7");
        assert!(answer.contains("the interpreter has not begun yet, or has ended"), "{}: {answer}", python.display());
        assert_eq!(client.run("6 * 7"), "$1 = 42\n", "{}", python.display());
        client.end();
        assert!(idle.ended().success(), "{}", python.display());
        let mut daemon = victim(&python, "verbose=True, daemon_connection=True");
        let (mut client, _) = daemon.text();
        assert_eq!(client.run("1 + 1"), "2\n");
        client.send(b"import time; time.sleep(1000)\n").unwrap();
        daemon.say("end");
        assert!(daemon.ended_within(Duration::from_secs(5)).success(), "{}", python.display());
    }
}

/// A line leads the program's descriptors to the client: as long as it runs, also when the client has left.
#[test]
fn what_is_printed_after_the_client_of_a_running_line_gets_where_it_belongs() {
    let _turn = turn::shared();
    for python in pythons() {
        for line in ["print('begun', flush=True); import time; time.sleep(0.4)\n", "while True: pass\n\n"] {
            // It is a matter of milliseconds who comes first.
            for _ in 0..3 {
                let mut victim = victim(&python, "verbose=True");
                let (mut client, _) = victim.text();
                client.send(line.as_bytes()).expect("send a line");
                client.until(if line.starts_with("print") { "begun\n" } else { "... " });
                assert_eq!(victim.ask("end"), "END", "{}", python.display());
                drop(client);
                assert_eq!(victim.line(), "atexit", "{}: {}", python.display(), victim.log());
                assert!(victim.ended().success(), "{}", python.display());
            }
        }
    }
}

#[test]
fn a_line_that_ends_the_process() {
    let _turn = turn::shared();
    for python in pythons() {
        let mut victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        client.send(b"os._exit(5)\n").unwrap();
        // Nobody is waited for, and nobody is told so.
        assert_eq!(client.until_end(), "", "{}", python.display());
        assert_eq!(victim.ended().code(), Some(5), "{}", python.display());
        assert!(!victim.socket().exists(), "{}", python.display());
    }
}

/// What its daemon threads have of the interpreter is gone when that has ended: they must not be kept alive. They would fall over it.
#[test]
fn a_client_does_not_keep_alive_what_an_interpreter_has_left_behind() {
    let _turn = turn::shared();
    for python in pythons() {
        let what = python.display();
        let mut victim = ending(&python, "threads", "prompt='native'");
        let (mut client, _) = victim.text();
        assert!(client.run("6 * 7").contains("42"), "{what}");
        victim.closes_stdin();
        assert!(victim.ended_within(SOON).success(), "{what}: {}", victim.log());
        assert!(victim.log().contains("it does not wait for the connected client"), "{what}: {}", victim.log());
        // One that has none waits, as any other program does.
        let mut victim = ending(&python, "alone", "prompt='native'");
        let (mut client, _) = victim.text();
        victim.closes_stdin();
        victim.log_with("it waits for the connected client to leave");
        client.until("(exit() or end of input).\n>>> ");
        assert!(client.run("6 * 7").contains("42"), "{what}");
        client.end();
        assert!(victim.ended().success(), "{what}");
    }
}

/// A process whose standard input ends when its client has been let in: the interpreter ends sooner than the stacks are there.
fn ending_with_client(python: &Path) -> (Victim, TextClient) {
    let mut victim = ending(python, "alone", "verbose=True");
    let client = TextClient::connect(&victim.socket());
    victim.log_with("Accepted connection");
    victim.closes_stdin();
    (victim, client)
}

/// The process waits for its client, and its one thread stands in exit(3), where it can make no other: none is looked for.
#[test]
fn the_interpreter_ends_while_its_client_is_greeted() {
    let _turn = turn::shared();
    for python in pythons() {
        let what = python.display();
        let (mut is_told, mut soonest) = (false, Duration::MAX);
        // Whoever comes at the last moment may find nobody, or the interpreter still; and the processor may be another's just then.
        for attempt in 0..80 {
            if attempt >= 8 && is_told && soonest < AT_ONCE {
                break;
            }
            let (mut victim, mut client) = ending_with_client(&python);
            let greeting = client.until_end_or_prompt();
            let is_without = greeting.contains("cannot be called now");
            assert!(!is_without || greeting.contains("now: the process is exiting"), "{what}: {greeting}");
            is_told |= greeting.contains("the interpreter has not begun yet, or has ended");
            client.end();
            assert!(victim.ended().success(), "{what}");
            // And one that leaves when it has the stacks.
            let (mut victim, mut client) = ending_with_client(&python);
            let has_stacks = client.has_come(CLOSING);
            let start = Instant::now();
            drop(client);
            assert!(victim.ended().success(), "{what}");
            if has_stacks {
                soonest = soonest.min(start.elapsed());
            }
        }
        assert!(is_told, "{what}: no interpreter has ended while its client was greeted");
        assert!(soonest < AT_ONCE, "{what}: {soonest:?}");
    }
}

/// From 3.14 on a thread that the interpreter has left behind does not end but stands still.
#[test]
fn the_thread_of_a_console_is_left_behind() {
    let _turn = turn::shared();
    for python in pythons() {
        let what = python.display();
        let mut victim = ending(&python, "importing", "verbose=True");
        let mut client = TextClient::connect(&victim.socket());
        client.send(b"1 + 1\n").expect("send a line");
        // What is printed while a line runs, by whatever it imports, comes to its client.
        client.until("imports\n");
        victim.closes_stdin();
        let text = client.end();
        // Before 3.14 its thread may have fallen over what is gone by then.
        let has_ended = text.contains("the interpreter has ended, and with it the line");
        assert!(has_ended || text.contains("was ended by SIG"), "{what}: {text}");
        assert!(text.ends_with("now exiting ManholeConsole...\n"), "{what}: {text}");
        assert!(victim.ended_within(SOON).success(), "{what}: {}", victim.log());
    }
}

/// The shared libraries of these interpreters, each with the place of its modules.
fn libraries() -> Vec<(PathBuf, Option<PathBuf>)> {
    const SYSTEM: &str = "/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0";
    let mut found = Vec::new();
    if requires::installed_file(SYSTEM, "libpython3.11") {
        found.push((PathBuf::from(SYSTEM), None));
    }
    for python in pythons() {
        let Some(home) = python.parent().and_then(Path::parent) else { continue };
        let libraries = std::fs::read_dir(home.join("lib")).into_iter().flatten().flatten();
        let is_one = |path: &PathBuf| {
            path.to_string_lossy().ends_with(".so.1.0") && path.to_string_lossy().contains("/libpython3.")
        };
        found
            .extend(libraries.map(|entry| entry.path()).filter(is_one).map(|library| (library, Some(home.to_owned()))));
    }
    found
}

#[test]
fn an_interpreter_that_comes_later_and_lives_more_than_once() {
    let _turn = turn::shared();
    let program = victims::c("python_embedded");
    for (library, home) in libraries() {
        let what = library.display();
        let mut host = Host::new(&program).arg(&library).options("verbose=True");
        if let Some(home) = home {
            host = host.env("PYTHONHOME", home);
        }
        let mut victim = host.ready();
        let (mut client, greeting) = victim.text();
        assert!(!greeting.contains("Python"), "{what}: {greeting}");
        assert_eq!(victim.ask("load"), "load");
        assert!(client.run("python").contains("the interpreter has not begun yet"), "{what}");
        assert_eq!(victim.ask("begin"), "begin");
        let banner = client.run("python");
        assert!(banner.contains("\nType \"help\", \"copyright\""), "{what}: {banner}");
        assert_eq!(client.run("x = 6 * 7; x"), "42\n", "{what}");
        client.end();
        for _ in 0..2 {
            victim.log_with("Cleaned up.");
            assert_eq!(victim.ask("finish"), "finish");
            let (mut client, greeting) = victim.text();
            assert!(greeting.contains("has not begun yet, or has ended"), "{what}: {greeting}");
            assert_eq!(client.run("6 * 7"), "$1 = 42\n", "{what}");
            assert_eq!(victim.ask("begin"), "begin");
            client.run("python");
            assert!(client.run("x").contains("NameError"), "{what}");
            client.end();
        }
        assert_eq!(victim.finish().1.code(), Some(0), "{what}");
    }
}
