//! The client under test: starts it, bounds it in time, and drives it through a terminal.
//!
//! Runs in the test binary. Every wait has a deadline; only processes started here are ended.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// No wait of a test is longer; far above what any needs, because the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What a client left behind.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

/// The client with these arguments; its home is `home`, so nobody's history is touched.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_manhole-cli"));
    command.env("HOME", home).env("TERM", "xterm");
    command
}

/// Runs the client with `input` on its stdin to its end.
pub(crate) fn run<S: AsRef<OsStr>>(home: &Path, arguments: &[S], input: &str) -> Left {
    let mut running = Running::start(home, arguments);
    running
        .input
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    running.end()
}

/// A client with pipes at its ends.
pub(crate) struct Running {
    child: Child,
    pub(crate) input: Option<std::process::ChildStdin>,
    pub(crate) stdout: Stream,
    pub(crate) stderr: Stream,
    start: Instant,
}

impl Running {
    pub(crate) fn start<S: AsRef<OsStr>>(home: &Path, arguments: &[S]) -> Self {
        let mut child = command(home)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take(),
            stdout: Stream::of(child.stdout.take().unwrap()),
            stderr: Stream::of(child.stderr.take().unwrap()),
            child,
            start: Instant::now(),
        }
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Left {
        drop(self.input.take());
        let status = wait(&mut self.child);
        Left {
            code: code(status),
            stdout: self.stdout.rest(),
            stderr: self.stderr.rest(),
            took: self.start.elapsed(),
        }
    }
}

/// Waits for a child with a deadline.
pub(crate) fn wait(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the program did not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn code(status: ExitStatus) -> i32 {
    status
        .code()
        .unwrap_or_else(|| 1000 + status.signal().unwrap())
}

/// Output that can be waited for while it comes.
#[derive(Clone)]
pub(crate) struct Stream(Arc<(Mutex<Got>, Condvar)>);

#[derive(Default)]
struct Got {
    bytes: Vec<u8>,
    is_over: bool,
}

impl Stream {
    fn of(mut input: impl Read + Send + 'static) -> Self {
        let stream = Self(Arc::default());
        let shared = stream.clone();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // A terminal whose other end is closed reads as EIO.
            while let Ok(count @ 1..) = input.read(&mut piece) {
                let (got, changed) = &*shared.0;
                got.lock().unwrap().bytes.extend_from_slice(&piece[..count]);
                changed.notify_all();
            }
            let (got, changed) = &*shared.0;
            got.lock().unwrap().is_over = true;
            changed.notify_all();
        });
        stream
    }

    fn wait_until(&self, what: &str, is_enough: impl Fn(&Got) -> bool) -> String {
        let (got, changed) = &*self.0;
        let (got, result) = changed
            .wait_timeout_while(got.lock().unwrap(), PATIENCE, |got| !is_enough(got))
            .unwrap();
        let text = String::from_utf8_lossy(&got.bytes).into_owned();
        assert!(!result.timed_out(), "no {what} in {text:?}");
        text
    }

    /// Waits until `text` has come `count` times; returns all output so far.
    pub(crate) fn expect_times(&self, text: &str, count: usize) -> String {
        self.wait_until(&format!("{count} x {text:?}"), |got| {
            String::from_utf8_lossy(&got.bytes).matches(text).count() >= count
        })
    }

    /// Waits until `text` has come; returns all output so far.
    pub(crate) fn expect(&self, text: &str) -> String {
        self.expect_times(text, 1)
    }

    /// All output to its end.
    pub(crate) fn rest(&self) -> String {
        self.wait_until("end", |got| got.is_over)
    }
}

/// A client on a terminal of its own.
pub(crate) struct OnTerminal {
    child: Child,
    master: File,
    pub(crate) screen: Stream,
}

impl OnTerminal {
    pub(crate) fn start<S: AsRef<OsStr>>(home: &Path, arguments: &[S]) -> Self {
        Self::start_with(home, arguments, |_| {})
    }

    pub(crate) fn start_with<S: AsRef<OsStr>>(
        home: &Path,
        arguments: &[S],
        adjust: impl FnOnce(&mut Command),
    ) -> Self {
        let pty = nix::pty::openpty(None, None).unwrap();
        let end = || Stdio::from(pty.slave.try_clone().unwrap());
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", env!("CARGO_BIN_EXE_manhole-cli")])
            .args(arguments)
            .env("HOME", home)
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end());
        adjust(&mut command);
        let child = command.spawn().unwrap();
        drop(command);
        drop(pty.slave);
        let master = File::from(pty.master);
        Self {
            child,
            screen: Stream::of(master.try_clone().unwrap()),
            master,
        }
    }

    /// Types.
    pub(crate) fn send(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Whether the terminal is in line mode with echo, as a shell expects it.
    pub(crate) fn is_cooked(&self) -> bool {
        use nix::sys::termios::{LocalFlags, tcgetattr};
        let flags = tcgetattr(&self.master).unwrap().local_flags;
        flags.contains(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG)
    }

    /// Waits until the line editor is at work.
    pub(crate) fn expect_editing(&self) {
        let end = Instant::now() + PATIENCE;
        while self.is_cooked() {
            assert!(Instant::now() < end, "nobody edits");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for the end; returns the exit status and all that was on the screen.
    pub(crate) fn end(mut self) -> (i32, String) {
        let status = wait(&mut self.child);
        assert!(self.is_cooked(), "the terminal was left in raw mode");
        (code(status), self.screen.rest())
    }
}
