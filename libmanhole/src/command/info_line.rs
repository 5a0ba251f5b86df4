//! `info line`: the source line of an address of code, and the code of a source line.
//!
//! Context: the agent's thread.

use serde_json::{Value, json};

use super::{Command, Context, Takes};
use crate::render::frames::hex;
use crate::snapshot::Location;

pub(super) static COMMAND: Command = Command {
    names: &["info line"],
    arguments: "[ADDRESS | *ADDRESS | LINE | FILE:LINE]",
    summary: "show the source line of an address, or the code of a line",
    help: "Without arguments that of the selected frame. Functions that were inlined there have a line each, innermost first. A line\n\
           has code in as many places as the compiler has put it, and those of the next line are shown where it has none. A bare\n\
           number is a line, *NUMBER an address.",
    takes: Takes::Symbols,
    run,
};

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    if let Some((file, line)) = context.line_of(arguments)? {
        return code_of(context, &file, line);
    }
    let (address, lookup) = if arguments.is_empty() {
        let (_, level) = context.selected_level()?;
        (level.pc, level.pc.wrapping_sub(u64::from(level.is_return_address)))
    } else {
        // gdb's way to say that it is an address and no line.
        let address = context.address(arguments.strip_prefix('*').unwrap_or(arguments))?;
        (address, address)
    };
    let locations = context.session.locate(lookup);
    let label = context.session.bracketed(address);
    if locations.iter().all(|location| location.line.is_none()) {
        return Err(format!("no line number information for address {}{label}", hex(address)));
    }
    let mut data = Vec::new();
    for location in &locations {
        data.push(show(context, address, &label, location));
    }
    context.out.data = Value::Array(data);
    Ok(())
}

/// The code of a line.
fn code_of(context: &mut Context<'_, '_>, file: &str, line: u32) -> Result<(), String> {
    let places = context.line_places(file, line)?;
    let (path, at) = (&places.file, places.line);
    if places.code.is_empty() {
        return Err(format!("Line number {line} is out of range for \"{path}\"."));
    }
    let mut data = Vec::new();
    for code in &places.code {
        context.check()?;
        let start = format!("{}{}", hex(code.start), context.session.bracketed(code.start));
        let end = format!("{}{}", hex(code.end), context.session.bracketed(code.end));
        if at == line {
            context.out.line(format_args!("Line {line} of \"{path}\" starts at address {start} and ends at {end}."));
        } else {
            context.out.line(format_args!("Line {line} of \"{path}\" is at address {start} but contains no code."));
        }
        data.push(json!({ "file": path, "line": at, "address": hex(code.start), "end": hex(code.end) }));
    }
    context.out.data = Value::Array(data);
    Ok(())
}

fn show(context: &mut Context<'_, '_>, address: u64, label: &str, location: &Location) -> Value {
    let source = match (&location.file, location.line) {
        (Some(file), Some(line)) => {
            let inlined = match (&location.function, location.inlined) {
                (Some(function), true) => format!(" in {function} (inlined)"),
                _ => String::new(),
            };
            context.out.line(format_args!("Line {line} of \"{file}\" is at address {}{label}{inlined}", hex(address)));
            context.session.symbols.source_line(file, line)
        }
        _ => None,
    };
    if let (Some(source), Some(line)) = (&source, location.line) {
        context.out.line(format_args!("{line}\t{source}"));
    }
    json!({
        "address": hex(address),
        "file": location.file,
        "line": location.line,
        "function": location.function,
        "inlined": location.inlined,
        "source": source,
    })
}
