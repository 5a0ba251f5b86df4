//! Python's console beside a thread that `oneshot_on` holds: it stops between two instructions of Python's and not with the interpreter's lock, wherever
//! the signal has met it, and stands still until the client leaves.

use manhole_tests::pythons::pythons;
use manhole_tests::victim::Host;
use manhole_tests::{PATIENCE, turn, victims, wait_for};

use nix::sys::signal::Signal::SIGUSR2;

/// What the main thread does in turn, to be met anywhere: in the interpreter, in the allocator, without the lock, waiting for the lock.
const BUSY: [&str; 4] =
    ["pass", "bytearray(100_000)", "hashlib.pbkdf2_hmac('sha256', b'x', b'y', 2_000)", "os.stat('/')"];

/// A program that counts, with so many threads beside the main one that want the lock.
fn program(busy: &str, others: u32) -> String {
    format!(
        "import hashlib, os, threading, time\nn = 0\ndef work():\n    while True: pass\nfor _ in range({others}): \
         threading.Thread(target=work, daemon=True).start()\nprint('ready', flush=True)\nwhile True:\n    n += 1; {busy}\n"
    )
}

/// How long the main thread has run, in nanoseconds.
fn ran(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/schedstat")).expect("a thread's times");
    text.split_whitespace().next().and_then(|time| time.parse().ok()).expect("a number")
}

#[test]
fn a_busy_main_thread_is_held_without_the_lock() {
    let _turn = turn::shared();
    for python in pythons() {
        for (busy, others) in BUSY.into_iter().zip([0, 0, 0, 0]).chain([("pass", 1), ("pass", 3)]) {
            let what = format!("{}: {busy}, {others} others", python.display());
            let victim = Host::new(&python).args(["-c", &program(busy, others)]).options("oneshot_on='USR2'").ready();
            let mut last = 0;
            for round in 0..2 {
                // A signal that comes while the thread is held still is none for another shot.
                let before = ran(victim.pid());
                wait_for("the main thread to run", PATIENCE, || {
                    (ran(victim.pid()) > before + 20_000_000).then_some(())
                });
                victim.signal(SIGUSR2);
                let (mut client, greeting) = victim.text();
                assert!(greeting.contains("is held by SIGUSR2"), "{what}: {greeting}");
                let answer = client.run("print('FOOBAR')");
                assert!(answer.ends_with("FOOBAR\n") || answer.starts_with("FOOBAR\n"), "{what}, {round}: {answer}");
                // On a loaded machine it comes to its next instruction after the line: the answer says so, and the list of threads when it has.
                wait_for("the main thread to be held", PATIENCE, || {
                    client.run("%info threads").contains("held by SIGUSR2").then_some(())
                });
                client.run("import __main__, time");
                // A line that gives the lock up for a while, and one that does nothing, so that it is free between the lines.
                client.run("before = __main__.n; time.sleep(0.05)");
                assert_eq!(client.run("print(__main__.n - before)"), "0\n", "{what}, {round}");
                let n: u64 = client.run("print(__main__.n)").trim().parse().expect("a number");
                assert!(n > last, "{what}, {round}: {n} after {last}");
                last = n;
                client.send(b"exit()\n").expect("send a line");
                client.until_end();
            }
        }
    }
}

/// Where the signal meets a thread that has the lock of all imports, which the console's own need.
#[test]
fn a_main_thread_that_imports_is_held_after_that() {
    let _turn = turn::shared();
    const PROGRAM: &str = "
import sys, time
class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == 'of_nowhere': time.sleep(0.05)
sys.meta_path.insert(0, Finder)
print('ready', flush=True)
while True:
    try: import of_nowhere
    except ImportError: pass
";
    for python in pythons() {
        let victim = Host::new(&python).args(["-c", PROGRAM]).options("oneshot_on='USR2'").ready();
        victim.signal(SIGUSR2);
        let (mut client, _) = victim.text();
        assert_eq!(client.run("print('FOOBAR')"), "FOOBAR\n", "{}", python.display());
        assert_eq!(client.run("import wave; wave.__name__"), "'wave'\n", "{}", python.display());
    }
}

/// Where the signal meets the main thread with the mutex that guards the interpreter's lock: nobody has the lock, and nobody gets it.
#[test]
fn a_main_thread_that_gives_the_lock_back_is_held_after_that() {
    let _turn = turn::shared();
    let library = victims::c_with("within_lock", &["-shared", "-fPIC"]);
    const PROGRAM: &str = "
import ctypes, os
arm = ctypes.CDLL(None).arm
print('ready', flush=True)
input()
arm()
while True: os.stat('/')
";
    for python in pythons() {
        let host = Host::new(&python).args(["-c", PROGRAM]).options("oneshot_on='USR2'");
        let mut victim = host.library(&library).also_preloads(&manhole_tests::place::library()).ready();
        victim.say("");
        let (mut client, greeting) = victim.text();
        assert!(greeting.contains("is held by SIGUSR2"), "{}: {greeting}", python.display());
        // Where the thread is not seen to be in the lock's own functions, another one has its turn after a while.
        assert!(client.run("print('FOOBAR')").ends_with("FOOBAR\n"), "{}", python.display());
        wait_for("the main thread to be held", PATIENCE, || {
            client.run("%info threads").contains("held by SIGUSR2").then_some(())
        });
    }
}
