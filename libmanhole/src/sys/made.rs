//! The numbers of the system calls that we make: what a filter of the host's has to let through if the manhole is to stay.
//!
//! Context: any; data.

use libc::c_long;

/// Those of this directory, of the C library on threads that it makes for us, and of the kernel's way back from handlers. Not those that change
/// the user: our thread makes them only when the host has made them.
pub(crate) const MADE: &[c_long] = &[
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_clock_gettime,
    libc::SYS_clone,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_connect,
    libc::SYS_dup3,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_wait,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fchmod,
    libc::SYS_fchownat,
    libc::SYS_fcntl,
    libc::SYS_futex,
    libc::SYS_get_robust_list,
    libc::SYS_getdents64,
    libc::SYS_geteuid,
    libc::SYS_getgroups,
    libc::SYS_getpeername,
    libc::SYS_getpid,
    libc::SYS_getsockopt,
    libc::SYS_gettid,
    libc::SYS_ioctl,
    libc::SYS_listen,
    libc::SYS_madvise,
    libc::SYS_memfd_create,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_open,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_prctl,
    libc::SYS_pread64,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pselect6,
    libc::SYS_pwrite64,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_recvfrom,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_yield,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    libc::SYS_signalfd4,
    libc::SYS_socket,
    libc::SYS_tgkill,
    libc::SYS_timer_create,
    libc::SYS_timer_delete,
    libc::SYS_timer_settime,
    libc::SYS_uname,
    libc::SYS_unlink,
    libc::SYS_unshare,
    libc::SYS_write,
    // Of the C library, on a thread that it makes.
    libc::SYS_clone3,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
];

/// Those of [`MADE`] without which our thread can neither wait nor end, and the threads of the host cannot wait for it.
pub(crate) const ESSENTIAL: [c_long; 12] = [
    libc::SYS_clock_gettime,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_read,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_tgkill,
];

/// Those that change the user and the groups.
#[cfg(test)]
const OF_USERS: &[&str] = &["setgid", "setgroups", "setregid", "setresgid", "setresuid", "setreuid", "setuid"];

/// Those that are not made where calls are filtered.
#[cfg(test)]
const UNFILTERED: &[&str] = &["fsconfig", "fsmount", "fsopen", "setfsuid"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    /// The names after `SYS_` in a text.
    fn names(text: &str) -> BTreeSet<&str> {
        let end = |rest: &str| {
            rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(rest.len())
        };
        text.split("libc::SYS_").skip(1).map(|rest| &rest[..end(rest)]).collect()
    }

    #[test]
    fn none_of_this_directory_is_missing() {
        let listed = names(include_str!("made.rs"));
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sys");
        let mut found = 0;
        for file in std::fs::read_dir(directory).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            for name in names(&text) {
                let is_known = [super::OF_USERS, super::UNFILTERED].iter().any(|list| list.contains(&name));
                assert!(listed.contains(name) || is_known, "{name}, in {}", path.display());
                found += 1;
            }
        }
        assert!(found > 100, "{found}");
    }
}
