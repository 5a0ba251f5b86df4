//! The sockets of forked children that were killed: nobody else removes them soon.
//!
//! Context: [`note`] on host threads inside fork, signal handlers included; [`clean_up`] on the agent's thread, and on a host thread inside exit. No
//! allocation.

use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use crate::sys::{Errno, fd, process};
use crate::text::Text;
use crate::{listener, state};

/// Children that are remembered; the oldest are forgotten.
const KEPT: usize = 64;

static CHILDREN: [AtomicI32; KEPT] = [const { AtomicI32::new(0) }; KEPT];
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// A child was forked, which may get a socket.
pub(crate) fn note(pid: i32) {
    let place = NEXT.fetch_add(1, Ordering::Relaxed) % KEPT;
    if let Some(slot) = CHILDREN.get(place) {
        slot.store(pid, Ordering::Relaxed);
    }
}

/// Removes the sockets of children that are no more. A pid that is used again has a process; its socket is left alone. `at_last`: it is not looked again.
pub(crate) fn clean_up(at_last: bool) {
    for slot in &CHILDREN {
        let pid = slot.load(Ordering::Relaxed);
        if pid > 0 {
            remove_if_dead(slot, pid, at_last);
        }
    }
}

fn remove_if_dead(slot: &AtomicI32, pid: i32, at_last: bool) {
    let Ok(path) = listener::path_of(state::settings(), pid) else { return };
    let path = path.as_c_str();
    // One that has changed its user has given its socket to the new one.
    let is_own = |stat: &fd::Stat| stat.is_socket() && [stat.uid, 0].contains(&process::euid());
    let found = fd::stat_link(path).ok().filter(is_own);
    let is_there = found.is_some();
    // Most have left nothing: at the end that costs one look. Before, one that lives may get its socket later.
    if at_last && !is_there || lives(pid) || slot.swap(0, Ordering::Relaxed) != pid {
        return;
    }
    if let Some(before) = found {
        let _ = listener::remove_refusing(path, before.identity);
    }
}

/// Whether the process is there and more than a zombie (proc_pid_stat(5); the name in it may hold any byte).
fn lives(pid: i32) -> bool {
    let mut path = Text::<32>::new();
    path.push_fmt(format_args!("/proc/{pid}/stat"));
    let mut stat = [0; 256];
    match fd::Fd::open(path.as_c_str(), libc::O_RDONLY).and_then(|file| file.read(&mut stat)) {
        Ok(count) => {
            let stat = stat.get(..count).unwrap_or_default();
            let state = stat.iter().rposition(|&byte| byte == b')').and_then(|end| stat.get(end + 2));
            !state.is_some_and(|state| matches!(state, b'Z' | b'X'))
        }
        Err(error) => !matches!(error, Errno(libc::ENOENT | libc::ESRCH)),
    }
}

/// In a freshly forked child: they are its siblings, and its parent's business.
pub(crate) fn forget() {
    for slot in &CHILDREN {
        slot.store(0, Ordering::Relaxed);
    }
}
