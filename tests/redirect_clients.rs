//! The clients of a redirection: one that does not read, one that is killed, one that has gone.

use std::process::Command;

use manhole_tests::victim::socket_of;
use manhole_tests::{PATIENCE, turn, wait_for};
use nix::sys::signal::Signal;

use crate::redirect::{Before, Bytes, act, printer, wait_until_redirected};

#[test]
fn a_client_that_does_not_read_is_not_waited_for() {
    let _turn = turn::shared();
    const SIZE: u64 = 100 << 20;
    let mut victim = printer("", "");
    let mut client = Bytes::connect(&victim);
    let before = Before::of(&victim);
    client.run("redirect on");
    let (written, failed, interrupted) = act(&mut victim, &format!("burst {SIZE}"));
    assert_eq!((written, failed, interrupted), (SIZE, 0, 0));
    client.send("redirect off");
    let text = client.until("redirect is off: the output goes where it belongs\n")
        + &String::from_utf8(client.leave()).unwrap();
    let kept = text.lines().filter(|line| line.len() == 63 && line.ends_with('-')).count() as u64 * 64;
    let left_out: u64 =
        text.lines().filter_map(|line| line.strip_prefix("Manhole: ")?.split(' ').next()?.parse::<u64>().ok()).sum();
    assert!(left_out > SIZE / 2, "{left_out}");
    // The lines at the edges of a gap are cut.
    let difference = SIZE - kept - left_out;
    assert!(difference < 64 * 8, "{kept} + {left_out} of {SIZE}");
    before.is_again();
    act(&mut victim, "say its own");
    assert_eq!(victim.line(), "its own");
}

#[test]
fn a_client_that_is_killed_while_the_process_prints() {
    let _turn = turn::shared();
    for way in ["on", "tee"] {
        let mut victim = printer("", "thread=True");
        let before = Before::of(&victim);
        let script = "import socket,sys,time\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                      s.send(b'redirect '+sys.argv[2].encode()+b'\\n')\ntime.sleep(600)\n";
        let path = socket_of(victim.pid());
        wait_for("the manhole", PATIENCE, || path.exists().then_some(()));
        let mut client = Command::new("python3").args(["-c", script]).arg(&path).arg(way).spawn().unwrap();
        wait_until_redirected(victim.pid());
        victim.say("burst 50000000");
        client.kill().unwrap();
        client.wait().unwrap();
        victim.log_with(": burst");
        let (written, failed, interrupted) = act(&mut victim, "say its own");
        assert_eq!((written, failed, interrupted), (50_000_008, 0, 0));
        before.is_again();
        victim.line_that_starts("its own");
    }
}

#[test]
fn what_is_written_after_the_client_has_gone_belongs_to_the_process() {
    let _turn = turn::shared();
    let mut victim = printer("", "thread=True");
    for round in 0..20 {
        let mut client = Bytes::connect(&victim);
        client.run("redirect on");
        // Lines that are under way see to the pipes as well.
        client.send(&["info functions ."; 20].join("\n"));
        victim.signal(Signal::SIGSTOP);
        client.hang_up();
        let text = format!("after the client of round {round}");
        victim.say(&format!("say {text}"));
        victim.signal(Signal::SIGCONT);
        assert_eq!(victim.line(), text);
    }
}
