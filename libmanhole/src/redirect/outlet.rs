//! What code in the process gives to the client without a descriptor: Python's streams for as long as a client is there.
//!
//! Context: [`give`] on host threads in normal context, which wait for nobody; [`forget`] in a forked child; the rest on the agent's thread. No
//! allocation: what is given stands in a ring until the agent takes it.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use core::time::Duration;

use crate::state;
use crate::sys::lock::{Guard, Lock};

/// The size of the ring in bytes.
const SIZE: usize = 64 << 10;

/// How long a host thread waits for another one, or for the agent, to have copied its bytes.
const MOMENT: Duration = Duration::from_millis(20);

struct Ring {
    bytes: [u8; SIZE],
    start: usize,
    length: usize,
}

#[allow(unsafe_code, reason = "for the place alone: behind what a start touches")]
#[unsafe(link_section = ".gnu.linkonce.b.manhole.ring")]
static RING: Lock<Ring> = Lock::new(Ring::EMPTY);

/// Whether a client is there for it.
static IS_OPEN: AtomicBool = AtomicBool::new(false);

/// The number of the client that is there, be it one that is given anything or not; 0 for none.
static CLIENT: AtomicU32 = AtomicU32::new(0);

impl Ring {
    const EMPTY: Ring = Ring { bytes: [0; SIZE], start: 0, length: 0 };

    fn add(&mut self, bytes: &[u8]) -> usize {
        let taken = bytes.len().min(SIZE - self.length);
        let end = self.start + self.length;
        for (number, byte) in bytes.iter().take(taken).enumerate() {
            if let Some(slot) = self.bytes.get_mut((end + number) % SIZE) {
                *slot = *byte;
            }
        }
        self.length += taken;
        taken
    }

    fn take(&mut self) -> Vec<u8> {
        let mut taken = self.bytes.to_vec();
        taken.rotate_left(self.start);
        taken.truncate(self.length);
        (self.start, self.length) = (0, 0);
        taken
    }
}

/// On a host thread: how many of the bytes the client will get; `None` when there is none.
pub(crate) fn give(bytes: &[u8]) -> Option<usize> {
    if !IS_OPEN.load(SeqCst) || !state::is_on_here() {
        return None;
    }
    let Some(mut ring) = RING.lock_within(MOMENT) else { return Some(0) };
    let taken = ring.add(bytes);
    drop(ring);
    state::poke();
    Some(taken)
}

/// A client is there, with the number that this gives; and whether it is given anything.
pub(crate) fn open(is_given: bool) -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    RING.lock().length = 0;
    IS_OPEN.store(is_given, SeqCst);
    let number = LAST.fetch_add(1, SeqCst).wrapping_add(1).max(1);
    CLIENT.store(number, SeqCst);
    number
}

/// The number of the client that is there; 0 for none. In every context.
pub(crate) fn client() -> u32 {
    if state::is_on_here() { CLIENT.load(SeqCst) } else { 0 }
}

/// The client is no longer there. What it has not got is the last of it.
pub(crate) fn close() {
    IS_OPEN.store(false, SeqCst);
    CLIENT.store(0, SeqCst);
}

/// What has been given since the last time.
pub(super) fn take() -> Vec<u8> {
    hold().take()
}

/// As long as it lives, nobody gives anything.
pub(super) struct Held(Guard<'static, Ring>);

pub(super) fn hold() -> Held {
    Held(RING.lock())
}

impl Held {
    /// What has been given since the last time.
    pub(super) fn take(&mut self) -> Vec<u8> {
        if self.0.length == 0 { Vec::new() } else { self.0.take() }
    }
}

/// In a freshly forked child.
pub(super) fn forget() {
    close();
    RING.forget(Ring::EMPTY);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_takes_what_it_has_room_for() {
        let mut ring = Ring::EMPTY;
        ring.start = SIZE - 2;
        assert_eq!(ring.add(b"abcd"), 4);
        assert_eq!(ring.take(), b"abcd");
        assert_eq!(ring.add(&[7; SIZE + 1]), SIZE);
        assert_eq!(ring.add(b"x"), 0);
        assert_eq!(ring.take(), [7; SIZE]);
        assert_eq!(ring.take(), b"");
    }
}
