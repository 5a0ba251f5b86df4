//! `%pdb`: Python's debugger in a thread of the program's, at the client, and what is left of it when it is gone.

use std::path::Path;

use manhole_tests::pythons::pythons_with_the_lock;
use manhole_tests::structured::StructuredClient;
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, TextClient, requires, tasks, turn, victims, wait_for};
use nix::sys::signal::Signal;
use serde_json::json;

const PDB: &str = "(Pdb) ";

fn victim(python: &Path, options: &str) -> Victim {
    Host::new(python).arg(victims::script("python_debugged.py")).options(options).ready()
}

/// One line for the debugger: what it answers.
fn pdb(client: &mut TextClient, line: &str) -> String {
    client.send(format!("{line}\n").as_bytes()).expect("send a line");
    client.until(PDB)
}

/// No thread is traced any more, and all go on.
fn runs_on(victim: &mut Victim, what: &str) {
    let mut count = || {
        let state = victim.ask("state");
        let words: Vec<_> = state.split(' ').map(str::to_owned).collect();
        assert_eq!(words.len(), 2, "{what}: somebody is still traced: {state}");
        words[1].parse::<u64>().unwrap()
    };
    let before = count();
    wait_for("it to go on", PATIENCE, || (count() > before + 1).then_some(()));
}

/// What the program has called at everything that the interpreter does is not called in the place of another thread.
#[test]
fn with_audit_hooks() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let what = python.display().to_string();
        let mut victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        client.run("sys.addaudithook(lambda *event: None)");
        if client.run("sys.version_info < (3, 12)") == "True\n" {
            let answer = client.run("%pdb");
            assert!(answer.contains("there are audit hooks"), "{what}: {answer}");
        } else {
            assert!(pdb(&mut client, "%pdb").contains("python_debugged.py("), "{what}");
            assert_eq!(client.run("detach"), "", "{what}");
            client.run(r#"exec("def deny(event, _):\n if event == 'sys.settrace': raise RuntimeError('denied')")"#);
            client.run("sys.addaudithook(deny)");
            // At a jump it stands before it is traced.
            client.send(b"%pdb\nn\n").unwrap();
            client.until("cannot be traced: RuntimeError('denied')");
        }
        client.end();
        runs_on(&mut victim, &what);
    }
}

/// Who goes on in Python by other numbers than the interpreter's, as gevent does.
#[test]
fn where_threads_have_other_numbers() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let what = python.display().to_string();
        let script = victims::script("python_debugged.py");
        let mut victim = Host::new(&python).arg(script).arg("green").options("verbose=True").ready();
        let (mut client, _) = victim.text();
        assert!(pdb(&mut client, "%pdb").contains("python_debugged.py("), "{what}");
        assert_eq!(pdb(&mut client, "!print('printed')"), format!("printed\n{PDB}"), "{what}");
        assert_eq!(client.run("q"), "", "{what}");
        client.end();
        runs_on(&mut victim, &what);
    }
}

/// What the client has said before is executed where no line of its is.
#[test]
fn what_never_ends_ends_with_the_client() {
    let _turn = turn::shared();
    const ENDLESS: &str = "[0 for _ in iter(int, getattr(sys, 'ending', 0))]";
    for python in pythons_with_the_lock() {
        for lines in [
            vec![format!("b work, {ENDLESS}"), "!sys.ending = 1".to_owned()],
            vec![format!("display {ENDLESS}"), "!sys.ending = 1".to_owned()],
            vec!["b work".to_owned(), "commands 1".to_owned()],
        ] {
            let what = format!("{}, {lines:?}", python.display());
            let mut victim = victim(&python, "verbose=True");
            let pid = victim.pid();
            let (mut client, _) = victim.text();
            pdb(&mut client, "%pdb");
            for line in &lines {
                if line == "commands 1" {
                    pdb(&mut client, "!sys.ending = 1");
                    client.send(format!("{line}\np {ENDLESS}\nend\n").as_bytes()).unwrap();
                    client.until(PDB);
                } else {
                    pdb(&mut client, line);
                }
            }
            let next = if lines[0].starts_with('b') { "c" } else { "n" };
            client.send(format!("{next}\n").as_bytes()).unwrap();
            // Else the main thread sleeps nearly all the time.
            let runs = |_| tasks::of(pid).iter().any(|task| task.tid == pid && task.field("State").starts_with('R'));
            wait_for("the endless one", PATIENCE, || (0..20).all(runs).then_some(()));
            drop(client);
            runs_on(&mut victim, &what);
        }
    }
}

/// What a line keeps of the streams leads where the program's lead, and other threads have theirs meanwhile.
#[test]
fn a_line_finds_the_programs_streams_in_other_threads() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let what = python.display().to_string();
        let mut victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        pdb(&mut client, "%pdb");
        let line =
            "t = threading.Thread(target=lambda: say(sys.stdin.fileno(), sys.stdout.fileno())); t.start(); t.join()";
        pdb(&mut client, &format!("!{line}"));
        assert_eq!(victim.line(), "0 1", "{what}");
        assert_eq!(
            pdb(&mut client, "!sys.kept = sys.stdout; sys.kept.write('here\\n') and None"),
            format!("here\n{PDB}"),
            "{what}"
        );
        pdb(&mut client, "!sys.kept.write('there\\n') and sys.kept.flush()");
        assert_eq!(victim.line(), "there", "{what}");
        client.end();
        runs_on(&mut victim, &what);
    }
}

/// A command that fails ends the debugger, and not the program.
#[test]
fn a_command_that_fails() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let what = python.display().to_string();
        let mut victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        pdb(&mut client, "%pdb");
        pdb(&mut client, "b work");
        pdb(&mut client, "c");
        pdb(&mut client, "r");
        pdb(&mut client, "!number = type('Mute', (), {'__repr__': lambda self: 1 / 0})()");
        client.send(b"a\n").unwrap();
        client.until("division by zero");
        client.end();
        runs_on(&mut victim, &what);
    }
}

#[test]
fn a_thread_that_ends() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let what = python.display().to_string();
        let mut victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        client.run("import threading, __main__");
        client.run("threading.Thread(target=__main__.ends, name='ends').start()");
        pdb(&mut client, "%pdb ends");
        // It may stand in the module threading.
        assert!(pdb(&mut client, "b __import__('threading').Thread._bootstrap").contains("Breakpoint 1 at "), "{what}");
        pdb(&mut client, "!__import__('sys').ended = True");
        assert_eq!(client.run("c"), "The thread has ended.\n", "{what}");
        client.end();
        runs_on(&mut victim, &what);
    }
}

/// readline is a matter of the program's terminal, and the program's to import; its input and its SIGINT are its own.
#[test]
fn the_terminal_stays_the_programs() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let what = python.display().to_string();
        let mut victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        let loaded = "[name for name in ('readline', 'rlcompleter', 'pdb') if name in sys.modules]";
        assert_eq!(client.run(loaded), "[]\n", "{what}");
        pdb(&mut client, "%pdb");
        for command in ["interact", "debug 1"] {
            assert!(pdb(&mut client, command).starts_with("*** not here: "), "{what}: {command}");
        }
        assert_eq!(client.run("q"), "", "{what}");
        assert_eq!(client.run(loaded), "[]\n", "{what}");
        client.end();
        runs_on(&mut victim, &what);
    }
}

/// One of these ends the process when something is done in the place of another thread.
#[test]
fn in_a_debug_build() {
    let _turn = turn::shared();
    const PYTHON: &str = "/usr/bin/python3-dbg";
    if !requires::installed_file(PYTHON, "python3-dbg") {
        return;
    }
    let mut victim = victim(Path::new(PYTHON), "verbose=True");
    let (mut client, _) = victim.text();
    let version = client.run("sys.version_info >= (3, 12)");
    let answer = client.run("%pdb");
    assert!(answer.contains("a debug build of Python before 3.12") || version == "True\n", "{answer}");
    assert_eq!(client.run("6 * 7"), "42\n");
    client.end();
    runs_on(&mut victim, PYTHON);
}

#[test]
fn a_thread_is_stopped_and_runs_on() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let what = python.display().to_string();
        let mut victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        let stopped = pdb(&mut client, "%pdb");
        assert!(stopped.contains("python_debugged.py(") && stopped.contains("\n-> "), "{what}: {stopped}");
        let stack = pdb(&mut client, "w");
        assert!(stack.contains("<module>()\n-> main()\n"), "{what}: {stack}");
        assert!(pdb(&mut client, "b work").contains("Breakpoint 1 at "), "{what}");
        assert!(pdb(&mut client, "c").contains("work()\n-> "), "{what}");
        let number: u64 = pdb(&mut client, "p number").trim_end_matches(PDB).trim().parse().unwrap();
        pdb(&mut client, "n");
        pdb(&mut client, "n");
        assert_eq!(
            pdb(&mut client, "p doubled, threading.current_thread().name"),
            format!("({}, 'MainThread')\n{PDB}", number * 2),
            "{what}"
        );
        assert_eq!(pdb(&mut client, "!print('printed')"), format!("printed\n{PDB}"), "{what}");
        assert!(pdb(&mut client, "p fork()").ends_with(&format!("7\n{PDB}")), "{what}: the child is stopped");
        assert!(pdb(&mut client, "run").contains("not started anew"), "{what}");
        assert!(pdb(&mut client, "clear").contains("Deleted all breakpoints"), "{what}");
        assert_eq!(client.run("detach"), "", "{what}");
        assert_eq!(client.run("6 * 7"), "42\n", "{what}");
        runs_on(&mut victim, &what);
        // Any thread, by any of its names.
        let threads = client.run("%info threads");
        let line =
            threads.lines().find(|line| line.contains("other thread")).unwrap_or_else(|| panic!("{what}: {threads}"));
        let words: Vec<_> = line.split_whitespace().collect();
        let tid = words.iter().skip_while(|word| **word != "LWP").nth(1).unwrap().to_string();
        for name in ["other thread", &tid, words[0]] {
            let stopped = pdb(&mut client, &format!("%pdb {name}"));
            assert!(stopped.contains("\n-> "), "{what}: {stopped}");
            assert!(
                pdb(&mut client, "w").contains("in other") || pdb(&mut client, "w").contains("other()\n"),
                "{what}"
            );
            assert_eq!(client.run("q"), "", "{what}");
        }
        runs_on(&mut victim, &what);
        assert!(client.run("%pdb nobody at all").contains("no thread nobody at all"), "{what}");
        client.end();
        runs_on(&mut victim, &what);
    }
}

#[test]
fn a_loop_in_one_line() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let what = python.display().to_string();
        let mut victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        for _ in 0..2 {
            let stopped = pdb(&mut client, "%pdb in one line");
            assert!(stopped.contains("select.select([], [], [], 0.01)"), "{what}: {stopped}");
            assert!(pdb(&mut client, "w").contains("in_one_line()"), "{what}");
            assert_eq!(client.run("q"), "", "{what}");
        }
        client.end();
        runs_on(&mut victim, &what);
    }
}

/// The client's own line is executed by the program's thread: it is ended there, at its Ctrl-C and when it leaves.
#[test]
fn a_line_that_never_ends() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let what = python.display().to_string();
        let mut victim = victim(&python, "verbose=True");
        let mut client = victim.structured();
        client.run_through("%pdb");
        const ENDLESS: &str = "!print('begun', flush=True); [None for _ in iter(int, 1)]";
        let begin = |client: &mut StructuredClient| {
            let id = client.ask(json!({ "run": ENDLESS }));
            while !client.line()["text"].as_str().is_some_and(|text| text.contains("begun")) {}
            id
        };
        for _ in 0..3 {
            let id = begin(&mut client);
            client.send(&json!({ "interrupt": id }).to_string());
            assert_eq!(client.rest(id), ("*** KeyboardInterrupt\n".to_owned(), String::new()), "{what}");
            assert_eq!(client.run_through("p 6 * 7").0, "42\n", "{what}");
        }
        begin(&mut client);
        drop(client);
        victim.log_with("Cleaned up.");
        runs_on(&mut victim, &what);
    }
}

#[test]
fn a_thread_that_executes_nothing_is_given_up() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let what = python.display().to_string();
        let mut victim = victim(&python, "verbose=True");
        let mut client = victim.structured();
        let id = client.ask(json!({ "run": "%pdb waits" }));
        let mut text = String::new();
        while !text.contains("Ctrl-C gives up.\n") {
            text += client.line()["text"].as_str().unwrap_or_default();
        }
        client.send(&json!({ "interrupt": id }).to_string());
        let (ended, _) = client.rest(id);
        assert!(ended.contains("Let go"), "{what}: {ended}");
        assert_eq!(client.run_through("6 * 7").0, "42\n", "{what}");
        drop(client);
        runs_on(&mut victim, &what);
    }
}

#[test]
fn every_way_out_lets_it_run_on() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let mut victim = victim(&python, "verbose=True");
        for line in ["q", "exit", "c", "EOF", "!raise SystemExit", "!1/0", "!del sys.modules['bdb']"] {
            let what = format!("{}, {line}", python.display());
            let (mut client, _) = victim.text();
            pdb(&mut client, "%pdb");
            if line.starts_with('!') {
                pdb(&mut client, line);
                client.run("q");
            } else {
                client.run(line);
            }
            runs_on(&mut victim, &what);
            client.end();
        }
        // The client vanishes: at the debugger's prompt, and while the thread runs to a breakpoint that it never reaches.
        const ENDLESS: &str = "!print('begun', flush=True); [None for _ in iter(int, 1)] ;; !while True: pass";
        for lines in [&[][..], &["b fork", "c"], &["b fork", "commands 1"], &[ENDLESS]] {
            let what = format!("{}, {lines:?}", python.display());
            let (mut client, _) = victim.text();
            pdb(&mut client, "%pdb");
            for line in lines {
                client.send(format!("{line}\n").as_bytes()).unwrap();
            }
            if lines == [ENDLESS] {
                client.until("begun\n");
            }
            drop(client);
            victim.log_with("Cleaned up.");
            runs_on(&mut victim, &what);
        }
    }
}

/// A coverage or another debugger traces the program: it hears of everything again afterwards, also in the functions that were being executed.
#[test]
fn what_traces_the_program_goes_on_tracing() {
    let _turn = turn::shared();
    const PROGRAM: &str = "import select, sys\n\
        heard = set()\n\
        def trace(frame, event, argument):\n\
        \x20   heard.add((event, frame.f_code.co_name))\n\
        \x20   return trace\n\
        def work():\n\
        \x20   return 1\n\
        def main():\n\
        \x20   print('ready', flush=True)\n\
        \x20   while True:\n\
        \x20       work()\n\
        \x20       select.select([], [], [], 0.01)\n\
        sys.settrace(trace)\n\
        main()";
    for python in pythons_with_the_lock() {
        let victim = Host::new(&python).args(["-c", PROGRAM]).ready();
        let (mut client, _) = victim.text();
        let is_heard = |client: &mut TextClient, what: &str| {
            client.run("import __main__; __main__.heard.clear()");
            wait_for(what, PATIENCE, || {
                let line = "{('call', 'work'), ('line', 'work'), ('line', 'main')} <= __main__.heard";
                (client.run(line) == "True\n").then_some(())
            });
        };
        for steps in [&[][..], &["n", "n"], &["s", "s", "s", "s"]] {
            let what = format!("{}, {steps:?}", python.display());
            is_heard(&mut client, &what);
            pdb(&mut client, "%pdb");
            for step in steps {
                pdb(&mut client, step);
            }
            assert_eq!(client.run("detach"), "", "{what}");
            is_heard(&mut client, &what);
        }
    }
}

/// Somebody wants to end the program while it stands in the debugger.
#[test]
fn the_programs_signals_are_its_own() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let what = python.display().to_string();
        let mut victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        pdb(&mut client, "%pdb");
        victim.signal(Signal::SIGINT);
        assert_eq!(victim.line(), "KeyboardInterrupt", "{what}");
        assert!(client.run("w").contains("has let the thread go"), "{what}");
        runs_on(&mut victim, &what);
        pdb(&mut client, "%pdb");
        victim.signal(Signal::SIGTERM);
        client.end();
        assert_eq!(victim.ended().code(), Some(3), "{what}");
    }
}

/// The program's threads take turns all the time: one comes by while the console still tells the interpreter where to look for it.
#[test]
fn a_thread_that_comes_by_while_it_is_looked_for() {
    const BUSY: &str = r#"exec("def busy(depth):\n  while depth == 0:\n    pass\n  busy(depth - 1)", sys.modules["__main__"].__dict__)"#;
    const START: &str = "main = sys.modules['__main__']; main.threading.Thread(target=main.busy, args=(50,), daemon=True, name='busy').start()";
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let what = python.display().to_string();
        let mut victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        for line in ["sys.setswitchinterval(1e-6)", BUSY, START] {
            assert_eq!(client.run(line), "", "{what}");
        }
        for _ in 0..50 {
            assert!(pdb(&mut client, "%pdb busy").contains("busy()"), "{what}");
            assert_eq!(client.run("detach"), "", "{what}");
        }
        assert!(client.run("%info threads").contains("busy"), "{what}");
        client.end();
        runs_on(&mut victim, &what);
    }
}
