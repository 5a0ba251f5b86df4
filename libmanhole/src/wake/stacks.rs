//! Stacks for handlers, for threads that have none: a thread that has overflowed its stack cannot run a handler on it.
//!
//! Context: host threads, in the constructor and at their beginning, and in a forked child. No allocation. Nobody is told when a thread ends, so the
//! stack of one that has ended is given to the next that begins.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use crate::sys::{mapping, process, signal};

/// The size of a stack: for the kernel's frame (up to 11 KiB with AMX state) and ours.
const SIZE: usize = 64 * 1024;

/// Threads that can have one at the same time.
const PLACES: usize = 4096;

struct Place {
    /// The thread that has the stack; 0 for none yet.
    owner: AtomicI32,
    /// The start of its mapping, a guard page; 0 for none yet.
    mapping: AtomicUsize,
}

// Behind what a start touches.
#[unsafe(link_section = ".gnu.linkonce.b.manhole.stacks")]
static TABLE: [Place; PLACES] = [const { Place { owner: AtomicI32::new(0), mapping: AtomicUsize::new(0) } }; PLACES];

/// How many places, from the first on, have ever been taken: a forked child need not look at the others.
static KNOWN: AtomicUsize = AtomicUsize::new(0);

/// Gives the calling thread a stack for handlers where it has none.
pub(crate) fn provide() {
    // Also one that this function has given it: an installation that replaces another asks again.
    if signal::alternate_stack() != Ok(None) {
        return;
    }
    let tid = process::tid();
    let Some((n, place)) = TABLE.iter().enumerate().find(|(_, place)| is_taken(place, tid)) else { return };
    KNOWN.fetch_max(n + 1, Ordering::AcqRel);
    let mapping = match place.mapping.load(Ordering::Acquire) {
        0 => match map() {
            Some(mapping) => mapping,
            None => return place.owner.store(0, Ordering::Release),
        },
        mapping => mapping,
    };
    place.mapping.store(mapping, Ordering::Release);
    if signal::provide_alternate_stack(usable(mapping) as *mut u8, SIZE).is_err() {
        place.owner.store(0, Ordering::Release);
    }
}

/// Where the stack begins, above the guard page.
fn usable(mapping: usize) -> usize {
    mapping + mapping::PAGE
}

/// In a freshly forked child: the calling thread keeps the stack that it had in the parent, under its new id; those of the
/// parent's other threads are free.
pub(crate) fn forget() {
    let own = signal::alternate_stack().ok().flatten();
    let used = |place: &&Place| place.owner.load(Ordering::Acquire) != 0;
    for place in TABLE.iter().take(KNOWN.load(Ordering::Acquire)).filter(used) {
        let is_own = own.is_some_and(|start| start == usable(place.mapping.load(Ordering::Acquire)));
        place.owner.store(if is_own { process::tid() } else { 0 }, Ordering::Release);
    }
}

/// Takes the place for thread `tid` if it is free or its thread has ended.
fn is_taken(place: &Place, tid: i32) -> bool {
    let owner = place.owner.load(Ordering::Acquire);
    if owner != 0 && owner != tid && process::has_thread(owner) {
        return false;
    }
    place.owner.compare_exchange(owner, tid, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

fn map() -> Option<usize> {
    let mapping = mapping::map(SIZE + mapping::PAGE).ok()?;
    // SAFETY: the lowest page of the new mapping becomes the guard.
    unsafe { mapping::protect_none(mapping, mapping::PAGE) }.ok()?;
    Some(mapping as usize)
}
