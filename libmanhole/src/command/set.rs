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
    help: "Any expression; its value is not shown. set NAME = EXPRESSION does the same where NAME is no setting.",
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
        change(&mut context.session.options, meant(name)?, value.trim())
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

pub(super) static SHOW_MEMORY: Command = Command {
    names: &["show memory force"],
    arguments: "",
    summary: "show whether read-only memory is written to",
    help: "",
    takes: Takes::Nothing,
    run: |context, _| {
        let force = context.session.force;
        context.out.line(format_args!("{}", if force { "on" } else { "off" }));
        context.out.data = json!(force);
        Ok(())
    },
};

pub(super) static SHOW: Command = Command {
    names: &["show print"],
    arguments: "[SETTING]",
    summary: "show how values are shown",
    help: "",
    takes: Takes::Nothing,
    run: |context, arguments| {
        let only = if arguments.is_empty() { None } else { Some(meant(arguments)?) };
        let is_wanted = |name: &str| only.is_none_or(|only| only == name);
        let mut data = serde_json::Map::new();
        let mut options = context.session.options.clone();
        for (name, number) in numbers(&mut options).into_iter().filter(|(name, _)| is_wanted(name)) {
            let text = number.map_or("unlimited".to_owned(), |number| number.to_string());
            context.out.line(format_args!("{name:<15} {text}"));
            data.insert(name.to_owned(), json!(number));
        }
        for (name, flag) in flags(&mut options).into_iter().filter(|(name, _)| is_wanted(name)) {
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

/// The setting that a name, or its beginning, means.
fn meant(name: &str) -> Result<&'static str, String> {
    let mut options = Options::default();
    let mut known: Vec<&'static str> = numbers(&mut options).into_iter().map(|(known, _)| known).collect();
    known.extend(flags(&mut options).into_iter().map(|(known, _)| known));
    if let Some(whole) = known.iter().find(|known| **known == name) {
        return Ok(whole);
    }
    let mut begun = known.iter().filter(|known| !name.is_empty() && known.starts_with(name));
    match (begun.next(), begun.next()) {
        (Some(only), None) => Ok(only),
        (Some(one), Some(other)) => Err(format!("\"{}\" may be {one} or {other}", short(name, 40))),
        (None, _) => Err(format!("\"{}\" is no setting of print; show print lists them", short(name, 40))),
    }
}

fn change(options: &mut Options, name: &str, value: &str) -> Result<(), String> {
    if let Some((_, number)) = numbers(options).into_iter().find(|(known, _)| *known == name) {
        // No element at all would be of no use, no depth is.
        *number = if name == "max-depth" && value == "0" { Some(0) } else { count(value)? };
    } else if let Some((_, flag)) = flags(options).into_iter().find(|(known, _)| *known == name) {
        *flag = truth(value)?;
    }
    Ok(())
}

/// Takes gdb's `-elements 3 -pretty --` from before an expression, for this value alone; gives what follows. Without `--` all is
/// the expression, as in gdb.
pub(super) fn for_one_value<'t>(text: &'t str, options: &mut Options) -> Result<&'t str, String> {
    let begins =
        text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_alphabetic()));
    if !begins || !text.split_whitespace().any(|word| word == "--") {
        return Ok(text);
    }
    let mut rest = text;
    loop {
        let (word, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        if word == "--" {
            return Ok(behind.trim_start());
        }
        let name = match word.strip_prefix('-') {
            Some(name) => meant(name)?,
            None => return Err(format!("\"{}\" is no option: one begins with -", short(word, 40))),
        };
        rest = behind.trim_start();
        let (value, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let takes_number = numbers(options).into_iter().any(|(known, _)| known == name);
        if takes_number || (!value.is_empty() && truth(value).is_ok()) {
            change(options, name, value)?;
            rest = behind.trim_start();
        } else {
            change(options, name, "on")?;
        }
    }
}

/// A number; 0 and `unlimited` are no limit, as gdb has it of elements and repeats.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_may_be_begun_only() {
        assert_eq!(meant("elem"), Ok("elements"));
        assert_eq!(meant("array"), Ok("array"));
        assert_eq!(meant("array-"), Ok("array-indexes"));
        assert_eq!(meant("ad"), Ok("address"));
        assert_eq!(meant("a"), Err("\"a\" may be address or array".to_owned()));
        assert!(meant("foo").is_err_and(|error| error.contains("show print")));
        assert!(meant("").is_err());
    }

    #[test]
    fn options_of_one_value() {
        let read = |text| {
            let mut options = Options::default();
            let rest = for_one_value(text, &mut options)?;
            Ok::<_, String>((rest.to_owned(), options))
        };
        let plain = Options::default;
        let said = |text: &str, options| Ok((text.to_owned(), options));
        assert_eq!(read("-elements 3 -- g"), said("g", Options { elements: Some(3), ..plain() }));
        assert_eq!(
            read("-elem 3 -pretty -- /x g"),
            said("/x g", Options { elements: Some(3), pretty: true, ..plain() })
        );
        assert_eq!(read("-union off -- g"), said("g", Options { union: false, ..plain() }));
        assert_eq!(read("-pretty --"), said("", Options { pretty: true, ..plain() }));
        assert_eq!(read("-pretty g"), said("-pretty g", plain()));
        assert_eq!(read("-x - --y"), said("-x - --y", plain()));
        assert_eq!(read("- x - -- y"), said("- x - -- y", plain()));
        assert_eq!(read("a - -- b"), said("a - -- b", plain()));
        assert_eq!(read("--x"), said("--x", plain()));
        assert!(read("-pretty g -- x").is_err_and(|error| error.contains("\"g\"")));
        assert!(read("-nothing -- x").is_err_and(|error| error.contains("\"nothing\"")));
        assert!(read("-elements x -- y").is_err_and(|error| error.contains("no number")));
    }
}
