//! The host goes to another root, where our thread still needs proc(5).
//!
//! Context: host threads, signal handlers included; nothing is allocated, and each function waits at most [`ROOT_PATIENCE`].

use core::time::Duration;

use crate::state::{self, Call};
use crate::sys::{proc_root, signal};
use crate::{dormant, listener, wake};

/// Whether our thread is there, and in the calling process.
pub(crate) fn is_concern_of_ours() -> bool {
    wake::is_awake() && state::is_on_here()
}

/// The host is about to go to another root, which may have no proc(5): our thread, if there is one, keeps what it needs.
pub(crate) fn root_will_change() {
    if state::is_on_here() {
        open_early();
    }
    if is_concern_of_ours() && wake::call(Call::KeepProc).is_ok() {
        proc_root::wait_for(proc_root::KEPT, ROOT_PATIENCE);
    }
}

/// A forked child that has not opened its manhole yet (`reinstall_delay`) opens it where people look for it, before it goes.
fn open_early() {
    if state::time_to_opening().is_zero() {
        return;
    }
    state::open_after(Duration::ZERO);
    if dormant::is_due() {
        wake::open(signal::mask());
    } else if wake::is_awake() && wake::call(Call::Visit).is_ok() {
        listener::wait_until_bound(ROOT_PATIENCE);
    }
}

/// After [`root_will_change`]: where the root has its own, our thread lets go of the other, which the host may want to unmount.
pub(crate) fn root_has_changed() {
    if is_concern_of_ours() && wake::call(Call::LookForProc).is_ok() {
        proc_root::wait_for(proc_root::LOOKED, ROOT_PATIENCE);
    }
}

/// How long a change of the root waits for our thread.
const ROOT_PATIENCE: Duration = Duration::from_millis(200);
