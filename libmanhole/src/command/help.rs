//! `help`: the table of commands, or what there is to say about one.
//!
//! Context: the agent's thread.

use serde_json::{Value, json};

use super::find::{self, Found};
use super::{COMMANDS, Command, Context, Takes};
use crate::app;

pub(super) static COMMAND: Command = Command {
    names: &["help"],
    arguments: "[COMMAND]",
    summary: "list the commands, or say more about one",
    help: "Commands may be abbreviated as long as they stay unambiguous, and as in gdb: i r, i th, t, f, p, q.\n\
           Any other line is an expression: symbols, $registers, integers, C's operators.",
    takes: Takes::Commands,
    run,
};

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    if arguments.is_empty() {
        list(context, "");
        context.out.line(format_args!(
            "\nhelp COMMAND says more. Any other line is an expression: 1 + 2 * 3, &symbol, *ADDRESS, $pc."
        ));
        let names: Vec<&str> = context.session.locals.iter().map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            let names = names.join(", ");
            context.out.line(format_args!("Names of this process: {names}; info names says what they stand for."));
        }
        return Ok(());
    }
    match find::find(arguments) {
        Found::Command(command, _) => about(context, command),
        Found::OfApplication(command, _) => about_application(context, command),
        Found::Incomplete(first, "") => list(context, first),
        Found::Incomplete(first, rest) => return Err(find::incomplete(first, rest)),
        Found::Ambiguous(word) => return Err(find::ambiguous(word)),
        Found::Unknown => return Err(find::unknown(arguments)),
    }
    Ok(())
}

/// The commands that start with a word; all for an empty one.
fn list(context: &mut Context<'_, '_>, first: &str) {
    let listed: Vec<&Command> = COMMANDS
        .iter()
        .copied()
        .filter(|command| first.is_empty() || command.name().split(' ').next() == Some(first))
        .collect();
    let form = |command: &Command| format!("{} {}", command.name(), command.arguments).trim_end().to_owned();
    let width = listed.iter().map(|command| form(command).len()).max().unwrap_or(0).min(30);
    for command in &listed {
        context.out.line(format_args!("{:width$}  {}", form(command), command.summary));
    }
    let mut data: Vec<Value> = listed
        .iter()
        .map(|command| json!({ "name": command.name(), "arguments": command.arguments, "summary": command.summary }))
        .collect();
    if first.is_empty() && app::all().next().is_some() {
        context.out.line(format_args!("\nCommands of this application:"));
        for command in app::all() {
            context.out.line(format_args!("{:width$}  {}", command.name, command.summary));
            data.push(json!({
                "name": command.name, "arguments": "[ARGUMENT...]", "summary": command.summary, "application": true,
            }));
        }
    }
    context.out.data = json!(data);
}

fn about_application(context: &mut Context<'_, '_>, command: &app::Command) {
    context.out.line(format_args!("{} [ARGUMENT...]", command.name));
    context.out.line(format_args!("a command of this application"));
    for text in [&command.summary, &command.help].into_iter().filter(|text| !text.is_empty()) {
        context.out.line(format_args!("\n{text}"));
    }
    context.out.data = json!({
        "name": command.name,
        "names": [command.name],
        "arguments": "[ARGUMENT...]",
        "summary": command.summary,
        "help": command.help,
        "application": true,
    });
}

fn about(context: &mut Context<'_, '_>, command: &Command) {
    context.out.line(format_args!("{} {}", command.name(), command.arguments));
    let others: Vec<&str> = command.names.iter().copied().skip(1).collect();
    if !others.is_empty() {
        context.out.line(format_args!("also: {}", others.join(", ")));
    }
    context.out.line(format_args!("{}", command.summary));
    if !command.help.is_empty() {
        context.out.line(format_args!("\n{}", command.help));
    }
    context.out.data = json!({
        "name": command.name(),
        "names": command.names,
        "arguments": command.arguments,
        "summary": command.summary,
        "help": command.help,
    });
}
