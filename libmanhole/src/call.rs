//! Calls of the host's functions: what goes into which register, the gate, and the guard that brings a fault back as a message.
//!
//! Context: the agent's thread prepares a call and reads its result; the worker passes the gate; `guard` has a **signal handler**.

#[cfg_attr(target_arch = "x86_64", path = "call/x86_64.rs")]
mod arch;
mod arguments;
mod as_thread;
mod classes;
mod emit;
mod rust;
pub(crate) mod fatal;
pub(crate) mod guard;
pub(crate) mod inside;
pub(crate) mod script;
pub(crate) mod stop;

#[cfg(test)]
mod tests;

pub(crate) use arch::on_stack;
pub(crate) use arguments::{ALIGNMENT, Call};
