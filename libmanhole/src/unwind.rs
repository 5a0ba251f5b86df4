//! Registers and stack bytes -> return addresses.
//!
//! Context: the agent's thread. Reads code and call frame information through [`Memory`], the stack only from the copy.

use crate::memory::Memory;
use crate::modules::Modules;
use crate::snapshot::{End, Registers, StackCopy, Unwound};

/// Unwinds stacks of one look at the process; keeps what it has decoded for the next thread.
pub(crate) struct Unwinder<'a> {
    _modules: &'a Modules,
    _memory: &'a Memory,
}

impl<'a> Unwinder<'a> {
    pub(crate) fn new(modules: &'a Modules, memory: &'a Memory) -> Self {
        Unwinder { _modules: modules, _memory: memory }
    }

    /// The frames of a thread, innermost first.
    pub(crate) fn unwind(&mut self, _registers: &Registers, _stack: &StackCopy) -> Unwound {
        Unwound { frames: Vec::new(), end: End::Lost("not written".to_owned()) }
    }
}
