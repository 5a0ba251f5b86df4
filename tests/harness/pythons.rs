//! The CPythons of this machine. Runs in the test process.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{place, requires};

/// Each CPython from 3.8 to 3.15 that is here, the oldest first, one for each version and way of building: the system's, pyenv's, and those newer ones that
/// `tests/pythons.sh` unpacks. Or only those that `MANHOLE_TEST_PYTHONS` names, with colons between them: no registry has a free-threaded one.
///
/// # Panics
/// When there is none; in CI, when the newer ones are missing.
#[must_use]
pub fn pythons() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let mut found = vec![PathBuf::from("/usr/bin/python3")];
    let versions = std::fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten().flatten();
    found.extend(versions.map(|version| version.path().join("bin/python3")));
    let newer = place::target().join("pythons/usr/bin");
    let newer = [14, 15].map(|minor| newer.join(format!("python3.{minor}")));
    if !newer.iter().all(|python| python.is_file()) {
        let reason = std::fs::read_to_string(place::target().join("pythons.failed")).unwrap_or_default();
        requires::missing(&format!("target/pythons: tests/pythons.sh {}", reason.trim()));
    }
    found.extend(newer.map(|python| std::path::absolute(python).unwrap_or_default()));
    if let Some(named) = std::env::var_os("MANHOLE_TEST_PYTHONS") {
        found = std::env::split_paths(&named).collect();
    }
    found.retain(|python| minor(python).is_some_and(|minor| (8..=15).contains(&minor)));
    found.sort_by_key(|python| minor(python));
    println!("{found:?}");
    assert!(!found.is_empty(), "there is no Python");
    found
}

/// Those of them that have the lock (the GIL).
///
/// # Panics
/// As [`pythons`].
#[must_use]
pub fn pythons_with_the_lock() -> Vec<PathBuf> {
    let mut found = pythons();
    found.retain(|python| !is_free_threaded(python));
    found
}

/// Whether it is a free-threaded build that runs without the lock.
#[must_use]
pub fn is_free_threaded(python: &Path) -> bool {
    says(python, "int(not getattr(sys, '_is_gil_enabled', lambda: True)())") == Some(1)
}

fn minor(python: &Path) -> Option<u32> {
    says(python, "sys.version_info[1]")
}

fn says(python: &Path, number: &str) -> Option<u32> {
    let output = Command::new(python).args(["-c", &format!("import sys; print({number})")]).output().ok()?;
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}
