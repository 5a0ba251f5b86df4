//! Programs that count, and programs that hold locks all the time (`victims/counting.c`, `victims/storm.cpp`), for signals to
//! hit. Runs in the test process.

use std::path::Path;

use crate::victim::{Host, Victim};
use crate::{Counters, victims};

/// A host that counts, with so many threads.
#[must_use]
pub fn counting(counters: &Counters, threads: u32, options: &str) -> Host {
    Host::new(victims::c("counting")).arg(counters.path()).arg(threads.to_string()).options(options)
}

/// The program of the storms, where there is a compiler for it.
#[must_use]
pub fn program() -> Option<std::path::PathBuf> {
    victims::cpp("storm", &["-O2", "-g"])
}

/// A process of it in which all threads work; `signal` is the one that will hit it.
///
/// # Panics
/// When it does not come up.
#[must_use]
pub fn working(program: &Path, kind: &str, threads: u64, counters: &Counters, signal: i32, options: &str) -> Victim {
    let victim = Host::new(program)
        .args([kind, &threads.to_string()])
        .arg(counters.path())
        .arg(signal.to_string())
        .options(options)
        .ready();
    counters.go_on(0..threads);
    victim
}

/// Afterwards: it still works, what it has worked out is right, and it ends as it should.
///
/// # Panics
/// When that is not so.
pub fn is_sound(victim: &mut Victim, threads: u64, counters: &Counters, what: &str) {
    counters.go_on(0..threads);
    for index in 0..threads {
        assert_eq!(counters.get(32 + index), 0, "{what}: wrong results in thread {index}");
    }
    counters.stop();
    let status = victim.ended();
    assert!(status.success(), "{what}: {status:?} {}", victim.log());
}

/// The tests of a file, one for each kind of work; `$storm` takes its name.
#[macro_export]
macro_rules! storms {
    ($storm:path) => { $crate::storms! { $storm: storm_malloc storm_printf storm_dlopen storm_setenv storm_localtime storm_throw } };
    ($storm:path: $($name:ident)*) => {$(
        #[test]
        fn $name() {
            $storm(stringify!($name).trim_start_matches("storm_"));
        }
    )*};
}
