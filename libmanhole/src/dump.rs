//! A dump on the host's own request: `manhole_dump(fd)`.
//!
//! Context: [`ask`] on a host thread, which waits; [`answer`] on the agent's thread. The host's thread writes the text itself: it
//! has the descriptor, and the time.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use crate::prompt::Prompt;
use crate::state::Call;
use crate::symbols::Store;
use crate::sys::lock::{self, Lock};
use crate::sys::{self, Errno, fd, process, signal, socket, thread};
use crate::wake;

/// Numbers of dumps: the last that was asked for, and the last that was made.
static ASKED: AtomicU32 = AtomicU32::new(0);
static MADE: AtomicU32 = AtomicU32::new(0);

/// The last dump that was made.
static TEXT: Lock<Vec<u8>> = Lock::new(Vec::new());

/// One dump at a time.
static ONE: Lock<()> = Lock::new(());

/// How long a dump of very many threads may take, and the one before it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Writes a dump of all threads to descriptor `fd` of the calling thread.
pub(crate) fn write(fd: i32) -> sys::Result<()> {
    let text = ask()?;
    let result = write_all(fd, &text);
    // The lock of the allocator must not be held by a thread that a signal has taken elsewhere.
    let before = signal::block_all();
    drop(text);
    signal::exchange_mask(before);
    result
}

/// Asks for a dump and waits for it.
fn ask() -> sys::Result<Vec<u8>> {
    let start = process::monotonic();
    let late = || process::monotonic().saturating_sub(start) > PATIENCE;
    let _one = loop {
        if let Some(one) = ONE.try_lock() {
            break one;
        }
        if late() {
            return Err(Errno(libc::EBUSY));
        }
        thread::pause(Duration::from_millis(1));
    };
    let number = ASKED.fetch_add(1, Ordering::SeqCst).wrapping_add(1);
    wake::call(Call::Dump)?;
    loop {
        let made = MADE.load(Ordering::SeqCst);
        if made == number {
            let before = signal::block_all();
            let text = core::mem::take(&mut *TEXT.lock());
            signal::exchange_mask(before);
            return Ok(text);
        }
        if late() {
            return Err(Errno(libc::ETIMEDOUT));
        }
        lock::wait(&MADE, made, Some(Duration::from_secs(1)));
    }
}

/// Makes the dump that was asked for.
pub(crate) fn answer() {
    let number = ASKED.load(Ordering::SeqCst);
    if MADE.load(Ordering::SeqCst) == number {
        return;
    }
    let text = Prompt::new(&Store::default()).dump();
    *TEXT.lock() = text.into_bytes();
    MADE.store(number, Ordering::SeqCst);
    lock::wake(&MADE, u32::MAX >> 1);
}

/// Writes all, as slowly as the reader reads. A reader that has gone raises no signal.
fn write_all(fd: i32, mut bytes: &[u8]) -> sys::Result<()> {
    while !bytes.is_empty() {
        let piece = bytes.get(..4096).unwrap_or(bytes);
        match fd::write_without_signal(fd, piece) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno(libc::EAGAIN)) => {
                let mut waited = [socket::Waited { fd, events: libc::POLLOUT, revents: 0 }];
                if let Err(error) = socket::poll(&mut waited, None)
                    && error != Errno(libc::EINTR)
                {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// In a freshly forked child.
pub(crate) fn forget() {
    MADE.store(ASKED.load(Ordering::SeqCst), Ordering::SeqCst);
    TEXT.forget(Vec::new());
    ONE.forget(());
}
