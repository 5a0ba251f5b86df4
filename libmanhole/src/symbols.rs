//! Address <-> function, file and line, inlined frames, source text.
//!
//! Context: the agent's thread. Files are read by pread(2), never mapped: a file that is cut short is an error, not a SIGBUS.

use crate::memory::Memory;
use crate::modules::Modules;
use crate::snapshot::Location;

/// Where the bytes of debug files live for as long as the session lasts.
#[derive(Default)]
pub(crate) struct Store {
    _bytes: typed_arena::Arena<Vec<u8>>,
}

/// A symbol of a symbol table, at its address in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    /// The name as the table has it.
    pub(crate) name: String,
    pub(crate) address: u64,
    /// In bytes; 0 where the table does not say.
    pub(crate) size: u64,
    /// Whether it is a function (else data).
    pub(crate) is_function: bool,
    /// The path of the module.
    pub(crate) object: String,
}

/// What is known of the symbols of all modules; loads each module's when first needed.
pub(crate) struct Symbols<'s> {
    _store: &'s Store,
}

impl<'s> Symbols<'s> {
    pub(crate) fn new(store: &'s Store) -> Self {
        Symbols { _store: store }
    }

    /// What the address of code means, innermost inlined function first; never empty.
    /// For a caller's frame pass [`crate::snapshot::Frame::lookup_address`]; `offset` counts from the address passed.
    pub(crate) fn locate(&mut self, _modules: &Modules, _memory: &Memory, _address: u64) -> Vec<Location> {
        vec![Location::default()]
    }

    /// The symbol that covers the address (code or data).
    pub(crate) fn symbol_at(&mut self, _modules: &Modules, _memory: &Memory, _address: u64) -> Option<Symbol> {
        None
    }

    /// Every symbol of this name (as in the table, or demangled), in the order of the modules.
    pub(crate) fn find(&mut self, _modules: &Modules, _memory: &Memory, _name: &str) -> Vec<Symbol> {
        Vec::new()
    }

    /// Up to `limit` symbol names that start with `prefix`, sorted.
    pub(crate) fn complete(
        &mut self,
        _modules: &Modules,
        _memory: &Memory,
        _prefix: &str,
        _limit: usize,
    ) -> Vec<String> {
        Vec::new()
    }

    /// The text of a source line without surrounding blanks, when the file can be read and is not newer than the object.
    pub(crate) fn source_line(&mut self, _file: &str, _line: u32) -> Option<String> {
        None
    }

    /// What could not be loaded and why, one line each (no debug file, too little memory for lines, file changed on disk).
    pub(crate) fn problems(&self) -> Vec<String> {
        Vec::new()
    }
}
