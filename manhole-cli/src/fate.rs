//! What becomes of a signal that is sent to a process: whether it would harm it, and who has it when no manhole opens.
//!
//! Runs in the client before a signal is sent, and after one that opened nothing; only reads.

use manhole_options::Setting;

use crate::maps::{self, Mapping};
use crate::process::{self, Status};
use crate::{naming, signal};

/// What a process does with a signal at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// `SIG_IGN`.
    Ignored,
    /// Every thread blocks it.
    Blocked {
        /// It waits already.
        is_pending: bool,
        /// Something catches it once it is unblocked.
        is_caught: bool,
    },
    /// Some handler runs.
    Caught,
    /// The default action is taken.
    Default,
}

/// What a signal does by default (signal(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Ends,
    Stops,
    Nothing,
}

fn default_action(number: i32) -> Action {
    match number {
        libc::SIGCHLD | libc::SIGURG | libc::SIGWINCH | libc::SIGCONT => Action::Nothing,
        libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU => Action::Stops,
        _ => Action::Ends,
    }
}

/// What the process does with the signal, by its status and those of its threads.
pub(crate) fn of(status: &Status, threads: &[Status], number: i32) -> Fate {
    let is_caught = status.caught.has(number);
    if status.ignored.has(number) {
        Fate::Ignored
    } else if !threads.is_empty() && threads.iter().all(|thread| thread.blocked.has(number)) {
        let is_pending = threads.iter().any(|thread| thread.pending.has(number));
        Fate::Blocked { is_pending, is_caught }
    } else if is_caught {
        Fate::Caught
    } else {
        Fate::Default
    }
}

/// Why the signal had better not be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Harm {
    /// For the user.
    pub(crate) reason: String,
    /// A handler may come yet, in a program that has only begun.
    pub(crate) may_pass: bool,
}

/// Whether the process would end or stop by the signal instead of opening a manhole.
pub(crate) fn harm(pid: i32, number: i32) -> Option<Harm> {
    let name = signal::name_of(number);
    let Some(status) = process::status(pid) else {
        let reason = format!(
            "{name} is not sent to process {pid}: what it does with it may not be looked at, so it could end by it. \
             -f sends it all the same."
        );
        return Some(Harm { reason, may_pass: false });
    };
    // Signals do nothing to a zombie; the diagnosis will say that it is one.
    if process::has_ended(pid, &status) {
        return None;
    }
    let effect = match (of(&status, &process::threads(pid), number), default_action(number)) {
        (Fate::Ignored | Fate::Caught | Fate::Blocked { is_caught: true, .. }, _) | (_, Action::Nothing) => {
            return None;
        }
        (Fate::Default, Action::Ends) => "it has no handler for it, so the signal would end it",
        (Fate::Default, Action::Stops) => "it has no handler for it, so the signal would stop it",
        (Fate::Blocked { .. }, _) => {
            "its threads block it and it has no handler for it, so no manhole waits for it, and the signal would end \
             the process once it is unblocked"
        }
    };
    let shown = status.shown_name();
    let short = name.strip_prefix("SIG").unwrap_or(&name);
    let remedy = match process::has_library(pid) {
        _ if matches!(number, libc::SIGKILL | libc::SIGSTOP) => " No program can catch it.".to_owned(),
        Some(false) => format!(" Start it with: manhole-run --activate-on {short}."),
        Some(true) => format!(
            " Its manhole does not wait for {name} (activate_on, oneshot_on); when it is open already, leave the signal out."
        ),
        None => String::new(),
    };
    Some(Harm {
        reason: format!("{name} is not sent to process {pid} ({shown}): {effect}.{remedy} -f sends it all the same."),
        may_pass: !matches!(number, libc::SIGKILL | libc::SIGSTOP),
    })
}

/// Why the signal, which was sent, has opened no manhole: who has it now.
pub(crate) fn owner(pid: i32, number: i32) -> String {
    let name = signal::name_of(number);
    let Some(status) = process::status(pid) else {
        return if process::exists(pid) {
            format!("{name} did not open a manhole, and process {pid} may not be looked at: run manhole-cli as root.")
        } else {
            format!("{name} did not open a manhole: process {pid} has ended after it was sent.")
        };
    };
    let threads = process::threads(pid);
    let shown = status.shown_name();
    let process = format!("process {pid} ({shown})");
    let all = match threads.len() {
        1 => "its only thread blocks".to_owned(),
        count => format!("all its {count} threads block"),
    };
    let has_it = match of(&status, &threads, number) {
        Fate::Ignored => format!("{process} ignores it now (SIG_IGN)."),
        Fate::Blocked { is_pending: true, .. } => {
            format!("it waits (is pending) in {process}, as {all} it.")
        }
        Fate::Blocked { .. } => {
            format!("{all} it in {process}, and something took it without a handler, as sigwait and signalfd do.")
        }
        Fate::Caught => caught(pid, number, &process),
        Fate::Default => match default_action(number) {
            Action::Nothing => format!("{process} has no handler for it, and nothing happens by default."),
            Action::Stops => format!("{process} has no handler for it now; by default it stops the process."),
            Action::Ends => format!("{process} has no handler for it now; another one would end the process."),
        },
    };
    format!("{name} did not open a manhole: {has_it}")
}

fn caught(pid: i32, number: i32, process: &str) -> String {
    let Some(mappings) = maps::of(pid) else {
        return format!(
            "a handler of {process} has it; whose it is may not be looked at (/proc/{pid}/maps): run manhole-cli as root."
        );
    };
    if let Some(handler) = successor(pid, &mappings, number) {
        return format!("a handler of the program has it now: {handler}.");
    }
    if maps::have_library(&mappings) && is_asked_for(pid, number) {
        return format!(
            "the MANHOLE of {process} asks for it, and a handler has it, but no socket answers yet: wait longer with -t, \
             or read on the stderr of the process why."
        );
    }
    "a handler of the program has it.".to_owned()
}

/// The handler that has replaced the agent's, in words.
pub(crate) fn successor(pid: i32, mappings: &[Mapping], number: i32) -> Option<String> {
    maps::successor(mappings, number).map(|address| naming::of(pid, address, mappings))
}

/// Whether the options that the process was started with make the signal open a manhole.
fn is_asked_for(pid: i32, number: i32) -> bool {
    match process::options(pid) {
        Some(Setting::Install(options)) => {
            [options.activate_on, options.oneshot_on].iter().flatten().any(|signal| signal.number() == number)
        }
        Some(Setting::Off) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Signals;

    fn status(caught: u64, ignored: u64) -> Status {
        Status { caught: Signals(caught), ignored: Signals(ignored), ..Status::default() }
    }

    fn thread(blocked: u64, pending: u64) -> Status {
        Status { blocked: Signals(blocked), pending: Signals(pending), ..Status::default() }
    }

    #[test]
    fn every_fate() {
        const USR2: u64 = 1 << 11;
        let free = [thread(0, 0)];
        let mixed = [thread(USR2, 0), thread(0, 0)];
        let full = [thread(USR2, 0), thread(u64::MAX, USR2)];
        for (status, threads, fate) in [
            (status(0, 0), &free[..], Fate::Default),
            (status(USR2, 0), &free, Fate::Caught),
            (status(USR2, 0), &mixed, Fate::Caught),
            (status(USR2, 0), &full, Fate::Blocked { is_pending: true, is_caught: true }),
            (status(0, 0), &full[..1], Fate::Blocked { is_pending: false, is_caught: false }),
            (status(0, USR2), &full, Fate::Ignored),
            (status(USR2 << 1, USR2 >> 1), &free, Fate::Default),
            (status(USR2, 0), &[], Fate::Caught),
        ] {
            assert_eq!(of(&status, threads, libc::SIGUSR2), fate, "{status:?} {threads:?}");
        }
    }

    #[test]
    fn this_process_would_end_by_it() {
        let pid = std::process::id() as i32;
        let harm = harm(pid, libc::SIGUSR2).unwrap();
        assert!(harm.may_pass && harm.reason.contains("SIGUSR2 is not sent"), "{harm:?}");
        assert!(harm.reason.contains("manhole-run --activate-on USR2"), "{harm:?}");
        assert_eq!(super::harm(pid, libc::SIGWINCH), None);
        assert!(!super::harm(pid, libc::SIGKILL).unwrap().may_pass);
        // The runtime of Rust ignores it.
        assert_eq!(super::harm(pid, libc::SIGPIPE), None);
    }

    #[test]
    fn a_process_that_has_ended() {
        let text = owner(i32::MAX - 1, libc::SIGUSR2);
        assert!(text.contains("has ended after it was sent"), "{text}");
    }
}
