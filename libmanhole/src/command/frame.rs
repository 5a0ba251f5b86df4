//! `frame N`, `up`, `down`: select a frame of the selected thread.
//!
//! Context: the agent's thread.

use serde_json::Value;

use super::{Command, Context, Takes};
use crate::render::frames::{level_data, numbered};
use crate::render::quote::short;

pub(super) static COMMAND: Command = Command {
    names: &["frame"],
    arguments: "[N]",
    summary: "select a frame of the selected thread, or show the selected one",
    help: "Frames are counted as bt shows them: 0 is the innermost, inlined functions are frames of their own.",
    takes: Takes::Nothing,
    run: |context, arguments| {
        if !arguments.is_empty() {
            let number = count(arguments)?;
            select(context, number)?;
        }
        show_as_answer(context)
    },
};

pub(super) static UP: Command = Command {
    names: &["up"],
    arguments: "[N]",
    summary: "select the frame that called the selected one",
    help: "up N goes N frames outwards.",
    takes: Takes::Nothing,
    run: |context, arguments| {
        let by = if arguments.is_empty() { 1 } else { count(arguments)? };
        let last = context.selected()?.levels.len().saturating_sub(1);
        let level = context.session.level;
        if level >= last && by > 0 {
            return Err("the outermost frame is selected: there is nothing above it".to_owned());
        }
        select(context, level.saturating_add(by).min(last))?;
        show_as_answer(context)
    },
};

pub(super) static DOWN: Command = Command {
    names: &["down"],
    arguments: "[N]",
    summary: "select the frame that the selected one called",
    help: "down N goes N frames inwards.",
    takes: Takes::Nothing,
    run: |context, arguments| {
        let by = if arguments.is_empty() { 1 } else { count(arguments)? };
        let level = context.session.level;
        if level == 0 && by > 0 {
            return Err("the innermost frame is selected: there is nothing below it".to_owned());
        }
        select(context, level.saturating_sub(by))?;
        show_as_answer(context)
    },
};

fn count(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("\"{}\" is no number of a frame; bt shows them", short(text, 40)))
}

fn select(context: &mut Context<'_, '_>, number: usize) -> Result<(), String> {
    let count = context.selected()?.levels.len();
    if number >= count {
        return Err(match count {
            0 => "the thread has no frames".to_owned(),
            count => format!("no frame {number}; the thread has frames 0 to {}", count.saturating_sub(1)),
        });
    }
    context.session.level = number;
    Ok(())
}

fn show_as_answer(context: &mut Context<'_, '_>) -> Result<(), String> {
    context.say_age();
    context.out.data = show(context)?;
    Ok(())
}

/// Shows the selected frame; its data is returned.
pub(super) fn show(context: &mut Context<'_, '_>) -> Result<Value, String> {
    let (number, level) = context.selected_level()?;
    context.out.line(format_args!("{}", numbered(number, &level)));
    if let (Some(source), Some(line)) = (level.source(), level.location().and_then(|location| location.line)) {
        context.out.line(format_args!("{line}\t{source}"));
    }
    Ok(level_data(number, &level))
}
