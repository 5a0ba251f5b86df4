//! The names that the module `threading` has for its threads.
//!
//! Context: the agent's thread.

use std::collections::{BTreeMap, BTreeSet};

use super::Interpreter;
use super::objects;

impl Interpreter {
    /// By `threading.get_ident()`: the names of the threads that are alive for `threading._active`, or of one of them.
    pub(super) fn names(&self, interpreter: u64, only: Option<u64>) -> Option<BTreeMap<u64, String>> {
        let modules = objects::field(interpreter, self.layout.modules)?;
        let threading = self.item(modules, "threading")?;
        let active = self.item(self.names_of_module(threading)?, "_active")?;
        let read: Vec<_> = self
            .items(active)?
            .into_iter()
            .filter_map(|(ident, thread)| {
                let number = self.identity(ident).filter(|&number| only.is_none_or(|only| only == number))?;
                Some(((ident, thread), number, self.name(thread)?))
            })
            .collect();
        // Who has gone meanwhile may have left its memory to somebody else.
        let still: BTreeSet<_> = self.items(active)?.into_iter().collect();
        let read = read.into_iter().filter(|(entry, ..)| still.contains(entry));
        Some(read.map(|(_, ident, name)| (ident, name)).collect())
    }

    fn name(&self, thread: u64) -> Option<String> {
        let name = self.attribute(thread, "_name")?;
        (self.type_of(name)? == self.types.str).then(|| objects::text(name, &self.layout.unicode))?
    }

    /// The value of an `int` of 64 bits: digits of 30 bits, as many as it says.
    fn identity(&self, object: u64) -> Option<u64> {
        const NOT_SIZE: u32 = 3;
        if self.type_of(object)? != self.types.int {
            return None;
        }
        let size = objects::field(object, self.layout.head)?;
        let digits = object.checked_add(self.layout.head)?.checked_add(size_of::<u64>() as u64)?;
        let count = if self.layout.is_size_tagged { size >> NOT_SIZE } else { size };
        let mut value = 0u64;
        for digit in (0..count.min(3)).rev() {
            let digit = objects::int(digits.checked_add(digit * 4)?)?;
            value = value << 30 | u64::from(digit as u32);
        }
        (count <= 3).then_some(value)
    }
}
