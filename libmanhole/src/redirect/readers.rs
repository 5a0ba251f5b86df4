//! Who waits for the host's standard input, and how those are made to look again at what it is now.
//!
//! Context: the agent's thread.
//!
//! A call that waits holds the open file that the descriptor stood for when it began (read(2), poll(2)): whatever comes into the place
//! later, it waits for the old one. A signal whose handler lets the call begin anew makes it see the new one.

use core::time::Duration;

use crate::capture::task::{Look, Task};
use crate::interrupted::channels;
use crate::loan::Loan;
use crate::snapshot::{RunStamp, Syscall};
use crate::sys::{directory, fd, own_memory, process, thread};
use crate::text::Text;
use crate::{errand, worker};

/// How often the threads are looked at: one that was running may have been on its way into the call.
const LOOKS: usize = 5;

/// How long they have in between.
const PAUSE: Duration = Duration::from_millis(1);

/// How long threads that do not come by are waited for, all together: nobody is served meanwhile.
const PATIENCE: Duration = Duration::from_millis(200);

/// A thread that waited for the host's own input before the session's came into its place, and its stamp: until it runs again it holds
/// the original, and to send it away would give it what is not its own.
pub(super) type Before = Vec<(i32, RunStamp)>;

/// The threads that wait for standard input as it is; `None` when one of them polls it. A poll is woken by the file that it began with and then
/// asks the one that is there (fs/select.c), so it would sleep through what comes for it.
pub(super) fn waiting() -> Option<Before> {
    let mut found = Before::new();
    for _ in 0..LOOKS {
        let mut some_run = false;
        found.clear();
        for tid in directory::numbers(c"/proc/self/task").unwrap_or_default() {
            let task = Task::new(tid);
            match (is_ours(tid), waits(&task)) {
                (true, _) | (false, Some(false)) => {}
                (false, Some(true)) if polls(&task) => return None,
                (false, Some(true)) => found.extend(task.stamp().map(|stamp| (tid, stamp))),
                (false, None) => some_run = true,
            }
        }
        if !some_run {
            break;
        }
        // One that was interrupted a moment ago is on its way back.
        process::sleep(PAUSE);
    }
    Some(found)
}

/// The calls that read a descriptor which is their first argument.
const READING: [i64; 6] =
    [libc::SYS_read, libc::SYS_readv, libc::SYS_preadv, libc::SYS_preadv2, libc::SYS_splice, libc::SYS_tee];

/// Whether the thread, which waits for standard input, does so by another call than one that reads it.
fn polls(task: &Task) -> bool {
    match task.look() {
        Look::Blocked(position) => position.syscall.is_none_or(|call| !READING.contains(&number_of(&call))),
        Look::Refused => !reads_a_pipe(&task.wait_channel()),
        Look::Running | Look::NoPosition | Look::Gone => false,
    }
}

fn number_of(call: &Syscall) -> i64 {
    i64::try_from(call.number).unwrap_or(-1)
}

fn is_ours(tid: i32) -> bool {
    tid == process::tid() || tid == thread::hand() || worker::is_one(tid)
}

/// Sends the threads of the host away from what was its standard input until now, until `is_left` says that nobody has it. What
/// is then left is the line's own: its thread, and programs that it has started. `before`: who has the host's own. False when a thread could not
/// be asked.
pub(super) fn send_away(is_left: impl Fn() -> bool, before: &Before) -> bool {
    let (mut loan, start) = (None, process::monotonic());
    let is_time = || process::monotonic().saturating_sub(start) < PATIENCE;
    let mut sent: Vec<i32> = Vec::new();
    let mut stuck = false;
    for _ in 0..LOOKS {
        if is_left() {
            return true;
        }
        let mut some_run = false;
        stuck = false;
        for tid in directory::numbers(c"/proc/self/task").unwrap_or_default() {
            let task = Task::new(tid);
            let has_original = || task.stamp().is_some_and(|stamp| before.contains(&(tid, stamp)));
            if is_ours(tid) || sent.contains(&tid) || has_original() {
                continue;
            }
            match waits(&task) {
                Some(true) => {
                    if loan.is_none() {
                        loan = errand::loan().ok();
                    }
                    if is_time() && loan.as_ref().is_some_and(|loan| asked(&task, loan)) {
                        sent.push(tid);
                    } else {
                        stuck = true;
                    }
                }
                Some(false) => {}
                None => some_run = true,
            }
        }
        if !some_run && !stuck {
            return true;
        }
        process::sleep(PAUSE);
    }
    !stuck || is_left()
}

fn asked(task: &Task, loan: &Loan) -> bool {
    task.may_be_asked(loan.number()) && errand::begin_anew(task.tid(), loan)
}

/// Whether the thread waits for standard input; `None` while it runs.
fn waits(task: &Task) -> Option<bool> {
    match task.look() {
        Look::Running => None,
        Look::Blocked(position) => Some(position.syscall.is_some_and(|call| match number_of(&call) {
            // Its arguments are gone; the kernel's function tells whether it was a poll that was stopped and continued.
            libc::SYS_restart_syscall => polls_something(&task.wait_channel()),
            _ => is_about_input(task.tid(), &call),
        })),
        // A process that may not look at itself: whoever reads some pipe, which begins anew exactly, or polls something.
        Look::Refused => Some(reads_a_pipe(&task.wait_channel()) || polls_something(&task.wait_channel())),
        Look::NoPosition | Look::Gone => Some(false),
    }
}

/// Whether the thread that runs the line waits for its input, or for a program that may do so.
pub(super) fn line_waits() -> bool {
    let task = Task::new(worker::tid());
    match task.look() {
        Look::Blocked(position) => position.syscall.is_some_and(|call| {
            matches!(number_of(&call), libc::SYS_wait4 | libc::SYS_waitid) || is_about_input(task.tid(), &call)
        }),
        Look::Refused => reads_a_pipe(&task.wait_channel()) || task.wait_channel().starts_with("do_wait"),
        Look::Running | Look::NoPosition | Look::Gone => false,
    }
}

fn reads_a_pipe(channel: &str) -> bool {
    ["pipe_read", "anon_pipe_read", "pipe_wait", "pipe_wait_readable"].contains(&channels::function(channel))
}

fn polls_something(channel: &str) -> bool {
    ["ep_poll", "poll_schedule_timeout", "do_poll", "do_sys_poll", "do_select"].contains(&channels::function(channel))
}

/// Whether the call, which thread `tid` is in, reads descriptor 0, or waits until it can be read.
fn is_about_input(tid: i32, call: &Syscall) -> bool {
    let [first, second, ..] = call.arguments;
    match number_of(call) {
        number if READING.contains(&number) => first as u32 == 0,
        libc::SYS_epoll_wait | libc::SYS_epoll_pwait | libc::SYS_epoll_pwait2 => watches_input(tid, first as i32),
        libc::SYS_poll | libc::SYS_ppoll => polls_input(first, second),
        // The lowest bit of the first set (select(2)).
        libc::SYS_select | libc::SYS_pselect6 => {
            let mut byte = [0];
            first as i32 > 0 && second != 0 && own_memory::read(second, &mut byte) == Ok(1) && byte[0] & 1 == 1
        }
        _ => false,
    }
}

/// Whether descriptor 0 is among those that the epoll descriptor `number` of thread `tid` watches (proc_pid_fdinfo(5)).
fn watches_input(tid: i32, number: i32) -> bool {
    const MOST: usize = 256 * 1024;
    let mut path = Text::<64>::new();
    path.push_fmt(format_args!("/proc/self/task/{tid}/fdinfo/{number}"));
    let text = fd::read_file(path.as_c_str(), MOST).unwrap_or_default();
    let watched = |line: &str| line.strip_prefix("tfd:")?.split_whitespace().next()?.parse::<i32>().ok();
    String::from_utf8_lossy(&text).lines().any(|line| watched(line) == Some(0))
}

/// Whether descriptor 0 is among the `count` that stand at `address` (poll(2)).
fn polls_input(address: u64, count: u64) -> bool {
    const ENTRY: usize = size_of::<libc::pollfd>();
    const MOST: usize = 4096;
    let mut entries = vec![0; usize::try_from(count).unwrap_or(MOST).min(MOST) * ENTRY];
    let Ok(read) = own_memory::read(address, &mut entries) else { return false };
    entries.get(..read).unwrap_or_default().chunks_exact(ENTRY).any(|entry| entry.starts_with(&[0; 4]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_are_about_descriptor_0() {
        let is = |number: i64, first: u64, second: u64| {
            is_about_input(process::tid(), &Syscall { number: number as u64, arguments: [first, second, 0, 0, 0, 0] })
        };
        assert!(is(libc::SYS_read, 0, 0) && is(libc::SYS_readv, 1 << 32, 0));
        assert!(!is(libc::SYS_read, 1, 0) && !is(libc::SYS_write, 0, 0) && !is(libc::SYS_poll, 0, 0));
        let entry = |fd: i32| libc::pollfd { fd, events: 0, revents: 0 };
        for (entries, expected) in [(vec![entry(3), entry(0)], true), (vec![entry(3), entry(-1)], false)] {
            assert_eq!(is(libc::SYS_poll, entries.as_ptr() as u64, 2), expected);
        }
        for (word, expected) in [(1u64, true), (2, false), (3, true)] {
            let address = core::ptr::from_ref(&word) as u64;
            assert_eq!(is(libc::SYS_select, 2, address), expected);
            assert!(!is(libc::SYS_pselect6, 0, address) && !is(libc::SYS_select, 8, 0));
        }
    }
}
