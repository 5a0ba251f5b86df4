//! The frames of Python in the dump: the interpreter's own word for each thread, over every CPython there is; also where its lock is kept for ever.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use manhole_tests::place;
use manhole_tests::pythons::{is_free_threaded, pythons, pythons_with_the_lock};
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{StructuredClient, TextClient, text, turn, venv, victims, wait_for};
use serde_json::Value;

fn victim(python: &Path, arguments: &[&str]) -> Victim {
    let script = place::tests().join("victims/python_frames.py");
    Host::new(python).arg(script).args(arguments).options("verbose=True, gil_timeout=0.2").ready()
}

/// File, line and function of the frames of a thread, innermost first.
type Stack = Vec<(String, u64, String)>;

/// What the interpreter says of its threads.
fn by_its_own_word(victim: &mut Victim) -> BTreeMap<i64, Stack> {
    let answer = victim.ask("frames");
    let json = answer.strip_prefix("frames ").unwrap_or_else(|| panic!("{answer}"));
    let threads: BTreeMap<String, Stack> = serde_json::from_str(json).unwrap();
    assert!(threads.len() >= 11, "{threads:?}");
    threads.into_iter().map(|(tid, stack)| (tid.parse().unwrap(), stack)).collect()
}

/// The frames of Python in what a command says of each thread. All are certain.
fn ours(client: &mut StructuredClient, line: &str) -> BTreeMap<i64, Stack> {
    let data = client.data(line);
    let threads = data["threads"].as_array().unwrap_or_else(|| panic!("{data}"));
    let stack = |thread: &Value| {
        let frames = thread["frames"].as_array().unwrap();
        let frames = frames.iter().filter(|frame| frame["python"] == true);
        frames
            .map(|frame| {
                assert_eq!(frame["certain"], true, "{thread}");
                let text = |key: &str| frame[key].as_str().unwrap().to_owned();
                (text("file"), frame["line"].as_u64().unwrap(), text("function"))
            })
            .collect()
    };
    threads.iter().map(|thread| (thread["tid"].as_i64().unwrap(), stack(thread))).collect()
}

/// As `python3.8 app.py` has it, and what is compiled so.
#[test]
fn sources_of_relative_paths() {
    let _turn = turn::shared();
    let directory = tempfile::tempdir().unwrap();
    let program = "import sys\nprint('ready', flush=True)\nsys.stdin.read()  # the end\n";
    std::fs::write(directory.path().join("app.py"), program).unwrap();
    let compiled = "exec(compile(open('app.py').read(), 'app.py', 'exec'))";
    for python in pythons() {
        let what = python.display();
        for arguments in [&["app.py"][..], &["-c", compiled]] {
            let victim = Host::new(&python).args(arguments).directory(directory.path()).ready();
            let (mut client, greeting) = victim.text();
            assert!(greeting.contains("line 3, in <module>\n  sys.stdin.read()  # the end\n"), "{what}: {greeting}");
            assert!(client.run("%py-bt").ends_with("line 3, in <module>\n    sys.stdin.read()  # the end\n"), "{what}");
        }
    }
}

/// The cells of a notebook stand in no file.
#[test]
fn sources_that_the_interpreter_keeps() {
    let _turn = turn::shared();
    const PROGRAM: &str = "import linecache, sys\n\
        for name in ('/nowhere/cell.py', '<cell 1>', '<string>'):\n\
        \x20   lines = ['def cell(go):\\n', '    go()  # größe\\n']\n\
        \x20   linecache.cache[name] = (30, None, lines, name)\n\
        \x20   exec(compile(''.join(lines), name, 'exec'))\n\
        \x20   cells = [*locals().get('cells', []), cell]\n\
        print('ready', flush=True)\n\
        cells[0](lambda: cells[1](lambda: cells[2](sys.stdin.read)))";
    for python in pythons() {
        let what = python.display();
        let victim = Host::new(&python).args(["-c", PROGRAM]).ready();
        let (_, greeting) = victim.text();
        let with_source = |name: &str| greeting.contains(&format!("\"{name}\", line 2, in cell\n  go()  # größe\n"));
        let shown = ["/nowhere/cell.py", "<cell 1>", "<string>"].map(with_source);
        assert_eq!(shown, [true, true, false], "{what}: {greeting}");
    }
}

/// What a source says of its encoding (PEP 263) counts; the letters of one that is not known here are not guessed.
#[test]
fn sources_in_other_encodings() {
    let _turn = turn::shared();
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("app.py");
    const KOI8_R: &[u8] = b"\xd7\xd3\xa3";
    let cases: [(&str, &[u8], Option<&str>); 5] = [
        ("latin-1", b"gr\xf6\xdfe", Some("größe")),
        ("iso-8859-15", b"100 \xa4", Some("100 €")),
        ("cp1252", b"\x93a\x94", Some("\u{201c}a\u{201d}")),
        ("koi8-r", KOI8_R, None),
        ("utf-8", "größe".as_bytes(), Some("größe")),
    ];
    for (encoding, letters, shown) in cases {
        let head =
            format!("#!/usr/bin/python3\n# -*- coding: {encoding} -*-\nimport sys\nprint('ready', flush=True)\n");
        std::fs::write(&program, [head.as_bytes(), b"sys.stdin.read()  # ", letters, b"\n"].concat()).unwrap();
        let victim = Host::new("/usr/bin/python3").arg(&program).ready();
        let (mut client, greeting) = victim.text();
        let place = format!("File: \"{}\", line 5, in <module>\n", program.display());
        let (_, inner) = greeting.split_once(&place).unwrap_or_else(|| panic!("{encoding}: {greeting}"));
        match shown {
            Some(shown) => {
                assert!(inner.starts_with(&format!("  sys.stdin.read()  # {shown}\n")), "{encoding}: {inner}")
            }
            None => assert!(inner.starts_with("File: "), "{encoding}: {inner}"),
        }
        assert_eq!(client.run("%py-bt").contains("sys.stdin.read()"), shown.is_some(), "{encoding}");
    }
}

/// The modules of a program that is one archive: packed and as they are, and behind the line that names the interpreter.
#[test]
fn sources_in_archives() {
    let _turn = turn::shared();
    let directory = tempfile::tempdir().unwrap();
    let module = "def wait(go):\n    go()  # the end\n".to_owned() + &"# a line that repeats\n".repeat(5000);
    std::fs::create_dir_all(directory.path().join("app/inside")).unwrap();
    std::fs::write(directory.path().join("app/inside/deep.py"), module).unwrap();
    let main = "import sys\nfrom inside import deep\nprint('ready', flush=True)\ndeep.wait(sys.stdin.read)\n";
    std::fs::write(directory.path().join("app/__main__.py"), main).unwrap();
    for arguments in [&["-p", "/usr/bin/python3"][..], &["-c"]] {
        let mut zipapp = Command::new("/usr/bin/python3");
        zipapp.args(["-m", "zipapp", "app"]).args(arguments).current_dir(directory.path());
        assert!(zipapp.status().unwrap().success());
        for python in pythons() {
            let what = python.display();
            let victim = Host::new(&python).arg("app.pyz").directory(directory.path()).ready();
            let (_, greeting) = victim.text();
            let main = "app.pyz/__main__.py\", line 4, in <module>\n  deep.wait(sys.stdin.read)\n";
            let module = "app.pyz/inside/deep.py\", line 2, in wait\n  go()  # the end\n";
            assert!(greeting.contains(main) && greeting.contains(module), "{what}: {greeting}");
        }
    }
}

/// What the dump leaves out, and the command that shows it as the client has to type it.
#[test]
fn the_dump_names_commands_as_the_prompt_takes_them() {
    let _turn = turn::shared();
    const PROGRAM: &str = "import sys\n\
        def deep(n): deep(n - 1) if n else (print('ready', flush=True), sys.stdin.read())\n\
        deep(300)";
    for (options, sign) in [("verbose=True", "%"), ("prompt='native'", "")] {
        let victim = Host::new("/usr/bin/python3").args(["-c", PROGRAM]).options(options).ready();
        let (mut client, greeting) = victim.text();
        let command = format!("{sign}bt {}", victim.pid());
        assert!(greeting.contains(&format!(" more frames ({command} shows them)\n")), "{greeting}");
        assert!(client.run("dump_stacktraces()").contains(&format!("({command} shows them)\n")), "{options}");
        assert!(client.run(&command).contains("#250 "), "{options}");
        let of_who_waits = TextClient::connect(&victim.socket()).until("(ManholeConsole)\n");
        assert!(of_who_waits.contains(&format!("({command} shows them)\n")), "{of_who_waits}");
    }
}

/// What `threading` calls the threads of the victim.
const NAMES: [&str; 14] = [
    "MainThread",
    "wait",
    "<lambda>",
    "<lambda>",
    "a longer name than the kernel has room for: größe",
    "<lambda>",
    "by_c",
    "in_c",
    "lines",
    "handles",
    "destroys",
    "makes",
    "<lambda>",
    "with a dictionary",
];

#[test]
fn as_the_interpreter_says() {
    let _turn = turn::shared();
    for python in pythons() {
        let mut victim = victim(&python, &[]);
        let theirs = by_its_own_word(&mut victim);
        let mut client = victim.structured();
        for line in ["bt all", "py-bt all"] {
            let ours = ours(&mut client, line);
            for (tid, theirs) in &theirs {
                assert_eq!(ours.get(tid), Some(theirs), "{python:?}, {line}, thread {tid}");
            }
            let main: Vec<&str> = ours[&victim.pid().into()].iter().map(|(.., function)| function.as_str()).collect();
            assert_eq!(main, ["main", "<module>"], "{python:?}, {line}");
        }
        // And so are their names; from 3.14 on the kernel has them too, cut.
        let named = client.data("info threads");
        let names: Vec<&str> = (named["threads"].as_array().unwrap().iter())
            .filter(|thread| thread["own"] == false)
            .map(|thread| thread["python_name"].as_str().unwrap_or_else(|| thread["name"].as_str().unwrap()))
            .collect();
        assert_eq!(names, NAMES, "{python:?}");
        // The machine's frames are all around them, and none of the loop's is left.
        let native = client.data("bt native all");
        let merged = client.data("bt all");
        let count = |data: &Value, wanted: &dyn Fn(&Value) -> bool| {
            let threads = data["threads"].as_array().unwrap().iter();
            threads.flat_map(|thread| thread["frames"].as_array().unwrap()).filter(|frame| wanted(frame)).count()
        };
        let is_loop =
            |frame: &Value| frame["function"].as_str().is_some_and(|name| name.starts_with("_PyEval_EvalFrameDefault"));
        let is_python = |frame: &Value| frame["python"] == true;
        let replaced = count(&native, &|_| true) - count(&merged, &|frame| !is_python(frame));
        assert!(replaced > 11, "{python:?}: {replaced}");
        assert_eq!(count(&native, &is_python), 0, "{python:?}");
        assert_eq!(count(&merged, &is_loop), 0, "{python:?}: {merged}");
        // Where the loop has no name of its own, its place is known all the same.
        let main = merged["threads"][0]["frames"].as_array().unwrap();
        let module = main.iter().rposition(is_python).unwrap();
        let around: Vec<_> = main[module + 1..].iter().take(6).filter_map(|frame| frame["function"].as_str()).collect();
        assert!(around.contains(&"PyEval_EvalCode"), "{python:?}: {around:?}");
        assert_eq!(merged["problems"].as_array().map(Vec::len), native["problems"].as_array().map(Vec::len));
        drop(client);
        // And it has noticed nothing.
        assert_eq!(by_its_own_word(&mut victim), theirs, "{python:?}");
    }
}

#[test]
fn as_python_manhole_prints_them() {
    let _turn = turn::shared();
    let victim = victim(Path::new("/usr/bin/python3"), &[]);
    let (mut client, greeting) = victim.text();
    let script = place::tests().join("victims/python_frames.py");
    let text = std::fs::read_to_string(&script).unwrap();
    let line = text.lines().position(|line| line.trim() == "return sorted([2, 1], key=self.key)").unwrap() + 1;
    let expected =
        format!("File: \"{}\", line {line}, in größe\n  return sorted([2, 1], key=self.key)\n", script.display());
    assert!(greeting.contains(&expected), "no {expected:?} in {greeting}");
    assert!(client.run("%py-bt").contains(", in main\n    for _ in sys.stdin:\n"));
    assert!(client.run("%py-bt 99999999").contains("is no thread"));
    client.end();
}

/// It costs no more than its own end.
#[test]
fn a_name_that_is_longer_than_what_is_read() {
    let _turn = turn::shared();
    for python in pythons() {
        let victim = victim(&python, &["long"]);
        let stacks = ours(&mut victim.structured(), "py-bt all");
        let cut = format!("{}…", "n".repeat(4096));
        let is_it = |stack: &&Stack| stack.iter().any(|(.., function)| *function == cut);
        let stack = stacks.values().find(is_it).unwrap_or_else(|| panic!("{python:?}: no such name in {stacks:?}"));
        let functions: Vec<&str> = stack.iter().map(|(.., function)| function.as_str()).collect();
        let place = functions.iter().position(|function| *function == cut).unwrap_or_default();
        assert_eq!(functions[place - 1..place + 4], ["wait", &cut, "<module>", "<lambda>", "run"], "{python:?}");
    }
}

/// A thread that calls and returns all the time: what is said of it is one of its two states, or marked.
#[test]
fn a_thread_that_never_rests() {
    let _turn = turn::shared();
    for python in pythons() {
        let victim = victim(&python, &["busy"]);
        let mut client = victim.structured();
        let (mut certain, mut holders) = (0, 0);
        for _ in 0..20 {
            let data = client.data("bt all");
            let threads = data["threads"].as_array().unwrap();
            let busy = threads.iter().find_map(|thread| {
                let frames = thread["frames"].as_array()?.iter().filter(|frame| frame["python"] == true);
                let frames: Vec<&Value> = frames.collect();
                frames.iter().any(|frame| frame["function"] == "busy").then_some((thread, frames))
            });
            let (thread, frames) = busy.unwrap_or_else(|| panic!("{python:?}: no thread is busy: {data}"));
            let outer = frames.iter().position(|frame| frame["function"] == "busy").unwrap();
            assert!(
                frames[..outer].iter().all(|frame| frame["function"] == "leaf") && outer <= 1,
                "{python:?}: {thread}"
            );
            certain += usize::from(frames.iter().all(|frame| frame["certain"] == true));
            holders += usize::from(thread["state"].as_str().unwrap().ends_with(", holds the GIL"));
        }
        assert!(certain > 4, "{python:?}: {certain} of 20 looks are certain");
        assert!(holders > 4 || is_free_threaded(&python), "{python:?}: it holds the lock in {holders} of 20 looks");
    }
}

/// A thread that is always on the way from a rest to a computation below more calls of C's: the two kinds of frames are of one moment.
#[test]
fn a_thread_that_switches() {
    let _turn = turn::shared();
    for python in pythons() {
        let victim = victim(&python, &["switches"]);
        let mut client = victim.structured();
        let (mut whole, mut computing) = (0, 0);
        for _ in 0..40 {
            let data = client.data("bt all");
            let threads = data["threads"].as_array().unwrap();
            let is_it = |thread: &&Value| {
                thread["frames"].as_array().unwrap().iter().any(|frame| frame["function"] == "switches")
            };
            let thread = threads.iter().find(is_it).unwrap_or_else(|| panic!("{python:?}: {data}"));
            assert!(!data["problems"].to_string().contains("not among"), "{python:?}: {data}");
            let frames = thread["frames"].as_array().unwrap();
            let loops = frames.iter().filter(|frame| frame["function"] == "_PyEval_EvalFrameDefault").count();
            assert!(loops <= 1, "{python:?}: {loops} calls without a frame of Python's: {thread}");
            let of_python: Vec<_> = frames.iter().filter(|frame| frame["python"] == true).collect();
            if of_python.iter().all(|frame| frame["certain"] == true) {
                whole += 1;
                computing += usize::from(of_python.iter().any(|frame| frame["function"] == "deep"));
                let state = thread["state"].as_str().unwrap();
                let is_at_rest = state.contains("nanosleep") || state.contains("select");
                assert!(!is_at_rest || of_python[0]["function"] == "rests", "{python:?}: {thread}");
            }
        }
        assert!(whole > 36 && computing > 0, "{python:?}: {whole} of 40 are certain, {computing} compute");
    }
}

#[test]
fn a_lock_that_is_never_given_back() {
    let _turn = turn::shared();
    for python in pythons_with_the_lock() {
        let victim = victim(&python, &["stuck"]);
        // Whoever keeps the lock is in pause(2).
        let stuck = wait_for("the lock to be kept", Duration::from_secs(15), || {
            let data = victim.structured().data("bt all");
            let threads = data["threads"].as_array().unwrap().clone();
            threads.into_iter().find(|thread| thread["state"] == "blocked in pause(), holds the GIL")
        });
        let functions: Vec<&str> =
            stuck["frames"].as_array().unwrap().iter().filter_map(|frame| frame["function"].as_str()).collect();
        assert!(functions.contains(&"stuck") && functions.contains(&"run"), "{python:?}: {functions:?}");
        let quickest = (0..3).map(|_| {
            let began = Instant::now();
            let mut client = TextClient::connect(&victim.socket());
            let greeting = client.until("\n#############################################\n\n\n");
            let took = began.elapsed();
            client.until("(ManholeConsole)\n>>> ");
            client.send(b"1 + 1\n").expect("send a line");
            let words = client.until("\nnative >>> ");
            assert!(words.contains("blocked in pause(), holds the GIL"), "{python:?}: {words}");
            client.end();
            assert!(
                greeting.contains(", in descend\n") && greeting.contains("holds the GIL"),
                "{python:?}: {greeting}"
            );
            assert!(text::greeting(&greeting).len() >= 13, "{greeting}");
            took
        });
        let quickest = quickest.min().unwrap();
        assert!(quickest < Duration::from_secs(1), "{python:?}: {quickest:?}");
    }
}

/// Another program that reads the interpreter's memory, from outside; those with the lock alone.
#[test]
fn as_py_spy_says() {
    let _turn = turn::shared();
    let Some(spy) = venv::program("py-spy") else { return };
    for python in pythons_with_the_lock() {
        let victim = victim(&python, &[]);
        let ours = ours(&mut victim.structured(), "py-bt all");
        let output = Command::new(&spy).args(["dump", "--json", "--pid", &victim.pid().to_string()]).output().unwrap();
        let theirs: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{python:?}: {error}: {}", String::from_utf8_lossy(&output.stderr)));
        let mut compared = 0;
        for thread in theirs.as_array().unwrap() {
            let tid = thread["os_thread_id"].as_i64().unwrap();
            let theirs = thread["frames"].as_array().unwrap().iter().map(|frame| {
                // It puts the class before the method.
                let name = frame["name"].as_str().unwrap();
                let name = name.rsplit('.').next().unwrap_or(name);
                (frame["filename"].as_str().unwrap().to_owned(), frame["line"].as_u64().unwrap(), name.to_owned())
            });
            // It shows the interpreter's own frame of a specialized call, which sys._current_frames() leaves out.
            let theirs: Stack = theirs.filter(|(file, ..)| file != "__init__").collect();
            assert_eq!(ours.get(&tid), Some(&theirs), "{python:?}, thread {tid}");
            compared += 1;
        }
        assert!(compared >= 12, "{python:?}: {compared} threads");
    }
}

/// The lock is kept by who waits for a mutex whose owner waits for the lock; and by who runs for ever.
#[test]
fn other_ways_to_keep_the_lock() {
    let _turn = turn::shared();
    let library = victims::c_with("keeps_lock", &["-O1", "-g", "-shared", "-fPIC"]);
    for python in pythons_with_the_lock() {
        for (kind, place) in [("deadlock", "in wants"), ("spins", "in spins")] {
            let victim = victim(&python, &[&format!("{kind}={}", library.display())]);
            wait_for("the lock to be kept", Duration::from_secs(15), || {
                let data = victim.structured().data("bt all");
                let threads = data["threads"].as_array().unwrap().clone();
                let holds =
                    |thread: &Value| thread["state"].as_str().is_some_and(|state| state.ends_with(", holds the GIL"));
                let is_inside = |thread: &Value| {
                    let frames = thread["frames"].as_array().unwrap();
                    frames.iter().any(|frame| ["take", "spin"].iter().any(|name| frame["function"] == *name))
                };
                let kept = threads.into_iter().find(|thread| holds(thread) && is_inside(thread))?;
                let functions =
                    kept["frames"].as_array().unwrap().iter().filter_map(|frame| frame["function"].as_str());
                let is_whole = functions.into_iter().any(|function| function == "run");
                // One that was met on its way there may have a stack that is cut short, and says so.
                assert!(is_whole || kept["complete"] == false, "{python:?}, {kind}: {kept}");
                is_whole.then_some(())
            });
            let mut client = TextClient::connect(&victim.socket());
            let dump = client.until("\n#############################################\n\n\n");
            assert!(dump.contains(place) && dump.contains(", in descend\n"), "{python:?}, {kind}: {dump}");
            client.until("(ManholeConsole)\n>>> ");
            assert!(client.run("%bt").contains("#0 "), "{python:?}, {kind}");
            client.end();
        }
    }
}

#[test]
fn what_is_not_read_is_said() {
    let _turn = turn::shared();
    for python in pythons() {
        let victim = victim(&python, &["sub"]);
        let (mut client, greeting) = victim.text();
        assert!(
            greeting.contains("(no frames of Python's sub-interpreters, of which there are 1)"),
            "{python:?}: {greeting}"
        );
        assert!(greeting.contains(", in descend\n"), "{python:?}: {greeting}");
        client.end();
    }
}
