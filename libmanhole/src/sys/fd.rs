//! File descriptors that close themselves, and what is done with them.
//!
//! Context: agent threads; constructor; fork child. The agent's thread has a descriptor table of its own
//! ([`make_table_private`]), so these numbers mean nothing to the host and the host's close loops do not reach them.

use core::ffi::CStr;
use core::time::Duration;

use super::signal::{self, Set};
use super::{Errno, Result, at_start, call, proc_root, socket, thread};

/// An open descriptor of the calling thread's table; closed when dropped.
#[derive(Debug)]
pub(crate) struct Fd {
    number: i32,
}

impl Fd {
    /// Takes over a descriptor that the kernel has just given.
    pub(super) fn from_kernel(fd: usize) -> Fd {
        Fd { number: fd as i32 }
    }

    /// The number.
    pub(crate) fn number(&self) -> i32 {
        self.number
    }

    /// Takes over descriptor `number` of the calling thread's own table. The caller knows that nobody else closes it.
    pub(crate) fn adopt(number: i32) -> Fd {
        Fd { number }
    }

    /// Gives up the ownership: the descriptor stays open.
    pub(crate) fn into_number(self) -> i32 {
        core::mem::ManuallyDrop::new(self).number
    }

    /// Opens `path` with `flags` and `O_CLOEXEC`.
    pub(crate) fn open(path: &CStr, flags: i32) -> Result<Fd> {
        open_path(path, flags)
    }

    /// Reads once; 0 is the end.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        retrying(|| {
            // SAFETY: the buffer is ours for the length that is given.
            unsafe { call(libc::SYS_read, [self.number as usize, buffer.as_mut_ptr() as usize, buffer.len()]) }
        })
    }

    /// Reads once at `offset`.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        retrying(|| {
            // SAFETY: as in `read`.
            unsafe {
                call(
                    libc::SYS_pread64,
                    [self.number as usize, buffer.as_mut_ptr() as usize, buffer.len(), offset as usize],
                )
            }
        })
    }

    /// Writes once at `offset`.
    pub(crate) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<usize> {
        retrying(|| {
            // SAFETY: as in `write`.
            unsafe {
                call(libc::SYS_pwrite64, [self.number as usize, bytes.as_ptr() as usize, bytes.len(), offset as usize])
            }
        })
    }

    /// Reads at `offset` until the buffer is full or the file ends; returns how much there was.
    pub(crate) fn read_at_fully(&self, mut buffer: &mut [u8], mut offset: u64) -> Result<usize> {
        let mut total = 0;
        while !buffer.is_empty() {
            let n = self.read_at(buffer, offset)?;
            if n == 0 {
                break;
            }
            total += n;
            offset = offset.wrapping_add(n as u64);
            buffer = buffer.get_mut(n..).unwrap_or_default();
        }
        Ok(total)
    }

    /// Type, mode, size and identity.
    pub(crate) fn stat(&self) -> Result<Stat> {
        stat_of(self.number)
    }

    /// Gives the file to user `uid`; the descriptor may be one of O_PATH (fchownat(2)).
    pub(crate) fn set_owner(&self, uid: u32) -> Result<()> {
        let (unchanged, flags) = (u32::MAX as usize, libc::AT_EMPTY_PATH as usize);
        // SAFETY: the path is an empty C string.
        unsafe {
            call(libc::SYS_fchownat, [self.number as usize, c"".as_ptr() as usize, uid as usize, unchanged, flags])
        }
        .map(drop)
    }

    /// Changes the mode of the file.
    pub(crate) fn set_mode(&self, mode: u32) -> Result<()> {
        // SAFETY: numbers only.
        unsafe { call(libc::SYS_fchmod, [self.number as usize, mode as usize]) }.map(drop)
    }
}

/// Another descriptor for what `fd` stands for, with the first free number from `lowest` on, closed on exec (fcntl(2)).
pub(crate) fn duplicate_from(fd: i32, lowest: i32) -> Result<Fd> {
    control(fd, libc::F_DUPFD_CLOEXEC, lowest as usize).map(Fd::from_kernel)
}

/// fcntl(2) with a plain argument.
pub(super) fn control(fd: i32, command: i32, argument: usize) -> Result<usize> {
    // SAFETY: the commands used here take numbers, or the address of a structure that outlives the call.
    unsafe { call(libc::SYS_fcntl, [fd as usize, command as usize, argument]) }
}

/// How often a place is tried that another thread's open(2) has just taken and not filled yet.
const TRIES: usize = 1000;

/// Puts what `from` stands for in the place of `to`, in one step (dup3(2)).
pub(crate) fn replace(from: i32, to: i32, closed_on_exec: bool) -> Result<()> {
    let flags = if closed_on_exec { libc::O_CLOEXEC } else { 0 };
    let mut result = Err(Errno(libc::EBUSY));
    for _ in 0..TRIES {
        // SAFETY: numbers only; the caller owns both places.
        result = retrying(|| unsafe { call(libc::SYS_dup3, [from as usize, to as usize, flags as usize]) }).map(drop);
        if result != Err(Errno(libc::EBUSY)) {
            break;
        }
        thread::give_way();
    }
    result
}

/// Whether descriptor `fd` is closed on exec.
pub(crate) fn is_closed_on_exec(fd: i32) -> Result<bool> {
    control(fd, libc::F_GETFD, 0).map(|flags| flags & libc::FD_CLOEXEC as usize != 0)
}

/// The flags that the open file behind `fd` has (fcntl(2), F_GETFL).
pub(crate) fn status_flags(fd: i32) -> Result<i32> {
    control(fd, libc::F_GETFL, 0).map(|flags| flags as i32)
}

/// A pipe, its reading end first, neither end waiting, with room for `size` bytes where the user's limit allows it.
pub(crate) fn pipe(size: usize) -> Result<(Fd, Fd)> {
    let mut ends = [0i32; 2];
    let flags = libc::O_CLOEXEC | libc::O_NONBLOCK;
    // SAFETY: the kernel fills the array.
    unsafe { call(libc::SYS_pipe2, [ends.as_mut_ptr() as usize, flags as usize]) }?;
    let [reader, writer] = ends.map(|end| Fd { number: end });
    let _ = control(reader.number, libc::F_SETPIPE_SZ, size);
    Ok((reader, writer))
}

/// How many bytes wait in the pipe whose reading end this is.
pub(crate) fn unread(reader: &Fd) -> Result<usize> {
    unread_of(reader.number)
}

/// How many bytes wait in the pipe of which descriptor `number` of the calling thread's table is an end (ioctl(2), FIONREAD).
pub(crate) fn unread_of(number: i32) -> Result<usize> {
    let mut count = 0i32;
    let arguments = [number as usize, libc::FIONREAD as usize, core::ptr::from_mut(&mut count) as usize];
    // SAFETY: the kernel fills the number.
    unsafe { call(libc::SYS_ioctl, arguments) }?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// The kind of namespace that descriptor `number` of the calling thread's table stands for, as clone(2) calls it (ioctl_ns(2), NS_GET_NSTYPE).
pub(crate) fn namespace_of(number: i32) -> Result<i32> {
    const NS_GET_NSTYPE: usize = 0xb703;
    // SAFETY: numbers only.
    unsafe { call(libc::SYS_ioctl, [number as usize, NS_GET_NSTYPE]) }.map(|kind| kind as i32)
}

impl Drop for Fd {
    #[cold]
    fn drop(&mut self) {
        // SAFETY: the number is ours and is not used again. An error of close leaves nothing to do.
        let _ = unsafe { call(libc::SYS_close, [self.number as usize]) };
    }
}

/// Writes to descriptor `fd` of the calling thread's table if it takes something within `patience`, and so that a pipe
/// whose reader has gone, or a limit on file sizes, raises no signal in the calling thread, which may be the host's.
pub(crate) fn write_without_harm(fd: i32, bytes: &[u8], patience: Duration) -> Result<usize> {
    let mut waited = [socket::Waited { fd, events: libc::POLLOUT, revents: 0 }];
    socket::poll(&mut waited, Some(patience))?;
    match waited {
        [socket::Waited { revents: libc::POLLOUT, .. }] => {}
        _ => return Err(Errno(libc::EAGAIN)),
    }
    write_without_signal(fd, bytes)
}

/// write(2), which raises no signal when the reader has gone or a limit on file sizes is reached.
pub(crate) fn write_without_signal(fd: i32, bytes: &[u8]) -> Result<usize> {
    signal::without(Set::of(&[libc::SIGPIPE, libc::SIGXFSZ]), || {
        retrying(|| {
            // SAFETY: the kernel reads the bytes.
            unsafe { call(libc::SYS_write, [fd as usize, bytes.as_ptr() as usize, bytes.len()]) }
        })
    })
}

/// What stat(2) tells of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// Device and inode: the identity.
    pub(crate) identity: (u64, u64),
    /// Type and permission bits.
    pub(crate) mode: u32,
    /// How many names it has; a directory of `/proc`: two more than the directories in it.
    pub(crate) links: u64,
    /// Owner.
    pub(crate) uid: u32,
    /// Size in bytes.
    pub(crate) size: u64,
    /// When its content was last changed, since 1970.
    pub(crate) modified: Duration,
}

impl Stat {
    /// Whether the file is a socket.
    pub(crate) fn is_socket(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFSOCK
    }

    /// Whether the file is a regular one.
    pub(crate) fn is_regular(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }
}

/// What descriptor `number` of the calling thread's table stands for.
pub(crate) fn stat_of(number: i32) -> Result<Stat> {
    stat_at(number, at_start::NOTHING, libc::AT_EMPTY_PATH)
}

/// What stands at `path`; a symbolic link is not followed.
pub(crate) fn stat_link(path: &CStr) -> Result<Stat> {
    stat_at(libc::AT_FDCWD, path, libc::AT_SYMLINK_NOFOLLOW)
}

/// What stands at `path`, or at the end of the links there.
pub(crate) fn stat_target(path: &CStr) -> Result<Stat> {
    stat_at(libc::AT_FDCWD, path, 0)
}

#[cold]
fn stat_at(directory: i32, path: &CStr, flags: i32) -> Result<Stat> {
    let (directory, path) = if directory == libc::AT_FDCWD { proc_root::place_of(path) } else { (directory, path) };
    let mut raw = core::mem::MaybeUninit::<libc::stat>::zeroed();
    let mut look = || {
        let arguments = [directory as usize, path.as_ptr() as usize, raw.as_mut_ptr() as usize, flags as usize];
        // SAFETY: the kernel fills the structure; struct stat of x86_64's libc is the kernel's.
        unsafe { call(libc::SYS_newfstatat, arguments) }
    };
    // Who asks takes a failure for "not what it was"; want of memory for a moment is not that.
    match look() {
        Err(Errno(libc::ENOMEM)) => look(),
        done => done,
    }?;
    // SAFETY: all bits of the structure are valid, and it was zeroed before.
    let raw = unsafe { raw.assume_init() };
    Ok(Stat {
        identity: (raw.st_dev, raw.st_ino),
        mode: raw.st_mode,
        links: raw.st_nlink,
        uid: raw.st_uid,
        size: raw.st_size.unsigned_abs(),
        modified: Duration::new(raw.st_mtime.unsigned_abs(), raw.st_mtime_nsec.unsigned_abs() as u32),
    })
}

/// Removes the name `path`.
pub(crate) fn unlink(path: &CStr) -> Result<()> {
    // SAFETY: the path is a C string.
    unsafe { call(libc::SYS_unlink, [path.as_ptr() as usize]) }.map(drop)
}

/// The target of a symbolic link, such as those below `/proc/self/fd`, into `buffer`.
pub(crate) fn read_link<'a>(path: &CStr, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
    let (directory, path) = proc_root::place_of(path);
    let (place, room) = (path.as_ptr() as usize, buffer.as_mut_ptr() as usize);
    // SAFETY: the buffer is ours for the length that is given.
    let n = unsafe { call(libc::SYS_readlinkat, [directory as usize, place, room, buffer.len()]) }?;
    Ok(buffer.get(..n).unwrap_or_default())
}

/// The flag of close_range(2) that makes a table of the thread's own before it closes anything (linux/close_range.h).
const CLOSE_RANGE_UNSHARE: usize = 2;

/// Gives the calling thread a descriptor table of its own with nothing in it but descriptor `kept` of the host's, if any.
///
/// close_range(2) with `CLOSE_RANGE_UNSHARE` copies none of the host's descriptors (but, before Linux 6.12, those that `kept`
/// needs for a moment), so no pipe of the host is held open (Linux 5.9). Older kernels copy the table and then close the
/// copies. Where neither is allowed there is no place for our descriptors that is safe from the host, nor for the host's
/// from us.
pub(crate) fn make_table_private(kept: Option<i32>) -> Result<()> {
    let close_range = |first: usize, last: usize| {
        // SAFETY: closes only descriptors of the calling thread's own table, which the flag makes first.
        unsafe { call(libc::SYS_close_range, [first, last, CLOSE_RANGE_UNSHARE]) }
    };
    let done = match kept.map(|kept| kept as usize) {
        None | Some(0) => close_range(0, u32::MAX as usize),
        Some(kept) => close_range(0, kept - 1).and_then(|_| close_range(kept + 1, u32::MAX as usize)),
    };
    match done {
        Ok(_) => Ok(()),
        // SAFETY: numbers only.
        Err(_) => match unsafe { call(libc::SYS_unshare, [libc::CLONE_FILES as usize]) } {
            Ok(_) => close_all_but(kept),
            Err(error) => Err(error),
        },
    }
}

/// Closes everything in the agent's own table: its clients see the end. For a thread that will do nothing any more.
pub(crate) fn abandon() {
    // SAFETY: should the table be the host's still, the kernel makes a new one first and leaves the host's alone.
    let _ = unsafe { call(libc::SYS_close_range, [0, u32::MAX as usize, CLOSE_RANGE_UNSHARE]) };
}

/// Closes what the calling thread's table holds, but `kept`.
fn close_all_but(kept: Option<i32>) -> Result<()> {
    let listing = super::directory::numbers(c"/proc/thread-self/fd")?;
    for fd in listing.into_iter().filter(|&fd| Some(fd) != kept) {
        drop(Fd::from_kernel(fd as usize));
    }
    Ok(())
}

fn open_path(path: &CStr, flags: i32) -> Result<Fd> {
    let flags = flags | libc::O_CLOEXEC | libc::O_NOCTTY;
    let (directory, path) = proc_root::place_of(path);
    retrying(|| {
        // SAFETY: the path is a C string.
        unsafe { call(libc::SYS_openat, [directory as usize, path.as_ptr() as usize, flags as usize, 0o600]) }
    })
    .map(Fd::from_kernel)
}

/// Repeats what a signal has interrupted. Our threads block signals, but a constructor runs on the host's thread.
pub(super) fn retrying(mut act: impl FnMut() -> Result<usize>) -> Result<usize> {
    loop {
        match act() {
            Err(Errno(libc::EINTR)) => {}
            other => return other,
        }
    }
}

/// The whole content of a file whose size is not known beforehand, such as those of `/proc`; at most `limit` bytes.
pub(crate) fn read_file(path: &CStr, limit: usize) -> Result<Vec<u8>> {
    let file = Fd::open(path, libc::O_RDONLY)?;
    let mut content = Vec::new();
    let mut piece = [0u8; 4096];
    while content.len() < limit {
        let n = file.read(&mut piece)?;
        if n == 0 {
            break;
        }
        content.extend_from_slice(piece.get(..n).unwrap_or_default());
    }
    Ok(content)
}

/// The content of such a file as far as `buffer` has room for it; nothing is allocated.
pub(crate) fn read_into<'a>(path: &CStr, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
    let file = Fd::open(path, libc::O_RDONLY)?;
    let mut length = 0;
    while let Some(room) = buffer.get_mut(length..).filter(|room| !room.is_empty()) {
        match file.read(room)? {
            0 => break,
            n => length += n,
        }
    }
    Ok(buffer.get(..length).unwrap_or_default())
}
