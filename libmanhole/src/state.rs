//! The global state of the agent: the options in force, and who is where.
//!
//! Context: any, signal handlers included. Atomics only; nothing waits here.

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};

use once_cell::race::OnceRef;

use crate::settings::Settings;
use crate::sys::{lock, process};

/// The options in force. They live for ever: a forked child reads them in its copy of the memory.
static SETTINGS: OnceRef<'static, Settings> = OnceRef::new();

/// Whether there is a manhole, or soon will be.
static ON: AtomicBool = AtomicBool::new(false);

/// The process that the state is about: a child that shares or copies the memory without our knowing (vfork, a raw clone) is
/// another.
static OWNER: AtomicI32 = AtomicI32::new(0);

/// The kernel's id of the agent's thread; 0 while there is none.
static AGENT: AtomicI32 = AtomicI32::new(0);

/// 1 while a client has the prompt: what an exiting process waits for.
static SESSION: AtomicU32 = AtomicU32::new(0);

/// Whether the process is inside `exit`.
static EXITING: AtomicBool = AtomicBool::new(false);

/// The options in force, or what holds before there are any.
pub(crate) fn settings() -> &'static Settings {
    SETTINGS.get().unwrap_or(&Settings::DEFAULT)
}

/// Puts the options in force, once and for ever; false when there are some already.
pub(crate) fn settle(settings: &'static Settings) -> bool {
    SETTINGS.set(settings).is_ok()
}

/// Whether there is a manhole, or soon will be.
pub(crate) fn is_on() -> bool {
    ON.load(Ordering::Acquire)
}

/// Says that there will be a manhole.
pub(crate) fn turn_on() {
    OWNER.store(process::pid(), Ordering::Release);
    ON.store(true, Ordering::Release);
}

/// Whether the calling process is the one that the state is about.
pub(crate) fn is_of_this_process() -> bool {
    OWNER.load(Ordering::Acquire) == process::pid()
}

/// Says that there is none any more; nobody waits for its session.
pub(crate) fn turn_off() {
    ON.store(false, Ordering::Release);
    session_ends();
}

/// In a forked child: what was so in the parent is so no more.
pub(crate) fn forget() {
    ON.store(false, Ordering::Release);
    AGENT.store(0, Ordering::Release);
    SESSION.store(0, Ordering::Release);
    EXITING.store(false, Ordering::Release);
}

/// Whether the caller is the agent's own thread.
pub(crate) fn on_agent_thread() -> bool {
    let agent = agent();
    agent != 0 && agent == process::tid()
}

/// The kernel's id of the agent's thread; 0 while there is none.
pub(crate) fn agent() -> i32 {
    AGENT.load(Ordering::Acquire)
}

/// The agent's thread says which one it is.
pub(crate) fn agent_starts() {
    AGENT.store(process::tid(), Ordering::Release);
}

/// The signal that calls the agent's thread. It blocks every signal for as long as it lives, so the kernel keeps this one for
/// it, and the loop finds it on a signal descriptor; the host's disposition is not touched. A signal descriptor also takes
/// what was sent to the whole process, so it has to be one that nobody sends to a process: SIGSTKFLT is unused (signal(7)).
pub(crate) const BELL: i32 = libc::SIGSTKFLT;

/// Makes the agent's thread look at what has changed. Safe in a signal handler.
pub(crate) fn poke() {
    let agent = agent();
    if agent != 0 {
        let _ = process::signal_thread(agent, BELL);
    }
}

/// Whether the process is inside `exit`: the session that is open is the last.
pub(crate) fn is_exiting() -> bool {
    EXITING.load(Ordering::SeqCst)
}

/// The process is inside `exit` from now on.
pub(crate) fn exit_begins() {
    EXITING.store(true, Ordering::SeqCst);
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

/// Waits until no client has the prompt. For an exiting process only.
pub(crate) fn wait_for_session() {
    while has_session() {
        lock::wait(&SESSION, 1, None);
    }
}
