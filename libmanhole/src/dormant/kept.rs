//! A descriptor of ours in the host's table, where everything may be closed and used again: it is believed only while it stands for what it
//! was made for.
//!
//! Context: host threads, signal handlers and children of vfork(2) included; the agent's thread before it has a table of its own. Atomics and
//! system calls only.

use core::sync::atomic::{AtomicI32, AtomicU64, Ordering};

use crate::sys::fd::{self, Fd};

/// Numbers from here on are tried first: hosts expect to get the low ones, and the kernel's table stays small.
const HIGH: i32 = 200;

/// A number in the kernel's way, -1 for none. None is kept as zero: what is all zeroes is not in the library's file, and costs a start less.
pub(super) struct Number(AtomicI32);

impl Number {
    pub(super) const fn none() -> Number {
        Number(AtomicI32::new(0))
    }

    pub(super) fn get(&self) -> i32 {
        !self.0.load(Ordering::Acquire)
    }

    pub(super) fn set(&self, number: i32) {
        self.0.store(!number, Ordering::Release);
    }

    /// Sets it to none, and returns what it was.
    pub(super) fn take(&self) -> i32 {
        !self.0.swap(0, Ordering::AcqRel)
    }

    /// Sets it to none if it is `number`; of several callers one does.
    fn take_if(&self, number: i32) -> bool {
        self.0.compare_exchange(!number, 0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }
}

/// The place for one.
pub(super) struct Kept {
    number: Number,
    /// Device and inode of what it stands for.
    identity: [AtomicU64; 2],
}

impl Kept {
    pub(super) const fn none() -> Kept {
        Kept { number: Number::none(), identity: [const { AtomicU64::new(0) }; 2] }
    }

    /// A copy of a new descriptor at a high number, where the host's limit allows one.
    #[cold]
    pub(super) fn out_of_the_way(fd: Fd) -> Fd {
        let higher = [HIGH, 20, 3].into_iter().find_map(|lowest| fd::duplicate_from(fd.number(), lowest).ok());
        higher.unwrap_or(fd)
    }

    /// Notes what `fd` stands for, before [`Kept::keep`].
    pub(super) fn know(&self, fd: &Fd) -> crate::sys::Result<()> {
        let (device, inode) = fd.stat()?.identity;
        let [known_device, known_inode] = &self.identity;
        known_device.store(device, Ordering::Release);
        known_inode.store(inode, Ordering::Release);
        Ok(())
    }

    /// From now on it is guarded.
    pub(super) fn keep(&self, fd: Fd) {
        self.number.set(fd.into_number());
    }

    /// What it stands for.
    pub(super) fn identity(&self) -> (u64, u64) {
        let [device, inode] = &self.identity;
        (device.load(Ordering::Acquire), inode.load(Ordering::Acquire))
    }

    /// Its number, be it intact or not; -1 for none.
    pub(super) fn number(&self) -> i32 {
        self.number.get()
    }

    /// Its number in the calling thread's table, if it still is what it was made for.
    pub(super) fn intact(&self) -> Option<i32> {
        let fd = self.number();
        (fd >= 0 && fd::stat_of(fd).is_ok_and(|stat| stat.identity == self.identity())).then_some(fd)
    }

    /// Moves it to another number: the host wants this one for itself.
    pub(super) fn make_room(&self, wanted: i32) {
        if let Ok(moved) = fd::duplicate_from(wanted, HIGH.max(wanted + 1)).or_else(|_| fd::duplicate_from(wanted, 3)) {
            self.number.set(moved.into_number());
        }
    }

    /// Closes it.
    #[cold]
    pub(super) fn close(&self) {
        match self.intact() {
            // Of two threads that close it at the same time, one does: the number may be the host's right after.
            Some(fd) => {
                if self.number.take_if(fd) {
                    drop(Fd::adopt(fd));
                }
            }
            None => self.number.set(-1),
        }
    }
}
