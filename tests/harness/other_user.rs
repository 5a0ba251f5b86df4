//! Hosts and clients that are not root's; the tests have to run as root for it. Runs in the test process.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{place, requires};

/// A directory that every user may enter, with copies of the library and of a program that every user may run.
pub struct ForAll {
    directory: tempfile::TempDir,
    /// The copy of the library.
    pub library: PathBuf,
}

impl ForAll {
    /// `None`, and the reason said, when the tests do not run as root.
    ///
    /// # Panics
    /// When the copies cannot be made; in CI, when not root.
    #[must_use]
    pub fn new() -> Option<ForAll> {
        if !nix::unistd::geteuid().is_root() || requires::program("setpriv").is_none() {
            requires::missing("root, to act as other users, and setpriv: apt-get install util-linux");
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let library = place::library_for_all(directory.path());
        Some(ForAll { directory, library })
    }

    /// A copy of a program.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn program(&self, path: &Path) -> PathBuf {
        let copy = self.directory.path().join(path.file_name().expect("a name"));
        std::fs::copy(path, &copy).expect("copy the program");
        std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).expect("chmod");
        copy
    }
}

/// Lets every user connect as far as the socket's mode goes, so that the credentials decide.
///
/// # Panics
/// When there is no socket.
pub fn open_the_mode(socket: &Path) {
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o666)).expect("chmod the socket");
}

/// All that a client which says nothing gets when it runs as another user; empty when it is refused.
///
/// # Panics
/// When the client cannot be started, or is not allowed to connect at all.
#[must_use]
pub fn greeting(uid: u32, socket: &Path) -> String {
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.settimeout(10)\ns.connect(sys.argv[1])\n\
                  try: s.shutdown(socket.SHUT_WR)\nexcept OSError: pass\nb=b''\nwhile True:\n  try: d=s.recv(65536)\n  \
                  except ConnectionResetError: break\n  if not d: break\n  b+=d\nsys.stdout.write(b.decode())";
    let uid = uid.to_string();
    let output = Command::new("setpriv")
        .args(["--reuid", &uid, "--regid", &uid, "--clear-groups", "/usr/bin/python3", "-c", script])
        .arg(socket)
        .stdin(Stdio::null())
        .output()
        .expect("start the client");
    assert!(output.status.success(), "the client of user {uid}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
