//! Which processes belong to a server, by `/proc`. Runs in the test process.

use std::fs::{read_dir, read_to_string};

/// The children of a process, in the order of their pids.
#[must_use]
pub fn children(parent: i32) -> Vec<i32> {
    let pids =
        read_dir("/proc").into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut found: Vec<i32> =
        pids.filter(|&pid| status(pid).is_some_and(|(of, state)| of == parent && state != "Z")).collect();
    found.sort_unstable();
    found
}

/// Whether a process is there, and not only its status.
#[must_use]
pub fn runs(pid: i32) -> bool {
    status(pid).is_some_and(|(_, state)| state != "Z")
}

/// The parent and the letter of the state.
fn status(pid: i32) -> Option<(i32, String)> {
    let text = read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before may hold anything.
    let mut words = text.rsplit_once(") ")?.1.split(' ');
    let state = words.next()?.to_owned();
    Some((words.next()?.parse().ok()?, state))
}
