//! The interpreter's threads, and what each executes.
//!
//! Context: the agent's thread. A thread that runs changes its frames while they are read: they are read until two readings agree, and what
//! differs to the end is not certain.

use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::Interpreter;
use super::code::Code;
use super::dicts::TYPE;
use super::layout::{Entry, Frames, Gil, ThreadId};
use super::objects::{self, Piece};

/// More threads or frames than any interpreter has.
const THREADS: usize = 1 << 16;
const DEPTH: usize = 1 << 17;

/// How often the frames of a thread are read.
const READINGS: usize = 8;

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
    /// Whether it has not run since its native stack was captured.
    pub(crate) has_rested: bool,
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
struct Walk {
    frames: Vec<Raw>,
    calls: usize,
    on_stack: Vec<u64>,
}

/// One look at the interpreter's threads.
pub(crate) struct Threads<'i> {
    interpreter: &'i Interpreter,
    /// By the kernel's id: the thread's state.
    states: BTreeMap<i32, u64>,
    holder: Option<u64>,
    /// By the interpreter's id.
    names: BTreeMap<u64, String>,
    codes: BTreeMap<u64, Option<Rc<Code>>>,
    /// Interpreters beside the main one, whose threads are not among these.
    pub(crate) others: usize,
}

impl Interpreter {
    /// The threads of the main interpreter, of those with these ids.
    pub(crate) fn threads(&self, ids: &BTreeSet<i32>) -> Option<Threads<'_>> {
        let layout = &self.layout;
        let interpreter = objects::field(self.runtime, layout.main_interpreter).filter(|&address| address != 0)?;
        let mut states = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut state = objects::field(interpreter, layout.threads)?;
        while state != 0 && seen.len() < THREADS && seen.insert(state) {
            let id = match layout.thread {
                ThreadId::Native(offset) => objects::field(state, offset),
                ThreadId::Pthread(offset) => objects::field(state, offset)
                    .and_then(|block| objects::int(block.checked_add(TID)?))
                    .map(|id| i64::from(id) as u64),
            };
            // A thread that has just ended, or begun, is none of those.
            if let Some(id) = id.and_then(|id| i32::try_from(id).ok()).filter(|id| ids.contains(id)) {
                states.insert(id, state);
            }
            match objects::field(state, layout.next_thread) {
                Some(next) => state = next,
                None => break,
            }
        }
        let (holder, others) = (self.holder(interpreter), self.others(interpreter));
        let names = self.names(interpreter).unwrap_or_default();
        Some(Threads { interpreter: self, states, holder, names, codes: BTreeMap::new(), others })
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

    /// The state of the thread that holds the lock.
    fn holder(&self, interpreter: u64) -> Option<u64> {
        let (base, holder, locked) = match self.layout.gil {
            Gil::InRuntime { holder, locked } => (self.runtime, holder, locked),
            Gil::InInterpreter { holder, locked } => (interpreter, holder, locked),
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

    fn walk(&mut self, state: u64) -> Option<Walk> {
        let mut walk = Walk::default();
        let size = self.interpreter.layout.frames.size();
        match self.interpreter.layout.frames {
            Frames::Objects { innermost, back, code, last_instruction, unit } => {
                let mut address = objects::field(state, innermost)?;
                while address != 0 {
                    let frame = Piece::read(address, size)?;
                    let code = self.verified(frame.word(code)?)?;
                    let instruction = i64::from(frame.int(last_instruction)?) * unit;
                    walk.push(Raw { address, code, instruction, call: walk.calls, is_generators: false })?;
                    walk.calls += 1;
                    address = frame.word(back)?;
                }
            }
            Frames::Interpreter { innermost: (at, behind), previous, code, instruction, owner, entry } => {
                let mut address = objects::field(state, at)?;
                if let Some(offset) = behind {
                    address = objects::field(address, offset)?;
                }
                while address != 0 {
                    let frame = Piece::read(address, size)?;
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
                        let code = self.verified(frame.word(code)? & !TAG)?;
                        let start = code.checked_add(self.interpreter.layout.code.start)?;
                        let instruction = frame.word(instruction)?.wrapping_sub(start) as i64;
                        walk.push(Raw {
                            address,
                            code,
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
        if !self.codes.contains_key(&address) && objects::field(address, TYPE)? != self.interpreter.types.code {
            return None;
        }
        Some(address)
    }

    /// What the thread executes; `None` where it is none of the interpreter's. `rests` says whether it has not run since it was captured.
    pub(crate) fn of(&mut self, tid: i32, rests: &dyn Fn() -> bool) -> Option<Result<PythonThread, String>> {
        let state = *self.states.get(&tid)?;
        let has_gil = self.holder == Some(state);
        let interpreter = self.interpreter.mapped.clone();
        let ident = objects::field(state, self.interpreter.layout.ident);
        let name = ident.and_then(|ident| self.names.get(&ident)).cloned();
        let mut before: Option<Walk> = None;
        for _ in 0..READINGS {
            let Some(walk) = self.walk(state) else { continue };
            let same = before.as_ref().map_or(0, |before| common(before, &walk));
            let agrees = same == walk.frames.len() && before.as_ref().is_some_and(|before| before.calls == walk.calls);
            let has_rested = rests();
            if has_rested || agrees {
                let calls = self.named(&walk, walk.frames.len());
                return Some(calls.map(|calls| PythonThread { calls, has_gil, name, has_rested, interpreter }));
            }
            before = Some(walk);
        }
        let last = before.as_ref().and_then(|before| Some((before, self.walk(state)?)));
        let Some((before, last)) = last else {
            return Some(Err("they change faster than they can be read".to_owned()));
        };
        let calls = self.named(&last, common(before, &last));
        Some(calls.map(|calls| PythonThread { calls, has_gil, name, has_rested: false, interpreter }))
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
        let read = || Code::read(address, &layout.code, &layout.unicode).map(Rc::new);
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
