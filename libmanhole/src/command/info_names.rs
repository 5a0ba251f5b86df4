//! `info names`: what the option `locals` has given names.
//!
//! Context: the agent's thread.

use serde_json::json;

use super::{Command, Context, Takes};

pub(super) static COMMAND: Command = Command {
    names: &["info names"],
    arguments: "",
    summary: "list the names of the option locals and their expressions",
    help: "Such a name stands for its expression in any expression, evaluated each time, and hides a symbol of the\n\
           same name. Where it is a command's name as well, print NAME shows it.",
    takes: Takes::Nothing,
    run,
};

fn run(context: &mut Context<'_, '_>, _: &str) -> Result<(), String> {
    let locals = context.session.locals.clone();
    if locals.is_empty() {
        context.out.line(format_args!("There are none: the option locals={{\"name\": \"expression\"}} gives names."));
    }
    let width = locals.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).min(30);
    for (name, expression) in &locals {
        let shown = crate::render::quote::short(expression, 1000);
        context.out.line(format_args!("{name:width$}  {shown}"));
    }
    context.out.data =
        json!(locals.iter().map(|(name, text)| json!({ "name": name, "expression": text })).collect::<Vec<_>>());
    Ok(())
}
