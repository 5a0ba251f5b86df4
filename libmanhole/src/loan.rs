//! A signal on loan from the host: one whose default is to be ignored, and that the host leaves at its default. Or one on loan from the C library, which no thread blocks by
//! its functions.
//!
//! Context: the agent's thread; [`note_waiter`], [`host_begins`] and [`host_ends`] on every thread, signal handlers included; [`forget`] in a forked child. The signal is taken only while it is needed. What its handler may do
//! is the borrower's business: it runs in signal context on any host thread.

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::SeqCst};
use core::time::Duration;

use crate::interrupted;
use crate::sys::signal::{self, Action, Set};
use crate::sys::{process, thread};

/// Signals that are ignored by default (signal(7)): pending across an exec or after a host has reset its dispositions,
/// they harm nobody. The higher number first: frames of handlers with lower numbers are then below ours.
const CANDIDATES: [i32; 2] = [libc::SIGWINCH, libc::SIGURG];

/// The threads that have waited for a candidate by sigwait(3) and its kin. They would take ours for one that somebody has sent; and the kernel shows
/// what they block as let through until they run again, so their mask says nothing.
static WAITERS: [AtomicI32; 32] = [const { AtomicI32::new(0) }; 32];

/// Whether there are more of them.
static ARE_MORE: AtomicBool = AtomicBool::new(false);

/// The calling thread is about to wait for these. In every context.
pub(crate) fn note_waiter(set: Set) {
    if CANDIDATES.iter().any(|number| set.contains(*number)) {
        let own = process::tid();
        if WAITERS.iter().any(|place| place.load(SeqCst) == own) {
            return;
        }
        // Those who have ended leave their places.
        let take = |place: &AtomicI32| {
            let before = place.load(SeqCst);
            (before == 0 || !process::has_thread(before)) && place.compare_exchange(before, own, SeqCst, SeqCst).is_ok()
        };
        if !WAITERS.iter().any(take) {
            ARE_MORE.store(true, SeqCst);
        }
    }
}

/// Whether a thread waits by itself, now and then, for signals that are lent as this one is.
pub(crate) fn is_waiter(tid: i32, number: i32) -> bool {
    if place(number).is_none() {
        return false;
    }
    ARE_MORE.load(SeqCst) || WAITERS.iter().any(|place| place.load(SeqCst) == tid)
}

/// For each candidate: the loans of it, and the threads of the host that are about to change its disposition.
static LENT: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];
static CHANGING: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];

/// For each signal how many of ours threads have still to take.
static UNDER_WAY: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];

/// A thread has not taken this signal, which we have sent to it: its handler stays, and stands for the default as `sigaction` shows it. The way back to the default would throw the signal
/// away, and leave the call that it has interrupted at its end (kernel/signal.c, do_sigaction).
pub(crate) fn is_left_under_way(number: i32) {
    if let Some(count) = count(&UNDER_WAY, number) {
        count.fetch_add(1, SeqCst);
    }
}

/// It has, or is no more.
pub(crate) fn has_arrived(number: i32) {
    if let Some(count) = count(&UNDER_WAY, number) {
        count.fetch_sub(1, SeqCst);
    }
}

/// Whether a signal of ours has still to be taken by some thread.
pub(crate) fn is_under_way(number: i32) -> bool {
    count(&UNDER_WAY, number).is_some_and(|count| count.load(SeqCst) > 0)
}

/// The signals that waited at some thread of the host when the threads were looked at last.
static PENDING: AtomicU64 = AtomicU64::new(0);

/// The threads are about to be looked at.
pub(crate) fn look_anew() {
    PENDING.store(0, SeqCst);
}

/// These wait at one of them, which blocks them.
pub(crate) fn note_pending(set: Set) {
    PENDING.fetch_or(set.0, SeqCst);
}

/// Whether the way back to the default would throw away a signal that is still to be taken (kernel/signal.c, do_sigaction): the host's own, or one of ours.
fn is_awaited(number: i32) -> bool {
    signal::pending().contains(number) || Set(PENDING.load(SeqCst)).contains(number) || is_under_way(number)
}

/// Whether a borrower's handler has stayed for such a one.
static STAYED: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];

/// Whether there is any.
pub(crate) fn has_stayed() -> bool {
    STAYED.iter().any(|stayed| stayed.load(SeqCst))
}

/// How long the host waits for what is lent: a signal that is on its way would be its own handler's.
const RETURN: Duration = Duration::from_millis(200);

fn place(number: i32) -> Option<usize> {
    CANDIDATES.iter().position(|candidate| *candidate == number)
}

fn count(counts: &[AtomicU32; 2], number: i32) -> Option<&AtomicU32> {
    counts.get(place(number)?)
}

/// The calling thread, which is the host's if `waits`, is about to change the disposition of a signal.
pub(crate) fn host_begins(number: i32, waits: bool) {
    let (Some(changing), Some(lent)) = (count(&CHANGING, number), count(&LENT, number)) else { return };
    changing.fetch_add(1, SeqCst);
    // Without a loan no system call is made, which a filter of the host's could kill for.
    if !waits || lent.load(SeqCst) == 0 {
        return;
    }
    let start = process::monotonic();
    while lent.load(SeqCst) > 0 && process::monotonic().saturating_sub(start) < RETURN {
        // It may be this very thread that is asked.
        thread::pause(Duration::from_micros(200));
    }
}

/// It has.
pub(crate) fn host_ends(number: i32) {
    if let Some(changing) = count(&CHANGING, number) {
        // A child that was forked in between has begun to count anew.
        let _ = changing.fetch_update(SeqCst, SeqCst, |count| count.checked_sub(1));
    }
}

/// What the kernel calls when the signal comes.
pub(crate) type Entry = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

/// A signal on loan from the host, given back when dropped.
pub(crate) struct Loan {
    number: i32,
    entry: Entry,
    /// What was there: the default, or the handler of ours that wakes the manhole.
    before: Action,
}

impl Loan {
    /// Takes the first candidate that the host leaves at its default; until the loan ends, it runs `entry`.
    pub(crate) fn take(entry: Entry) -> Result<Loan, String> {
        let ours = Action::handler(entry, Set::ALL);
        // A host that saves and restores dispositions may have put back ours: it stands for the default.
        let is_free = |action: &Action| action.is_default() || interrupted::is_of_agent(action);
        for number in CANDIDATES {
            if !signal::action(number).is_ok_and(|action| is_free(&action)) || !lend(number) {
                continue;
            }
            match signal::set_action(number, &ours) {
                Ok(before) if is_free(&before) => return Ok(Loan { number, entry, before }),
                // The host was quicker: it keeps what it has just set.
                Ok(before) => drop(signal::set_action(number, &before)),
                Err(_) => {}
            }
            is_returned(number);
        }
        Err("the host uses both SIGWINCH and SIGURG, so it could not be asked".to_owned())
    }

    /// Takes [`LIBRARY_S`]. The borrower's handler passes on what is the library's ([`pass_on`]), and stays ([`retire`]).
    pub(crate) fn take_library_s(entry: Entry) -> Result<Loan, String> {
        let refused = || "its signals are the host's, and the C library's own cannot be had".to_owned();
        // Default or ignored (as posix_spawn(3) leaves it), ours, or the library's.
        let note = |action: &Action| {
            let is_ours = interrupted::is_of_agent(action);
            let is_fit = action.handler <= libc::SIG_IGN || action.flags & libc::SA_SIGINFO as u64 != 0;
            if is_fit && !is_ours {
                BEFORE.iter().zip(action.words()).for_each(|(place, word)| place.store(word, SeqCst));
            }
            is_fit || is_ours
        };
        // Before anybody else can need it.
        let now = signal::action(LIBRARY_S).ok().filter(note).ok_or_else(refused)?;
        let before = signal::set_action(LIBRARY_S, &Action::handler(entry, Set::ALL)).map_err(|_| refused())?;
        if before != now {
            // The library was quicker, which does this once: with the first thread that it creates.
            note(&before);
            let _ = signal::set_action(LIBRARY_S, &before);
            return Err(refused());
        }
        Ok(Loan { number: LIBRARY_S, entry, before })
    }

    pub(crate) fn number(&self) -> i32 {
        self.number
    }
}

/// The signal by which the C library has all threads change their user (SIGSETXID of sysdeps/nptl/internal-signals.h): its functions let nobody block it, handle it or wait for it.
/// Its handler is there from the first thread on that it creates, and takes no signal but one from this process by tgkill(2) (nptl/nptl_setxid.c).
const LIBRARY_S: i32 = 33;

/// What was there before ours: the library's, or nobody's.
static BEFORE: [AtomicU64; 4] = [const { AtomicU64::new(0) }; 4];

fn before() -> Action {
    Action::from_words(core::array::from_fn(|word| BEFORE.get(word).map_or(0, |word| word.load(SeqCst))))
}

/// In the handler of a loan: who gets this signal instead, which nobody has sent to ask a thread. In **signal handlers**.
pub(crate) fn pass_on(number: i32, code: i32) -> Option<Action> {
    let is_library_s = number == LIBRARY_S && code != libc::SI_TIMER;
    if is_library_s { Some(before()).filter(|before| before.handler > libc::SIG_IGN) } else { None }
}

/// Notes a loan, unless the host is changing the disposition at this moment.
fn lend(number: i32) -> bool {
    let (Some(changing), Some(lent)) = (count(&CHANGING, number), count(&LENT, number)) else { return false };
    lent.fetch_add(1, SeqCst);
    let is_free = changing.load(SeqCst) == 0;
    if !is_free {
        lent.fetch_sub(1, SeqCst);
    }
    is_free
}

fn is_returned(number: i32) {
    if let Some(lent) = count(&LENT, number) {
        lent.fetch_sub(1, SeqCst);
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.give_back();
        is_returned(self.number);
    }
}

impl Loan {
    fn give_back(&self) {
        // One of ours may be on its way, and would interrupt for good what the library's handler does not let begin anew. By default it would end the process.
        if self.number == LIBRARY_S {
            return;
        }
        let before = if is_entry(&self.before, self.entry) { Action::DEFAULT } else { self.before };
        // The handler stands for the default then, as `sigaction` shows it.
        if before.is_default() && is_awaited(self.number) {
            if let Some(stayed) = place(self.number).and_then(|place| STAYED.get(place)) {
                stayed.store(true, SeqCst);
            }
            return;
        }
        give_back(self.number, self.entry, &before);
    }
}

fn is_entry(action: &Action, entry: Entry) -> bool {
    action.handler == entry as usize
}

/// Puts `before` in the place of the borrower's handler; what the host has set meanwhile stays.
fn give_back(number: i32, entry: Entry, before: &Action) {
    if !signal::action(number).is_ok_and(|now| is_entry(&now, entry)) {
        return;
    }
    // Exchanged in one step: should the host have been quicker after all, it gets back what it has set.
    if let Ok(was) = signal::set_action(number, before)
        && !is_entry(&was, entry)
    {
        let _ = signal::set_action(number, &was);
    }
}

/// Gives back what has stayed, where nothing is still to be taken.
pub(crate) fn tidy_up(entry: Entry) {
    for (number, stayed) in CANDIDATES.into_iter().zip(&STAYED) {
        if stayed.load(SeqCst) && !is_awaited(number) {
            stayed.store(false, SeqCst);
            give_back(number, entry, &Action::DEFAULT);
        }
    }
}

/// The borrower is no more, and could not give back what it had: that has stayed.
pub(crate) fn end_all() {
    for (lent, stayed) in LENT.iter().zip(&STAYED) {
        if lent.swap(0, SeqCst) > 0 {
            stayed.store(true, SeqCst);
        }
    }
}

/// No handler of ours is to run any more, whatever is still to be taken.
pub(crate) fn return_all() {
    for number in CANDIDATES {
        if signal::action(number).is_ok_and(|now| interrupted::is_of_agent(&now)) {
            let _ = signal::set_action(number, &Action::DEFAULT);
        }
    }
}

/// When the manhole is taken out, and no question of ours is asked any more: the library's signal is given back, and what has stayed.
pub(crate) fn retire(entry: Entry) {
    tidy_up(entry);
    let before = before();
    if before.is_default() && signal::action(LIBRARY_S).is_ok_and(|now| is_entry(&now, entry)) {
        // One of ours that is on its way would end the process: who ignores a signal throws it away (kernel/signal.c, do_sigaction).
        let ignored = Action::from_words([libc::SIG_IGN as u64, 0, 0, 0]);
        if signal::set_action(LIBRARY_S, &ignored).is_ok_and(|was| is_entry(&was, entry)) {
            let _ = signal::set_action(LIBRARY_S, &before);
        }
        return;
    }
    give_back(LIBRARY_S, entry, &before);
}

/// In a forked child: a loan of the parent's at the moment of the fork is given back here as well. The kernel copies the
/// dispositions at another moment than the memory, so the dispositions themselves are asked.
pub(crate) fn forget(entry: Entry) {
    WAITERS.iter().for_each(|place| place.store(0, SeqCst));
    ARE_MORE.store(false, SeqCst);
    look_anew();
    STAYED.iter().for_each(|stayed| stayed.store(false, SeqCst));
    LENT.iter().chain(&CHANGING).chain(&UNDER_WAY).for_each(|count| count.store(0, SeqCst));
    for number in CANDIDATES {
        give_back(number, entry, &Action::DEFAULT);
    }
    retire(entry);
}
