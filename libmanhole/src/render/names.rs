//! Names of signals, and of the kinds of files.
//!
//! Context: the agent's thread. Pure.

use crate::snapshot::Summons;

/// What a thread was stopped by: `SIGSEGV (address 0x10, SEGV_MAPERR)`, `SIGUSR2 (sent by process 4711)`.
pub(crate) fn summons(summons: Summons) -> String {
    let Summons { signal: number, code, detail } = summons;
    let name = signal(number);
    match (number, code_name(number, code)) {
        (libc::SIGSYS, Some(reason)) => format!("{name} (a system call at {detail:#x}, {reason})"),
        (_, Some(reason)) => format!("{name} (address {detail:#x}, {reason})"),
        _ if code > 0 => format!("{name} (address {detail:#x}, code {code})"),
        _ => format!("{name} (sent by process {detail}, {})", sender(code)),
    }
}

/// The name of a `si_code` that says how a signal was sent (sigaction(2)).
fn sender(code: i32) -> String {
    match code {
        libc::SI_USER => "SI_USER".to_owned(),
        libc::SI_TKILL => "SI_TKILL".to_owned(),
        libc::SI_QUEUE => "SI_QUEUE".to_owned(),
        libc::SI_TIMER => "SI_TIMER".to_owned(),
        other => format!("code {other}"),
    }
}

/// The name of a positive `si_code` (sigaction(2)).
fn code_name(number: i32, code: i32) -> Option<&'static str> {
    const SI_KERNEL: i32 = 0x80;
    let names: &[&'static str] = match number {
        _ if code == SI_KERNEL => return Some("SI_KERNEL"),
        libc::SIGSEGV => &["SEGV_MAPERR", "SEGV_ACCERR", "SEGV_BNDERR", "SEGV_PKUERR"],
        libc::SIGBUS => &["BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR", "BUS_MCEERR_AR", "BUS_MCEERR_AO"],
        libc::SIGFPE => &[
            "FPE_INTDIV",
            "FPE_INTOVF",
            "FPE_FLTDIV",
            "FPE_FLTOVF",
            "FPE_FLTUND",
            "FPE_FLTRES",
            "FPE_FLTINV",
            "FPE_FLTSUB",
        ],
        libc::SIGILL => &[
            "ILL_ILLOPC",
            "ILL_ILLOPN",
            "ILL_ILLADR",
            "ILL_ILLTRP",
            "ILL_PRVOPC",
            "ILL_PRVREG",
            "ILL_COPROC",
            "ILL_BADSTK",
        ],
        libc::SIGSYS => &["SYS_SECCOMP", "SYS_USER_DISPATCH"],
        _ => return None,
    };
    names.get(usize::try_from(code.checked_sub(1)?).ok()?).copied()
}

/// The name of a signal, `SIGRTMIN+n` for the real-time ones (34 is glibc's SIGRTMIN; 32 and 33 are its own).
pub(crate) fn signal(number: i32) -> String {
    let name = match number {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGSTKFLT => "SIGSTKFLT",
        libc::SIGCHLD => "SIGCHLD",
        libc::SIGCONT => "SIGCONT",
        libc::SIGSTOP => "SIGSTOP",
        libc::SIGTSTP => "SIGTSTP",
        libc::SIGTTIN => "SIGTTIN",
        libc::SIGTTOU => "SIGTTOU",
        libc::SIGURG => "SIGURG",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGVTALRM => "SIGVTALRM",
        libc::SIGPROF => "SIGPROF",
        libc::SIGWINCH => "SIGWINCH",
        libc::SIGIO => "SIGIO",
        libc::SIGPWR => "SIGPWR",
        libc::SIGSYS => "SIGSYS",
        34 => "SIGRTMIN",
        35..=64 => return format!("SIGRTMIN+{}", number - 34),
        other => return format!("SIG{other}"),
    };
    name.to_owned()
}

/// The names of the signals in a set (bit `n - 1` is signal `n`), the longer of a list and its complement being avoided.
pub(crate) fn signals(set: u64) -> String {
    let list = |set: u64| -> Vec<String> { (1..=64).filter(|n| set >> (n - 1) & 1 == 1).map(signal).collect() };
    match set.count_ones() {
        0 => "none".to_owned(),
        64 => "all".to_owned(),
        1..=40 => list(set).join(" "),
        _ => format!("all but {}", list(!set).join(" ")),
    }
}

/// The kind of a file from its mode (inode(7)).
pub(crate) fn file_kind(mode: u32) -> &'static str {
    match mode & libc::S_IFMT {
        libc::S_IFREG => "file",
        libc::S_IFDIR => "directory",
        libc::S_IFCHR => "character device",
        libc::S_IFBLK => "block device",
        libc::S_IFIFO => "pipe",
        libc::S_IFSOCK => "socket",
        libc::S_IFLNK => "link",
        _ => "anonymous",
    }
}

/// The status flags of an open file (open(2)), as its `fdinfo` shows them.
pub(crate) fn open_flags(flags: u32) -> String {
    const NAMES: [(i32, &str); 7] = [
        (libc::O_APPEND, "O_APPEND"),
        (libc::O_NONBLOCK, "O_NONBLOCK"),
        (libc::O_ASYNC, "O_ASYNC"),
        (libc::O_DIRECT, "O_DIRECT"),
        (libc::O_DIRECTORY, "O_DIRECTORY"),
        (libc::O_CLOEXEC, "O_CLOEXEC"),
        (libc::O_PATH, "O_PATH"),
    ];
    let access = match flags as i32 & libc::O_ACCMODE {
        libc::O_RDONLY => "O_RDONLY",
        libc::O_WRONLY => "O_WRONLY",
        _ => "O_RDWR",
    };
    let mut all = vec![access];
    all.extend(NAMES.iter().filter(|(bit, _)| flags as i32 & bit == *bit).map(|(_, name)| *name));
    if flags as i32 & libc::O_SYNC == libc::O_SYNC {
        all.push("O_SYNC");
    }
    all.join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_was_stopped_by() {
        let of = |signal, code, detail| summons(Summons { signal, code, detail });
        assert_eq!(of(libc::SIGSEGV, 1, 0x10), "SIGSEGV (address 0x10, SEGV_MAPERR)");
        assert_eq!(of(libc::SIGBUS, 2, 0x1000), "SIGBUS (address 0x1000, BUS_ADRERR)");
        assert_eq!(of(libc::SIGSEGV, 0x80, 0), "SIGSEGV (address 0x0, SI_KERNEL)");
        assert_eq!(of(libc::SIGSEGV, 0, 4711), "SIGSEGV (sent by process 4711, SI_USER)");
        assert_eq!(of(libc::SIGUSR2, -6, 7), "SIGUSR2 (sent by process 7, SI_TKILL)");
    }

    #[test]
    fn signals_by_name() {
        assert_eq!(signal(11), "SIGSEGV");
        assert_eq!(signal(36), "SIGRTMIN+2");
        assert_eq!(signals(1 << 9 | 1 << 11), "SIGUSR1 SIGUSR2");
        assert_eq!(signals(!(1 << 8)), "all but SIGKILL");
        assert_eq!(signals(0), "none");
    }

    #[test]
    fn flags_of_an_open_file() {
        assert_eq!(open_flags(0o2004002), "O_RDWR|O_NONBLOCK|O_CLOEXEC");
        assert_eq!(open_flags(0), "O_RDONLY");
    }
}
