//! Python's own tests of what a preloaded library could disturb: the same outcome of each of them. Runs in the test process.
//!
//! Many of them measure time, so what differs is run again by itself: see [`differs_again`].

use std::collections::BTreeMap;
use std::time::Duration;

use manhole_tests::requires::{self, is_long};
use manhole_tests::{place, turn};

use super::run::{Outcome, Place, visited_to_the_end};
use super::{ALONE, BARE, IDLE, THREAD, VISITED, VISITED_THREAD, Way};

/// Debian's own, whose tests are a package.
const PYTHON: &str = "/usr/bin/python3";

/// What each test came to.
type Results = BTreeMap<String, String>;

fn has_tests() -> bool {
    let output = std::process::Command::new(PYTHON)
        .args(["-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
        .output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    requires::installed_file(
        &format!("/usr/lib/python{version}/test/test_os.py"),
        &format!("libpython{version}-testsuite"),
    )
}

/// Runs a module, parts of one, or a single test to its end.
fn results(name: &str, way: Way) -> (Results, Outcome) {
    let place = Place::new();
    let mut command = place.command(PYTHON, way);
    command.args(["-I"]).arg(place::tests().join("transparency/python_tests.py")).args(name.split(' '));
    // A single test may be over before anybody has come.
    let mut outcome = visited_to_the_end(&place, way, command, Duration::from_secs(600)).0;
    let file = outcome.remove("file results").unwrap_or_default();
    // Its mode comes first.
    let results = file
        .split_once(' ')
        .map_or("", |(_, lines)| lines)
        .lines()
        .filter_map(|line| line.rsplit_once("  ").map(|(what, test)| (test.to_owned(), what.to_owned())));
    (results.collect(), outcome)
}

/// Whether a test's outcome differs from that without a manhole three times in a row, each run by itself, and without a manhole is always the same.
fn differs_again(test: &str, way: Way) -> bool {
    let name = test.split_whitespace().next().unwrap_or(test);
    let bare = results(name, BARE).0;
    !bare.is_empty() && (0..3).all(|_| results(name, way).0 != bare && results(name, BARE).0 == bare)
}

/// Runs modules at the same time: most of what they do is to wait.
fn all(modules: &[&str], way: Way) -> Vec<(Results, Outcome)> {
    std::thread::scope(|scope| {
        let running: Vec<_> = modules.iter().map(|module| scope.spawn(move || results(module, way))).collect();
        running.into_iter().map(|thread| thread.join().expect("a module's run")).collect()
    })
}

fn are_the_same(modules: &[&str], ways: &[Way]) {
    let mut found = String::new();
    for group in modules.chunks(4) {
        let bare = all(group, BARE);
        for (module, (results, outcome)) in group.iter().zip(&bare) {
            let count = results.values().filter(|what| *what == "passes").count();
            assert!(count > 0 && results.contains_key("the end"), "{module}: {results:?} {outcome:?}");
        }
        for &way in ways {
            for (module, ((bare, _), (results, outcome))) in group.iter().zip(bare.iter().zip(all(group, way))) {
                if bare == &results {
                    continue;
                }
                let tests = bare.keys().chain(results.keys()).filter(|test| bare.get(*test) != results.get(*test));
                for test in tests.collect::<std::collections::BTreeSet<_>>() {
                    // Of a run that has not come to its end all that is missing is missing for one reason.
                    let is_certain = !results.contains_key("the end");
                    if is_certain || differs_again(test, way) {
                        found += &format!(
                            "{module} {}: {test}: {:?} is {:?}\n",
                            way.name,
                            bare.get(test),
                            results.get(test)
                        );
                    }
                }
                if !found.is_empty() {
                    found += &format!("{}\n{}\n", outcome["output"], outcome["file details"]);
                }
            }
        }
    }
    assert!(found.is_empty(), "{found}");
}

#[test]
fn processes_and_descriptors() {
    let _turn = turn::shared();
    if !has_tests() {
        return;
    }
    if is_long() {
        let modules = [
            "test_os",
            "test_posix",
            "test_fork1",
            "test_subprocess",
            "test_fcntl",
            "test_select",
            "test_selectors",
            "test_pty",
            "test_popen",
            "test_wait3",
            "test_wait4",
            "test_eintr",
            "test_mmap",
            "test_socket",
            "test_resource",
            "test_io",
            "test_tempfile",
        ];
        return are_the_same(&modules, &[IDLE, THREAD, VISITED, VISITED_THREAD, ALONE]);
    }
    are_the_same(&["test_os", "test_posix", "test_subprocess", "test_fcntl"], &[IDLE]);
}

#[test]
fn signals_and_threads() {
    let _turn = turn::shared();
    if !has_tests() {
        return;
    }
    if is_long() {
        let modules = [
            "test_signal",
            "test_threading",
            "test_threadsignals",
            "test_thread",
            "test_faulthandler",
            "test_queue",
            "test_sched",
            "test_threading_local",
            "test_atexit",
            "test_time",
            "test_gc",
        ];
        return are_the_same(&modules, &[IDLE, THREAD, VISITED, VISITED_THREAD, ALONE]);
    }
    // The rest of test_signal waits for half a minute.
    let signal = "test_signal.PosixTests test_signal.WakeupSignalTests test_signal.ItimerTest test_signal.PendingSignalsTests test_signal.StressTest";
    are_the_same(&[signal, "test_threading", "test_thread", "test_threadsignals"], &[IDLE]);
}

#[test]
fn multiprocessing_and_asyncio() {
    let _turn = turn::shared();
    if !has_tests() {
        return;
    }
    if is_long() {
        let modules = [
            "test_multiprocessing_fork",
            "test_multiprocessing_spawn",
            "test_multiprocessing_forkserver",
            "test_asyncio",
            "test_concurrent_futures",
        ];
        return are_the_same(&modules, &[IDLE, VISITED, VISITED_THREAD]);
    }
    let modules = [
        "test_multiprocessing_fork.WithProcessesTestProcess",
        "test_multiprocessing_forkserver.WithProcessesTestPool",
        "test_asyncio.test_subprocess",
        "test_asyncio.test_unix_events",
    ];
    are_the_same(&modules, &[IDLE]);
}

/// A dump costs more than most of the tests' children: visits make the long modules last for minutes.
#[test]
fn visited() {
    let _turn = turn::shared();
    if has_tests() {
        are_the_same(&["test_threadsignals", "test_thread", "test_posix", "test_select"], &[VISITED]);
    }
}
