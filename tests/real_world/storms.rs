//! Supervisors and shells: children without number, most of which end before anybody could look at them.

use std::process::Stdio;

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, TextClient, place, turn, victims};

use super::{Sockets, launched};

/// Runs a storm to its end. No child fails, and none leaves a socket.
fn storm(sockets: &Sockets, host: Host, drivers: usize, turns: usize, kinds: &[&str]) -> Victim {
    let mut victim = host.args([drivers.to_string(), turns.to_string()]).args(kinds).start();
    let mut rest: Vec<String> = Vec::new();
    for kind in kinds {
        let line = victim.line_within(PATIENCE * 4);
        assert_eq!(line, format!("storm {kind} turns={} failures=0", drivers * turns), "{}", victim.log());
        rest.push(line);
    }
    victim.line_that_starts("ready");
    let mut client = TextClient::connect(&sockets.of(victim.pid()));
    assert!(client.until_prompt().contains("ThreadID="));
    client.end();
    let mut left = sockets.owners();
    assert!(left.remove(&victim.pid().to_string()), "the parent's own");
    assert!(
        left.is_empty(),
        "{} sockets of dead children are left, as {:?}: {}",
        left.len(),
        left.first(),
        victim.log()
    );
    victim
}

fn ends_well(mut victim: Victim, sockets: &Sockets) {
    assert!(victim.finish().1.success());
    assert!(sockets.owners().is_empty(), "{:?}", sockets.owners());
}

#[test]
fn of_programs_that_end_at_once() {
    let _turn = turn::shared();
    let sockets = Sockets::new();
    let kinds = ["fork-exec", "vfork-exec", "posix_spawn", "system", "fork-_exit"];
    ends_well(storm(&sockets, launched(&victims::c("many_children"), &sockets), 4, 300, &kinds), &sockets);
}

/// Children whose manholes open at once: whatever they do then, the socket does not outlive them.
fn grown(kind: &str) {
    let _turn = turn::shared();
    let sockets = Sockets::new();
    let host = Host::without_manhole(place::launcher())
        .args(["--socket-path", &sockets.pattern(), "--reinstall-delay", "0.02", "--"])
        .arg(victims::c("many_children"))
        .env("SOCKETS", sockets.0.path());
    ends_well(storm(&sockets, host, 4, 25, &[kind]), &sockets);
}

#[test]
fn of_children_that_have_manholes_and_exit() {
    grown("grown-exit");
}

#[test]
fn of_children_that_have_manholes_and_leave_by_underscore_exit() {
    grown("grown-_exit");
}

#[test]
fn of_children_that_have_manholes_and_execute_another_program() {
    grown("grown-exec");
}

#[test]
fn of_a_shell() {
    let _turn = turn::shared();
    let sockets = Sockets::new();
    let script = "for i in $(seq 500); do /bin/true || echo failed; done; (exit 3) | true; echo done";
    let output = std::process::Command::new(place::launcher())
        .args(["--socket-path", &sockets.pattern(), "--", "bash", "-c", script])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert_eq!((text[0].as_str(), text[1].as_str()), ("done\n", ""));
    assert!(output.status.success());
    assert!(sockets.owners().is_empty(), "{:?}", sockets.owners());
}
