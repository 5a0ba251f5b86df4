//! Who may run at the same time. Tests that measure time or disturbance run alone; all others share the machine.
//! Runs in the test process. Tests hold the returned guard until they end.

use std::path::Path;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

static MACHINE: RwLock<()> = RwLock::new(());

/// The turn of a test that does not mind company.
pub fn shared() -> RwLockReadGuard<'static, ()> {
    sweep();
    // A failed test poisons the lock, which is no reason for the others to fail.
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// The turn of a test that measures: it has the machine to itself, as far as this test binary goes.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    sweep();
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the sockets of processes that are long gone. Those of killed children stay, and a run of all tests has more processes than there are
/// ids: the next process of the same id would seem to have a manhole.
fn sweep() {
    const OLD: Duration = Duration::from_secs(60);
    for entry in std::fs::read_dir("/tmp").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix("manhole-")?.parse::<u32>().ok());
        let Some(pid) = pid else { continue };
        let made = entry.metadata().and_then(|file| file.modified());
        let is_old = made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > OLD));
        if is_old && !Path::new(&format!("/proc/{pid}")).exists() {
            // Another test may have been quicker.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}
