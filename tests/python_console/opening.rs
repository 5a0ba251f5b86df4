//! How Python's console is opened: by a client's first line, not for one that only looks, and what happens when it cannot be.

use std::time::{Duration, Instant};

use manhole_tests::pythons::{pythons, pythons_with_the_lock};
use manhole_tests::text::CLOSING;
use manhole_tests::victim::Host;
use manhole_tests::{PATIENCE, TextClient, tasks, turn, wait_for};
use serde_json::json;

use super::{begun, leaves_nothing, some_pythons, victim};

/// A program that has been packed with what it imports itself, and no more.
#[test]
fn without_a_part_of_the_standard_library() {
    let _turn = turn::shared();
    const PROGRAM: &str = "import sys; sys.modules['code'] = None; print('ready', flush=True); sys.stdin.read()";
    for python in pythons() {
        let victim = Host::new(&python).args(["-c", PROGRAM]).ready();
        let (mut client, _) = victim.text();
        let reason = "the console could not be made in the interpreter: ";
        let answer = client.run("6 * 7");
        assert!(answer.starts_with(reason) && answer.contains("code"), "{}: {answer}", python.display());
        assert_eq!(client.run("6 * 7"), "$1 = 42\n", "{}", python.display());
        assert!(client.run("py-bt").contains("in <module>"), "{}", python.display());
    }
}

/// What the console needs when it is opened, the program has changed; later it is there again.
#[test]
fn a_console_that_cannot_be_opened() {
    let _turn = turn::shared();
    const PROGRAM: &str = "import io, sys; kept, io.TextIOWrapper = io.TextIOWrapper, None; print('ready', flush=True)\n\
        sys.stdin.readline(); io.TextIOWrapper = kept; print('mended', flush=True); sys.stdin.read()";
    for python in some_pythons() {
        let what = python.display();
        let mut victim = Host::new(&python).args(["-c", PROGRAM]).ready();
        let (mut client, _) = victim.text();
        for again in ["6 * 7", "%python"] {
            let answer = client.run(again);
            assert!(answer.starts_with("the console could not be made in the interpreter"), "{what}: {answer}");
            assert!(client.run("6 * 7").ends_with(" = 42\n"), "{what}");
        }
        assert_eq!(victim.ask("mend it"), "mended", "{what}");
        client.run("%python");
        assert_eq!(client.run("print('six times', 7)"), "six times 7\n", "{what}");
    }
}

/// A client that has its dump and leaves has no thread of the process's do anything: a wait with a limit of time does not start over. One that lasts
/// longer than the pause between two clients would never end.
#[test]
fn who_only_looks_disturbs_nobody() {
    let _turn = turn::shared();
    const PROGRAM: &str = "import select, sys; wait = select.epoll(); print('ready', flush=True)\n\
        for _ in range(2): wait.poll(2)\n\
        sys.stdin.read()";
    for python in pythons() {
        let what = python.display();
        let victim = Host::new(&python).args(["-c", PROGRAM]).ready();
        let mut visits = 0;
        wait_for("the end of its waits", PATIENCE, || {
            let (_, greeting) = victim.text();
            let workers = tasks::of(victim.pid()).into_iter().filter(|task| task.field("Name") == "Manhole-worker");
            assert_eq!(workers.count(), 0, "{what}");
            assert!(greeting.contains("\nPython 3."), "{what}: {greeting}");
            visits += 1;
            greeting.contains("line 3, in <module>").then_some(())
        });
        assert!(visits > 1, "{what}");
    }
}

/// Who only looks whether anybody is there, or gives up, at whatever moment.
#[test]
fn clients_that_leave_while_the_console_is_opened() {
    let _turn = turn::shared();
    for python in some_pythons() {
        let mut victim = victim(&python, "verbose=True");
        for round in 0..60 {
            let start = Instant::now();
            let mut client = victim.structured();
            client.ask(json!({"run": "1"}));
            while start.elapsed() < Duration::from_micros(300 * round) {
                std::hint::spin_loop();
            }
            drop(client);
        }
        // What the program prints before the last one has gone could be for that one. This one's turn comes then; it does not open the console.
        victim.structured().data("info threads");
        leaves_nothing(&mut victim);
        victim.say("end");
        assert!(victim.ended_within(Duration::from_secs(5)).success(), "{}", python.display());
    }
}

/// A program whose threads block every signal, so that none can be asked to make one: that one may yet be fit is hoped for as long as the client is there.
#[test]
fn who_leaves_while_there_is_no_thread_for_the_console() {
    let _turn = turn::shared();
    // The banner cannot be had without the console.
    const PROGRAM: &str = "import signal, sys; sys.version = None; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\n\
        print('ready', flush=True); sys.stdin.read()";
    for python in some_pythons() {
        let what = python.display();
        let mut soonest = Duration::MAX;
        for _ in 0..5 {
            let victim = Host::new(&python).args(["-c", PROGRAM]).ready();
            let mut client = TextClient::connect(&victim.socket());
            client.until(CLOSING);
            let start = Instant::now();
            drop(client);
            victim.log_with("Cleaned up.");
            soonest = soonest.min(start.elapsed());
        }
        assert!(soonest < Duration::from_millis(500), "{what}: {soonest:?}");
        let victim = Host::new(&python).args(["-c", PROGRAM]).ready();
        let (_, greeting) = victim.text();
        assert!(greeting.contains("Python's prompt cannot be called now: "), "{what}: {greeting}");
    }
}

/// Ctrl-C while the first line's console is made ready, at a moment that the program prolongs: it asks the program's stream for its number.
#[test]
fn a_first_line_that_is_interrupted_while_the_console_is_opened() {
    let _turn = turn::shared();
    const PROGRAM: &str = "import sys\n\
        output = sys.stdout\n\
        class Stream:\n\
        \x20   is_held = True\n\
        \x20   def fileno(self):\n\
        \x20       print('begun', file=output, flush=True)\n\
        \x20       while self.is_held: pass\n\
        \x20       return 1\n\
        sys.stdout = Stream()\n\
        print('ready', file=output, flush=True)\n\
        sys.stdin.readline(); Stream.is_held = False; sys.stdin.read()";
    for python in pythons() {
        let what = python.display();
        let mut victim = Host::new(&python).args(["-c", PROGRAM]).options("locals={'answer': '6 * 7'}").ready();
        let mut client = victim.structured();
        let id = client.ask(json!({"run": "[None for _ in iter(int, 1)]"}));
        begun(&mut client);
        client.send(&json!({ "interrupt": id }).to_string());
        victim.say("go on");
        let (text, message) = client.rest(id);
        assert!(text.ends_with("\nKeyboardInterrupt\n") && message.is_empty(), "{what}: {text} {message}");
        assert_eq!(client.run_through("answer").0, "42\n", "{what}");
    }
}

/// And while it waits for the interpreter's lock.
#[test]
fn a_first_line_that_is_interrupted_before_the_lock_comes() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let what = python.display();
        let mut victim = victim(&python, "gil_timeout=600, locals={'answer': '6 * 7'}");
        assert_eq!(victim.ask("stuck"), "stuck", "{what}");
        let mut client = victim.structured();
        for _ in 0..2 {
            let id = client.ask(json!({"run": "print('never')"}));
            client.send(&json!({ "interrupt": id }).to_string());
            assert_eq!(client.rest(id), ("\nKeyboardInterrupt\n".to_owned(), String::new()), "{what}");
        }
        assert_eq!(victim.ask(""), "free", "{what}");
        assert!(client.run_through("answer").0.ends_with("42\n"), "{what}");
    }
}

/// Ctrl-C is for the value of the option `locals` that the first line waits for, and for the line; the values behind it are there for the next one.
#[test]
fn a_first_line_that_is_interrupted_before_it_is_run() {
    let _turn = turn::shared();
    const VALUES: &str =
        "locals={'endless': 'print(\"begun\", flush=True) or [None for _ in iter(int, 1)]', 'answer': '6 * 7'}";
    for python in pythons() {
        let what = python.display();
        let victim = victim(&python, VALUES);
        let mut client = victim.structured();
        let id = client.ask(json!({"run": "ran = print('never')"}));
        begun(&mut client);
        client.send(&json!({ "interrupt": id }).to_string());
        let (text, message) = client.rest(id);
        assert!(text.ends_with("\nKeyboardInterrupt\n") && !text.contains("never"), "{what}: {text}");
        assert_eq!(message, "", "{what}");
        let (text, _) = client.run_through("answer, 'ran' in globals()");
        assert!(text.starts_with("locals: endless=") && text.contains(": KeyboardInterrupt("), "{what}: {text}");
        assert!(text.ends_with("\n(42, False)\n"), "{what}: {text}");
    }
}
