//! Real programs started with the agent preloaded: started, waited for, spoken to, ended. Runs in the test process.
//! A victim is killed by its own pid when its value is dropped; nothing else is ever killed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal};

use crate::{PATIENCE, StructuredClient, TextClient, Thread, place, wait_for};

/// The program without what the test process may have inherited.
fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_remove("LD_PRELOAD").env_remove("MANHOLE").env_remove("PYTHONUNBUFFERED");
    hear_interrupts(&mut command);
    command
}

/// Shells start what they put into the background with two signals ignored; a victim has them at their default.
#[allow(
    unsafe_code,
    reason = "nothing but system calls happens between fork and exec, and the default action needs no handler"
)]
fn hear_interrupts(command: &mut Command) {
    let reset = || {
        for signal in [Signal::SIGINT, Signal::SIGQUIT] {
            // SAFETY: no handler is installed.
            unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }?;
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls only.
    unsafe { command.pre_exec(reset) };
}

/// A program that is about to be started.
pub struct Host {
    command: Command,
    preload: Option<PathBuf>,
    options: OsString,
    ending: Option<Signal>,
}

impl Host {
    /// With the agent preloaded, and its log on.
    pub fn new(program: impl AsRef<OsStr>) -> Host {
        Host {
            command: command(program),
            preload: Some(place::library()),
            options: "verbose=True".into(),
            ending: None,
        }
    }

    /// As it is, for comparison.
    pub fn without_manhole(program: impl AsRef<OsStr>) -> Host {
        Host { command: command(program), preload: None, options: OsString::new(), ending: None }
    }

    /// The value of `MANHOLE`, instead of `verbose=True`.
    #[must_use]
    pub fn options(mut self, text: impl Into<OsString>) -> Host {
        self.options = text.into();
        self
    }

    /// Another copy of the library.
    #[must_use]
    pub fn library(mut self, path: &Path) -> Host {
        self.preload = Some(path.to_owned());
        self
    }

    /// Another library, preloaded after ours.
    #[must_use]
    pub fn also_preloads(mut self, path: &Path) -> Host {
        let mut list = self.preload.take().unwrap_or_default().into_os_string();
        list.push(":");
        list.push(path);
        self.preload = Some(list.into());
        self
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Host {
        self.command.arg(argument);
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Host {
        self.command.args(arguments);
        self
    }

    /// An environment variable of the program.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Host {
        self.command.env(name, value);
        self
    }

    /// Its working directory.
    #[must_use]
    pub fn directory(mut self, path: &Path) -> Host {
        self.command.current_dir(path);
        self
    }

    /// Runs as another user; needs root.
    #[must_use]
    pub fn user(mut self, uid: u32, gid: u32) -> Host {
        self.command.uid(uid).gid(gid);
        self
    }

    /// How it is asked to end when the test is over: a server with children of its own must see to those. Without
    /// this it is killed.
    #[must_use]
    pub fn ends_by(mut self, signal: Signal) -> Host {
        self.ending = Some(signal);
        self
    }

    /// Starts it without waiting for anything.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(mut self) -> Victim {
        let errors = tempfile::NamedTempFile::new().expect("a file for stderr");
        if let Some(library) = &self.preload {
            self.command.env("LD_PRELOAD", library).env("MANHOLE", &self.options);
        }
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors.reopen().expect("reopen"));
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.command));
        let output = child.stdout.take().expect("stdout is a pipe");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(output);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(text).is_err() {
                    return;
                }
                line.clear();
            }
        });
        let stdin = child.stdin.take();
        Victim { child, stdin, lines, errors, ready: String::new(), said: Vec::new(), ending: self.ending }
    }

    /// Starts a victim and waits for its `ready` line.
    ///
    /// # Panics
    /// When the line does not come.
    #[must_use]
    pub fn ready(self) -> Victim {
        let mut victim = self.start();
        victim.ready = victim.line_that_starts("ready");
        victim
    }
}

/// A program that runs.
pub struct Victim {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: tempfile::NamedTempFile,
    ready: String,
    said: Vec<String>,
    ending: Option<Signal>,
}

impl Victim {
    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a pid")
    }

    /// The `name=value` of its ready line.
    ///
    /// # Panics
    /// When the line has no such value.
    #[must_use]
    pub fn told(&self, name: &str) -> i64 {
        crate::text::value(&self.ready, name).unwrap_or_else(|| panic!("no {name}= in {:?}", self.ready))
    }

    /// All lines before the last one waited for.
    #[must_use]
    pub fn said(&self) -> &[String] {
        &self.said
    }

    /// The next line of its stdout.
    ///
    /// # Panics
    /// When none comes, with its stderr.
    pub fn line(&mut self) -> String {
        self.line_within(PATIENCE)
    }

    /// The next line of its stdout, if it comes in time.
    ///
    /// # Panics
    /// When none comes, with its stderr.
    pub fn line_within(&mut self, limit: Duration) -> String {
        match self.lines.recv_timeout(limit) {
            Ok(line) => {
                self.said.push(line.clone());
                line
            }
            Err(RecvTimeoutError::Timeout) => {
                panic!("no line within {limit:?}; said {:?}; stderr: {}", self.said, self.log())
            }
            Err(RecvTimeoutError::Disconnected) => panic!(
                "its stdout has ended ({:?}); said {:?}; stderr: {}",
                self.child.try_wait(),
                self.said,
                self.log()
            ),
        }
    }

    /// Reads lines until one starts so.
    ///
    /// # Panics
    /// When it does not come.
    pub fn line_that_starts(&mut self, start: &str) -> String {
        loop {
            let line = self.line();
            if line.starts_with(start) {
                return line;
            }
        }
    }

    /// Whether its stdout ends, in time.
    pub fn output_ends(&mut self) -> bool {
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => self.said.push(line),
                Err(error) => return error == RecvTimeoutError::Disconnected,
            }
        }
    }

    /// Says a line to its stdin and gives the line that it answers.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.line_within(PATIENCE * 2)
    }

    /// Says a line to its stdin.
    ///
    /// # Panics
    /// When stdin is closed.
    pub fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(format!("{line}\n").as_bytes()).expect("say a line");
    }

    /// Ends its stdin.
    pub fn closes_stdin(&mut self) {
        self.stdin = None;
    }

    /// Ends its stdin and gives all that it still says, and how it ended.
    ///
    /// # Panics
    /// When it does not end.
    pub fn finish(&mut self) -> (Vec<String>, ExitStatus) {
        self.stdin = None;
        let status = self.ended();
        let mut rest = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(2)) {
            rest.push(line);
        }
        (rest, status)
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    pub fn ended(&mut self) -> ExitStatus {
        self.ended_within(PATIENCE)
    }

    /// Waits for its end so long.
    ///
    /// # Panics
    /// When it does not end.
    pub fn ended_within(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        wait_for("the victim's end", limit, || child.try_wait().expect("wait"))
    }

    /// Whether it still runs.
    ///
    /// # Panics
    /// When its state cannot be asked.
    #[must_use]
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_none()
    }

    /// What it and its manhole have written to stderr up to now.
    ///
    /// # Panics
    /// When the file cannot be read.
    #[must_use]
    pub fn log(&self) -> String {
        let mut bytes = Vec::new();
        File::open(self.errors.path()).and_then(|mut file| file.read_to_end(&mut bytes)).expect("read stderr");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until stderr holds `text`, and gives all of stderr.
    ///
    /// # Panics
    /// When it does not come.
    pub fn log_with(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if log.contains(text) {
                return log;
            }
            assert!(Instant::now() < deadline, "no {text:?} in the log: {log}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The default path of its manhole.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        socket_of(self.pid())
    }

    /// A client at the prompt, and the greeting.
    ///
    /// # Panics
    /// When the manhole does not open.
    #[must_use]
    pub fn text(&self) -> (TextClient, String) {
        let mut client = TextClient::connect(&self.socket());
        let greeting = client.until_prompt();
        (client, greeting)
    }

    /// A whole session: the dump has the first thread, and the prompt answers.
    ///
    /// # Panics
    /// When it is otherwise.
    pub fn answers(&self) {
        let (mut client, greeting) = self.text();
        assert!(greeting.contains(&format!("ThreadID={}", self.pid())), "{greeting}");
        assert!(client.run("print 6*7").contains("42"));
        client.end();
    }

    /// A client of the structured mode.
    ///
    /// # Panics
    /// When the manhole does not open.
    #[must_use]
    pub fn structured(&self) -> StructuredClient {
        StructuredClient::connect(&self.socket())
    }

    /// All threads' stacks, by the structured mode.
    ///
    /// # Panics
    /// When the manhole does not answer.
    #[must_use]
    pub fn stacks(&self) -> Vec<Thread> {
        self.structured().stacks()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When that fails.
    pub fn signal(&self, signal: Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal).expect("kill");
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.stdin = None;
        if let Some(signal) = self.ending
            && matches!(self.child.try_wait(), Ok(None))
        {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.pid()), signal);
            let deadline = Instant::now() + Duration::from_secs(5);
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        // It may have ended already; both are right.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(self.socket());
    }
}

/// The default path of a process's manhole.
#[must_use]
pub fn socket_of(pid: i32) -> PathBuf {
    PathBuf::from(format!("/tmp/manhole-{pid}"))
}

/// The numbers and targets of a process's descriptors.
///
/// # Panics
/// When the process is gone.
#[must_use]
pub fn descriptors_of(pid: i32) -> Vec<(i32, String)> {
    let mut found: Vec<(i32, String)> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("the victim's descriptors")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let number = path.file_name()?.to_str()?.parse().ok()?;
            Some((number, std::fs::read_link(path).ok()?.to_string_lossy().into_owned()))
        })
        .collect();
    found.sort_unstable();
    found
}
