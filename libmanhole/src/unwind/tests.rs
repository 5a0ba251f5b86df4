//! Test: stacks of this very process, against another unwinder and against what the code is known to do.
#![allow(unsafe_code)]

mod distances;
mod garbage;
mod instructions;
mod live;
mod signals;
mod tables;

use super::Unwinder;
use crate::memory::{self, Memory};
use crate::modules::Modules;
use crate::snapshot::{Capture, End, Frame, Method, Registers, StackCopy, Unwound};

/// xorshift64: the same numbers in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

/// The registers here and the whole stack.
#[inline(never)]
fn capture() -> Capture {
    let mut saved = [0u64; 8];
    // SAFETY: stores registers into the array and changes no other state; the stack is not touched.
    unsafe {
        core::arch::asm!(
            "mov [{to}], rbx",
            "mov [{to} + 8], rbp",
            "mov [{to} + 16], r12",
            "mov [{to} + 24], r13",
            "mov [{to} + 32], r14",
            "mov [{to} + 40], r15",
            "mov [{to} + 48], rsp",
            "lea {pc}, [rip]",
            "mov [{to} + 56], {pc}",
            to = in(reg) saved.as_mut_ptr(),
            pc = out(reg) _,
            options(nostack),
        );
    }
    let mut registers = Registers::default();
    for (register, value) in [3, 6, 12, 13, 14, 15, 7, 16].into_iter().zip(saved) {
        registers.set(register, Some(value));
    }
    let stack = copy_stack(saved[6]);
    Capture { registers, stack, links: None, method: Method::Signal, stamp: None }
}

/// The stack from a little below `sp` to the end of its mapping.
fn copy_stack(sp: u64) -> StackCopy {
    let modules = Modules::read(&Memory::new()).unwrap();
    let mapping = modules.mapping(sp).unwrap();
    let start = sp - 128;
    let mut bytes = vec![0; usize::try_from(mapping.end - start).unwrap()];
    let count = memory::read_now(start, &mut bytes).unwrap();
    bytes.truncate(count);
    StackCopy { start, bytes, limit: mapping.end }
}

/// The same stack with nothing but program counter and stack pointer known.
fn as_blocked(capture: &Capture) -> Registers {
    Registers::of_blocked(capture.registers.pc().unwrap(), capture.registers.sp().unwrap())
}

fn unwind(registers: &Registers, stack: &StackCopy) -> Unwound {
    let memory = Memory::new();
    let modules = Modules::read(&memory).unwrap();
    Unwinder::new(&modules, &memory).unwind(registers, stack)
}

/// The frames from that one outward, when nothing but its program counter and stack pointer are known.
fn unwind_blocked_at(frame: &Frame, stack: &StackCopy) -> Unwound {
    let registers = Registers::of_blocked(frame.pc, frame.registers.sp().unwrap());
    let memory = Memory::new();
    let modules = Modules::read(&memory).unwrap();
    Unwinder::new(&modules, &memory).resume(&Frame { registers, cfa: None, ..frame.clone() }, stack)
}

fn pcs(unwound: &Unwound) -> Vec<u64> {
    unwound.frames.iter().map(|frame| frame.pc).collect()
}

/// The program counters that the backtrace crate sees here.
#[inline(never)]
fn reference() -> Vec<u64> {
    let mut pcs = Vec::new();
    backtrace::trace(|frame| {
        pcs.push(frame.ip() as u64);
        true
    });
    // It goes on to the null return address behind the first frame.
    pcs.retain(|pc| *pc != 0);
    pcs
}

/// Checks that the callers of the function which has made both agree to the last one.
fn assert_same_callers(ours: &Unwound, reference: &[u64]) {
    assert_eq!(ours.end, End::ThreadStart, "{ours:#x?}");
    // ours: capture, the common function, its callers.
    let callers = &pcs(ours)[2..];
    let at = reference.iter().position(|pc| *pc == callers[0]);
    let at = at.unwrap_or_else(|| panic!("{callers:x?} not in {reference:x?}"));
    assert_eq!(callers, &reference[at..]);
}
