//! Asks one host thread to make a call itself, and says why it cannot.
//!
//! Context: the agent's thread. The thread comes by in the errand's handler ([`visits::come`]), if it still is where it was seen.

use super::{COMING, Harm, harm_of_call, loan, rests};
use crate::call::Call;
use crate::capture::task::{Look, Task};
use crate::interrupted::channels;
use crate::snapshot::Syscall;
use crate::sys::process;
use crate::worker::visits::{self, Wish};

/// Why a thread cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    Gone,
    /// It is not in a system call.
    Runs,
    /// It is in one that a signal could cut short.
    InCall(Syscall),
    /// The process may not look at itself, and the thread waits in this function of the kernel's.
    InKernel(String),
    /// It blocks the signal, or its system calls are filtered otherwise than ours.
    Blocks(i32),
    /// There is no signal to ask it by.
    NoSignal(String),
    /// It was somewhere else when it came by.
    Moves,
    /// It has not come by.
    Silent,
    /// It has a visitor.
    Visited,
    /// There are as many visits as there can be, or there is no memory.
    TooMany,
}

impl Unfit {
    /// Whether another moment may be better.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Unfit::Runs | Unfit::InCall(_) | Unfit::InKernel(_) | Unfit::Moves)
    }
}

/// Asks the thread of the wish. The number of the visit, which has begun; or the call back.
pub(crate) fn ask(wish: Wish) -> Result<usize, (Box<Call>, Unfit)> {
    let tid = wish.tid;
    let task = Task::new(tid);
    if let Some(reason) = unfit(&task) {
        return Err((wish.call, reason));
    }
    let loan = match loan() {
        Ok(loan) => loan,
        Err(reason) => return Err((wish.call, Unfit::NoSignal(reason))),
    };
    if !task.may_be_asked(loan.number()) {
        return Err((wish.call, Unfit::Blocks(loan.number())));
    }
    if !rests(&task) {
        return Err((wish.call, Unfit::Moves));
    }
    let number = visits::want(wish).map_err(|call| (call, Unfit::TooMany))?;
    let is_sent = process::queue_to_thread(tid, loan.number()).is_ok();
    let start = process::monotonic();
    while is_sent && visits::is_awaited(number) && process::monotonic().saturating_sub(start) < COMING {
        process::sleep(core::time::Duration::from_micros(20));
    }
    let was_awaited = visits::is_awaited(number);
    match visits::withdraw(number) {
        Some(call) => Err((call, if was_awaited { Unfit::Silent } else { Unfit::Moves })),
        None => Ok(number),
    }
}

/// Why the thread cannot be asked where it is; `None` when it can.
fn unfit(task: &Task) -> Option<Unfit> {
    if visits::is_visited(task.tid()) {
        return Some(Unfit::Visited);
    }
    match task.look() {
        Look::Gone | Look::NoPosition => Some(Unfit::Gone),
        Look::Running => Some(Unfit::Runs),
        Look::Blocked(position) => match position.syscall {
            None => Some(Unfit::Runs),
            Some(call) => (harm_of_call(call, || task.wait_channel()) == Harm::Some).then_some(Unfit::InCall(call)),
        },
        Look::Refused => {
            let channel = task.wait_channel();
            let is_asleep = task.identity().is_some_and(|identity| identity.letter == b'S');
            match is_asleep {
                true if channels::begins_anew(&channel) => None,
                true => Some(Unfit::InKernel(channel)),
                false => Some(Unfit::Runs),
            }
        }
    }
}
