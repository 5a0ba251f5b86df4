//! What a worker blocks, and what is blocked by that which a line starts.
//!
//! Context: workers, their forked children, and host threads that have a visit; [`at_rest`] and [`at_work`] anywhere.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use super::{below, here, visits};
use crate::call::guard;
use crate::state;
use crate::sys::signal::{self, Set};

/// What the thread that has created the last worker blocks otherwise: the host's own threads have signals open, ours have not. No mask that
/// there can be as long as there was no worker: SIGKILL cannot be blocked.
pub(super) static HOST_MASK: AtomicU64 = AtomicU64::new(NO_MASK);
const NO_MASK: u64 = u64::MAX;

/// Whether this process is the child of a fork that a worker has made.
static IS_JOBS_CHILD: AtomicBool = AtomicBool::new(false);

/// In such a child.
pub(crate) fn note_child() {
    IS_JOBS_CHILD.store(true, SeqCst);
}

/// Signals that workers have passed on to other threads, and block since.
static PASSED_ON: AtomicU64 = AtomicU64::new(0);

/// A worker blocks `number` from now on, for it is for another thread.
pub(crate) fn note_passed_on(number: i32) {
    PASSED_ON.fetch_or(Set::of(&[number]).0, SeqCst);
}

/// Whether it is what a worker that has a job blocks.
fn is_of_worker(mask: Set) -> bool {
    let passed_on = PASSED_ON.load(SeqCst);
    mask.0 & !passed_on == at_work().0 & !passed_on
}

/// On a worker: what a thread of the host's own blocks in its place; on a host thread that has a visit, what it blocks otherwise. `None` on
/// all other threads, at the price of a few loads while there is neither.
pub(crate) fn host_mask() -> Option<Set> {
    here().map(|worker| Set(worker.mask.load(SeqCst))).or_else(visits::host_mask)
}

/// The calling thread has changed its mask (sigprocmask(2)). What a job blocks is blocked already; what it starts must have it blocked
/// all the same.
pub(crate) fn mask_has_changed(how: c_int, set: Set) {
    let Some(worker) = here().or_else(below) else { return };
    let before = worker.mask.load(SeqCst);
    let now = match how {
        libc::SIG_BLOCK => before | set.0,
        libc::SIG_UNBLOCK => before & !set.0,
        // The mask that it has found is put back.
        libc::SIG_SETMASK if is_of_worker(set) => HOST_MASK.load(SeqCst),
        libc::SIG_SETMASK => set.0,
        _ => before,
    };
    worker.mask.store(now, SeqCst);
}

/// Before the calling thread executes a program: what that is to block instead, if the thread has the mask of a worker that has a job. It may
/// be the child of a vfork(2), which has the worker's stack, or the child of a fork that has put back the mask that it has found before.
pub(crate) fn mask_of_program() -> Option<Set> {
    let host = HOST_MASK.load(SeqCst);
    // All other threads make no call here: a filter of theirs may kill for it.
    let mask = match below() {
        _ if host == NO_MASK => None,
        Some(worker) => Some(Set(worker.mask.load(SeqCst))),
        None => IS_JOBS_CHILD.load(SeqCst).then_some(Set(host)),
    };
    mask.filter(|_| is_of_worker(signal::mask()))
}

/// As [`mask_of_program`], for a thread that may also be one of the host's that has a visit.
pub(crate) fn mask_to_execute_with() -> Option<Set> {
    visits::host_mask().or_else(mask_of_program)
}

/// What a worker blocks without a job: what the option `sigmask` says. By default that is all, for what is sent to the process is for threads that
/// the host knows: one that waits for it with the signal blocked would miss it.
pub(super) fn at_rest() -> Set {
    Set(signal::BLOCKED.0 & state::settings().sigmask)
}

/// What a worker blocks while it has a job, as the kernel tells it: what a fault raises is open, and two cannot be blocked.
pub(super) fn at_work() -> Set {
    let open = Set::of(&guard::SIGNALS).0 | Set::of(&[libc::SIGKILL, libc::SIGSTOP]).0;
    Set(at_rest().0 & !open)
}
