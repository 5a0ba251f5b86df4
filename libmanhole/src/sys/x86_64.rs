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
