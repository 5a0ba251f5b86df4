//! `thread="auto"`, the default: the manhole listens without a thread until one is needed, is there again whatever the program
//! does to signals and descriptors, and leaves the program what only a process without threads can do.

use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use manhole_tests::other_user::{self, ForAll};
use manhole_tests::victim::{Host, Victim, socket_of};
use manhole_tests::{Counters, PATIENCE, TextClient, requires, tasks, text, turn, victims, wait_for, waits};
use nix::sys::signal::Signal;

/// Both say the same: nothing said, and said aloud.
const DEFAULTS: [&str; 2] = ["", "thread=\"auto\""];

/// What a program that is alone says of itself.
const ALONE: &str = "state tasks=1 single=1";

fn alone(options: &str) -> Victim {
    Host::new(victims::c("alone")).options(options).ready()
}

/// A session, and that it answers within so long.
fn answers_within(victim: &Victim, limit: Duration) {
    let began = Instant::now();
    let mut client = TextClient::connect(&victim.socket());
    let greeting = client.until_prompt();
    let took = began.elapsed();
    assert!(greeting.contains(&format!("ThreadID={}", victim.pid())), "{greeting}");
    assert!(took < limit, "it took {took:?} to answer");
    assert!(client.run("print 6*7").contains("42"));
    client.end();
}

fn answers(victim: &Victim) {
    answers_within(victim, PATIENCE);
}

/// It listens without a thread.
fn is_alone(victim: &Victim) {
    let names: Vec<String> = tasks::wait_until_there_are(1, victim.pid()).iter().map(|t| t.field("Name")).collect();
    assert!(victim.socket().exists(), "nobody listens: {names:?} {}", victim.log());
}

// ---- alone before, during and after a session

#[test]
fn no_thread_before_and_after_a_session() {
    let _turn = turn::shared();
    for options in DEFAULTS {
        let mut victim = alone(options);
        is_alone(&victim);
        assert_eq!(tasks::of(victim.pid()).len(), 1, "{options}: a thread from the start");
        for n in 0..3 {
            assert_eq!(victim.ask("state"), ALONE, "{options}, before session {n}");
            let (mut client, greeting) = victim.text();
            assert!(greeting.contains(", in main"), "{greeting}");
            assert!(client.run("print 6*7").contains("42"));
            let found = tasks::of(victim.pid());
            assert!(found.iter().filter(|task| !task.is_ours()).count() == 1, "{found:?}");
            assert_eq!(victim.ask("state"), "state tasks=2 single=1", "{options}, during session {n}");
            client.end();
            is_alone(&victim);
            assert_eq!(victim.ask("state"), ALONE, "{options}, after session {n}");
        }
        assert!(victim.finish().1.success(), "{}", victim.log());
        assert!(!victim.socket().exists(), "the socket has stayed");
    }
}

#[test]
fn several_clients_at_once_and_then_nobody() {
    let _turn = turn::shared();
    let victim = alone("");
    let (mut first, _) = victim.text();
    let mut second = TextClient::connect(&victim.socket());
    assert!(first.run("print 6*7").contains("42"));
    first.end();
    let got = second.until_prompt();
    assert!(got.contains("ThreadID="), "{got}");
    assert!(second.run("print 20+22").contains("42"));
    second.end();
    is_alone(&victim);
    // Connections that are dropped at once, and those that come while the thread leaves.
    for _ in 0..100 {
        drop(UnixStream::connect(victim.socket()).unwrap());
    }
    is_alone(&victim); // none of them waits for its turn any more
    for _ in 0..30 {
        answers(&victim);
    }
    is_alone(&victim);
}

#[test]
fn a_new_user_namespace_before_and_after_a_session() {
    let _turn = turn::shared();
    for sessions in 0..3 {
        let mut control = Host::without_manhole(victims::c("alone")).ready();
        let expected = control.ask("unshare");
        if expected != "unshare result=0 errno=0" {
            requires::missing("a kernel that allows user namespaces");
            return;
        }
        let mut victim = alone("");
        for _ in 0..sessions {
            answers(&victim);
        }
        if sessions > 0 {
            is_alone(&victim);
        }
        assert_eq!(victim.ask("unshare"), expected, "after {sessions} sessions");
        assert_eq!(victim.ask("state"), ALONE);
    }
}

#[test]
fn the_programs_first_thread_brings_ours() {
    let _turn = turn::shared();
    let mut victim = alone("");
    is_alone(&victim);
    assert_eq!(victim.ask("spawn"), "spawn result=0");
    let found = tasks::wait_until_there_are(3, victim.pid());
    assert_eq!(found.iter().filter(|task| task.is_ours()).count(), 1, "{found:?}");
    answers(&victim);
    answers(&victim);
    assert_eq!(victim.ask("spawn"), "spawn result=0");
    let found = tasks::wait_until_there_are(4, victim.pid());
    assert_eq!(found.iter().filter(|task| task.is_ours()).count(), 1, "one is enough: {found:?}");
    answers(&victim);
    assert!(victim.finish().1.success(), "{}", victim.log());
}

#[test]
fn the_programs_first_thread_while_a_client_is_connected() {
    let _turn = turn::shared();
    let mut victim = alone("");
    let (mut client, _) = victim.text();
    assert_eq!(victim.ask("spawn"), "spawn result=0");
    assert!(client.run("bt all").contains("stay"));
    client.end();
    answers(&victim);
    let found = tasks::wait_until_there_are(3, victim.pid());
    assert_eq!(found.iter().filter(|task| task.is_ours()).count(), 1, "{found:?}");
}

// ---- the wake-up disturbs nobody

fn is_undisturbed(class: &str) {
    let wrong = waits::disturbed(class, Some(""), |victim| {
        victim.text().0.end();
        victim.text().0.end();
    });
    assert!(wrong.is_empty(), "{} calls were disturbed:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_timed_wait_is_disturbed() {
    let _turn = turn::alone();
    is_undisturbed("timed");
}

#[test]
fn no_wait_for_input_is_disturbed() {
    let _turn = turn::shared();
    is_undisturbed("fed");
}

#[test]
fn no_endless_wait_is_disturbed_and_the_programs_own_signal_still_ends_it() {
    let _turn = turn::shared();
    is_undisturbed("endless");
}

#[test]
fn a_busy_program_answers_within_a_second() {
    let _turn = turn::alone();
    for (what, flags) in [
        ("burn", victims::USUAL),
        ("malloc-loop", victims::USUAL),
        ("malloc-loop", &["-O2", "-g", "-DOWN_MALLOC"]),
        ("hold-malloc", &["-O2", "-g", "-DOWN_MALLOC"]),
    ] {
        let mut victim = Host::new(victims::c_with("alone", flags)).options("").ready();
        assert_eq!(victim.ask(what), "burning");
        for _ in 0..3 {
            answers_within(&victim, Duration::from_secs(1));
        }
        is_alone(&victim);
    }
}

// ---- signals are the program's

/// Sends the signal so often, each time waiting until its handler has run.
fn gets(victim: &mut Victim, signal: Signal, from: i32, times: i32) {
    for n in 1..=times {
        victim.signal(signal);
        wait_for(&format!("handler run {n} of {signal}"), PATIENCE, || {
            let answer = victim.ask("got");
            let name = if signal == Signal::SIGURG { "urg" } else { "winch" };
            (text::value(&answer, name) == Some(i64::from(from + n))).then_some(())
        });
    }
}

#[test]
fn a_program_that_takes_sigurg() {
    let _turn = turn::shared();
    for how in ["take-urg", "take-urg-signal"] {
        let mut victim = alone("");
        assert_eq!(victim.ask(how), "taken before=dfl", "the program sees our handler");
        gets(&mut victim, Signal::SIGURG, 0, 20);
        answers(&victim);
        gets(&mut victim, Signal::SIGURG, 20, 20);
        answers(&victim);
        assert_eq!(victim.ask("got"), "got urg=40 winch=0", "{how}: signals that the program did not ask for");
    }
    // Taken while somebody is there.
    let mut victim = alone("");
    let (mut client, _) = victim.text();
    assert_eq!(victim.ask("take-urg"), "taken before=dfl");
    gets(&mut victim, Signal::SIGURG, 0, 20);
    assert!(client.run("print 6*7").contains("42"));
    client.end();
    answers(&victim);
    assert_eq!(victim.ask("got"), "got urg=20 winch=0");
}

#[test]
fn a_program_that_takes_both_signals() {
    let _turn = turn::shared();
    let mut victim = alone("verbose=True");
    assert_eq!(victim.ask("take-both"), "taken before=dfl");
    gets(&mut victim, Signal::SIGURG, 0, 10);
    gets(&mut victim, Signal::SIGWINCH, 0, 10);
    answers(&victim);
    gets(&mut victim, Signal::SIGURG, 10, 10);
    gets(&mut victim, Signal::SIGWINCH, 10, 10);
    answers(&victim);
    assert_eq!(victim.ask("got"), "got urg=20 winch=20");
}

#[test]
fn a_program_that_asks_sees_what_it_would_see_without_us() {
    let _turn = turn::shared();
    for sessions in 0..2 {
        let mut victim = alone("");
        for _ in 0..sessions {
            answers(&victim);
        }
        for _ in 0..2 {
            assert_eq!(victim.ask("ask"), "ask urg=dfl winch=dfl signal=dfl", "after {sessions} sessions");
            answers(&victim);
        }
    }
}

#[test]
fn a_program_that_blocks_all_signals() {
    let _turn = turn::shared();
    let mut victim = alone("");
    assert_eq!(victim.ask("block"), "blocked");
    answers(&victim);
    answers(&victim);
    assert_eq!(victim.ask("unblock"), "unblocked");
    answers(&victim);
    assert_eq!(victim.ask("got"), "got urg=0 winch=0");
    // Blocked with somebody connected.
    let (mut client, _) = victim.text();
    assert_eq!(victim.ask("block"), "blocked");
    assert!(client.run("print 6*7").contains("42"));
    client.end();
    answers(&victim);
}

#[test]
fn a_program_that_was_started_with_all_signals_blocked() {
    let _turn = turn::shared();
    let mut victim = alone("");
    victim.say("exec-blocked");
    victim.line_that_starts("ready");
    let blocked = tasks::main_of(victim.pid()).signals("SigBlk");
    for signal in [libc::SIGTERM, libc::SIGUSR1, libc::SIGCHLD] {
        assert!(blocked & tasks::bit(signal) != 0, "the mask was not inherited: {blocked:x}");
    }
    answers(&victim);
    answers(&victim);
    assert!(victim.ask("state").starts_with("state tasks="));
}

#[test]
fn a_program_that_resets_all_dispositions_all_the_time() {
    let _turn = turn::shared();
    let mut victim = alone("");
    assert_eq!(victim.ask("reset"), "resetting");
    for _ in 0..10 {
        answers(&victim);
    }
    assert_eq!(victim.ask("check"), "reset");
    assert_eq!(victim.line(), "intact");
    answers(&victim);
}

// ---- exec

#[test]
fn an_executed_image_has_its_own_manhole_or_none() {
    let _turn = turn::shared();
    for session in [false, true] {
        let mut victim = alone("");
        if session {
            answers(&victim);
        }
        victim.say("exec");
        victim.line_that_starts("ready");
        assert_eq!(victim.ask("state"), ALONE);
        answers(&victim);
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
    answers(&victim);
    assert_eq!(victim.ask("check"), "intact");
}

// ---- descriptors

fn survives(how: &str) {
    let _turn = turn::shared();
    let mut control = Host::without_manhole(victims::c("alone")).ready();
    assert_eq!(control.ask(how), "files");
    assert_eq!(control.ask("check"), "intact", "{how}, without us");

    let mut victim = alone("");
    for n in 0..2 {
        assert_eq!(victim.ask(how), "files");
        assert_eq!(victim.ask("check"), "intact", "{how}, turn {n}");
        answers_within(&victim, Duration::from_secs(2));
        assert_eq!(victim.ask("check"), "intact", "{how}, turn {n}, after a session");
        is_alone(&victim);
    }
    // With a client connected, whose session may end.
    let (mut client, _) = victim.text();
    assert_eq!(victim.ask(how), "files");
    client.send(b"print 6*7\n").ok();
    client.until_end_or_prompt();
    drop(client);
    assert_eq!(victim.ask("check"), "intact", "{how}, with a session open");
    answers_within(&victim, Duration::from_secs(2));
    assert_eq!(victim.ask("check"), "intact", "{how}, at the end");
    assert!(victim.finish().1.success(), "{}", victim.log());
}

#[test]
fn closefrom() {
    survives("closefrom");
}

#[test]
fn close_range() {
    survives("close-range");
}

#[test]
fn a_loop_of_closes() {
    survives("close-loop");
}

#[test]
fn dup2_over_everything() {
    survives("dup2");
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
            answers(&victim);
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
        answers(&victim);
        is_alone(&victim);
        assert!(victim.finish().1.success());
        for pid in [pid, grandchild] {
            let _ = std::fs::remove_file(socket_of(pid)); // they end by _exit, at which nobody can be asked to clean up
        }
    }
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
    answers(&victim);
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
        answers(&victim);
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
        answers(&victim);
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
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_process_ends_with_its_last_own_thread_although_a_client_is_there() {
    let _turn = turn::shared();
    let mut wrong = Vec::new();
    for (how, expected) in ENDS {
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
            answers(&victim);
            all_are_nobody(&victim, &what);
        }
    }
}
