//! The way back into a wait that the kernel can take up where a signal has interrupted it: its rest is waited for, and no more.
//!
//! Context: **signal handler** on a host thread. No allocation, lock, formatting or panic.
//!
//! The kernel keeps what is left of a sleep, a poll or a wait on a futex with a relative time (`restart_block` of include/linux/restart_block.h), and restart_syscall(2) takes it
//! up. rt_sigreturn(2) forgets it (restore_sigcontext in arch/x86/kernel/signal_64.c), so that no handler that ends by it can come to that. [`go_back`] does by itself what
//! that does. A handler of the host that runs before the call has begun again ends by rt_sigreturn, and the wait fails with EINTR then, as it would have done.

use super::SYSCALL;
use crate::sys::own_memory;

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

/// Whether the code stands before the instruction that takes up a wait: [`go_back`] has gone there, or the kernel by itself, for a process that was stopped and continued.
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

/// Whether [`go_back`] can do all that rt_sigreturn would.
pub(super) fn can_go_back(context: &libc::ucontext_t) -> bool {
    let has_state = context.uc_flags & UC_FP_XSTATE != 0 && !context.uc_mcontext.fpregs.is_null();
    has_state && context.uc_stack.ss_flags as u32 & SS_AUTODISARM == 0 && !has_shadow_stack()
}

/// Whether return addresses are checked against a shadow stack, on which the kernel has noted the handler.
fn has_shadow_stack() -> bool {
    let pointer: u64;
    // SAFETY: changes one register, and nothing where there is no shadow stack (Intel's manual, RDSSPQ).
    unsafe { core::arch::asm!("rdsspq {0}", inout(reg) 0u64 => pointer, options(nomem, nostack, preserves_flags)) };
    pointer != 0
}

/// Where [`go_back`] can be interrupted.
#[repr(C)]
struct Interruptible {
    /// From here on the stack pointer is the context's address.
    from: u64,
    /// From here on all registers are those of the context but rcx and the program counter, which is in r11.
    nearly: u64,
}

/// The offset of a register in the context.
const fn offset(name: i32) -> usize {
    core::mem::offset_of!(libc::ucontext_t, uc_mcontext.gregs) + name as usize * size_of::<i64>()
}

/// `sw_reserved` of struct _fpstate (arch/x86/include/uapi/asm/sigcontext.h): which parts of the state the kernel has saved.
const SAVED_PARTS: usize = 464 + 8;

/// The size of a kernel's set of signals.
const SET: usize = 8;

/// The bytes of the two instructions from [`Interruptible::nearly`] on.
const END: u64 = 7;

/// Ends a handler by hand: what was interrupted goes on at the instruction of a system call, with all its registers but rcx and r11, which the call destroys. Without a context it
/// only says where it can be interrupted.
///
/// # Safety
/// The context is the one that the kernel has passed to the handler that runs, [`can_go_back`] holds for it, all signals are blocked, and nothing in the frames of the handler needs
/// to be cleaned up.
#[unsafe(naked)]
unsafe extern "C" fn go_back(context: *mut libc::ucontext_t) -> Interruptible {
    core::arch::naked_asm!(
        "test rdi, rdi",
        "jnz 2f",
        "lea rax, [rip + 3f]",
        "lea rdx, [rip + 4f]",
        "ret",
        "2:",
        // Handlers that come from here on have their frames below the context.
        "mov rsp, rdi",
        "mov rsi, [rsp + {state}]",
        "mov eax, [rsi + {parts}]",
        "mov edx, [rsi + {parts} + 4]",
        "xrstor64 [rsi]",
        "mov edi, {set_mask}",
        "lea rsi, [rsp + {mask}]",
        "mov edx, 0",
        "mov r10d, {set}",
        "mov eax, {sigprocmask}",
        "push qword ptr [rsp + {flags}]",
        "popfq",
        "syscall",
        "3:",
        "mov r8, [rsp + {r8}]",
        "mov r9, [rsp + {r9}]",
        "mov r10, [rsp + {r10}]",
        "mov r12, [rsp + {r12}]",
        "mov r13, [rsp + {r13}]",
        "mov r14, [rsp + {r14}]",
        "mov r15, [rsp + {r15}]",
        "mov rdi, [rsp + {rdi}]",
        "mov rsi, [rsp + {rsi}]",
        "mov rbp, [rsp + {rbp}]",
        "mov rbx, [rsp + {rbx}]",
        "mov rdx, [rsp + {rdx}]",
        "mov rax, [rsp + {rax}]",
        "mov r11, [rsp + {rip}]",
        "mov rsp, [rsp + {rsp}]",
        "4:",
        // As a system call leaves it that the kernel begins anew.
        "lea rcx, [r11 + {instruction}]",
        "jmp r11",
        state = const core::mem::offset_of!(libc::ucontext_t, uc_mcontext.fpregs),
        parts = const SAVED_PARTS,
        mask = const core::mem::offset_of!(libc::ucontext_t, uc_sigmask),
        flags = const offset(libc::REG_EFL),
        set_mask = const libc::SIG_SETMASK,
        set = const SET,
        sigprocmask = const libc::SYS_rt_sigprocmask,
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
        rsp = const offset(libc::REG_RSP),
        instruction = const SYSCALL.len(),
    )
}

/// [`go_back`].
///
/// # Safety
/// As there.
pub(crate) unsafe fn leave(context: &mut libc::ucontext_t) -> ! {
    // SAFETY: the caller's word; it does not return with a context.
    unsafe {
        go_back(context);
        core::hint::unreachable_unchecked()
    }
}

/// What a signal has interrupted that came while [`go_back`] was at work: the context that it was going back to.
pub(crate) fn interrupted_meanwhile(context: &mut libc::ucontext_t) -> Option<*mut libc::ucontext_t> {
    // SAFETY: without a context it says where it can be interrupted.
    let Interruptible { from, nearly } = unsafe { go_back(core::ptr::null_mut()) };
    let gregs = &mut context.uc_mcontext.gregs;
    let register = |name: i32| gregs.get(name as usize).map_or(0, |&value| value as u64);
    let (pc, sp, next) = (register(libc::REG_RIP), register(libc::REG_RSP), register(libc::REG_R11));
    if (from..nearly).contains(&pc) {
        return Some(sp as *mut libc::ucontext_t);
    }
    if !(nearly..nearly + END).contains(&pc) {
        return None;
    }
    for (name, value) in [(libc::REG_RIP, next), (libc::REG_RCX, next.wrapping_add(SYSCALL.len() as u64))] {
        if let Some(place) = gregs.get_mut(name as usize) {
            *place = value as i64;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_ends_with_a_jump() {
        // SAFETY: without a context it says where it can be interrupted; the bytes are its code.
        let end = unsafe {
            let Interruptible { from, nearly } = go_back(core::ptr::null_mut());
            assert!(from < nearly);
            core::slice::from_raw_parts(nearly as *const u8, END as usize)
        };
        // lea 2(%r11),%rcx; jmp *%r11
        assert_eq!(end, [0x49, 0x8d, 0x4b, 0x02, 0x41, 0xff, 0xe3]);
    }

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
