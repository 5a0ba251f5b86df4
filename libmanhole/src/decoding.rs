//! Whether instructions can be decoded, and written as text.
//!
//! Context: whoever unwinds or disassembles asks first; [`fork_begins`] and [`fork_has_ended`] on host threads, signal handlers included; [`forget`] in a forked child, and where the agent's thread
//! ends in the middle. The library for it makes its tables when they are first used, behind a lock of std's: a child that is forked in the middle of that would find the lock held by nobody, and wait for
//! ever. So the two exclude each other. Neither waits for the other without a limit; a child that was forked in the middle of it all the same does without.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use core::time::Duration;

use iced_x86::{Decoder, DecoderOptions, GasFormatter};

use crate::state;
use crate::sys::{process, thread};

/// How many threads of the host are forking.
static FORKING: AtomicU32 = AtomicU32::new(0);

/// What is made once.
struct Tables {
    /// How many threads are about to make it, or do.
    wanted: AtomicU32,
    /// How many have begun to.
    begun: AtomicU32,
    is_made: AtomicBool,
    /// Its maker is no more: this process was forked in the middle of it, or there was no memory for it.
    is_lost: AtomicBool,
    make: fn(),
}

static DECODER: Tables = Tables::new(|| drop(Decoder::with_ip(64, &[], 0, DecoderOptions::NONE)));

static FORMATTER: Tables = Tables::new(|| drop(GasFormatter::new()));

impl Tables {
    const fn new(make: fn()) -> Tables {
        let [wanted, begun] = [const { AtomicU32::new(0) }; 2];
        let [is_made, is_lost] = [const { AtomicBool::new(false) }; 2];
        Tables { wanted, begun, is_made, is_lost, make }
    }

    fn are_there(&self) -> bool {
        if !self.is_made.load(SeqCst) && !self.is_lost.load(SeqCst) {
            // From here on no fork begins.
            self.wanted.fetch_add(1, SeqCst);
            self.begin();
            (self.make)();
            self.is_made.store(true, SeqCst);
            self.begun.fetch_sub(1, SeqCst);
            self.wanted.fetch_sub(1, SeqCst);
        }
        self.is_made.load(SeqCst)
    }

    /// Waits for the forks that have begun.
    fn begin(&self) {
        // Not longer: one may stand in a handler of pthread_atfork(3) for ever.
        const LIMIT: Duration = Duration::from_millis(100);
        let start = process::monotonic();
        loop {
            let left = LIMIT.saturating_sub(process::monotonic().saturating_sub(start));
            wait_while(left, || FORKING.load(SeqCst) > 0);
            self.begun.fetch_add(1, SeqCst);
            // One that has begun just now sees this, or is seen here.
            if FORKING.load(SeqCst) == 0 || left.is_zero() {
                return;
            }
            self.begun.fetch_sub(1, SeqCst);
        }
    }

    fn are_wanted(&self) -> bool {
        self.wanted.load(SeqCst) > 0 && !self.is_made.load(SeqCst)
    }

    fn are_half_made(&self) -> bool {
        self.begun.load(SeqCst) > 0 && !self.is_made.load(SeqCst)
    }

    fn forget(&self) {
        if self.are_half_made() {
            self.is_lost.store(true, SeqCst);
        }
        self.begun.store(0, SeqCst);
        self.wanted.store(0, SeqCst);
    }
}

/// Whether instructions can be decoded in this process.
pub(crate) fn is_possible() -> bool {
    DECODER.are_there()
}

/// Whether they can be written as text as well.
pub(crate) fn is_possible_as_text() -> bool {
    is_possible() && FORMATTER.are_there()
}

/// Why they cannot.
pub(crate) const LOST: &str = "instructions cannot be decoded: the manhole was getting ready for it when this process was forked, or had no memory left";

fn wait_while(limit: Duration, is_so: impl Fn() -> bool) {
    // Where nothing is waited for no system call is made, which a filter of the host's could kill for.
    if !is_so() {
        return;
    }
    let start = process::monotonic();
    while is_so() && process::monotonic().saturating_sub(start) < limit {
        thread::pause(Duration::from_micros(50));
    }
}

/// Waits for a maker. A process that has no manhole, or that was forked without our knowing, has none.
fn await_maker(limit: Duration, is_so: impl Fn() -> bool) {
    wait_while(limit, || is_so() && state::is_on_here());
}

/// On a host thread that is about to fork: waits until nothing is being made, which is a matter of milliseconds.
pub(crate) fn fork_begins() {
    const LIMIT: Duration = Duration::from_millis(200);
    let is_any = |is_so: fn(&Tables) -> bool| is_so(&DECODER) || is_so(&FORMATTER);
    for _ in 0..2 {
        // Where one is under way it may be this very thread's, around this one, and is waited for.
        if FORKING.load(SeqCst) == 0 {
            await_maker(LIMIT, || is_any(Tables::are_wanted));
        }
        FORKING.fetch_add(1, SeqCst);
        if !is_any(Tables::are_half_made) {
            return;
        }
        fork_has_ended();
        await_maker(LIMIT, || is_any(Tables::are_half_made));
    }
    FORKING.fetch_add(1, SeqCst);
}

/// In the parent.
pub(crate) fn fork_has_ended() {
    // A child that a handler has forked in between has begun to count anew.
    let _ = FORKING.fetch_update(SeqCst, SeqCst, |count| count.checked_sub(1));
}

/// In the child.
pub(crate) fn forget() {
    FORKING.store(0, SeqCst);
    give_up();
}

/// The maker, if there is one, does not come to its end.
pub(crate) fn give_up() {
    DECODER.forget();
    FORMATTER.forget();
}
