//! Why a process does not answer, as far as it can be seen from outside, and what helps.
//!
//! Runs in the client after a timeout; only reads.

use crate::args::Target;
use crate::fate::{self, Fate};
use crate::process::{self, Status};
use crate::wake::CALLS;
use crate::{maps, signal, sockets};

/// A sentence or more for the user; nothing when nothing is known. `sent` is the signal that should have opened the manhole.
pub(crate) fn why_silent(target: &Target, sent: Option<i32>, is_connected: bool) -> Option<String> {
    let status = target.pid.and_then(process::status);
    let cannot_answer = status.as_ref().zip(target.pid).and_then(|(status, pid)| why_still(status, pid));
    if cannot_answer.is_some() {
        return cannot_answer;
    }
    let owner = target.pid.zip(sent).filter(|_| !is_connected).map(|(pid, number)| fate::owner(pid, number));
    let about = target.pid.and_then(|pid| about_process(pid, status.as_ref(), owner.is_some(), is_connected));
    let known: Vec<String> = owner.into_iter().chain(about).collect();
    if !known.is_empty() {
        return Some(known.join("\n"));
    }
    is_connected.then(|| {
        "It accepted the connection but said nothing: another client may have the prompt of a manhole that serves one \
         at a time, or it is one that does not greet (then use --raw). Wait longer with -t SECONDS."
            .to_owned()
    })
}

/// States in which no process answers.
fn why_still(status: &Status, pid: i32) -> Option<String> {
    let name = status.shown_name();
    match status.state {
        'Z' | 'X' if process::has_ended(pid, status) => Some(format!(
            "Process {pid} ({name}) has ended and waits only for its parent to notice (a zombie): its manhole is closed."
        )),
        'T' => {
            Some(format!("Process {pid} ({name}) is stopped, so it cannot answer. Let it go on with: kill -CONT {pid}"))
        }
        't' => Some(format!(
            "Process {pid} ({name}) is held by a debugger (process {}), so it cannot answer. Let it go on there, or detach.",
            status.tracer
        )),
        _ if status.group != pid => {
            Some(format!("{pid} is no process but a thread of process {0} ({name}): manhole-cli {0}", status.group))
        }
        _ => None,
    }
}

fn about_process(pid: i32, status: Option<&Status>, is_signalled: bool, is_connected: bool) -> Option<String> {
    let Some(status) = status else {
        return (!process::exists(pid) && !is_signalled)
            .then(|| format!("Process {pid} does not exist. `manhole-cli --list` shows the manholes that answer."));
    };
    let name = status.shown_name();
    let has_thread = !process::listening_threads(pid).is_empty();
    let is_asleep = !has_thread && sockets::has_sleeper(pid);
    match process::has_library(pid) {
        Some(false) if !has_thread => Some(format!(
            "Process {pid} ({name}) has no libmanhole.so in it: start it with manhole-run. \
             (A process that is running already cannot be entered.)"
        )),
        Some(true) if is_asleep || (is_connected && !has_thread) => why_asleep(pid, status),
        Some(true) if !has_thread && !is_signalled => Some(format!(
            "Process {pid} ({name}) has libmanhole.so in it, but no manhole is open: it may wait for a signal \
             (activate_on, oneshot_on; see -s), MANHOLE='off' may be set, or it failed and said why on the stderr of the process."
        )),
        None => {
            let owner = status.owner()?;
            (owner != nix::unistd::geteuid().as_raw()).then(|| {
                format!("Process {pid} ({name}) belongs to {}: only that user or root may enter.", process::user(owner))
            })
        }
        _ => None,
    }
}

/// Why a manhole that waits without a thread does not wake up: its signal does not arrive.
fn why_asleep(pid: i32, status: &Status) -> Option<String> {
    let name = status.shown_name();
    let process = format!("Process {pid} ({name})");
    let threads = process::threads(pid);
    let mappings = maps::of(pid)?;
    for call in CALLS {
        let woken = format!("{}, which wakes the manhole", signal::name_of(call));
        if let Some(handler) = fate::successor(pid, &mappings, call) {
            return Some(format!("{process} has a handler of its own for {woken}: {handler}."));
        }
        if let Fate::Blocked { is_caught: true, .. } = fate::of(status, &threads, call) {
            let blocked = match threads.len() {
                1 => "its only thread blocks".to_owned(),
                count => format!("its {count} threads block"),
            };
            return Some(format!("{process} does not answer: {blocked} {woken}. It answers when that is unblocked."));
        }
    }
    if status.state == 'D' {
        return Some(format!(
            "{process} waits inside the kernel where no signal reaches it (state D), such as for a disk or a file server: \
             its manhole wakes when that is over."
        ));
    }
    let is_caught = CALLS.iter().any(|call| status.caught.has(*call));
    (!is_caught).then(|| {
        format!("{process} catches neither SIGURG nor SIGWINCH any more, one of which wakes the manhole: its handler is gone.")
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn about(pid: u32) -> String {
        let target = Target { path: None, pid: Some(pid as i32) };
        why_silent(&target, None, true).unwrap()
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
    fn a_thread_is_no_process() {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            tell.send(nix::unistd::gettid().as_raw()).unwrap();
            let _ = receiver.recv();
        });
        let text = about(told.recv().unwrap() as u32);
        drop(sender);
        thread.join().unwrap();
        assert!(text.contains(&format!("a thread of process {}", std::process::id())), "{text}");
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
        let target = Target { path: Some("/x".into()), pid: None };
        assert!(why_silent(&target, None, true).unwrap().contains("--raw"));
        assert_eq!(why_silent(&target, None, false), None);
    }
}
