//! `--list`.
//!
//! Runs in the test binary, in directories of its own: nobody's sockets in /tmp are touched.

use std::os::unix::net::UnixListener;

use crate::client::run;
use crate::manhole::{Manhole, Manner};

#[test]
fn those_that_answer_are_listed_and_stale_ones_go() {
    let own = std::process::id();
    let manhole = Manhole::open_as(&format!("manhole-{own}"), Manner::default());
    let directory = manhole.home();
    let gone = directory.join(format!("manhole-{}", i32::MAX - 1));
    drop(UnixListener::bind(&gone).unwrap());
    let of_the_living = directory.join("manhole-1");
    drop(UnixListener::bind(&of_the_living).unwrap());
    let no_socket = directory.join(format!("manhole-{}", i32::MAX - 2));
    std::fs::write(&no_socket, "").unwrap();

    let left = run(directory, &["--list", directory.to_str().unwrap()], "");
    assert_eq!(left.code, 0);
    let lines: Vec<Vec<&str>> = left
        .stdout
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    let uid = nix::unistd::geteuid().to_string();
    assert_eq!(lines[0], ["PID", "UID", "ANSWERS", "PROGRAM"]);
    assert_eq!(
        lines[1],
        [own.to_string().as_str(), &uid, "yes", "/usr/bin/victim"]
    );
    assert_eq!(lines.len(), 2, "{}", left.stdout);
    assert!(left.stderr.contains("is gone"), "{}", left.stderr);
    assert!(!gone.exists());
    assert!(of_the_living.exists() && no_socket.exists());
}

#[test]
fn nothing_to_list() {
    let directory = tempfile::tempdir().unwrap();
    let left = run(
        directory.path(),
        &["--list", directory.path().to_str().unwrap()],
        "",
    );
    assert_eq!((left.code, left.stdout.as_str()), (0, ""));
    assert!(
        left.stderr.contains("no manhole answers"),
        "{}",
        left.stderr
    );
    let left = run(directory.path(), &["--list", "/no/such/directory"], "");
    assert_eq!(left.code, 1);
    assert!(left.stderr.contains("cannot read"), "{}", left.stderr);
}
