//! The host's output to the client: nothing lost, nothing doubled, and everything put back.

use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use manhole_tests::victim::{Host, Victim, descriptors_of, socket_of};
use manhole_tests::{PATIENCE, turn, victims, wait_for};

/// A client that takes bytes as they are.
pub(crate) struct Bytes {
    stream: UnixStream,
    got: Vec<u8>,
}

impl Bytes {
    pub(crate) fn connect(victim: &Victim) -> Bytes {
        let stream = wait_for("the manhole", PATIENCE, || UnixStream::connect(victim.socket()).ok());
        let mut client = Bytes { stream, got: Vec::new() };
        client.until("(ManholeConsole)\n>>> ");
        client
    }

    pub(crate) fn send(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Runs a line and gives what comes up to its prompt, and whatever came before.
    pub(crate) fn run(&mut self, line: &str) -> String {
        self.send(line);
        self.until(">>> ")
    }

    /// Reads until it has got `text`, and gives all up to its end.
    pub(crate) fn until(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut searched = 0;
        loop {
            let found = self.got[searched..].windows(text.len()).position(|piece| piece == text.as_bytes());
            if let Some(at) = found {
                let rest = self.got.split_off(searched + at + text.len());
                let before = std::mem::replace(&mut self.got, rest);
                return String::from_utf8_lossy(&before).into_owned();
            }
            searched = self.got.len().saturating_sub(text.len());
            assert!(Instant::now() < deadline, "no {text:?} in {:?}", tail(&self.got));
            assert!(self.read(Duration::from_secs(1)) != Some(0), "the end before {text:?}: {:?}", tail(&self.got));
        }
    }

    fn read(&mut self, patience: Duration) -> Option<usize> {
        self.stream.set_read_timeout(Some(patience)).unwrap();
        let mut piece = vec![0; 1 << 16];
        let count = loop {
            match self.stream.read(&mut piece) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other.ok()?,
            }
        };
        self.got.extend_from_slice(&piece[..count]);
        Some(count)
    }

    /// Is gone, whoever has a copy of its descriptor still: a program that is being started elsewhere may.
    pub(crate) fn hang_up(self) {
        self.stream.shutdown(std::net::Shutdown::Both).unwrap();
    }

    /// Leaves, and gives all that still comes.
    pub(crate) fn leave(mut self) -> Vec<u8> {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
        while self.read(PATIENCE).expect("an end in time") > 0 {}
        self.got
    }
}

fn tail(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(500)..]).into_owned()
}

pub(crate) fn printer(mode: &str, options: &str) -> Victim {
    let host = Host::new(victims::c("printer")).options(options);
    if mode.is_empty() { host.ready() } else { host.arg(mode).ready() }
}

/// Lets the victim act and waits until it has: what it has written, and its failures.
pub(crate) fn act(victim: &mut Victim, line: &str) -> (u64, u64, u64) {
    let before = victim.log().matches("did written=").count();
    victim.say(line);
    let report = wait_for(line, PATIENCE * 2, || {
        let log = victim.log();
        let mut reports = log.lines().filter(|line| line.starts_with("did written="));
        reports.nth(before).filter(|report| report.contains(": ")).map(str::to_owned)
    });
    let number = |name: &str| manhole_tests::text::value(&report, name).expect(name).unsigned_abs();
    (number("written"), number("failed"), number("interrupted"))
}

/// Device and inode of descriptors 0 to 2.
pub(crate) fn identities(pid: i32) -> Vec<(u64, u64)> {
    let of = |number| {
        let data = std::fs::metadata(format!("/proc/{pid}/fd/{number}")).expect("a descriptor");
        (data.dev(), data.ino())
    };
    (0..3).map(of).collect()
}

fn tasks(pid: i32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("the tasks");
    let name = |path: std::path::PathBuf| std::fs::read_to_string(path.join("comm")).unwrap_or_default();
    tasks.filter_map(|task| Some(name(task.ok()?.path()).trim().to_owned())).collect()
}

/// How the victim was before, and whether it is so again.
pub(crate) struct Before(i32, Vec<(u64, u64)>, Vec<(i32, String)>);

impl Before {
    pub(crate) fn of(victim: &Victim) -> Before {
        Before(victim.pid(), identities(victim.pid()), descriptors_of(victim.pid()))
    }

    pub(crate) fn identities(&self) -> &[(u64, u64)] {
        &self.1
    }

    pub(crate) fn is_again(&self) {
        let Before(pid, identities_before, descriptors) = self;
        wait_for("the descriptors of before", PATIENCE, || (identities(*pid) == *identities_before).then_some(()));
        wait_for("the end of the hand", PATIENCE, || (!has_hand(*pid)).then_some(()));
        assert_eq!(descriptors_of(*pid), *descriptors);
    }
}

/// Waits until the saved output and the hand are there, and the pipe is in its place.
pub(crate) fn wait_until_redirected(pid: i32) {
    wait_for("the redirection", PATIENCE, || {
        let all = descriptors_of(pid);
        let saved = all.iter().find(|(number, _)| *number >= 900)?;
        let now = all.iter().find(|(number, _)| *number == 1)?;
        (now.1.starts_with("pipe:") && now.1 != saved.1 && has_hand(pid)).then_some(())
    });
}

fn has_hand(pid: i32) -> bool {
    tasks(pid).iter().any(|name| name == "Manhole hand")
}

#[test]
fn on_and_tee_and_off() {
    let _turn = turn::shared();
    for mode in ["", "threads", "sleepy"] {
        let mut victim = printer(mode, "thread=True");
        let mut client = Bytes::connect(&victim);
        let before = Before::of(&victim);
        assert!(client.run("redirect").contains("redirect is off"));
        assert!(client.run("redirect on").contains("redirect is on: descriptors 1 and 2"), "{mode}");
        assert!(has_hand(victim.pid()));
        let threads = client.run("info threads");
        assert!(threads.contains("\"Manhole hand\" (manhole)"), "{threads}");
        act(&mut victim, "say for the client");
        client.until("for the client\n");
        act(&mut victim, "error to stderr");
        client.until("to stderr\n");
        // A child of fork or vfork has its own output back, one of posix_spawn has what it was given.
        act(&mut victim, "fork child");
        assert_eq!(victim.line(), "child");
        act(&mut victim, "vfork echo executed");
        assert_eq!(victim.line(), "executed");
        act(&mut victim, "spawn echo spawned");
        client.until("spawned\n");
        assert!(client.run("redirect tee").contains("redirect is tee"));
        act(&mut victim, "say for both");
        client.until("for both\n");
        assert_eq!(victim.line(), "for both");
        assert!(client.run("redirect off").contains("redirect is off"));
        before.is_again();
        let (_, failed, interrupted) = act(&mut victim, "say its own");
        assert_eq!(victim.line(), "its own");
        assert_eq!((failed, interrupted), (0, 0), "{mode}");
        assert!(!String::from_utf8_lossy(&client.leave()).contains("its own"));
        assert!(!victim.log().lines().any(|line| line == "for the client"));
        assert_eq!(victim.finish().1.code(), Some(0));
    }
}

#[test]
fn a_hundred_times() {
    let _turn = turn::shared();
    let mut victim = printer("", "thread=True");
    let mut client = Bytes::connect(&victim);
    let before = Before::of(&victim);
    for n in 0..100 {
        assert!(client.run("redirect on").contains("redirect is on"), "{n}");
        act(&mut victim, &format!("say {n}"));
        client.until(&format!("{n}\n"));
        assert!(client.run("redirect off").contains("redirect is off"), "{n}");
    }
    before.is_again();
    assert_eq!(act(&mut victim, "say end").2, 0);
}

#[test]
fn tee_gives_every_byte_to_both() {
    let _turn = turn::shared();
    const SIZE: usize = 1 << 20;
    let mut victim = printer("", "");
    let mut client = Bytes::connect(&victim);
    client.run("redirect tee");
    // No more at a time than waits for a client.
    for _ in 0..16 {
        act(&mut victim, &format!("burst {SIZE}"));
        let last = format!("{:062}-\n", SIZE / 64 - 1);
        let got = client.until(&last);
        assert_eq!(got.trim_start_matches(">>> ").len(), SIZE);
        for line in 0..SIZE / 64 {
            assert_eq!(victim.line(), format!("{line:062}-"));
        }
    }
    client.run("redirect off");
    client.leave();
}

#[test]
fn what_the_process_puts_in_the_place_stays() {
    let _turn = turn::shared();
    let mut victim = printer("", "");
    let mut client = Bytes::connect(&victim);
    let file = tempfile::NamedTempFile::new().unwrap();
    client.run("redirect on");
    act(&mut victim, &format!("stdout {}", file.path().display()));
    assert!(client.run("redirect").contains("redirect is on: descriptors 2 go"));
    act(&mut victim, "say to the file");
    client.run("redirect off");
    act(&mut victim, "say to the file as well");
    assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "to the file\nto the file as well\n");
    assert!(!has_hand(victim.pid()));
}

#[test]
fn a_process_that_closes_what_it_does_not_know() {
    let _turn = turn::shared();
    let mut victim = printer("", "thread=True");
    let mut client = Bytes::connect(&victim);
    let before = Before::of(&victim);
    client.run("redirect on");
    act(&mut victim, "closeall");
    client.run("redirect off");
    // What the test runner has left open is closed as well.
    assert_eq!(identities(victim.pid()), before.1);
    assert!(!has_hand(victim.pid()));
    act(&mut victim, "say its own");
    assert_eq!(victim.line(), "its own");
}

#[test]
fn last_words() {
    let _turn = turn::shared();
    // What stdio holds back at exit is written by libc after our destructor: to the process's own output.
    let mut victim = printer("", "daemon_connection=True, redirect=\"session\"");
    let mut client = Bytes::connect(&victim);
    wait_until_redirected(victim.pid());
    act(&mut victim, "say for the client");
    act(&mut victim, "print held back");
    victim.say("return");
    client.until("for the client\n");
    assert_eq!(victim.line(), "held back");
    assert_eq!(victim.ended().code(), Some(0));

    let mut victim = printer("", "redirect=\"session\"");
    let mut client = Bytes::connect(&victim);
    wait_until_redirected(victim.pid());
    victim.say("_exit 7");
    client.until("last\n");
    assert_eq!(victim.ended().code(), Some(7));
}

#[test]
fn a_program_that_was_started_meanwhile_writes_on() {
    let _turn = turn::shared();
    for threads in ["thread=True", ""] {
        let mut victim = printer("", threads);
        let mut client = Bytes::connect(&victim);
        client.run("redirect on");
        act(&mut victim, "launch echo early; sleep 5 & sleep 1; echo late; echo status=$? >&9");
        client.until("early\n");
        client.leave();
        assert_eq!(victim.line_that_starts("late"), "late");
        victim.log_with("status=0");
    }
}

#[test]
fn what_others_print_while_a_line_runs_goes_where_it_belongs_too() {
    let _turn = turn::shared();
    const SIZE: usize = 64 << 20;
    let mut victim = printer("threads", "timeout=60");
    let mut client = Bytes::connect(&victim);
    // A line's own output is the client's alone, also beside threads that write elsewhere.
    for n in 0..50 {
        let text = client.run(&format!("call (long)write(1, \"of the line {n}\\n\", {})", 13 + n.to_string().len()));
        assert!(text.contains(&format!("of the line {n}\n")), "{text}");
        act(&mut victim, &format!("error {n}"));
    }
    let text = client.run("call (int)system(\"echo of its program\")");
    assert!(text.contains("of its program\n"), "{text}");
    // And the process's own is never lost. What is written as a line ends may be overtaken.
    victim.say(&format!("burst {SIZE}"));
    let mut got = Vec::new();
    while got.len() < SIZE / 64 {
        if got.len() % 4096 == 0 {
            client.send("call (int)usleep(20000)");
        }
        got.push(victim.line());
    }
    got.sort_unstable();
    for (number, line) in got.iter().enumerate() {
        assert_eq!(*line, format!("{number:062}-"));
    }
    act(&mut victim, "say the end");
    assert_eq!(victim.line(), "the end");
    let text = String::from_utf8_lossy(&client.leave()).into_owned();
    assert!(text.matches(" = 0\n").count() >= SIZE / 64 / 4096, "{}", tail(text.as_bytes()));
    let shown = text.lines().filter(|line| line.len() == 63 && line.ends_with('-')).count();
    assert!(shown > 0, "the client sees what was printed meanwhile");
}

/// Not the pipe, whose reader ends with the process: a program that writes to it would die of SIGPIPE.
#[test]
fn a_program_that_is_executed_has_its_own_output() {
    let _turn = turn::shared();
    for threads in ["thread=True", "thread='auto'"] {
        for (function, words) in
            [("execl", "5 yes"), ("execlp", "4 yes"), ("execle", "1 yes"), ("execve", "0 yes"), ("execvp", "0 yes")]
        {
            let options = format!("children=False, {threads}");
            let mut victim = Host::new(victims::c("printer")).options(options).env("HERE", "yes").ready();
            let mut client = Bytes::connect(&victim);
            client.run("redirect on");
            let line = "echo $# $HERE; echo status=$? high=$(ls /proc/$$/fd | grep ^9..) >&2";
            victim.say(&format!("{function} {line}"));
            client.until("not executed\n");
            assert_eq!(victim.line(), words, "{function}");
            assert_eq!(victim.log_with("high="), "status=0 high=\n", "{function}");
            assert!(victim.finish().1.success(), "{function}");
        }
    }
}

#[test]
fn options_of_the_session() {
    let _turn = turn::shared();
    let mut victim = printer("", "redirect=\"session\", redirect_stderr=False");
    let mut client = Bytes::connect(&victim);
    wait_until_redirected(victim.pid());
    act(&mut victim, "error on stderr");
    act(&mut victim, "say on stdout");
    let got = client.until("on stdout\n");
    assert!(!got.contains("on stderr"));
    victim.log_with("on stderr");
    client.leave();
    act(&mut victim, "say its own");
    assert_eq!(victim.line(), "its own");

    // A daemon whose output is lost, watched.
    let mut victim = printer("", "redirect=\"tee\"");
    act(&mut victim, "stdout /dev/null");
    let mut client = Bytes::connect(&victim);
    wait_until_redirected(victim.pid());
    act(&mut victim, "say seen");
    client.until("seen\n");
    client.leave();
    assert!(descriptors_of(victim.pid()).contains(&(1, "/dev/null".to_owned())));
}

#[test]
fn the_log_stays_out_of_the_pipe() {
    let _turn = turn::shared();
    let mut victim = printer("", "verbose=True, dump_on=\"USR2\"");
    let mut client = Bytes::connect(&victim);
    client.run("redirect on");
    victim.signal(nix::sys::signal::Signal::SIGUSR2);
    victim.log_with("printer.c");
    act(&mut victim, "say marker");
    let got = client.until("marker\n");
    assert!(!got.contains("printer.c"), "{got}");
}

#[test]
fn nobody_can_be_asked() {
    let _turn = turn::shared();
    let script = "import signal,sys\nsignal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n\
                  print('ready', flush=True)\nsys.stdin.read()\n";
    let victim = Host::new("python3").args(["-c", script]).options("thread=True, prompt='native'").ready();
    let mut client = Bytes::connect(&victim);
    let before = Before::of(&victim);
    let answer = client.run("redirect on");
    assert!(answer.contains("cannot redirect: no thread of the process could be asked"), "{answer}");
    before.is_again();
}

#[test]
fn real_programs() {
    let _turn = turn::shared();
    let python =
        "import sys\nprint('ready', flush=True)\nfor line in sys.stdin:\n    print('py', line.strip(), flush=True)\n";
    let bash = "echo ready; while read line; do echo sh $line; done";
    for (program, script, says) in [("python3", python, "py"), ("bash", bash, "sh")] {
        let mut victim = Host::new(program).args(["-c", script]).options("prompt='native'").ready();
        let mut client = Bytes::connect(&victim);
        let before = Before::of(&victim);
        for way in ["on", "tee", "on"] {
            assert!(client.run(&format!("redirect {way}")).contains("redirect is"));
            victim.say(way);
            client.until(&format!("{says} {way}\n"));
            if way == "tee" {
                assert_eq!(victim.line(), format!("{says} {way}"));
            }
        }
        client.leave();
        before.is_again();
        victim.say("own");
        assert_eq!(victim.line(), format!("{says} own"));
        assert_eq!(victim.finish().1.code(), Some(0));
    }
}

#[test]
fn a_running_thread_and_a_slow_reader() {
    let _turn = turn::shared();
    // It never waits, so its clock asks it; then it writes, and waits for its reader as it would without us.
    let script = "import os\nos.write(1, b'ready\\n')\nwhile not os.path.exists(os.environ['GO']): pass\n\
                  for n in range(200000): os.write(1, b'%07d\\n' % n)\nos.write(1, b'end\\n')\ninput()\n";
    let go = tempfile::tempdir().unwrap();
    let go = go.path().join("go");
    let mut host = Command::new("python3")
        .args(["-c", script])
        .env("LD_PRELOAD", manhole_tests::place::library())
        .env("MANHOLE", "prompt='native'")
        .env("GO", &go)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = host.stdout.take().unwrap();
    output.read_exact(&mut [0; 6]).unwrap();
    let path = socket_of(i32::try_from(host.id()).unwrap());
    let stream = wait_for("the manhole", PATIENCE, || UnixStream::connect(&path).ok());
    let mut client = Bytes { stream, got: Vec::new() };
    client.until("(ManholeConsole)\n>>> ");
    assert!(client.run("redirect tee").contains("redirect is tee"));
    std::fs::write(&go, "").unwrap();
    let mut got = Vec::new();
    let mut piece = vec![0; 5000];
    while !got.ends_with(b"end\n") {
        // Other lines are answered meanwhile.
        if got.len() % 50_000 == 0 {
            client.send("print 6*7");
            client.until("42");
        }
        let count = output.read(&mut piece).unwrap();
        got.extend_from_slice(&piece[..count]);
    }
    let wanted: Vec<u8> =
        (0..200_000).flat_map(|n| format!("{n:07}\n").into_bytes()).chain(b"end\n".iter().copied()).collect();
    assert!(got == wanted, "{} bytes of {}", got.len(), wanted.len());
    client.run("redirect off");
    client.leave();
    drop(host.stdin.take());
    assert!(host.wait().unwrap().code().is_some());
}

#[test]
fn forks_while_the_output_is_moved_to_and_fro() {
    let _turn = turn::shared();
    for mode in ["", "threads"] {
        let mut victim = printer(mode, "thread=True, reinstall_delay=30");
        let mut client = Bytes::connect(&victim);
        let before = Before::of(&victim);
        victim.say("forks 400");
        let mut rounds = 0;
        while !victim.log().contains(": forks") {
            client.run("redirect on");
            client.run("redirect off");
            rounds += 1;
        }
        assert!(rounds > 3, "{rounds}");
        // Each child has found its own output, and nothing of ours.
        let log = victim.log();
        assert!(log.contains("children=400 astray=0"), "{mode}: {log}");
        before.is_again();
    }
}

#[test]
fn the_last_thread_of_glibc_s_ends_the_process() {
    let _turn = turn::shared();
    let mut victim = printer("", "daemon_connection=True");
    let mut client = Bytes::connect(&victim);
    client.run("redirect on");
    victim.say("pthread_exit");
    assert_eq!(victim.ended().code(), Some(0));
}

#[test]
fn the_manhole_fails() {
    let _turn = turn::shared();
    let mut victim = printer("", "thread=True");
    let mut client = Bytes::connect(&victim);
    let before = Before::of(&victim);
    client.run("redirect on");
    // From now on the process gets no memory, and the dump of a large library needs some.
    let pid = victim.pid().to_string();
    let limited = Command::new("prlimit").args(["--pid", &pid, "--as=1:"]).status();
    if limited.is_err() {
        return eprintln!("skipped: there is no prlimit");
    }
    for line in ["dump_stacktraces()", "info sharedlibrary", "x/100000gx $sp"] {
        let _ = client.stream.write_all(format!("{line}\n").as_bytes());
    }
    victim.log_with("out of memory: the manhole is off");
    before.is_again();
    act(&mut victim, "say its own");
    assert_eq!(victim.line(), "its own");
}

/// Each gives its place at the client up, and takes it again.
#[test]
fn programs_that_are_not_there() {
    let _turn = turn::shared();
    let script = "import os, sys
def miss(count):
    for _ in range(count):
        try: os.execv('/nonexistent', ['nonexistent'])
        except FileNotFoundError: pass
    return count
print('ready', flush=True)
for line in sys.stdin: sys.stderr.write(str(miss(int(line))) + '\\n')";
    let mut victim = Host::new("/usr/bin/python3").options("prompt='native'").args(["-I", "-c", script]).ready();
    let mut client = victim.text().0;
    client.run("redirect on");
    // At a tenth of a second each it would take longer than anybody waits here.
    victim.say("400");
    client.until("400\n");
    client.end();
    assert!(victim.finish().1.success(), "{}", victim.log());
}
