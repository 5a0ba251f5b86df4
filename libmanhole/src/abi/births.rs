//! What a new thread is to run, kept from pthread_create until it begins.
//!
//! Context: host threads. A fixed table, no allocation: a thread for which there is no place gets no stack for handlers.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::sys::signal::Set;

/// Threads that are being created at the same moment.
const PLACES: usize = 256;

struct Place {
    /// The function; 0 is free, 1 is being filled.
    function: AtomicUsize,
    argument: AtomicUsize,
    /// What the thread is to block; [`INHERITED`] for what its creator blocks.
    mask: AtomicU64,
}

/// No mask that a thread can have: SIGKILL cannot be blocked (signal(7)).
const INHERITED: u64 = u64::MAX;

// Behind what a start touches.
#[unsafe(link_section = ".gnu.linkonce.b.manhole.births")]
static TABLE: [Place; PLACES] =
    [const { Place { function: AtomicUsize::new(0), argument: AtomicUsize::new(0), mask: AtomicU64::new(0) } }; PLACES];

/// How a thread is to begin.
pub(super) struct Birth {
    pub(super) function: usize,
    pub(super) argument: usize,
    pub(super) mask: Option<Set>,
}

/// Keeps it; the number is for [`take`].
pub(super) fn keep(birth: &Birth) -> Option<usize> {
    let (number, place) = TABLE
        .iter()
        .enumerate()
        .find(|(_, place)| place.function.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok())?;
    place.argument.store(birth.argument, Ordering::Release);
    place.mask.store(birth.mask.map_or(INHERITED, |mask| mask.0), Ordering::Release);
    place.function.store(birth.function, Ordering::Release);
    Some(number)
}

/// Takes it out.
pub(super) fn take(number: usize) -> Option<Birth> {
    let place = TABLE.get(number)?;
    let argument = place.argument.load(Ordering::Acquire);
    let mask = place.mask.load(Ordering::Acquire);
    let function = place.function.swap(0, Ordering::AcqRel);
    Some(Birth { function, argument, mask: (mask != INHERITED).then_some(Set(mask)) })
}
