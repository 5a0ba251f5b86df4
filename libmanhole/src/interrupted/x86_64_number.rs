//! Which system call a signal has interrupted, on x86_64: the kernel keeps the result and not the number, so that it is read from the code that has
//! made the call.
//!
//! Context: **signal handler** on a host thread. No allocation, lock, formatting or panic; reads memory by system call. A wrong number would make the
//! program do something else: what is not certain is not known.
//!
//! Three kinds of code make calls that wait: functions that load the number themselves (glibc to 2.40, and from 2.44 on while the process has one thread),
//! functions that have it on the stack (glibc 2.41 to 2.43, `__internal_syscall_cancel` in nptl/cancellation.c), and those that call
//! `__syscall_cancel_arch` with it (glibc from 2.41 on, sysdeps/unix/sysv/linux/x86_64/syscall_cancel.S).

use super::{SYSCALL, is_wait};
use crate::sys::own_memory;

/// Registers by the numbers that instructions have for them.
const RAX: u8 = 0;
const RSP: u8 = 4;
const RBP: u8 = 5;
const RSI: u8 = 6;

/// The number of the call that these registers come from; the program counter stands behind the instruction.
pub(super) fn of_call(gregs: &[i64]) -> Option<i64> {
    let register = |name: i32| gregs.get(name as usize).map(|&value| value as u64);
    let pc = register(libc::REG_RIP)?;
    let place = Place { sp: register(libc::REG_RSP)?, frame: register(libc::REG_RBP)? };
    let code = Code::before(pc)?;
    let body = code.bytes().strip_suffix(&SYSCALL)?;
    if let Some(before) = body.strip_suffix(&CANCELLABLE) {
        return of_cancellable(pc - (body.len() - before.len() + SYSCALL.len()) as u64, place);
    }
    if is_syscall_3(body) {
        return number_left(gregs).or_else(|| futex_by_number(gregs));
    }
    loaded(body, RAX, place)
}

/// How much code before an instruction is looked at: in bytes, and where no more is mapped.
const CODE: usize = 96;
const LITTLE_CODE: usize = 32;

/// Code before an instruction.
struct Code {
    bytes: [u8; CODE],
    start: usize,
}

impl Code {
    fn before(address: u64) -> Option<Code> {
        [CODE, LITTLE_CODE].into_iter().find_map(|len| {
            let mut code = Code { bytes: [0; CODE], start: CODE - len };
            let start = address.checked_sub(len as u64)?;
            let room = code.bytes.get_mut(code.start..)?;
            (own_memory::read(start, room) == Ok(len)).then_some(code)
        })
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}

fn word(address: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    (own_memory::read(address, &mut bytes) == Ok(bytes.len())).then(|| u64::from_le_bytes(bytes))
}

/// The end of `__syscall_cancel_arch` before its `syscall`: it takes the number as its second argument, and does not keep it. It is written by hand.
#[rustfmt::skip]
const CANCELLABLE: [u8; 33] = [
    0x49, 0x89, 0xfb, // mov %rdi,%r11
    0x48, 0x89, 0xf0, // mov %rsi,%rax
    0x48, 0x89, 0xd7, // mov %rdx,%rdi
    0x48, 0x89, 0xce, // mov %rcx,%rsi
    0x4c, 0x89, 0xc2, // mov %r8,%rdx
    0x4d, 0x89, 0xca, // mov %r9,%r10
    0x4c, 0x8b, 0x44, 0x24, 0x08, // mov 8(%rsp),%r8
    0x4c, 0x8b, 0x4c, 0x24, 0x10, // mov 16(%rsp),%r9
    0x4c, 0x89, 0x5c, 0x24, 0x08, // mov %r11,8(%rsp)
];

/// How far before those it begins: a load, a test and a jump; and an `endbr64` where that is built for.
const BEGINNINGS: [u64; 2] = [11, 15];

/// The number with which `__syscall_cancel_arch`, whose end begins at `end`, was called.
fn of_cancellable(end: u64, place: Place) -> Option<i64> {
    const CALL: u8 = 0xe8;
    let back = word(place.sp)?;
    let code = Code::before(back)?;
    let (body, &[opcode, a, b, c, d]) = code.bytes().split_last_chunk::<5>()?;
    let target = back.wrapping_add_signed(i32::from_le_bytes([a, b, c, d]).into());
    if opcode != CALL || !BEGINNINGS.contains(&end.wrapping_sub(target)) {
        return None;
    }
    loaded(body, RSI, Place { sp: place.sp.checked_add(8)?, ..place })
}

/// The stack and frame pointers at the end of some code.
#[derive(Clone, Copy)]
struct Place {
    sp: u64,
    frame: u64,
}

/// Where a register's value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Immediate(i32),
    /// The word this far behind the stack pointer.
    Stack(i32),
    /// The word this far behind the frame pointer.
    Frame(i32),
}

/// The number of a system call in `register` at the end of the code. It is certain when the last instruction that writes the register loads a number, or a
/// word that still stands where it was, and only such follow of which it is known that they change neither.
fn loaded(code: &[u8], register: u8, place: Place) -> Option<i64> {
    let mut numbers = (0..code.len()).filter_map(|at| {
        let (before, rest) = code.split_at_checked(at)?;
        let (source, rest) = Source::load(before, rest, register)?;
        let pushed = pushed_by(rest, register, source)?;
        Some(match source {
            Source::Immediate(value) => value.into(),
            Source::Stack(offset) => word(place.sp.checked_add(pushed)?.checked_add_signed(offset.into())?)? as i64,
            // Without a frame pointer this story is no number, and contradicts all others.
            Source::Frame(_) if place.frame == 0 => -1,
            Source::Frame(offset) => word(place.frame.checked_add_signed(offset.into())?)? as i64,
        })
    });
    let number = numbers.next().filter(|number| (0..1024).contains(number))?;
    // Code can be read from the middle of an instruction as well: then there are two stories.
    numbers.all(|other| other == number).then_some(number)
}

/// Whether what follows this code is the end of another instruction, or may be: the number's load is not known by that.
fn is_tail(before: &[u8]) -> bool {
    let is_extended = |byte: u8| (0x40..0x50).contains(&byte) && byte & 1 == 1;
    // Of those with operands behind the opcode (Intel's manual, volume 2, A.3): what follows would tell which, and its offset would be the number.
    let has_operands = |opcode: u8| {
        matches!(opcode, 0x63 | 0x69 | 0x6b | 0x80..=0x8f | 0xc0 | 0xc1 | 0xc6 | 0xc7 | 0xd0..=0xd3 | 0xf6 | 0xf7 | 0xfe | 0xff)
            || opcode & 0xc4 == 0
    };
    match *before {
        // A prefix: it would be another register's, or half of it.
        [.., 0x40..=0x4f | 0x66] => true,
        [.., rex, opcode] if is_extended(rex) && has_operands(opcode) => true,
        [.., rex, 0x0f, _] => is_extended(rex),
        _ => false,
    }
}

impl Source {
    /// What the register gets from the instruction that stands there, and the code behind it.
    fn load<'c>(before: &[u8], code: &'c [u8], register: u8) -> Option<(Source, &'c [u8])> {
        const WIDE: u8 = 0x48;
        let is_other = || is_tail(before);
        match *code {
            [opcode, a, b, c, d, ref rest @ ..] if opcode == 0xb8 + register => {
                (!is_other()).then_some((Source::Immediate(i32::from_le_bytes([a, b, c, d])), rest))
            }
            // xor with itself
            [0x31, operands, ref rest @ ..] if operands == 0xc0 + register * 9 => {
                (!is_other()).then_some((Source::Immediate(0), rest))
            }
            [WIDE, 0xc7, operands, a, b, c, d, ref rest @ ..] if operands == 0xc0 + register => {
                Some((Source::Immediate(i32::from_le_bytes([a, b, c, d])), rest))
            }
            [WIDE, 0x8b, ref rest @ ..] => {
                let operands = Operands::of(rest, 0)?;
                let rest = rest.get(operands.len..)?;
                let (base, offset) = operands.memory.filter(|_| operands.register == register)?;
                match base {
                    RSP if offset >= 0 => Some((Source::Stack(offset), rest)),
                    RBP => Some((Source::Frame(offset), rest)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Whether writing a word there leaves it alone, when `pushed` bytes were pushed since.
    fn survives(self, memory: Option<(u8, i32)>, pushed: u64) -> bool {
        let apart = |a: i32, b: i64| i64::from(a).abs_diff(b) >= 8;
        match (self, memory) {
            (Source::Immediate(_), _) => true,
            (Source::Stack(offset), Some((RSP, other))) => apart(offset, i64::from(other) - pushed as i64),
            (Source::Frame(offset), Some((RBP, other))) => apart(offset, other.into()),
            _ => false,
        }
    }
}

/// How many bytes the code pushes, if it is known to change neither the register nor where its value comes from.
fn pushed_by(mut code: &[u8], register: u8, source: Source) -> Option<u64> {
    let mut pushed = 0;
    while !code.is_empty() {
        let step = Step::first(code)?;
        code = code.get(step.len..)?;
        match step.effect {
            Effect::Push(size) => pushed += size,
            Effect::Register(RSP | RBP) => return None,
            Effect::Register(changed) if changed == register => return None,
            Effect::Register(_) => {}
            Effect::Memory(place) if source.survives(place, pushed) => {}
            Effect::Memory(_) => return None,
        }
    }
    Some(pushed)
}

/// What an instruction changes.
enum Effect {
    /// The stack grows by so many bytes.
    Push(u64),
    Register(u8),
    /// A word at a register and an offset; elsewhere.
    Memory(Option<(u8, i32)>),
}

/// An instruction of those with which arguments are put into their places.
struct Step {
    len: usize,
    effect: Effect,
}

impl Step {
    fn first(code: &[u8]) -> Option<Step> {
        const THREAD: u8 = 0x64;
        let mut len = code.iter().take_while(|&&byte| byte == THREAD).count();
        let rex = code.get(len).copied().filter(|byte| (0x40..0x50).contains(byte));
        len += usize::from(rex.is_some());
        let rex = rex.unwrap_or_default();
        let opcode = *code.get(len)?;
        len += 1;
        let by_opcode = opcode & 7 | (rex & 1) << 3;
        let operands = || Operands::of(code.get(len..)?, rex);
        let step = |more: usize, effect| Some(Step { len: len + more, effect });
        match opcode {
            0x50..=0x57 => step(0, Effect::Push(8)),
            0x6a => step(1, Effect::Push(8)),
            0x68 => step(4, Effect::Push(8)),
            0xff => {
                operands().filter(|operands| operands.register & 7 == 6).and_then(|it| step(it.len, Effect::Push(8)))
            }
            // sub from the stack pointer
            0x83 if rex == 0x48 && code.get(len) == Some(&0xec) => {
                let size = u64::try_from(*code.get(len + 1)? as i8).ok()?;
                step(2, Effect::Push(size))
            }
            // mov of a number
            0xb8..=0xbf if rex & 8 == 0 => step(4, Effect::Register(by_opcode)),
            0xc7 => operands().and_then(|it| step(it.len + 4, it.other())),
            // mov and xor between registers, mov to memory
            0x89 => operands().and_then(|it| step(it.len, it.other())),
            0x31 => operands().filter(|it| it.direct.is_some()).and_then(|it| step(it.len, it.other())),
            // mov, movslq, xor and lea to a register
            0x8b | 0x63 | 0x33 | 0x8d => operands().and_then(|it| step(it.len, Effect::Register(it.register))),
            _ => None,
        }
    }
}

/// What stands behind an opcode: a register, and another one or a place in memory (Intel's manual, volume 2, 2.1.3 to 2.1.5).
struct Operands {
    /// In bytes.
    len: usize,
    register: u8,
    /// The other one, if it is a register.
    direct: Option<u8>,
    /// If it is memory: the register and the offset, where these are all.
    memory: Option<(u8, i32)>,
}

impl Operands {
    fn of(code: &[u8], rex: u8) -> Option<Operands> {
        let first = *code.first()?;
        let (mode, low) = (first >> 6, first & 7);
        let register = first >> 3 & 7 | (rex & 4) << 1;
        let other = low | (rex & 1) << 3;
        if mode == 3 {
            return Some(Operands { len: 1, register, direct: Some(other), memory: None });
        }
        let (mut len, mut base, mut is_simple) = (1, other, true);
        if low == 4 {
            let scaled = *code.get(1)?;
            len = 2;
            base = scaled & 7 | (rex & 1) << 3;
            is_simple = scaled >> 3 & 7 == 4 && rex & 2 == 0;
        }
        let offset = match mode {
            // Of the program counter, or of nothing.
            0 if base & 7 == 5 => {
                len += 4;
                is_simple = false;
                0
            }
            0 => 0,
            1 => {
                let offset = *code.get(len)? as i8;
                len += 1;
                offset.into()
            }
            _ => {
                let bytes = code.get(len..)?.first_chunk::<4>()?;
                len += 4;
                i32::from_le_bytes(*bytes)
            }
        };
        Some(Operands { len, register, direct: None, memory: is_simple.then_some((base, offset)) })
    }

    /// What an instruction changes that writes the second of both.
    fn other(&self) -> Effect {
        self.direct.map_or(Effect::Memory(self.memory), Effect::Register)
    }
}

/// Whether `code` is what libc's syscall(3) has before the instruction, which takes the number as an argument and does not keep it.
fn is_syscall_3(code: &[u8]) -> bool {
    // mov %rdi,%rax; mov %rsi,%rdi; mov %rdx,%rsi; mov %rcx,%rdx; mov %r8,%r10; mov %r9,%r8; mov 8(%rsp),%r9
    const END: [u8; 21] = [
        0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48, 0x89, 0xca, 0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8, 0x4c, 0x8b,
        0x4c, 0x24, 0x08,
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
    let at = before.windows(load.len()).rposition(|window| window == load)?;
    (!is_tail(before.get(..at)?)).then_some(libc::SYS_futex)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some words of a stack, and where its pointers lead.
    fn at(stack: &[u64], frame: usize) -> Place {
        let address = stack.as_ptr() as u64;
        Place { sp: address, frame: address + 8 * frame as u64 }
    }

    #[test]
    fn the_number_of_a_system_call_is_read_or_not_guessed() {
        let stack = [u64::MAX, u64::MAX, 0x101, u64::MAX, 0x102];
        let check = |code: &[u8], number: Option<i64>| {
            let mut padded = [0x90; CODE];
            padded[CODE - code.len()..].copy_from_slice(code);
            assert_eq!(loaded(&padded, RAX, at(&stack, 2)), number, "{code:02x?}");
        };
        // mov $0xe8,%eax
        check(&[0xb8, 0xe8, 0, 0, 0], Some(0xe8));
        // mov $0xca,%eax; mov %rcx,%r10; xor %r8d,%r8d
        check(&[0xb8, 0xca, 0, 0, 0, 0x49, 0x89, 0xca, 0x45, 0x31, 0xc0], Some(0xca));
        // mov $0x110,%eax; mov $8,%r8d, which looks like mov $8,%eax from its middle
        check(&[0xb8, 0x10, 1, 0, 0, 0x41, 0xb8, 8, 0, 0, 0], Some(0x110));
        // xor %eax,%eax; mov %rcx,%r10; and xor %r8d,%r8d, which looks like the first from its middle
        check(&[0x31, 0xc0, 0x49, 0x89, 0xca], Some(0));
        check(&[0x45, 0x31, 0xc0], None);
        // xor %ax,%ax, which leaves most of it
        check(&[0x66, 0x31, 0xc0], None);
        // mov %edi,%eax; mov 0xe8(%r8),%rdi, which looks like mov $0xe8,%eax from its middle; the same with lea, and with movzx
        check(&[0x89, 0xf8, 0x49, 0x8b, 0xb8, 0xe8, 0, 0, 0], None);
        check(&[0x44, 0x89, 0xe8, 0x49, 0x8d, 0xb8, 0x5c, 3, 0, 0], None);
        check(&[0x89, 0xf8, 0x41, 0x0f, 0xb6, 0xb8, 0xe8, 0, 0, 0], None);
        // mov %rax,%rdi; mov $0xe8,%eax
        check(&[0x48, 0x89, 0xc7, 0xb8, 0xe8, 0, 0, 0], Some(0xe8));
        // mov $0xca,%eax; mov %edx,%eax
        check(&[0xb8, 0xca, 0, 0, 0, 0x89, 0xd0], None);
        // mov %rdi,%rax, as in syscall(3)
        check(&[0x48, 0x89, 0xf8], None);
        // mov $0xe8,%eax; nop
        check(&[0xb8, 0xe8, 0, 0, 0, 0x90], None);
        // mov $0xe8,%eax; call
        check(&[0xb8, 0xe8, 0, 0, 0, 0xe8, 1, 2, 3, 4], None);
        // mov 0x10(%rsp),%rax; mov 0x10(%rbp),%rax
        check(&[0x48, 0x8b, 0x44, 0x24, 0x10], Some(0x101));
        check(&[0x48, 0x8b, 0x45, 0x10], Some(0x102));
        // mov 0x10(%rsp),%rax; mov %rcx,%r10
        check(&[0x48, 0x8b, 0x44, 0x24, 0x10, 0x49, 0x89, 0xca], Some(0x101));
        // mov 0x8(%rsp),%rax: no number of a call
        check(&[0x48, 0x8b, 0x44, 0x24, 0x08], None);
        // mov 0x8(%rsp),%r8, which looks like mov 0x8(%rsp),%eax from its middle
        check(&[0x4c, 0x8b, 0x44, 0x24, 0x10], None);
        // mov 0x10(%rsp),%rax; mov %r11,0x10(%rsp) or 0x14(%rsp) or (%rdi), which may be there
        for store in [&[0x4c, 0x89, 0x5c, 0x24, 0x10][..], &[0x4c, 0x89, 0x5c, 0x24, 0x14], &[0x4c, 0x89, 0x1f]] {
            check(&[&[0x48, 0x8b, 0x44, 0x24, 0x10], store].concat(), None);
        }
        // the same, with (%rsp)
        check(&[0x48, 0x8b, 0x44, 0x24, 0x10, 0x4c, 0x89, 0x1c, 0x24], Some(0x101));
        // mov 0x10(%rbp),%rax; push %r8; mov %r11,-8(%rbp); and mov %rsp,%rbp, after which it is another one
        check(&[0x48, 0x8b, 0x45, 0x10, 0x41, 0x50, 0x4c, 0x89, 0x5d, 0xf8], Some(0x102));
        check(&[0x48, 0x8b, 0x45, 0x10, 0x48, 0x89, 0xe5], None);
    }

    /// What the caller of `__syscall_cancel_arch` does before, on four systems. The number is 0x107.
    #[test]
    fn the_number_of_a_call_that_can_be_cancelled() {
        const NUMBER: u64 = 0x107;
        // Debian, 2.41: mov 0x20(%rsp),%rsi; mov %rdx,%r8; mov %rdi,%rdx; mov %r11,%rdi
        let debian: &[u8] = &[0x48, 0x8b, 0x74, 0x24, 0x20, 0x49, 0x89, 0xd0, 0x48, 0x89, 0xfa, 0x4c, 0x89, 0xdf];
        // Ubuntu, 2.42: mov 0x10(%rbp),%rsi; push %r8; mov %r10,%r9; mov %r11,-8(%rbp); mov %rdx,%r11; mov %rdi,%rdx; mov %rax,%rdi; mov %r11,%r8
        let ubuntu: &[u8] = &[
            0x48, 0x8b, 0x75, 0x10, 0x41, 0x50, 0x4d, 0x89, 0xd1, 0x4c, 0x89, 0x5d, 0xf8, 0x49, 0x89, 0xd3, 0x48, 0x89,
            0xfa, 0x48, 0x89, 0xc7, 0x4d, 0x89, 0xd8,
        ];
        // Debian, 2.43: mov 0x30(%rsp),%rsi; mov %rax,%r8; mov %r10,%rdi
        let later: &[u8] = &[0x48, 0x8b, 0x74, 0x24, 0x30, 0x49, 0x89, 0xc0, 0x4c, 0x89, 0xd7];
        // Debian, 2.44: mov $0x107,%esi; push $0; mov %rdi,%rdx; mov $8,%r9d; lea 0x308(%r10),%rdi; push $0
        let inlined: &[u8] = &[
            0xbe, 0x07, 0x01, 0, 0, 0x6a, 0, 0x48, 0x89, 0xfa, 0x41, 0xb9, 8, 0, 0, 0, 0x49, 0x8d, 0xba, 0x08, 0x03, 0,
            0, 0x6a, 0,
        ];
        // The same: mov $0x107,%esi; lea 0x308(%r11),%rdi; sub $0x10,%rsp; mov %r11,8(%rsp); push $0; push $0
        let roomy: &[u8] = &[
            0xbe, 0x07, 0x01, 0, 0, 0x49, 0x8d, 0xbb, 0x08, 0x03, 0, 0, 0x48, 0x83, 0xec, 0x10, 0x4c, 0x89, 0x5c, 0x24,
            0x08, 0x6a, 0, 0x6a, 0,
        ];
        // Something after which the register may be another one: call, then as the first.
        let unknown: &[u8] = &[0x48, 0x8b, 0x74, 0x24, 0x20, 0xe8, 1, 2, 3, 4];
        for (before, begins, offset, expected) in [
            (debian, 11, 4, Some(NUMBER)),
            (ubuntu, 15, 9, Some(NUMBER)),
            (later, 15, 6, Some(NUMBER)),
            (inlined, 11, 0, Some(NUMBER)),
            (roomy, 15, 0, Some(NUMBER)),
            (unknown, 11, 4, None),
            // A call of something else.
            (debian, 12, 4, None),
        ] {
            let mut code = [0x90u8; 512];
            // The function at 300, its caller at 100; the call ends at 200.
            let call = 300 - begins - 200i32;
            code[195 - before.len()..195].copy_from_slice(before);
            code[195] = 0xe8;
            code[196..200].copy_from_slice(&call.to_le_bytes());
            code[300..333].copy_from_slice(&CANCELLABLE);
            code[333..335].copy_from_slice(&SYSCALL);
            let mut stack = [u64::MAX; 16];
            stack[0] = code.as_ptr() as u64 + 200;
            // Behind where the function returns to.
            stack[1 + offset] = NUMBER;
            let mut gregs = [0i64; 23];
            gregs[libc::REG_RIP as usize] = code.as_ptr() as i64 + 335;
            gregs[libc::REG_RSP as usize] = stack.as_ptr() as i64;
            gregs[libc::REG_RBP as usize] = stack.as_ptr() as i64 + 8 * (1 + 9 - 2);
            assert_eq!(of_call(&gregs), expected.map(|number| number as i64), "{before:02x?} {begins}");
        }
    }
}
