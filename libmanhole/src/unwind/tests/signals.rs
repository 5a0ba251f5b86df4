//! Test: frames below signal handlers, on the same stack and on another one.

use core::ffi::c_int;
use core::ptr;
use std::sync::Mutex;

use super::{as_blocked, assert_same_callers, capture, copy_stack, pcs, reference, unwind};
use crate::memory::Memory;
use crate::modules::Modules;
use crate::snapshot::{Capture, End, RIP, StackCopy};
use crate::unwind::Unwinder;

/// What the handler has seen; one test at a time.
static TAKEN: Mutex<Option<(Capture, Vec<u64>)>> = Mutex::new(None);
/// Where the interrupted stack is, for a handler that runs on another one; and its copy.
static OTHER: Mutex<(u64, Option<StackCopy>)> = Mutex::new((0, None));
static TURN: Mutex<()> = Mutex::new(());

extern "C" fn handler(_: c_int) {
    // Raised by the thread itself, so taking a lock and allocating are as safe as in any call.
    let taken = (capture(), reference());
    let mut other = OTHER.lock().unwrap();
    if other.0 != 0 {
        *other = (0, Some(copy_stack(other.0)));
    }
    drop(other);
    *TAKEN.lock().unwrap() = Some(taken);
}

/// Raises the signal with the handler installed; `flags` for sigaction(2).
#[inline(never)]
fn raised(signal: c_int, flags: c_int) -> (Capture, Vec<u64>) {
    // SAFETY: zeros are a valid action, and the handler has the plain signature.
    unsafe {
        let mut action: libc::sigaction = core::mem::zeroed();
        action.sa_sigaction = handler as *const () as usize;
        action.sa_flags = flags;
        assert_eq!(libc::sigaction(signal, &action, ptr::null_mut()), 0);
        assert_eq!(libc::raise(signal), 0);
    }
    TAKEN.lock().unwrap().take().unwrap()
}

#[test]
fn a_handler_is_left_through_the_trampoline() {
    let _turn = TURN.lock().unwrap_or_else(|poison| poison.into_inner());
    let (capture, reference) = raised(libc::SIGUSR1, 0);
    for registers in [capture.registers, as_blocked(&capture)] {
        let ours = unwind(&registers, &capture.stack);
        // The other unwinder shows the interrupted address as it is, too.
        assert_same_callers(&ours, &reference);
        let at = ours.frames.iter().position(|frame| frame.is_signal_frame).unwrap();
        let (trampoline, interrupted) = (&ours.frames[at], &ours.frames[at + 1]);
        assert!(!trampoline.is_return_address && !interrupted.is_return_address && !interrupted.is_signal_frame);
        // raise(3) was interrupted right behind its system call; the context holds all registers.
        assert!((0..=16).all(|register| interrupted.registers.get(register).is_some()));
        assert_eq!(interrupted.registers.get(RIP), Some(interrupted.pc));
        assert!(ours.frames[at + 2].is_return_address);
    }
}

#[test]
fn below_an_alternate_stack_the_other_stack_is_asked_for() {
    let _turn = TURN.lock().unwrap_or_else(|poison| poison.into_inner());
    const SIZE: usize = 256 << 10;
    let (ours, rest, reference) = std::thread::spawn(|| {
        // SAFETY: the mapping is new, is used as a signal stack while this thread lives, and is not unmapped.
        unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let memory = libc::mmap(ptr::null_mut(), SIZE, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0);
            assert_ne!(memory, libc::MAP_FAILED);
            // Pages that cannot be mapped together with the neighbours'.
            assert_eq!(libc::mprotect(memory, 4096, libc::PROT_NONE), 0);
            assert_eq!(libc::mprotect(memory.byte_add(SIZE - 4096), 4096, libc::PROT_NONE), 0);
            let stack = libc::stack_t { ss_sp: memory.byte_add(4096), ss_flags: 0, ss_size: SIZE - 8192 };
            assert_eq!(libc::sigaltstack(&stack, ptr::null_mut()), 0);
        }
        let here = 0u64;
        // The frames of raise(3) are below this one.
        *OTHER.lock().unwrap() = ((&raw const here) as u64 - 8192, None);
        let (capture, reference) = raised(libc::SIGUSR2, libc::SA_ONSTACK);
        let other = OTHER.lock().unwrap().1.take().unwrap();
        let memory = Memory::new();
        let modules = Modules::read(&memory).unwrap();
        let mut unwinder = Unwinder::new(&modules, &memory);
        let ours = unwinder.unwind(&capture.registers, &capture.stack);
        let End::NeedsStack(address) = ours.end else { panic!("{ours:#x?}") };
        assert!(!(capture.stack.start..capture.stack.limit).contains(&address));
        assert!((other.start..other.limit).contains(&address));
        let rest = unwinder.resume(ours.frames.last().unwrap(), &other);
        (ours, rest, reference)
    })
    .join()
    .unwrap();
    assert!(ours.frames.iter().any(|frame| frame.is_signal_frame));
    assert_eq!(rest.frames[0].pc, ours.frames.last().unwrap().pc);
    let mut whole = pcs(&ours);
    whole.extend(&pcs(&rest)[1..]);
    let at = reference.iter().position(|pc| *pc == whole[2]).unwrap();
    assert!(rest.frames.len() > 3);
    assert_eq!(whole[2..], reference[at..]);
    assert_eq!(rest.end, End::ThreadStart);
}
