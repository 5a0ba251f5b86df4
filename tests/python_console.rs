//! Python's console in the processes of every CPython there is: what it answers, how it is left, and what of it stays in the process.

mod failing;
mod held;
mod leaving;
mod opening;

use std::path::Path;
use std::time::{Duration, Instant};

use manhole_tests::pythons::{pythons, pythons_with_the_lock};
use manhole_tests::victim::{Host, Victim, socket_of};
use manhole_tests::{PATIENCE, StructuredClient, TextClient, tasks, turn, venv, victims, wait_for};
use serde_json::json;

fn victim(python: &Path, options: &str) -> Victim {
    Host::new(python).arg(victims::script("python_console.py")).options(options).ready()
}

/// Of the oldest and the newest version, where every version would take long and has nothing of its own.
fn some_pythons() -> Vec<std::path::PathBuf> {
    let all = pythons();
    let (first, last) = (all.first().cloned(), all.last().cloned());
    [first, last].into_iter().flatten().collect()
}

/// Nothing of the session is left in the interpreter: its streams, its threads, its last error.
fn leaves_nothing(victim: &mut Victim) {
    victim.log_with("Cleaned up.");
    // The agent does not wait for the interpreter.
    wait_for("what was there before", PATIENCE, || (victim.ask("streams") == "streams True 2 []").then_some(()));
}

/// Sends lines, of which all but the last ask for more, and gives the answer.
fn lines(client: &mut TextClient, lines: &str) -> String {
    client.send(lines.as_bytes()).expect("send lines");
    client.until_prompt().trim_start_matches("... ").to_owned()
}

#[test]
fn lines_are_the_interpreters() {
    let _turn = turn::shared();
    for python in pythons() {
        let mut victim = victim(&python, "verbose=True, children=False, locals={'k': 'sys.argv[0]', 'wrong': '1/0'}");
        let (mut client, greeting) = victim.text();
        let what = python.display();
        assert!(greeting.contains("\nPython 3."), "{what}: {greeting}");
        assert!(
            greeting.contains(
                "\nType \"help\", \"copyright\", \"credits\" or \"license\" for more information.\n(ManholeConsole)\n"
            ),
            "{what}: {greeting}"
        );
        assert_eq!(client.run("1 + 1"), "locals: wrong=1/0: ZeroDivisionError('division by zero')\n2\n", "{what}");
        assert_eq!(client.run("1 + 1"), "2\n", "{what}");
        assert_eq!(client.run("print('FOOBAR')"), "FOOBAR\n", "{what}");
        assert_eq!(client.run("_ * 3"), "6\n", "{what}");
        let k = client.run("k");
        assert!(k.ends_with("python_console.py'\n"), "{what}: {k}");
        assert_eq!(client.run("import __main__; __main__.x"), "41\n", "{what}");
        assert_eq!(lines(&mut client, "for i in range(2):\n  print(i)\n\n"), "... 0\n1\n".trim_start_matches("... "));
        let traceback = client.run("1/0");
        assert!(
            traceback.starts_with("Traceback (most recent call last):\n  File \"<console>\", line 1, in <module>\n")
                && traceback.ends_with("ZeroDivisionError: division by zero\n"),
            "{what}: {traceback}"
        );
        let wrong = client.run("1 +");
        assert!(wrong.contains("\nSyntaxError: "), "{what}: {wrong}");
        assert_eq!(client.run("print('e', file=sys.stderr)"), "e\n", "{what}");
        assert_eq!(client.run("os.system('echo of a program')"), "of a program\n0\n", "{what}");
        assert_eq!(client.run("'\\u20ac\\'\\\\' + \"\u{e4}\""), "\"\u{20ac}'\\\\\u{e4}\"\n", "{what}");
        assert_eq!(client.run("input('name? ')\nBob"), "name? 'Bob'\n", "{what}");
        assert_eq!(
            client.run("[thread.name for thread in __import__('threading').enumerate()]"),
            "['MainThread', 'waits']\n"
        );
        let names = client.run("sorted(name for name in globals() if name[0] != '_')");
        assert_eq!(names, "['dump_stacktraces', 'i', 'k', 'os', 'socket', 'sys', 'traceback']\n", "{what}");
        assert!(client.end().ends_with("\nnow exiting ManholeConsole...\n"), "{what}");
        leaves_nothing(&mut victim);
    }
}

/// A program may have a function of that name for all its modules, which translates texts (gettext.install).
#[test]
fn the_last_value_is_the_consoles() {
    let _turn = turn::shared();
    for python in pythons() {
        let what = python.display();
        let mut victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        client.run("import builtins; builtins._ = len");
        assert_eq!(client.run("_('text')"), "4\n", "{what}");
        assert_eq!(client.run("_ + 1, builtins._ is len"), "(5, True)\n", "{what}");
        client.run("Odd = type('Odd', (), {'__repr__': lambda self: 1/0})");
        assert!(client.run("Odd()").ends_with("ZeroDivisionError: division by zero\n"), "{what}");
        assert_eq!(client.run("None"), "", "{what}");
        client.end();
        leaves_nothing(&mut victim);
        let (mut client, _) = victim.text();
        assert_eq!(client.run("import builtins; del builtins._"), "", "{what}");
    }
}

#[test]
fn ways_to_leave() {
    let _turn = turn::shared();
    for python in some_pythons() {
        let victim = victim(&python, "verbose=True");
        for way in
            ["exit()", "quit()", "raise SystemExit", "raise SystemExit(3)", "sys.exit(1)", "import sys; sys.exit()"]
        {
            let (mut client, _) = victim.text();
            client.send(format!("{way}\n").as_bytes()).unwrap();
            assert_eq!(client.until_end(), "", "{way}");
        }
        let (mut client, _) = victim.text();
        client.send(b"def f():\n  return 5\n").unwrap();
        assert!(client.end().ends_with("\nnow exiting ManholeConsole...\n"));
        let (mut client, _) = victim.text();
        assert!(client.run("f()").contains("NameError"), "a session has the names of the one before");
    }
}

#[test]
fn native_commands_are_one_character_away() {
    let _turn = turn::shared();
    for python in some_pythons() {
        let victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        assert!(client.run("%bt").starts_with("#0 "));
        assert!(!client.run("%info threads").contains("\"Manhole-worker\""), "no line was Python's yet");
        assert!(client.run("bt").contains("NameError"));
        assert!(client.run("%bt").starts_with("#0 "));
        assert!(client.run("%info threads").contains("\"Manhole-worker\""));
        assert_eq!(client.run("%print 1 + 1"), "$1 = 2\n");
        assert!(client.run("dump_stacktraces()").contains("######### ProcessID="));
        client.send(b"%native\nprint/x 255\n%print 4\nexit\n").unwrap();
        assert_eq!(client.until_end(), "native >>> $2 = 0xff\nnative >>> $3 = 4\nnative >>> ");
        let (mut client, _) = victim.text();
        client.send(b"%native\npython\n1 + 1\n").unwrap();
        assert_eq!(client.until("2\n>>> "), "native >>> >>> 2\n>>> ");
        drop(client);
        let (mut client, _) = victim.text();
        assert_eq!(client.run("6 * 7"), "42\n");
        client.send(b"%native\npython\n1 + 1\n").unwrap();
        assert_eq!(client.until("2\n>>> "), "native >>> >>> 2\n>>> ");
        drop(client);
        // Data are the native commands'.
        let mut client = victim.structured();
        assert!(client.data("bt")["frames"].is_array());
        assert_eq!(client.run_through("6 * 7").0, "42\n", "without a greeting");
    }
}

#[test]
fn what_the_interpreter_is_full_of() {
    let _turn = turn::shared();
    for python in pythons() {
        let victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        let objects = client.run("%objects 8");
        let lines: Vec<&str> = objects.lines().collect();
        assert_eq!(lines.len(), 10, "{objects}");
        assert!(lines[0].contains("objects") && objects.contains("builtins.function"), "{objects}");
        assert!(client.run("%objects").lines().count() > 20);
        assert!(client.run("%objects many").contains("is no number of types"));
        client.run("import gc; gc.disable()");
        let collector = client.run("%gc");
        assert!(collector.starts_with("enabled: False; ") && collector.contains("generation 2: "), "{collector}");
        let modules = client.run("%modules");
        assert!(modules.lines().any(|line| line.starts_with("sys ") && line.ends_with(" (built in)")), "{modules}");
        assert!(modules.lines().any(|line| line.starts_with("threading ") && line.ends_with("/threading.py")));
    }
}

#[test]
fn names_are_completed() {
    let _turn = turn::shared();
    for python in pythons() {
        let victim = victim(&python, "verbose=True");
        let mut client = victim.structured();
        client.run_through("größe = 1; grundlos = 2");
        let mut complete = |line: &str| {
            let id = client.ask(json!({"complete": line, "cursor": line.len()}));
            let reply = client.answer(id);
            assert_eq!(reply.done, "ok", "{line}");
            let candidates = reply.data["candidates"].as_array().cloned().unwrap_or_default();
            let names: Vec<String> = candidates.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
            (reply.data["start"].as_u64().unwrap(), names)
        };
        assert_eq!(complete("x = sys.exec_pre"), (4, vec!["sys.exec_prefix".to_owned()]), "{}", python.display());
        assert_eq!(complete("print(gr"), (6, vec!["größe".to_owned(), "grundlos".to_owned()]));
        assert_eq!(complete("1 + "), (4, vec![]));
        assert_eq!(complete("%info thre"), (6, vec!["threads".to_owned()]));
    }
}

#[test]
fn the_native_prompt_where_that_is_wanted() {
    let _turn = turn::shared();
    let victim = victim(Path::new("/usr/bin/python3"), "prompt='native'");
    let (mut client, greeting) = victim.text();
    assert!(!greeting.contains("\nPython 3."), "{greeting}");
    assert_eq!(client.run("6 * 7"), "$1 = 42\n");
    assert_eq!(client.run("%print 6 * 7"), "$2 = 42\n");
}

#[test]
fn when_the_lock_does_not_come() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let mut victim = victim(&python, "gil_timeout=0.3");
        let what = python.display();
        // Before the session.
        assert_eq!(victim.ask("stuck"), "stuck");
        let mut client = victim.structured();
        let id = client.ask(json!({"greet": true}));
        let greeting = client.answer(id).text;
        let (dump, banner) = greeting.split_once("\n#############################################\n").expect("a dump");
        assert!(dump.contains("holds the GIL") && dump.contains("python_console.py"), "{what}: {dump}");
        assert!(banner.contains("\nPython 3.") && banner.ends_with("(ManholeConsole)\n"), "{what}: {banner}");
        let words = client.run("print('never')").message;
        assert!(
            words.contains("The lock of the Python interpreter (the GIL) has not come within 0."),
            "{what}: {words}"
        );
        assert!(words.contains("holds the GIL") && words.contains("python_console.py"), "{what}: {words}");
        assert!(words.contains("The line was not run.") && words.contains("native prompt"), "{what}: {words}");
        assert_eq!(client.run("6 * 7").text, "$1 = 42\n", "{what}");
        assert!(client.run("bt").text.contains("python_console.py"), "{what}");
        assert_eq!(victim.ask(""), "free", "{what}");
        let notice = wait_for("the interpreter's prompt", PATIENCE, || {
            let text = client.line()["text"].as_str().map(str::to_owned);
            text.filter(|text| text.contains("has come"))
        });
        assert!(notice.contains("Python 3.") && !notice.contains("never"), "{what}: {notice}");
        assert!(client.run_through("6 * 7").0.contains("42\n"), "{what}");
        // In the middle of it.
        assert_eq!(victim.ask("stuck"), "stuck");
        let reply = client.run("1 + 1");
        assert!(reply.message.contains("The line was not run."), "{what}: {reply:?}");
        assert!(client.run("%bt").text.contains("python_console.py"), "{what}");
        assert_eq!(victim.ask(""), "free", "{what}");
        assert!(client.run_through("1 + 1").0.contains("2\n"), "{what}");
    }
}

#[test]
fn a_session_that_ends_before_the_lock_comes_leaves_nothing() {
    let _turn = turn::shared();
    // Where the processor has much else to do, the thread for a line may not be had in time, nor the lock.
    let is_run = |client: &mut StructuredClient, line: &str, answer: &str| {
        wait_for("a line to be run", PATIENCE, || (client.run_through(line).0 == answer).then_some(()));
    };
    for python in pythons_with_the_lock() {
        let what = python.display();
        let mut victim = victim(&python, "verbose=True, gil_timeout=0.1");
        assert_eq!(victim.ask("stuck"), "stuck");
        // No more than one worker waits, however many sessions there are, and lines in one.
        for _ in 0..10 {
            wait_for("a session that says why there is no console", PATIENCE, || {
                let mut client = victim.structured();
                let id = client.ask(json!({"greet": true}));
                client.answer(id);
                let text = client.run("1 + 1").message;
                (text.contains("has not come within") || text.contains("cannot be called now")).then_some(())
            });
        }
        let workers = tasks::of(victim.pid()).into_iter().filter(|task| task.field("Name") == "Manhole-worker").count();
        assert!(workers <= 1, "{what}: {workers}");
        victim.log_with("Cleaned up.");
        assert_eq!(victim.ask(""), "free");
        leaves_nothing(&mut victim);
        let mut client = victim.structured();
        is_run(&mut client, "1 + 1", "2\n");
        assert_eq!(victim.ask("stuck"), "stuck");
        for _ in 0..10 {
            let reply = client.run("print('never')");
            let is_refused = ["The line was not run.", "cannot be called now"].map(|why| reply.message.contains(why));
            assert!(is_refused.contains(&true), "{what}: {reply:?}");
        }
        assert_eq!(victim.ask(""), "free");
        client.run_through("'what the program has said'");
        is_run(&mut client, "print(6 * 7)", "42\n");
    }
}

#[test]
fn an_endless_line_is_interrupted() {
    let _turn = turn::shared();
    for python in pythons() {
        let victim = victim(&python, "verbose=True");
        let mut client = victim.structured();
        assert_eq!(client.run_through("1").0, "1\n");
        let id = client.ask(json!({"run": "print('begun', flush=True); [None for _ in iter(int, 1)]"}));
        begun(&mut client);
        client.send(&json!({ "interrupt": id }).to_string());
        let (text, _) = client.rest(id);
        assert!(text.ends_with("KeyboardInterrupt\n"), "{}: {text}", python.display());
        assert_eq!(client.run_through("6 * 7").0, "42\n");
    }
}

#[test]
fn an_interrupt_at_the_end_of_a_line_is_nobody_else_s() {
    let _turn = turn::shared();
    for python in some_pythons() {
        let what = python.display();
        let mut victim = victim(&python, "verbose=True");
        for round in 0..30 {
            let mut client = victim.structured();
            assert_eq!(client.run_through("import time").0, "");
            let start = Instant::now();
            let id = client.ask(json!({"run": "time.sleep(0.02)"}));
            let moment = Duration::from_micros(17_000 + 200 * round);
            while start.elapsed() < moment {
                std::hint::spin_loop();
            }
            client.send(&json!({ "interrupt": id }).to_string());
            client.rest(id);
            assert_eq!(client.run_through("6 * 7").0, "42\n", "{what}, round {round}");
        }
        leaves_nothing(&mut victim);
    }
}

/// For the module `threading` the main thread is the one that imports it first, up to Python 3.12.
#[test]
fn the_main_thread_stays_the_main_thread() {
    let _turn = turn::shared();
    const PROGRAM: &str = "import sys; print('ready', flush=True); sys.stdin.readline(); import threading; \
        print(threading.main_thread() is threading.current_thread(), threading.active_count(), flush=True)";
    for python in pythons() {
        let mut victim = Host::new(&python).args(["-S", "-c", PROGRAM]).ready();
        let (mut client, _) = victim.text();
        client.run("import threading");
        let (is_main, ident) = ("threading.main_thread().ident", "[*sys._current_frames()]");
        assert_eq!(client.run(&format!("{is_main} in {ident}")), "True\n", "{}", python.display());
        client.end();
        victim.log_with("Cleaned up.");
        assert_eq!(victim.ask(""), "True 1", "{}", python.display());
        assert!(victim.ended_within(Duration::from_secs(5)).success(), "{}", python.display());
    }
}

#[test]
fn a_statement_that_goes_on_is_given_up() {
    let _turn = turn::shared();
    for python in some_pythons() {
        let victim = victim(&python, "verbose=True");
        let mut client = victim.structured();
        assert_eq!(client.run_through("for i in range(2):").0, "");
        assert_eq!(client.run_through("  print(i)").0, "");
        assert_eq!(client.run_through("\u{3}").0, "\nKeyboardInterrupt\n");
        assert_eq!(client.run_through("6 * 7").0, "42\n", "{}", python.display());
        assert!(client.run_through("\u{3}").0.contains("SyntaxError"), "where nothing goes on it is a line");
    }
}

/// Reads up to what the line prints first.
fn begun(client: &mut StructuredClient) {
    while !client.line()["text"].as_str().is_some_and(|text| text.contains("begun")) {}
}

#[test]
fn a_line_that_does_not_notice_goes_on_as_a_job() {
    let _turn = turn::shared();
    for python in some_pythons() {
        let mut victim = victim(&python, "verbose=True");
        let mut client = victim.structured();
        let id = client.ask(json!({"run": "print('begun', flush=True); r, w = os.pipe(); os.read(r, 1)"}));
        begun(&mut client);
        // Not between the two.
        wait_for("the line in its call", PATIENCE, || {
            let worker = tasks::of(victim.pid()).into_iter().find(|task| task.field("Name") == "Manhole-worker")?;
            let call = std::fs::read_to_string(format!("/proc/{}/task/{}/syscall", victim.pid(), worker.tid)).ok()?;
            call.starts_with(&format!("{} ", libc::SYS_read)).then_some(())
        });
        client.send(&json!({ "interrupt": id }).to_string());
        let (_, message) = client.rest(id);
        assert!(message.contains("still runs, as job 1; %jobs lists it"), "{message}");
        assert_eq!(client.run_through("6 * 7").0, "42\n");
        assert!(client.run("%jobs").text.contains("job 1  print('begun'"));
        let freed = client.run_through("os.write(w, b'x')");
        // What the freed line has to say may come in between.
        assert!(freed.0.contains('1'), "{freed:?}");
        wait_for("the job's end", PATIENCE, || client.run("%jobs").text.contains("returned").then_some(()));
        assert!(client.run_through("print('x')").0.ends_with("x\n"));
        drop(client);
        leaves_nothing(&mut victim);
    }
}

#[test]
fn a_line_that_faults() {
    let _turn = turn::shared();
    for python in pythons() {
        let mut victim = victim(&python, "verbose=True");
        let (mut client, _) = victim.text();
        client.run("import ctypes");
        // With the interpreter's lock, and without it.
        let unlocked = client.run("ctypes.CDLL(None).strlen(8)");
        assert!(unlocked.contains("SIGSEGV"), "{unlocked}");
        let answer = client.run("ctypes.string_at(8)");
        assert!(answer.contains("was ended by SIGSEGV: address 0x8 is not mapped"), "{answer}");
        assert!(answer.contains("string_at"), "{answer}");
        assert!(client.run("os.abort()").contains("was ended by SIGABRT"));
        assert_eq!(client.run("print(6 * 7)"), "42\n");
        assert!(client.end().ends_with("now exiting ManholeConsole...\n"));
        leaves_nothing(&mut victim);
        assert_eq!(victim.ask("fork"), "child");
        assert_eq!(victim.line(), "forked");
    }
}

#[test]
fn what_a_thread_has_lasts_as_long_as_the_session() {
    let _turn = turn::shared();
    for python in pythons() {
        let mut victim = victim(&python, "verbose=True");
        let what = python.display();
        let (mut client, _) = victim.text();
        client.run("import threading, contextvars, builtins");
        client.run("local = threading.local(); word = contextvars.ContextVar('word'); token = word.set('kept')");
        // Goes when the thread's own names go.
        client.run("Last = type('Last', (), {'__del__': lambda self: setattr(builtins, 'gone', True)})");
        client.run("local.last = Last()");
        assert_eq!(client.run("type(local.last).__name__, word.get()"), "('Last', 'kept')\n", "{what}");
        // Completion, an interrupt and native commands are no end.
        client.run("%bt");
        assert_eq!(client.run("type(local.last).__name__, word.get()"), "('Last', 'kept')\n", "{what}");
        assert_eq!(client.run("getattr(builtins, 'gone', 'there')"), "'there'\n", "{what}");
        client.end();
        leaves_nothing(&mut victim);
        let (mut client, _) = victim.text();
        assert_eq!(client.run("import builtins; builtins.gone"), "True\n", "{what}");
        // What has faulted takes them along; the next lines have their own.
        client.run("import threading; local = threading.local(); local.x = 5");
        client.run("import ctypes; ctypes.CDLL(None).strlen(8)");
        assert!(client.run("local.x").contains("AttributeError"), "{what}");
        client.run("local.x = 6");
        assert_eq!(client.run("local.x"), "6\n", "{what}");
        client.end();
        leaves_nothing(&mut victim);
        assert!(victim.runs());
    }
}

#[test]
fn forks() {
    let _turn = turn::shared();
    for python in some_pythons() {
        let mut victim = victim(&python, "verbose=False");
        let (mut client, _) = victim.text();
        assert_eq!(victim.ask("fork"), "child");
        assert_eq!(victim.line(), "forked");
        // In a line: what the child does after it is nobody's.
        let answer = client.run("os.fork()");
        let pid: i32 =
            answer.lines().last().unwrap_or_default().parse().unwrap_or_else(|_| panic!("a child in {answer}"));
        wait_for("the child's end", PATIENCE, || {
            client.run(&format!("os.waitpid({pid}, 1)")).contains(&pid.to_string()).then_some(())
        });
        client.run("import subprocess");
        assert_eq!(client.run("subprocess.check_output(['echo', 'a'])"), "b'a\\n'\n");
        // What a line starts can be ended by signals.
        let blocked = "print(subprocess.check_output(['grep', 'SigBlk', '/proc/self/status']).decode().split()[1])";
        assert_eq!(client.run(blocked), "0000000000000000\n", "{}", python.display());
        assert_eq!(client.run("1 + 1"), "2\n");
    }
}

#[test]
fn children_of_multiprocessing() {
    let _turn = turn::shared();
    for python in some_pythons() {
        for method in ["fork", "spawn", "forkserver"] {
            let script = victims::script("python_children.py");
            let host = Host::new(&python).arg(script).arg(method).options("verbose=True, reinstall_delay=0.1");
            let mut victim = host.ready();
            let child = i32::try_from(victim.told("child")).unwrap();
            for pid in [victim.pid(), child, child] {
                let mut client = TextClient::connect(&socket_of(pid));
                client.until_prompt();
                assert_eq!(client.run("os.getpid()"), format!("{pid}\n"), "{} {method}", python.display());
                assert_eq!(
                    client.run("import sys; print('x'); 1/0").lines().last().unwrap_or_default(),
                    "ZeroDivisionError: division by zero"
                );
                assert!(client.run("%py-bt").contains("python_children.py"), "{} {method}", python.display());
                client.end();
            }
            assert_eq!(victim.finish().1.code(), Some(0), "{} {method}: {}", python.display(), victim.log());
            assert!(!socket_of(child).exists(), "{} {method}: its socket is left", python.display());
        }
    }
}

/// A program whose only thread never waits for anything, or in a call that has no time limit: that thread has to create the console's.
#[test]
fn a_single_thread_wherever_it_is() {
    let _turn = turn::shared();
    for python in pythons() {
        for kind in ["counts", "allocates", "opens", "locks", "connects_by_tcp", "connects_here"] {
            let what = format!("{}, {kind}", python.display());
            let mut victim = Host::new(&python).arg(victims::script("python_alone.py")).arg(kind).ready();
            for _ in 0..2 {
                let (mut client, greeting) = victim.text();
                assert!(greeting.contains(&format!(", in {kind}\n")), "{what}: {greeting}");
                // Where the processor has much else to do, the moment at which it holds nothing may not have been met.
                let mut tries = 0;
                while !greeting.contains("\nPython 3.") && tries < 10 && !client.run("%python").contains("\nPython 3.")
                {
                    tries += 1;
                }
                assert_eq!(client.run("os.getpid()"), format!("{}\n", victim.pid()), "{what}: {greeting}");
                let stack = client.run("%py-bt");
                assert!(stack.contains(&format!(", in {kind}\n")), "{what}: {stack}");
                client.end();
                assert!(victim.runs(), "{what}");
            }
            if kind == "connects_here" {
                // The attempt has gone on meanwhile.
                let (mut client, _) = victim.text();
                // What the program prints then may come here as well, before or after the next prompt.
                client.send(b"import __main__; accepted = __main__.listener.accept()\n").expect("send a line");
                assert_eq!(victim.line(), "connected", "{what}");
                client.end();
            }
        }
    }
}

#[test]
fn a_hub_of_green_threads_runs_on() {
    let _turn = turn::shared();
    let Some(python) = venv::program("python") else { return };
    for (hub, argument) in
        [("gevent", "patched"), ("gevent", "unpatched"), ("eventlet", "patched"), ("eventlet", "unpatched")]
    {
        let what = format!("{hub}, {argument}");
        let victim = Host::new(&python).arg(victims::script("hub.py")).args([hub, argument]).ready();
        let (mut client, _) = victim.text();
        client.run("import __main__, queue, time, threading");
        for sleep in ["__main__.hub.sleep(0.2)", "time.sleep(0.2)"] {
            let line = format!("before = __main__.ticks; {sleep}; __main__.ticks - before > 5");
            assert_eq!(client.run(&line), "True\n", "{what}: {sleep}");
        }
        let get = if hub == "gevent" { "get" } else { "wait" };
        assert_eq!(client.run(&format!("__main__.hub.spawn(lambda: 6 * 7).{get}()")), "42\n", "{what}");
        assert_eq!(client.run("q = queue.Queue(); q.put(1); q.get()"), "1\n", "{what}");
        assert_eq!(client.run("input('name? ')\nBob"), "name? 'Bob'\n", "{what}");
        assert_eq!(client.run("1/0").lines().last(), Some("ZeroDivisionError: division by zero"), "{what}");
        client.end();
        victim.log_with("Cleaned up.");
        let (mut client, _) = victim.text();
        assert_eq!(client.run("import threading; threading.active_count()"), "1\n", "{what}");
    }
}

#[test]
fn lines_that_are_run_and_not_answered() {
    let _turn = turn::shared();
    for python in some_pythons() {
        let mut victim = victim(&python, "verbose=True, connection_handler='exec', locals={'k': '41'}");
        let mut client = TextClient::connect(&victim.socket());
        client.send(b"print('in the program', k, flush=True)\n").unwrap();
        assert_eq!(victim.line(), "in the program 41");
        client.send(b"k += 1\nprint(k, flush=True)\n").unwrap();
        assert_eq!(victim.line(), "42");
        client.send(b"1/0\n").unwrap();
        assert_eq!(client.until_end(), "");
        victim.log_with("ManholeConnectionThread failure: ZeroDivisionError('division by zero')");
        let mut client = TextClient::connect(&victim.socket());
        client.send(b"exit()\n").unwrap();
        assert_eq!(client.until_end(), "");
        victim.log_with("Exiting exec loop.");
    }
}

#[test]
fn a_line_blocks_what_sigmask_says() {
    let _turn = turn::shared();
    for python in some_pythons() {
        for (options, expected) in [("sigmask=['USR1']", "[10]\n"), ("sigmask=[], thread=True", "[]\n")] {
            let victim = victim(&python, options);
            let (mut client, _) = victim.text();
            client.run("import signal");
            let line = "print([int(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, [])])";
            assert_eq!(client.run(line), expected, "{}: {options}", python.display());
        }
    }
}
