//! Shells: jobs, traps, coprocesses, here-documents, descriptors of all numbers, limits. Runs in the test process.

use std::time::Duration;

use manhole_tests::{place, requires, turn};

use super::run::{is_the_same, to_the_end};
use super::{ALONE, AT_ONCE, IDLE, THREAD, VISITED, VISITED_THREAD, Way, is_long};

const LIMIT: Duration = Duration::from_secs(120);

/// Runs a script of this directory by a program, in each of the ways.
pub(super) fn script(program: &str, package: &str, name: &str, arguments: &[&str], ways: &[Way], varies: &[&str]) {
    if !requires::installed(program, package) {
        return;
    }
    let path = place::tests().join("transparency").join(name);
    is_the_same(ways, varies, |place, way| {
        let mut command = place.command(program, way);
        command.arg(&path).args(arguments);
        to_the_end(place, way, command, LIMIT)
    });
}

fn ways() -> &'static [Way] {
    if is_long() { &[IDLE, THREAD, VISITED, VISITED_THREAD, ALONE, AT_ONCE] } else { &[IDLE, THREAD, VISITED] }
}

#[test]
fn bash() {
    let _turn = turn::shared();
    script("bash", "bash", "bash.sh", &[], ways(), &[]);
}

#[test]
fn bash_as_any_other_shell() {
    let _turn = turn::shared();
    script("bash", "bash", "shell.sh", &[], if is_long() { ways() } else { &[IDLE, AT_ONCE] }, &[]);
}

#[test]
fn dash() {
    let _turn = turn::shared();
    script("dash", "dash", "shell.sh", &[], ways(), &[]);
}
