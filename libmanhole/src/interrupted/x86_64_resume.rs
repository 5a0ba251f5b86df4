//! The way back into a wait that the kernel can take up where a signal has interrupted it: its rest is waited for, and no more.
//!
//! Context: **signal handler** on a host thread. No allocation, lock, formatting or panic.
//!
//! The kernel keeps what is left of a sleep, a poll or a wait on a futex with a relative time (`restart_block` of include/linux/restart_block.h), and restart_syscall(2) takes it
//! up. rt_sigreturn(2) forgets it (restore_sigcontext in arch/x86/kernel/signal_64.c), so that no handler that ends by it can come to that. [`leave`] does by itself what
//! that does. A handler of the host that runs before the call has begun again ends by rt_sigreturn, and the wait fails with EINTR then, as it would have done.

use super::SYSCALL;
use crate::sys::{own_memory, process};

/// Whether the kernel has kept what is left of the call, where it has failed with EINTR.
pub(super) fn is_kept(number: i64, gregs: &[i64]) -> bool {
    let register = |name: i32| gregs.get(name as usize).copied().unwrap_or_default();
    match number {
        libc::SYS_nanosleep | libc::SYS_poll => true,
        libc::SYS_clock_nanosleep => register(libc::REG_RSI) as i32 & libc::TIMER_ABSTIME == 0,
        libc::SYS_futex => super::is_wait(register(libc::REG_RSI)) && register(libc::REG_R10) != 0,
        _ => false,
    }
}

/// Whether the code stands before the instruction that takes up a wait: [`leave`] has gone there, or the kernel by itself, for a process that was stopped and continued.
pub(super) fn is_about_to_resume(gregs: &[i64]) -> bool {
    if gregs.get(libc::REG_RAX as usize) != Some(&libc::SYS_restart_syscall) {
        return false;
    }
    let mut code = [0u8; SYSCALL.len()];
    let pc = gregs.get(libc::REG_RIP as usize).map_or(0, |&pc| pc as u64);
    own_memory::read(pc, &mut code) == Ok(code.len()) && code == SYSCALL
}

/// `uc_flags` (arch/x86/include/uapi/asm/ucontext.h): the floating-point state is xsave's.
const UC_FP_XSTATE: u64 = 1;

/// `SS_AUTODISARM` (sigaltstack(2)): only rt_sigreturn puts such a stack back.
const SS_AUTODISARM: u32 = 1 << 31;

/// Whether [`leave`] can do all that rt_sigreturn would, and the host's filters of system calls let it make that call: those that an ancestor has set are not known.
pub(super) fn can_leave(context: &libc::ucontext_t) -> bool {
    has_state(context)
        && context.uc_stack.ss_flags as u32 & SS_AUTODISARM == 0
        && !has_shadow_stack()
        && !process::has_filters()
        && own_memory::read(stash_of(context), &mut [0u8; STASH]) == Ok(STASH)
}

/// Whether the kernel has saved the floating-point state in the way that xrstor reads.
fn has_state(context: &libc::ucontext_t) -> bool {
    /// `FP_XSTATE_MAGIC1` (arch/x86/include/uapi/asm/sigcontext.h), before [`SAVED_PARTS`].
    const MAGIC: [u8; 4] = 0x4650_5853_u32.to_le_bytes();
    let mut magic = [0u8; MAGIC.len()];
    let place = (context.uc_mcontext.fpregs as u64).wrapping_add(SAVED_PARTS as u64 - 8);
    context.uc_flags & UC_FP_XSTATE != 0 && own_memory::read(place, &mut magic) == Ok(MAGIC.len()) && magic == MAGIC
}

/// What the interrupted code may use below its stack pointer (System V ABI for x86_64, 3.2.2).
const RED_ZONE: usize = 128;

/// The room below that for what is loaded last.
const STASH: usize = 64;

/// Where that is.
fn stash_of(context: &libc::ucontext_t) -> u64 {
    let sp = context.uc_mcontext.gregs.get(libc::REG_RSP as usize).map_or(0, |&sp| sp as u64);
    sp.wrapping_sub((RED_ZONE + STASH) as u64)
}

/// Whether return addresses are checked against a shadow stack, on which the kernel has noted the handler.
fn has_shadow_stack() -> bool {
    let pointer: u64;
    // SAFETY: changes one register, and nothing where there is no shadow stack (Intel's manual, RDSSPQ).
    unsafe { core::arch::asm!("rdsspq {0}", inout(reg) 0u64 => pointer, options(nomem, nostack, preserves_flags)) };
    pointer != 0
}

/// The offset of a register in the context.
const fn offset(name: i32) -> usize {
    core::mem::offset_of!(libc::ucontext_t, uc_mcontext.gregs) + name as usize * size_of::<i64>()
}

/// `sw_reserved` of struct _fpstate (arch/x86/include/uapi/asm/sigcontext.h): which parts of the state the kernel has saved.
const SAVED_PARTS: usize = 464 + 8;

/// The size of a kernel's set of signals.
const SET: usize = 8;

// What is below the function's end has a frame for unwinders: a thread that is cancelled there ends from there on (`_Unwind_ForcedUnwind` in glibc's nptl/unwind.c).
core::arch::global_asm!(
    ".pushsection .text.manhole_go_back, \"ax\", @progbits",
    ".globl manhole_go_back",
    ".hidden manhole_go_back",
    ".type manhole_go_back, @function",
    "manhole_go_back:",
    ".cfi_startproc",
    // Before the stash is filled: that may lie where the kernel has saved this, right below the red zone.
    "mov r10, [rdi + {state}]",
    "mov eax, [r10 + {parts}]",
    "mov edx, [r10 + {parts} + 4]",
    "xrstor64 [r10]",
    // The stash: program counter, rdi, rsi, rdx, r10, rax, rcx, mask.
    "mov rax, [rdi + {rip}]",
    "mov [rsi], rax",
    "mov rax, [rdi + {rcx}]",
    "mov [rsi + 48], rax",
    "mov rax, [rdi + {rdi}]",
    "mov [rsi + 8], rax",
    "mov rax, [rdi + {rsi}]",
    "mov [rsi + 16], rax",
    "mov rax, [rdi + {rdx}]",
    "mov [rsi + 24], rax",
    "mov rax, [rdi + {r10}]",
    "mov [rsi + 32], rax",
    "mov rax, [rdi + {rax}]",
    "mov [rsi + 40], rax",
    "mov rax, [rdi + {mask}]",
    "mov [rsi + 56], rax",
    "mov r8, [rdi + {r8}]",
    "mov r9, [rdi + {r9}]",
    "mov r12, [rdi + {r12}]",
    "mov r13, [rdi + {r13}]",
    "mov r14, [rdi + {r14}]",
    "mov r15, [rdi + {r15}]",
    "mov rbp, [rdi + {rbp}]",
    "mov rbx, [rdi + {rbx}]",
    "push qword ptr [rdi + {flags}]",
    "popfq",
    "mov rsp, rsi",
    ".cfi_def_cfa rsp, {below}",
    ".cfi_offset rip, -{below}",
    ".cfi_signal_frame",
    "lea rsi, [rsp + 56]",
    "mov edi, {set_mask}",
    "mov edx, 0",
    "mov r10d, {set}",
    "mov eax, {sigprocmask}",
    "syscall",
    ".globl manhole_goes_back",
    ".hidden manhole_goes_back",
    "manhole_goes_back:",
    "mov rdi, [rsp + 8]",
    "mov rsi, [rsp + 16]",
    "mov rdx, [rsp + 24]",
    "mov r10, [rsp + 32]",
    "mov rax, [rsp + 40]",
    "mov rcx, [rsp + 48]",
    "ret {last}",
    ".globl manhole_has_gone_back",
    ".hidden manhole_has_gone_back",
    "manhole_has_gone_back:",
    "ud2",
    ".cfi_endproc",
    ".size manhole_go_back, . - manhole_go_back",
    ".popsection",
    state = const core::mem::offset_of!(libc::ucontext_t, uc_mcontext.fpregs),
    parts = const SAVED_PARTS,
    mask = const core::mem::offset_of!(libc::ucontext_t, uc_sigmask),
    flags = const offset(libc::REG_EFL),
    set_mask = const libc::SIG_SETMASK,
    set = const SET,
    sigprocmask = const libc::SYS_rt_sigprocmask,
    below = const RED_ZONE + STASH,
    last = const RED_ZONE + STASH - size_of::<u64>(),
    r8 = const offset(libc::REG_R8),
    r9 = const offset(libc::REG_R9),
    r10 = const offset(libc::REG_R10),
    r12 = const offset(libc::REG_R12),
    r13 = const offset(libc::REG_R13),
    r14 = const offset(libc::REG_R14),
    r15 = const offset(libc::REG_R15),
    rdi = const offset(libc::REG_RDI),
    rsi = const offset(libc::REG_RSI),
    rbp = const offset(libc::REG_RBP),
    rbx = const offset(libc::REG_RBX),
    rdx = const offset(libc::REG_RDX),
    rax = const offset(libc::REG_RAX),
    rip = const offset(libc::REG_RIP),
    rcx = const offset(libc::REG_RCX),
);

unsafe extern "C" {
    /// Ends a handler by hand: what was interrupted goes on at or behind the instruction of a system call, with all its registers but r11, which the call destroys. It first leaves the
    /// handler's stack, so that what comes when the signals are let through finds the interrupted one, as after rt_sigreturn.
    ///
    /// # Safety
    /// The context is the one that the kernel has passed to the handler that runs, [`can_leave`] holds for it, `stash` is [`stash_of`] it, all signals are blocked, and nothing in the frames
    /// of the handler needs to be cleaned up.
    #[link_name = "manhole_go_back"]
    fn go_back(context: *mut libc::ucontext_t, stash: u64) -> !;
    /// From here on [`go_back`] can be interrupted, and all registers are those of what it goes back to but those in the stash.
    #[link_name = "manhole_goes_back"]
    static GOES_BACK: u8;
    /// Up to here.
    #[link_name = "manhole_has_gone_back"]
    static HAS_GONE_BACK: u8;
}

/// Ends the handler whose context it is, without forgetting what is left of a wait.
///
/// # Safety
/// As of [`go_back`].
pub(crate) unsafe fn leave(context: &mut libc::ucontext_t) -> ! {
    let stash = stash_of(context);
    // SAFETY: the caller's word; the room was readable, and is the stack below what its code may use.
    unsafe { go_back(context, stash) }
}

/// A signal has come while [`leave`] was at its end: the context becomes that of what it goes back to.
pub(crate) fn finish(context: &mut libc::ucontext_t) {
    let gregs = &mut context.uc_mcontext.gregs;
    let register = |name: i32| gregs.get(name as usize).map_or(0, |&value| value as u64);
    let window = (&raw const GOES_BACK) as u64..(&raw const HAS_GONE_BACK) as u64;
    if !window.contains(&register(libc::REG_RIP)) {
        return;
    }
    let sp = register(libc::REG_RSP);
    let mut stash = [0u8; STASH];
    if own_memory::read(sp, &mut stash) != Ok(STASH) {
        return;
    }
    const ORDER: [i32; 7] =
        [libc::REG_RIP, libc::REG_RDI, libc::REG_RSI, libc::REG_RDX, libc::REG_R10, libc::REG_RAX, libc::REG_RCX];
    let (words, []) = stash.as_chunks::<8>() else { return };
    let values = ORDER.into_iter().zip(words.iter().map(|word| i64::from_le_bytes(*word)));
    for (name, value) in values.chain([(libc::REG_RSP, sp as i64 + (RED_ZONE + STASH) as i64)]) {
        if let Some(place) = gregs.get_mut(name as usize) {
            *place = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relative_waits_are_kept() {
        let mut gregs = [0; 23];
        assert!(is_kept(libc::SYS_clock_nanosleep, &gregs) && !is_kept(libc::SYS_epoll_wait, &gregs));
        assert!(!is_kept(libc::SYS_futex, &gregs));
        gregs[libc::REG_R10 as usize] = 8;
        assert!(is_kept(libc::SYS_futex, &gregs));
        gregs[libc::REG_RSI as usize] = libc::TIMER_ABSTIME.into();
        assert!(!is_kept(libc::SYS_clock_nanosleep, &gregs) && !is_kept(libc::SYS_futex, &gregs));
    }
}
