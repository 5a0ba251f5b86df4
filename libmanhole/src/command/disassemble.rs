//! `disassemble`: a function or a range of addresses as assembly.
//!
//! Context: the agent's thread.

use serde_json::{Value, json};

use super::instructions::{Disassembled, Disassembler, LONGEST, Target};
use super::session::{Name, no_access};
use super::{Command, Context, Takes};
use crate::memory;
use crate::render::frames::hex;
use crate::render::quote::short;

pub(super) static COMMAND: Command = Command {
    names: &["disassemble"],
    arguments: "[/r] [ADDRESS | START,END | START,+LENGTH]",
    summary: "show a function, or a range of addresses, as assembly",
    help: "Without an address: the function of the selected frame. => marks the selected frame's pc.\n\
           /r shows the bytes as well.",
    takes: Takes::Symbols,
    run,
};

/// Bytes that one command disassembles at most.
const MOST: u64 = 4 << 20;

/// Bytes that are shown of a function whose end nobody knows.
const UNSIZED: u64 = 256;

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    let mut rest = arguments;
    let mut raw = false;
    while let Some(option) = rest.strip_prefix('/') {
        let (letters, after) = option.split_once(char::is_whitespace).unwrap_or((option, ""));
        match letters {
            "r" | "b" => raw = true,
            // Source lines between: the lines are in bt and info line.
            "m" | "s" | "rs" | "sr" => return Err("source lines are not mixed in: /r is the only option".to_owned()),
            _ => return Err(format!("unknown option \"/{}\": /r is the only one", short(letters, 20))),
        }
        rest = after.trim_start();
    }
    let (start, end, function) = range(context, rest)?;
    match &function {
        Some(name) => context.out.line(format_args!("Dump of assembler code for function {}:", name.text)),
        None => context.out.line(format_args!("Dump of assembler code from {} to {}:", hex(start), hex(end))),
    }
    let data = dump(context, start, end, function.as_ref(), raw)?;
    context.out.line(format_args!("End of assembler dump."));
    context.out.data = json!({
        "function": function.map(|name| name.text),
        "start": hex(start),
        "end": hex(end),
        "instructions": data,
    });
    Ok(())
}

/// Where to start and end, and the function when a whole one is meant.
fn range(context: &mut Context<'_, '_>, text: &str) -> Result<(u64, u64, Option<Name>), String> {
    if let Some((from, to)) = text.split_once(',') {
        let start = context.address(from)?;
        let end = match to.trim().strip_prefix('+') {
            Some(length) => start.checked_add(context.address(length)?).ok_or("the range passes the end of memory")?,
            None => context.address(to)?,
        };
        if end <= start {
            return Err(format!("the range from {} to {} is empty", hex(start), hex(end)));
        }
        return match end.wrapping_sub(start) {
            size if size > MOST => Err(format!("the range has {size} bytes: {MOST} are the most")),
            _ => Ok((start, end, None)),
        };
    }
    let address = match text {
        "" => {
            let (_, level) = context.selected_level()?;
            level.pc.wrapping_sub(u64::from(level.is_return_address))
        }
        text => context.address(text)?,
    };
    let Some(name) = context.session.name_at(address) else {
        return Err(format!("no function covers {}; disassemble START,+LENGTH shows a range", hex(address)));
    };
    let size = if name.size == 0 { UNSIZED.max(address.wrapping_sub(name.start) + 1) } else { name.size.min(MOST) };
    Ok((name.start, name.start.saturating_add(size), Some(name)))
}

fn dump(
    context: &mut Context<'_, '_>,
    start: u64,
    end: u64,
    function: Option<&Name>,
    raw: bool,
) -> Result<Vec<Value>, String> {
    let current = context.selected_pc();
    let mut disassembler = Disassembler::new()?;
    let mut names = Names::default();
    let mut data = Vec::new();
    let mut address = start;
    while address < end && !context.out.is_full() {
        context.check()?;
        let Some(instruction) = at(&mut disassembler, address) else {
            return Err(no_access(address));
        };
        let length = instruction.bytes.len().max(1) as u64;
        let place = match function {
            Some(name) => format!(" <+{}>", address.wrapping_sub(name.start)),
            None => names.bracketed(context, address),
        };
        let (line, value) = shown(context, &mut names, &instruction, &place, 16, current, raw);
        context.out.line(format_args!("{line}"));
        data.push(value);
        address = address.saturating_add(length);
    }
    Ok(data)
}

/// The instruction at an address, read from memory.
pub(super) fn at(disassembler: &mut Disassembler, address: u64) -> Option<Disassembled> {
    let mut code = [0; LONGEST];
    let read = memory::read_now(address, &mut code).ok()?;
    disassembler.one(code.get(..read)?, address)
}

/// The line of an instruction and its data; addresses have at least `width` digits.
pub(super) fn shown(
    context: &mut Context<'_, '_>,
    names: &mut Names,
    instruction: &Disassembled,
    place: &str,
    width: usize,
    current: Option<u64>,
    raw: bool,
) -> (String, Value) {
    let is_current = current == Some(instruction.address);
    let arrow = if is_current { "=>" } else { "  " };
    let bytes: Vec<String> = instruction.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut text = instruction.text.clone();
    match instruction.target {
        Some(Target::Code(target)) => text.push_str(&names.bracketed(context, target)),
        Some(Target::Data(target)) => {
            text = format!("{text}        # {}{}", hex(target), names.bracketed(context, target));
        }
        None => {}
    }
    let raw = if raw { format!("{}\t", bytes.join(" ")) } else { String::new() };
    let line = format!("{arrow} 0x{:0width$x}{place}:\t{raw}{text}", instruction.address);
    let data = json!({
        "address": hex(instruction.address),
        "place": place.trim(),
        "bytes": bytes.join(""),
        "text": text,
        "current": is_current,
    });
    (line, data)
}

/// Names of addresses; the last one is kept, for the next address is most often in the same symbol.
#[derive(Default)]
pub(super) struct Names(Option<Name>);

impl Names {
    /// ` <name+off>`, or nothing.
    pub(super) fn bracketed(&mut self, context: &mut Context<'_, '_>, address: u64) -> String {
        if !self.0.as_ref().is_some_and(|name| name.covers(address)) {
            self.0 = context.session.name_at(address);
        }
        self.0.as_ref().map(|name| format!(" <{}>", name.with_offset(address))).unwrap_or_default()
    }
}
