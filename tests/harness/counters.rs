//! Counters of a victim that is stuck, spinning or stopped: words of a file that it has mapped (`victims/counters.h`).
//! Runs in the test process. Nothing here asks the victim to do anything but count.

use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use crate::{PATIENCE, wait_for};

/// How many there are; the last one asks the victim to end.
const COUNTERS: u64 = 64;

/// The counters of one victim.
pub struct Counters {
    file: tempfile::NamedTempFile,
}

impl Default for Counters {
    fn default() -> Counters {
        Counters::new()
    }
}

impl Counters {
    /// All zero.
    ///
    /// # Panics
    /// When there is no room for the file.
    #[must_use]
    pub fn new() -> Counters {
        let file = tempfile::NamedTempFile::new().expect("a file for the counters");
        file.as_file().set_len(COUNTERS * 8).expect("room for the counters");
        // The victim may be another user's.
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o666)).expect("chmod");
        Counters { file }
    }

    /// The victim's argument.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// What one of them is now.
    ///
    /// # Panics
    /// When the file cannot be read.
    #[must_use]
    pub fn get(&self, index: u64) -> u64 {
        let mut bytes = [0; 8];
        self.file.as_file().read_exact_at(&mut bytes, index * 8).expect("read a counter");
        u64::from_ne_bytes(bytes)
    }

    /// Tells the victim something.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn set(&self, index: u64, value: u64) {
        self.file.as_file().write_all_at(&value.to_ne_bytes(), index * 8).expect("write a counter");
    }

    /// Waits until each of these has gone on from where it is now, more than the one step that may have been under way.
    ///
    /// # Panics
    /// When one of them stands still.
    pub fn go_on(&self, which: std::ops::Range<u64>) {
        let before: Vec<u64> = which.clone().map(|index| self.get(index)).collect();
        for (index, was) in which.zip(before) {
            wait_for(&format!("thread {index} to go on"), PATIENCE, || (self.get(index) > was + 1).then_some(()));
        }
    }

    /// Asks the victim to end.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn stop(&self) {
        self.set(COUNTERS - 1, 1);
    }
}
