//! The handlers of the signals that open the manhole: the kernel's wake-up, `activate_on`, `oneshot_on`; and `dump_on`.
//!
//! Context: **signal handler** on any host thread, whatever it holds. No allocation, lock, formatting with allocation or
//! thread-local storage; system calls by the bare instruction.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::held::{self, Held};
use crate::interrupted::{self, Interrupted, entry};
use crate::settings::Settings;
use crate::snapshot::{Summons, is_fate};
use crate::state::{self, Call};
use crate::sys::replaced::Replaced;
use crate::sys::signal::{self, Action, Set, Silence};
use crate::sys::{arch, host_fd, mapping, process};
use crate::{log, wake, worker};

entry!(
    /// The disposition of the signal that wakes the manhole.
    pub(crate) wake_entry, on_wake
);
entry!(
    /// The disposition of `activate_on`.
    pub(crate) activate_entry, on_activate
);
entry!(
    /// The disposition of `oneshot_on`.
    pub(crate) oneshot_entry, on_oneshot
);

entry!(
    /// The disposition of `dump_on`.
    dump_entry, on_dump
);

/// Whether `activate_on` has done its work.
static ACTIVATED: AtomicBool = AtomicBool::new(false);

/// What the host had at the signals of `activate_on`, of `oneshot_on` (the fate that a fault takes after the visit), and of
/// `dump_on`.
static BEFORE_ACTIVATE: Replaced<Action> = Replaced::new(Action::DEFAULT);
static BEFORE_ONESHOT: Replaced<Action> = Replaced::new(Action::DEFAULT);
static BEFORE_DUMP: Replaced<Action> = Replaced::new(Action::DEFAULT);

/// The mapping whose name tells that the host has taken a signal of ours over; 0 for none.
static MARK: AtomicUsize = AtomicUsize::new(0);

/// Takes the signals that the options name.
#[cold]
pub(crate) fn take(settings: &Settings) -> crate::sys::Result<()> {
    ACTIVATED.store(false, Ordering::Release);
    take_all(settings).inspect_err(|_| give_all_back(settings))
}

fn take_all(settings: &Settings) -> crate::sys::Result<()> {
    if settings.activate_on != 0 {
        BEFORE_ACTIVATE.replace(signal::set_action(settings.activate_on, &Action::handler(activate_entry, Set::ALL))?);
    }
    if settings.oneshot_on != 0 {
        // Other handlers of the host run while the thread waits: SIGTERM ends the process as ever.
        let action = Action::handler(oneshot_entry, Set::of(&[settings.oneshot_on]));
        BEFORE_ONESHOT.replace(signal::set_action(settings.oneshot_on, &action)?);
    }
    if settings.dump_on != 0 {
        BEFORE_DUMP.replace(signal::set_action(settings.dump_on, &Action::handler(dump_entry, Set::ALL))?);
    }
    Ok(())
}

/// What the host had at the signal of the options whose handler this is.
pub(crate) fn hidden(handler: usize) -> Option<Action> {
    let entries: [(extern "C" fn(_, _, _), _); 3] =
        [(activate_entry, &BEFORE_ACTIVATE), (oneshot_entry, &BEFORE_ONESHOT), (dump_entry, &BEFORE_DUMP)];
    entries.into_iter().find(|(entry, _)| *entry as usize == handler).map(|(_, before)| *before.get())
}

/// Gives the signals that the options name back to what was there before.
pub(crate) fn give_all_back(settings: &Settings) {
    give_back(settings.activate_on, BEFORE_ACTIVATE.get());
    give_back(settings.oneshot_on, BEFORE_ONESHOT.get());
    give_back(settings.dump_on, BEFORE_DUMP.get());
}

fn give_back(number: i32, before: &Action) {
    if number != 0 && signal::action(number).is_ok_and(|now| interrupted::is_of_agent(&now)) {
        let _ = signal::set_action(number, before);
    }
}

/// The host has put a handler of its own in the place of ours, as is its right: the signal opens no manhole any more. The client
/// finds out by the name of a mapping (`/proc/PID/maps`): `manhole:<signal>=<address of the handler>`.
pub(crate) fn host_has_taken(number: i32) {
    let Ok(now) = signal::action(number) else { return };
    if interrupted::is_of_agent(&now) {
        return;
    }
    if now.handler <= libc::SIG_IGN {
        log::event(format_args!("The host has reset or ignores signal {number}: it opens no manhole any more."));
        return;
    }
    log::problem(format_args!("The host handles signal {number} itself now: it opens no manhole any more."));
    let mut name = crate::text::Text::<64>::new();
    name.push_fmt(format_args!("manhole:{number}={:x}", now.handler));
    let mark = mapping::map_named(name.as_c_str()).unwrap_or(0);
    match MARK.swap(mark, Ordering::AcqRel) {
        0 => {}
        // SAFETY: the mark that was there, to which nothing refers.
        old => drop(unsafe { mapping::unmap(old as *mut u8, mapping::PAGE) }),
    }
}

/// In a freshly forked child: its own signal activates it. Without a manhole of its own, nobody is there to answer `dump_on`.
pub(crate) fn forget(settings: &Settings) {
    ACTIVATED.store(false, Ordering::Release);
    if !settings.patch_fork {
        give_back(settings.dump_on, BEFORE_DUMP.get());
    }
}

/// Whom a signal is for.
#[derive(PartialEq, Eq)]
enum Receiver {
    /// The manhole, on the thread that it has come to.
    Here,
    /// The manhole, but on another thread, to which it has been sent.
    There,
    /// Nobody: there is no manhole here, or the agent's own thread was meant, which cannot wait for itself.
    Nobody,
}

/// A signal for the process may come to a thread of ours where the option `sigmask` leaves it open; it is for a thread of the host then. The agent's
/// has a descriptor table of its own, and cannot be held.
fn receiver(number: i32, info: &libc::siginfo_t, interrupted: &mut Interrupted<'_>) -> Receiver {
    if !state::is_on_here() {
        return Receiver::Nobody;
    }
    let is_agent = state::on_agent_thread();
    if !is_agent && !worker::is_one(process::tid()) {
        return Receiver::Here;
    }
    let is_for_thread = info.si_code == libc::SI_TKILL;
    match is_fate(number) && (info.si_code > 0 || is_for_thread) {
        true if is_agent => Receiver::Nobody,
        true => Receiver::Here,
        // A line that raises it would wait for its own client.
        false if is_for_thread => Receiver::Nobody,
        false => {
            if is_agent {
                send_on(number, info);
            } else {
                // In the host's table no file is opened: the kernel looks for another thread.
                interrupted.block(number);
                worker::masks::note_passed_on(number);
                let _ = process::send_again(number, info);
            }
            Receiver::There
        }
    }
}

/// From the agent's thread to the one that the kernel would have taken. Not in the frame of those handlers which run on small stacks.
#[cold]
#[inline(never)]
fn send_on(number: i32, info: &libc::siginfo_t) {
    /// The thread may end before it has the signal.
    const TRIES: usize = 3;
    let is_ours = |tid| tid == state::agent() || worker::is_one(tid);
    let _ = (0..TRIES).any(|_| process::send_on(host_fd::who_takes(number, is_ours), number, info).is_ok());
}

extern "C" fn on_dump(number: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes valid structures to a handler with SA_SIGINFO, and nobody else has them.
    let (info, interrupted) = unsafe { (&*info, Interrupted::from_kernel(context)) };
    if state::is_on_here() {
        let _ = wake::call(Call::LogDump);
    }
    end(number, info, interrupted, BEFORE_DUMP.get());
}

extern "C" fn on_wake(number: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes valid structures to a handler with SA_SIGINFO, and nobody else has them.
    let (info, mut interrupted) = unsafe { (&*info, Interrupted::from_kernel(context)) };
    if receiver(number, info, &mut interrupted) == Receiver::Here {
        wake::rung(interrupted.mask());
    }
    interrupted.go_on();
}

extern "C" fn on_activate(number: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes valid structures to a handler with SA_SIGINFO, and nobody else has them.
    let (info, mut interrupted) = unsafe { (&*info, Interrupted::from_kernel(context)) };
    let is_here = receiver(number, info, &mut interrupted) == Receiver::Here;
    if is_here && (!ACTIVATED.swap(true, Ordering::AcqRel) || wake::has_failed()) {
        wake::open(interrupted.mask());
    }
    end(number, info, interrupted, BEFORE_ACTIVATE.get());
}

/// Ends a handler that holds nobody. A faulting instruction would fault again without end: there the signal takes its course.
fn end(number: i32, info: &libc::siginfo_t, interrupted: Interrupted<'_>, before: &Action) {
    if is_fate(number) && info.si_code > 0 {
        take_its_course(number, info, before);
    } else {
        interrupted.go_on();
    }
}

extern "C" fn on_oneshot(number: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes valid structures to a handler with SA_SIGINFO, and nobody else has them.
    let (info, mut interrupted) = unsafe { (&*info, Interrupted::from_kernel(context)) };
    // Handlers of the host's run while the thread is held.
    interrupted.forget_rest();
    let receiver = receiver(number, info, &mut interrupted);
    let is_interrupted = receiver == Receiver::Here && visit(number, info, &interrupted);
    if is_fate(number) && receiver != Receiver::There {
        take_its_course(number, info, BEFORE_ONESHOT.get());
    } else if is_interrupted {
        interrupted.fail();
    } else {
        interrupted.go_on();
    }
}

/// Holds the calling thread while one client is served. Whether a handler of the host has run meanwhile that the interrupted system call is to tell of.
fn visit(number: i32, info: &libc::siginfo_t, interrupted: &Interrupted<'_>) -> bool {
    // SAFETY: both read the union of the structure, of which every bit pattern is a value.
    let (address, sender) = unsafe { (info.si_addr() as u64, info.si_pid()) };
    let held = Held {
        tid: process::tid(),
        thread_pointer: arch::thread_pointer() as u64,
        summons: Summons {
            signal: number,
            code: info.si_code,
            detail: if info.si_code > 0 { address } else { sender.unsigned_abs().into() },
        },
        registers: interrupted.registers(),
        // SAFETY: the kernel has written all of the structure (copy_siginfo_to_user fills what it does not use with zeroes).
        info: unsafe { *core::ptr::from_ref(info).cast() },
    };
    // A handler of the host that leaves by siglongjmp before the call was made would leave a thread held for ever.
    let silence = Silence::begin();
    let is_first = held::hold(held);
    let called = if is_first { wake::call(Call::Oneshot) } else { Ok(()) };
    let is_held = match called {
        Ok(()) => is_first || is_fate(number),
        Err(error) => {
            log::problem(format_args!("Oneshot failure: cannot start the manhole's thread ({error})"));
            false
        }
    };
    // From here on nothing of the host's runs but in the wait: the kernel puts back the mask of what was interrupted. A call with a mask of its own (ppoll(2))
    // gets what that lets through when it begins anew.
    let mask = silence.keep();
    // Where a thread is held already, one that would end the process waits until that client has left.
    if !is_held {
        return false;
    }
    // One that has come while a client was waited for, or was there, is no new one; unless it is the host's by now.
    let heard = held::wait(mask, is_first, || {
        if !is_fate(number) {
            interrupted::forget_pending(number);
        }
    });
    // A call that never begins anew tells of every handler.
    heard.ends_calls || heard.any && (interrupted.has_failed() || interrupted::host_ends_calls())
}

/// Lets the signal do what it would have done: it is sent again, to this thread and with all that the kernel has said of
/// it, and finds the host's disposition, `before` ours. It is blocked here, so it comes when the interrupted code is back in place.
fn take_its_course(number: i32, info: &libc::siginfo_t, before: &Action) {
    if signal::action(number).is_ok_and(|now| interrupted::is_of_agent(&now)) {
        let _ = signal::set_action(number, before);
    }
    let _ = process::raise_again(number, info);
}
