//! Programs whose main loop is their signals get each one that is sent to them, once, whatever we do meanwhile.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use manhole_tests::text::value;
use manhole_tests::victim::Host;
use manhole_tests::{TextClient, place, turn, victims};

const ROUNDS: i64 = 40;
const BURST: i64 = 20;

/// The signals of `signal_loop.c`: what it is sent in a round, once each.
fn sent(way: &str) -> Vec<i32> {
    if way != "signalfd" {
        let mut never = vec![libc::SIGKILL, libc::SIGSTOP, libc::SIGCONT];
        if way != "stkflt" {
            never.push(libc::SIGSTKFLT);
        }
        (1..32).filter(|number| !never.contains(number)).collect()
    } else {
        use libc::{SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
        vec![SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGCHLD]
    }
}

fn every_signal_comes_once(way: &str, thread: &str, more_threads: bool) {
    let program = victims::c("signal_loop");
    let host = Host::without_manhole(place::launcher()).args(["--thread", thread, "--"]).arg(&program).arg(way);
    let mut victim = if more_threads { host.arg("threads") } else { host }.ready();
    let (pid, socket) = (victim.pid().to_string(), victim.socket());
    let stop = AtomicBool::new(false);
    let round = |victim: &mut manhole_tests::Victim, n: i64| {
        let sender = Command::new(&program).args(["send", way, &pid, &n.to_string()]).status().unwrap();
        assert!(sender.success());
        let counts = victim.line_that_starts("counts");
        for number in sent(way) {
            assert_eq!(
                value(&counts, &number.to_string()),
                Some(n + 1),
                "{way}, {thread}: signal {number} in {counts}"
            );
        }
        let queued = (libc::SIGRTMIN() + 1).to_string();
        assert_eq!(value(&counts, &queued), Some((n + 1) * BURST), "{way}, {thread}: the queued ones in {counts}");
        for zero in ["disorder", "foreign"] {
            assert_eq!(value(&counts, zero), Some(0), "{way}, {thread}: {counts}");
        }
    };
    // Nobody is connected; then a session is open; then, beside it, others come and go.
    (0..5).for_each(|n| round(&mut victim, n));
    let mut session = TextClient::connect(&socket);
    assert!(session.until_prompt().contains("ThreadID="));
    (5..10).for_each(|n| round(&mut victim, n));
    assert!(session.run("%bt all").contains("#0 "));
    session.end();
    std::thread::scope(|scope| {
        let dumper = scope.spawn(|| {
            let mut dumps = 0;
            while !stop.load(Ordering::Relaxed) {
                let mut client = TextClient::connect(&socket);
                assert!(client.until_prompt().contains("ThreadID="));
                assert!(client.run("%bt all").contains("#0 "));
                client.end();
                dumps += 2;
            }
            dumps
        });
        let rounds = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (10..ROUNDS).for_each(|n| round(&mut victim, n));
        }));
        stop.store(true, Ordering::Relaxed);
        let dumps = dumper.join().unwrap();
        rounds.unwrap_or_else(|problem| std::panic::resume_unwind(problem));
        assert!(dumps > 1, "only {dumps} dumps");
    });
    let end = (libc::SIGRTMAX() - 1).to_string();
    assert!(Command::new("kill").args(["-s", &end, &pid]).status().unwrap().success());
    assert_eq!(victim.ended().code(), Some(0), "{}", victim.log());
    assert!(!socket.exists());
}

/// With one thread of its own, then with three.
fn with_and_without_threads(way: &str, thread: &str) {
    let _turn = turn::shared();
    for more_threads in [false, true] {
        every_signal_comes_once(way, thread, more_threads);
    }
}

#[test]
fn a_signalfd_beside_our_thread() {
    with_and_without_threads("signalfd", "true");
}

#[test]
fn a_signalfd_without_a_thread_of_ours() {
    with_and_without_threads("signalfd", "auto");
}

#[test]
fn all_signals_waited_for_beside_our_thread() {
    with_and_without_threads("sigwait", "true");
}

/// The signal by which the kernel tells of a client is blocked, and would be taken for one that somebody has sent.
#[test]
fn all_signals_waited_for_without_a_thread_of_ours() {
    with_and_without_threads("sigwait", "auto");
}

#[test]
fn the_signal_that_nobody_uses_beside_our_thread() {
    with_and_without_threads("stkflt", "true");
}

#[test]
fn the_signal_that_nobody_uses_without_a_thread_of_ours() {
    with_and_without_threads("stkflt", "auto");
}
