//! The process: ids, clocks, auxiliary facts.
//!
//! Context: any thread, signal handlers included.

use core::time::Duration;

use super::{Result, call};

/// The process id, asked of the kernel each time: a raw clone leaves a cached one wrong.
pub(crate) fn pid() -> i32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { call(libc::SYS_getpid, []) }.unwrap_or(0) as i32
}

/// The kernel's id of the calling thread.
pub(crate) fn tid() -> i32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { call(libc::SYS_gettid, []) }.unwrap_or(0) as i32
}

/// Whether system calls of the calling thread are filtered (seccomp(2)), or whether that is not to be known.
pub(crate) fn has_filters() -> bool {
    // SAFETY: numbers only.
    let mode = unsafe { call(libc::SYS_prctl, [libc::PR_GET_SECCOMP as usize, 0, 0, 0, 0]) };
    mode != Ok(0)
}

/// The effective user id, as it is now.
pub(crate) fn euid() -> u32 {
    // SAFETY: no arguments, cannot fail.
    unsafe { call(libc::SYS_geteuid, []) }.unwrap_or(0) as u32
}

/// Runs `act` with the files of user `uid`, where the calling thread may have that: as its real or its saved user (setfsuid(2)). Not where system calls are
/// filtered: that one is not among those that a filter is asked about. The kernel forgets PR_SET_PDEATHSIG by it, so it is for a process that ends.
#[cold]
pub(crate) fn with_files_of(uid: u32, act: impl FnOnce()) {
    // SAFETY: a number; the calling thread's alone changes.
    let set = |uid: u32| unsafe { call(libc::SYS_setfsuid, [uid as usize]) };
    if let Ok(before) = set(uid) {
        act();
        let _ = set(before as u32);
    }
}

/// Time since an arbitrary point that never goes back.
pub(crate) fn monotonic() -> Duration {
    clock(libc::CLOCK_MONOTONIC)
}

/// Time since 1970-01-01 UTC.
pub(crate) fn realtime() -> Duration {
    clock(libc::CLOCK_REALTIME)
}

fn clock(which: libc::clockid_t) -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills the structure.
    let _ = unsafe { call(libc::SYS_clock_gettime, [which as usize, core::ptr::from_mut(&mut time) as usize]) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// A duration in the kernel's form.
pub(crate) fn timespec(time: Duration) -> libc::timespec {
    libc::timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

/// Lets `time` pass. Only on the agent's own thread.
pub(crate) fn sleep(time: Duration) {
    let until = monotonic().saturating_add(time);
    let mut left = time;
    loop {
        let time = timespec(left);
        // SAFETY: the kernel reads the time (nanosleep(2)).
        let result = unsafe { call(libc::SYS_nanosleep, [core::ptr::from_ref(&time) as usize, 0]) };
        left = until.saturating_sub(monotonic());
        if result != Err(super::Errno(libc::EINTR)) || left.is_zero() {
            return;
        }
    }
}

/// How many bytes a thread of this process, or without one the whole process, has written to anything so far (`wchar` in
/// proc_pid_io(5)); `None` where the kernel does not count, or may not tell.
pub(crate) fn written(tid: Option<i32>) -> Option<u64> {
    let mut path = crate::text::Text::<64>::new();
    match tid {
        Some(tid) => path.push_fmt(format_args!("/proc/self/task/{tid}/io")),
        None => path.push_fmt(format_args!("/proc/self/io")),
    }
    let mut buffer = [0; 512];
    let text = super::fd::read_into(path.as_c_str(), &mut buffer).ok()?;
    let mut lines = text.split(|&byte| byte == b'\n');
    let value = lines.find_map(|line| line.strip_prefix(b"wchar:"))?;
    core::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// The kernel's version, major and minor; `(0, 0)` where it cannot be read (uname(2)).
pub(crate) fn kernel() -> (u32, u32) {
    // SAFETY: all bits of the structure are valid.
    let mut names: libc::utsname = unsafe { core::mem::zeroed() };
    // SAFETY: the kernel fills the structure.
    let _ = unsafe { call(libc::SYS_uname, [core::ptr::from_mut(&mut names) as usize]) };
    let mut numbers = names.release.split(|&byte| !(byte as u8).is_ascii_digit()).map(|digits| {
        digits.iter().fold(0u32, |number, &digit| number.wrapping_mul(10).wrapping_add(u32::from(digit as u8 - b'0')))
    });
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// Whether the program runs with the privileges of another user (setuid, setgid, capabilities: AT_SECURE in getauxval(3)).
pub(crate) fn secure() -> bool {
    // SAFETY: reads a value that the loader has stored; takes no lock.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Where the program itself begins (AT_ENTRY in getauxval(3)): an address in its module.
pub(crate) fn program_entry() -> u64 {
    // SAFETY: reads a value that the loader has stored; takes no lock.
    unsafe { libc::getauxval(libc::AT_ENTRY) }
}

/// The version of the C library, such as `2.41`.
pub(crate) fn libc_version() -> &'static str {
    // SAFETY: returns the address of a constant string of the library; takes no lock and allocates nothing.
    let version = unsafe { core::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
    version.to_str().unwrap_or("of unknown version")
}

/// Sends signal `signal` to thread `tid` of this process.
pub(crate) fn signal_thread(tid: i32, signal: i32) -> Result<()> {
    // SAFETY: numbers only.
    unsafe { call(libc::SYS_tgkill, [pid() as usize, tid as usize, signal as usize]) }.map(drop)
}

/// Sends signal `signal` to thread `tid` of this process, as sigqueue(3) does: its handler can tell it from one that others send by kill(2).
pub(crate) fn queue_to_thread(tid: i32, signal: i32) -> Result<()> {
    /// siginfo_t as the kernel reads it for SI_QUEUE: signo, errno, code, padding, pid, uid, value, rest.
    #[repr(C)]
    struct Info {
        signo: i32,
        errno: i32,
        code: i32,
        pad: i32,
        pid: i32,
        uid: u32,
        value: u64,
        rest: [u64; 12],
    }
    let info =
        Info { signo: signal, errno: 0, code: SI_QUEUE, pad: 0, pid: pid(), uid: euid(), value: 0, rest: [0; 12] };
    const { assert!(size_of::<Info>() == 128) };
    // SAFETY: the kernel copies the 128 bytes of the structure (rt_tgsigqueueinfo(2)).
    unsafe {
        call(
            libc::SYS_rt_tgsigqueueinfo,
            [pid() as usize, tid as usize, signal as usize, core::ptr::from_ref(&info) as usize],
        )
    }
    .map(drop)
}

/// Sends `signal` to the calling thread with what the kernel has said of an earlier one: the same in every respect
/// (rt_tgsigqueueinfo(2) lets a process say anything to itself).
pub(crate) fn raise_again(signal: i32, info: &libc::siginfo_t) -> Result<()> {
    // SAFETY: the kernel copies the structure.
    unsafe {
        call(
            libc::SYS_rt_tgsigqueueinfo,
            [pid() as usize, tid() as usize, signal as usize, core::ptr::from_ref(info) as usize],
        )
    }
    .map(drop)
}

/// Sends `signal` to the process, from who has sent it before. The kernel lets only the first thread say that it was sent by kill(2), so
/// it is sigqueue(3) by whose hand it comes.
pub(crate) fn send_again(signal: i32, info: &libc::siginfo_t) -> Result<()> {
    let info = as_queued(info);
    // SAFETY: the kernel copies the structure.
    unsafe { call(libc::SYS_rt_sigqueueinfo, [pid() as usize, signal as usize, core::ptr::from_ref(&info) as usize]) }
        .map(drop)
}

/// As [`send_again`], to thread `tid` alone.
pub(crate) fn send_on(tid: i32, signal: i32, info: &libc::siginfo_t) -> Result<()> {
    let info = as_queued(info);
    // SAFETY: the kernel copies the structure.
    unsafe {
        call(
            libc::SYS_rt_tgsigqueueinfo,
            [pid() as usize, tid as usize, signal as usize, core::ptr::from_ref(&info) as usize],
        )
    }
    .map(drop)
}

/// The same, said as a thread may say it to others.
fn as_queued(info: &libc::siginfo_t) -> libc::siginfo_t {
    let mut info = *info;
    if info.si_code >= 0 || info.si_code == libc::SI_TKILL {
        info.si_code = SI_QUEUE;
    }
    info
}

/// What sigqueue(3) says (sigaction(2)).
const SI_QUEUE: i32 = -1;

/// Whether thread `tid` of this process exists; one that has just ended may stay for a moment.
pub(crate) fn has_thread(tid: i32) -> bool {
    // SAFETY: numbers only; signal 0 is never sent.
    let answer = unsafe { call(libc::SYS_tgkill, [pid() as usize, tid as usize, 0]) };
    answer != Err(super::Errno(libc::ESRCH))
}

/// Makes a system call of the setuid(2) family in the calling thread alone, as the host has made it. Any other number is an
/// error.
pub(crate) fn follow(number: i64, arguments: [usize; 3]) -> Result<()> {
    const FAMILY: [i64; 7] = [
        libc::SYS_setuid,
        libc::SYS_setgid,
        libc::SYS_setreuid,
        libc::SYS_setregid,
        libc::SYS_setresuid,
        libc::SYS_setresgid,
        libc::SYS_setgroups,
    ];
    if !FAMILY.contains(&number) {
        return Err(super::Errno(libc::EINVAL));
    }
    // SAFETY: numbers; the list of setgroups(2) is read by the kernel, which checks the address.
    unsafe { call(number, arguments) }.map(drop)
}

/// The supplementary groups of the calling thread; how many there are (getgroups(2)).
pub(crate) fn groups(list: &mut [u32]) -> usize {
    // SAFETY: the kernel fills at most the length that is given.
    unsafe { call(libc::SYS_getgroups, [list.len(), list.as_mut_ptr() as usize]) }.unwrap_or(0)
}
