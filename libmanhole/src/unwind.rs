//! Registers and stack bytes -> return addresses.
//!
//! Context: the agent's thread. Reads code and call frame information through [`Memory`], the stack only from the copy.
//!
//! Call frame information decides wherever there is some; frame pointers stand in where there is none. A blocked thread
//! shows only program counter and stack pointer, so any register may be unknown; one that is needed is recovered from the
//! function's code ([`distance`]) or searched on the stack ([`search`]), and what is not proven is marked uncertain.

mod code;
mod distance;
mod rule;
mod search;
mod step;
mod table;
mod x86_64;

#[cfg(test)]
mod tests;

use code::CodeMap;
use distance::Function;
use search::Evidence;
use step::{Caller, Halt};

use crate::memory::Memory;
use crate::modules::Modules;
use crate::snapshot::{Certainty, End, Frame, RBP, Registers, StackCopy, Unwound};

/// Frames that are followed: an 8 MiB stack (the usual limit) of recursive frames of 48 bytes has fewer. Each takes about
/// 300 bytes of ours, so the longest list takes 60 MiB.
const MOST_FRAMES: usize = 200_000;

/// Unwinds stacks of one look at the process; keeps what it has decoded for the next thread.
pub(crate) struct Unwinder<'a> {
    memory: &'a Memory,
    code: CodeMap<'a>,
    /// Frames of stacks that are tried out.
    scratch: Vec<Frame>,
}

impl<'a> Unwinder<'a> {
    pub(crate) fn new(modules: &'a Modules, memory: &'a Memory) -> Self {
        Unwinder { memory, code: CodeMap::new(modules, memory), scratch: Vec::new() }
    }

    /// The frames of a thread, innermost first.
    ///
    /// [`End::NeedsStack`] names the first missing byte. Between `stack.end()` and `stack.limit` it is the same stack: copy
    /// more of it and unwind again. Anywhere else the thread continues on another stack (below a handler on an alternate
    /// signal stack, below a coroutine): copy that one and [`resume`](Self::resume) at the last frame,
    /// a bounded number of times, as garbage could lead around in circles.
    pub(crate) fn unwind(&mut self, registers: &Registers, stack: &StackCopy) -> Unwound {
        let Some(pc) = registers.pc() else {
            return Unwound { frames: Vec::new(), end: End::Lost("no program counter was captured".to_owned()) };
        };
        let frame = Frame {
            pc,
            is_return_address: false,
            cfa: None,
            registers: *registers,
            is_signal_frame: false,
            certainty: Certainty::Certain,
        };
        self.resume(&frame, stack)
    }

    /// The frames from `frame` (the first of the answer) outward.
    pub(crate) fn resume(&mut self, frame: &Frame, stack: &StackCopy) -> Unwound {
        let mut frames = vec![frame.clone()];
        let end = match self.walk(&mut frames, stack) {
            Stop::End(end, None) => end,
            Stop::End(end @ (End::ThreadStart | End::NeedsStack(_)), Some(_)) => end,
            Stop::End(end, Some(derived)) => self.doubt(&mut frames, end, derived, stack),
            Stop::Unknown(register) => {
                let at = frames.len().saturating_sub(1);
                self.search(&mut frames, at, register, stack)
            }
        };
        Unwound { frames, end }
    }

    /// Adds the callers of the last frame, as far as they follow from what is known.
    fn walk(&mut self, frames: &mut Vec<Frame>, stack: &StackCopy) -> Stop {
        let mut way = Way::default();
        loop {
            if let Err(stop) = self.advance(frames, stack, &mut way) {
                return stop;
            }
        }
    }

    /// Adds the caller of the last frame.
    fn advance(&mut self, frames: &mut Vec<Frame>, stack: &StackCopy, way: &mut Way) -> Result<(), Stop> {
        let count = frames.len();
        let frame = frames.last_mut().ok_or(Stop::End(End::ThreadStart, None))?;
        let code = self.code.at(frame.pc, frame.is_return_address);
        if code.is_signal_return() {
            (frame.is_signal_frame, frame.is_return_address) = (true, false);
        }
        let mut step = step::step(self.memory, &mut self.code, &code, frame, stack);
        if let Err(Halt::Unknown(register)) = step
            && let Some((value, recovered)) = self.derive(frame, &code, register, stack)
        {
            frame.registers.set(register, Some(value));
            way.derived = way.derived.or(Some(Derived { at: count.saturating_sub(1), register }));
            step = recovered;
        }
        let end = match step {
            Ok(caller) => {
                frame.cfa = Some(caller.cfa);
                way.descents += usize::from(caller.descends);
                if count < MOST_FRAMES && way.descents <= MOST_DESCENTS {
                    frames.push(caller.frame);
                    return Ok(());
                }
                End::Lost(format!("gave up after {count} frames"))
            }
            Err(Halt::Unknown(register)) => return Err(Stop::Unknown(register)),
            Err(Halt::NeedsStack(address)) => End::NeedsStack(address),
            Err(Halt::Lost(reason)) => End::Lost(reason),
            Err(Halt::Start(cfa)) => {
                frame.cfa = cfa;
                End::ThreadStart
            }
        };
        Err(Stop::End(end, way.derived))
    }

    /// The value that the function's code gives a register at `frame`, and the step that it makes possible: only if that
    /// leads to a return address which a call has pushed.
    fn derive(
        &mut self,
        frame: &Frame,
        code: &code::Code,
        register: u16,
        stack: &StackCopy,
    ) -> Option<(u64, Result<Caller, Halt>)> {
        let described = code.described.as_ref().filter(|described| described.starts_function)?;
        let distance = code.distance(register, || {
            let bytes = x86_64::function_code(self.memory, described.start, described.end)?;
            let function = Function { code: &bytes, start: described.start };
            let distance = function.distance(register, frame.pc, frame.is_return_address)?;
            // Code and call frame information must agree on where the frame is.
            match (&described.rule.cfa, distance.to_cfa) {
                (rule::CfaRule::Register(base, offset), Some(to_cfa)) if *base == register && *offset != to_cfa => None,
                _ => Some(distance),
            }
        })?;
        let least = frame.registers.sp()?.checked_add_signed(distance.from_sp)?;
        let mut found = None;
        for value in (0..=distance.slack).step_by(8).filter_map(|more| least.checked_add(more)) {
            let mut trial = frame.clone();
            trial.registers.set(register, Some(value));
            let step = step::step(self.memory, &mut self.code, code, &trial, stack);
            let fits = match &step {
                // With one value, any call will do: a function may have been jumped to by the one that was called.
                Ok(caller) if distance.slack == 0 => x86_64::call_before(self.memory, caller.frame.pc).is_some(),
                Ok(caller) => self.evidence(caller.frame.pc, code).is_some(),
                Err(Halt::NeedsStack(_)) => true,
                Err(_) => false,
            };
            if fits && found.replace((value, step)).is_some() {
                // Two that fit: the search will weigh them.
                return None;
            }
        }
        found
    }

    /// What to say when a register that was derived from code leads to frames that end in nowhere. Code does not lie, but
    /// our reading of it could: unless a call that names the function vouches for it, the frames are a guess, and where
    /// even the call names another function, a stack that reaches the thread's start is looked for.
    fn doubt(&mut self, frames: &mut Vec<Frame>, end: End, derived: Derived, stack: &StackCopy) -> End {
        let (Some(frame), Some(caller)) = (frames.get(derived.at), frames.get(derived.at + 1)) else { return end };
        let code = self.code.at(frame.pc, frame.is_return_address);
        let evidence = self.evidence(caller.pc, &code);
        if evidence == Some(Evidence::Strong) {
            return end;
        }
        let mut kept = frames.clone();
        kept.iter_mut().skip(derived.at + 1).for_each(|frame| frame.certainty = Certainty::Uncertain);
        if evidence == Some(Evidence::Open) {
            *frames = kept;
            return end;
        }
        frames.truncate(derived.at + 1);
        if let Some(frame) = frames.last_mut() {
            frame.registers.set(derived.register, None);
            frame.cfa = None;
        }
        match self.search(frames, derived.at, derived.register, stack) {
            End::Lost(_) => {
                *frames = kept;
                end
            }
            found => found,
        }
    }

    /// Why nothing goes on without this register.
    fn without(&mut self, frame: &Frame, register: u16) -> String {
        let name = x86_64::register_name(register);
        let place = self.code.place(frame.pc);
        if register != RBP {
            return format!("{name} is needed to go on from {place}, and is unknown");
        }
        if self.code.at(frame.pc, frame.is_return_address).described.is_none() {
            return format!("no call frame information for {place}, and {name} is unknown");
        }
        format!("{name} is unknown at {place}, and nothing on the stack fits")
    }
}

/// Signal frames whose interrupted frame lies lower than the handler's.
const MOST_DESCENTS: usize = 64;

/// What happens along a walk.
#[derive(Default)]
struct Way {
    /// The first register that was recovered from code.
    derived: Option<Derived>,
    /// Signal frames whose interrupted frame lay lower: a handler may run on memory above it, but not for ever.
    descents: usize,
}

/// A register that was recovered from code, and the index of its frame.
#[derive(Clone, Copy)]
struct Derived {
    at: usize,
    register: u16,
}

/// Why a walk has stopped.
enum Stop {
    /// At an end; with the first register that was derived on the way.
    End(End, Option<Derived>),
    /// The last frame needs this register.
    Unknown(u16),
}
