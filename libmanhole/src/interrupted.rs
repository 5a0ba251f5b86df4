//! What a signal has interrupted: its registers, its mask, and a system call that is to go on as if nothing had been.
//!
//! Context: **signal handler** on any host thread. No allocation, lock, formatting or panic; memory is read by system call.
#![allow(unsafe_code)]

#[cfg_attr(target_arch = "x86_64", path = "interrupted/x86_64.rs")]
mod arch;
pub(crate) mod channels;

use crate::held;
use crate::snapshot::Registers;
use crate::sys::{own_image, signal};

pub(crate) use arch::{call_in, is_at_system_call, resumed};

#[cfg(not(any(test, fuzzing)))]
pub(crate) use arch::NUMBER_FOLLOWS;

/// The context that the kernel has saved.
pub(crate) struct Interrupted<'c> {
    context: &'c mut libc::ucontext_t,
    /// Whether the kernel may have forgotten what was left of the interrupted wait.
    is_forgotten: bool,
}

impl<'c> Interrupted<'c> {
    /// What the kernel has passed to a handler with SA_SIGINFO.
    ///
    /// # Safety
    /// `context` is a handler's third argument, and nobody else has it.
    pub(crate) unsafe fn from_kernel(context: *mut libc::c_void) -> Interrupted<'c> {
        held::handler_begins();
        // SAFETY: the caller says so; the kernel passes a valid structure (sigaction(2)).
        let context: &mut libc::ucontext_t = unsafe { &mut *context.cast() };
        arch::finish(context);
        Interrupted { context, is_forgotten: false }
    }

    /// The registers of the interrupted code.
    pub(crate) fn registers(&self) -> Registers {
        arch::registers(self.context)
    }

    /// The signals that the interrupted code blocks.
    pub(crate) fn mask(&self) -> signal::Set {
        // SAFETY: the first word of the set is the kernel's mask; it is initialised by the kernel.
        signal::Set(unsafe { core::ptr::from_ref(&self.context.uc_sigmask).cast::<u64>().read() })
    }

    /// The interrupted code blocks `number` from now on.
    pub(crate) fn block(&mut self, number: i32) {
        let mask = self.mask().0 | signal::Set::of(&[number]).0;
        // SAFETY: as above; the kernel takes the mask from here when the handler returns.
        unsafe { core::ptr::from_mut(&mut self.context.uc_sigmask).cast::<u64>().write(mask) }
    }

    /// Something has been done in this handler that may have made the kernel forget what was left of the interrupted wait: it has slept, or handlers of the host have run.
    pub(crate) fn forget_rest(&mut self) {
        self.is_forgotten = true;
    }

    /// The handler's end. Lets an interrupted system call go on, unless the host's own signal is about to interrupt it as well: that has come while this handler ran,
    /// and its handler runs before the call has begun anew. May not return: nothing in the handler's frames is to be cleaned up.
    pub(crate) fn go_on(mut self) {
        self.fail_for_host();
        let mask = self.mask();
        arch::begin_anew(self.context, !self.is_forgotten, || host_is_to_handle(mask, |_| true));
        self.leave();
    }

    /// The end of a handler of a signal that interrupts no call: one that the kernel was about to begin anew fails, if the host's own signal has interrupted it, whose handler
    /// is not to let calls begin anew. May not return, as [`Interrupted::go_on`].
    pub(crate) fn heed_host(mut self) {
        self.fail_for_host();
        self.leave();
    }

    fn fail_for_host(&mut self) {
        let mask = self.mask();
        arch::fail_if_begun_anew(self.context, || host_is_to_handle(mask, signal::Action::ends_calls));
    }

    fn leave(self) {
        if !self.is_forgotten && arch::keeps_rest(self.context) {
            signal::exchange_mask(signal::Set::ALL);
            // SAFETY: the context is this handler's, and the callers keep nothing.
            unsafe { arch::leave(self.context) };
        }
    }

    /// Whether it is a system call that fails with EINTR, whatever the handler is like.
    pub(crate) fn has_failed(&self) -> bool {
        arch::has_failed(self.context)
    }

    /// The end of a handler meanwhile one of the host has run, which is to interrupt the system call: it fails with EINTR. May not return, as [`Interrupted::go_on`].
    pub(crate) fn fail(self) {
        arch::fail_if_begun_anew(self.context, || true);
        self.leave();
    }

    /// The alternate stack for handlers that the interrupted code has, be it in use or not, as the kernel has noted it: start, flags,
    /// size. A size of 0 stands for none.
    pub(crate) fn alternate_stack(&self) -> [usize; 3] {
        let stack = &self.context.uc_stack;
        let size = if stack.ss_flags & libc::SS_DISABLE == 0 { stack.ss_size } else { 0 };
        [stack.ss_sp as usize, stack.ss_flags as usize, size]
    }

    /// After a handler that has taken its time: a system call that the kernel was about to begin anew because of our signal fails with
    /// EINTR instead, when a signal of the host's has come meanwhile whose handler is not to let calls begin anew. `end` is the address behind the instruction.
    pub(crate) fn yield_to_host(&mut self, end: u64) {
        self.forget_rest();
        let mask = self.mask();
        arch::fail_begun_anew(self.context, end, || host_is_to_handle(mask, signal::Action::ends_calls));
    }
}

/// Whether the host has a handler that does not let calls begin anew.
pub(crate) fn host_ends_calls() -> bool {
    of_host(u64::MAX).any(|(_, action)| action.ends_calls())
}

/// Whether a handler of the host that `is_meant` is to run on the calling thread, for a signal that waits and that `mask` lets through. What waits
/// for the process another thread may be about to take, and nothing of this thread's is to fail for that.
fn host_is_to_handle(mask: signal::Set, is_meant: impl Fn(&signal::Action) -> bool) -> bool {
    let waiting = of_host(signal::pending().0 & !mask.0);
    waiting.filter(|(_, action)| is_meant(action)).any(|(number, _)| signal::keep_for_thread(number))
}

/// Those of these signals for which the host has handlers.
fn of_host(signals: u64) -> impl Iterator<Item = (i32, signal::Action)> {
    let numbers = (1..=64).filter(move |number| signals >> (number - 1) & 1 == 1);
    let actions = numbers.filter_map(|number| Some((number, signal::action(number).ok()?)));
    actions.filter(|(_, action)| action.handler > libc::SIG_IGN && !own_image::contains(action.handler))
}

/// Whether a disposition is a handler of ours.
pub(crate) fn is_of_agent(action: &signal::Action) -> bool {
    action.handler > libc::SIG_IGN && own_image::contains(action.handler)
}

/// Forgets what waits of a signal that is ours: it came while what it asks for was there.
pub(crate) fn forget_pending(number: i32) {
    if signal::action(number).is_ok_and(|now| is_of_agent(&now)) {
        signal::forget_pending(number);
    }
}

/// Defines what the kernel calls: goes on to `$target` only from a real signal frame.
///
/// A host that saves a handler and calls it later as a plain function (chaining, as readline does) may have saved ours. The
/// kernel's frame has the address of our trampoline on top and the context right behind it (arch/x86/kernel/signal_64.c,
/// struct rt_sigframe); anything else returns at once.
#[cfg(target_arch = "x86_64")]
macro_rules! entry {
    ($(#[$about:meta])* $visibility:vis $name:ident, $target:path) => {
        $(#[$about])*
        #[unsafe(naked)]
        $visibility extern "C" fn $name(_: i32, _: *mut libc::siginfo_t, _: *mut libc::c_void) {
            core::arch::naked_asm!(
                "lea rax, [rsp + 8]",
                "cmp rdx, rax",
                "jne 2f",
                "lea rax, [rip + {trampoline}]",
                "cmp [rsp], rax",
                "jne 2f",
                "jmp {target}",
                "2:",
                "ret",
                trampoline = sym crate::sys::arch::sigreturn_trampoline,
                target = sym $target,
            )
        }
    };
}
pub(crate) use entry;
