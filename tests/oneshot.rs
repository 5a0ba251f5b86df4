//! `oneshot_on`: the signalled thread stops where it is, one client is served, and the thread goes on as if nothing had been.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use manhole_tests::other_user::{self, ForAll};
use manhole_tests::storms::counting;
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{
    Counters, PATIENCE, TextClient, dump_count, poke, requires, storms, tasks, text, turn, victims, wait_for,
};
use nix::sys::signal::Signal;

const USR2: i32 = libc::SIGUSR2;

/// Counters of the victim `counting` that are not a thread's: see its head.
const WRONG: u64 = 20;
const TERMS: u64 = 21;

const USUAL: &str = "oneshot_on='USR2', verbose=True";

/// Sends the signal to the main thread and waits until it stands in the handler and the manhole is there.
fn stop_main(victim: &Victim) {
    poke::once(victim.pid(), USR2, victim.pid());
    wait_for("the socket", PATIENCE, || victim.socket().exists().then_some(()));
}

/// The thread that counts there does not go on while the others do.
fn stands(counters: &Counters, index: u64, others: std::ops::Range<u64>) {
    let before = counters.get(index);
    if others.is_empty() {
        // Nobody else's progress to wait for; it counts every 200 us when it does.
        std::thread::sleep(Duration::from_millis(20));
    } else {
        counters.go_on(others);
    }
    assert_eq!(counters.get(index), before, "thread {index} goes on");
}

/// The threads go on and nothing is left of the shot.
fn is_over(victim: &Victim, counters: &Counters, threads: u64) {
    counters.go_on(0..threads);
    assert!(!victim.socket().exists(), "the thread goes on, and the socket is still there: {}", victim.log());
    tasks::wait_until_there_are(usize::try_from(threads).unwrap(), victim.pid());
}

#[test]
fn one_client_twenty_times() {
    let _turn = turn::shared();
    let counters = Counters::new();
    let mut victim = counting(&counters, 3, USUAL).ready();
    is_over(&victim, &counters, 3); // there is nothing yet
    for n in 0..20 {
        victim.signal(Signal::SIGUSR2);
        let (mut client, greeting) = victim.text();
        assert_eq!(text::greeting(&greeting).len(), 3, "shot {n}: {greeting}");
        assert!(greeting.contains(", in main"), "shot {n}: {greeting}");
        let banner = text::banner(&greeting);
        assert!(banner.contains("run on"), "shot {n}: the banner does not say that other threads run on: {banner}");
        assert!(client.run("print 6*7").contains("42"), "shot {n}");
        stands(&counters, 0, 1..3);
        client.end();
        is_over(&victim, &counters, 3);
    }
    counters.stop();
    assert!(victim.ended().success(), "{}", victim.log());
}

#[test]
fn the_thread_that_gets_the_signal_is_the_one_that_stops() {
    let _turn = turn::shared();
    let counters = Counters::new();
    let victim = counting(&counters, 3, USUAL).ready();
    for which in [2, 1, 0] {
        let tid = tasks::of(victim.pid())[usize::try_from(which).unwrap()].tid;
        poke::once(victim.pid(), USR2, tid);
        let (mut client, greeting) = victim.text();
        let here = text::greeting(&greeting).into_iter().find(|thread| thread.tid == tid);
        let functions = here.unwrap_or_else(|| panic!("no thread {tid} in {greeting}")).functions();
        let expected = if which == 0 { "main" } else { "count" };
        assert!(functions.iter().any(|function| function == expected), "{functions:?} in {greeting}");
        if which == 0 {
            stands(&counters, 0, 1..3);
        } else {
            stands(&counters, which, 0..1);
        }
        client.end();
        is_over(&victim, &counters, 3);
    }
}

#[test]
fn a_signal_right_after_the_client_has_left_is_a_shot_of_its_own() {
    let _turn = turn::shared();
    let counters = Counters::new();
    let victim = counting(&counters, 3, "oneshot_on='USR2'").ready();
    for n in 0..30 {
        // The kernel gives it to another thread while the first one is held still.
        victim.signal(Signal::SIGUSR2);
        let (mut client, greeting) = victim.text();
        assert!(greeting.contains("is held by SIGUSR2"), "shot {n}: {greeting}");
        client.end();
    }
}

#[test]
fn it_goes_on_exactly_where_it_was() {
    let _turn = turn::shared();
    let counters = Counters::new();
    let mut victim = counting(&counters, 1, "oneshot_on='USR2'").arg("registers").ready();
    let mut called = 0;
    for n in 0..40 {
        stop_main(&victim);
        let (mut client, greeting) = victim.text();
        assert!(greeting.contains(", in "), "shot {n}: {greeting}");
        // The only thread there is makes the one that a call needs, from where it is held, unless that is inside the C library.
        let pid = client.run("getpid()");
        let is_called = pid == format!("$1 = {}\n", victim.pid());
        let is_refused = pid.contains("cannot be called now") || pid.contains("is inside");
        assert!(is_called || is_refused, "shot {n}: {pid}\n{greeting}");
        called += u32::from(is_called);
        client.end();
        is_over(&victim, &counters, 1);
        assert_eq!(counters.get(WRONG), 0, "shot {n}: registers have changed");
    }
    assert!(called >= 10, "{called} of 40 shots could call a function");
    counters.stop();
    assert!(victim.ended().success());
}

#[test]
fn a_client_that_is_refused_does_not_use_up_the_shot() {
    let _turn = turn::shared();
    let Some(all) = ForAll::new() else {
        return;
    };
    let counters = Counters::new();
    let victim = Host::new(all.program(&victims::c("counting")))
        .arg(counters.path())
        .arg("2")
        .library(&all.library)
        .options(USUAL)
        .user(1, 1)
        .ready();
    stop_main(&victim);
    other_user::open_the_mode(&victim.socket());
    for n in 0..3 {
        assert_eq!(other_user::greeting(65534, &victim.socket()), "", "nobody got in");
        let log = victim.log_with("Can't accept client with PID:");
        assert!(log.contains("UID:65534"), "{log}");
        assert!(victim.socket().exists(), "refusal {n} has ended the shot");
        stands(&counters, 0, 1..2);
    }
    let greeting = other_user::greeting(1, &victim.socket());
    assert!(greeting.contains("ThreadID="), "its own user was refused: {greeting} {}", victim.log());
    is_over(&victim, &counters, 2);
}

#[test]
fn another_process_that_wants_the_same_path_does_not_use_up_the_shot() {
    let _turn = turn::shared();
    let directory = tempfile::tempdir().unwrap();
    let door = directory.path().join("door");
    let options = format!("{USUAL}, socket_path='{}'", door.display());
    let (counters, others) = (Counters::new(), Counters::new());
    let victim = counting(&counters, 1, &options).ready();
    let other = counting(&others, 1, &options).ready();
    poke::once(victim.pid(), USR2, victim.pid());
    wait_for("the socket", PATIENCE, || door.exists().then_some(()));
    poke::once(other.pid(), USR2, other.pid());
    other.log_with("Oneshot failure: another process listens there");
    others.go_on(0..1);

    let mut client = TextClient::connect(&door);
    let greeting = client.until_prompt();
    assert!(greeting.contains("is held by SIGUSR2"), "{greeting} {}", victim.log());
    assert_eq!(client.run("print getpid()").trim_end(), format!("$1 = {}", victim.pid()));
    client.end();
    counters.go_on(0..1);
    assert_eq!(victim.log().matches("Accepted connection").count(), 1, "{}", victim.log());
}

#[test]
fn one_client_and_no_second() {
    let _turn = turn::shared();
    let counters = Counters::new();
    let victim = counting(&counters, 2, USUAL).ready();
    stop_main(&victim);
    let (mut client, _) = victim.text();
    // Whether the second one gets as far as a connection is the kernel's business.
    let second = victim.socket().exists().then(|| UnixStream::connect(victim.socket())).and_then(Result::ok);
    assert!(client.run("print 6*7").contains("42"));
    client.end();
    is_over(&victim, &counters, 2);
    if let Some(mut second) = second {
        second.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut got = Vec::new();
        let end = second.read_to_end(&mut got);
        assert!(
            end.as_ref().is_ok()
                || end.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
            "the second connection stays open: {end:?}"
        );
        assert!(!got.ends_with(b">>> "), "a second client was served");
    }
}

#[test]
fn a_second_signal_changes_nothing() {
    let _turn = turn::shared();
    for threads in [1, 3] {
        let counters = Counters::new();
        let mut victim = counting(&counters, threads, USUAL).ready();
        for n in 0..5 {
            let what = format!("{threads} threads, turn {n}");
            stop_main(&victim);
            let made = victim.socket().metadata().unwrap().ino();
            // To the process, to the thread that stands, and to every thread in turn: those that run on do not stop.
            victim.signal(Signal::SIGUSR2);
            if threads > 1 {
                let mut poker = poke::start(victim.pid(), USR2, 30, 200, None);
                poke::sent(&mut poker);
                poke::once(victim.pid(), USR2, tasks::of(victim.pid())[1].tid);
            }
            poke::once(victim.pid(), USR2, victim.pid());
            stands(&counters, 0, 1..threads.into());
            assert_eq!(victim.socket().metadata().unwrap().ino(), made, "{what}: another socket while waiting");
            let (mut client, _) = victim.text();
            victim.signal(Signal::SIGUSR2);
            stands(&counters, 0, 1..threads.into());
            assert!(client.run("print 6*7").contains("42"), "{what}");
            client.end();
            // No shot waits that these signals would have asked for.
            for _ in 0..3 {
                is_over(&victim, &counters, threads.into());
            }
        }
        counters.stop();
        assert!(victim.ended().success(), "{}", victim.log());
    }
}

/// A signal that is sent as soon as the client has seen its end is a new one.
#[test]
fn one_shot_after_the_other() {
    let _turn = turn::shared();
    let counters = Counters::new();
    let mut victim = counting(&counters, 1, USUAL).ready();
    for n in 0..100 {
        victim.signal(Signal::SIGUSR2);
        let (mut client, greeting) = victim.text();
        assert!(greeting.contains(", in main"), "shot {n}: {greeting}");
        client.end();
    }
    is_over(&victim, &counters, 1);
    counters.stop();
    assert!(victim.ended().success(), "{}", victim.log());
}

/// The program's own signal comes while its thread stands there: its handler runs at once, and the call that it was to interrupt is interrupted.
#[test]
fn a_call_that_the_programs_signal_interrupts_is_interrupted() {
    let _turn = turn::shared();
    // A handler of Python's does not let calls begin anew unless siginterrupt(3) says so, and its text runs when the call is over.
    let program = |call: &str, begins_anew: bool| {
        format!(
            "import os, select, signal\n\
             signal.signal(signal.SIGTERM, lambda *_: print('handled', flush=True))\n\
             signal.siginterrupt(signal.SIGTERM, not {})\n\
             print('ready', flush=True)\n{call}",
            if begins_anew { "True" } else { "False" }
        )
    };
    for (call, numbers, begins_anew) in [
        ("signal.pause()", &[libc::SYS_pause, libc::SYS_ppoll][..], false),
        ("signal.pause()", &[libc::SYS_pause, libc::SYS_ppoll], true),
        ("select.select([0], [], [])", &[libc::SYS_select, libc::SYS_pselect6], false),
        ("select.select([0], [], [])", &[libc::SYS_select, libc::SYS_pselect6], true),
        ("os.read(0, 1)", &[libc::SYS_read], false),
        ("os.waitid(os.P_PID, os.spawnlp(os.P_NOWAIT, 'cat', 'cat'), os.WEXITED)", &[libc::SYS_waitid], false),
    ] {
        let what = format!("{call}, begins anew: {begins_anew}");
        println!("{what}");
        let arguments = ["-c", &program(call, begins_anew)];
        let mut victim =
            Host::new("/usr/bin/python3").args(arguments).options(format!("{USUAL}, prompt='native'")).ready();
        let is_there = || {
            let call = std::fs::read_to_string(format!("/proc/{}/syscall", victim.pid())).unwrap();
            numbers.iter().any(|number| call.starts_with(&format!("{number} "))).then_some(())
        };
        wait_for("its wait", PATIENCE, is_there);
        stop_main(&victim);
        let (mut client, _) = victim.text();
        victim.signal(Signal::SIGTERM);
        assert!(client.run("print 6*7").contains("42"), "{what}");
        client.end();
        assert_eq!(victim.line(), "handled", "{what}");
    }
}

#[test]
fn a_signal_that_ends_the_process_ends_it_in_the_handler_too() {
    let _turn = turn::shared();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        for threads in [1, 2] {
            for serving in [false, true] {
                let counters = Counters::new();
                let mut victim = counting(&counters, threads, USUAL).ready();
                stop_main(&victim);
                let client = serving.then(|| victim.text().0);
                victim.signal(signal);
                let status = victim.ended_within(Duration::from_secs(5));
                let what = format!("{signal} with {threads} threads, serving: {serving}");
                assert_eq!(status.signal(), Some(signal as i32), "{what}: {status:?} {}", victim.log());
                if let Some(mut client) = client {
                    client.until_end();
                }
            }
        }
    }
}

#[test]
fn the_programs_own_handlers_run_in_the_handler_too() {
    let _turn = turn::shared();
    for threads in [1, 2] {
        let counters = Counters::new();
        let victim = counting(&counters, threads, USUAL).arg("term-note").ready();
        stop_main(&victim);
        victim.signal(Signal::SIGTERM);
        wait_for("its handler, while it waits", PATIENCE, || (counters.get(TERMS) == 1).then_some(()));
        assert!(victim.socket().exists(), "the shot is over");
        let (mut client, _) = victim.text();
        victim.signal(Signal::SIGTERM);
        wait_for("its handler, while it serves", PATIENCE, || (counters.get(TERMS) == 2).then_some(()));
        assert!(client.run("print 6*7").contains("42"));
        client.end();
        is_over(&victim, &counters, u64::from(threads));
        assert_eq!(counters.get(TERMS), 2);
    }
    for serving in [false, true] {
        let counters = Counters::new();
        let mut victim = counting(&counters, 1, USUAL).arg("term-exit").ready();
        stop_main(&victim);
        let client = serving.then(|| victim.text().0);
        victim.signal(Signal::SIGTERM);
        assert_eq!(victim.ended().code(), Some(3), "serving: {serving}: {}", victim.log());
        drop(client);
    }
}

#[test]
fn the_wait_is_bounded_by_oneshot_timeout() {
    let _turn = turn::shared();
    let counters = Counters::new();
    let victim = counting(&counters, 2, "oneshot_on='USR2', oneshot_timeout=0.5, verbose=True").ready();
    for _ in 0..2 {
        let began = Instant::now();
        stop_main(&victim);
        let before = counters.get(0);
        wait_for("the thread to go on", PATIENCE, || (counters.get(0) > before + 1).then_some(()));
        let took = began.elapsed();
        assert!(took > Duration::from_millis(400) && took < Duration::from_secs(4), "{took:?} instead of 0.5 seconds");
        is_over(&victim, &counters, 2);
    }
    // A client in time is served as without it, and has all the time it wants.
    stop_main(&victim);
    let (mut client, _) = victim.text();
    std::thread::sleep(Duration::from_millis(800)); // more than the limit: what is tested is that nothing happens
    assert!(client.run("print 6*7").contains("42"));
    client.end();
    is_over(&victim, &counters, 2);
}

#[test]
fn the_client_may_vanish() {
    let _turn = turn::shared();
    let counters = Counters::new();
    let mut victim = counting(&counters, 2, USUAL).ready();
    for n in 0..20 {
        stop_main(&victim);
        if n % 2 == 0 {
            drop(wait_for("a connection", PATIENCE, || UnixStream::connect(victim.socket()).ok()));
        } else {
            drop(victim.text().0);
        }
        is_over(&victim, &counters, 2);
    }
    counters.stop();
    assert!(victim.ended().success(), "{}", victim.log());
}

#[test]
fn the_answers_of_the_prompt_may_end_it() {
    let _turn = turn::shared();
    let counters = Counters::new();
    let victim = counting(&counters, 1, USUAL).ready();
    for line in ["quit", "exit()", "raise SystemExit()"] {
        stop_main(&victim);
        let (mut client, _) = victim.text();
        client.send(format!("{line}\n").as_bytes()).unwrap();
        client.until_end();
        is_over(&victim, &counters, 1);
    }
}

/// What a storm goes on for, at least: signals sent, and clients served. A thread that serves gets no more than one other
/// signal meanwhile, so that with one thread half of the signals are whole sessions.
fn storm_length(threads: u64) -> (usize, usize) {
    (if threads > 1 || requires::in_ci() { 1000 } else { 200 }, dump_count() / 8)
}

/// The greeting, when somebody answers: the socket may be that of the shot before, about to go, without a prompt behind it.
fn visit(victim: &Victim) -> Option<String> {
    let mut stream = UnixStream::connect(victim.socket()).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut got = Vec::new();
    let mut bytes = [0; 65536];
    while !got.ends_with(b"\n>>> ") {
        match stream.read(&mut bytes) {
            Ok(0) => return None,
            Ok(count) => got.extend(&bytes[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => panic!("{error} after {:?}: {}", String::from_utf8_lossy(&got), victim.log()),
        }
    }
    Some(String::from_utf8_lossy(&got).into_owned())
}

/// Signals at a high rate, and clients as fast as they can: no hang, no crash, and the work goes on and is right.
fn storm(kind: &str) {
    let _turn = turn::shared();
    let Some(program) = storms::program() else {
        return;
    };
    for threads in [4, 1] {
        let counters = Counters::new();
        let mut victim = storms::working(&program, kind, threads, &counters, USR2, "oneshot_on='USR2'");
        let what = format!("{kind}, {threads} threads");
        let (signals, sessions) = storm_length(threads);
        let pid = victim.pid();
        let send = |count| poke::start(pid, USR2, count, 300, None);
        let mut poker = send(signals);
        let mut sent = 0;
        let deadline = Instant::now() + Duration::from_secs(120);
        let mut shots = 0;
        let now = || (0..threads).map(|index| counters.get(index)).collect::<Vec<_>>();
        // It is over when every thread has come by since it was seen that nobody sends any more: a signal that was sent last
        // has hit by then.
        let mut since = None;
        let has_come_by = |since: &[u64]| now().iter().zip(since).all(|(now, since)| *now > since + 1);
        loop {
            if poker.runs() || victim.socket().exists() {
                since = None;
            } else if shots < sessions {
                sent += poke::sent(&mut poker);
                poker = send(50);
            } else if has_come_by(since.get_or_insert_with(now)) {
                break;
            }
            assert!(Instant::now() < deadline, "{what}: no end after {shots} shots");
            assert!(victim.runs(), "{what}: it has ended after {shots} shots: {:?} {}", victim.ended(), victim.log());
            if !victim.socket().exists() {
                std::thread::sleep(Duration::from_micros(200));
                continue;
            }
            if let Some(greeting) = visit(&victim) {
                assert!(greeting.contains("ThreadID="), "{what}: {greeting}");
                shots += 1;
            }
        }
        sent += poke::sent(&mut poker);
        println!("{what}: {sent} signals, {shots} shots");
        assert!(shots <= sent, "{what}: {shots} clients were served for {sent} signals");
        assert!(sent >= signals && shots >= sessions, "{what}: only {sent} signals and {shots} shots");
        counters.go_on(0..threads);
        assert!(!victim.socket().exists(), "{what}: another shot, although nobody has asked for it");
        storms::is_sound(&mut victim, threads, &counters, &format!("{what}, {shots} shots"));
    }
}

storms!(storm);
