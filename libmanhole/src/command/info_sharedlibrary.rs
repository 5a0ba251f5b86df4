//! `info sharedlibrary`: the program and its libraries.
//!
//! Context: the agent's thread. What is mapped counts, not what the loader says: its lists may be locked.

use serde_json::{Value, json};

use super::{Command, Context, Takes};
use crate::render::frames::hex;

pub(super) static COMMAND: Command = Command {
    names: &["info sharedlibrary", "info dll"],
    arguments: "",
    summary: "list the program and its libraries with their addresses",
    help: "A library whose file was removed or replaced since it was loaded says (deleted).",
    takes: Takes::Nothing,
    run,
};

fn run(context: &mut Context<'_, '_>, _arguments: &str) -> Result<(), String> {
    let modules = context.session.modules().modules.clone();
    context.out.line(format_args!("{:<18} {:<18} {:<40} Object", "From", "To", "Build id"));
    let mut data = Vec::new();
    for module in &modules {
        let id: String = module.build_id.iter().map(|byte| format!("{byte:02x}")).collect();
        let deleted = if module.deleted { " (deleted)" } else { "" };
        context.out.line(format_args!(
            "0x{:016x} 0x{:016x} {:<40} {}{deleted}",
            module.start,
            module.end,
            if id.is_empty() { "-" } else { &id },
            module.path
        ));
        data.push(json!({
            "path": module.path,
            "from": hex(module.start),
            "to": hex(module.end),
            "bias": hex(module.bias),
            "build_id": Some(id).filter(|id| !id.is_empty()),
            "deleted": module.deleted,
        }));
    }
    for problem in context.session.symbols.problems() {
        context.out.line(format_args!("({problem})"));
    }
    context.out.data = Value::Array(data);
    Ok(())
}
