//! What is left of a wait with a limit of time is waited for when a signal of ours has interrupted it, where the kernel or the call itself knows it.

use std::time::Instant;

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, processes, tasks, text, turn, victims, wait_for};
use nix::sys::signal::Signal;

/// Rows of `victims/waits.c`: relative waits that restart_syscall(2) takes up, some whose time the kernel writes back, and some until a point of time.
const KINDS: [&str; 9] = [
    "nanosleep",
    "usleep",
    "poll",
    "futex_wait",
    "futex_wait_bitset",
    "clock_nanosleep",
    "select",
    "ppoll",
    "sem_timedwait",
];

/// How long they wait, in milliseconds.
const LENGTH: u32 = 2500;

/// Processes that are in their calls.
fn waiting(options: &str, arguments: &[&str]) -> Vec<(&'static str, Victim)> {
    let mut all: Vec<_> = KINDS
        .iter()
        .map(|&kind| {
            let host = Host::new(victims::c("waits")).options(options).arg(kind);
            (kind, host.arg(LENGTH.to_string()).args(arguments).ready())
        })
        .collect();
    for (_, victim) in &mut all {
        victim.say("go");
        assert_eq!(victim.line(), "in");
    }
    all
}

/// Those that have not waited for as long as they wanted to, give or take what a busy machine needs.
fn wrong(all: &mut [(&str, Victim)]) -> Vec<String> {
    let mut found = Vec::new();
    for (kind, victim) in all {
        let line = victim.line();
        let took = text::value(&line, "took_us").expect("a time") / 1000;
        let is_right = text::value(&line, "right") == Some(1);
        if !is_right || !(i64::from(LENGTH) - 20..i64::from(LENGTH) * 7 / 5).contains(&took) {
            found.push(format!("{kind}: {line}"));
        }
        victim.closes_stdin();
        assert!(victim.ended().success(), "{kind}: {}", victim.log());
    }
    found
}

/// Waits until a good part of the time is over.
fn late(began: Instant) {
    let part = u128::from(LENGTH) * 3 / 5;
    wait_for("a part of the wait", PATIENCE, || (began.elapsed().as_millis() >= part).then_some(()));
}

#[test]
fn a_client_that_comes_late_makes_no_wait_longer() {
    let _turn = turn::alone();
    let began = Instant::now();
    let mut all = waiting("", &[]);
    late(began);
    for (kind, victim) in &all {
        let (mut client, greeting) = victim.text();
        assert!(!greeting.contains("restart_syscall"), "{kind}: {greeting}");
        // It waits by restart_syscall(2) now, and is still seen where it is.
        let word = match *kind {
            "usleep" | "nanosleep" => "clock_nanosleep(2.5 s)",
            "poll" => "poll(fd ",
            "futex_wait" => "blocked in futex(",
            _ => "blocked in ",
        };
        let answer = client.run("info threads");
        assert!(answer.contains(word) && !answer.contains("restart_syscall"), "{kind}: {answer}");
        client.end();
    }
    let wrong = wrong(&mut all);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// In a process that may not look at itself each dump asks the thread that waits.
#[test]
fn a_process_that_is_not_dumpable_waits_no_longer() {
    let _turn = turn::alone();
    let began = Instant::now();
    let mut all = waiting("", &["closed"]);
    late(began);
    for (kind, victim) in &all {
        let (mut client, greeting) = victim.text();
        let call = match *kind {
            "nanosleep" | "usleep" | "clock_nanosleep" => "clock_nanosleep(",
            "sem_timedwait" | "futex_wait" | "futex_wait_bitset" => "futex(0x",
            "select" => "pselect6(fd ",
            "poll" => "poll(fd ",
            _ => "ppoll(fd ",
        };
        for text in [greeting, client.run("bt all")] {
            assert!(text.contains(&format!("blocked in {call}")), "{kind}: {text}");
        }
        client.end();
    }
    let wrong = wrong(&mut all);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Many of the signals come while a handler is on its way back into the call.
#[test]
fn a_storm_of_signals_makes_no_wait_longer() {
    let _turn = turn::alone();
    let began = Instant::now();
    let mut all = waiting("dump_on='USR2', verbose_destination='/dev/null'", &[]);
    while began.elapsed().as_millis() < u128::from(LENGTH) * 6 / 5 {
        for (_, victim) in &all {
            victim.signal(Signal::SIGUSR2);
            victim.signal(Signal::SIGURG);
        }
    }
    let wrong = wrong(&mut all);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A forked child opens its manhole after a while by itself.
#[test]
fn the_opening_of_a_forked_childs_manhole_makes_no_wait_longer() {
    let _turn = turn::alone();
    let mut all = waiting("reinstall_delay=1.5", &["forked"]);
    for (_, victim) in &all {
        let child = wait_for("a child", PATIENCE, || processes::children(victim.pid()).first().copied());
        wait_for("the child's manhole", PATIENCE, || manhole_tests::victim::socket_of(child).exists().then_some(()));
    }
    let wrong = wrong(&mut all);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Where the process may not take up what it was waiting for, the wait starts over, and is as right.
#[test]
fn a_filter_that_does_not_let_waits_be_taken_up() {
    let _turn = turn::alone();
    let mut all = waiting("", &["filtered"]);
    for (kind, victim) in &mut all {
        tasks::wait_until_blocked(victim.pid());
        victim.text().0.end();
        let line = victim.line();
        assert_eq!(text::value(&line, "right"), Some(1), "{kind}: {line}");
    }
}

/// A thread that is cancelled on the way back has its frames unwound.
#[test]
fn a_thread_that_is_cancelled_on_the_way_back() {
    const COUNT: usize = 5000;
    let _turn = turn::shared();
    let host = Host::new(victims::c_with("cleaned", &["-O1", "-g", "-fexceptions"])).arg(COUNT.to_string());
    let mut victim = host.options("dump_on='USR2', verbose_destination='/dev/null'").start();
    assert_eq!(victim.line_within(PATIENCE * 4), format!("cancelled={COUNT} cleaned={COUNT}"));
    assert!(victim.finish().1.success());
}
