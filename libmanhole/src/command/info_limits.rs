//! `info limits`: the resource limits of the process.
//!
//! Context: the agent's thread.

use serde_json::{Value, json};

use super::{Command, Context, Takes, procfs};

pub(super) static COMMAND: Command = Command {
    names: &["info limits"],
    arguments: "",
    summary: "show the resource limits (getrlimit(2))",
    help: "",
    takes: Takes::Nothing,
    run,
};

fn run(context: &mut Context<'_, '_>, _arguments: &str) -> Result<(), String> {
    let table = procfs::text(format_args!("/proc/thread-self/limits"))
        .map_err(|error| format!("/proc/thread-self/limits cannot be read: {error}"))?;
    context.out.push(format_args!("{table}"));
    context.out.data = Value::Array(table.lines().skip(1).filter_map(row).collect());
    Ok(())
}

/// The columns of /proc/PID/limits stand at fixed places (proc_pid_limits(5)).
fn row(line: &str) -> Option<Value> {
    let number = |text: &str| text.trim().parse::<u64>().map_or_else(|_| json!(text.trim()), |number| json!(number));
    Some(json!({
        "limit": line.get(..26)?.trim(),
        "soft": number(line.get(26..47)?),
        "hard": number(line.get(47..68)?),
        "unit": line.get(68..).unwrap_or_default().trim(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns() {
        let line = "Max open files            1024                 1048576              files     ";
        assert_eq!(
            row(line),
            Some(json!({ "limit": "Max open files", "soft": 1024, "hard": 1048576, "unit": "files" }))
        );
        let line = "Max cpu time              unlimited            unlimited            seconds   ";
        assert_eq!(row(line).unwrap()["soft"], "unlimited");
    }
}
