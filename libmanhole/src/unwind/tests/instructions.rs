//! Test: what single instructions tell.

use crate::memory::Memory;
use crate::snapshot::{RBP, RIP, RSP, Registers, StackCopy};
use crate::unwind::rule::Rule;
use crate::unwind::x86_64::{Call, Entry, call_before, entry_at, exits, is_signal_return, through_stub};

/// The call that ends with the given bytes.
fn call_of(code: &[u8]) -> (Option<Call>, u64) {
    // Bytes that end no call stand before.
    let bytes = [&[0x90; 16], code].concat();
    let end = bytes.as_ptr() as u64 + bytes.len() as u64;
    (call_before(&Memory::new(), end), end)
}

#[test]
fn calls_are_known_by_the_bytes_before_the_return_address() {
    let (call, end) = call_of(&[0xe8, 0x00, 0x01, 0x00, 0x00]);
    assert_eq!(call, Some(Call::Direct(end + 0x100)));
    let indirect: [&[u8]; 8] = [
        &[0xff, 0xd0],
        &[0x41, 0xff, 0xd4],
        &[0xff, 0x10],
        &[0xff, 0x50, 0x18],
        &[0xff, 0x14, 0xc5, 0, 0, 0, 0],
        &[0xff, 0x90, 0x88, 0, 0, 0],
        &[0x41, 0xff, 0x94, 0x24, 0x80, 0, 0, 0],
        &[0x42, 0xff, 0x54, 0xe8, 0x10],
    ];
    for code in indirect {
        assert_eq!(call_of(code).0, Some(Call::Indirect(None)), "{code:x?}");
    }
    let others: [&[u8]; 4] = [&[0x90], &[0xc3], &[0xff, 0xe0], &[0xe9, 0, 1, 0, 0]];
    for code in others {
        assert_eq!(call_of(code).0, None, "{code:x?}");
    }
    assert_eq!(call_before(&Memory::new(), 0), None);
    assert_eq!(call_before(&Memory::new(), 3), None);
}

#[test]
fn a_call_through_a_slot_tells_what_the_slot_holds() {
    // call [rip]: the word right behind the instruction.
    let (call, _) = call_of(&[0xff, 0x15, 0, 0, 0, 0]);
    assert!(matches!(call, Some(Call::Indirect(_))));
    // endbr64; jmp [rip+2]; two bytes; the slot
    let mut stub = vec![0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, 2, 0, 0, 0, 0x66, 0x90];
    stub.extend(0x1234_5678_9abcu64.to_le_bytes());
    stub.extend([0x90; 8]);
    assert_eq!(through_stub(&Memory::new(), stub.as_ptr() as u64), 0x1234_5678_9abc);
    let plain = [0x90u8; 32];
    assert_eq!(through_stub(&Memory::new(), plain.as_ptr() as u64), plain.as_ptr() as u64);
}

#[test]
fn entries_are_known_by_the_instructions_around() {
    // nops; endbr64; push rbp; mov rbp,rsp; sub rsp,16
    let code = [0x90u8, 0x90, 0x90, 0x90, 0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10, 0, 0];
    let at = |offset: u64| entry_at(&Memory::new(), code.as_ptr() as u64 + offset);
    assert_eq!(at(4), Some(Entry::Called));
    assert_eq!(at(8), Some(Entry::Called));
    assert_eq!(at(9), Some(Entry::Pushed));
    assert_eq!(at(12), Some(Entry::Framed));
    assert_eq!(at(13), None);
}

#[test]
fn jumps_that_leave_a_function_are_found() {
    // je +0 (inside); jne far; jmp far; ret
    let code = [0x74u8, 0x00, 0x75, 0x40, 0xe9, 0x00, 0x02, 0x00, 0x00, 0xc3];
    let start = code.as_ptr() as u64;
    let end = start + code.len() as u64;
    assert_eq!(exits(&Memory::new(), start, end), Some(vec![start + 4 + 0x40, start + 9 + 0x200]));
    let through_register = [0xffu8, 0xe0];
    let start = through_register.as_ptr() as u64;
    assert_eq!(exits(&Memory::new(), start, start + 2), None);
    assert_eq!(exits(&Memory::new(), start + 2, start), None);
}

#[test]
fn a_trampoline_without_information_is_known_by_its_bytes() {
    for code in [[0x48u8, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05], [0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05, 0x90, 0x90]] {
        assert!(is_signal_return(&Memory::new(), code.as_ptr() as u64));
        assert!(!is_signal_return(&Memory::new(), code.as_ptr() as u64 + 1));
    }
    // SAFETY: zeros are a valid context.
    let context = unsafe {
        let mut context: libc::ucontext_t = core::mem::zeroed();
        context.uc_mcontext.gregs[libc::REG_RBP as usize] = 11;
        context.uc_mcontext.gregs[libc::REG_RSP as usize] = 22;
        context.uc_mcontext.gregs[libc::REG_RIP as usize] = 33;
        context.uc_mcontext.gregs[libc::REG_R15 as usize] = 44;
        context
    };
    // SAFETY: the context is plain data of this size.
    let bytes = unsafe { core::slice::from_raw_parts((&raw const context).cast::<u8>(), size_of_val(&context)) };
    let stack = StackCopy { start: 0x1000, bytes: bytes.to_vec(), limit: 0x2000 };
    let rule = Rule::of_kernel_signal_frame();
    let registers = Registers::of_blocked(0x4000, 0x1000);
    let cfa = rule.cfa(&registers, &stack).unwrap();
    let interrupted = rule.caller(cfa, &registers, &stack).unwrap();
    assert_eq!([RBP, RSP, RIP, 15].map(|register| interrupted.get(register)), [Some(11), Some(22), Some(33), Some(44)]);
}
