//! What a program shows, piece by piece as it comes, and `manhole-cli` at a terminal. Runs in the test process.

use std::fs::File;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::{PATIENCE, place, wait_for};

/// What comes out of something, as far as it has come.
#[derive(Debug)]
pub struct Screen {
    pieces: Receiver<String>,
    /// All of it, unless it is cleared.
    pub seen: String,
}

impl Screen {
    /// Reads the source to its end, in a thread.
    #[must_use]
    pub fn of(mut source: impl Read + Send + 'static) -> Screen {
        let (sender, pieces) = channel();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = source.read(&mut piece) {
                let text = String::from_utf8_lossy(piece.get(..count).unwrap_or_default()).into_owned();
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        Screen { pieces, seen: String::new() }
    }

    /// Waits until `text` has come.
    ///
    /// # Panics
    /// When the deadline passes.
    pub fn until(&mut self, text: &str) {
        wait_for(text, PATIENCE, || {
            self.seen.extend(self.pieces.try_iter());
            self.seen.contains(text).then_some(())
        });
    }

    /// All of it, when nothing more comes.
    #[must_use]
    pub fn until_end(mut self) -> String {
        while let Ok(piece) = self.pieces.recv_timeout(PATIENCE) {
            self.seen += &piece;
        }
        self.seen
    }
}

/// `manhole-cli` at a terminal of its own, with a home of its own.
#[derive(Debug)]
pub struct Terminal {
    /// The client.
    pub client: Child,
    /// What is typed.
    pub keys: File,
    /// What is shown.
    pub screen: Screen,
    /// Goes when it is dropped.
    pub home: tempfile::TempDir,
}

impl Terminal {
    /// Connects to a process.
    ///
    /// # Panics
    /// When the client cannot be started.
    #[must_use]
    pub fn to(pid: i32) -> Terminal {
        let home = tempfile::tempdir().unwrap();
        let pty = nix::pty::openpty(None, None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut client = Command::new("setsid");
        client.arg("--ctty").arg(place::client()).arg(pid.to_string());
        client.env("HOME", home.path()).env("TERM", "xterm").stdin(end()).stdout(end()).stderr(end());
        let client = client.spawn().unwrap();
        let keys = File::from(pty.master);
        let screen = Screen::of(keys.try_clone().unwrap());
        Terminal { client, keys, screen, home }
    }
}
