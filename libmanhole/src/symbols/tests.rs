//! The symbols of this very test program and of small libraries that the tests build.
//!
//! Context: test.
#![allow(unsafe_code)]

use super::*;

#[inline(never)]
fn ordinary(value: u64) -> u64 {
    core::hint::black_box(value) + 1
}

#[test]
fn symbols_of_libc_are_found_by_address_and_name() {
    let (store, memory) = (Store::default(), Memory::new());
    let modules = Modules::read(&memory).unwrap();
    let mut symbols = Symbols::new(&store);
    let address = libc::getpid as *const () as u64;
    let symbol = symbols.symbol_at(&modules, &memory, address).unwrap();
    assert_eq!(symbol.address, address);
    assert!(symbol.name.trim_start_matches('_').ends_with("getpid"), "{symbol:?}");
    let found = symbols.find(&modules, &memory, "getpid");
    assert!(found.iter().any(|symbol| symbol.address == address && symbol.is_function), "{found:?}");
    let here = symbols.locate(&modules, &memory, ordinary as *const () as u64);
    assert_eq!(ordinary(1), 2);
    eprintln!("{here:?} {:?}", symbols.problems());
}
