//! A limit of threads and processes that is exactly what the host needs (RLIMIT_NPROC): our thread is never the one too many.

use std::path::Path;

use manhole_tests::other_user::ForAll;
use manhole_tests::text::value;
use manhole_tests::victim::Host;
use manhole_tests::{PATIENCE, TextClient, tasks, turn, victims, wait_for};

/// Nobody else's, and each test has its own: the limit counts all that a user runs.
const USERS: [&str; 4] = ["61917", "61918", "61919", "61920"];

const WAYS: [&str; 9] = ["pthread", "thrd", "fork", "_Fork", "forkpty", "spawn", "spawnp", "system", "popen"];

fn host(options: Option<&str>, program: &Path, all: &ForAll, most: &str, user: &str) -> Host {
    let host = match options {
        None => Host::without_manhole(program),
        Some(options) => Host::new(program).library(&all.library).options(format!("verbose=True, {options}")),
    };
    host.args([most, user])
}

#[test]
fn one_more_is_made_as_without_us() {
    let _turn = turn::shared();
    let Some(all) = ForAll::new() else { return };
    let program = all.program(&victims::c_with("room", &["-O1", "-g", "-std=gnu11"]));
    for way in WAYS {
        for options in [None, Some(""), Some("thread=True"), Some("oneshot_on='SEGV'")] {
            let mut victim = host(options, &program, &all, "2", USERS[0]).ready();
            if options == Some("thread=True") {
                victim.log_with("Waiting for new connection");
            }
            assert_eq!(victim.ask(way), format!("{way} result=0"), "{options:?}: {}", victim.log());
            // Processes have ended by now, and a client finds room for our thread.
            if options.is_some() && !matches!(way, "pthread" | "thrd") && options != Some("oneshot_on='SEGV'") {
                victim.answers();
                // It leaves when the host needs its room; what a client is connected to stays.
                wait_for("the end of the session", PATIENCE, || victim.log().contains("Cleaned up.").then_some(()));
                assert_eq!(victim.ask(way), format!("{way} result=0"), "{options:?}, again: {}", victim.log());
            }
            assert!(victim.finish().1.success(), "{way}, {options:?}");
        }
    }
}

#[test]
fn the_last_thread_is_the_hosts() {
    let _turn = turn::shared();
    let Some(all) = ForAll::new() else { return };
    let program = all.program(&victims::c_with("room", &["-O1", "-g", "-std=gnu11"]));
    for options in [None, Some(""), Some("thread=True")] {
        let mut victim = host(options, &program, &all, "5", USERS[1]).ready();
        let results: Vec<_> = (0..6).map(|_| value(&victim.ask("pthread"), "result").unwrap()).collect();
        let refused = i64::from(libc::EAGAIN);
        assert_eq!(results, [0, 0, 0, 0, refused, refused], "{options:?}: {}", victim.log());
        assert_eq!(victim.ask("fork"), format!("fork result={refused}"));
        assert!(victim.finish().1.success(), "{options:?}");
    }
}

#[test]
fn a_client_for_whom_there_is_no_thread_is_told() {
    let _turn = turn::shared();
    let Some(all) = ForAll::new() else { return };
    let program = all.program(&victims::c_with("room", &["-O1", "-g", "-std=gnu11"]));
    for options in ["", "thread=True"] {
        let mut victim = host(Some(options), &program, &all, "1", USERS[2]).ready();
        // The thread that was there before the limit leaves, and cannot come back: the manhole stands without one.
        assert_eq!(victim.ask("setns"), format!("setns result={}", libc::EBADF));
        tasks::wait_until_there_are(1, victim.pid());
        for _ in 0..2 {
            let mut client = TextClient::connect(&victim.socket());
            let heard = client.until_end();
            let expected = format!("The manhole of process {} cannot start its thread (EAGAIN", victim.pid());
            assert!(heard.starts_with(&expected), "{options}, {heard:?}: {}", victim.log());
        }
        assert!(victim.finish().1.success());
    }
}

/// What needs the room may last, and a client may come meanwhile.
#[test]
fn the_manhole_stands_while_what_it_has_made_room_for_runs() {
    let _turn = turn::shared();
    let Some(all) = ForAll::new() else { return };
    let program = all.program(&victims::c_with("room", &["-O1", "-g", "-std=gnu11"]));
    let mut victim = host(Some("thread=True"), &program, &all, "2", USERS[3]).ready();
    victim.log_with("Waiting for new connection");
    let looks = format!("shell test -S {}", victim.socket().display());
    assert_eq!(victim.ask(&looks), format!("{looks} result=0"), "{}", victim.log());
    victim.answers();
    assert!(victim.finish().1.success());
}
