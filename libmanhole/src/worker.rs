//! The worker: the one thread of ours that runs the host's code, for the application's own commands.
//!
//! Context: [`ensure`] and [`end`] on host threads in normal context; [`run`] is the worker itself; the rest on the agent's thread, which
//! never waits for the worker. The worker is a thread of the C library's, with the host's descriptors and a large stack, so
//! that whatever a command calls works as anywhere else. It exists only in programs that have added a command.
//!
//! One job at a time. A job that is given up runs on, under a number, until its function returns.
#![allow(unsafe_code)]

use core::ffi::{c_char, c_int, c_void};
use core::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use core::time::Duration;

use crate::app::Command;
use crate::sys::lock::{self, Lock};
use crate::sys::signal::{self, Set};
use crate::sys::{Errno, next, process, thread};
use crate::{redirect, state};

/// The size of the worker's stack in bytes. Untouched pages cost nothing.
const STACK: usize = 8 << 20;

/// What a fault raises is never blocked on the worker: the host's own handlers see it, as on every other thread.
const FAULTS: [i32; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS, libc::SIGABRT];

/// There is no worker.
const NONE: u32 = 0;
/// It waits for a job.
const IDLE: u32 = 1;
/// There is a job for it, or it has one.
const BUSY: u32 = 2;
/// It is to end.
const ENDING: u32 = 3;
/// It has a job, and is to end after it.
const LAST: u32 = 4;

static STATE: AtomicU32 = AtomicU32::new(NONE);

/// The kernel's id of the worker; 0 until it has said so.
static TID: AtomicI32 = AtomicI32::new(0);

/// Before a job: whether its output goes to the client, for which the worker lends the hand and waits for the agent's thread.
static GATE: AtomicU32 = AtomicU32::new(OPEN);

/// The job begins at once.
const OPEN: u32 = 0;
/// The worker is to lend the hand.
const HAND_WANTED: u32 = 1;
/// The hand is there; the worker waits for the redirection.
const HAND_LENT: u32 = 2;

/// How long the worker waits for the redirection: a job runs in any case.
const REDIRECTION: Duration = Duration::from_secs(1);

/// Who makes the worker or lets it end. Host threads only ever try it.
static CHANGING: Lock<()> = Lock::new(());

/// The job that runs, or the last one.
static JOB: Lock<Option<Job>> = Lock::new(None);

/// Jobs that were started, and numbers that were given.
static COUNTS: Lock<(u64, u32)> = Lock::new((0, 0));

/// A command at work.
pub(crate) struct Job {
    serial: u64,
    /// What `jobs` calls it; 0 while nobody has needed a number.
    pub(crate) number: u32,
    command: &'static Command,
    /// Each ends with a NUL; taken by the worker.
    arguments: Vec<Vec<u8>>,
    /// The line that was typed.
    pub(crate) line: String,
    started: Duration,
    /// When it returned, and what.
    pub(crate) end: Option<(Duration, c_int)>,
}

impl Job {
    /// Its number, from now on.
    fn number(&mut self) -> u32 {
        if self.number == 0 {
            let mut counts = COUNTS.lock();
            counts.1 += 1;
            self.number = counts.1;
        }
        self.number
    }

    /// For how long it has run.
    pub(crate) fn duration(&self) -> Duration {
        self.end.map_or_else(process::monotonic, |(end, _)| end).saturating_sub(self.started)
    }
}

/// What the agent's thread keeps of a job that it has started.
pub(crate) struct Ticket {
    serial: u64,
    pub(crate) name: &'static str,
}

/// What has become of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Running,
    Returned(c_int),
    /// Its function has ended the thread instead of returning.
    Vanished,
}

/// Makes sure that there is a worker. The calling thread blocks all signals.
pub(crate) fn ensure() -> Result<(), Errno> {
    let Some(_one) = CHANGING.try_lock() else { return Err(Errno(libc::EBUSY)) };
    if is_gone() {
        STATE.store(NONE, Ordering::SeqCst);
    }
    if STATE.compare_exchange(NONE, IDLE, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        // One that was to end after its job stays.
        let _ = STATE.compare_exchange(LAST, BUSY, Ordering::SeqCst, Ordering::SeqCst);
        return Ok(());
    }
    TID.store(0, Ordering::SeqCst);
    create().inspect_err(|_| STATE.store(NONE, Ordering::SeqCst))
}

fn create() -> Result<(), Errno> {
    let mut attributes = core::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut id: libc::pthread_t = 0;
    let before = signal::exchange_mask(Set(signal::BLOCKED.0 & !Set::of(&FAULTS).0));
    // SAFETY: the C library fills the attributes before they are used, and the thread's function has the right type. The new
    // thread inherits the mask.
    let error = unsafe {
        libc::pthread_attr_init(attributes.as_mut_ptr());
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK);
        let start = run as extern "C-unwind" fn(*mut c_void) -> *mut c_void as *mut c_void;
        let error = next::function::pthread_create(&mut id, attributes.as_ptr(), start, core::ptr::null_mut());
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        error
    };
    signal::exchange_mask(before);
    if error == 0 { Ok(()) } else { Err(Errno(error)) }
}

/// Lets the worker end, at once or after its job, and waits for an idle one.
pub(crate) fn end() {
    let Some(_one) = CHANGING.try_lock() else { return };
    if STATE.compare_exchange(IDLE, ENDING, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        let _ = STATE.compare_exchange(BUSY, LAST, Ordering::SeqCst, Ordering::SeqCst);
        return;
    }
    lock::wake(&STATE, u32::MAX >> 1);
    let start = process::monotonic();
    while STATE.load(Ordering::SeqCst) != NONE || !is_gone() {
        if process::monotonic().saturating_sub(start) > Duration::from_secs(1) {
            return;
        }
        thread::pause(Duration::from_micros(50));
    }
    *JOB.lock() = None;
}

/// Whether the worker that has said its id is no thread any more.
fn is_gone() -> bool {
    let tid = TID.load(Ordering::SeqCst);
    tid != 0 && !process::has_thread(tid)
}

/// In a freshly forked child, which has no worker.
pub(crate) fn forget() {
    STATE.store(NONE, Ordering::SeqCst);
    TID.store(0, Ordering::SeqCst);
    GATE.store(OPEN, Ordering::SeqCst);
    CHANGING.forget(());
    JOB.forget(None);
    COUNTS.forget((0, 0));
}

/// Gives the worker a job. An error says why it takes none.
pub(crate) fn start(command: &'static Command, line: &str, mut arguments: Vec<Vec<u8>>) -> Result<Ticket, String> {
    arguments.iter_mut().for_each(|argument| argument.push(0));
    let mut slot = JOB.lock();
    if is_gone() {
        STATE.store(NONE, Ordering::SeqCst);
    }
    match STATE.load(Ordering::SeqCst) {
        IDLE => {}
        BUSY | LAST => {
            let running = slot.as_mut().map(|job| (job.number(), job.command.name.as_str())).unwrap_or((0, "another"));
            return Err(format!(
                "job {} ({}) still runs, and one command of the application runs at a time; jobs lists it",
                running.0, running.1
            ));
        }
        _ => {
            return Err(format!(
                "{} cannot run in this process: the thread for the application's commands is not there (a forked child has one once \
                 it calls manhole_install or manhole_add_command itself)",
                command.name
            ));
        }
    }
    let serial = {
        let mut counts = COUNTS.lock();
        counts.0 += 1;
        counts.0
    };
    *slot = Some(Job {
        serial,
        number: 0,
        command,
        arguments,
        line: line.to_owned(),
        started: process::monotonic(),
        end: None,
    });
    drop(slot);
    if STATE.compare_exchange(IDLE, BUSY, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        *JOB.lock() = None;
        return Err("the manhole is being taken out".to_owned());
    }
    lock::wake(&STATE, u32::MAX >> 1);
    Ok(Ticket { serial, name: &command.name })
}

/// Before [`start`]: the worker waits until its output is redirected ([`go`]).
pub(crate) fn want_redirection() {
    GATE.store(HAND_WANTED, Ordering::SeqCst);
}

/// Whether the worker waits for the redirection.
pub(crate) fn waits_for_redirection() -> bool {
    GATE.load(Ordering::SeqCst) == HAND_LENT
}

/// The worker may begin.
pub(crate) fn go() {
    GATE.store(OPEN, Ordering::SeqCst);
    lock::wake(&GATE, 1);
}

/// The kernel's id of the worker; 0 when there is none.
pub(crate) fn tid() -> i32 {
    TID.load(Ordering::SeqCst)
}

/// On the worker: lends the hand and waits for the redirection, if that is wanted. Whether it was.
fn pass_gate() -> bool {
    if GATE.load(Ordering::SeqCst) != HAND_WANTED {
        return false;
    }
    redirect::lend_a_hand();
    redirect::flush_stdio();
    GATE.store(HAND_LENT, Ordering::SeqCst);
    state::poke();
    let start = process::monotonic();
    while GATE.load(Ordering::SeqCst) == HAND_LENT {
        let left = REDIRECTION.saturating_sub(process::monotonic().saturating_sub(start));
        if left.is_zero() {
            break;
        }
        lock::wait(&GATE, HAND_LENT, Some(left));
    }
    GATE.store(OPEN, Ordering::SeqCst);
    true
}

/// What has become of a job.
pub(crate) fn outcome(ticket: &Ticket) -> Outcome {
    let slot = JOB.lock();
    match slot.as_ref().filter(|job| job.serial == ticket.serial) {
        Some(Job { end: Some((_, value)), .. }) => Outcome::Returned(*value),
        Some(_) if !is_gone() => Outcome::Running,
        _ => Outcome::Vanished,
    }
}

/// The number under which a job is listed from now on.
pub(crate) fn give_up(ticket: &Ticket) -> u32 {
    JOB.lock().as_mut().filter(|job| job.serial == ticket.serial).map_or(0, Job::number)
}

/// Shows the job that runs or was given up, if any, to `show`; and whether its thread has vanished.
pub(crate) fn with_job<T>(show: impl FnOnce(&Job, bool) -> T) -> Option<T> {
    let mut slot = JOB.lock();
    let job = slot.as_mut().filter(|job| job.end.is_none() || job.number != 0)?;
    job.number();
    let vanished = job.end.is_none() && is_gone();
    Some(show(job, vanished))
}

/// The worker's life.
extern "C-unwind" fn run(_: *mut c_void) -> *mut c_void {
    TID.store(process::tid(), Ordering::SeqCst);
    thread::set_name(c"Manhole-worker");
    let process = process::pid();
    loop {
        match STATE.load(Ordering::SeqCst) {
            IDLE => lock::wait(&STATE, IDLE, None),
            BUSY | LAST => {
                // SAFETY: the function and its context are the application's, which has given them for this.
                let is_process = unsafe { work(process) };
                if !is_process {
                    return core::ptr::null_mut();
                }
            }
            _ => break,
        }
    }
    STATE.store(NONE, Ordering::SeqCst);
    core::ptr::null_mut()
}

/// Does the job. False when the function has come back in a forked child, whose business this is not.
///
/// A function may end its thread (pthread_exit) or throw: nothing in this frame needs to be cleaned up then.
///
/// # Safety
/// The application's function may be called.
unsafe fn work(process: i32) -> bool {
    let Some((function, context, arguments)) = take() else { return true };
    let is_redirected = pass_gate();
    let input = redirect::input::before_line();
    // SAFETY: the caller's word; the arguments are this thread's alone.
    let value = unsafe { function((*arguments).count, (*arguments).pointers.as_mut_ptr(), context as *mut c_void) };
    if process::pid() != process {
        return false;
    }
    if is_redirected {
        redirect::flush_stdio();
        redirect::input::after_line(input);
    }
    finish(arguments, value);
    true
}

/// The arguments as C has them. The function may change them.
struct Arguments {
    count: c_int,
    pointers: Vec<*mut c_char>,
    _texts: Vec<Vec<u8>>,
}

/// The job as C has it. The memory is given back by [`finish`].
fn take() -> Option<(crate::app::Function, usize, *mut Arguments)> {
    let mut slot = JOB.lock();
    let Some(job) = slot.as_mut() else {
        let _ = STATE.compare_exchange(BUSY, IDLE, Ordering::SeqCst, Ordering::SeqCst);
        return None;
    };
    let mut texts = core::mem::take(&mut job.arguments);
    let strings = texts.iter_mut().map(|text| text.as_mut_ptr().cast::<c_char>());
    let pointers: Vec<*mut c_char> = strings.chain([core::ptr::null_mut()]).collect();
    let arguments = Box::new(Arguments { count: texts.len() as c_int, pointers, _texts: texts });
    Some((job.command.function, job.command.context, Box::into_raw(arguments)))
}

/// Notes the end of the job, and tells the agent's thread.
fn finish(arguments: *mut Arguments, value: c_int) {
    // SAFETY: made by `take`, and the function that had them has returned.
    drop(unsafe { Box::from_raw(arguments) });
    if let Some(job) = JOB.lock().as_mut() {
        job.end = Some((process::monotonic(), value));
    }
    let _ = STATE.compare_exchange(BUSY, IDLE, Ordering::SeqCst, Ordering::SeqCst);
    let _ = STATE.compare_exchange(LAST, ENDING, Ordering::SeqCst, Ordering::SeqCst);
    state::poke();
}
