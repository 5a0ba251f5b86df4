//! Timers: those that signal one thread, by its processor time or at once, and one that calls the process after a while.
//!
//! Context: the agent's thread; [`signal_after`] in a forked child. A timer on processor time runs while its thread runs, and
//! its signal is made by the thread's own clock tick: it cannot reach a thread that is blocked in a system call, so it interrupts none (timer_create(2),
//! kernel/time/posix-cpu-timers.c; from Linux 5.10 on the signal is raised on the way back to user space).

use super::{Result, call};

/// Sends `signal` to the process once, after `delay`; an exec forgets it (timer_create(2)). The result is for [`delete`].
pub(crate) fn signal_after(delay: core::time::Duration, signal: i32) -> Result<i32> {
    let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    let delay = delay.max(core::time::Duration::from_nanos(1));
    let id = create(libc::CLOCK_MONOTONIC, libc::SIGEV_SIGNAL, 0, signal, 0)?;
    set(id, &libc::itimerspec { it_interval: zero, it_value: super::process::timespec(delay) })?;
    Ok(id)
}

/// Deletes a timer of [`signal_after`].
pub(crate) fn delete(id: i32) {
    // SAFETY: numbers only.
    let _ = unsafe { call(libc::SYS_timer_delete, [id as usize]) };
}

/// In the value of what a thread's processor time has sent: such a signal interrupts nothing (from Linux 5.10 on).
pub(crate) const BY_CLOCK: u64 = 0x80;

/// A timer that signals one thread, deleted when dropped. What it has sent and the thread has not taken goes with an exec, other than what is
/// queued (fs/exec.c, flush_itimer_signals).
pub(crate) struct ThreadTimer(i32);

impl ThreadTimer {
    /// Sends `signal` with `value` and [`BY_CLOCK`] to thread `tid` as soon as a clock tick finds it running.
    pub(crate) fn while_running(tid: i32, signal: i32, value: u64) -> Result<ThreadTimer> {
        // The clock of one thread's scheduled time, in the kernel's encoding (include/linux/posix-timers_types.h).
        const PER_THREAD: i32 = 4;
        const SCHEDULED: i32 = 2;
        let clock = !tid << 3 | PER_THREAD | SCHEDULED;
        ThreadTimer::soon(clock, tid, signal, value | BY_CLOCK)
    }

    /// Sends `signal` with `value` to thread `tid`, which may be blocked in a call.
    pub(crate) fn at_once(tid: i32, signal: i32, value: u64) -> Result<ThreadTimer> {
        ThreadTimer::soon(libc::CLOCK_MONOTONIC, tid, signal, value)
    }

    fn soon(clock: i32, tid: i32, signal: i32, value: u64) -> Result<ThreadTimer> {
        let timer = ThreadTimer(create(clock, libc::SIGEV_THREAD_ID, tid, signal, value)?);
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let soon = libc::timespec { tv_sec: 0, tv_nsec: 1 };
        set(timer.0, &libc::itimerspec { it_interval: zero, it_value: soon })?;
        Ok(timer)
    }
}

/// A timer of the kernel's, not set.
fn create(clock: i32, notify: i32, tid: i32, signal: i32, value: u64) -> Result<i32> {
    /// struct sigevent as the kernel reads it.
    #[repr(C)]
    struct Event {
        value: u64,
        signal: i32,
        notify: i32,
        tid: i32,
        rest: [i32; 11],
    }
    const { assert!(size_of::<Event>() == 64) };
    let event = Event { value, signal, notify, tid, rest: [0; 11] };
    let mut id = 0i32;
    // SAFETY: the kernel reads the event and writes the id.
    unsafe {
        call(
            libc::SYS_timer_create,
            [clock as usize, core::ptr::from_ref(&event) as usize, core::ptr::from_mut(&mut id) as usize],
        )
    }?;
    Ok(id)
}

fn set(id: i32, when: &libc::itimerspec) -> Result<()> {
    // SAFETY: the kernel reads the times.
    unsafe { call(libc::SYS_timer_settime, [id as usize, 0, core::ptr::from_ref(when) as usize, 0]) }.map(drop)
}

impl Drop for ThreadTimer {
    fn drop(&mut self) {
        delete(self.0);
    }
}
