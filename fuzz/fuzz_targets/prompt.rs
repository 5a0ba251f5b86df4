//! Lines at the prompt over the fuzzer's own process; nothing is written and nothing is called.
#![no_main]

use std::cell::RefCell;

use manhole_agent::fuzzing::Lines;

thread_local! {
    static LINES: RefCell<Lines> = RefCell::new(Lines::new());
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    LINES.with_borrow_mut(|lines| lines.run(input));
});
