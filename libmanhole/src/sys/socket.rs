//! Unix stream sockets, and poll.
//!
//! Context: the agent's thread. Every send has `MSG_NOSIGNAL`: a client that vanishes never raises SIGPIPE in the host.

use core::ffi::CStr;
use core::time::Duration;

use super::fd::{self, Fd};
use super::{Errno, Result, arch, call, checked, process};

/// Who is at the other end, by the kernel's word (SO_PEERCRED in unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) pid: i32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// How many clients may wait at the door.
pub(crate) const BACKLOG: usize = 16;

/// A non-blocking listening socket, bound to `path` with mode 0600 from the first instant.
///
/// The mode of the socket's inode is set before bind(2) makes the name, so no window and no umask(2) is needed.
#[cold]
pub(crate) fn listen_at(path: &CStr) -> Result<Fd> {
    let flags = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: numbers only.
    let socket = Fd::from_kernel(unsafe { call(libc::SYS_socket, [libc::AF_UNIX as usize, flags as usize, 0]) }?);
    socket.set_mode(0o600)?;
    let (address, len) = address_of(path)?;
    // SAFETY: the address outlives the call.
    unsafe { call(libc::SYS_bind, [socket.number() as usize, core::ptr::from_ref(&address) as usize, len]) }?;
    // SAFETY: numbers only.
    unsafe { call(libc::SYS_listen, [socket.number() as usize, BACKLOG]) }?;
    Ok(socket)
}

/// Lets the kernel send `signal` to the process whenever a connection reaches the listening socket `fd` (F_SETSIG and O_ASYNC
/// in fcntl(2)).
#[cold]
pub(crate) fn call_on_connection(fd: i32, signal: i32) -> Result<()> {
    let owner = [F_OWNER_PID, process::pid()];
    fd::control(fd, F_SETOWN_EX, core::ptr::from_ref(&owner) as usize)?;
    fd::control(fd, F_SETSIG, signal as usize)?;
    set_async(fd, true)
}

/// Goes on with what [`call_no_more`] has ended.
pub(crate) fn call_again(fd: i32) -> Result<()> {
    set_async(fd, true)
}

/// Ends what [`call_on_connection`] has begun.
pub(crate) fn call_no_more(fd: i32) -> Result<()> {
    set_async(fd, false)
}

fn set_async(fd: i32, on: bool) -> Result<()> {
    let flags = libc::O_NONBLOCK | if on { libc::O_ASYNC } else { 0 };
    fd::control(fd, libc::F_SETFL, flags as usize).map(drop)
}

// asm-generic/fcntl.h; the libc crate does not name them.
const F_SETSIG: i32 = 10;
const F_SETOWN_EX: i32 = 15;
const F_OWNER_PID: i32 = 1;

/// Whether a connection waits at the listening socket `fd`; an error when it is no open descriptor.
pub(crate) fn has_connection(fd: i32) -> Result<bool> {
    let mut waited = [Waited { fd, events: libc::POLLIN, revents: 0 }];
    poll(&mut waited, Some(Duration::ZERO))?;
    match waited {
        [Waited { revents, .. }] if revents & libc::POLLNVAL != 0 => Err(Errno(libc::EBADF)),
        [Waited { revents, .. }] => Ok(revents & libc::POLLIN != 0),
    }
}

/// Whether nobody is at the other end of the connection `fd` any more; false without one (-1).
pub(crate) fn has_hung_up(fd: i32) -> bool {
    let mut waited = [Waited { fd, events: 0, revents: 0 }];
    poll(&mut waited, Some(Duration::ZERO)).is_ok_and(|ready| ready > 0)
}

/// Whether `path` is the name of a socket that somebody has; `ECONNREFUSED` when nobody has it any more.
///
/// Who has it hears nothing of the question: a datagram socket is not let in by one of streams, and the kernel finds out who
/// is there before it says so (unix_find_bsd in net/unix/af_unix.c). So a socket that is bound and does not listen yet is somebody's too.
pub(crate) fn answers(path: &CStr) -> Result<()> {
    let flags = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: numbers only.
    let socket = Fd::from_kernel(unsafe { call(libc::SYS_socket, [libc::AF_UNIX as usize, flags as usize, 0]) }?);
    let (address, len) = address_of(path)?;
    // SAFETY: the address outlives the call.
    match unsafe { call(libc::SYS_connect, [socket.number() as usize, core::ptr::from_ref(&address) as usize, len]) } {
        Ok(_) | Err(Errno(libc::EPROTOTYPE)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn address_of(path: &CStr) -> Result<(libc::sockaddr_un, usize)> {
    let mut address = libc::sockaddr_un { sun_family: libc::AF_UNIX as u16, sun_path: [0; 108] };
    let bytes = path.to_bytes();
    if bytes.len() >= address.sun_path.len() {
        return Err(Errno(libc::ENAMETOOLONG));
    }
    for (slot, byte) in address.sun_path.iter_mut().zip(bytes) {
        *slot = *byte as libc::c_char;
    }
    Ok((address, 2 + bytes.len() + 1))
}

/// Takes the next connection at the listening socket `listener`; none waiting is `EAGAIN`.
pub(crate) fn accept(listener: i32) -> Result<Fd> {
    let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: numbers only; no address is asked for.
    unsafe { call(libc::SYS_accept4, [listener as usize, 0, 0, flags as usize]) }.map(Fd::from_kernel)
}

/// The credentials that the peer had when it connected.
pub(crate) fn peer(socket: &Fd) -> Result<Peer> {
    let mut raw = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut len = size_of::<libc::ucred>() as u32;
    // SAFETY: the kernel fills at most the length that is given.
    unsafe {
        call(
            libc::SYS_getsockopt,
            [
                socket.number() as usize,
                libc::SOL_SOCKET as usize,
                libc::SO_PEERCRED as usize,
                core::ptr::from_mut(&mut raw) as usize,
                core::ptr::from_mut(&mut len) as usize,
            ],
        )
    }?;
    Ok(Peer { pid: raw.pid, uid: raw.uid, gid: raw.gid })
}

/// The name that the peer has bound its own socket to; abstract names start with NUL. Empty for a client like `nc`.
pub(crate) fn peer_name(socket: &Fd) -> Result<Vec<u8>> {
    let mut raw = libc::sockaddr_un { sun_family: 0, sun_path: [0; 108] };
    let mut len = size_of::<libc::sockaddr_un>() as u32;
    // SAFETY: the kernel fills at most the length that is given.
    unsafe {
        call(
            libc::SYS_getpeername,
            [socket.number() as usize, core::ptr::from_mut(&mut raw) as usize, core::ptr::from_mut(&mut len) as usize],
        )
    }?;
    let len = (len as usize).saturating_sub(2);
    Ok(raw.sun_path.iter().take(len).map(|&byte| byte as u8).collect())
}

/// Receives what is there; 0 is the end, nothing there is `EAGAIN`.
pub(crate) fn receive(socket: &Fd, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the buffer is ours for the length that is given.
    unsafe {
        call(
            libc::SYS_recvfrom,
            [socket.number() as usize, buffer.as_mut_ptr() as usize, buffer.len(), libc::MSG_DONTWAIT as usize, 0, 0],
        )
    }
}

/// Sends what fits; a full buffer is `EAGAIN`, a vanished peer `EPIPE`.
pub(crate) fn send(socket: &Fd, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the kernel reads the bytes.
    unsafe {
        call(
            libc::SYS_sendto,
            [
                socket.number() as usize,
                bytes.as_ptr() as usize,
                bytes.len(),
                (libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) as usize,
                0,
                0,
            ],
        )
    }
}

/// Lets the listening socket `fd` refuse who comes from now on, whoever else has it. Who waits at it already can still be accepted.
pub(crate) fn refuse(fd: i32) {
    // SAFETY: numbers only.
    let _ = unsafe { call(libc::SYS_shutdown, [fd as usize, libc::SHUT_RDWR as usize]) };
}

/// Ends the sending direction, so that the peer reads everything and then the end.
pub(crate) fn shut_down_sending(socket: &Fd) {
    // SAFETY: numbers only.
    let _ = unsafe { call(libc::SYS_shutdown, [socket.number() as usize, libc::SHUT_WR as usize]) };
}

/// One descriptor to wait for.
pub(crate) type Waited = libc::pollfd;

/// Waits until one of the descriptors is ready or `timeout` has passed (`None`: for ever).
pub(crate) fn poll(waited: &mut [Waited], timeout: Option<Duration>) -> Result<usize> {
    poll_by(waited, timeout, false)
}

/// [`poll`] for long: this library's code takes no memory meanwhile.
pub(crate) fn poll_for_long(waited: &mut [Waited], timeout: Option<Duration>) -> Result<usize> {
    poll_by(waited, timeout, true)
}

#[cold]
fn poll_by(waited: &mut [Waited], timeout: Option<Duration>, is_long: bool) -> Result<usize> {
    let limit = timeout.map(process::timespec);
    let limit_address = limit.as_ref().map_or(0, |limit| core::ptr::from_ref(limit) as usize);
    let (array, count) = (waited.as_mut_ptr() as usize, waited.len());
    // SAFETY: the array and the time outlive the call.
    let result = unsafe {
        match is_long {
            true => checked(arch::call_without_pages(libc::SYS_ppoll, array, count, limit_address, 0, 8)),
            false => call(libc::SYS_ppoll, [array, count, limit_address, 0, 8]),
        }
    };
    match result {
        // More descriptors than the host's limit allows now (RLIMIT_NOFILE); select(2) does not ask for it.
        Err(Errno(libc::EINVAL)) => select(waited, timeout),
        other => other,
    }
}

/// [`poll`] by select(2), for descriptors below 1024.
fn select(waited: &mut [Waited], timeout: Option<Duration>) -> Result<usize> {
    const WORDS: usize = libc::FD_SETSIZE / 64;
    let mut sets = [[0u64; WORDS]; 2];
    let mut end = 0;
    for one in &mut *waited {
        one.revents = 0;
        let Ok(number) = usize::try_from(one.fd) else { continue };
        for (set, events) in sets.iter_mut().zip([libc::POLLIN, libc::POLLOUT]) {
            let word = set.get_mut(number / 64).ok_or(Errno(libc::EINVAL))?;
            *word |= u64::from(one.events & events != 0) << (number % 64);
        }
        end = end.max(number + 1);
    }
    let [read, write] = &mut sets;
    let limit = timeout.map(process::timespec);
    let limit_address = limit.as_ref().map_or(0, |limit| core::ptr::from_ref(limit) as usize);
    let (read_address, write_address) = (read.as_mut_ptr() as usize, write.as_mut_ptr() as usize);
    // SAFETY: the sets and the time outlive the call, and the sets are long enough for each number below `end`.
    unsafe { call(libc::SYS_pselect6, [end, read_address, write_address, 0, limit_address, 0]) }?;
    let mut count = 0;
    for one in waited {
        let Ok(number) = usize::try_from(one.fd) else { continue };
        for (set, events) in sets.iter().zip([libc::POLLIN, libc::POLLOUT]) {
            if set.get(number / 64).is_some_and(|word| word >> (number % 64) & 1 != 0) {
                one.revents |= events;
            }
        }
        count += usize::from(one.revents != 0);
    }
    Ok(count)
}
