//! Whether the client wants its line stopped: asked in every loop of a command, looked for now and then.
//!
//! Context: the agent's thread.

use core::cell::Cell;
use core::time::Duration;

use crate::sys::process;

/// A look costs some system calls, and a search asks for each thing that it reads. Between two looks the host's output waits in its pipe.
const BETWEEN: Duration = Duration::from_millis(1);

/// What one line has asked of its client.
pub(super) struct Interruption<'a> {
    look: &'a dyn Fn() -> bool,
    /// When the next look is due.
    due: Cell<Duration>,
    /// A look takes the interrupt out of the input, so it is kept: all that the line still does is to end.
    found: Cell<bool>,
}

impl<'a> Interruption<'a> {
    pub(super) fn new(look: &'a dyn Fn() -> bool) -> Interruption<'a> {
        Interruption { look, due: Cell::new(Duration::ZERO), found: Cell::new(false) }
    }

    pub(super) fn has_come(&self) -> bool {
        let now = process::monotonic();
        if !self.found.get() && now >= self.due.get() {
            self.found.set((self.look)());
            self.due.set(process::monotonic().saturating_add(BETWEEN));
        }
        self.found.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_at_once_and_then_rarely() {
        let looks = Cell::new(0);
        let look = || {
            looks.set(looks.get() + 1);
            false
        };
        let interruption = Interruption::new(&look);
        let began = process::monotonic();
        let mut asked = 0u32;
        while process::monotonic() < began + BETWEEN * 20 {
            assert!(!interruption.has_come());
            asked += 1;
        }
        // One look at once, and one for each time that has passed since, up to the end of the last one.
        let passed = (process::monotonic() - began).as_nanos() / BETWEEN.as_nanos();
        assert!(
            (1..=passed + 1).contains(&looks.get()),
            "{} looks in {passed} times, asked {asked} times",
            looks.get()
        );
    }

    #[test]
    fn what_has_come_stays() {
        let interrupts = Cell::new(1);
        let look = || interrupts.replace(0) == 1;
        let interruption = Interruption::new(&look);
        for _ in 0..3 {
            assert!(interruption.has_come());
            interruption.due.set(Duration::ZERO);
        }
    }
}
