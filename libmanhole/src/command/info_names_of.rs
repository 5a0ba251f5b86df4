//! `info variables`, `info functions`, `info types`: what the program defines, by a part of its name.
//!
//! Context: the agent's thread.

use core::ops::ControlFlow;
use std::collections::BTreeMap;

use serde_json::json;

use super::{Command, Context, Takes};
use crate::debug::{Kind, Listed};
use crate::render::frames::hex;

/// Names that one answer holds.
const MOST: usize = 20_000;

pub(super) static VARIABLES: Command = Command {
    names: &["info variables"],
    arguments: "[-q] [-n] [-t TYPEPATTERN] [PATTERN]",
    summary: "list the global and static variables whose names match",
    help: PATTERN,
    takes: Takes::Symbols,
    run: |context, arguments| list(context, arguments, Kind::Variables),
};

pub(super) static FUNCTIONS: Command = Command {
    names: &["info functions"],
    arguments: "[-q] [-n] [-t TYPEPATTERN] [PATTERN]",
    summary: "list the functions whose names match",
    help: PATTERN,
    takes: Takes::Symbols,
    run: |context, arguments| list(context, arguments, Kind::Functions),
};

pub(super) static TYPES: Command = Command {
    names: &["info types"],
    arguments: "[-q] [PATTERN]",
    summary: "list the types whose names match",
    help: PATTERN,
    takes: Takes::Symbols,
    run: |context, arguments| list(context, arguments, Kind::Types),
};

const PATTERN: &str = "The pattern is a regular expression (. * + ? [] ^ $ | \\\\ and parentheses), found anywhere in the name. The program's own first, and\n\
                       of libraries only what matches a pattern. -q leaves out the first line, -n symbols that no debug information describes, -t what is of\n\
                       another type than this.";

/// What stands before the pattern, as gdb has it.
#[derive(Default)]
pub(super) struct Limits {
    /// Without the line that says what is listed, or that nothing is.
    pub(super) is_quiet: bool,
    debugging_only: bool,
    of_type: Option<regex_lite::Regex>,
}

/// A regular expression, or why it is none.
pub(super) fn matcher_of(pattern: &str) -> Result<regex_lite::Regex, String> {
    regex_lite::Regex::new(pattern).map_err(|error| format!("the pattern is wrong: {error}"))
}

/// The first word, which may stand in quotes, and what is behind it.
fn word_of(text: &str) -> (&str, &str) {
    for quote in ['\'', '"'] {
        if let Some(found) = text.strip_prefix(quote).and_then(|inside| inside.split_once(quote)) {
            return found;
        }
    }
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

/// The options before a pattern, of those that the command has, and the pattern.
pub(super) fn limits<'a>(arguments: &'a str, options: &[&str]) -> Result<(Limits, &'a str), String> {
    let (mut limits, mut rest) = (Limits::default(), arguments);
    loop {
        let (word, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match word {
            "--" => return Ok((limits, behind.trim_start())),
            _ if !options.contains(&word) => {
                let is_option = word.len() == 2 && word.starts_with('-');
                let known = options.join(", ");
                let error = || format!("there is no {word} here, only {known}; a pattern like this goes behind --");
                return if is_option { Err(error()) } else { Ok((limits, rest)) };
            }
            "-q" => limits.is_quiet = true,
            "-n" => limits.debugging_only = true,
            _ => {
                let (pattern, behind) = word_of(behind.trim_start());
                if pattern.is_empty() {
                    return Err("-t needs a regular expression for the type".to_owned());
                }
                limits.of_type = Some(matcher_of(pattern)?);
                rest = behind.trim_start();
                continue;
            }
        }
        rest = behind.trim_start();
    }
}

fn list(context: &mut Context<'_, '_>, arguments: &str, kind: Kind) -> Result<(), String> {
    let options: &[&str] = if kind == Kind::Types { &["-q"] } else { &["-q", "-n", "-t"] };
    let (limits, pattern) = limits(arguments, options)?;
    let matcher = matcher_of(pattern)?;
    let is_all = pattern.is_empty() && limits.of_type.is_none();
    let (mut found, is_cut) = context.listed(kind, &matcher, is_all, MOST)?;
    if let Some(of_type) = &limits.of_type {
        let mut kept = Vec::new();
        for listed in found {
            context.check()?;
            if of_type.is_match(&context.type_name(listed.type_id)?) {
                kept.push(listed);
            }
        }
        found = kept;
    }
    found.sort_by(|a, b| order(a).cmp(&order(b)));
    found.dedup_by(|a, b| a.name == b.name && a.declared == b.declared);
    let what = match kind {
        Kind::Variables => "variables",
        Kind::Functions => "functions",
        Kind::Types => "types",
    };
    let of_type =
        limits.of_type.as_ref().map(|of_type| format!(" with type matching regular expression \"{of_type}\""));
    let of_type = of_type.unwrap_or_default();
    match pattern {
        _ if limits.is_quiet => {}
        "" => context.out.line(format_args!("All defined {what}{of_type}:")),
        pattern => context.out.line(format_args!("All {what} matching regular expression \"{pattern}\"{of_type}:")),
    }
    let mut data = Vec::new();
    let mut file: Option<Option<String>> = None;
    for listed in &found {
        context.check()?;
        if file.as_ref() != Some(&listed.declared.file) {
            match &listed.declared.file {
                Some(file) => context.out.line(format_args!("\nFile {file}:")),
                None => context.out.line(format_args!("")),
            }
            file = Some(listed.declared.file.clone());
        }
        let text = declaration(context, listed, kind)?;
        match listed.declared.line {
            Some(line) => context.out.line(format_args!("{line}:\t{text}")),
            None => context.out.line(format_args!("\t{text}")),
        }
        data.push(
            json!({ "name": listed.name, "file": listed.declared.file, "line": listed.declared.line, "text": text }),
        );
    }
    if kind != Kind::Types && limits.of_type.is_none() && !limits.debugging_only {
        let known: BTreeMap<&str, ()> = found.iter().map(|listed| (listed.name.as_str(), ())).collect();
        let symbols = context.symbols_matching(kind == Kind::Functions, &matcher, pattern.is_empty(), MOST);
        let mut others: Vec<_> = symbols.into_iter().filter(|(_, name)| !known.contains_key(name.as_str())).collect();
        others.sort();
        if !others.is_empty() {
            context.out.line(format_args!("\nNon-debugging symbols:"));
        }
        for (address, name) in others {
            context.out.line(format_args!("0x{address:016x}  {name}"));
            data.push(json!({ "name": name, "address": hex(address) }));
        }
    }
    if is_cut {
        context.out.line(format_args!("(cut here: more than {MOST} names; a pattern finds the others)"));
    }
    context.out.data = data.into();
    Ok(())
}

/// By files; what is declared nowhere, as C's own types, comes last.
fn order(listed: &Listed) -> (bool, &Option<String>, &str, Option<u32>) {
    (listed.declared.file.is_none(), &listed.declared.file, &listed.name, listed.declared.line)
}

/// As C declares it.
fn declaration(context: &mut Context<'_, '_>, listed: &Listed, kind: Kind) -> Result<String, String> {
    let linkage = if listed.is_external { "" } else { "static " };
    Ok(match kind {
        Kind::Types => match listed.tag {
            Some(tag) => format!("{tag} {};", listed.name),
            None => match context.one_step(listed.type_id) {
                target if target == listed.type_id => format!("{};", context.type_name(target)?),
                target => format!("typedef {};", context.declaration(target, &listed.name)?),
            },
        },
        Kind::Variables | Kind::Functions => {
            format!("{linkage}{};", context.declaration(listed.type_id, &listed.name)?)
        }
    })
}

/// The walk goes on, or is at its end.
pub(super) fn goes_on(goes: bool) -> ControlFlow<()> {
    if goes { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}
