//! Machine code -> AT&T assembly as gdb writes it.
//!
//! Context: the agent's thread. Pure but for the names, which the caller adds.

use iced_x86::{Decoder, DecoderOptions, FlowControl, Formatter, GasFormatter, Instruction, OpKind};

use crate::decoding;

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disassembled {
    pub(super) address: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) text: String,
    /// The address that it jumps to or refers to, where that is in the instruction itself.
    pub(super) target: Option<Target>,
}

/// What an instruction refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A jump or call; the address is a part of the text already.
    Code(u64),
    /// An operand relative to the instruction pointer.
    Data(u64),
}

/// The longest instruction in bytes.
pub(super) const LONGEST: usize = 15;

/// Decodes instructions one after the other.
pub(super) struct Disassembler {
    formatter: GasFormatter,
}

impl Disassembler {
    /// In a process where nothing can be decoded an error says so.
    pub(super) fn new() -> Result<Disassembler, String> {
        if !decoding::is_possible_as_text() {
            return Err(decoding::LOST.to_owned());
        }
        let mut formatter = GasFormatter::new();
        let options = formatter.options_mut();
        options.set_uppercase_hex(false);
        options.set_first_operand_char_index(7);
        options.set_small_hex_numbers_in_decimal(false);
        options.set_branch_leading_zeros(false);
        options.set_rip_relative_addresses(true);
        options.set_show_branch_size(false);
        Ok(Disassembler { formatter })
    }

    /// The instruction at the start of `code`, which stands at `address`; `None` where the bytes end inside it.
    pub(super) fn one(&mut self, code: &[u8], address: u64) -> Option<Disassembled> {
        let mut decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
        let mut instruction = Instruction::default();
        if !decoder.can_decode() {
            return None;
        }
        decoder.decode_out(&mut instruction);
        if instruction.is_invalid() {
            if code.len() < LONGEST {
                return None;
            }
            return Some(Disassembled {
                address,
                bytes: code.get(..1)?.to_vec(),
                text: "(bad)".to_owned(),
                target: None,
            });
        }
        let mut text = String::new();
        self.formatter.format(&instruction, &mut text);
        let bytes = code.get(..instruction.len())?.to_vec();
        Some(Disassembled { address, bytes, text, target: target(&instruction) })
    }
}

fn target(instruction: &Instruction) -> Option<Target> {
    if instruction.is_ip_rel_memory_operand() {
        return Some(Target::Data(instruction.ip_rel_memory_address()));
    }
    let branches = !matches!(instruction.flow_control(), FlowControl::Next);
    let near = matches!(instruction.op0_kind(), OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64);
    (branches && near).then(|| Target::Code(instruction.near_branch_target()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_as_gdb_writes_them() {
        for (bytes, text, target) in [
            (&[0x55][..], "push   %rbp", None),
            (&[0x48, 0x89, 0xe5], "mov    %rsp,%rbp", None),
            (&[0xc3], "ret", None),
            (&[0x48, 0x83, 0xec, 0x10], "sub    $0x10,%rsp", None),
            (&[0xb8, 0, 0, 0, 0], "mov    $0x0,%eax", None),
            (&[0xe8, 0xfb, 0x0f, 0, 0], "call   0x2000", Some(Target::Code(0x2000))),
            (&[0x48, 0x8d, 0x05, 0xf9, 0x0f, 0, 0], "lea    0xff9(%rip),%rax", Some(Target::Data(0x2000))),
            (&[0x48, 0x8b, 0x45, 0xf8], "mov    -0x8(%rbp),%rax", None),
            (&[0x0f, 0x05], "syscall", None),
        ] {
            let decoded = Disassembler::new().unwrap().one(bytes, 0x1000).unwrap();
            assert_eq!((decoded.text.as_str(), decoded.target), (text, target));
            assert_eq!(decoded.bytes, bytes);
        }
    }

    #[test]
    fn bytes_that_are_no_instruction() {
        assert_eq!(Disassembler::new().unwrap().one(&[0x48], 0x1000), None);
        assert_eq!(Disassembler::new().unwrap().one(&[], 0x1000), None);
        let bad = Disassembler::new().unwrap().one(&[0x06; 16], 0x1000).unwrap();
        assert_eq!((bad.text.as_str(), bad.bytes.len()), ("(bad)", 1));
    }
}
