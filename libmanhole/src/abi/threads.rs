//! The interposed functions that make threads and end them: a host that has threads gets ours along.
//!
//! Context: host threads; [`syscall`] anywhere, signal handlers included.

use core::ffi::{c_int, c_void};
use core::sync::atomic::{AtomicUsize, Ordering};

use super::births::{self, Birth};
use super::{descriptors, filters, guarded, room, roots};
use crate::sys::next::function as next;
use crate::sys::signal;
use crate::{install, interrupted, sys, worker};

/// pthread_create(3).
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    start: *mut c_void,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the caller's arguments, passed on as they are but for the function.
    create(start, argument, room::by_result, |start, argument| unsafe {
        next::pthread_create(thread, attributes, start, argument)
    })
}

/// thrd_create(3), C11's: it makes its threads inside the C library.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn thrd_create(thread: *mut libc::pthread_t, start: *mut c_void, argument: *mut c_void) -> c_int {
    // SAFETY: as above; the C library calls both kinds of functions alike.
    create(
        start,
        argument,
        |result| *result == THRD_ERROR,
        |start, argument| unsafe { next::thrd_create(thread, start, argument) },
    )
}

/// What glibc's thrd_create(3) makes of EAGAIN (threads.h).
const THRD_ERROR: c_int = 2;

/// Creates a thread by `create`, which gets the function and the argument that the C library is to be given.
fn create(
    start: *mut c_void,
    argument: *mut c_void,
    was_refused: impl Fn(&c_int) -> bool,
    create: impl Fn(*mut c_void, *mut c_void) -> c_int,
) -> c_int {
    guarded("pthread_create", install::host_has_threads);
    let mask = worker::masks::host_mask();
    let birth = Birth { function: start as usize, argument: argument as usize, mask };
    let is_ours = mask.is_some() || install::wants_stacks();
    let Some(birth) = is_ours.then(|| births::keep(&birth)).flatten() else {
        return room::with_room(|| create(start, argument), was_refused);
    };
    // The new thread finds the caller's function and argument in what was kept.
    let result = room::with_room(|| create(begin as *const () as *mut c_void, birth as *mut c_void), was_refused);
    if result != 0 {
        births::take(birth);
    }
    result
}

/// Where a new thread begins when post-mortems are wanted, or when a line of the prompt has made it: it gets a stack for handlers and the
/// host's mask, and goes on in the host's function as if that had been called directly, so that no frame of ours is on its stack.
#[cfg(target_arch = "x86_64")]
#[unsafe(naked)]
unsafe extern "C" fn begin(_: *mut c_void) {
    core::arch::naked_asm!("sub rsp, 8", "call {prepare}", "add rsp, 8", "mov rdi, rdx", "jmp rax", prepare = sym prepare)
}

/// The host's function and its argument, in the two registers of a pair (System V ABI).
#[repr(C)]
struct Start {
    function: usize,
    argument: usize,
}

extern "C" fn prepare(birth: *mut c_void) -> Start {
    let birth = births::take(birth as usize);
    guarded("pthread_create", || {
        if install::wants_stacks() {
            install::provide_stack();
        }
        if let Some(mask) = birth.as_ref().and_then(|birth| birth.mask) {
            signal::exchange_mask(mask);
        }
    });
    birth.map_or(Start { function: 0, argument: 0 }, |Birth { function, argument, .. }| Start { function, argument })
}

/// syscall(2): a thread that ends by the bare call is told of, since it may be the host's last; and so are a filter of system calls, another root, and what closes
/// descriptors. Everything else goes on to the
/// C library's at once, with all registers as they are; the number stays below the stack pointer, in the red zone (System V ABI), where
/// [`crate::interrupted`] finds it: the C library's function keeps nothing there, and the kernel puts no signal's frame there. The mark above
/// it tells whose it is: what one call has left stays there when the next one goes to the C library's function by another way.
///
/// # Safety
/// As the C library's.
#[cfg(target_arch = "x86_64")]
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn syscall() {
    core::arch::naked_asm!(
        "cmp rdi, {exit}",
        "je 3f",
        "cmp rdi, {seccomp}",
        "je 5f",
        "cmp rdi, {prctl}",
        "je 5f",
        "cmp rdi, {chroot}",
        "je 6f",
        "cmp rdi, {pivot}",
        "je 6f",
        "cmp rdi, {close}",
        "je 7f",
        "cmp rdi, {dup2}",
        "je 7f",
        "cmp rdi, {dup3}",
        "je 7f",
        "cmp rdi, {close_range}",
        "je 7f",
        "2:",
        "mov rax, {mark}",
        "xor rax, rsp",
        "xor rax, [rsp]",
        "xor rax, rsi",
        "mov [rsp - 16], rax",
        "mov [rsp - 24], rdi",
        "mov rax, [rip + {next}]",
        "test rax, rax",
        "jz 4f",
        "jmp rax",
        "3:",
        "push rdi",
        "push rsi",
        "sub rsp, 8",
        "call {ends}",
        "add rsp, 8",
        "pop rsi",
        "pop rdi",
        "jmp 2b",
        // Before our constructor has run.
        "4:",
        "push rdi",
        "push rsi",
        "push rdx",
        "push rcx",
        "push r8",
        "push r9",
        "sub rsp, 8",
        "call {look_up}",
        "add rsp, 8",
        "pop r9",
        "pop r8",
        "pop rcx",
        "pop rdx",
        "pop rsi",
        "pop rdi",
        "test rax, rax",
        "jnz 2b",
        "jmp rax",
        "5:",
        "jmp {filters}",
        "6:",
        "jmp {roots}",
        "7:",
        "jmp {descriptors}",
        exit = const libc::SYS_exit,
        seccomp = const libc::SYS_seccomp,
        prctl = const libc::SYS_prctl,
        chroot = const libc::SYS_chroot,
        pivot = const libc::SYS_pivot_root,
        close = const libc::SYS_close,
        dup2 = const libc::SYS_dup2,
        dup3 = const libc::SYS_dup3,
        close_range = const libc::SYS_close_range,
        filters = sym filters::by_number,
        descriptors = sym descriptors::by_number,
        roots = sym roots::by_number,
        mark = const interrupted::NUMBER_FOLLOWS,
        next = sym NEXT_SYSCALL,
        ends = sym thread_ends,
        look_up = sym look_up,
    )
}

/// The C library's `syscall`; 0 until it was looked up.
static NEXT_SYSCALL: AtomicUsize = AtomicUsize::new(0);

extern "C" fn thread_ends(_: usize, code: i32) {
    guarded("syscall", || install::thread_ends(code));
}

extern "C" fn look_up() -> usize {
    let address = sys::next::syscall();
    NEXT_SYSCALL.store(address, Ordering::Release);
    address
}
