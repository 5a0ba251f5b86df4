//! The host's own descriptors in their places for a program that is about to be executed, and the pipes again if it is not.
//!
//! Context: host threads that execute a program, signal handlers and children of vfork(2) included, which have a table of their own and the
//! memory of their parent. So nothing is written here that the hand or the agent reads: only the calling thread's table changes.
//!
//! The pipes have no reader any more once the process executes another program, and none that will be there as long as a program that it has
//! started: who writes to such a pipe gets SIGPIPE.

use super::{Fd, INSTALLED, SLOTS, SeqCst, Slot, fd};

/// The pipes that were in the places, closed on exec.
#[derive(Default)]
pub(crate) struct Aside([Option<Fd>; SLOTS.len()]);

/// Puts the host's own in the places where pipes are.
pub(crate) fn stand_aside() -> Aside {
    let mut aside = Aside::default();
    for ((number, slot), pipe) in (0..).zip(&SLOTS).zip(&mut aside.0) {
        let is_in_place = || slot.has_pipe_at(number) && slot.original.is_at(slot.saved.load(SeqCst));
        if slot.state.load(SeqCst) == INSTALLED && is_in_place() {
            *pipe = slot.stand_aside(number);
        }
    }
    aside
}

/// The program was not executed: the pipes are in their places again, but where the redirection has ended meanwhile.
pub(crate) fn come_back(aside: Aside) {
    for ((number, slot), pipe) in (0..).zip(&SLOTS).zip(aside.0) {
        if let Some(pipe) = pipe
            && slot.state.load(SeqCst) == INSTALLED
            && slot.original.is_at(number)
        {
            slot.come_back(number, &pipe);
        }
    }
}

impl Slot {
    fn stand_aside(&self, number: i32) -> Option<Fd> {
        let pipe = out_of_the_way(number)?;
        fd::replace(self.saved.load(SeqCst), number, self.closes.load(SeqCst)).ok()?;
        Some(pipe)
    }

    fn come_back(&self, number: i32, pipe: &Fd) {
        let Some(original) = out_of_the_way(number) else { return };
        let closes = self.closes.load(SeqCst);
        let _ = fd::replace(pipe.number(), number, closes);
        // The hand may have put everything back at this moment, and found nothing to do here.
        if self.state.load(SeqCst) != INSTALLED {
            let _ = fd::replace(original.number(), number, closes);
        }
    }
}

/// A copy of a descriptor that the program to be executed does not get.
fn out_of_the_way(number: i32) -> Option<Fd> {
    super::HIGH.iter().find_map(|&lowest| fd::duplicate_from(number, lowest).ok())
}
