//! `thread N`: selects a thread.
//!
//! Context: the agent's thread.

use super::find::{self, Found};
use super::{Command, Context, Takes, frame, print};
use crate::render::frames::{names, thread_data};

pub(super) static COMMAND: Command = Command {
    names: &["thread"],
    arguments: "[N | TID] [COMMAND]",
    summary: "select a thread, or run one command for it; alone: say which is selected",
    help: "N is a number from info threads; a thread's kernel id is taken as well, and wins.\n\
           bt, frame, info registers, $registers and thread-local variables are about the selected thread.\n\
           thread 3 print errno: the command, or the expression, for that thread; the selected one stays selected.\n\
           thread 3 call f(): thread 3 itself makes the call, where it waits in a system call that can begin anew and holds neither the\n\
           allocator, the loader nor a stream; it goes on where it was when the call has returned.",
    takes: Takes::Threads,
    run,
};

pub(super) static APPLY: Command = Command {
    names: &["thread apply"],
    arguments: "all | N ... COMMAND",
    summary: "run a command for several threads",
    help: "thread apply all bt 3; thread apply 1 4 print errno.",
    takes: Takes::Threads,
    run: apply,
};

fn apply(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    let (first, mut rest) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
    let mut threads = Vec::new();
    if first == "all" {
        threads =
            context.look().stacks.iter().filter(|stack| !stack.thread.own).map(|stack| stack.thread.tid).collect();
    } else {
        rest = arguments;
        while let Some((word, after)) = rest.trim_start().split_once(char::is_whitespace)
            && word.starts_with(|letter: char| letter.is_ascii_digit())
        {
            threads.push(context.thread(word)?);
            rest = after;
        }
    }
    let mut command = rest.trim();
    // gdb's `-q`, `-s` and `-c`: an error is shown where it comes, and ends nothing.
    while let Some((_, after)) =
        command.split_once(char::is_whitespace).filter(|(flag, _)| matches!(*flag, "-q" | "-s" | "-c"))
    {
        command = after.trim_start();
    }
    if threads.is_empty() || command.is_empty() {
        return Err("thread apply needs threads and a command: thread apply all bt 3".to_owned());
    }
    for tid in threads {
        context.check()?;
        let number = context.look().stack(tid).map_or(0, |stack| stack.number);
        context.out.line(format_args!("\nThread {number} (LWP {tid}):"));
        if let Err(reason) = run_for(context, tid, command) {
            if context.session.started.is_some() {
                return Err(reason);
            }
            context.out.line(format_args!("{reason}"));
        }
    }
    Ok(())
}

/// Runs a command, or shows an expression, with a thread selected.
fn run_for(context: &mut Context<'_, '_>, tid: i32, line: &str) -> Result<(), String> {
    let (selected, level) = (context.session.selected, context.session.level);
    context.session.selected = Some(tid);
    context.session.level = 0;
    let on = context.on.replace(tid);
    context.session.journal.reopen();
    let result = match find::find(line) {
        Found::Command(command, _) if core::ptr::eq(command, &COMMAND) || core::ptr::eq(command, &APPLY) => {
            Err("thread does not go inside thread".to_owned())
        }
        Found::Command(command, arguments) => (command.run)(context, arguments),
        Found::Incomplete(first, rest) => Err(find::incomplete(first, rest)),
        Found::OfApplication(..) => Err("commands of the application are about no thread".to_owned()),
        Found::Ambiguous(_) | Found::Unknown => print::bare(context, line),
    };
    context.session.selected = selected;
    context.session.level = level;
    context.on = on;
    result
}

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    if let Some((thread, line)) = arguments.split_once(char::is_whitespace) {
        let tid = context.thread(thread)?;
        return run_for(context, tid, line.trim());
    }
    if !arguments.is_empty() {
        let tid = context.thread(arguments)?;
        context.session.selected = Some(tid);
        context.session.level = 0;
    }
    context.say_age();
    let stack = context.selected()?;
    let (number, tid, state) = (stack.number, stack.thread.tid, stack.state.clone());
    let names = names(&stack);
    let mut data = thread_data(&stack);
    let verb = if arguments.is_empty() { "Current thread is" } else { "Switching to thread" };
    context.out.line(format_args!("[{verb} {number} (LWP {tid}) {names} ({state})]"));
    match frame::show(context) {
        Ok(shown) => {
            if let Some(object) = data.as_object_mut() {
                object.insert("frame".to_owned(), shown);
            }
        }
        Err(reason) => context.out.line(format_args!("{reason}")),
    }
    context.out.data = data;
    Ok(())
}
