//! `info registers`: what is known of the registers in the selected frame.
//!
//! Context: the agent's thread.

use serde_json::{Map, Value};

use super::{Command, Context, Takes};
use crate::render::frames::hex;
use crate::render::{arch, quote::short};
use crate::snapshot::Registers;

pub(super) static COMMAND: Command = Command {
    names: &["info registers"],
    arguments: "[REGISTER...]",
    summary: "show the registers of the selected frame, as far as they were captured",
    help: "A blocked thread is read without waking it: the kernel then tells its pc and sp only, and what call frame\n\
           information restores in callers is shown there. bt -f captures all of them.",
    takes: Takes::Nothing,
    run,
};

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    let mut wanted = Vec::new();
    for name in arguments.split_whitespace() {
        let name = name.trim_start_matches('$');
        match arch::register(name) {
            Some(number) => wanted.push(number),
            None => return Err(format!("invalid register \"{}\"", short(name, 40))),
        }
    }
    context.say_age();
    let registers = registers(context)?;
    let mut data = Map::new();
    for (name, number) in arch::REGISTERS.iter().filter(|(_, number)| wanted.is_empty() || wanted.contains(number)) {
        let value = registers.get(*number);
        match value {
            None => context.out.line(format_args!("{name:<15}<not captured>")),
            Some(value) => {
                let natural = match *name {
                    "rip" | "rsp" | "rbp" => format!("{value:#x}{}", context.session.bracketed(value)),
                    _ => (value as i64).to_string(),
                };
                context.out.line(format_args!("{name:<15}{:<19}{natural}", hex(value)));
            }
        }
        data.insert((*name).to_owned(), value.map_or(Value::Null, |value| Value::String(hex(value))));
    }
    context.out.data = Value::Object(data);
    Ok(())
}

/// The registers of the selected frame; where a thread has no frames, those that were captured.
fn registers(context: &mut Context<'_, '_>) -> Result<Registers, String> {
    if let Ok((_, level)) = context.selected_level() {
        let stack = context.selected()?;
        return stack.frames.get(level.frame).map(|frame| frame.registers).ok_or_else(|| "no frame".to_owned());
    }
    let stack = context.selected()?;
    stack.thread.capture.as_ref().map(|capture| capture.registers).map_err(|reason| format!("no registers: {reason}"))
}
