//! Threads that are cancelled in calls which go through ours: the C library unwinds through it. Runs in the test process.

use std::time::Duration;

use manhole_tests::{turn, victims};

use super::run::{is_the_same, to_the_end};
use super::{IDLE, THREAD, VISITED};

#[test]
fn threads_that_are_cancelled() {
    let _turn = turn::shared();
    let program = victims::c("cancelled");
    is_the_same(&[IDLE, THREAD, VISITED], &[], |place, way| {
        to_the_end(place, way, place.command(&program, way), Duration::from_secs(60))
    });
}
