//! A dump on the host's own request: `manhole_dump(fd)`.
//!
//! Context: [`ask`] on a host thread, which waits; [`write`] on the agent's thread.

use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use core::time::Duration;

use crate::prompt::Prompt;
use crate::symbols::Store;
use crate::sys::lock::Lock;
use crate::sys::{self, Errno, host_fd, lock, process};

/// Where the dump goes: a descriptor of the host.
static TO: AtomicI32 = AtomicI32::new(-1);

const NOTHING: u32 = 0;
const ASKED: u32 = 1;
const DONE: u32 = 2;
const FAILED: u32 = 3;

static STATE: AtomicU32 = AtomicU32::new(NOTHING);

/// One dump at a time.
static ONE: Lock<()> = Lock::new(());

/// How long the host waits for a reader of its own descriptor.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks for a dump of all threads to descriptor `fd`, and waits until it is written. `call` gets the agent's thread to work.
pub(crate) fn ask(fd: i32, call: impl FnOnce() -> sys::Result<()>) -> sys::Result<()> {
    let Some(_one) = ONE.try_lock() else { return Err(Errno(libc::EBUSY)) };
    TO.store(fd, Ordering::SeqCst);
    STATE.store(ASKED, Ordering::SeqCst);
    call()?;
    let start = process::monotonic();
    loop {
        match STATE.load(Ordering::SeqCst) {
            DONE => return Ok(()),
            FAILED => return Err(Errno(libc::EIO)),
            now if process::monotonic().saturating_sub(start) < 3 * PATIENCE => {
                lock::wait(&STATE, now, Some(Duration::from_secs(1)));
            }
            _ => return Err(Errno(libc::ETIMEDOUT)),
        }
    }
}

/// Writes the dump that was asked for.
pub(crate) fn write() {
    if STATE.load(Ordering::SeqCst) != ASKED {
        return;
    }
    let text = Prompt::new(&Store::default()).greeting();
    let result =
        host_fd::borrow(TO.load(Ordering::SeqCst)).and_then(|fd| fd.write_all_without_harm(text.as_bytes(), PATIENCE));
    STATE.store(if result.is_ok() { DONE } else { FAILED }, Ordering::SeqCst);
    lock::wake(&STATE, u32::MAX >> 1);
}

/// In a freshly forked child.
pub(crate) fn forget() {
    STATE.store(NOTHING, Ordering::SeqCst);
    ONE.forget(());
}
