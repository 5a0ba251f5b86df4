//! Clients that misbehave: they vanish at each byte, flood, stall, and come in thousands. The host loses nothing by them, and the next one is served.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use manhole_tests::victim::{Host, Victim, descriptors_of};
use manhole_tests::{PATIENCE, TextClient, requires, structured, tasks, turn, victims, wait_for};

fn printer(options: &str) -> Victim {
    Host::new(victims::c("printer")).options(options).ready()
}

fn connect(victim: &Victim) -> UnixStream {
    let stream = wait_for("the manhole", PATIENCE, || UnixStream::connect(victim.socket()).ok());
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Whether a client that comes now gets an answer.
fn is_served(victim: &Victim) -> bool {
    let mut stream = connect(victim);
    let mut got = Vec::new();
    let _ = stream.write_all(b"print 6*7\nquit\n");
    let _ = stream.read_to_end(&mut got);
    String::from_utf8_lossy(&got).contains("$1 = 42")
}

/// What a process has, of what may leak.
#[derive(Debug)]
struct Belongings {
    host_descriptors: usize,
    agent_descriptors: usize,
    tasks: usize,
    mappings: usize,
    resident_kib: usize,
}

impl Belongings {
    fn of(victim: &Victim) -> Belongings {
        let pid = victim.pid();
        let tasks = tasks::of(pid);
        let open = |tid: i32| std::fs::read_dir(format!("/proc/{pid}/task/{tid}/fd")).map_or(0, Iterator::count);
        let text = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
        let status = text("status");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Belongings {
            host_descriptors: descriptors_of(pid).len(),
            agent_descriptors: tasks.iter().filter(|task| task.is_ours()).map(|task| open(task.tid)).sum(),
            tasks: tasks.len(),
            mappings: text("maps").lines().count(),
            resident_kib: resident.split_whitespace().next().unwrap().parse().unwrap(),
        }
    }

    /// Whether this is what there was before; the kernel joins neighbouring mappings or does not.
    fn are(&self, before: &Belongings) -> bool {
        let counts = |all: &Belongings| [all.host_descriptors, all.agent_descriptors, all.tasks];
        counts(self) == counts(before)
            && self.mappings.abs_diff(before.mappings) <= 2
            && self.resident_kib.abs_diff(before.resident_kib) < 1024
    }
}

/// Does so to a manhole whose thread stays, after a session that has left what the first one leaves, and finds nothing more there.
fn leaves_nothing(act: impl FnOnce(&Victim)) {
    let mut victim = printer("thread=True");
    for _ in 0..20 {
        victim.answers();
    }
    // What the last session had goes after its client has gone.
    let settled = || {
        wait_for("nothing that changes any more", PATIENCE, || {
            let first = Belongings::of(&victim);
            let until = Instant::now() + Duration::from_millis(300);
            while Instant::now() < until {
                std::thread::sleep(Duration::from_millis(10));
                if !Belongings::of(&victim).are(&first) {
                    return None;
                }
            }
            Some(first)
        })
    };
    let before = settled();
    act(&victim);
    // Those that have gone may still be in the way.
    wait_for("the prompt", PATIENCE, || is_served(&victim).then_some(()));
    let deadline = Instant::now() + PATIENCE;
    while !Belongings::of(&victim).are(&before) {
        assert!(Instant::now() < deadline, "before: {before:?}, now: {:?}", Belongings::of(&victim));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(victim.runs());
    victim.say("say alive");
    assert_eq!(victim.line_that_starts("alive"), "alive");
}

/// What a client of lines says, and what one of frames.
const SPEECHES: [(&[u8], bool); 2] = [
    (b"info threads\nprint 6*7\nx/4gx $sp\nnonsense\nbt\nquit\n", false),
    (
        b"{\"id\":1,\"greet\":true}\n{\"id\":2,\"run\":\"bt all\",\"format\":\"json\"}\n{\"id\":3,\"complete\":\"info th\",\"cursor\":7}\n\
          {\"interrupt\":2}\n{\"id\":4,\"run\":\"print 6*7\"}\n",
        true,
    ),
];

#[test]
fn gone_after_each_byte_that_it_says() {
    let _turn = turn::shared();
    leaves_nothing(|victim| {
        for (speech, is_structured) in SPEECHES {
            for said in 0..=speech.len() {
                let mut stream = if is_structured { structured::stream(&victim.socket()) } else { connect(victim) };
                let _ = stream.write_all(&speech[..said]);
                // Every other one leaves a half that is open: it says no more, and reads nothing.
                if said % 2 == 0 {
                    let _ = stream.shutdown(std::net::Shutdown::Write);
                }
            }
        }
    });
}

#[test]
fn gone_after_each_byte_that_it_hears() {
    let _turn = turn::shared();
    leaves_nothing(|victim| {
        let mut whole = Vec::new();
        let mut stream = connect(victim);
        stream.write_all(b"print 6*7\nquit\n").unwrap();
        stream.read_to_end(&mut whole).unwrap();
        let step = if requires::is_long() { 1 } else { 17 };
        for heard in (0..whole.len()).step_by(step) {
            let mut stream = connect(victim);
            stream.write_all(b"print 6*7\nquit\n").unwrap();
            let (mut piece, mut left) = (vec![0; whole.len()], heard);
            while left > 0 {
                match stream.read(&mut piece[..left]) {
                    Ok(count) if count > 0 => left -= count,
                    _ => break,
                }
            }
        }
    });
}

#[test]
fn thousands_one_after_the_other() {
    let _turn = turn::shared();
    let count = if requires::is_long() { 10_000 } else { 1000 };
    leaves_nothing(|victim| {
        for number in 0..count {
            assert!(is_served(victim), "client {number}");
        }
    });
}

#[test]
fn many_at_once() {
    let _turn = turn::shared();
    leaves_nothing(|victim| {
        for _ in 0..5 {
            let crowd: Vec<UnixStream> = (0..100).filter_map(|_| UnixStream::connect(victim.socket()).ok()).collect();
            assert!(crowd.len() > 16);
            for (number, mut stream) in crowd.into_iter().enumerate() {
                if number % 3 == 0 {
                    let _ = stream.write_all(b"bt all\n");
                }
            }
        }
    });
}

/// One that says as much as it can and hears nothing: what waits is bounded, and so is what is kept of it.
#[test]
fn floods() {
    let _turn = turn::shared();
    leaves_nothing(|victim| {
        for line in [&b"print 6*7\n"[..], b"nonsense\n", b"bt all\n", b"\n", &[b'x'; 4096], &[0; 4096], b"{\"id\":1}\n"]
        {
            for is_structured in [false, true] {
                let mut stream = if is_structured { structured::stream(&victim.socket()) } else { connect(victim) };
                stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
                let block = line.repeat((64 << 10) / line.len());
                let mut sent = 0;
                while sent < 32 << 20 {
                    match stream.write(&block) {
                        Ok(count) if count > 0 => sent += count,
                        _ => break,
                    }
                }
                let now = Belongings::of(victim);
                assert!(now.resident_kib < 96 << 10, "{:?} bytes sent: {now:?}", sent);
            }
        }
    });
}

/// One that stalls in the middle of what it says, and one in the middle of what it hears: others see the dump, and have their turn.
#[test]
fn stalls() {
    let _turn = turn::shared();
    let dumps = b"bt all\n".repeat(500);
    for (options, said) in [("thread=True", &b"print 6*"[..]), ("", b"print 6*"), ("", &dumps)] {
        let victim = printer(options);
        let mut stalled = connect(&victim);
        stalled.write_all(said).unwrap();
        for _ in 0..2 {
            let mut second = TextClient::connect(&victim.socket());
            let mut seen = String::new();
            wait_for("the dump", PATIENCE, || {
                seen += &second.read_available();
                seen.contains(", in main").then_some(())
            });
        }
        let mut third = TextClient::connect(&victim.socket());
        drop(stalled);
        third.until_prompt();
        assert!(third.run("print 6*7").contains("42"));
    }
}
