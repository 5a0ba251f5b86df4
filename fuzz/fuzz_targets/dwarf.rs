//! ELF files with symbols and debug information.
#![no_main]

use std::sync::LazyLock;

/// The file is in memory, and is read as one on a disk is.
static PATH: LazyLock<String> = LazyLock::new(|| format!("/dev/shm/manhole-fuzz-{}", std::process::id()));

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if std::fs::write(&*PATH, bytes).is_ok() {
        manhole_agent::fuzzing::file(&PATH);
    }
    let _ = std::fs::remove_file(&*PATH);
});
