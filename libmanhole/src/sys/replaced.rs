//! A value that is read everywhere without a lock and replaced rarely.
//!
//! Context: any, signal handlers included; replaced only while nothing of the agent is at work.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicUsize, Ordering};

/// The value in force, and a place for the next one. The word stands before the place that the first of all replacements fills.
#[repr(C)]
pub(crate) struct Replaced<T> {
    first: UnsafeCell<T>,
    in_force: AtomicUsize,
    second: UnsafeCell<T>,
}

// SAFETY: the place in force is only read; the other one is written by the one caller of `replace`.
unsafe impl<T: Sync + Send> Sync for Replaced<T> {}

impl<T: Copy> Replaced<T> {
    pub(crate) const fn new(value: T) -> Self {
        Replaced { first: UnsafeCell::new(value), in_force: AtomicUsize::new(0), second: UnsafeCell::new(value) }
    }

    /// The value in force. The reference is good until the value is replaced a second time: nobody keeps it.
    pub(crate) fn get(&self) -> &T {
        let Replaced { first, second, .. } = self;
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
        let Replaced { first, second, .. } = self;
        // An access that may write: a page of which a start reads first would be mapped twice.
        let is_first = self.in_force.compare_exchange(0, 0, Ordering::Acquire, Ordering::Acquire).is_ok();
        let (place, next) = if is_first { (second, 1) } else { (first, 0) };
        // SAFETY: the place that is not in force; a reader that still has it has kept it through a whole life of the manhole.
        fill(unsafe { &mut *place.get() });
        self.in_force.store(next, Ordering::Release);
    }
}
