//! `info maps`: every mapping of the address space.
//!
//! Context: the agent's thread.

use serde_json::{Value, json};

use super::{Command, Context, Takes};
use crate::render::frames::hex;
use crate::render::quote::plain;

pub(super) static COMMAND: Command = Command {
    names: &["info maps", "info proc mappings"],
    arguments: "[ADDRESS]",
    summary: "list the mappings of the process, or the one of an address",
    help: "The manhole's own memory is among them: mappings without a name.",
    takes: Takes::Symbols,
    run,
};

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    let only = if arguments.is_empty() { None } else { Some(context.address(arguments)?) };
    let mappings = context.session.modules().mappings.clone();
    let shown: Vec<_> =
        mappings.iter().filter(|mapping| only.is_none_or(|address| mapping.contains(address))).collect();
    if let (Some(address), true) = (only, shown.is_empty()) {
        return Err(format!("nothing is mapped at {}", hex(address)));
    }
    context.out.line(format_args!("{:<18} {:<18} {:>12} {:>12} Perms Object", "Start", "End", "Size", "Offset"));
    let mut data = Vec::new();
    for mapping in shown {
        let size = mapping.end.saturating_sub(mapping.start);
        let flag = |set: bool, letter: char| if set { letter } else { '-' };
        let permissions: String = [
            flag(mapping.readable, 'r'),
            flag(mapping.writable, 'w'),
            flag(mapping.executable, 'x'),
            if mapping.shared { 's' } else { 'p' },
        ]
        .iter()
        .collect();
        context.out.line(format_args!(
            "0x{:016x} 0x{:016x} {:>12} {:>12} {permissions}  {}",
            mapping.start,
            mapping.end,
            hex(size),
            hex(mapping.offset),
            plain(&mapping.path)
        ));
        data.push(json!({
            "start": hex(mapping.start),
            "end": hex(mapping.end),
            "size": size,
            "offset": mapping.offset,
            "permissions": permissions,
            "device": format!("{:02x}:{:02x}", mapping.device.0, mapping.device.1),
            "inode": mapping.inode,
            "path": mapping.path,
        }));
    }
    context.out.data = Value::Array(data);
    Ok(())
}
