//! Sends a host thread on an errand: it creates the hand, for only a thread of the host can make one that shares its
//! descriptor table; or a worker, for the C library's threads must be its own; or it begins the call anew that it waits in; or it makes a
//! call that the prompt wants of this very thread (`visit.rs`).
//!
//! Context: the agent's thread; [`on_errand`] in a **signal handler** on a host thread, whatever that holds: clone(2) and atomics;
//! at places where it holds nothing, what is wanted of it there.
//!
//! Which thread is asked is a matter of harm. First one that waits without a limit of time in a call that begins anew exactly; a thread that
//! runs, by its own clock tick, which interrupts nothing; at last one in a call with a time limit, which starts over once. A thread in
//! any other call, such as a write that could come back short, is never asked.
#![allow(unsafe_code)]

pub(crate) mod visit;

use core::sync::atomic::{AtomicI32, AtomicU64, Ordering::SeqCst};
use core::time::Duration;

use crate::capture::task::{Look, Task};
use crate::interrupted::{Interrupted, channels, entry};
use crate::loan::{self, Loan};
use crate::snapshot::{Registers, Syscall, is_fate};
use crate::sys::libc_thread::Kept;
use crate::sys::timer::{BY_CLOCK, ThreadTimer};
use crate::sys::{directory, own_image, process, signal, thread};
use crate::{hand, held, paused, state, worker};

entry!(
    /// The disposition of the signal by which a thread is asked.
    errand_entry, on_errand
);

/// The thread whose call is to begin anew, until it has been interrupted; 0 for none.
static BEGINS_ANEW: AtomicI32 = AtomicI32::new(0);

extern "C" fn on_errand(number: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes valid structures to a handler with SA_SIGINFO, and nobody else has them.
    let (info, mut interrupted) = unsafe { (&*info, Interrupted::from_kernel(context)) };
    if state::is_on_here() {
        hand::come();
        let registers = interrupted.registers();
        let is_fit = is_where_it_was_seen(&registers)
            || paused::come(&registers).is_some_and(|is_fit| {
                // It has waited here: a process that was stopped and continued meanwhile has forgotten what the kernel had kept.
                interrupted.forget_rest();
                is_fit
            });
        if is_fit && has_room() {
            // What the C library's allocator does is not ours to know.
            interrupted.forget_rest();
            let kept = Kept::keep();
            worker::come(interrupted.mask());
            drop(kept);
        }
        let _ = BEGINS_ANEW.compare_exchange(process::tid(), 0, SeqCst, SeqCst);
        worker::visits::come(&mut interrupted);
    }
    // As in capture's handler: from Linux 5.10 on the clock's signal interrupts nothing, and an EINTR here is the host's.
    // SAFETY: signals with this code carry a value (sigaction(2)).
    let is_clock_s = || unsafe { info.si_value() }.sival_ptr as u64 & BY_CLOCK != 0;
    let by_clock = info.si_code == libc::SI_TIMER && is_clock_s() && process::kernel() >= (5, 10);
    if by_clock && !interrupted.mask().contains(number) {
        interrupted.heed_host();
    } else {
        interrupted.go_on();
    }
}

/// Where a thread rests, and holds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) pc: u64,
    pub(crate) sp: u64,
}

/// The place of the thread that is asked for a worker.
static PLACE: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// [`Place::is_of`] for the thread that is asked for a worker.
fn is_where_it_was_seen(registers: &Registers) -> bool {
    let [pc, sp] = &PLACE;
    Place { pc: pc.load(SeqCst), sp: sp.load(SeqCst) }.is_of(registers)
}

impl Place {
    /// Whether a thread is still in the call that it was seen in, or in it again. Elsewhere it could hold a lock that the C library needs
    /// for a new thread, or what is called for itself, and would wait for itself.
    pub(crate) fn is_of(self, registers: &Registers) -> bool {
        // The kernel leaves the program counter behind the instruction, or on it for a call that is to begin anew.
        const INSTRUCTION: u64 = 2;
        registers.sp() == Some(self.sp) && registers.pc().is_some_and(|now| now.abs_diff(self.pc) <= INSTRUCTION)
    }
}

/// Whether this stack has room for what the C library does to create a thread.
fn has_room() -> bool {
    const NEEDED: usize = 3 * 1024;
    signal::room_on_alternate_stack().is_none_or(|room| room >= NEEDED)
}

/// How harmful it is to ask a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Harm {
    /// It waits in a call that begins anew exactly.
    None,
    /// It runs: its clock can be asked.
    Runs,
    /// Its wait has a limit of time, which starts over.
    StartsOver,
    /// Something could be lost.
    Some,
}

/// How long it may take in all, and how long the better ways are tried alone.
const LIMIT: Duration = Duration::from_millis(1500);
const PATIENCE: Duration = Duration::from_millis(150);

/// How long one thread has that is asked for a worker: it rests.
const COMING: Duration = Duration::from_millis(100);

/// Whether a thread that was asked for a worker at `start` is waited for: an exiting process is not kept for that.
fn may_still_come(start: Duration) -> bool {
    !state::is_exiting() && process::monotonic().saturating_sub(start) < COMING
}

/// What a thread is at that could create a worker.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// It waits in a system call.
    Rest,
    /// It has been running, and stands in a handler of ours ([`paused`]).
    Pause,
    /// `oneshot_on` holds it, wherever it was.
    Held,
}

/// Why there is no worker more.
pub(crate) enum NoWorker {
    /// No thread of the process is fit at this moment.
    Now(String),
    /// All that there may be have jobs.
    TooMany,
    /// There cannot be one.
    Never(String),
}

/// Gets a hand.
pub(crate) fn fetch_hand() -> Result<(), String> {
    if hand::is_there() {
        return Ok(());
    }
    hand::want().map_err(|error| format!("no memory for it ({error})"))?;
    // The thread that runs a line has lent it, and it has yet to begin.
    let result = if hand::is_coming() { wait(LIMIT) } else { None }.unwrap_or_else(send);
    if !hand::give_up() && result.is_err() {
        // At this moment after all.
        return wait(LIMIT).unwrap_or(result);
    }
    result
}

/// Gets a worker more. `place_of` says of a thread that waits, or is paused, where it is, if it may create one there: if it holds nothing that
/// this needs.
pub(crate) fn fetch_worker(place_of: &mut dyn FnMut(i32, At) -> Option<Place>) -> Result<(), NoWorker> {
    let loan = loan().map_err(NoWorker::Never)?;
    for most in [Harm::None, Harm::StartsOver] {
        for tid in directory::numbers(c"/proc/self/task").unwrap_or_default() {
            let task = Task::new(tid);
            let is_ours = tid == process::tid() || tid == thread::hand() || worker::is_one(tid);
            if is_ours || harm_of(&task) != most || !task.may_be_asked(loan.number()) || !rests(&task) {
                continue;
            }
            // What was interrupted may create one, and the thread waits elsewhere.
            let held = held::current().filter(|held| held.tid == tid && !is_fate(held.summons.signal));
            let at = if held.is_some() { At::Held } else { At::Rest };
            let place = place_of(tid, at).and_then(|place| if held.is_some() { held_at(&task) } else { Some(place) });
            let Some(place) = place else { continue };
            for (slot, value) in PLACE.iter().zip([place.pc, place.sp]) {
                slot.store(value, SeqCst);
            }
            if !worker::want(tid) {
                return Err(NoWorker::TooMany);
            }
            let is_sent = process::queue_to_thread(tid, loan.number()).is_ok();
            let start = process::monotonic();
            while is_sent && may_still_come(start) {
                match worker::has_come() {
                    Some(result) => {
                        return result.map_err(|error| NoWorker::Never(format!("no thread could be made ({error})")));
                    }
                    None => process::sleep(Duration::from_micros(50)),
                }
            }
            if !worker::no_longer_wanted() {
                // At this moment after all; it does not wait for anything that could last.
                return Ok(());
            }
        }
    }
    if let Some(result) = fetch_from_who_runs(&loan, place_of) {
        return result;
    }
    Err(NoWorker::Now(
        "there is no thread of the process that could create the thread for it: each runs, blocks the signal, or is inside the \
         allocator or the loader"
            .to_owned(),
    ))
}

/// Where a held thread waits, unless it is in a handler of the host meanwhile.
fn held_at(task: &Task) -> Option<Place> {
    let Look::Blocked(position) = task.look() else { return None };
    own_image::contains(position.pc as usize).then_some(Place { pc: position.pc, sp: position.sp })
}

/// Gets a worker from a thread that runs: its clock's tick pauses it, its stack is looked at, and it creates the worker if it holds nothing.
fn fetch_from_who_runs(
    loan: &Loan,
    place_of: &mut dyn FnMut(i32, At) -> Option<Place>,
) -> Option<Result<(), NoWorker>> {
    PLACE.iter().for_each(|slot| slot.store(0, SeqCst));
    for tid in directory::numbers(c"/proc/self/task").unwrap_or_default() {
        let task = Task::new(tid);
        let is_ours = tid == process::tid() || tid == thread::hand() || worker::is_one(tid);
        if is_ours || harm_of(&task) != Harm::Runs || !task.may_be_asked(loan.number()) {
            continue;
        }
        if !worker::want(tid) {
            return Some(Err(NoWorker::TooMany));
        }
        paused::want(tid);
        let timer = ThreadTimer::while_running(tid, loan.number(), 0);
        let start = process::monotonic();
        while timer.is_ok() && !paused::is_here(tid) && may_still_come(start) {
            process::sleep(Duration::from_micros(20));
        }
        paused::give_up(tid);
        let comes = paused::is_here(tid) && {
            let is_fit = place_of(tid, At::Pause).is_some();
            paused::let_go(tid, is_fit) && is_fit
        };
        let start = process::monotonic();
        while comes && may_still_come(start) {
            match worker::has_come() {
                Some(result) => {
                    let failed = |error| NoWorker::Never(format!("no thread could be made ({error})"));
                    return Some(result.map_err(failed));
                }
                None => process::sleep(Duration::from_micros(50)),
            }
        }
        if !worker::no_longer_wanted() {
            return Some(Ok(()));
        }
    }
    None
}

/// In a forked child: a signal that the parent has on loan is given back here as well.
pub(crate) fn forget() {
    loan::forget(errand_entry);
    paused::forget();
}

/// The signal for [`begin_anew`].
pub(crate) fn loan() -> Result<Loan, String> {
    Loan::take(errand_entry)
}

/// Lets the call that thread `tid` waits in begin anew: it then sees the descriptors as they are. The caller knows that the
/// call is one that may, and that the thread does not block the signal. False when the thread does not come by.
pub(crate) fn begin_anew(tid: i32, loan: &Loan) -> bool {
    const PATIENCE: Duration = Duration::from_millis(100);
    BEGINS_ANEW.store(tid, SeqCst);
    let is_sent = process::queue_to_thread(tid, loan.number()).is_ok();
    let start = process::monotonic();
    // The kernel has given up the call before it runs the handler.
    while is_sent && BEGINS_ANEW.load(SeqCst) == tid && process::monotonic().saturating_sub(start) < PATIENCE {
        process::sleep(Duration::from_micros(20));
    }
    BEGINS_ANEW.compare_exchange(tid, 0, SeqCst, SeqCst).is_err() || !process::has_thread(tid)
}

fn send() -> Result<(), String> {
    let loan = loan()?;
    let start = process::monotonic();
    // Kept until the end: a timer goes off when its thread runs.
    let mut timers: Vec<(i32, ThreadTimer)> = Vec::new();
    let mut asked: Vec<i32> = Vec::new();
    loop {
        let past = process::monotonic().saturating_sub(start);
        let bearable = if past < PATIENCE { Harm::Runs } else { Harm::StartsOver };
        for tid in directory::numbers(c"/proc/self/task").unwrap_or_default() {
            if tid == process::tid() || tid == thread::hand() || asked.contains(&tid) {
                continue;
            }
            let task = Task::new(tid);
            match harm_of(&task) {
                Harm::Runs if !timers.iter().any(|(known, _)| *known == tid) => {
                    if task.may_be_asked(loan.number())
                        && let Ok(timer) = ThreadTimer::while_running(tid, loan.number(), 0)
                    {
                        timers.push((tid, timer));
                    }
                }
                Harm::None | Harm::StartsOver
                    if harm_of(&task) <= bearable && task.may_be_asked(loan.number()) && rests(&task) =>
                {
                    asked.push(tid);
                    if process::queue_to_thread(tid, loan.number()).is_ok()
                        && let Some(result) = wait(Duration::from_millis(100))
                    {
                        return result;
                    }
                }
                _ => {}
            }
            if let Some(result) = outcome() {
                return result;
            }
        }
        if past > LIMIT {
            return Err(
                "no thread of the process could be asked without harm: each blocks the signal, or is in a call \
                        that a signal could cut short"
                    .to_owned(),
            );
        }
        if let Some(result) = wait(Duration::from_millis(2)) {
            return result;
        }
    }
}

/// Whether the thread is where it was a moment ago, and has not run since.
fn rests(task: &Task) -> bool {
    let (stamp, look) = (task.stamp(), task.look());
    process::sleep(Duration::from_micros(200));
    task.look() == look && task.stamp() == stamp
}

fn outcome() -> Option<Result<(), String>> {
    hand::has_come().map(|result| result.map_err(|error| format!("no thread could be made ({error})")))
}

/// Waits for the hand.
fn wait(limit: Duration) -> Option<Result<(), String>> {
    let start = process::monotonic();
    loop {
        if let Some(result) = outcome() {
            return Some(result);
        }
        if process::monotonic().saturating_sub(start) > limit {
            return None;
        }
        process::sleep(Duration::from_micros(50));
    }
}

fn harm_of(task: &Task) -> Harm {
    match task.look() {
        Look::Running => Harm::Runs,
        Look::Blocked(position) => {
            position.syscall.map_or(Harm::Some, |call| harm_of_call(call, || task.wait_channel()))
        }
        // A process that may not look at itself: only the kernel's function is known, not its limit of time.
        Look::Refused => match task.identity().map(|identity| identity.letter) {
            Some(b'R') => Harm::Runs,
            Some(b'S') if channels::begins_anew(&task.wait_channel()) => Harm::StartsOver,
            _ => Harm::Some,
        },
        Look::NoPosition | Look::Gone => Harm::Some,
    }
}

/// `channel` says where in the kernel the thread waits.
fn harm_of_call(call: Syscall, channel: impl Fn() -> String) -> Harm {
    let [_, second, third, fourth, fifth, _] = call.arguments;
    let by = |is_limited: bool| if is_limited { Harm::StartsOver } else { Harm::None };
    let is_negative = |value: u64| (value as i32) < 0;
    match i64::try_from(call.number).unwrap_or(-1) {
        libc::SYS_epoll_wait | libc::SYS_epoll_pwait => by(!is_negative(fourth)),
        libc::SYS_epoll_pwait2 => by(fourth != 0),
        libc::SYS_poll => by(!is_negative(third)),
        libc::SYS_ppoll | libc::SYS_rt_sigtimedwait => by(third != 0),
        libc::SYS_select | libc::SYS_pselect6 => by(fifth != 0),
        libc::SYS_futex => match second as i32 & 0x7f {
            libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET => by(fourth != 0),
            _ => Harm::Some,
        },
        // To a point in time, it ends when it would have ended (clock_nanosleep(2)).
        libc::SYS_clock_nanosleep => by(second as i32 & libc::TIMER_ABSTIME == 0),
        libc::SYS_nanosleep => Harm::StartsOver,
        libc::SYS_pause | libc::SYS_rt_sigsuspend | libc::SYS_wait4 | libc::SYS_waitid => Harm::None,
        libc::SYS_read | libc::SYS_accept | libc::SYS_accept4 => Harm::None,
        libc::SYS_recvfrom if fourth & libc::MSG_WAITALL as u64 == 0 => Harm::None,
        libc::SYS_recvmsg if third & libc::MSG_WAITALL as u64 == 0 => Harm::None,
        libc::SYS_flock => Harm::None,
        libc::SYS_fcntl if matches!(second as i32, libc::F_SETLKW | libc::F_OFD_SETLKW) => Harm::None,
        // Of a fifo whose other end nobody has open; what else may wait to be opened could fail (FUSE).
        libc::SYS_open | libc::SYS_openat if channels::opens_a_fifo(&channel()) => Harm::None,
        // The socket may have a limit of time (SO_SNDTIMEO).
        libc::SYS_connect if channels::connects(&channel()) => Harm::StartsOver,
        _ => Harm::Some,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(number: i64, arguments: [u64; 6]) -> Harm {
        harm_of_call(Syscall { number: number as u64, arguments }, || "wait_for_partner".to_owned())
    }

    #[test]
    fn who_is_asked_first() {
        assert_eq!(call(libc::SYS_epoll_wait, [3, 0, 8, u64::from(u32::MAX), 0, 0]), Harm::None);
        assert_eq!(call(libc::SYS_epoll_wait, [3, 0, 8, 100, 0, 0]), Harm::StartsOver);
        assert_eq!(call(libc::SYS_poll, [0, 0, u64::MAX, 0, 0, 0]), Harm::None);
        assert_eq!(call(libc::SYS_futex, [0, 128, 0, 0, 0, 0]), Harm::None);
        assert_eq!(call(libc::SYS_futex, [0, 6, 0, 0, 0, 0]), Harm::Some);
        assert_eq!(call(libc::SYS_clock_nanosleep, [0, 0, 0, 0, 0, 0]), Harm::StartsOver);
        assert_eq!(call(libc::SYS_openat, [0; 6]), Harm::None);
        let open = Syscall { number: libc::SYS_openat as u64, arguments: [0; 6] };
        assert_eq!(harm_of_call(open, || "fuse_simple_request".to_owned()), Harm::Some);
        let connect = Syscall { number: libc::SYS_connect as u64, arguments: [0; 6] };
        assert_eq!(harm_of_call(connect, || "unix_wait_for_peer".to_owned()), Harm::StartsOver);
        assert_eq!(call(libc::SYS_fcntl, [3, libc::F_SETLKW as u64, 0, 0, 0, 0]), Harm::None);
        assert_eq!(call(libc::SYS_fcntl, [3, libc::F_SETLK as u64, 0, 0, 0, 0]), Harm::Some);
        for number in [libc::SYS_write, libc::SYS_connect, libc::SYS_close, libc::SYS_sendto] {
            assert_eq!(call(number, [0; 6]), Harm::Some);
        }
        assert!(Harm::None < Harm::Runs && Harm::Runs < Harm::StartsOver);
    }
}
