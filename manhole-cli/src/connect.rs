//! Opens the connection: sends the signal, tries the paths until the time is over, checks who answers.
//!
//! Runs in the client. Nothing here waits longer than the timeout: the socket connects without blocking.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, UnixAddr};

use crate::args::{Connect, Target};
use crate::failure::{Failure, TIMEOUT};
use crate::peer::{self, Peer};
use crate::wake::Wake;
use crate::{diagnose, fate, find, leftover, process, send, signal};

/// A connection to the process that was asked for.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The connected socket.
    pub(crate) stream: UnixStream,
    /// Who listens.
    pub(crate) peer: Peer,
}

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Sends the signal, when there is one, and connects.
///
/// # Errors
/// Status 1 when the signal cannot be sent, or not without harm, or the peer is another one; 5 when the time is over.
pub(crate) fn open(request: &Connect) -> Result<Connection, Failure> {
    if let (Some(number), Some(pid)) = (request.signal, request.target.pid) {
        send_signal(request, pid, number)?;
    }
    let introduction = if request.raw { Introduction::Text } else { Introduction::Session };
    let start = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut wake = Wake::default();
    let mut told = Vec::new();
    loop {
        let round = try_all(&request.target, introduction, &mut told);
        if let Some(connection) = round.connection {
            return Ok(connection);
        }
        if let Some(reason) = round.refusal {
            return Err(Failure::error(reason));
        }
        if let (true, Some(pid)) = (round.is_lost, request.target.pid) {
            wake.the_manhole(pid);
        }
        let left = request.timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(timeout(request, false));
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The failure that scripts know: the line of python-manhole's client, and below it what can be said about the cause.
pub(crate) fn timeout(request: &Connect, is_connected: bool) -> Failure {
    let path = find::usual_path(&request.target);
    let mut text = format!("Failed to connect to '{}': Timeout", path.display());
    if let Some(reason) = diagnose::why_silent(&request.target, request.signal, is_connected) {
        text.push('\n');
        text.push_str(&reason);
    }
    Failure { status: TIMEOUT, text }
}

/// Sends the signal once the process has a handler for it: a program that has only begun gets its handler in a moment.
fn send_signal(request: &Connect, pid: i32, number: i32) -> Result<(), Failure> {
    let start = Instant::now();
    loop {
        send::to_process(pid, 0).map_err(|error| cannot_signal(pid, number, &error))?;
        match fate::harm(pid, number).filter(|_| !request.force) {
            None => break,
            Some(harm) if !harm.may_pass || start.elapsed() >= request.timeout => {
                return Err(Failure::error(harm.reason));
            }
            Some(_) => std::thread::sleep(FIRST_PAUSE),
        }
    }
    send::to_process(pid, number).map_err(|error| cannot_signal(pid, number, &error))
}

fn cannot_signal(pid: i32, number: i32, error: &io::Error) -> Failure {
    let owner = process::status(pid).and_then(|status| status.owner());
    let remedy = match (error.raw_os_error(), owner) {
        (Some(libc::EPERM), Some(uid)) => {
            format!("; it belongs to {}: run manhole-cli as that user or as root", process::user(uid))
        }
        _ => String::new(),
    };
    Failure::error(format!("cannot send {} to process {pid}: {}{remedy}", signal::name_of(number), describe(error)))
}

#[derive(Default)]
struct Round {
    connection: Option<Connection>,
    refusal: Option<String>,
    /// Nobody listens at any of the paths.
    is_lost: bool,
}

/// Tries each path once. Errors other than "nobody listens (yet)" are told once, and only for the path that the user knows of.
fn try_all(target: &Target, introduction: Introduction, told: &mut Vec<String>) -> Round {
    let mut round = Round { is_lost: true, ..Round::default() };
    for (place, path) in find::candidates(target).iter().enumerate() {
        match attempt(path, introduction) {
            Ok(stream) => {
                let checked =
                    peer::credentials(&stream).and_then(|peer| peer::check(peer, target, path).map(|()| peer));
                match checked {
                    Ok(peer) => {
                        round.connection = Some(Connection { stream, peer });
                        return round;
                    }
                    Err(reason) => {
                        let text = format!("'{}' is not used: {reason}", path.display());
                        round.refusal.get_or_insert(text);
                    }
                }
            }
            Err(Errno::ENOENT) => {}
            Err(Errno::ECONNREFUSED) => {
                if let Some(text) = target.pid.and_then(|pid| leftover::remove(path, pid)) {
                    tell(text, told);
                }
            }
            // The queue is full: that may change.
            Err(Errno::EAGAIN) => round.is_lost = false,
            Err(error) => {
                round.is_lost = false;
                if place == 0 {
                    tell(format!("Failed to connect to '{}': {}", path.display(), explain(error, path)), told);
                }
            }
        }
    }
    round
}

fn tell(text: String, told: &mut Vec<String>) {
    if !told.contains(&text) {
        eprintln!("{text}");
        told.push(text);
    }
}

fn explain(error: Errno, path: &Path) -> String {
    let owner = std::fs::symlink_metadata(path).map(|file| process::user(file.uid()));
    match (error, owner) {
        (Errno::EACCES | Errno::EPERM, Ok(owner)) => {
            format!("permission denied; it belongs to {owner}: run manhole-cli as that user or as root")
        }
        (Errno::EACCES | Errno::EPERM, Err(_)) => {
            "permission denied on the way to it: run manhole-cli as the owner of the process or as root".to_owned()
        }
        (Errno::EPROTOTYPE, _) => "it is no stream socket, so no manhole".to_owned(),
        _ => error.desc().to_owned(),
    }
}

/// How a client makes itself known to the manhole: by the name that its socket is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Introduction {
    /// No name: a text client.
    Text,
    /// A client of the structured mode, for a turn at the prompt.
    Session,
    /// A client that only wants the hello.
    Probe,
}

/// Connects once, without waiting.
pub(crate) fn attempt(path: &Path, introduction: Introduction) -> Result<UnixStream, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd: OwnedFd = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    match introduction {
        Introduction::Text => {}
        Introduction::Session => bind_name(&fd, "")?,
        Introduction::Probe => bind_name(&fd, "probe/")?,
    }
    // The address holds 107 bytes; a longer path is reached from its directory.
    let (_directory, address) = match UnixAddr::new(path) {
        Err(Errno::ENAMETOOLONG) => {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return Err(Errno::ENAMETOOLONG);
            };
            let directory = File::open(parent).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
            let short = Path::new("/proc/self/fd").join(directory.as_fd().as_raw_fd().to_string()).join(name);
            let address = UnixAddr::new(&short)?;
            (Some(directory), address)
        }
        other => (None, other?),
    };
    socket::connect(fd.as_raw_fd(), &address)?;
    let stream = UnixStream::from(fd);
    stream.set_nonblocking(false).map_err(|_| Errno::EIO)?;
    Ok(stream)
}

/// Binds to `\0manhole-cli/1/[KIND/]PID/NUMBER`, with the next number when another namespace's process with our pid has it.
fn bind_name(fd: &OwnedFd, kind: &str) -> Result<(), Errno> {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let mut result = Err(Errno::EADDRINUSE);
    for _ in 0..100 {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("manhole-cli/1/{kind}{}/{number}", std::process::id());
        let address = UnixAddr::new_abstract(name.as_bytes())?;
        result = socket::bind(fd.as_raw_fd(), &address);
        if result != Err(Errno::EADDRINUSE) {
            break;
        }
    }
    result
}

/// The text of a system error without Rust's "(os error N)".
pub(crate) fn describe(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_structured_client_has_a_name_and_a_text_client_has_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let _structured = attempt(&path, Introduction::Session).unwrap();
        let _second = attempt(&path, Introduction::Session).unwrap();
        let _text = attempt(&path, Introduction::Text).unwrap();
        let prefix = format!("manhole-cli/1/{}/", std::process::id());
        let mut names = Vec::new();
        for _ in 0..2 {
            let (_, address) = listener.accept().unwrap();
            let name = String::from_utf8(address.as_abstract_name().unwrap().to_vec()).unwrap();
            assert!(name.starts_with(&prefix), "{name}");
            names.push(name);
        }
        assert_ne!(names[0], names[1]);
        assert!(listener.accept().unwrap().1.is_unnamed());
    }

    #[test]
    fn a_path_longer_than_an_address_is_reached() {
        let directory = tempfile::tempdir().unwrap();
        let short = directory.path().join("s");
        let _listener = UnixListener::bind(&short).unwrap();
        let deep = directory.path().join("d".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        let path = deep.join("manhole");
        std::os::unix::fs::symlink(&short, &path).unwrap();
        assert!(attempt(&path, Introduction::Text).is_ok());
    }

    #[test]
    fn nobody_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s");
        assert_eq!(attempt(&path, Introduction::Session).unwrap_err(), Errno::ENOENT);
        drop(UnixListener::bind(&path).unwrap());
        // Another test's child may hold the descriptor between its fork and its exec.
        let end = Instant::now() + Duration::from_secs(10);
        while attempt(&path, Introduction::Session).is_ok() {
            assert!(Instant::now() < end, "still connected");
            std::thread::yield_now();
        }
        assert_eq!(attempt(&path, Introduction::Session).unwrap_err(), Errno::ECONNREFUSED);
    }
}
