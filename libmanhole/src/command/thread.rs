//! `thread N`: selects a thread.
//!
//! Context: the agent's thread.

use super::{Command, Context, Takes, frame};
use crate::render::frames::thread_data;
use crate::render::quote::plain;

pub(super) static COMMAND: Command = Command {
    names: &["thread"],
    arguments: "[N | TID]",
    summary: "select a thread, or say which one is selected",
    help: "N is a number from info threads; a thread's kernel id is taken as well, and wins.\n\
           bt, frame, info registers and $registers are about the selected thread.",
    takes: Takes::Threads,
    run,
};

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    if !arguments.is_empty() {
        let tid = context.thread(arguments)?;
        context.session.selected = Some(tid);
        context.session.level = 0;
    }
    context.say_age();
    let stack = context.selected()?;
    let (number, tid, state) = (stack.number, stack.thread.tid, stack.state.clone());
    let name = plain(&stack.thread.name);
    let mut data = thread_data(&stack);
    let verb = if arguments.is_empty() { "Current thread is" } else { "Switching to thread" };
    context.out.line(format_args!("[{verb} {number} (LWP {tid}) \"{name}\" ({state})]"));
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
