//! Where the members of a record are and how large, before each line of its definition: `ptype/o`.
//!
//! Pure. The words and the columns are gdb's.

use super::names::Speller;
use crate::access;
use crate::types::{Member, MemberLocation, Record, RecordKind, Type};

/// The columns that these words take.
pub(super) const WIDTH: usize = 27;

/// The first line of a record's definition.
pub(super) const HEAD: &str = "/* offset      |    size */  ";

/// Where the record stands whose members are written, and how far they have come, both in bits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offsets {
    /// Of this record in the outermost one.
    base: u64,
    /// The end of the last member, in this record; `None` before the first, where a hole is not told: a table of virtual functions or
    /// a base may stand there.
    end: Option<u64>,
}

impl Speller<'_> {
    /// The words before a line of the record that is no member's.
    pub(super) fn no_offset(&mut self) {
        if self.offsets.is_some() {
            self.put(&" ".repeat(WIDTH));
        }
    }

    /// The words before a member. A member that is a record is written out: what holds inside it is returned.
    pub(super) fn offset(&mut self, record: &Record, member: &Member) -> Option<Offsets> {
        let mut offsets = self.offsets?;
        let size = self.size_of_member(member);
        let (at, end) = match member.location {
            MemberLocation::Offset(offset) => {
                let at = offset.saturating_mul(8);
                (at, size.map(|size| at.saturating_add(size.saturating_mul(8))))
            }
            MemberLocation::Bits { offset, size } => (offset, Some(offset.saturating_add(size))),
            MemberLocation::Static { .. } | MemberLocation::Virtual { .. } | MemberLocation::Unknown => {
                self.no_offset();
                return None;
            }
        };
        // Of a type that is only declared nobody knows the size; no hole is told behind it.
        let size = size.map_or("?".to_owned(), |size| size.to_string());
        let place = offsets.base.saturating_add(at);
        if record.kind == RecordKind::Union {
            self.put(&format!("/*{size:>22} */"));
        } else {
            self.hole(offsets.end, at, "hole");
            let (byte, bit) = (place / 8, place % 8);
            if matches!(member.location, MemberLocation::Bits { .. }) || offsets.base % 8 != 0 {
                self.put(&format!("/* {byte:>6}:{bit:>2}   |  {size:>6} */"));
            } else {
                self.put(&format!("/* {byte:>6}      |  {size:>6} */"));
            }
            offsets.end = end;
            self.offsets = Some(offsets);
        }
        let mut below = member.type_id;
        for _ in 0..64 {
            below = match &*self.target.describe(below) {
                Type::Const(to) | Type::Volatile(to) | Type::Restrict(to) | Type::Atomic(to) => *to,
                Type::Record(_) => return Some(Offsets { base: place, end: None }),
                _ => return None,
            };
        }
        None
    }

    /// In bytes; an array without a length at the end of a record has none of its own.
    fn size_of_member(&mut self, member: &Member) -> Option<u64> {
        if let Some(size) = access::size_of(member.type_id, self.target) {
            return Some(size);
        }
        match &*self.target.describe(member.type_id) {
            Type::Array { count: None, .. } => Some(0),
            _ => None,
        }
    }

    /// What stands behind the last member.
    pub(super) fn total(&mut self, record: &Record, indent: usize) {
        let Some(offsets) = self.offsets else { return };
        self.hole(offsets.end, record.size.saturating_mul(8), "padding");
        self.put("\n");
        self.put(&" ".repeat(WIDTH + indent + 4));
        self.put(&format!("/* total size (bytes): {:>4} */\n", record.size));
    }

    fn hole(&mut self, end: Option<u64>, at: u64, what: &str) {
        let Some(hole) = end.and_then(|end| at.checked_sub(end)) else { return };
        let (bytes, bits) = (hole / 8, hole % 8);
        if bits > 0 {
            self.put(&format!("/* XXX {bits:>2}-bit {what:<7}    */\n"));
        }
        if bytes > 0 {
            self.put(&format!("/* XXX {bytes:>2}-byte {what:<7}   */\n"));
        }
    }
}
