//! A directory with a stand-in for libmanhole.so, which says on standard error that it was loaded and starts a
//! thread, as the real one does; and ways to start and await programs. Runs in the tests.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

pub(crate) const LAUNCHER: &str = env!("CARGO_BIN_EXE_manhole-run");

/// No launch takes nearly as long, even on a loaded machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) const STAND_IN: &str = r#"
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static void *serve(void *unused) { free(malloc(10)); pause(); return unused; }
__attribute__((constructor)) static void install(void) {
    pthread_t thread;
    pthread_create(&thread, 0, serve, 0);
    write(2, "loaded\n", 7);
}
"#;

pub(crate) const EMPTY_MAIN: &str = "int main(void) { return 0; }";

/// A directory of its own with the stand-in in it.
pub(crate) struct House {
    pub(crate) root: TempDir,
    pub(crate) library: PathBuf,
}

impl House {
    pub(crate) fn new() -> Self {
        // Not in /tmp, which may be mounted nosuid or noexec.
        let root = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let library = compile(
            root.path(),
            "libmanhole.so",
            STAND_IN,
            &["-shared", "-fPIC"],
        );
        Self { root, library }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(crate) fn compile(&self, name: &str, flags: &[&str]) -> PathBuf {
        compile(self.root.path(), name, EMPTY_MAIN, flags)
    }

    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A launch with the stand-in, and nothing of ours in the environment.
    pub(crate) fn launch(&self) -> Command {
        let mut command = bare(LAUNCHER);
        command.arg("--lib").arg(&self.library);
        command
    }
}

pub(crate) fn bare(program: &str) -> Command {
    let mut command = Command::new(program);
    for name in [
        "LD_PRELOAD",
        "MANHOLE",
        "MANHOLE_LIB",
        "MANHOLE_ORIGINAL_LD_PRELOAD",
        "ASAN_OPTIONS",
    ] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
}

pub(crate) fn compile(directory: &Path, name: &str, source: &str, flags: &[&str]) -> PathBuf {
    let input = directory.join(format!("{name}.c"));
    let output = directory.join(name);
    fs::write(&input, source).unwrap();
    let status = Command::new("gcc")
        .args(flags)
        .arg("-o")
        .args([&output, &input])
        .status()
        .expect("gcc is needed for the tests (apt-get install gcc libc6-dev)");
    assert!(status.success(), "gcc {flags:?}");
    output
}

/// What a command printed and how it ended: pid, status (128 + signal), standard output, standard error.
pub(crate) struct Ended {
    pub(crate) pid: u32,
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn run(command: &mut Command) -> Ended {
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(DEADLINE) else {
        let _ = Command::new("kill")
            .args(["-KILL", &pid.to_string()])
            .status();
        panic!("{command:?} has not ended after {DEADLINE:?}");
    };
    let Output {
        status,
        stdout,
        stderr,
    } = output.unwrap();
    Ended {
        pid,
        code: status
            .code()
            .or(status.signal().map(|number| 128 + number))
            .unwrap(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}
