//! One pipe in the place of the host's output, and the place where that belongs.
//!
//! Context: the agent's thread. Nothing here waits.

use core::time::Duration;

use super::{PORTION, TURN, Way};
use crate::sys::fd::{self, Fd};
use crate::sys::socket::{self, Waited};
use crate::sys::{Errno, host_fd};

/// One pipe, and what it stands for.
pub(super) struct Stream {
    /// The host's descriptors that lead here.
    pub(super) numbers: Vec<i32>,
    pub(super) reader: Fd,
    pub(super) original: Option<Original>,
    /// What the original has yet to take.
    pub(super) pending: Vec<u8>,
    /// What was read since it was last known whose it is.
    pub(super) undecided: Vec<u8>,
    pub(super) ended: bool,
}

/// Where output belongs.
pub(super) struct Original {
    pub(super) fd: Fd,
    is_socket: bool,
    /// Whether a write of any length returns at once.
    never_waits: bool,
}

impl Original {
    /// A descriptor here for where the host's descriptor `number` leads.
    pub(super) fn of(number: i32) -> Option<Original> {
        let shared = host_fd::share(number).ok();
        // A pipe or a terminal of our own opening does not wait, and the host's keeps its flags.
        let again = |never_waits| {
            let fd = host_fd::reopen(number, libc::O_WRONLY | libc::O_NONBLOCK).ok()?;
            let kind = fd.stat().ok()?.mode & libc::S_IFMT;
            matches!(kind, libc::S_IFIFO | libc::S_IFCHR).then_some(Original { fd, is_socket: false, never_waits })
        };
        let Some(shared) = shared else { return again(true) };
        let stat = shared.stat().ok()?;
        match stat.mode & libc::S_IFMT {
            libc::S_IFIFO | libc::S_IFCHR => {
                again(true).or(Some(Original { fd: shared, is_socket: false, never_waits: false }))
            }
            _ => Some(Original { fd: shared, is_socket: stat.is_socket(), never_waits: stat.is_regular() }),
        }
    }

    /// Writes what it takes at once; an error means that it takes nothing any more.
    fn write(&self, bytes: &[u8]) -> Result<usize, Errno> {
        let mut waited = [Waited { fd: self.fd.number(), events: libc::POLLOUT, revents: 0 }];
        socket::poll(&mut waited, Some(Duration::ZERO))?;
        match waited {
            [Waited { revents: 0, .. }] => return Ok(0),
            [Waited { revents: libc::POLLOUT, .. }] => {}
            _ => return Err(Errno(libc::EPIPE)),
        }
        let piece = if self.never_waits || self.is_socket { PORTION } else { 4096 };
        let piece = bytes.get(..piece).unwrap_or(bytes);
        let result = if self.is_socket {
            socket::send(&self.fd, piece)
        } else {
            fd::write_without_harm(self.fd.number(), piece, Duration::ZERO)
        };
        match result {
            Err(Errno(libc::EAGAIN | libc::EINTR)) => Ok(0),
            other => other,
        }
    }
}

impl Stream {
    /// Writes what the original has yet to take; true when nothing is left.
    pub(super) fn settle(&mut self) -> bool {
        while !self.pending.is_empty() {
            match self.original.as_ref().map(|original| original.write(&self.pending)) {
                Some(Ok(0)) => return false,
                Some(Ok(count)) => drop(self.pending.drain(..count)),
                None | Some(Err(_)) => {
                    self.original = None;
                    self.pending = Vec::new();
                }
            }
        }
        true
    }

    /// Reads what is there for the client at the socket `client`, at most one turn of it; true when there may be more.
    pub(super) fn read(&mut self, way: Way, client: i32, mut take: impl FnMut(&[u8])) -> bool {
        let mut bytes = [0; PORTION];
        let mut total = 0;
        while self.settle() && !self.ended {
            match self.reader.read(&mut bytes) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    let bytes = bytes.get(..count).unwrap_or_default();
                    take(bytes);
                    match way {
                        _ if self.original.is_none() => {}
                        // After the read: what was written before the client has gone is the client's.
                        Way::Client if !socket::has_hung_up(client) => {}
                        Way::Client | Way::Both => self.pending.extend_from_slice(bytes),
                        Way::Line => self.undecided.extend_from_slice(bytes),
                    }
                    total += count;
                    if total >= TURN {
                        self.settle();
                        return self.pending.is_empty();
                    }
                }
                Err(_) => return false,
            }
        }
        false
    }

    /// It is known whose what was read is: with `is_for_original` it goes where it belongs as well.
    pub(super) fn decide(&mut self, is_for_original: bool) {
        let undecided = core::mem::take(&mut self.undecided);
        if is_for_original && self.original.is_some() {
            self.pending.extend(undecided);
            self.settle();
        }
    }
}
