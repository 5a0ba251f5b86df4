//! `dump_stacktraces()` and the greeting: the dump in python-manhole's form.
//!
//! Context: the agent's thread.

use serde_json::{Value, json};

use super::{Command, Context, Takes, procfs};
use crate::render::{Stack, dump, frames::stack_data, names};
use crate::snapshot::State;
use crate::sys::process;

pub(super) static COMMAND: Command = Command {
    names: &["dump_stacktraces"],
    arguments: "()",
    summary: "show the dump of all threads that opened the session, anew",
    help: "Outermost frame first; threads with the same stack are shown together. bt all shows gdb's form.",
    takes: Takes::Nothing,
    run: |context, _| {
        dump_all(context);
        if context.out.wants_data() {
            context.out.data = data(context);
        }
        context.check()
    },
};

/// Looks at all threads and writes the dump; what a signal holds comes last, right above the prompt.
pub(crate) fn dump_all(context: &mut Context<'_, '_>) {
    context.look_again(false);
    let look = context.look();
    let (held, others): (Vec<_>, Vec<_>) = look.stacks.iter().map(|stack| &**stack).partition(|stack| stack.is_held());
    let stacks = others.into_iter().chain(held.iter().copied());
    let text = dump::dump(process::pid(), stacks, &look.problems, context.session.sign);
    context.out.push(format_args!("{text}"));
    for stack in held {
        context.out.line(format_args!("{}\n", words(stack)));
    }
}

/// What it means that a thread is held.
fn words(stack: &Stack) -> String {
    let tid = stack.thread.tid;
    let State::Held(summons) = stack.thread.state else { return String::new() };
    let afterwards = if summons.is_fate() {
        "The signal takes its course when you leave, which may end the process."
    } else {
        "It goes on when you leave."
    };
    format!("Thread {tid} is held by {}. {afterwards} Other threads run on.", names::summons(summons))
}

/// The last look as data.
fn data(context: &mut Context<'_, '_>) -> Value {
    let look = context.look();
    json!({
        "threads": look.stacks.iter().filter(|stack| !stack.thread.own).map(|stack| stack_data(stack)).collect::<Vec<_>>(),
        "problems": look.problems,
    })
}

/// The lines after the dump that say where the client is.
pub(crate) fn banner() -> String {
    let program = procfs::link(format_args!("/proc/thread-self/exe")).unwrap_or_else(|_| "a program".to_owned());
    dump::banner(&program, process::pid(), process::euid(), env!("CARGO_PKG_VERSION"), process::libc_version())
}
