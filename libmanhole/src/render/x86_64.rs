//! Names of x86_64's system calls, and of its registers.
//!
//! Context: the agent's thread. Pure. The numbers are those of the libc crate; what a newer kernel adds shows as a number.

use crate::text::joined;

/// The name of a system call.
pub(crate) fn system_call(number: u64) -> Option<&'static str> {
    let number = i64::try_from(number).ok()?;
    let at = CALLS.iter().position(|known| i64::from(*known) == number)?;
    NAMES_OF_CALLS.split_terminator('\0').nth(at)
}

/// The general registers as gdb names and orders them, with their numbers in DWARF.
pub(crate) const REGISTERS: [(&str, u16); 17] = [
    ("rax", 0),
    ("rbx", 3),
    ("rcx", 2),
    ("rdx", 1),
    ("rsi", 4),
    ("rdi", 5),
    ("rbp", 6),
    ("rsp", 7),
    ("r8", 8),
    ("r9", 9),
    ("r10", 10),
    ("r11", 11),
    ("r12", 12),
    ("r13", 13),
    ("r14", 14),
    ("r15", 15),
    ("rip", 16),
];

/// The DWARF number of a register by its name; `pc`, `sp` and `fp` as in gdb.
pub(crate) fn register(name: &str) -> Option<u16> {
    let name = match name {
        "pc" => "rip",
        "sp" => "rsp",
        "fp" => "rbp",
        other => other,
    };
    REGISTERS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// A part of a general register that has its own name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) whole: String,
    /// In bytes.
    pub(crate) from: usize,
    pub(crate) size: u64,
    /// As gdb has it.
    pub(crate) type_name: &'static str,
}

/// `eax`, `ax`, `al`, `ah`, `r8d`, `r8w`, `r8l` and their like.
pub(crate) fn part(name: &str) -> Option<Part> {
    const INT: (u64, &str) = (4, "int");
    const WORD: (u64, &str) = (2, "int16_t");
    const BYTE: (u64, &str) = (1, "int8_t");
    let numbered = name.strip_prefix('r').and_then(|rest| rest.split_at_checked(rest.len().checked_sub(1)?));
    let letter = |suffix: &str| name.strip_suffix(suffix).filter(|rest| matches!(*rest, "a" | "b" | "c" | "d"));
    let (whole, from, (size, type_name)) = if let Some(rest) = name.strip_prefix('e').filter(|rest| rest.len() == 2) {
        (format!("r{rest}"), 0, INT)
    } else if let Some((number, suffix)) = numbered.filter(|(number, _)| number.parse::<u8>().is_ok()) {
        let kind = match suffix {
            "d" => INT,
            "w" => WORD,
            "l" => BYTE,
            _ => return None,
        };
        (format!("r{number}"), 0, kind)
    } else if let Some(low) = letter("l") {
        (format!("r{low}x"), 0, BYTE)
    } else if let Some(high) = letter("h") {
        (format!("r{high}x"), 1, BYTE)
    } else if let Some(low) = name.strip_suffix('l').filter(|rest| rest.len() == 2) {
        (format!("r{low}"), 0, BYTE)
    } else if name.len() == 2 {
        (format!("r{name}"), 0, WORD)
    } else {
        return None;
    };
    // Nobody calls a part of the program counter by its own name.
    register(&whole).filter(|number| *number < 16).map(|_| Part { whole, from, size, type_name })
}

/// Whether gdb has a register of this name that is not among the general ones.
pub(crate) fn is_never_captured(name: &str) -> bool {
    const NAMES: [&str; 13] =
        ["eflags", "cs", "ss", "ds", "es", "fs", "gs", "fs_base", "gs_base", "mxcsr", "fctrl", "fstat", "ftag"];
    let is_one_of = |prefix: &str, count: u8| {
        let number = name.strip_prefix(prefix).filter(|digits| !digits.starts_with('0') || digits.len() == 1);
        number.and_then(|digits| digits.parse::<u8>().ok()).is_some_and(|number| number < count)
    };
    NAMES.contains(&name) || is_one_of("st", 8) || ["xmm", "ymm", "zmm"].iter().any(|prefix| is_one_of(prefix, 32))
}

macro_rules! calls {
    ($(($number:expr, $name:literal)),* $(,)?) => {
        /// The numbers, in the order of their names.
        const CALLS: &[i16] = &[$($number as i16),*];
        const NAMES_OF_CALLS: &str = joined![$(($name)),*];
    };
}

#[rustfmt::skip]
calls![
    (libc::SYS__sysctl, "_sysctl"),
    (libc::SYS_accept, "accept"),
    (libc::SYS_accept4, "accept4"),
    (libc::SYS_access, "access"),
    (libc::SYS_acct, "acct"),
    (libc::SYS_add_key, "add_key"),
    (libc::SYS_adjtimex, "adjtimex"),
    (libc::SYS_afs_syscall, "afs_syscall"),
    (libc::SYS_alarm, "alarm"),
    (libc::SYS_arch_prctl, "arch_prctl"),
    (libc::SYS_bind, "bind"),
    (libc::SYS_bpf, "bpf"),
    (libc::SYS_brk, "brk"),
    (libc::SYS_capget, "capget"),
    (libc::SYS_capset, "capset"),
    (libc::SYS_chdir, "chdir"),
    (libc::SYS_chmod, "chmod"),
    (libc::SYS_chown, "chown"),
    (libc::SYS_chroot, "chroot"),
    (libc::SYS_clock_adjtime, "clock_adjtime"),
    (libc::SYS_clock_getres, "clock_getres"),
    (libc::SYS_clock_gettime, "clock_gettime"),
    (libc::SYS_clock_nanosleep, "clock_nanosleep"),
    (libc::SYS_clock_settime, "clock_settime"),
    (libc::SYS_clone, "clone"),
    (libc::SYS_clone3, "clone3"),
    (libc::SYS_close, "close"),
    (libc::SYS_close_range, "close_range"),
    (libc::SYS_connect, "connect"),
    (libc::SYS_copy_file_range, "copy_file_range"),
    (libc::SYS_creat, "creat"),
    (libc::SYS_delete_module, "delete_module"),
    (libc::SYS_dup, "dup"),
    (libc::SYS_dup2, "dup2"),
    (libc::SYS_dup3, "dup3"),
    (libc::SYS_epoll_create, "epoll_create"),
    (libc::SYS_epoll_create1, "epoll_create1"),
    (libc::SYS_epoll_ctl, "epoll_ctl"),
    (libc::SYS_epoll_ctl_old, "epoll_ctl_old"),
    (libc::SYS_epoll_pwait, "epoll_pwait"),
    (libc::SYS_epoll_pwait2, "epoll_pwait2"),
    (libc::SYS_epoll_wait, "epoll_wait"),
    (libc::SYS_epoll_wait_old, "epoll_wait_old"),
    (libc::SYS_eventfd, "eventfd"),
    (libc::SYS_eventfd2, "eventfd2"),
    (libc::SYS_execve, "execve"),
    (libc::SYS_execveat, "execveat"),
    (libc::SYS_exit, "exit"),
    (libc::SYS_exit_group, "exit_group"),
    (libc::SYS_faccessat, "faccessat"),
    (libc::SYS_faccessat2, "faccessat2"),
    (libc::SYS_fadvise64, "fadvise64"),
    (libc::SYS_fallocate, "fallocate"),
    (libc::SYS_fanotify_init, "fanotify_init"),
    (libc::SYS_fanotify_mark, "fanotify_mark"),
    (libc::SYS_fchdir, "fchdir"),
    (libc::SYS_fchmod, "fchmod"),
    (libc::SYS_fchmodat, "fchmodat"),
    (libc::SYS_fchmodat2, "fchmodat2"),
    (libc::SYS_fchown, "fchown"),
    (libc::SYS_fchownat, "fchownat"),
    (libc::SYS_fcntl, "fcntl"),
    (libc::SYS_fdatasync, "fdatasync"),
    (libc::SYS_fgetxattr, "fgetxattr"),
    (libc::SYS_finit_module, "finit_module"),
    (libc::SYS_flistxattr, "flistxattr"),
    (libc::SYS_flock, "flock"),
    (libc::SYS_fork, "fork"),
    (libc::SYS_fremovexattr, "fremovexattr"),
    (libc::SYS_fsconfig, "fsconfig"),
    (libc::SYS_fsetxattr, "fsetxattr"),
    (libc::SYS_fsmount, "fsmount"),
    (libc::SYS_fsopen, "fsopen"),
    (libc::SYS_fspick, "fspick"),
    (libc::SYS_fstat, "fstat"),
    (libc::SYS_fstatfs, "fstatfs"),
    (libc::SYS_fsync, "fsync"),
    (libc::SYS_ftruncate, "ftruncate"),
    (libc::SYS_futex, "futex"),
    (libc::SYS_futex_waitv, "futex_waitv"),
    (libc::SYS_futimesat, "futimesat"),
    (libc::SYS_get_mempolicy, "get_mempolicy"),
    (libc::SYS_get_robust_list, "get_robust_list"),
    (libc::SYS_get_thread_area, "get_thread_area"),
    (libc::SYS_getcpu, "getcpu"),
    (libc::SYS_getcwd, "getcwd"),
    (libc::SYS_getdents, "getdents"),
    (libc::SYS_getdents64, "getdents64"),
    (libc::SYS_getegid, "getegid"),
    (libc::SYS_geteuid, "geteuid"),
    (libc::SYS_getgid, "getgid"),
    (libc::SYS_getgroups, "getgroups"),
    (libc::SYS_getitimer, "getitimer"),
    (libc::SYS_getpeername, "getpeername"),
    (libc::SYS_getpgid, "getpgid"),
    (libc::SYS_getpgrp, "getpgrp"),
    (libc::SYS_getpid, "getpid"),
    (libc::SYS_getpmsg, "getpmsg"),
    (libc::SYS_getppid, "getppid"),
    (libc::SYS_getpriority, "getpriority"),
    (libc::SYS_getrandom, "getrandom"),
    (libc::SYS_getresgid, "getresgid"),
    (libc::SYS_getresuid, "getresuid"),
    (libc::SYS_getrlimit, "getrlimit"),
    (libc::SYS_getrusage, "getrusage"),
    (libc::SYS_getsid, "getsid"),
    (libc::SYS_getsockname, "getsockname"),
    (libc::SYS_getsockopt, "getsockopt"),
    (libc::SYS_gettid, "gettid"),
    (libc::SYS_gettimeofday, "gettimeofday"),
    (libc::SYS_getuid, "getuid"),
    (libc::SYS_getxattr, "getxattr"),
    (libc::SYS_init_module, "init_module"),
    (libc::SYS_inotify_add_watch, "inotify_add_watch"),
    (libc::SYS_inotify_init, "inotify_init"),
    (libc::SYS_inotify_init1, "inotify_init1"),
    (libc::SYS_inotify_rm_watch, "inotify_rm_watch"),
    (libc::SYS_io_cancel, "io_cancel"),
    (libc::SYS_io_destroy, "io_destroy"),
    (libc::SYS_io_getevents, "io_getevents"),
    (libc::SYS_io_setup, "io_setup"),
    (libc::SYS_io_submit, "io_submit"),
    (libc::SYS_io_uring_enter, "io_uring_enter"),
    (libc::SYS_io_uring_register, "io_uring_register"),
    (libc::SYS_io_uring_setup, "io_uring_setup"),
    (libc::SYS_ioctl, "ioctl"),
    (libc::SYS_ioperm, "ioperm"),
    (libc::SYS_iopl, "iopl"),
    (libc::SYS_ioprio_get, "ioprio_get"),
    (libc::SYS_ioprio_set, "ioprio_set"),
    (libc::SYS_kcmp, "kcmp"),
    (libc::SYS_kexec_file_load, "kexec_file_load"),
    (libc::SYS_kexec_load, "kexec_load"),
    (libc::SYS_keyctl, "keyctl"),
    (libc::SYS_kill, "kill"),
    (libc::SYS_landlock_add_rule, "landlock_add_rule"),
    (libc::SYS_landlock_create_ruleset, "landlock_create_ruleset"),
    (libc::SYS_landlock_restrict_self, "landlock_restrict_self"),
    (libc::SYS_lchown, "lchown"),
    (libc::SYS_lgetxattr, "lgetxattr"),
    (libc::SYS_link, "link"),
    (libc::SYS_linkat, "linkat"),
    (libc::SYS_listen, "listen"),
    (libc::SYS_listxattr, "listxattr"),
    (libc::SYS_llistxattr, "llistxattr"),
    (libc::SYS_lookup_dcookie, "lookup_dcookie"),
    (libc::SYS_lremovexattr, "lremovexattr"),
    (libc::SYS_lseek, "lseek"),
    (libc::SYS_lsetxattr, "lsetxattr"),
    (libc::SYS_lstat, "lstat"),
    (libc::SYS_madvise, "madvise"),
    (libc::SYS_mbind, "mbind"),
    (libc::SYS_membarrier, "membarrier"),
    (libc::SYS_memfd_create, "memfd_create"),
    (libc::SYS_memfd_secret, "memfd_secret"),
    (libc::SYS_migrate_pages, "migrate_pages"),
    (libc::SYS_mincore, "mincore"),
    (libc::SYS_mkdir, "mkdir"),
    (libc::SYS_mkdirat, "mkdirat"),
    (libc::SYS_mknod, "mknod"),
    (libc::SYS_mknodat, "mknodat"),
    (libc::SYS_mlock, "mlock"),
    (libc::SYS_mlock2, "mlock2"),
    (libc::SYS_mlockall, "mlockall"),
    (libc::SYS_mmap, "mmap"),
    (libc::SYS_modify_ldt, "modify_ldt"),
    (libc::SYS_mount, "mount"),
    (libc::SYS_mount_setattr, "mount_setattr"),
    (libc::SYS_move_mount, "move_mount"),
    (libc::SYS_move_pages, "move_pages"),
    (libc::SYS_mprotect, "mprotect"),
    (libc::SYS_mq_getsetattr, "mq_getsetattr"),
    (libc::SYS_mq_notify, "mq_notify"),
    (libc::SYS_mq_open, "mq_open"),
    (libc::SYS_mq_timedreceive, "mq_timedreceive"),
    (libc::SYS_mq_timedsend, "mq_timedsend"),
    (libc::SYS_mq_unlink, "mq_unlink"),
    (libc::SYS_mremap, "mremap"),
    (libc::SYS_mseal, "mseal"),
    (libc::SYS_msgctl, "msgctl"),
    (libc::SYS_msgget, "msgget"),
    (libc::SYS_msgrcv, "msgrcv"),
    (libc::SYS_msgsnd, "msgsnd"),
    (libc::SYS_msync, "msync"),
    (libc::SYS_munlock, "munlock"),
    (libc::SYS_munlockall, "munlockall"),
    (libc::SYS_munmap, "munmap"),
    (libc::SYS_name_to_handle_at, "name_to_handle_at"),
    (libc::SYS_nanosleep, "nanosleep"),
    (libc::SYS_newfstatat, "newfstatat"),
    (libc::SYS_nfsservctl, "nfsservctl"),
    (libc::SYS_open, "open"),
    (libc::SYS_open_by_handle_at, "open_by_handle_at"),
    (libc::SYS_open_tree, "open_tree"),
    (libc::SYS_openat, "openat"),
    (libc::SYS_openat2, "openat2"),
    (libc::SYS_pause, "pause"),
    (libc::SYS_perf_event_open, "perf_event_open"),
    (libc::SYS_personality, "personality"),
    (libc::SYS_pidfd_getfd, "pidfd_getfd"),
    (libc::SYS_pidfd_open, "pidfd_open"),
    (libc::SYS_pidfd_send_signal, "pidfd_send_signal"),
    (libc::SYS_pipe, "pipe"),
    (libc::SYS_pipe2, "pipe2"),
    (libc::SYS_pivot_root, "pivot_root"),
    (libc::SYS_pkey_alloc, "pkey_alloc"),
    (libc::SYS_pkey_free, "pkey_free"),
    (libc::SYS_pkey_mprotect, "pkey_mprotect"),
    (libc::SYS_poll, "poll"),
    (libc::SYS_ppoll, "ppoll"),
    (libc::SYS_prctl, "prctl"),
    (libc::SYS_pread64, "pread64"),
    (libc::SYS_preadv, "preadv"),
    (libc::SYS_preadv2, "preadv2"),
    (libc::SYS_prlimit64, "prlimit64"),
    (libc::SYS_process_madvise, "process_madvise"),
    (libc::SYS_process_mrelease, "process_mrelease"),
    (libc::SYS_process_vm_readv, "process_vm_readv"),
    (libc::SYS_process_vm_writev, "process_vm_writev"),
    (libc::SYS_pselect6, "pselect6"),
    (libc::SYS_ptrace, "ptrace"),
    (libc::SYS_putpmsg, "putpmsg"),
    (libc::SYS_pwrite64, "pwrite64"),
    (libc::SYS_pwritev, "pwritev"),
    (libc::SYS_pwritev2, "pwritev2"),
    (libc::SYS_quotactl, "quotactl"),
    (libc::SYS_quotactl_fd, "quotactl_fd"),
    (libc::SYS_read, "read"),
    (libc::SYS_readahead, "readahead"),
    (libc::SYS_readlink, "readlink"),
    (libc::SYS_readlinkat, "readlinkat"),
    (libc::SYS_readv, "readv"),
    (libc::SYS_reboot, "reboot"),
    (libc::SYS_recvfrom, "recvfrom"),
    (libc::SYS_recvmmsg, "recvmmsg"),
    (libc::SYS_recvmsg, "recvmsg"),
    (libc::SYS_remap_file_pages, "remap_file_pages"),
    (libc::SYS_removexattr, "removexattr"),
    (libc::SYS_rename, "rename"),
    (libc::SYS_renameat, "renameat"),
    (libc::SYS_renameat2, "renameat2"),
    (libc::SYS_request_key, "request_key"),
    (libc::SYS_restart_syscall, "restart_syscall"),
    (libc::SYS_rmdir, "rmdir"),
    (libc::SYS_rseq, "rseq"),
    (libc::SYS_rt_sigaction, "rt_sigaction"),
    (libc::SYS_rt_sigpending, "rt_sigpending"),
    (libc::SYS_rt_sigprocmask, "rt_sigprocmask"),
    (libc::SYS_rt_sigqueueinfo, "rt_sigqueueinfo"),
    (libc::SYS_rt_sigreturn, "rt_sigreturn"),
    (libc::SYS_rt_sigsuspend, "rt_sigsuspend"),
    (libc::SYS_rt_sigtimedwait, "rt_sigtimedwait"),
    (libc::SYS_rt_tgsigqueueinfo, "rt_tgsigqueueinfo"),
    (libc::SYS_sched_get_priority_max, "sched_get_priority_max"),
    (libc::SYS_sched_get_priority_min, "sched_get_priority_min"),
    (libc::SYS_sched_getaffinity, "sched_getaffinity"),
    (libc::SYS_sched_getattr, "sched_getattr"),
    (libc::SYS_sched_getparam, "sched_getparam"),
    (libc::SYS_sched_getscheduler, "sched_getscheduler"),
    (libc::SYS_sched_rr_get_interval, "sched_rr_get_interval"),
    (libc::SYS_sched_setaffinity, "sched_setaffinity"),
    (libc::SYS_sched_setattr, "sched_setattr"),
    (libc::SYS_sched_setparam, "sched_setparam"),
    (libc::SYS_sched_setscheduler, "sched_setscheduler"),
    (libc::SYS_sched_yield, "sched_yield"),
    (libc::SYS_seccomp, "seccomp"),
    (libc::SYS_security, "security"),
    (libc::SYS_select, "select"),
    (libc::SYS_semctl, "semctl"),
    (libc::SYS_semget, "semget"),
    (libc::SYS_semop, "semop"),
    (libc::SYS_semtimedop, "semtimedop"),
    (libc::SYS_sendfile, "sendfile"),
    (libc::SYS_sendmmsg, "sendmmsg"),
    (libc::SYS_sendmsg, "sendmsg"),
    (libc::SYS_sendto, "sendto"),
    (libc::SYS_set_mempolicy, "set_mempolicy"),
    (libc::SYS_set_mempolicy_home_node, "set_mempolicy_home_node"),
    (libc::SYS_set_robust_list, "set_robust_list"),
    (libc::SYS_set_thread_area, "set_thread_area"),
    (libc::SYS_set_tid_address, "set_tid_address"),
    (libc::SYS_setdomainname, "setdomainname"),
    (libc::SYS_setfsgid, "setfsgid"),
    (libc::SYS_setfsuid, "setfsuid"),
    (libc::SYS_setgid, "setgid"),
    (libc::SYS_setgroups, "setgroups"),
    (libc::SYS_sethostname, "sethostname"),
    (libc::SYS_setitimer, "setitimer"),
    (libc::SYS_setns, "setns"),
    (libc::SYS_setpgid, "setpgid"),
    (libc::SYS_setpriority, "setpriority"),
    (libc::SYS_setregid, "setregid"),
    (libc::SYS_setresgid, "setresgid"),
    (libc::SYS_setresuid, "setresuid"),
    (libc::SYS_setreuid, "setreuid"),
    (libc::SYS_setrlimit, "setrlimit"),
    (libc::SYS_setsid, "setsid"),
    (libc::SYS_setsockopt, "setsockopt"),
    (libc::SYS_settimeofday, "settimeofday"),
    (libc::SYS_setuid, "setuid"),
    (libc::SYS_setxattr, "setxattr"),
    (libc::SYS_shmat, "shmat"),
    (libc::SYS_shmctl, "shmctl"),
    (libc::SYS_shmdt, "shmdt"),
    (libc::SYS_shmget, "shmget"),
    (libc::SYS_shutdown, "shutdown"),
    (libc::SYS_sigaltstack, "sigaltstack"),
    (libc::SYS_signalfd, "signalfd"),
    (libc::SYS_signalfd4, "signalfd4"),
    (libc::SYS_socket, "socket"),
    (libc::SYS_socketpair, "socketpair"),
    (libc::SYS_splice, "splice"),
    (libc::SYS_stat, "stat"),
    (libc::SYS_statfs, "statfs"),
    (libc::SYS_statx, "statx"),
    (libc::SYS_swapoff, "swapoff"),
    (libc::SYS_swapon, "swapon"),
    (libc::SYS_symlink, "symlink"),
    (libc::SYS_symlinkat, "symlinkat"),
    (libc::SYS_sync, "sync"),
    (libc::SYS_sync_file_range, "sync_file_range"),
    (libc::SYS_syncfs, "syncfs"),
    (libc::SYS_sysfs, "sysfs"),
    (libc::SYS_sysinfo, "sysinfo"),
    (libc::SYS_syslog, "syslog"),
    (libc::SYS_tee, "tee"),
    (libc::SYS_tgkill, "tgkill"),
    (libc::SYS_time, "time"),
    (libc::SYS_timer_create, "timer_create"),
    (libc::SYS_timer_delete, "timer_delete"),
    (libc::SYS_timer_getoverrun, "timer_getoverrun"),
    (libc::SYS_timer_gettime, "timer_gettime"),
    (libc::SYS_timer_settime, "timer_settime"),
    (libc::SYS_timerfd_create, "timerfd_create"),
    (libc::SYS_timerfd_gettime, "timerfd_gettime"),
    (libc::SYS_timerfd_settime, "timerfd_settime"),
    (libc::SYS_times, "times"),
    (libc::SYS_tkill, "tkill"),
    (libc::SYS_truncate, "truncate"),
    (libc::SYS_tuxcall, "tuxcall"),
    (libc::SYS_umask, "umask"),
    (libc::SYS_umount2, "umount2"),
    (libc::SYS_uname, "uname"),
    (libc::SYS_unlink, "unlink"),
    (libc::SYS_unlinkat, "unlinkat"),
    (libc::SYS_unshare, "unshare"),
    (libc::SYS_uselib, "uselib"),
    (libc::SYS_userfaultfd, "userfaultfd"),
    (libc::SYS_ustat, "ustat"),
    (libc::SYS_utime, "utime"),
    (libc::SYS_utimensat, "utimensat"),
    (libc::SYS_utimes, "utimes"),
    (libc::SYS_vfork, "vfork"),
    (libc::SYS_vhangup, "vhangup"),
    (libc::SYS_vmsplice, "vmsplice"),
    (libc::SYS_vserver, "vserver"),
    (libc::SYS_wait4, "wait4"),
    (libc::SYS_waitid, "waitid"),
    (libc::SYS_write, "write"),
    (libc::SYS_writev, "writev"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_have_the_kernel_s_names() {
        assert_eq!(system_call(0), Some("read"));
        assert_eq!(system_call(202), Some("futex"));
        assert_eq!(system_call(219), Some("restart_syscall"));
        assert_eq!(system_call(99_999), None);
    }

    #[test]
    fn registers_by_every_name() {
        assert_eq!(register("pc"), Some(16));
        assert_eq!(register("rsp"), register("sp"));
        assert_eq!(register("xmm0"), None);
    }
}

#[cfg(test)]
mod register_tests {
    use super::*;

    #[test]
    fn parts_of_registers() {
        for (name, whole, from, size) in [
            ("eax", "rax", 0, 4),
            ("esp", "rsp", 0, 4),
            ("r8d", "r8", 0, 4),
            ("r15w", "r15", 0, 2),
            ("r9l", "r9", 0, 1),
            ("ax", "rax", 0, 2),
            ("di", "rdi", 0, 2),
            ("al", "rax", 0, 1),
            ("dh", "rdx", 1, 1),
            ("sil", "rsi", 0, 1),
            ("bpl", "rbp", 0, 1),
        ] {
            let part = part(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!((part.whole.as_str(), part.from, part.size), (whole, from, size), "{name}");
        }
        for name in ["eip", "ip", "r8", "r16d", "rd", "r8x", "el", "ex", "nothing", "", "é", "count", "sih"] {
            assert_eq!(part(name), None, "{name}");
        }
    }

    #[test]
    fn registers_that_are_not_captured() {
        for name in ["eflags", "xmm0", "ymm31", "st7", "fs_base"] {
            assert!(is_never_captured(name), "{name}");
        }
        for name in ["rax", "xmm32", "xmm", "xmm00", "st8", "count"] {
            assert!(!is_never_captured(name), "{name}");
        }
    }
}
