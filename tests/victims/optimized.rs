//! What the optimizer and the linker leave of a program: functions that are called in another way than they are declared, and what is discarded.
use std::io::Write;

pub struct Large { a: u64, b: u64, c: u64 }

static DISCARDED: [u16; 5] = [1, 2, 3, 4, 5];
static KEPT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(7);

/// Always gets the same.
#[inline(never)]
fn scaled(a: u64, b: u64) -> Large { Large { a: a * b, b, c: a } }

#[inline(never)]
#[no_mangle]
pub fn large(a: u64) -> Large { Large { a, b: a + 1, c: a + 2 } }

fn main() {
    let (one, two) = (scaled(3, 7), large(std::env::args().count() as u64));
    let all = one.a + one.b + one.c + two.a + two.b + two.c + u64::from(DISCARDED[1]);
    println!("ready");
    std::io::stdout().flush().unwrap();
    let mut line = String::new();
    while std::io::stdin().read_line(&mut line).unwrap() > 0 {}
    std::process::exit(i32::from(all == 5 || KEPT.load(std::sync::atomic::Ordering::Relaxed) == 8));
}
