//! sqlite3's own program, by many processes and threads at one database. Runs in the test process.

use manhole_tests::{requires, turn};

use super::shells::script;
use super::{IDLE, THREAD, VISITED, is_long};

#[test]
fn sqlite3() {
    let _turn = turn::shared();
    if !requires::installed("sqlite3", "sqlite3") {
        return;
    }
    let ways: &[_] = if is_long() { &[IDLE, THREAD, VISITED] } else { &[IDLE, VISITED] };
    // In which order the processes write is the kernel's choice; a journal begins with a number by chance.
    script("dash", "dash", "sqlite.sh", &["sqlite3"], ways, &["wal.db", "killed.db-journal"]);
}
