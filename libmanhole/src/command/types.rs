//! `whatis` and `ptype`: the type of an expression, by its name or by its definition.
//!
//! Context: the agent's thread. Nothing is called and nothing is written.

use serde_json::json;

use super::{Command, Context, Takes};
use crate::render::quote::short;

pub(super) static WHATIS: Command = Command {
    names: &["whatis"],
    arguments: "EXPRESSION | TYPE",
    summary: "show the type of an expression",
    help: "Of a typedef's name: what it stands for, one step.",
    takes: Takes::Symbols,
    run: |context, arguments| {
        let (type_id, is_type) = wanted(context, arguments)?;
        let type_id = if is_type { context.one_step(type_id) } else { type_id };
        let text = context.type_name(type_id)?;
        say(context, text);
        Ok(())
    },
};

pub(super) static PTYPE: Command = Command {
    names: &["ptype"],
    arguments: "[/o] EXPRESSION | TYPE",
    summary: "show the definition of a type",
    help: "Of a type, or of the type of an expression: the members of a struct, the enumerators of an enum. With /o the offset and\n\
           the size of each member, in bytes, and the holes between them.",
    takes: Takes::Symbols,
    run: |context, arguments| {
        if let Some(expression) = arguments.strip_prefix("/o").filter(|rest| !rest.starts_with(is_of_word)) {
            let (type_id, _) = wanted(context, expression.trim_start())?;
            let text = context.type_with_offsets(type_id)?;
            context.out.line(format_args!("{text}"));
            context.out.data = json!({ "type": text });
            return Ok(());
        }
        if let Some(flags) = arguments.strip_prefix('/') {
            let flags = flags.split(|letter| !is_of_word(letter)).next().unwrap_or_default();
            return Err(format!("ptype knows no /{}; /o shows the offsets of members", short(flags, 20)));
        }
        let (type_id, _) = wanted(context, arguments)?;
        let text = context.type_definition(type_id)?;
        say(context, text);
        Ok(())
    },
};

fn wanted(
    context: &mut Context<'_, '_>,
    arguments: &str,
) -> Result<(manhole_expressions::types::TypeId, bool), String> {
    // The last value, as for print.
    context.type_of(if arguments.is_empty() { "$" } else { arguments })
}

fn is_of_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn say(context: &mut Context<'_, '_>, text: String) {
    context.out.line(format_args!("type = {text}"));
    context.out.data = json!({ "type": text });
}
