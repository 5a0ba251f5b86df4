//! What the kernel says about the threads of a victim: `/proc/PID/task/*/status`. Runs in the test process.

use crate::{PATIENCE, wait_for};

/// One thread.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its id.
    pub tid: i32,
    status: String,
}

impl Task {
    /// A line of its status, without its name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn field(&self, name: &str) -> String {
        let value = self.status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("no {name} in {}", self.status)).trim().to_owned()
    }

    /// A set of signals: `SigBlk`, `SigIgn`, `SigCgt`, `SigPnd`, `ShdPnd`. Signal N is bit N-1.
    ///
    /// # Panics
    /// When it is no number.
    #[must_use]
    pub fn signals(&self, name: &str) -> u64 {
        u64::from_str_radix(&self.field(name), 16).expect("a set of signals")
    }

    /// Whether it is one of the manhole's.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.field("Name").starts_with("Manhole")
    }
}

/// The bit of a signal in a set.
#[must_use]
pub fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// The threads of a process; none when it is gone.
#[must_use]
pub fn of(pid: i32) -> Vec<Task> {
    let Ok(directory) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let mut found: Vec<Task> = directory
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let tid = path.file_name()?.to_str()?.parse().ok()?;
            Some(Task { tid, status: std::fs::read_to_string(path.join("status")).ok()? })
        })
        .collect();
    found.sort_unstable_by_key(|task| task.tid);
    found
}

/// What the threads of a process do and wait for, for a message of failure.
#[must_use]
pub fn describe(pid: i32) -> String {
    let tell = |task: &Task| {
        let [state, own, all, blocked] = ["State", "SigPnd", "ShdPnd", "SigBlk"].map(|name| task.field(name));
        let read = |name| std::fs::read_to_string(format!("/proc/{pid}/task/{}/{name}", task.tid)).unwrap_or_default();
        let (name, call, place) = (task.field("Name"), read("syscall"), read("wchan"));
        format!("\n{} {name}: {state}, pending {own} {all}, blocked {blocked}, {place}, {}", task.tid, call.trim())
    };
    of(pid).iter().map(tell).collect()
}

/// The main thread.
///
/// # Panics
/// When the process is gone.
#[must_use]
pub fn main_of(pid: i32) -> Task {
    of(pid).into_iter().find(|task| task.tid == pid).unwrap_or_else(|| panic!("process {pid} is gone"))
}

/// Waits until a process has so many threads, and gives them.
///
/// # Panics
/// When it does not come to that, with what it has instead.
pub fn wait_until_there_are(count: usize, pid: i32) -> Vec<Task> {
    let mut last = Vec::new();
    let deadline = std::time::Instant::now() + PATIENCE;
    while std::time::Instant::now() < deadline {
        last = of(pid);
        if last.len() == count {
            return last;
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let names: Vec<String> = last.iter().map(|task| format!("{} {}", task.tid, task.field("Name"))).collect();
    panic!("process {pid} has not come to {count} threads: {names:?}");
}

/// Waits until the main thread of a process that has said that it is about to wait does so.
///
/// # Panics
/// When it does not.
pub fn wait_until_blocked(pid: i32) {
    wait_for("the main thread to wait", PATIENCE, || main_of(pid).field("State").starts_with('S').then_some(()));
}
