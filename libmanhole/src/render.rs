//! Data -> text and JSON. Pure: everything that is shown is passed in, nothing is looked up.
//!
//! Context: the agent's thread, tests.

pub(crate) mod dump;
pub(crate) mod frames;
pub(crate) mod names;
pub(crate) mod printf;
pub(crate) mod python;
pub(crate) mod quote;
pub(crate) mod words;
#[cfg_attr(target_arch = "x86_64", path = "render/x86_64.rs")]
pub(crate) mod arch;

use std::rc::Rc;

use crate::snapshot::{Frame, Location, State, Thread};

/// What an address of code means, with the text of its source line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) location: Location,
    /// The source line without surrounding blanks, where it could be read.
    pub(crate) source: Option<String>,
}

/// A frame as people count them: an inlined function is one of its own.
#[derive(Clone, Debug)]
pub(crate) struct Level {
    /// The index of the physical frame.
    pub(crate) frame: usize,
    pub(crate) pc: u64,
    /// Whether `pc` is a return address.
    pub(crate) is_return_address: bool,
    pub(crate) certain: bool,
    /// Whether a signal handler's return trampoline stands here.
    pub(crate) signal: bool,
    /// All places of the physical frame, innermost first.
    places: Rc<[Place]>,
    /// Which of them this is.
    place: usize,
    /// Whether it is a function of Python's, which the physical frame's function executes.
    is_python: bool,
}

impl Level {
    /// The levels of one physical frame.
    pub(crate) fn of_frame(index: usize, frame: &Frame, places: &Rc<[Place]>) -> impl Iterator<Item = Level> + use<> {
        let certain = frame.certainty == crate::snapshot::Certainty::Certain;
        let count = if frame.is_signal_frame { 1 } else { places.len().max(1) };
        let (places, pc, is_return_address, signal) =
            (places.clone(), frame.pc, frame.is_return_address, frame.is_signal_frame);
        (0..count).map(move |place| Level {
            frame: index,
            pc,
            is_return_address,
            certain,
            signal,
            places: places.clone(),
            place,
            is_python: false,
        })
    }

    /// A function of Python's in the place of the one that executes it. It is as sure as the interpreter's own frames are, whatever is guessed
    /// of the native ones.
    pub(crate) fn of_python(native: &Level, place: Place, certain: bool) -> Level {
        let places = Rc::new([place]);
        Level { certain, signal: false, places, place: 0, is_python: true, ..native.clone() }
    }

    /// Whether it is a function of Python's.
    pub(crate) fn is_python(&self) -> bool {
        self.is_python
    }

    /// Function, file and line of code of the machine's; `None` for Python's.
    pub(crate) fn native_location(&self) -> Option<&Location> {
        self.location().filter(|_| !self.is_python)
    }

    /// Function, file and line.
    pub(crate) fn location(&self) -> Option<&Location> {
        self.places.get(self.place).map(|place| &place.location)
    }

    /// The source line.
    pub(crate) fn source(&self) -> Option<&str> {
        self.places.get(self.place).and_then(|place| place.source.as_deref())
    }

    /// Whether it is the innermost level of its physical frame: the only one whose pc is its own.
    pub(crate) fn is_innermost(&self) -> bool {
        self.place == 0 && !self.is_python
    }

    /// Which of the functions at its address it is: inlined ones come first.
    pub(crate) fn place(&self) -> usize {
        self.place
    }

    /// Bytes from the function's start to `pc`.
    pub(crate) fn offset(&self) -> u64 {
        // The location was looked up inside the call instruction, one byte before the return address.
        self.location().map_or(0, |location| location.offset).wrapping_add(u64::from(self.is_return_address))
    }
}

/// A thread with its stack, ready to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    /// As gdb counts: 1 is the main thread, the others follow by ascending id.
    pub(crate) number: usize,
    pub(crate) thread: Thread,
    /// What the thread does, in words.
    pub(crate) state: String,
    /// The physical frames, innermost first.
    pub(crate) frames: Vec<Frame>,
    /// The frames as they are counted, innermost first.
    pub(crate) levels: Vec<Level>,
    /// Python's frames alone, where they have no place among the others.
    pub(crate) apart: Vec<Level>,
    /// The levels without Python's, where those are among them; else empty.
    pub(crate) native: Vec<Level>,
    /// Whether the thread holds the lock of the Python interpreter.
    pub(crate) has_gil: bool,
    /// The thread's name in Python, where that is another than the kernel's.
    pub(crate) python_name: Option<String>,
    /// Why the stack does not reach the thread's start, or is not there at all.
    pub(crate) problem: Option<String>,
}

impl Stack {
    /// Whether a signal holds the thread while the client is served.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self.thread.state, State::Held(_))
    }

    /// Whether a frame is one of several possibilities.
    pub(crate) fn is_uncertain(&self) -> bool {
        self.levels.iter().any(|level| !level.certain)
    }

    /// The line that says why frames are missing.
    pub(crate) fn problem_line(&self) -> Option<String> {
        let reason = self.problem.as_deref()?;
        Some(if self.levels.is_empty() {
            format!("(no stack: {reason})")
        } else {
            format!("(stack incomplete: {reason})")
        })
    }

    /// Whether two threads stand at the same place on the same way.
    pub(crate) fn is_like(&self, other: &Stack) -> bool {
        self.problem == other.problem
            && self.frames.len() == other.frames.len()
            && self.frames.iter().zip(&other.frames).all(|(a, b)| {
                (a.pc, a.is_return_address, a.is_signal_frame, a.certainty)
                    == (b.pc, b.is_return_address, b.is_signal_frame, b.certainty)
            })
            && self.python().eq(other.python())
    }

    /// What Python executes, innermost first.
    pub(crate) fn python_levels(&self) -> impl Iterator<Item = &Level> {
        self.levels.iter().chain(&self.apart).filter(|level| level.is_python)
    }

    /// The stack as the machine executes it.
    pub(crate) fn native_alone(&self) -> Stack {
        let mut stack = self.clone();
        if !stack.native.is_empty() {
            stack.levels = core::mem::take(&mut stack.native);
        }
        stack
    }

    fn python(&self) -> impl Iterator<Item = (&[Place], bool)> {
        self.python_levels().map(|level| (&*level.places, level.certain))
    }
}

/// What uncertain frames are, said once a stack.
pub(crate) const UNCERTAIN: &str = "(frames marked ? belong to one of several stacks that fit what could be captured)";

#[cfg(test)]
pub(crate) mod fixtures {
    //! Stacks with known content.
    use super::*;
    use crate::snapshot::{Certainty, Registers, State};

    pub(crate) fn frame(pc: u64, is_return_address: bool) -> Frame {
        Frame {
            pc,
            is_return_address,
            cfa: None,
            registers: Registers::of_blocked(pc, 0x7000),
            is_signal_frame: false,
            certainty: Certainty::Certain,
        }
    }

    pub(crate) fn place(function: Option<&str>, offset: u64, object: &str, line: Option<(&str, u32)>) -> Place {
        Place {
            location: Location {
                function: function.map(str::to_owned),
                offset,
                object: object.to_owned(),
                file: line.map(|(file, _)| file.to_owned()),
                line: line.map(|(_, line)| line),
                inlined: false,
            },
            source: line.map(|(_, line)| format!("source_of({line});")),
        }
    }

    pub(crate) fn thread(tid: i32, name: &str) -> Thread {
        Thread {
            tid,
            name: name.to_owned(),
            state: State::Running,
            own: false,
            chain: None,
            capture: Err("not captured in a test".to_owned()),
        }
    }

    /// read <- helper (inlined into work) <- work <- ?? in an object <- JIT code.
    pub(crate) fn stack(number: usize, tid: i32) -> Stack {
        let mut helper = place(Some("helper"), 4, "/bin/prog", Some(("prog.c", 7)));
        helper.location.inlined = true;
        let places: Vec<(Frame, Rc<[Place]>)> = vec![
            (frame(0x7f01, false), Rc::new([place(Some("read"), 0x10, "/lib/libc.so.6", None)])),
            (frame(0x5501, true), Rc::new([helper, place(Some("work"), 0x20, "/bin/prog", Some(("prog.c", 12)))])),
            (frame(0x5601, true), Rc::new([place(None, 0x600, "/bin/prog", None)])),
            (frame(0x1234, true), Rc::new([Place::default()])),
        ];
        let levels = places
            .iter()
            .enumerate()
            .flat_map(|(index, (frame, places))| Level::of_frame(index, frame, places))
            .collect();
        Stack {
            number,
            thread: thread(tid, "worker"),
            state: "blocked in read(fd 3 = /x)".to_owned(),
            frames: places.into_iter().map(|(frame, _)| frame).collect(),
            levels,
            apart: Vec::new(),
            native: Vec::new(),
            has_gil: false,
            python_name: None,
            problem: None,
        }
    }
}
