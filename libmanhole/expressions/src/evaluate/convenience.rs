//! `$name`, `$1`, `$`, `$$n`.

use super::{Answer, Evaluator, Variables, error};
use crate::access::{self, LARGEST, size_of};
use crate::target::{Stop, Target};
use crate::types::Type;
use crate::value::{Content, Place, Value};

impl Variables {
    /// Adds a value to the history, with the bytes that it has now, and gives its number. What is larger than [`LARGEST`]
    /// stays where it is in memory.
    pub fn record(&mut self, value: &Value, target: &mut dyn Target) -> Result<usize, Stop> {
        let mut kept = value.clone();
        let is_small = size_of(value.type_id, target).is_some_and(|size| size <= LARGEST);
        let is_function = matches!(&*access::stripped(value.type_id, target).1, Type::Function(_));
        if is_small && !is_function && kept.content == Content::Unread {
            kept.content = match access::bytes(value, target)? {
                Ok(bytes) => Content::Bytes(bytes),
                Err(missing) => Content::Missing(missing),
            };
        }
        self.history.push(kept);
        Ok(self.history.len())
    }
}

impl Evaluator<'_> {
    /// A register, a convenience variable, or nothing yet: void.
    #[inline(never)]
    pub(super) fn dollar(&mut self, name: &str) -> Value {
        if let Some(register) = self.target.register(name) {
            return register;
        }
        let Some(known) = self.variables.convenience.get(name) else {
            let void = self.intern(Type::Void);
            return Value::new(void, Vec::new());
        };
        // `$__` stays what is in memory.
        if known.content == Content::Unread {
            return known.clone();
        }
        Value { place: Place::Convenience(name.to_owned(), 0), ..known.clone() }
    }

    #[inline(never)]
    pub(super) fn history_back(&mut self, back: u64) -> Answer {
        if self.variables.history.is_empty() && back == 0 {
            return error("The history is empty.");
        }
        let at =
            usize::try_from(back).ok().and_then(|back| self.variables.history.len().checked_sub(back)?.checked_sub(1));
        match at.and_then(|at| self.variables.history.get(at)) {
            Some(value) => Ok(value.clone()),
            None => error(format!("History does not go back to $${back}.")),
        }
    }

    /// `$0` is the last one.
    #[inline(never)]
    pub(super) fn history_number(&mut self, number: u64) -> Answer {
        let Some(at) = number.checked_sub(1) else { return self.history_back(0) };
        match usize::try_from(at).ok().and_then(|at| self.variables.history.get(at)) {
            Some(value) => Ok(value.clone()),
            None => error(format!("History has not yet reached ${number}.")),
        }
    }

    /// `$name = value`: it takes the type of the value.
    #[inline(never)]
    pub(super) fn set_convenience(&mut self, name: &str, value: Value) -> Answer {
        let value = self.referent(value)?;
        // An array in memory becomes a pointer, as gdb has it, a function too; a string that is nowhere stays an array.
        let value = if matches!(value.place, Place::Memory(_)) { self.decayed(value)? } else { value };
        let is_void = matches!(&*self.stripped(value.type_id).1, Type::Void);
        let bytes = if is_void { Vec::new() } else { self.bytes(&value)? };
        let kept = Value {
            type_id: value.type_id,
            place: Place::Convenience(name.to_owned(), 0),
            content: Content::Bytes(bytes),
            is_stale: value.is_stale,
        };
        if !self.types_only {
            self.variables.convenience.insert(name.to_owned(), kept.clone());
        }
        Ok(kept)
    }

    /// Writes a part of a convenience variable.
    pub(super) fn write_convenience(&mut self, name: &str, start: usize, bytes: &[u8]) -> Result<(), Stop> {
        let known = self.variables.convenience.get_mut(name);
        let slot = match known.map(|value| &mut value.content) {
            Some(Content::Bytes(all)) => all.get_mut(start..start.saturating_add(bytes.len())),
            _ => None,
        };
        match slot {
            Some(slot) => {
                slot.copy_from_slice(bytes);
                Ok(())
            }
            None => error(format!("${name} has no such part")),
        }
    }
}
