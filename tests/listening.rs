//! The socket, and who may come in.

use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};

use manhole_tests::victim::{Host, Victim, descriptors_of};
use manhole_tests::{PATIENCE, TextClient, place, requires, turn, victims, wait_for};

fn plain() -> Victim {
    Host::new(victims::c("closer")).arg("plain").ready()
}

#[test]
fn the_log_says_what_happens_as_python_manhole_does() {
    let _turn = turn::shared();
    let victim = plain();
    let (mut client, _) = victim.text();
    let rest = client.end();
    assert!(rest.contains("now exiting"), "{rest:?}");
    let log = victim.log_with("Cleaned up.");
    let pid = victim.pid();
    let waiting = format!("Waiting for new connection (in pid:{pid}) ...");
    let accepted = format!("PID:{} UID:{} GID:{}", std::process::id(), nix::unistd::geteuid(), nix::unistd::getegid());
    let mut at = 0;
    for expected in [
        &format!("Manhole UDS path: /tmp/manhole-{pid}"),
        &waiting,
        "Accepted connection on fd:",
        &accepted,
        "DONE.",
        "Cleaned up.",
    ] {
        let found = log.get(at..).unwrap().find(expected);
        at += found.unwrap_or_else(|| panic!("no {expected:?} in its place in {log}"));
    }
    let first = log.lines().next().unwrap();
    let (start, rest) = first.split_once("]: ").unwrap_or_else(|| panic!("not a log line: {first:?}"));
    let time = start.strip_prefix(&format!("Manhole[{pid}:")).unwrap_or_else(|| panic!("not a log line: {first:?}"));
    assert!(time.parse::<f64>().is_ok() && time.split_once('.').unwrap().1.len() == 4, "{first:?}");
    assert!(!rest.is_empty());
}

#[test]
fn the_socket_is_private() {
    let _turn = turn::shared();
    // A host with the most careless umask.
    let script = format!("umask 0; exec {} plain", victims::c("closer").display());
    let victim = Host::new("/bin/sh").args(["-c", &script]).ready();
    victim.text().0.end();
    let data = std::fs::metadata(victim.socket()).unwrap();
    assert!(data.file_type().is_socket());
    assert_eq!(data.permissions().mode() & 0o7777, 0o600);
    assert_eq!(data.uid(), nix::unistd::geteuid().as_raw());
}

#[test]
fn twenty_sessions_in_a_row() {
    let _turn = turn::shared();
    let victim = plain();
    for n in 0..20 {
        let (mut client, greeting) = victim.text();
        assert!(greeting.contains("ThreadID="), "session {n}: {greeting}");
        assert!(client.run("print 20+22").contains("42"), "session {n}");
        client.end();
    }
}

#[test]
fn a_stale_socket_is_replaced() {
    let _turn = turn::shared();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("door");
    drop(UnixListener::bind(&path).unwrap()); // the file stays, nobody listens
    let victim = Host::new(victims::c("closer"))
        .arg("plain")
        .options(format!("socket_path='{}', verbose=True", path.display()))
        .ready();
    victim.log_with("Manhole UDS path");
    TextClient::connect(&path).until_prompt();
}

#[test]
fn what_is_in_the_way_is_never_touched() {
    let _turn = turn::shared();
    let directory = tempfile::tempdir().unwrap();
    let start = |path: &std::path::Path| {
        Host::new(victims::c("closer"))
            .arg("plain")
            .options(format!("socket_path='{}', verbose=True", path.display()))
            .ready()
    };

    let file = directory.path().join("file");
    std::fs::write(&file, "somebody's").unwrap();
    let victim = start(&file);
    victim.log_with("file");
    assert_eq!(std::fs::read(&file).unwrap(), b"somebody's");

    let live = directory.path().join("live");
    let listener = UnixListener::bind(&live).unwrap();
    let inode = std::fs::metadata(&live).unwrap().ino();
    let second = start(&live);
    second.log_with("live");
    assert_eq!(std::fs::metadata(&live).unwrap().ino(), inode, "somebody else's living socket was replaced");
    drop(listener);

    // It is tried again: when the way is free, the manhole opens.
    std::fs::remove_file(&file).unwrap();
    TextClient::connect(&file).until_prompt();
}

#[test]
fn a_path_that_is_too_long_is_a_reason_not_a_harm() {
    let _turn = turn::shared();
    let path = format!("/tmp/{}", "long".repeat(40));
    let mut victim = Host::new(victims::c("closer")).arg("plain").options(format!("socket_path='{path}'")).ready();
    assert_eq!(victim.ask("go"), "done first=3 files=8");
    let log = victim.log_with("long");
    assert!(log.contains("107") || log.contains("too long"), "{log}");
}

#[test]
fn other_users_are_refused() {
    let _turn = turn::shared();
    if !nix::unistd::geteuid().is_root() {
        requires::missing("root, to connect as another user");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let library = place::library_for_all(directory.path());
    let program = directory.path().join("closer");
    std::fs::copy(victims::c("closer"), &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();

    // A host of user daemon (1): nobody (65534) may not enter, daemon and root may.
    let victim = Host::new(&program).arg("plain").library(&library).user(1, 1).ready();
    victim.log_with("Waiting for new connection");
    // The mode would keep nobody out before the credentials are asked for: open it, so that those are what is tested.
    std::fs::set_permissions(victim.socket(), std::fs::Permissions::from_mode(0o666)).unwrap();
    let (got, _) = greeting_as("65534", &victim);
    assert_eq!(got, "", "nobody got in");
    let log = victim.log_with("UID:65534");
    assert!(log.contains("SuspiciousClient: Can't accept client with PID:"), "{log}");
    wait_for("it to wait again", PATIENCE, || {
        (victim.log().matches("Waiting for new connection").count() == 2).then_some(())
    });
    let (got, errors) = greeting_as("1", &victim);
    assert!(got.contains("ThreadID="), "its own user was refused: {got} {errors} {}", victim.log());
    let (_, greeting) = victim.text();
    assert!(greeting.contains("ThreadID="), "root was refused");
}

/// What a client that runs as another user gets.
fn greeting_as(uid: &str, victim: &Victim) -> (String, String) {
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.settimeout(10)\ns.connect(sys.argv[1])\n\
                  s.shutdown(socket.SHUT_WR)\nb=b''\nwhile True:\n  try: d=s.recv(65536)\n  except ConnectionResetError: break\n  \
                  if not d: break\n  b+=d\nsys.stdout.write(b.decode())";
    let output = Command::new("setpriv")
        .args(["--reuid", uid, "--regid", uid, "--clear-groups", "/usr/bin/python3", "-c", script])
        .arg(victim.socket())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn low_descriptors_stay_the_hosts() {
    let _turn = turn::shared();
    let bare = Host::without_manhole(victims::c("closer")).arg("plain").ready();
    let low =
        |pid| -> Vec<i32> { descriptors_of(pid).into_iter().map(|(number, _)| number).filter(|&n| n < 100).collect() };
    let (usual, all) = (low(bare.pid()), descriptors_of(bare.pid()).len());
    let victim = plain();
    assert_eq!(victim.told("first"), bare.told("first"), "the first descriptor that the program opens");
    let (mut client, _) = victim.text();
    assert_eq!(low(victim.pid()), usual, "{:?}", descriptors_of(victim.pid()));
    client.end();
    victim.log_with("Cleaned up.");
    // No session leaves a descriptor behind.
    let count = descriptors_of(victim.pid()).len();
    for _ in 0..5 {
        victim.text().0.end();
    }
    manhole_tests::wait_for("the descriptors of the sessions to be closed", manhole_tests::PATIENCE, || {
        (descriptors_of(victim.pid()).len() <= count).then_some(())
    });
    assert!(count <= all + 8, "few descriptors: {:?}", descriptors_of(victim.pid()));
}

#[test]
fn the_hosts_pipes_end_when_the_host_closes_them() {
    let _turn = turn::shared();
    // An agent that kept a copy of stdout would keep the reader waiting for ever.
    let mut victim = Host::new("/bin/sh")
        .args(["-c", "echo ready; read -r line; exec 1>&-; sleep 1000 & read -r line; kill $!"])
        .ready();
    let (mut client, _) = victim.text();
    victim.say("go");
    // `sleep` is started after stdout was closed: only we could hold it open.
    assert!(victim.output_ends(), "somebody still holds the host's stdout");
    client.run("print 6*7");
    client.end();
    victim.finish();
}

#[test]
fn agent_threads_are_named_and_block_signals() {
    let _turn = turn::shared();
    let victim = plain();
    let (mut client, _) = victim.text();
    let mut agents = 0;
    for task in std::fs::read_dir(format!("/proc/{}/task", victim.pid())).unwrap() {
        let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_once(':').unwrap().1.trim().to_owned()
        };
        if field("Pid:").parse::<i32>().unwrap() == victim.pid() {
            continue;
        }
        agents += 1;
        assert!(field("Name:").starts_with("Manhole"), "{status}");
        let blocked = u64::from_str_radix(&field("SigBlk:"), 16).unwrap();
        for (signal, name) in
            [(1, "HUP"), (2, "INT"), (3, "QUIT"), (10, "USR1"), (12, "USR2"), (15, "TERM"), (17, "CHLD")]
        {
            assert!(blocked & 1 << (signal - 1) != 0, "SIG{name} would land on our thread: {blocked:x}");
        }
        // glibc's own two must get through, or setuid waits for ever.
        assert_eq!(blocked & (3 << 31), 0, "signals 32 and 33 are blocked: {blocked:x}");
    }
    assert!(agents >= 1, "no thread of the agent");
    client.end();
}

#[test]
fn a_removed_socket_comes_back() {
    let _turn = turn::shared();
    let victim = plain();
    victim.text().0.end();
    std::fs::remove_file(victim.socket()).unwrap();
    // Nobody tells the process (an inotify descriptor would be one more of ours in it); manhole-cli, which misses the file,
    // asks the process for a new one.
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(place::client())
        .args([&victim.pid().to_string(), "-c", "print 41+1"])
        .env("HOME", home.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("42"), "{said}{complained}");
    let made = victim.socket().metadata().unwrap();
    assert!(made.file_type().is_socket());
    assert_eq!(made.mode() & 0o7777, 0o600);
    victim.text().0.end();
}
