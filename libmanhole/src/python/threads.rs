//! The interpreter's threads, and what each executes.
//!
//! Context: the agent's thread. A thread that runs changes its frames while they are read. What a thread itself has copied, together with its
//! stack, or what is read while it rests, is of one moment. Of anything else only that is certain which stands there before and after.

use core::cell::OnceCell;
use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Interpreter;
use super::code::{self, Code};
use super::layout::{Entry, Frames, Gil, ThreadId};
use super::objects::{self, Downwards, Piece};
use crate::snapshot::{Chain, Links, Thread};

/// More threads or frames than any interpreter has.
const THREADS: usize = 1 << 16;
const DEPTH: usize = 1 << 17;

/// Where the C library keeps the kernel's id in the control block of a thread: struct pthread, on x86_64 the same since glibc 2.4.
const TID: u64 = 720;

/// A function of Python's in execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PythonFrame {
    pub(crate) file: String,
    pub(crate) function: String,
    pub(crate) line: Option<u32>,
    pub(crate) certain: bool,
}

/// A call of the evaluation loop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Call {
    /// Innermost first.
    pub(crate) frames: Vec<PythonFrame>,
    /// An address in the stack frame of the function that is the loop, or has it inlined, where the interpreter has one: from 3.12 on.
    pub(crate) on_stack: Option<u64>,
}

/// What a thread executes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PythonThread {
    /// Where the interpreter's module is mapped.
    pub(crate) interpreter: Range<u64>,
    /// Innermost first.
    pub(crate) calls: Vec<Call>,
    pub(crate) has_gil: bool,
    /// As the module `threading` has it.
    pub(crate) name: Option<String>,
    /// Whether all this is of the moment at which its native stack was captured.
    pub(crate) is_of_moment: bool,
}

/// A frame as it stands in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Raw {
    address: u64,
    code: u64,
    /// In bytes from the code's start.
    instruction: i64,
    /// In which call of the evaluation loop, counted from the innermost one.
    call: usize,
    is_generators: bool,
}

/// Frames, innermost first, how many calls of the evaluation loop, and where on the native stack each is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Walk {
    frames: Vec<Raw>,
    calls: usize,
    on_stack: Vec<u64>,
}

/// One look at the interpreter's threads.
pub(crate) struct Threads<'i> {
    pub(super) interpreter: &'i Interpreter,
    /// The main interpreter's state.
    pub(super) main: u64,
    /// By the kernel's id: the thread's state.
    states: BTreeMap<i32, u64>,
    /// By the interpreter's id.
    names: BTreeMap<u64, String>,
    codes: BTreeMap<u64, Option<Rc<Code>>>,
    /// What `linecache` keeps, once that was looked at.
    pub(super) kept: OnceCell<BTreeMap<String, u64>>,
    /// Interpreters beside the main one, whose threads are not among these.
    pub(crate) others: usize,
}

impl Interpreter {
    /// The threads of the main interpreter; with the names of all, or of one by the kernel's id.
    pub(crate) fn threads(&self, only: Option<i32>) -> Option<Threads<'_>> {
        let layout = &self.layout;
        let interpreter = objects::field(self.runtime, layout.main_interpreter).filter(|&address| address != 0)?;
        let mut states = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut state = objects::field(interpreter, layout.threads)?;
        while state != 0 && seen.len() < THREADS && seen.insert(state) {
            let (ThreadId::Native(offset) | ThreadId::Pthread(offset)) = layout.thread;
            let size = layout.next_thread.max(offset).saturating_add(size_of::<u64>() as u64);
            let Some(piece) = Piece::read(state, size as usize) else { break };
            let id = match layout.thread {
                ThreadId::Native(_) => piece.word(offset),
                ThreadId::Pthread(_) => piece
                    .word(offset)
                    .and_then(|block| objects::int(block.checked_add(TID)?))
                    .map(|id| i64::from(id) as u64),
            };
            if let Some(id) = id.and_then(|id| i32::try_from(id).ok()).filter(|&id| id > 0) {
                states.insert(id, state);
            }
            match piece.word(layout.next_thread) {
                Some(next) => state = next,
                None => break,
            }
        }
        let ident = |tid| objects::field(*states.get(&tid)?, layout.ident);
        let names = match only {
            None => self.names(interpreter, None),
            Some(tid) => ident(tid).and_then(|ident| self.names(interpreter, Some(ident))),
        };
        let (names, others) = (names.unwrap_or_default(), self.others(interpreter));
        Some(Threads {
            interpreter: self,
            main: interpreter,
            states,
            names,
            codes: BTreeMap::new(),
            kept: OnceCell::new(),
            others,
        })
    }

    /// Whether code of the program's is called at what the interpreter does (sys.addaudithook), in a version where a debugger would have it called in
    /// the place of another thread.
    pub(crate) fn has_audit_hooks_in_the_way(&self) -> bool {
        let Some((in_runtime, in_interpreter)) = self.layout.audit_hooks else { return false };
        let main = objects::field(self.runtime, self.layout.main_interpreter);
        let of_main = main.and_then(|main| objects::field(main, in_interpreter));
        // What cannot be read may be one.
        [objects::field(self.runtime, in_runtime), of_main].into_iter().any(|hooks| hooks != Some(0))
    }

    /// How many interpreters there are beside the main one.
    fn others(&self, main: u64) -> usize {
        const LIMIT: usize = 1 << 12;
        let head = self.layout.main_interpreter.saturating_sub(size_of::<u64>() as u64);
        let mut next = objects::field(self.runtime, head);
        let list = core::iter::from_fn(|| {
            let interpreter = next.filter(|&interpreter| interpreter != 0)?;
            next = objects::field(interpreter, self.layout.next_interpreter);
            Some(interpreter)
        });
        list.take(LIMIT).filter(|&interpreter| interpreter != main).count()
    }

    /// Whether there is a lock: a free-threaded build can do without.
    fn has_gil(&self, interpreter: u64) -> bool {
        match self.layout.gil {
            Gil::InInterpreter { enabled: Some(enabled), .. } => {
                interpreter.checked_add(enabled).and_then(objects::int).is_some_and(|enabled| enabled != 0)
            }
            _ => true,
        }
    }

    /// Whether its threads run at the same time.
    pub(crate) fn runs_threads_at_once(&self) -> bool {
        let main = objects::field(self.runtime, self.layout.main_interpreter);
        main.is_some_and(|main| !self.has_gil(main))
    }

    /// Whether no thread of the main interpreter's holds its lock.
    pub(crate) fn is_lock_free(&self) -> bool {
        objects::field(self.runtime, self.layout.main_interpreter).is_some_and(|main| self.holder(main).is_none())
    }

    /// The state of the thread that holds the lock.
    fn holder(&self, interpreter: u64) -> Option<u64> {
        let (base, holder, locked) = match self.layout.gil {
            Gil::InRuntime { holder, locked } => (self.runtime, holder, locked),
            Gil::InInterpreter { holder, locked, .. } if self.has_gil(interpreter) => (interpreter, holder, locked),
            Gil::InInterpreter { .. } => return None,
            Gil::ByInterpreter { gil, holder, locked } => (objects::field(interpreter, gil)?, holder, locked),
        };
        let is_locked = objects::int(base.checked_add(locked)?)? == 1;
        objects::field(base, holder).filter(|_| is_locked)
    }
}

/// `FRAME_OWNED_BY_CSTACK` of 3.12, `FRAME_OWNED_BY_INTERPRETER` from 3.14 on (Include/internal/pycore_interpframe_structs.h), and what
/// stands behind it: frames of no function.
const ON_C_STACK: u8 = 3;

/// `FRAME_OWNED_BY_GENERATOR`.
const OF_GENERATOR: u8 = 1;

/// The bits of a reference that say from 3.14 on who counts it (Include/internal/pycore_stackref.h); no object's address has them.
const TAG: u64 = 3;

impl Walk {
    fn push(&mut self, frame: Raw) -> Option<()> {
        (self.frames.len() < DEPTH).then(|| self.frames.push(frame))
    }
}

impl Threads<'_> {
    /// The address of a thread's state, and what Python knows the thread by.
    pub(crate) fn identity(&self, tid: i32) -> Option<(u64, u64)> {
        let state = *self.states.get(&tid)?;
        Some((state, objects::field(state, self.interpreter.layout.ident)?))
    }

    /// The frames of a thread, as its handler can copy them.
    pub(crate) fn chain(&self, tid: i32) -> Option<Chain> {
        let state = *self.states.get(&tid)?;
        let size = self.interpreter.layout.frames.size();
        let (head, behind, next) = match self.interpreter.layout.frames {
            Frames::Objects { innermost, back, .. } => (innermost, None, back),
            Frames::Interpreter { innermost: (at, behind), previous, .. } => (at, behind, previous),
        };
        Some(Chain { head: state.checked_add(head)?, behind, next, size })
    }

    /// What stands there now.
    pub(crate) fn walk(&mut self, tid: i32) -> Option<Walk> {
        let state = *self.states.get(&tid)?;
        let layout = &self.interpreter.layout.frames;
        let (size, first) = match *layout {
            Frames::Objects { innermost, .. } => (layout.size(), objects::field(state, innermost)?),
            Frames::Interpreter { innermost: (at, None), .. } => (layout.size(), objects::field(state, at)?),
            Frames::Interpreter { innermost: (at, Some(offset)), .. } => {
                (layout.size(), objects::field(objects::field(state, at)?, offset)?)
            }
        };
        let mut frames = Downwards::default();
        self.walk_from(first, &mut |address| frames.piece(address, size))
    }

    /// What the thread itself has copied.
    fn walk_along(&mut self, links: &Links) -> Option<Walk> {
        let mut links = links.0.iter();
        let first = links.as_slice().first().map_or(0, |(address, _)| *address);
        self.walk_from(first, &mut |wanted| {
            links.next().filter(|(address, _)| *address == wanted).map(|(_, bytes)| Piece::of(bytes))
        })
    }

    /// The frames from the innermost one on, each read by `read`.
    fn walk_from(&mut self, first: u64, read: &mut dyn FnMut(u64) -> Option<Piece>) -> Option<Walk> {
        let mut walk = Walk::default();
        let mut address = first;
        match self.interpreter.layout.frames {
            Frames::Objects { back, code, last_instruction, unit, .. } => {
                while address != 0 {
                    let frame = read(address)?;
                    let code = self.verified(frame.word(code)?)?;
                    let instruction = i64::from(frame.int(last_instruction)?) * unit;
                    walk.push(Raw { address, code, instruction, call: walk.calls, is_generators: false })?;
                    walk.calls += 1;
                    address = frame.word(back)?;
                }
            }
            Frames::Interpreter { previous, code, instruction, owner, entry, copy, .. } => {
                while address != 0 {
                    let frame = read(address)?;
                    let owner = frame.byte(owner)?;
                    let is_of_no_function = matches!(entry, Entry::Followed) && owner >= ON_C_STACK;
                    if walk.calls > DEPTH {
                        return None;
                    }
                    if is_of_no_function {
                        // What 3.15 has at the bottom of every stack ends no call.
                        if walk.frames.last().is_some_and(|frame| frame.call == walk.calls) {
                            walk.calls += 1;
                            walk.on_stack.push(address);
                        }
                    } else {
                        let object = self.verified(frame.word(code)? & !TAG)?;
                        let copy = copy.map_or(Some(0), |offset| frame.int(offset))?;
                        let start = code::start(object, &self.interpreter.layout.code, copy.try_into().ok()?)?;
                        let instruction = frame.word(instruction)?.wrapping_sub(start) as i64;
                        walk.push(Raw {
                            address,
                            code: object,
                            instruction,
                            call: walk.calls,
                            is_generators: owner == OF_GENERATOR,
                        })?;
                        if let Entry::Marked(offset) = entry {
                            walk.calls += usize::from(frame.byte(offset)? != 0);
                        }
                    }
                    address = frame.word(previous)?;
                }
            }
        }
        Some(walk)
    }

    /// The address of a code object, if it is one.
    fn verified(&mut self, address: u64) -> Option<u64> {
        if !self.codes.contains_key(&address) && self.interpreter.type_of(address)? != self.interpreter.types.code {
            return None;
        }
        Some(address)
    }

    /// What the thread executes; `None` where it is none of the interpreter's. `before` is what stood there before its native stack was captured.
    /// `rests` says whether the thread has not run since.
    pub(crate) fn of(
        &mut self,
        thread: &Thread,
        before: Option<&Walk>,
        rests: &dyn Fn() -> bool,
    ) -> Option<Result<PythonThread, String>> {
        let state = *self.states.get(&thread.tid)?;
        let links = thread.capture.as_ref().ok().and_then(|capture| capture.links.as_ref());
        let copied = links.and_then(|links| self.walk_along(links));
        let is_copied = copied.is_some();
        let Some(walk) = copied.or_else(|| self.walk(thread.tid)) else {
            return Some(Err("they change faster than they can be read".to_owned()));
        };
        // Before it is known whether the thread has rested.
        let has_gil = self.interpreter.holder(self.main) == Some(state);
        let is_of_moment = is_copied || rests();
        let certain = match before {
            _ if is_of_moment => walk.frames.len(),
            Some(before) => common(before, &walk),
            None => 0,
        };
        let ident = objects::field(state, self.interpreter.layout.ident);
        let name = ident.and_then(|ident| self.names.get(&ident)).cloned();
        let interpreter = self.interpreter.mapped.clone();
        let calls = self.named(&walk, certain);
        Some(calls.map(|calls| PythonThread { calls, has_gil, name, is_of_moment, interpreter }))
    }

    /// The frames with their names; the outermost `same` ones are certain.
    fn named(&mut self, walk: &Walk, same: usize) -> Result<Vec<Call>, String> {
        let uncertain = walk.frames.len().saturating_sub(same);
        let mut calls = vec![Call::default(); walk.calls];
        for (call, &address) in calls.iter_mut().zip(&walk.on_stack) {
            call.on_stack = Some(address);
        }
        for (number, raw) in walk.frames.iter().enumerate() {
            let code = self.code(raw.code).ok_or("a code object cannot be read")?;
            if !raw.is_generators && !code.has_begun(raw.instruction) {
                continue;
            }
            let frame = PythonFrame {
                file: code.file.clone(),
                function: code.function.clone(),
                line: code.line(raw.instruction),
                certain: number >= uncertain,
            };
            match calls.get_mut(raw.call) {
                Some(call) => call.frames.push(frame),
                None => calls.push(Call { frames: vec![frame], on_stack: None }),
            }
        }
        Ok(calls)
    }

    fn code(&mut self, address: u64) -> Option<Rc<Code>> {
        let layout = &self.interpreter.layout;
        let read = || Code::read(address, layout).map(Rc::new);
        self.codes.entry(address).or_insert_with(read).clone()
    }
}

/// How many of the outermost frames are the same in both; of the innermost one the instruction may differ.
fn common(a: &Walk, b: &Walk) -> usize {
    let pairs = a.frames.iter().rev().zip(b.frames.iter().rev());
    let innermost = b.frames.len().saturating_sub(1);
    let same = |(number, (a, b)): (usize, (&Raw, &Raw))| {
        (a.address, a.code) == (b.address, b.code) && (number == innermost || a.instruction == b.instruction)
    };
    pairs.enumerate().take_while(|pair| same(*pair)).count()
}
