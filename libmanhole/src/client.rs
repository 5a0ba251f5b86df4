//! One client's connection: bytes in, lines, bytes out. Nothing here waits.
//!
//! Context: the agent's thread. A client that floods, stalls or vanishes costs bounded memory and no time.

use core::cell::{Cell, RefCell};
use core::time::Duration;

use serde_json::Value;

use crate::sys::fd::Fd;
use crate::sys::socket::{self, Peer};
use crate::sys::{self, Errno, process};
use crate::wire;

/// The longest line that is accepted, in bytes.
const LINE: usize = 1 << 20;

/// Input that waits to be answered; when there is more, the client's writes wait.
const INPUT: usize = 2 * LINE;

/// A line of input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Without its newline.
    Whole(Vec<u8>),
    /// Longer than [`LINE`]; it is thrown away up to its newline.
    TooLong,
}

/// A connected client.
pub(crate) struct Client {
    fd: Fd,
    peer: Peer,
    /// Whether it speaks the structured mode.
    structured: bool,
    /// What was received and not yet taken as lines. Behind cells: a running command looks for an interrupt here.
    input: RefCell<Vec<u8>>,
    input_ended: Cell<bool>,
    /// Inside a line that is too long.
    discarding: bool,
    output: Vec<u8>,
    sent: usize,
    /// When the client last took something, or had nothing to take.
    progress: Duration,
    gone: Cell<bool>,
}

impl Client {
    /// Takes over an accepted connection.
    pub(crate) fn new(fd: Fd, peer: Peer) -> sys::Result<Client> {
        let structured = socket::peer_name(&fd)?.starts_with(wire::CLIENT_NAME);
        Ok(Client {
            fd: fd.lasting()?,
            peer,
            structured,
            input: RefCell::default(),
            input_ended: Cell::new(false),
            discarding: false,
            output: Vec::new(),
            sent: 0,
            progress: process::monotonic(),
            gone: Cell::new(false),
        })
    }

    pub(crate) fn peer(&self) -> Peer {
        self.peer
    }

    pub(crate) fn is_structured(&self) -> bool {
        self.structured
    }

    /// What to wait for.
    pub(crate) fn waited(&self) -> socket::Waited {
        let mut events = 0;
        if !self.input_ended.get() && self.input.borrow().len() < INPUT {
            events |= libc::POLLIN;
        }
        if self.has_output() {
            events |= libc::POLLOUT;
        }
        socket::Waited { fd: self.fd.number(), events, revents: 0 }
    }

    /// Deals with what the wait has found.
    pub(crate) fn ready(&mut self, events: i16) {
        if !self.fd.is_ours() {
            self.gone.set(true);
            return;
        }
        if events & libc::POLLIN != 0 {
            self.receive();
        }
        if events & libc::POLLOUT != 0 {
            self.flush();
        }
        if events & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0 {
            self.gone.set(true);
        }
    }

    /// Whether nobody is at the other end any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.get()
    }

    /// Whether everything that came was taken, and nothing will come.
    pub(crate) fn input_is_over(&self) -> bool {
        self.input_ended.get() && self.input.borrow().is_empty()
    }

    /// Whether something waits to be taken by the client.
    pub(crate) fn has_output(&self) -> bool {
        self.sent < self.output.len()
    }

    /// For how long the client has not taken what waits for it.
    pub(crate) fn stalled_for(&self) -> Duration {
        if self.has_output() { process::monotonic().saturating_sub(self.progress) } else { Duration::ZERO }
    }

    /// Appends to what the client is sent, and sends what fits.
    pub(crate) fn say(&mut self, text: &str) {
        if !self.has_output() {
            self.output.clear();
            self.sent = 0;
            self.progress = process::monotonic();
        }
        self.output.extend_from_slice(text.as_bytes());
        self.flush();
    }

    /// Sends a line of the structured mode.
    pub(crate) fn reply(&mut self, value: &Value) {
        let mut line = value.to_string();
        line.push('\n');
        self.say(&line);
    }

    /// Takes the next line; at the end of input, what stands there without a newline counts as one.
    pub(crate) fn next_line(&mut self) -> Option<Line> {
        let mut input = self.input.borrow_mut();
        let newline = input.iter().position(|&byte| byte == b'\n');
        let (line, taken) = match newline {
            Some(at) => (input.get(..at)?.to_vec(), at + 1),
            None if self.input_ended.get() && !input.is_empty() => (input.clone(), input.len()),
            None if input.len() > LINE => {
                input.clear();
                return (!core::mem::replace(&mut self.discarding, true)).then_some(Line::TooLong);
            }
            None => return None,
        };
        input.drain(..taken);
        if core::mem::take(&mut self.discarding) {
            drop(input);
            return self.next_line();
        }
        Some(if line.len() > LINE { Line::TooLong } else { Line::Whole(line) })
    }

    /// Asked by a running command: whether the client wants the request with this id stopped, or is gone.
    pub(crate) fn interrupts(&self, id: &Value) -> bool {
        self.receive();
        let mut input = self.input.borrow_mut();
        let mut start = 0;
        while let Some(len) = input.get(start..).and_then(|rest| rest.iter().position(|&byte| byte == b'\n')) {
            let request = input.get(start..start + len).map(wire::parse);
            if self.structured && request == Some(Ok(wire::Request::Interrupt { id: id.clone() })) {
                input.drain(start..=start + len);
                return true;
            }
            start += len + 1;
        }
        self.gone.get()
    }

    /// Takes a request for the greeting out of the input, if the first line is one; gives its id.
    pub(crate) fn take_greet(&mut self) -> Option<Value> {
        let mut input = self.input.borrow_mut();
        let end = input.iter().position(|&byte| byte == b'\n')?;
        match wire::parse(input.get(..end)?) {
            Ok(wire::Request::Greet { id }) => {
                input.drain(..=end);
                Some(id)
            }
            _ => None,
        }
    }

    /// Sends what fits, and tells the client that no more will come.
    pub(crate) fn finish(&mut self) {
        self.flush();
        socket::shut_down_sending(&self.fd);
    }

    fn receive(&self) {
        let mut input = self.input.borrow_mut();
        let mut piece = [0u8; 4096];
        while input.len() < INPUT {
            match socket::receive(&self.fd, &mut piece) {
                Ok(0) => {
                    self.input_ended.set(true);
                    return;
                }
                Ok(n) => input.extend_from_slice(piece.get(..n).unwrap_or_default()),
                Err(Errno(libc::EAGAIN)) => return,
                Err(Errno(libc::EINTR)) => {}
                Err(_) => {
                    self.input_ended.set(true);
                    self.gone.set(true);
                    return;
                }
            }
        }
    }

    fn flush(&mut self) {
        while let Some(rest) = self.output.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match socket::send(&self.fd, rest) {
                Ok(n) => {
                    self.sent += n;
                    self.progress = process::monotonic();
                }
                Err(Errno(libc::EINTR)) => {}
                Err(Errno(libc::EAGAIN)) => return,
                Err(_) => {
                    self.gone.set(true);
                    return;
                }
            }
        }
        self.output = Vec::new();
        self.sent = 0;
    }
}
