//! The workers: the threads of ours that run the host's code, for expressions that call functions and for the application's own
//! commands.
//!
//! Context: [`ensure`] and [`end`] on host threads in normal context; [`come`] on a host thread in a **signal handler**, at a place where
//! that thread may create threads; [`run`] is a worker itself; the rest on the agent's thread, which never waits for a worker. A worker is a
//! thread of the C library's, with the host's descriptors and a large stack, so that whatever is called works as anywhere else.
//!
//! A worker has one job at a time. A job that is given up runs on, under a number, until its function returns; the next one gets
//! another worker.
#![allow(unsafe_code)]

mod jobs;
pub(crate) mod masks;
pub(crate) mod visits;

use core::ffi::{c_char, c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use core::time::Duration;

use crate::app::Function;
use crate::call::script::{self, Script};
use crate::call::{Call, guard, stop};
use crate::capture::task::Task as Thread;
use crate::sys::lock::{self, Lock};
use crate::sys::signal::{self, Set};
use crate::sys::{Errno, directory, next, process, stdio, thread};
use crate::{redirect, state};

use masks::{HOST_MASK, at_rest, at_work, host_mask};

pub(crate) use jobs::{Done, Job, Outcome, Refusal, Task, Ticket, each_job, give_up, outcome, start, tid};

/// The size of a worker's stack in bytes. Untouched pages cost nothing.
const STACK: usize = 8 << 20;

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

/// The job begins at once.
const OPEN: u32 = 0;
/// The worker is to lend the hand.
const HAND_WANTED: u32 = 1;
/// The hand is there; the worker waits for the redirection.
const HAND_LENT: u32 = 2;

/// How long a worker waits for the redirection: a job runs in any case.
const REDIRECTION: Duration = Duration::from_secs(1);

/// A place for a worker.
struct Worker {
    state: AtomicU32,
    /// The kernel's id; 0 until it has said so.
    tid: AtomicI32,
    /// Whether it is there because the application has commands: it then stays as long as the manhole.
    is_application_s: AtomicBool,
    /// Whether it ends, and gives back before what an interpreter has for it.
    gives_back: AtomicBool,
    /// Whether it gets nothing to do at this moment.
    is_kept: AtomicBool,
    /// Before a job: whether its output goes to the client, for which the worker lends the hand and waits for the agent's thread.
    permission: AtomicU32,
    /// Where its stack begins, and goes down from.
    stack: AtomicUsize,
    /// What a thread of the host's own would block in the place of the job that runs.
    mask: AtomicU64,
    /// The job that runs, or the last one.
    job: Lock<Option<Job>>,
}

static WORKERS: [Worker; guard::CALLS] = [const {
    Worker {
        state: AtomicU32::new(NONE),
        tid: AtomicI32::new(0),
        is_application_s: AtomicBool::new(false),
        gives_back: AtomicBool::new(false),
        is_kept: AtomicBool::new(false),
        permission: AtomicU32::new(OPEN),
        stack: AtomicUsize::new(0),
        mask: AtomicU64::new(0),
        job: Lock::new(None),
    }
}; guard::CALLS];

/// Who makes the application's worker or lets it end. Host threads only ever try it.
static CHANGING: Lock<()> = Lock::new(());

/// Which worker a host thread is to create, counted from 1; and the thread that is asked.
static WANTED: AtomicU32 = AtomicU32::new(0);
static ASKED: AtomicI32 = AtomicI32::new(0);

/// What has become of the wish: an error number, or 0, or -1 as long as nobody has come by.
static RESULT: AtomicI32 = AtomicI32::new(-1);

/// The strings of sessions that have ended before jobs which may still use them. They go with the last job.
static LEFT: Lock<Vec<Box<[u8]>>> = Lock::new(Vec::new());

/// For the agent's thread, at the end of a session: its strings go, at once or when no job runs any more.
pub(crate) fn leave_strings(strings: &mut Vec<Box<[u8]>>) {
    let mut left = LEFT.lock();
    left.append(strings);
    if !left.is_empty() && !is_busy() {
        *left = Vec::new();
    }
}

/// Makes sure that there is a worker for the application's commands. The calling thread blocks all signals, and otherwise `mask`.
pub(crate) fn ensure(mask: Set) -> Result<(), Errno> {
    let Some(_one) = CHANGING.try_lock() else { return Err(Errno(libc::EBUSY)) };
    let [worker, ..] = &WORKERS;
    worker.is_application_s.store(true, SeqCst);
    worker.look();
    if worker.state.compare_exchange(NONE, IDLE, SeqCst, SeqCst).is_err() {
        worker.stay();
        return Ok(());
    }
    create(0, mask)
}

/// Creates the worker of a place whose state says already that it is there.
fn create(slot: usize, mask: Set) -> Result<(), Errno> {
    let Some(worker) = WORKERS.get(slot) else { return Err(Errno(libc::EINVAL)) };
    worker.tid.store(0, SeqCst);
    // A job that installs the manhole anew is itself on a thread that blocks what the host's own do not.
    HOST_MASK.store(host_mask().unwrap_or(mask).0, SeqCst);
    let mut attributes = core::mem::MaybeUninit::<libc::pthread_attr_t>::uninit();
    let mut id: libc::pthread_t = 0;
    let before = signal::block_all();
    // SAFETY: the C library fills the attributes before they are used, and the thread's function has the right type. The new
    // thread inherits the mask.
    let error = unsafe {
        libc::pthread_attr_init(attributes.as_mut_ptr());
        libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED);
        libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), STACK);
        let start = run as extern "C-unwind" fn(*mut c_void) -> *mut c_void as *mut c_void;
        let error = next::function::pthread_create(&mut id, attributes.as_ptr(), start, slot as *mut c_void);
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        error
    };
    signal::exchange_mask(before);
    if error == 0 {
        return Ok(());
    }
    worker.state.store(NONE, SeqCst);
    Err(Errno(error))
}

/// For the agent's thread: wants a worker more, which host thread `tid` is to create in [`come`]. False when there are as many as there can be.
pub(crate) fn want(tid: i32) -> bool {
    WORKERS.iter().for_each(Worker::look);
    let Some(slot) = WORKERS.iter().position(|worker| worker.state.load(SeqCst) == NONE) else { return false };
    RESULT.store(-1, SeqCst);
    ASKED.store(tid, SeqCst);
    WANTED.store(slot as u32 + 1, SeqCst);
    true
}

/// On the host thread that was asked, whose interrupted code blocks `mask`: creates the worker that is wanted.
pub(crate) fn come(mask: Set) {
    let wanted = WANTED.load(SeqCst);
    if wanted == 0
        || ASKED.load(SeqCst) != process::tid()
        || WANTED.compare_exchange(wanted, 0, SeqCst, SeqCst).is_err()
    {
        return;
    }
    let slot = wanted as usize - 1;
    let is_free =
        WORKERS.get(slot).is_some_and(|worker| worker.state.compare_exchange(NONE, IDLE, SeqCst, SeqCst).is_ok());
    let result = if is_free { create(slot, mask) } else { Ok(()) };
    RESULT.store(result.err().map_or(0, |error| error.0), SeqCst);
}

/// For the agent's thread: what has become of the wish.
pub(crate) fn has_come() -> Option<Result<(), Errno>> {
    match RESULT.load(SeqCst) {
        -1 => None,
        0 => Some(Ok(())),
        error => Some(Err(Errno(error))),
    }
}

/// For the agent's thread: gives up the wish; false when it comes true at this moment.
pub(crate) fn no_longer_wanted() -> bool {
    WANTED.swap(0, SeqCst) != 0
}

/// Lets all workers end, at once or after their jobs, and waits for the idle ones.
pub(crate) fn end() {
    let Some(_one) = CHANGING.try_lock() else { return };
    WORKERS.iter().for_each(Worker::end);
    let start = process::monotonic();
    for worker in &WORKERS {
        // One that waits for an interpreter's lock may wait for the calling thread.
        while worker.state.load(SeqCst) == ENDING && !worker.is_gone() && !worker.gives_back.load(SeqCst) {
            if process::monotonic().saturating_sub(start) > Duration::from_secs(1) {
                return;
            }
            thread::pause(Duration::from_micros(50));
        }
        if matches!(worker.state.load(SeqCst), NONE | ENDING) {
            *worker.job.lock() = None;
        }
    }
}

/// For the agent's thread, when no client is there: the workers that only expressions needed go.
pub(crate) fn dismiss() {
    let ours = WORKERS.iter().filter(|worker| !worker.is_application_s.load(SeqCst));
    ours.for_each(Worker::end);
}

/// In a freshly forked child, which has no workers.
pub(crate) fn forget() {
    for worker in &WORKERS {
        worker.state.store(NONE, SeqCst);
        worker.tid.store(0, SeqCst);
        worker.is_application_s.store(false, SeqCst);
        worker.gives_back.store(false, SeqCst);
        worker.is_kept.store(false, SeqCst);
        worker.permission.store(OPEN, SeqCst);
        worker.job.forget(None);
    }
    WANTED.store(0, SeqCst);
    CHANGING.forget(());
    // The call that has forked may use them.
    LEFT.forget(Vec::new());
    jobs::forget();
    stop::forget();
    visits::forget();
}

/// Whether any worker has a job, or a thread of the host's a visit.
pub(crate) fn is_busy() -> bool {
    visits::is_any()
        || WORKERS.iter().any(|worker| matches!(worker.state.load(SeqCst), BUSY | LAST) && !worker.is_gone())
}

/// Whether a thread is a worker.
pub(crate) fn is_one(tid: i32) -> bool {
    WORKERS.iter().any(|worker| worker.tid.load(SeqCst) == tid && worker.state.load(SeqCst) != NONE)
}

/// How many there are. In every context.
#[cold]
pub(crate) fn count() -> usize {
    WORKERS.iter().filter(|worker| worker.state.load(SeqCst) != NONE && !worker.is_gone()).count()
}

/// Whether the workers are left to themselves: a filter of system calls has come.
static ARE_ABANDONED: AtomicBool = AtomicBool::new(false);

/// The host filters its system calls from now on: a worker whose line comes back ends at once, by the one call that any filter lets threads make.
/// Or it does not, after all.
pub(crate) fn abandon(are: bool) {
    ARE_ABANDONED.store(are, SeqCst);
}

/// On a worker whose line has come back.
fn end_if_abandoned() {
    if ARE_ABANDONED.load(SeqCst) {
        thread::end(0);
    }
}

/// The worker that the calling thread is.
fn here() -> Option<&'static Worker> {
    if ARE_ABANDONED.load(SeqCst) || WORKERS.iter().all(|worker| worker.state.load(SeqCst) == NONE) {
        return None;
    }
    let own = process::tid();
    WORKERS.iter().find(|worker| worker.tid.load(SeqCst) == own && worker.state.load(SeqCst) != NONE)
}

/// The worker on whose stack the calling thread runs: that worker, or the child of a vfork(2) that it has made.
fn below() -> Option<&'static Worker> {
    let here = 0u8;
    let here = core::ptr::from_ref(&here) as usize;
    let is_on = |worker: &&Worker| (1..STACK).contains(&worker.stack.load(SeqCst).wrapping_sub(here));
    WORKERS.iter().filter(|worker| worker.state.load(SeqCst) != NONE).find(is_on)
}

/// Whether the calling thread is a worker, or the child of a vfork(2) that one has made.
pub(crate) fn is_below() -> bool {
    below().is_some()
}

/// Whether lines have started programs or children: the kernel adds what those have written to the process's own when they end.
static HAVE_STARTED: AtomicBool = AtomicBool::new(false);

/// A line starts a program or a child.
pub(crate) fn note_start() {
    HAVE_STARTED.store(true, SeqCst);
}

/// Whether a line has started programs or children since [`forget_starts`].
pub(crate) fn have_started() -> bool {
    HAVE_STARTED.load(SeqCst)
}

/// A line begins.
pub(crate) fn forget_starts() {
    HAVE_STARTED.store(false, SeqCst);
}

impl Worker {
    /// Whether the thread that has said its id is no thread any more.
    fn is_gone(&self) -> bool {
        let tid = self.tid.load(SeqCst);
        tid != 0 && !process::has_thread(tid)
    }

    /// Looks whether the thread has ended otherwise than it should.
    fn look(&self) {
        if self.state.load(SeqCst) != NONE && self.is_gone() {
            if let Some(slot) = WORKERS.iter().position(|worker| core::ptr::eq(worker, self)) {
                guard::end(slot);
            }
            self.state.store(NONE, SeqCst);
        }
    }

    fn end(&self) {
        if self.state.compare_exchange(IDLE, ENDING, SeqCst, SeqCst).is_err() {
            let _ = self.state.compare_exchange(BUSY, LAST, SeqCst, SeqCst);
            return;
        }
        lock::wake(&self.state, u32::MAX >> 1);
    }

    /// Does the job. False when the function has come back in a forked child, whose business this is not.
    ///
    /// A function may end its thread (pthread_exit) or throw: nothing in this frame needs to be cleaned up then.
    ///
    /// # Safety
    /// What the job calls may be called.
    unsafe fn work(&self, slot: usize, process: i32) -> bool {
        let Some(work) = self.take() else { return true };
        // What a fault raises is not blocked while a job runs, whatever the last one has left.
        signal::exchange_mask(at_work());
        self.mask.store(HOST_MASK.load(SeqCst), SeqCst);
        let is_redirected = pass_gate(&self.permission);
        let input = redirect::input::before_line();
        // SAFETY: the caller's word.
        let done = unsafe { work.run(slot) };
        end_if_abandoned();
        if process::pid() != process {
            return false;
        }
        if is_redirected {
            redirect::flush_stdio();
            redirect::input::after_line(input);
        }
        signal::exchange_mask(at_rest());
        // SAFETY: the function has returned.
        self.finish(unsafe { done.of(work) });
        true
    }

    /// The job as the worker needs it. Its memory is given back by [`Ran::of`].
    fn take(&self) -> Option<Work> {
        let mut slot = self.job.lock();
        let Some(task) = slot.as_mut().and_then(|job| job.task.take()) else {
            let _ = self.state.compare_exchange(BUSY, IDLE, SeqCst, SeqCst);
            return None;
        };
        Some(match task {
            Task::Command { command, arguments } => {
                let mut texts = arguments;
                let strings = texts.iter_mut().map(|text| text.as_mut_ptr().cast::<c_char>());
                let pointers: Vec<*mut c_char> = strings.chain([core::ptr::null_mut()]).collect();
                let arguments = Box::new(Arguments { count: texts.len() as c_int, pointers, _texts: texts });
                Work::Command {
                    function: command.function,
                    context: command.context,
                    arguments: Box::into_raw(arguments),
                }
            }
            Task::Call(call) => Work::Call(Box::into_raw(call)),
            Task::Script(script) => Work::Script(Box::into_raw(script)),
        })
    }

    /// Notes the end of the job, and tells the agent's thread.
    fn finish(&self, done: Done) {
        if let Some(job) = self.job.lock().as_mut() {
            job.end = Some((process::monotonic(), done));
        }
        let _ = self.state.compare_exchange(BUSY, IDLE, SeqCst, SeqCst);
        let _ = self.state.compare_exchange(LAST, ENDING, SeqCst, SeqCst);
        leave_strings(&mut Vec::new());
        state::poke();
    }
}

/// On the thread that runs the host's code: lends the hand and waits for the redirection, if that is wanted. Whether it was.
fn pass_gate(permission: &AtomicU32) -> bool {
    if permission.load(SeqCst) != HAND_WANTED {
        return false;
    }
    redirect::lend_a_hand();
    redirect::flush_stdio();
    permission.store(HAND_LENT, SeqCst);
    state::poke();
    let start = process::monotonic();
    while permission.load(SeqCst) == HAND_LENT {
        let left = REDIRECTION.saturating_sub(process::monotonic().saturating_sub(start));
        if left.is_zero() {
            break;
        }
        lock::wait(permission, HAND_LENT, Some(left));
    }
    permission.store(OPEN, SeqCst);
    true
}

/// The arguments as C has them. The function may change them.
struct Arguments {
    count: c_int,
    pointers: Vec<*mut c_char>,
    _texts: Vec<Vec<u8>>,
}

/// A job without anything that would have to be cleaned up when its function never returns.
#[derive(Clone, Copy)]
enum Work {
    Command { function: Function, context: usize, arguments: *mut Arguments },
    Call(*mut Call),
    Script(*mut Script),
}

/// How it has ended.
enum Ran {
    Command(c_int),
    Call,
    Script,
}

impl Work {
    /// # Safety
    /// What it calls may be called.
    unsafe fn run(self, slot: usize) -> Ran {
        match self {
            Work::Command { function, context, arguments } => {
                // SAFETY: the function and its context are the application's, which has given them for this; the arguments are
                // this thread's alone.
                Ran::Command(unsafe {
                    function((*arguments).count, (*arguments).pointers.as_mut_ptr(), context as *mut c_void)
                })
            }
            Work::Call(call) => {
                // SAFETY: the call is this thread's alone until it has returned; the person at the prompt has asked for it.
                unsafe {
                    let mask = (*call).opens_signals.then(|| signal::exchange_mask(Set(HOST_MASK.load(SeqCst))));
                    guard::begin(slot, (*call).gate());
                    (*call).pass();
                    end_if_abandoned();
                    guard::end(slot);
                    mask.map(signal::exchange_mask);
                    if (*call).is_abandoned() {
                        stdio::unlock_standard_streams();
                    }
                }
                Ran::Call
            }
            Work::Script(script) => {
                // SAFETY: the script is this thread's alone until it has run, and its addresses are the interpreter's.
                unsafe { (*script).run(slot) };
                Ran::Script
            }
        }
    }
}

impl Ran {
    /// # Safety
    /// This is how `work` has ended.
    unsafe fn of(self, work: Work) -> Done {
        match (self, work) {
            (Ran::Command(value), Work::Command { arguments, .. }) => {
                // SAFETY: made by `take`, and the function that had them has returned.
                drop(unsafe { Box::from_raw(arguments) });
                Done::Command(value)
            }
            // SAFETY: as above.
            (_, Work::Call(call)) => Done::Call(unsafe { Box::from_raw(call) }),
            // SAFETY: as above.
            (_, Work::Script(script)) => Done::Script(unsafe { Box::from_raw(script) }),
            (_, Work::Command { .. }) => Done::Command(0),
        }
    }
}

/// In a forked child whose function has come back here: a child without another thread of the host's ends at once. To return would be
/// exit(3) in the C library's eyes, with the parent's handlers: they remove files and write out buffers that are the parent's.
fn leave_child() {
    let own = process::tid();
    let is_ours = |tid: i32| Thread::new(tid).identity().is_none_or(|task| task.name.starts_with("Manhole"));
    let mut others = directory::numbers(c"/proc/self/task").unwrap_or_default();
    others.retain(|&tid| tid != own && !is_ours(tid));
    if others.is_empty() {
        next::exit_now(0);
    }
}

/// A worker's life.
extern "C-unwind" fn run(slot: *mut c_void) -> *mut c_void {
    let slot = slot as usize;
    let Some(worker) = WORKERS.get(slot) else { return core::ptr::null_mut() };
    worker.stack.store(core::ptr::from_ref(&slot) as usize, SeqCst);
    worker.tid.store(process::tid(), SeqCst);
    thread::set_name(c"Manhole-worker");
    script::begin_thread(slot);
    let process = process::pid();
    signal::exchange_mask(at_rest());
    loop {
        match worker.state.load(SeqCst) {
            IDLE => lock::wait(&worker.state, IDLE, None),
            BUSY | LAST => {
                // SAFETY: what the job calls was given for this by the application, or by the person at the prompt.
                let is_process = unsafe { worker.work(slot, process) };
                if !is_process {
                    leave_child();
                    return core::ptr::null_mut();
                }
            }
            _ => break,
        }
    }
    signal::block_all();
    worker.gives_back.store(true, SeqCst);
    script::end_thread(slot);
    worker.gives_back.store(false, SeqCst);
    *worker.job.lock() = None;
    worker.state.store(NONE, SeqCst);
    core::ptr::null_mut()
}
