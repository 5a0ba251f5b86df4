//! One file out of a zip archive: the modules of a Python program that is one (zipapp, pex) stand in no file of their own.
//!
//! Context: the agent's thread. The archive belongs to whoever: each place in it is checked, each size is bounded, and what comes out must have the
//! checksum that the archive has for it. The layout is that of PKWARE's APPNOTE; what is encrypted or in its zip64 form is not read.

use super::compressed::{Packed, Packing};
use super::crc32;
use super::regular_file::RegularFile;

/// How far up a path an archive is looked for.
const ABOVE: usize = 16;
/// The record at the end, and the longest comment behind it.
const END: usize = 22;
const COMMENT: u64 = 0xffff;
/// No list of an archive's files that is longer is read, in bytes.
const LIST: u64 = 16 << 20;
/// What an entry of the list and the head of a file have before the names.
const ENTRY: usize = 46;
const HEAD: u64 = 30;

/// What stands at the path, where that leads into an archive; nothing that is larger than `limit`.
pub(super) fn read(path: &str, limit: u64) -> Option<Vec<u8>> {
    let places = path.rmatch_indices('/').map(|(at, _)| at).take(ABOVE);
    let open = |at: usize| Some((RegularFile::open(path.get(..at)?.as_bytes()).ok()?, path.get(at.checked_add(1)?..)?));
    let (file, name) = places.filter(|&at| at > 0).find_map(open)?;
    let entry = find(&file, name.as_bytes())?;
    unpack(&file, &entry, limit)
}

/// A file's entry in the list.
struct Entry {
    /// Where its head is.
    at: u64,
    method: u16,
    checksum: u32,
    packed: u64,
    size: u64,
}

fn find(file: &RegularFile, name: &[u8]) -> Option<Entry> {
    let from = file.size().saturating_sub(END as u64 + COMMENT);
    let tail = file.bytes(from, file.size() - from).ok()?;
    let is_end = |at: &usize| {
        let record = tail.get(*at..).unwrap_or_default();
        record.starts_with(b"PK\x05\x06") && short(record, 20).is_some_and(|len| END + usize::from(len) == record.len())
    };
    let end = (0..=tail.len().checked_sub(END)?).rev().find(is_end)?;
    let record = tail.get(end..)?;
    let (size, start) = (u64::from(word(record, 12)?), u64::from(word(record, 16)?));
    // Something may stand before the archive that its offsets do not count.
    let list = (from + end as u64).checked_sub(size)?;
    let before = list.checked_sub(start)?;
    let list = file.bytes(list, Some(size).filter(|&size| size <= LIST)?).ok()?;
    let mut rest = &*list;
    while rest.starts_with(b"PK\x01\x02") {
        let behind_name = ENTRY + usize::from(short(rest, 28)?);
        if rest.get(ENTRY..behind_name)? == name {
            let is_encrypted = short(rest, 8)? & 1 != 0;
            return Some(Entry {
                at: before.checked_add(word(rest, 42)?.into())?,
                method: short(rest, 10)?,
                checksum: word(rest, 16)?,
                packed: word(rest, 20)?.into(),
                size: word(rest, 24)?.into(),
            })
            .filter(|_| !is_encrypted);
        }
        rest = rest.get(behind_name + usize::from(short(rest, 30)?) + usize::from(short(rest, 32)?)..)?;
    }
    None
}

fn unpack(file: &RegularFile, entry: &Entry, limit: u64) -> Option<Vec<u8>> {
    let head = file.bytes(entry.at, HEAD).ok().filter(|head| head.starts_with(b"PK\x03\x04"))?;
    let start = entry.at.checked_add(HEAD + u64::from(short(&head, 26)?) + u64::from(short(&head, 28)?))?;
    if entry.size > limit || entry.packed > file.size() {
        return None;
    }
    let bytes = match entry.method {
        0 if entry.packed == entry.size => file.bytes(start, entry.size).ok()?,
        8 => {
            let read = |at: u64, buffer: &mut [u8]| file.read(at, buffer);
            Packing::Deflate.unpack(&mut Packed::new(&read, start, start + entry.packed), entry.size).ok()?
        }
        _ => return None,
    };
    (!crc32::update(u32::MAX, &bytes) == entry.checksum).then_some(bytes)
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..)?.first_chunk().copied()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of one file that is not packed, behind a line that its offsets do not count.
    fn archive(name: &str, text: &str) -> Vec<u8> {
        let shorts = |values: &[u16]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let words = |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let (size, length) = (text.len() as u32, name.len() as u16);
        let about = [words(&[!crc32::update(u32::MAX, text.as_bytes()), size, size]), shorts(&[length, 0])].concat();
        let head = [b"PK\x03\x04", &*shorts(&[10, 0, 0, 0, 0]), &*about, name.as_bytes(), text.as_bytes()].concat();
        let behind = [shorts(&[0, 0, 0]), words(&[0, 0])].concat();
        let entry = [b"PK\x01\x02", &*shorts(&[10, 10, 0, 0, 0, 0]), &*about, &*behind, name.as_bytes()].concat();
        let places = words(&[entry.len() as u32, head.len() as u32]);
        let end = [b"PK\x05\x06", &*shorts(&[0, 0, 1, 1]), &*places, &*shorts(&[0])].concat();
        [b"#!/usr/bin/python3\n", &*head, &*entry, &*end].concat()
    }

    #[test]
    fn what_is_damaged_is_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("app.pyz");
        let inside = path.join("inside/deep.py");
        let text = "def wait(go):\n    go()\n";
        let whole = archive("inside/deep.py", text);
        let read_from = |bytes: &[u8], limit: usize| {
            std::fs::write(&path, bytes).unwrap();
            read(inside.to_str().unwrap(), limit as u64).map(|bytes| String::from_utf8(bytes).unwrap())
        };
        assert_eq!(read_from(&whole, text.len()).as_deref(), Some(text));
        assert_eq!(read_from(&whole, text.len() - 1), None);
        for at in 0..whole.len() {
            assert_eq!(read_from(&whole[..at], 1 << 20), None, "cut at {at}");
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                let shown = read_from(&changed, 1 << 20);
                assert!(shown.is_none() || shown.as_deref() == Some(text), "{value} at {at}: {shown:?}");
            }
        }
        assert_eq!(read(path.join("none.py").to_str().unwrap(), 1 << 20), None);
    }
}
