//! `thread T call f()`: the call is made by that thread of the program, which goes on exactly where it was; or it is said why not.

use std::time::Duration;

use manhole_tests::structured::Reply;
use manhole_tests::text;
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, StructuredClient, tasks, turn, victims, wait_for};
use serde_json::json;

/// Kinds of threads that rest, and are fit.
const FIT: [&str; 7] = ["read", "poll", "epoll", "futex", "small", "alternate", "signalled"];

fn visited(options: &str) -> Victim {
    Host::new(victims::c_with("visited", &["-O1", "-g", "-pthread"])).options(options).ready()
}

/// A line that must be answered by a value, which is what stands behind `$1 = `.
fn value(client: &mut StructuredClient, line: &str) -> String {
    let reply = client.run(line);
    assert_eq!(reply.done, "ok", "{line}: {reply:?}");
    let last = reply.text.lines().last().unwrap_or_default();
    last.split_once(" = ").unwrap_or_else(|| panic!("{line}: no value: {reply:?}")).1.to_owned()
}

fn refused(client: &mut StructuredClient, line: &str) -> String {
    let reply = client.run(line);
    assert_eq!(reply.done, "error", "{line}: {reply:?}");
    reply.message
}

/// Lets a thread's call come to its end: as if nobody had been there, it has not failed, and has left errno alone.
fn ends_well(victim: &mut Victim, kind: &str) {
    let number = victim.told(kind); // it has told its id
    let said = victim.ask(&format!("end {kind}"));
    let result = if kind == "futex" { 0 } else { 1 };
    assert!(said.starts_with(&format!("ended {kind} result={result} ")), "{kind} ({number}): {said}");
    let (errno, mine) = (text::value(&said, "errno"), text::value(&said, "mine"));
    assert!(errno.is_some() && errno == mine, "{said}");
    assert_eq!(text::value(&said, "stack"), Some(i64::from(kind == "alternate")), "{said}");
}

#[test]
fn the_thread_itself_makes_the_call() {
    let _turn = turn::shared();
    let mut victim = visited("timeout=5");
    let mut client = victim.structured();
    let main = victim.pid();
    assert_eq!(value(&mut client, &format!("thread {main} print kernel_id()")), main.to_string());
    for kind in FIT {
        let tid = victim.told(kind);
        for _ in 0..3 {
            assert_eq!(value(&mut client, &format!("thread {tid} print kernel_id()")), tid.to_string(), "{kind}");
        }
        let own = victim.told(&format!("{kind}_self"));
        assert_eq!(value(&mut client, &format!("thread {tid} call myself()")), own.to_string(), "{kind}");
        let mine = value(&mut client, &format!("thread {tid} print mine"));
        assert_eq!(value(&mut client, &format!("thread {tid} call whose()")), mine, "{kind}");
        assert_eq!(value(&mut client, &format!("thread {tid} print note(40) + note(0)")), "42", "{kind}");
        assert_eq!(value(&mut client, &format!("thread {tid} print halved(5.0)")), "2.5", "{kind}");
        assert_eq!(value(&mut client, &format!("thread {tid} call deep()")), "1", "{kind}");
        // With what the call does to errno.
        assert_eq!(value(&mut client, &format!("thread {tid} call spoil_errno()")), "-1", "{kind}");
        assert_eq!(value(&mut client, &format!("thread {tid} print errno")), mine, "{kind}");
        assert_eq!(value(&mut client, &format!("thread {tid} print blocks_usr1()")), "1", "{kind}");
        let told = victim.ask("tell");
        assert_eq!(text::value(&told, "last"), Some(tid), "{kind}: {told}");
    }
    assert_eq!(victim.ask("tell"), format!("noted calls={} last={} stack=0", 2 * FIT.len(), victim.told("signalled")));
    // Without a thread: a worker.
    let worker: i64 = value(&mut client, "kernel_id()").parse().unwrap();
    assert!(FIT.iter().all(|kind| victim.told(kind) != worker));
    for kind in FIT {
        ends_well(&mut victim, kind);
    }
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn the_stack_is_the_threads_own_where_it_has_room() {
    let _turn = turn::shared();
    let mut victim = visited("timeout=5");
    let mut client = victim.structured();
    for (kind, is_own) in [("read", true), ("alternate", true), ("small", false)] {
        let tid = victim.told(kind);
        let own = u64::try_from(victim.told(&format!("{kind}_self"))).unwrap();
        let reply = client.run(&format!("thread {tid} print stack_pointer()"));
        let pointer: u64 = reply.text.trim_end().rsplit(' ').next().unwrap().parse().unwrap();
        // The C library has the thread's block at the upper end of its stack.
        assert_eq!(pointer < own && own - pointer < 8 << 20, is_own, "{kind}: {reply:?}, {own:#x}");
        assert_eq!(reply.text.contains("little stack of its own left"), !is_own, "{reply:?}");
        ends_well(&mut victim, kind);
    }
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn a_fault_comes_back_and_the_thread_goes_on() {
    let _turn = turn::shared();
    let mut victim = visited("timeout=5");
    let mut client = victim.structured();
    let main = i64::from(victim.pid());
    for (kind, tid) in FIT.map(|kind| (kind, victim.told(kind))).into_iter().chain([("main", main)]) {
        assert_eq!(value(&mut client, &format!("thread {tid} print note(1)")), "2", "{kind}");
        let message = refused(&mut client, &format!("thread {tid} call touch((char *)0x5008)"));
        for part in [
            "the call of touch was ended by SIGSEGV: address 0x5008 is not mapped",
            "#0 ",
            "in touch ",
            "goes on where it was",
        ] {
            assert!(message.contains(part), "{kind}: no {part:?} in {message}");
        }
        let message = refused(&mut client, &format!("thread {tid} call dive(0)"));
        assert!(message.contains("its stack is used up"), "{kind}: {message}");
        assert!(
            refused(&mut client, &format!("thread {tid} call -f abort()")).contains("it has called abort"),
            "{kind}"
        );
        assert_eq!(value(&mut client, &format!("thread {tid} print kernel_id()")), tid.to_string(), "{kind}");
    }
    assert_eq!(client.run("jobs").text, "No job runs.\n");
    for kind in FIT {
        ends_well(&mut victim, kind);
    }
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn who_cannot_make_a_call_says_why() {
    let _turn = turn::shared();
    let mut victim = visited("timeout=5");
    let mut client = victim.structured();
    let own = tasks::of(victim.pid()).into_iter().find(tasks::Task::is_ours).expect("the manhole's thread").tid;
    for (kind, tid, part) in [
        ("spin", victim.told("spin"), "it runs, and only a thread that waits"),
        ("stream", victim.told("stream"), "it is inside stdio, in "),
        ("blocking", victim.told("blocking"), "it blocks SIG"),
        ("ours", i64::from(own), "it is one of the manhole's own"),
    ] {
        let message = refused(&mut client, &format!("thread {tid} call note(1)"));
        assert!(message.contains(" cannot call note now: ") && message.contains(part), "{kind}: {message}");
    }
    let message = refused(&mut client, &format!("thread {} call exit(0)", victim.told("read")));
    assert!(message.contains("would end the process"), "{message}");
    assert_eq!(victim.ask("tell"), "noted calls=0 last=0 stack=0");
    // Whoever insists gets it where only a stream is held, which is the thread's own.
    assert_eq!(value(&mut client, &format!("thread {} call -f note(1)", victim.told("stream"))), "2");
    ends_well(&mut victim, "stream");
    // Each for itself: the refusals stay where they belong.
    let said = client.run("thread apply all print note(1)").text;
    assert_eq!(said.matches(" = 2\n").count(), 8, "{said}");
    assert_eq!(said.matches(" cannot call note now: ").count(), 3, "{said}");
    for kind in ["blocking", "spin", "read"] {
        ends_well(&mut victim, kind);
    }
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn a_call_that_does_not_return_keeps_its_thread() {
    let _turn = turn::shared();
    let mut victim = visited("timeout=1");
    let mut client = victim.structured();
    let (read, poll) = (victim.told("read"), victim.told("poll"));
    let reply = refused(&mut client, &format!("thread {read} call doze()"));
    assert!(reply.starts_with("no end after 1 s: doze still runs in thread "), "{reply}");
    assert!(
        reply.contains(", as job 1; jobs lists it.") && reply.ends_with("does nothing else until it has returned"),
        "{reply}"
    );
    // It cannot be visited twice; others can, and workers work.
    let message = refused(&mut client, &format!("thread {read} call note(1)"));
    assert!(message.contains("it makes another call, which has not returned"), "{message}");
    assert_eq!(value(&mut client, &format!("thread {poll} print kernel_id()")), poll.to_string());
    assert!(value(&mut client, "note(1)") == "2");
    // One that is given up by Ctrl-C.
    let id = client.ask(json!({"run": format!("thread {poll} call burn()")}));
    wait_for("the call to run", PATIENCE, || burns(&victim, poll).then_some(()));
    client.send(&json!({ "interrupt": id }).to_string());
    let reply: Reply = client.answer(id);
    assert!(reply.message.starts_with("interrupted: burn still runs in thread "), "{reply:?}");
    let jobs = client.data("jobs");
    assert_eq!(jobs.as_array().unwrap().len(), 2, "{jobs}");
    assert!(jobs.as_array().unwrap().iter().all(|job| job["runs"] == true), "{jobs}");
    // The client leaves, the manhole goes to sleep: it can be woken, and the jobs are there.
    drop(client);
    let mut client = victim.structured();
    assert_eq!(client.data("jobs").as_array().unwrap().len(), 2);
    assert_eq!(client.run("print generation += 1").done, "ok");
    wait_for("the jobs to return", PATIENCE, || {
        client.data("jobs").as_array().unwrap().iter().all(|job| job["runs"] == false).then_some(())
    });
    for kind in ["read", "poll"] {
        let tid = victim.told(kind);
        assert_eq!(value(&mut client, &format!("thread {tid} print kernel_id()")), tid.to_string());
        ends_well(&mut victim, kind);
    }
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

/// Whether a thread is at work on a processor.
fn burns(victim: &Victim, tid: i64) -> bool {
    tasks::of(victim.pid()).iter().any(|task| i64::from(task.tid) == tid && task.field("State").starts_with('R'))
}

#[test]
fn a_sleeper_sleeps_on() {
    let _turn = turn::shared();
    let mut victim = visited("timeout=5");
    let mut client = victim.structured();
    let said = victim.ask("sleep");
    let tid = text::value(&said, "nanosleep").unwrap();
    assert_eq!(value(&mut client, &format!("thread {tid} print kernel_id()")), tid.to_string());
    let said = victim.line();
    assert!(said.starts_with("ended nanosleep result=0 errno=1010 "), "{said}");
    let took = text::value(&said, "took_ms").unwrap();
    assert!((1500..4000).contains(&took), "{said}");
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn a_signal_of_the_host_interrupts_as_ever() {
    let _turn = turn::shared();
    let mut victim = visited("timeout=60, redirect=\"off\"");
    let mut client = victim.structured();
    let tid = victim.told("signalled");
    let id = client.ask(json!({"run": format!("thread {tid} call burn()")}));
    wait_for("the call to run", PATIENCE, || burns(&victim, tid).then_some(()));
    assert_eq!(victim.ask("alarm"), "sent");
    std::thread::sleep(Duration::from_millis(20));
    assert!(burns(&victim, tid), "the signal waits");
    client.send(&json!({ "interrupt": id }).to_string());
    assert!(client.answer(id).message.contains("still runs"));
    assert_eq!(client.run("print generation += 1").done, "ok");
    let said = victim.line();
    // EINTR: its handler has no SA_RESTART.
    assert!(said.starts_with("ended signalled result=-1 errno=4 mine=1007"), "{said}");
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn output_comes_to_the_client_and_a_child_ends() {
    let _turn = turn::shared();
    let mut victim = visited("timeout=5");
    let (mut client, _) = victim.text();
    for kind in ["read", "futex", "small"] {
        let tid = victim.told(kind);
        let said = client.run(&format!("thread {tid} call say(\"hello\")"));
        assert!(said.contains("hello\n") && said.contains(" = 6\n"), "{kind}: {said}");
        assert!(client.run(&format!("thread {tid} call fork_here()")).contains(" = 100\n"), "{kind}");
    }
    client.end();
    for kind in ["read", "futex", "small"] {
        ends_well(&mut victim, kind);
    }
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn a_call_may_end_its_thread() {
    let _turn = turn::shared();
    let mut victim = visited("timeout=5");
    let mut client = victim.structured();
    let tid = victim.told("read");
    let message = refused(&mut client, &format!("thread {tid} call leave_thread()"));
    assert_eq!(message, "leave_thread has ended its thread instead of returning");
    let poll = victim.told("poll");
    assert_eq!(value(&mut client, &format!("thread {poll} print kernel_id()")), poll.to_string());
    assert!(client.run("thread 1 call touch((char *)0x5008)").message.contains("SIGSEGV"));
    ends_well(&mut victim, "poll");
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}
