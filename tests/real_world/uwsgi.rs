//! uWSGI with a master and workers, and the recipes of the README for it.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use manhole_tests::http::{Load, get};
use manhole_tests::victim::socket_of;
use manhole_tests::{place, processes, turn, venv, victims};
use nix::sys::signal::Signal;

use super::{Run, Server, Stuck, a_stuck_worker_is_understood, all_serve};

const WORKERS: usize = 3;

fn arguments(address: std::net::SocketAddr) -> Vec<String> {
    let file = victims::script("wsgi_app.py").display().to_string();
    let mut all: Vec<String> =
        ["--master", "--need-app", "--die-on-term", "--disable-logging"].map(str::to_owned).into();
    all.extend(["--processes".into(), WORKERS.to_string(), "--wsgi-file".into(), file]);
    all.extend(["--http-socket".into(), address.to_string()]);
    all
}

fn cli(arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(place::client()).args(arguments).env("HOME", home.path()).stdin(Stdio::null()).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_worker_is_chosen_and_reached() {
    let _turn = turn::shared();
    let Some(uwsgi) = venv::program("uwsgi") else { return };
    let server = Server::start(&uwsgi, Run::Sockets, arguments);
    let worker = a_stuck_worker_is_understood(&server);
    server.victim.log_with(&format!("(pid: {worker},"));
    let load = Load::on(server.address);
    let workers = server.workers(WORKERS, &[]);
    for &pid in workers.iter().chain([&server.victim.pid()]) {
        server.reach(pid);
    }
    load.more(20);
    assert_eq!(load.failures(), Vec::<String>::new());
}

#[test]
fn the_plain_recipe() {
    let _turn = turn::shared();
    let Some(uwsgi) = venv::program("uwsgi") else { return };
    let mut server = Server::start(&uwsgi, Run::With(&[]), arguments);
    let load = Load::on(server.address);
    let stuck = Stuck::at(server.address);
    let pid = stuck.worker.to_string();
    // A worker has its manhole half a second after it was forked.
    let output = cli(&["-t", "10", "-c", "%bt", &pid]);
    assert!(output.status.success() && text(&output).contains("PyEval"), "{}", text(&output));
    stuck.release();
    load.more(10);
    assert_eq!(load.failures(), Vec::<String>::new());
    let workers = server.workers(WORKERS, &[]);
    all_serve(&server, &workers);
    assert_eq!(server.end(Signal::SIGTERM), (Some(0), None));
    for pid in workers {
        assert!(!socket_of(pid).exists(), "{pid}");
    }
}

#[test]
fn reload_and_stop_are_as_without_us() {
    let _turn = turn::shared();
    let Some(uwsgi) = venv::program("uwsgi") else { return };
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let ends = [Run::Sockets, Run::Bare].map(|run| reload_and_stop(&uwsgi, run, signal));
        assert_eq!(ends[0], ends[1], "{signal}: with and without a manhole");
    }
}

fn reload_and_stop(uwsgi: &Path, run: Run, signal: Signal) -> (Option<i32>, Option<i32>) {
    let mut server = Server::start(uwsgi, run, arguments);
    let load = Load::on(server.address);
    let old = server.workers(WORKERS, &[]);
    let reach_all = |server: &Server, workers: &[i32]| {
        if run != Run::Bare {
            let all: Vec<i32> = workers.iter().copied().chain([server.victim.pid()]).collect();
            all.iter().for_each(|&pid| _ = server.reach(pid));
            server.only(&all);
        }
    };
    reach_all(&server, &old);
    // A worker that has not come to its first request may miss the word to leave, with or without us.
    all_serve(&server, &old);
    // The master executes itself, with the same pid.
    server.victim.signal(Signal::SIGHUP);
    let new = server.workers(WORKERS, &old);
    load.more(20);
    drop(load);
    reach_all(&server, &new);
    all_serve(&server, &new);
    let end = server.end(signal);
    assert!(new.iter().all(|&pid| !processes::runs(pid)), "a worker is left");
    server.only(&[]);
    end
}

#[test]
fn the_recipe_with_a_signal() {
    let _turn = turn::shared();
    let Some(uwsgi) = venv::program("uwsgi") else { return };
    let server = Server::start(&uwsgi, Run::With(&["--activate-on", "RTMIN+2"]), arguments);
    let load = Load::on(server.address);
    let worker: i32 = get(server.address, "/").unwrap().trim().parse().unwrap();
    let pid = worker.to_string();
    assert!(!socket_of(worker).exists());
    let output = cli(&["-t", "10", "-s", "RTMIN+2", "-c", "%bt", &pid]);
    assert!(output.status.success() && text(&output).contains("#0 "), "{}\n{}", text(&output), server.victim.log());
    // Nobody else has one.
    for other in server.workers(WORKERS, &[]).into_iter().chain([server.victim.pid()]) {
        assert_eq!(socket_of(other).exists(), other == worker, "{other}");
    }
    load.more(10);
    assert_eq!(load.failures(), Vec::<String>::new());
}

#[test]
fn the_recipe_with_a_monitored_file() {
    let _turn = turn::shared();
    let Some(uwsgi) = venv::program("uwsgi") else { return };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("manhole-pid");
    std::fs::write(&file, "").unwrap();
    let server = Server::start(&uwsgi, Run::With(&["--thread", "false"]), |address| {
        let mut all = arguments(address);
        all.extend(["--env".to_owned(), format!("MONITORED={}", file.display())]);
        all
    });
    let load = Load::on(server.address);
    let worker: i32 = get(server.address, "/").unwrap().trim().parse().unwrap();
    assert!(!socket_of(worker).exists());
    // The master may not look at the file yet when a worker serves already; whoever touches it in vain touches it again.
    let mut output = None;
    for _ in 0..8 {
        std::fs::write(&file, worker.to_string()).unwrap();
        output = Some(cli(&["-t", "3", "-c", "%bt", &worker.to_string()])).filter(|output| output.status.success());
        if output.is_some() {
            break;
        }
    }
    let output = output.unwrap_or_else(|| panic!("no manhole was opened: {}", server.victim.log()));
    assert!(text(&output).contains("#0 "), "{}\n{}", text(&output), server.victim.log());
    load.more(10);
    assert_eq!(load.failures(), Vec::<String>::new());
}
