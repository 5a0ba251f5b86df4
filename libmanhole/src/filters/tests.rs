//! Filters as programs write them: long lists, trees, arguments in halves, computed answers.

use super::*;

const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const TRAP: u32 = libc::SECCOMP_RET_TRAP;
const READ: libc::c_long = libc::SYS_read;
const WRITE: libc::c_long = libc::SYS_write;

fn statement(code: u32, operand: u32) -> Instruction {
    Instruction { code: code as u16, jt: 0, jf: 0, k: operand }
}

fn jump(code: u32, operand: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code: (libc::BPF_JMP | code) as u16, jt, jf, k: operand }
}

fn load(at: u32) -> Instruction {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, at)
}

fn answer(action: u32) -> Instruction {
    statement(libc::BPF_RET | libc::BPF_K, action)
}

fn equal(operand: u32, jt: u8, jf: u8) -> Instruction {
    jump(libc::BPF_JEQ | libc::BPF_K, operand, jt, jf)
}

#[test]
fn what_is_essential_may_not_fail() {
    let list = [load(NUMBER_AT), jump(libc::BPF_JEQ, READ as u32, 0, 1), answer(ERRNO), answer(ALLOW)];
    assert_eq!(harmed(&list, &[READ, WRITE], &[WRITE]), None);
    assert_eq!(harmed(&list, &[READ, WRITE], &[READ]), Some(READ));
}

#[test]
fn what_is_allowed_logged_or_an_error_spares() {
    for action in [ALLOW, LOG, ERRNO | 1] {
        assert_eq!(harmed(&[answer(action)], &[READ], &[]), None);
    }
    for action in [KILL, TRAP, libc::SECCOMP_RET_KILL_THREAD, libc::SECCOMP_RET_TRACE, 0x7fc0_0000, 0x1234_0000] {
        assert_eq!(harmed(&[answer(action)], &[READ], &[]), Some(READ), "{action:#x}");
    }
}

#[test]
fn the_number_decides() {
    let list = [load(NUMBER_AT), equal(READ as u32, 1, 0), answer(KILL), answer(ALLOW)];
    assert_eq!(harmed(&list, &[READ], &[]), None);
    assert_eq!(harmed(&list, &[READ, WRITE], &[]), Some(WRITE));
    // As libsystemd's: another architecture first.
    let other = [
        load(ARCHITECTURE_AT),
        equal(0x4000_0003, 0, 1),
        answer(KILL),
        load(NUMBER_AT),
        jump(libc::BPF_JGE, 0x4000_0000, 0, 1),
        answer(KILL),
        answer(ALLOW),
    ];
    assert_eq!(harmed(&other, &[READ], &[]), None);
}

#[test]
fn an_argument_could_be_anything() {
    const FIRST_ARGUMENT: u32 = 16;
    let low = [load(FIRST_ARGUMENT), equal(7, 0, 1), answer(KILL), answer(ALLOW)];
    assert_eq!(harmed(&low, &[READ], &[]), Some(READ));
    let masked = [
        load(FIRST_ARGUMENT),
        statement(libc::BPF_ALU | libc::BPF_AND, 3),
        jump(libc::BPF_JSET, 1, 1, 0),
        answer(ALLOW),
        answer(ERRNO),
    ];
    assert_eq!(harmed(&masked, &[READ], &[]), None);
    let given_back = [load(FIRST_ARGUMENT), statement(libc::BPF_RET | libc::BPF_A, 0)];
    assert_eq!(harmed(&given_back, &[READ], &[]), Some(READ));
}

#[test]
fn registers_are_followed() {
    // The number, moved to the index and back, and calculated with.
    let there = [
        load(NUMBER_AT),
        statement(libc::BPF_MISC | libc::BPF_TAX, 0),
        statement(libc::BPF_LD | libc::BPF_IMM, 5),
        statement(libc::BPF_ALU | libc::BPF_ADD | libc::BPF_X, 0),
        statement(libc::BPF_ALU | libc::BPF_SUB, 5),
        equal(WRITE as u32, 0, 1),
        answer(ALLOW),
        answer(KILL),
    ];
    assert_eq!(harmed(&there, &[WRITE], &[]), None);
    assert_eq!(harmed(&there, &[READ], &[]), Some(READ));
    // What has been in the scratch memory is not known any more.
    let kept = [
        load(NUMBER_AT),
        statement(libc::BPF_ST, 0),
        statement(libc::BPF_LD | libc::BPF_MEM, 0),
        equal(WRITE as u32, 0, 1),
        answer(ALLOW),
        answer(KILL),
    ];
    assert_eq!(harmed(&kept, &[WRITE], &[]), Some(WRITE));
}

#[test]
fn what_never_answers_or_takes_too_long_harms() {
    assert_eq!(harmed(&[], &[READ], &[]), Some(READ));
    assert_eq!(harmed(&[load(NUMBER_AT)], &[READ], &[]), Some(READ));
    assert_eq!(harmed(&[jump(libc::BPF_JA, u32::MAX, 0, 0), answer(ALLOW)], &[READ], &[]), Some(READ));
    // Each argument doubles the ways.
    let mut doubling = Vec::new();
    for n in 0..200 {
        doubling.extend([load(16), equal(n, 0, 1), statement(libc::BPF_LD | libc::BPF_IMM, n)]);
    }
    doubling.push(answer(ALLOW));
    assert_eq!(harmed(&doubling, &[READ], &[]), Some(READ));
}

#[test]
fn a_long_list_of_arguments_is_no_long_way() {
    let mut list = vec![load(16)];
    list.extend((0..250u8).map(|n| equal(n.into(), 250 - n, 0)));
    list.extend([answer(ERRNO), answer(ALLOW)]);
    assert_eq!(harmed(&list, &[READ], &[]), None);
}
