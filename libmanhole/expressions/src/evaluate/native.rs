//! Methods of library types that are answered without a call: the library has them inline, so that a program may have no code for them.
//!
//! Pure.

use super::numbers::Number;
use super::{Evaluator, error};
use crate::printers;
use crate::target::Stop;
use crate::value::Value;

impl Evaluator<'_> {
    /// What the method gives, when it is one of those.
    #[inline(never)]
    pub(super) fn native(&mut self, object: &Value, name: &str, arguments: &[Value]) -> Result<Option<Value>, Stop> {
        let index = match arguments {
            [] => None,
            [only] => {
                let only = self.referent(only.clone())?;
                match self.number(&only)? {
                    Some(Number::Integer(integer)) => Some(integer.value as u64),
                    _ => return Ok(None),
                }
            }
            _ => return Ok(None),
        };
        match printers::method(object, name, index, self.target) {
            Some(Ok(value)) => Ok(Some(value)),
            Some(Err(reason)) => error(reason),
            None => Ok(None),
        }
    }
}
