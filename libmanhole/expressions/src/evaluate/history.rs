//! The value history: `$1`, `$`, `$$n`.
//!
//! Pure data. Bounded, for a script may ask a million times: what is oldest goes first, and what is left keeps its number.

use std::collections::VecDeque;

use crate::value::{Content, Place, Value};

/// Values that are kept.
const VALUES: usize = 10_000;

/// What they may take, in bytes. The last one is kept whatever it takes.
const BYTES: usize = 8 << 20;

/// The last values, by their numbers.
#[derive(Clone, Debug, Default)]
pub struct History {
    values: VecDeque<Value>,
    /// The number of values that are gone.
    gone: usize,
    bytes: usize,
}

impl History {
    /// Adds a value; its number.
    pub(super) fn push(&mut self, value: Value) -> usize {
        self.bytes = self.bytes.saturating_add(cost(&value));
        self.values.push_back(value);
        while self.values.len() > 1 && (self.values.len() > VALUES || self.bytes > BYTES) {
            let oldest = self.values.pop_front().map_or(0, |oldest| cost(&oldest));
            self.bytes = self.bytes.saturating_sub(oldest);
            self.gone = self.gone.saturating_add(1);
        }
        self.last()
    }

    /// The value of a number.
    pub(super) fn get(&self, number: usize) -> Option<&Value> {
        self.values.get(number.checked_sub(self.first())?)
    }

    /// The number of the oldest value that is kept.
    pub(super) fn first(&self) -> usize {
        self.gone.saturating_add(1)
    }

    /// The number of the last value; 0 when there is none.
    pub fn last(&self) -> usize {
        self.gone.saturating_add(self.values.len())
    }
}

/// What a value takes, roughly, in bytes.
pub(super) fn cost(value: &Value) -> usize {
    let name = match &value.place {
        Place::Convenience(name, _) => name.capacity(),
        _ => 0,
    };
    let content = match &value.content {
        Content::Bytes(bytes) => bytes.capacity(),
        Content::Partial(bytes, missing) => bytes.capacity().saturating_add(missing.len().saturating_mul(24)),
        Content::Unread | Content::Missing(_) => 0,
    };
    size_of::<Value>().saturating_add(name).saturating_add(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::TypeId;

    fn value(size: usize) -> Value {
        Value::new(TypeId(1), vec![7; size])
    }

    #[test]
    fn the_last_values_are_kept_under_their_numbers() {
        let mut history = History::default();
        for number in 1..=3 * VALUES {
            assert_eq!(history.push(value(number % 9)), number);
        }
        assert_eq!((history.first(), history.last()), (2 * VALUES + 1, 3 * VALUES));
        assert!(history.get(2 * VALUES).is_none() && history.get(0).is_none() && history.get(3 * VALUES + 1).is_none());
        assert_eq!(history.get(2 * VALUES + 5), Some(&value((2 * VALUES + 5) % 9)));
    }

    #[test]
    fn large_values_push_others_out_and_the_last_stays() {
        let mut history = History::default();
        for _ in 0..1000 {
            history.push(value(65536));
            assert!(history.bytes <= BYTES);
        }
        assert!(history.last() - history.first() > 100);
        history.push(value(BYTES));
        assert_eq!((history.first(), history.last()), (1001, 1001));
        history.push(value(1));
        assert_eq!((history.first(), history.last()), (1002, 1002));
    }
}
