//! `info signals`: dispositions, and what each thread blocks and has pending.
//!
//! Context: the agent's thread.

use serde_json::{Value, json};

use super::{Command, Context, Takes, procfs};
use crate::render::frames::hex;
use crate::render::{names, quote::plain};
use crate::sys::signal;

pub(super) static COMMAND: Command = Command {
    names: &["info signals", "info handle"],
    arguments: "",
    summary: "show signal handlers, and what each thread blocks and has pending",
    help: "Real-time signals are listed where they are not at their default.",
    takes: Takes::Nothing,
    run,
};

fn run(context: &mut Context<'_, '_>, _arguments: &str) -> Result<(), String> {
    let dispositions = dispositions(context);
    let status = procfs::text(format_args!("/proc/thread-self/status"))
        .map_err(|error| format!("/proc/thread-self/status cannot be read: {error}"))?;
    let shared = procfs::hex_field(&status, "ShdPnd").unwrap_or(0);
    context.out.line(format_args!("Pending for the process: {}", names::signals(shared)));
    let threads = threads(context)?;
    context.out.data = json!({
        "dispositions": dispositions,
        "pending": names_of(shared),
        "threads": threads,
    });
    Ok(())
}

fn names_of(set: u64) -> Vec<String> {
    (1..=64).filter(|number| signal::Set(set).contains(*number)).map(names::signal).collect()
}

fn dispositions(context: &mut Context<'_, '_>) -> Vec<Value> {
    let mut data = Vec::new();
    for number in 1..=64 {
        let Ok(action) = signal::action(number) else { continue };
        let name = names::signal(number);
        if action.is_default() {
            // The real-time signals are many, and alike.
            if number < 32 {
                context.out.line(format_args!("{number:>2} {name:<12} default"));
            }
            data.push(json!({ "signal": name, "number": number, "action": "default" }));
            continue;
        }
        if action.handler == libc::SIG_IGN {
            context.out.line(format_args!("{number:>2} {name:<12} ignored"));
            data.push(json!({ "signal": name, "number": number, "action": "ignore" }));
            continue;
        }
        let address = action.handler as u64;
        let label = context.session.label(address);
        let shown = label.as_ref().map(|label| format!(" <{label}>")).unwrap_or_default();
        let flags = flags(action.flags);
        let mask = match action.mask.0 {
            0 => String::new(),
            set => format!(", blocks {}", names::signals(set)),
        };
        context.out.line(format_args!("{number:>2} {name:<12} {}{shown} {flags}{mask}", hex(address)));
        data.push(json!({
            "signal": name,
            "number": number,
            "action": "handler",
            "handler": hex(address),
            "symbol": label,
            "flags": flags,
            "blocks": names_of(action.mask.0),
        }));
    }
    data
}

fn flags(flags: u64) -> String {
    const NAMES: [(libc::c_int, &str); 7] = [
        (libc::SA_SIGINFO, "SA_SIGINFO"),
        (libc::SA_RESTART, "SA_RESTART"),
        (libc::SA_ONSTACK, "SA_ONSTACK"),
        (libc::SA_NODEFER, "SA_NODEFER"),
        (libc::SA_RESETHAND, "SA_RESETHAND"),
        (libc::SA_NOCLDSTOP, "SA_NOCLDSTOP"),
        (libc::SA_NOCLDWAIT, "SA_NOCLDWAIT"),
    ];
    let set: Vec<&str> =
        NAMES.iter().filter(|(bit, _)| flags as libc::c_int & bit == *bit).map(|(_, name)| *name).collect();
    if set.is_empty() { "0".to_owned() } else { set.join("|") }
}

fn threads(context: &mut Context<'_, '_>) -> Result<Vec<Value>, String> {
    let tids = procfs::numbers(format_args!("/proc/self/task"))
        .map_err(|error| format!("the threads cannot be listed: {error}"))?;
    let mut data = Vec::new();
    for tid in tids {
        context.check()?;
        let Ok(status) = procfs::text(format_args!("/proc/self/task/{tid}/status")) else { continue };
        let name = procfs::field(&status, "Name").unwrap_or_default();
        let pending = procfs::hex_field(&status, "SigPnd").unwrap_or(0);
        let blocked = procfs::hex_field(&status, "SigBlk").unwrap_or(0);
        context.out.line(format_args!(
            "LWP {tid} \"{}\": blocks {}; pending {}",
            plain(name),
            names::signals(blocked),
            names::signals(pending)
        ));
        data.push(json!({ "tid": tid, "name": name, "blocked": names_of(blocked), "pending": names_of(pending) }));
    }
    Ok(data)
}
