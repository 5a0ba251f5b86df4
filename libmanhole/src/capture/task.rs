//! What the kernel tells of one thread below `/proc/self/task/TID`, without touching it.
//!
//! Context: the agent's thread.

use crate::snapshot::{RunStamp, Syscall};
use crate::sys::fd::Fd;
use crate::sys::signal::Set;
use crate::sys::{self, Errno};
use crate::text::Text;
use crate::{interrupted, loan};

/// The user-space position of a thread that is off the processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) pc: u64,
    pub(crate) sp: u64,
    /// The system call that it is in; `None` in a page fault.
    pub(crate) syscall: Option<Syscall>,
}

/// What the file `syscall` says (proc_pid_syscall(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// On a processor, or ready for one.
    Running,
    /// Off the processor.
    Blocked(Position),
    /// It has no user-space registers: it has ended, or is a worker of the kernel.
    NoPosition,
    /// This process may not look at itself: it is not dumpable (prctl(2), PR_SET_DUMPABLE).
    Refused,
    /// It has gone.
    Gone,
}

/// Name and state of a thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: String,
    /// The letter of proc_pid_stat(5): R, S, D, T, t, Z, X, I.
    pub(crate) letter: u8,
    /// Whether it is on its way out: PF_EXITING in its flags (include/linux/sched.h).
    pub(crate) is_ending: bool,
    /// The signals below 32 that were sent to this thread, and wait.
    pub(crate) pending: Set,
}

/// One thread's directory.
pub(crate) struct Task {
    tid: i32,
    /// Kept open: it is read before and after each look.
    stamp: Option<Fd>,
}

impl Task {
    pub(crate) fn new(tid: i32) -> Task {
        let mut task = Task { tid, stamp: None };
        task.stamp = task.open(c"schedstat").ok();
        task
    }

    pub(crate) fn tid(&self) -> i32 {
        self.tid
    }

    /// How much it has run so far; `None` where the kernel does not count.
    pub(crate) fn stamp(&self) -> Option<RunStamp> {
        let mut text = [0u8; 96];
        let n = self.stamp.as_ref()?.read_at(&mut text, 0).ok()?;
        let mut numbers = core::str::from_utf8(text.get(..n)?).ok()?.split_ascii_whitespace();
        let mut stamp = [0; 3];
        for slot in &mut stamp {
            *slot = numbers.next()?.parse().ok()?;
        }
        // Without CONFIG_SCHED_INFO all are zero, which proves nothing.
        (stamp != [0; 3]).then_some(RunStamp(stamp))
    }

    /// Where it is.
    pub(crate) fn look(&self) -> Look {
        let mut text = [0u8; 256];
        match self.open(c"syscall").and_then(|file| file.read(&mut text)) {
            Ok(n) => by_its_name(parse_look(text.get(..n).unwrap_or_default())),
            Err(Errno(libc::EACCES | libc::EPERM)) => Look::Refused,
            Err(Errno(libc::ENOENT | libc::ESRCH)) => Look::Gone,
            Err(_) => Look::NoPosition,
        }
    }

    /// Its name and state; `None` when it has gone.
    pub(crate) fn identity(&self) -> Option<Identity> {
        let mut text = [0u8; 512];
        let n = self.open(c"stat").ok()?.read(&mut text).ok()?;
        parse_stat(text.get(..n)?)
    }

    /// Whether a handler can run on it: it does not block the signal or wait for it by itself, and it has no filter for system calls that this thread
    /// does not have too (seccomp(2)), whose answer to our handler could be to kill.
    pub(crate) fn may_be_asked(&self, signal: i32) -> bool {
        let (Some(its), Some(ours)) = (self.status(), Task::new(crate::sys::process::tid()).status()) else {
            return false;
        };
        let field = |status: &str, name: &str| {
            status.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
        };
        let blocked = field(&its, "SigBlk:").and_then(|value| u64::from_str_radix(&value, 16).ok());
        let blocks = blocked.is_none_or(|set| sys::signal::Set(set).contains(signal));
        let filters = |status: &str| (field(status, "Seccomp:"), field(status, "Seccomp_filters:"));
        !blocks && !loan::is_waiter(self.tid, signal) && filters(&its) == filters(&ours)
    }

    /// Whether this signal was sent to the thread and has not been taken by it yet.
    pub(crate) fn has_pending(&self, signal: i32) -> bool {
        let pending = |status: String| {
            let line = status.lines().find_map(|line| line.strip_prefix("SigPnd:"))?;
            u64::from_str_radix(line.trim(), 16).ok()
        };
        self.status().and_then(pending).is_some_and(|set| sys::signal::Set(set).contains(signal))
    }

    fn status(&self) -> Option<String> {
        let mut text = [0u8; 4096];
        let n = self.open(c"status").ok()?.read(&mut text).ok()?;
        Some(String::from_utf8_lossy(text.get(..n)?).into_owned())
    }

    /// The kernel function that it waits in; empty while it runs.
    pub(crate) fn wait_channel(&self) -> String {
        let mut text = [0u8; 128];
        let n = self.open(c"wchan").and_then(|file| file.read(&mut text)).unwrap_or(0);
        let name = String::from_utf8_lossy(text.get(..n).unwrap_or_default()).into_owned();
        if name == "0" { String::new() } else { name }
    }

    fn open(&self, file: &core::ffi::CStr) -> sys::Result<Fd> {
        let mut path = Text::<64>::new();
        path.push_fmt(format_args!("/proc/self/task/{}/", self.tid));
        path.push(file.to_bytes());
        Fd::open(path.as_c_str(), libc::O_RDONLY)
    }
}

/// A wait that goes on after a signal, or after a stop, is in restart_syscall(2) for the kernel, with the arguments of the call that it was.
fn by_its_name(look: Look) -> Look {
    match look {
        Look::Blocked(Position { pc, sp, syscall: Some(call) }) if call.number == libc::SYS_restart_syscall as u64 => {
            Look::Blocked(Position { pc, sp, syscall: Some(interrupted::resumed(call, pc, sp)) })
        }
        other => other,
    }
}

fn parse_look(text: &[u8]) -> Look {
    let text = String::from_utf8_lossy(text);
    let mut words = text.split_ascii_whitespace();
    let hex = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
    let position = match words.next() {
        Some("running") => return Look::Running,
        Some("-1") => words.next().and_then(hex).zip(words.next().and_then(hex)).map(|(sp, pc)| Position {
            pc,
            sp,
            syscall: None,
        }),
        Some(number) => {
            let numbers: Vec<u64> = words.map_while(hex).collect();
            number.parse().ok().and_then(|number| {
                let [a, b, c, d, e, f, sp, pc] = *numbers.as_slice() else { return None };
                Some(Position { pc, sp, syscall: Some(Syscall { number, arguments: [a, b, c, d, e, f] }) })
            })
        }
        None => None,
    };
    match position {
        Some(position) if position.pc != 0 && position.sp != 0 => Look::Blocked(position),
        _ => Look::NoPosition,
    }
}

/// The name stands between the first and the last parenthesis, and may hold any byte.
fn parse_stat(text: &[u8]) -> Option<Identity> {
    let start = text.iter().position(|&byte| byte == b'(')? + 1;
    let end = text.iter().rposition(|&byte| byte == b')')?;
    let name = String::from_utf8_lossy(text.get(start..end)?).into_owned();
    const PF_EXITING: u64 = 4;
    let rest = core::str::from_utf8(text.get(end + 2..)?).ok()?;
    // Counted from the field after the name, which is the third.
    let number = |field: usize| rest.split_ascii_whitespace().nth(field - 3)?.parse::<u64>().ok();
    let flags = number(9);
    Some(Identity {
        name,
        letter: *rest.as_bytes().first()?,
        is_ending: flags.is_some_and(|flags| flags & PF_EXITING != 0),
        pending: Set(number(31).unwrap_or_default()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_syscall() {
        let blocked = Look::Blocked(Position {
            pc: 0x7f0000001000,
            sp: 0x7ffc00000010,
            syscall: Some(Syscall { number: 7, arguments: [1, 2, 3, 4, 5, 0xffffffffffffffff] }),
        });
        let line = b"7 0x1 0x2 0x3 0x4 0x5 0xffffffffffffffff 0x7ffc00000010 0x7f0000001000\n";
        assert_eq!(parse_look(line), blocked);
        assert_eq!(parse_look(b"running\n"), Look::Running);
        let fault = Look::Blocked(Position { pc: 0x20, sp: 0x10, syscall: None });
        assert_eq!(parse_look(b"-1 0x10 0x20\n"), fault);
        for odd in [b"".as_slice(), b"-1 0x0 0x0\n", b"7 0x1\n", b"x y z"] {
            assert_eq!(parse_look(odd), Look::NoPosition);
        }
    }

    #[test]
    fn a_name_may_hold_parentheses() {
        let identity = parse_stat(b"12 (a) b (c) S 1 2 3 4 5 4194304 7").unwrap();
        assert_eq!((identity.name.as_str(), identity.letter, identity.is_ending), ("a) b (c", b'S', false));
        assert!(parse_stat(b"12 (x) R 1 2 3 4 5 4194308 7").unwrap().is_ending);
    }
}
