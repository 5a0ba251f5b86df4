//! Ends: exactly as without us, and the socket goes with the process.

use std::os::unix::process::ExitStatusExt;

use manhole_tests::victim::Host;
use manhole_tests::{turn, victims};

const WAYS: &[&str] = &[
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
];

/// What it says and how it ends.
fn end(way: &str, threads: bool, with_manhole: bool, options: &str) -> (Vec<String>, Option<i32>, Option<i32>, bool) {
    let program = victims::c("exits");
    let mut host =
        if with_manhole { Host::new(&program).options(options) } else { Host::without_manhole(&program) }.arg(way);
    if threads {
        host = host.arg("threads");
    }
    let mut victim = host.ready();
    if with_manhole {
        // A whole session first, so that there is something to clean up.
        victim.text().0.end();
    }
    let (said, status) = victim.finish();
    (said, status.code(), status.signal(), victim.socket().exists())
}

#[test]
fn every_end_is_the_same_as_without_us() {
    let _turn = turn::shared();
    for &way in WAYS {
        for threads in [false, true] {
            let with = end(way, threads, true, "verbose=True");
            let without = end(way, threads, false, "");
            assert_eq!((&with.0, with.1, with.2), (&without.0, without.1, without.2), "{way}, threads: {threads}");
            if ["exit", "return", "pthread_exit", "exit-in-thread"].contains(&way) {
                assert!(!with.3, "{way}, threads: {threads}: the socket is still there");
            }
        }
    }
}

#[test]
fn a_session_keeps_the_exiting_process_until_the_client_leaves() {
    let _turn = turn::shared();
    let mut victim = Host::new(victims::c("exits")).arg("exit").ready();
    let (mut client, _) = victim.text();
    victim.say("go");
    // It stays, and the prompt still answers; the client is told.
    let notice = client.until_prompt();
    assert!(notice.contains("exit"), "{notice:?}");
    assert!(client.run("print 6*7").contains("42"));
    assert!(victim.runs());
    client.end();
    assert_eq!(victim.ended().code(), Some(4));
    assert!(!victim.socket().exists());
}

#[test]
fn with_daemon_connection_it_ends_at_once() {
    let _turn = turn::shared();
    let mut victim = Host::new(victims::c("exits")).arg("exit").options("daemon_connection=True").ready();
    let (mut client, _) = victim.text();
    victim.say("go");
    assert_eq!(victim.ended().code(), Some(4));
    client.until_end();
}

#[test]
fn sudden_ends_are_never_delayed() {
    let _turn = turn::shared();
    for way in ["_exit", "quick_exit", "abort", "segv", "term", "exec"] {
        let mut victim = Host::new(victims::c("exits")).args([way, "threads"]).ready();
        let (mut client, _) = victim.text();
        victim.say("go");
        if way == "exec" {
            assert_eq!(victim.line_that_starts("exec ran"), "exec ran");
        }
        victim.ended();
        client.until_end();
    }
}

#[test]
fn dumps_at_the_moment_of_exit() {
    let _turn = turn::shared();
    for n in 0..40 {
        let mut victim =
            Host::new(victims::c("exits")).args(["return", "threads"]).options("daemon_connection=True").ready();
        let (mut client, _) = victim.text();
        client.send(b"bt all\nbt all\nbt all\n").unwrap();
        victim.say("go");
        assert_eq!(victim.ended().code(), Some(4), "turn {n}: {}", victim.log());
        drop(client);
    }
}
