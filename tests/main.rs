//! The integration tests: one binary, black box, with the shipped files and real programs.
//!
//! Each test takes its turn (`turn::shared` or `turn::alone`) first, waits with deadlines, and ends what it started.
//! `cargo build --release --workspace` comes first: see `test.sh`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test binary: a failed expectation is a failed test"
)]

mod activation;
mod bad_lines;
mod by_value;
mod calls;
mod calls_aftermath;
mod deaf;
mod descriptors;
mod dump;
mod elf;
mod exec_handler;
mod exit;
mod expressions;
mod fork;
mod frames_and_names;
mod go_names;
mod hostile;
mod interface;
mod jit;
mod listening;
mod loading;
mod locals;
mod locks;
mod log_lines;
mod names;
mod oneshot;
mod optimized;
mod places;
mod post_mortem;
mod prompt;
mod python_console;
mod python_debugger;
mod python_ending;
mod python_manhole;
mod python_stacks;
mod python_streams;
mod real_expressions;
mod real_world;
mod redirect;
mod redirect_clients;
mod redirect_input;
mod run_cli;
mod storms_of_signals;
mod thread_call;
mod thread_free;
mod transparency;
mod truth;
mod undisturbed;
