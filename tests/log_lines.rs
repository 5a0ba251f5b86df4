//! The log with `verbose=True`: python-manhole's messages, where they have a meaning, in its order.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use manhole_tests::victim::{Host, Victim, socket_of};
use manhole_tests::{PATIENCE, TextClient, place, turn, victims, wait_for};

fn victim(options: &str) -> Victim {
    Host::new(victims::c("exits")).arg("return").options(options).ready()
}

/// The messages of the process's log; each line must have its head, `Manhole[<pid>:<seconds>.<4 digits>]: `.
fn messages(log: &str, pid: i32) -> Vec<String> {
    let message = |line: &str| {
        let rest = line.strip_prefix("Manhole[").unwrap_or_else(|| panic!("no head: {line}, in {log}"));
        let (head, message) = rest.split_once("]: ").unwrap_or_else(|| panic!("no head: {line}"));
        let (of, time) = head.split_once(':').unwrap_or_else(|| panic!("no time: {line}"));
        let (seconds, fraction) = time.split_once('.').unwrap_or_else(|| panic!("no fraction: {line}"));
        assert!(seconds.parse::<u64>().is_ok() && fraction.len() == 4 && fraction.parse::<u16>().is_ok(), "{line}");
        (of == pid.to_string()).then(|| message.to_owned())
    };
    log.lines().filter_map(message).collect()
}

/// The log when the last of so many sessions is over.
fn log_after(victim: &Victim, sessions: usize) -> Vec<String> {
    wait_for("the end of the session", PATIENCE, || {
        let log = messages(&victim.log(), victim.pid());
        let waits = log.iter().filter(|line| line.starts_with("Waiting for new connection")).count();
        (waits > sessions).then_some(log)
    })
}

/// An accepted connection as it is logged, without the number of its descriptor.
fn accepted(message: &str) -> String {
    let me = format!(
        "from PID:{} UID:{} GID:{}",
        std::process::id(),
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw()
    );
    let rest = message.strip_prefix("Accepted connection on fd:").unwrap_or_else(|| panic!("{message}"));
    let (fd, from) = rest.split_once(' ').unwrap_or_default();
    assert!(fd.parse::<u32>().is_ok() && from == me, "{message}");
    "Accepted".to_owned()
}

#[test]
fn a_session_from_the_start_to_the_next() {
    let _turn = turn::shared();
    let victim = victim("verbose=True");
    let (mut client, _) = victim.text();
    assert!(client.end().ends_with("\nnow exiting ManholeConsole...\n"));
    let mut log = log_after(&victim, 1);
    log[3] = accepted(&log[3]);
    let path = format!("Manhole UDS path: /tmp/manhole-{}", victim.pid());
    let waiting = format!("Waiting for new connection (in pid:{}) ...", victim.pid());
    let expected = ["Patched fork, forkpty and daemon.", &path, &waiting, "Accepted", "DONE.", "Cleaned up.", &waiting];
    assert_eq!(log, expected);
}

#[test]
fn how_the_client_leaves() {
    let _turn = turn::shared();
    let victim = victim("verbose=True");
    let after_accept = |sessions: usize| {
        let mut log = log_after(&victim, sessions);
        let at = log.iter().rposition(|line| line.starts_with("Accepted connection")).expect("a session");
        let mut rest = log.split_off(at + 1);
        rest.pop();
        rest
    };
    let (mut client, _) = victim.text();
    client.send(b"exit()\n").unwrap();
    client.until_end();
    assert_eq!(after_accept(1), ["DONE.", "Cleaned up."]);
    let (client, _) = victim.text();
    drop(client);
    assert_eq!(after_accept(2), ["REPL client disconnected", "DONE.", "Cleaned up."]);
    // It leaves while its answer is on the way.
    let mut stream = UnixStream::connect(victim.socket()).unwrap();
    stream.write_all(&b"info maps\n".repeat(2000)).unwrap();
    drop(stream);
    assert_eq!(after_accept(3), ["REPL client disconnected", "DONE.", "Cleaned up."]);
    // A client of the structured mode closes when it has all it wants.
    let mut client = victim.structured();
    client.run("print 6*7");
    drop(client);
    assert_eq!(after_accept(4), ["DONE.", "Cleaned up."]);
}

#[test]
fn why_fork_is_not_patched() {
    let _turn = turn::shared();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("own.sock");
    let path = path.to_str().unwrap();
    let victim = victim(&format!("verbose=True, socket_path='{path}'"));
    TextClient::connect(path.as_ref()).end();
    let log = log_after(&victim, 1);
    assert_eq!(log[0], format!("Not patching os.fork and os.forkpty. Using user socket path {path}"));
    assert_eq!(log[1], format!("Manhole UDS path: {path}"));
}

#[test]
fn a_forked_child() {
    let _turn = turn::shared();
    // A subshell that runs no other program.
    let script = "(read never) < $FIFO & echo ready child=$!; read line; kill $!";
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    let destination = directory.path().join("log");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // Both ends, so that nobody waits in open.
    let _open = std::fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let mut victim = Host::new("bash")
        .args(["-c", script])
        .env("FIFO", &fifo)
        .options(format!(
            "verbose=True, verbose_destination='{}', thread=True, reinstall_delay=0.25",
            destination.display()
        ))
        .ready();
    let child = i32::try_from(victim.told("child")).unwrap();
    TextClient::connect(&socket_of(child)).end();
    let log = wait_for("the child's log", PATIENCE, || {
        let log = messages(&std::fs::read_to_string(&destination).unwrap(), child);
        log.iter().any(|line| line == "Cleaned up.").then_some(log)
    });
    let path = format!("Manhole UDS path: /tmp/manhole-{child}");
    let waiting = format!("Waiting for new connection (in pid:{child}) ...");
    assert_eq!(
        log[..4],
        ["Fork detected. Reinstalling Manhole.", "Delaying UDS binding 0.25 seconds ...", &path, &waiting]
    );
    victim.finish();
}

#[test]
fn quiet_without_verbose() {
    let _turn = turn::shared();
    let victim = victim("");
    let (mut client, _) = victim.text();
    client.run("print 1/0");
    client.end();
    let (client, _) = victim.text();
    drop(client);
    victim.text().0.end();
    assert_eq!(victim.log(), "");
}

#[test]
fn a_starter_sees_the_end_of_a_pipe_that_its_daemon_closes() {
    let _turn = turn::shared();
    let mut child = Command::new("sh")
        .args(["-c", "echo ready; read go; exec 2>&-; echo closed; read end"])
        .env("LD_PRELOAD", place::library())
        .env("MANHOLE", "verbose=True, verbose_destination=2")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = i32::try_from(child.id()).unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut errors = child.stderr.take().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    // The manhole serves somebody while the descriptor goes, and after.
    let mut client = TextClient::connect(&socket_of(pid));
    client.until_prompt();
    let (sender, ended) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut log = String::new();
        let result = errors.read_to_string(&mut log).map(|_| log);
        let _ = sender.send(result);
    });
    input.write_all(b"go\n").unwrap();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\nclosed\n");
    let log = ended.recv_timeout(PATIENCE).expect("the pipe ends").unwrap();
    assert!(log.contains("Accepted connection") && !log.contains("DONE."), "{log}");
    assert_eq!(client.run("print 6*7"), "$1 = 42\n");
    client.end();
    TextClient::connect(&socket_of(pid)).end();
    input.write_all(b"end\n").unwrap();
    assert!(child.wait().unwrap().success());
}
