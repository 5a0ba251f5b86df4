//! Numbers and strings as they are written.

use super::{Answer, Evaluator, error};
use crate::access::integer_bytes;
use crate::ast::Builtin;
use crate::float::{self, Format};
use crate::types::Type;
use crate::value::Value;

impl Evaluator<'_> {
    #[inline(never)]
    pub(super) fn floating(&mut self, text: &str, builtin: Builtin) -> Answer {
        let format = builtin.base().and_then(|base| Format::of(&base));
        let Some(bytes) = float::parse(text, format.unwrap_or(Format::Double)) else {
            return error(format!("Invalid number \"{text}\"."));
        };
        Ok(Value::new(self.builtin_type(builtin), bytes))
    }

    /// An array with its NUL. It stands nowhere until something wants its address.
    #[inline(never)]
    pub(super) fn string(&mut self, bytes: &[u8], builtin: Builtin) -> Value {
        let size = builtin.base().map_or(1, |base| base.size);
        let of = self.intern(builtin.as_type());
        let count = (bytes.len() as u64).checked_div(size).unwrap_or(0).saturating_add(1);
        let type_id = self.intern(Type::Array { of, count: Some(count), is_vector: false });
        let mut all = bytes.to_vec();
        all.extend(integer_bytes(0, size));
        Value::new(type_id, all)
    }

    #[inline(never)]
    pub(super) fn null(&mut self) -> Value {
        let void = self.intern(Type::Void);
        self.pointer(void, 0)
    }
}
