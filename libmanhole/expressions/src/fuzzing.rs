//! Lines of any kind over made-up processes: whatever they are, they end in an answer or an error.
//!
//! Runs in unit tests and in the fuzzer (`fuzz/`), never in the agent. What a fuzzer has found can be put into a unit test as it is.

use std::time::{Duration, Instant};

use crate::evaluate::{self, TargetNames, Variables};
use crate::print::{self, Format, Options};
use crate::target::Stop;
use crate::testing::Fake;
use crate::value::{Content, Value};
use crate::{expression, type_name};

/// Lines that mean something, each with its world and format.
pub const SEEDS: &str = include_str!("fuzzing/seeds.txt");

/// Lines of one input that are looked at.
const LINES: usize = 8;

/// How long somebody waits for the lines of one input.
const PATIENCE: Duration = Duration::from_secs(1);

/// Processes with variables, types and functions.
pub struct Worlds(Vec<(Fake, Variables)>);

impl Worlds {
    /// C, C++ and Rust, of small programs.
    #[allow(clippy::new_without_default, reason = "it is no small thing")]
    pub fn new() -> Worlds {
        let evaluated = evaluate::tests::worlds();
        Worlds(evaluated.into_iter().chain(print::tests::worlds()).collect())
    }

    /// Evaluates and prints: a letter for the world, one for the format, a blank, and lines. The number of values.
    pub fn run(&self, input: &[u8]) -> usize {
        let [world, letter, _, text @ ..] = input else { return 0 };
        let Some((fake, variables)) = self.0.get(usize::from(world.wrapping_sub(b'a')) % self.0.len()) else {
            return 0;
        };
        let (mut fake, mut variables) = (fake.clone(), variables.clone());
        // Whoever waits for a line interrupts it, and it ends soon then.
        fake.deadline = Instant::now().checked_add(PATIENCE);
        let text = String::from_utf8_lossy(text);
        text.split('\n').take(LINES).filter(|line| one(line, *letter, &mut variables, &mut fake)).count()
    }
}

/// Whether the line has a value.
fn one(line: &str, letter: u8, variables: &mut Variables, fake: &mut Fake) -> bool {
    let named = type_name(line, &mut TargetNames(fake));
    let tree = match expression(line, &mut TargetNames(fake)) {
        Ok(tree) => tree,
        Err(error) => {
            assert!(!error.is_empty() && error.len() < 600 && !error.contains(char::is_control), "{line:?}: {error}");
            assert!(named.is_ok() || named.is_err_and(|error| error.len() < 600));
            return false;
        }
    };
    if let Ok(type_id) = evaluate::type_of(&tree, variables, fake) {
        let _ = print::name(type_id, fake);
        let _ = print::definition(type_id, &Options::default(), fake);
        let size = crate::access::size_of(type_id, fake).filter(|size| *size < 4096).unwrap_or(0);
        fake.answers = vec![Value::new(type_id, vec![0x41; size as usize]); 4];
    }
    let Ok(value) = evaluate::evaluate(&tree, variables, fake) else { return false };
    if let Content::Bytes(bytes) = &value.content {
        assert!(bytes.len() <= 65536, "{line:?} has {} bytes", bytes.len());
    }
    let (format, options) = printing(letter);
    for (format, options) in [(format, options), (None, Options::default())] {
        let printed = print::value(&value, format, &options, fake);
        if let Ok(text) | Err(Stop::Error(text)) = &printed {
            assert!(text.len() <= 2 << 20, "{line:?} is printed as {} bytes", text.len());
        }
    }
    let _ = variables.record(&value, fake);
    true
}

/// What a letter asks for: a format, in a capital one with all settings the other way.
fn printing(letter: u8) -> (Option<Format>, Options) {
    let format = match letter.to_ascii_lowercase() {
        b'x' => Some(Format::Hexadecimal),
        b'z' => Some(Format::PaddedHexadecimal),
        b'd' => Some(Format::Decimal),
        b'u' => Some(Format::Unsigned),
        b'o' => Some(Format::Octal),
        b't' => Some(Format::Binary),
        b'a' => Some(Format::Address),
        b'c' => Some(Format::Character),
        b'f' => Some(Format::Float),
        b's' => Some(Format::String),
        _ => None,
    };
    if !letter.is_ascii_uppercase() {
        return (format, Options::default());
    }
    let options = Options {
        elements: None,
        repeats: None,
        depth: None,
        pretty: true,
        union: false,
        address: false,
        symbol: false,
        array: true,
        array_indexes: true,
        null_stop: true,
        static_members: false,
        vtbl: true,
        object: true,
        raw: letter == b'R',
    };
    (format, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marsaglia's xorshift: the same lines in every run.
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, bound: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 16) as usize % bound
        }
    }

    const PIECES: &str = "()[]{}<>*&@$:.,=!+-'\"09xa";

    #[test]
    fn seeds_mean_something() {
        let worlds = Worlds::new();
        let all = SEEDS.lines().count();
        let values = SEEDS.lines().filter(|line| worlds.run(line.as_bytes()) > 0).count();
        assert!(values * 2 > all, "{values} of {all} have a value");
    }

    /// Numbers of 15 bits of exponent, 634 of them: each is cheap enough, and the client need not wait for all.
    #[test]
    fn what_was_slow_is_not() {
        let worlds = Worlds::new();
        let start = Instant::now();
        worlds.run(b"cc q@317@2");
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    }

    /// Lines made of others, with letters lost, changed and put in, in any world.
    #[test]
    fn changed_lines_end() {
        let worlds = Worlds::new();
        let seeds: Vec<&[u8]> = SEEDS.lines().map(str::as_bytes).collect();
        let mut chance = Chance(0x0dd0_5678_9abc_def1);
        let mut values = 0;
        for _ in 0..40_000 {
            let mut line = seeds[chance.below(seeds.len())].to_vec();
            for _ in 0..=chance.below(3) {
                let other = &seeds[chance.below(seeds.len())][3..];
                let at = 3 + chance.below(line.len() - 2);
                match chance.below(6) {
                    0 => drop(line.splice(at..at, other.iter().copied())),
                    1 => line.insert(at, PIECES.as_bytes()[chance.below(PIECES.len())]),
                    2 if at < line.len() => drop(line.remove(at)),
                    3 => line[0] = b'a' + chance.below(5) as u8,
                    4 => line[1] = b"nxzduotacfsNXARS"[chance.below(16)],
                    _ => {
                        line.push(b"\n,@+"[chance.below(4)]);
                        line.extend_from_slice(other);
                    }
                }
            }
            values += worlds.run(&line);
        }
        assert!(values > 4000, "{values}");
    }
}
