//! A client that speaks the text form, as `nc -U` does. Runs in the test process.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::{PATIENCE, wait_for};

/// What ends every answer.
pub const PROMPT: &str = ">>> ";

/// What stands before it while Python's is not to be had.
const NATIVE: &[u8] = b"native ";

/// A connection to a manhole.
pub struct TextClient {
    stream: UnixStream,
    /// What a single answer may take.
    pub patience: Duration,
}

impl TextClient {
    /// Connects, trying until the manhole is there.
    ///
    /// # Panics
    /// When it does not come.
    #[must_use]
    pub fn connect(path: &Path) -> TextClient {
        let what = format!("a manhole at {}", path.display());
        let stream = wait_for(&what, PATIENCE, || UnixStream::connect(path).ok());
        TextClient { stream, patience: PATIENCE }
    }

    /// Reads up to the next prompt, which is cut off.
    ///
    /// # Panics
    /// When the connection ends first or the prompt does not come in time.
    pub fn until_prompt(&mut self) -> String {
        let deadline = Instant::now() + self.patience;
        let mut got = Vec::new();
        loop {
            // At the start of a line only, as a source line in a dump may hold the prompt's text; or after another
            // prompt, when the answer is empty and a notice came between.
            let mut before = got.as_slice();
            while let Some(rest) = before.strip_suffix(PROMPT.as_bytes()) {
                before = rest.strip_suffix(NATIVE).unwrap_or(rest);
            }
            let ended = before.len() < got.len() && (before.is_empty() || before.ends_with(b"\n"));
            if ended && !self.more_is_there() {
                got.truncate(got.len() - PROMPT.len());
                if got.ends_with(NATIVE) {
                    got.truncate(got.len() - NATIVE.len());
                }
                return String::from_utf8(got).expect("the answer is UTF-8");
            }
            assert!(
                self.read_some(&mut got, deadline),
                "the connection ended before the prompt, after {:?}",
                String::from_utf8_lossy(&got)
            );
        }
    }

    /// Runs one line and gives its answer.
    ///
    /// # Panics
    /// When the answer does not come in time.
    pub fn run(&mut self, line: &str) -> String {
        self.send(format!("{line}\n").as_bytes()).expect("send a line");
        self.until_prompt()
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the other side is gone.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.set_write_timeout(Some(self.patience))?;
        self.stream.write_all(bytes)
    }

    /// Ends the sending half, as the end of `nc`'s input does, and gives all that still comes.
    ///
    /// # Panics
    /// When the connection does not end in time.
    pub fn end(&mut self) -> String {
        self.stream.shutdown(std::net::Shutdown::Write).ok();
        self.until_end()
    }

    /// Reads up to a prompt or to the end of the connection, whichever comes first.
    ///
    /// # Panics
    /// When neither comes in time.
    pub fn until_end_or_prompt(&mut self) -> String {
        let deadline = Instant::now() + self.patience;
        let mut got = Vec::new();
        while self.read_some(&mut got, deadline) {
            if got.ends_with(PROMPT.as_bytes()) && !self.more_is_there() {
                break;
            }
        }
        String::from_utf8_lossy(&got).into_owned()
    }

    /// Reads until this text has come, and maybe more, or the connection ends: whether it has come.
    ///
    /// # Panics
    /// When neither comes in time.
    pub fn has_come(&mut self, text: &str) -> bool {
        let deadline = Instant::now() + self.patience;
        let mut got = Vec::new();
        while !String::from_utf8_lossy(&got).contains(text) {
            if !self.read_some(&mut got, deadline) {
                return false;
            }
        }
        true
    }

    /// Reads until this text has come, and nothing behind it.
    ///
    /// # Panics
    /// When it does not come in time.
    pub fn until(&mut self, text: &str) -> String {
        let deadline = Instant::now() + self.patience;
        let mut got = Vec::new();
        while !got.ends_with(text.as_bytes()) {
            let mut byte = [0];
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            self.stream.set_read_timeout(Some(left)).expect("a read timeout");
            match self.stream.read(&mut byte) {
                Ok(1) => got.extend(byte),
                Ok(_) => panic!("the connection ended after {:?}", tail(&got)),
                // A read with a time limit is not begun anew after this process was stopped for a moment (signal(7)).
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("no {text:?} in time ({error}); got {:?}", tail(&got)),
            }
        }
        String::from_utf8_lossy(&got).into_owned()
    }

    /// Reads until the connection ends.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn until_end(&mut self) -> String {
        let deadline = Instant::now() + self.patience;
        let mut got = Vec::new();
        while self.read_some(&mut got, deadline) {}
        String::from_utf8_lossy(&got).into_owned()
    }

    /// What can be read without waiting.
    ///
    /// # Panics
    /// When the connection has ended.
    pub fn read_available(&mut self) -> String {
        let mut got = Vec::new();
        while self.more_is_there() {
            let open = self.read_some(&mut got, Instant::now() + self.patience);
            assert!(open, "the connection has ended after {:?}", tail(&got));
        }
        String::from_utf8_lossy(&got).into_owned()
    }

    /// Whether a byte can be read without waiting.
    fn more_is_there(&mut self) -> bool {
        use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
        use std::os::fd::AsFd;
        let mut fds = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }

    /// Reads what is there; false at the end of the connection.
    fn read_some(&mut self, got: &mut Vec<u8>, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(!left.is_zero(), "no end of the answer within {:?}; got {:?}", self.patience, tail(got));
        self.stream.set_read_timeout(Some(left)).expect("set a timeout");
        let mut bytes = [0; 65536];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                got.extend(bytes.iter().take(count));
                true
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) =>
            {
                true
            }
            Err(_) => false, // reset: the other side has gone without reading all
        }
    }
}

fn tail(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(bytes.len().saturating_sub(2000)..).unwrap_or(bytes)).into_owned()
}
