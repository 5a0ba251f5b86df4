//! One step: a frame -> its caller's frame, with the checks that keep garbage from passing for a stack.
//!
//! Context: the agent's thread.

use super::code::{Code, CodeMap};
use super::rule::{Missing, Rule, word};
use super::x86_64::{self, Call, Entry};
use crate::memory::Memory;
use crate::snapshot::{Certainty, Frame, RBP, RIP, RSP, Registers, StackCopy};

/// What one step gives.
pub(super) struct Caller {
    pub(super) frame: Frame,
    /// The frame address of the frame that was left.
    pub(super) cfa: u64,
    /// Whether the caller lies lower on the same stack: possible only where a signal interrupted it.
    pub(super) descends: bool,
}

/// Why a step gives no caller.
pub(super) enum Halt {
    /// The thread starts with this frame; its frame address, where known.
    Start(Option<u64>),
    NeedsStack(u64),
    Lost(String),
    /// This register is needed, and not known.
    Unknown(u16),
}

/// The caller of `frame`, which stands at `code`.
pub(super) fn step(
    memory: &Memory,
    map: &mut CodeMap<'_>,
    code: &Code,
    frame: &Frame,
    stack: &StackCopy,
) -> Result<Caller, Halt> {
    let proposed = match &code.described {
        Some(described) => by_rule(&described.rule, frame, stack),
        None if !code.is_executable => by_pushed(0, frame, stack),
        None if code.is_program_entry => return Err(Halt::Start(None)),
        None => by_frame_pointer(memory, frame, stack),
    };
    match proposed {
        Ok(proposed) => check(memory, map, frame, &proposed, stack),
        Err(No::Caller(cfa)) => Err(Halt::Start(cfa)),
        Err(No::Value(Missing::Register(register))) => Err(Halt::Unknown(register)),
        Err(No::Value(Missing::Stack(address))) => Err(Halt::NeedsStack(address)),
        Err(No::Value(Missing::Sense(why))) => {
            Err(Halt::Lost(format!("cannot go on from {}: {why}", map.place(frame.pc))))
        }
    }
}

/// Why nothing is proposed.
enum No {
    /// The thread starts here; the frame address, where known.
    Caller(Option<u64>),
    Value(Missing),
}

impl From<Missing> for No {
    fn from(missing: Missing) -> Self {
        No::Value(missing)
    }
}

/// A caller that has not been checked.
struct Proposed {
    registers: Registers,
    cfa: u64,
    certainty: Certainty,
    /// Whether the frame was left through a signal trampoline.
    through_signal: bool,
    /// Whether nothing vouches for the return address but that a call stands before it.
    needs_call: bool,
}

/// By call frame information.
fn by_rule(rule: &Rule, frame: &Frame, stack: &StackCopy) -> Result<Proposed, No> {
    if rule.is_thread_start() {
        return Err(No::Caller(rule.cfa(&frame.registers, stack).ok()));
    }
    let cfa = rule.cfa(&frame.registers, stack)?;
    let registers = rule.caller(cfa, &frame.registers, stack)?;
    let certainty = frame.certainty;
    Ok(Proposed { registers, cfa, certainty, through_signal: rule.is_signal, needs_call: false })
}

/// By a return address which the stack pointer (plus `skip` bytes) points at. A jump or call to where no code is (a null
/// function pointer) leaves nothing else.
fn by_pushed(skip: u64, frame: &Frame, stack: &StackCopy) -> Result<Proposed, No> {
    if frame.is_return_address {
        return Err(Missing::Sense("no code is there").into());
    }
    let sp = frame.registers.sp().ok_or(Missing::Register(RSP))?;
    let slot = sp.wrapping_add(skip);
    let mut registers = frame.registers;
    if skip == 8 {
        registers.set(RBP, Some(word(stack, sp)?));
    }
    registers.set(RIP, Some(word(stack, slot)?));
    // Caller-saved registers hold what the callee was given, not what the caller has.
    for register in [0, 1, 2, 4, 5, 8, 9, 10, 11] {
        registers.set(register, None);
    }
    let cfa = slot.wrapping_add(8);
    registers.set(RSP, Some(cfa));
    let certainty = frame.certainty;
    Ok(Proposed { registers, cfa, certainty, through_signal: false, needs_call: true })
}

/// A thread's first frames lie this close to the end of its stack's mapping; above them are its thread-local variables,
/// or the program's arguments. Elsewhere a zero is just a number.
const FIRST_FRAMES: u64 = 16 << 10;

/// By the frame pointer, in code without call frame information.
fn by_frame_pointer(memory: &Memory, frame: &Frame, stack: &StackCopy) -> Result<Proposed, No> {
    let entry = if frame.is_return_address { None } else { x86_64::entry_at(memory, frame.pc) };
    match entry {
        Some(Entry::Called) => return by_pushed(0, frame, stack),
        Some(Entry::Pushed) => return by_pushed(8, frame, stack),
        Some(Entry::Framed) | None => {}
    }
    let rbp = frame.registers.get(RBP).ok_or(Missing::Register(RBP))?;
    let sp = frame.registers.sp().ok_or(Missing::Register(RSP))?;
    if rbp == 0 && frame.is_return_address && stack.limit.checked_sub(sp).is_some_and(|rest| rest < FIRST_FRAMES) {
        // The psABI asks the first frame of a thread for a zero rbp ("Process Initialization").
        return Err(No::Caller(None));
    }
    if !rbp.is_multiple_of(8) || rbp < sp || rbp >= stack.limit {
        return Err(Missing::Sense("no call frame information, and rbp points to no frame").into());
    }
    let pc = word(stack, rbp.wrapping_add(8))?;
    let cfa = rbp.wrapping_add(16);
    let mut registers = Registers::default();
    registers.set(RBP, Some(word(stack, rbp)?));
    registers.set(RSP, Some(cfa));
    registers.set(RIP, Some(pc));
    let framed = entry == Some(Entry::Framed) || called_function_is_framed(memory, pc, frame.pc);
    // Code without frame pointers leaves its caller's rbp alone, so this may have skipped a frame.
    let certainty = if framed { frame.certainty } else { Certainty::Uncertain };
    // A runtime that rewrites return addresses (V8's deoptimiser) returns to where nothing was called: the chain of frame
    // pointers goes on all the same. The missing call leaves it uncertain, as `framed` is false then.
    let goes_on = registers.get(RBP).is_some_and(|next| next.is_multiple_of(8) && (cfa..stack.limit).contains(&next));
    Ok(Proposed { registers, cfa, certainty, through_signal: false, needs_call: !goes_on })
}

/// Whether the call before the return address names the function around `inside`, and that sets up a frame pointer.
fn called_function_is_framed(memory: &Memory, return_address: u64, inside: u64) -> bool {
    /// Functions are smaller, mostly; a call to something farther away is not known to be a call to this function.
    const NEAR: u64 = 4096;
    let Some(Call::Direct(target)) = x86_64::call_before(memory, return_address) else { return false };
    inside.checked_sub(target).is_some_and(|past| past < NEAR) && x86_64::sets_frame_pointer(memory, target)
}

fn check(
    memory: &Memory,
    map: &mut CodeMap<'_>,
    frame: &Frame,
    proposed: &Proposed,
    stack: &StackCopy,
) -> Result<Caller, Halt> {
    let Proposed { registers, cfa, certainty, through_signal, needs_call } = *proposed;
    let (Some(pc), Some(sp)) = (registers.pc(), registers.sp()) else {
        return Err(Halt::Lost(format!("{} gives no return address", map.place(frame.pc))));
    };
    let here = frame.registers.sp();
    let is_same_stack = (stack.start..stack.limit).contains(&sp);
    let descends = is_same_stack && here.is_some_and(|here| sp <= here);
    if descends && !through_signal {
        return Err(Halt::Lost(format!("the caller of {} would be below it, at {sp:#x}", map.place(frame.pc))));
    }
    if pc == 0 && !through_signal {
        return Err(Halt::Start(Some(cfa)));
    }
    let code = map.at(pc, !through_signal);
    if !code.is_executable && !through_signal {
        return Err(Halt::Lost(format!("the return address of {} is {}, no code", map.place(frame.pc), map.place(pc))));
    }
    if needs_call && !code.is_signal_return() && x86_64::call_before(memory, pc).is_none() {
        return Err(Halt::Lost(format!("{} would return to {}, after no call", map.place(frame.pc), map.place(pc))));
    }
    let is_signal_frame = code.is_signal_return();
    let frame = Frame {
        pc,
        is_return_address: !through_signal && !is_signal_frame,
        cfa: None,
        registers,
        is_signal_frame,
        certainty,
    };
    Ok(Caller { frame, cfa, descends })
}
