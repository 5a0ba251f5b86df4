//! gunicorn with workers of its own kinds and with gevent's.

use std::path::Path;

use manhole_tests::http::Load;
use manhole_tests::{processes, turn, venv, victims};
use nix::sys::signal::Signal;

use super::{Run, Server, a_stuck_worker_is_understood};

const WORKERS: usize = 2;

/// A kind of workers, and what else it is told.
type Class = &'static [&'static str];

fn start(python: &Path, run: Run, class: Class) -> Server {
    Server::start(python, run, |address| {
        let address = address.to_string();
        let directory = victims::script("").display().to_string();
        let workers = WORKERS.to_string();
        let all = ["-B", "-m", "gunicorn", "-w", &workers, "-b", &address, "--chdir", &directory, "-k"];
        all.iter()
            .chain(class)
            .copied()
            .chain(["--graceful-timeout", "5", "wsgi_app:application"])
            .map(str::to_owned)
            .collect()
    })
}

/// Every process is reached, and requests are served meanwhile; a reload and the end are as without us.
fn all_of_it(class: Class) {
    let _turn = turn::shared();
    let Some(python) = venv::program("python") else { return };
    let ends = [Run::Sockets, Run::Bare].map(|run| {
        let mut server = start(&python, run, class);
        let load = Load::on(server.address);
        let old = server.workers(WORKERS, &[]);
        let master = server.victim.pid();
        if run != Run::Bare {
            for &pid in old.iter().chain([&master]) {
                server.reach(pid);
                load.more(5);
            }
            assert_eq!(load.failures(), Vec::<String>::new());
            a_stuck_worker_is_understood(&server);
        } else {
            drop(load);
        }
        let load = Load::on(server.address);
        server.victim.signal(Signal::SIGHUP);
        let new = server.workers(WORKERS, &old);
        load.more(20);
        drop(load);
        if run != Run::Bare {
            let all: Vec<i32> = new.iter().copied().chain([master]).collect();
            all.iter().for_each(|&pid| _ = server.reach(pid));
            server.only(&all);
        }
        let end = server.end(Signal::SIGTERM);
        assert!(new.iter().all(|&pid| !processes::runs(pid)), "a worker is left");
        server.only(&[]);
        end
    });
    assert_eq!(ends[0], ends[1], "with and without a manhole");
}

#[test]
fn with_gevent() {
    all_of_it(&["gevent"]);
}

#[test]
fn with_workers_that_wait() {
    all_of_it(&["sync"]);
}

#[test]
fn with_workers_that_have_threads() {
    all_of_it(&["gthread", "--threads", "4"]);
}
