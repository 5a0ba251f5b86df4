//! Loading: which processes get a manhole, which do not, and what they say.

use std::process::Command;

use manhole_tests::victim::{Host, socket_of};
use manhole_tests::{TextClient, place, turn, victims};

/// The stderr and stdout of a short program under the preload.
fn run(options: Option<&str>, program: &str, arguments: &[&str]) -> (String, String, Option<i32>) {
    let mut command = Command::new(program);
    command.args(arguments).env("LD_PRELOAD", place::library()).env_remove("MANHOLE");
    if let Some(options) = options {
        command.env("MANHOLE", options);
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (text(output.stderr), text(output.stdout), output.status.code())
}

#[test]
fn opens_with_the_defaults_when_manhole_is_empty() {
    let _turn = turn::shared();
    let victim = Host::new(victims::c("closer")).arg("plain").options("").ready();
    let (mut client, greeting) = victim.text();
    assert!(greeting.contains(&format!("ProcessID={}", victim.pid())), "{greeting}");
    client.end();
    assert_eq!(victim.log(), "", "quiet by default");
}

#[test]
fn says_nothing_and_changes_nothing_in_a_short_program() {
    let _turn = turn::shared();
    assert_eq!(run(None, "/bin/echo", &["fine"]), (String::new(), "fine\n".into(), Some(0)));
    assert_eq!(run(Some(""), "/bin/sh", &["-c", "exit 7"]), (String::new(), String::new(), Some(7)));
}

#[test]
fn off_means_off() {
    let _turn = turn::shared();
    let mut victim = Host::new(victims::c("closer")).arg("plain").options("off").ready();
    assert_eq!(victim.ask("go"), "done first=3 files=8");
    assert!(!victim.socket().exists());
    assert_eq!(std::fs::read_dir(format!("/proc/{}/task", victim.pid())).unwrap().count(), 1);
    assert_eq!(victim.log(), "");
}

#[test]
fn bad_options_are_one_line_and_the_host_runs_on() {
    let _turn = turn::shared();
    for (options, hint) in [
        ("foo=1", "foo"),
        ("socket_pth='/tmp/x'", "socket_path"),
        ("verbose='yes'", "verbose"),
        ("verbose=", "verbose="),
        ("verbose=True, verbose=False", "verbose"),
        ("'unfinished", "unfinished"),
        ("__import__('os')", "__import__"),
    ] {
        let (errors, output, code) = run(Some(options), "/bin/echo", &["fine"]);
        assert_eq!((output.as_str(), code), ("fine\n", Some(0)), "{options}");
        let first = errors.lines().next().unwrap_or_default();
        assert!(first.contains(&format!("Failed to manhole.install({options}): ")), "{options}: {errors:?}");
        assert!(errors.contains(hint), "{options}: {errors:?}");
    }
}

#[test]
fn an_unknown_name_is_answered_by_the_nearest_known_one() {
    let _turn = turn::shared();
    let (errors, _, _) = run(Some("socket_pth='/tmp/x'"), "/bin/true", &[]);
    assert!(errors.contains("socket_path"), "{errors:?}");
}

#[test]
fn the_path_may_hold_the_pid() {
    let _turn = turn::shared();
    let directory = tempfile::tempdir().unwrap();
    let pattern = directory.path().join("door-{pid}");
    let victim = Host::new(victims::c("closer"))
        .arg("plain")
        .options(format!("socket_path='{}', verbose=True", pattern.display()))
        .ready();
    let path = directory.path().join(format!("door-{}", victim.pid()));
    let mut client = TextClient::connect(&path);
    client.until_prompt();
    assert!(!victim.socket().exists(), "only at the path that was asked for");
    client.end();
}

#[test]
fn a_fixed_path_is_not_for_children() {
    let _turn = turn::shared();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("door");
    let options = format!("socket_path='{}', reinstall_delay=0, verbose=True", path.display());
    let mut victim = Host::new(victims::c("forker")).arg("quiet").options(options).ready();
    let log = victim.log_with("Manhole UDS path");
    assert!(log.contains("Not patching") && log.contains(&path.display().to_string()), "{log}");
    let answer = victim.ask("fork-exit");
    assert!(answer.ends_with("status=7"), "{answer}");
    victim.ask("fork-return");
    assert!(path.exists(), "a child took its parent's socket away");
    TextClient::connect(&path).end();
}

/// What a relative path names is settled at the start, wherever the program goes.
#[test]
fn a_relative_path_stays_where_the_program_was_started() {
    let _turn = turn::shared();
    let directory = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let options = "socket_path='door-{pid}', verbose_destination='log', verbose=True, thread=True";
    let goes = format!(
        "import os, sys; print(f'ready pid={{os.getpid()}}', flush=True); os.chdir({:?}); print('there', flush=True); sys.stdin.read()",
        elsewhere.path()
    );
    let host = Host::new("/usr/bin/python3").args(["-c", &goes]).options(options).directory(directory.path());
    let mut victim = host.ready();
    assert_eq!(victim.line(), "there");
    let door = directory.path().join(format!("door-{}", victim.pid()));
    for _ in 0..3 {
        TextClient::connect(&door).end();
    }
    assert!(victim.finish().1.success());
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    let left: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["log"]);
    let log = std::fs::read_to_string(directory.path().join("log")).unwrap();
    assert_eq!(log.matches("Accepted connection").count(), 3, "{log}");
}

#[test]
fn a_setuid_program_is_left_alone() {
    let _turn = turn::shared();
    if !nix::unistd::geteuid().is_root() || !std::path::Path::new("/usr/bin/setpriv").exists() {
        manhole_tests::requires::missing("root, and setpriv: apt-get install util-linux");
        return;
    }
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let library = place::library_for_all(directory.path());
    let program = directory.path().join("setuid");
    std::fs::copy(victims::c("exits"), &program).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o4755)).unwrap();
    let mut victim = Host::new(&program).arg("return").library(&library).user(65534, 65534).ready();
    assert!(!socket_of(victim.pid()).exists());
    let (said, status) = victim.finish();
    assert_eq!(status.code(), Some(4), "{said:?} {}", victim.log());
    assert!(!victim.log().contains("Manhole"), "{}", victim.log());
}

#[test]
fn starts_under_tight_limits() {
    let _turn = turn::shared();
    // Where the agent cannot have what it needs, the host must still run as it would without it.
    for limit in ["ulimit -n 4", "ulimit -s 128", "ulimit -u 1", "ulimit -v 40000"] {
        let script = format!("{limit}; exec /bin/echo fine");
        let (_, without, code) = {
            let output = Command::new("sh").args(["-c", &script]).output().unwrap();
            (0, String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
        };
        // The shell itself is not preloaded, so that the limit meets the agent in echo.
        let preloaded = format!("{limit}; LD_PRELOAD={} exec /bin/echo fine", place::library().display());
        let output = Command::new("sh").args(["-c", &preloaded]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), without, "{limit}");
        assert_eq!(output.status.code(), code, "{limit}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn starts_with_sanitizers_when_the_launcher_helps() {
    let _turn = turn::shared();
    let program = victims::c_with("exits", &["-O1", "-g", "-fsanitize=address"]);
    let output = Command::new(place::launcher()).arg("--").arg(&program).arg("return").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("destructor ran"), "{text} {}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(4));
}
