//! C expressions as gdb's `print` understands them: text -> tree -> value -> text, over a [`Target`].
//!
//! Runs on the agent's thread. Pure: what is outside (memory, registers, debug information, calls) is asked of the target. No
//! system calls, no locks, no thread-locals, no panics; recursion and the length of every answer are bounded.

#![forbid(unsafe_code)]
#![cfg_attr(
    fuzzing,
    allow(dead_code, unused_imports, reason = "of the unit tests, the fuzzer needs what they ask about")
)]

// In the order of the flow.
#[allow(missing_docs, reason = "the names are C's own")]
pub mod ast;
mod lex;
mod parse;
#[allow(missing_docs, reason = "the names are DWARF's own")]
pub mod types;
pub mod value;
pub mod target;
pub mod access;
pub mod copies;
pub mod float;
pub mod evaluate;
pub mod print;
mod printers;

#[cfg(any(test, fuzzing))]
pub mod fuzzing;
#[cfg(any(test, fuzzing))]
mod testing;

pub use parse::{Names, expression, expressions, type_name};
pub use target::Target;
