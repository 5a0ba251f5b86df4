//! Signal dispositions, masks and pending sets, in the kernel's own terms.
//!
//! Context: any thread; what a signal handler may call says so. glibc's sigaction is not used: it hides signals 32 and 33
//! and may be interposed.

use super::{Result, arch, call};

/// A set of signals; bit `n - 1` stands for signal `n`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Set(pub(crate) u64);

impl Set {
    /// Every signal.
    pub(crate) const ALL: Set = Set(u64::MAX);

    /// The set of these signals.
    pub(crate) fn of(signals: &[i32]) -> Set {
        Set(signals.iter().filter(|&&signal| (1..=64).contains(&signal)).fold(0, |set, signal| set | 1 << (signal - 1)))
    }

    /// Whether signal `signal` is in the set.
    pub(crate) fn contains(self, signal: i32) -> bool {
        (1..=64).contains(&signal) && self.0 >> (signal - 1) & 1 == 1
    }
}

/// A disposition as rt_sigaction(2) takes it.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Action {
    /// 0 is the default, 1 is ignore, everything else an address.
    pub(crate) handler: usize,
    pub(crate) flags: u64,
    restorer: usize,
    pub(crate) mask: Set,
}

impl Action {
    /// A handler of three arguments that runs on the alternate stack where the thread has one, with `mask` blocked.
    pub(crate) fn handler(handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void), mask: Set) -> Action {
        const SA_RESTORER: u64 = 0x0400_0000;
        let flags = (libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESTART) as u64;
        Action {
            handler: handler as usize,
            flags: flags | SA_RESTORER,
            restorer: arch::sigreturn_trampoline as *const () as usize,
            mask,
        }
    }

    /// Whether a call that such a handler has interrupted fails with EINTR (SA_RESTART in sigaction(2)).
    pub(crate) fn ends_calls(&self) -> bool {
        self.flags & libc::SA_RESTART as u64 == 0
    }

    /// The signal's default action.
    pub(crate) const DEFAULT: Action = Action { handler: libc::SIG_DFL, flags: 0, restorer: 0, mask: Set(0) };

    /// All of it, as words.
    pub(crate) fn words(&self) -> [u64; 4] {
        [self.handler as u64, self.flags, self.restorer as u64, self.mask.0]
    }

    /// From [`Action::words`].
    pub(crate) fn from_words([handler, flags, restorer, mask]: [u64; 4]) -> Action {
        Action { handler: handler as usize, flags, restorer: restorer as usize, mask: Set(mask) }
    }

    /// Whether the signal's default action is in place.
    pub(crate) fn is_default(&self) -> bool {
        self.handler == libc::SIG_DFL
    }
}

/// The disposition of `signal` as it is. Safe in a signal handler.
pub(crate) fn action(signal: i32) -> Result<Action> {
    let mut old = Action::DEFAULT;
    // SAFETY: the kernel fills the structure; 8 is the size of its set.
    unsafe { call(libc::SYS_rt_sigaction, [signal as usize, 0, core::ptr::from_mut(&mut old) as usize, 8]) }?;
    Ok(old)
}

/// Puts a disposition in place; returns the one that was there, exchanged by the kernel in one step.
pub(crate) fn set_action(signal: i32, new: &Action) -> Result<Action> {
    let mut old = Action::DEFAULT;
    // SAFETY: the new handler is a function of ours that keeps the rules of signal context, or what was there before.
    unsafe {
        call(
            libc::SYS_rt_sigaction,
            [signal as usize, core::ptr::from_ref(new) as usize, core::ptr::from_mut(&mut old) as usize, 8],
        )
    }?;
    Ok(old)
}

/// Signals that wait for the calling thread or the process. Safe in a signal handler.
pub(crate) fn pending() -> Set {
    let mut set = Set(0);
    // SAFETY: the kernel fills the set.
    let _ = unsafe { call(libc::SYS_rt_sigpending, [core::ptr::from_mut(&mut set) as usize, 8]) };
    set
}

/// Takes what waits of signal `number`, which the calling thread blocks. Safe in a signal handler.
pub(crate) fn forget_pending(number: i32) {
    let (set, now) = (Set::of(&[number]), libc::timespec { tv_sec: 0, tv_nsec: 0 });
    let (set, now) = (core::ptr::from_ref(&set) as usize, core::ptr::from_ref(&now) as usize);
    // SAFETY: the set and the time outlive the call, which writes nothing. One real-time signal after the other.
    while unsafe { call(libc::SYS_rt_sigtimedwait, [set, 0, now, 8]) }.is_ok() {}
}

/// Whether signal `number`, which the calling thread blocks, waits for this thread: what waits for the process is taken, and sent to this thread
/// with all that the kernel has said of it, so that no other one gets it first. Safe in a signal handler.
pub(crate) fn keep_for_thread(number: i32) -> bool {
    // To send these once more forgets others (kill(2)); and of the real-time ones several may wait, in their order.
    if (32..).contains(&number) || [libc::SIGCONT, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&number) {
        return true;
    }
    let (set, now) = (Set::of(&[number]), libc::timespec { tv_sec: 0, tv_nsec: 0 });
    let mut info = core::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
    let arguments =
        [core::ptr::from_ref(&set) as usize, info.as_mut_ptr() as usize, core::ptr::from_ref(&now) as usize, 8];
    // SAFETY: the set and the time outlive the call, which fills the structure.
    if unsafe { call(libc::SYS_rt_sigtimedwait, arguments) }.is_err() {
        return false;
    }
    // SAFETY: all bits of the structure are valid, and it was zeroed before.
    let _ = super::process::raise_again(number, &unsafe { info.assume_init() });
    true
}

/// What the agent's thread blocks by default: everything but glibc's own two (32 and 33), which glibc sends to threads that it knows.
pub(crate) const BLOCKED: Set = Set(!(0b11 << 31));

/// While it lives, no handler runs on the calling thread, not even one of ours: what has begun comes to its end. Safe in a
/// signal handler.
///
/// A thread inherits the mask of its creator, so this brackets the creation of ours.
pub(crate) struct Silence(Set);

impl Silence {
    pub(crate) fn begin() -> Silence {
        Silence(exchange_mask(Set::ALL))
    }

    /// But for SIGSYS: a filter of system calls that we do not see may have the kernel raise it for a call of ours, for the host's handler (seccomp(2),
    /// SECCOMP_RET_TRAP), and a process that blocks it is ended.
    pub(crate) fn but_for_traps() -> Silence {
        Silence(change_mask(libc::SIG_BLOCK, Set(!Set::of(&[libc::SIGSYS]).0)))
    }

    /// Stays for good; what the calling thread has blocked before. In a signal handler the kernel ends it.
    pub(crate) fn keep(self) -> Set {
        core::mem::ManuallyDrop::new(self).0
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        exchange_mask(self.0);
    }
}

/// Blocks every signal in the calling thread; returns the mask before.
pub(crate) fn block_all() -> Set {
    exchange_mask(BLOCKED)
}

/// Puts a mask in place; returns the one before.
pub(crate) fn exchange_mask(mask: Set) -> Set {
    change_mask(libc::SIG_SETMASK, mask)
}

/// rt_sigprocmask(2); returns the mask before.
fn change_mask(how: i32, set: Set) -> Set {
    let mut before = Set(0);
    // SAFETY: reads one set, fills the other.
    let _ = unsafe {
        call(
            libc::SYS_rt_sigprocmask,
            [how as usize, core::ptr::from_ref(&set) as usize, core::ptr::from_mut(&mut before) as usize, 8],
        )
    };
    before
}

/// Runs `act` so that none of `signals` which it raises in the calling thread is ever delivered.
pub(crate) fn without<T>(signals: Set, act: impl FnOnce() -> T) -> T {
    let before = change_mask(libc::SIG_BLOCK, signals);
    let waited_before = pending();
    let result = act();
    let raised = Set(pending().0 & signals.0 & !waited_before.0);
    if raised != Set(0) {
        let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: reads the set and the time; takes the signal off the queue.
        let _ = unsafe {
            call(
                libc::SYS_rt_sigtimedwait,
                [core::ptr::from_ref(&raised) as usize, 0, core::ptr::from_ref(&at_once) as usize, 8],
            )
        };
    }
    exchange_mask(before);
    result
}

/// Signals that wait for the calling thread alone (`SigPnd` in proc_pid_status(5)); none where that cannot be read.
pub(crate) fn pending_for_thread() -> Set {
    let status = super::fd::read_file(c"/proc/thread-self/status", 8192).unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let waiting = status.lines().find_map(|line| line.strip_prefix("SigPnd:"));
    Set(waiting.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0))
}

/// The mask of the calling thread.
pub(crate) fn mask() -> Set {
    change_mask(libc::SIG_BLOCK, Set(0))
}

/// Runs `act` so that no handler of the host runs on the calling thread meanwhile. What is not blocked: `open`, and glibc's signal
/// 33, for a thread that changes the user waits until every other one has handled it.
pub(crate) fn undisturbed<T>(open: Set, act: impl FnOnce() -> T) -> T {
    const SETXID: u64 = 1 << 32;
    let before = change_mask(libc::SIG_BLOCK, Set(!(SETXID | open.0)));
    let result = act();
    exchange_mask(before);
    result
}

/// Where the calling thread's alternate stack for handlers begins; `None` where it has none (sigaltstack(2)).
pub(crate) fn alternate_stack() -> Result<Option<usize>> {
    let mut has = libc::stack_t { ss_sp: core::ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    // SAFETY: the kernel fills the structure.
    unsafe { call(libc::SYS_sigaltstack, [0, core::ptr::from_mut(&mut has) as usize]) }?;
    Ok((has.ss_flags & libc::SS_DISABLE == 0).then_some(has.ss_sp as usize))
}

/// How many bytes of the alternate stack are left, for a handler that runs on it; `None` for code that does not.
pub(crate) fn room_on_alternate_stack() -> Option<usize> {
    let mut has = libc::stack_t { ss_sp: core::ptr::null_mut(), ss_flags: 0, ss_size: 0 };
    // SAFETY: the kernel fills the structure.
    unsafe { call(libc::SYS_sigaltstack, [0, core::ptr::from_mut(&mut has) as usize]) }.ok()?;
    let here = core::ptr::from_ref(&has) as usize;
    (has.ss_flags & libc::SS_ONSTACK != 0).then(|| here.saturating_sub(has.ss_sp as usize))
}

/// Gives the calling thread an alternate stack for handlers (sigaltstack(2)).
pub(crate) fn provide_alternate_stack(start: *mut u8, size: usize) -> Result<()> {
    let ours = libc::stack_t { ss_sp: start.cast(), ss_flags: 0, ss_size: size };
    // SAFETY: the memory is the caller's to give, for as long as the thread lives.
    unsafe { call(libc::SYS_sigaltstack, [core::ptr::from_ref(&ours) as usize, 0]) }.map(drop)
}

/// Puts back the alternate stack that the calling thread had when a handler was entered, as the kernel has noted it there. The calling code
/// is on no alternate stack. The kernel's own way back (rt_sigreturn(2)) leaves a stack in place where there was none and never had been.
pub(crate) fn put_back_alternate_stack(before: [usize; 3]) -> Result<()> {
    let [start, flags, size] = before;
    let flags = if size == 0 { libc::SS_DISABLE } else { flags as i32 };
    let stack = libc::stack_t { ss_sp: start as *mut libc::c_void, ss_flags: flags & !libc::SS_ONSTACK, ss_size: size };
    // SAFETY: the stack was in place before, for this thread.
    unsafe { call(libc::SYS_sigaltstack, [core::ptr::from_ref(&stack) as usize, 0]) }.map(drop)
}
