//! The saved context of a signal handler on x86_64: registers, and a system call that was interrupted.
//!
//! Context: **signal handler** on a host thread. No allocation, lock, formatting or panic; reads memory by system call.

use crate::snapshot::{REGISTERS, Registers};
use crate::sys::own_memory;

/// Where DWARF's registers 0 to 16 stand in `gregs` (sys/ucontext.h).
const ORDER: [i32; REGISTERS] = [
    libc::REG_RAX,
    libc::REG_RDX,
    libc::REG_RCX,
    libc::REG_RBX,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_RBP,
    libc::REG_RSP,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
    libc::REG_RIP,
];

/// The registers of the interrupted code.
pub(crate) fn registers(context: &libc::ucontext_t) -> Registers {
    let mut registers = Registers::default();
    for (number, &place) in ORDER.iter().enumerate() {
        let value = context.uc_mcontext.gregs.get(place as usize).map(|&value| value as u64);
        registers.set(number as u16, value);
    }
    registers
}

/// If the signal has interrupted a system call that fails with EINTR because of it, lets the call begin anew.
///
/// Only calls that have done nothing when they give EINTR are begun anew, and only when the number is certain: it is read
/// from the `mov $number,%eax` before the `syscall` instruction, or from where our syscall(3) has left it. `host_signal_waits` says that the host's own signal is
/// about to be handled: then the EINTR is the host's, and stays.
pub(crate) fn resume(context: &mut libc::ucontext_t, host_signal_waits: impl FnOnce() -> bool) {
    let gregs = &mut context.uc_mcontext.gregs;
    let (Some(&rax), Some(&rip)) = (gregs.get(libc::REG_RAX as usize), gregs.get(libc::REG_RIP as usize)) else {
        return;
    };
    if rax != -i64::from(libc::EINTR) {
        return;
    }
    let mut code = [0u8; CODE];
    if own_memory::read((rip as u64).wrapping_sub(CODE as u64), &mut code) != Ok(CODE) {
        return;
    }
    let number = number_before(&code)
        .or_else(|| is_syscall_3(&code).then(|| number_left(gregs).or_else(|| futex_by_number(gregs))).flatten());
    let Some(number) = number.filter(|&number| may_begin_anew(number)) else { return };
    if host_signal_waits() {
        return;
    }
    if let Some(rax) = gregs.get_mut(libc::REG_RAX as usize) {
        *rax = number;
    }
    if let Some(rip) = gregs.get_mut(libc::REG_RIP as usize) {
        *rip -= SYSCALL.len() as i64;
    }
}

/// Whether a system call was interrupted that fails with EINTR.
pub(crate) fn has_failed(context: &libc::ucontext_t) -> bool {
    context.uc_mcontext.gregs.get(libc::REG_RAX as usize).is_some_and(|&rax| rax == -i64::from(libc::EINTR))
}

/// If the kernel was about to begin a system call anew, and `is_to_fail`: lets it fail with EINTR. The instruction has left in rcx where it ends (Intel's manual, SYSCALL):
/// code that stands before the instruction and has not executed it has something else there, but in a loop.
pub(crate) fn fail_if_begun_anew(context: &mut libc::ucontext_t, is_to_fail: impl FnOnce() -> bool) {
    let gregs = &context.uc_mcontext.gregs;
    let (Some(&rip), Some(&rcx)) = (gregs.get(libc::REG_RIP as usize), gregs.get(libc::REG_RCX as usize)) else {
        return;
    };
    let end = rip.wrapping_add(SYSCALL.len() as i64);
    if rcx == end {
        fail_begun_anew(context, end as u64, is_to_fail);
    }
}

/// If the kernel was about to begin the system call anew whose instruction ends at `end`, and `is_to_fail`: lets it fail with EINTR.
pub(crate) fn fail_begun_anew(context: &mut libc::ucontext_t, end: u64, is_to_fail: impl FnOnce() -> bool) {
    let gregs = &mut context.uc_mcontext.gregs;
    let start = end.wrapping_sub(SYSCALL.len() as u64);
    let mut code = [0u8; SYSCALL.len()];
    let is_begun_anew = gregs.get(libc::REG_RIP as usize).is_some_and(|&rip| rip as u64 == start)
        && own_memory::read(start, &mut code) == Ok(code.len())
        && code == SYSCALL;
    if !is_begun_anew || !may_fail(gregs) || !is_to_fail() {
        return;
    }
    if let Some(rip) = gregs.get_mut(libc::REG_RIP as usize) {
        *rip = end as i64;
    }
    if let Some(rax) = gregs.get_mut(libc::REG_RAX as usize) {
        *rax = -i64::from(libc::EINTR);
    }
}

/// Whether the call that stands there is one that a signal may let fail (signal(7)). Others begin anew whatever the handler is like (ERESTARTNOINTR:
/// fork(2), execve(2), ptrace(2), mount(2), a lock of futex(2)), or never do, and stand there by chance: a loop over one instruction
/// finds in rcx what the last turn has left.
fn may_fail(gregs: &[i64]) -> bool {
    let register = |name: i32| gregs.get(name as usize).copied().unwrap_or_default();
    match register(libc::REG_RAX) {
        libc::SYS_futex => is_wait(register(libc::REG_RSI)),
        number => may_begin_anew(number) || waits_otherwise(number),
    }
}

/// Whether an operation of futex(2) waits for the value of a word, and for nothing else.
fn is_wait(operation: i64) -> bool {
    let flags = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;
    matches!(operation as i32 & !flags, libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET)
}

/// Whether the program counter stands behind a system call, or on one that is to begin anew.
pub(crate) fn is_at_system_call(pc: u64) -> bool {
    [pc, pc.wrapping_sub(SYSCALL.len() as u64)].into_iter().any(|start| {
        let mut code = [0u8; SYSCALL.len()];
        own_memory::read(start, &mut code) == Ok(code.len()) && code == SYSCALL
    })
}

/// How many bytes of code before the program counter are looked at.
const CODE: usize = 24;

const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// The number in `mov $number,%eax`, when between it and the `syscall` that ends `code` stand only moves between other
/// registers. Anything else is not certain.
fn number_before(code: &[u8]) -> Option<i64> {
    let body = code.strip_suffix(&SYSCALL)?;
    (5..=body.len()).find_map(|distance| {
        let candidate = body.get(body.len() - distance..)?;
        let (&[0xb8, a, b, c, d], rest) = candidate.split_first_chunk::<5>()? else { return None };
        let number = i64::from(i32::from_le_bytes([a, b, c, d]));
        (only_moves(rest) && (0..1024).contains(&number)).then_some(number)
    })
}

/// Whether `code` is the end of libc's syscall(3), which takes the number as an argument and does not keep it.
fn is_syscall_3(code: &[u8; CODE]) -> bool {
    // mov %rdi,%rax; mov %rsi,%rdi; mov %rdx,%rsi; mov %rcx,%rdx; mov %r8,%r10; mov %r9,%r8; mov 8(%rsp),%r9; syscall
    const END: [u8; CODE - 1] = [
        0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48, 0x89, 0xca, 0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8, 0x4c, 0x8b,
        0x4c, 0x24, 0x08, 0x0f, 0x05,
    ];
    code.ends_with(&END)
}

/// What our syscall(3) writes below its stack pointer, above the number, exclusive or that stack pointer, where it returns to, and the call's
/// first argument. No pointer and no small number.
pub(crate) const NUMBER_FOLLOWS: u64 = 0x9d3c_51b2_e6f0_a847;

/// The number that our syscall(3) has left before it went on to libc's, which neither moves the stack pointer nor writes there.
fn number_left(gregs: &[i64]) -> Option<i64> {
    let register = |name: i32| gregs.get(name as usize).map(|&value| value as u64);
    let (sp, first) = (register(libc::REG_RSP)?, register(libc::REG_RDI)?);
    // The number, the mark, a word of nobody's, and where syscall(3) returns to.
    let mut left = [0u8; 32];
    own_memory::read(sp.wrapping_sub(24), &mut left).ok().filter(|&n| n == left.len())?;
    let (words, []) = left.as_chunks::<8>() else { return None };
    let &[number, mark, _, back] = words else { return None };
    let whose = NUMBER_FOLLOWS ^ sp ^ u64::from_le_bytes(back) ^ first;
    (u64::from_le_bytes(mark) == whose).then(|| i64::from_le_bytes(number))
}

/// A futex(2) wait through libc's own syscall(3) alone, as Rust's std and libstdc++ make theirs, begun before this library was there. Two things
/// have to agree: `mov $202,%edi` shortly before the call, and arguments that only a wait has.
fn futex_by_number(gregs: &[i64]) -> Option<i64> {
    let register = |name: i32| gregs.get(name as usize).map(|&value| value as u64);
    let (word, operation) = (register(libc::REG_RDI)?, register(libc::REG_RSI)? as i64);
    if !is_wait(operation) || !word.is_multiple_of(4) || word < 4096 {
        return None;
    }
    let mut back = [0u8; 8];
    own_memory::read(register(libc::REG_RSP)?, &mut back).ok().filter(|&n| n == back.len())?;
    let mut before = [0u8; 64];
    let caller = u64::from_le_bytes(back).checked_sub(before.len() as u64)?;
    own_memory::read(caller, &mut before).ok().filter(|&n| n == before.len())?;
    let load = [0xbf, libc::SYS_futex as u8, 0, 0, 0];
    before.windows(load.len()).any(|window| window == load).then_some(libc::SYS_futex)
}

/// Whether the code is a row of register-to-register `mov` and `xor` of which none changes eax.
fn only_moves(mut code: &[u8]) -> bool {
    while let Some((&first, rest)) = code.split_first() {
        let (rex, opcode, rest) = match first {
            0x40..=0x4f => match rest.split_first() {
                Some((&opcode, rest)) => (first, opcode, rest),
                None => return false,
            },
            opcode => (0x40, opcode, rest),
        };
        let Some((&operands, rest)) = rest.split_first() else { return false };
        // 89 and 31 change the register in the low bits (extended by REX.B), 8b and 33 the one in the middle (REX.R).
        let (changed, extended) = match opcode {
            0x89 | 0x31 => (operands & 7, rex & 1),
            0x8b | 0x33 => (operands >> 3 & 7, rex >> 2 & 1),
            _ => return false,
        };
        if operands < 0xc0 || (changed == 0 && extended == 0) {
            return false;
        }
        code = rest;
    }
    true
}

/// io_pgetevents(2), which the libc crate does not name.
const IO_PGETEVENTS: i64 = 333;

/// Calls that have had no effect when they fail with EINTR, or go on with what they have begun (connect(2)), and that take their arguments from where they still stand.
fn may_begin_anew(number: i64) -> bool {
    matches!(
        number,
        libc::SYS_poll
            | libc::SYS_ppoll
            | libc::SYS_select
            | libc::SYS_pselect6
            | libc::SYS_epoll_wait
            | libc::SYS_epoll_pwait
            | libc::SYS_epoll_pwait2
            | libc::SYS_pause
            | libc::SYS_nanosleep
            | libc::SYS_clock_nanosleep
            | libc::SYS_futex
            | libc::SYS_futex_waitv
            | libc::SYS_rt_sigtimedwait
            | libc::SYS_rt_sigsuspend
            | libc::SYS_read
            | libc::SYS_readv
            | libc::SYS_write
            | libc::SYS_writev
            | libc::SYS_accept
            | libc::SYS_connect
            | libc::SYS_accept4
            | libc::SYS_recvfrom
            | libc::SYS_recvmsg
            | libc::SYS_recvmmsg
            | libc::SYS_sendto
            | libc::SYS_sendmsg
            | libc::SYS_semop
            | libc::SYS_semtimedop
            | libc::SYS_msgsnd
            | libc::SYS_msgrcv
            | libc::SYS_io_getevents
            | IO_PGETEVENTS
            | libc::SYS_io_uring_enter
    )
}

/// Further calls that wait until there is something, or until somebody lets go, and that the kernel begins anew only where handlers let it.
fn waits_otherwise(number: i64) -> bool {
    matches!(
        number,
        libc::SYS_restart_syscall
            | libc::SYS_wait4
            | libc::SYS_waitid
            | libc::SYS_open
            | libc::SYS_openat
            | libc::SYS_openat2
            | libc::SYS_creat
            | libc::SYS_flock
            | libc::SYS_fcntl
            | libc::SYS_ioctl
            | libc::SYS_pread64
            | libc::SYS_preadv
            | libc::SYS_preadv2
            | libc::SYS_pwrite64
            | libc::SYS_pwritev
            | libc::SYS_pwritev2
            | libc::SYS_sendmmsg
            | libc::SYS_sendfile
            | libc::SYS_splice
            | libc::SYS_tee
            | libc::SYS_vmsplice
            | libc::SYS_copy_file_range
            | libc::SYS_getrandom
            | libc::SYS_mq_timedsend
            | libc::SYS_mq_timedreceive
            | FUTEX_WAIT
    )
}

/// futex_wait(2) of Linux 6.7, which the libc crate does not name.
const FUTEX_WAIT: i64 = 455;

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a call that stands before its instruction fails, with this operation for its second argument.
    fn fails(number: i64, operation: i32, rcx_is_end: bool) -> bool {
        static CODE: [u8; SYSCALL.len()] = SYSCALL;
        let start = CODE.as_ptr() as i64;
        let end = start + SYSCALL.len() as i64;
        // SAFETY: registers, masks and null pointers.
        let mut context: libc::ucontext_t = unsafe { core::mem::zeroed() };
        let gregs = &mut context.uc_mcontext.gregs;
        gregs[libc::REG_RIP as usize] = start;
        gregs[libc::REG_RCX as usize] = if rcx_is_end { end } else { 0 };
        gregs[libc::REG_RAX as usize] = number;
        gregs[libc::REG_RSI as usize] = operation.into();
        fail_if_begun_anew(&mut context, || true);
        let gregs = context.uc_mcontext.gregs;
        let (rip, rax) = (gregs[libc::REG_RIP as usize], gregs[libc::REG_RAX as usize]);
        assert!([(start, number), (end, -i64::from(libc::EINTR))].contains(&(rip, rax)));
        rip == end
    }

    #[test]
    fn only_a_wait_fails_that_was_to_begin_anew() {
        for number in [libc::SYS_read, libc::SYS_wait4, libc::SYS_openat, libc::SYS_ioctl, libc::SYS_restart_syscall] {
            assert!(fails(number, 0, true), "{number}");
            assert!(!fails(number, 0, false), "{number}");
        }
        let never = [libc::SYS_clone, libc::SYS_vfork, libc::SYS_execve, libc::SYS_execveat, libc::SYS_ptrace];
        for number in never.into_iter().chain([libc::SYS_mount, libc::SYS_close, libc::SYS_mmap, libc::SYS_getpid]) {
            assert!(!fails(number, 0, true), "{number}");
        }
        let private = libc::FUTEX_PRIVATE_FLAG;
        assert!(fails(libc::SYS_futex, libc::FUTEX_WAIT | private, true));
        assert!(fails(libc::SYS_futex, libc::FUTEX_WAIT_BITSET | private | libc::FUTEX_CLOCK_REALTIME, true));
        assert!(!fails(libc::SYS_futex, libc::FUTEX_LOCK_PI | private, true));
        assert!(!fails(libc::SYS_futex, libc::FUTEX_WAIT_REQUEUE_PI | private, true));
    }

    #[test]
    fn the_number_of_a_system_call_is_read_or_not_guessed() {
        let check = |code: &[u8], number: Option<i64>| {
            let mut padded = vec![0x90; CODE - code.len()];
            padded.extend_from_slice(code);
            assert_eq!(number_before(&padded), number, "{code:02x?}");
        };
        // mov $0xe8,%eax; syscall
        check(&[0xb8, 0xe8, 0, 0, 0, 0x0f, 0x05], Some(0xe8));
        // mov $0xca,%eax; mov %rcx,%r10; xor %r8d,%r8d; syscall
        check(&[0xb8, 0xca, 0, 0, 0, 0x49, 0x89, 0xca, 0x45, 0x31, 0xc0, 0x0f, 0x05], Some(0xca));
        // mov $0xca,%eax; mov %edx,%eax; syscall
        check(&[0xb8, 0xca, 0, 0, 0, 0x89, 0xd0, 0x0f, 0x05], None);
        // mov %rdi,%rax; syscall, as in syscall(3)
        check(&[0x48, 0x89, 0xf8, 0x0f, 0x05], None);
        // no syscall instruction
        check(&[0xb8, 0xe8, 0, 0, 0, 0x90, 0x90], None);
    }

    #[test]
    fn close_is_never_begun_anew() {
        for number in [libc::SYS_close, libc::SYS_restart_syscall, libc::SYS_dup3, libc::SYS_openat] {
            assert!(!may_begin_anew(number));
        }
    }
}
