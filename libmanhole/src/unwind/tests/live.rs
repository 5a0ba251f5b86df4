//! Test: nests of calls, with all registers and with program counter and stack pointer alone.

use core::arch::naked_asm;
use core::ffi::c_void;
use std::time::{Duration, Instant};

use super::{as_blocked, assert_same_callers, capture, pcs, reference, unwind, unwind_blocked_at};
use crate::memory::Memory;
use crate::modules::Modules;
use crate::snapshot::{Capture, Certainty, End, Frame, RBP, RIP, RSP, Registers, StackCopy, Unwound};
use crate::unwind::Unwinder;

/// Calls `callback(argument)` from a frame of fixed size with a frame pointer.
#[unsafe(naked)]
unsafe extern "C" fn framed(callback: extern "C" fn(*mut c_void), argument: *mut c_void) {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "push rbx",
        ".cfi_offset rbx, -24",
        "sub rsp, 72",
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        "add rsp, 72",
        "pop rbx",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
    )
}

/// The same with a frame whose size only the processor knows, filled with zeros.
#[unsafe(naked)]
unsafe extern "C" fn allocating(callback: extern "C" fn(*mut c_void), argument: *mut c_void, size: usize) {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        "mov r8, rdi",
        "mov r9, rsi",
        "sub rsp, rdx",
        "mov rdi, rsp",
        "mov rcx, rdx",
        "xor eax, eax",
        "rep stosb",
        "mov rdi, r9",
        "call r8",
        "mov rsp, rbp",
        "pop rbp",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
    )
}

/// The same with a frame that is aligned for vectors: its size depends on where it stands.
#[unsafe(naked)]
unsafe extern "C" fn aligning(callback: extern "C" fn(*mut c_void), argument: *mut c_void) {
    naked_asm!(
        ".cfi_startproc",
        "push rbp",
        ".cfi_def_cfa_offset 16",
        ".cfi_offset rbp, -16",
        "mov rbp, rsp",
        ".cfi_def_cfa_register rbp",
        // No old frame may lie where the alignment skips bytes.
        "push 0",
        "push 0",
        "push 0",
        "push 0",
        "push 0",
        "push 0",
        "push 0",
        "push 0",
        "mov rsp, rbp",
        "and rsp, -64",
        "sub rsp, 64",
        "mov rax, rdi",
        "mov rdi, rsi",
        "call rax",
        "leave",
        ".cfi_def_cfa rsp, 8",
        "ret",
        ".cfi_endproc",
    )
}

/// Calls `callback(argument)` without call frame information, but with a frame pointer.
#[unsafe(naked)]
unsafe extern "C" fn undescribed(callback: extern "C" fn(*mut c_void), argument: *mut c_void) {
    naked_asm!("push rbp", "mov rbp, rsp", "mov rax, rdi", "mov rdi, rsi", "call rax", "pop rbp", "ret")
}

struct Taken {
    capture: Capture,
    reference: Vec<u64>,
}

extern "C" fn take(into: *mut c_void) {
    let taken = Taken { capture: capture(), reference: reference() };
    // SAFETY: every caller passes a pointer to an Option<Taken> of its own.
    unsafe { *into.cast::<Option<Taken>>() = Some(taken) };
}

#[inline(never)]
fn nest(depth: u32, at_end: &mut dyn FnMut()) -> u32 {
    if depth == 0 {
        at_end();
        return 1;
    }
    std::hint::black_box(nest(depth - 1, at_end)) + depth
}

fn nested(depth: u32, mut call: impl FnMut(*mut c_void)) -> Taken {
    let mut taken: Option<Taken> = None;
    let into = (&raw mut taken).cast();
    nest(depth, &mut || call(into));
    taken.unwrap()
}

fn assert_certain(frames: &[Frame]) {
    assert!(frames.iter().all(|frame| frame.certainty == Certainty::Certain), "{frames:#x?}");
}

#[test]
fn callers_agree_with_another_unwinder() {
    let taken = nested(12, |into| take(into));
    let ours = unwind(&taken.capture.registers, &taken.capture.stack);
    assert!(ours.frames.len() > 14);
    assert_same_callers(&ours, &taken.reference);
    assert_certain(&ours.frames);
    assert!(ours.frames.iter().skip(1).all(|frame| frame.is_return_address && !frame.is_signal_frame));
    let cfas: Vec<u64> = ours.frames.iter().filter_map(|frame| frame.cfa).collect();
    assert!(cfas.len() >= ours.frames.len() - 1 && cfas.is_sorted());
}

#[test]
fn program_counter_and_stack_pointer_are_enough_without_frame_pointers() {
    let taken = nested(12, |into| take(into));
    let ours = unwind(&as_blocked(&taken.capture), &taken.capture.stack);
    assert_same_callers(&ours, &taken.reference);
    assert_certain(&ours.frames);
}

#[test]
fn a_frame_pointer_is_recovered_from_code() {
    // SAFETY: the function calls back once and restores what it changes.
    let taken = nested(3, |into| unsafe { framed(take, into) });
    let stack = &taken.capture.stack;
    let full = unwind(&taken.capture.registers, stack);
    assert_same_callers(&full, &taken.reference);
    let at = index_of(&full, framed as *const ());
    let ours = unwind_blocked_at(&full.frames[at], stack);
    assert_eq!(ours.end, End::ThreadStart);
    assert_eq!(pcs(&ours), pcs(&full)[at..]);
    assert_certain(&ours.frames);
    assert_eq!(ours.frames[0].registers.get(RBP), full.frames[at].registers.get(RBP));
    assert_eq!(ours.frames[0].cfa, full.frames[at].cfa);
}

#[test]
fn a_frame_pointer_is_recovered_behind_an_aligned_frame() {
    for depth in 0..8 {
        // SAFETY: the function calls back once and restores what it changes.
        let taken = nested(depth, |into| unsafe { aligning(take, into) });
        let full = unwind(&taken.capture.registers, &taken.capture.stack);
        assert_same_callers(&full, &taken.reference);
        let at = index_of(&full, aligning as *const ());
        let ours = unwind_blocked_at(&full.frames[at], &taken.capture.stack);
        assert_eq!(ours.end, End::ThreadStart);
        assert_eq!(pcs(&ours), pcs(&full)[at..]);
        assert_eq!(ours.frames[0].registers.get(RBP), full.frames[at].registers.get(RBP));
        assert_certain(&ours.frames);
    }
}

/// The frames from `allocating` outward with all registers, and the stack.
fn allocated() -> (Vec<Frame>, StackCopy) {
    // SAFETY: the function calls back once and restores what it changes.
    let taken = nested(3, |into| unsafe { allocating(take, into, 4096) });
    let mut full = unwind(&taken.capture.registers, &taken.capture.stack);
    assert_same_callers(&full, &taken.reference);
    let at = index_of(&full, allocating as *const ());
    (full.frames.split_off(at), taken.capture.stack)
}

#[test]
fn an_allocating_frame_is_found_by_search() {
    let (full, stack) = allocated();
    let ours = unwind_blocked_at(&full[0], &stack);
    assert_eq!(ours.end, End::ThreadStart);
    // The lowest candidate is the true one: the allocation was cleared.
    assert_eq!(pcs(&ours), full.iter().map(|frame| frame.pc).collect::<Vec<_>>());
    let certain = ours.frames[1].certainty == Certainty::Certain;
    assert_eq!(ours.frames[0].registers.get(RBP), full[0].registers.get(RBP).filter(|_| certain));
}

#[test]
fn a_single_candidate_on_the_stack_is_believed() {
    let (full, mut stack) = allocated();
    // Callers that call through pointers could have called anything, so real stacks rarely have a single candidate. This
    // one ends with the closure that names the function, and is clear of all but the two frames.
    let caller = full[1].cfa.unwrap();
    let kept: Vec<u64> = full[..2].iter().flat_map(|frame| (2..=7).map(|word| frame.cfa.unwrap() - 8 * word)).collect();
    let start = stack.start;
    for (index, word) in stack.bytes.chunks_exact_mut(8).enumerate() {
        let address = start + 8 * index as u64;
        if address != full[0].cfa.unwrap() - 8 && (!kept.contains(&address) || address >= caller - 8) {
            word.fill(0);
        }
    }
    let ours = unwind_blocked_at(&full[0], &stack);
    assert_eq!(pcs(&ours), [full[0].pc, full[1].pc]);
    assert_eq!(ours.end, End::ThreadStart);
    assert_certain(&ours.frames);
    assert_eq!(ours.frames[0].registers.get(RBP), full[0].registers.get(RBP));
}

#[test]
fn a_stale_copy_of_a_frame_makes_the_answer_uncertain() {
    let (full, mut stack) = allocated();
    let (rbp, sp) = (full[0].registers.get(RBP).unwrap(), full[0].registers.sp().unwrap());
    // A copy of the saved pair in the zeros below it.
    let offset = |address: u64| usize::try_from(address - stack.start).unwrap();
    let (from, to) = (offset(rbp), offset(sp + 1024));
    stack.bytes.copy_within(from..from + 16, to);
    let ours = unwind_blocked_at(&full[0], &stack);
    assert_certain(&ours.frames[..1]);
    assert!(ours.frames.len() > 1);
    assert!(ours.frames[1..].iter().all(|frame| frame.certainty == Certainty::Uncertain));
    assert_eq!((ours.frames[0].registers.get(RBP), ours.frames[0].cfa), (None, None));
}

#[test]
fn a_search_looks_at_no_less_than_its_range() {
    let (full, mut stack) = allocated();
    stack.bytes.truncate(6000);
    stack.limit = stack.limit.max(stack.start + (64 << 10));
    let ours = unwind_blocked_at(&full[0], &stack);
    assert_eq!((ours.frames.len(), ours.end), (1, End::NeedsStack(stack.end())));
}

#[test]
fn code_without_information_is_passed_by_its_frame_pointer() {
    // SAFETY: the function calls back once and restores what it changes.
    let taken = nested(3, |into| unsafe { undescribed(take, into) });
    let stack = &taken.capture.stack;
    let ours = unwind(&taken.capture.registers, stack);
    let at = index_of(&ours, undescribed as *const ());
    assert_certain(&ours.frames[..=at]);
    assert!(ours.frames.len() > at + 1, "{ours:#x?}");
    assert!(taken.reference.contains(&ours.frames[at].pc));
    let ours = unwind_blocked_at(&ours.frames[at], stack);
    let End::Lost(reason) = &ours.end else { panic!("{ours:#x?}") };
    assert!(reason.starts_with("no call frame information for 0x") && reason.ends_with("rbp is unknown"), "{reason}");
    assert_eq!(ours.frames.len(), 1);
}

fn index_of(unwound: &Unwound, function: *const ()) -> usize {
    unwound.frames.iter().position(|frame| in_function(frame.pc, function as u64)).unwrap()
}

fn in_function(pc: u64, start: u64) -> bool {
    (start..start + 64).contains(&pc)
}

#[test]
fn a_call_through_a_null_pointer_has_its_caller() {
    let taken = nested(3, |into| take(into));
    let full = unwind(&taken.capture.registers, &taken.capture.stack);
    let mut registers = full.frames[1].registers;
    registers.set(RIP, Some(0));
    registers.set(RSP, Some(full.frames[0].cfa.unwrap() - 8));
    let ours = unwind(&registers, &taken.capture.stack);
    assert_eq!(pcs(&ours)[1..], pcs(&full)[1..]);
    assert_eq!(ours.end, End::ThreadStart);
}

#[test]
fn a_short_copy_says_what_it_needs() {
    let taken = nested(2000, |into| take(into));
    let (whole, registers) = (&taken.capture.stack, &taken.capture.registers);
    let full = unwind(registers, whole);
    assert!(full.frames.len() > 2000);
    let mut stack = StackCopy { bytes: whole.bytes[..4096].to_vec(), ..whole.clone() };
    let mut rounds = 0;
    loop {
        let ours = unwind(registers, &stack);
        match ours.end {
            End::NeedsStack(address) => {
                assert!((stack.end()..stack.limit).contains(&address));
                assert_eq!(pcs(&ours), pcs(&full)[..ours.frames.len()]);
                let more = (stack.bytes.len() * 2).min(whole.bytes.len());
                stack.bytes = whole.bytes[..more].to_vec();
            }
            end => {
                assert_eq!(end, End::ThreadStart);
                assert_eq!(ours.frames, full.frames);
                break;
            }
        }
        rounds += 1;
        assert!(rounds < 32);
    }
    assert!(rounds > 2);
}

#[test]
fn a_thread_blocked_in_the_kernel_is_unwound_from_what_the_kernel_tells() {
    let mut ends = [0; 2];
    // SAFETY: the array has room for the two descriptors.
    assert_eq!(unsafe { libc::pipe(ends.as_mut_ptr()) }, 0);
    let (tid_sender, tid_receiver) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        // SAFETY: no arguments.
        tid_sender.send(unsafe { libc::gettid() }).unwrap();
        let mut byte = [0u8];
        nest(5, &mut || {
            // SAFETY: the buffer has room for the byte that is read.
            assert_eq!(unsafe { libc::read(ends[0], byte.as_mut_ptr().cast(), 1) }, 1);
        })
    });
    let tid = tid_receiver.recv().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let (pc, sp) = loop {
        let text = std::fs::read_to_string(format!("/proc/self/task/{tid}/syscall")).unwrap();
        let fields: Vec<&str> = text.split_whitespace().collect();
        let hex = |field: &str| u64::from_str_radix(field.trim_start_matches("0x"), 16).unwrap();
        // 0 is read(2), the first argument our descriptor.
        if fields.len() == 9 && fields[0] == "0" && hex(fields[1]) == ends[0] as u64 {
            break (hex(fields[8]), hex(fields[7]));
        }
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    };
    let ours = unwind(&Registers::of_blocked(pc, sp), &super::copy_stack(sp));
    // SAFETY: one byte from a string.
    assert_eq!(unsafe { libc::write(ends[1], c"x".as_ptr().cast(), 1) }, 1);
    assert_eq!(reader.join().unwrap(), 16);
    assert_eq!(ours.end, End::ThreadStart, "{ours:#x?}");
    assert_certain(&ours.frames);
    let recursive = ours.frames.windows(2).filter(|pair| pair[0].pc == pair[1].pc).count();
    assert_eq!(recursive, 4, "{ours:#x?}");
}

#[test]
fn a_warm_unwind_takes_microseconds() {
    let taken = nested(8, |into| take(into));
    let memory = Memory::new();
    let modules = Modules::read(&memory).unwrap();
    let mut unwinder = Unwinder::new(&modules, &memory);
    let frames = unwinder.unwind(&taken.capture.registers, &taken.capture.stack).frames.len();
    const ROUNDS: u32 = 1000;
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..ROUNDS {
                let again = unwinder.unwind(&taken.capture.registers, &taken.capture.stack);
                assert_eq!(std::hint::black_box(again).frames.len(), frames);
            }
            start.elapsed() / ROUNDS
        })
        .min()
        .unwrap();
    eprintln!("{frames} frames: {best:?}");
    // Twenty times what an idle machine takes.
    assert!(best < Duration::from_micros(200), "{frames} frames took {best:?}");
}

#[test]
fn nothing_captured_is_said() {
    let ours = unwind(&Registers::default(), &StackCopy::default());
    assert_eq!((ours.frames.len(), ours.end), (0, End::Lost("no program counter was captured".to_owned())));
}
