//! `frame N`, `up`, `down`: select a frame of the selected thread.
//!
//! Context: the agent's thread.

use serde_json::Value;

use super::{Command, Context, Takes};
use crate::render::frames::{level_data, numbered};
use crate::render::quote::short;

pub(super) static COMMAND: Command = Command {
    names: &["frame"],
    arguments: "[N | level N | function NAME]",
    summary: "select a frame of the selected thread, or show the selected one",
    help: "Frames are counted as bt shows them: 0 is the innermost, inlined functions are frames of their own. With a function's\n\
           name: its innermost frame.",
    takes: Takes::Symbols,
    run: |context, arguments| {
        let (word, name) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
        match word {
            "" => {}
            "function" => {
                let number = of_function(context, name.trim())?;
                select(context, number)?;
            }
            "level" => {
                let number = count(name.trim())?;
                select(context, number)?;
            }
            _ => {
                let number = count(arguments)?;
                select(context, number)?;
            }
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

/// The number of the innermost frame of a function, with its scopes or without, with its parameters' types or without.
fn of_function(context: &mut Context<'_, '_>, name: &str) -> Result<usize, String> {
    if name.is_empty() {
        return Err("frame function needs the name of a function; bt shows them".to_owned());
    }
    let is_it = |function: &str| {
        let plain = function.split_once('(').map_or(function, |(plain, _)| plain);
        [function, plain]
            .into_iter()
            .any(|whole| whole == name || whole.strip_suffix(name).is_some_and(|scope| scope.ends_with("::")))
    };
    let levels = &context.selected()?.levels;
    let found =
        levels.iter().position(|level| level.location().and_then(|at| at.function.as_deref()).is_some_and(is_it));
    found.ok_or_else(|| format!("no frame of \"{}\" in this thread; bt shows them", short(name, 40)))
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
