//! Values of every kind that Rust has, for expressions: gdb and the manhole look at the same program.
#![allow(dead_code, unused_variables, static_mut_refs, non_upper_case_globals)]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::io::Write;
use std::rc::{Rc, Weak};
use std::sync::{Arc, Mutex, RwLock, atomic::AtomicU32};

pub struct Point {
    pub x: i32,
    pub y: i32,
}

pub struct Pair(i64, bool);
pub struct Unit;
pub struct Wrapper<T> {
    inner: T,
    count: usize,
}

pub enum Shape {
    Empty,
    Circle { radius: f64 },
    Rectangle(f64, f64),
    Named(&'static str),
}

#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Level {
    Low = 1,
    High = 200,
}

pub union Bits {
    word: u32,
    float: f32,
}

pub mod deep {
    pub mod inner {
        pub static ANSWER: u64 = 42;
        pub static mut COUNTER: i32 = -7;
    }
    pub static NAME: &str = "a static name";
    #[inline(never)]
    pub fn double(number: i32) -> i32 {
        number * 2
    }
}

#[used]
pub static ORIGIN: Point = Point { x: 1, y: -1 };
#[used]
pub static PAIR: Pair = Pair(5, true);
#[used]
pub static SHAPES: [Shape; 4] =
    [Shape::Empty, Shape::Circle { radius: 1.5 }, Shape::Rectangle(2.0, 3.0), Shape::Named("square")];
#[used]
pub static LEVEL: Level = Level::High;
#[used]
pub static NUMBERS: [u16; 5] = [1, 2, 3, 4, 5];
#[used]
pub static SOME: Option<i32> = Some(6);
#[used]
pub static NOTHING: Option<i32> = None;
#[used]
pub static REFERENCE: Option<&'static Point> = Some(&ORIGIN);
#[used]
pub static NO_REFERENCE: Option<&'static Point> = None;
#[used]
pub static LETTER: char = 'é';
#[used]
pub static FLAG: bool = true;
#[used]
pub static SMALL: i8 = -8;
#[used]
pub static LARGE: u128 = 1 << 90;
#[used]
pub static FLOAT: f32 = 0.25;
#[used]
pub static WRAPPED: Wrapper<u8> = Wrapper { inner: 9, count: 3 };
#[used]
pub static BITS: Bits = Bits { word: 0x3f80_0000 };

#[inline(never)]
fn hold(argument: i32, point: &Point, text: &str, slice: &[i32]) -> i32 {
    let local = argument + 1;
    let tuple = (1i32, 2.5f64, 'x');
    let string = String::from("an owned string");
    let vector = vec![1i32, 2, 3];
    let words = vec![String::from("one"), String::from("two")];
    let deque: VecDeque<i32> = (1..5).collect();
    let mut map = BTreeMap::new();
    map.insert("a", 1i32);
    map.insert("b", 2);
    let set: BTreeSet<i32> = [3, 1, 2].into_iter().collect();
    let mut hash = HashMap::new();
    hash.insert(7i32, "seven");
    let hash_set: HashSet<u8> = [5].into_iter().collect();
    let boxed = Box::new(Point { x: 7, y: 8 });
    let counted = Rc::new(11i32);
    let counted_too = counted.clone();
    let weak: Weak<i32> = Rc::downgrade(&counted);
    let shared = Arc::new(12i32);
    let cell = Cell::new(13i32);
    let ref_cell = RefCell::new(14i32);
    let mutex = Mutex::new(15i32);
    let lock = RwLock::new(16i32);
    let atomic = AtomicU32::new(17);
    let good: Result<i32, String> = Ok(18);
    let bad: Result<i32, String> = Err(String::from("failed"));
    let some_text: Option<String> = Some(String::from("text"));
    let no_text: Option<String> = None;
    let shape = Shape::Circle { radius: 2.5 };
    let other = Shape::Rectangle(1.0, 2.0);
    let pointer: *const i32 = &local;
    let array = [[1u8, 2], [3, 4]];
    let unit = ();
    let nested = Wrapper { inner: Some(Pair(1, false)), count: 2 };
    let closure = |n: i32| n + local;
    println!("ready");
    std::io::stdout().flush().unwrap();
    loop {
        std::thread::park();
        if local == 0 {
            return closure(1) + deep::double(argument) + vector[0] + point.x + slice[0] + text.len() as i32;
        }
    }
}

fn main() {
    let numbers = [10, 20, 30];
    unsafe { deep::inner::COUNTER += 1 };
    std::process::exit(hold(20, &ORIGIN, "some text", &numbers[..2]) + deep::inner::ANSWER as i32 + deep::NAME.len() as i32);
}
