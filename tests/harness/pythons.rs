//! The CPythons of this machine. Runs in the test process.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{place, requires};

/// Each CPython from 3.8 to 3.15 that is here, the oldest first, one for each version and way of building: the system's, pyenv's, and those newer ones that
/// `tests/pythons.sh` unpacks.
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
    found.retain(|python| minor(python).is_some_and(|minor| (8..=15).contains(&minor)));
    found.sort_by_key(|python| minor(python));
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
