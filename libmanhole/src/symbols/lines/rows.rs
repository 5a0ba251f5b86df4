//! The line table of one unit.
//!
//! Context: the agent's thread. Errors of a corrupt program end the reading; what was read before stands.

use core::ops::Range;

use gimli::UnitRef;

use super::Reader;

/// Addresses and what line they come from.
#[derive(Default)]
pub(super) struct Rows {
    /// In ascending order of start.
    sequences: Vec<Sequence>,
}

/// Code that stands together.
struct Sequence {
    range: Range<u64>,
    rows: Vec<Row>,
}

struct Row {
    address: u64,
    file: u32,
    /// 0 for what comes from no line.
    line: u32,
    is_statement: bool,
}

impl Rows {
    pub(super) fn parse(unit: UnitRef<'_, Reader<'_>>, code: &Range<u64>) -> Rows {
        let mut rows = Rows::default();
        // What was read before an error stands.
        let _ = rows.fill(unit, code);
        rows.sequences.sort_by_key(|sequence| sequence.range.start);
        rows
    }

    fn fill(&mut self, unit: UnitRef<'_, Reader<'_>>, code: &Range<u64>) -> gimli::Result<()> {
        let Some(program) = unit.line_program.clone() else { return Ok(()) };
        let mut machine = program.rows();
        let mut rows: Vec<Row> = Vec::new();
        while let Some((_, row)) = machine.next_row()? {
            if row.end_sequence() {
                let rows = core::mem::take(&mut rows);
                let Some(start) = rows.first().map(|row| row.address) else { continue };
                if start < row.address() && code.contains(&start) {
                    self.sequences.push(Sequence { range: start..row.address(), rows });
                }
                continue;
            }
            let row = Row {
                address: row.address(),
                file: u32::try_from(row.file_index()).unwrap_or(u32::MAX),
                line: row.line().map_or(0, |line| u32::try_from(line.get()).unwrap_or(0)),
                is_statement: row.is_stmt(),
            };
            match rows.last_mut() {
                // Of several rows for one address the last holds, but statements go before others, as in gdb.
                Some(last) if last.address == row.address => {
                    if row.is_statement || !last.is_statement {
                        *last = row;
                    }
                }
                _ => rows.push(row),
            }
        }
        Ok(())
    }

    /// The number of the file and the line at the address.
    pub(super) fn at(&self, address: u64) -> Option<(u64, Option<u32>)> {
        let after = self.sequences.partition_point(|sequence| sequence.range.start <= address);
        let sequence = self.sequences.get(after.checked_sub(1)?).filter(|s| s.range.contains(&address))?;
        let after = sequence.rows.partition_point(|row| row.address <= address);
        let row = sequence.rows.get(after.checked_sub(1)?)?;
        Some((u64::from(row.file), Some(row.line).filter(|&line| line != 0)))
    }
}

/// The path of the file with this number: as the compiler was given it, below its directory.
pub(super) fn file_name(unit: UnitRef<'_, Reader<'_>>, number: u64) -> Option<String> {
    let header = unit.line_program.as_ref()?.header();
    let file = header.file(number)?;
    let text = |bytes: Reader<'_>| bytes.text();
    let mut path = unit.comp_dir.map(text).unwrap_or_default();
    // Directory 0 is the compiler's own.
    if file.directory_index() != 0
        && let Some(directory) = file.directory(header).and_then(|directory| unit.attr_string(directory).ok())
    {
        push(&mut path, &text(directory));
    }
    push(&mut path, &text(unit.attr_string(file.path_name()).ok()?));
    Some(path)
}

fn push(path: &mut String, part: &str) {
    if part.starts_with('/') {
        path.clear();
    } else if !path.is_empty() && !path.ends_with('/') {
        path.push('/');
    }
    path.push_str(part);
}
