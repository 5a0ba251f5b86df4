//! Corrupt files: every answer is allowed, a panic, an endless loop or a flood is not.
//!
//! Context: test.

use std::time::{Duration, Instant};

use object::ObjectSection as _;

use super::sources::{C, C_OTHER, CPP, LOCALS, RUST};
use super::*;

/// Marsaglia's xorshift: the same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// All that is asked of debug information; the number of answers.
fn exercise(sections: &[(String, Vec<u8>)], code: core::ops::Range<u64>, module: &Module, names: &[&str]) -> usize {
    let get = |name: &str| sections.iter().find(|(known, _)| known == name).map_or(&[][..], |(_, bytes)| bytes);
    let store = Store::default();
    let dwarf = Dwarf::of_sections(&store, get, code.clone());
    crate::debug::exercise::dwarf(&store, Rc::new(dwarf), code, module, names)
}

#[test]
fn corrupt_debug_information_is_survived() {
    let names =
        ["same_name", "counter::calls", "ns::Hidden", "struct node", "ns::over", "ns::Color::Blue", "a::SHAPE", "main"];
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut answered, mut tried) = (0, 0);
    for (compiler, flags, sources, rounds) in [
        ("gcc", &["-g", "-O2"][..], &[("a.c", C), ("b.c", C_OTHER)][..], 250),
        ("gcc", &["-gdwarf-2"], &[("a.c", C), ("b.c", C_OTHER)], 250),
        ("gcc", &["-gdwarf-4", "-O2"], &[("a.c", LOCALS)], 250),
        ("gcc", &["-g", "-O2"], &[("a.c", LOCALS)], 250),
        ("g++", &["-gdwarf-4", "-fdebug-types-section"], &[("a.cc", CPP)], 30),
        ("rustc", &["-g"], &[("a.rs", RUST)], 4),
    ] {
        let program = Program::new(compiler, flags, sources);
        let bytes = std::fs::read(&program.path).unwrap();
        let file = object::read::elf::ElfFile64::<object::Endianness>::parse(&*bytes).unwrap();
        let text = file.section_by_name(".text").unwrap();
        let code = text.address()..text.address() + text.size();
        let whole: Vec<(String, Vec<u8>)> = file
            .sections()
            .filter_map(|section| {
                let name = section.name().unwrap().strip_prefix(".debug_")?.to_owned();
                Some((name, section.data().unwrap().to_vec()))
            })
            .collect();
        let module = &program.modules.modules[0];
        let all = exercise(&whole, code.clone(), module, &names);
        assert!(all > 30, "{compiler} {flags:?} {all}");
        for _ in 0..rounds {
            let mut sections = whole.clone();
            for _ in 0..=numbers.below(8) {
                let which = numbers.below(sections.len());
                // Most of it where it matters most.
                let which = match numbers.below(3) {
                    0 => which,
                    _ => sections.iter().position(|(name, _)| name == "info").unwrap(),
                };
                let bytes = &mut sections[which].1;
                if bytes.is_empty() {
                    continue;
                }
                let at = numbers.below(bytes.len());
                match numbers.below(6) {
                    0 => bytes[at] = 0xff,
                    1 => bytes[at] = 0x7f,
                    2 => bytes[at] ^= 1 << numbers.below(8),
                    3 => {
                        // A reference goes elsewhere: to itself, or round in a circle.
                        let from = numbers.below(bytes.len());
                        let word = (from as u32).to_le_bytes();
                        let end = (at + 4).min(bytes.len());
                        bytes[at..end].copy_from_slice(&word[..end - at]);
                    }
                    4 if numbers.below(8) == 0 => bytes.truncate(at),
                    _ => bytes[at] = numbers.below(256) as u8,
                }
            }
            let start = Instant::now();
            answered += usize::from(exercise(&sections, code.clone(), module, &names) > 0);
            tried += 1;
            assert!(start.elapsed() < Duration::from_secs(20), "{compiler} {flags:?}");
        }
    }
    assert!(answered * 2 > tried, "the corruption is so bad that nothing is tested: {answered} of {tried}");
}

/// Two definitions that each say to be the other's, and a type that is made of itself.
#[test]
fn circles_end() {
    const TEXT: &str = "namespace n { struct S { int f(int); int g(int); }; } typedef int (*T)(int); typedef const T U; U u = 0;
        int n::S::f(int x) { return x; } int n::S::g(int x) { return x + 1; } int main() { return n::S().f(1) + n::S().g(2); }";
    let program = Program::new("g++", &["-gdwarf-4"], &[("a.cc", TEXT)]);
    let bytes = std::fs::read(&program.path).unwrap();
    let file = object::read::elf::ElfFile64::<object::Endianness>::parse(&*bytes).unwrap();
    let get = |name: &str| file.section_by_name(&format!(".debug_{name}")).map_or(&[][..], |it| it.data().unwrap());
    let store = Store::default();
    let image = Image::new(
        0,
        &program.modules.modules[0],
        source::Source::new(Rc::new(Dwarf::of_sections(&store, get, 1..u64::MAX))),
    );
    let mut sections: Vec<(String, Vec<u8>)> =
        ["abbrev", "info", "str", "line", "ranges", "aranges"].map(|name| (name.to_owned(), get(name).to_vec())).into();
    let mut definitions = Vec::new();
    for offset in 11..sections[1].1.len() {
        let Some(entry) = image.entry(image.place(0, offset)) else { continue };
        if entry.tag == gimli::DW_TAG_subprogram
            && let Some(origin) = image.origin(&entry)
            && origin.offset < offset
        {
            let word = (origin.offset as u32).to_le_bytes();
            let at = sections[1].1[offset..].windows(4).position(|window| window == word);
            definitions.extend(at.filter(|at| *at < 4).map(|at| (offset, offset + at)));
        }
    }
    let [(first, in_first), .., (second, in_second)] = definitions[..] else { panic!("{definitions:?}") };
    sections[1].1[in_first..in_first + 4].copy_from_slice(&(second as u32).to_le_bytes());
    sections[1].1[in_second..in_second + 4].copy_from_slice(&(first as u32).to_le_bytes());
    exercise(&sections, 0x1000..0x2000, &program.modules.modules[0], &["n::S::f", "f"]);
}
