//! Wakes a manhole whose socket is lost: when woken, the agent looks at it and makes it anew.
//!
//! Runs in the client between attempts. It sends signals, so it looks first who would get them: never one that could end
//! a process or reach a handler that is known to be the program's.

use std::time::{Duration, Instant};

use manhole_options::{Setting, Thread};

use crate::{maps, process, send, sockets};

/// The signals that a manhole without a thread is woken by: the agent takes one that the program leaves alone.
pub(crate) const CALLS: [i32; 2] = [libc::SIGURG, libc::SIGWINCH];

const BETWEEN_WAKES: Duration = Duration::from_millis(200);

/// What was sent already.
#[derive(Default)]
pub(crate) struct Wake {
    last: Option<Instant>,
    called: Vec<i32>,
}

impl Wake {
    /// Wakes whoever looks after the manhole of `pid`, not too often.
    pub(crate) fn the_manhole(&mut self, pid: i32) {
        if self.last.is_some_and(|last| last.elapsed() < BETWEEN_WAKES) {
            return;
        }
        if process::has_library(pid) == Some(true) {
            let threads = process::listening_threads(pid);
            for tid in &threads {
                // The bell would kill whoever does not block it, so only a thread that does gets it. Not permitted, or
                // just gone: then the timeout will say why nothing answers.
                let _ = send::to_thread(pid, *tid, process::BELL);
            }
            if threads.is_empty()
                && let Some(signal) = self.call_for(pid)
            {
                self.called.push(signal);
                let _ = send::to_process(pid, signal);
            }
        }
        self.last = Some(Instant::now());
    }

    /// The next signal that may be the agent's, each once: the process's only thread catches it, and the agent has not
    /// published that the program has taken it over.
    fn call_for(&self, pid: i32) -> Option<i32> {
        let status = process::status(pid).filter(|status| status.group == pid)?;
        let mappings = maps::of(pid)?;
        if process::threads(pid).len() != 1 || !is_open(pid) {
            return None;
        }
        CALLS.into_iter().find(|signal| {
            !self.called.contains(signal)
                && status.caught.has(*signal)
                && !status.ignored.has(*signal)
                && maps::successor(&mappings, *signal).is_none()
        })
    }
}

/// Whether there may be a socket to look after: not while the manhole waits for a signal of its own. Then the signals that
/// the process catches are those of the program.
fn is_open(pid: i32) -> bool {
    let opens_at_once = match process::options(pid) {
        Some(Setting::Install(options)) => {
            options.activate_on.is_none() && options.oneshot_on.is_none() && options.thread != Thread::Never
        }
        Some(Setting::Off) => false,
        None => true,
    };
    opens_at_once || sockets::has_sleeper(pid)
}
