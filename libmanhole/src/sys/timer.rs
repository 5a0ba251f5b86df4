//! Timers on the processor time of another thread.
//!
//! Context: the agent's thread. Such a timer runs while its thread runs, and its signal is made by the thread's own clock
//! tick: it cannot reach a thread that is blocked in a system call, so it interrupts none (timer_create(2),
//! kernel/time/posix-cpu-timers.c; from Linux 5.10 on the signal is raised on the way back to user space).

use super::{Result, call};

/// A timer, deleted when dropped.
pub(crate) struct CpuTimer(i32);

impl CpuTimer {
    /// Sends `signal` with `value` to thread `tid` as soon as a clock tick finds it running.
    pub(crate) fn start(tid: i32, signal: i32, value: u64) -> Result<CpuTimer> {
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
        // The clock of one thread's scheduled time, in the kernel's encoding (include/linux/posix-timers_types.h).
        const PER_THREAD: i32 = 4;
        const SCHEDULED: i32 = 2;
        let clock = !tid << 3 | PER_THREAD | SCHEDULED;
        let event = Event { value, signal, notify: libc::SIGEV_THREAD_ID, tid, rest: [0; 11] };
        let mut id = 0i32;
        // SAFETY: the kernel reads the event and writes the id.
        unsafe {
            call(
                libc::SYS_timer_create,
                [clock as usize, core::ptr::from_ref(&event) as usize, core::ptr::from_mut(&mut id) as usize],
            )
        }?;
        let timer = CpuTimer(id);
        let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let soon = libc::timespec { tv_sec: 0, tv_nsec: 1 };
        let when = libc::itimerspec { it_interval: zero, it_value: soon };
        // SAFETY: the kernel reads the times.
        unsafe { call(libc::SYS_timer_settime, [id as usize, 0, core::ptr::from_ref(&when) as usize, 0]) }?;
        Ok(timer)
    }
}

impl Drop for CpuTimer {
    fn drop(&mut self) {
        // SAFETY: the id is ours and is not used again.
        let _ = unsafe { call(libc::SYS_timer_delete, [self.0 as usize]) };
    }
}
