//! How the agent's thread hears a signal that it blocks, among the descriptors that it waits for.
//!
//! Context: the agent's thread.
//!
//! A signal descriptor is readable for as long as such a signal waits, also one that was sent to the whole process and is the
//! host's. Behind an edge-triggered epoll(7) it wakes once for each that is sent, and what is the host's is left to it.

use super::fd::Fd;
use super::{Result, call, signal::Set};

/// Readable when one of the signals was sent.
pub(crate) struct Bell {
    signals: Fd,
    edges: Fd,
}

impl Bell {
    pub(crate) fn new(signals: Set) -> Result<Bell> {
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: the kernel reads the set.
        let signals = Fd::from_kernel(unsafe {
            call(libc::SYS_signalfd4, [usize::MAX, core::ptr::from_ref(&signals) as usize, 8, flags as usize])
        }?);
        // SAFETY: numbers only.
        let edges = Fd::from_kernel(unsafe { call(libc::SYS_epoll_create1, [libc::EPOLL_CLOEXEC as usize]) }?);
        let event = libc::epoll_event { events: (libc::EPOLLIN | libc::EPOLLET) as u32, u64: 0 };
        // SAFETY: the kernel reads the event.
        unsafe {
            call(
                libc::SYS_epoll_ctl,
                [
                    edges.number() as usize,
                    libc::EPOLL_CTL_ADD as usize,
                    signals.number() as usize,
                    core::ptr::from_ref(&event) as usize,
                ],
            )
        }?;
        Ok(Bell { signals, edges })
    }

    /// The descriptor to wait on.
    pub(crate) fn fd(&self) -> &Fd {
        &self.edges
    }

    /// Notes what has woken us, so that it wakes no more.
    pub(crate) fn hear(&self) {
        let mut event = libc::epoll_event { events: 0, u64: 0 };
        // SAFETY: the kernel fills one event.
        let _ = unsafe {
            call(libc::SYS_epoll_wait, [self.edges.number() as usize, core::ptr::from_mut(&mut event) as usize, 1, 0])
        };
    }

    /// Takes one signal off the queue: those of the thread come first (kernel/signal.c, dequeue_signal).
    pub(crate) fn take_one(&self) {
        let _ = self.signals.read(&mut [0; 128]);
    }
}
