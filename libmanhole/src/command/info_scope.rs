//! `info scope` and `info address`: the variables of a function, and where something is kept.
//!
//! Context: the agent's thread. Nothing is called and nothing is written.

use serde_json::json;

use super::{Command, Context, Takes};
use crate::debug::{Storage, Whereabouts};
use crate::render::arch;
use crate::render::frames::hex;
use crate::render::quote::short;

pub(super) static SCOPE: Command = Command {
    names: &["info scope"],
    arguments: "FUNCTION | *ADDRESS | FILE:LINE",
    summary: "list the variables at a place of the code, and where they are kept",
    help: "Those of a function at its beginning, or of the blocks around an address or a line; innermost first.",
    takes: Takes::Symbols,
    run: scope,
};

pub(super) static ADDRESS: Command = Command {
    names: &["info address"],
    arguments: "NAME",
    summary: "say where a variable or a function is kept",
    help: "A variable of the selected frame, else a global one.",
    takes: Takes::Symbols,
    run: address,
};

fn scope(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    if arguments.is_empty() {
        return Err("info scope needs a place: a function, *ADDRESS or FILE:LINE".to_owned());
    }
    let address = match context.line_of(arguments)? {
        Some((file, line)) => {
            let places = context.line_places(&file, line)?;
            let first = places.code.first().map(|code| code.start);
            first.ok_or_else(|| format!("no code comes from line {line} of {} or behind it", short(&file, 200)))?
        }
        None => context.address(arguments.strip_prefix('*').unwrap_or(arguments))?,
    };
    let locals = context.locals_at(address).ok_or("No symbol table info available.")?;
    let shown = short(arguments, 100);
    if locals.is_empty() {
        context.out.line(format_args!("{shown} has no variables of its own here."));
    } else {
        context.out.line(format_args!("Scope for {shown}:"));
    }
    let mut data = Vec::new();
    for (local, place) in locals {
        context.check()?;
        let place = words(&place);
        let size = context.size_of(local.type_id);
        let length = size.map(|size| format!(", length {size}")).unwrap_or_default();
        context.out.line(format_args!("Symbol {} is {place}{length}.", local.name));
        let type_name = context.type_name(local.type_id)?;
        data.push(json!({ "name": local.name, "type": type_name, "place": place, "size": size, "parameter": local.is_parameter }));
    }
    context.out.data = data.into();
    Ok(())
}

fn address(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    let name = arguments.trim();
    if name.is_empty() {
        return Err("info address needs the name of a variable or a function".to_owned());
    }
    if !is_name(name) {
        return Err(format!(
            "{} is no name of a variable or a function: print &(...) tells where other things are",
            short(name, 100)
        ));
    }
    let place = match context.local_place(name) {
        Some(place) => words(&place),
        None => context.place_of_global(name)?,
    };
    context.out.line(format_args!("Symbol \"{}\" is {place}.", short(name, 100)));
    context.out.data = json!({ "name": name, "place": place });
    Ok(())
}

/// Whether the text is a name: scopes, templates and a quoted file may be in it, operators not.
fn is_name(text: &str) -> bool {
    let plain: String = text.split('\'').step_by(2).collect();
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | '<' | '>' | ',' | ' ' | '@');
    plain.chars().all(fits) && text.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | ':' | '\''))
}

/// Where something is kept, in gdb's words where it has some.
fn words(place: &Whereabouts) -> String {
    let register = |number: u16| {
        let known = arch::REGISTERS.iter().find(|(_, known)| *known == number);
        known.map_or_else(|| format!("register {number} of DWARF"), |(name, _)| format!("${name}"))
    };
    match place {
        Whereabouts::Frame(offset) => format!("a variable at frame base {offset:+}"),
        Whereabouts::Register(number) => format!("a variable in {}", register(*number)),
        Whereabouts::Beside(number, offset) => format!("a variable at {} {offset:+}", register(*number)),
        Whereabouts::Varies => "multi-location: another place in each part of the function".to_owned(),
        Whereabouts::Computed => "a variable whose place an expression of DWARF says".to_owned(),
        Whereabouts::Fixed(Storage::Address(address)) => format!("static storage at address {}", hex(*address)),
        Whereabouts::Fixed(Storage::ThreadLocal { offset, .. }) => {
            format!("a thread-local variable at offset {offset:#x} in the block of its module")
        }
        Whereabouts::Fixed(Storage::Constant(_)) => "constant".to_owned(),
        Whereabouts::Fixed(Storage::Declared) => "only declared".to_owned(),
        Whereabouts::Fixed(Storage::OptimizedOut | Storage::Unsupported(_)) => "optimized out".to_owned(),
    }
}
