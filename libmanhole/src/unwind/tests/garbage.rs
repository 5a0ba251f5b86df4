//! Test: whatever registers, stacks, and call frame information hold, an unwind ends and does not panic.

use super::{Random, capture};
use crate::memory::Memory;
use crate::modules::{Module, Modules};
use crate::snapshot::{REGISTERS, Registers, StackCopy};
use crate::unwind::Unwinder;
use crate::unwind::table::Tables;

/// A value of the kinds that stacks hold: noise, small, an edge, a stack address, a code address.
fn value(random: &mut Random, stack: (u64, u64), code: &[u64]) -> u64 {
    let noise = random.next();
    match noise % 6 {
        0 => noise,
        1 => noise % 4096,
        2 => u64::MAX - noise % 64,
        3 | 4 => stack.0.wrapping_add((noise >> 8) % (stack.1 + 64)) & !7,
        _ => code[(noise >> 8) as usize % code.len()],
    }
}

#[test]
fn random_registers_and_stacks_end() {
    let memory = Memory::new();
    let modules = Modules::read(&memory).unwrap();
    let mut unwinder = Unwinder::new(&modules, &memory);
    let real = capture();
    let mut code: Vec<u64> =
        unwinder.unwind(&real.registers, &real.stack).frames.iter().map(|frame| frame.pc).collect();
    code.extend([libc::read as *const () as u64, random_registers_and_stacks_end as *const () as u64, 0, 1]);
    for module in &modules.modules {
        code.extend([module.start, module.entry, module.end - 1]);
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..10_000 {
        let start = if random.next().is_multiple_of(8) { u64::MAX - 2048 } else { 0x7000_0000_0000 };
        let words = random.next() % 128;
        let stack: Vec<u64> = (0..words).map(|_| value(&mut random, (start, words * 8), &code)).collect();
        let bytes: Vec<u8> = stack.iter().flat_map(|word| word.to_le_bytes()).collect();
        let limit = start.saturating_add(bytes.len() as u64 + random.next() % 2 * 4096);
        let stack = StackCopy { start, bytes, limit };
        let mut registers = Registers::default();
        for register in 0..REGISTERS as u16 {
            let known = register >= 15 || random.next().is_multiple_of(2);
            registers.set(register, known.then(|| value(&mut random, (start, words * 8), &code)));
        }
        let unwound = unwinder.unwind(&registers, &stack);
        assert!(!unwound.frames.is_empty());
        // Each frame but those around signal frames takes its slot of the stack.
        assert!(unwound.frames.len() < 1000);
    }
}

#[test]
fn random_call_frame_information_is_refused_or_used() {
    let mut random = Random(0x0123_4567_89ab_cdef);
    let real = Memory::new();
    let modules = Modules::read(&real).unwrap();
    let here = modules.module(random_call_frame_information_is_refused_or_used as *const () as u64).unwrap();
    let (hdr, size) = here.eh_frame_hdr.unwrap();
    let original = real.bytes(hdr, usize::try_from(size).unwrap().min(64 << 10)).unwrap();
    for round in 0..3000 {
        let memory = Memory::new();
        // A damaged copy of real tables: entries point to wherever, mostly into the middle of real ones.
        let mut bytes = original[..2048].to_vec();
        for _ in 0..=round % 32 {
            let at = random.next() as usize % bytes.len();
            bytes[at] = random.next() as u8;
        }
        let start = bytes.as_ptr() as u64;
        let module = Module {
            start: start & !4095,
            end: (start & !4095) + 8192,
            eh_frame_hdr: Some((start, 2048)),
            ..here.clone()
        };
        let mut tables = Tables::default();
        for offset in [0, 100, 1000, 2000] {
            if let Some(found) = tables.find(&memory, &module, start + offset) {
                assert!((found.start..found.end).contains(&(start + offset)));
            }
        }
    }
}

#[test]
fn entries_with_random_bytes_are_refused_or_used() {
    let mut random = Random(0xfeed_beef_1234_4321);
    let memory = Memory::new();
    let modules = Modules::read(&memory).unwrap();
    let here = &modules.modules[0];
    for _ in 0..3000 {
        // A header with a table of one entry, a CIE with plausible beginnings, and an FDE that covers everything.
        let mut bytes = vec![0u8; 256];
        bytes[..4].copy_from_slice(&[1, 0x1b, 0x03, 0x3b]);
        bytes[8] = 1;
        bytes[16..20].copy_from_slice(&96u32.to_le_bytes());
        bytes[24..28].copy_from_slice(&60u32.to_le_bytes());
        bytes[32..41].copy_from_slice(b"\x01zR\0\x01\x78\x10\x01\x1b");
        for byte in &mut bytes[41..88] {
            *byte = random.next() as u8;
        }
        bytes[96..100].copy_from_slice(&120u32.to_le_bytes());
        bytes[100..104].copy_from_slice(&76u32.to_le_bytes());
        bytes[108..112].copy_from_slice(&0x1000u32.to_le_bytes());
        for byte in &mut bytes[113..220] {
            *byte = random.next() as u8;
        }
        let start = bytes.as_ptr() as u64;
        let module = Module { start, end: start + 4096, eh_frame_hdr: Some((start, 256)), ..here.clone() };
        let memory = Memory::new();
        for offset in [104, 110, 200] {
            let described = Tables::default().find(&memory, &module, start + offset);
            if let Some(described) = described {
                let mut registers = Registers::default();
                (0..17).for_each(|register| registers.set(register, Some(random.next())));
                let stack = StackCopy { start, bytes: bytes.clone(), limit: start + 4096 };
                if let Ok(cfa) = described.rule.cfa(&registers, &stack) {
                    let _ = described.rule.caller(cfa, &registers, &stack);
                }
            }
        }
    }
    assert!(Tables::default().find(&memory, here, 0).is_none());
}
