//! The search for an unknown frame pointer on the stack: every slot that could be one is tried up to the thread's start.
//!
//! Context: the agent's thread. Old frames lie around on stacks and look like new ones: a stack that is complete and
//! plausible can be wrong. So all candidates that survive are counted, and only a single one is believed.

use std::collections::BTreeSet;

use super::step;
use super::x86_64::{self, Call};
use super::{Stop, Unwinder, Way, code};
use crate::snapshot::{Certainty, End, Frame, RBP, StackCopy};

/// Slots that are tried: 32 KiB of stack. A frame that is larger hides its caller.
const SLOTS: u64 = 4096;

/// Frames that are followed for all candidates of one search together.
const STEPS: usize = 50_000;

/// How well a candidate's caller fits the function that it would have called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Evidence {
    /// The call names another function, which may have jumped here instead of calling (a tail call).
    Weak,
    /// The call goes through a register or memory.
    Open,
    /// The call names this function.
    Strong,
}

/// A value that leads to the thread's start.
#[derive(Clone, Copy)]
struct Survivor {
    value: u64,
    evidence: Evidence,
    certainty: Certainty,
}

impl Unwinder<'_> {
    /// Adds the callers of the last of `frames` (at index `at`), whose `register` is needed and unknown.
    pub(super) fn search(&mut self, frames: &mut Vec<Frame>, at: usize, register: u16, stack: &StackCopy) -> End {
        let Some(frame) = frames.get(at).cloned() else { return End::Lost("no frame to go on from".to_owned()) };
        let code = self.code.at(frame.pc, frame.is_return_address);
        let (Some(sp), true) = (frame.registers.sp(), register == RBP && code.described.is_some()) else {
            return End::Lost(self.without(&frame, register));
        };
        let first = sp.checked_next_multiple_of(8).unwrap_or(sp);
        let past = first.saturating_add(SLOTS * 8).min(stack.limit);
        // A candidate in the part that was not copied would be a second one.
        if stack.end() < past {
            return End::NeedsStack(stack.end());
        }
        let mut tried = Tried { reached: BTreeSet::new(), steps: STEPS, survivors: Vec::new(), exhausted: false };
        let mut slot = first;
        while slot < past {
            if let Some(address) = self.attempt(&frame, &code, slot, stack, &mut tried) {
                return End::NeedsStack(address);
            }
            slot = slot.saturating_add(8);
        }
        let Some(best) = tried.best() else { return End::Lost(self.without(&frame, register)) };
        let certain = tried.survivors.len() == 1
            && !tried.exhausted
            && best.evidence != Evidence::Weak
            && best.certainty == Certainty::Certain;
        self.adopt(frames, register, best.value, certain, stack)
    }

    /// Tries a value of the frame pointer; returns an address where the stack copy would have to reach.
    fn attempt(
        &mut self,
        frame: &Frame,
        code: &code::Code,
        value: u64,
        stack: &StackCopy,
        tried: &mut Tried,
    ) -> Option<u64> {
        let mut trial = frame.clone();
        trial.registers.set(RBP, Some(value));
        let caller = step::step(self.memory, &mut self.code, code, &trial, stack).ok()?.frame;
        let evidence = self.evidence(caller.pc, code)?;
        if tried.steps == 0 {
            tried.exhausted = true;
            return None;
        }
        let mut frames = core::mem::take(&mut self.scratch);
        frames.clear();
        frames.push(caller);
        let stop = self.walk_known(&mut frames, stack, tried);
        let certainty = frames.last().map_or(Certainty::Uncertain, |last| last.certainty);
        let mut needs = None;
        match stop {
            Stop::End(End::ThreadStart, _) => {
                tried.reached.extend(frames.iter().map(key));
                tried.survivors.push(Survivor { value, evidence, certainty });
            }
            Stop::End(End::NeedsStack(address), _) if (stack.end()..stack.limit).contains(&address) => {
                needs = Some(address);
            }
            Stop::End(End::NeedsStack(_), _) => {
                // Another stack: neither proven nor disproven.
                tried.survivors.push(Survivor { value, evidence: Evidence::Weak, certainty });
            }
            _ => {}
        }
        self.scratch = frames;
        needs
    }

    /// A walk that is over as soon as it meets a frame from which the thread's start was reached before.
    fn walk_known(&mut self, frames: &mut Vec<Frame>, stack: &StackCopy, tried: &mut Tried) -> Stop {
        let mut way = Way::default();
        loop {
            if frames.last().is_some_and(|frame| tried.reached.contains(&key(frame))) {
                return Stop::End(End::ThreadStart, None);
            }
            if tried.steps == 0 {
                tried.exhausted = true;
                return Stop::End(End::Lost("too many frames to search".to_owned()), None);
            }
            tried.steps -= 1;
            if let Err(stop) = self.advance(frames, stack, &mut way) {
                return stop;
            }
        }
    }

    /// Goes on with the value that was chosen.
    fn adopt(&mut self, frames: &mut Vec<Frame>, register: u16, value: u64, certain: bool, stack: &StackCopy) -> End {
        let at = frames.len().saturating_sub(1);
        if let Some(frame) = frames.last_mut() {
            frame.registers.set(register, Some(value));
        }
        let end = match self.walk(frames, stack) {
            Stop::End(end, _) => end,
            Stop::Unknown(register) => match frames.last().cloned() {
                Some(frame) => End::Lost(self.without(&frame, register)),
                None => End::ThreadStart,
            },
        };
        if !certain {
            if let Some(frame) = frames.get_mut(at) {
                // What is not certain is not shown as this frame's register.
                frame.registers.set(register, None);
                frame.cfa = None;
            }
            frames.iter_mut().skip(at + 1).for_each(|frame| frame.certainty = Certainty::Uncertain);
        }
        end
    }

    /// How many jumps lead from a call's target to a function, at least; 0 if it is the target, or if a jump stub leads from
    /// one to the other. `None` if there is no way.
    fn way_to(&mut self, target: u64, function: u64) -> Option<usize> {
        /// Functions that are read for one answer; beyond, anything is possible.
        const FUNCTIONS: usize = 32;
        let mut ways = vec![x86_64::through_stub(self.memory, target)];
        if target == function || ways.contains(&function) {
            return Some(0);
        }
        let mut next = 0;
        while let Some(&entry) = ways.get(next) {
            next += 1;
            let code = self.code.at(entry, false);
            // Without its extent a function may jump anywhere, and so may one which jumps through a register or memory.
            let Some(described) = &code.described else { return Some(next) };
            let Some(exits) = code.exits(|| x86_64::exits(self.memory, described.start, described.end)) else {
                return Some(next);
            };
            for exit in exits.iter().map(|&exit| x86_64::through_stub(self.memory, exit)) {
                if exit == function {
                    return Some(next);
                }
                if !ways.contains(&exit) {
                    ways.push(exit);
                }
            }
            if ways.len() > FUNCTIONS {
                return Some(next);
            }
        }
        None
    }

    /// How well a return address fits the function at `code`; `None` if no call stands before it, or one that cannot have
    /// led here.
    pub(super) fn evidence(&mut self, return_address: u64, code: &code::Code) -> Option<Evidence> {
        let call = x86_64::call_before(self.memory, return_address)?;
        // A part that was moved away is jumped to, so the call names something else.
        let Some(described) = code.described.as_ref().filter(|described| described.starts_function) else {
            return Some(Evidence::Open);
        };
        Some(match call {
            Call::Direct(target) => match self.way_to(target, described.start)? {
                0 => Evidence::Strong,
                _ => Evidence::Weak,
            },
            Call::Indirect(Some(target)) if target == described.start => Evidence::Strong,
            Call::Indirect(_) => Evidence::Open,
        })
    }
}

/// The state of a search.
struct Tried {
    /// Frames from which the thread's start was reached.
    reached: BTreeSet<(u64, Option<u64>, Option<u64>)>,
    /// Frames that may still be followed.
    steps: usize,
    survivors: Vec<Survivor>,
    /// Whether candidates were left untried.
    exhausted: bool,
}

impl Tried {
    /// The lowest one of those with the best evidence.
    fn best(&self) -> Option<Survivor> {
        let evidence = self.survivors.iter().map(|survivor| survivor.evidence).max()?;
        self.survivors.iter().find(|survivor| survivor.evidence == evidence).copied()
    }
}

fn key(frame: &Frame) -> (u64, Option<u64>, Option<u64>) {
    (frame.pc, frame.registers.sp(), frame.registers.get(RBP))
}
