//! Ends of the host at every phase of a connection, a dump and a session: as without us, at once, and with nothing left behind.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use manhole_tests::victim::Host;
use manhole_tests::{PATIENCE, requires, turn, victims, wait_for};
use nix::sys::signal::Signal;

/// The ways to end of victims/exits.c, and signals that end it from outside.
const WAYS: [&str; 13] = [
    "exit",
    "return",
    "_exit",
    "quick_exit",
    "abort",
    "segv",
    "term",
    "pthread_exit",
    "exec",
    "exit-in-thread",
    "exit-in-atexit",
    "SIGTERM",
    "SIGKILL",
];

/// What the client is at when the host ends.
const PHASES: [&str; 10] = [
    "nobody is there",
    "it connects",
    "the greeting comes",
    "it has the prompt",
    "an answer comes",
    "a line is typed",
    "a call runs",
    "the output is redirected",
    "it leaves",
    "it has left",
];

/// Numbers without pattern (xorshift64, G. Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

/// Lets the victim end so; what it has said and its status.
fn end(
    way: &str,
    threads: bool,
    mut host: Host,
    act: impl FnOnce(i32, &std::path::Path),
) -> (Vec<String>, ExitStatus, bool) {
    let by_signal = way.starts_with("SIG");
    host = host.arg(if by_signal { "return" } else { way });
    if threads {
        host = host.arg("threads");
    }
    let mut victim = host.ready();
    act(victim.pid(), &victim.socket());
    match way {
        "SIGTERM" => victim.signal(Signal::SIGTERM),
        "SIGKILL" => victim.signal(Signal::SIGKILL),
        _ => {}
    }
    let (said, status) = victim.finish();
    let is_left = victim.socket().exists();
    let _ = std::fs::remove_file(victim.socket());
    (said, status, is_left)
}

/// Reads so many bytes, or what there is of them.
fn read(stream: &mut UnixStream, count: u64) {
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let mut left = usize::try_from(count).unwrap();
    let mut piece = [0; 4096];
    while left > 0 {
        let room = left.min(piece.len());
        match stream.read(&mut piece[..room]) {
            Ok(got) if got > 0 => left -= got,
            _ => break,
        }
    }
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
}

fn until_prompt(stream: &mut UnixStream) {
    let mut got = Vec::new();
    let mut piece = [0; 4096];
    while !got.ends_with(b">>> ") {
        match stream.read(&mut piece) {
            Ok(count) if count > 0 => got.extend(&piece[..count]),
            _ => return,
        }
    }
}

/// Brings a connection to the phase. What is given back stays open until the host has ended.
fn bring(phase: &str, numbers: &mut Numbers, socket: &std::path::Path) -> Option<UnixStream> {
    if phase == "nobody is there" {
        return None;
    }
    let mut stream = wait_for("the manhole", PATIENCE, || UnixStream::connect(socket).ok());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    if phase == "it connects" {
        return Some(stream);
    }
    if phase == "the greeting comes" {
        read(&mut stream, numbers.below(2000));
        return Some(stream);
    }
    until_prompt(&mut stream);
    let mut say = |line: &str| drop(stream.write_all(line.as_bytes()));
    match phase {
        "an answer comes" => {
            say("bt all\nbt all\nbt all\n");
            read(&mut stream, numbers.below(3000));
        }
        "a line is typed" => say("print 6*"),
        "a call runs" => {
            say("call (int)usleep(100000)\n");
            read(&mut stream, numbers.below(2));
        }
        "the output is redirected" => {
            say("redirect on\n");
            until_prompt(&mut stream);
        }
        "it leaves" => say("quit\n"),
        "it has left" => {
            say("quit\n");
            read(&mut stream, 1 << 20);
        }
        _ => {}
    }
    Some(stream)
}

#[test]
fn at_every_phase() {
    let _turn = turn::shared();
    let program = victims::c("exits");
    let mut expected = BTreeMap::new();
    for way in WAYS {
        for threads in [false, true] {
            let (said, status, _) = end(way, threads, Host::without_manhole(&program), |_, _| {});
            expected.insert((way, threads), (said, status.code(), status.signal()));
        }
    }
    let rounds = if requires::is_long() { 10_000 } else { 150 };
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for round in 0..rounds {
        let (way, phase) = (numbers.of(&WAYS), numbers.of(&PHASES));
        let threads = numbers.below(2) == 1;
        let options = numbers.of(&["daemon_connection=True", "daemon_connection=True, thread=True"]);
        let what = format!("round {round}: {way}, threads: {threads}, {options}, {phase}");
        let mut open = None;
        let delay = Duration::from_micros(numbers.below(300));
        let (said, status, is_left) = end(way, threads, Host::new(&program).options(options), |_, socket| {
            open = bring(phase, &mut numbers, socket);
            std::thread::sleep(delay);
        });
        let is_sudden = matches!(way, "quick_exit" | "abort" | "segv" | "term" | "exec" | "SIGTERM" | "SIGKILL");
        // What is printed while the output is the client's is the client's, if that is still there.
        // Of an end that nobody is told of, what is still on its way through the pipe of a line is lost.
        let is_theirs = phase == "the output is redirected" || (phase == "a call runs" && is_sudden);
        let said = if is_theirs { expected[&(way, threads)].0.clone() } else { said };
        assert_eq!((said, status.code(), status.signal()), expected[&(way, threads)], "{what}");
        assert!(is_sudden || !is_left, "{what}: its socket is left");
        drop(open);
    }
}

/// The output of a line begins to be redirected while the process executes another program, which has nobody at the other end of a pipe.
#[test]
fn executes_when_a_line_begins() {
    let _turn = turn::shared();
    let program = victims::c("exits");
    let late = victims::c_with("late_execution", &["-O2", "-shared", "-fPIC"]);
    for options in ["daemon_connection=True", "daemon_connection=True, thread=True"] {
        let mut open = None;
        let host = Host::new(&program).options(options).also_preloads(&late);
        let (said, status, _) = end("exec", true, host, |_, socket| {
            let mut stream = wait_for("the manhole", PATIENCE, || UnixStream::connect(socket).ok());
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            until_prompt(&mut stream);
            stream.write_all(b"call (int)usleep(2000000)\n").unwrap();
            open = Some(stream);
        });
        assert_eq!((said, status.code()), (vec!["exec ran".to_owned()], Some(0)), "{options}: {status:?}");
    }
}

/// At each moment there is a thread, and no list of them has it for sure.
#[test]
fn a_process_that_lives_in_a_chain_of_threads() {
    let _turn = turn::shared();
    for options in ["verbose=True", "verbose=True, daemon_connection=True"] {
        let mut victim = Host::new(victims::c_with("chain", &["-O1", "-g", "-pthread"])).options(options).ready();
        let mut client = victim.text().0;
        for n in 1..=200 {
            assert_eq!(client.run("print 6*7"), format!("${n} = 42\n"), "{}", victim.log());
        }
        client.end();
        for _ in 0..20 {
            victim.text().0.end();
        }
        victim.closes_stdin();
        assert_eq!(victim.ended().code(), Some(9), "{}", victim.log());
    }
}
