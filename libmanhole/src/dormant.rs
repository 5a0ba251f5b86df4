//! Listening without a thread: the socket lives in the host's descriptor table, and the kernel sends a signal when a client
//! connects.
//!
//! Context: host threads, in the constructor, in a forked child, in interposed functions and in **signal handlers**: no
//! allocation, nothing waits. The agent's thread takes the socket over for as long as it lives.
//!
//! The signal is SIGURG or SIGWINCH, whichever the host leaves at its default, which for both is to be ignored (signal(7)).
//! The host's table is a place where everything may be closed and used again: the descriptor is believed only while it is
//! the socket that was made.

mod kept;

use core::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use core::time::Duration;

use crate::listener::{Failure, Listener};
use crate::sys::fd::Fd;
use crate::sys::signal::{self, Action, Set, Silence};
use crate::sys::{host_fd, socket, timer};
use crate::text::Text;
use crate::{interrupted, loan, state};
use kept::{Kept, Number};

/// The listening socket.
static SOCKET: Kept = Kept::none();

/// The signal that wakes the manhole; 0 while it has none.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

/// The timer of a forked child that is to listen later; -1 for none.
static TIMER: Number = Number::none();

/// The signals to choose from. SIGURG first: terminals send the other one.
const CANDIDATES: [i32; 2] = [libc::SIGURG, libc::SIGWINCH];

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
#[cold]
pub(crate) fn listen(entry: Entry, blocked: Set) -> Result<(), Obstacle> {
    let signal = take_signal(entry, blocked)?;
    // One that a thread of ours has left behind.
    close();
    let listener = Listener::bind(state::settings()).map_err(Obstacle::NoSocket)?;
    let fd = Kept::out_of_the_way(listener.into_socket());
    SOCKET.know(&fd).map_err(Obstacle::Kernel)?;
    socket::call_on_connection(fd.number(), signal).map_err(Obstacle::Kernel)?;
    SOCKET.keep(fd);
    Ok(())
}

/// What the kernel calls when the signal comes.
pub(crate) type Entry = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

/// Listens after `delay`: a timer's signal will call. In a freshly forked child.
pub(crate) fn listen_later(entry: Entry, blocked: Set, delay: Duration) -> Result<(), Obstacle> {
    let signal = take_signal(entry, blocked)?;
    // However short the delay: the handler finds out by the number that it has come.
    let _silence = Silence::but_for_traps();
    let timer = timer::signal_after(delay, signal).map_err(Obstacle::Kernel)?;
    TIMER.set(timer);
    Ok(())
}

/// Whether the time of [`listen_later`] has come; says so once.
pub(crate) fn is_due() -> bool {
    match TIMER.take() {
        -1 => false,
        timer => {
            timer::delete(timer);
            true
        }
    }
}

/// For the agent's thread, which leaves and has not got the socket that stands by now: a client that has called it waits still. Or the time to open has come in the handler of one who
/// had the signal on loan. A timer calls once more, when it has gone.
pub(crate) fn call_once_more() {
    const SOON: Duration = Duration::from_millis(5);
    let signal = signal_in_use();
    let is_missed = if is_pending() { state::time_to_opening().is_zero() } else { descriptor() >= 0 };
    if is_missed
        && signal != 0
        && let Ok(timer) = timer::signal_after(SOON, signal)
    {
        is_due();
        TIMER.set(timer);
    }
}

/// Whether this process will listen later.
pub(crate) fn is_pending() -> bool {
    TIMER.get() != -1
}

/// Takes the first signal that the host leaves at its default and does not block.
#[cold]
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

/// Whether there is a signal that the host leaves at its default and does not block.
pub(crate) fn has_signal(blocked: Set) -> bool {
    let is_to_be_had = |number: &i32| signal::action(*number).is_ok_and(|action| is_free(&action));
    CANDIDATES.iter().any(|number| !blocked.contains(*number) && is_to_be_had(number))
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
    let is_blocked =
        BLOCKED.load(Ordering::Acquire) || signal::pending().contains(number) || loan::is_under_way(number);
    if number != 0 && !is_blocked && signal::action(number).is_ok_and(|now| interrupted::is_of_agent(&now)) {
        let _ = signal::set_action(number, &Action::DEFAULT);
    }
}

/// Whether the kernel calls no more until [`keep_a_signal`].
static HUSHED: AtomicBool = AtomicBool::new(false);

/// The host is about to change the disposition of `number`: what the kernel sends for a client from now on might reach a handler of
/// the host's, so it is to send nothing until [`keep_a_signal`].
pub(crate) fn hush(number: i32) {
    if number != 0
        && number == signal_in_use()
        && let Some(fd) = SOCKET.intact()
    {
        let _ = socket::call_no_more(fd);
        HUSHED.store(true, Ordering::Release);
    }
}

/// Whether the kernel is to be told to call again: [`hush`] was the last word.
pub(crate) fn is_hushed() -> bool {
    HUSHED.load(Ordering::Acquire)
}

/// Ends [`hush`] where all else is as it was.
pub(crate) fn end_hush() {
    if HUSHED.swap(false, Ordering::AcqRel)
        && let Some(fd) = SOCKET.intact()
    {
        let _ = socket::call_again(fd);
    }
}

/// After the host has changed a disposition or its mask: keeps the signal, or takes the other one. False when neither is to be had.
pub(crate) fn keep_a_signal(entry: Entry, blocked: Set) -> bool {
    let old = signal_in_use();
    let Ok(signal) = take_signal(entry, blocked) else { return false };
    let was_hushed = HUSHED.swap(false, Ordering::AcqRel);
    if signal == old && !was_hushed {
        return true;
    }
    match SOCKET.intact() {
        Some(fd) => socket::call_on_connection(fd, signal).is_ok(),
        None => true,
    }
}

/// The number of the socket in the host's table, while it is there; -1 for none.
pub(crate) fn descriptor() -> i32 {
    SOCKET.number()
}

/// Whether `fd` is our socket in the table of the calling thread, which may be inside vfork.
pub(crate) fn owns(fd: i32) -> bool {
    fd >= 0 && fd == SOCKET.number() && state::is_of_this_process() && SOCKET.intact().is_some()
}

/// Whether the socket and its name are there; asked when a signal has come without a client.
pub(crate) fn is_intact() -> bool {
    SOCKET.intact().is_some() && crate::listener::is_own_intact()
}

/// Whether what stands in its place in the host's table is not the socket any more.
pub(crate) fn is_lost() -> bool {
    SOCKET.intact().is_none()
}

/// Whether a client waits at the door, or may.
#[cold]
pub(crate) fn has_client() -> bool {
    SOCKET.intact().is_some_and(|fd| socket::has_connection(fd).unwrap_or(true))
}

/// A thread of the host's is kept for no more. The backlog holds one more than it is told to (net/unix/af_unix.c).
const MOST_TURNED_AWAY: usize = socket::BACKLOG + 1;

/// Tells the clients that wait at the door why nobody comes, and lets them go.
#[cold]
pub(crate) fn turn_away(reason: core::fmt::Arguments<'_>) {
    let mut words = Text::<160>::new();
    words.push_fmt(reason);
    for _ in 0..MOST_TURNED_AWAY {
        let Some(client) = SOCKET.intact().and_then(|fd| socket::accept(fd).ok()) else { return };
        let _ = socket::send(&client, words.as_bytes());
    }
}

/// For the agent's thread, which will never serve again: who waits at the door is told, and nobody else comes in. The number in the host's table stays until there is another manhole.
pub(crate) fn shut(reason: core::fmt::Arguments<'_>) {
    if let Some(fd) = SOCKET.intact() {
        socket::refuse(fd);
        turn_away(reason);
    }
}

/// Moves the socket to another number: the host wants this one for itself.
pub(crate) fn make_room(wanted: i32) {
    if owns(wanted) {
        SOCKET.make_room(wanted);
    }
}

/// For the agent's thread, which has the host's table still: the descriptor to keep in its own.
pub(crate) fn offered() -> Option<i32> {
    SOCKET.intact()
}

/// The listener of the agent's thread from what it has kept, if that is the socket; it calls no more while the thread is there.
pub(crate) fn adopt(kept: Option<i32>) -> Option<Listener> {
    let fd = Fd::adopt(kept?);
    if !fd.stat().is_ok_and(|stat| stat.identity == SOCKET.identity()) {
        return None;
    }
    let listener = Listener::adopt(fd)?;
    suspend(listener.fd());
    Some(listener)
}

/// Closes the socket in the host's table, where the calling thread must be: it listens elsewhere, or not at all.
#[cold]
pub(crate) fn close() {
    SOCKET.close();
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
    let is_there = || host_fd::identity(descriptor()).is_some_and(|identity| identity == SOCKET.identity());
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
    TIMER.set(-1);
    close();
    give_signal_back();
}
