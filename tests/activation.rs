//! `activate_on`: nothing is there until the signal comes, then everything; and what belongs to it: conflicts, handlers that
//! the program replaces, `thread=False`, `sigmask`.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;

use manhole_tests::storms::counting;
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{Counters, TextClient, poke, storms, tasks, turn, victims, wait_for, waits, waits_are_undisturbed};
use nix::sys::signal::Signal;

const USR2: i32 = libc::SIGUSR2;

/// Counters of the victim `counting` that are not a thread's: see its head.
const TAKE: u64 = 22;
const TAKEN: u64 = 23;
const HAS_TAKEN: u64 = 24;

/// Nothing of a manhole is to be seen from outside.
fn is_without(victim: &Victim, threads: usize) {
    assert!(!victim.socket().exists(), "there is a socket: {}", victim.log());
    let found = tasks::of(victim.pid());
    assert_eq!(found.len(), threads, "{:?}", found.iter().map(|task| task.field("Name")).collect::<Vec<_>>());
}

#[test]
fn nothing_is_there_until_the_signal() {
    let _turn = turn::shared();
    for on in ["'USR2'", "'SIGUSR2'", "12"] {
        let counters = Counters::new();
        let mut victim = counting(&counters, 1, &format!("activate_on={on}, verbose=True")).ready();
        counters.go_on(0..1);
        is_without(&victim, 1);
        let caught = tasks::main_of(victim.pid()).signals("SigCgt");
        assert!(caught & tasks::bit(USR2) != 0, "{on}: nobody waits for the signal: {caught:x} {}", victim.log());

        victim.signal(Signal::SIGUSR2);
        victim.answers();
        victim.answers();
        counters.go_on(0..1);

        // A second one changes nothing.
        let inode = victim.socket().metadata().unwrap().ino();
        victim.signal(Signal::SIGUSR2);
        counters.go_on(0..1);
        victim.answers();
        assert_eq!(victim.socket().metadata().unwrap().ino(), inode, "{on}: another socket");
        assert_eq!(victim.log().matches("Manhole UDS path").count(), 1, "{}", victim.log());
        counters.stop();
        assert!(victim.ended().success(), "{on}: {}", victim.log());
        assert!(!victim.socket().exists(), "{on}: the socket has stayed");
    }
}

#[test]
fn any_thread_may_get_the_signal() {
    let _turn = turn::shared();
    for which in 0..3 {
        let counters = Counters::new();
        let mut victim = counting(&counters, 3, "activate_on='USR2', verbose=True").ready();
        is_without(&victim, 3);
        let tid = tasks::of(victim.pid())[which].tid;
        poke::once(victim.pid(), USR2, tid);
        victim.answers();
        counters.go_on(0..3);
        counters.stop();
        assert!(victim.ended().success(), "{}", victim.log());
    }
}

#[test]
fn a_burst_of_signals_does_not_reach_the_session() {
    let _turn = turn::shared();
    let counters = Counters::new();
    let victim = counting(&counters, 3, "activate_on='USR2', verbose=True").ready();
    victim.signal(Signal::SIGUSR2);
    let (mut client, _) = victim.text();
    let before = tasks::of(victim.pid()).len();
    let mut poker = poke::start(victim.pid(), USR2, 300, 200, None);
    while poker.runs() {
        assert!(client.run("print 6*7").contains("42"));
    }
    assert_eq!(poke::sent(&mut poker), 300);
    counters.go_on(0..3);
    assert_eq!(tasks::of(victim.pid()).len(), before, "threads have come or gone");
    assert!(client.run("bt all").contains("#0 "));
    client.end();
}

#[test]
fn a_process_that_is_alone_stays_alone_until_the_signal() {
    let _turn = turn::shared();
    for option in ["activate_on='USR2'", "oneshot_on='USR2'"] {
        let mut victim = Host::new(victims::c("alone")).options(option).ready();
        assert_eq!(victim.ask("state"), "state tasks=1 single=1", "{option}");
        assert_eq!(victim.ask("unshare"), "unshare result=0 errno=0", "{option}");
    }
}

/// Our thread is there for a dump alone, and out of the way of what only a process of one thread may do: it does not come back to listen.
#[test]
fn what_nobody_has_activated_stays_shut_when_the_thread_has_stood_aside() {
    let _turn = turn::shared();
    for options in ["activate_on='USR1', dump_on='USR2'", "thread=False, dump_on='USR2'"] {
        let mut victim = Host::new(victims::c("alone")).options(options).ready();
        for _ in 0..50 {
            victim.signal(Signal::SIGUSR2);
            assert_eq!(victim.ask("setns"), "setns result=-1 errno=9");
        }
        tasks::wait_until_there_are(1, victim.pid());
        assert!(!victim.socket().exists(), "{options}");
    }
}

/// Activates a process that waits, uses its manhole, and sends the signal again.
fn activate(victim: &Victim) {
    victim.signal(Signal::SIGUSR2);
    victim.text().0.end();
    victim.signal(Signal::SIGUSR2);
}

waits_are_undisturbed!("activate_on='USR2'", activate);

/// A signal of the program's own that comes while ours is being handled ends its wait as ever.
#[test]
fn the_programs_own_signal_together_with_ours_ends_each_wait() {
    let _turn = turn::shared();
    for options in ["activate_on='USR1'", "dump_on='USR1'"] {
        let mut victim = Host::new(victims::c("ended")).options(options).arg("300").ready();
        victim.say("go");
        assert_eq!(victim.line(), "ended=300 of=300 last=read", "{options}: {}", victim.log());
        assert!(victim.finish().1.success());
    }
}

/// A signal of the program's own that another thread takes meanwhile ends no wait of the one that handles ours.
#[test]
fn the_programs_own_signal_together_with_ours_ends_no_wait_of_another_thread() {
    let _turn = turn::shared();
    for options in ["activate_on='USR1'", "dump_on='USR1'"] {
        let mut victim = Host::new(victims::c("ended_of_two")).options(options).arg("500").ready();
        victim.say("go");
        assert_eq!(victim.line(), "heard=500 without=0", "{options}: {}", victim.log());
        assert!(victim.finish().1.success());
    }
}

/// What the three tests above rest on: a signal that somebody handles without care is seen in every row.
#[test]
fn a_careless_signal_would_be_noticed() {
    let _turn = turn::shared();
    for class in ["timed", "fed"] {
        let wrong = waits::disturbed(class, None, |victim| victim.signal(Signal::SIGUSR1));
        // pthread_cond_timedwait(3) never fails with EINTR: libc begins its wait anew, until the same moment.
        let kinds: Vec<String> = waits::kinds(class).into_iter().filter(|kind| kind != "cond_timedwait").collect();
        assert_eq!(wrong.len(), kinds.len(), "{wrong:?}");
    }
    // Those that a signal is meant to end: nothing else does.
    let wrong = waits::disturbed("endless", None, |_| {});
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Activates in the midst of work that holds locks all the time: many processes, and as many handler runs as would hit each of
/// the locks' holders. 1,000 signals in all for each kind and number of threads.
fn storm(kind: &str) {
    let _turn = turn::shared();
    let Some(program) = storms::program() else {
        return;
    };
    for (threads, processes, signals) in [(4, 20, 50), (1, 10, 100)] {
        let mut sent = 0;
        for n in 0..processes {
            let counters = Counters::new();
            let what = format!("{kind}, {threads} threads, process {n}");
            let mut victim = storms::working(&program, kind, threads, &counters, USR2, "activate_on='USR2'");
            let mut poker = poke::start(victim.pid(), USR2, signals, 100, None);
            let (mut client, greeting) = victim.text();
            assert!(greeting.contains("ThreadID="), "{what}: {greeting}");
            client.end();
            sent += poke::sent(&mut poker);
            storms::is_sound(&mut victim, threads, &counters, &what);
        }
        assert_eq!(sent, processes * signals, "{kind}, {threads} threads");
    }
}

storms!(storm);

#[test]
fn one_signal_for_two_purposes_is_a_conflict_and_nothing_is_installed() {
    let _turn = turn::shared();
    for options in ["activate_on='USR2', oneshot_on='USR2'", "oneshot_on=12, activate_on='SIGUSR2', thread=True"] {
        let counters = Counters::new();
        let mut victim = counting(&counters, 1, options).ready();
        let log = victim.log_with("ConfigurationConflict");
        assert!(log.contains("Failed to manhole.install("), "{log}");
        counters.go_on(0..1);
        is_without(&victim, 1);
        assert_eq!(tasks::main_of(victim.pid()).signals("SigCgt"), 0, "{options}: half installed");
        victim.signal(Signal::SIGUSR2);
        assert_eq!(victim.ended().signal(), Some(USR2), "{options}: the signal does what it does without us");
    }
}

#[test]
fn two_signals_for_two_purposes_are_none() {
    let _turn = turn::shared();
    let counters = Counters::new();
    let victim = counting(&counters, 1, "activate_on='USR2', oneshot_on='USR1', verbose=True").ready();
    is_without(&victim, 1);
    victim.signal(Signal::SIGUSR1);
    victim.answers();
    counters.go_on(0..1);
    assert!(!victim.socket().exists(), "the shot is over");
    victim.signal(Signal::SIGUSR2);
    victim.answers();
    victim.answers();
    // A shot beside a manhole that is open takes nothing away from it.
    victim.signal(Signal::SIGUSR1);
    victim.answers();
    counters.go_on(0..1);
    victim.answers();
}

#[test]
fn a_program_may_take_the_signal_for_itself() {
    let _turn = turn::shared();
    for option in ["activate_on='USR2'", "oneshot_on='USR2'"] {
        let counters = Counters::new();
        let mut victim = Host::new(victims::c("counting"))
            .arg(counters.path())
            .args(["1", "take", &USR2.to_string()])
            .options(option)
            .ready();
        counters.set(TAKE, 1);
        wait_for("its handler", manhole_tests::PATIENCE, || (counters.get(HAS_TAKEN) == 1).then_some(()));
        for n in 1..=20 {
            victim.signal(Signal::SIGUSR2);
            wait_for("its handler to run", manhole_tests::PATIENCE, || (counters.get(TAKEN) == n).then_some(()));
        }
        counters.go_on(0..1);
        is_without(&victim, 1);
        counters.stop();
        assert!(victim.ended().success(), "{option}: {}", victim.log());
    }
}

#[test]
fn without_a_thread_there_is_nothing() {
    let _turn = turn::shared();
    let (ours, bare) = (Counters::new(), Counters::new());
    let mut victim = counting(&ours, 2, "thread=False, verbose=True").ready();
    let control = Host::without_manhole(victims::c("counting")).arg(bare.path()).arg("2").ready();
    ours.go_on(0..2);
    is_without(&victim, 2);
    for set in ["SigCgt", "SigIgn", "SigBlk", "SigPnd", "ShdPnd"] {
        let of = |pid| tasks::main_of(pid).signals(set);
        assert_eq!(of(victim.pid()), of(control.pid()), "{set}");
    }
    ours.stop();
    assert!(victim.ended().success());
}

/// What the manhole's threads block, of which there are `count`: its own, and one that has evaluated a call.
fn blocked(victim: &Victim, count: usize) -> Vec<u64> {
    wait_for("the manhole's threads", manhole_tests::PATIENCE, || {
        let ours: Vec<_> = tasks::of(victim.pid()).into_iter().filter(tasks::Task::is_ours).collect();
        (ours.len() == count).then(|| ours.iter().map(|task| task.signals("SigBlk")).collect())
    })
}

#[test]
fn the_mask_is_what_sigmask_says() {
    let _turn = turn::shared();
    // KILL and STOP cannot be blocked, whoever asks for it; 32 and 33 are glibc's own.
    let all = !(tasks::bit(libc::SIGKILL) | tasks::bit(libc::SIGSTOP) | tasks::bit(32) | tasks::bit(33));
    let two = tasks::bit(libc::SIGUSR1) | tasks::bit(USR2);
    for (options, expected) in [
        ("thread=True", all),
        ("thread=True, sigmask='all'", all),
        ("", all),
        ("thread=True, sigmask=['USR1', 12]", two),
        ("sigmask=['USR1', 12]", two),
        ("sigmask=['SIGTERM'], dump_on='HUP'", tasks::bit(libc::SIGTERM)),
        ("thread=True, sigmask=['SIGTERM'], activate_on='USR2', oneshot_on='USR1'", tasks::bit(libc::SIGTERM)),
    ] {
        check_masks(options, expected, expected);
    }
    // Something has to call the thread: with nothing blocked, the one that glibc keeps for itself and no program can name.
    check_masks("thread=True, sigmask=[]", tasks::bit(32), 0);
    check_masks("sigmask=None", tasks::bit(32), 0);
}

/// That `agent` is what the manhole's own thread blocks, and `worker` what one that evaluates blocks between two calls.
fn check_masks(options: &str, agent: u64, worker: u64) {
    let victim = Host::new(victims::c("alone")).options(options).ready();
    if options.contains("activate_on") {
        victim.signal(Signal::SIGUSR2);
    }
    let mut client: TextClient = victim.text().0;
    assert_eq!(client.run("getpid()"), format!("$1 = {}\n", victim.pid()));
    let found = blocked(&victim, 2);
    assert_eq!(found, [agent, worker], "{options}: {found:x?}; {}", victim.log());
    client.end();
    let found = blocked(&victim, 1);
    assert_eq!(found, [agent], "{options}: {found:x?}; {}", victim.log());
}
