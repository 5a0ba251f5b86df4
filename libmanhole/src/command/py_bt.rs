//! `py-bt`: the functions of Python alone, as Python's tracebacks have them.
//!
//! Context: the agent's thread.

use serde_json::json;

use super::{Command, Context, Takes};
use crate::render::Stack;
use crate::render::frames::{level_data, thread_data, thread_line};
use crate::render::quote::short;

pub(super) static COMMAND: Command = Command {
    names: &["py-bt"],
    arguments: "[TID | all]",
    summary: "show what the selected thread, or others, execute in Python",
    help: "The innermost call comes last, as in a traceback. bt has the native frames beside them, bt native those alone.\n\
           They are read from memory: the interpreter is not asked, whoever holds its lock.",
    takes: Takes::Threads,
    run,
};

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    let stacks: Vec<_> = match arguments {
        "" => vec![(*context.selected()?).clone()],
        "all" => {
            context.look_again(false);
            context.look().stacks.iter().filter(|stack| !stack.thread.own).map(|stack| (**stack).clone()).collect()
        }
        word => {
            let tid =
                context.thread(word).map_err(|_| format!("\"{}\" is no thread: py-bt [TID | all]", short(word, 40)))?;
            vec![
                context
                    .look()
                    .stack(tid)
                    .map(|stack| (**stack).clone())
                    .ok_or_else(|| format!("thread {tid} is gone"))?,
            ]
        }
    };
    context.say_age();
    let is_one = arguments.is_empty();
    let mut data = Vec::new();
    for stack in &stacks {
        if stack.python_levels().next().is_none() {
            continue;
        }
        if !is_one {
            context.out.line(format_args!("\n{}", thread_line(stack)));
        }
        show(context, stack);
        let mut thread = thread_data(stack);
        if let Some(object) = thread.as_object_mut() {
            let frames: Vec<_> =
                stack.python_levels().enumerate().map(|(number, level)| level_data(number, level)).collect();
            object.insert("frames".to_owned(), frames.into());
        }
        data.push(thread);
    }
    if data.is_empty() {
        let look = context.look();
        let reason = look.problems.iter().find(|problem| problem.contains("Python"));
        return Err(reason.cloned().unwrap_or_else(|| match is_one {
            true => "the thread executes nothing in Python".to_owned(),
            false => "no thread executes anything in Python".to_owned(),
        }));
    }
    context.out.data = json!({ "threads": data });
    context.check()
}

fn show(context: &mut Context<'_, '_>, stack: &Stack) {
    context.out.line(format_args!("Traceback (most recent call last):"));
    let levels: Vec<_> = stack.python_levels().collect();
    for level in levels.iter().rev() {
        let Some(location) = level.location() else { continue };
        let mark = if level.certain { "" } else { "? " };
        let (file, function) = (location.file.as_deref().unwrap_or("?"), location.function.as_deref().unwrap_or("?"));
        match location.line {
            Some(line) => context.out.line(format_args!("  {mark}File \"{file}\", line {line}, in {function}")),
            None => context.out.line(format_args!("  {mark}File \"{file}\", in {function}")),
        }
        if let Some(source) = level.source() {
            context.out.line(format_args!("    {source}"));
        }
    }
}
