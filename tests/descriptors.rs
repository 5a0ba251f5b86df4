//! Hosts that close, overwrite and exhaust descriptors: their files stay theirs, and the manhole comes back.

use std::time::Duration;

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, TextClient, turn, victims, wait_for};

fn closer(mode: &str) -> Victim {
    Host::new(victims::c("closer")).arg(mode).ready()
}

/// Before, during and after the act; the host's files intact all along.
fn survives(mode: &str, files: usize) {
    let mut bare = Host::without_manhole(victims::c("closer")).arg(mode).ready();
    let expected = bare.ask("go");
    assert!(expected.ends_with(&format!("files={files}")), "{expected}");

    let mut victim = closer(mode);
    victim.text().0.end();
    assert_eq!(victim.ask("go"), expected, "{mode}: not the numbers it would get without us");
    assert_eq!(victim.ask("check"), "intact");
    // It may take a moment until the agent sees its loss.
    let mut client = TextClient::connect(&victim.socket());
    let greeting = client.until_prompt();
    assert!(greeting.contains("ThreadID="), "{mode}: {greeting}");
    assert!(client.run("print 6*7").contains("42"));
    assert_eq!(victim.ask("check"), "intact", "{mode}, while a client is connected");
    client.end();
    assert_eq!(victim.ask("check"), "intact", "{mode}, after the session");

    // The act again, while a client is connected: the session may end, nothing else.
    let (mut client, _) = victim.text();
    let mut second = closer(mode);
    let (mut connected, _) = second.text();
    assert_eq!(second.ask("go"), expected);
    connected.send(b"bt all\nprint 6*7\n").ok();
    connected.until_end_or_prompt();
    assert_eq!(second.ask("check"), "intact", "{mode}, with a session open meanwhile");
    drop(connected);
    second.text().0.end();
    assert_eq!(second.ask("check"), "intact");
    client.end();
    for mut each in [victim, second] {
        assert!(each.finish().1.success(), "{}", each.log());
    }
}

#[test]
fn closefrom() {
    let _turn = turn::shared();
    survives("closefrom", 8);
}

#[test]
fn close_range() {
    let _turn = turn::shared();
    survives("close-range", 8);
}

#[test]
fn a_loop_of_closes() {
    let _turn = turn::shared();
    survives("loop", 8);
}

#[test]
fn dup2_over_everything() {
    let _turn = turn::shared();
    survives("dup2", 1021);
}

#[test]
fn exec_three() {
    let _turn = turn::shared();
    survives("exec3", 9);
}

#[test]
fn a_limit_lowered_later() {
    let _turn = turn::shared();
    survives("limit", 8);
}

#[test]
fn a_low_limit_from_the_start() {
    let _turn = turn::shared();
    let script = format!("ulimit -n 20; exec {} plain", victims::c("closer").display());
    let mut victim = Host::new("/bin/sh").args(["-c", &script]).ready();
    assert_eq!(victim.ask("go"), "done first=3 files=8");
    victim.text().0.end();
    assert_eq!(victim.ask("check"), "intact");
}

#[test]
fn no_descriptor_left() {
    let _turn = turn::shared();
    let mut victim = closer("exhaust");
    victim.text().0.end();
    let done = victim.ask("go");
    assert!(done.ends_with("files=8"), "{done}");
    // The agent may serve or refuse; either way at once, and the host keeps its files.
    let mut client = TextClient::connect(&victim.socket());
    client.patience = Duration::from_secs(5);
    client.until_end_or_prompt();
    drop(client);
    assert_eq!(victim.ask("check"), "intact");
    assert_eq!(victim.ask("free"), "freed");
    let greeting = wait_for("the manhole to serve again", PATIENCE, || {
        let mut client = TextClient::connect(&victim.socket());
        let got = client.until_end_or_prompt();
        got.contains("ThreadID=").then_some(got)
    });
    assert!(greeting.contains(", in main"), "{greeting}");
    assert_eq!(victim.ask("check"), "intact");
}

#[test]
fn started_without_standard_descriptors() {
    let _turn = turn::shared();
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let first = |preload: Host| -> String {
            let script = format!("exec {} std-closed {} {closed}", victims::c("closer").display(), path.display());
            let victim = preload.args(["-c", &script]).start();
            let ask = || {
                std::fs::write(path.join("ask"), "").unwrap();
                let answer = wait_for("its answer", PATIENCE, || std::fs::read_to_string(path.join("answer")).ok());
                std::fs::remove_file(path.join("answer")).unwrap();
                answer.split_once(' ').unwrap().1.trim().to_owned()
            };
            let before = ask();
            if victim.socket().exists() {
                victim.text().0.end();
                assert_eq!(ask(), before, "after a session");
            }
            std::fs::write(path.join("stop"), "").unwrap();
            let mut victim = victim;
            victim.ended();
            std::fs::remove_file(path.join("stop")).unwrap();
            before
        };
        let expected = first(Host::without_manhole("/bin/sh"));
        assert!(expected.ends_with("intact"), "{expected}");
        assert_eq!(first(Host::new("/bin/sh").options("")), expected, "started with {closed}");
    }
}
