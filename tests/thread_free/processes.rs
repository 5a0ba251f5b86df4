//! A manhole without a thread while the process executes, forks, ends, and becomes another user.

use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use manhole_tests::other_user::{self, ForAll};
use manhole_tests::victim::{Host, Victim, socket_of};
use manhole_tests::{Counters, PATIENCE, TextClient, tasks, turn, victims, wait_for};

use super::{ALONE, alone, is_alone};

// ---- exec

#[test]
fn an_executed_image_has_its_own_manhole_or_none() {
    let _turn = turn::shared();
    for session in [false, true] {
        let mut victim = alone("");
        if session {
            victim.answers();
        }
        victim.say("exec");
        victim.line_that_starts("ready");
        assert_eq!(victim.ask("state"), ALONE);
        victim.answers();
        is_alone(&victim);

        // Without the environment there is no preload: nobody listens, and the program gets no signal of ours.
        victim.say("exec-bare");
        victim.line_that_starts("ready");
        let error = UnixStream::connect(victim.socket()).expect_err("the new image does not know of the socket");
        use std::io::ErrorKind::{ConnectionRefused, NotFound};
        assert!(matches!(error.kind(), ConnectionRefused | NotFound), "{error}");
        assert_eq!(victim.ask("state"), ALONE);
        assert!(victim.finish().1.success());
    }
}

#[test]
fn an_exec_ends_a_session() {
    let _turn = turn::shared();
    let mut victim = alone("");
    let (mut client, _) = victim.text();
    victim.say("exec");
    victim.line_that_starts("ready");
    client.until_end();
    victim.answers();
    assert_eq!(victim.ask("check"), "intact");
}

// ---- children

fn forker(options: &str) -> Victim {
    Host::new(victims::c("forker")).arg("quiet").options(options).ready()
}

/// The child that the answer `child NAME PID …` tells of.
fn child(answer: &str) -> i32 {
    assert!(answer.starts_with("child "), "{answer}");
    answer.split_whitespace().nth(2).unwrap().parse().unwrap()
}

#[test]
fn forked_children_that_live_have_manholes_without_threads() {
    let _turn = turn::shared();
    for sessions in 0..2 {
        let mut victim = forker("reinstall_delay=0.3");
        for _ in 0..sessions {
            victim.answers();
        }
        let began = Instant::now();
        let pid = child(&victim.ask("fork"));
        assert_eq!(tasks::of(pid).len(), 1, "the child has a thread at once");
        let mut client = TextClient::connect(&socket_of(pid));
        let waited = began.elapsed();
        assert!(waited > Duration::from_millis(200), "the child's manhole was open after {waited:?}");
        let greeting = client.until_prompt();
        assert!(greeting.contains(&format!("ProcessID={pid},")), "{greeting}");
        client.end();
        tasks::wait_until_there_are(1, pid);
        let mut client = TextClient::connect(&socket_of(pid));
        client.until_prompt();
        client.end();
        let grandchild = child(&victim.ask("fork-fork"));
        TextClient::connect(&socket_of(grandchild)).until_prompt();
        victim.answers();
        is_alone(&victim);
        assert!(victim.finish().1.success());
        for pid in [pid, grandchild] {
            let _ = std::fs::remove_file(socket_of(pid)); // they end by _exit, at which nobody can be asked to clean up
        }
    }
}

/// Its time to open comes while it blocks all signals, and it lets them through again before our thread has given that up.
#[test]
fn a_forked_child_that_blocks_all_signals_for_a_while() {
    let _turn = turn::shared();
    const PROGRAM: &str = "
import os, signal, sys, time
if os.fork() == 0:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(0.3)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
    print('child', os.getpid(), flush=True)
sys.stdin.read()
";
    let mut victim = Host::new("python3").args(["-c", PROGRAM]).options("reinstall_delay=0.2").start();
    let line = victim.line();
    let pid: i32 = line.strip_prefix("child ").and_then(|pid| pid.parse().ok()).expect("a pid");
    let mut client = TextClient::connect(&socket_of(pid));
    assert!(client.until_prompt().contains(&format!("ProcessID={pid},")));
    client.end();
}

#[test]
fn forked_children_that_end_early_leave_nothing() {
    let _turn = turn::shared();
    let mut victim = forker("reinstall_delay=0.2");
    let inode = victim.socket().metadata().unwrap().ino();
    let mut children = Vec::new();
    for _ in 0..10 {
        for (kind, status) in [("fork-exit", 7), ("fork-return", 5)] {
            let answer = victim.ask(kind);
            assert!(answer.ends_with(&format!("status={status}")), "{answer}");
            children.push(child(&answer));
        }
    }
    assert_eq!(victim.ask("storm 60"), "storm 60 failures=0");
    victim.answers();
    for pid in children {
        assert!(!socket_of(pid).exists(), "child {pid} has left a socket");
    }
    assert_eq!(victim.socket().metadata().unwrap().ino(), inode, "a child has touched its parent's socket");
    is_alone(&victim);
}

#[test]
fn a_child_that_executes_is_not_hit_by_our_timer() {
    let _turn = turn::shared();
    // The child executes a program without a preload in the delay: what is left of ours in it would be a signal that kills.
    let script = "exec env -u LD_PRELOAD -u MANHOLE sleep 1";
    let shell = format!("for i in 1 2 3; do ( {script} ) & done; wait $!; echo status=$?; wait; read -r line");
    let mut victim = Host::new("/bin/sh").args(["-c", &shell]).options("reinstall_delay=0.1").start();
    assert_eq!(victim.line(), "status=0");
    assert!(victim.runs());
}

#[test]
fn children_that_are_no_forks_do_not_touch_the_manhole() {
    let _turn = turn::shared();
    let mut victim = alone("");
    let inode = victim.socket().metadata().unwrap().ino();
    let (mut client, _) = victim.text();
    for how in ["vfork-exit", "vfork-exec", "posix-spawn", "spawn-missing"] {
        assert_eq!(victim.ask(how), "children=20 wrong=0", "{how}, with a session");
        assert!(client.run("print 6*7").contains("42"), "{how}");
    }
    client.end();
    is_alone(&victim);
    for how in ["vfork-exit", "vfork-exec", "posix-spawn", "spawn-missing"] {
        assert_eq!(victim.ask(how), "children=20 wrong=0", "{how}");
        victim.answers();
        is_alone(&victim);
        assert_eq!(victim.socket().metadata().unwrap().ino(), inode, "{how}: another socket");
    }
}

#[test]
fn a_fork_in_a_handler_over_malloc_does_not_hang() {
    let _turn = turn::shared();
    let counters = Counters::new();
    let mut victim = Host::new(victims::c("alone")).arg(counters.path()).options("reinstall_delay=0.1").ready();
    victim.say("fork-alarm");
    let forks = |count: u64| {
        let from = counters.get(0);
        wait_for("more forks", PATIENCE, || (counters.get(0) >= from + count).then_some(()));
    };
    forks(100);
    for _ in 0..5 {
        let (mut client, greeting) = victim.text();
        assert!(greeting.contains("fork_alarm"), "{greeting}");
        forks(40);
        assert!(client.run("bt").contains("#0 "));
        client.end();
        forks(40);
    }
    counters.stop();
    let answer = victim.line();
    assert!(answer.ends_with(" wrong=0"), "{answer}");
    is_alone(&victim);
}

// ---- ends

/// The ways in which the last thread of the program's own can end, and the status that the process then has.
const ENDS: [(&str, i32); 3] = [("pthread-exit", 0), ("pthread-exit-later", 0), ("raw-exit", 7)];

/// What was wrong with the end of a process in this way, after so many sessions, and with a client connected.
fn end(how: &str, expected: i32, options: Option<&str>, sessions: usize, connected: bool) -> Option<String> {
    let program = victims::c("alone");
    let mut victim = match options {
        Some(options) => Host::new(program).options(options).ready(),
        None => Host::without_manhole(program).ready(),
    };
    for _ in 0..sessions {
        victim.answers();
    }
    let client = connected.then(|| victim.text().0);
    victim.say(how);
    let what = format!("{how} with {options:?} after {sessions} sessions, a client connected: {connected}");
    let deadline = Instant::now() + Duration::from_secs(3);
    while victim.runs() {
        if Instant::now() > deadline {
            return Some(format!("{what}: it has not ended"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    if let Some(mut client) = client {
        client.until_end();
    }
    let status = victim.ended();
    (status.code() != Some(expected)).then(|| format!("{what}: {status:?}"))
}

#[test]
fn the_process_ends_with_its_last_own_thread() {
    let _turn = turn::shared();
    let mut wrong = Vec::new();
    for (how, expected) in ENDS {
        assert_eq!(end(how, expected, None, 0, false), None, "without us");
        for options in ["", "thread=True"] {
            wrong.extend((0..=2).filter_map(|sessions| end(how, expected, Some(options), sessions, false)));
        }
        for options in ["activate_on='USR2'", "oneshot_on='USR2'", "thread=False"] {
            wrong.extend(end(how, expected, Some(options), 0, false));
        }
    }
    wrong.extend(end("inline-exit", 7, Some(""), 0, false));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_process_ends_with_its_last_own_thread_although_a_client_is_there() {
    let _turn = turn::shared();
    let mut wrong = Vec::new();
    for (how, expected) in ENDS.into_iter().chain([("inline-exit", 7)]) {
        for options in ["daemon_connection=True", "daemon_connection=True, thread=True"] {
            wrong.extend(end(how, expected, Some(options), 0, true));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// ---- users

#[test]
fn setpriv_runs_a_program() {
    let _turn = turn::shared();
    let Some(all) = ForAll::new() else {
        return;
    };
    for options in ["", "thread=\"auto\"", "thread=True", "activate_on='USR2'"] {
        let output = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "/bin/true"])
            .env("LD_PRELOAD", &all.library)
            .env("MANHOLE", options)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{options:?}: {:?} {said}", output.status);
    }
}

/// All threads act for the same user, ours too: a thread that kept root's rights would be a way to them.
fn all_are_nobody(victim: &Victim, what: &str) {
    for task in tasks::of(victim.pid()) {
        for field in ["Uid", "Gid"] {
            let found = task.field(field);
            assert!(
                found.split_whitespace().all(|id| id == "65534"),
                "{what}: thread {} ({}) has {field} {found}",
                task.tid,
                task.field("Name")
            );
        }
        assert_eq!(task.field("CapEff").trim_start_matches('0'), "", "{what}: thread {} has rights left", task.tid);
    }
}

#[test]
fn a_program_that_becomes_another_user() {
    let _turn = turn::shared();
    let Some(all) = ForAll::new() else {
        return;
    };
    let program = all.program(&victims::c("alone"));
    for (options, session) in [("", false), ("", true), ("thread=True", false), ("thread=True", true)] {
        for how in ["setuid", "setreuid", "setresuid"] {
            let what = format!("{how} with {options:?}, session: {session}");
            let mut victim = Host::new(&program).library(&all.library).options(options).ready();
            let client = session.then(|| victim.text().0);
            assert_eq!(victim.ask(how), "setuid result=0", "{what}");
            all_are_nobody(&victim, &what);
            if let Some(mut client) = client {
                assert!(client.run("print 6*7").contains("42"), "{what}");
                client.end();
            }
            if how != "setuid" {
                continue;
            }
            // Its new user may come in, its old neighbours may not.
            wait_for("the socket to be its new user's", PATIENCE, || {
                (victim.socket().metadata().ok()?.uid() == 65534).then_some(())
            });
            let greeting = other_user::greeting(65534, &victim.socket());
            assert!(greeting.contains("ThreadID="), "{what}: its own user was refused: {greeting} {}", victim.log());
            other_user::open_the_mode(&victim.socket());
            assert_eq!(other_user::greeting(1, &victim.socket()), "", "{what}: user 1 got in");
            victim.answers();
            all_are_nobody(&victim, &what);
        }
    }
}
