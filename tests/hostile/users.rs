//! Hosts that change their user from many places at once, in handlers, and only in part.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use manhole_tests::other_user::ForAll;
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{tasks, text, turn, victims};

/// After so many milliseconds a change of user no longer waits for the agent.
const GIVES_UP: i64 = 3000;

/// Lets the victim change its user so while a client is connected: the manhole follows, is not slow, and keeps its client.
fn is_followed(victim: &mut Victim, how: &str) {
    let (mut client, _) = victim.text();
    let answer = victim.ask(how);
    assert_eq!(text::value(&answer, "failed"), Some(0), "{answer}");
    assert!(text::value(&answer, "longest").is_some_and(|took| took < GIVES_UP), "{answer}; {}", victim.log());
    assert!(!victim.log().contains("cannot follow"), "{}", victim.log());
    assert!(client.run("print 6*7").contains("42"), "{}", victim.log());
    client.end();
}

#[test]
fn many_threads_change_the_user_at_once() {
    let _turn = turn::shared();
    for options in ["verbose=True", "thread=True, verbose=True"] {
        is_followed(&mut Host::new(victims::c("users")).options(options).ready(), "together");
    }
}

#[test]
fn a_handler_changes_the_user_amid_a_change() {
    let _turn = turn::shared();
    is_followed(&mut Host::new(victims::c("users")).ready(), "handler");
}

#[test]
fn the_user_changes_as_the_agents_thread_leaves() {
    let _turn = turn::shared();
    let mut victim = Host::new(victims::c("users")).ready();
    let answer = victim.ask("leaving");
    assert_eq!(text::value(&answer, "failed"), Some(0), "{answer}");
    assert!(text::value(&answer, "longest").is_some_and(|took| took < GIVES_UP), "{answer}; {}", victim.log());
    assert!(!victim.log().contains("cannot follow"), "{}", victim.log());
    let (mut client, _) = victim.text();
    client.end();
}

/// A socket of the user for whom a daemon of root's acts for a moment would let that user put something in its place.
#[test]
fn a_change_of_some_users_leaves_the_socket_to_its_owner() {
    let _turn = turn::shared();
    let Some(all) = ForAll::new() else {
        return;
    };
    let program = all.program(&victims::c("users"));
    let mut victim = Host::new(&program).library(&all.library).ready();
    for how in ["effective", "effective-back", "partly"] {
        assert_eq!(victim.ask(how), "user result=0", "{how}");
        assert_eq!(victim.socket().metadata().unwrap().uid(), 0, "{how}");
    }
}

/// In a directory where nobody else may remove it.
#[test]
fn who_acts_for_another_user_removes_its_socket() {
    let _turn = turn::shared();
    let Some(all) = ForAll::new() else {
        return;
    };
    let program = all.program(&victims::c("users"));
    for how in ["effective", "partly"] {
        let mut victim = Host::new(&program).library(&all.library).ready();
        assert_eq!(victim.ask(how), "user result=0", "{how}");
        assert!(victim.finish().1.success(), "{how}");
        assert!(!victim.socket().exists(), "{how}");
    }
}

/// Where the old owner may rename, it must not be able to choose the file that changes hands.
#[test]
fn only_the_socket_itself_is_given_to_the_new_user() {
    let _turn = turn::shared();
    let Some(all) = ForAll::new() else {
        return;
    };
    let program = all.program(&victims::c("users"));
    let mut victim = Host::new(&program).library(&all.library).options("patch_fork=False").ready();
    assert_eq!(victim.ask("exchange"), "exchange failed=20000 taken=0 lost=0", "{}", victim.log());
}

/// A thread that has just begun has no socket yet: what it binds while the user changes was the old user's.
#[test]
fn the_user_changes_as_the_agents_thread_begins() {
    let _turn = turn::shared();
    let Some(all) = ForAll::new() else {
        return;
    };
    for _ in 0..60 {
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "/bin/sh",
            "-c",
            // The shell's own thread has to be scheduled first.
            // One that is just being replaced is not there for a moment.
            "n=0; until stat -c %u /tmp/manhole-$$ 2>/dev/null || [ $((n += 1)) -gt 1000 ]; do sleep 0.01; done",
        ]);
        command.env("LD_PRELOAD", &all.library).env("MANHOLE", "thread=True");
        let output = command.output().unwrap();
        // The shell is another program in the same process: it has replaced the socket of the one before, which it could not of another user.
        assert_eq!(String::from_utf8_lossy(&output.stdout), "65534\n");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert!(output.status.success());
    }
}

/// A right that the host did not have when our thread began: our thread cannot follow, ends, and is there again as the new user.
#[test]
fn who_cannot_follow_ends_and_comes_back() {
    let _turn = turn::shared();
    let Some(all) = ForAll::new() else {
        return;
    };
    let program = all.program(&victims::c("users"));
    for session in [false, true] {
        let mut victim = Host::new(&program).library(&all.library).ready();
        assert_eq!(victim.ask("lower"), "user result=0");
        let (mut client, _) = victim.text();
        if !session {
            client.end();
        }
        assert_eq!(victim.ask("raise"), "user result=0");
        for task in tasks::of(victim.pid()) {
            let found = task.field("Uid");
            assert!(found.split_whitespace().all(|id| id == "65534"), "{session}: {} {found}", task.field("Name"));
        }
        assert!(victim.log().contains("cannot follow"), "{session}: {}", victim.log());
        drop(client);
        let (mut client, greeting) = victim.text();
        assert!(greeting.contains("ThreadID="), "{session}: {greeting}; {}", victim.log());
        client.end();
    }
}
