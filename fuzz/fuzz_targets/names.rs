//! Names of symbol tables, mangled in any way.
#![no_main]

libfuzzer_sys::fuzz_target!(|name: &[u8]| manhole_agent::fuzzing::name(name));
