//! Reads a thread that is off the processor, without touching it, and proves that it did not run meanwhile.
//!
//! Context: the agent's thread.

use super::task::{Look, Position, Task};
use crate::memory::read_now;
use crate::modules::Modules;
use crate::snapshot::{Capture, Method, Registers, StackCopy};

/// The bytes below the stack pointer that belong to the function too (System V ABI, "The Stack Frame").
pub(super) const RED_ZONE: u64 = 128;

/// How much of a stack is copied at first; most are smaller.
pub(super) const FIRST_COPY: u64 = 64 * 1024;

#[expect(clippy::large_enum_variant, reason = "it lives for a moment, on the stack")]
/// What one try has given.
pub(super) enum Try {
    /// The thread was off the processor all the time.
    Taken(Position, Capture),
    /// It ran in between, or runs.
    Moved,
    /// There is nothing to take, for this reason.
    Nothing(Look),
}

/// Tries once to take the thread, copying at most `size` bytes of its stack.
pub(super) fn take(task: &Task, modules: &Modules, size: u64) -> Try {
    let before = task.stamp();
    let position = match task.look() {
        Look::Blocked(position) => position,
        Look::Running => return Try::Moved,
        other => return Try::Nothing(other),
    };
    let stack = copy(position.sp, modules, size);
    // Where the kernel does not count, the same call with the same arguments at the same place has to do.
    let unmoved = match before {
        Some(_) => task.stamp() == before,
        None => task.look() == Look::Blocked(position),
    };
    if !unmoved {
        return Try::Moved;
    }
    let registers = Registers::of_blocked(position.pc, position.sp);
    Try::Taken(position, Capture { registers, stack, links: None, method: Method::Passive, stamp: before })
}

/// Copies the stack from the red zone up, at most `size` bytes of its mapping.
pub(super) fn copy(sp: u64, modules: &Modules, size: u64) -> StackCopy {
    // At the very end of a stack there is no red zone but a guard.
    let lowest = modules.mapping(sp).map_or(0, |mapping| mapping.start);
    let start = sp.saturating_sub(RED_ZONE).max(lowest);
    let limit = limit(sp, modules);
    let len = limit.saturating_sub(start).min(size) as usize;
    let mut bytes = vec![0; len];
    let n = read_now(start, &mut bytes).unwrap_or(0);
    bytes.truncate(n);
    StackCopy { start, bytes, limit }
}

/// How far the stack could reach: the end of its mapping.
pub(super) fn limit(sp: u64, modules: &Modules) -> u64 {
    // A mapping newer than our list: what can be read decides.
    modules.mapping(sp).map_or(sp.saturating_add(FIRST_COPY), |mapping| mapping.end)
}
