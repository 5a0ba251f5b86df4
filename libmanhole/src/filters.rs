//! What a filter of system calls (seccomp(2)) that the host is about to set does with the calls that we make. Pure.
//!
//! Context: host threads: no allocation. A filter is a program of the classic Berkeley packet filter over `struct seccomp_data`
//! (linux/seccomp.h, linux/filter.h; what the kernel accepts: kernel/seccomp.c, seccomp_check_filter). It is followed for each number with
//! the arguments left open: where they decide, both ways are followed, and one that ends badly is enough.

use libc::sock_filter as Instruction;

/// How a call ends that a filter decides on. What is neither harms the caller, or asks somebody who may.
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const LOG: u32 = libc::SECCOMP_RET_LOG;
const ERRNO: u32 = libc::SECCOMP_RET_ERRNO;
const ACTION: u32 = libc::SECCOMP_RET_ACTION_FULL;

/// `AUDIT_ARCH_X86_64` (linux/audit.h).
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;

/// Where the number and the architecture stand in `struct seccomp_data`, and its size.
const NUMBER_AT: u32 = 0;
const ARCHITECTURE_AT: u32 = 4;
const SIZE: u32 = 64;

/// Steps that are followed for one number, and ways that are open at once. A filter that needs more counts as one that harms.
const STEPS: usize = 1 << 16;
const WAYS: usize = 128;

/// One way through the program: where it is, and what the two registers hold where that is known. What is kept in the scratch memory is not
/// followed.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Way {
    at: usize,
    accumulator: Option<u32>,
    index: Option<u32>,
}

/// The first of the calls `made` that the filter may answer otherwise than by letting it through or by an error, or of those that are `essential` that
/// it does not let through.
pub(crate) fn harmed(
    program: &[Instruction],
    made: &[libc::c_long],
    essential: &[libc::c_long],
) -> Option<libc::c_long> {
    let is_harmed = |&number: &libc::c_long| !spares(program, number as u32, !essential.contains(&number));
    made.iter().copied().find(is_harmed)
}

fn spares(program: &[Instruction], number: u32, may_fail: bool) -> bool {
    let mut ways = [Way { at: 0, accumulator: Some(0), index: Some(0) }; WAYS];
    let mut open = 1usize;
    for _ in 0..STEPS {
        let Some((way, others)) = ways.get_mut(..open).and_then(<[Way]>::split_last_mut) else { return true };
        let Some(&instruction) = program.get(way.at) else { return false };
        way.at += 1;
        match step(way, instruction, number) {
            Step::Next => {}
            // Long lists of values lead to the same place.
            Step::Fork(other) if others.contains(way) => *way = other,
            Step::Fork(other) if others.contains(&other) => {}
            Step::Fork(other) => {
                let Some(free) = ways.get_mut(open) else { return false };
                *free = other;
                open += 1;
            }
            Step::Ends(action) => match action.map(|action| action & ACTION) {
                Some(ALLOW | LOG) => open -= 1,
                Some(ERRNO) if may_fail => open -= 1,
                _ => return false,
            },
        }
    }
    false
}

enum Step {
    Next,
    /// It goes on, and here too.
    Fork(Way),
    /// With this answer, if it is known.
    Ends(Option<u32>),
}

fn step(way: &mut Way, instruction: Instruction, number: u32) -> Step {
    let Instruction { code, jt: when_true, jf: when_false, k: operand } = instruction;
    let code = u32::from(code);
    let source = if code & 0x08 == libc::BPF_X { way.index } else { Some(operand) };
    match code & 0x07 {
        libc::BPF_LD => way.accumulator = loaded(code, operand, number),
        libc::BPF_LDX => way.index = loaded(code, operand, number),
        libc::BPF_ST | libc::BPF_STX => {}
        libc::BPF_ALU => {
            way.accumulator = match (code & 0xf0, way.accumulator, source) {
                (libc::BPF_NEG, Some(value), _) => Some(value.wrapping_neg()),
                (operation, Some(left), Some(right)) => calculated(operation, left, right),
                _ => None,
            }
        }
        libc::BPF_JMP if code & 0xf0 == libc::BPF_JA => way.at = way.at.saturating_add(operand as usize),
        libc::BPF_JMP => {
            let (yes, no) = (way.at + usize::from(when_true), way.at + usize::from(when_false));
            let holds = match (code & 0xf0, way.accumulator, source) {
                (libc::BPF_JEQ, Some(left), Some(right)) => Some(left == right),
                (libc::BPF_JGT, Some(left), Some(right)) => Some(left > right),
                (libc::BPF_JGE, Some(left), Some(right)) => Some(left >= right),
                (libc::BPF_JSET, Some(left), Some(right)) => Some(left & right != 0),
                _ => None,
            };
            way.at = if holds == Some(false) { no } else { yes };
            if holds.is_none() && yes != no {
                return Step::Fork(Way { at: no, ..*way });
            }
        }
        libc::BPF_RET => return Step::Ends(if code & 0x18 == libc::BPF_A { way.accumulator } else { Some(operand) }),
        _ if code & 0xf8 == libc::BPF_TXA => way.accumulator = way.index,
        _ => way.index = way.accumulator,
    }
    Step::Next
}

fn loaded(code: u32, operand: u32, number: u32) -> Option<u32> {
    match (code & 0xe0, operand) {
        (libc::BPF_IMM, _) => Some(operand),
        (libc::BPF_LEN, _) => Some(SIZE),
        (libc::BPF_ABS, NUMBER_AT) => Some(number),
        (libc::BPF_ABS, ARCHITECTURE_AT) => Some(ARCHITECTURE),
        _ => None,
    }
}

fn calculated(operation: u32, left: u32, right: u32) -> Option<u32> {
    Some(match operation {
        libc::BPF_ADD => left.wrapping_add(right),
        libc::BPF_SUB => left.wrapping_sub(right),
        libc::BPF_MUL => left.wrapping_mul(right),
        libc::BPF_DIV => left.checked_div(right)?,
        libc::BPF_OR => left | right,
        libc::BPF_AND => left & right,
        libc::BPF_XOR => left ^ right,
        libc::BPF_LSH => left.wrapping_shl(right),
        libc::BPF_RSH => left.wrapping_shr(right),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
