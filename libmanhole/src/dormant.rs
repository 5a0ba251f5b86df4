//! Listening without a thread: the socket lives in the host's descriptor table, and the kernel sends a signal when a client
//! connects.
//!
//! Context: host threads, in the constructor, in a forked child, in interposed functions and in **signal handlers**: no
//! allocation, nothing waits. The agent's thread takes the socket over for as long as it lives.
//!
//! The signal is SIGURG or SIGWINCH, whichever the host leaves at its default, which for both is to be ignored (signal(7)).
//! The host's table is a place where everything may be closed and used again: the descriptor is believed only while it is
//! the socket that was made.

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use core::time::Duration;

use crate::listener::{Failure, Listener};
use crate::sys::fd::{self, Fd};
use crate::sys::signal::{self, Action, Set, Silence};
use crate::sys::{host_fd, socket, timer};
use crate::{interrupted, state};

/// The listening socket's number in the host's table; -1 for none.
static DESCRIPTOR: AtomicI32 = AtomicI32::new(-1);

/// The socket's device and inode, by which it is known.
static DEVICE: AtomicU64 = AtomicU64::new(0);
static INODE: AtomicU64 = AtomicU64::new(0);

/// The signal that wakes the manhole; 0 while it has none.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// The timer of a forked child that is to listen later; -1 for none.
static TIMER: AtomicI32 = AtomicI32::new(-1);

/// The signals to choose from. SIGURG first: terminals send the other one.
const CANDIDATES: [i32; 2] = [libc::SIGURG, libc::SIGWINCH];

/// Numbers from here on are tried first: hosts expect to get the low ones, and the kernel's table stays small.
const HIGH: i32 = 200;

/// Why the manhole cannot listen without a thread.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// There is no socket, and a thread would not get one either.
    NoSocket(Failure),
    /// The host uses or blocks both signals.
    NoSignal,
    /// The kernel refuses what else is needed.
    Kernel(crate::sys::Errno),
}

/// Makes the socket and listens without a thread.
pub(crate) fn listen(entry: Entry, blocked: Set) -> Result<(), Obstacle> {
    let signal = take_signal(entry, blocked)?;
    // One that a thread of ours has left behind.
    close();
    let listener = Listener::bind(state::settings()).map_err(Obstacle::NoSocket)?;
    let fd = out_of_the_way(listener.into_socket());
    let identity = fd.stat().map_err(Obstacle::Kernel)?.identity;
    DEVICE.store(identity.0, Ordering::Release);
    INODE.store(identity.1, Ordering::Release);
    socket::call_on_connection(fd.number(), signal).map_err(Obstacle::Kernel)?;
    DESCRIPTOR.store(fd.into_number(), Ordering::Release);
    Ok(())
}

/// What the kernel calls when the signal comes.
pub(crate) type Entry = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

/// Moves a new descriptor to a high number, where the host's limit allows one.
fn out_of_the_way(fd: Fd) -> Fd {
    let higher = [HIGH, 20, 3].into_iter().find_map(|lowest| fd::duplicate_from(fd.number(), lowest).ok());
    higher.unwrap_or(fd)
}

/// Listens after `delay`: a timer's signal will call. In a freshly forked child.
pub(crate) fn listen_later(entry: Entry, blocked: Set, delay: Duration) -> Result<(), Obstacle> {
    let signal = take_signal(entry, blocked)?;
    // However short the delay: the handler finds out by the number that it has come.
    let _silence = Silence::begin();
    let timer = timer::signal_after(delay, signal).map_err(Obstacle::Kernel)?;
    TIMER.store(timer, Ordering::Release);
    Ok(())
}

/// Whether the time of [`listen_later`] has come; says so once.
pub(crate) fn is_due() -> bool {
    match TIMER.swap(-1, Ordering::AcqRel) {
        -1 => false,
        timer => {
            timer::delete(timer);
            true
        }
    }
}

/// Whether this process will listen later.
pub(crate) fn is_pending() -> bool {
    TIMER.load(Ordering::Acquire) != -1
}

/// Takes the first signal that the host leaves at its default and does not block.
fn take_signal(entry: Entry, blocked: Set) -> Result<i32, Obstacle> {
    let ours = Action::handler(entry, Set::ALL);
    for number in CANDIDATES {
        if blocked.contains(number) {
            continue;
        }
        let Ok(before) = signal::action(number) else { continue };
        if !is_free(&before) {
            continue;
        }
        match signal::set_action(number, &ours) {
            Ok(before) if is_free(&before) => {
                BLOCKED.store(false, Ordering::Release);
                SIGNAL.store(number, Ordering::Release);
                return Ok(number);
            }
            Ok(before) => drop(signal::set_action(number, &before)),
            Err(_) => {}
        }
    }
    Err(Obstacle::NoSignal)
}

/// Whether the host leaves the signal alone: its default, or a handler of ours that stands for it.
fn is_free(action: &Action) -> bool {
    action.is_default() || interrupted::is_of_agent(action)
}

/// The signal that wakes the manhole; 0 while it has none.
pub(crate) fn signal_in_use() -> i32 {
    SIGNAL.load(Ordering::Acquire)
}

/// Gives the signal back to its default, unless the host has taken it. One that the host blocks keeps our handler: going back to
/// the default would throw away the host's own that wait (kernel/signal.c, do_sigaction), and `sigaction` hides it.
fn give_signal_back() {
    let number = SIGNAL.swap(0, Ordering::AcqRel);
    let is_blocked = BLOCKED.load(Ordering::Acquire) || signal::pending().contains(number);
    if number != 0 && !is_blocked && signal::action(number).is_ok_and(|now| interrupted::is_of_agent(&now)) {
        let _ = signal::set_action(number, &Action::DEFAULT);
    }
}

/// After the host has changed a disposition or its mask: keeps the signal, or takes the other one. False when neither is to be had.
pub(crate) fn keep_a_signal(entry: Entry, blocked: Set) -> bool {
    let old = signal_in_use();
    let Ok(signal) = take_signal(entry, blocked) else { return false };
    if signal == old {
        return true;
    }
    match intact_descriptor() {
        Some(fd) => socket::call_on_connection(fd, signal).is_ok(),
        None => true,
    }
}

/// The number of the socket in the host's table, while it is there.
pub(crate) fn descriptor() -> i32 {
    DESCRIPTOR.load(Ordering::Acquire)
}

/// Whether `fd` is our socket in the table of the calling thread, which may be inside vfork.
pub(crate) fn owns(fd: i32) -> bool {
    fd >= 0 && fd == DESCRIPTOR.load(Ordering::Acquire) && state::is_of_this_process() && intact_descriptor().is_some()
}

/// The descriptor, if it still is the socket.
fn intact_descriptor() -> Option<i32> {
    let fd = DESCRIPTOR.load(Ordering::Acquire);
    let is_ours = fd >= 0 && fd::stat_of(fd).is_ok_and(|stat| stat.identity == socket_identity());
    is_ours.then_some(fd)
}

/// What the descriptor's own inode is, which is not that of the file (unix(7)): noted when it was made.
fn socket_identity() -> (u64, u64) {
    (DEVICE.load(Ordering::Acquire), INODE.load(Ordering::Acquire))
}

/// Whether the socket and its name are there; asked when a signal has come without a client.
pub(crate) fn is_intact() -> bool {
    intact_descriptor().is_some() && crate::listener::is_own_intact()
}

/// Whether a client waits at the door, or may.
pub(crate) fn has_client() -> bool {
    intact_descriptor().is_some_and(|fd| socket::has_connection(fd).unwrap_or(true))
}

/// Moves the socket to another number: the host wants this one for itself.
pub(crate) fn make_room(wanted: i32) {
    if !owns(wanted) {
        return;
    }
    if let Ok(moved) = fd::duplicate_from(wanted, HIGH.max(wanted + 1)).or_else(|_| fd::duplicate_from(wanted, 3)) {
        DESCRIPTOR.store(moved.into_number(), Ordering::Release);
    }
}

/// For the agent's thread, which has the host's table still: the descriptor to keep in its own.
pub(crate) fn offered() -> Option<i32> {
    intact_descriptor()
}

/// The listener of the agent's thread from what it has kept, if that is the socket; it calls no more while the thread is there.
pub(crate) fn adopt(kept: Option<i32>) -> Option<Listener> {
    let fd = Fd::adopt(kept?);
    if !fd.stat().is_ok_and(|stat| stat.identity == socket_identity()) {
        return None;
    }
    let listener = Listener::adopt(fd)?;
    suspend(listener.fd());
    Some(listener)
}

/// Closes the socket in the host's table, where the calling thread must be: it listens elsewhere, or not at all.
pub(crate) fn close() {
    match intact_descriptor() {
        // Of two threads that close it at the same time, one does: the number may be the host's right after.
        Some(fd) => {
            if DESCRIPTOR.compare_exchange(fd, -1, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                drop(Fd::adopt(fd));
            }
        }
        None => DESCRIPTOR.store(-1, Ordering::Release),
    }
}

/// Wakes up no more: the agent's thread listens from now on, and stays.
pub(crate) fn retire() {
    is_due();
    give_signal_back();
}

/// For the agent's thread, which has its own copy `fd` of the socket and a table of its own, before it leaves: lets the kernel call
/// again. False when that would call nobody: the socket, the signal or the name is not what it was.
pub(crate) fn resume(fd: &Fd) -> bool {
    let number = signal_in_use();
    let is_armed = number != 0 && signal::action(number).is_ok_and(|now| interrupted::is_of_agent(&now));
    let is_there = || host_fd::identity(descriptor()).is_some_and(|identity| identity == socket_identity());
    is_armed && is_there() && crate::listener::is_own_intact() && socket::call_again(fd.number()).is_ok()
}

/// Lets the kernel call no more: the agent's thread is there.
pub(crate) fn suspend(fd: &Fd) {
    let _ = socket::call_no_more(fd.number());
}

/// Whether the host has blocked the signal, by what it has said last. The kernel shows it as let through while the host is
/// inside sigwaitinfo(2) for it, where it would take it for its own.
static BLOCKED: AtomicBool = AtomicBool::new(false);

/// The host has blocked the signal, or unblocked it.
pub(crate) fn note_blocked(is_blocked: bool) {
    BLOCKED.store(is_blocked, Ordering::Release);
}

/// Whether the main thread lets the signal through.
pub(crate) fn is_heard() -> bool {
    !BLOCKED.load(Ordering::Acquire) && !host_fd::blocked_by_host().contains(signal_in_use())
}

/// In a freshly forked child: the parent's socket is not ours.
pub(crate) fn forget() {
    TIMER.store(-1, Ordering::Release);
    close();
    give_signal_back();
}
