//! Functions that end the process, or take it away from under its threads: to call them is meant, or a mistake that no one can undo.
//!
//! Context: the agent's thread. Pure.

use manhole_expressions::value::{Content, Value};

/// Functions that never come back to the process as it was.
const ENDING: [&str; 32] = [
    "exit",
    "_exit",
    "_Exit",
    "quick_exit",
    "abort",
    "__assert_fail",
    "__assert",
    "__fortify_fail",
    "__stack_chk_fail",
    "execl",
    "execlp",
    "execle",
    "execv",
    "execve",
    "execvp",
    "execvpe",
    "execveat",
    "fexecve",
    "pthread_exit",
    "thrd_exit",
    "longjmp",
    "__longjmp_chk",
    "_longjmp",
    "siglongjmp",
    "reboot",
    "std::terminate",
    "err",
    "errx",
    "verr",
    "verrx",
    "daemon",
    "vfork",
];

/// Functions that send a signal: the name, which argument is the process (or `None`: this thread), and which the signal.
const SIGNALLING: [(&str, Option<usize>, usize); 8] = [
    ("kill", Some(0), 1),
    ("killpg", Some(0), 1),
    ("tgkill", Some(0), 2),
    ("sigqueue", Some(0), 1),
    ("raise", None, 0),
    ("pthread_kill", None, 1),
    ("pthread_sigqueue", None, 1),
    ("gsignal", None, 0),
];

/// System calls that do the same, for `syscall`: each with the function that is told instead.
const BY_NUMBER: [(libc::c_long, &str); 11] = [
    (libc::SYS_exit, "_exit"),
    (libc::SYS_exit_group, "_exit"),
    (libc::SYS_execve, "execve"),
    (libc::SYS_execveat, "execveat"),
    (libc::SYS_reboot, "reboot"),
    (libc::SYS_kill, "kill"),
    (libc::SYS_tgkill, "tgkill"),
    (libc::SYS_tkill, "raise"),
    (libc::SYS_rt_sigqueueinfo, "sigqueue"),
    (libc::SYS_rt_tgsigqueueinfo, "tgkill"),
    (libc::SYS_vfork, "vfork"),
];

/// Why a call of the function needs `-f`; `None` when it does not. `pid` is this process.
pub(crate) fn reason(name: &str, arguments: &[Value], pid: i32) -> Option<String> {
    let bare = plain(name);
    if let ("syscall", [number, arguments @ ..]) = (bare, arguments) {
        let number = integer(number).map(libc::c_long::from);
        let (_, same) = BY_NUMBER.into_iter().find(|(known, _)| Some(*known) == number)?;
        // The signal is behind the thread's id there.
        let arguments = if same == "raise" { arguments.get(1..).unwrap_or_default() } else { arguments };
        return reason(same, arguments, pid);
    }
    if ENDING.into_iter().any(|known| plain(known) == bare) {
        return Some(format!("{bare} would end the process, or the thread that calls it"));
    }
    let (_, process, signal) = SIGNALLING.into_iter().find(|(known, ..)| *known == bare)?;
    let number = |at: usize| arguments.get(at).and_then(integer);
    let is_here = process.is_none_or(|at| number(at).is_none_or(|target| target == pid || target <= 0));
    // Signal 0 only asks whether there is such a process (kill(2)).
    (is_here && number(signal) != Some(0)).then(|| format!("{bare} would send the process a signal"))
}

/// A name without what the C library puts before it inside itself: an address has several names, and any of them may be told.
fn plain(name: &str) -> &str {
    let bare = name.split('@').next().unwrap_or(name).trim_start_matches('_');
    let bare = bare.strip_prefix("GI_").unwrap_or(bare).trim_start_matches('_');
    // `__new_quick_exit` is the newer version of a function.
    ["libc_", "new_", "old_"].into_iter().find_map(|before| bare.strip_prefix(before)).unwrap_or(bare)
}

fn integer(value: &Value) -> Option<i32> {
    match &value.content {
        Content::Bytes(bytes) => bytes.get(..4)?.try_into().ok().map(i32::from_le_bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manhole_expressions::types::TypeId;

    fn asks(name: &str, arguments: &[i32]) -> bool {
        let values: Vec<Value> =
            arguments.iter().map(|number| Value::new(TypeId(0), number.to_le_bytes().to_vec())).collect();
        reason(name, &values, 77).is_some()
    }

    #[test]
    fn what_needs_to_be_meant() {
        for name in [
            "exit",
            "abort",
            "execve",
            "__GI___pthread_exit",
            "__libc_siglongjmp",
            "__libc_vfork",
            "__new_quick_exit",
            "_exit@@GLIBC_2.2.5",
        ] {
            assert!(asks(name, &[0]), "{name}");
        }
        assert!(asks("kill", &[77, 9]) && asks("kill", &[0, 15]) && asks("kill", &[-1, 15]) && asks("raise", &[6]));
        let number = |call: libc::c_long| i32::try_from(call).unwrap();
        assert!(asks("syscall", &[number(libc::SYS_exit_group), 0]) && asks("__syscall", &[number(libc::SYS_execve)]));
        assert!(asks("syscall", &[number(libc::SYS_tkill), 5, 9]) && asks("pthread_sigqueue", &[5, 9]));
        assert!(asks("syscall", &[number(libc::SYS_kill), 77, 9]) && asks("syscall", &[number(libc::SYS_vfork)]));
        assert!(asks("syscall", &[number(libc::SYS_rt_sigqueueinfo), 77, 9, 0]));
        assert!(!asks("syscall", &[number(libc::SYS_kill), 78, 9]) && !asks("syscall", &[number(libc::SYS_getpid)]));
        assert!(!asks("kill", &[78, 9]) && !asks("kill", &[77, 0]) && !asks("getpid", &[]) && !asks("puts", &[1]));
    }
}
