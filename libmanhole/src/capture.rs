//! Threads -> registers, stack bytes and state, without disturbing them.
//!
//! Context: the agent's thread.

use crate::modules::Modules;
use crate::snapshot::{Snapshot, Thread};

/// Which threads to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Every thread of the process.
    All,
    /// The one with this kernel id.
    One(i32),
}

/// Looks at the threads. `insist` captures also those that cannot be captured without a residue (`bt -f`).
pub(crate) fn snapshot(_modules: &Modules, _wanted: Wanted, _insist: bool) -> Snapshot {
    Snapshot::default()
}

/// Copies more of the stack of a thread that an unwind found too short (`End::NeedsStack`). An error says why the stack
/// can no longer be read as it was: the thread has run since.
pub(crate) fn deepen(_thread: &mut Thread, _modules: &Modules) -> Result<(), String> {
    Err("not written".to_owned())
}

/// Prepares the signal handlers. `dump_on` is the signal that asks for a dump in the log; 0 for none.
pub(crate) fn arm(_dump_on: i32) {}

/// Whether a dump was asked for by the signal since the last time.
pub(crate) fn take_dump_request() -> bool {
    false
}
