//! Manholes without a thread, as a client sees them: a socket in the process's own table, and a signal that wakes it.

use std::process::{Command, Stdio};

use manhole_tests::{turn, victim::socket_of, victims};

use super::{assert_entered, awaits, cli, err, library};

fn enter(pid: i32, timeout: &str) -> std::process::Output {
    cli(&["-t", timeout, "-c", "x", &pid.to_string()])
}

#[test]
fn a_connection_wakes_it() {
    let _turn = turn::shared();
    let (_directory, library) = library();
    let victim = awaits(&[&library, "asleep"]);
    assert_entered(&enter(victim.pid(), "20"), victim.pid());
}

#[test]
fn a_lost_socket_is_made_anew() {
    let _turn = turn::shared();
    let (_directory, library) = library();
    for lost in [&["lost"][..], &["closed"], &["lost", "closed"]] {
        let victim = awaits(&[&[library.as_str(), "asleep"], lost].concat());
        assert_entered(&enter(victim.pid(), "20"), victim.pid());
    }
}

#[test]
fn nothing_is_sent_to_a_process_that_is_not_ours() {
    let _turn = turn::shared();
    let (_directory, library) = library();
    // No library; a second thread; a handler that is known to be the program's. The socket stays lost in all of them.
    for words in
        [&["asleep", "lost"][..], &[&library, "asleep", "lost", "threads"], &[&library, "asleep", "lost", "urgmark"]]
    {
        let victim = awaits(words);
        let output = enter(victim.pid(), "0.5");
        assert_eq!(output.status.code(), Some(5), "{words:?}: {}", err(&output));
        assert!(!socket_of(victim.pid()).exists(), "{words:?}");
    }
}

#[test]
fn a_manhole_that_waits_for_its_own_signal_gets_no_other() {
    let _turn = turn::shared();
    let (_directory, library) = library();
    // The handler of SIGURG is the program's here, and would bind.
    let mut said = Vec::new();
    for options in ["activate_on='USR2'", "thread=False", "off", "thread='auto'"] {
        let victim = manhole_tests::Host::without_manhole("env")
            .arg(format!("MANHOLE={options}"))
            .arg(victims::c("awaits"))
            .args([&library, "asleep", "lost", "closed"])
            .ready();
        said.push(enter(victim.pid(), "0.5").status.code());
    }
    assert_eq!(said, [Some(5), Some(5), Some(5), Some(0)]);
}

#[test]
fn it_says_which_signal_is_blocked() {
    let _turn = turn::shared();
    let (_directory, library) = library();
    let victim = awaits(&[&library, "asleep", "urgblock"]);
    let output = enter(victim.pid(), "0.3");
    assert_eq!(output.status.code(), Some(5), "{}", err(&output));
    let text = err(&output);
    assert!(text.contains("its only thread blocks SIGURG, which wakes the manhole"), "{text}");
    let victim = awaits(&[&library, "asleep", "urgblock", "threads"]);
    let text = err(&enter(victim.pid(), "0.3"));
    assert!(text.contains("its 2 threads block SIGURG, which wakes the manhole"), "{text}");
}

#[test]
fn it_says_who_has_taken_the_signal() {
    let _turn = turn::shared();
    let (_directory, library) = library();
    let victim = awaits(&[&library, "asleep", "urgblock", "urgmark"]);
    let text = err(&enter(victim.pid(), "0.3"));
    let program = victims::c("awaits").display().to_string();
    let expected =
        format!("has a handler of its own for SIGURG, which wakes the manhole: app_on_usr2+0x0 in {program}.");
    assert!(text.contains(&expected), "{text}");
}

#[test]
fn stopped_is_stopped() {
    let _turn = turn::shared();
    let (_directory, library) = library();
    let victim = awaits(&[&library, "asleep"]);
    victim.signal(nix::sys::signal::Signal::SIGSTOP);
    super::await_state(victim.pid(), 'T');
    let output = enter(victim.pid(), "0.3");
    assert_eq!(output.status.code(), Some(5), "{}", err(&output));
    assert!(err(&output).contains(&format!("kill -CONT {}", victim.pid())), "{}", err(&output));
    victim.signal(nix::sys::signal::Signal::SIGCONT);
    assert_entered(&enter(victim.pid(), "20"), victim.pid());
}

#[test]
fn a_program_without_manhole_gets_no_signal_at_all() {
    let _turn = turn::shared();
    // Whatever comes ends it with a line.
    let script = "import signal, sys\n\
        for s in (signal.SIGURG, signal.SIGWINCH, signal.SIGSTKFLT): signal.signal(s, lambda *_: print('signalled', flush=True))\n\
        print('ready', flush=True); sys.stdin.read()";
    let mut child =
        Command::new("python3").args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut output, &mut line).unwrap();
    assert_eq!(line, "ready\n");
    assert_eq!(enter(child.id() as i32, "0.5").status.code(), Some(5));
    drop(child.stdin.take());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut output, &mut rest).unwrap();
    child.wait().unwrap();
    assert_eq!(rest, "");
}
