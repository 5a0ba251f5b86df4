//! Test: distances between registers and the stack pointer in small functions, one way of building a frame each.

use crate::snapshot::RBP;
use crate::unwind::distance::{Distance, Function};

const START: u64 = 0x40_0000;

/// The distance of rbp at the offset, as a return address.
fn rbp_behind_call(code: &[u8], offset: u64) -> Option<Distance> {
    Function { code, start: START }.distance(RBP, START + offset, true)
}

fn rbp_at(code: &[u8], offset: u64) -> Option<Distance> {
    Function { code, start: START }.distance(RBP, START + offset, false)
}

fn known(from_sp: i64) -> Option<Distance> {
    Some(Distance { from_sp, slack: 0, to_cfa: Some(16) })
}

/// push rbp; mov rbp,rsp; push r12; push rbx; sub rsp,0x48; call [rax]; syscall; add rsp,0x48; pop rbx; pop r12;
/// pop rbp; ret
#[rustfmt::skip]
const SAVES: &[u8] = &[
    0x55, 0x48, 0x89, 0xe5, 0x41, 0x54, 0x53, 0x48, 0x83, 0xec, 0x48, 0xff, 0x10, 0x0f, 0x05, 0x48, 0x83, 0xc4, 0x48,
    0x5b, 0x41, 0x5c, 0x5d, 0xc3,
];

#[test]
fn pushes_and_subtractions_are_counted() {
    assert_eq!(rbp_behind_call(SAVES, 13), known(0x58));
    assert_eq!(rbp_at(SAVES, 15), known(0x58));
    assert_eq!(rbp_at(SAVES, 4), known(0));
    assert_eq!(rbp_at(SAVES, 0x14), known(8));
}

#[test]
fn outside_of_the_frame_there_is_no_distance() {
    assert_eq!(rbp_at(SAVES, 0), None);
    assert_eq!(rbp_at(SAVES, 1), None);
    assert_eq!(rbp_at(SAVES, 0x17), None);
    // Not the start of an instruction.
    assert_eq!(rbp_at(SAVES, 5), None);
    assert_eq!(rbp_behind_call(SAVES, 15), None);
    assert_eq!(rbp_at(SAVES, 1000), None);
    assert_eq!(rbp_at(&[], 0), None);
}

#[test]
fn an_allocation_of_unknown_size_hides_it() {
    // push rbp; mov rbp,rsp; sub rsp,rdi; call rax; leave; ret
    let code = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x29, 0xfc, 0xff, 0xd0, 0xc9, 0xc3];
    assert_eq!(rbp_behind_call(&code, 9), None);
}

#[test]
fn code_behind_an_early_return_is_measured() {
    // push rbp; mov rbp,rsp; sub rsp,0x20; test edi,edi; jne 1f; leave; ret; 1: call rax; leave; ret
    let code =
        [0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x20, 0x85, 0xff, 0x75, 0x02, 0xc9, 0xc3, 0xff, 0xd0, 0xc9, 0xc3];
    assert_eq!(rbp_behind_call(&code, 16), known(0x20));
}

#[test]
fn a_realigned_stack_has_a_distance_but_no_frame_address() {
    // lea r10,[rsp+8]; and rsp,-32; push [r10-8]; push rbp; mov rbp,rsp; push r10; sub rsp,0x28; call rax; leave; ret
    let code = [
        0x4c, 0x8d, 0x54, 0x24, 0x08, 0x48, 0x83, 0xe4, 0xe0, 0x41, 0xff, 0x72, 0xf8, 0x55, 0x48, 0x89, 0xe5, 0x41,
        0x52, 0x48, 0x83, 0xec, 0x28, 0xff, 0xd0, 0xc9, 0xc3,
    ];
    assert_eq!(rbp_behind_call(&code, 25), Some(Distance { from_sp: 0x30, slack: 0, to_cfa: None }));
}

#[test]
fn an_aligned_stack_pointer_leaves_some_slack() {
    // push rbp; mov rbp,rsp; push rbx; and rsp,-64; sub rsp,0x40; call rax; leave; ret
    let code = [0x55, 0x48, 0x89, 0xe5, 0x53, 0x48, 0x83, 0xe4, 0xc0, 0x48, 0x83, 0xec, 0x40, 0xff, 0xd0, 0xc9, 0xc3];
    assert_eq!(rbp_behind_call(&code, 15), Some(Distance { from_sp: 0x48, slack: 56, to_cfa: Some(16) }));
}

#[test]
fn a_loop_that_touches_pages_ends_at_its_limit() {
    // push rbp; mov rbp,rsp; lea r11,[rsp-0x3000]; 1: sub rsp,0x1000; or qword [rsp],0; cmp rsp,r11; jne 1b;
    // sub rsp,0x10; call rax; leave; ret
    let code = [
        0x55, 0x48, 0x89, 0xe5, 0x4c, 0x8d, 0x9c, 0x24, 0x00, 0xd0, 0xff, 0xff, 0x48, 0x81, 0xec, 0x00, 0x10, 0x00,
        0x00, 0x48, 0x83, 0x0c, 0x24, 0x00, 0x4c, 0x39, 0xdc, 0x75, 0xef, 0x48, 0x83, 0xec, 0x10, 0xff, 0xd0, 0xc9,
        0xc3,
    ];
    assert_eq!(rbp_behind_call(&code, 0x23), known(0x3010));
}

#[test]
fn pushed_arguments_are_counted() {
    // push rbp; mov rbp,rsp; sub rsp,8; push 1; push 2; call rax; add rsp,16; call rax; leave; ret
    let code = [
        0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x08, 0x6a, 0x01, 0x6a, 0x02, 0xff, 0xd0, 0x48, 0x83, 0xc4, 0x10,
        0xff, 0xd0, 0xc9, 0xc3,
    ];
    assert_eq!(rbp_behind_call(&code, 14), known(24));
    assert_eq!(rbp_behind_call(&code, 20), known(8));
}

#[test]
fn ways_that_disagree_give_nothing() {
    // push rbp; mov rbp,rsp; test edi,edi; je 1f; push rax; 1: call rax; leave; ret
    let code = [0x55, 0x48, 0x89, 0xe5, 0x85, 0xff, 0x74, 0x01, 0x50, 0xff, 0xd0, 0xc9, 0xc3];
    assert_eq!(rbp_behind_call(&code, 11), None);
}

#[test]
fn code_behind_a_jump_table_has_the_state_of_the_jump() {
    // push rbp; mov rbp,rsp; sub rsp,0x30; notrack jmp rax; call rcx; leave; ret
    let code = [0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x30, 0x3e, 0xff, 0xe0, 0xff, 0xd1, 0xc9, 0xc3];
    assert_eq!(rbp_behind_call(&code, 13), known(0x30));
}

#[test]
fn a_stack_pointer_kept_in_a_loop_is_not_mistaken_for_the_next_one() {
    // push rbp; mov rbp,rsp; 1: sub rsp,rdi; test eax,eax; cmove ecx,edx; je 2f; mov rbx,rsp; jmp 1b; 2: call rax
    let code = [
        0x55, 0x48, 0x89, 0xe5, 0x48, 0x29, 0xfc, 0x85, 0xc0, 0x0f, 0x44, 0xca, 0x74, 0x05, 0x48, 0x89, 0xe3, 0xeb,
        0xf1, 0xff, 0xd0,
    ];
    let function = Function { code: &code, start: START };
    assert_eq!(function.distance(3, START + 21, true), None);
    assert_eq!(function.distance(RBP, START + 21, true), None);
}

#[test]
fn random_code_ends() {
    let mut random = super::Random(0x1234_5678_9abc_def1);
    for _ in 0..2000 {
        let code: Vec<u8> = (0..256).map(|_| random.next() as u8).collect();
        for offset in [0, 1, 7, 100] {
            // Whatever it is, it is not the frame of a caller that the code has never set up.
            let distance = rbp_at(&code, offset);
            assert!(distance.is_none_or(|distance| distance.from_sp.unsigned_abs() < 1 << 40));
        }
    }
}
