//! `history`: the last lines of this session.
//!
//! Context: the agent's thread.

use serde_json::json;

use super::{Command, Context, Takes};
use crate::render::quote::short;

pub(super) static COMMAND: Command = Command {
    names: &["history"],
    arguments: "[N]",
    summary: "show the last lines of this session",
    help: "At most 1,000 are kept.",
    takes: Takes::Nothing,
    run,
};

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    let count: usize = match arguments {
        "" => usize::MAX,
        text => text.parse().map_err(|_| format!("\"{}\" is no number of lines", short(text, 40)))?,
    };
    let lines = context.session.history();
    let skipped = lines.len().saturating_sub(count);
    let shown: Vec<(u64, String)> = lines.skip(skipped).cloned().collect();
    for (number, line) in &shown {
        context.out.line(format_args!("{number:5}  {}", short(line, 1000)));
    }
    context.out.data =
        json!(shown.iter().map(|(number, line)| json!({ "number": number, "line": line })).collect::<Vec<_>>());
    Ok(())
}
