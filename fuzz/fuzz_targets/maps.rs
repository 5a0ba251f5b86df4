//! The maps file, and the headers, symbols and call frame information of what it says is mapped.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    manhole_agent::fuzzing::maps(input);
});
