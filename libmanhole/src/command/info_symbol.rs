//! `info symbol ADDRESS`: the symbol that covers an address.
//!
//! Context: the agent's thread.

use serde_json::json;

use super::{Command, Context, Takes};
use crate::render::frames::hex;

pub(super) static COMMAND: Command = Command {
    names: &["info symbol"],
    arguments: "ADDRESS",
    summary: "name the symbol that covers an address",
    help: "The address is any expression; symbols stand for their addresses.",
    takes: Takes::Symbols,
    run,
};

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    let address = context.address(arguments)?;
    let Some(name) = context.session.name_at(address) else {
        let inside = context.session.modules().module(address).map(|module| module.path.clone());
        return Err(match inside {
            Some(path) => format!("no symbol covers {} in {path}", hex(address)),
            None => format!("no symbol covers {}: it is in no program or library", hex(address)),
        });
    };
    context.out.line(format_args!("{} in {}", name.with_offset(address), name.object));
    context.out.data = json!({
        "address": hex(address),
        "symbol": name.text,
        "offset": address.wrapping_sub(name.start),
        "size": name.size,
        "object": name.object,
    });
    Ok(())
}
