//! `bt` and `thread apply all bt`: stacks in gdb's order and form.
//!
//! Context: the agent's thread.

use serde_json::{Value, json};

use super::{Command, Context, Takes, info_locals};
use crate::render::Stack;
use crate::render::frames::{Range, backtrace, ending, levels, numbered, stack_data, thread_line};
use crate::render::quote::short;

pub(super) static COMMAND: Command = Command {
    names: &["bt", "backtrace", "where"],
    arguments: "[N | -N | TID | all] [full] [native] [-f]",
    summary: "show the stack of the selected thread, or of others",
    help: "N        the innermost N frames\n\
           -N       the outermost N frames\n\
           TID      the stack of the thread with this kernel id\n\
           all      the stacks of all threads, looked at anew\n\
           full     the arguments and variables of each frame below it, as info args and info locals show them\n\
           native   without the functions of Python: what executes them instead\n\
           -f       look again, and insist: threads whose stack cannot be read undisturbed are\n\
           \x20        interrupted for a moment\n\
           A number is a thread's id where one has it, else a count of frames.\n\
           Frames marked ? belong to one of several stacks that fit what could be captured.",
    takes: Takes::Threads,
    run,
};

pub(super) static ALL: Command = Command {
    names: &["thread apply all bt", "thread apply all backtrace", "thread apply all where"],
    arguments: "[N | -N] [full] [native] [-f]",
    summary: "show the stacks of all threads, looked at anew",
    help: "The same as bt all.",
    takes: Takes::Nothing,
    run: |context, arguments| of_all(context, Asked::parse(arguments)?),
};

/// What the arguments ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    all: bool,
    full: bool,
    native: bool,
    insist: bool,
    number: Option<i64>,
}

impl Asked {
    fn parse(arguments: &str) -> Result<Asked, String> {
        let mut asked = Asked { all: false, full: false, native: false, insist: false, number: None };
        for word in arguments.split_whitespace() {
            match word {
                "all" => asked.all = true,
                "-f" | "-force" | "--force" => asked.insist = true,
                "full" | "-full" => asked.full = true,
                "native" => asked.native = true,
                word => match word.parse() {
                    Ok(number) if asked.number.is_none() => asked.number = Some(number),
                    _ => {
                        return Err(format!(
                            "\"{}\" is not understood: bt [N | -N | TID | all] [full] [native] [-f]",
                            short(word, 40)
                        ));
                    }
                },
            }
        }
        if asked.full && asked.native {
            return Err(
                "full and native exclude each other: bt full has the native frames' variables as well".to_owned()
            );
        }
        Ok(asked)
    }

    fn range(self) -> Range {
        match self.number {
            None => Range::All,
            Some(count) if count < 0 => Range::Outermost(usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX)),
            Some(count) => Range::Innermost(usize::try_from(count).unwrap_or(usize::MAX)),
        }
    }
}

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    let asked = Asked::parse(arguments)?;
    if asked.all {
        return of_all(context, asked);
    }
    let named = match asked.number.and_then(|number| i32::try_from(number).ok()) {
        Some(number) => context.look().stack(number).map(|stack| stack.thread.tid),
        None => None,
    };
    let range = if named.is_some() { Range::All } else { asked.range() };
    if asked.insist {
        let tid = match named {
            Some(tid) => tid,
            None => context.selected()?.thread.tid,
        };
        context.look_at(tid, true);
    }
    context.say_age();
    let stack = match named {
        Some(tid) => context.look().stack(tid).cloned().ok_or_else(|| format!("thread {tid} is gone"))?,
        None => context.selected()?,
    };
    if named.is_some() {
        context.out.line(format_args!("{}", thread_line(&stack)));
    }
    context.out.data = show(context, &stack, range, asked)?;
    Ok(())
}

/// Shows a stack, and with `full` the variables of its frames; its data is returned where that is wanted.
fn show(context: &mut Context<'_, '_>, stack: &Stack, range: Range, asked: Asked) -> Result<Value, String> {
    let native = asked.native.then(|| stack.native_alone());
    let stack = native.as_ref().unwrap_or(stack);
    let mut data = if context.out.wants_data() { stack_data(stack) } else { Value::Null };
    if !asked.full {
        for line in backtrace(stack, range) {
            context.out.line(format_args!("{line}"));
        }
        return Ok(data);
    }
    let selected = (context.session.selected, context.session.level);
    for (number, level) in levels(stack, range) {
        context.out.line(format_args!("{}", numbered(number, level)));
        (context.session.selected, context.session.level) = (Some(stack.thread.tid), number);
        let variables = info_locals::below_frame(context);
        (context.session.selected, context.session.level) = selected;
        if let Some(frame) = data.pointer_mut(&format!("/frames/{number}")).and_then(Value::as_object_mut) {
            frame.insert("variables".to_owned(), variables?.into());
        }
        if context.out.is_full() {
            break;
        }
    }
    for line in ending(stack, range) {
        context.out.line(format_args!("{line}"));
    }
    Ok(data)
}

fn of_all(context: &mut Context<'_, '_>, asked: Asked) -> Result<(), String> {
    context.look_again(asked.insist);
    let look = context.look();
    let mut threads = Vec::new();
    // gdb goes from the last thread to the first.
    for stack in look.stacks.iter().rev() {
        if context.out.is_full() {
            threads.push(stack_data(stack));
            continue;
        }
        context.out.line(format_args!("\n{}", thread_line(stack)));
        threads.push(show(context, stack, asked.range(), asked)?);
    }
    let mut problems = look.problems.clone();
    for problem in &problems {
        context.out.line(format_args!("({problem})"));
    }
    problems.extend(context.session.symbols.problems());
    if context.out.wants_data() {
        threads.reverse();
        context.out.data = json!({ "threads": threads, "problems": problems });
    }
    context.check()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        let asked = |text| Asked::parse(text).map(|asked| (asked.all, asked.insist, asked.range()));
        assert_eq!(asked(""), Ok((false, false, Range::All)));
        assert_eq!(asked("3"), Ok((false, false, Range::Innermost(3))));
        assert_eq!(asked("-3 -f"), Ok((false, true, Range::Outermost(3))));
        assert_eq!(asked("all -f"), Ok((true, true, Range::All)));
        assert!(asked("1 2").is_err());
        assert!(asked("x").unwrap_err().contains("\"x\""));
        assert!(Asked::parse("2 full").unwrap().full);
    }
}
