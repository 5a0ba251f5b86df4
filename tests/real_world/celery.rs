//! Celery with workers of its own kind, which a master forks before there is anything to do.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use manhole_tests::http::free_address;
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, TextClient, processes, requires, turn, venv, victims, wait_for};
use nix::sys::signal::Signal;

use super::{Sockets, launched};

const WORKERS: usize = 2;

/// A redis server that keeps nothing, for as long as this lives.
struct Broker {
    server: Child,
    url: String,
}

impl Broker {
    fn new() -> Option<Broker> {
        if !requires::installed("redis-server", "redis-server") {
            return None;
        }
        let port = free_address().port();
        let mut command = Command::new(requires::program("redis-server").unwrap());
        command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port.to_string()]);
        let server = command.stdout(Stdio::null()).spawn().expect("start redis-server");
        wait_for("redis", PATIENCE, || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        Some(Broker { server, url: format!("redis://127.0.0.1:{port}/0") })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Asks for tasks, from a process of its own.
struct Customer<'a>(&'a Path, &'a Broker);

impl Customer<'_> {
    fn asks(&self, expression: &str) -> Command {
        let mut command = Command::new(self.0);
        command.args(["-B", "-c", &format!("import celery_app; print({expression})")]);
        command.current_dir(victims::script("")).env("BROKER", &self.1.url);
        command
    }

    fn gets(&self, expression: &str) -> String {
        let output = self.asks(expression).output().expect("run python");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }
}

fn start(host: Host, broker: &Broker) -> Victim {
    let arguments = ["-B", "-m", "celery", "-A", "celery_app", "worker", "-P", "prefork", "-c", "2", "-l", "INFO"];
    let mut victim = host.args(arguments).directory(&victims::script("")).env("BROKER", &broker.url).start();
    victim.log_with("ready.");
    assert!(victim.runs());
    victim
}

#[test]
fn a_stuck_task_is_understood() {
    let _turn = turn::shared();
    let Some(python) = venv::program("python") else { return };
    let Some(broker) = Broker::new() else { return };
    let ends = [true, false].map(|with_manhole| {
        let sockets = Sockets::new();
        let host = if with_manhole { launched(&python, &sockets) } else { Host::without_manhole(&python) };
        let mut victim = start(host, &broker);
        let customer = Customer(&python, &broker);
        let workers = wait_for("the workers", PATIENCE * 2, || {
            let children = processes::children(victim.pid());
            (children.len() == WORKERS).then_some(children)
        });
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let mut stuck = customer
            .asks(&format!("celery_app.stuck.delay({fifo:?}).get(timeout=60)"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = fifo.with_extension("pid");
        let worker: i32 = wait_for("the task", PATIENCE * 2, || std::fs::read_to_string(&told).ok()?.parse().ok());
        assert!(workers.contains(&worker));
        if with_manhole {
            for &pid in workers.iter().chain([&victim.pid()]) {
                let mut client = TextClient::connect(&sockets.of(pid));
                let greeting = client.until_prompt();
                assert_eq!(greeting.contains("blocked in open") && greeting.contains(", in stuck\n"), pid == worker);
                assert_eq!(client.run("os.getpid()"), format!("{pid}\n"), "{greeting} {}", victim.log());
                assert!(client.run("%py-bt").contains("in <module>"), "{pid}");
                client.end();
            }
        }
        // The other one works meanwhile.
        let other: i32 = customer.gets("celery_app.pid.delay().get(timeout=30)").parse().unwrap();
        assert!(other != worker && workers.contains(&other));
        std::fs::write(&fifo, "released").unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(stuck.stdout.as_mut().unwrap(), &mut answer).unwrap();
        assert!(stuck.wait().unwrap().success());
        assert_eq!(answer, "released\n");
        victim.signal(Signal::SIGTERM);
        let status = victim.ended_within(PATIENCE * 2);
        assert!(workers.iter().all(|&pid| !processes::runs(pid)), "a worker is left");
        assert!(sockets.owners().is_empty(), "{:?}", sockets.owners());
        status
    });
    assert_eq!(ends[0], ends[1], "with and without a manhole");
}
