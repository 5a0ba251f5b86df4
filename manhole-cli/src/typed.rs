//! The client's own input: lines for the prompt, and what is typed while a command of the application runs, which is the command's.
//!
//! Runs in the client's main thread, with a thread beside it for as long as a command takes input. That one reads only what is there, so
//! it ends when the command does, and whoever reads the terminal next finds the rest.

use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::session::{Closed, Session, Shared};
use crate::wire::{Outcome, Piece, Request};

/// Standard input.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    /// What was read, or given back by a command, and not yet used.
    buffer: Vec<u8>,
    is_over: bool,
}

impl Typed {
    /// Nothing was read yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The next line with its newline, or what stands before the end; empty at the end. Waits for it.
    ///
    /// # Errors
    /// That of the descriptor.
    pub(crate) fn line(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(line) = self.whole_line() {
                return Ok(line);
            }
            if self.is_over {
                return Ok(self.rest());
            }
            self.is_over = read(&mut self.buffer)? == 0;
        }
    }

    /// A line with its newline, if one is here.
    pub(crate) fn whole_line(&mut self) -> Option<Vec<u8>> {
        let end = self.buffer.iter().position(|&byte| byte == b'\n')?;
        Some(self.buffer.drain(..=end).collect())
    }

    /// What is here.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    /// As [`Session::ask`]; if the request takes input, it gets what is here and what is typed, and what it leaves is here again.
    ///
    /// # Errors
    /// [`Closed`], or what `take` said.
    pub(crate) fn ask<E: From<Closed>>(
        &mut self,
        session: &Session,
        request: Request<'_>,
        mut take: impl FnMut(Piece) -> std::result::Result<(), E>,
    ) -> std::result::Result<(Outcome, Option<String>), E> {
        let mut typist = None;
        let mut unread = Vec::new();
        let answer = session.ask(request, |piece| match piece {
            Piece::TakesInput | Piece::LastsUntilEnd => {
                let first = std::mem::take(&mut self.buffer);
                typist = Some(Typist::start(session.shared(), first, self.is_over));
                Ok(())
            }
            Piece::Unread(text) => {
                unread.extend_from_slice(text.as_bytes());
                Ok(())
            }
            other => take(other),
        });
        if let Some(typist) = typist {
            let left = typist.stop();
            self.is_over |= left.is_over;
            if left.has_sent && answer.is_ok() {
                // What was sent when the command had just ended comes back before this is answered.
                session.ask(Request::Run(""), |piece| match piece {
                    Piece::Unread(text) => {
                        unread.extend_from_slice(text.as_bytes());
                        Ok(())
                    }
                    other => take(other),
                })?;
            }
            unread.extend(left.carried);
        }
        self.buffer.splice(..0, unread);
        answer
    }
}

/// Ends the input of the running command when ours has ended, without reading any of it; at a terminal it has no end.
///
/// # Errors
/// [`Closed`].
pub(crate) fn end_with_ours(shared: Arc<Shared>) -> std::result::Result<(), Closed> {
    use std::io::IsTerminal;
    use std::os::unix::fs::FileTypeExt;
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    let kind = std::fs::metadata("/proc/self/fd/0").map(|data| data.file_type());
    if !kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket()) {
        // A file is all there already.
        return shared.end_input();
    }
    let waiter = Arc::clone(&shared);
    let wait = move || {
        let stdin = std::io::stdin();
        // That a pipe's other side has closed is told without being asked for; a socket's may have closed its half alone.
        let mut waited = [PollFd::new(stdin.as_fd(), PollFlags::from_bits_retain(nix::libc::POLLRDHUP))];
        while poll(&mut waited, PollTimeout::NONE) == Err(Errno::EINTR) {}
        let _ = waiter.end_input();
    };
    match std::thread::Builder::new().name("end of input".to_owned()).spawn(wait) {
        Ok(_) => Ok(()),
        // Rather too early than never.
        Err(_) => shared.end_input(),
    }
}

/// Reads once what standard input has.
fn read(buffer: &mut Vec<u8>) -> Result<usize> {
    let mut piece = [0; 4096];
    loop {
        match nix::unistd::read(std::io::stdin().as_fd(), &mut piece) {
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
            Ok(count) => {
                buffer.extend_from_slice(piece.get(..count).unwrap_or_default());
                return Ok(count);
            }
        }
    }
}

/// Sends what is typed, until it is stopped.
struct Typist {
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<Left>>,
    first: Vec<u8>,
}

/// What a typist leaves.
#[derive(Default)]
struct Left {
    has_sent: bool,
    is_over: bool,
    /// The beginning of a letter whose rest has not come.
    carried: Vec<u8>,
}

impl Typist {
    /// Without a thread, for want of one, nothing is sent.
    fn start(shared: Arc<Shared>, first: Vec<u8>, is_over: bool) -> Self {
        let Ok((stopped, stop)) = nix::unistd::pipe2(OFlag::O_CLOEXEC) else {
            return Self { stop: None, thread: None, first };
        };
        let kept = first.clone();
        let type_it = move || {
            let mut left = Left { is_over, carried: first, ..Left::default() };
            let _ = send_all(&shared, &stopped, &mut left);
            left
        };
        match std::thread::Builder::new().name("typist".to_owned()).spawn(type_it) {
            Ok(thread) => Self { stop: Some(stop), thread: Some(thread), first: Vec::new() },
            Err(_) => Self { stop: None, thread: None, first: kept },
        }
    }

    fn stop(mut self) -> Left {
        drop(self.stop.take());
        let left = self.thread.take().and_then(|thread| thread.join().ok());
        left.unwrap_or(Left { carried: self.first, ..Left::default() })
    }
}

/// Sends what `left` carries, and then what comes, until `stopped` has ended.
fn send_all(shared: &Shared, stopped: &OwnedFd, left: &mut Left) -> Result<()> {
    let closed = |_: Closed| Error::from(ErrorKind::BrokenPipe);
    loop {
        if let Some(text) = text_of(&mut left.carried, left.is_over) {
            left.has_sent = true;
            shared.send_input(&text).map_err(closed)?;
        }
        if left.is_over {
            return shared.end_input().map_err(closed);
        }
        let stdin = std::io::stdin();
        let mut waited =
            [PollFd::new(stopped.as_fd(), PollFlags::empty()), PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        match poll(&mut waited, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            other => other?,
        };
        let [stop, input] = waited.map(|one| one.any().unwrap_or(true));
        if stop {
            return Ok(());
        }
        if input && read(&mut left.carried)? == 0 {
            // At a terminal it is one end, not the last.
            use std::io::IsTerminal;
            left.is_over = !stdin.is_terminal();
            if !left.is_over {
                shared.end_input().map_err(closed)?;
            }
        }
    }
}

/// Takes the text out of `bytes`, but for the beginning of a letter at their end while more may come.
fn text_of(bytes: &mut Vec<u8>, is_all: bool) -> Option<String> {
    let whole = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() && !is_all => error.valid_up_to(),
        _ => bytes.len(),
    };
    let text: Vec<u8> = bytes.drain(..whole).collect();
    (!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_letters() {
        let mut typed = Typed { buffer: b"one\ntwo".to_vec(), is_over: true };
        assert_eq!(typed.line().unwrap(), b"one\n");
        assert_eq!(typed.whole_line(), None);
        assert_eq!(typed.line().unwrap(), b"two");
        assert_eq!(typed.line().unwrap(), b"");
        let mut bytes = "aä".as_bytes().get(..2).unwrap().to_vec();
        assert_eq!(text_of(&mut bytes, false).as_deref(), Some("a"));
        assert_eq!(text_of(&mut bytes, false), None);
        bytes.push(0xa4);
        assert_eq!(text_of(&mut bytes, false).as_deref(), Some("ä"));
        assert_eq!(text_of(&mut vec![0xc3], true).as_deref(), Some("\u{fffd}"));
    }
}
