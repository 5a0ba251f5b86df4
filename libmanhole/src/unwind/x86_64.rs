//! What machine code tells about the stack: calls, trampolines, entry sequences.
//!
//! Context: the agent's thread. Reads code only; guesses nothing: what cannot be decoded is `None`.

use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction};

use crate::decoding;
use crate::memory::{self, Memory};

/// The call instruction that pushed a return address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// To this address, written in the instruction.
    Direct(u64),
    /// Through a register or memory; the address that memory holds now, where the instruction alone says which.
    Indirect(Option<u64>),
}

/// The call that ends right before `address`.
pub(super) fn call_before(memory: &Memory, address: u64) -> Option<Call> {
    /// The longest form: REX, opcode, ModRM, SIB and 4 bytes of displacement.
    const LONGEST: u64 = 8;
    let direct = decode(memory, address.checked_sub(5)?, 5);
    if let Some(call) = direct.filter(|call| call.code() == Code::Call_rel32_64) {
        return Some(Call::Direct(call.near_branch_target()));
    }
    (2..=LONGEST).find_map(|length| {
        let call = decode(memory, address.checked_sub(length)?, length as usize)?;
        if call.flow_control() != FlowControl::IndirectCall || call.code() != Code::Call_rm64 {
            return None;
        }
        let slot = call.is_ip_rel_memory_operand().then(|| call.ip_rel_memory_address());
        Some(Call::Indirect(slot.and_then(word_now)))
    })
}

/// Where a jump stub (an entry of a procedure linkage table) at `address` leads; `address` itself if it is none.
pub(super) fn through_stub(memory: &Memory, address: u64) -> u64 {
    let Ok(code) = memory.bytes(address, 24) else { return address };
    if !decoding::is_possible() {
        return address;
    }
    let mut decoder = Decoder::with_ip(64, &code, address, DecoderOptions::NONE);
    let mut instruction = decoder.decode();
    if instruction.code() == Code::Endbr64 {
        instruction = decoder.decode();
    }
    if instruction.code() != Code::Jmp_rm64 || !instruction.is_ip_rel_memory_operand() {
        return address;
    }
    word_now(instruction.ip_rel_memory_address()).unwrap_or(address)
}

/// Where the jumps of the function in `start..end` lead that leave it; `None` if one's target is not in the instruction,
/// or if the function is too large to read.
pub(super) fn exits(memory: &Memory, start: u64, end: u64) -> Option<Vec<u64>> {
    let code = function_code(memory, start, end)?;
    let mut exits = Vec::new();
    for instruction in Decoder::with_ip(64, &code, start, DecoderOptions::NONE) {
        match instruction.flow_control() {
            FlowControl::IndirectBranch => return None,
            FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
                let target = instruction.near_branch_target();
                if !(start..end).contains(&target) && !exits.contains(&target) {
                    exits.push(target);
                }
            }
            _ => {}
        }
    }
    Some(exits)
}

/// The code of the function in `start..end`, if it can be decoded and is not so large that reading it takes too long.
pub(super) fn function_code(memory: &Memory, start: u64, end: u64) -> Option<Vec<u8>> {
    const LIMIT: u64 = 64 << 10;
    let size = end.checked_sub(start).filter(|&size| size <= LIMIT && decoding::is_possible())?;
    memory.bytes(start, usize::try_from(size).ok()?).ok()
}

/// Whether a `rt_sigreturn` system call stands at `address`: what a signal handler returns to.
pub(super) fn is_signal_return(memory: &Memory, address: u64) -> bool {
    let mut code = [0; 9];
    memory.read(address, &mut code).is_ok()
        && (code == [0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05]
            || code.starts_with(&[0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05]))
}

/// How much of a frame exists at an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// Only the return address, at the stack pointer.
    Called,
    /// rbp is pushed as well, and not yet set.
    Pushed,
    /// rbp is set.
    Framed,
}

/// How far the frame at `pc` is set up, where the instructions next to `pc` tell.
pub(super) fn entry_at(memory: &Memory, pc: u64) -> Option<Entry> {
    const SET: [[u8; 3]; 2] = [[0x48, 0x89, 0xe5], [0x48, 0x8b, 0xec]];
    const PUSH: u8 = 0x55;
    const RETURN: u8 = 0xc3;
    let mut after = [0; 4];
    memory.read(pc, &mut after).ok()?;
    let mut before = [0; 4];
    let set = |bytes: &[u8; 4], at: usize| SET.iter().any(|set| bytes.get(at..at + 3) == Some(set));
    match after {
        [RETURN, ..] => return Some(Entry::Called),
        [PUSH, ..] if set(&after, 1) => return Some(Entry::Called),
        [0xf3, 0x0f, 0x1e, 0xfa] => return Some(Entry::Called),
        _ => {}
    }
    memory.read(pc.checked_sub(4)?, &mut before).ok()?;
    if before[3] == PUSH && set(&after, 0) {
        return Some(Entry::Pushed);
    }
    (before[0] == PUSH && set(&before, 1)).then_some(Entry::Framed)
}

/// Whether a function at `start` sets up a frame pointer first.
pub(super) fn sets_frame_pointer(memory: &Memory, start: u64) -> bool {
    let skip = if memory.u32(start) == Ok(0xfa1e_0ff3) { 4 } else { 0 };
    start.checked_add(skip).and_then(|at| at.checked_add(4)).and_then(|at| entry_at(memory, at)) == Some(Entry::Framed)
}

/// The only instruction in the `length` bytes at `address`.
fn decode(memory: &Memory, address: u64, length: usize) -> Option<Instruction> {
    let mut code = [0; 8];
    let code = code.get_mut(..length)?;
    memory.read(address, code).ok()?;
    if !decoding::is_possible() {
        return None;
    }
    let instruction = Decoder::with_ip(64, code, address, DecoderOptions::NONE).decode();
    (!instruction.is_invalid() && instruction.len() == length).then_some(instruction)
}

/// A pointer that may change at any time: a global offset table is filled while we look.
fn word_now(address: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    memory::read_now(address, &mut bytes).ok().filter(|&count| count == 8)?;
    Some(u64::from_le_bytes(bytes))
}

/// The name of the register with this DWARF number.
pub(super) fn register_name(register: u16) -> &'static str {
    const NAMES: [&str; 17] = [
        "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
        "rip",
    ];
    NAMES.get(usize::from(register)).copied().unwrap_or("a vector register")
}
