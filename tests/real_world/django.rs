//! Django's runserver: a parent that only restarts its child, and a child that serves and ends when a file changes.

use manhole_tests::http::{Load, get};
use manhole_tests::{processes, turn, venv, victims};
use nix::sys::signal::Signal;

use super::{Run, Server};

#[test]
fn runserver_reloads() {
    let _turn = turn::shared();
    let Some(python) = venv::program("python") else { return };
    // A copy, as it is going to be touched.
    let directory = tempfile::tempdir().unwrap();
    let site = directory.path().join("django_site.py");
    std::fs::copy(victims::script("django_site.py"), &site).unwrap();
    let mut server = Server::start(&python, Run::Sockets, |address| {
        vec!["-B".to_owned(), site.display().to_string(), "runserver".to_owned(), address.to_string()]
    });
    let load = Load::on(server.address);
    let parent = server.victim.pid();
    let old = server.workers(1, &[]);
    assert_eq!(get(server.address, "/").unwrap().trim(), old[0].to_string(), "the child serves");
    let dump = server.reach(old[0]);
    assert!(dump.contains("django") || dump.contains("PyEval"), "{dump}");
    server.reach(parent);
    load.more(10);
    assert_eq!(load.failures(), Vec::<String>::new());
    server.only(&[old[0], parent]);

    let touched = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    std::fs::File::options().append(true).open(&site).unwrap().set_modified(touched).unwrap();
    let new = server.workers(1, &old);
    let load = Load::on(server.address);
    assert_eq!(get(server.address, "/").unwrap().trim(), new[0].to_string(), "the new child serves");
    server.reach(new[0]);
    server.reach(parent);
    server.only(&[new[0], parent]);
    load.more(10);
    assert_eq!(load.failures(), Vec::<String>::new());

    // The parent ends as Python does that leaves by SystemExit, and kills its child.
    assert_eq!(server.end(Signal::SIGTERM), (Some(0), None));
    assert!(!processes::runs(new[0]));
}
