//! Signals to chosen threads of a victim, by the helper program `victims/poke.c`. Runs in the test process.

use crate::victim::{Host, Victim};
use crate::{text, victims};

/// Starts to send `signal` to `pid` `count` times, so many microseconds apart: to the thread `tid`, or to all threads in turn.
///
/// # Panics
/// When the helper does not start.
#[must_use]
pub fn start(pid: i32, signal: i32, count: usize, apart_us: u32, tid: Option<i32>) -> Victim {
    let numbers = [i64::from(pid), i64::from(signal), i64::try_from(count).expect("a count"), i64::from(apart_us)];
    let mut host = Host::without_manhole(victims::c("poke")).args(numbers.map(|number| number.to_string()));
    if let Some(tid) = tid {
        host = host.arg(tid.to_string());
    }
    host.ready()
}

/// How many signals it has sent; waits for its end.
///
/// # Panics
/// When it does not end.
pub fn sent(poker: &mut Victim) -> usize {
    let (said, _) = poker.finish();
    let line = said.iter().find(|line| line.starts_with("sent=")).unwrap_or_else(|| panic!("no count in {said:?}"));
    usize::try_from(text::value(line, "sent").expect("a count")).expect("a count")
}

/// One signal to one thread.
///
/// # Panics
/// When it cannot be sent.
pub fn once(pid: i32, signal: i32, tid: i32) {
    assert_eq!(sent(&mut start(pid, signal, 1, 0, Some(tid))), 1, "signal {signal} was not sent to thread {tid}");
}
