//! The text of `MANHOLE`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    manhole_options::fuzzing::read(text);
});
