//! Texts that are long, deep or noise: an error or a tree, soon, on a small stack.

use std::time::{Duration, Instant};

use super::Known;
use crate::parse::{expression, type_name};

/// The caller has 256 KiB, and uses some of it.
const STACK: usize = 192 * 1024;

fn on_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
}

#[test]
fn depth_and_length_are_bounded() {
    on_small_stack(|| {
        for text in [
            "(",
            "-",
            "f(",
            "a[",
            "a?",
            "(int)",
            "1+(",
            "{int}",
            "sizeof(",
            "(int(*)(",
            "a=",
            "typeof(",
            "*&",
            "operator ",
            "struct operator ",
            "int(",
            "a<",
            "int(*",
            "1||1&&1|1^1&1==1<1<<1@1+1*(",
            "static_cast<",
            "a.b(c[(int)",
            "'x'::",
        ] {
            assert!(expression(&text.repeat(5000), &mut Known).is_err(), "{text}");
            let _ = type_name(&text.repeat(100), &mut Known);
        }
        assert!(expression(&"x".repeat(100_000), &mut Known).is_err_and(|error| error.contains("longer")));
        assert!(expression(&"1+".repeat(3000), &mut Known).is_err_and(|error| error.contains("more than 2048")));
        for (open, close) in
            [("(", ")"), ("1||1&&1|1^1&1==1<1<<1@1+1*(", ")"), ("f(", ")"), ("a[", "]"), ("(int)a.b(c[", "])")]
        {
            let depth = if close.len() > 1 { 28 } else { 60 };
            let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(expression(&text, &mut Known).is_ok(), "{open}: {:?}", expression(&text, &mut Known));
        }
    });
}

/// The tree is as high as it has tokens, and is freed by recursion.
#[test]
fn chains_are_freed_on_a_small_stack() {
    on_small_stack(|| {
        for (head, link, tail, count) in [
            ("a", "++", "", 2040),
            ("", "1+", "1", 1000),
            ("a", ".b", "", 1000),
            ("a", "[1]", "", 680),
            ("f", "()", "", 1000),
            ("", "1,", "1", 1000),
            ("a", "@1", "", 1000),
        ] {
            let text = format!("{head}{}{tail}", link.repeat(count));
            let tree = expression(&text, &mut Known);
            assert!(tree.is_ok(), "{link}: {tree:?}");
            drop(tree);
            assert!(expression(&format!("{head}{}{tail}", link.repeat(16_000)), &mut Known).is_err(), "{link}");
        }
    });
}

/// What can be a type or a value is tried as both; without a bound that doubles at every level.
#[test]
fn attempts_are_bounded() {
    on_small_stack(|| {
        for (open, close) in [
            ("typeof(", "+1)"),
            ("(typeof(", "))"),
            ("int(typeof(", "))"),
            ("sizeof(typeof(", "+1))"),
            ("(typeof(int(", ")))"),
            ("a<", ">"),
            ("a<", ">::b"),
            ("(a<", ">)b"),
        ] {
            for depth in [10, 20, 31, 60, 400] {
                let text = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                let start = Instant::now();
                let _ = expression(&text, &mut Known);
                assert!(start.elapsed() < Duration::from_secs(5), "{open} {depth}: {:?}", start.elapsed());
            }
        }
    });
}

struct Chance(u64);

impl Chance {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) as usize
    }
}

const WORDS: &[&str] = &[
    "a",
    "1",
    "1.5",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    ">>",
    "::",
    "->",
    ".",
    "int",
    "struct",
    "*",
    "&",
    "'x'",
    "\"s\"",
    "L\"s\"",
    "$",
    "$1",
    "@",
    "=",
    "+=",
    "?",
    ":",
    ",",
    "sizeof",
    "typeof",
    "operator",
    "~",
    "'f.c'",
    "...",
    "point_t",
    "unsigned",
    "const",
    "-",
    "0x",
    "e",
    "\\",
    "'",
    "\"",
    "ä",
    "\0",
    "and",
    "not",
    "\\u{",
    "1'0",
    "u8",
    "largest<int>",
];

fn read_all(text: &str) {
    for error in [expression(text, &mut Known).err(), type_name(text, &mut Known).err()].into_iter().flatten() {
        assert!(!error.is_empty() && error.len() < 600 && !error.contains(char::is_control), "{text:?}: {error}");
    }
}

#[test]
fn noise_is_an_error_or_a_tree() {
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    for _ in 0..100_000 {
        let mut text = String::new();
        for _ in 0..chance.next() % 14 {
            text.push_str(WORDS[chance.next() % WORDS.len()]);
            if chance.next().is_multiple_of(3) {
                text.push(' ');
            }
        }
        read_all(&text);
    }
}

/// Good lines with some letters lost, doubled, exchanged, or words put in.
#[test]
fn changed_lines_are_an_error_or_a_tree() {
    let seeds: Vec<&str> = super::TREES.iter().map(|(text, _)| *text).collect();
    let mut chance = Chance(0x2545_f491_4f6c_dd1d);
    for _ in 0..100_000 {
        let mut letters: Vec<char> = seeds[chance.next() % seeds.len()].chars().collect();
        for _ in 0..=chance.next() % 4 {
            let at = chance.next() % (letters.len() + 1);
            match chance.next() % 5 {
                0 if at < letters.len() => drop(letters.remove(at)),
                1 if at < letters.len() => letters.insert(at, letters[at]),
                2 => drop(letters.splice(at..at, WORDS[chance.next() % WORDS.len()].chars())),
                3 => letters.truncate(at),
                _ => drop(letters.splice(at..at, seeds[chance.next() % seeds.len()].chars())),
            }
        }
        read_all(&letters.into_iter().collect::<String>());
    }
}
