//! `list`: lines of source files.
//!
//! Context: the agent's thread. Files are read by pread(2), those that debug information names by whole paths.

use manhole_expressions::ast::{Path, Segment};
use serde_json::json;

use super::{Command, Context, Takes};
use crate::render::quote::short;

/// Lines that are shown at once, as gdb does.
const COUNT: u32 = 10;

/// Lines that one range may have.
const MOST: u32 = 10_000;

pub(super) static COMMAND: Command = Command {
    names: &["list"],
    arguments: "[FUNCTION | FILE:LINE | FILE:FUNCTION | LINE | FIRST,LAST | -]",
    summary: "show source lines: around a function or a line, or the next ones",
    help: "Ten lines around what is named; without arguments the next ten, at first those around the selected frame's line; - the\n\
           ten before.",
    takes: Takes::Symbols,
    run,
};

/// What was listed last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    file: String,
    first: u32,
    last: u32,
}

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    let kept = context.session.listed.clone();
    let (file, first, last) = match arguments {
        "" if kept.file.is_empty() => around(here(context)?),
        "" => (kept.file, kept.last.saturating_add(1), kept.last.saturating_add(COUNT)),
        "-" if kept.first <= 1 => return Err("Already at the start of the file.".to_owned()),
        "-" => (kept.file, kept.first.saturating_sub(COUNT).max(1), kept.first.saturating_sub(1)),
        text => match text.split_once(',') {
            Some(("", last)) => {
                let (file, last) = place(context, last.trim())?;
                (file, last.saturating_sub(COUNT - 1).max(1), last)
            }
            Some((first, last)) => {
                let (file, first) = place(context, first.trim())?;
                let last = match last.trim() {
                    "" => first.saturating_add(COUNT - 1),
                    last if last.starts_with(|letter: char| letter.is_ascii_digit()) => number(last)?,
                    last => place(context, last)?.1,
                };
                if last < first || last - first >= MOST {
                    return Err(format!("lines {first} to {last} are no range of at most {MOST} lines"));
                }
                (file, first, last)
            }
            None => around(place(context, text)?),
        },
    };
    let mut lines = Vec::new();
    for line in first..=last {
        context.check()?;
        let Some(text) = context.session.symbols.whole_source_line(&file, line) else { break };
        context.out.line(format_args!("{line}\t{text}"));
        lines.push(json!({ "line": line, "text": text }));
    }
    if lines.is_empty() {
        return Err(match first {
            1 => format!("{}: the file cannot be read here, or is no text of moderate size", short(&file, 200)),
            first => {
                format!("Line number {first} out of range; {} has fewer lines, or cannot be read.", short(&file, 200))
            }
        });
    }
    let last = first.saturating_add(u32::try_from(lines.len()).unwrap_or(0)).saturating_sub(1);
    context.out.data = json!({ "file": file, "lines": lines });
    context.session.listed = Kept { file, first, last };
    Ok(())
}

/// The ten lines around one.
fn around((file, line): (String, u32)) -> (String, u32, u32) {
    let first = line.saturating_sub(COUNT / 2).max(1);
    (file, first, first.saturating_add(COUNT - 1))
}

/// The line of the selected frame.
fn here(context: &mut Context<'_, '_>) -> Result<(String, u32), String> {
    let (_, level) = context.selected_level()?;
    let location = level.location().and_then(|location| Some((location.file.clone()?, location.line?)));
    location.ok_or_else(|| "the selected frame has no line: list FUNCTION or FILE:LINE".to_owned())
}

/// What a line of source is named by.
fn place(context: &mut Context<'_, '_>, text: &str) -> Result<(String, u32), String> {
    if text.starts_with(|letter: char| letter.is_ascii_digit()) {
        let file =
            if context.session.listed.file.is_empty() { here(context)?.0 } else { context.session.listed.file.clone() };
        return Ok((file, number(text)?));
    }
    let in_file = text.rsplit_once(':').filter(|(file, _)| !file.ends_with(':'));
    if let Some((file, line)) = in_file {
        let (file, line) = (file.trim().trim_matches(['\'', '"']), line.trim());
        if line.starts_with(|letter: char| letter.is_ascii_digit()) {
            let line = number(line)?;
            let path =
                context.source_file(file).ok_or_else(|| format!("No source file named {}.", short(file, 100)))?;
            return Ok((path, line));
        }
        let segment = |text: &str, quoted| Segment { text: text.to_owned(), quoted };
        let path = Path { global: false, segments: vec![segment(file, true), segment(line, false)] };
        let unknown = || format!("Function \"{}\" not defined in \"{}\".", short(line, 100), short(file, 100));
        return context.function_line(&path).ok_or_else(unknown);
    }
    let name = text.split('(').next().unwrap_or(text).trim();
    let path = Path {
        global: false,
        segments: name
            .trim_start_matches('*')
            .split("::")
            .map(|part| Segment {
                text: part.trim_matches(['\'', '"']).to_owned(),
                quoted: part.starts_with(['\'', '"']),
            })
            .collect(),
    };
    context.function_line(&path).ok_or_else(|| format!("Function \"{}\" not defined.", short(text, 100)))
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|line| *line > 0).ok_or_else(|| format!("\"{}\" is no number of a line", short(text, 40)))
}

impl Context<'_, '_> {
    /// The file and the line that a text names by a number: `LINE` of the file that was listed last, or of the selected frame, or `FILE:LINE`.
    pub(super) fn line_of(&mut self, text: &str) -> Result<Option<(String, u32)>, String> {
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number(text) {
            return place(self, text).map(Some);
        }
        Ok(match text.rsplit_once(':') {
            Some((file, line)) if !file.ends_with(':') && is_number(line.trim()) => {
                Some((file.trim().trim_matches(['\'', '"']).to_owned(), number(line.trim())?))
            }
            _ => None,
        })
    }
}
