//! git: hooks, rebase, bisect, gc, clones through its own servers. Runs in the test process.

use manhole_tests::turn;

use super::shells::script;
use super::{ALONE, IDLE, THREAD, VISITED, is_long};

#[test]
fn git() {
    let _turn = turn::shared();
    if !manhole_tests::requires::installed("git", "git") {
        return;
    }
    let ways: &[_] = if is_long() { &[IDLE, THREAD, VISITED, ALONE] } else { &[IDLE, VISITED] };
    // The index has times and inodes, and so have packs' names in what was made from it.
    script(
        "bash",
        "bash",
        "git.sh",
        &[],
        ways,
        &["/index", "all.bundle", ".idx", ".pack", ".rev", "/objects/info", "/logs/"],
    );
}
