//! A lock that needs no thread-local storage, never poisons, and can be given up on.
//!
//! Context: agent threads, and host threads only through [`Lock::try_lock`] and [`Lock::lock_within`]: no host thread waits for
//! us without a limit. A signal handler may have interrupted the holder: it tries, or waits for a moment. Built on futex(2).

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

const FREE: u32 = 0;
const HELD: u32 = 1;
const WAITED_FOR: u32 = 2;

/// A value behind a futex.
pub(crate) struct Lock<T> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through a guard, and one guard exists at a time.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Lock { state: AtomicU32::new(FREE), value: UnsafeCell::new(value) }
    }

    /// Takes the lock, or says that it is taken.
    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.state.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).ok().map(|_| Guard { lock: self })
    }

    /// Takes the lock, waiting for it. Never called on a host thread that the holder could be waiting for.
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        if let Some(guard) = self.try_lock() {
            return guard;
        }
        while self.state.swap(WAITED_FOR, Ordering::Acquire) != FREE {
            wait(&self.state, WAITED_FOR, None);
        }
        Guard { lock: self }
    }

    /// Takes the lock, waiting for it at most `limit`. For host threads whose holder never waits for them.
    #[cold]
    pub(crate) fn lock_within(&self, limit: Duration) -> Option<Guard<'_, T>> {
        if let Some(guard) = self.try_lock() {
            return Some(guard);
        }
        let start = super::process::monotonic();
        while self.state.swap(WAITED_FOR, Ordering::Acquire) != FREE {
            let left = limit.saturating_sub(super::process::monotonic().saturating_sub(start));
            // The mark of one who waits stays: it costs the holder a call that wakes nobody.
            if left.is_zero() {
                return None;
            }
            wait(&self.state, WAITED_FOR, Some(left));
        }
        Some(Guard { lock: self })
    }

    /// Puts a new value in place without dropping the old one, and frees the lock: for a forked child, where the thread
    /// that held it does not exist.
    ///
    /// # Safety
    /// No other thread exists in the process.
    pub(crate) unsafe fn reset(&self, value: T) {
        // SAFETY: the caller says that nobody else runs; the old value is left as it is, in memory that stays mapped.
        unsafe { core::ptr::write(self.value.get(), value) };
        self.state.store(FREE, Ordering::Release);
    }

    /// [`Lock::reset`] in a freshly forked child.
    pub(crate) fn forget(&self, value: T) {
        // SAFETY: called from `install::process_is_forked` only, where one thread exists (fork(2)).
        unsafe { self.reset(value) }
    }
}

/// Access to the value; gives the lock back when dropped.
pub(crate) struct Guard<'a, T> {
    lock: &'a Lock<T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: this guard is the only one.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard is the only one.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        if self.lock.state.swap(FREE, Ordering::Release) == WAITED_FOR {
            wake(&self.lock.state, 1);
        }
    }
}

/// Waits while `word` holds `expected`, at most `timeout`. May return early (futex(2)): the caller looks again.
pub(crate) fn wait(word: &AtomicU32, expected: u32, timeout: Option<Duration>) {
    let limit = timeout.map(super::process::timespec);
    let limit_address = limit.as_ref().map_or(0, |limit| core::ptr::from_ref(limit) as usize);
    // SAFETY: the word and the time outlive the call.
    let _ = unsafe {
        super::call(
            libc::SYS_futex,
            [
                word.as_ptr() as usize,
                (libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as usize,
                expected as usize,
                limit_address,
            ],
        )
    };
}

/// Which handlers have run while a thread waited.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heard {
    /// Some has.
    pub(crate) any: bool,
    /// One has that does not let calls begin anew (signal(7)).
    pub(crate) ends_calls: bool,
}

/// [`wait`] without a limit, with `mask` blocked meanwhile, on a thread that blocks all signals before and after.
pub(crate) fn wait_and_hear(word: &AtomicU32, expected: u32, mask: super::signal::Set) -> Heard {
    let all = super::signal::Set::ALL;
    // SAFETY: the word and the masks outlive the call.
    let (result, any) = unsafe { super::arch::wait_and_hear(word.as_ptr(), expected, &mask.0, &all.0) };
    Heard { any, ends_calls: result == -(libc::EINTR as isize) }
}

/// Wakes up to `count` threads that wait on `word`. Safe in a signal handler.
pub(crate) fn wake(word: &AtomicU32, count: u32) {
    // SAFETY: the address identifies the word; nothing is written.
    let _ = unsafe {
        super::call(
            libc::SYS_futex,
            [word.as_ptr() as usize, (libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG) as usize, count as usize],
        )
    };
}
