//! Starts victims, talks to manholes, compares stacks. Runs in the test process.
//!
//! Everything here is black box: the agent is the shipped `libmanhole.so`, loaded by the loader into real programs.
//! Nothing waits without a deadline, and nothing sleeps to let something happen: it waits for a line, a log line, a
//! byte or an end. Helpers panic with what they waited for and what they got instead: a panic fails the test.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "these are test helpers: a failed expectation is a failed test"
)]

pub mod client;
pub mod compare;
pub mod counters;
pub mod gdb;
pub mod http;
pub mod other_user;
pub mod place;
pub mod poke;
pub mod processes;
pub mod pythons;
pub mod requires;
pub mod screen;
pub mod sources;
pub mod storms;
pub mod structured;
pub mod tasks;
pub mod text;
pub mod turn;
pub mod venv;
pub mod victim;
pub mod victims;
pub mod waits;

pub use client::TextClient;
pub use counters::Counters;
pub use structured::{Frame, StructuredClient, Thread};
pub use victim::{Host, Victim};

use std::time::{Duration, Instant};

/// What a single wait may take before the test fails, unless the test says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Waits until `done` gives a value. Panics after `limit`, naming `what` was waited for.
///
/// # Panics
/// When the deadline passes.
pub fn wait_for<T>(what: &str, limit: Duration, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for {what}");
        // Polling, not synchronisation: the condition above decides.
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// How many dumps the witnesses go through: `MANHOLE_TEST_DUMPS`, else 1,000 in CI and 200 elsewhere.
#[must_use]
pub fn dump_count() -> usize {
    let asked = std::env::var("MANHOLE_TEST_DUMPS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(if requires::in_ci() { 1000 } else { 200 })
}
