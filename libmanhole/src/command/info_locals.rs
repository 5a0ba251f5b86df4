//! `info locals` and `info args`: the variables of the selected frame, with their values at the capture.
//!
//! Context: the agent's thread.

use manhole_expressions::value::Value;
use serde_json::json;

use super::{Command, Context, Takes};

pub(super) static LOCALS: Command = Command {
    names: &["info locals"],
    arguments: "",
    summary: "show the variables of the selected frame",
    help: "Those of inner blocks first, as they were when the thread was captured; <optimized out> and <not captured> where they are not\n\
           known.",
    takes: Takes::Nothing,
    run: |context, _| show(context, false, "No locals."),
};

pub(super) static ARGUMENTS: Command = Command {
    names: &["info args"],
    arguments: "",
    summary: "show the arguments of the selected frame",
    help: "As they are in the frame, not as they were passed: a function may have changed them.",
    takes: Takes::Nothing,
    run: |context, _| show(context, true, "No arguments."),
};

fn show(context: &mut Context<'_, '_>, parameters: bool, none: &str) -> Result<(), String> {
    let Some(variables) = context.frame_variables(parameters) else {
        return Err("No symbol table info available.".to_owned());
    };
    context.say_age();
    let mut data = Vec::new();
    for (name, value) in variables {
        context.check()?;
        let text = context.shown_named(&value).unwrap_or_else(|error| format!("<error: {error}>"));
        let mark = mark(&value);
        context.out.line(format_args!("{name} = {text}{mark}"));
        let type_name = context.type_name(value.type_id)?;
        data.push(json!({ "name": name, "value": text, "type": type_name, "stale": value.is_stale }));
    }
    if data.is_empty() {
        context.out.line(format_args!("{none}"));
    }
    context.out.data = data.into();
    Ok(())
}

/// What is said behind a value that may be another one by now.
pub(super) fn mark(value: &Value) -> &'static str {
    let is_known = !matches!(value.content, manhole_expressions::value::Content::Missing(_));
    if value.is_stale && is_known { "  (stale: the thread has run since)" } else { "" }
}
