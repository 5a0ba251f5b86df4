//! The global state of the agent: the options in force, and who is where.
//!
//! Context: any, signal handlers included. Atomics only; nothing waits here but an exiting process for its client.

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering};
use core::time::Duration;

use crate::settings::Settings;
use crate::sys::replaced::Replaced;
use crate::sys::signal::{Set, Silence};
use crate::sys::{lock, process, thread};

/// On pages of its own, so that what a start writes there is in one of them.
#[repr(align(4096))]
struct Apart(Replaced<Settings>);

/// The options in force. They are long: behind all other variables, so that those stand in few pages.
#[allow(unsafe_code, reason = "for the place alone")]
#[unsafe(link_section = ".gnu.linkonce.d.manhole.settings")]
static SETTINGS: Apart = Apart(Replaced::new(Settings::DEFAULT));

/// Whether there is a manhole, or may be one day.
static ON: AtomicBool = AtomicBool::new(false);

/// The process that the state is about: a child that shares or copies the memory without our knowing (vfork, a raw clone) is
/// another.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// The kernel's id of the agent's thread; 0 while there is none.
static AGENT: AtomicI32 = AtomicI32::new(0);

/// The id that it has, or had when it was there the last time; 0 before the first.
static LAST_AGENT: AtomicI32 = AtomicI32::new(0);

/// Threads that are about to signal the agent's thread, which therefore may not end yet: its id could be another's then.
static POKERS: AtomicU32 = AtomicU32::new(0);

/// When the manhole may open, on the monotonic clock in nanoseconds: a forked child waits.
static OPENS_AT: AtomicU64 = AtomicU64::new(0);

/// What the agent's thread is asked to do ([`Call`]).
static CALLS: AtomicU32 = AtomicU32::new(0);

/// 1 while a client has the prompt: what an exiting process waits for.
static SESSION: AtomicU32 = AtomicU32::new(0);

/// Whether the process is inside `exit`.
static EXITING: AtomicBool = AtomicBool::new(false);

/// Whether it waits there for its client to leave.
static WAITS: AtomicBool = AtomicBool::new(false);

/// The options in force, or what holds before there are any.
pub(crate) fn settings() -> &'static Settings {
    SETTINGS.0.get()
}

/// Puts the options in force. Nothing of the agent is at work: there is no manhole yet, or no more.
pub(crate) fn settle(fill: impl FnOnce(&mut Settings)) {
    SETTINGS.0.replace_by(fill);
}

/// Whether there is a manhole, or may be one day.
pub(crate) fn is_on() -> bool {
    ON.load(Ordering::Acquire)
}

/// Notes that the state is about the calling process.
pub(crate) fn own() {
    OWNER.store(process::pid(), Ordering::Release);
}

/// Notes that the state is about no process.
pub(crate) fn disown() {
    OWNER.store(0, Ordering::Release);
}

/// Whether there is anything to forget in a forked child.
pub(crate) fn has_owner() -> bool {
    OWNER.load(Ordering::Acquire) != 0
}

/// Says that there will be a manhole.
pub(crate) fn turn_on() {
    own();
    ON.store(true, Ordering::Release);
}

/// Whether the calling process is the one that the state is about.
pub(crate) fn is_of_this_process() -> bool {
    let owner = OWNER.load(Ordering::Acquire);
    owner != 0 && owner == process::pid()
}

/// Whether there is a manhole, or may be one day, and in this process.
pub(crate) fn is_on_here() -> bool {
    is_on() && is_of_this_process()
}

/// Says that there is none any more; nobody waits for its session.
pub(crate) fn turn_off() {
    ON.store(false, Ordering::Release);
    session_ends();
}

/// In a forked child: what was so in the parent is so no more.
pub(crate) fn forget() {
    AGENT.store(0, Ordering::Release);
    LAST_AGENT.store(0, Ordering::Release);
    POKERS.store(0, Ordering::Release);
    CALLS.store(0, Ordering::Release);
    SESSION.store(0, Ordering::Release);
    EXITING.store(false, Ordering::Release);
    LAST_EXIT_CODE.store(NO_CODE, Ordering::Release);
    WAITS.store(false, Ordering::Release);
    OPENS_AT.store(0, Ordering::Release);
    OWNER.store(process::pid(), Ordering::Release);
}

/// Something that the agent's thread is to do. The value is a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Listen, and stay for that.
    Listen = 1,
    /// Somebody may be at the door of the socket that listens without a thread.
    Visit = 2,
    /// Serve one client while a thread is held.
    Oneshot = 4,
    /// Write a dump to the descriptor that asks for it.
    Dump = 8,
    /// A thread of the host ends by the bare system call; it may be the last one.
    Ending = 128,
    /// Write a dump to the log.
    LogDump = 64,
    /// Keep the file system of proc(5): the host is about to go to another root.
    KeepProc = 256,
    /// Look whether the new root has it too.
    LookForProc = 512,
    /// Close everything and end: the manhole is taken out.
    Close = 16,
    /// End for a moment if no client is there: the host is about to do what a process of several threads may not.
    StandAside = 32,
}

/// Notes a call; [`take_calls`] finds it.
pub(crate) fn note_call(call: Call) {
    CALLS.fetch_or(call as u32, Ordering::SeqCst);
}

/// The calls since the last time.
pub(crate) fn take_calls() -> Calls {
    Calls(CALLS.swap(0, Ordering::SeqCst))
}

/// Takes a call back; false when the agent's thread has taken it already.
pub(crate) fn withdraw_call(call: Call) -> bool {
    CALLS.fetch_and(!(call as u32), Ordering::SeqCst) & call as u32 != 0
}

/// Whether there are calls that nobody has taken yet.
pub(crate) fn has_calls() -> bool {
    CALLS.load(Ordering::SeqCst) != 0
}

/// A set of calls.
#[derive(Clone, Copy)]
pub(crate) struct Calls(u32);

impl Calls {
    pub(crate) fn has(self, call: Call) -> bool {
        self.0 & call as u32 != 0
    }
}

/// The manhole does not open before `delay` has passed.
pub(crate) fn open_after(delay: Duration) {
    let at = process::monotonic().saturating_add(delay).as_nanos().min(u128::from(u64::MAX));
    OPENS_AT.store(if delay.is_zero() { 0 } else { at as u64 }, Ordering::Release);
}

/// How long the manhole stays shut still.
pub(crate) fn time_to_opening() -> Duration {
    match OPENS_AT.load(Ordering::Acquire) {
        0 => Duration::ZERO,
        at => Duration::from_nanos(at).saturating_sub(process::monotonic()),
    }
}

/// Whether the caller is the agent's own thread.
pub(crate) fn on_agent_thread() -> bool {
    let agent = agent();
    agent != 0 && agent == process::tid()
}

/// The kernel's id of the agent's thread; 0 while there is none.
pub(crate) fn agent() -> i32 {
    AGENT.load(Ordering::SeqCst)
}

/// The kernel's id of the agent's thread, or of the one before while there is none: the kernel may not have forgotten it yet.
pub(crate) fn last_agent() -> i32 {
    LAST_AGENT.load(Ordering::SeqCst)
}

/// The agent's thread says which one it is.
pub(crate) fn agent_starts() {
    let tid = process::tid();
    LAST_AGENT.store(tid, Ordering::SeqCst);
    AGENT.store(tid, Ordering::SeqCst);
    RUNG.store(false, Ordering::SeqCst);
}

/// The agent's thread is about to end: from now on nobody signals it. False when somebody does not come to an end with that
/// (a debugger has stopped one thread): then this one must not end, and is known as before.
pub(crate) fn agent_leaves() -> bool {
    /// How long a poke may take: a few instructions, on a processor that others have as well.
    const LIMIT: Duration = Duration::from_millis(200);
    let agent = AGENT.swap(0, Ordering::SeqCst);
    let start = process::monotonic();
    while POKERS.load(Ordering::SeqCst) != 0 {
        if process::monotonic().saturating_sub(start) > LIMIT {
            AGENT.store(agent, Ordering::SeqCst);
            return false;
        }
        thread::pause(Duration::from_micros(20));
    }
    true
}

/// The signal that calls the agent's thread, which blocks it for as long as it lives: the kernel keeps it, and the loop finds it
/// on a signal descriptor. The host's disposition is not touched. SIGSTKFLT is unused (signal(7)); where the option `sigmask`
/// leaves it open, one that the option blocks; where that blocks none, the one that glibc keeps for the cancellation of its own threads, and that no
/// program can name (nptl(7)).
pub(crate) fn bell() -> i32 {
    const SIGCANCEL: i32 = 32;
    let mask = Set(settings().sigmask);
    if mask.contains(libc::SIGSTKFLT) {
        return libc::SIGSTKFLT;
    }
    // Not those that cannot be blocked, nor those that a fault raises.
    let unfit = Set::of(&[libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL]);
    (1..=31).find(|&number| mask.contains(number) && !unfit.contains(number)).unwrap_or(SIGCANCEL)
}

/// Whether the bell was rung by us: a signal descriptor shows what was sent to the whole process as well, and that is the host's.
static RUNG: AtomicBool = AtomicBool::new(false);

/// Whether the bell was rung since [`forget_ring`].
pub(crate) fn is_rung() -> bool {
    RUNG.load(Ordering::SeqCst)
}

/// The bell may be rung again.
pub(crate) fn forget_ring() {
    RUNG.store(false, Ordering::SeqCst);
}

/// Makes the agent's thread look at what has changed. Safe in a signal handler.
pub(crate) fn poke() {
    // The agent's thread waits for this one: no handler may hold it, leave by siglongjmp, or fork in between.
    let _silence = Silence::begin();
    POKERS.fetch_add(1, Ordering::SeqCst);
    let agent = agent();
    if agent != 0 && !RUNG.swap(true, Ordering::SeqCst) {
        let _ = process::signal_thread(agent, bell());
    }
    POKERS.fetch_sub(1, Ordering::SeqCst);
}

/// With what a thread of the host has ended by the bare system call; the process ends with the code of its last thread.
static LAST_EXIT_CODE: AtomicI32 = AtomicI32::new(NO_CODE);
const NO_CODE: i32 = i32::MIN;

/// A thread of the host ends by the bare system call.
pub(crate) fn note_exit_code(code: i32) {
    LAST_EXIT_CODE.store(code, Ordering::SeqCst);
}

/// The code with which a thread of the host has ended by the bare system call, if one has told.
pub(crate) fn last_exit_code() -> Option<i32> {
    Some(LAST_EXIT_CODE.load(Ordering::SeqCst)).filter(|&code| code != NO_CODE)
}

/// Whether the process is inside `exit`: the session that is open is the last.
pub(crate) fn is_exiting() -> bool {
    EXITING.load(Ordering::SeqCst)
}

/// The process is inside `exit` from now on.
pub(crate) fn exit_begins() {
    EXITING.store(true, Ordering::SeqCst);
}

/// The process does not end before its client has left.
pub(crate) fn client_is_waited_for() {
    WAITS.store(true, Ordering::SeqCst);
}

/// Whether the process waits for its client to leave.
pub(crate) fn waits_for_client() -> bool {
    WAITS.load(Ordering::SeqCst)
}

/// A client has the prompt.
pub(crate) fn session_begins() {
    SESSION.store(1, Ordering::Release);
}

/// The client has left.
pub(crate) fn session_ends() {
    SESSION.store(0, Ordering::Release);
    lock::wake(&SESSION, u32::MAX >> 1);
}

/// Whether a client has the prompt.
pub(crate) fn has_session() -> bool {
    SESSION.load(Ordering::Acquire) != 0
}

/// How waiting for the session's end has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// No client has the prompt.
    Over,
    /// There is a reason to wait no more.
    InVain,
    /// The client is still there.
    GoesOn,
}

/// Waits until no client has the prompt, or it is in vain, or for as long as `limit`. For an exiting process only.
#[cold]
pub(crate) fn wait_for_session(is_in_vain: impl Fn() -> bool, limit: Option<Duration>) -> Wait {
    let start = process::monotonic();
    while has_session() {
        if is_in_vain() {
            return Wait::InVain;
        }
        let left = limit.map(|limit| limit.saturating_sub(process::monotonic().saturating_sub(start)));
        if left.is_some_and(|left| left.is_zero()) {
            return Wait::GoesOn;
        }
        lock::wait(&SESSION, 1, left);
    }
    Wait::Over
}

/// Whoever waits for the session's end looks once more at whether that is in vain.
pub(crate) fn look_at_wait_again() {
    lock::wake(&SESSION, u32::MAX >> 1);
}
