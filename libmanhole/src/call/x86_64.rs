//! The call gate of x86_64: loads the registers that a function expects, calls it, keeps what it returns.
//!
//! Context: the worker, or a host thread that has a visit. [`Gate::abandon_from`] in a **signal handler** on either.
#![allow(unsafe_code)]

use core::arch::{asm, naked_asm};
use core::mem::offset_of;

use crate::snapshot::Registers;

/// Integer registers that carry arguments (System V ABI of x86-64, 3.2.3): rdi, rsi, rdx, rcx, r8, r9.
pub(super) const INTEGERS: usize = 6;
/// Vector registers that carry arguments: xmm0 to xmm7.
pub(super) const VECTORS: usize = 8;

/// The registers of the calling function that the next ones keep, as they are in the middle of it.
#[inline(always)]
pub(super) fn registers_here() -> Registers {
    let mut kept = [0u64; 8];
    // SAFETY: eight words are written, to where there are eight.
    unsafe {
        asm!(
            "mov [rax], rbx",
            "mov [rax + 8], rbp",
            "mov [rax + 16], rsp",
            "mov [rax + 24], r12",
            "mov [rax + 32], r13",
            "mov [rax + 40], r14",
            "mov [rax + 48], r15",
            "lea rcx, [rip]",
            "mov [rax + 56], rcx",
            in("rax") kept.as_mut_ptr(),
            out("rcx") _,
            options(nostack, preserves_flags),
        );
    }
    /// DWARF's numbers (System V ABI, figure 3.36): rbx, rbp, rsp, r12 to r15, the return address.
    const NUMBERS: [u16; 8] = [3, 6, 7, 12, 13, 14, 15, 16];
    let mut registers = Registers::default();
    NUMBERS.into_iter().zip(kept).for_each(|(number, value)| registers.set(number, Some(value)));
    registers
}

/// Bytes of the stack between the gate's own words, by which it returns, and the function's: a multiple of 16.
const MARGIN: usize = 64 << 10;

/// A call: what goes in, and what comes out.
#[repr(C)]
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate {
    function: u64,
    pub(super) integers: [u64; INTEGERS],
    /// `al`: how many vector registers are in use, which a variadic function wants to know.
    pub(super) vectors_used: u64,
    pub(super) vectors: [[u64; 2]; VECTORS],
    /// The words of the stack, and their number.
    stack: u64,
    stack_words: u64,
    /// How many results are on top of the x87 stack.
    pub(super) x87_results: u64,
    pub(super) rax: u64,
    pub(super) rdx: u64,
    pub(super) xmm: [[u64; 2]; 2],
    pub(super) st: [[u64; 2]; 2],
    /// The gate's own stack pointer, and the address at which an abandoned call goes on.
    own_stack: u64,
    own_end: u64,
    control_words: [u32; 2],
    /// Whether the function was abandoned instead of having returned.
    pub(super) is_abandoned: u64,
}

impl Gate {
    /// A call of the function at `address`.
    pub(super) fn of(address: u64) -> Gate {
        Gate { function: address, ..Gate::default() }
    }

    /// Calls the function.
    ///
    /// # Safety
    /// It is a function, and the person at the prompt has asked for what it does to the process.
    pub(super) unsafe fn pass(&mut self, stack: &[u64]) {
        self.stack = stack.as_ptr() as u64;
        self.stack_words = stack.len() as u64;
        // SAFETY: the caller's word; the gate and the stack's words outlive the call.
        unsafe { pass(self) }
    }

    /// For the handler of a fault in the function: changes the context so that the gate returns. Whatever the function has
    /// begun stays as it is.
    pub(crate) fn abandon_from(&mut self, context: &mut libc::ucontext_t) {
        let registers = &mut context.uc_mcontext.gregs;
        let mut set = |register: i32, value: u64| {
            if let Some(slot) = usize::try_from(register).ok().and_then(|at| registers.get_mut(at)) {
                *slot = value as i64;
            }
        };
        set(libc::REG_RBX, core::ptr::from_mut(self) as u64);
        set(libc::REG_RSP, self.own_stack);
        set(libc::REG_RIP, self.own_end);
    }
}

/// The instructions. The unwind information lets the stack of a call be shown, and an exception or pthread_exit pass through.
///
/// # Safety
/// The gate is filled, and its function may be called.
#[unsafe(naked)]
unsafe extern "C-unwind" fn pass(gate: *mut Gate) {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        ".cfi_offset rbx, -24",
        ".cfi_offset r12, -32",
        ".cfi_offset r13, -40",
        ".cfi_offset r14, -48",
        ".cfi_offset r15, -56",
        "sub rsp, 8",
        "mov rbx, rdi",
        "mov [rbx + {own_stack}], rsp",
        "lea rax, [rip + 2f]",
        "mov [rbx + {own_end}], rax",
        "stmxcsr [rbx + {control_words}]",
        "fnstcw [rbx + {control_words} + 4]",
        // What a function writes behind the end of its variables finds nothing of ours.
        "sub rsp, {margin}",
        // The words of the stack, in place below a multiple of 16: their number is even.
        "mov rcx, [rbx + {stack_words}]",
        "mov rsi, [rbx + {stack}]",
        "lea rax, [rcx * 8]",
        "sub rsp, rax",
        "and rsp, -16",
        "mov rdi, rsp",
        "cld",
        "rep movsq",
        "movups xmm0, [rbx + {vectors}]",
        "movups xmm1, [rbx + {vectors} + 16]",
        "movups xmm2, [rbx + {vectors} + 32]",
        "movups xmm3, [rbx + {vectors} + 48]",
        "movups xmm4, [rbx + {vectors} + 64]",
        "movups xmm5, [rbx + {vectors} + 80]",
        "movups xmm6, [rbx + {vectors} + 96]",
        "movups xmm7, [rbx + {vectors} + 112]",
        "mov rdi, [rbx + {integers}]",
        "mov rsi, [rbx + {integers} + 8]",
        "mov rdx, [rbx + {integers} + 16]",
        "mov rcx, [rbx + {integers} + 24]",
        "mov r8, [rbx + {integers} + 32]",
        "mov r9, [rbx + {integers} + 40]",
        "mov rax, [rbx + {vectors_used}]",
        "call [rbx + {function}]",
        "mov [rbx + {rax}], rax",
        "mov [rbx + {rdx}], rdx",
        "movups [rbx + {xmm}], xmm0",
        "movups [rbx + {xmm} + 16], xmm1",
        "cmp qword ptr [rbx + {x87_results}], 0",
        "je 3f",
        "fstp tbyte ptr [rbx + {st}]",
        "cmp qword ptr [rbx + {x87_results}], 1",
        "je 3f",
        "fstp tbyte ptr [rbx + {st} + 16]",
        "jmp 3f",
        // An abandoned call goes on here, with rbx and rsp as they were before it.
        "2:",
        "mov qword ptr [rbx + {is_abandoned}], 1",
        "3:",
        // The next call finds the floating-point units as this one has found them.
        "fninit",
        "fldcw [rbx + {control_words} + 4]",
        "ldmxcsr [rbx + {control_words}]",
        "cld",
        "mov rsp, [rbx + {own_stack}]",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
        margin = const MARGIN,
        function = const offset_of!(Gate, function),
        integers = const offset_of!(Gate, integers),
        vectors_used = const offset_of!(Gate, vectors_used),
        vectors = const offset_of!(Gate, vectors),
        stack = const offset_of!(Gate, stack),
        stack_words = const offset_of!(Gate, stack_words),
        x87_results = const offset_of!(Gate, x87_results),
        rax = const offset_of!(Gate, rax),
        rdx = const offset_of!(Gate, rdx),
        xmm = const offset_of!(Gate, xmm),
        st = const offset_of!(Gate, st),
        own_stack = const offset_of!(Gate, own_stack),
        own_end = const offset_of!(Gate, own_end),
        control_words = const offset_of!(Gate, control_words),
        is_abandoned = const offset_of!(Gate, is_abandoned),
    )
}

/// Runs `function(argument)` on the stack that ends at `top`, or on the present one when that is 0. The unwind information ends the stack
/// here: neither an exception nor pthread_exit gets into the frames of whoever was interrupted.
///
/// # Safety
/// Nothing uses the memory below `top`.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn on_stack(top: u64, function: extern "C-unwind" fn(usize), argument: usize) {
    naked_asm!(
        ".cfi_startproc",
        ".cfi_undefined rip",
        "push rbp",
        "mov rbp, rsp",
        "test rdi, rdi",
        "cmovnz rsp, rdi",
        "and rsp, -16",
        "mov rdi, rdx",
        "call rsi",
        "mov rsp, rbp",
        "pop rbp",
        "ret",
        ".cfi_endproc",
    )
}
