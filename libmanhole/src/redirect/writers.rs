//! Who has written what comes out of the pipes while a line runs: the line, or other threads of the host.
//!
//! Context: the agent's thread.
//!
//! A pipe does not tell who has written. But the kernel counts what each thread and the whole process write (`wchar` in proc_pid_io(5)), at the
//! end of each call, so what was read is compared with what was counted. What the line had written before the pipe was emptied has come out of
//! it: as many bytes are the line's own. Where that leaves it open, output counts as the host's: what the host prints is not to
//! be lost, and a word of the line's too many in its log harms nobody.
//!
//! What children have written, the kernel adds to the process when they end. If a line has started some, the threads are counted one by one. If it
//! has started none, and has written nothing itself, a program of the host's has written what comes.

use core::time::Duration;

use crate::sys::{directory, process, thread};
use crate::worker;

/// How much each has written, to anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    line: u64,
    others: u64,
}

/// What was counted, and what of it has come out of the pipes.
pub(super) struct Writers {
    /// The thread that runs the line.
    tid: i32,
    /// What was counted before the line began, and what it is known to be since; `None` where the kernel does not tell.
    known: Option<Counts>,
    /// What was counted before the pipes were emptied.
    before: Option<Counts>,
    /// What the other threads had written before the line began; `None` where they are too many to be counted each time.
    threads: Option<u64>,
    /// Since when it is not known whose something is, on the monotonic clock.
    unknown_since: Option<Duration>,
}

/// How long a thread may be on its way back from a call that has written and is not counted yet.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

/// How many threads are counted one by one.
const THREADS: u32 = 256;

/// Whose output it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The line's alone.
    Lines,
    /// Others have written some of it, or may have.
    Others,
    /// Not all of it is counted yet, or programs have written it that somebody has started, or the line writes elsewhere too. In the end it
    /// counts as that of others if those have written anything.
    NotYetKnown { may_be_others: bool },
}

impl Writers {
    /// The line that thread `tid` is about to run. To be called before the pipes are in their places: what comes into them before it is counted here would
    /// be nobody's.
    pub(super) fn of_line(tid: i32) -> Writers {
        worker::forget_starts();
        let known = counts(tid);
        Writers { tid, known, before: known, threads: of_threads(tid), unknown_since: None }
    }

    /// Before the pipes are emptied.
    pub(super) fn look(&mut self) {
        self.before = counts(self.tid);
    }

    /// Whose the `read` bytes are that were read since it was last known. `is_all`: the pipes were empty then.
    pub(super) fn whose(&mut self, read: u64, is_all: bool) -> Whose {
        let mut now = counts(self.tid);
        if let (Some(now), Some(known)) = (&mut now, self.known)
            && now.others > known.others
            && worker::have_started()
            && self.threads.is_some_and(|before| of_threads(self.tid).is_some_and(|now| now <= before))
        {
            now.others = known.others;
        }
        let time = process::monotonic();
        let line_has_part = worker::have_started() || now.map(|now| now.line) != self.known.map(|known| known.line);
        let is_long = self.unknown_since.is_some_and(|since| time.saturating_sub(since) >= ON_ITS_WAY);
        let whose = self.whose_by(read, is_all, now, is_long && !line_has_part);
        self.unknown_since = match whose {
            Whose::NotYetKnown { .. } => self.unknown_since.or(Some(time)),
            Whose::Lines | Whose::Others => None,
        };
        match whose {
            Whose::NotYetKnown { .. } if !line_has_part => Whose::NotYetKnown { may_be_others: true },
            other => other,
        }
    }

    /// `is_not_lines`: the line can have written nothing of it.
    fn whose_by(&mut self, read: u64, is_all: bool, now: Option<Counts>, is_not_lines: bool) -> Whose {
        let (Some(known), Some(before), Some(now)) = (self.known, self.before, now) else { return Whose::Others };
        let (before, now) = (before.since(known), now.since(known));
        let whose = if is_not_lines { Whose::Others } else { judge(read, before.line, now, is_all) };
        let told = match whose {
            Whose::Lines => Counts { line: read, others: 0 },
            Whose::Others => Counts { line: now.line, others: read.saturating_sub(now.line).min(now.others) },
            Whose::NotYetKnown { .. } => Counts::default(),
        };
        self.known = Some(Counts { line: known.line + told.line, others: known.others + told.others });
        whose
    }
}

impl Counts {
    fn since(self, earlier: Counts) -> Counts {
        Counts { line: self.line.saturating_sub(earlier.line), others: self.others.saturating_sub(earlier.others) }
    }
}

/// `read` bytes have come; the line had written `before` when they were read, and both have written `now`.
fn judge(read: u64, before: u64, now: Counts, is_all: bool) -> Whose {
    match now {
        _ if is_all && before == read => Whose::Lines,
        Counts { others: 0, .. } => Whose::NotYetKnown { may_be_others: false },
        Counts { line: 0, others } if others < read => Whose::NotYetKnown { may_be_others: true },
        _ => Whose::Others,
    }
}

/// The counts of this moment: what the line writes between two looks is nobody else's.
fn counts(tid: i32) -> Option<Counts> {
    for _ in 0..8 {
        let line = process::written(Some(tid))?;
        let all = process::written(None)?;
        if process::written(Some(tid))? == line {
            let hand = thread::hand();
            let hand = if hand == 0 { 0 } else { process::written(Some(hand)).unwrap_or(0) };
            let own = process::written(Some(process::tid()))?;
            return Some(Counts { line, others: all.saturating_sub(line + own + hand) });
        }
    }
    None
}

/// What the threads that are there have written, but for the line's and ours.
fn of_threads(tid: i32) -> Option<u64> {
    let ours = [tid, process::tid(), thread::hand()];
    let (mut sum, mut count) = (0u64, 0);
    let too_many = directory::find(c"/proc/self/task", |name| {
        let other = directory::number(name).filter(|other| !ours.contains(other))?;
        sum = sum.saturating_add(process::written(Some(other)).unwrap_or(0));
        count += 1;
        (count > THREADS).then_some(())
    });
    (too_many == Ok(None)).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_tells_whose_it_is() {
        let unknown = |may_be_others| Whose::NotYetKnown { may_be_others };
        let check = |read, before, line, others, whose| {
            assert_eq!(judge(read, before, Counts { line, others }, true), whose, "{read} {before} {line} {others}");
        };
        check(10, 10, 10, 0, Whose::Lines);
        check(10, 10, 10, 500, Whose::Lines);
        check(10, 10, 20, 500, Whose::Lines);
        // Of the same length, and written after the pipe was read: what was read is somebody's who is not counted yet.
        check(10, 0, 10, 0, unknown(false));
        check(10, 0, 10, 10, Whose::Others);
        // It has written to a file as well.
        check(10, 40, 40, 0, unknown(false));
        check(10, 40, 40, 5, Whose::Others);
        check(10, 0, 0, 10, Whose::Others);
        check(10, 0, 0, 300, Whose::Others);
        check(10, 4, 4, 6, Whose::Others);
        check(10, 0, 0, 0, unknown(false));
        check(10, 4, 4, 0, unknown(false));
        check(10, 0, 0, 4, unknown(true));
        assert_eq!(
            judge(10, 10, Counts { line: 10, others: 0 }, false),
            unknown(false),
            "the rest is in the pipe still"
        );
    }

    #[test]
    fn what_others_have_written_stays_theirs_until_it_comes() {
        let mut writers =
            Writers { tid: 0, known: Some(Counts::default()), before: None, threads: None, unknown_since: None };
        let mut now = Counts { line: 10, others: 20 };
        let mut tell = |read: u64, now: Counts| {
            writers.before = Some(now);
            writers.whose_by(read, true, Some(now), false)
        };
        assert_eq!(tell(10, now), Whose::Lines);
        assert_eq!(tell(20, now), Whose::Others);
        now.line += 5;
        assert_eq!(tell(5, now), Whose::Lines);
    }
}
