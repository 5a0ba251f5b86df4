//! How much memory the process may still take, so that looking never gets it killed.
//!
//! Context: the agent's thread. Reads the limits anew each time: they and the use change.

use std::ffi::CString;

use crate::sys::fd;

/// More than this is never taken for the lines of one object, however much is free.
pub(super) const MOST: u64 = 1 << 30;

/// Whether `needed` bytes may be taken for the lines of `name`; the error says why not.
pub(super) fn check(name: &str, needed: u64) -> Result<(), String> {
    verdict(name, needed, headroom())
}

fn verdict(name: &str, needed: u64, headroom: Option<u64>) -> Result<(), String> {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    if needed > MOST {
        return Err(format!("the lines of {name} need {} MiB, more than the {} MiB allowed", mib(needed), mib(MOST)));
    }
    match headroom {
        Some(free) if needed > free / 2 => Err(format!(
            "too little memory for lines of {name}: needs {} MiB, {} MiB are free",
            mib(needed),
            free >> 20
        )),
        _ => Ok(()),
    }
}

/// The least of what the control groups, the address space's limit and the machine leave free, in bytes.
pub(crate) fn headroom() -> Option<u64> {
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let by_groups = groups.lines().filter_map(of_group);
    by_groups.chain(of_limits()).chain(of_machine()).min()
}

/// One line of `/proc/self/cgroup` (cgroups(7)): the tightest limit from this group up to the root.
fn of_group(line: &str) -> Option<u64> {
    let mut fields = line.splitn(3, ':');
    let (hierarchy, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
    let (root, most, used, reclaimable) = if hierarchy == "0" && controllers.is_empty() {
        ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file ")
    } else if controllers.split(',').any(|controller| controller == "memory") {
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
    } else {
        return None;
    };
    let mut path = path.trim_end_matches('/');
    let mut least = None;
    loop {
        let number = |file: &str| read(&format!("{root}{path}/{file}"))?.trim().parse::<u64>().ok();
        if let (Some(most), Some(used)) = (number(most), number(used)) {
            // The kernel drops cached file pages before it kills.
            let cached = read(&format!("{root}{path}/memory.stat")).unwrap_or_default();
            let cached =
                cached.lines().find_map(|line| line.strip_prefix(reclaimable)?.trim().parse().ok()).unwrap_or(0);
            let free = most.saturating_sub(used.saturating_sub(cached));
            least = Some(least.map_or(free, |least: u64| least.min(free)));
        }
        match path.rsplit_once('/') {
            Some((parent, _)) => path = parent,
            None => return least,
        }
    }
}

/// `RLIMIT_AS` and `RLIMIT_DATA` less what is in use (proc_pid_limits(5), proc_pid_statm(5)).
fn of_limits() -> Option<u64> {
    let limits = read("/proc/self/limits")?;
    let statm = read("/proc/self/statm")?;
    let limit =
        |name: &str| limits.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok());
    let pages = |field: usize| statm.split_whitespace().nth(field)?.parse::<u64>().ok()?.checked_mul(4096);
    let free = |limit: Option<u64>, used: Option<u64>| Some(limit?.saturating_sub(used?));
    [free(limit("Max address space"), pages(0)), free(limit("Max data size"), pages(5))].into_iter().flatten().min()
}

/// What the machine can give without swapping (proc_meminfo(5)).
fn of_machine() -> Option<u64> {
    let text = read("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

fn read(path: &str) -> Option<String> {
    const LIMIT: usize = 64 << 10;
    let path = CString::new(path).ok()?;
    fd::read_file(&path, LIMIT).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_headroom_is_the_most() {
        assert_eq!(verdict("x", 50 << 20, Some(100 << 20)), Ok(()));
        assert_eq!(
            verdict("libx.so", 51 << 20, Some(100 << 20)),
            Err("too little memory for lines of libx.so: needs 51 MiB, 100 MiB are free".to_owned())
        );
        assert_eq!(verdict("x", 5 << 20, None), Ok(()));
        assert!(verdict("x", MOST + 1, Some(u64::MAX)).is_err());
    }

    #[test]
    fn this_machine_has_some_memory() {
        assert!(of_machine().unwrap() > 1 << 20);
        assert!(headroom().unwrap() > 0);
    }
}
