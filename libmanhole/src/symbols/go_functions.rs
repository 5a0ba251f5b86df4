//! The functions of a Go program by the table that its runtime has of them (`.gopclntab`), which stripping leaves where it is.
//!
//! Context: the agent's thread. The layouts are those of Go 1.2 (`0xfffffffb`), 1.16, 1.18 and 1.20, told by the first word (Go,
//! debug/gosym/pclntab.go and internal/abi). Nothing is believed: all accesses are checked, and a table that is none gives nothing.

use super::elf::{ElfFile, u32_at, u64_at};

/// A function: where it starts, where its name stands among the names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) address: u64,
    pub(super) size: u64,
    pub(super) name: u32,
}

/// The functions, and the names.
type Found = (Vec<Function>, Vec<u8>);

/// More functions than any program has.
const MOST: u64 = 8 << 20;

/// No table is longer, in bytes.
const LIMIT: u64 = 512 << 20;

/// The functions of the file, and the names, each ended by a zero; `None` where it is no program of Go's. `word` reads a word of the
/// program's memory by its address in the file: what the loader has moved is right there only.
pub(super) fn read(file: &ElfFile, word: &dyn Fn(u64) -> Option<u64>) -> Option<Result<Found, String>> {
    // The linker of C puts the table of a program that is placed anywhere among what is read-only after relocation.
    let is_go = file.section(b".go.buildinfo").is_some() || file.section(b".note.go.buildid").is_some();
    let named = [b".gopclntab".as_slice(), b".data.rel.ro.gopclntab"].into_iter().find_map(|name| file.section(name));
    let section = named.or_else(|| file.section(b".data.rel.ro").filter(|_| is_go))?;
    if section.size > LIMIT {
        return Some(Err("the table of Go's functions is too large".to_owned()));
    }
    let text = file.section(b".text").map_or(0, |text| text.address);
    let mut whole = match file.raw(section) {
        Ok(whole) => whole,
        Err(problem) => return Some(Err(problem)),
    };
    let start = if named.is_some() { 0 } else { beginning(&whole)? };
    whole.drain(..start);
    let moved = |at: u64| word(section.address.wrapping_add(start as u64).wrapping_add(at));
    Some(parse(&whole, text, &moved).ok_or_else(|| "the table of Go's functions is not understood".to_owned()))
}

/// Where a table begins among other data.
fn beginning(data: &[u8]) -> Option<usize> {
    let is_one = |head: &[u8]| {
        u32_at(head, 0).is_some_and(|magic| matches!(magic, 0xffff_fff0 | 0xffff_fff1 | 0xffff_fffa | 0xffff_fffb))
            && head.get(4..8) == Some(&[0, 0, 1, 8])
    };
    (0..data.len()).step_by(8).find(|at| data.get(*at..).is_some_and(is_one))
}

/// `text` is where the code begins, should the table not say so; `moved` gives a word of the table as it is in memory.
fn parse(table: &[u8], text: u64, moved: &dyn Fn(u64) -> Option<u64>) -> Option<Found> {
    let (magic, sizes) = (u32_at(table, 0)?, table.get(4..8)?);
    // Two zeros, the least length of an instruction, the size of a pointer.
    if sizes != [0, 0, 1, 8] {
        return None;
    }
    let field = |number: usize| u64_at(table, 8 + number * 8);
    let (count, names, functions, entries) = match magic {
        // Offsets from where the code begins, of 4 bytes.
        0xffff_fff0 | 0xffff_fff1 => {
            let start = moved(8 + 2 * 8).filter(|start| *start != 0).or_else(|| field(2).filter(|start| *start != 0));
            (field(0)?, field(3)?, field(7)?, Entries::Offsets(start.unwrap_or(text)))
        }
        0xffff_fffa => (field(0)?, field(2)?, field(6)?, Entries::Addresses),
        0xffff_fffb => (field(0)?, 0, 0, Entries::Addresses),
        _ => return None,
    };
    // Of the oldest layout the functions follow the count, and all offsets are from the beginning.
    let first = if magic == 0xffff_fffb { 16 } else { functions };
    if count > MOST {
        return None;
    }
    let table_of_functions =
        Functions { table, first: usize::try_from(first).ok()?, base: usize::try_from(functions).ok()? };
    let end = match magic {
        0xffff_fffb => table.len(),
        // The next part after the names: the compilation units.
        0xffff_fffa => usize::try_from(field(3)?).ok()?,
        _ => usize::try_from(field(4)?).ok()?,
    };
    let names = table.get(usize::try_from(names).ok()?..end)?.to_vec();
    let mut found = Vec::new();
    for number in 0..usize::try_from(count).ok()? {
        let (address, place) = table_of_functions.entry(number, &entries, moved)?;
        let (next, _) = table_of_functions.entry(number + 1, &entries, moved).unwrap_or((address, 0));
        let name = table_of_functions.name(place, &entries)?;
        if (name as usize) < names.len() && next > address {
            found.push(Function { address, size: next - address, name });
        }
    }
    Some((found, names))
}

/// How the table tells where functions are.
enum Entries {
    Offsets(u64),
    Addresses,
}

struct Functions<'t> {
    table: &'t [u8],
    /// Where the pairs stand: function, and where more is told of it.
    first: usize,
    /// From where the latter counts.
    base: usize,
}

impl Functions<'_> {
    /// The address of a function, and where more is told of it. Behind the last one stands the end of the code, alone.
    fn entry(&self, number: usize, entries: &Entries, moved: &dyn Fn(u64) -> Option<u64>) -> Option<(u64, usize)> {
        match entries {
            Entries::Offsets(text) => {
                let at = self.first.checked_add(number.checked_mul(8)?)?;
                let place = u32_at(self.table, at + 4).unwrap_or(0);
                Some((text.wrapping_add(u64::from(u32_at(self.table, at)?)), place as usize))
            }
            Entries::Addresses => {
                let at = self.first.checked_add(number.checked_mul(16)?)?;
                let address = u64_at(self.table, at)?;
                // A program that is placed anywhere has zeros in its file.
                let address = if address == 0 { moved(at as u64)? } else { address };
                Some((address, usize::try_from(u64_at(self.table, at + 8).unwrap_or(0)).ok()?))
            }
        }
    }

    /// Where the name stands among the names: behind the function's address.
    fn name(&self, place: usize, entries: &Entries) -> Option<u32> {
        let width = match entries {
            Entries::Offsets(_) => 4,
            Entries::Addresses => 8,
        };
        u32_at(self.table, self.base.checked_add(place)?.checked_add(width)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[u8] = b"\0main.main\0main.(*Pool).Run\0";

    /// A table as Go 1.20 lays it out: header, names, functions.
    fn table(magic: u32, start: u64) -> Vec<u8> {
        let mut bytes = magic.to_le_bytes().to_vec();
        bytes.extend([0, 0, 1, 8]);
        let header = 8 + 8 * 8;
        let names_end = header + NAMES.len() as u64;
        for field in [2, 1, start, header, names_end, names_end, names_end, names_end] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(NAMES);
        // Functions at 0x10 and 0x40, the code's end at 0x90; more of them at 20 and 28.
        for word in [0x10u32, 20, 0x40, 28, 0x90, 0x10, 1, 0x40, 11] {
            bytes.extend(word.to_le_bytes());
        }
        bytes
    }

    fn names(found: &Found) -> Vec<(u64, u64, String)> {
        let name = |at: u32| found.1[at as usize..].split(|byte| *byte == 0).next().unwrap().to_vec();
        found.0.iter().map(|it| (it.address, it.size, String::from_utf8(name(it.name)).unwrap())).collect()
    }

    #[test]
    fn the_newer_layout() {
        let expected = |start: u64| {
            vec![(start + 0x10, 0x30, "main.main".to_owned()), (start + 0x40, 0x50, "main.(*Pool).Run".to_owned())]
        };
        for magic in [0xffff_fff0, 0xffff_fff1] {
            let bytes = table(magic, 0x1000);
            assert_eq!(names(&parse(&bytes, 0, &|_| None).unwrap()), expected(0x1000));
            // As the loader has moved it; and where the table does not say where the code begins.
            assert_eq!(names(&parse(&bytes, 0, &|_| Some(0x5000)).unwrap()), expected(0x5000));
            let bytes = table(magic, 0);
            assert_eq!(names(&parse(&bytes, 0x7000, &|_| None).unwrap()), expected(0x7000));
        }
    }

    #[test]
    fn the_layout_of_1_16() {
        let mut bytes = 0xffff_fffau32.to_le_bytes().to_vec();
        bytes.extend([0, 0, 1, 8]);
        let header = 8 + 7 * 8;
        let names_end = header + NAMES.len() as u64;
        for field in [1, 1, header, names_end, names_end, names_end, names_end] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(NAMES);
        for word in [0x2000u64, 24, 0x2100, 0x2000, 11] {
            bytes.extend(word.to_le_bytes());
        }
        let found = parse(&bytes, 0, &|_| None).unwrap();
        assert_eq!(names(&found), [(0x2000, 0x100, "main.(*Pool).Run".to_owned())]);
    }

    #[test]
    fn a_table_among_other_data() {
        let mut data = vec![0xff; 40];
        data.extend(table(0xffff_fff1, 0x1000));
        assert_eq!((beginning(&data), beginning(&[0; 64])), (Some(40), None));
    }

    #[test]
    fn what_is_cut_or_none() {
        let whole = table(0xffff_fff1, 0x1000);
        for length in 0..whole.len() {
            let _ = parse(&whole[..length], 0, &|_| None);
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                let _ = parse(&bytes, 0, &|_| None);
            }
        }
        assert!(parse(b"", 0, &|_| None).is_none() && parse(&[0xff; 200], 0, &|_| None).is_none());
    }
}
