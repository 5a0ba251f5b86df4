//! Code objects: the function's name, its file, and the line of an instruction.
//!
//! Context: the agent's thread. Pure but for what `Code::read` reads.

use super::layout::{self, Layout, LineTable};
use super::objects;

/// Where the instructions of the code object at `code` begin, in the copy with this number: the first one is in the object itself.
pub(super) fn start(code: u64, layout: &layout::Code, copy: u64) -> Option<u64> {
    match layout.copies {
        // `_PyCodeArray`: how many there are, and where each is.
        Some(copies) if copy != 0 => {
            let copies = objects::field(code, copies)?;
            let count = objects::word(copies)?;
            objects::field(copies, copy.checked_add(1)?.checked_mul(8)?).filter(|&start| copy < count && start != 0)
        }
        _ => code.checked_add(layout.start),
    }
}

/// What a code object says. It never changes while it lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Code {
    pub(super) file: String,
    pub(super) function: String,
    first_line: i64,
    lines: Vec<u8>,
    table: LineTable,
    /// Before this one, in bytes from the code's start, the function has not begun for those who look at it.
    first_traceable: i64,
}

impl Code {
    pub(super) fn read(object: u64, layout: &Layout) -> Option<Code> {
        let Layout { code: layout, unicode: strings, head, .. } = layout;
        let text = |offset| objects::text(objects::field(object, offset)?, strings);
        const UNIT: i64 = 2;
        let first_traceable = match layout.first_traceable() {
            Some(offset) => i64::from(objects::int(object.checked_add(offset)?)?).saturating_mul(UNIT),
            None => i64::MIN,
        };
        Some(Code {
            first_traceable,
            file: text(layout.filename)?,
            function: text(layout.name)?,
            first_line: objects::int(object.checked_add(layout.first_line)?)?.into(),
            lines: objects::content(objects::field(object, layout.lines)?, *head)?,
            table: layout.table,
        })
    }

    /// Whether a call that stands at this instruction counts as one: `_PyFrame_IsIncomplete` (Include/internal/pycore_interpframe.h) for what is
    /// no generator's. The interpreter has such frames of its own too, for calls of `__init__`.
    pub(super) fn has_begun(&self, instruction: i64) -> bool {
        instruction >= self.first_traceable
    }

    /// The line of the instruction so many bytes from the code's start; `None` where it belongs to no line.
    pub(super) fn line(&self, instruction: i64) -> Option<u32> {
        let line = if instruction < 0 {
            Some(self.first_line)
        } else {
            match self.table {
                LineTable::Increments => self.by_increments(instruction),
                LineTable::Ranges => self.by_ranges(instruction),
                LineTable::Locations => self.by_locations(instruction),
            }
        };
        line.and_then(|line| u32::try_from(line).ok())
    }

    fn by_increments(&self, instruction: i64) -> Option<i64> {
        let (mut address, mut line) = (0i64, self.first_line);
        for pair in self.lines.chunks_exact(2) {
            let &[more, lines] = pair else { break };
            address += i64::from(more);
            if address > instruction {
                break;
            }
            line += i64::from(lines as i8);
        }
        Some(line)
    }

    fn by_ranges(&self, instruction: i64) -> Option<i64> {
        const NO_LINE: i8 = -128;
        let (mut end, mut line) = (0i64, self.first_line);
        for pair in self.lines.chunks_exact(2) {
            let &[size, lines] = pair else { break };
            end += i64::from(size);
            let lines = lines as i8;
            if lines != NO_LINE {
                line += i64::from(lines);
            }
            if instruction < end {
                return (lines != NO_LINE).then_some(line);
            }
        }
        None
    }

    fn by_locations(&self, instruction: i64) -> Option<i64> {
        let mut bytes = self.lines.iter().copied();
        let (mut end, mut line) = (0i64, self.first_line);
        while let Some(first) = bytes.next() {
            // The first byte: the highest bit, the kind in 4 bits, the number of code units less one in 3; a unit has 2 bytes.
            let kind = first >> 3 & 15;
            end += (i64::from(first & 7) + 1) * 2;
            let has_line = match kind {
                0..=9 => {
                    bytes.next()?;
                    true
                }
                10..=12 => {
                    bytes.next()?;
                    bytes.next()?;
                    line += i64::from(kind) - 10;
                    true
                }
                13 => {
                    line += signed(&mut bytes)?;
                    true
                }
                14 => {
                    line += signed(&mut bytes)?;
                    for _ in 0..3 {
                        unsigned(&mut bytes)?;
                    }
                    true
                }
                _ => false,
            };
            if instruction < end {
                return has_line.then_some(line);
            }
        }
        None
    }
}

/// Six bits a byte, the least significant ones first; bit 6 says that there are more.
fn unsigned(bytes: &mut impl Iterator<Item = u8>) -> Option<i64> {
    let mut value = 0i64;
    for shift in (0..60).step_by(6) {
        let byte = bytes.next()?;
        value |= i64::from(byte & 63) << shift;
        if byte & 64 == 0 {
            return Some(value);
        }
    }
    None
}

/// The sign is the lowest bit.
fn signed(bytes: &mut impl Iterator<Item = u8>) -> Option<i64> {
    let value = unsigned(bytes)?;
    Some(if value & 1 == 1 { -(value >> 1) } else { value >> 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(table: LineTable, lines: &[u8]) -> Code {
        Code {
            first_traceable: i64::MIN,
            file: "f.py".to_owned(),
            function: "f".to_owned(),
            first_line: 10,
            lines: lines.to_vec(),
            table,
        }
    }

    #[test]
    fn lines_by_increments() {
        // Line 11 from 0, 14 from 4, 13 from 10 on.
        let code = code(LineTable::Increments, &[0, 1, 4, 3, 6, 0xff]);
        let lines: Vec<_> = [-1, 0, 3, 4, 9, 10, 99].iter().map(|&at| code.line(at)).collect();
        assert_eq!(lines, [10, 11, 11, 14, 14, 13, 13].map(Some));
    }

    #[test]
    fn lines_by_ranges() {
        let code = code(LineTable::Ranges, &[4, 1, 2, 0x80, 4, 0xff]);
        let lines: Vec<_> = [-2, 0, 2, 4, 6, 8, 10].iter().map(|&at| code.line(at)).collect();
        assert_eq!(lines, [Some(10), Some(11), Some(11), None, Some(10), Some(10), None]);
    }

    #[test]
    fn lines_by_locations() {
        let entry = |kind: u8, units: u8| 0x80 | kind << 3 | (units - 1);
        let table = [
            &[entry(0, 1), 0x12][..],
            &[entry(11, 2), 1, 2],
            &[entry(13, 1), 7],
            &[entry(14, 1), 0x40 | 8, 1, 0, 1, 2],
            &[entry(15, 1)],
        ];
        let code = code(LineTable::Locations, &table.concat());
        let lines: Vec<_> = [-2, 0, 2, 4, 6, 8, 10, 12].iter().map(|&at| code.line(at)).collect();
        assert_eq!(lines, [Some(10), Some(10), Some(11), Some(11), Some(8), Some(44), None, None]);
    }

    #[test]
    fn tables_that_are_cut() {
        for table in [LineTable::Increments, LineTable::Ranges, LineTable::Locations] {
            for lines in [&[][..], &[0x80], &[0xf0, 0x40], &[0xf0, 0xff, 0xff, 0xff]] {
                let _ = code(table, lines).line(1 << 40);
            }
        }
    }
}
