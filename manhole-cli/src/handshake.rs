//! The first words of the process: a hello of the structured mode, or the greeting of a text manhole.
//!
//! Runs in the client right after connecting; bounded by a deadline.

use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::wire::{self, Hello};

/// What the process said first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Opening {
    /// It speaks the structured mode; `rest` came after the hello.
    Structured {
        /// The hello.
        hello: Hello,
        /// Bytes after it.
        rest: Vec<u8>,
    },
    /// It speaks text; these are its first bytes.
    Text(Vec<u8>),
    /// It closed the connection without a word.
    Closed,
    /// Nothing came in time.
    Silent,
}

/// A hello is far shorter; what is longer is text.
const LONGEST_HELLO: usize = 64 * 1024;

/// Reads the first words, for at most `timeout`.
pub(crate) fn read(stream: &UnixStream, timeout: Duration) -> Opening {
    let end = Instant::now() + timeout;
    let opening = read_until(stream, end);
    // Later reads wait for as long as a command runs.
    let _ = stream.set_read_timeout(None);
    opening
}

fn read_until(mut stream: &UnixStream, end: Instant) -> Opening {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        // Zero would mean: no limit.
        let left = left.max(Duration::from_millis(1));
        if stream.set_read_timeout(Some(left)).is_err() {
            return Opening::Closed;
        }
        let count = match stream.read(&mut piece) {
            Ok(0) if bytes.is_empty() => return Opening::Closed,
            Ok(0) => return Opening::Text(bytes),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if Instant::now() < end {
                    continue;
                }
                return if bytes.is_empty() {
                    Opening::Silent
                } else {
                    Opening::Text(bytes)
                };
            }
            Err(_) => return Opening::Closed,
        };
        bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
        if bytes.first() != Some(&b'{') || bytes.len() > LONGEST_HELLO {
            return Opening::Text(bytes);
        }
        if let Some(newline) = bytes.iter().position(|byte| *byte == b'\n') {
            let rest = bytes.split_off(newline.saturating_add(1));
            return match wire::hello(&bytes) {
                Some(hello) => Opening::Structured { hello, rest },
                None => {
                    bytes.extend(rest);
                    Opening::Text(bytes)
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn opening(pieces: &[&[u8]]) -> Opening {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        for piece in pieces {
            theirs.write_all(piece).unwrap();
        }
        drop(theirs);
        read(&ours, Duration::from_secs(5))
    }

    const HELLO: &[u8] = b"{\"hello\":{\"protocol\":1,\"pid\":7,\"uid\":0}}\n";

    #[test]
    fn a_hello_and_what_follows() {
        match opening(&[HELLO, b"{\"turn\":{}}\n"]) {
            Opening::Structured { hello, rest } => {
                assert_eq!(hello.pid, 7);
                assert_eq!(rest, b"{\"turn\":{}}\n");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn anything_else_is_text() {
        let greeting = b"\n######### ProcessID=1";
        assert_eq!(opening(&[greeting]), Opening::Text(greeting.to_vec()));
        assert_eq!(opening(&[b"{}\n>>> "]), Opening::Text(b"{}\n>>> ".to_vec()));
        assert_eq!(opening(&[b"{never"]), Opening::Text(b"{never".to_vec()));
    }

    #[test]
    fn closed_or_silent() {
        assert_eq!(opening(&[]), Opening::Closed);
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert_eq!(read(&ours, Duration::from_millis(10)), Opening::Silent);
    }
}
