//! What a new thread is to run, kept from pthread_create until it begins.
//!
//! Context: host threads. A fixed table, no allocation: a thread for which there is no place gets no stack for handlers.

use core::sync::atomic::{AtomicUsize, Ordering};

/// Threads that are being created at the same moment.
const PLACES: usize = 256;

struct Place {
    /// The function; 0 is free, 1 is being filled.
    function: AtomicUsize,
    argument: AtomicUsize,
}

static TABLE: [Place; PLACES] =
    [const { Place { function: AtomicUsize::new(0), argument: AtomicUsize::new(0) } }; PLACES];

/// Keeps a function and its argument; the number is for [`take`].
pub(super) fn keep(function: usize, argument: usize) -> Option<usize> {
    let (number, place) = TABLE
        .iter()
        .enumerate()
        .find(|(_, place)| place.function.compare_exchange(0, 1, Ordering::AcqRel, Ordering::Relaxed).is_ok())?;
    place.argument.store(argument, Ordering::Release);
    place.function.store(function, Ordering::Release);
    Some(number)
}

/// Takes them out.
pub(super) fn take(number: usize) -> (usize, usize) {
    TABLE.get(number).map_or((0, 0), |place| {
        let argument = place.argument.load(Ordering::Acquire);
        (place.function.swap(0, Ordering::AcqRel), argument)
    })
}
