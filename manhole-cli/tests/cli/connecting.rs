//! Finding the socket, waiting for it, signals, and the checks of who answers.
//!
//! Runs in the test binary. Other processes are small Python programs that open a socket of their own.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::client::{Left, PATIENCE, run, wait};
use crate::manhole::{Manhole, Manner};

/// A process that waits for its stdin to end.
struct Other(Child);

impl Other {
    fn idle() -> Self {
        let child = Command::new("cat").stdin(Stdio::piped()).spawn();
        Self(child.unwrap())
    }

    /// Runs Python code with `listen(path)` and `serve(socket)` at hand, and waits for its first line, `ready`.
    fn python(code: &str, environment: &[(&str, &str)]) -> Self {
        Self::of(Command::new("python3").arg("-c").arg(format!("{LIBRARY}{code}")), environment)
    }

    fn of(command: &mut Command, environment: &[(&str, &str)]) -> Self {
        let mut child =
            command.envs(environment.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self(child)
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
        let _ = std::fs::remove_file(format!("/tmp/manhole-{}", self.0.id()));
    }
}

/// The process's end, small: a hello, and `PID` as the answer to everything.
const LIBRARY: &str = r#"
import json, os, signal, socket, sys, threading
def listen(path):
    s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(); return s
def ready(): print("ready", flush=True)
def serve(s):
    while True:
        c, _ = s.accept()
        try: serve_one(c)
        except OSError: pass # the client has left
def serve_one(c):
    def say(**message): c.sendall(json.dumps(message).encode() + b"\n")
    say(hello=dict(protocol=1, version="0", pid=os.getpid(), uid=os.geteuid(), program="py", prompt=">>> "))
    for line in c.makefile("r"):
        id = json.loads(line)["id"]
        say(id=id, text="I am %d\n" % os.getpid())
        say(id=id, done="ok")
def usual(): return "/tmp/manhole-%d" % os.getpid()
try: os.unlink(usual()) # of an earlier process with this pid
except FileNotFoundError: pass
"#;

fn enter(pid: i32, flags: &[&str]) -> Left {
    let home = tempfile::tempdir().unwrap();
    let pid = pid.to_string();
    run(home.path(), &[flags, &["-c", "x", &pid]].concat(), "")
}

fn assert_entered(left: &Left, pid: i32) {
    assert_eq!((left.code, left.stdout.as_str(), left.stderr.as_str()), (0, format!("I am {pid}\n").as_str(), ""));
}

#[test]
fn by_pid_at_the_usual_path() {
    let other = Other::python("s = listen(usual()); ready(); serve(s)", &[]);
    assert_entered(&enter(other.pid(), &[]), other.pid());
}

#[test]
fn by_the_usual_path_as_a_path() {
    let other = Other::python("s = listen(usual()); ready(); serve(s)", &[]);
    let home = tempfile::tempdir().unwrap();
    let path = format!("/tmp/manhole-{}", other.pid());
    assert_entered(&run(home.path(), &["-c", "x", &path], ""), other.pid());
}

#[test]
fn by_pid_with_a_socket_path_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let options = format!("verbose=True, socket_path='{}/s-{{pid}}'", home.path().display());
    let code = format!("s = listen('{}/s-%d' % os.getpid()); ready(); serve(s)", home.path().display());
    let other = Other::python(&code, &[("MANHOLE", &options)]);
    assert_entered(&enter(other.pid(), &[]), other.pid());
}

#[test]
fn by_pid_when_only_the_kernel_knows_the_path() {
    let home = tempfile::tempdir().unwrap();
    let code = format!("s = listen('{}/my-manhole'); ready(); serve(s)", home.path().display());
    let other = Other::python(&code, &[]);
    assert_entered(&enter(other.pid(), &[]), other.pid());
}

#[test]
fn by_pid_across_namespaces() {
    let unshare = ["--map-root-user", "--mount", "--pid", "--fork", "--kill-child"];
    let is_allowed = Command::new("unshare").args(unshare).args(["mount", "-t", "tmpfs", "none", "/tmp"]).status();
    if !is_allowed.is_ok_and(|status| status.success()) {
        eprintln!("not run: this machine does not let us make namespaces");
        return;
    }
    let code = format!("{LIBRARY}s = listen(usual()); ready(); serve(s)");
    let mut command = Command::new("unshare");
    // Not below /tmp, which the command covers.
    command.current_dir("/");
    command.args(unshare).args(["sh", "-c", "mount -t tmpfs none /tmp && exec python3 -c \"$0\"", &code]);
    let other = Other::of(&mut command, &[]);
    let children = format!("/proc/{0}/task/{0}/children", other.pid());
    let inner: i32 = std::fs::read_to_string(children).unwrap().trim().parse().unwrap();
    assert_entered(&enter(inner, &[]), 1);
    // The path through the other's root names the outer pid.
    let home = tempfile::tempdir().unwrap();
    let path = format!("/proc/{inner}/root/tmp/manhole-1");
    assert_entered(&run(home.path(), &["-c", "x", &path], ""), 1);
}

#[test]
fn a_signal_comes_first_and_opening_is_awaited() {
    for flags in [&["-USR2"][..], &["-2"], &["-s", "sigusr2"], &["-s", "12"]] {
        let other = Other::python(
            "signal.signal(signal.SIGUSR2, lambda *_: threading.Timer(0.2, lambda: serve(listen(usual()))).start())\n\
             ready()\nwhile True: signal.pause()",
            &[],
        );
        let flags = [flags, &["-t", "20"]].concat();
        assert_entered(&enter(other.pid(), &flags), other.pid());
    }
}

#[test]
fn a_real_time_signal_is_sent() {
    let other = Other::python(
        "signal.signal(signal.SIGRTMIN + 3, lambda *_: threading.Thread(target=lambda: serve(listen(usual()))).start())\n\
         ready()\nwhile True: signal.pause()",
        &[],
    );
    let left = enter(other.pid(), &["-t", "20", "-s", "RTMIN+3"]);
    assert_entered(&left, other.pid());
}

#[test]
fn a_signal_that_cannot_be_sent_is_an_error() {
    let mut other = Other::idle();
    other.0.kill().unwrap();
    wait(&mut other.0);
    let left = enter(other.pid(), &["-1"]);
    assert_eq!(left.code, 1);
    let expected = format!("cannot send SIGUSR1 to process {}: No such process\n", other.pid());
    assert_eq!(left.stderr, expected);
}

#[test]
fn time_runs_out_with_the_reason() {
    let other = Other::idle();
    let left = enter(other.pid(), &["-t", "0.3"]);
    assert_eq!((left.code, left.stdout.as_str()), (5, ""));
    let first = format!("Failed to connect to '/tmp/manhole-{}': Timeout\n", other.pid());
    assert!(left.stderr.starts_with(&first), "{}", left.stderr);
    assert!(left.stderr.contains("start it with manhole-run"), "{}", left.stderr);
    assert!(left.took >= Duration::from_millis(290), "{:?}", left.took);
    assert!(left.took < PATIENCE / 2, "{:?}", left.took);
}

#[test]
fn waiting_does_not_spin() {
    let other = Other::idle();
    let home = tempfile::tempdir().unwrap();
    let child = crate::client::command(home.path())
        .args(["-t", "2", &other.pid().to_string()])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(child.id() as i32);
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    // The zombie still tells its times.
    waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    let mut child = child;
    child.wait().unwrap();
    // 100 ticks are a second of CPU; a loop without a sleep takes two.
    assert!(ticks < 50, "{ticks} ticks of CPU time in 2 s");
}

#[test]
fn a_process_that_is_gone() {
    let mut other = Other::idle();
    other.0.kill().unwrap();
    wait(&mut other.0);
    let left = enter(other.pid(), &["-t", "0"]);
    assert_eq!(left.code, 5);
    assert!(left.stderr.contains("does not exist"), "{}", left.stderr);
}

#[test]
fn a_stopped_process_is_named() {
    let other = Other::python("s = listen(usual()); ready(); serve(s)", &[]);
    let pid = Pid::from_raw(other.pid());
    kill(pid, Signal::SIGSTOP).unwrap();
    nix::sys::wait::waitpid(pid, Some(nix::sys::wait::WaitPidFlag::WUNTRACED)).unwrap();
    let left = enter(other.pid(), &["-t", "0.3"]);
    assert_eq!(left.code, 5);
    assert!(left.stderr.contains(": Timeout\n"), "{}", left.stderr);
    assert!(left.stderr.contains(&format!("kill -CONT {pid}")), "{}", left.stderr);
    kill(pid, Signal::SIGCONT).unwrap();
    assert_entered(&enter(other.pid(), &["-t", "20"]), other.pid());
}

#[test]
fn a_manhole_that_says_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("app.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let left = run(home.path(), &["-t", "0.3", path.to_str().unwrap()], "");
    assert_eq!(left.code, 5);
    assert!(left.stderr.contains("said nothing"), "{}", left.stderr);
}

#[test]
fn a_full_queue_does_not_hold_the_client() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("app.sock");
    let code = format!(
        "s = socket.socket(socket.AF_UNIX); s.bind('{0}'); s.listen(0)\n\
         cs = [socket.socket(socket.AF_UNIX) for _ in range(9)]\n\
         [(c.setblocking(False), c.connect_ex('{0}')) for c in cs]\nready(); sys.stdin.read()",
        path.display()
    );
    let _other = Other::python(&code, &[]);
    let left = run(home.path(), &["-t", "0.3", path.to_str().unwrap()], "");
    assert_eq!(left.code, 5);
    assert!(left.took < PATIENCE / 2, "{:?}", left.took);
}

#[test]
fn somebody_elses_socket_is_refused() {
    let other = Other::idle();
    let manhole = Manhole::open_as(&format!("manhole-{}", other.pid()), Manner::default());
    let left = run(manhole.home(), &["-c", "x", manhole.path().to_str().unwrap()], "");
    assert_eq!((left.code, left.stdout.as_str()), (1, ""));
    let mine = format!("belongs to process {}", std::process::id());
    assert!(left.stderr.contains(&mine), "{}", left.stderr);
    assert!(manhole.lines_run().is_empty());
}

#[test]
fn a_child_with_its_parents_listener_is_refused() {
    let manner = Manner { pid: 12345, ..Manner::default() };
    let manhole = Manhole::open_as("manhole-x", manner);
    let path = manhole.home().join(format!("manhole-{}", std::process::id()));
    std::fs::rename(manhole.path(), &path).unwrap();
    let left = run(manhole.home(), &["-c", "x", path.to_str().unwrap()], "");
    assert_eq!(left.code, 1);
    assert!(left.stderr.contains("process 12345 answers"), "{}", left.stderr);
}

#[test]
fn a_dead_parents_listener_is_refused() {
    // The parent listens and ends; its child holds the listener, and the kernel still names the parent.
    let mut other =
        Other::python("s = listen(usual())\nif os.fork(): ready(); os._exit(0)\nos.close(1); sys.stdin.read()", &[]);
    wait_but_keep_stdin(&mut other.0);
    let left = enter(other.pid(), &["-t", "0.5"]);
    assert_eq!(left.code, 1, "{}", left.stderr);
    assert!(left.stderr.contains(&format!("process {} is gone", other.pid())), "{}", left.stderr);
}

/// `Child::try_wait` and its kin close stdin or not, by version; the grandchild lives as long as it is open.
fn wait_but_keep_stdin(child: &mut Child) {
    let stdin = child.stdin.take();
    wait(child);
    child.stdin = stdin;
}

#[test]
fn a_later_protocol_is_named() {
    let manner = Manner { protocol: 2, ..Manner::default() };
    let manhole = Manhole::open_as("app.sock", manner);
    let left = run(manhole.home(), &[manhole.path()], "");
    assert_eq!(left.code, 1);
    assert!(left.stderr.contains("version 2 of the protocol"), "{}", left.stderr);
}

#[test]
fn a_process_that_refuses_closes() {
    let manhole = Manhole::serve("app.sock", |_, _| {});
    let left = run(manhole.home(), &[manhole.path()], "");
    assert_eq!(left.code, 1);
    assert!(left.stderr.contains("closed the connection without a word"), "{}", left.stderr);
}

#[test]
fn a_path_that_is_no_manhole() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("datagram");
    let _socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    let left = run(home.path(), &["-t", "0", path.to_str().unwrap()], "");
    assert_eq!(left.code, 5);
    assert_eq!(left.stderr.matches("no stream socket").count(), 1, "{}", left.stderr);
}

#[test]
fn a_lost_socket_is_made_anew() {
    // Stands in for the agent: the library's name is mapped, a thread is called Manhole, and SIGSTKFLT to it makes the socket anew.
    let home = tempfile::tempdir().unwrap();
    let library = home.path().join("libmanhole.so");
    std::fs::write(&library, [0; 4096]).unwrap();
    let code = format!(
        "import mmap, time\n\
         f = open('{}'); m = mmap.mmap(f.fileno(), 4096, access=mmap.ACCESS_READ)\n\
         def agent():\n\
         \x20   open('/proc/self/task/%d/comm' % threading.get_native_id(), 'w').write('Manhole')\n\
         \x20   ready()\n\
         \x20   while signal.SIGSTKFLT not in signal.sigpending(): time.sleep(0.01)\n\
         \x20   serve(listen(usual()))\n\
         signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGSTKFLT])\n\
         threading.Thread(target=agent).start()",
        library.display()
    );
    let other = Other::python(&code, &[]);
    assert_entered(&enter(other.pid(), &["-t", "20"]), other.pid());
}

#[test]
fn another_users_socket_names_its_owner() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not run: needs root to become another user");
        return;
    }
    let manhole = Manhole::open();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(manhole.home(), open).unwrap();
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(manhole.path(), closed).unwrap();
    let program = manhole.home().join("manhole-cli");
    std::fs::copy(Path::new(env!("CARGO_BIN_EXE_manhole-cli")), &program).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65533", "--clear-groups"]).arg(program).args(["-t", "0.1"]).arg(manhole.path());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{text}");
    assert_eq!(text.matches("permission denied; it belongs to uid 0 (root)").count(), 1, "{text}");
}
