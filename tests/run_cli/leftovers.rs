//! Socket files of dead processes, and pids that are used again.

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use manhole_tests::{PATIENCE, turn, victim::socket_of, wait_for};

use super::{cli, err, launched, out};

/// A process that ends with its stdin, and the file of its name.
struct Idle(Child);

impl Idle {
    fn start() -> Idle {
        Idle(Command::new("cat").stdin(Stdio::piped()).spawn().unwrap())
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = std::fs::remove_file(socket_of(self.pid()));
    }
}

/// A socket that nobody listens on, made long before anything that is started now.
fn old_socket(directory: &Path) -> PathBuf {
    let path = directory.join("socket");
    drop(UnixListener::bind(&path).unwrap());
    age(&path);
    path
}

/// A new socket has a new birth as well as a new time; only the directory's age can be waited for.
fn age(path: &Path) {
    let made = std::fs::symlink_metadata(path).unwrap().modified().unwrap();
    wait_for("the file to be old", PATIENCE, || {
        let age = SystemTime::now().duration_since(made).unwrap_or_default();
        (age > Duration::from_millis(1500)).then_some(())
    });
}

#[test]
fn the_socket_of_a_killed_process_is_removed() {
    let _turn = turn::shared();
    let mut victim = launched(&[]);
    let (pid, path) = (victim.pid(), victim.socket());
    wait_for("the socket", PATIENCE, || path.exists().then_some(()));
    victim.signal(nix::sys::signal::Signal::SIGKILL);
    victim.ended();
    assert!(path.exists());
    let output = cli(&["-t", "0.2", &pid.to_string()]);
    assert_eq!(output.status.code(), Some(5), "{}", err(&output));
    let text = err(&output);
    assert!(text.starts_with(&format!("removed {}: process {pid} is gone\n", path.display())), "{text}");
    assert!(text.contains("does not exist"), "{text}");
    assert!(!path.exists());
}

#[test]
fn a_reused_pid_does_not_keep_an_old_socket() {
    let _turn = turn::shared();
    let directory = tempfile::tempdir().unwrap();
    let first = old_socket(directory.path());
    let second = directory.path().join("second");
    drop(UnixListener::bind(&second).unwrap());
    age(&second);
    let other = Idle::start();
    let pid = other.pid();
    // By pid, by path, and in a listing. A file of another name is nobody's.
    let path = directory.path().join(format!("manhole-{pid}"));
    std::fs::rename(&first, &path).unwrap();
    let output = cli(&["-t", "0.1", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(5), "{}", err(&output));
    let said = format!("removed {}: its process is gone, and process {pid} has begun since\n", path.display());
    assert!(err(&output).starts_with(&said), "{}", err(&output));
    assert!(!path.exists());
    std::fs::rename(&second, &path).unwrap();
    let output = cli(&["--list", directory.path().to_str().unwrap()]);
    assert_eq!((output.status.code(), out(&output).as_str()), (Some(0), ""));
    assert!(err(&output).starts_with(&said), "{}", err(&output));
    assert!(!path.exists());
}

#[test]
fn the_socket_of_a_living_process_stays() {
    let _turn = turn::shared();
    let directory = tempfile::tempdir().unwrap();
    let other = Idle::start();
    // It began before the file was made, so it may be the one that will listen again.
    let path = directory.path().join(format!("manhole-{}", other.pid()));
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(cli(&["-t", "0.1", path.to_str().unwrap()]).status.code(), Some(5));
    assert_eq!(cli(&["--list", directory.path().to_str().unwrap()]).status.code(), Some(0));
    assert!(path.exists());
}

#[test]
fn somebody_elses_leftover_stays() {
    let _turn = turn::shared();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(format!("manhole-{}", i32::MAX - 1));
    drop(UnixListener::bind(&path).unwrap());
    if std::os::unix::fs::chown(&path, Some(65533), None).is_err() {
        return;
    }
    cli(&["-t", "0", path.to_str().unwrap()]);
    cli(&["--list", directory.path().to_str().unwrap()]);
    assert!(path.exists());
}

/// The kernel keeps the pid of a dead listener, so a new process of that pid looks like the one who listens.
#[test]
fn a_reused_pid_is_not_taken_for_the_listener() {
    let _turn = turn::shared();
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    // Listens, leaves the socket to a child, and ends; then the next pid of this namespace is set to be the dead one's.
    let script = r#"
import os, socket, subprocess, sys, time
parent = os.fork()
if parent == 0:
    s = socket.socket(socket.AF_UNIX); s.bind("/tmp/manhole-%d" % os.getpid()); s.listen()
    if os.fork():
        os._exit(0)
    while True:
        c, _ = s.accept()
        try: c.sendall(b"\nI am a text manhole\n>>> ")
        except OSError: pass # the client has left
        c.close()
os.waitpid(parent, 0)
time.sleep(1.5) # a process counts as younger only by more than a second
open("/proc/sys/kernel/ns_last_pid", "w").write(str(parent - 1))
again = subprocess.Popen(["sleep", "1000"])
if again.pid != parent:
    print("missed", flush=True)
    sys.exit()
for flags in (["--raw"], ["-c", "x"], []):
    r = subprocess.run([sys.argv[1], "-t", "1", *flags, str(parent)], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    print("status", r.returncode, "said", repr(r.stdout), repr(r.stderr), flush=True)
r = subprocess.run([sys.argv[1], "--list"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
print("list", repr(r.stdout), repr(r.stderr), flush=True)
"#;
    let unshare = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"];
    let inside = "mount -t tmpfs none /tmp && exec python3 -c \"$0\" \"$1\"";
    let client = std::env::current_exe().unwrap().parent().unwrap().join("manhole-cli-copy");
    // The namespace has a /tmp of its own, and the target directory may be below the real one.
    std::fs::copy(manhole_tests::place::client(), &client).unwrap();
    let output = Command::new("unshare").args(unshare).args([inside, script]).arg(&client).output().unwrap();
    let _ = std::fs::remove_file(&client);
    let text = out(&output);
    if !output.status.success() || text.contains("missed") {
        eprintln!("skipped: no namespace in which pids can be chosen: {text}{}", err(&output));
        return;
    }
    let refused = text.matches("status 1 said ''").count();
    assert_eq!(refused, 3, "{text}");
    assert_eq!(text.matches("its pid has been given to another one").count(), 4, "{text}");
    assert!(text.contains("holds its socket and answers there"), "{text}");
}
