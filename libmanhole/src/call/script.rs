//! Text that a Python interpreter runs: the calls of its C API, one after the other, between taking its lock and giving it back.
//!
//! Context: a worker makes the calls; the agent's thread prepares them and reads what has come of them. A finalising interpreter ends the thread
//! that asks for its lock (PyEval_RestoreThread in the C API's reference), so nothing between the calls needs to be cleaned up.
#![allow(unsafe_code)]

use core::ffi::CStr;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::Arc;

use super::arch::Gate;
use super::{as_thread, emit, guard, stop};
use crate::memory::Memory;
use crate::python::Api;
use crate::sys::lock::Lock;
use crate::sys::stdio;

/// `Py_file_input` and `Py_eval_input` of Include/compile.h: what a text is.
const STATEMENTS: u64 = 257;
const EXPRESSION: u64 = 258;

/// No answer is longer, in bytes.
const ANSWER: usize = 4 << 20;

/// The script has not got the interpreter's lock yet.
const WAITING: u32 = 0;
/// It has it, and has yet to do what it is for: the console may have to be made ready first.
const OPENING: u32 = 1;
/// As before, and it does not do that any more.
const REFUSED: u32 = 2;
/// It does it.
const INSIDE: u32 = 3;
/// It needs nothing of the interpreter any more.
const OUTSIDE: u32 = 4;

/// The thread that the last interrupt was for; 0 when it has had a script since.
static INTERRUPTED: AtomicU64 = AtomicU64::new(0);

/// Stands for a dictionary: the client has left before there was one. No object has this address.
const LEFT: u64 = 1;

/// How far a script has come, for the agent's thread while it runs.
pub(crate) struct Progress {
    stage: AtomicU32,
    /// What is to be done; nothing when nobody waits for it any more.
    act: Lock<Option<Act>>,
    /// The dictionary of global names, once there is one; [`LEFT`] when nobody is there to use one.
    globals: AtomicU64,
    /// What the interpreter calls the thread: pthread_self(3).
    thread: AtomicU64,
    /// In which of the interpreter's lives it was made.
    life: u32,
}

impl Progress {
    /// Whether it waits for the interpreter's lock.
    pub(crate) fn waits(&self) -> bool {
        self.stage.load(SeqCst) == WAITING
    }

    /// Whether it was made for an interpreter that has ended since. From CPython 3.14 on the thread of such a one stands still for ever.
    pub(crate) fn is_lost(&self) -> bool {
        self.stage.load(SeqCst) != OUTSIDE && self.life != LIFE.load(SeqCst)
    }

    /// Whether it has ended, or was made for an interpreter that has.
    pub(crate) fn is_over(&self) -> bool {
        self.stage.load(SeqCst) == OUTSIDE || self.is_lost()
    }

    /// Nothing is done any more when the lock comes; false when it is being done already.
    pub(crate) fn cancel(&self) -> bool {
        self.act.lock().take().is_some()
    }

    /// The console is made ready, and that is all: false when it waits for the lock, or does already what it is for.
    pub(crate) fn refuse(&self) -> bool {
        self.stage.compare_exchange(OPENING, REFUSED, SeqCst, SeqCst).is_ok()
    }

    /// Something else is done when the lock comes: false when it has come already.
    pub(crate) fn give(&self, act: Act) -> bool {
        let mut place = self.act.lock();
        // Whoever has the lock takes what it is to do after it has said so.
        let waits = self.waits();
        if waits {
            // Who has left has nothing to do with it.
            self.globals.store(0, SeqCst);
            *place = Some(act);
        }
        waits
    }

    /// The dictionary that it has, or has made.
    pub(crate) fn globals(&self) -> u64 {
        match self.globals.load(SeqCst) {
            LEFT => 0,
            globals => globals,
        }
    }

    /// The client has left: the dictionary that is to be given back, if there is one. One that is being made goes by itself.
    pub(crate) fn leave(&self) -> u64 {
        let _ = self.cancel();
        let _ = self.globals.compare_exchange(0, LEFT, SeqCst, SeqCst);
        self.globals()
    }

    /// The thread that runs it, as the interpreter knows it.
    pub(crate) fn thread(&self) -> u64 {
        self.thread.load(SeqCst)
    }
}

/// What is done inside the interpreter.
#[derive(Debug)]
pub(crate) enum Act {
    /// Evaluates an expression in a dictionary of global names. Where that is to be made, `globals` is 0: `setup` fills it, and `opening` is evaluated
    /// first, without which the expression is not. The last one gives the dictionary back. All texts end with NUL.
    Run { globals: u64, setup: Vec<u8>, opening: Vec<u8>, expression: Vec<u8>, is_last: bool },
    /// Raises KeyboardInterrupt in the thread that the interpreter knows by this number.
    Interrupt(u64),
    /// Only what belongs to its end.
    Nothing,
}

/// How a script has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// There is no interpreter yet, or none any more.
    NoInterpreter,
    Cancelled,
    /// The client has interrupted it: while the console was made ready, which it is now, or where the exception went past the line.
    Interrupted,
    /// A call has faulted. What the interpreter was doing is lost.
    Faulted,
    /// The expression has raised an exception.
    Raised,
    /// The text that fills the dictionary has raised one: which.
    NotMade(String),
    /// Its value, which is an object of bytes.
    Answer(Vec<u8>),
}

/// A script.
pub(crate) struct Script {
    api: Api,
    /// The address of the interpreter's version as text, once it is known.
    pub(crate) version: u64,
    pub(crate) ending: Ending,
    pub(crate) progress: Arc<Progress>,
}

/// A call has faulted.
pub(super) struct Faulted;

impl Script {
    /// One that is ready to run.
    pub(crate) fn new(api: Api, act: Act) -> Script {
        api.note();
        let progress = Progress {
            stage: AtomicU32::new(WAITING),
            act: Lock::new(Some(act)),
            globals: AtomicU64::new(0),
            thread: AtomicU64::new(0),
            life: LIFE.load(SeqCst),
        };
        Script { api, version: 0, ending: Ending::Cancelled, progress: Arc::new(progress) }
    }

    /// Runs it, on the worker of this number.
    ///
    /// # Safety
    /// The addresses are the interpreter's functions.
    pub(crate) unsafe fn run(&mut self, slot: usize) {
        // SAFETY: asks for the calling thread's own id.
        self.progress.thread.store(unsafe { libc::pthread_self() }, SeqCst);
        // SAFETY: the caller's word.
        self.ending = unsafe { self.run_guarded(slot) }.unwrap_or(Ending::Faulted);
        self.progress.stage.store(OUTSIDE, SeqCst);
    }

    unsafe fn run_guarded(&mut self, slot: usize) -> Result<Ending, Faulted> {
        let api = self.api;
        if is_of_another_life(slot) {
            return Ok(Ending::NoInterpreter);
        }
        // SAFETY: the caller's word, for this and the calls below; these two need no lock (C API's reference, "Initialization").
        let is_there = unsafe { call(slot, api.is_initialized, &[])? };
        let is_ending = match api.is_finalizing {
            // SAFETY: as above.
            Some(function) => unsafe { call(slot, function, &[])? },
            None => 0,
        };
        // Both are of C's `int`.
        if is_there as u32 == 0 || is_ending as u32 != 0 {
            return Ok(Ending::NoInterpreter);
        }
        // SAFETY: as above.
        let (is_kept, state) = unsafe { (is_kept(slot, &api)?, call(slot, api.ensure, &[])?) };
        // SAFETY: as above, and this thread holds the interpreter's lock now.
        unsafe { stop::stop_again(slot, &api)? };
        self.progress.stage.store(OPENING, SeqCst);
        let act = self.progress.act.lock().take();
        let ending = match &act {
            None => Ok(Ending::Cancelled),
            // SAFETY: as above, and this thread holds the interpreter's lock now.
            Some(act) => unsafe { self.act(slot, act) },
        };
        let stays = match (&act, &ending) {
            // What has faulted leaves the state as it was in the middle of it.
            (_, Err(Faulted)) => false,
            (Some(Act::Run { is_last, .. }), Ok(_)) => !is_last,
            (Some(Act::Nothing), Ok(_)) => false,
            _ => is_kept,
        };
        // SAFETY: as above.
        unsafe {
            if let Some(own) = as_thread::own().filter(|_| ending.is_err()) {
                call(slot, api.swap_thread, &[own])?;
            }
            leave(slot, &api, state, is_kept, stays)?;
        }
        ending
    }

    unsafe fn act(&mut self, slot: usize, act: &Act) -> Result<Ending, Faulted> {
        let api = self.api;
        // SAFETY: the caller's word, for this and the calls below; the texts end with NUL and outlive the calls.
        unsafe {
            self.version = call(slot, api.version, &[])?;
            if !TELLS.swap(true, SeqCst) {
                call(slot, api.at_exit, &[has_ended as extern "C" fn() as usize as u64])?;
            }
            let (mut globals, setup, opening, expression, is_last) = match act {
                Act::Run { globals, .. } if *globals != 0 && MADE_IN.load(SeqCst) != LIFE.load(SeqCst) => {
                    return Ok(Ending::NoInterpreter);
                }
                Act::Run { globals, setup, opening, expression, is_last } => {
                    let [setup, opening, expression] = [setup, opening, expression].map(|text| text.as_ptr() as u64);
                    (*globals, setup, opening, expression, *is_last)
                }
                Act::Nothing => return Ok(Ending::Cancelled),
                Act::Interrupt(thread) => {
                    let exception = Memory::new().u64(api.keyboard_interrupt).unwrap_or(0);
                    INTERRUPTED.store(*thread, SeqCst);
                    call(slot, api.raise_in, &[*thread, exception])?;
                    return Ok(Ending::Answer(Vec::new()));
                }
            };
            let is_made = globals == 0;
            if is_made {
                globals = call(slot, api.new_dict, &[])?;
                swallow(slot, &api, self.progress.thread(), globals)?;
                let methods = [
                    (c"_emit", emit::method(&api)),
                    (c"_has_input", emit::input_method(&api)),
                    (c"_ident", emit::thread_method(&api)),
                    (c"_lives", as_thread::lives_method()),
                    (c"_as_thread", as_thread::method()),
                    (c"_interrupt", as_thread::interrupt_method()),
                ];
                for (name, method) in methods {
                    let function = call(slot, api.new_function, &[method, 0, 0])?;
                    call(slot, api.set_item, &[globals, name.as_ptr() as u64, function])?;
                    call(slot, api.release_object, &[function])?;
                }
                let done = call(slot, api.run, &[setup, STATEMENTS, globals, globals, 0])?;
                if done == 0 {
                    let reason = reason(slot, &api, globals)?;
                    call(slot, api.release_object, &[globals])?;
                    return Ok(Ending::NotMade(reason));
                }
                call(slot, api.release_object, &[done])?;
            }
            MADE_IN.store(LIFE.load(SeqCst), SeqCst);
            let is_known = self.progress.globals.compare_exchange(0, globals, SeqCst, SeqCst);
            if is_known == Err(LEFT) {
                if is_made {
                    call(slot, api.release_object, &[globals])?;
                }
                return Ok(Ending::Cancelled);
            }
            swallow(slot, &api, self.progress.thread(), globals)?;
            if is_made {
                let opened = call(slot, api.run, &[opening, EXPRESSION, globals, globals, 0])?;
                if opened == 0 {
                    call(slot, api.clear_error, &[])?;
                    return Ok(Ending::Raised);
                }
                let answer = content(slot, &api, opened)?;
                if answer.is_empty() {
                    return Ok(Ending::Answer(answer));
                }
            }
            if self.progress.stage.compare_exchange(OPENING, INSIDE, SeqCst, SeqCst) == Err(REFUSED) {
                return Ok(Ending::Interrupted);
            }
            let value = call(slot, api.run, &[expression, EXPRESSION, globals, globals, 0])?;
            if is_last {
                call(slot, api.release_object, &[globals])?;
            }
            if value == 0 {
                call(slot, api.clear_error, &[])?;
                return Ok(Ending::Raised);
            }
            Ok(Ending::Answer(content(slot, &api, value)?))
        }
    }
}

/// An interrupt that came too late for the line that it was for, on the same thread, is raised here. To take it back (PyThreadState_SetAsyncExc with
/// null) would leave the interpreter looking for it for ever.
///
/// # Safety
/// The calling thread has the interpreter's lock.
unsafe fn swallow(slot: usize, api: &Api, thread: u64, globals: u64) -> Result<(), Faulted> {
    if INTERRUPTED.compare_exchange(thread, 0, SeqCst, SeqCst).is_err() {
        return Ok(());
    }
    // SAFETY: the caller's word; the text ends with NUL.
    unsafe {
        let nothing = call(slot, api.run, &[c"0".as_ptr() as u64, EXPRESSION, globals, globals, 0])?;
        if nothing != 0 {
            call(slot, api.release_object, &[nothing])?;
        }
        call(slot, api.clear_error, &[])?;
    }
    Ok(())
}

/// The content of an object of bytes, which is given back.
///
/// # Safety
/// The calling thread has the interpreter's lock.
unsafe fn content(slot: usize, api: &Api, value: u64) -> Result<Vec<u8>, Faulted> {
    // SAFETY: the caller's word; the object is kept for so long.
    unsafe {
        let size = usize::try_from(call(slot, api.size_of_bytes, &[value])?).unwrap_or(0);
        let bytes = call(slot, api.bytes, &[value])?;
        let content = Memory::new().bytes(bytes, size.min(ANSWER)).unwrap_or_default();
        call(slot, api.release_object, &[value])?;
        call(slot, api.clear_error, &[])?;
        Ok(content)
    }
}

/// The exception that has been raised, which is cleared, in the interpreter's words.
///
/// # Safety
/// The calling thread has the interpreter's lock.
unsafe fn reason(slot: usize, api: &Api, globals: u64) -> Result<String, Faulted> {
    const WORDS: &CStr = c"repr(_reason).encode('utf-8', 'replace')";
    let mut parts = [0u64; 3];
    let places = parts.each_mut().map(|part| core::ptr::from_mut(part) as u64);
    // SAFETY: the caller's word; the function fills three places with objects that are ours from then on, or null.
    unsafe {
        call(slot, api.fetch_error, &places)?;
        let [_, value, _] = parts;
        if value != 0 {
            call(slot, api.set_item, &[globals, c"_reason".as_ptr() as u64, value])?;
        }
        for part in parts.into_iter().filter(|&part| part != 0) {
            call(slot, api.release_object, &[part])?;
        }
        let words = call(slot, api.run, &[WORDS.as_ptr() as u64, EXPRESSION, globals, globals, 0])?;
        let words = if words == 0 { Vec::new() } else { content(slot, api, words)? };
        call(slot, api.clear_error, &[])?;
        Ok(String::from_utf8_lossy(&words).into_owned())
    }
}

/// The thread state (PyThreadState) that the thread of each worker keeps between scripts; 0 for none. What the interpreter has for each thread, such as
/// `threading.local` and the context of contextvars, lasts from line to line so.
static KEPT: [AtomicU64; guard::CALLS] = [const { AtomicU64::new(0) }; guard::CALLS];

/// Which interpreter of this process's it is: one that ends may be followed by another one, whose objects are others at the same places.
static LIFE: AtomicU32 = AtomicU32::new(0);

/// In which the last dictionary was made: one client has the prompt at a time.
static MADE_IN: AtomicU32 = AtomicU32::new(0);

/// Whether the interpreter tells when it ends.
static TELLS: AtomicBool = AtomicBool::new(false);

/// Called by the interpreter when it has ended.
extern "C" fn has_ended() {
    LIFE.fetch_add(1, SeqCst);
    TELLS.store(false, SeqCst);
    stop::forget();
}

/// In which life the states were kept.
static OF_LIFE: [AtomicU32; guard::CALLS] = [const { AtomicU32::new(0) }; guard::CALLS];

/// Whether what the thread has kept is an interpreter's that is no more: the functions of the next one would take it for theirs.
fn is_of_another_life(slot: usize) -> bool {
    let has_kept = KEPT.get(slot).is_some_and(|kept| kept.load(SeqCst) != 0);
    has_kept && OF_LIFE.get(slot).is_none_or(|life| life.load(SeqCst) != LIFE.load(SeqCst))
}

/// `PyGILState_LOCKED` and `PyGILState_UNLOCKED` of Include/pystate.h.
const LOCKED: u64 = 0;
const UNLOCKED: u64 = 1;

/// In a thread that begins: it has none.
pub(crate) fn begin_thread(slot: usize) {
    if let Some(kept) = KEPT.get(slot) {
        kept.store(0, SeqCst);
    }
}

/// In a thread that ends: gives back what it has kept, when the interpreter's lock comes.
pub(crate) fn end_thread(slot: usize) {
    if KEPT.get(slot).is_none_or(|kept| kept.load(SeqCst) == 0) {
        return;
    }
    if let Some(api) = Api::noted() {
        // SAFETY: these are the functions of an interpreter that is there, or has been: it is asked first.
        unsafe { Script::new(*api, Act::Nothing).run(slot) };
    }
}

/// Whether the calling thread has kept its state. The interpreter may have ended since, and another one begun.
unsafe fn is_kept(slot: usize, api: &Api) -> Result<bool, Faulted> {
    let kept = KEPT.get(slot).map_or(0, |kept| kept.load(SeqCst));
    // SAFETY: the caller's word; this one needs no lock.
    Ok(kept != 0 && unsafe { call(slot, api.thread_state, &[])? } == kept)
}

/// Gives the lock back, which PyGILState_Ensure has got with `state` as its answer. `stays` says that the thread's state is kept.
unsafe fn leave(slot: usize, api: &Api, state: u64, is_kept: bool, stays: bool) -> Result<(), Faulted> {
    // SAFETY: the caller's word. PyGILState_Release deletes the state with the last of as many calls as there were of PyGILState_Ensure.
    unsafe {
        if call(slot, api.has_lock, &[])? as u32 == 0 {
            // A fault in code that works without the lock, which it was to take again.
            call(slot, api.ensure, &[])?;
            call(slot, api.release, &[LOCKED])?;
        }
        let own = call(slot, api.thread_state, &[])?;
        if let Some(kept) = KEPT.get(slot) {
            kept.store(if stays { own } else { 0 }, SeqCst);
        }
        if let Some(life) = OF_LIFE.get(slot) {
            life.store(LIFE.load(SeqCst), SeqCst);
        }
        match (is_kept, stays) {
            (false, true) => _ = call(slot, api.save, &[])?,
            (true, false) => {
                call(slot, api.release, &[LOCKED])?;
                call(slot, api.release, &[UNLOCKED])?;
            }
            (true, true) | (false, false) => _ = call(slot, api.release, &[state])?,
        }
    }
    Ok(())
}

/// Calls a function whose arguments and result are integers.
///
/// # Safety
/// It is such a function, and may be called now.
pub(super) unsafe fn call(slot: usize, function: u64, arguments: &[u64]) -> Result<u64, Faulted> {
    let mut gate = Gate::of(function);
    for (register, argument) in gate.integers.iter_mut().zip(arguments) {
        *register = *argument;
    }
    let gate = &raw mut gate;
    // SAFETY: the gate lives as long as the call; the handler of a fault changes what the guard knows of it, which nobody else
    // has then.
    unsafe {
        guard::begin(slot, &*gate);
        (*gate).pass(&[]);
        guard::end(slot);
        if (*gate).is_abandoned != 0 {
            stdio::unlock_standard_streams();
            return Err(Faulted);
        }
        Ok((*gate).rax)
    }
}
