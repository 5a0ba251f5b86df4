//! What a test needs beyond Rust, gcc and python3: Debian packages, installed when that is possible.
//! Runs in the test process. What is missing is never passed over in silence: in CI it is a failure.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// Whether the run is CI's, where nothing may be skipped.
#[must_use]
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// Whether the run is a long one (`MANHOLE_TEST_LONG=1`): tests that do something very often, or much of it, do all of it.
#[must_use]
pub fn is_long() -> bool {
    std::env::var_os("MANHOLE_TEST_LONG").is_some_and(|value| value == "1")
}

/// Where a program is, by PATH and the places where servers live.
#[must_use]
pub fn program(name: &str) -> Option<String> {
    let places = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin:/usr/local/sbin";
    places.split(':').map(|place| format!("{place}/{name}")).find(|path| std::path::Path::new(path).is_file())
}

/// Sees to it that `program_name` is there, by installing `package` if this is Debian and the user is root.
/// `false`: it is not, the test says so and returns. In CI it panics instead.
///
/// # Panics
/// In CI, when it is missing and cannot be installed.
#[must_use = "a test must return when what it needs is missing"]
pub fn installed(program_name: &str, package: &str) -> bool {
    if program(program_name).is_some() {
        return true;
    }
    if nix::unistd::geteuid().is_root() && program("apt-get").is_some() {
        install(package);
    }
    let found = program(program_name).is_some();
    if !found {
        missing(&format!("{program_name}: apt-get install {package}"));
    }
    found
}

/// Sees to it that a file of a package is there; like [`installed`].
///
/// # Panics
/// In CI, when it is missing and cannot be installed.
#[must_use = "a test must return when what it needs is missing"]
pub fn installed_file(path: &str, package: &str) -> bool {
    let there = || std::path::Path::new(path).exists();
    if !there() && nix::unistd::geteuid().is_root() && program("apt-get").is_some() {
        install(package);
    }
    if !there() {
        missing(&format!("{path}: apt-get install {package}"));
    }
    there()
}

/// Says that the test is skipped for want of `what`; in CI that is a failure.
///
/// # Panics
/// In CI.
pub fn missing(what: &str) {
    assert!(!in_ci(), "needs {what}");
    eprintln!("skipped: needs {what}");
}

/// One at a time, each package tried once a run, and the lists fetched at most once.
fn install(package: &str) {
    static TRIED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
    if tried.is_empty() {
        apt_get(&["update"]);
    }
    if tried.insert(package.to_owned()) {
        apt_get(&["install", "-y", "--no-install-recommends", package]);
    }
}

fn apt_get(arguments: &[&str]) {
    let status = Command::new("apt-get")
        .arg("-qq")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
        eprintln!("apt-get {}: {status:?}", arguments.join(" "));
    }
}
