//! The CPython inside the process: which version it is, and what its threads execute.
//!
//! Context: the agent's thread. Reads memory by checked copies and calls nothing: the interpreter does not notice, whoever holds its lock.
//! What it finds is compared with itself before it is believed, since the interpreter goes on meanwhile.

mod api;
mod code;
mod dicts;
mod ending;
mod interpreter;
mod layout;
mod names;
mod objects;
mod sources;
mod threads;
mod version;

pub(crate) use api::Api;
pub(crate) use ending::{has_ended, has_left_threads};
pub(crate) use interpreter::Interpreter;
pub(crate) use threads::{Call, PythonFrame, PythonThread, Threads};
