//! Calls at the prompt that go wrong: they fault, they never return, they would end the process, a lock is stuck. The session goes on,
//! and so does the program, whose own handlers see their own faults.

use std::time::{Duration, Instant};

use manhole_tests::structured::Reply;
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, StructuredClient, tasks, turn, victims, wait_for};
use nix::sys::signal::Signal;
use serde_json::json;

fn served(options: &str) -> Victim {
    Host::new(victims::c_with("served", &["-O1", "-g"])).options(options).ready()
}

/// A line that must be answered by a value, which is what stands behind `$1 = `.
fn value(client: &mut StructuredClient, line: &str) -> String {
    let reply = client.run(line);
    assert_eq!(reply.done, "ok", "{line}: {reply:?}");
    let last = reply.text.lines().last().unwrap_or_default();
    last.split_once(" = ").unwrap_or_else(|| panic!("{line}: no value: {reply:?}")).1.to_owned()
}

/// Ctrl-C.
fn interrupt(client: &mut StructuredClient, id: u64) -> Reply {
    client.send(&json!({ "interrupt": id }).to_string());
    client.answer(id)
}

#[test]
fn errno_of_a_call_and_of_the_selected_thread() {
    let _turn = turn::shared();
    let victim = served("timeout=5");
    let mut client = victim.structured();
    assert_eq!(value(&mut client, "print errno = 7"), "7");
    assert_eq!(value(&mut client, "open(\"/nothing is here\", 0)"), "-1");
    assert_eq!(value(&mut client, "*__errno_location()"), nix::libc::ENOENT.to_string());
    assert_eq!(value(&mut client, "errno"), "7");
}

/// The thread that runs is always inside the allocator, of which nothing tells but that it is the program's: it is not asked to create a thread.
#[test]
fn an_allocator_of_the_program_s_own() {
    let _turn = turn::shared();
    let victim = Host::new(victims::c_with("own_malloc", &["-O1", "-g"])).ready();
    let mut client = victim.structured();
    for _ in 0..5 {
        let reply = client.run("print answer()");
        assert!(reply.message.contains("there is no thread"), "{reply:?}");
        let rounds = value(&mut client, "print rounds");
        wait_for("it to go on", PATIENCE, || (value(&mut client, "print rounds") != rounds).then_some(()));
    }
}

#[test]
fn faults_come_back_with_their_place() {
    let _turn = turn::shared();
    let mut victim = served("timeout=5");
    let mut client = victim.structured();
    let read_only = value(&mut client, "print/x (long)read_only");
    let behind = value(&mut client, "print/x (long)behind_the_end");
    for (line, signal, parts) in [
        ("touch((char *)0x5008)", "SIGSEGV", vec!["address 0x5008 is not mapped", "#0 ", "in touch ", "served.c:"]),
        ("put(read_only, 1)", "SIGSEGV", vec![&read_only, "in put "]),
        ("touch(behind_the_end)", "SIGBUS", vec![&behind, "in touch "]),
        ("quotient(1, zero)", "SIGFPE", vec!["divided by zero, at 0x", "in quotient "]),
        ("wrong_instruction()", "SIGILL", vec!["no instruction at 0x", "in wrong_instruction "]),
        ("trap()", "SIGTRAP", vec!["a breakpoint before 0x", "in trap "]),
        ("give_up()", "SIGABRT", vec!["it has called abort", "abort ", "in give_up "]),
        ("dive(0)", "SIGSEGV", vec!["its stack is used up", "in dive "]),
        ("through((int (*)(int, int))16, 1, 2)", "SIGSEGV", vec!["address 0x10 is not mapped"]),
        ("strlen((char *)8)", "SIGSEGV", vec!["address 0x8 is not mapped", "strlen"]),
        ("touch((char *)0xdead000000000000)", "SIGSEGV", vec!["an address that is none", "in touch "]),
    ] {
        for _ in 0..2 {
            let reply = client.run(line);
            assert_eq!(reply.done, "error", "{line}: {reply:?}");
            let end = format!("was ended by {signal}: ");
            assert!(reply.message.contains(&end), "{line}: {}", reply.message);
            for part in &parts {
                assert!(reply.message.contains(part), "{line}: no {part:?} in {}", reply.message);
            }
            assert!(!reply.message.contains("stays locked"), "{line}: {}", reply.message);
        }
        assert_eq!(value(&mut client, "add(40, 2)"), "42");
    }
    // The same functions, rightly used.
    assert_eq!(value(&mut client, "touch(text)"), "115");
    assert_eq!(value(&mut client, "quotient(84, 2)"), "42");
    assert_eq!(value(&mut client, "through(add, 40, 2)"), "42");
    assert_eq!(value(&mut client, "strlen(\"four\")"), "4");
    assert_eq!(client.run("jobs").text, "No job runs.\n");
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn a_fault_inside_malloc_tells_what_may_stay_locked() {
    let _turn = turn::shared();
    let mut victim = served("timeout=5");
    let mut client = victim.structured();
    for (line, signal) in [("free((void *)8)", "SIGSEGV"), ("free(text)", "SIGABRT")] {
        let reply = client.run(line);
        assert!(reply.message.contains(&format!("was ended by {signal}")), "{line}: {reply:?}");
        assert!(reply.message.contains("It was inside the allocator, in "), "{line}: {reply:?}");
        assert!(reply.message.contains("stays locked"), "{line}: {reply:?}");
    }
    assert_eq!(value(&mut client, "add(40, 2)"), "42");
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

/// The C library finds its heap torn while it has the lock of it.
#[test]
fn a_lock_of_malloc_that_a_fault_has_left_locked_is_told() {
    let _turn = turn::shared();
    let mut victim = served("timeout=0.5");
    let mut client = victim.structured();
    let line = "$block = (char *)malloc(104), *(long *)($block + 104) = 8";
    assert_eq!(client.run(line).done, "ok");
    let torn = client.run("malloc(100000)");
    assert!(torn.message.contains("was ended by SIGABRT: it has called abort"), "{torn:?}");
    assert!(torn.message.contains("inside the allocator, in ") && torn.message.contains("stays locked"), "{torn:?}");
    // The same thread, and so the same lock.
    assert_eq!(value(&mut client, "add(40, 2)"), "42");
    let waits = client.run("malloc(100000)");
    assert!(waits.message.starts_with("no end after 0.5 s: "), "{waits:?}");
    assert!(
        waits.message.contains("still runs, as job 1; jobs lists it; it waits for a lock inside the allocator, in ")
    );
    assert!(waits.message.ends_with(", where a call was ended before"), "{waits:?}");
    // Others have locks of their own.
    assert_eq!(value(&mut client, "*(int *)memset(malloc(100000), 0, 4)"), "0");
    assert_eq!(value(&mut client, "add(40, 2)"), "42");
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn the_programs_own_handler_sees_its_own_faults() {
    let _turn = turn::shared();
    let mut victim = served("timeout=60, redirect=\"off\"");
    assert_eq!(victim.ask("ask"), "asked default");
    assert_eq!(victim.ask("handle"), "handles");
    let mut client = victim.structured();
    for round in 0..3u64 {
        let call = client.ask(json!({"run": "spin()"}));
        wait_for("the call to run", PATIENCE, || burns(&victim).then_some(()));
        // Its own fault while a call is guarded; another thread's is nobody else's.
        let address = format!("{:#x}", 0x0700_0010 + round * 0x10_0000);
        assert_eq!(victim.ask(&format!("fault {address}")), format!("fault address={address} seen=1 value=0"));
        if round > 0 {
            // From here on the call that runs is without a guard; the next one has one again.
            assert_eq!(victim.ask("ask"), "asked own");
        }
        let reply = interrupt(&mut client, call);
        assert_eq!(reply.message, format!("interrupted: spin still runs, as job {}; jobs lists it", round + 1));
        let fault = client.run("touch((char *)0x5008)");
        assert!(fault.message.contains("was ended by SIGSEGV"), "{fault:?}");
        assert_eq!(client.run("print generation += 1").done, "ok");
        wait_for("the call to return", PATIENCE, || (!burns(&victim)).then_some(()));
        let fault = client.run("touch((char *)0x5008)");
        assert!(fault.message.contains("was ended by SIGSEGV"), "{fault:?}");
    }
    drop(client);
    let address = "0x9000010";
    assert_eq!(victim.ask(&format!("fault {address}")), format!("fault address={address} seen=1 value=0"));
    assert_eq!(victim.ask("ask"), "asked own");
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

/// Whether a worker is at work on a processor.
fn burns(victim: &Victim) -> bool {
    let workers = tasks::of(victim.pid());
    workers.iter().any(|task| task.field("Name") == "Manhole-worker" && task.field("State").starts_with('R'))
}

#[test]
fn a_call_that_does_not_return_is_a_job() {
    let _turn = turn::shared();
    let mut victim = served("timeout=2");
    let mut client = victim.structured();
    let began = Instant::now();
    let reply = client.run("doze()");
    assert_eq!(reply.message, "no end after 2 s: doze still runs, as job 1; jobs lists it");
    assert!(began.elapsed() < Duration::from_secs(5));
    let jobs = client.data("jobs");
    assert_eq!(jobs.as_array().unwrap().len(), 1);
    assert_eq!(jobs[0]["line"], "doze()");
    assert!(jobs[0]["runs"] == true, "{jobs}");
    // Other calls work meanwhile, and faults come back.
    assert_eq!(value(&mut client, "add(40, 2)"), "42");
    assert!(client.run("follow(&first)").message.contains("SIGSEGV"));
    // All that may run at the same time; then it is said why no more.
    let mut reasons = Vec::new();
    for _ in 0..8 {
        reasons.push(client.run("doze()").message);
    }
    assert!(
        reasons.iter().any(|reason| reason == "doze cannot be called now: too many jobs run already; jobs lists them"),
        "{reasons:?}"
    );
    assert_eq!(client.run("print generation += 1").done, "ok");
    wait_for("the jobs to return", PATIENCE, || {
        let jobs = client.data("jobs");
        jobs.as_array().unwrap().iter().all(|job| job["runs"] == false).then_some(())
    });
    let text = client.run("jobs").text;
    assert!(text.contains("job 1  doze()  returned after "), "{text}");
    assert_eq!(value(&mut client, "add(40, 2)"), "42");
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn the_output_of_a_call_comes_to_the_client() {
    let _turn = turn::shared();
    let mut victim = served("timeout=5");
    let (mut client, _) = victim.text();
    let said = client.run("printf(\"%s %d %f\\n\", \"x\", 3, 2.5)");
    assert!(said.contains("x 3 2.500000\n") && said.ends_with("$1 = 13\n"), "{said}");
    let said = client.run("call puts(\"hello\")");
    assert!(said.contains("hello\n") && said.ends_with("$2 = 6\n"), "{said}");
    client.end();
    let (said, status) = victim.finish();
    assert_eq!(status.code(), Some(0));
    assert_eq!(said, ["served=0"]);
}

#[test]
fn ctrl_c_gives_the_prompt_back() {
    let _turn = turn::shared();
    let mut victim = served("timeout=60");
    let mut client = victim.structured();
    let id = client.ask(json!({"run": "spin() + 1"}));
    wait_for("the call to run", PATIENCE, || burns(&victim).then_some(()));
    let reply = interrupt(&mut client, id);
    assert_eq!(reply.message, "interrupted: spin still runs, as job 1; jobs lists it");
    assert_eq!(client.data("jobs")[0]["runs"], true);
    assert_eq!(value(&mut client, "add(40, 2)"), "42");
    // A thread that is only on its way into the function burns as well: it may look at the generation later than this.
    wait_for("the job to return", PATIENCE, || {
        assert_eq!(client.run("print generation += 1").done, "ok");
        (client.data("jobs")[0]["runs"] == false).then_some(())
    });
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn what_a_line_starts_has_the_signals_of_the_process() {
    let _turn = turn::shared();
    let answer = tempfile::NamedTempFile::new().unwrap();
    let mut victim = Host::new(victims::c_with("starter", &["-O1", "-g"]))
        .env("ANSWER", answer.path().to_str().unwrap())
        .options("")
        .ready();
    let mut client = victim.structured();
    let (usr1, usr2) = (1 << (libc::SIGUSR1 - 1), 1 << (libc::SIGUSR2 - 1));
    const WAYS: [&str; 9] = [
        "of_a_thread",
        "of_a_c11_thread",
        "of_a_fork",
        "of_a_fork_in_peace",
        "of_a_vfork",
        "of_a_listed_vfork",
        "of_a_spawn",
        "of_system",
        "of_popen",
    ];
    for name in WAYS {
        assert_eq!(value(&mut client, &format!("{name}()")), usr1.to_string(), "{name}");
    }
    assert_eq!(value(&mut client, "of_a_spawn_that_blocks_sigusr2()"), usr2.to_string());
    for name in ["of_a_thread", "of_a_c11_thread", "of_a_fork", "of_a_vfork", "of_a_spawn", "of_system"] {
        let blocking = format!("while_sigusr2_is_blocked({name})");
        assert_eq!(value(&mut client, &blocking), (usr1 | usr2).to_string(), "{name}");
    }
    assert_eq!(value(&mut client, "of_a_fork()"), usr1.to_string());
    assert_eq!(value(&mut client, "status_of_system()"), "23");
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

/// What the program's own calls go to, a line's go to as well: the descriptor of the manhole is closed by neither.
#[test]
fn what_takes_the_place_of_the_c_library_s_does_so_for_a_line() {
    let _turn = turn::shared();
    let victim = Host::new(victims::c("printer")).ready();
    let mut client = victim.structured();
    let open = || manhole_tests::victim::descriptors_of(victim.pid());
    let is_ours = |(number, what): &(i32, String)| *number >= 200 && what.starts_with("socket:");
    let ours = open().into_iter().find(is_ours).expect("our descriptor").0;
    assert_eq!(value(&mut client, &format!("(int)close({ours})")), "-1");
    assert!(open().iter().any(|(number, _)| *number == ours));
}

/// A program that a line executes in the place of this one can be ended by SIGTERM.
#[test]
fn a_program_that_follows_has_the_signals_of_the_process() {
    use std::os::unix::process::ExitStatusExt;
    let _turn = turn::shared();
    let mut victim = Host::new(victims::c_with("starter", &["-O1", "-g"])).env("ANSWER", "").options("").ready();
    let mut client = victim.structured();
    client.ask(json!({"run": "call become_another()"}));
    let name = || std::fs::read_to_string(format!("/proc/{}/comm", victim.pid())).unwrap_or_default();
    wait_for("the other program", PATIENCE, || (name() == "sleep\n").then_some(()));
    drop(client);
    victim.signal(Signal::SIGTERM);
    assert_eq!(victim.finish().1.signal(), Some(libc::SIGTERM));
}

/// The C library's syscall(3) by its address finds, where ours leaves its number, that of another call.
#[test]
fn a_number_that_another_call_has_left_is_not_taken() {
    let _turn = turn::shared();
    let mut victim = Host::new(victims::c_with("two_ways", &["-O1", "-g"])).options("").ready();
    for _ in 0..5 {
        let mut client = victim.structured();
        assert_eq!(value(&mut client, "add(40, 2)"), "42");
        drop(client);
    }
    assert!(!victim.log().contains("disturbed"), "{}", victim.log());
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn a_process_of_one_thread_stays_one() {
    let _turn = turn::shared();
    let mut victim = Host::new(victims::c_with("served", &["-O1", "-g"])).arg("alone").options("timeout=1").ready();
    drop(victim.structured());
    let ours = tasks::of(victim.pid()).iter().filter(|task| task.is_ours()).count();
    assert_eq!(tasks::of(victim.pid()).len(), 1 + ours);
    let mut client = victim.structured();
    assert_eq!(value(&mut client, "add(40, 2)"), "42");
    assert_eq!(value(&mut client, "fork_and_wait()"), "7");
    assert!(client.run("follow(&first)").message.contains("SIGSEGV"));
    assert!(client.run("doze()").message.contains("job 1"));
    assert_eq!(victim.ask("fork"), "forked 7");
    assert_eq!(client.run("print generation += 1").done, "ok");
    drop(client);
    wait_for("the end of the workers", Duration::from_secs(8), || {
        (tasks::of(victim.pid()).len() == 1 + ours).then_some(())
    });
    assert_eq!(victim.ask("fork"), "forked 7");
    victim.answers();
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

/// Its only thread has to make the thread for the call, in a moment when it holds nothing.
#[test]
fn a_process_that_hardly_rests() {
    let _turn = turn::shared();
    let mut victim = Host::new(victims::c_with("bursts", &["-O1", "-g"])).options("").ready();
    for _ in 0..10 {
        let mut client = victim.structured();
        assert_eq!(value(&mut client, "add(40, 2)"), "42");
        drop(client);
        let workers = || tasks::of(victim.pid()).iter().filter(|task| task.field("Name") == "Manhole-worker").count();
        wait_for("the end of the worker", Duration::from_secs(10), || (workers() == 0).then_some(()));
    }
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

#[test]
fn what_ends_the_process_needs_to_be_meant() {
    use std::os::unix::process::ExitStatusExt;
    let _turn = turn::shared();
    for (line, code, signal) in [
        ("exit(3)", Some(3), None),
        ("_exit(4)", Some(4), None),
        ("execl(\"/bin/false\", \"false\", (char *)0)", Some(1), None),
        ("kill(getpid(), 9)", None, Some(9)),
        ("kill(getpid(), 15)", None, Some(15)),
        ("raise(15)", None, Some(15)),
        ("syscall(231, 5)", Some(5), None),
    ] {
        let mut victim = served("timeout=1");
        let mut client = victim.structured();
        let line = line.replace("execl(", "((int (*)(char *, char *, char *))execl)(");
        let reply = client.run(&format!("call {line}"));
        assert!(reply.message.contains("; call -f insists"), "{line}: {reply:?}");
        assert_eq!(value(&mut client, "add(40, 2)"), "42");
        client.ask(json!({"run": format!("call -f {line}")}));
        if line.starts_with("exit") {
            victim.log_with("waits for the connected client to leave");
            drop(client);
        }
        let status = victim.ended();
        assert_eq!((status.code(), status.signal()), (code, signal), "{line}: {}", victim.log());
    }
    // The same by the rest of the family, which is asked for only.
    let mut victim = served("timeout=1");
    let mut client = victim.structured();
    for line in [
        "_Exit(1)",
        "quick_exit(1)",
        "execv(\"/bin/false\", 0)",
        "execve(\"/bin/false\", 0, 0)",
        "execvp(\"false\", 0)",
        "((int (*)(int))_exit)(1)",
        "kill(0, 9)",
        "kill(-1, 9)",
        "tgkill(getpid(), getpid(), 9)",
        "syscall(60, 1)",
        "vfork()",
        "pthread_exit(0)",
    ] {
        let reply = client.run(&format!("print (int){line}"));
        assert!(reply.message.contains("; call -f insists"), "{line}: {reply:?}");
    }
    assert_eq!(value(&mut client, "kill(getpid(), 0)"), "0");
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
    // abort is a fault like any other: it comes back.
    let mut victim = served("timeout=1");
    let mut client = victim.structured();
    assert!(client.run("abort()").message.contains("; call -f insists"));
    assert!(client.run("call -f abort()").message.contains("was ended by SIGABRT"));
    assert_eq!(value(&mut client, "add(40, 2)"), "42");
    assert!(victim.runs());
}

#[test]
fn a_lock_that_is_stuck_is_told_before() {
    let _turn = turn::shared();
    for (glibc, which, room) in [
        (false, "malloc", "is inside the allocator, in "),
        (true, "malloc", "is inside the allocator, in "),
        (true, "loader", "is inside the loader, in "),
        (true, "phdr", "is inside the loader, in "),
    ] {
        let mut victim = Host::new(victims::locks(glibc)).options("timeout=2").arg(which).ready();
        let mut client = victim.structured();
        let reply = client.run("print getpid()");
        assert!(reply.message.contains("thread ") && reply.message.contains(room), "{which}: {reply:?}");
        assert!(
            reply.message.contains("does not move") && reply.message.contains("; call -f insists"),
            "{which}: {reply:?}"
        );
        let began = Instant::now();
        let insisting = client.run("call -f getpid()");
        assert!(began.elapsed() < Duration::from_secs(8), "{which}: {insisting:?}");
        assert!(client.run("print 6*7").text.contains("42"), "{which}");
        assert!(client.run("bt").text.contains("#0 "), "{which}");
        drop(client);
        victim.answers();
        assert!(victim.finish().1.success(), "{which}: {}", victim.log());
    }
}

#[test]
fn all_streams_are_not_waited_for() {
    let _turn = turn::shared();
    let mut victim = served("timeout=1");
    let mut client = victim.structured();
    // The main thread waits for input, and so has the lock of stdin.
    let reply = client.run("call fflush(0)");
    assert!(reply.message.contains("is inside stdio, in ") && reply.message.contains("call -f insists"), "{reply:?}");
    assert!(client.run("call fflush(stdout)").text.contains(" = 0"));
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}
