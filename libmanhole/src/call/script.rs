//! Text that a Python interpreter runs: the calls of its C API, one after the other, between taking its lock and giving it back.
//!
//! Context: a worker makes the calls; the agent's thread prepares them and reads what has come of them. A finalising interpreter ends the thread
//! that asks for its lock (PyEval_RestoreThread in the C API's reference), so nothing between the calls needs to be cleaned up.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::Arc;

use super::arch::Gate;
use super::{as_thread, emit, guard};
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
/// It has it.
const INSIDE: u32 = 1;
/// It needs nothing of the interpreter any more.
const OUTSIDE: u32 = 2;

/// How far a script has come, for the agent's thread while it runs.
pub(crate) struct Progress {
    stage: AtomicU32,
    /// What is to be done; nothing when nobody waits for it any more.
    act: Lock<Option<Act>>,
    /// The dictionary of global names, once there is one.
    globals: AtomicU64,
    /// What the interpreter calls the thread: pthread_self(3).
    thread: AtomicU64,
}

impl Progress {
    /// Whether it waits for the interpreter's lock.
    pub(crate) fn waits(&self) -> bool {
        self.stage.load(SeqCst) == WAITING
    }

    /// Nothing is done any more when the lock comes.
    pub(crate) fn cancel(&self) {
        *self.act.lock() = None;
    }

    /// Something else is done when the lock comes: false when it has come already.
    pub(crate) fn give(&self, act: Act) -> bool {
        let mut place = self.act.lock();
        // Whoever has the lock takes what it is to do after it has said so.
        let waits = self.waits();
        if waits {
            *place = Some(act);
        }
        waits
    }

    /// The dictionary that it has, or has made.
    pub(crate) fn globals(&self) -> u64 {
        self.globals.load(SeqCst)
    }

    /// The thread that runs it, as the interpreter knows it.
    pub(crate) fn thread(&self) -> u64 {
        self.thread.load(SeqCst)
    }
}

/// What is done inside the interpreter.
#[derive(Debug)]
pub(crate) enum Act {
    /// Evaluates an expression in a dictionary of global names, which `setup` fills when it is to be made: `globals` is 0 then. The last one
    /// gives the dictionary back. Both texts end with NUL.
    Run { globals: u64, setup: Vec<u8>, expression: Vec<u8>, is_last: bool },
    /// Raises KeyboardInterrupt in the thread that the interpreter knows by this number.
    Interrupt(u64),
}

/// How a script has ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// There is no interpreter yet, or none any more.
    NoInterpreter,
    Cancelled,
    /// A call has faulted. What the interpreter was doing is lost.
    Faulted,
    /// The expression has raised an exception.
    Raised,
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
struct Faulted;

impl Script {
    /// One that is ready to run.
    pub(crate) fn new(api: Api, act: Act) -> Script {
        let progress = Progress {
            stage: AtomicU32::new(WAITING),
            act: Lock::new(Some(act)),
            globals: AtomicU64::new(0),
            thread: AtomicU64::new(0),
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
        let state = unsafe { call(slot, api.ensure, &[])? };
        self.progress.stage.store(INSIDE, SeqCst);
        let act = self.progress.act.lock().take();
        let ending = match &act {
            None => Ok(Ending::Cancelled),
            // SAFETY: as above, and this thread holds the interpreter's lock now.
            Some(act) => unsafe { self.act(slot, act) },
        };
        // What has faulted holds the lock still: everybody else in the process waits for it.
        // SAFETY: as above.
        unsafe { call(slot, api.release, &[state])? };
        ending
    }

    unsafe fn act(&mut self, slot: usize, act: &Act) -> Result<Ending, Faulted> {
        let api = self.api;
        // SAFETY: the caller's word, for this and the calls below; the texts end with NUL and outlive the calls.
        unsafe {
            self.version = call(slot, api.version, &[])?;
            let (mut globals, setup, expression, is_last) = match act {
                Act::Run { globals, setup, expression, is_last } => {
                    (*globals, setup.as_ptr() as u64, expression.as_ptr() as u64, *is_last)
                }
                Act::Interrupt(thread) => {
                    let exception = Memory::new().u64(api.keyboard_interrupt).unwrap_or(0);
                    call(slot, api.raise_in, &[*thread, exception])?;
                    return Ok(Ending::Answer(Vec::new()));
                }
            };
            if globals == 0 {
                globals = call(slot, api.new_dict, &[])?;
                for (name, method) in [(c"_emit", emit::method(&api)), (c"_as_thread", as_thread::method(&api))] {
                    let function = call(slot, api.new_function, &[method, 0, 0])?;
                    call(slot, api.set_item, &[globals, name.as_ptr() as u64, function])?;
                    call(slot, api.release_object, &[function])?;
                }
                let done = call(slot, api.run, &[setup, STATEMENTS, globals, globals, 0])?;
                if done == 0 {
                    call(slot, api.clear_error, &[])?;
                    call(slot, api.release_object, &[globals])?;
                    return Ok(Ending::Raised);
                }
                call(slot, api.release_object, &[done])?;
            }
            self.progress.globals.store(globals, SeqCst);
            let value = call(slot, api.run, &[expression, EXPRESSION, globals, globals, 0])?;
            if is_last {
                call(slot, api.release_object, &[globals])?;
            }
            if value == 0 {
                call(slot, api.clear_error, &[])?;
                return Ok(Ending::Raised);
            }
            let size = usize::try_from(call(slot, api.size_of_bytes, &[value])?).unwrap_or(0);
            let bytes = call(slot, api.bytes, &[value])?;
            let answer = Memory::new().bytes(bytes, size.min(ANSWER)).unwrap_or_default();
            call(slot, api.release_object, &[value])?;
            call(slot, api.clear_error, &[])?;
            Ok(Ending::Answer(answer))
        }
    }
}

/// Calls a function whose arguments and result are integers.
///
/// # Safety
/// It is such a function, and may be called now.
unsafe fn call(slot: usize, function: u64, arguments: &[u64]) -> Result<u64, Faulted> {
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
