//! What the program prints while Python's console is there, and what a line prints: which of it comes to the client, and that the program's own gets where it
//! belongs, whatever way it is printed.

use std::path::Path;

use manhole_tests::pythons::pythons;
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, TextClient, turn, victims, wait_for};

fn victim(python: &Path, options: &str) -> Victim {
    Host::new(python).arg(victims::script("python_console.py")).options(options).ready()
}

/// Names for what a client sends.
const NAMES: &str = "import __main__, threading, time, logging; threads = []";

/// Has a thread of the program's print in the way that follows, while the line waits for it.
fn by_another(statement: &str) -> String {
    format!("t = threading.Thread(target=lambda: ({statement})); t.start(); t.join()")
}

#[test]
fn other_threads_output_comes_and_goes_where_it_belongs() {
    let _turn = turn::shared();
    for python in pythons() {
        let mut victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        // Nothing of the interpreter is touched before the first line.
        assert_eq!(victim.ask("print"), "printed");
        assert_eq!(client.run("1 + 1"), "2\n", "{}", python.display());
        assert_eq!(victim.ask("print"), "printed");
        assert_eq!(client.until("printed\n"), "printed\n", "{}", python.display());
        assert!(client.end().ends_with("ManholeConsole...\n"));
        victim.log_with("Cleaned up.");
        assert_eq!(victim.ask("print"), "printed");
        let mut limited = self::victim(&python, "redirect='thread'");
        let (mut client, _) = limited.text();
        assert_eq!(client.run("print('a' * 200000)"), "a".repeat(200_000) + "\n");
        assert_eq!(limited.ask("print"), "printed");
        assert_eq!(client.run("1/0").lines().last(), Some("ZeroDivisionError: division by zero"));
    }
}

#[test]
fn without_redirection() {
    let _turn = turn::shared();
    let python = Path::new("/usr/bin/python3");
    let mut off = victim(python, "redirect='off'");
    let (mut client, _) = off.text();
    assert_eq!(client.run("print('here', flush=True)"), "");
    assert_eq!(off.line(), "here");
    let kept = victim(python, "redirect_stderr=False");
    let (mut client, _) = kept.text();
    assert_eq!(client.run("print('e', file=sys.stderr)"), "");
    assert!(kept.log_with("e\n").contains('e'));
    // The console's own words come all the same.
    assert!(client.run("1/0").contains("ZeroDivisionError"));
}

/// The stream that a log has had from the start, a descriptor, the place that `print` uses: a line that runs takes nothing away.
#[test]
fn a_line_takes_nothing_away() {
    let _turn = turn::shared();
    for python in pythons() {
        let what = python.display();
        let mut victim = victim(&python, "verbose=False");
        let (mut client, _) = victim.text();
        client.run(NAMES);
        client.run("logging.basicConfig(stream=__main__.streams[2], format='%(message)s')");
        for (statement, said) in [
            ("print('printed by it')", "printed by it"),
            ("__main__.streams[1].write('written by it\\n'), __main__.streams[1].flush()", "written by it"),
            ("os.write(1, b'by the descriptor\\n')", "by the descriptor"),
        ] {
            let answer = client.run(&by_another(statement));
            assert_eq!(answer, format!("{said}\n"), "{what}");
            assert_eq!(victim.line(), said, "{what}");
        }
        assert_eq!(client.run(&by_another("logging.error('logged by it')")), "logged by it\n", "{what}");
        victim.log_with("logged by it\n");
        // More than any buffer has room for, and than waits for the client.
        let many = "[print('x' * 99) for _ in range(30000)] and print('the last')";
        client.run(&by_another(many));
        assert!((0..30000).all(|_| victim.line().len() == 99), "{what}");
        assert_eq!(victim.line(), "the last", "{what}");
        // What the line prints itself is the client's alone, in the order in which it was printed.
        let line = "[(print(i), os.system('echo program %d' % i)) for i in range(9)] and None";
        let lines: Vec<String> = (0..9).map(|i| format!("{i}\nprogram {i}\n")).collect();
        assert_eq!(client.run(line), lines.concat(), "{what}");
        assert_eq!(victim.ask("print"), "printed", "{what}");
    }
}

/// While a line runs that has started nothing itself.
#[test]
fn what_a_program_of_the_programs_writes_gets_where_it_belongs() {
    let _turn = turn::shared();
    for python in pythons() {
        let mut victim = victim(&python, "verbose=False");
        let (mut client, _) = victim.text();
        client.send(b"print('it runs'); import time; time.sleep(1000)\n").unwrap();
        client.until("it runs\n");
        assert_eq!(victim.ask("program"), "started", "{}", python.display());
    }
}

/// A program that reads its standard input goes on reading it, however long a line runs, unless that reads the client's.
#[test]
fn the_programs_input_is_its_own() {
    let _turn = turn::shared();
    for python in pythons() {
        let what = python.display();
        let mut victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        client.send(b"import time; time.sleep(1000)\n").unwrap();
        victim.log_with("Accepted");
        for _ in 0..20 {
            assert_eq!(victim.ask("print"), "printed", "{what}");
        }
        drop(client);
        let (mut client, _) = victim.text();
        assert_eq!(
            client.run("input('a? '), input('b? '), sys.stdin.readline()\n1\n2\n3"),
            "a? b? ('1', '2', '3\\n')\n",
            "{what}"
        );
        assert_eq!(victim.ask("print"), "printed", "{what}");
    }
}

/// exit() and quit() close what they find in the place of standard input.
#[test]
fn who_leaves_does_not_close_the_programs_input() {
    let _turn = turn::shared();
    for python in pythons() {
        for options in ["connection_handler='exec'", "redirect='thread'", "redirect='off'", "verbose=False"] {
            let mut victim = victim(&python, options);
            for way in ["if 1: exit()", "quit(3)"] {
                let mut client = TextClient::connect(&victim.socket());
                client.send(format!("{way}\n\n").as_bytes()).unwrap();
                client.until_end();
                wait_for("what was there before", PATIENCE, || {
                    (victim.ask("streams") == "streams True 2 []").then_some(())
                });
            }
        }
    }
}

/// Nobody reads what the program prints, and it waits: a line prints all the same.
#[test]
fn where_the_programs_own_output_is_stuck() {
    let _turn = turn::shared();
    const PROGRAM: &str = "import os, sys, threading; r, w = os.pipe(); out = os.dup(1); os.dup2(w, 1); os.write(out, b'ready\\n'); \
        threading.Thread(target=lambda: [os.write(1, b'x' * 4096) for _ in iter(int, 1)], daemon=True).start(); sys.stdin.read()";
    for python in pythons() {
        let victim = Host::new(&python).args(["-c", PROGRAM]).ready();
        let (mut client, _) = victim.text();
        for _ in 0..3 {
            assert!(client.run("print('FOO' + 'BAR')").contains("FOOBAR\n"), "{}", python.display());
        }
    }
}

/// What is the client's input for its line is not the input of the program's threads.
#[test]
fn the_program_reads_while_a_line_runs() {
    const PROGRAM: &str = "import os, sys\n\
        print('ready pid=%d' % os.getpid(), flush=True)\n\
        while True:\n\
        \x20   line = sys.stdin.readline()\n\
        \x20   if not line: break\n\
        \x20   os.write(1, ('got ' + line).encode())";
    let _turn = turn::shared();
    for python in pythons() {
        let mut victim = Host::new(&python).args(["-c", PROGRAM]).ready();
        let (mut client, _) = victim.text();
        client.send(b"import time; print('begun', flush=True); time.sleep(1)\n").unwrap();
        client.until("begun\n");
        for word in ["one", "two", "three"] {
            assert_eq!(victim.ask(word), format!("got {word}"), "{}", python.display());
        }
        assert!(client.until_prompt().contains("got three"));
        client.end();
        assert_eq!(victim.ask("four"), "got four", "{}", python.display());
    }
}
