//! CPython's dictionaries and the attributes of its instances.
//!
//! Context: the agent's thread. The interpreter changes them meanwhile: what is read is checked for being of the right type, no more.

use super::Interpreter;
use super::layout::{Attributes, Keys};
use super::objects::{self, Piece};

/// More entries than any dictionary that is looked at here has.
const LIMIT: u64 = 1 << 16;

/// From the end of the head (`PyObject_HEAD`): `ma_keys` and `ma_values` of `PyDictObject`; the second is null where the values stand beside the keys.
const KEYS: u64 = 16;
const VALUES: u64 = 24;

/// From there too: `tp_basicsize`, `tp_flags` and `tp_dictoffset` of `PyTypeObject`.
pub(super) const BASIC_SIZE: u64 = 16;
const FLAGS: u64 = 152;
const DICT_OFFSET: u64 = 272;
const INLINE_VALUES: u64 = 1 << 2;
const MANAGED_DICT: u64 = 1 << 4;

/// What stands before an object whose dictionary the interpreter manages.
const VALUES_BEFORE: u64 = 32;

impl Interpreter {
    /// `ob_type`, in every object.
    pub(super) fn type_of(&self, object: u64) -> Option<u64> {
        objects::field(object, self.layout.head.checked_sub(size_of::<u64>() as u64)?)
    }

    /// The word at `offset` behind the object's head.
    pub(super) fn behind_head(&self, object: u64, offset: u64) -> Option<u64> {
        objects::field(object, self.layout.head.checked_add(offset)?)
    }

    /// The keys and values of a table of keys, in the order of insertion; where the values are elsewhere, those here mean nothing.
    fn table(&self, keys: u64) -> Option<Vec<(u64, u64)>> {
        const INDICES: u64 = 40;
        let head = Piece::read(keys, INDICES as usize)?;
        let (indices, size_of_indices, count, has_hashes) = match self.layout.keys {
            Keys::Sized => {
                let size = head.word(8)?;
                let width = match size {
                    0..=0xff => 1,
                    0x100..=0xffff => 2,
                    _ => 4,
                };
                (INDICES, size.checked_mul(width)?, head.word(32)?, true)
            }
            Keys::Logarithms => {
                const GENERAL: u8 = 0;
                (32, 1u64.checked_shl(head.byte(9)?.into())?, head.word(24)?, head.byte(10)? == GENERAL)
            }
        };
        let width: usize = if has_hashes { 24 } else { 16 };
        let start = keys.checked_add(indices)?.checked_add(size_of_indices)?;
        let count = usize::try_from(count).ok().filter(|&count| count as u64 <= LIMIT)?;
        let bytes = objects::bytes(start, count.checked_mul(width)?)?;
        let word = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or_default();
        let entry = |entry: &[u8]| {
            let (before, value) = entry.split_at(width - 8);
            (word(before.get(width - 16..).unwrap_or_default()), word(value))
        };
        Some(bytes.chunks_exact(width).map(entry).collect())
    }

    /// The items of a dictionary, in the order of insertion.
    pub(super) fn items(&self, dict: u64) -> Option<Vec<(u64, u64)>> {
        if self.type_of(dict)? != self.types.dict {
            return None;
        }
        let mut items = self.table(self.behind_head(dict, KEYS)?)?;
        let values = self.behind_head(dict, VALUES)?;
        if values != 0 {
            for (index, (_, value)) in items.iter_mut().enumerate() {
                *value = self.split_value(values, index).unwrap_or(0);
            }
        }
        items.retain(|&(key, value)| key != 0 && value != 0);
        Some(items)
    }

    /// The value for a string.
    pub(super) fn item(&self, dict: u64, name: &str) -> Option<u64> {
        let items = self.items(dict)?;
        items.into_iter().find_map(|(key, value)| self.is(key, name).then_some(value))
    }

    /// The dictionary of a module.
    pub(super) fn names_of_module(&self, module: u64) -> Option<u64> {
        // `md_dict` of `PyModuleObject` (Include/internal/pycore_moduleobject.h).
        self.behind_head(module, 0)
    }

    fn is(&self, key: u64, name: &str) -> bool {
        self.type_of(key) == Some(self.types.str)
            && objects::text(key, &self.layout.unicode).is_some_and(|key| key == name)
    }

    /// The value number `index` of those that stand apart from their keys.
    fn split_value(&self, values: u64, index: usize) -> Option<u64> {
        const PREFIX: u64 = 8;
        let prefix = if matches!(self.layout.attributes, Attributes::Inline) { PREFIX } else { 0 };
        let offset = (index as u64).checked_mul(8)?.checked_add(prefix)?;
        objects::field(values, offset).filter(|&value| value != 0)
    }

    /// The attribute of an instance, by the dictionary it has or the values that stand for one.
    pub(super) fn attribute(&self, object: u64, name: &str) -> Option<u64> {
        let of = self.type_of(object)?;
        let flags = self.behind_head(of, FLAGS)?;
        let managed = || {
            let at = object.checked_sub(self.layout.dict_before).filter(|_| flags & MANAGED_DICT != 0)?;
            objects::word(at)
        };
        let values = match self.layout.attributes {
            Attributes::ByOffset => {
                let offset = self.behind_head(of, DICT_OFFSET).filter(|&offset| 0 < offset && offset < LIMIT)?;
                return self.item(objects::field(object, offset)?, name);
            }
            Attributes::Beside => {
                let dict = managed()?;
                match objects::word(object.checked_sub(VALUES_BEFORE)?)? {
                    0 => return self.item(dict, name),
                    values => values,
                }
            }
            Attributes::Tagged => match managed()? {
                values if values & 1 == 1 => values.checked_add(1)?,
                dict => return self.item(dict, name),
            },
            Attributes::Inline => {
                let dict = managed()?;
                if dict != 0 || flags & INLINE_VALUES == 0 {
                    return self.item(dict, name);
                }
                object.checked_add(self.behind_head(of, BASIC_SIZE)?)?
            }
        };
        let keys = self.table(objects::field(of, self.layout.cached_keys)?)?;
        let index = keys.iter().position(|&(key, _)| self.is(key, name))?;
        self.split_value(values, index)
    }
}
