//! The x86_64 system call instruction, and what has to be written in instructions beside it.
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

/// Waits on a futex with the signals of `mask` blocked, and of `all` afterwards: what the kernel answers, and whether any handler has run meanwhile. What the
/// call answers does not tell that: one that is woken with a signal pending is not interrupted, and its handler runs all the same.
///
/// A handler's frame lies right below the red zone of what it interrupts, since this is a handler of ours with SA_ONSTACK, or below no handler at all; at its top the kernel
/// writes the end of the saved registers (FP_XSTATE_MAGIC2 in arch/x86/kernel/fpu/signal.c). So the words there are marked, and looked at afterwards.
///
/// # Safety
/// The word and the masks stay until it returns.
pub(crate) unsafe fn wait_and_hear(
    word: *const u32,
    expected: u32,
    mask: *const u64,
    all: *const u64,
) -> (isize, bool) {
    let (result, heard): (isize, u64);
    // SAFETY: the words that are marked lie below the red zone, where nothing of this thread's is; the calls write nothing.
    unsafe {
        asm!(
            "lea r8, [rsp - 384]",
            "movabs rax, {mark}",
            "mov ecx, 32",
            "2:",
            "mov [r8 + rcx * 8 - 8], rax",
            "dec ecx",
            "jnz 2b",
            "mov edi, {set_mask}",
            "mov rsi, r14",
            "xor edx, edx",
            "mov r10d, 8",
            "mov eax, {sigprocmask}",
            "syscall",
            "mov rdi, r12",
            "mov esi, {operation}",
            "mov edx, r13d",
            "xor r10d, r10d",
            "mov eax, {futex}",
            "syscall",
            "mov r12, rax",
            "mov edi, {set_mask}",
            "mov rsi, r15",
            "xor edx, edx",
            "mov r10d, 8",
            "mov eax, {sigprocmask}",
            "syscall",
            "lea r8, [rsp - 384]",
            "movabs rax, {mark}",
            "mov ecx, 32",
            "xor edx, edx",
            "3:",
            "cmp [r8 + rcx * 8 - 8], rax",
            "jne 4f",
            "dec ecx",
            "jnz 3b",
            "jmp 5f",
            "4:",
            "mov edx, 1",
            "5:",
            mark = const 0x6b1f_93d4_5ac8_e027u64,
            set_mask = const libc::SIG_SETMASK,
            sigprocmask = const libc::SYS_rt_sigprocmask,
            operation = const libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            futex = const libc::SYS_futex,
            inout("r12") word => result, in("r13") expected, in("r14") mask, in("r15") all,
            out("rdx") heard, out("rax") _, out("rcx") _, out("rdi") _, out("rsi") _, out("r8") _, out("r10") _, out("r11") _,
        );
    }
    (result, heard != 0)
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

/// From where to where [`let_pages_go`] lets go; 0 for nothing.
pub(crate) static PAGES_TO_GO: [core::sync::atomic::AtomicUsize; 2] =
    [const { core::sync::atomic::AtomicUsize::new(0) }; 2];

unsafe extern "C" {
    /// Lets go of the pages of [`PAGES_TO_GO`], but for the one that it stands in itself: madvise(2), which the kernel answers as it likes. The
    /// compiler's code would bring back the pages of the functions that it returns to, and the fifteen that the kernel maps around each.
    #[link_name = "manhole_let_pages_go"]
    #[cfg_attr(any(test, fuzzing), expect(dead_code, reason = "the constructor's alone"))]
    pub(crate) fn let_pages_go();

    /// The same, and then a system call with five arguments, for which the calling thread will wait long. The result is the kernel's.
    ///
    /// # Safety
    /// As [`syscall`].
    #[link_name = "manhole_call_without_pages"]
    pub(crate) fn call_without_pages(nr: libc::c_long, a: usize, b: usize, c: usize, d: usize, e: usize) -> isize;

    /// Lets the pages go, and ends the calling thread after `*word` has gone from `from` to `to`; returns when it was not `from`. Touches no
    /// memory but the word from the exchange on.
    ///
    /// # Safety
    /// Nobody needs anything of the thread.
    #[link_name = "manhole_leave"]
    pub(crate) fn leave(word: *mut u32, from: u32, to: u32);
}

core::arch::global_asm!(
    ".pushsection .text.startup.manhole_pages, \"ax\", @progbits",
    // All three stand in one page.
    ".p2align 8",
    ".hidden manhole_let_pages_go",
    ".globl manhole_let_pages_go",
    ".type manhole_let_pages_go, @function",
    "manhole_let_pages_go:",
    ".cfi_startproc",
    "mov rdi, [rip + {pages}]",
    "test rdi, rdi",
    "jz 2f",
    "lea rsi, [rip + manhole_let_pages_go]",
    "and rsi, -{page}",
    "sub rsi, rdi",
    "mov edx, {advice}",
    "mov eax, {madvise}",
    "syscall",
    "lea rdi, [rip + manhole_let_pages_go + {page}]",
    "and rdi, -{page}",
    "mov rsi, [rip + {pages} + 8]",
    "sub rsi, rdi",
    "jbe 2f",
    "mov edx, {advice}",
    "mov eax, {madvise}",
    "syscall",
    "2:",
    "ret",
    ".cfi_endproc",
    ".size manhole_let_pages_go, . - manhole_let_pages_go",
    "",
    ".hidden manhole_call_without_pages",
    ".globl manhole_call_without_pages",
    ".type manhole_call_without_pages, @function",
    "manhole_call_without_pages:",
    ".cfi_startproc",
    "push rdi",
    "push rsi",
    "push rdx",
    "push rcx",
    ".cfi_def_cfa_offset 40",
    // These two it leaves alone, and so does the kernel.
    "call manhole_let_pages_go",
    "pop r10",
    "pop rdx",
    "pop rsi",
    "pop rdi",
    ".cfi_def_cfa_offset 8",
    "xchg rdi, rsi",
    "mov rax, rsi",
    "mov rsi, rdx",
    "mov rdx, r10",
    "mov r10, r8",
    "mov r8, r9",
    "syscall",
    "ret",
    ".cfi_endproc",
    ".size manhole_call_without_pages, . - manhole_call_without_pages",
    "",
    ".hidden manhole_leave",
    ".globl manhole_leave",
    ".type manhole_leave, @function",
    "manhole_leave:",
    ".cfi_startproc",
    "mov r8, rdi",
    "mov r9d, esi",
    "mov r10d, edx",
    "call manhole_let_pages_go",
    "mov eax, r9d",
    "lock cmpxchg [r8], r10d",
    "jne 2f",
    "mov eax, {exit}",
    "xor edi, edi",
    "syscall",
    "ud2",
    "2:",
    "ret",
    ".cfi_endproc",
    ".size manhole_leave, . - manhole_leave",
    ".popsection",
    pages = sym PAGES_TO_GO,
    page = const super::mapping::PAGE,
    advice = const libc::MADV_DONTNEED,
    madvise = const libc::SYS_madvise,
    exit = const libc::SYS_exit,
);
