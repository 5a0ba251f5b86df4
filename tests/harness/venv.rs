//! The Python servers of `target/venv`, which `tests/venv.sh` makes for `test.sh`. Runs in the test process.
//! Where they are missing a test is skipped with the reason, and fails in CI.

use std::path::PathBuf;

use crate::{place, requires};

/// A program of the virtual environment, such as `python` or `uwsgi`. `None`: it is not there, the test has said so.
///
/// # Panics
/// In CI, when it is not there.
#[must_use = "a test must return when what it needs is missing"]
pub fn program(name: &str) -> Option<PathBuf> {
    let venv = place::target().join("venv");
    let path = venv.join("bin").join(name);
    // The list of what is in it is put there last.
    if venv.join("requirements.txt").is_file() && path.is_file() {
        // Not canonical: `python` is a link whose place says which environment it is.
        return Some(std::path::absolute(path).unwrap_or_default());
    }
    let reason = std::fs::read_to_string(place::target().join("venv.failed")).unwrap_or_default();
    let remedy = "python3 -m venv and pip (Debian: python3-venv python3-dev), then tests/venv.sh";
    requires::missing(&format!("{name} in target/venv: {remedy} {}", reason.trim()));
    None
}
