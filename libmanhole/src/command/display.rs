//! `display`: expressions that are shown after each line.
//!
//! Context: the agent's thread. They call nothing: what is shown again and again must not change what it shows.

use serde_json::json;

use super::print::Asked;
use super::{Command, Context, Takes};
use crate::render::quote::short;

/// Expressions that are shown.
const MOST: usize = 50;

pub(super) static COMMAND: Command = Command {
    names: &["display"],
    arguments: "[/FORMAT] [EXPRESSION]",
    summary: "show an expression now and after each line",
    help: "Expressions that call functions are refused. Without arguments: show all of them. undisplay ends it.",
    takes: Takes::Symbols,
    run: |context, arguments| {
        if arguments.is_empty() {
            show_all(context);
            return Ok(());
        }
        if context.session.displays.len() >= MOST {
            return Err(format!("more than {MOST} expressions are not shown: undisplay some"));
        }
        context.calls_nothing = true;
        let text = shown(context, arguments)?;
        let number = context.session.displays.last().map_or(1, |(number, _)| number.saturating_add(1));
        context.session.displays.push((number, arguments.to_owned()));
        context.out.data = json!({ "display": number, "text": text });
        // It is shown at the end of this line, as of each.
        Ok(())
    },
};

pub(super) static UNDISPLAY: Command = Command {
    names: &["undisplay", "delete display"],
    arguments: "[N ...]",
    summary: "end what display has begun",
    help: "Without numbers: all of them. info display shows the numbers.",
    takes: Takes::Nothing,
    run: |context, arguments| {
        if arguments.is_empty() {
            context.session.displays.clear();
            return Ok(());
        }
        for word in arguments.split_whitespace() {
            let number: u32 = word.parse().map_err(|_| format!("\"{}\" is no number of a display", short(word, 40)))?;
            let before = context.session.displays.len();
            context.session.displays.retain(|(known, _)| *known != number);
            if context.session.displays.len() == before {
                return Err(format!("no display {number}; info display lists them"));
            }
        }
        Ok(())
    },
};

pub(super) static INFO: Command = Command {
    names: &["info display"],
    arguments: "",
    summary: "list what is shown after each line",
    help: "",
    takes: Takes::Nothing,
    run: |context, _| {
        let displays = context.session.displays.clone();
        if displays.is_empty() {
            context.out.line(format_args!("There are no auto-display expressions now."));
        }
        for (number, text) in &displays {
            context.out.line(format_args!("{number}:  {text}"));
        }
        context.out.data =
            displays.iter().map(|(number, text)| json!({ "display": number, "expression": text })).collect();
        Ok(())
    },
};

/// Shows all of them, each with its number.
pub(crate) fn show_all(context: &mut Context<'_, '_>) {
    context.calls_nothing = true;
    for (number, text) in context.session.displays.clone() {
        match shown(context, &text) {
            // gdb's form: the format stands before the expression.
            Ok(value) if text.starts_with('/') => {
                context.out.line(format_args!("{number}: {} = {value}", spaced(&text)))
            }
            Ok(value) => context.out.line(format_args!("{number}: {text} = {value}")),
            Err(reason) => context.out.line(format_args!("{number}: {text}: {reason}")),
        }
    }
    context.calls_nothing = false;
}

/// The format and the expression behind it, with one blank in between.
fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn shown(context: &mut Context<'_, '_>, arguments: &str) -> Result<String, String> {
    let asked = Asked::parse(arguments)?;
    let value = context.value(asked.expression)?;
    context.shown(&value, asked.format)
}
