//! Records of every kind that Rust passes in another way, in and out by value.
use std::io::Write;

#[derive(Clone, Copy)]
pub struct Pair { a: u32, b: u32 }
#[derive(Clone, Copy)]
pub struct Floats { a: f32, b: f32 }
#[derive(Clone, Copy)]
pub struct Mixed { a: u64, b: f64 }
#[derive(Clone, Copy)]
pub struct Bytes { a: u8, b: u8, c: u8 }
#[derive(Clone, Copy)]
pub struct Triple { a: f32, b: f32, c: f32 }
#[derive(Clone, Copy)]
pub struct Large { a: u64, b: u64, c: u64 }
#[derive(Clone, Copy)]
pub struct Word([u32; 2]);
#[derive(Clone, Copy)]
pub struct Other { a: u8, b: u32 }
#[derive(Clone, Copy)]
pub struct New(u16);

pub fn pair() -> Pair { Pair { a: 1, b: 2 } }
pub fn floats() -> Floats { Floats { a: 1.5, b: 2.5 } }
pub fn mixed() -> Mixed { Mixed { a: 7, b: 8.5 } }
pub fn bytes() -> Bytes { Bytes { a: 1, b: 2, c: 3 } }
pub fn large() -> Large { Large { a: 1, b: 2, c: 3 } }
pub fn word() -> Word { Word([5, 6]) }
pub fn other() -> Other { Other { a: 1, b: 2 } }
pub fn new() -> New { New(9) }
pub fn some() -> Option<u32> { Some(5) }
pub fn none() -> Option<u32> { None }
pub fn tuple() -> (u8, f64) { (1, 2.5) }
pub fn string() -> String { "owned".into() }
pub fn text() -> &'static str { "static" }
pub fn result() -> Result<u8, String> { Ok(4) }

pub fn in_pair(x: Pair) -> u32 { x.a * 10 + x.b }
pub fn in_floats(x: Floats) -> f32 { x.a * 10.0 + x.b }
pub fn in_mixed(x: Mixed) -> f64 { x.a as f64 * 10.0 + x.b }
pub fn in_bytes(x: Bytes) -> u32 { x.a as u32 * 100 + x.b as u32 * 10 + x.c as u32 }
pub fn in_triple(x: Triple) -> f32 { x.a * 100.0 + x.b * 10.0 + x.c }
pub fn in_large(x: Large) -> u64 { x.a * 100 + x.b * 10 + x.c }
pub fn in_word(x: Word) -> u32 { x.0[0] * 10 + x.0[1] }
pub fn in_other(x: Other) -> u32 { x.a as u32 * 10 + x.b }
pub fn in_new(x: New) -> u16 { x.0 }
pub fn in_some(x: Option<u32>) -> u32 { x.unwrap_or(77) }
pub fn in_tuple(x: (u8, f64)) -> f64 { x.0 as f64 * 10.0 + x.1 }
pub fn in_text(a: u32, x: &str) -> usize { a as usize + x.len() }
pub fn in_string(x: String) -> usize { x.len() }
pub fn in_many(a: u8, b: f32, c: &str, d: u64, e: u64, f: &str, g: Pair) -> u64 {
    a as u64 + b as u64 + c.len() as u64 * 10 + d * 100 + e * 1000 + f.len() as u64 * 10_000 + g.a as u64 * 100_000 + g.b as u64 * 1_000_000
}

impl Large {
    pub fn sum(&self, by: u64) -> u64 { (self.a + self.b + self.c) * by }
}

#[inline(never)]
pub fn hold(g_pair: Pair, g_floats: Floats, g_mixed: Mixed, g_bytes: Bytes, g_triple: Triple, g_large: &Large, g_word: Word, g_other: Other, g_new: New, g_text: &str, g_string: String) {
    println!("ready");
    std::io::stdout().flush().unwrap();
    let mut line = String::new();
    while std::io::stdin().read_line(&mut line).unwrap() > 0 {}
    let all = in_pair(g_pair) as f64 + in_floats(g_floats) as f64 + in_mixed(g_mixed) + in_bytes(g_bytes) as f64 + in_triple(g_triple) as f64 + in_large(*g_large) as f64;
    let more = in_word(g_word) + in_other(g_other) + in_new(g_new) as u32 + in_some(none()) + g_large.sum(1) as u32;
    std::process::exit(i32::from(all + more as f64 + in_tuple(tuple()) + in_text(1, g_text) as f64 + in_many(1, 2.0, "", 3, 4, "", g_pair) as f64 == 0.5 || in_string(g_string) != 4));
}

fn main() {
    let triple = Triple { a: 1.0, b: 2.0, c: 3.0 };
    assert!(some().is_some() && string().len() == 5 && text().len() == 6 && result().is_ok());
    hold(pair(), floats(), mixed(), bytes(), triple, &large(), word(), other(), new(), "abc", "heap".into());
}
