//! The saved context of a signal handler on x86_64: registers, and a system call that was interrupted.
//!
//! Context: **signal handler** on a host thread. No allocation, lock, formatting or panic; reads memory by system call.

#[path = "x86_64_number.rs"]
mod number;
#[path = "x86_64_resume.rs"]
mod resume;

use crate::snapshot::{REGISTERS, Registers, Syscall};
use crate::sys::own_memory;
#[cfg(not(any(test, fuzzing)))]
pub(crate) use number::NUMBER_FOLLOWS;

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
/// Only calls that have done nothing when they give EINTR are begun anew, and only when the number is certain. `host_signal_waits` says that the host's own
/// signal is about to be handled: then the EINTR is the host's, and stays. Where the kernel has kept what is left of the wait, which `is_kept` says of one that it ever keeps, that is
/// waited for.
pub(crate) fn begin_anew(context: &mut libc::ucontext_t, is_kept: bool, host_signal_waits: impl FnOnce() -> bool) {
    let Some(number) = failed_call(context).filter(|&number| may_begin_anew(number)) else { return };
    if host_signal_waits() {
        return;
    }
    let resumes = is_kept && resume::is_kept(number, &context.uc_mcontext.gregs) && resume::can_leave(context);
    let gregs = &mut context.uc_mcontext.gregs;
    if let Some(rax) = gregs.get_mut(libc::REG_RAX as usize) {
        *rax = if resumes { libc::SYS_restart_syscall } else { number };
    }
    if let Some(rip) = gregs.get_mut(libc::REG_RIP as usize) {
        *rip -= SYSCALL.len() as i64;
    }
}

/// The call that has failed with EINTR, if that is certain.
fn failed_call(context: &libc::ucontext_t) -> Option<i64> {
    if has_failed(context) { number::of_call(&context.uc_mcontext.gregs) } else { None }
}

/// Whether the kernel keeps what is left of the interrupted wait still, be it about to be taken up or for another handler to do that; and [`leave`] does not make it forget that.
pub(crate) fn keeps_rest(context: &libc::ucontext_t) -> bool {
    let gregs = &context.uc_mcontext.gregs;
    let keeps =
        resume::is_about_to_resume(gregs) || failed_call(context).is_some_and(|number| resume::is_kept(number, gregs));
    keeps && resume::can_leave(context)
}

pub(crate) use resume::{finish, leave};

/// The call that a thread with these registers is in, or is about to begin anew, from the code that makes it: `None` where that does not tell.
pub(crate) fn call_in(registers: &Registers) -> Option<Syscall> {
    let mut gregs = [0i64; GREGS];
    for (number, &place) in ORDER.iter().enumerate() {
        *gregs.get_mut(place as usize)? = registers.get(number as u16).unwrap_or(0) as i64;
    }
    let pc = registers.pc()?;
    let mut code = [0u8; SYSCALL.len()];
    let is_before = own_memory::read(pc, &mut code) == Ok(code.len()) && code == SYSCALL;
    if is_before {
        *gregs.get_mut(libc::REG_RIP as usize)? += SYSCALL.len() as i64;
    }
    let number = match *gregs.get(libc::REG_RAX as usize)? {
        number if is_before && number != libc::SYS_restart_syscall => Some(number),
        _ => number::of_call(&gregs),
    };
    let arguments = ARGUMENTS.map(|place| gregs.get(place as usize).map_or(0, |&value| value as u64));
    Some(Syscall { number: number?.try_into().ok()?, arguments })
}

/// Where a call's arguments are.
const ARGUMENTS: [i32; 6] = [libc::REG_RDI, libc::REG_RSI, libc::REG_RDX, libc::REG_R10, libc::REG_R8, libc::REG_R9];

/// What restart_syscall(2) resumes, for a thread that the kernel says is in `call`, at these places of its code and its stack. It has the arguments of what it was.
pub(crate) fn resumed(call: Syscall, pc: u64, sp: u64) -> Syscall {
    let mut registers = Registers::of_blocked(pc, sp);
    let mut gregs = [0i64; GREGS];
    for (place, value) in ARGUMENTS.into_iter().zip(call.arguments) {
        if let Some(number) = ORDER.iter().position(|&other| other == place) {
            registers.set(number as u16, Some(value));
        }
        if let Some(slot) = gregs.get_mut(place as usize) {
            *slot = value as i64;
        }
    }
    call_in(&registers).filter(|found| resume::is_kept(found.number as i64, &gregs)).unwrap_or(call)
}

/// How many registers a context has (`NGREG` of sys/ucontext.h).
const GREGS: usize = 23;

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

const SYSCALL: [u8; 2] = [0x0f, 0x05];

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
    fn close_is_never_begun_anew() {
        for number in [libc::SYS_close, libc::SYS_restart_syscall, libc::SYS_dup3, libc::SYS_openat] {
            assert!(!may_begin_anew(number));
        }
    }
}
