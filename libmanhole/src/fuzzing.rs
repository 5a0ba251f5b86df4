//! What reads text and files of others, for inputs of any kind: they end in an answer or an error, soon and in little memory.
//!
//! Context: unit tests and the fuzzers (`fuzz/`), never the agent. What a fuzzer has found can be put into a unit test as it is.

use crate::memory::Memory;
use crate::modules::{Module, Modules};
use crate::prompt;
use crate::snapshot::{RIP, RSP, Registers, StackCopy};
use crate::symbols;
use crate::unwind::Unwinder;
use crate::wire;

/// Lines that mean something at the prompt.
pub const LINES: &str = include_str!("fuzzing/lines.txt");

/// Names that are looked for.
const NAMES: [&str; 10] = [
    "same_name",
    "counter::calls",
    "ns::Hidden",
    "struct node",
    "ns::over",
    "ns::Color::Blue",
    "a::SHAPE",
    "main",
    "x",
    "variable",
];

/// A module that nobody has mapped.
fn nowhere(path: &str) -> Module {
    Module {
        path: path.to_owned(),
        deleted: false,
        device: (0, 0),
        inode: 0,
        start: 0x5_5555_0000_0000,
        end: 0x5_5556_0000_0000,
        bias: 0x5_5555_0000_0000,
        eh_frame_hdr: None,
        dynamic: None,
        thread_local: None,
        entry: 0,
        build_id: Vec::new(),
        rank: u32::MAX,
    }
}

/// An ELF file with symbols and debug information.
#[cfg(fuzzing)]
pub fn file(path: &str) -> usize {
    let module = nowhere(path);
    let mut answers = symbols::exercise::file(path.as_bytes());
    let (modules, memory) = (Modules::default(), Memory::new());
    answers += symbols::exercise::module((&modules, &memory, &module), Some(path.as_bytes()));
    let store = symbols::Store::default();
    if let Some((dwarf, code)) = symbols::exercise::dwarf(&store, path.as_bytes()) {
        answers += crate::debug::exercise::dwarf(&store, dwarf, code, &module, &NAMES);
    }
    answers
}

/// The maps file, a NUL, and what is mapped at its first line, whose addresses are put in here; the number of answers.
pub fn maps(input: &[u8]) -> usize {
    const PAGE: usize = 4096;
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let (text, image) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut room = vec![0u8; image.len().next_multiple_of(PAGE) + PAGE];
    let first = room.as_ptr().align_offset(PAGE);
    if let Some(place) = room.get_mut(first..first.saturating_add(image.len())) {
        place.copy_from_slice(image);
    }
    let start = (room.as_ptr() as usize).wrapping_add(first);
    let end = start.wrapping_add(image.len().next_multiple_of(PAGE));
    let mut whole = format!("{start:x}-{end:x} r-xp 00000000 08:01 42 /lib/first.so\n").into_bytes();
    whole.extend_from_slice(text);
    let memory = Memory::new();
    let modules = Modules::of_text(&whole, &memory);
    let mut answers = modules.mappings.len();
    for address in
        modules.mappings.iter().flat_map(|mapping| [mapping.start, mapping.end, mapping.start.wrapping_add(8)])
    {
        answers += usize::from(modules.mapping(address).is_some()) + usize::from(modules.executable(address));
        answers += usize::from(modules.module(address).is_some() | modules.next_mapping(address).is_some());
    }
    let mut unwinder = Unwinder::new(&modules, &memory);
    for module in modules.modules.iter().take(4) {
        answers += symbols::exercise::module((&modules, &memory, module), None) + module.name().len();
        let stack: Vec<u8> = image.iter().copied().chain((0..=255).cycle()).take(2048).collect();
        let stack = StackCopy { start: 0x7000_0000_0000, limit: 0x7000_0000_0000 + 4096, bytes: stack };
        for pc in (module.start..module.start.saturating_add(image.len() as u64)).step_by(97) {
            let mut registers = Registers::default();
            (0..16).for_each(|register| registers.set(register, (register % 3 > 0).then_some(stack.start + 64)));
            registers.set(RIP, Some(pc));
            registers.set(RSP, Some(stack.start + 8));
            answers += unwinder.unwind(&registers, &stack).frames.len();
        }
    }
    answers
}

/// A name of a symbol table, of any mangling.
pub fn name(raw: &[u8]) {
    symbols::exercise::name(raw);
}

/// Lines at the prompt, and what a structured client sends. Nothing is written and nothing is called.
pub struct Lines(prompt::exercise::Lines<'static>);

impl Lines {
    /// A prompt over this very process; it keeps what it loads of the symbols.
    #[allow(clippy::new_without_default, reason = "it is no small thing")]
    pub fn new() -> Lines {
        Lines(prompt::exercise::Lines::new(Box::leak(Box::default())))
    }

    /// Runs the lines, as text or (where the first byte is odd) as data; the number of answers that are no errors.
    pub fn run(&mut self, input: &[u8]) -> usize {
        let [kind, text @ ..] = input else { return 0 };
        let _ = wire::parse(text);
        self.0.run(&String::from_utf8_lossy(text), kind % 2 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marsaglia's xorshift: the same inputs in every run.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 16) as usize % bound
        }

        /// Loses, changes and puts in some bytes, and pieces of `others`.
        fn change(&mut self, bytes: &mut Vec<u8>, others: &[&[u8]]) {
            for _ in 0..=self.below(4) {
                let at = self.below(bytes.len() + 1);
                match self.below(7) {
                    0 if at < bytes.len() => drop(bytes.remove(at)),
                    1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                    2 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                    3 => bytes.insert(at, b"/-9:,f \n\xff\x80("[self.below(11)]),
                    4 => bytes.truncate(at.max(1)),
                    _ => drop(bytes.splice(at..at, others[self.below(others.len())].iter().copied())),
                }
            }
        }
    }

    #[test]
    fn changed_lines_end() {
        let seeds: Vec<&[u8]> = LINES.lines().map(str::as_bytes).collect();
        let mut lines = Lines::new();
        let mut chance = Chance(0x0dd0_5678_9abc_def1);
        let mut answers = 0;
        for round in 0..5000 {
            let mut text = seeds[round % seeds.len()].to_vec();
            if round >= seeds.len() {
                chance.change(&mut text, &seeds);
            }
            text.insert(0, round as u8);
            answers += lines.run(&text);
        }
        assert!(answers > 150, "{answers}");
    }

    /// The vDSO: a library as it is in memory.
    fn vdso() -> Vec<u8> {
        let memory = Memory::new();
        let modules = Modules::read(&memory).unwrap();
        let vdso = modules.modules.iter().find(|module| module.path == "[vdso]").unwrap();
        memory.bytes(vdso.start, (vdso.end - vdso.start) as usize).unwrap()
    }

    /// What a dynamic section says of its strings' size is compared with what is mapped.
    #[test]
    fn strings_of_many_bytes_are_not_believed() {
        let mut image = vdso();
        let word = |at: usize| u64::from_le_bytes(image[at..at + 8].try_into().unwrap());
        // DT_STRTAB, DT_SYMTAB and DT_STRSZ follow each other.
        let is_place = |at: &usize| word(*at) == 5 && word(at + 16) == 6 && word(at + 32) == 10;
        let at = (0..image.len() - 48).step_by(8).find(is_place).unwrap() + 40;
        image[at..at + 8].copy_from_slice(&(1u64 << 40).to_le_bytes());
        assert!(maps(&[b"\0", &image[..]].concat()) > 10);
    }

    #[test]
    fn changed_maps_and_images_end() {
        const MAPS: &[u8] = b"7f1000000000-7f1000002000 r-xp 00001000 fd:01 42    /lib/a b.so (deleted)\n\
            7f1000002000-7f1000004000 rw-s 00000000 00:00 0\nffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";
        let image = vdso();
        let whole = [MAPS, b"\0", &image].concat();
        assert!(maps(&whole) > 100, "{}", maps(&whole));
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
        let mut answers = 0;
        for round in 0..1500 {
            let mut text = MAPS.to_vec();
            chance.change(&mut text, &[MAPS, b"ffffffffffffffff-", b"-0"]);
            text.retain(|byte| *byte != 0);
            let mut image = image.clone();
            for _ in 0..round % 16 {
                // The headers, and all that is found by them.
                let limit = if round % 2 == 0 { 1024 } else { image.len() };
                let at = chance.below(limit);
                image[at] = chance.below(256) as u8;
            }
            answers += maps(&[&text, &b"\0"[..], &image].concat());
        }
        assert!(answers > 15_000, "{answers}");
    }

    #[test]
    fn changed_names_end() {
        let seeds: [&[u8]; 5] = [
            b"_ZNSt6vectorIiSaIiEE9push_backERKi",
            b"_ZN12_GLOBAL__N_16Hidden3getEiPFvvESt4pairIiiE",
            b"_ZN4core3ptr42drop_in_place$LT$alloc..string..String$GT$17h0123456789abcdefE",
            b"_RNvMs_NtCs5_4core3fmtINtB5_9FormatterpE3pad",
            b"_ZNK2ns3BoxIiLi3EEcvT_IS0_S1_DpT0_EEv@@V1",
        ];
        let mut chance = Chance(0x1111_79b9_7f4a_7c15);
        for round in 0..20_000 {
            let mut text = seeds[round % seeds.len()].to_vec();
            chance.change(&mut text, &seeds);
            name(&text);
        }
    }
}
