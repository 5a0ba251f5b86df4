//! `info locals` and `info args`: the variables of the selected frame, with their values at the capture.
//!
//! Context: the agent's thread.

use manhole_expressions::value::Value;
use serde_json::json;

use super::info_names_of::{limits, matcher_of};
use super::{Command, Context, Takes};
use crate::render::quote::short;

/// What is before the variables of a frame that are shown below it.
const INDENT: &str = "        ";

/// What is said where a function has no variables.
const NO_LOCALS: &str = "No locals.";

pub(super) static LOCALS: Command = Command {
    names: &["info locals"],
    arguments: "[-q] [PATTERN]",
    summary: "show the variables of the selected frame",
    help: "Those of inner blocks first, as they were when the thread was captured; <optimized out> and <not captured> where they are not\n\
           known. With a regular expression those whose names match. -q says nothing where there are none.",
    takes: Takes::Nothing,
    run: |context, pattern| show(context, false, pattern, NO_LOCALS),
};

pub(super) static ARGUMENTS: Command = Command {
    names: &["info args"],
    arguments: "[-q] [PATTERN]",
    summary: "show the arguments of the selected frame",
    help: "As they are in the frame, not as they were passed: a function may have changed them.",
    takes: Takes::Nothing,
    run: |context, pattern| show(context, true, pattern, "No arguments."),
};

const UNDESCRIBED: &str = "No symbol table info available.";

fn show(context: &mut Context<'_, '_>, parameters: bool, arguments: &str, none: &str) -> Result<(), String> {
    let (limits, pattern) = limits(arguments, &["-q"])?;
    let matcher = if pattern.is_empty() { None } else { Some(matcher_of(pattern)?) };
    context.say_age();
    let data = variables(context, parameters, matcher.as_ref(), "")?.ok_or(UNDESCRIBED)?;
    match matcher {
        _ if !data.is_empty() || limits.is_quiet => {}
        None => context.out.line(format_args!("{none}")),
        Some(_) => context.out.line(format_args!("None of them matches \"{}\".", short(pattern, 100))),
    }
    context.out.data = data.into();
    Ok(())
}

/// Shows all variables of the selected frame, as `bt full` has them below the frame; their data is returned.
pub(super) fn below_frame(context: &mut Context<'_, '_>) -> Result<Vec<serde_json::Value>, String> {
    let mut all = Vec::new();
    for parameters in [true, false] {
        match variables(context, parameters, None, INDENT)? {
            Some(data) => all.extend(data),
            None => {
                context.out.line(format_args!("{INDENT}{UNDESCRIBED}"));
                return Ok(all);
            }
        }
    }
    if all.is_empty() {
        context.out.line(format_args!("{INDENT}{NO_LOCALS}"));
    }
    Ok(all)
}

/// Shows variables of the selected frame; their data is returned, and nothing where no debug information knows the frame.
fn variables(
    context: &mut Context<'_, '_>,
    parameters: bool,
    matcher: Option<&regex_lite::Regex>,
    indent: &str,
) -> Result<Option<Vec<serde_json::Value>>, String> {
    let Some(variables) = context.frame_variables(parameters) else {
        return Ok(None);
    };
    let mut data = Vec::new();
    for (name, value) in variables.into_iter().filter(|(name, _)| matcher.is_none_or(|it| it.is_match(name))) {
        context.check()?;
        let text = context.shown_named(&value).unwrap_or_else(|error| format!("<error: {error}>"));
        let mark = mark(&value);
        for line in format!("{name} = {text}{mark}").lines() {
            context.out.line(format_args!("{indent}{line}"));
        }
        let type_name = context.type_name(value.type_id)?;
        data.push(json!({ "name": name, "value": text, "type": type_name, "stale": value.is_stale }));
    }
    Ok(Some(data))
}

/// What is said behind a value that may be another one by now.
pub(super) fn mark(value: &Value) -> &'static str {
    let is_known = !matches!(value.content, manhole_expressions::value::Content::Missing(_));
    if value.is_stale && is_known { "  (stale: the thread has run since)" } else { "" }
}
