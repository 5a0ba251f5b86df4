//! System calls behind safe wrappers. The only room that makes them.
//!
//! Context: any thread of the agent; the functions that a signal handler or a fork child may call say so. Every call is
//! the bare instruction: no errno, no thread-local storage, no cancellation point, and no function of libc that the host
//! or another preloaded library may have interposed. The exceptions are named: creating a thread is glibc's business.
#![allow(unsafe_code)]

#[cfg_attr(target_arch = "x86_64", path = "sys/x86_64.rs")]
pub(crate) mod arch;
pub(crate) mod at_start;
pub(crate) mod bell;
pub(crate) mod directory;
pub(crate) mod fd;
pub(crate) mod host_fd;
pub(crate) mod libc_thread;
pub(crate) mod lock;
pub(crate) mod made;
pub(crate) mod mapping;
pub(crate) mod next;
pub(crate) mod own_image;
pub(crate) mod own_memory;
pub(crate) mod proc_root;
pub(crate) mod process;
pub(crate) mod replaced;
pub(crate) mod signal;
pub(crate) mod sock_fprog;
pub(crate) mod socket;
pub(crate) mod stdio;
pub(crate) mod thread;
pub(crate) mod timer;

use core::fmt;

/// An error number of the kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

impl Errno {
    /// The name and meaning of the common ones (errno(3)); others are shown as numbers.
    pub(crate) fn text(self) -> Option<&'static str> {
        Some(match self.0 {
            libc::EPERM => "EPERM: operation not permitted",
            libc::ENOENT => "ENOENT: no such file or directory",
            libc::ESRCH => "ESRCH: no such process or thread",
            libc::EINTR => "EINTR: interrupted",
            libc::EIO => "EIO: input or output error",
            libc::EBADF => "EBADF: bad file descriptor",
            libc::EAGAIN => "EAGAIN: try again, or a limit is reached",
            libc::ENOMEM => "ENOMEM: out of memory",
            libc::EACCES => "EACCES: permission denied",
            libc::EFAULT => "EFAULT: bad address",
            libc::EEXIST => "EEXIST: exists already",
            libc::ENOTDIR => "ENOTDIR: not a directory",
            libc::EISDIR => "EISDIR: is a directory",
            libc::EINVAL => "EINVAL: invalid argument",
            libc::ENFILE => "ENFILE: too many open files in the system",
            libc::EMFILE => "EMFILE: too many open files in the process",
            libc::ENOSPC => "ENOSPC: no space left on the device",
            libc::EROFS => "EROFS: read-only file system",
            libc::EPIPE => "EPIPE: the other end is closed",
            libc::ENAMETOOLONG => "ENAMETOOLONG: name too long",
            libc::ENOSYS => "ENOSYS: the kernel lacks the call",
            libc::ELOOP => "ELOOP: too many symbolic links",
            libc::EADDRINUSE => "EADDRINUSE: the path exists",
            libc::ECONNRESET => "ECONNRESET: the other end is gone",
            libc::ECONNREFUSED => "ECONNREFUSED: nobody listens",
            _ => return None,
        })
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            Some(text) => f.write_str(text),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a system call gives.
pub(crate) type Result<T> = core::result::Result<T, Errno>;

/// Turns the kernel's answer into a result.
fn checked(answer: isize) -> Result<usize> {
    if (-4095..0).contains(&answer) { Err(Errno(-answer as i32)) } else { Ok(answer as usize) }
}

/// Makes a system call with up to six arguments.
///
/// # Safety
/// As [`arch::syscall`].
#[inline(always)]
unsafe fn call<const N: usize>(nr: libc::c_long, args: [usize; N]) -> Result<usize> {
    let mut all = [0usize; 6];
    for (slot, value) in all.iter_mut().zip(args) {
        *slot = value;
    }
    // SAFETY: passed on to our caller.
    checked(unsafe { arch::syscall(nr, all) })
}
