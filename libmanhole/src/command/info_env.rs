//! `info env`: the environment as the program has it now.
//!
//! Context: the agent's thread. getenv(3) and its lock are not used: the variable `environ` is found by its symbol and
//! read from memory, so a change that is under way costs a line, not a crash.

use serde_json::{Map, Value};

use super::{Command, Context, Takes, procfs};
use crate::memory;
use crate::render::quote::plain;

pub(super) static COMMAND: Command = Command {
    names: &["info env"],
    arguments: "[NAME]",
    summary: "show the environment as it is now, or one variable",
    help: "Read from the variable environ; where that cannot be found, the environment at the program's start is shown.",
    takes: Takes::Nothing,
    run,
};

fn run(context: &mut Context<'_, '_>, arguments: &str) -> Result<(), String> {
    let entries = match live(context) {
        Ok(entries) => entries,
        Err(reason) => {
            let content = procfs::text(format_args!("/proc/thread-self/environ"))
                .map_err(|error| format!("{reason}, and /proc/thread-self/environ cannot be read: {error}"))?;
            context.out.line(format_args!("({reason}: this is the environment at the program's start)"));
            content.split('\0').filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
        }
    };
    let mut data = Map::new();
    for entry in &entries {
        let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
        if arguments.is_empty() || arguments == name {
            context.out.line(format_args!("{}", plain(entry)));
            data.insert(name.to_owned(), Value::String(value.to_owned()));
        }
    }
    if data.is_empty() && !arguments.is_empty() {
        return Err(format!("no variable \"{}\" in the environment", crate::render::quote::short(arguments, 60)));
    }
    context.out.data = Value::Object(data);
    Ok(())
}

/// The strings that `environ` points to.
fn live(context: &mut Context<'_, '_>) -> Result<Vec<String>, String> {
    const MOST: u64 = 100_000;
    const LONGEST: usize = 1 << 20;
    let program = procfs::link(format_args!("/proc/thread-self/exe")).unwrap_or_default();
    let found = context.session.find("environ");
    // The program's own copy wins over the library's: that is how the loader binds it.
    let symbol = found
        .iter()
        .find(|symbol| symbol.object == program)
        .or_else(|| {
            found.iter().find(|symbol| symbol.object.rsplit('/').next().is_some_and(|n| n.starts_with("libc.so")))
        })
        .ok_or("the symbol environ is not found")?;
    let array = word(symbol.address).ok_or("environ cannot be read")?;
    let mut entries = Vec::new();
    for index in 0..MOST {
        if array == 0 {
            break;
        }
        let address = word(array.wrapping_add(index.wrapping_mul(8))).ok_or("environ points to no readable array")?;
        if address == 0 {
            break;
        }
        let memory = memory::Memory::new();
        let text = memory.c_string(address, LONGEST).map_err(|_| "environ has an unreadable entry")?;
        entries.push(String::from_utf8_lossy(&text).into_owned());
    }
    Ok(entries)
}

fn word(address: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    (memory::read_now(address, &mut bytes).ok()? == bytes.len()).then(|| u64::from_le_bytes(bytes))
}
