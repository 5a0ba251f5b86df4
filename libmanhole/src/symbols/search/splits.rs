//! Names in what was split off (`.dwo`, `.dwp`).
//!
//! Context: the agent's thread. Opens what belongs to every skeleton, once.

use std::collections::BTreeSet;
use std::rc::Rc;

use gimli::{Reader as _, ReaderOffsetId, Section as _};

use super::scan::{Needles, scan};
use super::{is_name, string_offsets};
use crate::symbols::dwarf::{Dwarf, Split};

/// Strings of a section with the name.
type Strings = Rc<BTreeSet<u32>>;

/// Hands out the skeletons in whose other half the name stands, or may stand; returns whether all were looked at.
pub(super) fn search(dwarf: &Dwarf<'_>, name: &[u8], stop: &dyn Fn() -> bool, mut act: impl FnMut(usize)) -> bool {
    // The units of a package share their strings.
    let mut last: Option<(ReaderOffsetId, Strings)> = None;
    for (number, unit) in dwarf.main.list().iter().enumerate() {
        if !unit.has_code() {
            continue;
        }
        let is_skeleton = match unit.header.type_() {
            gimli::UnitType::Skeleton(_) => true,
            // GNU's form of it, before DWARF 5: short, for it has nothing but a root.
            _ => unit.header.version() < 5 && unit.header.length_including_self() < SHORT,
        };
        let Some(split) = is_skeleton.then(|| dwarf.split(number)).flatten() else { continue };
        if stop() {
            return false;
        }
        let strings = split.dwarf().debug_str.reader();
        let known = last.as_ref().filter(|(of, _)| *of == strings.offset_id()).map(|(_, known)| Rc::clone(known));
        let known = match known {
            Some(known) => known,
            None => {
                let Some(found) = string_offsets(strings, name, stop) else { return false };
                let found = Rc::new(found);
                last = Some((strings.offset_id(), Rc::clone(&found)));
                found
            }
        };
        match has_name(split, name, &known, stop) {
            Some(true) => act(number),
            Some(false) => {}
            None => return false,
        }
    }
    true
}

/// A unit that is longer has entries of its own.
const SHORT: usize = 512;

fn has_name(split: &Split<'_>, name: &[u8], strings: &BTreeSet<u32>, stop: &dyn Fn() -> bool) -> Option<bool> {
    let mut found = false;
    let finder = memchr::memmem::Finder::new(name);
    let complete = scan(split.dwarf().debug_info.reader(), name.len(), stop, |_, fresh, chunk| {
        found = finder.find_iter(chunk).take_while(|at| *at < fresh).any(|at| is_name(chunk, at, name.len()));
        !found
    });
    if found || !complete {
        return found.then_some(true);
    }
    if strings.is_empty() {
        return Some(false);
    }
    let needles = Needles::new(strings);
    let complete = scan(split.dwarf().debug_str_offsets.reader(), 3, stop, |_, fresh, chunk| {
        needles.each(chunk, fresh, |_| found = true);
        !found
    });
    if found || complete { Some(found) } else { None }
}
