//! stress-ng's stressors of processes, signals, descriptors, timers and memory, which check what they do. Runs in the test process.

use std::time::Duration;

use manhole_tests::requires::{self, is_long};
use manhole_tests::{place, turn};

use super::run::{is_the_same, to_the_end};
use super::{ALONE, IDLE, THREAD, VISITED, VISITED_THREAD, Way};

const PROCESSES: &[&str] = &[
    "fork=200",
    "vfork=200",
    "clone=200",
    "daemon=100",
    "zombie=200",
    "wait=100",
    "exit-group=50",
    "session=30",
    "switch=500",
    "pthread=300",
    "ptrace=500",
    "rlimit=100",
    "prctl=50",
    "chroot=50",
    "seccomp=10",
    "unshare=3",
];
const SIGNALS: &[&str] = &[
    "kill=5000",
    "sigabrt=100",
    "sigchld=500",
    "sigfd=1000",
    "sigfpe=1000",
    "sigio=1000",
    "signal=5000",
    "signest=500",
    "sigpending=5000",
    "sigpipe=300",
    "sigq=5000",
    "sigrt=2000",
    "sigsegv=5000",
    "sigsuspend=1000",
    "sigtrap=2000",
];
const DESCRIPTORS: &[&str] = &[
    "close=50",
    "dup=30",
    "fcntl=500",
    "open=20",
    "poll=500",
    "epoll=100",
    "eventfd=1000",
    "pidfd=300",
    "sockfd=100",
    "pipe=5000",
    "fifo=1000",
    "inotify=2",
];
const TIMERS: &[&str] = &["itimer=50", "timer=1000", "timerfd=50", "alarm=5", "clock=200", "nanosleep=200", "sleep=50"];
const MEMORY: &[&str] = &[
    "malloc=5000",
    "mmap=1",
    "munmap=50",
    "brk=2000",
    "bigheap=20",
    "mlock=10",
    "vm=20",
    "vm-rw=20",
    "bad-altstack=200",
    "mprotect=200",
    "memfd=2",
    "set=100",
    "env=20",
];

/// The short form goes through the ways `short`, and ends each stressor after two seconds, or when it has done what it was to do; the long one lets it do twenty times as much.
fn verified(stressors: &[&str], short: &[Way]) {
    let _turn = turn::shared();
    if !requires::installed("stress-ng", "stress-ng") {
        return;
    }
    let script = place::tests().join("transparency/stress.sh");
    let ways: &[Way] = if is_long() { &[IDLE, THREAD, VISITED, VISITED_THREAD, ALONE] } else { short };
    is_the_same(ways, &[], |place, way| {
        let mut command = place.command("bash", way);
        command.arg(&script).arg(if is_long() { "20" } else { "2" });
        command.args(stressors.iter().map(|each| match each.split_once('=') {
            Some((name, count)) if is_long() => format!("{name}={}", 20 * count.parse::<u32>().expect("a number")),
            _ => (*each).to_owned(),
        }));
        to_the_end(place, way, command, Duration::from_secs(900))
    });
}

#[test]
fn processes() {
    verified(PROCESSES, &[IDLE, VISITED]);
}

#[test]
fn signals() {
    verified(SIGNALS, &[IDLE, VISITED]);
}

#[test]
fn descriptors() {
    verified(DESCRIPTORS, &[IDLE, VISITED]);
}

#[test]
fn timers() {
    verified(TIMERS, &[IDLE, VISITED]);
}

#[test]
fn memory() {
    // Visited, one of them has once let our thread say that what it waits with is not mapped (EFAULT): the long form shows it.
    verified(MEMORY, &[IDLE]);
}
