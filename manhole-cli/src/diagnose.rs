//! Why a process does not answer, as far as it can be seen from outside, and what helps.
//!
//! Runs in the client after a timeout; only reads.

use crate::args::Target;
use crate::process;

/// A sentence or two for the user; nothing when nothing is known.
pub(crate) fn why_silent(target: &Target, is_connected: bool) -> Option<String> {
    let found = target.pid.and_then(about_process);
    found.or_else(|| is_connected.then(|| {
        "It accepted the connection but said nothing: another client may have the prompt of a manhole that serves one \
         at a time, or it is one that does not greet (then use --raw). Wait longer with -t SECONDS."
            .to_owned()
    }))
}

fn about_process(pid: i32) -> Option<String> {
    let Some(status) = process::status(pid) else {
        return (!process::exists(pid)).then(|| {
            format!(
                "Process {pid} does not exist. `manhole-cli --list` shows the manholes that answer."
            )
        });
    };
    let name = &status.name;
    match status.state {
        'Z' | 'X' => {
            return Some(format!(
                "Process {pid} ({name}) has ended and waits only for its parent to notice (a zombie): its manhole is closed."
            ));
        }
        'T' => {
            return Some(format!(
                "Process {pid} ({name}) is stopped, so it cannot answer. Let it go on with: kill -CONT {pid}"
            ));
        }
        't' => {
            return Some(format!(
                "Process {pid} ({name}) is held by a debugger (process {}), so it cannot answer. Let it go on there, or detach.",
                status.tracer
            ));
        }
        _ => {}
    }
    let is_listening = !process::listening_threads(pid).is_empty();
    match process::has_library(pid) {
        Some(false) if !is_listening => Some(format!(
            "Process {pid} ({name}) has no libmanhole.so in it: start it with manhole-run. \
             (A process that is running already cannot be entered.)"
        )),
        Some(true) if !is_listening => Some(format!(
            "Process {pid} ({name}) has libmanhole.so in it, but no manhole is open: it may wait for a signal \
             (activate_on, oneshot_on; see -s), MANHOLE='off' may be set, or it failed and said why on the stderr of the process."
        )),
        None => {
            let owner = status.owner()?;
            (owner != nix::unistd::geteuid().as_raw()).then(|| {
                format!(
                    "Process {pid} ({name}) belongs to {}: only that user or root may enter.",
                    process::user(owner)
                )
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn about(pid: u32) -> String {
        let target = Target {
            path: None,
            pid: Some(pid as i32),
        };
        why_silent(&target, true).unwrap()
    }

    #[test]
    fn a_process_without_the_library() {
        let text = about(std::process::id());
        assert!(text.contains("manhole-run"), "{text}");
    }

    #[test]
    fn no_such_process() {
        let text = about(i32::MAX as u32 - 1);
        assert!(text.contains("does not exist"), "{text}");
    }

    #[test]
    fn a_zombie() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        drop(child.stdin.take());
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while process::status(pid as i32).unwrap().state != 'Z' {
            assert!(std::time::Instant::now() < end, "no zombie");
            std::thread::yield_now();
        }
        assert!(about(pid).contains("zombie"));
        child.wait().unwrap();
    }

    #[test]
    fn a_socket_of_nobody_known() {
        let target = Target {
            path: Some("/x".into()),
            pid: None,
        };
        assert!(why_silent(&target, true).unwrap().contains("--raw"));
        assert_eq!(why_silent(&target, false), None);
    }
}
