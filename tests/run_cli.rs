//! manhole-run and manhole-cli, end to end, as people type them.

mod asleep;
mod leftovers;
mod signals;
mod watching;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, place, requires, turn, victims, wait_for};

fn run(arguments: &[&str]) -> Output {
    Command::new(place::launcher()).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn cli(arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(place::client()).args(arguments).env("HOME", home.path()).stdin(Stdio::null()).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A victim that manhole-run starts; the pid is the same, as it execs.
fn launched(options: &[&str]) -> Victim {
    let program = victims::cpp("pool", &["-O2", "-g"]).unwrap_or_else(|| victims::c("stale"));
    Host::without_manhole(place::launcher()).args(options).arg("--").arg(program).args(["8", "15"]).ready()
}

/// `awaits.c`: shows a client from outside what an agent would.
fn awaits(words: &[&str]) -> Victim {
    Host::without_manhole(victims::c("awaits")).args(words).ready()
}

/// A file that looks like the library, for `awaits`, and its word.
fn library() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("libmanhole.so");
    std::fs::write(&path, [0; 4096]).unwrap();
    let word = format!("library={}", path.display());
    (directory, word)
}

/// Whether the client got in and an answer came.
fn assert_entered(output: &Output, pid: i32) {
    assert_eq!((output.status.code(), out(output)), (Some(0), format!("I am {pid}\n")), "{}", err(output));
}

/// Waits until the process's main thread has `state`.
fn await_state(pid: i32, state: char) {
    wait_for("the state", PATIENCE, || {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit(") ").next().unwrap().starts_with(state).then_some(())
    });
}

#[test]
fn the_main_job() {
    let _turn = turn::shared();
    let victim = launched(&[]);
    let pid = victim.pid().to_string();
    let output = cli(&[&pid, "-c", "bt all", "-c", "info threads", "-c", "print 6*7"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    for part in ["#0 ", "main", &pid, "42"] {
        assert!(out(&output).contains(part), "{}", out(&output));
    }
    let path = format!("/tmp/manhole-{pid}");
    assert!(out(&cli(&[&path, "-c", "print 6*7"])).contains("42"), "by its path");
}

#[test]
fn json_is_json() {
    let _turn = turn::shared();
    let victim = launched(&[]);
    let output = cli(&[&victim.pid().to_string(), "--json", "-c", "bt all"]);
    let value: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", out(&output)));
    let text = value.to_string();
    assert!(text.contains("\"threads\"") && text.contains("\"pc\""), "{text:.300}");
}

#[test]
fn lines_from_a_pipe_are_answered() {
    let _turn = turn::shared();
    let victim = launched(&[]);
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(place::client())
        .arg(victim.pid().to_string())
        .env("HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"print 1234+2345\nbt\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("3579") && out(&output).contains("ThreadID="), "{}", out(&output));
}

#[test]
fn a_failing_command_is_seen_in_the_status() {
    let _turn = turn::shared();
    let victim = launched(&[]);
    let output = cli(&[&victim.pid().to_string(), "-c", "nonsense"]);
    assert_ne!(output.status.code(), Some(0), "{}", out(&output));
    assert!(err(&output).contains("nonsense") || out(&output).contains("nonsense"));
}

#[test]
fn nobody_there_is_status_five_and_costs_no_cpu() {
    let _turn = turn::shared();
    let mut gone = Command::new("true").spawn().unwrap();
    let pid = gone.id().to_string();
    gone.wait().unwrap();
    let began = Instant::now();
    let output = cli(&["-t", "0.5", &pid]);
    let took = began.elapsed();
    assert_eq!(output.status.code(), Some(5), "{}", err(&output));
    assert!(err(&output).contains(&format!("Failed to connect to '/tmp/manhole-{pid}'")), "{}", err(&output));
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn bad_arguments_are_status_two() {
    let _turn = turn::shared();
    for arguments in [&[][..], &["asdf"], &["-s", "NONSENSE", "1"], &["--nonsense", "1"]] {
        let output = cli(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", err(&output));
        assert!(!err(&output).is_empty());
    }
    assert_eq!(cli(&["--help"]).status.code(), Some(0));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    for word in ["-c", "--json", "-t", "USR1"] {
        assert!(out(&cli(&["--help"])).contains(word), "{word}");
    }
    for word in ["--options", "--lib", "--no-children"] {
        assert!(out(&run(&["--help"])).contains(word), "{word}");
    }
}

#[test]
fn a_socket_of_somebody_else_is_noticed() {
    let _turn = turn::shared();
    // A listener of this process under the name of another one's manhole.
    let mut other = Command::new("sleep").arg("1000").spawn().unwrap();
    let path = format!("/tmp/manhole-{}", other.id());
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let output = cli(&["-t", "1", &other.id().to_string(), "-c", "bt"]);
    drop(listener);
    std::fs::remove_file(&path).unwrap();
    other.kill().unwrap();
    other.wait().unwrap();
    assert_ne!(output.status.code(), Some(0));
    assert!(err(&output).contains(&std::process::id().to_string()), "says whose it is: {}", err(&output));
}

#[test]
fn the_launcher_says_why_it_cannot() {
    let _turn = turn::shared();
    let missing = run(&["--", "/nonexistent/program"]);
    assert_eq!(missing.status.code(), Some(127), "{}", err(&missing));
    assert!(err(&missing).contains("/nonexistent/program"));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("data");
    std::fs::write(&file, "no program").unwrap();
    let data = run(&["--", &file.to_string_lossy()]);
    assert_eq!(data.status.code(), Some(126), "{}", err(&data));

    let fixed = victims::c_with("exits", &["-O2", "-g", "-static"]);
    let output = run(&["--", &fixed.to_string_lossy(), "return"]);
    assert!(err(&output).contains("static"), "{}", err(&output));

    let setuid = directory.path().join("setuid");
    std::fs::copy(victims::c("exits"), &setuid).unwrap();
    std::fs::set_permissions(&setuid, std::fs::Permissions::from_mode(0o4755)).unwrap();
    let owned_by_other = std::os::unix::fs::chown(&setuid, Some(1), Some(1)).is_ok();
    std::fs::set_permissions(&setuid, std::fs::Permissions::from_mode(0o4755)).unwrap();
    if owned_by_other {
        let output = run(&["--", &setuid.to_string_lossy(), "return"]);
        assert!(err(&output).contains("setuid"), "{}", err(&output));
    }
}

#[test]
fn options_are_checked_before_the_program_starts() {
    let _turn = turn::shared();
    let output = run(&["--options", "socket_pth='/tmp/x'", "--", "/bin/echo", "started"]);
    assert!(!output.status.success());
    assert!(!out(&output).contains("started"));
    assert!(err(&output).contains("socket_path"), "{}", err(&output));
}

#[test]
fn the_status_and_the_output_are_the_programs() {
    let _turn = turn::shared();
    let output = run(&["--", "/bin/sh", "-c", "echo out; echo err >&2; exit 9"]);
    assert_eq!((out(&output).as_str(), err(&output).as_str(), output.status.code()), ("out\n", "err\n", Some(9)));
    let found = run(&["--", "echo", "by PATH"]);
    assert_eq!(out(&found), "by PATH\n");
}

#[test]
fn preloads_that_are_there_already_stay() {
    let _turn = turn::shared();
    let output = Command::new(place::launcher())
        .args(["--", "/bin/sh", "-c", "echo $LD_PRELOAD"])
        .env("LD_PRELOAD", "/lib/x86_64-linux-gnu/libm.so.6")
        .output()
        .unwrap();
    let text = out(&output);
    assert!(text.contains("libmanhole.so") && text.contains("libm.so.6"), "{text} {}", err(&output));
    assert!(text.find("libmanhole.so") < text.find("libm.so.6"), "{text}");
}

#[test]
fn no_children_means_none() {
    let _turn = turn::shared();
    let preloads = |output: &Output| {
        out(output).lines().any(|line| line.starts_with("LD_PRELOAD=") && line.contains("libmanhole.so"))
    };
    let output = run(&["--no-children", "--", "/bin/sh", "-c", "env; true"]);
    assert!(!preloads(&output), "{}", out(&output));
    let output = run(&["--", "/bin/sh", "-c", "env; true"]);
    assert!(preloads(&output), "children inherit it otherwise: {}", out(&output));
}

#[test]
fn other_clients_work_too() {
    let _turn = turn::shared();
    let victim = launched(&[]);
    for (program, package, arguments) in [
        ("nc", "netcat-openbsd", vec!["-N".to_owned(), "-U".to_owned(), victim.socket().display().to_string()]),
        (
            "socat",
            "socat",
            vec!["-t5".to_owned(), "-".to_owned(), format!("UNIX-CONNECT:{}", victim.socket().display())],
        ),
    ] {
        if !requires::installed(program, package) {
            continue;
        }
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"print 6*7\n").unwrap();
        let output = child.wait_with_output().unwrap();
        let text = out(&output);
        assert!(text.contains("ThreadID=") && text.contains("42"), "{program}: {text}");
    }
}

#[test]
fn the_library_may_be_named() {
    let _turn = turn::shared();
    let output = run(&["--lib", &place::library().to_string_lossy(), "--", "/bin/echo", "fine"]);
    assert_eq!(out(&output), "fine\n", "{}", err(&output));
    let output = run(&["--lib", "/nonexistent.so", "--", "/bin/echo", "fine"]);
    assert!(!output.status.success() && err(&output).contains("/nonexistent.so"), "{}", err(&output));
    assert!(Path::new(&place::library()).exists());
}
