//! What starts the serving: the calls for the agent's thread, and that thread's life.
//!
//! Context: [`call`] and what uses it on any host thread, **signal handlers** included: it makes system calls and touches
//! atomics. The rest is the agent's thread itself.
//!
//! The thread comes when it is called and goes when nothing needs it. `PHASE` says which it is; whoever moves it from ASLEEP
//! to AWAKE creates the thread, and the thread's last instruction moves it back.

pub(crate) mod handlers;
pub(crate) mod stacks;

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use core::time::Duration;

use manhole_options::Thread;

use crate::dormant::Obstacle;
use crate::listener::{Failure, Listener};
use crate::serve::Server;
use crate::state::{self, Call};
use crate::sys::lock::{self, Lock};
use crate::sys::signal::{Set, Silence};
use crate::sys::{self, fd, proc_root, process, signal, thread};
use crate::{arena, capture, credentials, decoding, dormant, hand, held, late, listener, log};

/// There is no thread.
const ASLEEP: u32 = 0;
/// There is one, and it looks at the calls before it goes.
const AWAKE: u32 = 1;
/// It is about to go, and has looked at the calls for the last time.
const LEAVING: u32 = 2;
/// It is about to go, and a call has come: it stays.
const CALLED: u32 = 3;

static PHASE: AtomicU32 = AtomicU32::new(ASLEEP);

/// 1 while there is a thread that has a descriptor table of its own.
static SETTLED: AtomicU32 = AtomicU32::new(0);

/// When a thread of ours has left last, on the monotonic clock in nanoseconds.
static LEFT_AT: AtomicU64 = AtomicU64::new(0);

/// Whether the process has met the limit of its threads: then ours is there only for clients.
static IS_TIGHT: AtomicBool = AtomicBool::new(false);

/// Whether the manhole is to listen: what has asked for that, an option, a signal or a fork, has come.
static IS_TO_LISTEN: AtomicBool = AtomicBool::new(false);

/// Who opens it. Held for a moment, and with signals blocked, so that no handler finds its own thread holding it.
static OPENING: Lock<()> = Lock::new(());

/// How long one waits for another who opens it.
const MOMENT: Duration = Duration::from_millis(200);

/// When a socket that could not be made without a thread may be tried again, on the monotonic clock in nanoseconds; 0 where that is not so.
static TRIES_AGAIN: AtomicU64 = AtomicU64::new(0);

/// How often it has failed: each time it is twice as long until then.
static REST: AtomicU32 = AtomicU32::new(0);

/// The longest of them, and the first.
const MOST: u32 = 24;
const SHORTEST: Duration = Duration::from_millis(10);

/// Calls the agent's thread, and creates it where there is none. After an error nobody comes, and no thread is held.
pub(crate) fn call(what: Call) -> sys::Result<()> {
    // Who has moved the phase owes the others a thread: no handler may hold this one before it is there.
    let _silence = Silence::but_for_traps();
    state::note_call(what);
    loop {
        match move_phase(ASLEEP, AWAKE) {
            Ok(_) => return create(),
            Err(LEAVING) => {
                if move_phase(LEAVING, CALLED).is_ok() {
                    return Ok(());
                }
            }
            Err(_) => {
                state::poke();
                return Ok(());
            }
        }
    }
}

fn move_phase(from: u32, to: u32) -> Result<u32, u32> {
    PHASE.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst)
}

/// Creates the thread, for the one who has moved the phase from ASLEEP to AWAKE.
fn create() -> sys::Result<()> {
    let mut first = None;
    loop {
        late::called();
        let opens_signals = state::settings().sigmask != u64::MAX;
        let Err(error) = thread::start(&thread::AGENT, run, opens_signals) else {
            return first.map_or(Ok(()), Err);
        };
        // The first one's own call is gone, whatever becomes of those of others.
        first = first.or(Some(error));
        if state::take_calls().has(Call::Oneshot) {
            held::release();
        }
        PHASE.store(ASLEEP, Ordering::SeqCst);
        // Who has called in between has seen a thread that was to come.
        if !state::has_calls() || move_phase(ASLEEP, AWAKE).is_err() {
            return Err(error);
        }
    }
}

/// Whether there is a thread of ours.
pub(crate) fn is_awake() -> bool {
    PHASE.load(Ordering::SeqCst) != ASLEEP
}

/// In a freshly forked child, where no thread of ours exists.
pub(crate) fn forget() {
    PHASE.store(ASLEEP, Ordering::SeqCst);
    SETTLED.store(0, Ordering::SeqCst);
    IS_EXHAUSTED.store(false, Ordering::Relaxed);
    IS_TIGHT.store(false, Ordering::Relaxed);
    IS_MENDING.store(false, Ordering::Relaxed);
    IS_TO_LISTEN.store(false, Ordering::Relaxed);
    OPENING.forget(());
    forget_failure();
    proc_root::forget();
    held::forget();
}

/// Whether a thread of ours was there a moment ago.
pub(crate) fn has_just_left() -> bool {
    const MOMENT: Duration = Duration::from_millis(100);
    let left = LEFT_AT.load(Ordering::SeqCst);
    left != 0 && process::monotonic().saturating_sub(Duration::from_nanos(left)) < MOMENT
}

/// Whether the manhole is to listen.
pub(crate) fn is_to_listen() -> bool {
    IS_TO_LISTEN.load(Ordering::SeqCst)
}

/// It is taken out.
pub(crate) fn end() {
    IS_TO_LISTEN.store(false, Ordering::SeqCst);
    forget_failure();
}

/// Waits until the thread has a descriptor table of its own: what it leaves behind in the host's can be closed then. For host
/// threads; the wait is for a few instructions of another thread, and bounded.
pub(crate) fn wait_until_settled() -> bool {
    let start = process::monotonic();
    while SETTLED.load(Ordering::SeqCst) == 0 {
        let left = Duration::from_millis(100).saturating_sub(process::monotonic().saturating_sub(start));
        if left.is_zero() {
            return false;
        }
        lock::wait(&SETTLED, 0, Some(left));
    }
    true
}

/// Waits until there is no thread of ours any more, and the kernel has forgotten it; false when it stays.
pub(crate) fn wait_until_asleep(tid: i32, limit: Duration) -> bool {
    let start = process::monotonic();
    // One that has only just been created may not have told its id before.
    let id = || if tid == 0 { state::last_agent() } else { tid };
    while is_awake() || (id() != 0 && process::has_thread(id())) {
        if process::monotonic().saturating_sub(start) > limit || state::has_session() {
            return false;
        }
        thread::pause(Duration::from_micros(50));
    }
    true
}

/// Opens the manhole as the options say: a thread that listens, or none until a client comes. Nothing opens before the time
/// of [`state::open_after`]. `blocked` is what the calling thread blocks, or, in a handler, the code that it has interrupted.
#[cold]
pub(crate) fn open(blocked: Set) {
    IS_TO_LISTEN.store(true, Ordering::SeqCst);
    let _silence = Silence::but_for_traps();
    if let Some(_one) = OPENING.try_lock() {
        return open_alone(blocked);
    }
    // Somebody does this very thing, or has it listen in a thread.
    if let Some(_one) = OPENING.lock_within(MOMENT)
        && !is_awake()
    {
        open_alone(blocked);
    }
}

/// A socket that stands stays: a client may have come to it by now.
fn open_alone(blocked: Set) {
    // Who has taken it out meanwhile, and has it in again, is told as well.
    IS_TO_LISTEN.store(true, Ordering::SeqCst);
    let listens_always = state::settings().thread == Thread::Always;
    if listens_always && !IS_TIGHT.load(Ordering::Relaxed) {
        match stay_alone(format_args!("")) {
            Ok(()) => return,
            Err(sys::Errno(libc::EAGAIN)) => leave_room(),
            Err(error) => return no_thread(error),
        }
    }
    let delay = state::time_to_opening();
    let result = if dormant::is_intact() {
        Ok(())
    } else if delay.is_zero() {
        dormant::listen(handlers::wake_entry, blocked)
    } else {
        dormant::listen_later(handlers::wake_entry, blocked, delay)
    };
    let stay = |why| stay_alone(why).unwrap_or_else(no_thread);
    match result {
        Ok(()) if delay.is_zero() => {
            dormant::is_due();
            forget_failure();
            log::event(format_args!("Waiting for new connection (in pid:{}) ...", process::pid()));
            // A client may have come before the kernel was told to call.
            if dormant::has_client() {
                visit();
            }
        }
        Ok(()) | Err(Obstacle::NoSocket(Failure::Exiting)) => {}
        Err(Obstacle::NoSignal) => stay(format_args!("The host uses or blocks SIGURG and SIGWINCH: ")),
        Err(Obstacle::NoSocket(failure)) if failure.is_about_the_path() => try_later(&failure, blocked),
        // The thread has a descriptor table of its own.
        Err(Obstacle::NoSocket(_)) => stay(format_args!("")),
        Err(Obstacle::Kernel(error)) => stay(format_args!("No wake-up ({error}): ")),
    }
    // It was taken out meanwhile.
    if !state::is_on() {
        dormant::retire();
        end();
        dormant::close();
        listener::unlink_own();
    }
}

/// There is no socket, and a thread would not get one either: a process of one thread stays one. A timer tries it again, each time after twice as long, so that a wait that
/// starts over does so once or twice; and whoever of the host's comes by in [`mend`].
#[cold]
fn try_later(failure: &Failure, blocked: Set) {
    if !has_failed() {
        late::called();
        let path = listener::shown_path();
        log::problem(format_args!("Cannot listen at {path}: {failure}. Will try again."));
    } else {
        late::say();
    }
    // Somebody came by, and the timer has yet to go off.
    if dormant::is_pending() && process::monotonic().as_nanos() < TRIES_AGAIN.load(Ordering::SeqCst).into() {
        return;
    }
    dormant::is_due();
    let rest = match REST.fetch_add(1, Ordering::Relaxed).min(MOST) {
        // Then it is to be said that it is late.
        0 => late::left().unwrap_or_default().clamp(SHORTEST, Duration::from_secs(1)),
        number => Duration::from_secs(1 << number),
    };
    let at = process::monotonic().saturating_add(rest).as_nanos() as u64;
    TRIES_AGAIN.store(at, Ordering::SeqCst);
    // Without a signal it is tried by the way alone.
    let _ = dormant::listen_later(handlers::wake_entry, blocked, rest);
}

/// Whether there is to be a socket that could not be made.
pub(crate) fn has_failed() -> bool {
    TRIES_AGAIN.load(Ordering::Relaxed) != 0
}

/// No socket is to be made any more, or there is one.
pub(crate) fn forget_failure() {
    TRIES_AGAIN.store(0, Ordering::Relaxed);
    REST.store(0, Ordering::Relaxed);
}

/// The thread listens from now on, and stays.
pub(crate) fn stay(why: core::fmt::Arguments<'_>) {
    IS_TO_LISTEN.store(true, Ordering::SeqCst);
    let _silence = Silence::but_for_traps();
    if let Some(_one) = OPENING.lock_within(MOMENT) {
        stay_alone(why).unwrap_or_else(no_thread);
    }
}

fn no_thread(error: sys::Errno) {
    log::problem(format_args!("cannot start the manhole's thread ({error})"));
}

fn stay_alone(why: core::fmt::Arguments<'_>) -> sys::Result<()> {
    IS_TO_LISTEN.store(true, Ordering::SeqCst);
    if why.as_str() != Some("") {
        log::event(format_args!("{why}the manhole listens in a thread."));
    }
    match call(Call::Listen) {
        Ok(()) => {
            // It waits for the time to open, and tries again, by itself.
            dormant::is_due();
            forget_failure();
        }
        // A process whose children are to be in another namespace of process ids cannot have threads any more (clone(2)): that is its own will.
        Err(sys::Errno(libc::EINVAL)) => {
            log::event(format_args!("this process cannot have threads: no manhole"));
            return Ok(());
        }
        Err(error) => return Err(error),
    }
    if dormant::descriptor() >= 0 && wait_until_settled() {
        dormant::close();
    }
    Ok(())
}

/// Lets the thread look whether a client is there.
fn visit() {
    if let Err(error) = call(Call::Visit) {
        // As in `stay_alone`.
        let say = if error == sys::Errno(libc::EINVAL) { log::event } else { log::problem };
        say(format_args!("A client cannot be served, for there is no thread to be had ({error})."));
        dormant::turn_away(format_args!(
            "The manhole of process {} cannot start its thread ({error}): connect again later.\n",
            process::pid()
        ));
    }
}

/// The wake-up signal has come: a client, the time to open, or somebody who wants us to look whether all is well.
pub(crate) fn rung(blocked: Set) {
    // Also where our thread is there for something else: it does not open by itself.
    if dormant::is_due() && dormant::descriptor() < 0 {
        state::open_after(Duration::ZERO);
        open(blocked);
    } else if is_awake() || dormant::has_client() {
        // A thread that is about to leave has looked for clients before: it must not only be poked.
        visit();
    } else if dormant::descriptor() >= 0 && !dormant::is_intact() {
        open(blocked);
    }
}

/// Whether a thread does what [`mend`] does.
static IS_MENDING: AtomicBool = AtomicBool::new(false);

/// The host has control, where nothing that it does is about the manhole: its socket may have been closed by a call that nobody sees.
pub(crate) fn mend() {
    let is_due = || has_failed() && process::monotonic().as_nanos() as u64 >= TRIES_AGAIN.load(Ordering::Relaxed);
    let is_lost = || dormant::descriptor() >= 0 && dormant::is_lost();
    if is_awake() || !is_due() && !is_lost() {
        return;
    }
    let blocked = signal::mask();
    // A handler of the host that blocks all: what it has interrupted does not, and calls something else later.
    if blocked.contains(dormant::signal_in_use()) || IS_MENDING.swap(true, Ordering::SeqCst) {
        return;
    }
    open(blocked);
    IS_MENDING.store(false, Ordering::SeqCst);
}

/// The process has met the limit of its threads.
pub(crate) fn leave_room() {
    if !IS_TIGHT.swap(true, Ordering::Relaxed) {
        log::event(format_args!(
            "No more threads or processes are allowed: the manhole's thread leaves until a client comes."
        ));
    }
}

/// A host that is about to have threads gets ours along: it costs no more now, and needs no signal.
pub(crate) fn host_has_threads() {
    if !is_awake()
        && !IS_TIGHT.load(Ordering::Relaxed)
        && (dormant::descriptor() >= 0 || dormant::is_pending() || has_failed())
    {
        stay(format_args!(""));
    }
}

/// The host has changed dispositions or its mask: is there still a signal that can wake the manhole?
pub(crate) fn signals_have_changed() {
    let signal = dormant::signal_in_use();
    let phase = PHASE.load(Ordering::SeqCst);
    if signal == 0 {
        return;
    }
    if phase != ASLEEP {
        // A thread that stays looks when it is about to leave; one that is leaving may have looked before the change.
        if phase == AWAKE {
            return;
        }
        dormant::hush(signal);
        if call(Call::Visit).is_ok() {
            return;
        }
    }
    let blocked = signal::mask();
    if blocked.contains(signal) && signal::action(signal).is_ok_and(|now| crate::interrupted::is_of_agent(&now)) {
        // Most hosts unblock it again before long. The thread looks, and stays if not.
        if !dormant::keep_a_signal(handlers::wake_entry, blocked) && call(Call::Visit).is_err() {
            dormant::end_hush();
        }
    } else if !dormant::keep_a_signal(handlers::wake_entry, blocked) {
        stay(format_args!("The host uses or blocks SIGURG and SIGWINCH: "));
    } else if dormant::has_client() {
        // Whoever has come while the kernel was to call nobody.
        visit();
    }
}

extern "C" fn run() -> ! {
    arena::when_exhausted(exhausted);
    // Before anybody can ring it.
    let bell = Set::of(&[state::bell()]).0;
    signal::exchange_mask(Set(signal::BLOCKED.0 | bell));
    state::agent_starts();
    thread::set_name(c"Manhole");
    thread::leave_real_time();
    let offered = dormant::offered();
    let private = fd::make_table_private(offered);
    SETTLED.store(1, Ordering::SeqCst);
    lock::wake(&SETTLED, u32::MAX >> 1);
    late::say();
    if let Err(error) = private {
        log::problem(format_args!("No descriptor table of its own ({error}): the manhole is off"));
        stop();
    }
    let mask = state::settings().sigmask;
    if mask != u64::MAX {
        signal::exchange_mask(Set(mask | bell));
    }
    proc_root::forget();
    proc_root::look();
    let mut server = Server::new(dormant::adopt(offered));
    loop {
        server.serve();
        PHASE.store(LEAVING, Ordering::SeqCst);
        if !state::has_calls() && server.may_leave() {
            server = Server::new(leave(server.into_listener()));
        }
        PHASE.store(AWAKE, Ordering::SeqCst);
    }
}

/// Ends the thread, unless it is called in the last moment: then it has the listener again.
fn leave(listener: Option<Listener>) -> Option<Listener> {
    capture::tidy_up();
    arena::trim();
    thread::AGENT.trim();
    // What may be sent to this thread where the options leave signals open: a handler would run on a stack that is given away.
    let silence = Silence::begin();
    if state::agent_leaves() {
        SETTLED.store(0, Ordering::SeqCst);
        if listener.is_none() && !has_failed() {
            dormant::call_once_more();
        }
        LEFT_AT.store(process::monotonic().as_nanos() as u64, Ordering::SeqCst);
        // Whoever has asked since the last look would wait for an answer.
        credentials::follow();
        thread::leave(&PHASE, LEAVING, ASLEEP);
        state::agent_starts();
        SETTLED.store(1, Ordering::SeqCst);
        lock::wake(&SETTLED, u32::MAX >> 1);
    }
    drop(silence);
    if let Some(listener) = &listener {
        dormant::suspend(listener.fd());
    }
    listener
}

/// Whether memory has run out.
static IS_EXHAUSTED: AtomicBool = AtomicBool::new(false);

/// There is no memory: the agent's thread, which cannot go on without, stops.
fn exhausted(error: sys::Errno) {
    if !state::on_agent_thread() {
        return;
    }
    // What is done about it may want memory itself.
    if IS_EXHAUSTED.swap(true, Ordering::Relaxed) {
        rest();
    }
    if error == sys::Errno(libc::EFAULT) {
        // One that unmaps all that it does not know has had its will.
        log::event(format_args!("its memory has been unmapped: the manhole is off"));
    } else {
        log::problem(format_args!("out of memory: the manhole is off"));
    }
    stop()
}

/// The agent's thread does nothing any more, for good: something is wrong with it. Nobody waits for it from here on.
pub(crate) fn stop() -> ! {
    state::turn_off();
    held::release();
    let _ = hand::put_back();
    listener::unlink_own();
    dormant::retire();
    dormant::shut(format_args!(
        "The manhole of process {} is off: it has no memory, or something is wrong with it.\n",
        process::pid()
    ));
    capture::give_up();
    state::session_ends();
    rest()
}

/// Closes everything and ends: a thread that stayed would keep the rights that the host gives up later.
fn rest() -> ! {
    decoding::give_up();
    fd::abandon();
    loop {
        let silence = Silence::begin();
        held::release();
        PHASE.store(LEAVING, Ordering::SeqCst);
        if state::agent_leaves() {
            SETTLED.store(0, Ordering::SeqCst);
            credentials::follow();
            thread::leave(&PHASE, LEAVING, ASLEEP);
            state::agent_starts();
        }
        drop(silence);
        // Somebody has called, or is about to signal it.
        process::sleep(Duration::from_millis(10));
    }
}
