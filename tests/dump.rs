//! The dump: its form, its completeness, what it says about threads that it cannot read, its limits.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use manhole_tests::victim::Host;
use manhole_tests::{text, turn, victims, wait_for};
use nix::sys::signal::Signal;

/// The kernel's thread ids of a process, the agent's own left out.
fn threads_of(pid: i32) -> BTreeSet<i32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .map(|task| task.unwrap().path())
        .filter(|path| !std::fs::read_to_string(path.join("comm")).unwrap_or_default().starts_with("Manhole"))
        .map(|path| path.file_name().unwrap().to_str().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn the_greeting_has_its_form() {
    let _turn = turn::shared();
    let Some(pool) = victims::cpp("pool", &["-O2", "-g"]) else {
        return;
    };
    let victim = Host::new(pool).args(["6", "15"]).ready();
    let (mut client, greeting) = victim.text();
    assert!(greeting.starts_with("\n######### ProcessID="), "{greeting:.300}");
    let shown = text::greeting(&greeting);
    assert!(shown.iter().all(|thread| thread.pid == victim.pid()));
    assert!(shown.iter().all(|thread| !thread.state.is_empty() && !thread.name.is_empty()), "{greeting}");
    // Outermost first: the main thread's list ends in what it waits in, and main comes before.
    let main = shown.iter().find(|thread| thread.tid == victim.pid()).expect("the main thread");
    let functions = main.functions();
    let at = |name: &str| functions.iter().position(|function| function.split('(').next() == Some(name));
    assert!(at("main").is_some(), "{functions:?}");
    assert!(at("main") > at("_start"), "outermost first: {functions:?}");
    assert!(
        main.body.iter().any(|line| line.starts_with("File: ") && line.contains("pool.cpp\", line ")),
        "{greeting}"
    );
    assert!(
        main.body.iter().any(|line| line == "  while (fgets(line, sizeof line, stdin)) {"),
        "source lines: {greeting}"
    );
    assert!(greeting.contains("(inlined"), "inlined frames say so: {greeting}");
    assert!(greeting.contains("pool::worker(int, int)"), "names are demangled: {greeting}");
    let banner = text::banner(&greeting);
    let pid = victim.pid().to_string();
    for part in [pid.as_str(), "pool", "0.1.0", "glibc"] {
        assert!(banner.contains(part), "no {part:?} in the banner: {banner:?}");
    }
    client.end();
}

#[test]
fn every_thread_is_there_and_complete() {
    let _turn = turn::shared();
    let Some(pool) = victims::cpp("pool", &["-O2", "-g"]) else {
        return;
    };
    let victim = Host::new(pool).args(["24", "15"]).ready();
    let stacks = victim.stacks();
    let ours: BTreeSet<i32> = stacks.iter().filter(|t| !t.name.starts_with("Manhole")).map(|t| t.tid).collect();
    assert_eq!(ours, threads_of(victim.pid()));
    for thread in &stacks {
        if thread.name.starts_with("Manhole") {
            continue;
        }
        assert!(thread.complete && thread.problem.is_none(), "{thread:#?}");
        let start = if thread.tid == victim.pid() { "_start" } else { "clone3" };
        assert_eq!(thread.functions().last(), Some(&start), "{:?}", thread.functions());
        assert!(thread.frames.iter().all(|frame| frame.certain), "{thread:#?}");
    }
    let workers = stacks.iter().filter(|thread| thread.is_in("pool::worker")).count();
    assert_eq!(workers, 24);
}

#[test]
fn every_hard_kind_has_its_frames_or_its_reason_within_a_second() {
    let _turn = turn::alone();
    let victim = Host::new(victims::c("kinds")).ready();
    let (mut warm, _) = victim.text();
    warm.end();
    let began = Instant::now();
    let (mut client, greeting) = victim.text();
    let took = began.elapsed();
    client.end();
    let stacks = victim.stacks();
    let kind = |name: &str| {
        stacks.iter().find(|thread| thread.name == name).unwrap_or_else(|| panic!("no {name}: {greeting}"))
    };
    for (name, function) in [
        ("in_handler", "in_handler_inner"),
        ("alt_handler", "in_handler_inner"),
        ("on_alt_stack", "in_handler_inner"),
        ("handler_in_call", "in_handler_inner"),
        ("alloca_frames", "vla_frame"),
        ("tiny_stack", "tiny_stack"),
        ("deep", "descend"),
        ("coroutine", "coroutine_inner"),
    ] {
        let thread = kind(name);
        assert!(thread.is_in(function), "{name}: {:?} {:?}", thread.functions(), thread.problem);
        assert!(thread.complete || thread.problem.is_some(), "{name}: incomplete without a reason");
    }
    // Frames below the signal frame, too.
    for (name, function) in [
        ("in_handler", "raise_here"),
        ("alt_handler", "raise_here"),
        ("on_alt_stack", "raise_here"),
        ("handler_in_call", "read_until_signal"),
    ] {
        assert!(kind(name).is_in(function), "{name}: {:?}", kind(name).functions());
        assert!(kind(name).complete, "{name}: {:?}", kind(name).problem);
    }
    assert!(kind("coroutine").is_in("coroutine_main"), "{:#?}", kind("coroutine"));
    let deep = kind("deep");
    let depth = deep.functions().iter().filter(|name| **name == "descend").count();
    assert!(depth == 100_000 || deep.problem.is_some(), "{depth} frames, and no word about the rest");
    assert!(deep.is_in("deep") || deep.problem.is_some());
    assert!(kind("spin").is_in("spin"), "a running thread is captured: {:?}", kind("spin").problem);
    for name in ["blocked_spin", "vfork_parent"] {
        let thread = kind(name);
        assert!(thread.problem.is_some() || thread.complete, "{name} has neither a stack nor a reason");
    }
    assert!(took < Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_zombie_leader_has_a_reason() {
    let _turn = turn::shared();
    let victim = Host::new(victims::c("kinds")).arg("zombie-leader").ready();
    manhole_tests::wait_for("the end of the leader", manhole_tests::PATIENCE, || {
        manhole_tests::tasks::main_of(victim.pid()).field("State").starts_with('Z').then_some(())
    });
    let stacks = victim.stacks();
    let leader = stacks.iter().find(|thread| thread.tid == victim.pid()).expect("the leader is listed");
    assert!(leader.frames.is_empty());
    assert!(
        leader.problem.is_some() && (leader.state.contains("zombie") || leader.state.contains("ended")),
        "{leader:?}"
    );
    let other = stacks.iter().find(|thread| thread.name == "stdin").unwrap_or_else(|| panic!("{stacks:#?}"));
    assert!(other.is_in("until_the_end") && other.complete, "{other:?}");
}

#[test]
fn a_process_that_was_stopped_is_shown_after_it_goes_on() {
    let _turn = turn::shared();
    let victim = Host::new(victims::c("kinds")).arg("no-vfork").ready();
    victim.text().0.end();
    victim.signal(Signal::SIGSTOP);
    let status = format!("/proc/{}/status", victim.pid());
    wait_for("the stop", manhole_tests::PATIENCE, || {
        std::fs::read_to_string(&status).unwrap().contains("State:\tT").then_some(())
    });
    // The agent is stopped as well, so nobody answers; the client that came meanwhile is served afterwards.
    let waiting = std::os::unix::net::UnixStream::connect(victim.socket()).unwrap();
    victim.signal(Signal::SIGCONT);
    drop(waiting);
    let (_, greeting) = victim.text();
    assert!(greeting.contains("ThreadID="));
}

#[test]
fn many_threads_stay_readable_and_bt_all_shows_all() {
    let _turn = turn::alone();
    let Some(pool) = victims::cpp("pool", &["-O2", "-g"]) else {
        return;
    };
    let victim = Host::new(pool).args(["1000", "15"]).ready();
    let (mut client, greeting) = victim.text();
    let lines = greeting.lines().count();
    assert!(lines < 2000, "{lines} lines for a thousand threads in six places");
    let all = client.run("bt all");
    let mut shown = text::backtraces(&all);
    let there = threads_of(victim.pid());
    shown.retain(|tid, _| there.contains(tid)); // the agent's own thread is listed too, marked
    assert_eq!((shown.len(), there.len()), (1001, 1001), "bt all shows every thread");
    let own = all.lines().filter(|line| line.starts_with("Thread ") && line.contains("\"Manhole")).count();
    assert!(own <= 1, "the agent's own threads: {own}");
    assert!(shown.values().all(|frames| frames.len() >= 3));
    client.end();
}

#[test]
fn memory_that_a_dump_needed_is_given_back() {
    let _turn = turn::alone();
    let Some(pool) = victims::cpp("pool", &["-O2", "-g"]) else {
        return;
    };
    let victim = Host::new(pool).args(["200", "15"]).ready();
    let resident = || -> i64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", victim.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let before = resident();
    victim.text().0.end();
    let limit = before + 16 * 1024; // KiB: what stays for good of the first session
    wait_for("the memory to be given back", manhole_tests::PATIENCE, || (resident() < limit).then_some(()));
    let after_first = resident();
    for _ in 0..10 {
        victim.text().0.end();
    }
    wait_for("ten more sessions to leave nothing", manhole_tests::PATIENCE, || {
        (resident() < after_first + 4096).then_some(())
    });
}

/// KiB in memory of the process that are in no file.
fn anonymous(pid: i32) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What the pages of the library and of the C library that a session has read amount to is not in it: the kernel takes those back as it likes.
#[test]
fn the_first_session_leaves_little() {
    /// KiB. About 60 are left of it; the stack of the agent's thread has as much again while a session lasts.
    const LITTLE: i64 = 96;
    let _turn = turn::shared();
    for options in ["", "thread=True"] {
        let victim = Host::new("/usr/bin/sleep").arg("1000").options(options).start();
        wait_for("the manhole", manhole_tests::PATIENCE, || victim.socket().exists().then_some(()));
        let before = anonymous(victim.pid());
        let (mut client, _) = victim.text();
        for line in ["info threads", "bt all", "print 6 * 7", "info maps", "help", "print (int)getpid()"] {
            client.run(line);
        }
        let during = anonymous(victim.pid());
        client.end();
        wait_for("what the session has used to go", manhole_tests::PATIENCE, || {
            (anonymous(victim.pid()) <= before + LITTLE).then_some(())
        });
        assert!(during > before + LITTLE, "{options}: the session used nothing: {before} {during}");
    }
}

#[test]
fn python_and_c_frames_of_an_interpreter() {
    let _turn = turn::shared();
    if !std::path::Path::new("/usr/bin/python3").exists() {
        manhole_tests::requires::missing("/usr/bin/python3: apt-get install python3");
        return;
    }
    let mut victim = Host::new("/usr/bin/python3").arg(victims::script("threads.py")).start();
    let ready = victim.line_that_starts("ready");
    let count = usize::try_from(text::value(&ready, "threads").unwrap()).unwrap();
    let stacks = victim.stacks();
    let theirs: Vec<_> = stacks.iter().filter(|thread| !thread.name.starts_with("Manhole")).collect();
    assert_eq!(theirs.len(), count);
    for thread in theirs {
        assert!(thread.complete, "{thread:#?}");
        assert!(thread.functions().iter().any(|name| name.starts_with("Py") || name.starts_with("_Py")), "{thread:#?}");
    }
}
