//! The moments at which the agent's state changes: start, fork, exit.
//!
//! Context: the constructor, host threads inside fork and exit and in calls of the C interface, the agent's thread. No lock is waited
//! for here. The waits are the one that `daemon_connection=False` asks for (an exiting process stays until its client has left), and
//! those of the C interface: for the agent's thread to end, and for the socket.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use manhole_options::{Options, ParseError, Setting, Thread};

use crate::call::guard;
use crate::listener::GivenAway;
use crate::memory::Memory;
use crate::modules::Modules;
use crate::python::Api;
use crate::settings::Settings;
use crate::state::{Call, Wait};
use crate::sys::lock::Lock;
use crate::sys::made::{ESSENTIAL, MADE};
use crate::sys::signal::{self, Set};
use crate::sys::{self, own_image, process, thread};
use crate::wake::{handlers, stacks};
use crate::{
    app, arena, aside, capture, credentials, decoding, descendants, dormant, dump, filters, listener, loan, log,
    prompt, python, redirect, render, serve, snapshot, state, wake, worker,
};

/// Why there is no manhole after an attempt to install one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The options are wrong.
    BadOptions,
    /// `activate_on` and `oneshot_on` are the same signal.
    ConfigurationConflict,
    /// There is one already, and `strict` is in force.
    AlreadyInstalled,
    /// There is none.
    NotInstalled,
    /// The text is `off`, or the environment's is.
    Off,
    /// It is installed, and does not listen yet.
    NotOpen,
    /// Another thread installs or uninstalls at this moment, or the old manhole's thread does not end.
    Busy,
    /// There is no memory.
    NoMemory,
    /// The kernel refuses the signal.
    Kernel(sys::Errno),
}

/// Whether the environment says that there is to be no manhole.
static SWITCHED_OFF: AtomicBool = AtomicBool::new(false);

/// One installation at a time. Host threads only ever try it.
static INSTALLING: Lock<()> = Lock::new(());

/// Reads the options of the environment and prepares the manhole. A failure is one line of the log, and the host runs without. `python` is
/// what holds in a Python that has no other options.
#[cold]
pub(crate) fn install_from_environment(text: Option<&[u8]>, python: Option<&[u8]>) {
    thread::learn_pointers();
    let installed = match (text, python) {
        (None, Some(python)) if is_python() => install_by(python, Some(manhole_options::parse_python), signal::mask()),
        _ => install(text.unwrap_or_default(), signal::mask()),
    };
    if installed == Err(Failure::Off) {
        SWITCHED_OFF.store(true, Ordering::Release);
    }
}

/// Prepares the manhole, on a thread that blocks the signals `blocked` as far as the host is concerned. A failure is one line
/// of the log.
#[cold]
pub(crate) fn install(text: &[u8], blocked: Set) -> Result<(), Failure> {
    install_by(text, (!text.is_empty()).then_some(manhole_options::parse_bytes), blocked)
}

/// Whether the process is a Python: asked before anything is installed.
fn is_python() -> bool {
    if arena::reserve().is_err() {
        return false;
    }
    let memory = Memory::new();
    Modules::read(&memory).is_ok_and(|modules| Api::find(&modules, &memory).is_some())
}

/// A reader of options.
type Parse = fn(&[u8]) -> Result<Setting, ParseError>;

/// What holds where there is nothing to read.
#[allow(unsafe_code, reason = "for the place alone: beside what else each start reads")]
#[unsafe(link_section = ".rodata.manhole_start")]
static NOTHING_SAID: Options = Options::DEFAULT;

#[cold]
fn install_by(text: &[u8], parse: Option<Parse>, blocked: Set) -> Result<(), Failure> {
    let Some(_one) = INSTALLING.try_lock() else { return Err(Failure::Busy) };
    if SWITCHED_OFF.load(Ordering::Acquire) {
        return Err(Failure::Off);
    }
    // Nothing else here allocates but a refusal, for which the C interface has seen to it that there is room.
    if parse.is_some() && arena::reserve().is_err() {
        log::problem(format_args!("no memory: the manhole is off"));
        return Err(Failure::NoMemory);
    }
    let parsed;
    let options = match parse.map(|parse| parse(text)) {
        None => &NOTHING_SAID,
        Some(Ok(Setting::Off)) => return Err(Failure::Off),
        Some(Ok(Setting::Install(options))) => {
            parsed = options;
            &parsed
        }
        Some(Err(reason)) => {
            if reason.kind == manhole_options::ErrorKind::ConfigurationConflict {
                refuse(text, &format_args!("ConfigurationConflict: {reason}"));
                return Err(Failure::ConfigurationConflict);
            }
            refuse(text, &reason);
            return Err(Failure::BadOptions);
        }
    };
    if state::is_on_here() {
        // Where nothing was to start, this starts it.
        if options.strict && !waits_for_nothing(state::settings()) {
            refuse(text, &"AlreadyInstalled: there is a manhole in this process already (strict=False replaces it)");
            return Err(Failure::AlreadyInstalled);
        }
        release()?;
    }
    // A thread that only makes a dump may be there.
    end_thread(TO_AN_END)?;
    state::settle(|settings| settings.take_over(options));
    let settings = state::settings();
    if let Err(error) = handlers::take(settings) {
        refuse(text, &format_args!("the kernel does not give the signal: {error}"));
        return Err(Failure::Kernel(error));
    }
    wake::end();
    state::turn_on();
    if settings.patch_fork {
        log::event(format_args!("Patched fork, forkpty and daemon."));
    }
    if parse.is_some() {
        for note in options.notes() {
            log::event(format_args!("{note}"));
        }
    }
    if snapshot::is_fate(settings.oneshot_on) {
        stacks::provide();
    }
    if opens_at_once(settings) {
        wake::open(blocked);
    }
    Ok(())
}

/// Whether nothing opens the manhole but another installation.
fn waits_for_nothing(settings: &Settings) -> bool {
    settings.thread == Thread::Never && settings.activate_on == 0 && settings.oneshot_on == 0 && settings.dump_on == 0
}

fn opens_at_once(settings: &Settings) -> bool {
    settings.activate_on == 0 && settings.oneshot_on == 0 && settings.thread != Thread::Never
}

/// After [`install`]: waits until the socket is there, if it is to be there by now, for as long as the options say.
pub(crate) fn wait_until_open() -> Result<(), Failure> {
    let settings = state::settings();
    if !opens_at_once(settings) || listener::wait_until_bound(settings.start_timeout) {
        return Ok(());
    }
    log::late_start(log::problem, settings.start_timeout);
    Err(Failure::NotOpen)
}

/// Takes the manhole out: no thread, no socket, no handler of ours is left.
pub(crate) fn uninstall() -> Result<(), Failure> {
    let Some(_one) = INSTALLING.try_lock() else { return Err(Failure::Busy) };
    if !state::is_on_here() {
        return Err(Failure::NotInstalled);
    }
    worker::end();
    release()
}

fn release() -> Result<(), Failure> {
    state::turn_off();
    handlers::give_all_back(state::settings());
    dormant::retire();
    wake::end();
    let ended = end_thread(TO_AN_END);
    capture::retire();
    dormant::close();
    listener::unlink_own();
    ended
}

/// How long it may take the thread to come to an end of what it does.
const TO_AN_END: Duration = Duration::from_secs(2);

/// And how long where the process would die of it otherwise.
const TO_THE_VERY_END: Duration = Duration::from_secs(10);

/// Lets the agent's thread end, if it is there, and waits for that, at most `limit`: its clients are told.
#[cold]
fn end_thread(limit: Duration) -> Result<(), Failure> {
    let mut tid = state::agent();
    if !wake::is_awake() {
        return Ok(());
    }
    wake::call(Call::Close).map_err(Failure::Kernel)?;
    let start = process::monotonic();
    while wake::is_awake() || (tid != 0 && process::has_thread(tid)) {
        if process::monotonic().saturating_sub(start) > limit {
            return Err(Failure::Busy);
        }
        thread::pause(Duration::from_micros(50));
        tid = if state::agent() == 0 { tid } else { state::agent() };
    }
    Ok(())
}

/// Before anything that the C interface is asked for: a process that was forked without our knowing forgets its parent's manhole.
pub(crate) fn notice_fork() {
    if state::has_owner() && !state::is_of_this_process() {
        forget_parent();
        state::turn_off();
    }
}

fn refuse(text: &[u8], reason: &dyn core::fmt::Display) {
    let text = String::from_utf8_lossy(text);
    log::write(format!("Failed to manhole.install({}): {reason}\n", manhole_options::one_line(&text)).as_bytes());
}

/// In the child of a fork, where no thread of ours exists: forgets the parent's manhole and prepares one of its own.
///
/// The calling thread is the only one, so nothing here can be seen half done. It may be inside a signal handler (`_Fork`): no
/// allocation, nothing waits.
pub(crate) fn process_is_forked() {
    if !state::has_owner() {
        return;
    }
    forget_parent();
    let settings = state::settings();
    if state::is_on() && settings.patch_fork && settings.thread != Thread::Never {
        log::event(format_args!("Fork detected. Reinstalling Manhole."));
        if !settings.reinstall_delay.is_zero() {
            log::delayed(settings.reinstall_delay);
        }
        state::open_after(settings.reinstall_delay);
        wake::open(signal::mask());
    }
}

/// In the parent: the child may get a manhole.
pub(crate) fn child_is_born(pid: i32) {
    let settings = state::settings();
    if !state::is_on_here() {
        return;
    }
    wake::mend();
    if settings.patch_fork {
        descendants::note(pid);
    }
}

/// [`process_is_forked`], unless that has been noticed already.
pub(crate) fn notice_fork_and_go_on() {
    if state::has_owner() && !state::is_of_this_process() {
        process_is_forked();
    }
}

/// What was the parent's is not ours, and its threads do not exist.
fn forget_parent() {
    let settings = state::settings();
    // First of all: what is said from here on is the child's own.
    redirect::forget();
    log::forget();
    state::forget();
    INSTALLING.forget(());
    aside::forget();
    arena::start_afresh();
    decoding::forget();
    wake::forget();
    serve::forget();
    prompt::forget();
    credentials::forget();
    dump::forget();
    capture::forget();
    dormant::forget();
    listener::forget();
    descendants::forget();
    handlers::forget(settings);
    stacks::forget();
    worker::forget();
    guard::forget();
    app::forget();
}

/// The host is about to create a thread.
pub(crate) fn host_has_threads() {
    if state::is_on_here() {
        wake::host_has_threads();
    }
}

/// Whether threads need a stack for handlers: one that has overflowed its own is to be seen post mortem.
pub(crate) fn wants_stacks() -> bool {
    snapshot::is_fate(state::settings().oneshot_on) && state::is_on_here()
}

/// Gives the calling thread, which has just begun, a stack for handlers.
pub(crate) fn provide_stack() {
    stacks::provide();
}

/// The host has changed the disposition of `signal`, or has tried to.
pub(crate) fn disposition_has_changed(signal: i32) {
    loan::host_ends(signal);
    if !state::is_on_here() {
        return;
    }
    guard::stand_again(signal);
    wake::mend();
    if signal == dormant::signal_in_use() || dormant::is_hushed() {
        wake::signals_have_changed();
    }
    let settings = state::settings();
    if signal == settings.activate_on || signal == settings.oneshot_on {
        handlers::host_has_taken(signal);
    }
}

/// The calling thread has been told that `handler`, which is ours, has a signal: handler, flags and mask that are the host's there.
pub(crate) fn disposition_of_host(signal: i32, handler: usize) -> (usize, i32, Set) {
    const SA_RESTORER: u64 = 0x0400_0000;
    let hidden = guard::hidden(signal, handler)
        .or_else(|| handlers::hidden(handler))
        .filter(|hidden| !own_image::contains(hidden.handler));
    hidden.map_or((libc::SIG_DFL, 0, Set(0)), |own| (own.handler, (own.flags & !SA_RESTORER) as i32, own.mask))
}

/// The calling thread is about to change the disposition of a signal: it finds its own.
pub(crate) fn disposition_is_wanted(signal: i32) {
    guard::step_aside(signal);
    let is_on = state::is_on_here();
    loan::host_begins(signal, is_on && !state::on_agent_thread());
    if is_on {
        dormant::hush(signal);
    }
}

/// The calling thread has changed its mask by `set`, in the way of sigprocmask(2).
pub(crate) fn mask_has_changed(how: i32, set: Set) {
    let wake_up = dormant::signal_in_use();
    let is_named = set.contains(wake_up);
    let is_blocked = match how {
        _ if wake_up == 0 => return,
        libc::SIG_SETMASK => is_named,
        _ if !is_named => return,
        how => how == libc::SIG_BLOCK,
    };
    if !state::is_on_here() {
        return;
    }
    dormant::note_blocked(is_blocked);
    if is_blocked {
        wake::signals_have_changed();
    }
}

/// The host has changed its user or its groups: our thread must not keep what the host has given up.
pub(crate) fn credentials_have_changed(number: i64, arguments: [usize; 3]) {
    if !wake::is_awake() || !state::is_on_here() || state::on_agent_thread() {
        return;
    }
    // The signal that wakes the manhole stays open: our thread looks whether the host blocks it.
    let open = Set::of(&[dormant::signal_in_use()]);
    let change = credentials::Change { number, arguments };
    if signal::undisturbed(open, || credentials::ask(change, wake::is_awake)) {
        return;
    }
    log::event(format_args!(
        "The manhole's thread cannot follow the change of the user: it ends, another one takes its place."
    ));
    // Also amid a session: a thread that has the old user's rights may not be there when the host's call returns.
    let _ = end_thread(Duration::from_secs(1));
    // What it has closed is opened again, by one of the threads of the host that may be here at once.
    if let Some(_one) = INSTALLING.try_lock()
        && !wake::is_awake()
        && !dormant::is_intact()
    {
        wake::open(signal::mask());
    }
}

/// As [`credentials_have_changed`], for initgroups(3).
pub(crate) fn groups_have_changed() {
    if !wake::is_awake() {
        return;
    }
    let mut groups = [0u32; 1024];
    let count = process::groups(&mut groups);
    credentials_have_changed(libc::SYS_setgroups, [count, groups.as_ptr() as usize, 0]);
}

/// The host is about to do what no thread can begin after: ours begins, and stays.
pub(crate) fn no_thread_can_begin() {
    if state::is_on_here() {
        wake::host_has_threads();
    }
}

/// Whether there is a manhole that a filter could harm, or was one: the end of the process is looked after.
pub(crate) fn may_leave_for_filter() -> bool {
    state::is_of_this_process()
}

/// What [`leave_for_filter`] has taken away.
pub(crate) struct Gone {
    was_on: bool,
}

/// The host is about to filter the system calls of the calling thread or of all, by a program or, without one, by the strict mode: the manhole goes if
/// one of its own could be answered by more than an error.
pub(crate) fn leave_for_filter(program: Option<&[libc::sock_filter]>) -> Option<Gone> {
    let harmed = match program {
        None => Some(libc::SYS_openat),
        Some(program) => filters::harmed(program, MADE, &ESSENTIAL),
    };
    let number = harmed?;
    let was_on = state::is_on_here();
    if was_on {
        let name = render::arch::system_call(number as u64).unwrap_or("a call");
        log::event(format_args!(
            "The program filters its system calls, and {name} of ours may kill it: the manhole closes."
        ));
    }
    own_image::keep_pages();
    // A filter for all threads would meet ours: it comes to the end of what it does.
    if uninstall() == Err(Failure::Busy) {
        let _ = end_thread(TO_THE_VERY_END);
    }
    loan::return_all();
    // From here on not even the own process is asked who it is, and what a line still runs ends with its thread.
    worker::abandon(true);
    state::disown();
    Some(Gone { was_on })
}

/// After [`leave_for_filter`]: the kernel has refused the filter.
pub(crate) fn come_back_from_filter(gone: Gone) {
    let Some(_one) = INSTALLING.try_lock() else { return };
    worker::abandon(false);
    own_image::let_pages_go();
    if !gone.was_on {
        return state::own();
    }
    let settings = state::settings();
    if handlers::take(settings).is_ok() {
        state::turn_on();
        if opens_at_once(settings) {
            wake::open(signal::mask());
        }
    }
}

/// The process may be about to end where nobody is told.
pub(crate) fn socket_goes() {
    if state::is_on_here() {
        listener::unlink_own();
    }
}

/// After [`socket_goes`]: it has not ended.
pub(crate) fn socket_comes_back() {
    if !state::is_on_here() {
        return;
    }
    if wake::is_awake() {
        // It looks after its socket's name when it is poked.
        state::poke();
    } else if dormant::descriptor() >= 0 {
        wake::open(signal::mask());
    }
}

/// In `_exit`: the socket goes.
pub(crate) fn process_leaves() {
    if state::is_on_here() {
        // The time to open may come in between.
        state::exit_begins();
        redirect::process_ends(false, false);
        listener::unlink_for_good();
        descendants::clean_up(true);
    }
}

/// A thread of the host is about to end by the bare system call. glibc ends the process with its last thread; the kernel alone
/// would wait for ours.
pub(crate) fn thread_ends(code: i32) {
    state::note_exit_code(code);
    if state::is_on_here() && wake::is_awake() && !state::on_agent_thread() {
        let _ = wake::call(Call::Ending);
    }
}

/// How long a change of the user waits for the socket of a thread that has just begun.
const BINDS_SOON: Duration = Duration::from_millis(100);

/// The host is about to become user `uid`, who may not open the socket of the old one.
pub(crate) fn user_will_be(uid: u32) -> Option<GivenAway> {
    if !state::is_on_here() {
        return None;
    }
    // A thread that has just begun is about to bind: the socket would be the old user's, and in the new one's way.
    if wake::is_awake() && opens_at_once(state::settings()) {
        listener::wait_until_bound(BINDS_SOON);
    }
    listener::give_away(uid)
}

/// How long `exit` waits for the client without a word: of one that is about to leave nothing is said, standard error is the host's.
const SILENT_WAIT: Duration = Duration::from_secs(5);

/// In `exit`: the socket goes, and a connected client is waited for unless the options say otherwise.
#[cold]
pub(crate) fn process_exits() {
    if !state::is_of_this_process() || state::on_agent_thread() {
        return;
    }
    state::exit_begins();
    listener::unlink_for_good();
    descendants::clean_up(true);
    // What those threads have of the interpreter is gone: one that wakes up meanwhile would fall over it.
    let has_left_threads = || python::has_left_threads(worker::count);
    if state::settings().daemon_connection {
        return redirect::process_ends(true, has_left_threads());
    }
    if state::has_session() && !has_left_threads() {
        state::client_is_waited_for();
        state::poke();
    }
    let mut wait = state::wait_for_session(has_left_threads, Some(SILENT_WAIT));
    if wait == Wait::GoesOn {
        log::problem(format_args!("The process exits; it waits for the connected client to leave."));
        wait = state::wait_for_session(has_left_threads, None);
    }
    if wait == Wait::InVain {
        log::problem(format_args!(
            "The process exits; it does not wait for the connected client: its Python has ended, and other threads are there."
        ));
    }
    redirect::process_ends(true, has_left_threads());
}
