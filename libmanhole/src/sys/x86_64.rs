//! The x86_64 system call instruction, and the return from a signal handler.
//!
//! Context: any, signal handlers included. Nothing here touches errno, thread-local storage or the host's libc, so an
//! interposed `read` or `open` of the host is never entered.

use core::arch::{asm, naked_asm};

/// Makes system call `nr`. The result is the kernel's: a value, or `-errno` in `-4095..0`.
///
/// # Safety
/// The call must be sound for the process: pointers valid for what the kernel does with them.
pub(crate) unsafe fn syscall(nr: libc::c_long, args: [usize; 6]) -> isize {
    let result: isize;
    let [a, b, c, d, e, f] = args;
    // SAFETY: the kernel's convention (syscall(2)): rax in and out, rcx and r11 destroyed, memory as the call says.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") nr as isize => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    result
}

/// What `sa_restorer` points to: the handler returns here, and the kernel takes the saved context back.
///
/// The kernel of x86_64 has no trampoline of its own (signal(7), `SA_RESTORER`); glibc's is not exported.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn sigreturn_trampoline() {
    naked_asm!("mov rax, {nr}", "syscall", "ud2", nr = const libc::SYS_rt_sigreturn)
}

/// Creates a thread that runs `entry` on the stack that ends at `stack_top`, with `control` as its thread pointer. The
/// result is the kernel's, in the calling thread: the new thread's id or `-errno`.
///
/// # Safety
/// The stack is used by nobody else, the flags make a thread that shares the memory, and `entry` never returns.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn clone_thread(flags: usize, stack_top: usize, control: usize, entry: usize) -> isize {
    // clone(2) of x86_64: flags, stack, parent's tid, child's tid, tls. The kernel preserves r9.
    naked_asm!(
        "mov r8, rdx",
        "mov r9, rcx",
        "xor edx, edx",
        "xor r10d, r10d",
        "mov eax, {nr}",
        "syscall",
        "test rax, rax",
        "jz 2f",
        "ret",
        "2:",
        "xor ebp, ebp",
        "push 0",
        "push 0",
        "call r9",
        "ud2",
        nr = const libc::SYS_clone,
    )
}

/// Ends the calling thread after `*word` has gone from `from` to `to`; returns when it was not `from`. Touches no memory
/// but the word from the exchange on.
///
/// # Safety
/// Nobody needs anything of the thread.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn leave(word: *mut u32, from: u32, to: u32) {
    naked_asm!(
        "mov eax, esi",
        "lock cmpxchg [rdi], edx",
        "jne 2f",
        "mov eax, {nr}",
        "xor edi, edi",
        "syscall",
        "ud2",
        "2:",
        "ret",
        nr = const libc::SYS_exit,
    )
}

/// The calling thread's thread pointer: the address of its control block, which holds it (x86-64 psABI, TLS).
pub(crate) fn thread_pointer() -> usize {
    let pointer: usize;
    // SAFETY: reads the word that the ABI puts there.
    unsafe { asm!("mov {}, fs:[0]", out(reg) pointer, options(nostack, readonly, preserves_flags)) };
    pointer
}

/// How much of a control block is the ABI's and the compiler's: the pointers to itself, the stack's canary at 0x28, the
/// pointer guard at 0x30 (glibc's tcbhead_t in nptl/tls.h of x86_64).
pub(crate) const CONTROL_HEADER: usize = 0x40;

/// Puts the addresses of a control block of its own at `address` into the copy of another.
pub(crate) fn own_control_block(block: &mut [u8], address: usize) {
    for at in [0, 0x10] {
        if let Some(slot) = block.get_mut(at..at + 8) {
            slot.copy_from_slice(&address.to_ne_bytes());
        }
    }
}

/// The control blocks of our threads, by which they are known; 0 before the first of the kind.
pub(crate) static AGENT_CONTROL_BLOCK: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);
pub(crate) static HAND_CONTROL_BLOCK: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);

/// How far behind a control block of ours its copy of this library's thread-local storage is.
#[cfg(not(any(test, fuzzing)))]
pub(crate) static STORAGE_OFFSET: core::sync::atomic::AtomicUsize = core::sync::atomic::AtomicUsize::new(0);

// What this library calls for the address of its thread-local variables (the linker's --wrap, see build.rs). glibc knows
// nothing of our threads, so the answer is given here; for all other threads the loader answers.
#[cfg(not(any(test, fuzzing)))]
core::arch::global_asm!(
    ".globl __wrap___tls_get_addr",
    ".hidden __wrap___tls_get_addr",
    ".type __wrap___tls_get_addr, @function",
    "__wrap___tls_get_addr:",
    "mov rax, fs:[0]",
    "cmp rax, [rip + {agent}]",
    "je 1f",
    "cmp rax, [rip + {hand}]",
    "jne 2f",
    "1:",
    "add rax, [rip + {storage}]",
    "add rax, [rdi + 8]",
    "ret",
    "2:",
    "jmp __real___tls_get_addr@PLT",
    ".size __wrap___tls_get_addr, . - __wrap___tls_get_addr",
    agent = sym AGENT_CONTROL_BLOCK,
    hand = sym HAND_CONTROL_BLOCK,
    storage = sym STORAGE_OFFSET,
);
