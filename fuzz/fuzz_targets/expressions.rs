//! Lines of C over made-up processes: lexed, parsed, evaluated, printed.
#![no_main]

use std::cell::LazyCell;

use libfuzzer_sys::fuzz_target;
use manhole_expressions::fuzzing::Worlds;

thread_local! {
    static WORLDS: LazyCell<Worlds> = LazyCell::new(Worlds::new);
}

fuzz_target!(|input: &[u8]| {
    WORLDS.with(|worlds| worlds.run(input));
});
