//! One client's connection: bytes in, lines, bytes out. Nothing here waits.
//!
//! Context: the agent's thread. A client that floods, stalls or vanishes costs bounded memory and no time.

use core::cell::{Cell, RefCell};
use core::time::Duration;

use serde_json::Value;

use crate::sys::fd::Fd;
use crate::sys::socket::{self, Peer};
use crate::sys::{self, Errno, process};
use crate::{log, redirect, state, wire};

/// The longest line that is accepted, in bytes.
const LINE: usize = 1 << 20;

/// Input that waits to be answered; when there is more, the client's writes wait.
const INPUT: usize = 2 * LINE;

/// What was taken is kept until it is this much, in bytes.
const COMPACT: usize = 64 * 1024;

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
    /// Whether it only wants the hello.
    probe: bool,
    /// Whether nothing at all is sent to it: its lines are run, and it does not listen.
    silent: bool,
    /// What was received and not yet taken as lines. Behind cells: a running command looks for an interrupt here.
    input: RefCell<Vec<u8>>,
    /// How much of it was taken already, and how much was searched for an interrupt.
    taken: usize,
    searched: Cell<usize>,
    /// In the structured mode: what was sent for the line that runs, and whether that was all.
    typed: RefCell<Vec<u8>>,
    typed_ended: Cell<bool>,
    input_ended: Cell<bool>,
    /// Whether the last line had no newline: the input ended in it.
    open_line: bool,
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
        let name = socket::peer_name(&fd)?;
        let structured = name.starts_with(wire::CLIENT_NAME);
        Ok(Client {
            fd,
            peer,
            structured,
            probe: name.starts_with(wire::PROBE_NAME),
            silent: state::settings().exec && !structured,
            input: RefCell::default(),
            taken: 0,
            searched: Cell::new(0),
            typed: RefCell::default(),
            typed_ended: Cell::new(false),
            input_ended: Cell::new(false),
            open_line: false,
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

    pub(crate) fn is_probe(&self) -> bool {
        self.probe
    }

    /// Whether nothing is ever sent to it.
    pub(crate) fn is_silent(&self) -> bool {
        self.silent
    }

    /// Whether the line that was taken last had no newline.
    pub(crate) fn line_was_open(&self) -> bool {
        self.open_line
    }

    /// What to wait for.
    pub(crate) fn waited(&self) -> socket::Waited {
        if self.gone.get() && self.input_ended.get() {
            return socket::Waited { fd: -1, events: 0, revents: 0 };
        }
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

    /// Its connection.
    pub(crate) fn socket(&self) -> &Fd {
        &self.fd
    }

    /// Whether nobody is at the other end any more. Who does not listen need not wait: what it has sent is run first.
    pub(crate) fn is_gone(&self) -> bool {
        self.gone.get() && (!self.silent || self.input_is_over())
    }

    /// Whether everything that came was taken, and nothing will come.
    pub(crate) fn input_is_over(&self) -> bool {
        self.input_ended.get() && self.input.borrow().len() <= self.taken
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
        if self.silent {
            return;
        }
        self.say_bytes(text.as_bytes());
    }

    /// As [`Client::say`], for what need not be text.
    pub(crate) fn say_bytes(&mut self, bytes: &[u8]) {
        if !self.has_output() {
            self.output.clear();
            self.sent = 0;
            self.progress = process::monotonic();
        }
        self.output.extend_from_slice(bytes);
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
        let rest = input.get(self.taken..).unwrap_or_default();
        let newline = rest.iter().position(|&byte| byte == b'\n');
        let (line, taken) = match newline {
            Some(at) => (rest.get(..at)?.to_vec(), at + 1),
            None if self.input_ended.get() && !rest.is_empty() => (rest.to_vec(), rest.len()),
            None if rest.len() > LINE => {
                input.clear();
                self.taken = 0;
                self.searched.set(0);
                return (!core::mem::replace(&mut self.discarding, true)).then_some(Line::TooLong);
            }
            None => return None,
        };
        drop(input);
        self.open_line = newline.is_none();
        self.take(taken);
        if core::mem::take(&mut self.discarding) {
            return self.next_line();
        }
        Some(if line.len() > LINE { Line::TooLong } else { Line::Whole(line) })
    }

    /// Notes that `count` bytes of the input were taken.
    fn take(&mut self, count: usize) {
        let mut input = self.input.borrow_mut();
        self.taken += count;
        // What was taken goes in large pieces: moving the rest for each line would take the square of their number.
        if self.taken >= input.len() || self.taken > COMPACT {
            let taken = self.taken.min(input.len());
            input.drain(..taken);
            self.searched.set(self.searched.get().saturating_sub(taken));
            self.taken = 0;
        }
    }

    /// Asked by a running command: whether the client wants the request with this id stopped, or is gone.
    pub(crate) fn interrupts(&self, id: &Value) -> bool {
        // A host that prints meanwhile does not wait for the command.
        redirect::pump();
        self.receive();
        if socket::has_hung_up(self.fd.number()) {
            self.gone.set(true);
        }
        if self.structured && self.finds_interrupt(id) {
            return true;
        }
        self.gone.get() && !self.silent || !state::is_on()
    }

    /// Goes once through the requests that have come since the last time: takes out what is for the line that runs, and stops behind an
    /// interrupt of the request `id`.
    fn finds_interrupt(&self, id: &Value) -> bool {
        let (mut input, mut typed) = (self.input.borrow_mut(), self.typed.borrow_mut());
        let mut next = self.searched.get().max(self.taken).min(input.len());
        let (mut kept, mut is_found) = (next, false);
        while !is_found
            && let Some(len) = input.get(next..).and_then(|rest| rest.iter().position(|&byte| byte == b'\n'))
        {
            let request = next..next + len + 1;
            match input.get(next..next + len).map(wire::parse) {
                Some(Ok(wire::Request::Interrupt { id: meant })) if meant == *id => is_found = true,
                // Too much at once stays where it is, and the client's writes wait.
                Some(Ok(wire::Request::Input { .. })) if typed.len() > LINE => break,
                Some(Ok(wire::Request::Input { text })) => {
                    typed.extend_from_slice(text.as_bytes());
                    self.typed_ended.set(false);
                }
                Some(Ok(wire::Request::InputEnd)) => self.typed_ended.set(true),
                _ => {
                    input.copy_within(request.clone(), kept);
                    kept += request.len();
                }
            }
            next = request.end;
        }
        drop(input.drain(kept..next));
        self.searched.set(kept);
        is_found
    }

    /// Whether something has come for the line that runs: in the text mode everything that comes while it runs.
    pub(crate) fn has_typed(&self) -> bool {
        if self.structured { !self.typed.borrow().is_empty() } else { self.input.borrow().len() > self.taken }
    }

    /// Whether nothing more will come for the line that runs.
    pub(crate) fn typed_is_over(&self) -> bool {
        !self.has_typed() && (self.input_ended.get() || self.structured && self.typed_ended.get())
    }

    /// Takes a whole line that has come for what runs, or what stands before the end of the input; false when neither is there.
    pub(crate) fn takes_typed_line(&mut self) -> bool {
        let is_over = self.input_ended.get() || self.typed_ended.get();
        let is_there = is_over || self.typed.borrow().contains(&b'\n');
        if is_there {
            let _ = self.take_typed(usize::MAX);
        }
        is_there
    }

    /// Takes what has come for the line that runs, up to the end of a line and at most `limit` bytes of it.
    pub(crate) fn take_typed(&mut self, limit: usize) -> Option<Vec<u8>> {
        let mut source = if self.structured { self.typed.borrow_mut() } else { self.input.borrow_mut() };
        let start = if self.structured { 0 } else { self.taken };
        let rest = source.get(start..).filter(|rest| !rest.is_empty())?;
        let len = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1).min(limit);
        let bytes = rest.get(..len)?.to_vec();
        if self.structured {
            source.drain(..len);
            return Some(bytes);
        }
        drop(source);
        self.take(len);
        Some(bytes)
    }

    /// Puts back what was taken last and not used.
    pub(crate) fn untake_typed(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.structured {
            self.typed.borrow_mut().splice(..0, bytes.iter().copied());
        } else {
            let start = self.taken;
            self.input.borrow_mut().splice(start..start, bytes.iter().copied());
            self.searched.set(self.searched.get().min(start));
        }
    }

    /// The line has ended, and has left `unread` of what came for it: in the text mode those are the next lines of the prompt, in
    /// the structured mode the client is told.
    pub(crate) fn give_back(&mut self, id: &Value, unread: &[u8]) {
        self.untake_typed(unread);
        if self.structured {
            let rest = core::mem::take(&mut *self.typed.borrow_mut());
            self.typed_ended.set(false);
            if !rest.is_empty() {
                self.reply(&wire::unread(Some(id), &String::from_utf8_lossy(&rest)));
            }
        }
    }

    /// Takes the first request out of the input if it is one that `may` be answered before the client's turn.
    pub(crate) fn take_early(&mut self, may: impl Fn(&wire::Request) -> bool) -> Option<wire::Request> {
        let input = self.input.borrow();
        let rest = input.get(self.taken..)?;
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        let request = wire::parse(rest.get(..end)?).ok().filter(may)?;
        self.taken += end + 1;
        Some(request)
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
                Err(error) => {
                    if !matches!(error, Errno(libc::EPIPE | libc::ECONNRESET)) {
                        log::problem(format_args!("cannot send to the client ({error}): it is sent away"));
                    }
                    self.gone.set(true);
                    return;
                }
            }
        }
        self.output = Vec::new();
        self.sent = 0;
    }
}
