//! The table of blocking calls in a process of one thread (`victims/waits.c`), and whether something disturbs them.
//! Runs in the test process. All rows run at the same time, each in a process of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::victim::{Host, Victim};
use crate::{PATIENCE, tasks, text, victims};

/// How long the timed ones wait. Interrupting all of them takes less, on a busy machine too.
const LENGTH: Duration = Duration::from_millis(2500);

/// What comes on top of it without anybody's doing: a busy machine, and timeouts that the kernel counts in coarse ticks.
const SLACK: Duration = Duration::from_millis(900);

/// The names of the rows of a class: `timed`, `fed` or `endless`.
///
/// # Panics
/// When the victim does not tell them.
#[must_use]
pub fn kinds(class: &str) -> Vec<String> {
    let mut lister = Host::without_manhole(victims::c("waits")).args(["list", class]).start();
    let (mut names, _) = lister.finish();
    assert_eq!(names.pop().as_deref(), Some("end"));
    assert!(names.len() >= 5, "{names:?}");
    names
}

/// Starts a process for each row, gets all of them into their calls, has `interrupt` disturb each, and gives what went wrong:
/// a call that returned early, with EINTR, with another result, or later than one new start of it explains.
///
/// `options` are the manhole's, or there is none; `interrupt` returns when it has disturbed the process in all ways that it
/// wants to.
///
/// # Panics
/// When a victim does not come up.
pub fn disturbed(class: &str, options: Option<&str>, interrupt: impl Fn(&Victim)) -> Vec<String> {
    let mut wrong = Vec::new();
    let names = kinds(class);
    // In groups, so that starting and interrupting them takes less than they wait.
    for group in names.chunks(7) {
        let mut waiting: Vec<(&String, Victim)> = group
            .iter()
            .map(|kind| {
                let program = victims::c("waits");
                let host = match options {
                    Some(options) => Host::new(program).options(options),
                    None => Host::without_manhole(program),
                };
                (kind, host.arg(kind).arg(LENGTH.as_millis().to_string()).ready())
            })
            .collect();
        for (_, victim) in &mut waiting {
            victim.say("go");
            assert_eq!(victim.line(), "in");
            tasks::wait_until_blocked(victim.pid());
        }
        let began = Instant::now();
        for (_, victim) in &waiting {
            interrupt(victim);
        }
        // What is fed before the signal has been handled would be there first.
        waiting.iter().for_each(|(_, victim)| until_nothing_waits(victim.pid()));
        let disturbed_for = began.elapsed();
        if class == "timed" && disturbed_for > LENGTH {
            wrong.push(format!(
                "the machine is too slow: {group:?} were interrupted in {disturbed_for:?}, after their ends"
            ));
        }
        for (kind, victim) in &mut waiting {
            match class {
                "fed" => victim.say("x"),
                "endless" => victim.signal(Signal::SIGUSR1),
                _ => {}
            }
            // A victim that has died panics here, with its log.
            match catch_unwind(AssertUnwindSafe(|| victim.line())) {
                Ok(line) => {
                    wrong.extend(judge(class, &line, disturbed_for).map(|reason| format!("{reason}: {line}")));
                }
                Err(_) => wrong.push(format!("{kind}: no answer: {}", victim.log())),
            }
        }
        for (kind, victim) in &mut waiting {
            let (_, status) = victim.finish();
            if !status.success() {
                wrong.push(format!("{kind}: {status:?}"));
            }
        }
    }
    wrong
}

/// The three tests of a file: no wait in a process with these options is disturbed by what `interrupt` does to each. The timed
/// ones are measured, and run alone.
#[macro_export]
macro_rules! waits_are_undisturbed {
    ($options:expr, $interrupt:expr) => {
        $crate::waits_are_undisturbed! {
            no_timed_wait_is_disturbed, "timed", alone, $options, $interrupt;
            no_wait_for_input_is_disturbed, "fed", shared, $options, $interrupt;
            no_endless_wait_is_disturbed_and_the_programs_own_signal_still_ends_it, "endless", shared, $options, $interrupt;
        }
    };
    ($($name:ident, $class:expr, $turn:ident, $options:expr, $interrupt:expr;)*) => {$(
        #[test]
        fn $name() {
            let _turn = $crate::turn::$turn();
            let wrong = $crate::waits::disturbed($class, Some($options), $interrupt);
            assert!(wrong.is_empty(), "{} calls were disturbed:\n{}", wrong.len(), wrong.join("\n"));
        }
    )*};
}

fn judge(class: &str, line: &str, disturbed_for: Duration) -> Option<&'static str> {
    let number = |name| text::value(line, name).unwrap_or(-1);
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    let (took, asked) = (number("took_us"), number("asked_us"));
    if class != "endless" && number("errno") == i64::from(libc::EINTR) {
        return Some("EINTR");
    }
    if number("right") != 1 {
        return Some("a wrong result");
    }
    if class == "timed" && took < asked - 20_000 {
        return Some("too early");
    }
    // What ends the others comes only after the disturbance.
    if class != "timed" && took < micros(disturbed_for) {
        return Some("returned although nothing had ended its wait");
    }
    if class == "timed" && took > 2 * asked + micros(SLACK) {
        return Some("longer than one new start explains");
    }
    if number("single") != 1 {
        return Some("__libc_single_threaded has become false");
    }
    None
}

/// Waits until no signal waits for the process; one that has ended has none.
fn until_nothing_waits(pid: i32) {
    let deadline = Instant::now() + PATIENCE;
    let waits = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let mut sets = status.lines().filter(|line| line.starts_with("SigPnd:") || line.starts_with("ShdPnd:"));
        sets.any(|line| line.bytes().skip(7).any(|byte| (b'1'..=b'f').contains(&byte)))
    };
    while waits() && Instant::now() < deadline {
        std::thread::yield_now();
    }
}
