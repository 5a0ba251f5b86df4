//! The agent: a shared object for `LD_PRELOAD` that opens a manhole in the process.
//!
//! Data flows one way; a module knows only modules further down this list. ARCHITECTURE.md is the map.
#![cfg_attr(any(test, fuzzing), allow(dead_code, reason = "tests leave out `abi`, from which everything hangs"))]

mod abi;
mod children;
mod install;
mod aside;
mod rooted;
mod wake;
mod serve;
mod dump;
mod dormant;
mod descendants;
mod late;
mod listener;
mod access;
mod session;
mod client;
mod wire;
mod prompt;
mod command;
mod redirect;
mod worker;
mod call;
mod app;
mod render;
mod errand;
mod capture;
mod loan;
mod interrupted;
mod unwind;
mod python;
mod debug;
mod symbols;
mod loader;
mod decoding;
mod modules;
mod memory;
mod snapshot;
mod log;
mod credentials;
mod filters;
mod hand;
mod state;
mod held;
mod paused;
mod settings;
mod arena;
mod sys;
mod text;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
