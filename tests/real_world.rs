//! Programs as people run them, under `manhole-run` with its defaults: web servers with masters, workers and reloads, main
//! loops made of signals, storms of children. Each works as without us, each of its processes can be reached, and no socket
//! stays behind.

mod celery;
mod django;
mod gunicorn;
mod notebook;
mod signal_loops;
mod storms;
mod uwsgi;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use manhole_tests::http::{Load, Response, free_address, get};
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, TextClient, place, processes, wait_for};
use nix::sys::signal::Signal;

/// A program that `manhole-run` starts with its sockets in a directory of their own, each named by its pid.
fn launched(program: &Path, sockets: &Sockets) -> Host {
    Host::without_manhole(place::launcher()).args(["--socket-path", &sockets.pattern(), "--"]).arg(program)
}

/// A directory for the sockets of one program and all its children.
struct Sockets(tempfile::TempDir);

impl Sockets {
    fn new() -> Sockets {
        Sockets(tempfile::tempdir().expect("a directory"))
    }

    fn pattern(&self) -> String {
        self.of("{pid}").display().to_string()
    }

    fn of(&self, pid: impl ToString) -> PathBuf {
        self.0.path().join(pid.to_string())
    }

    /// Whose sockets there are.
    fn owners(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.0.path()).expect("the directory");
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }
}

/// How a server is started.
#[derive(Clone, Copy, PartialEq)]
enum Run<'a> {
    /// As it is, for comparison.
    Bare,
    /// By `manhole-run`, with the sockets in a directory of their own.
    Sockets,
    /// By `manhole-run` with these arguments.
    With(&'a [&'a str]),
}

/// A web server with processes of its own, all of which end with this value.
struct Server {
    victim: Victim,
    address: SocketAddr,
    sockets: Sockets,
}

impl Server {
    /// Starts a server that is given its address by `arguments`.
    fn start(program: &Path, run: Run, arguments: impl FnOnce(SocketAddr) -> Vec<String>) -> Server {
        let (address, sockets) = (free_address(), Sockets::new());
        let host = match run {
            Run::Bare => Host::without_manhole(program),
            Run::Sockets => launched(program, &sockets),
            Run::With(options) => Host::without_manhole(place::launcher()).args(options).arg("--").arg(program),
        };
        Server { victim: host.args(arguments(address)).start(), address, sockets }
    }

    /// Its children, once there are so many and none of them is one of `before`.
    fn workers(&self, count: usize, before: &[i32]) -> Vec<i32> {
        wait_for(&format!("{count} new workers"), PATIENCE * 2, || {
            let found = processes::children(self.victim.pid());
            (found.len() == count && found.iter().all(|pid| !before.contains(pid))).then_some(found)
        })
    }

    /// One of its processes answers at its manhole; gives the dump.
    fn reach(&self, pid: i32) -> String {
        let mut client = TextClient::connect(&self.sockets.of(pid));
        let greeting = client.until_prompt();
        assert!(greeting.contains(&format!("ProcessID={pid}, ThreadID={pid},")), "{pid}: {greeting}");
        // What else it prints comes too.
        let answer = client.run("os.getpid()");
        assert!(answer.lines().any(|line| line == pid.to_string()), "{answer}\n{greeting}");
        client.end();
        greeting
    }

    /// The processes that have sockets are these.
    fn only(&self, pids: &[i32]) {
        let expected: BTreeSet<String> = pids.iter().map(ToString::to_string).collect();
        assert_eq!(
            self.sockets.owners(),
            expected,
            "the sockets that are there, and the processes: {}",
            self.victim.log()
        );
    }

    /// Asks it to end, and tells how it did.
    fn end(&mut self, signal: Signal) -> (Option<i32>, Option<i32>) {
        use std::os::unix::process::ExitStatusExt;
        self.victim.signal(signal);
        let status = self.victim.ended_within(PATIENCE * 2);
        (status.code(), status.signal())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let kill = |pid, signal| _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal);
        let children = processes::children(self.victim.pid());
        if self.victim.runs() {
            kill(self.victim.pid(), Signal::SIGTERM);
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.victim.runs() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.victim.runs() {
            // The parent first, or it would replace the others.
            kill(self.victim.pid(), Signal::SIGKILL);
            children.into_iter().for_each(|pid| kill(pid, Signal::SIGKILL));
        }
    }
}

/// A request that hangs in a worker until it is released.
struct Stuck {
    response: Response,
    fifo: PathBuf,
    worker: i32,
    _directory: tempfile::TempDir,
}

impl Stuck {
    fn at(address: SocketAddr) -> Stuck {
        let directory = tempfile::tempdir().expect("a directory");
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        let mut response = Response::to(address, &format!("/stuck{}", fifo.display())).expect("an answer");
        let worker = response.line().expect("a line").parse().expect("a pid");
        Stuck { response, fifo, worker, _directory: directory }
    }

    /// Lets it go on, and expects its answer to be whole.
    fn release(self) {
        std::fs::write(&self.fifo, "released").expect("open the fifo");
        assert_eq!(self.response.rest().expect("the rest"), "released");
    }
}

/// Each of these workers serves: a request hangs in every one of them at the same time.
fn all_serve(server: &Server, workers: &[i32]) {
    let stuck: Vec<Stuck> = workers.iter().map(|_| Stuck::at(server.address)).collect();
    let serving: BTreeSet<i32> = stuck.iter().map(|one| one.worker).collect();
    stuck.into_iter().for_each(Stuck::release);
    assert_eq!(serving, workers.iter().copied().collect());
}

/// One worker hangs: it is found, its dump says where, and a session in it and dumps of it disturb nobody. The request
/// that hangs goes on afterwards. Gives the worker's pid.
fn a_stuck_worker_is_understood(server: &Server) -> i32 {
    wait_for("the web server", PATIENCE * 2, || get(server.address, "/").ok());
    let stuck = Stuck::at(server.address);
    // Not before it hangs: a worker of gevent's may have accepted other requests too, which then hang with it.
    let load = Load::on(server.address);
    let dump = server.reach(stuck.worker);
    assert!(dump.contains("blocked in open") && dump.contains("PyEval"), "{dump}");
    let mut session = TextClient::connect(&server.sockets.of(stuck.worker));
    session.until_prompt();
    load.more(20);
    for _ in 0..5 {
        assert!(session.run("%bt").contains("#0 "));
        load.more(2);
    }
    let worker = stuck.worker;
    stuck.release();
    assert!(session.run("print(6*7)").contains("42"));
    load.more(20);
    session.end();
    assert_eq!(load.failures(), Vec::<String>::new());
    worker
}
