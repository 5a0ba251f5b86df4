//! Servers with debug information, built from Debian's sources into `target/sources` by `tests/sources.sh`. Runs in the test process.
//! Where that is not possible a test is skipped with the reason, and fails in CI.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::{place, requires};

/// The program that the source package of this name makes: `redis`, `nginx` or `sqlite3`. `None`: it is not there, the test has said so.
///
/// # Panics
/// In CI, when it is not there and cannot be built.
#[must_use = "a test must return when what it needs is missing"]
pub fn program(name: &str) -> Option<PathBuf> {
    static BUILT: Mutex<BTreeMap<String, Result<PathBuf, String>>> = Mutex::new(BTreeMap::new());
    for (program, package) in [("dpkg-source", "dpkg-dev"), ("make", "make"), ("gcc", "gcc"), ("tclsh", "tcl")] {
        if !requires::installed(program, package) {
            return None;
        }
    }
    // One after the other: the compilers share two cores.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let result = built.entry(name.to_owned()).or_insert_with(|| build(name)).clone();
    drop(built);
    match result {
        Ok(path) => Some(path),
        Err(reason) => {
            requires::missing(&format!("{name} built by tests/sources.sh {name}: {reason}"));
            None
        }
    }
}

fn build(name: &str) -> Result<PathBuf, String> {
    let script = place::tests().join("sources.sh");
    let output = Command::new(script).arg(name).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let last = |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().last().unwrap_or_default().to_owned();
    if !output.status.success() {
        return Err(last(&output.stderr));
    }
    PathBuf::from(last(&output.stdout)).canonicalize().map_err(|error| error.to_string())
}
