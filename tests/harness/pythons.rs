//! The CPythons of this machine. Runs in the test process.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Each CPython from 3.8 to 3.13 that is here, one for each version and way of building: the system's, and pyenv's.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn pythons() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let mut found = vec![PathBuf::from("/usr/bin/python3")];
    let versions = std::fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten().flatten();
    found.extend(versions.map(|version| version.path().join("bin/python3")));
    found.retain(|python| minor(python).is_some_and(|minor| (8..=13).contains(&minor)));
    found.sort();
    println!("{found:?}");
    assert!(!found.is_empty(), "there is no Python");
    found
}

fn minor(python: &Path) -> Option<u32> {
    let print =
        "import sys; print(sys.version_info[1] if not getattr(sys, '_is_gil_enabled', lambda: True)() is False else 0)";
    let output = Command::new(python).args(["-c", print]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}
