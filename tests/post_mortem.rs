//! `oneshot_on="SEGV"` and its like: a process that would die waits for a client first, and then dies as it would have.

use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, poke, text, turn, victims, wait_for};

/// A way to die: the victim's word for it, the option's name of the signal, its number, what the greeting says of its cause,
/// whether there is an address to say, and the functions that the stack must show, innermost first.
struct Way {
    kind: &'static str,
    signal: &'static str,
    number: i32,
    code: &'static str,
    address: bool,
    functions: &'static [&'static str],
}

const WAYS: &[Way] = &[
    Way {
        kind: "segv",
        signal: "SEGV",
        number: libc::SIGSEGV,
        code: "SEGV_MAPERR",
        address: true,
        functions: &["faulting_read"],
    },
    Way {
        kind: "readonly",
        signal: "SEGV",
        number: libc::SIGSEGV,
        code: "SEGV_ACCERR",
        address: true,
        functions: &["faulting_write"],
    },
    Way {
        kind: "bus",
        signal: "BUS",
        number: libc::SIGBUS,
        code: "BUS_ADRERR",
        address: true,
        functions: &["faulting_read"],
    },
    Way {
        kind: "fpe",
        signal: "FPE",
        number: libc::SIGFPE,
        code: "FPE_INTDIV",
        address: false,
        functions: &["faulting_division"],
    },
    Way {
        kind: "ill",
        signal: "ILL",
        number: libc::SIGILL,
        code: "ILL_ILLOPN",
        address: false,
        functions: &["faulting_instruction"],
    },
    Way {
        kind: "abrt",
        signal: "ABRT",
        number: libc::SIGABRT,
        code: "SI_TKILL",
        address: false,
        functions: &["abort", "faulting_abort"],
    },
    Way {
        kind: "sys",
        signal: "SYS",
        number: libc::SIGSYS,
        code: "SYS_SECCOMP",
        address: false,
        functions: &["syscall", "faulting_call"],
    },
    Way {
        kind: "overflow",
        signal: "SEGV",
        number: libc::SIGSEGV,
        code: "SEGV_MAPERR",
        address: false,
        functions: &["faulting_recursion"],
    },
];

/// A victim that has said where it will fault, and its directory, where a core dump may go.
fn faulty(kind: &str, place: &str, options: Option<&str>) -> (Victim, tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let program = victims::c("faults");
    let host = match options {
        Some(options) => Host::new(program).options(options),
        None => Host::without_manhole(program),
    };
    let mut victim = host.args([kind, place]).directory(directory.path()).ready();
    let line = victim.line();
    let address = text::word(&line, "address").unwrap_or_else(|| panic!("no address in {line}")).to_owned();
    (victim, directory, address)
}

/// How it ends without us.
fn bare(kind: &str, place: &str) -> ExitStatus {
    let (mut victim, _directory, _) = faulty(kind, place, None);
    victim.say("go");
    victim.ended()
}

/// That the greeting says of this thread, and of no other, what has happened to it.
fn marks(greeting: &str, tid: i32, signal: &str) {
    let threads = text::greeting(greeting);
    let about = |tid: i32| {
        let says = |line: &&str| line.contains(signal) && line.contains(&tid.to_string());
        greeting.lines().any(|line| says(&line))
            || threads.iter().any(|thread| {
                thread.tid == tid
                    && (thread.state.contains(signal) || thread.body.iter().any(|line| line.contains(signal)))
            })
    };
    assert!(about(tid), "thread {tid} is not marked with {signal}: {greeting}");
    for other in threads.iter().filter(|thread| thread.tid != tid) {
        assert!(!other.state.contains(signal), "thread {} has nothing to do with it: {greeting}", other.tid);
    }
}

fn post_mortem(way: &Way, place: &str) {
    let what = format!("{} in {place}", way.kind);
    let expected = bare(way.kind, place);
    assert_eq!(expected.signal(), Some(way.number), "{what}, without us: {expected:?}");

    let options = format!("oneshot_on='{}', verbose=True", way.signal);
    let (mut victim, _directory, address) = faulty(way.kind, place, Some(&options));
    assert!(!victim.socket().exists(), "{what}: open before anything has happened");
    victim.say("go");
    let (mut client, greeting) = victim.text();
    let tid = i32::try_from(victim.told("tid")).unwrap();
    let signal = format!("SIG{}", way.signal);
    // Below a thread's stack lies its guard, which is mapped; below the main thread's nothing is.
    let code = if way.kind == "overflow" && place != "main" { "SEGV_ACCERR" } else { way.code };
    for part in [signal.as_str(), code] {
        assert!(greeting.contains(part), "{what}: no {part} in {greeting}");
    }
    assert!(!way.address || greeting.contains(&address), "{what}: no {address} in {greeting}");
    marks(&greeting, tid, &signal);
    let threads = text::greeting(&greeting);
    let stack = threads.iter().find(|thread| thread.tid == tid).unwrap_or_else(|| panic!("{what}: {greeting}"));
    let mut functions = stack.functions();
    functions.reverse();
    if way.functions.len() == 1 {
        // It is the program's own code that has faulted: nothing of ours, of libc's or of the kernel's comes first.
        assert_eq!(functions.first().map(String::as_str), Some(way.functions[0]), "{what}: {greeting}");
    }
    let places: Vec<_> = way
        .functions
        .iter()
        .map(|name| functions.iter().position(|function| function == name || *function == format!("__GI_{name}")))
        .collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{what}: {places:?} in {functions:?}");
    let start = if place == "main" { "main" } else { "other" };
    // A stack that was used up is deeper than anybody wants to see.
    assert!(way.kind == "overflow" || functions.iter().any(|function| function == start), "{what}: {greeting}");

    // The prompt has all the time it wants; the process runs nowhere meanwhile.
    assert!(client.run("print 6*7").contains("42"), "{what}");
    let answer = client.run("bt");
    assert!(answer.contains(way.functions[way.functions.len() - 1]), "{what}: bt shows another thread: {answer}");
    assert!(victim.runs(), "{what}: ended with a client connected");
    client.end();
    let status = victim.ended();
    assert_eq!(
        (status.signal(), status.core_dumped()),
        (expected.signal(), expected.core_dumped()),
        "{what}: {status:?} instead of {expected:?}: {}",
        victim.log()
    );
    assert!(!victim.socket().exists(), "{what}: the socket is still there");
}

macro_rules! ways {
    ($($name:ident: $kind:expr;)*) => {$(
        #[test]
        fn $name() {
            let _turn = turn::shared();
            let way = WAYS.iter().find(|way| way.kind == $kind).unwrap();
            post_mortem(way, "main");
            post_mortem(way, "thread");
        }
    )*};
}

ways! {
    a_null_pointer: "segv";
    a_write_to_a_page_that_may_only_be_read: "readonly";
    a_mapping_behind_the_end_of_its_file: "bus";
    a_division_by_zero: "fpe";
    an_illegal_instruction: "ill";
    an_abort: "abrt";
    a_trapped_system_call: "sys";
    a_stack_overflow: "overflow";
}

#[test]
fn a_signal_from_outside() {
    let _turn = turn::shared();
    for place in ["main", "thread"] {
        let (mut victim, _directory, _) = faulty("kill", place, Some("oneshot_on='SEGV', verbose=True"));
        victim.say("go");
        let tid = i32::try_from(victim.told("tid")).unwrap();
        let expected = if place == "main" {
            victim.signal(nix::sys::signal::Signal::SIGSEGV);
            "SI_USER"
        } else {
            poke::once(victim.pid(), libc::SIGSEGV, tid);
            "SI_TKILL"
        };
        let (mut client, greeting) = victim.text();
        for part in ["SIGSEGV", expected] {
            assert!(greeting.contains(part), "{place}: no {part} in {greeting}");
        }
        assert!(!greeting.contains("SEGV_MAPERR"), "{place}: nothing has faulted: {greeting}");
        marks(&greeting, tid, "SIGSEGV");
        assert!(client.run("print 6*7").contains("42"));
        client.end();
        let status = victim.ended();
        assert_eq!((status.signal(), status.core_dumped()), (Some(libc::SIGSEGV), true), "{place}: {status:?}");
    }
}

/// The stack pointer stands at the very end of the stack, or beyond its guard, where something else may be mapped by now.
#[test]
fn a_stack_that_was_used_up_is_there_to_its_start() {
    let _turn = turn::shared();
    for (kind, function) in [("overflow-tiny", "tiny_recursion"), ("overflow-large", "large_recursion")] {
        for place in ["main", "thread"] {
            let (mut victim, _directory, _) = faulty(kind, place, Some("oneshot_on='SEGV', verbose=True"));
            victim.say("go");
            let (mut client, _) = victim.text();
            assert!(client.run("bt 3").contains(function), "{kind} in {place}");
            let start = if place == "main" { " in _start (" } else { " in other (" };
            let end = client.run("bt -8");
            assert!(end.contains(function) && end.contains(start), "{kind} in {place}: {end}");
            client.end();
            assert_eq!(victim.ended().signal(), Some(libc::SIGSEGV), "{kind} in {place}");
        }
    }
}

#[test]
fn two_threads_at_once_are_one_shot() {
    let _turn = turn::shared();
    for _ in 0..5 {
        let (mut victim, _directory, _) = faulty("both", "thread", Some("oneshot_on='SEGV', verbose=True"));
        victim.say("go");
        let (mut client, greeting) = victim.text();
        assert!(greeting.contains("SIGSEGV"), "{greeting}");
        assert!(client.run("print 6*7").contains("42"));
        client.end();
        assert_eq!(victim.ended().signal(), Some(libc::SIGSEGV), "{}", victim.log());
    }
}

#[test]
fn oneshot_timeout_bounds_the_wait() {
    let _turn = turn::shared();
    for (kind, signal, number) in
        [("segv", "SEGV", libc::SIGSEGV), ("abrt", "ABRT", libc::SIGABRT), ("overflow", "SEGV", libc::SIGSEGV)]
    {
        for place in ["main", "thread"] {
            let options = format!("oneshot_on='{signal}', oneshot_timeout=0.5, verbose=True");
            let (mut victim, _directory, _) = faulty(kind, place, Some(&options));
            victim.say("go");
            wait_for("the socket", PATIENCE, || victim.socket().exists().then_some(()));
            let began = Instant::now();
            let status = victim.ended_within(Duration::from_secs(8));
            let took = began.elapsed();
            assert_eq!((status.signal(), status.core_dumped()), (Some(number), true), "{kind} in {place}: {status:?}");
            assert!(
                took > Duration::from_millis(300),
                "{kind} in {place}: ended after {took:?} instead of 0.5 seconds"
            );
        }
    }
}

#[test]
fn other_signals_than_the_one_asked_for_end_it_at_once() {
    let _turn = turn::shared();
    let (mut victim, _directory, _) = faulty("fpe", "main", Some("oneshot_on='SEGV', verbose=True"));
    victim.say("go");
    assert_eq!(victim.ended().signal(), Some(libc::SIGFPE));
    let log = victim.log();
    assert!(!log.contains("Manhole UDS path"), "{log}");
}

/// `$_siginfo` in gdb, which has started the program by itself.
fn gdb_s_siginfo(kind: &str) -> Option<Vec<String>> {
    if !manhole_tests::requires::installed("gdb", "gdb") {
        return None;
    }
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", "run"]);
    for line in SIGINFO {
        gdb.args(["-ex", line]);
    }
    let program = victims::c("faults");
    let mut gdb = gdb
        .arg("--args")
        .arg(program)
        .args([kind, "main"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    gdb.stdin.take().unwrap().write_all(b"go\n").unwrap();
    let said = gdb.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let answers: Vec<String> = said.lines().skip_while(|line| !line.starts_with("$1 = ")).map(str::to_owned).collect();
    assert_eq!(answers.len(), SIGINFO.len(), "{said}");
    Some(answers)
}

const SIGINFO: [&str; 5] = [
    "print $_siginfo",
    "print $_siginfo._sifields._sigfault.si_addr",
    "whatis $_siginfo",
    "print $_thread",
    "print $_inferior",
];

#[test]
fn a_fault_ends_it_although_its_signal_opens_the_manhole_or_asks_for_a_dump() {
    let _turn = turn::shared();
    for way in WAYS.iter().filter(|way| way.kind != "overflow") {
        for option in ["activate_on", "dump_on"] {
            let options = format!("{option}='{}'", way.signal);
            let (mut victim, _directory, _) = faulty(way.kind, "thread", Some(&options));
            victim.say("go");
            assert_eq!(victim.ended(), bare(way.kind, "thread"), "{}: {options}", way.kind);
        }
    }
}

#[test]
fn what_the_kernel_has_said_of_the_signal() {
    let _turn = turn::shared();
    let Some(theirs) = gdb_s_siginfo("segv") else { return };
    let (mut victim, _directory, _) = faulty("segv", "main", Some("oneshot_on='SEGV'"));
    victim.say("go");
    let mut client = victim.structured();
    for (line, theirs) in SIGINFO.iter().zip(&theirs) {
        assert_eq!(client.run(line).text.trim_end(), theirs, "{line}");
    }
    drop(client);
    victim.ended();
    let (mut victim, _directory, _) = faulty("abrt", "main", Some("oneshot_on='ABRT'"));
    victim.say("go");
    let sender = victim.structured().run("print $_siginfo._sifields._kill.si_pid").text;
    assert_eq!(sender, format!("$1 = {}\n", victim.pid()));
    victim.ended();
    // A thread that no signal holds.
    let (victim, _directory, _) = faulty("recover", "main", Some(""));
    assert_eq!(victim.structured().run("print $_siginfo").text, "$1 = <not captured>\n");
}

#[test]
fn a_program_that_recovers_by_itself_is_left_alone() {
    let _turn = turn::shared();
    for place in ["main", "thread"] {
        let (mut victim, _directory, _) = faulty("recover", place, Some("oneshot_on='SEGV', verbose=True"));
        assert_eq!(victim.ask("go"), "recovered=50", "{place}");
        assert!(victim.ended().success(), "{place}: {}", victim.log());
        let log = victim.log();
        assert!(!log.contains("Manhole UDS path") && !victim.socket().exists(), "{place}: a manhole was opened: {log}");
    }
}
