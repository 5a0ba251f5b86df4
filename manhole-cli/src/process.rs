//! What /proc tells about the process that is asked for.
//!
//! Runs in the client; only reads. Everything is optional: /proc may hide other users' processes.

use std::fs;
use std::time::{Duration, SystemTime};

use manhole_options::{OPTIONS_VARIABLE, Setting};

use crate::{maps, send, visible};

/// A set of signals, as a bit mask of /proc.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signals(pub(crate) u64);

impl Signals {
    fn parse(mask: &str) -> Self {
        Self(u64::from_str_radix(mask, 16).unwrap_or(0))
    }

    /// Whether signal `number` is in it.
    pub(crate) fn has(self, number: i32) -> bool {
        u32::try_from(number)
            .ok()
            .and_then(|number| number.checked_sub(1))
            .is_some_and(|bit| self.0.checked_shr(bit).is_some_and(|mask| mask & 1 == 1))
    }
}

/// The lines of `/proc/PID/status` that matter to a client.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// The command name, at most 15 bytes.
    pub(crate) name: String,
    /// The state's letter, as proc_pid_status(5) lists them.
    pub(crate) state: char,
    /// Real, effective, saved and file system uid.
    pub(crate) uids: Vec<u32>,
    /// The pid in each namespace, from ours inwards.
    pub(crate) pids: Vec<i32>,
    /// Who traces it, or 0.
    pub(crate) tracer: i32,
    /// The process that it belongs to: another number, when `pid` is that of a mere thread.
    pub(crate) group: i32,
    /// Signals that wait for it, as a thread or as a process.
    pub(crate) pending: Signals,
    /// Signals that this thread blocks.
    pub(crate) blocked: Signals,
    /// Signals that the process ignores.
    pub(crate) ignored: Signals,
    /// Signals that the process has handlers for.
    pub(crate) caught: Signals,
}

impl Status {
    /// The pid as the process itself knows it.
    pub(crate) fn own_pid(&self) -> Option<i32> {
        self.pids.last().copied()
    }

    /// The effective uid: who may enter.
    pub(crate) fn owner(&self) -> Option<u32> {
        self.uids.get(1).copied()
    }

    /// The command name, fit for a terminal: a process may call itself anything.
    pub(crate) fn shown_name(&self) -> String {
        visible::on_terminal(&self.name).into_owned()
    }
}

/// Reads the status of `pid`; nothing when it does not exist or is hidden.
pub(crate) fn status(pid: i32) -> Option<Status> {
    fs::read(format!("/proc/{pid}/status")).ok().map(|text| parse_status(&String::from_utf8_lossy(&text)))
}

fn parse_status(text: &str) -> Status {
    let mut status = Status::default();
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key {
            "Name" => value.clone_into(&mut status.name),
            "State" => status.state = value.chars().next().unwrap_or_default(),
            "Uid" => status.uids = numbers(value),
            "NSpid" => status.pids = numbers(value),
            "TracerPid" => status.tracer = value.parse().unwrap_or(0),
            "Tgid" => status.group = value.parse().unwrap_or(0),
            "SigPnd" | "ShdPnd" => status.pending.0 |= Signals::parse(value).0,
            "SigBlk" => status.blocked = Signals::parse(value),
            "SigIgn" => status.ignored = Signals::parse(value),
            "SigCgt" => status.caught = Signals::parse(value),
            _ => {}
        }
    }
    status
}

fn numbers<T: std::str::FromStr>(text: &str) -> Vec<T> {
    text.split_ascii_whitespace().filter_map(|word| word.parse().ok()).collect()
}

/// The statuses of all its threads; none when they may not be read.
pub(crate) fn threads(pid: i32) -> Vec<Status> {
    tids(pid).into_iter().filter_map(|tid| thread_status(pid, tid)).collect()
}

/// Whether nothing of the process runs any more: its first thread may be a zombie while others go on.
pub(crate) fn has_ended(pid: i32, status: &Status) -> bool {
    let is_dead = |status: &Status| matches!(status.state, 'Z' | 'X');
    is_dead(status) && threads(pid).iter().all(is_dead)
}

/// What the MANHOLE that the process was started with asks for; nothing when it is not understood, as that of a later
/// version may be.
pub(crate) fn options(pid: i32) -> Option<Setting> {
    manhole_options::parse(&environment(pid, OPTIONS_VARIABLE).unwrap_or_default()).ok()
}

/// The threads of a process, those that have ended and are not yet waited for included.
pub(crate) fn tids(pid: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    tasks.filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok()).collect()
}

fn thread_status(pid: i32, tid: i32) -> Option<Status> {
    let text = fs::read(format!("/proc/{pid}/task/{tid}/status")).ok()?;
    Some(parse_status(&String::from_utf8_lossy(&text)))
}

/// Whether libmanhole.so is mapped there; nothing when that may not be read.
pub(crate) fn has_library(pid: i32) -> Option<bool> {
    // A zombie, or a kernel thread, has no mappings at all.
    maps::of(pid).filter(|mappings| !mappings.is_empty()).map(|mappings| maps::have_library(&mappings))
}

/// The signal that the agent's thread waits for, blocked.
pub(crate) const BELL: i32 = libc::SIGSTKFLT;

/// The threads that are named as the agent's and block its signal, as nearly nobody else does. A manhole that waits
/// without a thread has none.
pub(crate) fn listening_threads(pid: i32) -> Vec<i32> {
    let is_agent = |status: Status| status.name == "Manhole" && status.blocked.has(BELL);
    tids(pid).into_iter().filter(|tid| thread_status(pid, *tid).is_some_and(is_agent)).collect()
}

/// When the process began, by the clock on the wall as it is set now.
pub(crate) fn started(pid: i32) -> Option<SystemTime> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let now = SystemTime::now();
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
    let running = uptime.split(' ').next()?.parse::<f64>().ok()?;
    // Both count from the start of the machine, its sleep included.
    let begun = start_ticks(&String::from_utf8_lossy(&stat))? as f64 / per_second as f64;
    now.checked_sub(Duration::try_from_secs_f64((running - begun).max(0.0)).ok()?)
}

/// The 22nd field; the second one is the name in parentheses, which may hold anything.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

/// The program's file, or its command name when the link may not be read.
pub(crate) fn program(pid: i32) -> Option<String> {
    fs::read_link(format!("/proc/{pid}/exe"))
        .map(|path| path.to_string_lossy().into_owned())
        .ok()
        .or_else(|| status(pid).map(|status| status.name))
}

/// The value of a variable in the environment that the process was started with.
pub(crate) fn environment(pid: i32, name: &str) -> Option<String> {
    let block = fs::read(format!("/proc/{pid}/environ")).ok()?;
    block
        .split(|byte| *byte == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok())
        .find_map(|entry| entry.strip_prefix(name)?.strip_prefix('='))
        .map(str::to_owned)
}

/// `uid 1000 (alice)`, or without the name when there is none.
pub(crate) fn user(uid: u32) -> String {
    match nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)) {
        Ok(Some(user)) => format!("uid {uid} ({})", user.name),
        _ => format!("uid {uid}"),
    }
}

/// Whether the process is there at all, even when /proc hides it.
pub(crate) fn exists(pid: i32) -> bool {
    send::exists(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_status() {
        let status = parse_status(
            "Name:\tnginx: worker\nUmask:\t0022\nState:\tt (tracing stop)\nTgid:\t9\nTracerPid:\t99\nUid:\t1\t2\t3\t4\nNSpid:\t500\t7\n\
             SigPnd:\t0000000000000001\nShdPnd:\t0000000000000800\nSigBlk:\tfffffffe7ffbfeff\n\
             SigIgn:\t0000000000001000\nSigCgt:\t8000000000000200\n",
        );
        let expected = Status {
            name: "nginx: worker".to_owned(),
            state: 't',
            uids: vec![1, 2, 3, 4],
            pids: vec![500, 7],
            tracer: 99,
            group: 9,
            pending: Signals(0x801),
            blocked: Signals(0xffff_fffe_7ffb_feff),
            ignored: Signals(0x1000),
            caught: Signals(0x8000_0000_0000_0200),
        };
        assert_eq!(status, expected);
        assert_eq!((status.own_pid(), status.owner()), (Some(7), Some(2)));
    }

    #[test]
    fn own_status_and_environment() {
        let pid = std::process::id() as i32;
        assert_eq!(status(pid).unwrap().pids.first(), Some(&pid));
        assert_eq!(environment(pid, "PATH"), std::env::var("PATH").ok());
        assert_eq!(environment(pid, "PAT"), None);
        assert_eq!(has_library(pid), Some(false));
    }

    #[test]
    fn members_of_a_set() {
        let set = Signals(0x8000_0000_0000_0801);
        let members: Vec<i32> = (-1..70).filter(|number| set.has(*number)).collect();
        assert_eq!(members, [1, 12, 64]);
    }

    #[test]
    fn the_start_of_a_process() {
        let stat = format!("7 (a) b) S {} 4711 9", vec!["0"; 18].join(" "));
        assert_eq!(start_ticks(&stat), Some(4711));
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let age = SystemTime::now().duration_since(started(child.id() as i32).unwrap()).unwrap_or_default();
        let own = SystemTime::now().duration_since(started(std::process::id() as i32).unwrap()).unwrap_or_default();
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(age < Duration::from_secs(10), "{age:?}");
        assert!(own + Duration::from_millis(50) > age, "{own:?} {age:?}");
    }
}
