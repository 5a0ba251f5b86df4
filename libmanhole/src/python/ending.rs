//! Whether an interpreter has ended, and whether a process that exits has threads that it has left behind.
//!
//! Context: [`note`] on the agent's thread; [`has_ended`] there too, and with [`has_left_threads`] on a thread of the host's in exit(3). They allocate
//! nothing and wait for nobody.
//!
//! A finalised interpreter has freed what it had of its daemon threads. CPython relies on the process ending at once then: one of them that wakes up
//! later reads freed memory (Doc/c-api/init.rst on daemon threads and finalization). So nobody may keep such a process from ending.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::memory::read_now;
use crate::state;
use crate::sys::{fd, thread};

/// Where the address of the main interpreter stands: null when it has ended. 0 as long as that is not known.
static MAIN: AtomicU64 = AtomicU64::new(0);

/// There is an interpreter, whose address stands at `place`.
pub(super) fn note(place: u64) {
    if MAIN.swap(place, SeqCst) != place && state::is_exiting() {
        state::look_at_wait_again();
    }
}

/// Whether the interpreter has ended, or not begun; false as long as nobody has looked at one.
#[cold]
pub(crate) fn has_ended() -> bool {
    let place = MAIN.load(SeqCst);
    let mut main = [1; 8];
    place != 0 && read_now(place, &mut main) == Ok(8) && u64::from_le_bytes(main) == 0
}

/// Whether the interpreter has ended while there are threads beside the calling one and ours, of which so many are workers.
#[cold]
pub(crate) fn has_left_threads(workers: impl FnOnce() -> usize) -> bool {
    if !has_ended() {
        return false;
    }
    let ours = 1 + workers() + usize::from(state::agent() != 0) + usize::from(thread::hand() != 0);
    // The directory and its parent have two names.
    const NO_THREADS: u64 = 2;
    fd::stat_target(c"/proc/self/task").is_ok_and(|task| task.links > NO_THREADS + ours as u64)
}
