//! Socket custody: bind, verify that the socket is still ours, heal, accept, unlink.
//!
//! Context: the agent's thread and, while there is none, host threads, **signal handlers** included; [`unlink_own`] and
//! [`forget`] on host threads inside exit and fork. No allocation; the lock is waited for at most [`MOMENT`], and never held over a
//! system call. The name is removed only by the process that made it, and only while the file is the one that it made.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;

use crate::settings::{PATH, Settings};
use crate::sys::fd::{self, Fd};
use crate::sys::lock::{self, Lock};
use crate::sys::{Errno, at_start, process, socket};
use crate::text::Text;
use crate::{log, state};

/// The socket file that this process has made.
#[derive(Clone, Copy)]
struct Bound {
    pid: i32,
    path: Text<PATH>,
    /// Device and inode of the file.
    identity: (u64, u64),
    /// And of the root directory from which the name was made: a host that goes to another one leaves the name where it is.
    root: (u64, u64),
}

impl Bound {
    /// Whether the name stands for the file that was made.
    fn is_there(&self) -> bool {
        fd::stat_link(self.path.as_c_str()).is_ok_and(|now| now.identity == self.identity)
    }

    /// Whether the name is what it was made for, as far as it can be looked at from here. A look that fails for another reason than that
    /// nothing is there says nothing, and a client may have come by this name already.
    fn is_intact(&self) -> bool {
        match fd::stat_link(self.path.as_c_str()) {
            Ok(now) if now.identity == self.identity => true,
            Ok(_) | Err(Errno(libc::ENOENT | libc::ENOTDIR)) => root() != self.root,
            Err(_) => true,
        }
    }

    /// Removes the name, in the process that has made it.
    #[cold]
    fn unlink(&self) {
        if self.pid == process::pid() && self.is_there() {
            let _ = fd::unlink(self.path.as_c_str());
        }
    }

    /// As [`Bound::unlink`], in a process that ends: it may have another effective user by now, and the one that the file belongs to in reserve. What that one may do is
    /// done in a directory of root's alone, where no other user can have the name lead elsewhere.
    #[cold]
    fn unlink_at_last(&self) {
        self.unlink();
        if self.pid != process::pid() || !self.is_there() || process::has_filters() {
            return;
        }
        let path = self.path.as_c_str();
        let directory = self.path.as_bytes().rsplitn(2, |&byte| byte == b'/').nth(1).unwrap_or_default();
        let mut parent = Text::<PATH>::new();
        parent.push(directory);
        if let Ok(file) = fd::stat_link(path)
            && file.identity == self.identity
            && fd::stat_target(parent.as_c_str()).is_ok_and(|parent| parent.uid == 0)
        {
            process::with_files_of(file.uid, || {
                let _ = fd::unlink(path);
            });
        }
    }
}

/// What exit has to remove.
static BOUND: Lock<Option<Bound>> = Lock::new(None);

/// How long the lock is waited for. It is held for a few instructions; a handler that has interrupted those waits in vain.
const MOMENT: Duration = Duration::from_millis(20);

/// What is bound, without keeping the lock; `None` also while that cannot be told.
fn bound() -> Option<Bound> {
    *BOUND.lock_within(MOMENT)?
}

/// 1 while there is one.
static STANDS: AtomicU32 = AtomicU32::new(0);

/// How many threads are just making a socket.
static MAKING: AtomicU32 = AtomicU32::new(0);

/// The identity of the root directory.
fn root() -> (u64, u64) {
    fd::stat_target(at_start::ROOT).map_or((0, 0), |stat| stat.identity)
}

/// A listening socket and its name.
pub(crate) struct Listener {
    fd: Fd,
    bound: Bound,
}

/// Why there is no socket.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The expanded path has more bytes than a unix socket may have.
    PathTooLong(usize),
    /// The process is inside `exit`.
    Exiting,
    /// Another thread of the process is at the same thing, or was interrupted in the midst of it.
    Busy,
    /// Another process listens there.
    InUse,
    /// Something stands there that is not a stale socket of this user.
    InTheWay(&'static str),
    /// The kernel refuses.
    Kernel(&'static str, Errno),
}

impl Failure {
    /// Whether it is the path that is in the way, for a thread with a descriptor table of its own as well. A socket that answers may be one that another
    /// thread of this process has made at this moment.
    pub(crate) fn is_about_the_path(&self) -> bool {
        match self {
            Failure::PathTooLong(_) | Failure::InTheWay(_) => true,
            Failure::Exiting | Failure::Busy | Failure::InUse | Failure::Kernel("cannot stat", _) => false,
            Failure::Kernel(_, Errno(error)) => {
                matches!(*error, libc::EACCES | libc::EPERM | libc::EROFS | libc::ENOTDIR | libc::ELOOP)
                    || self == &Failure::Kernel("cannot bind", Errno(libc::ENOENT))
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::PathTooLong(len) => {
                write!(f, "the path has {len} bytes, a unix socket's may have {}", PATH - 1)
            }
            Failure::Exiting => f.write_str("the process exits"),
            Failure::Busy => f.write_str("another thread of the process is at it"),
            Failure::InUse => f.write_str("another process listens there"),
            Failure::InTheWay(what) => write!(f, "{what} stands there, which is left alone"),
            Failure::Kernel(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

/// The path of this process's socket, or the length of one that is too long.
#[cold]
pub(crate) fn path_of(settings: &Settings, pid: i32) -> Result<Text<PATH>, Failure> {
    let template = settings.socket_path.as_bytes();
    let mut number = Text::<12>::new();
    number.push_number(pid.unsigned_abs());
    let (mut path, mut len) = (Text::new(), 0);
    let mut add = |piece: &[u8]| {
        path.push(piece);
        len += piece.len();
    };
    let mut rest = template;
    while let Some(at) = rest.windows(5).position(|window| window == b"{pid}") {
        add(rest.get(..at).unwrap_or_default());
        add(number.as_bytes());
        rest = rest.get(at + 5..).unwrap_or_default();
    }
    add(rest);
    if len < PATH { Ok(path) } else { Err(Failure::PathTooLong(len)) }
}

/// The path of this process's socket, for people.
#[cold]
pub(crate) fn shown_path() -> Text<PATH_SHOWN> {
    let settings = state::settings();
    let mut shown = Text::new();
    match path_of(settings, process::pid()) {
        Ok(path) => shown.push(path.as_bytes()),
        Err(_) => shown.push(settings.socket_path.as_bytes()),
    }
    shown
}

/// The longest path that is shown, in bytes.
const PATH_SHOWN: usize = 256;

impl Listener {
    /// Makes the socket. A stale one of a dead process is replaced; anything else in the way is not touched.
    #[cold]
    pub(crate) fn bind(settings: &Settings) -> Result<Listener, Failure> {
        MAKING.fetch_add(1, Ordering::SeqCst);
        let made = Listener::make(settings);
        MAKING.fetch_sub(1, Ordering::SeqCst);
        lock::wake(&MAKING, u32::MAX >> 1);
        made
    }

    #[cold]
    fn make(settings: &Settings) -> Result<Listener, Failure> {
        let pid = process::pid();
        let path = path_of(settings, pid)?;
        if state::is_exiting() {
            return Err(Failure::Exiting);
        }
        let fd = match socket::listen_at(path.as_c_str()) {
            Err(Errno(libc::EADDRINUSE)) => {
                remove_stale(&path)?;
                socket::listen_at(path.as_c_str())
            }
            other => other,
        };
        let fd = fd.map_err(|error| Failure::Kernel("cannot bind", error))?;
        let stat = fd::stat_link(path.as_c_str()).map_err(|error| Failure::Kernel("cannot stat", error))?;
        let made = Bound { pid, path, identity: stat.identity, root: root() };
        let Some(mut bound) = BOUND.lock_within(MOMENT) else {
            // Nobody would remove it later.
            made.unlink();
            return Err(Failure::Busy);
        };
        *bound = Some(made);
        drop(bound);
        // An exit that has begun meanwhile may have looked too early.
        if state::is_exiting() {
            unlink_own();
            return Err(Failure::Exiting);
        }
        STANDS.store(1, Ordering::Release);
        lock::wake(&STANDS, u32::MAX >> 1);
        log::event(format_args!("Manhole UDS path: {path}"));
        Ok(Listener { fd, bound: made })
    }

    /// A listener of this process with the socket `fd`, which [`Listener::bind`] has made.
    pub(crate) fn adopt(fd: Fd) -> Option<Listener> {
        let bound = bound()?;
        (bound.pid == process::pid()).then_some(Listener { fd, bound })
    }

    /// The socket alone; its name stays known.
    pub(crate) fn into_socket(self) -> Fd {
        self.fd
    }

    /// The descriptor to wait on.
    pub(crate) fn fd(&self) -> &Fd {
        &self.fd
    }

    /// Whether the name is still the one that was made: cleaners of `/tmp` remove what looks old.
    pub(crate) fn is_intact(&self) -> bool {
        self.bound.is_intact()
    }
}

/// Whether the name of this process's socket is the one that was made; true while that cannot be asked.
pub(crate) fn is_own_intact() -> bool {
    let Some(bound) = BOUND.lock_within(MOMENT).map(|bound| *bound) else { return true };
    bound.is_some_and(|bound| bound.is_intact())
}

/// Waits until this process has a socket, at most `limit`. For a host thread that has asked for the manhole.
pub(crate) fn wait_until_bound(limit: Duration) -> bool {
    let start = process::monotonic();
    while STANDS.load(Ordering::Acquire) == 0 {
        let left = limit.saturating_sub(process::monotonic().saturating_sub(start));
        if left.is_zero() {
            return false;
        }
        lock::wait(&STANDS, 0, Some(left));
    }
    true
}

/// Removes a socket that nobody listens on any more.
fn remove_stale(path: &Text<PATH>) -> Result<(), Failure> {
    let c_path = path.as_c_str();
    let before = fd::stat_link(c_path).map_err(|error| Failure::Kernel("cannot stat", error))?;
    if !before.is_socket() {
        return Err(Failure::InTheWay("a file that is no socket"));
    }
    let euid = process::euid();
    if before.uid != euid && euid != 0 {
        return Err(Failure::InTheWay("another user's socket"));
    }
    match socket::answers(c_path) {
        Err(Errno(libc::ECONNREFUSED)) => {}
        Err(Errno(libc::ENOENT)) => return Ok(()),
        Ok(()) => return Err(Failure::InUse),
        Err(error) => return Err(Failure::Kernel("cannot tell whether the socket there is stale", error)),
    }
    remove_refusing(c_path, before.identity)
        .map_err(|error| Failure::Kernel("cannot remove the stale socket there", error))
}

/// Removes the socket file with this identity, if nobody listens there. Asked right before: inode numbers are used again, and somebody else may have been
/// quicker.
pub(crate) fn remove_refusing(path: &core::ffi::CStr, identity: (u64, u64)) -> crate::sys::Result<()> {
    let refuses = || socket::answers(path) == Err(Errno(libc::ECONNREFUSED));
    let is_the_same = || fd::stat_link(path).is_ok_and(|now| now.identity == identity);
    if refuses() && is_the_same() && refuses() { fd::unlink(path) } else { Ok(()) }
}

/// Removes the socket's name, if process and file are the ones that made it.
#[cold]
pub(crate) fn unlink_own() {
    if let Some(bound) = take_bound() {
        bound.unlink();
    }
}

fn take_bound() -> Option<Bound> {
    let bound = BOUND.lock_within(MOMENT).and_then(|mut bound| bound.take())?;
    STANDS.store(0, Ordering::Release);
    Some(bound)
}

/// As [`unlink_own`], in a process that ends, once [`state::exit_begins`] has been said: who is just making the socket would be ended between the file and
/// the note of it. From then on nobody begins.
#[cold]
pub(crate) fn unlink_for_good() {
    let start = process::monotonic();
    loop {
        let making = MAKING.load(Ordering::SeqCst);
        let left = MOMENT.saturating_sub(process::monotonic().saturating_sub(start));
        if making == 0 || left.is_zero() {
            if let Some(bound) = take_bound() {
                bound.unlink_at_last();
            }
            return;
        }
        lock::wait(&MAKING, making, Some(left));
    }
}

/// The socket's file, which was given to another user, by a descriptor in the host's table: others may close what they do not know, and use
/// its number.
pub(crate) struct GivenAway {
    file: Option<Fd>,
    identity: (u64, u64),
    /// Whose it was.
    owner: u32,
}

impl GivenAway {
    /// Takes it back, wherever its name is now.
    pub(crate) fn take_back(mut self) {
        if let Some(file) = self.take() {
            let _ = file.set_owner(self.owner);
        }
    }

    /// The descriptor, if it is still this file's.
    fn take(&mut self) -> Option<Fd> {
        let file = self.file.take()?;
        if file.stat().is_ok_and(|now| now.identity == self.identity) {
            return Some(file);
        }
        file.into_number();
        None
    }
}

impl Drop for GivenAway {
    fn drop(&mut self) {
        drop(self.take());
    }
}

/// Gives the socket's file to user `uid`, as far as this process may; `None` where nothing has changed.
///
/// What is given away is the file that was looked at, by a descriptor: a user who may rename there could put another one in
/// its place between a look at the path and a change by the path.
pub(crate) fn give_away(uid: u32) -> Option<GivenAway> {
    let bound = bound().filter(|bound| bound.pid == process::pid())?;
    let file = Fd::open(bound.path.as_c_str(), libc::O_PATH | libc::O_NOFOLLOW).ok()?;
    let now = file.stat().ok().filter(|now| now.is_socket() && now.identity == bound.identity)?;
    let is_given = now.uid != uid && file.set_owner(uid).is_ok();
    is_given.then_some(GivenAway { file: Some(file), identity: now.identity, owner: now.uid })
}

/// Forgets the parent's socket. Called by the only thread of a freshly forked child.
pub(crate) fn forget() {
    STANDS.store(0, Ordering::Release);
    MAKING.store(0, Ordering::SeqCst);
    BOUND.forget(None);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(template: &str) -> Settings {
        let mut settings = Settings::DEFAULT;
        settings.socket_path.push(template.as_bytes());
        settings
    }

    #[test]
    fn the_pid_is_put_into_the_path() {
        let check = |template: &str, path: &str| {
            assert_eq!(path_of(&settings(template), 42).unwrap().as_bytes(), path.as_bytes());
        };
        check("/tmp/manhole-{pid}", "/tmp/manhole-42");
        check("/run/{pid}/{pid}.sock", "/run/42/42.sock");
        check("/run/fixed", "/run/fixed");
        assert_eq!(path_of(&settings(&"x".repeat(108)), 1).err(), Some(Failure::PathTooLong(108)));
    }

    #[test]
    fn a_stale_socket_is_replaced_and_nothing_else() {
        let directory = std::env::temp_dir().join(format!("manhole-listener-{}", process::pid()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("socket");
        let settings = settings(path.to_str().unwrap());

        let stale = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(Listener::bind(&settings).err(), Some(Failure::InUse));
        stale.set_nonblocking(true).unwrap();
        let error = stale.accept().err().map(|error| error.kind());
        assert_eq!(error, Some(std::io::ErrorKind::WouldBlock), "who listens has heard of it");
        drop(stale);
        std::fs::remove_file(&path).unwrap();
        let stale = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        assert_eq!(Listener::bind(&settings).err(), Some(Failure::InUse));
        drop(stale);
        let listener = Listener::bind(&settings).unwrap();
        assert!(listener.is_intact());
        assert_eq!(fd::stat_link(listener.bound.path.as_c_str()).unwrap().mode & 0o777, 0o600);
        std::fs::remove_file(&path).unwrap();
        assert!(!listener.is_intact());

        std::fs::write(&path, "content").unwrap();
        assert!(matches!(Listener::bind(&settings).err(), Some(Failure::InTheWay(_))));
        unlink_own();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "content");

        std::fs::remove_file(&path).unwrap();
        let held = BOUND.lock();
        assert_eq!(Listener::bind(&settings).err(), Some(Failure::Busy));
        assert!(!path.exists(), "a socket that nobody will remove");
        drop(held);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
