//! Real programs, with and without the preload: the same output, exit status and files, idle and while clients come and go.
//!
//! Each is run twice without us first: what differs then, the program varies by itself, and a test that names it beforehand leaves it out
//! (`varies`); anything else is a test that does not measure. Then come the ways in which a program can have a manhole. Nothing is taken out of
//! what a program says: the scripts print no process ids, times or addresses, so that there is nothing that a rule could hide.
//!
//! Where other people's tests are run (Python's own, stress-ng), single results are compared. These measure time on a machine that is shared, so
//! what differs is run again by itself, with and without us in turn: it counts if it fails each time with us and not each time without
//! ([`Way`]'s `differs_again`).
//!
//! `MANHOLE_TEST_LONG=1` runs the long form: more modules, more operations, more ways.

mod git;
mod make;
mod run;
mod shells;
mod sqlite;
mod visits;

use std::path::Path;
use std::process::Command;

use manhole_tests::place;
use manhole_tests::requires::is_long;

/// How a program is run.
#[derive(Clone, Copy, Debug)]
struct Way {
    name: &'static str,
    /// The options of its manhole; `None`: it has none.
    options: Option<&'static str>,
    /// Whether somebody connects to each of its processes, dumps and leaves, every 50 ms.
    is_visited: bool,
}

impl Way {
    const fn new(name: &'static str, options: &'static str, is_visited: bool) -> Way {
        Way { name, options: Some(options), is_visited }
    }
}

const BARE: Way = Way { name: "without a manhole", options: None, is_visited: false };
const IDLE: Way = Way::new("with the defaults", "", false);
const THREAD: Way = Way::new("with a thread", "thread=True", false);
const VISITED: Way = Way::new("with the defaults, visited", "", true);
const VISITED_THREAD: Way = Way::new("with a thread, visited", "thread=True", true);
const ALONE: Way = Way::new("without manholes in children, visited", "children=False", true);
const AT_ONCE: Way = Way::new("with manholes in children at once, visited", "reinstall_delay=0", true);

/// Prepares a command for a way of running it; the sockets of what is visited are in `sockets`, each named by its pid.
fn prepare(command: &mut Command, way: Way, sockets: &Path) {
    for name in ["LD_PRELOAD", "MANHOLE", "PYTHONMANHOLE", "PYTHONUNBUFFERED", "MAKEFLAGS", "CARGO_MAKEFLAGS"] {
        command.env_remove(name);
    }
    command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
    let Some(options) = way.options else { return };
    command.env("LD_PRELOAD", place::library());
    let at = if way.is_visited { format!("socket_path='{}/{{pid}}'", sockets.display()) } else { String::new() };
    let separator = if at.is_empty() || options.is_empty() { "" } else { ", " };
    command.env("MANHOLE", format!("{at}{separator}{options}"));
}
