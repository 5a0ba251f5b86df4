//! Servers under load: nginx, redis, postgres, with what their operators do to them. Runs in the test process.

use std::path::PathBuf;

use manhole_tests::requires::{self, is_long};
use manhole_tests::{place, turn};

use super::shells::script;
use super::{IDLE, THREAD, VISITED, VISITED_THREAD, Way};

fn ways() -> &'static [Way] {
    if is_long() { &[IDLE, THREAD, VISITED, VISITED_THREAD] } else { &[IDLE, VISITED] }
}

#[test]
fn nginx() {
    let _turn = turn::shared();
    if !requires::installed("nginx", "nginx-light") {
        return;
    }
    let load = place::tests().join("transparency/load.py").display().to_string();
    let program = requires::program("nginx").expect("it is installed");
    script("bash", "bash", "nginx.sh", &[&program, &load, if is_long() { "100" } else { "15" }], ways(), &[]);
}

#[test]
fn redis() {
    let _turn = turn::shared();
    if !requires::installed("redis-server", "redis-server") {
        return;
    }
    script("bash", "bash", "redis.sh", &[if is_long() { "20000" } else { "1000" }], ways(), &[]);
}

#[test]
fn postgres() {
    let _turn = turn::shared();
    if !requires::installed("psql", "postgresql") {
        return;
    }
    let Some(programs) = postgres_programs() else { return requires::missing("postgres: apt-get install postgresql") };
    let programs = programs.display().to_string();
    script("bash", "bash", "postgres.sh", &[&programs, if is_long() { "1000" } else { "50" }], ways(), &[]);
}

/// Debian keeps them out of PATH, below their version.
fn postgres_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).find(|path| path.join("initdb").exists())
}
