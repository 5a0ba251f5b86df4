//! Signals and calls at the worst moments: while the manhole's thread comes and goes, on that thread, on small stacks, before
//! a handler can know of them. The manhole stays, and the program goes on.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use manhole_tests::victim::{Host, Victim, socket_of};
use manhole_tests::{Counters, StructuredClient, TextClient, place, poke, structured, tasks, text, turn, victims};
use nix::sys::signal::Signal;

const USR2: i32 = libc::SIGUSR2;

/// Shots that end by themselves when nobody comes, and a manhole after SIGUSR1.
const SHORT_SHOTS: &str = "activate_on='USR1', oneshot_on='USR2', oneshot_timeout=0.005";

/// A program that has to do with the manhole all the time (`victims/caller.c`).
fn caller(counters: &Counters, habit: &str, options: &str) -> Host {
    Host::new(victims::c("caller")).arg(counters.path()).arg(habit).options(options)
}

// ---- the thread comes and goes

#[test]
fn a_thread_that_is_stopped_while_it_calls_goes_on() {
    let _turn = turn::shared();
    let counters = Counters::new();
    let mut injector = Host::without_manhole(victims::c("injector"))
        .arg(USR2.to_string())
        .arg(victims::c("caller"))
        .arg(counters.path())
        .arg("once")
        .env("PRELOAD", place::library())
        .env("OPTIONS", SHORT_SHOTS)
        .start();
    let line = injector.line_within(Duration::from_secs(120));
    println!("{line}");
    assert!(text::value(&line, "runs").is_some_and(|runs| runs > 20), "{line}");
    assert!(line.ends_with(" hung=0 failed=0 first=-1"), "{line}; {}", injector.log());
}

#[test]
fn a_thread_that_is_stopped_while_it_pokes_goes_on() {
    let _turn = turn::shared();
    let counters = Counters::new();
    let mut victim = caller(&counters, "user", SHORT_SHOTS).ready();
    victim.signal(Signal::SIGUSR1);
    victim.answers();
    let mut poker = poke::start(victim.pid(), USR2, 3000, 1000, None);
    while poker.runs() {
        // Whoever asks and goes at once has the thread come and go.
        for _ in 0..50 {
            structured::probe(&victim.socket()).unwrap_or_else(|error| panic!("{error}: {}", victim.log()));
        }
        counters.go_on(0..1);
    }
    assert_eq!(poke::sent(&mut poker), 3000);
    counters.go_on(0..1);
    counters.stop();
    assert!(victim.ended().success(), "{}", victim.log());
}

#[test]
fn a_client_that_comes_while_the_thread_leaves_is_served() {
    let _turn = turn::shared();
    let victim = Host::new(victims::c("alone")).options("").ready();
    let mut slowest = Duration::ZERO;
    for n in 0..20_000 {
        let began = Instant::now();
        let said = structured::probe(&victim.socket());
        assert!(said.as_ref().is_ok_and(|said| said.contains("hello")), "client {n}: {said:?}; {}", victim.log());
        slowest = slowest.max(began.elapsed());
    }
    println!("the slowest answer took {slowest:?}");
    tasks::wait_until_there_are(1, victim.pid());
    victim.answers();
}

// ---- calls that come too late

#[test]
fn a_manhole_that_is_too_busy_to_stand_aside_stays() {
    let _turn = turn::shared();
    // The log is a pipe that nobody reads: whoever writes to it waits a second, without a client.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut pipe =
        std::fs::OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
    while pipe.write(&[b'\n'; 4096]).is_ok() {}
    let options = format!("dump_on='USR2', verbose_destination='{}'", path.display());
    let mut victim = Host::new(victims::c("alone")).options(options).ready();
    for _ in 0..2 {
        victim.signal(Signal::SIGUSR2);
        assert_eq!(victim.ask("setns"), "setns result=-1 errno=9");
        // The manhole's thread comes to the call now, if it is there still.
        tasks::wait_until_there_are(1, victim.pid());
        victim.answers();
    }
}

#[test]
fn threads_that_want_it_aside_at_once_have_it_back_once() {
    let _turn = turn::shared();
    for options in ["", "thread=True"] {
        let mut victim = Host::new(victims::c("aside")).options(options).ready();
        for _ in 0..4 {
            assert_eq!(victim.ask("again"), "refused 480");
            victim.answers();
        }
        // Of a socket that was made twice, the second is in the way of the first.
        assert!(!victim.log().contains("Cannot listen"), "{}", victim.log());
    }
}

// ---- signals for the program that hit the manhole's thread

#[test]
fn a_signal_for_a_shot_that_the_manholes_thread_gets_does_not_stop_it() {
    let _turn = turn::shared();
    for options in ["oneshot_on='USR2', sigmask=[]", "oneshot_on='USR2', sigmask=['USR1']"] {
        let mut victim =
            Host::new(victims::c("alone")).options(format!("{options}, activate_on='USR1', thread=True")).ready();
        victim.signal(Signal::SIGUSR1);
        victim.answers();
        assert_eq!(victim.ask("block"), "blocked");
        victim.signal(Signal::SIGUSR2);
        victim.answers();
        // It waits for somebody who lets it through.
        assert_eq!(victim.ask("got"), "got urg=0 winch=0");
        victim.say("unblock");
        wait_for_shot(&mut victim);
    }
}

/// The main thread is stopped, and goes on after a client.
fn wait_for_shot(victim: &mut Victim) {
    let mut client = StructuredClient::connect(&victim.socket());
    let stacks = client.stacks();
    assert!(stacks.iter().any(|thread| thread.tid == victim.pid()), "{stacks:?}");
    client.run("quit");
    assert_eq!(victim.line(), "unblocked");
}

// ---- small stacks, short times

#[test]
fn handlers_need_little_of_a_small_stack() {
    let _turn = turn::shared();
    // With verbose=True it says what it does while it opens the socket, in the handler.
    for options in ["activate_on='USR2', verbose=True", "oneshot_on='USR2', oneshot_timeout=0.01, verbose=True"] {
        let counters = Counters::new();
        let mut victim = caller(&counters, "depth", options).start();
        let line = victim.line();
        let (own, other) = (text::value(&line, "own").unwrap(), text::value(&line, "other").unwrap());
        println!("{options}: {line}");
        assert!(other - own > 100, "{options}: no handler of ours has run: {line}");
        assert!(other - own < 2560, "{options}: {line}");
    }
}

#[test]
fn a_child_has_its_manhole_however_short_the_delay() {
    let _turn = turn::shared();
    let mut victim = Host::new(victims::c("forker")).arg("quiet").options("reinstall_delay=0.000001").ready();
    for _ in 0..3 {
        let answer = victim.ask("fork");
        let pid: i32 = answer.split_whitespace().nth(2).unwrap().parse().unwrap();
        let mut client = TextClient::connect(&socket_of(pid));
        assert!(client.until_prompt().contains(&format!("ProcessID={pid},")));
        client.end();
        let _ = std::fs::remove_file(socket_of(pid)); // the child ends by _exit later than this test
    }
}

/// Running threads are asked by a signal on loan: one that the program takes for itself meanwhile is not on its way to its handler.
#[test]
fn a_program_that_takes_a_signal_while_it_is_looked_at_hears_none_of_ours() {
    let _turn = turn::shared();
    const PROGRAM: &str = "
import hashlib, select, signal, threading, time
heard = []
# Without the interpreter's lock.
def busy(): hashlib.pbkdf2_hmac('sha256', b'x', b'y', 2_000_000_000)
for _ in range(2): threading.Thread(target=busy, daemon=True).start()
print('ready', flush=True)
both, turns = (signal.SIGWINCH, signal.SIGURG), 0
while not select.select([0], [], [], 0)[0]:
    for number in both: signal.signal(number, lambda number, frame: heard.append(number))
    time.sleep(0.001)
    for number in both: signal.signal(number, signal.SIG_DFL)
    time.sleep(0.001)
    turns += 1
print(f'heard={len(heard)} turns={turns}', flush=True)
";
    let options = "thread=True, prompt='native'";
    let mut victim = Host::new("/usr/bin/python3").args(["-c", PROGRAM]).options(options).ready();
    let (mut client, _) = victim.text();
    for _ in 0..1500 {
        assert!(client.run("bt native").contains("#0 "));
    }
    let said = victim.ask("stop");
    assert!(said.starts_with("heard=0 ") && text::value(&said, "turns").is_some_and(|turns| turns > 20), "{said}");
}
