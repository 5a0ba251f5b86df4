//! `thread="auto"`, the default: the manhole listens without a thread until one is needed, is there again whatever the program
//! does to signals and descriptors, and leaves the program what only a process without threads can do.

mod processes;
mod rests;

use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, TextClient, requires, tasks, text, turn, victims, wait_for, waits_are_undisturbed};
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
        victim.answers();
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
            victim.answers();
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
    victim.answers();
    victim.answers();
    assert_eq!(victim.ask("spawn"), "spawn result=0");
    let found = tasks::wait_until_there_are(4, victim.pid());
    assert_eq!(found.iter().filter(|task| task.is_ours()).count(), 1, "one is enough: {found:?}");
    victim.answers();
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
    victim.answers();
    let found = tasks::wait_until_there_are(3, victim.pid());
    assert_eq!(found.iter().filter(|task| task.is_ours()).count(), 1, "{found:?}");
}

// ---- nowhere to listen

/// A path that cannot be had costs no thread. It is tried again by the way.
#[test]
fn a_path_that_cannot_be_had_yet() {
    let _turn = turn::shared();
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("later");
    let path = directory.join("{pid}");
    let mut victim = Host::new(victims::c("moves")).options(format!("socket_path='{}'", path.display())).ready();
    let socket = directory.join(victim.pid().to_string());
    let log = victim.log_with(&format!("Cannot listen at {}: cannot bind: ENOENT", socket.display()));
    assert_eq!(log.lines().count(), 1, "{log}");
    assert_eq!(victim.ask("spawn true"), "spawn status=0");
    assert_eq!(tasks::of(victim.pid()).len(), 1);
    std::fs::create_dir(&directory).unwrap();
    wait_for("the socket", PATIENCE, || {
        assert_eq!(victim.ask("spawn true"), "spawn status=0");
        socket.exists().then_some(())
    });
    assert_eq!(tasks::of(victim.pid()).len(), 1);
    let mut client = TextClient::connect(&socket);
    assert!(client.until_prompt().contains(&format!("ThreadID={}", victim.pid())));
    client.end();
    assert!(victim.finish().1.success());
}

/// The signal that was to activate it comes again, and the first client after that is served.
#[test]
fn an_activation_that_succeeds_the_second_time() {
    let _turn = turn::shared();
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("later");
    let options = format!("activate_on='USR2', verbose=True, socket_path='{}'", directory.join("{pid}").display());
    let mut victim = Host::new(victims::c("moves")).options(options).ready();
    let socket = directory.join(victim.pid().to_string());
    victim.signal(Signal::SIGUSR2);
    victim.log_with("Cannot listen at ");
    std::fs::create_dir(&directory).unwrap();
    victim.signal(Signal::SIGUSR2);
    let mut client = TextClient::connect(&socket);
    assert!(client.until_prompt().contains(&format!("ThreadID={}", victim.pid())));
    assert!(client.run("print 6*7").contains("42"));
    client.end();
    assert_eq!(victim.log().matches("Manhole UDS path").count(), 1, "{}", victim.log());
    assert!(victim.finish().1.success());
}

// ---- the wake-up disturbs nobody

waits_are_undisturbed!("", |victim| {
    victim.text().0.end();
    victim.text().0.end();
});

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
        victim.answers();
        gets(&mut victim, Signal::SIGURG, 20, 20);
        victim.answers();
        assert_eq!(victim.ask("got"), "got urg=40 winch=0", "{how}: signals that the program did not ask for");
    }
    // Taken while somebody is there.
    let mut victim = alone("");
    let (mut client, _) = victim.text();
    assert_eq!(victim.ask("take-urg"), "taken before=dfl");
    gets(&mut victim, Signal::SIGURG, 0, 20);
    assert!(client.run("print 6*7").contains("42"));
    client.end();
    victim.answers();
    assert_eq!(victim.ask("got"), "got urg=20 winch=0");
}

#[test]
fn a_program_that_takes_both_signals() {
    let _turn = turn::shared();
    let mut victim = alone("verbose=True");
    assert_eq!(victim.ask("take-both"), "taken before=dfl");
    gets(&mut victim, Signal::SIGURG, 0, 10);
    gets(&mut victim, Signal::SIGWINCH, 0, 10);
    victim.answers();
    gets(&mut victim, Signal::SIGURG, 10, 10);
    gets(&mut victim, Signal::SIGWINCH, 10, 10);
    victim.answers();
    assert_eq!(victim.ask("got"), "got urg=20 winch=20");
}

/// In the moment in which the program takes the signal a client would raise the program's own handler.
#[test]
fn a_client_that_comes_while_the_program_takes_both_signals() {
    let _turn = turn::shared();
    for _ in 0..25 {
        let mut victim = alone("");
        let socket = victim.socket();
        let comes = AtomicBool::new(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Not so many that the one who comes afterwards has to be refused.
                for _ in (0..8).take_while(|_| comes.load(Ordering::SeqCst)) {
                    drop(UnixStream::connect(&socket));
                }
            });
            assert_eq!(victim.ask("take-both"), "taken before=dfl");
            comes.store(false, Ordering::SeqCst);
        });
        victim.answers();
        assert_eq!(victim.ask("got"), "got urg=0 winch=0", "signals that nobody has sent");
    }
}

#[test]
fn a_program_that_asks_sees_what_it_would_see_without_us() {
    let _turn = turn::shared();
    for sessions in 0..2 {
        let mut victim = alone("");
        for _ in 0..sessions {
            victim.answers();
        }
        for _ in 0..2 {
            assert_eq!(victim.ask("ask"), "ask urg=dfl winch=dfl signal=dfl", "after {sessions} sessions");
            victim.answers();
        }
    }
}

#[test]
fn a_program_that_blocks_all_signals() {
    let _turn = turn::shared();
    let mut victim = alone("");
    assert_eq!(victim.ask("block"), "blocked");
    victim.answers();
    victim.answers();
    assert_eq!(victim.ask("unblock"), "unblocked");
    victim.answers();
    assert_eq!(victim.ask("got"), "got urg=0 winch=0");
    // Blocked with somebody connected.
    let (mut client, _) = victim.text();
    assert_eq!(victim.ask("block"), "blocked");
    assert!(client.run("print 6*7").contains("42"));
    client.end();
    victim.answers();
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
    victim.answers();
    victim.answers();
    assert!(victim.ask("state").starts_with("state tasks="));
}

#[test]
fn a_program_that_resets_all_dispositions_all_the_time() {
    let _turn = turn::shared();
    let mut victim = alone("");
    assert_eq!(victim.ask("reset"), "resetting");
    for _ in 0..10 {
        victim.answers();
    }
    assert_eq!(victim.ask("check"), "reset");
    assert_eq!(victim.line(), "intact");
    victim.answers();
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
        answers_within(&victim, PATIENCE);
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
    answers_within(&victim, PATIENCE);
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

#[test]
fn closes_by_number() {
    survives("close-by-number");
}

#[test]
fn a_close_that_nobody_sees() {
    survives("close-unseen");
}
