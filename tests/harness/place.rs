//! Where things are: the shipped binaries, the victims' sources and their builds. Runs in the test process.

use std::path::{Path, PathBuf};

/// The directory of the tests' own manifest.
#[must_use]
pub fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Cargo's target directory of the workspace.
#[must_use]
pub fn target() -> PathBuf {
    let elsewhere = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    elsewhere.unwrap_or_else(|| tests().join("../target"))
}

/// Where the shipped binaries are: `target/release`, or another profile by `MANHOLE_TEST_PROFILE`.
#[must_use]
pub fn binaries() -> PathBuf {
    let profile = std::env::var("MANHOLE_TEST_PROFILE").unwrap_or_else(|_| "release".into());
    target().join(profile)
}

/// The shipped library, or the one that `MANHOLE_LIB` names.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn library() -> PathBuf {
    let path = std::env::var_os("MANHOLE_LIB").map_or_else(|| binaries().join("libmanhole.so"), PathBuf::from);
    existing(path, "cargo build --release --workspace")
}

/// `manhole-run`.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn launcher() -> PathBuf {
    existing(binaries().join("manhole-run"), "cargo build --release --workspace")
}

/// `manhole-cli`.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn client() -> PathBuf {
    existing(binaries().join("manhole-cli"), "cargo build --release --workspace")
}

/// A copy of the library that every user may read, as the checkout may be in somebody's private home.
///
/// # Panics
/// When it cannot be copied.
#[must_use]
pub fn library_for_all(directory: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let open = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("chmod");
    let copy = directory.join("libmanhole.so");
    std::fs::copy(library(), &copy).expect("copy the library");
    open(directory);
    open(&copy);
    copy
}

fn existing(path: PathBuf, remedy: &str) -> PathBuf {
    path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}; build it: {remedy}", path.display()))
}
