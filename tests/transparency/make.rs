//! make and the compilers: builds with several jobs at once, and what they have made is run. Runs in the test process.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use manhole_tests::{requires, sources, turn};

use super::run::{is_the_same, to_the_end};
use super::shells::script;
use super::{IDLE, THREAD, VISITED, is_long};

#[test]
fn gcc() {
    let _turn = turn::shared();
    if !requires::installed("gcc", "gcc") || !requires::installed("g++", "g++") {
        return;
    }
    let ways: &[_] = if is_long() { &[IDLE, THREAD, VISITED] } else { &[IDLE, VISITED] };
    script("bash", "bash", "compile.sh", &[], ways, &[]);
}

/// Lua out of the sources of redis: 35 units, two libraries' worth, and an interpreter that is run.
#[test]
fn make() {
    let _turn = turn::shared();
    let Some(redis) = sources::program("redis") else { return };
    let lua = redis.with_file_name("unpacked").join("deps/lua");
    let script = "make -j4 -C lua/src all CFLAGS='-O0 -DLUA_USE_MKSTEMP' MYLIBS=-lm -Otarget -s && make -j4 -C lua/src all CFLAGS=-O0 -n
        lua/src/lua -e 'for i = 1, 10 do print(i, 2 ^ i, pcall(error, i)) end os.exit(5)'; echo \"lua: $?\"
        printf 'all: a b c\\n%%:\\n\\t@echo made $@; sh -c \"exit $(words $^)\"\\nb:\\n\\t@echo b fails; exit 3\\n' >own.mk; make -k -Otarget -f own.mk; echo \"make: $?\"
        make -C lua/src -s clean; echo \"clean: $?\"";
    is_the_same(if is_long() { &[IDLE, THREAD, VISITED] } else { &[IDLE, VISITED] }, &[], |place, way| {
        copy(&lua, &place.directory);
        let mut command = place.command("sh", way);
        command.args(["-c", script]);
        let mut outcome = to_the_end(place, way, command, Duration::from_secs(300));
        outcome.retain(|name, _| !name.starts_with("file lua/") || name.starts_with("file lua/src"));
        outcome
    });
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp");
    assert!(status.success(), "cp {}", from.display());
    let clean = Command::new("make").args(["-s", "-C"]).arg(to.join("lua/src")).arg("clean").status();
    assert!(clean.is_ok_and(|status| status.success()));
}
