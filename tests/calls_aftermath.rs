//! What calls leave behind: stacks written over, masks, modes, locks, threads and children. The next call and the program find nothing of it.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, StructuredClient, tasks, turn, victims, wait_for};
use nix::sys::signal::Signal;
use serde_json::json;
use tempfile::TempDir;

/// The victim, and the directory of its file.
fn careless(options: &str) -> (Victim, TempDir) {
    let directory = TempDir::new().unwrap();
    let program = victims::c_with("careless", &["-O1", "-g", "-fno-stack-protector"]);
    let host = Host::new(program).options(options).arg(directory.path().join("file"));
    (host.ready(), directory)
}

fn value(client: &mut StructuredClient, line: &str) -> String {
    let reply = client.run(line);
    assert_eq!(reply.done, "ok", "{line}: {reply:?}");
    let last = reply.text.lines().last().unwrap_or_default();
    last.split_once(" = ").unwrap_or_else(|| panic!("{line}: no value: {reply:?}")).1.to_owned()
}

fn fault(client: &mut StructuredClient, line: &str, signal: &str) {
    let reply = client.run(line);
    assert!(reply.message.contains(&format!("was ended by {signal}")), "{line}: {reply:?}");
}

/// Whether the process has a handler of SIGSEGV.
fn handles_faults(victim: &Victim) -> bool {
    let tasks = tasks::of(victim.pid());
    let caught = tasks.first().expect("it runs").field("SigCgt").to_owned();
    u64::from_str_radix(&caught, 16).expect("a number") & 1 << (libc::SIGSEGV - 1) != 0
}

#[test]
fn a_stack_that_is_written_over_is_the_calls_own() {
    let _turn = turn::shared();
    let (mut victim, _directory) = careless("timeout=5");
    let mut client = victim.structured();
    for _ in 0..3 {
        fault(&mut client, "overwrite()", "SIGSEGV");
    }
    assert_eq!(value(&mut client, "third(3)"), "1");
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn masks_and_modes_are_those_of_one_call() {
    let _turn = turn::shared();
    let (mut victim, _directory) = careless("timeout=5");
    let mut client = victim.structured();
    assert_eq!(value(&mut client, "round_down()"), "0");
    assert_eq!(value(&mut client, "third(1)"), "0.33333333333333331");
    assert_eq!(value(&mut client, "block_all()"), "0");
    fault(&mut client, "touch((char *)8)", "SIGSEGV");
    // Who asks for a disposition while a call runs is told the program's, and takes nothing away from the call.
    fault(&mut client, "ask_and_touch((char *)8)", "SIGSEGV");
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

/// A disposition that changes while a call runs is the program's, and the call stays guarded.
#[test]
fn dispositions_may_change_while_a_call_runs() {
    let _turn = turn::shared();
    let (mut victim, _directory) = careless("timeout=1");
    let mut client = victim.structured();
    for _ in 0..20 {
        fault(&mut client, "set_and_touch((char *)8)", "SIGSEGV");
    }
    let doze = client.ask(json!({"run": "doze()"}));
    assert!(client.answer(doze).message.contains("job 1"));
    for _ in 0..20 {
        assert_eq!(victim.ask("handled"), "handled on its own stack");
        fault(&mut client, "touch((char *)8)", "SIGSEGV");
    }
    // A signal that the program blocks and waits for is its own, also while a call has it open.
    victim.signal(Signal::SIGABRT);
    wait_for("the signal", PATIENCE, || (victim.ask("pending") == "pending 1").then_some(()));
    assert_eq!(client.run("print generation += 1").done, "ok");
    wait_for("the dispositions", PATIENCE, || (!handles_faults(&victim)).then_some(()));
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn a_thread_that_ends_in_a_call_is_noticed() {
    let _turn = turn::shared();
    let (mut victim, _directory) = careless("timeout=60");
    let mut client = victim.structured();
    let began = Instant::now();
    let reply = client.run("end_thread()");
    assert_eq!(reply.message, "end_thread has ended its thread instead of returning");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(!handles_faults(&victim));
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn a_child_that_comes_back_does_not_tidy_up() {
    let _turn = turn::shared();
    let (mut victim, directory) = careless("timeout=5");
    let mut client = victim.structured();
    let child: i32 = value(&mut client, "branch()").parse().expect("a pid");
    wait_for("the child's end", PATIENCE, || {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
    assert!(directory.path().join("file").exists());
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn a_child_of_vfork_takes_nothing_from_its_parent() {
    let _turn = turn::shared();
    let (mut victim, _directory) = careless("timeout=1");
    let mut client = victim.structured();
    let doze = client.ask(json!({"run": "doze()"}));
    assert!(client.answer(doze).message.contains("job 1"));
    assert_eq!(victim.ask("vfork"), "vforked");
    assert!(handles_faults(&victim));
    assert_eq!(client.run("print generation += 1").done, "ok");
    wait_for("the dispositions", PATIENCE, || (!handles_faults(&victim)).then_some(()));
    victim.say("crash");
    assert_eq!(victim.ended().signal(), Some(libc::SIGSEGV));
}

#[test]
fn a_thread_without_a_call_takes_no_signals() {
    let _turn = turn::shared();
    let (mut victim, _directory) = careless("timeout=5");
    let mut client = victim.structured();
    assert_eq!(value(&mut client, "third(3)"), "1");
    assert_eq!(victim.ask("pending"), "pending 0");
    victim.signal(Signal::SIGABRT);
    assert_eq!(victim.ask("pending"), "pending 1");
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn the_standard_streams_do_not_stay_locked() {
    let _turn = turn::shared();
    let (mut victim, _directory) = careless("timeout=5");
    let mut client = victim.structured();
    let reply = client.run("printf(\"%s\\n\", (char *)8)");
    assert!(reply.message.contains("was ended by SIGSEGV"), "{reply:?}");
    assert_eq!(victim.ask("say"), "said");
    assert!(reply.message.contains("but for the standard streams, stays locked"), "{reply:?}");
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}
