//! `set var`, `set print ...`, `set memory force`, and `show`.
//!
//! Context: the agent's thread.

use serde_json::json;

use super::{Command, Takes};
use crate::render::quote::short;

pub(super) static VAR: Command = Command {
    names: &["set variable", "set var"],
    arguments: "EXPRESSION",
    summary: "evaluate an expression for what it changes: set var count = 3",
    help: "Any expression; its value is not shown.",
    takes: Takes::Symbols,
    run: |context, arguments| {
        if arguments.is_empty() {
            return Err("set var needs an expression, such as set var count = 3".to_owned());
        }
        context.value(arguments).map(drop)
    },
};

pub(super) static PRINT: Command = Command {
    names: &["set print"],
    arguments: "SETTING [on | off | NUMBER | unlimited]",
    summary: "change how values are shown, by gdb's names",
    help: "elements N, repeats N, max-depth N (a number, or unlimited); pretty, union, address, symbol, array, array-indexes,\n\
           null-stop, static-members, vtbl, object, raw-values (on or off). show print lists them.",
    takes: Takes::Nothing,
    run: |context, arguments| {
        let (name, value) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
        let (name, value) = (name.trim(), value.trim());
        let options = &mut context.session.options;
        if let Some((_, number)) = numbers(options).into_iter().find(|(known, _)| *known == name) {
            *number = count(value)?;
            return Ok(());
        }
        let Some((_, flag)) = flags(options).into_iter().find(|(known, _)| *known == name) else {
            return Err(format!("\"{}\" is no setting of print; show print lists them", short(name, 40)));
        };
        *flag = truth(value)?;
        Ok(())
    },
};

pub(super) static MEMORY: Command = Command {
    names: &["set memory force"],
    arguments: "[on | off]",
    summary: "write even to memory that is read-only",
    help: "A private page is then copied, as when a debugger sets a breakpoint.",
    takes: Takes::Nothing,
    run: |context, arguments| {
        context.session.force = truth(arguments)?;
        Ok(())
    },
};

pub(super) static SHOW: Command = Command {
    names: &["show print"],
    arguments: "",
    summary: "show how values are shown",
    help: "",
    takes: Takes::Nothing,
    run: |context, _| {
        let mut data = serde_json::Map::new();
        let mut options = context.session.options.clone();
        for (name, number) in numbers(&mut options) {
            let text = number.map_or("unlimited".to_owned(), |number| number.to_string());
            context.out.line(format_args!("{name:<15} {text}"));
            data.insert(name.to_owned(), json!(number));
        }
        for (name, flag) in flags(&mut options) {
            context.out.line(format_args!("{name:<15} {}", if *flag { "on" } else { "off" }));
            data.insert(name.to_owned(), json!(flag));
        }
        context.out.data = data.into();
        Ok(())
    },
};

type Options = manhole_expressions::print::Options;

fn numbers(options: &mut Options) -> [(&'static str, &mut Option<u64>); 3] {
    [("elements", &mut options.elements), ("repeats", &mut options.repeats), ("max-depth", &mut options.depth)]
}

fn flags(options: &mut Options) -> [(&'static str, &mut bool); 11] {
    [
        ("pretty", &mut options.pretty),
        ("union", &mut options.union),
        ("address", &mut options.address),
        ("symbol", &mut options.symbol),
        ("array", &mut options.array),
        ("array-indexes", &mut options.array_indexes),
        ("null-stop", &mut options.null_stop),
        ("static-members", &mut options.static_members),
        ("vtbl", &mut options.vtbl),
        ("object", &mut options.object),
        ("raw-values", &mut options.raw),
    ]
}

/// A number; 0 and `unlimited` are no limit, as in gdb.
fn count(text: &str) -> Result<Option<u64>, String> {
    match text {
        "" | "unlimited" | "-1" => Ok(None),
        text => match text.parse() {
            Ok(0) => Ok(None),
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format!("\"{}\" is no number and not unlimited", short(text, 40))),
        },
    }
}

fn truth(text: &str) -> Result<bool, String> {
    match text {
        "" | "on" | "1" | "yes" | "enable" => Ok(true),
        "off" | "0" | "no" | "disable" => Ok(false),
        text => Err(format!("\"{}\" is neither on nor off", short(text, 40))),
    }
}
