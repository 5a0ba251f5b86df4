//! Going through the bytes of a section, and looking for many numbers at once.
//!
//! Context: the agent's thread.

use std::collections::BTreeSet;

use gimli::Reader as _;

use crate::symbols::reader::Reader;

/// What is looked at at once.
const CHUNK: usize = 1 << 20;

/// Hands out the section piece by piece: its offset, how many bytes of it are new to the next piece, and the piece, which reaches
/// `overlap` bytes further, so that what starts in the new bytes is whole. Returns whether all was seen: not where `act`
/// answers false, `stop` true, or the file cannot be read.
pub(super) fn scan(
    section: &Reader<'_>,
    overlap: usize,
    stop: &dyn Fn() -> bool,
    mut act: impl FnMut(usize, usize, &[u8]) -> bool,
) -> bool {
    let len = section.len();
    let mut buffer = Vec::new();
    let mut at = 0;
    while at < len {
        if stop() {
            return false;
        }
        let fresh = CHUNK.min(len - at);
        let size = fresh.saturating_add(overlap).min(len - at);
        let more = match section.in_memory() {
            Some(bytes) => act(at, fresh, bytes.get(at..at + size).unwrap_or_default()),
            None => {
                if buffer.try_reserve_exact(size).is_err() {
                    return false;
                }
                buffer.resize(size, 0);
                section.read_at(at, &mut buffer).is_ok() && act(at, fresh, &buffer)
            }
        };
        if !more {
            return false;
        }
        at += fresh;
    }
    true
}

/// Numbers of four bytes that are looked for.
pub(super) enum Needles<'a> {
    /// One search for each.
    Few(Vec<memchr::memmem::Finder<'static>>),
    /// One look at each place: a bit for what could be among them, then the set.
    Many { bits: Vec<u64>, all: &'a BTreeSet<u32> },
}

impl<'a> Needles<'a> {
    pub(super) fn new(all: &'a BTreeSet<u32>) -> Self {
        /// Searches by memmem are about ten times as fast as a look at each place.
        const FEW: usize = 6;
        if all.len() <= FEW {
            let finder = |value: &u32| memchr::memmem::Finder::new(&value.to_le_bytes()).into_owned();
            return Needles::Few(all.iter().map(finder).collect());
        }
        let mut bits = vec![0; 1 << 14];
        for &value in all {
            let (word, bit) = place(value);
            if let Some(word) = bits.get_mut(word) {
                *word |= 1 << bit;
            }
        }
        Needles::Many { bits, all }
    }

    /// Hands out where one of the numbers begins, below `fresh`.
    pub(super) fn each(&self, chunk: &[u8], fresh: usize, mut act: impl FnMut(usize)) {
        match self {
            Needles::Few(finders) => {
                for finder in finders {
                    finder.find_iter(chunk).take_while(|at| *at < fresh).for_each(&mut act);
                }
            }
            Needles::Many { bits, all } => {
                for (at, window) in chunk.windows(4).take(fresh).enumerate() {
                    let Ok(bytes) = window.try_into() else { continue };
                    let value = u32::from_le_bytes(bytes);
                    let (word, bit) = place(value);
                    if bits.get(word).is_some_and(|word| word >> bit & 1 == 1) && all.contains(&value) {
                        act(at);
                    }
                }
            }
        }
    }
}

/// The bit of a number: word and place in it.
fn place(value: u32) -> (usize, u32) {
    let hash = value.wrapping_mul(0x9e37_79b1) >> 12;
    ((hash >> 6) as usize, hash & 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_across_pieces_is_found_once() {
        let mut bytes = vec![0x11; 3 * CHUNK + 5];
        let places = [0, CHUNK - 3, 2 * CHUNK - 1, 2 * CHUNK, 3 * CHUNK + 1];
        for at in places {
            bytes[at..at + 4].copy_from_slice(&0x7654_3210_u32.to_le_bytes());
        }
        let one = BTreeSet::from([0x7654_3210]);
        let many: BTreeSet<u32> = one.iter().copied().chain(1..100).collect();
        for all in [one, many] {
            let needles = Needles::new(&all);
            let mut found = Vec::new();
            let complete = scan(&Reader::Memory(&bytes), 3, &|| false, |base, fresh, chunk| {
                needles.each(chunk, fresh, |at| found.push(base + at));
                true
            });
            assert!(complete);
            // 2 * CHUNK - 1 was overwritten by its neighbour.
            assert_eq!(found, [0, CHUNK - 3, 2 * CHUNK, 3 * CHUNK + 1]);
        }
        assert!(!scan(&Reader::Memory(&bytes), 3, &|| true, |_, _, _| true));
    }
}
