//! `$name`, `$1`, `$`, `$$n`.

use std::rc::Rc;

use super::{Answer, Evaluator, Variables, error, history};
use crate::access::{self, LARGEST, size_of};
use crate::target::{Stop, Target};
use crate::types::Type;
use crate::value::{Content, Place, Value};

/// What all convenience variables together may take, in bytes.
const MOST: usize = 8 << 20;

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
        Ok(self.history.push(kept))
    }

    /// Gives a convenience variable its value.
    pub fn set(&mut self, name: &str, value: Value) {
        Rc::make_mut(&mut self.convenience).insert(name.to_owned(), value);
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
        let history = &self.variables.history;
        if history.last() == 0 && back == 0 {
            return error("The history is empty.");
        }
        let number = usize::try_from(back).ok().and_then(|back| history.last().checked_sub(back));
        match number.and_then(|number| history.get(number)) {
            Some(value) => Ok(value.clone()),
            None => error(format!("History does not go back to $${back}.")),
        }
    }

    /// `$0` is the last one.
    #[inline(never)]
    pub(super) fn history_number(&mut self, number: u64) -> Answer {
        if number == 0 {
            return self.history_back(0);
        }
        let history = &self.variables.history;
        match usize::try_from(number).ok().map(|number| (number, history.get(number))) {
            Some((_, Some(value))) => Ok(value.clone()),
            Some((number, None)) if number <= history.last() => {
                error(format!("${number} is no longer kept: the history begins with ${}.", history.first()))
            }
            _ => error(format!("History has not yet reached ${number}.")),
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
            let others = self.variables.convenience.iter().filter(|(known, _)| *known != name);
            let used = others.map(|(known, value)| cost(known, value)).fold(cost(name, &kept), usize::saturating_add);
            if used > MOST {
                return error(format!(
                    "the convenience variables of this session take more than {} MiB; $name = (void)0 makes one small",
                    MOST >> 20
                ));
            }
            self.variables.set(name, kept.clone());
        }
        Ok(kept)
    }

    /// Writes a part of a convenience variable.
    pub(super) fn write_convenience(&mut self, name: &str, start: usize, bytes: &[u8]) -> Result<(), Stop> {
        let known = Rc::make_mut(&mut self.variables.convenience).get_mut(name);
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

/// What a convenience variable takes, roughly, in bytes: its name stands in its place too.
fn cost(name: &str, value: &Value) -> usize {
    history::cost(value).saturating_add(name.len())
}
