//! `info source`: how the code of the selected frame was compiled.
//!
//! Context: the agent's thread.

use serde_json::json;

use super::{Command, Takes};

pub(super) static COMMAND: Command = Command {
    names: &["info source"],
    arguments: "",
    summary: "say from which file, and by what, the selected frame's code was compiled",
    help: "",
    takes: Takes::Nothing,
    run: |context, _| {
        let compiled = context.compiled()?.ok_or("No debug information knows the code of the selected frame.")?;
        context.out.line(format_args!("Current source file is {}", compiled.file));
        let lines = [
            ("Compilation directory is", &compiled.directory),
            ("Located in", &compiled.path),
            ("Source language is", &compiled.language.as_ref().map(|language| format!("{language}."))),
            ("Producer is", &compiled.producer.as_ref().map(|producer| format!("{producer}."))),
        ];
        for (words, value) in lines {
            if let Some(value) = value {
                context.out.line(format_args!("{words} {value}"));
            }
        }
        context.out.line(format_args!("Compiled with DWARF {} debugging format.", compiled.version));
        context.out.data = json!({
            "file": compiled.file,
            "directory": compiled.directory,
            "path": compiled.path,
            "language": compiled.language,
            "producer": compiled.producer,
            "dwarf": compiled.version,
        });
        Ok(())
    },
};
