//! The types of Rust's library that have pretty printers: gdb and the manhole look at the same program.
#![allow(dead_code, unused_variables)]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::ffi::{CString, OsStr, OsString};
use std::io::Write;
use std::num::{NonZeroI8, NonZeroU32};
use std::path::{Path, PathBuf};
use std::rc::{Rc, Weak};
use std::sync::{Arc, Mutex, RwLock, atomic::AtomicU32};

#[derive(Clone)]
pub struct Item {
    name: String,
    sizes: Vec<u16>,
}

pub struct Nothing;

/// What has a length, and yet is no slice.
pub struct Headed<T: ?Sized> {
    head: u8,
    rest: T,
}

#[inline(never)]
fn hold(text: &str, slice: &[i32], items: &mut [Item], argument: &Vec<i32>) -> usize {
    let string = String::from("an \"owned\" caf\u{e9}\n");
    let no_string = String::new();
    let long_string = "y".repeat(500);
    let with_nul = String::from("a\0b");
    let no_text = "";
    let vector = vec![1i32, 2, 3];
    let no_vector: Vec<i32> = Vec::new();
    let long_vector: Vec<u32> = (0..250).collect();
    let nested = vec![vec![1u8, 2], vec![], vec![3]];
    let words = vec![String::from("one"), String::from("two")];
    let tuples = vec![(1i32, "a"), (2, "b")];
    let nothings = vec![Nothing, Nothing];
    let floats = vec![0.5f64; 20];
    let boxes = vec![Box::new(5i32)];
    let options = vec![Some(1i32), None];
    let mut deque: VecDeque<i32> = (1..5).collect();
    deque.push_front(0);
    deque.pop_back();
    let no_deque: VecDeque<String> = VecDeque::new();
    let map: BTreeMap<&str, i32> = [("a", 1), ("b", 2)].into_iter().collect();
    let no_map: BTreeMap<i32, i32> = BTreeMap::new();
    let long_map: BTreeMap<u32, u32> = (0..250).map(|n| (n, n * n)).collect();
    let map_of_vectors: BTreeMap<String, Vec<i32>> = [(String::from("k"), vec![1, 2])].into_iter().collect();
    let set: BTreeSet<i32> = [3, 1, 2].into_iter().collect();
    let long_set: BTreeSet<u64> = (0..300).collect();
    let no_set: BTreeSet<String> = BTreeSet::new();
    let unit_map: BTreeMap<i32, ()> = [(1, ())].into_iter().collect();
    let hash: HashMap<i32, &str> = [(7, "seven")].into_iter().collect();
    let no_hash: HashMap<String, String> = HashMap::new();
    let hash_of_maps: HashMap<String, HashMap<u8, Vec<u8>>> =
        [(String::from("outer"), [(1, vec![1, 2])].into_iter().collect())].into_iter().collect();
    let hash_set: HashSet<u8> = [5].into_iter().collect();
    let no_hash_set: HashSet<u8> = HashSet::new();
    let heap: BinaryHeap<i32> = [1].into_iter().collect();
    let item = Item { name: String::from("item"), sizes: vec![1, 2] };
    let boxed = Box::new(item.clone());
    let boxed_slice: Box<[i32]> = vec![1, 2].into_boxed_slice();
    let boxed_text: Box<str> = "boxed".into();
    let counted = Rc::new(11i32);
    let counted_too = counted.clone();
    let weak: Weak<i32> = Rc::downgrade(&counted);
    let shared = Arc::new(String::from("shared"));
    let shared_vector = Arc::new(vec![1i32]);
    let shared_text: Rc<str> = "text".into();
    let shared_slice: Arc<[i32]> = vec![4, 5].into();
    let shared_path: Arc<Path> = Path::new("/usr/lib").into();
    let shared_os_text: Rc<OsStr> = OsStr::new("os").into();
    let shared_headed: Rc<Headed<[u16]>> = Rc::new(Headed { head: 9, rest: [1, 2, 3] });
    let shared_nothings: Rc<[()]> = vec![(); 5].into();
    let shared_item = Arc::new(item.clone());
    let r#type = 19i32;
    let cell = Cell::new(13i32);
    let ref_cell = RefCell::new(vec![14i32]);
    let borrowed_cell = RefCell::new(5i32);
    let borrow = borrowed_cell.borrow();
    let written_cell = RefCell::new(6i32);
    let written = written_cell.borrow_mut();
    let mutex = Mutex::new(15i32);
    let mutex_vector = Mutex::new(vec![1i32]);
    let lock = RwLock::new(String::from("locked"));
    let atomic = AtomicU32::new(17);
    let good: Result<Vec<i32>, String> = Ok(vec![18]);
    let bad: Result<i32, String> = Err(String::from("failed"));
    let some_text: Option<String> = Some(String::from("text"));
    let no_some: Option<String> = None;
    let some_vector: Option<Vec<i32>> = Some(vec![1]);
    let some_box: Option<Box<i32>> = Some(Box::new(1));
    let some_map: Option<BTreeMap<i32, i32>> = Some([(1, 2)].into_iter().collect());
    let non_zero = NonZeroU32::new(9).unwrap();
    let small_non_zero = NonZeroI8::new(-3).unwrap();
    let maybe_non_zero = NonZeroU32::new(0);
    let path = PathBuf::from("/usr/lib");
    let os_string = OsString::from("os");
    let c_string = CString::new("c").unwrap();
    let tuple = (String::from("t"), vec![1i32], Some("s"));
    let array = [String::from("x"), String::from("y")];
    println!("ready");
    std::io::stdout().flush().unwrap();
    loop {
        std::thread::park();
        if vector.is_empty() {
            return long_vector.len() + *written as usize + *borrow as usize;
        }
    }
}

fn main() {
    let mut items = [Item { name: String::from("first"), sizes: vec![3] }, Item { name: String::new(), sizes: vec![] }];
    std::process::exit(hold("some text", &[10, 20, 30][..2], &mut items, &vec![4, 5]) as i32);
}
