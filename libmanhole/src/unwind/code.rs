//! What is known of each code address, kept for the next thread: most threads of a program stand in the same functions.
//!
//! Context: the agent's thread.

use core::cell::{OnceCell, RefCell};
use core::hash::{BuildHasherDefault, Hasher};
use std::collections::HashMap;
use std::rc::Rc;

use super::distance::Distance;
use super::rule::Rule;
use super::table::{Described, Tables};
use super::x86_64;
use crate::memory::Memory;
use crate::modules::Modules;

/// What is known of one address.
pub(super) struct Code {
    /// Whether code can run there.
    pub(super) is_executable: bool,
    pub(super) described: Option<Described>,
    /// Whether it is a program's or loader's entry point, or right behind it.
    pub(super) is_program_entry: bool,
    /// Distances of registers from the stack pointer, as far as they were asked for.
    distances: RefCell<Vec<(u16, Option<Distance>)>>,
    /// Where jumps lead out of the function, once asked for.
    exits: OnceCell<Option<Vec<u64>>>,
}

impl Code {
    pub(super) fn is_signal_return(&self) -> bool {
        self.described.as_ref().is_some_and(|described| described.rule.is_signal)
    }

    /// The distance that `find` gives, found once.
    pub(super) fn distance(&self, register: u16, find: impl FnOnce() -> Option<Distance>) -> Option<Distance> {
        if let Some((_, known)) = self.distances.borrow().iter().find(|(number, _)| *number == register) {
            return *known;
        }
        let found = find();
        self.distances.borrow_mut().push((register, found));
        found
    }

    /// The exits that `find` gives, found once.
    pub(super) fn exits(&self, find: impl FnOnce() -> Option<Vec<u64>>) -> Option<&[u64]> {
        self.exits.get_or_init(find).as_deref()
    }
}

/// Address -> what is known of it.
pub(super) struct CodeMap<'a> {
    modules: &'a Modules,
    memory: &'a Memory,
    tables: Tables,
    known: HashMap<(u64, bool), Rc<Code>, BuildHasherDefault<AddressHasher>>,
}

impl<'a> CodeMap<'a> {
    pub(super) fn new(modules: &'a Modules, memory: &'a Memory) -> Self {
        CodeMap { modules, memory, tables: Tables::default(), known: HashMap::default() }
    }

    /// What is known of `pc`, looked up inside the call before it if it is a return address.
    pub(super) fn at(&mut self, pc: u64, is_return_address: bool) -> Rc<Code> {
        if let Some(code) = self.known.get(&(pc, is_return_address)) {
            return Rc::clone(code);
        }
        let code = Rc::new(self.look(pc, is_return_address));
        self.known.insert((pc, is_return_address), Rc::clone(&code));
        code
    }

    /// The address for a message: with the object and the offset in it.
    pub(super) fn place(&self, pc: u64) -> String {
        match (self.modules.module(pc), self.modules.mapping(pc)) {
            (Some(module), _) => format!("{pc:#x} ({}+{:#x})", module.name(), pc.wrapping_sub(module.bias)),
            (None, Some(mapping)) if !mapping.path.is_empty() => format!("{pc:#x} (in {})", mapping.path),
            (None, Some(_)) => format!("{pc:#x} (in no file: generated code?)"),
            (None, None) => format!("{pc:#x} (not mapped)"),
        }
    }

    fn look(&mut self, pc: u64, is_return_address: bool) -> Code {
        /// Entry code without call frame information (musl) is a few instructions.
        const ENTRY: u64 = 64;
        let address = if is_return_address { pc.wrapping_sub(1) } else { pc };
        let is_executable = self.modules.executable(pc) || (is_return_address && self.modules.executable(address));
        let module = self.modules.module(address).filter(|_| is_executable);
        let mut described = module.and_then(|module| self.tables.find(self.memory, module, address));
        let is_signal = described.as_ref().is_some_and(|described| described.rule.is_signal);
        if is_executable && !is_signal && x86_64::is_signal_return(self.memory, pc) {
            let rule = Rule::of_kernel_signal_frame();
            described = Some(Described { rule, start: pc, end: pc.saturating_add(9), starts_function: false });
        }
        let is_program_entry = module
            .and_then(|module| address.checked_sub(module.entry))
            .is_some_and(|past| past < ENTRY && described.is_none());
        Code { is_executable, described, is_program_entry, distances: RefCell::default(), exits: OnceCell::new() }
    }
}

/// A fixed hash for addresses: an odd multiplier (2^64 over the golden ratio) spreads the low bits, in which they differ.
#[derive(Default)]
pub(super) struct AddressHasher(u64);

impl Hasher for AddressHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
