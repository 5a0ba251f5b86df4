//! `info frame`: what is known of the selected frame itself.
//!
//! Context: the agent's thread.

use serde_json::{Map, Value, json};

use super::{Command, Context, Takes};
use crate::render::arch;
use crate::render::frames::hex;

pub(super) static COMMAND: Command = Command {
    names: &["info frame"],
    arguments: "",
    summary: "show the selected frame's place, its caller, and its known registers",
    help: "A frame at 0x...: that is its canonical frame address, the stack pointer before the call.",
    takes: Takes::Nothing,
    run,
};

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    if !arguments.is_empty() {
        return Err("info frame is about the selected frame: frame N selects another one".to_owned());
    }
    context.say_age();
    let (number, level) = context.selected_level()?;
    let stack = context.selected()?;
    let frame = stack.frames.get(level.frame).ok_or("no frame")?;
    let place = |cfa: Option<u64>| cfa.map_or_else(|| "an unknown address".to_owned(), hex);
    let here = if level.certain { "" } else { "? " };
    context.out.line(format_args!("{here}Stack level {number}, frame at {}:", place(frame.cfa)));
    let location = level.location();
    let function = location.and_then(|at| at.function.as_deref()).map(|name| format!(" in {name}"));
    let line = location.and_then(|at| Some(format!(" ({}:{})", at.file.as_deref()?, at.line?)));
    let caller = stack.frames.get(level.frame.saturating_add(1));
    // As in a backtrace: what is not certain is marked.
    let mark = |frame: usize| {
        let is_certain = stack.levels.iter().filter(|level| level.frame == frame).all(|level| level.certain);
        if is_certain { "" } else { "? " }
    };
    let outer = mark(level.frame.saturating_add(1));
    let saved = caller.map_or_else(|| "unknown".to_owned(), |caller| format!("{outer}{}", hex(caller.pc)));
    context.out.line(format_args!(
        " pc = {}{}{}; saved pc = {saved}",
        hex(level.pc),
        function.unwrap_or_default(),
        line.unwrap_or_default()
    ));
    // What was inlined has no frame of its own.
    let next = stack.levels.get(number.saturating_add(1));
    if next.is_some_and(|next| next.frame == level.frame) {
        context.out.line(format_args!(" inlined into frame {}", number.saturating_add(1)));
    } else if let Some(caller) = caller {
        context.out.line(format_args!(" {outer}called by frame at {}", place(caller.cfa)));
    } else {
        context.out.line(format_args!(" no caller: it is the outermost frame that was found"));
    }
    if let Some(called) = level.frame.checked_sub(1).and_then(|inner| stack.frames.get(inner)) {
        context.out.line(format_args!(" caller of frame at {}", place(called.cfa)));
    }
    if level.signal {
        context.out.line(format_args!(" the kernel has made it to call a signal handler"));
    }
    let compiled = context.compiled()?;
    let language = compiled.and_then(|compiled| compiled.language);
    if let Some(language) = &language {
        context.out.line(format_args!(" source language {language}."));
    }
    let mut registers = Map::new();
    let mut known = Vec::new();
    for (name, number) in arch::REGISTERS {
        if let Some(value) = frame.registers.get(number) {
            known.push(format!("{name} {}", hex(value)));
            registers.insert((*name).to_owned(), Value::String(hex(value)));
        }
    }
    context.out.line(format_args!(" Registers that are known in it: {}", known.join(", ")));
    context.out.data = json!({
        "level": number,
        "certain": level.certain,
        "frame": frame.cfa.map(hex),
        "pc": hex(level.pc),
        "saved_pc": caller.map(|caller| hex(caller.pc)),
        "language": language,
        "registers": registers,
    });
    Ok(())
}
