//! A value that is read everywhere without a lock and replaced rarely.
//!
//! Context: any, signal handlers included; replaced only while nothing of the agent is at work.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

/// The value in force, and a place for the next one.
pub(crate) struct Replaced<T> {
    places: [UnsafeCell<T>; 2],
    in_force: AtomicUsize,
}

// SAFETY: the place in force is only read; the other one is written by the one caller of `replace`.
unsafe impl<T: Sync + Send> Sync for Replaced<T> {}

impl<T: Copy> Replaced<T> {
    pub(crate) const fn new(value: T) -> Self {
        Replaced { places: [UnsafeCell::new(value), UnsafeCell::new(value)], in_force: AtomicUsize::new(0) }
    }

    /// The value in force. The reference is good until the value is replaced a second time: nobody keeps it.
    pub(crate) fn get(&self) -> &T {
        let [first, second] = &self.places;
        let place = if self.in_force.load(Ordering::Acquire) == 0 { first } else { second };
        // SAFETY: the place in force is not written to.
        unsafe { &*place.get() }
    }

    /// Puts another value in force. One caller at a time: an installation, which is behind a lock.
    pub(crate) fn replace(&self, value: T) {
        self.replace_by(|place| *place = value);
    }

    /// As [`Replaced::replace`]; `fill` makes the value, where it is to stand, of the one that was in force the last time but one.
    pub(crate) fn replace_by(&self, fill: impl FnOnce(&mut T)) {
        let [first, second] = &self.places;
        let (place, next) = if self.in_force.load(Ordering::Acquire) == 0 { (second, 1) } else { (first, 0) };
        // SAFETY: the place that is not in force; a reader that still has it has kept it through a whole life of the manhole.
        fill(unsafe { &mut *place.get() });
        self.in_force.store(next, Ordering::Release);
    }
}
