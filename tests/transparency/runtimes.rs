//! Runtimes with threads, signals and code of their own: node, a JVM with jstack. Runs in the test process.

use std::time::Duration;

use manhole_tests::requires::{self, is_long};
use manhole_tests::{place, turn};

use super::run::{is_the_same, to_the_end};
use super::shells::script;
use super::{ALONE, IDLE, THREAD, VISITED, VISITED_THREAD, Way};

fn ways() -> &'static [Way] {
    if is_long() { &[IDLE, THREAD, VISITED, VISITED_THREAD, ALONE] } else { &[IDLE, VISITED] }
}

#[test]
fn node() {
    let _turn = turn::shared();
    if !requires::installed("node", "nodejs") {
        return;
    }
    let program = place::tests().join("transparency/node.js");
    is_the_same(ways(), &[], |place, way| {
        let mut command = place.command("node", way);
        command.arg(&program);
        to_the_end(place, way, command, Duration::from_secs(120))
    });
}

#[test]
fn java() {
    let _turn = turn::shared();
    if !requires::installed("javac", "default-jdk-headless") {
        return;
    }
    let source = place::tests().join("transparency/Work.java").display().to_string();
    let collectors: &[&str] =
        if is_long() { &["SerialGC", "ParallelGC", "G1GC", "ZGC", "ShenandoahGC"] } else { &["G1GC"] };
    let mut arguments = vec![source.as_str()];
    arguments.extend(collectors);
    script("bash", "bash", "java.sh", &arguments, ways(), &[]);
}
