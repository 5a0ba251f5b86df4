//! A look at the threads: captured, unwound, named.
//!
//! Context: the agent's thread. The only place where capture, unwind and symbols meet.

use core::time::Duration;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::session::{Session, World};
use super::state::Describer;
use crate::capture::{self, Wanted};
use crate::python::{Interpreter, PythonThread, Threads};
use crate::render::python::{Merged, merge};
use crate::render::{Level, Place, Stack};
use crate::snapshot::{End, Frame, Location, Thread, Unwound};
use crate::symbols::Symbols;
use crate::sys::process;
use crate::unwind::Unwinder;

/// How often a stack is copied deeper: each round copies several times what there was, so a few reach any stack.
const ROUNDS: usize = 8;

/// How many pieces of other stacks a walk may need; a coroutine deeper than this is told as such.
const WINDOWS: usize = 64;

/// How far below the address that is missing the frame to go on from may have its stack pointer, in bytes.
const NEAR: u64 = 64 * 1024;

/// All threads with their stacks, as they were at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    /// When, on the monotonic clock.
    pub(crate) taken: Duration,
    /// The main thread first, then by ascending id.
    pub(crate) stacks: Vec<Rc<Stack>>,
    /// What could not be seen.
    pub(crate) problems: Vec<String>,
}

impl Look {
    /// The stack of the thread with this kernel id.
    pub(crate) fn stack(&self, tid: i32) -> Option<&Rc<Stack>> {
        self.stacks.iter().find(|stack| stack.thread.tid == tid)
    }
}

impl Session<'_> {
    /// Looks at all threads, or at one again.
    pub(super) fn look_again(&mut self, wanted: Wanted, insist: bool, interrupted: &dyn Fn() -> bool) {
        let sign = self.sign;
        let (symbols, world) = self.parts();
        let seen = take(symbols, world, sign, wanted, insist, interrupted);
        match (wanted, self.look.as_mut()) {
            (Wanted::One(tid), Some(look)) => {
                let look = Rc::make_mut(look);
                look.stacks.retain(|stack| stack.thread.tid != tid);
                look.stacks.extend(seen.stacks);
                look.problems = seen.problems;
                order(&mut look.stacks);
            }
            _ => self.look = Some(Rc::new(seen)),
        }
        self.level = 0;
        self.written.forget();
        if self.selected.is_some_and(|tid| self.look.as_ref().is_none_or(|look| look.stack(tid).is_none())) {
            self.selected = None;
        }
    }

    /// A look that is not kept: what the selected frame shows stays.
    pub(super) fn look_apart(&mut self, wanted: Wanted, interrupted: &dyn Fn() -> bool) -> Look {
        let sign = self.sign;
        let (symbols, world) = self.parts();
        take(symbols, world, sign, wanted, false, interrupted)
    }

    /// The last look, if there was one.
    pub(super) fn last_look(&self) -> Option<Rc<Look>> {
        self.look.clone()
    }

    /// The last look; takes the first one.
    pub(super) fn look_or_take(&mut self, interrupted: &dyn Fn() -> bool) -> Rc<Look> {
        if self.look.is_none() {
            self.look_again(Wanted::All, false, interrupted);
        }
        self.look.get_or_insert_default().clone()
    }
}

fn take(
    symbols: &mut Symbols<'_>,
    world: &World,
    sign: &str,
    wanted: Wanted,
    insist: bool,
    interrupted: &dyn Fn() -> bool,
) -> Look {
    let interpreter = Interpreter::find(&world.modules, &world.memory);
    let only = if let Wanted::One(tid) = wanted { Some(tid) } else { None };
    let mut python = interpreter.as_ref().and_then(|found| found.as_ref().ok()?.threads(only));
    let chains = |tid| python.as_ref().and_then(|python| python.chain(tid));
    let mut snapshot = capture::snapshot(&world.modules, wanted, insist, &chains);
    let mut unwinder = Unwinder::new(&world.modules, &world.memory);
    // Unwinding comes first for all threads: what must be copied deeper is soonest outdated.
    let mut unwound = Vec::new();
    for thread in &mut snapshot.threads {
        unwound.push(if interrupted() { Err("interrupted".to_owned()) } else { unwind(&mut unwinder, thread, world) });
    }
    let mut describer = Describer::new();
    let mut places = Places::default();
    let mut stacks = Vec::new();
    if let Some(others) = python.as_ref().map(|python| python.others).filter(|&others| others > 0) {
        snapshot.problems.push(format!("no frames of Python's sub-interpreters, of which there are {others}"));
    }
    if let Some(Err(reason)) = &interpreter {
        snapshot.problems.push(format!("no frames of Python: {reason}"));
    }
    for (mut thread, mut unwound) in snapshot.threads.into_iter().zip(unwound) {
        let executes = python.as_mut().and_then(|python| executes(python, &mut thread, world, insist));
        let executes = executes.map(|(executes, is_again)| {
            if is_again {
                unwound = unwind(&mut unwinder, &mut thread, world);
            }
            executes
        });
        let mut state = describer.state(&thread, symbols, world);
        let (frames, problem) = match unwound {
            Ok(Unwound { frames, end: End::ThreadStart }) => (frames, None),
            Ok(Unwound { frames, end: End::Lost(reason) }) => (frames, Some(reason)),
            Ok(Unwound { frames, end: End::NeedsStack(address) }) => {
                (frames, Some(format!("the stack at {address:#x} could not be copied")))
            }
            Err(reason) => (Vec::new(), Some(reason)),
        };
        let levels: Vec<Level> = frames
            .iter()
            .enumerate()
            .flat_map(|(index, frame)| Level::of_frame(index, frame, &places.of(symbols, world, frame)))
            .collect();
        let tid = thread.tid;
        let (native, apart) = (Vec::new(), Vec::new());
        let of_python = executes.as_ref().and_then(|executes| executes.as_ref().ok());
        let has_gil = of_python.is_some_and(|python| python.has_gil);
        let python_name = of_python.and_then(|python| python.name.clone()).filter(|name| *name != thread.name);
        let text = String::new();
        let mut stack =
            Stack { number: 0, thread, state: text, frames, levels, apart, native, has_gil, python_name, problem };
        let placed = executes.map_or(Ok(()), |executes| {
            let executes = executes?;
            if executes.has_gil {
                state.push_str(", holds the GIL");
            }
            put_in(&mut stack, &executes, python.as_ref(), symbols, sign)
        });
        if let Err(reason) = placed {
            snapshot.problems.push(format!("thread {tid}: Python's frames are not among the others: {reason}"));
        }
        stack.state = state;
        stacks.push(Rc::new(stack));
    }
    order(&mut stacks);
    Look { taken: snapshot.taken, stacks, problems: snapshot.problems }
}

/// How often a thread that has run since it was captured is captured again, for what Python says of the same moment.
const AGAIN: usize = 5;

/// What a thread executes of Python's, and whether it was captured again for that. `None` where it is none of Python's.
fn executes(
    python: &mut Threads<'_>,
    thread: &mut Thread,
    world: &World,
    insist: bool,
) -> Option<(Result<PythonThread, String>, bool)> {
    let mut executes = python.of(thread, None, &|| capture::has_rested(thread))?;
    let is_of_moment = |executes: &Result<PythonThread, String>| matches!(executes, Ok(python) if python.is_of_moment);
    let mut is_again = false;
    for _ in 0..AGAIN {
        if is_of_moment(&executes) || thread.capture.is_err() {
            break;
        }
        let chain = thread.chain;
        let before = python.walk(thread.tid);
        let again = capture::snapshot(&world.modules, Wanted::One(thread.tid), insist, &|_| chain);
        let Some(again) = again.threads.into_iter().next().filter(|again| again.capture.is_ok()) else { break };
        *thread = again;
        is_again = true;
        executes = python.of(thread, before.as_ref(), &|| capture::has_rested(thread))?;
    }
    Some((executes, is_again))
}

/// Where the source of a function of Python is: a relative path, such as that of `python3.8 app.py`, is meant from the process's directory, as the
/// interpreter's own tracebacks have it. What stands in angle brackets is no file.
fn path_of(file: &str) -> Cow<'_, str> {
    match file.starts_with(['/', '<']) {
        true => Cow::Borrowed(file),
        false => Cow::Owned(format!("/proc/self/cwd/{file}")),
    }
}

/// Puts Python's frames into the stack; what is to be said where they have no place there.
fn put_in(
    stack: &mut Stack,
    executes: &PythonThread,
    python: Option<&Threads<'_>>,
    symbols: &mut Symbols<'_>,
    sign: &str,
) -> Result<(), String> {
    let merged = merge(&stack.levels, &stack.frames, executes, stack.problem.is_none(), &mut |native, frame| {
        let source = frame.line.and_then(|line| {
            let of_file = symbols.python_line(&path_of(&frame.file), line);
            of_file.or_else(|| python?.kept_line(&frame.file, line))
        });
        let location = Location {
            function: Some(frame.function.clone()),
            file: Some(frame.file.clone()),
            line: frame.line,
            ..Location::default()
        };
        Level::of_python(native, Place { location, source }, frame.certain)
    });
    match merged {
        Merged::Together(levels) => {
            stack.native = core::mem::replace(&mut stack.levels, levels);
            Ok(())
        }
        Merged::Apart(levels, reason) => {
            stack.apart = levels;
            Err(format!("{reason}; {sign}py-bt {} shows them", stack.thread.tid))
        }
    }
}

/// The main thread first, the others by id; numbered from 1.
fn order(stacks: &mut [Rc<Stack>]) {
    let main = process::pid();
    stacks.sort_by_key(|stack| (stack.thread.tid != main, stack.thread.tid));
    for (index, stack) in stacks.iter_mut().enumerate() {
        Rc::make_mut(stack).number = index.saturating_add(1);
    }
}

/// The frames of a thread, its stack copied as deep as it takes, and its other stacks where it has left them.
fn unwind(unwinder: &mut Unwinder<'_>, thread: &mut Thread, world: &World) -> Result<Unwound, String> {
    let mut rounds = 0;
    loop {
        let capture = thread.capture.as_ref().map_err(String::clone)?;
        let unwound = unwinder.unwind(&capture.registers, &capture.stack);
        let End::NeedsStack(address) = unwound.end else { return Ok(unwound) };
        if !(capture.stack.start..capture.stack.limit).contains(&address) {
            return Ok(across(unwinder, thread, world, unwound));
        }
        rounds += 1;
        let failure = match capture::deepen(thread, &world.modules) {
            Err(reason) => reason,
            Ok(()) if rounds >= ROUNDS => format!("the stack at {address:#x} is too deep to be copied"),
            Ok(()) => continue,
        };
        return Ok(Unwound { end: End::Lost(failure), ..unwound });
    }
}

/// Goes on where a stack continues on another one: below a handler on the alternate stack, below a coroutine.
fn across(unwinder: &mut Unwinder<'_>, thread: &Thread, world: &World, mut unwound: Unwound) -> Unwound {
    for _ in 0..WINDOWS {
        let End::NeedsStack(address) = unwound.end else { return unwound };
        let Some(last) = unwound.frames.pop() else { return unwound };
        let from = last.registers.sp().filter(|&sp| sp <= address && address - sp < NEAR).unwrap_or(address);
        let more = match capture::other_stack(thread, &world.modules, from) {
            Ok(stack) => unwinder.resume(&last, &stack),
            Err(reason) => Unwound { frames: vec![last], end: End::Lost(reason) },
        };
        unwound.frames.extend(more.frames);
        unwound.end = more.end;
    }
    if let End::NeedsStack(address) = unwound.end {
        unwound.end = End::Lost(format!("the stacks are too many or too deep, at {address:#x}"));
    }
    unwound
}

/// What addresses mean, each looked up once: the threads of a pool share almost all of their frames.
#[derive(Default)]
struct Places(BTreeMap<u64, Rc<[Place]>>);

impl Places {
    fn of(&mut self, symbols: &mut Symbols<'_>, world: &World, frame: &Frame) -> Rc<[Place]> {
        if frame.is_signal_frame {
            return Rc::new([]);
        }
        let address = frame.lookup_address();
        if let Some(known) = self.0.get(&address) {
            return known.clone();
        }
        let places: Rc<[Place]> = symbols
            .locate(&world.modules, &world.memory, address)
            .into_iter()
            .map(|location| {
                let source = match (&location.file, location.line) {
                    (Some(file), Some(line)) => symbols.source_line(file, line),
                    _ => None,
                };
                Place { location, source }
            })
            .collect();
        self.0.insert(address, places.clone());
        places
    }
}
