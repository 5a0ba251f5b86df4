//! `manhole-cli -2`: no signal that would end a process; who has the signal when it opens nothing.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use manhole_tests::{Host, Victim, requires, turn, victims};

use super::{assert_entered, awaits, cli, err, library};

/// Runs `manhole-cli -2` against a victim that opens nothing, and gives what it says below the line of the timeout.
fn said(words: &[&str]) -> (String, Victim) {
    let victim = awaits(words);
    let output = cli(&["-2", "-t", "0.3", &victim.pid().to_string()]);
    assert_eq!(output.status.code(), Some(5), "{words:?}: {}", err(&output));
    let text = err(&output);
    let first =
        format!("Failed to connect to '/tmp/manhole-{}': Timeout\nSIGUSR2 did not open a manhole: ", victim.pid());
    assert!(text.starts_with(&first), "{words:?}: {text}");
    (text[first.len()..].to_owned(), victim)
}

#[test]
fn a_signal_opens_the_manhole() {
    let _turn = turn::shared();
    for flags in [&["-2"][..], &["-s", "usr2"], &["-s", "12"], &["-f", "-2"]] {
        let victim = awaits(&["opens"]);
        let pid = victim.pid().to_string();
        assert_entered(&cli(&[flags, &["-t", "20", "-c", "x", &pid]].concat()), victim.pid());
    }
}

#[test]
fn a_process_goes_on_without_its_first_thread() {
    let _turn = turn::shared();
    let victim = awaits(&["opens", "leaves"]);
    super::await_state(victim.pid(), 'Z');
    let pid = victim.pid().to_string();
    assert!(err(&cli(&["-t", "0", &pid])).contains("no libmanhole.so"), "it is no zombie");
    assert_entered(&cli(&["-2", "-t", "20", "-c", "x", &pid]), victim.pid());
}

#[test]
fn a_signal_that_would_end_the_process_is_not_sent() {
    let _turn = turn::shared();
    let mut victim = awaits(&[]);
    let pid = victim.pid().to_string();
    for flags in
        [&["-2"][..], &["-1"], &["-s", "TERM"], &["-s", "RTMIN+1"], &["-s", "KILL"], &["-s", "TSTP"], &["-s", "STOP"]]
    {
        let output = cli(&[flags, &["-t", "0.1", &pid]].concat());
        assert_eq!(output.status.code(), Some(1), "{flags:?}: {}", err(&output));
        let text = err(&output);
        assert!(
            text.contains(&format!("is not sent to process {pid} (awaits)")) && text.contains("-f sends"),
            "{text}"
        );
        assert!(victim.runs());
    }
    assert!(err(&cli(&["-2", "-t", "0", &pid])).contains("manhole-run --activate-on USR2"));
    super::await_state(victim.pid(), 'S');
    // Nothing happens by default: sent, and then explained.
    let output = cli(&["-s", "URG", "-t", "0", &pid]);
    assert_eq!(output.status.code(), Some(5));
    assert!(err(&output).contains("nothing happens by default"), "{}", err(&output));
    let output = cli(&["-2", "--force", "-t", "0.3", &pid]);
    assert_eq!(victim.ended().signal(), Some(libc::SIGUSR2));
    assert_eq!(output.status.code(), Some(5), "{}", err(&output));
}

#[test]
fn a_manhole_that_waits_for_no_signal_is_not_killed_by_one() {
    let _turn = turn::shared();
    let mut victim = super::launched(&[]);
    let pid = victim.pid().to_string();
    let output = cli(&["-2", "-t", "0.1", &pid]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(err(&output).contains("does not wait for SIGUSR2 (activate_on, oneshot_on)"), "{}", err(&output));
    assert!(victim.runs());
}

#[test]
fn a_handler_that_comes_late_is_awaited() {
    let _turn = turn::shared();
    let victim = awaits(&["late"]);
    assert_entered(&cli(&["-2", "-t", "20", "-c", "x", &victim.pid().to_string()]), victim.pid());
}

#[test]
fn ignored_or_blocked() {
    let _turn = turn::shared();
    let (text, _victim) = said(&["ignore"]);
    assert!(text.contains("(awaits) ignores it now"), "{text}");
    let (text, _victim) = said(&["catch", "block"]);
    assert!(
        text.starts_with("it waits (is pending) in process") && text.contains("its only thread blocks it"),
        "{text}"
    );
    let (text, _victim) = said(&["catch", "block", "threads"]);
    assert!(text.contains("all its 2 threads block it"), "{text}");
    // Without a handler it would end the process as soon as it is unblocked.
    let victim = awaits(&["block"]);
    let output = cli(&["-2", "-t", "0", &victim.pid().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(err(&output).contains("once it is unblocked"), "{}", err(&output));
    let status = std::fs::read_to_string(format!("/proc/{}/status", victim.pid())).unwrap();
    assert!(status.contains("ShdPnd:\t0000000000000000"), "{status}");
}

#[test]
fn the_programs_handler_is_named() {
    let _turn = turn::shared();
    let program = victims::c("awaits").display().to_string();
    let (text, _victim) = said(&["catch", "mark"]);
    assert!(text.starts_with(&format!("a handler of the program has it now: app_on_usr2+0x0 in {program}.")), "{text}");
    let (text, _victim) = said(&["catch"]);
    assert!(text.starts_with("a handler of the program has it."), "{text}");
    // Without symbols there is still the place.
    let stripped = victims::c_with("awaits", &["-O2", "-s"]);
    let victim = Host::without_manhole(&stripped).args(["catch", "mark"]).ready();
    let text = err(&cli(&["-2", "-t", "0.1", &victim.pid().to_string()]));
    let (_, rest) = text.split_once("has it now: 0x").unwrap_or_else(|| panic!("{text}"));
    assert!(rest.contains(&format!(" in {}.", stripped.display())), "{text}");
}

#[test]
fn a_manhole_that_fails_to_open_is_not_called_the_programs() {
    let _turn = turn::shared();
    let (_directory, library) = library();
    // `env` becomes the victim, which is started with these options.
    let victim = Host::without_manhole("env")
        .arg("MANHOLE=activate_on='USR2'")
        .arg(victims::c("awaits"))
        .args([&library, "catch"])
        .ready();
    let text = err(&cli(&["-2", "-t", "0.1", &victim.pid().to_string()]));
    assert!(text.contains("MANHOLE of process") && text.contains("no socket answers yet"), "{text}");
}

#[test]
fn a_process_that_may_not_be_looked_at() {
    let _turn = turn::shared();
    if !nix::unistd::geteuid().is_root() || !requires::installed("setpriv", "util-linux") {
        return;
    }
    // As another user who may send signals all the same.
    let victim = awaits(&["catch", "mark"]);
    let directory = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(directory.path(), Some(65533), None).unwrap();
    let program = directory.path().join("manhole-cli");
    std::fs::copy(manhole_tests::place::client(), &program).unwrap();
    let client = |capability: &str| {
        let capabilities = [format!("--inh-caps=-all{capability}"), format!("--ambient-caps=-all{capability}")];
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid=65533", "--clear-groups"]).args(capabilities).arg(&program);
        command.args(["-2", "-t", "0.1", &victim.pid().to_string()]).output().unwrap()
    };
    let output = client(",+kill");
    assert_eq!(output.status.code(), Some(5), "{}", err(&output));
    let text = err(&output);
    assert!(text.contains("whose it is may not be looked at"), "{text}");
    assert!(text.contains("belongs to uid 0 (root)"), "{text}");
    let output = client("");
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(err(&output).contains("cannot send SIGUSR2"), "{}", err(&output));
}

#[test]
fn no_handler_means_no_waiting_beyond_the_limit() {
    let _turn = turn::shared();
    let victim = awaits(&[]);
    let began = Instant::now();
    let output = cli(&["-s", "KILL", "-t", "60", &victim.pid().to_string()]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    assert!(began.elapsed() < Duration::from_secs(20), "no handler can come for SIGKILL");
}
