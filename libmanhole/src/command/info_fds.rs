//! `info fds`: the host's open descriptors.
//!
//! Context: the agent's thread. Nothing is opened: descriptors of devices and pipes are looked at by name only.

use serde_json::{Value, json};

use super::descriptors::Descriptors;
use super::{Command, Context, Takes, procfs};
use crate::render::{names, quote::plain};

/// Bytes of each socket table that are read.
const SOCKETS: usize = 64 << 20;

pub(super) static COMMAND: Command = Command {
    names: &["info fds"],
    arguments: "",
    summary: "list the open descriptors: type, flags, path or socket ends",
    help: "The manhole's own descriptors live in a table of their own and are not among them.",
    takes: Takes::Nothing,
    run,
};

fn run(context: &mut Context<'_, '_>, _arguments: &str) -> Result<(), String> {
    let mut descriptors = Descriptors::new(SOCKETS);
    let task = descriptors.task;
    let numbers = procfs::numbers(format_args!("/proc/self/task/{task}/fd"))
        .map_err(|error| format!("the descriptors cannot be listed: {error}"))?;
    context.out.line(format_args!("{:>4} {:<16} {:<28} What", "Fd", "Type", "Flags"));
    let mut data = Vec::new();
    for number in numbers {
        context.check()?;
        // Gone between the listing and now.
        let Ok(link) = procfs::link(format_args!("/proc/self/task/{task}/fd/{number}")) else { continue };
        let kind = match procfs::stat(format_args!("/proc/self/task/{task}/fd/{number}")) {
            _ if link.starts_with("anon_inode:") => "anonymous",
            Ok(stat) => names::file_kind(stat.mode),
            Err(_) => "?",
        };
        let info = procfs::text(format_args!("/proc/self/task/{task}/fdinfo/{number}")).unwrap_or_default();
        let flags = procfs::field(&info, "flags").and_then(|digits| u32::from_str_radix(digits, 8).ok());
        let flags = flags.map(names::open_flags).unwrap_or_default();
        let position = procfs::field(&info, "pos").and_then(|digits| digits.parse::<u64>().ok());
        let meaning = descriptors.meaning(number);
        context.out.line(format_args!("{number:>4} {kind:<16} {flags:<28} {}", plain(&meaning)));
        data.push(json!({
            "fd": number,
            "type": kind,
            "flags": flags,
            "position": position,
            "link": link,
            "what": meaning,
        }));
    }
    context.out.data = Value::Array(data);
    Ok(())
}
