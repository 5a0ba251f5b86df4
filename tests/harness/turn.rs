//! Who may run at the same time. Tests that measure time or disturbance run alone; all others share the machine.
//! Runs in the test process. Tests hold the returned guard until they end.

use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

static MACHINE: RwLock<()> = RwLock::new(());

/// The turn of a test that does not mind company.
pub fn shared() -> RwLockReadGuard<'static, ()> {
    // A failed test poisons the lock, which is no reason for the others to fail.
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// The turn of a test that measures: it has the machine to itself, as far as this test binary goes.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}
