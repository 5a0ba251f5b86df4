//! Functions of gdb's own: `$_creal(z)`, `$_strlen(text)` and their like.
//!
//! Pure. They read memory; they call nothing of the process.

use super::{Answer, Evaluator, error};
use crate::access::memory;
use crate::ast::{Builtin, Expression};
use crate::target::Stop;
use crate::types::Type;
use crate::value::Value;

/// Bytes of a string or a piece of memory that are looked at.
pub(super) const MOST: u64 = 1 << 20;

/// The names, and how many arguments each takes.
const FUNCTIONS: [(&str, usize); 7] =
    [("_creal", 1), ("_cimag", 1), ("_isvoid", 1), ("_strlen", 1), ("_streq", 2), ("_memeq", 3), ("_as_string", 1)];

impl Evaluator<'_> {
    /// A call of one of the functions; `None`: there is none of this name.
    #[inline(never)]
    pub(super) fn call_own(&mut self, name: &str, arguments: &[Expression]) -> Result<Option<Value>, Stop> {
        let Some((_, count)) = FUNCTIONS.iter().find(|(known, _)| *known == name) else { return Ok(None) };
        if arguments.len() != *count {
            return error(match count {
                1 => format!("You must provide one argument for ${name}."),
                _ => format!("You must provide {count} arguments for ${name}."),
            });
        }
        let mut values = Vec::new();
        for argument in arguments {
            values.push(self.value(argument)?);
        }
        let answer = match (name, values.as_slice()) {
            ("_creal" | "_cimag", [number]) => {
                let number = self.referent(number.clone())?;
                self.complex_part(&number, name == "_creal")?
            }
            ("_isvoid", [value]) => {
                let is_void = matches!(&*self.stripped(value.type_id).1, Type::Void);
                self.builtin(Builtin::Int, i128::from(is_void))
            }
            ("_as_string", [value]) => self.as_string(value)?,
            ("_strlen", [text]) => {
                let text = self.text(text)?;
                self.builtin(Builtin::Int, i128::try_from(text.len()).unwrap_or(0))
            }
            ("_streq", [one, other]) => {
                let is_equal = self.text(one)? == self.text(other)?;
                self.truth_value(is_equal)
            }
            ("_memeq", [one, other, length]) => {
                let length = u64::try_from(self.integer(length.clone())?).unwrap_or(u64::MAX);
                if length > MOST {
                    return error(format!("${name} compares at most {MOST} bytes"));
                }
                let (one, other) = (self.address_in(one)?, self.address_in(other)?);
                let is_equal = self.is_same_memory(one, other, length)?;
                self.truth_value(is_equal)
            }
            _ => return error(format!("${name} is not known here")),
        };
        Ok(Some(answer))
    }

    fn address_in(&mut self, value: &Value) -> Result<u64, Stop> {
        let value = self.decayed(value.clone())?;
        self.address(value)
    }

    fn is_same_memory(&mut self, one: u64, other: u64, length: u64) -> Result<bool, Stop> {
        const STEP: u64 = 4096;
        let mut at = 0;
        while at < length && !self.types_only {
            self.target.check()?;
            let step = (length - at).min(STEP);
            let first = memory(one.wrapping_add(at), step, self.target)?;
            if first != memory(other.wrapping_add(at), step, self.target)? {
                return Ok(false);
            }
            at += step;
        }
        Ok(true)
    }

    /// The bytes of a C string before its NUL.
    pub(super) fn text(&mut self, value: &Value) -> Result<Vec<u8>, Stop> {
        let value = self.referent(value.clone())?;
        if let (Type::Array { .. }, crate::value::Content::Bytes(bytes)) =
            (&*self.stripped(value.type_id).1, &value.content)
        {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            return Ok(bytes.get(..end).unwrap_or_default().to_vec());
        }
        let value = self.decayed(value)?;
        if !self.is_pointer(&value) {
            return error("the argument is no string");
        }
        let mut at = self.word(&value)?;
        let mut text = Vec::new();
        // Up to the end of a page at a time: the next one may not be there.
        while (text.len() as u64) < MOST && !self.types_only {
            self.target.check()?;
            let piece = memory(at, 256 - at % 256, self.target)?;
            match piece.iter().position(|byte| *byte == 0) {
                Some(end) => {
                    text.extend(piece.get(..end).unwrap_or_default());
                    return Ok(text);
                }
                None => text.extend(&piece),
            }
            at = at.wrapping_add(piece.len() as u64);
        }
        if self.types_only { Ok(text) } else { error(format!("the string is longer than {MOST} bytes")) }
    }

    /// The name of an enumerator; of any other value its number.
    fn as_string(&mut self, value: &Value) -> Answer {
        let value = self.referent(value.clone())?;
        let text = crate::print::value(&value, None, &crate::print::Options::default(), self.target)?;
        Ok(self.string(text.as_bytes(), Builtin::Char))
    }
}
