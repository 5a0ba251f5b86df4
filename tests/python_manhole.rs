//! Side by side with python-manhole in one run: the same program with its package, and with the library preloaded. The bytes on the socket after the
//! banner, how sessions end, the log's lines, what the program prints. Each difference is listed with its reason.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use manhole_tests::pythons::pythons;
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, place, turn, venv, victims, wait_for};

/// What ends the banner.
const BANNER: &str = "(ManholeConsole)\n";

struct Both {
    theirs: Victim,
    ours: Victim,
}

/// The program twice. `None`: the package is not there, and the test has said so.
fn both(python: &Path, options: &str) -> Both {
    let program = |host: Host| host.arg(victims::script("python_console.py"));
    let theirs = program(Host::without_manhole(python)).arg(options).ready();
    let ours = program(Host::new(python)).options(format!("children=False, {options}")).ready();
    Both { theirs, ours }
}

/// Sends all of it, ends the input, and reads to the end.
fn conversation(victim: &Victim, lines: &[u8]) -> String {
    let mut stream = wait_for("the manhole", PATIENCE, || UnixStream::connect(victim.socket()).ok());
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(lines).expect("send lines");
    stream.shutdown(Shutdown::Write).ok();
    let mut got = Vec::new();
    stream.read_to_end(&mut got).expect("the end of the session");
    let got = String::from_utf8_lossy(&got).into_owned();
    match got.split_once(BANNER) {
        Some((_, rest)) => rest.to_owned(),
        None => got,
    }
}

const LINES: &[&[u8]] = &[
    b"",
    b"\n",
    b"   \n",
    b"1+1\n",
    b"1+1",
    b"1+1\r\n",
    b"None\n",
    b"x=1\nx\n",
    b"_=3\n_\n",
    b"'a'*10\n2\n3\n",
    b"print('FOOBAR')\n",
    b"print('a',end='')\n",
    b"print(*range(3), sep='\\n')\n",
    b"print('e',file=sys.stderr)\n",
    b"sys.stdout.write('x')\n",
    b"print(sys.stdout.isatty(), sys.stdout.encoding, type(sys.stdout))\n",
    b"for i in range(2):\n  print(i)\n\n",
    b"def f():\n\treturn 1\n\nf()\n",
    b"class A:\n  def f(self):\n    pass\n\n\nA\n",
    b"async def f(): pass\n\n",
    b"(\n1\n)\n",
    b"'''a\nb'''\n",
    b"if 1:\n",
    b"1/0\n",
    b"1 1\n",
    b"@\n",
    b"\0\n",
    b"raise ValueError('\\u20ac')\n",
    b"raise KeyboardInterrupt\n",
    b"'\xe2\x82\xac\xc3\xa4'\n",
    b"sorted(globals())\n",
    b"__name__\n",
    b"__doc__\n",
    b"locals() is globals()\n",
    b"help\n",
    b"exit\n",
    b"import os\nos.getcwd()\n",
    b"import logging; logging.error('x')\n",
    b"import warnings; warnings.warn('w')\n",
    b"input('q')\nBob\n",
    b"sys.last_value\n",
    b"1/0\nsys.last_value\n",
    b"import code; code.interact()\n1+1\n",
    b"exit()\n",
    b"quit()\n",
    b"raise SystemExit()\n",
    b"raise SystemExit(3)\n",
    b"sys.exit('bye')\n",
    b"1\nexit()\n2\n",
];

/// Lines that are answered otherwise, with what ours answer, and why.
const OTHERWISE: &[(&[u8], &str, &str)] = &[
    (
        b"sys.stdin\n",
        ">>> <_io.TextIOWrapper encoding='utf-8'>\n>>> \nnow exiting ManholeConsole...\n",
        "there it is a socket, here descriptor 0 from then on that a line reads",
    ),
    (
        b"\xff\n1\n",
        ">>> UnicodeEncodeError: 'utf-8' codec can't encode character '\\udcff' in position 0: surrogates not allowed\n\
         >>> 1\n>>> \nnow exiting ManholeConsole...\n",
        "there the session breaks off; here the next line works",
    ),
    (
        b"hasattr(sys, 'ps1')\n",
        ">>> False\n>>> \nnow exiting ManholeConsole...\n",
        "there sys.ps1 is set, and stays in the process",
    ),
];

#[test]
fn the_same_bytes_on_the_socket() {
    let _turn = turn::shared();
    let Some(python) = venv::program("python") else { return };
    let both = both(&python, "verbose=True");
    for &(lines, expected, reason) in OTHERWISE {
        let (theirs, ours) = (conversation(&both.theirs, lines), conversation(&both.ours, lines));
        assert_eq!(ours, expected, "{reason}");
        assert_ne!(theirs, ours, "no difference any more: {reason}");
    }
    let mut wrong = Vec::new();
    for &lines in LINES {
        let (theirs, ours) = (conversation(&both.theirs, lines), conversation(&both.ours, lines));
        if theirs != ours {
            wrong.push(format!("{:?}\n  theirs: {theirs:?}\n  ours:   {ours:?}", String::from_utf8_lossy(lines)));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), LINES.len(), wrong.join("\n"));
}

#[test]
fn with_options() {
    let _turn = turn::shared();
    let Some(python) = venv::program("python") else { return };
    for (options, lines) in [
        ("verbose=True, redirect_stderr=False", &b"print('e', file=sys.stderr)\n1/0\nprint('o')\n"[..]),
        ("verbose=True, locals={'k1': '1 + 1'}", b"k1 in (2, '1 + 1')\n"),
        ("verbose=True, daemon_connection=True", b"1+1\n"),
        ("verbose=True, start_timeout=2, patch_fork=False, reinstall_delay=0", b"1+1\n"),
    ] {
        let both = both(&python, options);
        assert_eq!(conversation(&both.theirs, lines), conversation(&both.ours, lines), "{options}");
    }
}

/// The log's messages, without pids, times and descriptors.
fn messages(victim: &Victim) -> Vec<String> {
    let pid = victim.pid().to_string();
    let log = victim.log_with("Cleaned up.");
    let messages = log.lines().filter_map(|line| line.split_once("]: ").map(|(_, message)| message));
    let plain = messages.map(|message| {
        let words = message.split(' ').map(|word| if word.starts_with("fd:") { "fd:N" } else { word });
        words.collect::<Vec<_>>().join(" ").replace(&pid, "PID")
    });
    plain.collect()
}

#[test]
fn the_same_lines_in_the_log() {
    let _turn = turn::shared();
    let Some(python) = venv::program("python") else { return };
    let both = both(&python, "verbose=True");
    for victim in [&both.theirs, &both.ours] {
        conversation(victim, b"1+1\n");
    }
    let mut theirs = messages(&both.theirs);
    let mut ours = messages(&both.ours);
    assert_eq!(ours.remove(0), "Patched fork, forkpty and daemon.", "there it names the functions of Python's");
    // Its thread may be quicker.
    let patched = theirs.iter().position(|message| message.starts_with("Patched <built-in function fork>"));
    theirs.remove(patched.expect("it says that it has patched fork"));
    let thread = "Started ManholeConnectionThread thread. Checking credentials ...";
    assert!(theirs.iter().any(|message| message == thread), "{theirs:?}");
    // Here no thread is started for a connection.
    theirs.retain(|message| message != thread);
    // When the log is read, the last line may not be there yet.
    let end = |messages: &[String]| messages.iter().position(|message| message == "Cleaned up.");
    theirs.truncate(end(&theirs).expect("an end") + 1);
    ours.truncate(end(&ours).expect("an end") + 1);
    assert_eq!(theirs, ours);
}

/// The package opens its own manhole where it is installed and asked for: then it has the path, and keeps it.
#[test]
fn beside_the_package() {
    let _turn = turn::shared();
    let Some(python) = venv::program("python") else { return };
    let host = Host::without_manhole(&python).env("LD_PRELOAD", place::library()).env("PYTHONMANHOLE", "verbose=True");
    let victim = host.arg(victims::script("python_console.py")).ready();
    victim.log_with("Patched <built-in function fork>");
    // Ours was there first, and has said so in the same words.
    wait_for("the package's manhole", PATIENCE, || (victim.log().matches("(in pid:").count() == 2).then_some(()));
    let inode = || std::fs::metadata(victim.socket()).map(|metadata| metadata.ino()).ok();
    let before = inode();
    for _ in 0..10 {
        assert_eq!(conversation(&victim, b"1+1\n"), ">>> 2\n>>> \nnow exiting ManholeConsole...\n");
    }
    assert!(victim.log().contains("Started ManholeConnectionThread thread."), "{}", victim.log());
    assert_eq!(inode(), before);
}

#[test]
fn the_exec_handler() {
    let _turn = turn::shared();
    let Some(python) = venv::program("python") else { return };
    let both = both(&python, "verbose=True, connection_handler='exec', locals={'k': 41}");
    let lines = b"print('a', k, flush=True)\nk += 1\nprint('b', k, flush=True)\nexit()\n";
    for mut victim in [both.theirs, both.ours] {
        assert_eq!(conversation(&victim, lines), "");
        assert_eq!([victim.line(), victim.line()], ["a 41", "b 42"]);
        let log = victim.log_with("Exiting exec loop.");
        assert!(log.contains("Running: \"print('a', k, flush=True)\\n\"."), "{log}");
    }
}

/// With the library preloaded, and what python-manhole's users set.
fn with_python_manhole(program: impl AsRef<std::ffi::OsStr>, text: &str) -> Host {
    Host::without_manhole(program).env("LD_PRELOAD", place::library()).env("PYTHONMANHOLE", text)
}

#[test]
fn what_is_set_for_python_manhole_holds_in_a_python() {
    let _turn = turn::shared();
    for python in [pythons().first(), pythons().last()].into_iter().flatten() {
        let start = |text: &str| with_python_manhole(python, text).arg(victims::script("python_console.py")).ready();
        let victim = start("locals={'k': 'a text', 'n': 3}, redirect_stderr=False");
        let (mut client, _) = victim.text();
        assert_eq!(client.run("k, n"), "('a text', 3)\n", "{}", python.display());
        assert_eq!(client.run("print('e', file=sys.stderr)"), "");
        victim.log_with("Manhole UDS path: /tmp/manhole-");
        let oneshot = start("oneshot_on='USR2'");
        assert!(!oneshot.socket().exists());
        oneshot.signal(nix::sys::signal::Signal::SIGUSR2);
        let (mut client, _) = oneshot.text();
        assert!(client.run("%info threads").contains("Manhole"));
        client.end();
        let mut wrong = start("foo=1");
        assert!(!wrong.socket().exists());
        assert!(wrong.log_with("\n").starts_with("Failed to manhole.install(foo=1): "), "{}", wrong.log());
        assert_eq!(wrong.ask("print"), "printed");
    }
}

#[test]
fn what_is_set_for_python_manhole_means_nothing_elsewhere() {
    let _turn = turn::shared();
    let mut shell = with_python_manhole("sh", "foo=1").args(["-c", "echo ready; read line; echo $line"]).ready();
    let (mut client, _) = shell.text();
    assert!(client.run("6 * 7").contains("42"));
    drop(client);
    assert_eq!(shell.ask("on"), "on");
    // MANHOLE wins where both are set.
    let python = Path::new("/usr/bin/python3");
    let both = Host::new(python).env("PYTHONMANHOLE", "foo=1").arg(victims::script("python_console.py"));
    let victim = both.options("locals={'k': '6 * 7'}").ready();
    let (mut client, _) = victim.text();
    assert_eq!(client.run("k"), "42\n");
}
