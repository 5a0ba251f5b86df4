//! Methods of library types that are answered without a call: the library has them inline, so that a program may have no code for them.
//!
//! Pure.

use super::functions::MOST;
use super::numbers::Number;
use super::{Evaluator, error};
use crate::printers::{self, Key, KeyKind};
use crate::target::Stop;
use crate::value::Value;

impl Evaluator<'_> {
    /// What the method gives, when it is one of those.
    #[inline(never)]
    pub(super) fn native(&mut self, object: &Value, name: &str, arguments: &[Value]) -> Result<Option<Value>, Stop> {
        let given = match arguments {
            [] => printers::method(object, name, None, self.target),
            [only] => {
                let only = self.referent(only.clone())?;
                if let Some(kind) = printers::keys(object, name, self.target) {
                    return self.keyed(object, name, &only, kind);
                }
                match self.number(&only)? {
                    Some(Number::Integer(at)) => printers::method(object, name, Some(at.value as u64), self.target),
                    _ => None,
                }
            }
            _ => None,
        };
        match given {
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(reason)) => error(reason),
            None => Ok(None),
        }
    }

    /// What a method gives that looks for a key.
    fn keyed(&mut self, object: &Value, name: &str, key: &Value, kind: KeyKind) -> Result<Option<Value>, Stop> {
        if self.types_only {
            return Ok(printers::found_type(object, name, self.target));
        }
        let Some(key) = self.key(key, kind)? else { return Ok(None) };
        match printers::find(object, name, &key, self.target) {
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(reason)) => error(reason),
            None => {
                self.target.check()?;
                error(
                    "the container is not as it should be; `print` with `set print raw-values on` shows what is there",
                )
            }
        }
    }

    /// A value as a key of this kind; `None` when it is none.
    fn key(&mut self, value: &Value, kind: KeyKind) -> Result<Option<Key>, Stop> {
        Ok(match kind {
            KeyKind::Text if self.is_record(value) => printers::text(value, MOST, self.target).map(Key::Text),
            KeyKind::Text => Some(Key::Text(self.text(value)?)),
            KeyKind::Integer if self.is_pointer(value) => Some(Key::Integer(i128::from(self.word(value)?))),
            KeyKind::Integer => match self.number(value)? {
                Some(Number::Integer(integer)) => Some(Key::Integer(integer.value)),
                _ => None,
            },
        })
    }
}
