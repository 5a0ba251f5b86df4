//! Texts of any kind: an error that can be shown, or options that are the same when they are written and read again.
//!
//! Runs in unit tests and in the fuzzer (`fuzz/`), never in the agent. What a fuzzer has found can be put into a unit test as it is.

use crate::{Setting, one_line, parse, parse_bytes, quote};

/// Texts that mean something.
pub const SEEDS: &str = include_str!("fuzzing/seeds.txt");

/// Reads one text; whether it is one of options.
pub fn read(text: &[u8]) -> bool {
    let shown = String::from_utf8_lossy(text);
    let _ = (one_line(&shown), quote(&shown));
    match parse_bytes(text) {
        Ok(Setting::Install(options)) => {
            let _ = (options.notes(), options.expand_socket_path(u32::MAX), options.path_has_pid());
            let written = options.to_text();
            assert_eq!(parse(&written), Ok(Setting::Install(options)), "{written}");
            true
        }
        Ok(Setting::Off) => true,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "{shown:?}");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marsaglia's xorshift: the same texts in every run.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 16) as usize % bound
        }
    }

    #[test]
    fn changed_texts_end() {
        let seeds: Vec<&[u8]> = SEEDS.lines().map(str::as_bytes).collect();
        assert!(seeds.iter().filter(|text| read(text)).count() * 3 > seeds.len());
        let mut chance = Chance(0x2545_f491_4f6c_dd1d);
        let mut accepted = 0;
        for _ in 0..60_000 {
            let mut text = seeds[chance.below(seeds.len())].to_vec();
            for _ in 0..=chance.below(4) {
                let at = chance.below(text.len() + 1);
                match chance.below(6) {
                    0 if at < text.len() => drop(text.remove(at)),
                    1 if at < text.len() => text[at] = chance.below(256) as u8,
                    2 => text.insert(at, b",='\"\\[]{}()9e-.rbuN\xc3"[chance.below(20)]),
                    3 => text.truncate(at),
                    4 => drop(text.splice(at..at, seeds[chance.below(seeds.len())].iter().copied())),
                    _ => text.extend_from_slice(&[b", ", seeds[chance.below(seeds.len())]].concat()),
                }
            }
            accepted += usize::from(read(&text));
        }
        assert!(accepted > 600, "{accepted}");
    }
}
