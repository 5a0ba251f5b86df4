//! Lines of source files -> addresses of code.
//!
//! Context: the agent's thread. Line tables may be corrupt: what was read before an error stands.

use core::ops::Range;
use std::collections::BTreeSet;
use std::rc::Rc;

use super::image::Image;
use super::{Debug, Look, ends_with};

/// Places that one line has at most, and files of one unit.
const MOST: usize = 1024;

/// Where the code of a line is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinePlaces {
    /// The whole path of the file.
    pub(crate) file: String,
    /// The line that was asked for, or the next one that has code.
    pub(crate) line: u32,
    /// What belongs to it, in memory; nothing where no line behind it has code.
    pub(crate) code: Vec<Range<u64>>,
}

impl<'s> Debug<'s> {
    /// Where the code of a line is, in the first file whose path ends with `name`; `None` where no line table names such a file.
    pub(crate) fn line_places(&mut self, look: Look<'_, 's>, name: &str, line: u32) -> Option<LinePlaces> {
        let mut places: Option<LinePlaces> = None;
        self.each_unit_with(look, name, |image, unit, path, files| {
            let places = places.get_or_insert_with(|| LinePlaces { file: path.to_owned(), ..LinePlaces::default() });
            // Another file of the same name is another file.
            if places.file == path {
                let _ = add(image, unit, files, line, places);
            }
        });
        let mut places = places?;
        places.code.sort_by_key(|code| code.start);
        places.code.dedup();
        Some(places)
    }

    /// The whole path of a file that a line table names, by the end of its path.
    pub(super) fn file_of_lines(&mut self, look: Look<'_, 's>, name: &str) -> Option<String> {
        let mut found = None;
        self.each_unit_with(look, name, |_, _, path, _| {
            found.get_or_insert_with(|| path.to_owned());
        });
        found
    }

    /// Passes on the units whose line tables name a file so, with its path and its numbers there.
    fn each_unit_with(
        &mut self,
        look: Look<'_, 's>,
        name: &str,
        mut each: impl FnMut(&Image<'s>, u32, &str, &BTreeSet<u64>),
    ) {
        let last = name.rsplit('/').next().unwrap_or(name);
        for module in &look.modules.modules {
            let Some(image) = self.image_of(look, module) else { continue };
            for unit in (0..image.source.units()).filter_map(|unit| u32::try_from(unit).ok()) {
                if (look.stop)() {
                    return;
                }
                let mut path: Option<String> = None;
                let mut files = BTreeSet::new();
                for number in image.files_named(unit, last) {
                    let Some(whole) = image.file(unit, number).filter(|whole| ends_with(whole, name)) else { continue };
                    if *path.get_or_insert_with(|| whole.clone()) == whole && files.len() < MOST {
                        files.insert(number);
                    }
                }
                if let Some(path) = path {
                    each(&image, unit, &path, &files);
                }
            }
        }
    }
}

/// Adds the code of the line, or of the next one, as far as the unit's table has some.
fn add(image: &Image<'_>, unit: u32, files: &BTreeSet<u64>, line: u32, places: &mut LinePlaces) -> Option<()> {
    let unit = image.source.with_files(usize::try_from(unit).ok()?)?;
    let mut rows = unit.line_program.clone()?.rows();
    // The run of rows of one line that is open.
    let mut open: Option<(u64, u32)> = None;
    while let Ok(Some((_, row))) = rows.next_row() {
        let at = row.line().and_then(|line| u32::try_from(line.get()).ok()).unwrap_or(0);
        let is_ours = !row.end_sequence() && at >= line && files.contains(&row.file_index());
        // A row at the same address that begins no statement is another view of it.
        if let Some((start, of)) = open
            && (row.end_sequence() || (row.is_stmt() || row.address() > start) && (!is_ours || of != at))
        {
            open = None;
            // Views of one address: the last one has it.
            if start < row.address() && !image.source.is_discarded(start) {
                if places.code.is_empty() || of < places.line {
                    places.line = of;
                    places.code.clear();
                }
                if of == places.line && places.code.len() < MOST {
                    let memory = |address: u64| address.wrapping_add(image.bias);
                    places.code.push(memory(start)..memory(row.address()));
                }
            }
        }
        if is_ours && open.is_none() && row.is_stmt() {
            open = Some((row.address(), at));
        }
    }
    Some(())
}
