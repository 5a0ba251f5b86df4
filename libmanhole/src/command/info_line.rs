//! `info line ADDRESS`: the source line of an address of code.
//!
//! Context: the agent's thread.

use serde_json::{Value, json};

use super::{Command, Context, Takes};
use crate::render::frames::hex;
use crate::snapshot::Location;

pub(super) static COMMAND: Command = Command {
    names: &["info line"],
    arguments: "[ADDRESS | *ADDRESS]",
    summary: "show the source line of an address, by default of the selected frame",
    help: "Functions that were inlined there have a line each, innermost first.",
    takes: Takes::Symbols,
    run,
};

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
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
