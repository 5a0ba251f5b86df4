//! Threads that run and block every signal that a program can block, or whose program has the others for itself: they have stacks all the same.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use manhole_tests::other_user::ForAll;
use manhole_tests::victim::{Host, socket_of};
use manhole_tests::{TextClient, tasks, text, turn, victims};

/// How often each is looked at.
const TIMES: usize = 20;

#[test]
fn threads_that_block_all_signals_have_stacks() {
    // A thread that is not given a processor for 400 ms is given up, with a reason.
    let _turn = turn::alone();
    for (how, count) in [("threads", 2), ("both", 2), ("alone", 1), ("briefly", 2), ("closed", 2)] {
        let victim = Host::new(victims::c("deaf")).arg(how).ready();
        let (mut client, greeting) = victim.text();
        let function = match how {
            "closed" => "deaf_wait",
            "briefly" => "deaf_by_turns",
            _ => "deaf_work",
        };
        let shown = |text: &str| {
            let stacks = text::backtraces(text);
            stacks.values().filter(|lines| lines.iter().any(|line| line == function)).count()
        };
        assert!(greeting.contains(&format!(", in {function}")) && !greeting.contains("(no stack"), "{how}: {greeting}");
        for _ in 0..TIMES {
            let answer = client.run("bt all");
            assert_eq!(shown(&answer), count, "{how}: {answer}");
        }
        client.end();
    }
}

/// posix_spawn(3) leaves the signal by which they are asked ignored.
#[test]
fn a_program_that_was_spawned_has_stacks_too() {
    let _turn = turn::shared();
    const PROGRAM: &str = "
import os, sys
child = os.posix_spawn(sys.argv[1], [sys.argv[1], 'alone'], os.environ)
sys.stdin.read()
os.kill(child, 9)
";
    let mut victim = Host::new("python3").args(["-c", PROGRAM]).arg(victims::c("deaf")).options("").start();
    let line = victim.line();
    let pid: i32 = line.strip_prefix("ready pid=").and_then(|pid| pid.parse().ok()).expect("a pid");
    let mut client = TextClient::connect(&socket_of(pid));
    let greeting = client.until_prompt();
    assert!(greeting.contains(", in deaf_work") && !greeting.contains("(no stack"), "{greeting}");
    client.end();
    assert!(victim.finish().1.success());
    let _ = std::fs::remove_file(socket_of(pid));
}

/// The C library's own use of the signal by which they are asked.
#[test]
fn the_c_library_changes_the_user_of_all_threads_meanwhile() {
    let _turn = turn::shared();
    let mut victim = Host::new(victims::c("deaf")).arg("threads").ready();
    let before = tasks::of(victim.pid()).iter().filter(|task| !task.is_ours()).count();
    let (mut client, _) = victim.text();
    victim.say("users");
    for _ in 0..TIMES {
        let answer = client.run("bt all");
        assert!(answer.contains("deaf_work"), "{answer}");
    }
    assert_eq!(victim.line(), "users wrong=0", "{}", victim.log());
    client.end();
    assert_eq!(victim.ask("users"), "users wrong=0", "{}", victim.log());
    assert_eq!(tasks::of(victim.pid()).iter().filter(|task| !task.is_ours()).count(), before);
    assert!(victim.finish().1.success(), "{}", victim.log());
}

/// The kernel ends the call of a thread that is asked, which gets no processor for longer than the manhole waits: the handler that has the call go on runs
/// all the same, when it has one.
#[test]
fn a_thread_that_gets_no_processor_goes_on_with_its_call() {
    let _turn = turn::alone();
    let Some(all) = ForAll::new() else { return };
    let program = all.program(&victims::c("starved"));
    let cpu = (std::thread::available_parallelism().unwrap().get() - 1).to_string();
    // It looks at the clock by itself: nobody else would get to run there to end it.
    const HOG: &str = "import sys, time\nend = time.monotonic() + float(sys.argv[1])\nprint('begun', flush=True)\nwhile time.monotonic() < end: pass";
    // Within the manhole's patience, and longer.
    for (signals, seconds, clients) in [("all", "0.05", 1), ("all", "1", 2), ("none", "0.05", 1), ("none", "1", 2)] {
        let mut victim = Host::new(&program).library(&all.library).args([&cpu, "65534", signals]).ready();
        let mut hog = Command::new("chrt")
            .args(["-f", "10", "taskset", "-c", &cpu, "python3", "-c", HOG, seconds])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        BufReader::new(hog.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        let mut greeting = String::new();
        // For the second one the signal is lent again, for the thread that answers.
        for _ in 0..clients {
            let (mut client, next) = victim.text();
            client.end();
            greeting = next;
        }
        hog.wait().unwrap();
        println!("{signals}, {seconds}: {greeting}");
        for _ in 0..2 {
            assert_eq!(victim.ask("send"), "received result=1 errno=0", "{signals}, {seconds}: {greeting}");
        }
        let (mut client, greeting) = victim.text();
        assert!(greeting.contains(", in starved_wait"), "{signals}, {seconds}: {greeting}");
        client.end();
        assert!(victim.finish().1.success());
    }
}
