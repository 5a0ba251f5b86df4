//! Our threads, the agent and its hand: bare clone(2)s, which glibc does not know.
//!
//! Context: any, **signal handlers** and fork children included: creating a thread makes system calls and writes to memory
//! of ours, and takes nothing that the interrupted code could hold. Of each kind one exists at a time.
//!
//! A thread of glibc's could be created from neither of them (it takes locks and calls the host's calloc), would make
//! `__libc_single_threaded` false for good, and would keep the process alive when main has called pthread_exit. What glibc
//! gives to its threads is made here as far as the agent needs it: a thread control block, so that `%fs` leads somewhere,
//! and the thread-local storage of this library. What glibc does to its threads is done elsewhere: following setuid(2) and
//! its kin in `credentials`.

use core::ffi::CStr;
use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use super::{Result, arch, mapping, next, own_memory, signal};

/// A kind of thread, and the memory that the one of this kind has.
pub(crate) struct Kind {
    /// What its code may use of its stack, in bytes. Untouched pages cost nothing.
    stack: usize,
    /// Whether it may get a copy of the host's static thread-local storage, which needs room.
    may_run_the_host_s_code: bool,
    /// The address of the control block, once there is one. The mapping is made once: a forked child finds it in its copy of
    /// the memory and uses it again.
    control: &'static AtomicUsize,
}

/// The agent's thread.
pub(crate) static AGENT: Kind =
    Kind { stack: 512 * 1024, may_run_the_host_s_code: true, control: &arch::AGENT_CONTROL_BLOCK };

/// The thread that works in the host's descriptor table.
pub(crate) static HAND: Kind =
    Kind { stack: 32 * 1024, may_run_the_host_s_code: false, control: &arch::HAND_CONTROL_BLOCK };

/// The kernel's id of the hand; 0 while there is none.
static HAND_ID: AtomicI32 = AtomicI32::new(0);

/// The kernel's id of the hand; 0 while there is none.
pub(crate) fn hand() -> i32 {
    HAND_ID.load(Ordering::SeqCst)
}

/// Says which thread the hand is; 0 for none.
pub(crate) fn set_hand(tid: i32) {
    HAND_ID.store(tid, Ordering::SeqCst);
}

/// The room for the thread control block and what follows it: this library's thread-local storage.
const CONTROL: usize = mapping::PAGE;

/// Where in that room the storage begins: behind glibc's struct pthread, which has about 2,300 bytes.
const STORAGE: usize = 3072;

/// Starts the thread with every signal blocked but SIGSYS, which it blocks by itself. The caller sees to it that no other one exists.
///
/// `opens_signals` says that handlers of the host may run on it: then it gets a copy of the caller's static thread-local
/// storage, so that `errno` and its like work there.
pub(crate) fn start(kind: &Kind, entry: extern "C" fn() -> !, opens_signals: bool) -> Result<i32> {
    let control = prepare(kind)?;
    fill(control, opens_signals)?;
    let flags = libc::CLONE_VM
        | libc::CLONE_FS
        | libc::CLONE_FILES
        | libc::CLONE_SIGHAND
        | libc::CLONE_THREAD
        | libc::CLONE_SYSVSEM
        | libc::CLONE_SETTLS;
    let _silence = signal::Silence::but_for_traps();
    // SAFETY: the stack ends below the block and is used by no other thread; the entry never returns.
    let result = unsafe { arch::clone_thread(flags as usize, kind.stack_top(control), control, entry as usize) };
    super::checked(result).map(|tid| tid as i32)
}

impl Kind {
    /// The end of the stack: below the room for a copy of the static thread-local storage, which lies right below the block.
    fn stack_top(&self, control: usize) -> usize {
        control - self.static_storage()
    }

    /// Gives back the pages of the stack that the calling thread, the one of this kind, has used and uses no more.
    pub(crate) fn trim(&self) {
        /// For what runs below the frame that is looked at here, the call of the kernel included.
        const IN_USE: usize = mapping::PAGE;
        let control = self.control.load(Ordering::Acquire);
        if control == 0 {
            return;
        }
        let top = self.stack_top(control);
        let lowest = top - self.stack;
        let here = 0u8;
        let used = (core::ptr::from_ref(&here) as usize).saturating_sub(IN_USE) / mapping::PAGE * mapping::PAGE;
        if (lowest..top).contains(&used) {
            // SAFETY: pages of the calling thread's own stack, below all that it still needs.
            unsafe { mapping::discard(lowest as *mut u8, used - lowest) };
        }
    }

    fn static_storage(&self) -> usize {
        if self.may_run_the_host_s_code { static_storage() } else { 0 }
    }
}

/// The room for a copy of the host's static thread-local storage.
fn static_storage() -> usize {
    next::minimal_stack().next_multiple_of(mapping::PAGE)
}

/// Makes sure that there is memory for a thread of this kind; the result is the address of its control block.
pub(crate) fn prepare(kind: &Kind) -> Result<usize> {
    match kind.control.load(Ordering::Acquire) {
        0 => {
            let below = mapping::PAGE + kind.stack + kind.static_storage();
            let whole = mapping::map(below + CONTROL)?;
            // SAFETY: the lowest page of the new mapping becomes the guard.
            unsafe { mapping::protect_none(whole, mapping::PAGE) }?;
            let control = whole as usize + below;
            kind.control.store(control, Ordering::Release);
            Ok(control)
        }
        control => Ok(control),
    }
}

/// Writes what the thread finds at `%fs`: what the calling thread has there (the canaries of its stack and of its
/// pointers), with the addresses of its own block, and fresh thread-local storage of this library.
fn fill(control: usize, with_static_storage: bool) -> Result<()> {
    let below = if with_static_storage { static_storage() } else { 0 };
    // SAFETY: the room below and from the block on is ours, and no thread uses it.
    let room = unsafe { core::slice::from_raw_parts_mut((control - below) as *mut u8, below + CONTROL) };
    let (storage, block) = room.split_at_mut(below);
    let (header, own) = block.split_at_mut(STORAGE);
    header.fill(0);
    let caller = arch::thread_pointer() as u64;
    let copied = if with_static_storage { header.len() } else { arch::CONTROL_HEADER };
    // SAFETY: the calling thread's control block, which is glibc's struct pthread and has more than the header.
    header
        .get_mut(..arch::CONTROL_HEADER)
        .unwrap_or_default()
        .copy_from_slice(unsafe { core::slice::from_raw_parts(caller as *const u8, arch::CONTROL_HEADER) });
    if let Some(rest) = header.get_mut(arch::CONTROL_HEADER..copied) {
        own_memory::read(caller + arch::CONTROL_HEADER as u64, rest)?;
    }
    arch::own_control_block(header, control);
    if with_static_storage {
        // Less is there than there is room for; what lies next to the block is what counts. Page by page, from above.
        for (n, page) in storage.rchunks_mut(256).enumerate() {
            if own_memory::read(caller - (n as u64 + 1) * 256, page).is_err() {
                break;
            }
        }
    }
    own_storage(own)
}

/// Puts the initial image of this library's thread-local storage into `room`.
fn own_storage(room: &mut [u8]) -> Result<()> {
    room.fill(0);
    #[cfg(not(any(test, fuzzing)))]
    if let Some((image, size, align)) = super::own_image::thread_local_storage() {
        let start = room.as_ptr() as usize;
        let skipped = start.next_multiple_of(align.max(1)) - start;
        let place = room.get_mut(skipped..).filter(|place| place.len() >= size);
        let place = place.and_then(|place| place.get_mut(..image.len()));
        let Some(place) = place else { return Err(super::Errno(libc::ENOMEM)) };
        place.copy_from_slice(image);
        arch::STORAGE_OFFSET.store(STORAGE + skipped, Ordering::Release);
    }
    Ok(())
}

/// Ends the calling thread, which must be one of ours, by the instruction after `word` has gone from `from` to `to`: from
/// then on its stack belongs to the next one, so no handler may run on it: the caller has blocked every signal. Returns when
/// `word` was not `from`.
pub(crate) fn leave(word: &core::sync::atomic::AtomicU32, from: u32, to: u32) {
    // SAFETY: the calling thread owns nothing that anybody needs; the code uses no stack after the exchange.
    unsafe { arch::leave(word.as_ptr(), from, to) }
}

/// Ends the calling thread, the last one of the process, which then ends with `code` (kernel/exit.c, synchronize_group_exit;
/// before Linux 5.17 with that of its first thread).
pub(crate) fn end(code: i32) -> ! {
    loop {
        // SAFETY: nobody needs anything of the thread.
        let _ = unsafe { super::call(libc::SYS_exit, [code as usize]) };
    }
}

/// How far behind its thread pointer a thread of glibc's has what the kernel knows of it by get_robust_list(2); 0 when nobody has
/// looked.
static ROBUST_LIST: AtomicUsize = AtomicUsize::new(0);

/// On a thread of glibc's: learns how its thread pointer is found from outside.
pub(crate) fn learn_pointers() {
    if let Some(head) = robust_list(0) {
        ROBUST_LIST.store((head as usize).wrapping_sub(arch::thread_pointer()), Ordering::Relaxed);
    }
}

/// The thread pointer of a thread of glibc's: the address of its control block, which begins with its own address.
pub(crate) fn pointer_of(tid: i32) -> Option<u64> {
    let offset = ROBUST_LIST.load(Ordering::Relaxed) as u64;
    let pointer = robust_list(tid).filter(|_| offset != 0)?.wrapping_sub(offset);
    let mut first = [0; 8];
    let is_read = own_memory::read(pointer, &mut first) == Ok(first.len());
    (is_read && u64::from_ne_bytes(first) == pointer).then_some(pointer)
}

fn robust_list(tid: i32) -> Option<u64> {
    let (mut head, mut length) = (0u64, 0usize);
    // SAFETY: the kernel fills both words.
    let result = unsafe {
        super::call(
            libc::SYS_get_robust_list,
            [tid as usize, core::ptr::from_mut(&mut head) as usize, core::ptr::from_mut(&mut length) as usize],
        )
    };
    (result.is_ok() && head != 0).then_some(head)
}

/// Waits for a moment, on a host thread that has to.
pub(crate) fn pause(time: core::time::Duration) {
    super::process::sleep(time);
}

/// Lets another thread run (sched_yield(2)).
pub(crate) fn give_way() {
    // SAFETY: no arguments.
    let _ = unsafe { super::call(libc::SYS_sched_yield, []) };
}

/// Gives the calling thread the name that tools show (at most 15 bytes).
pub(crate) fn set_name(name: &CStr) {
    // SAFETY: the kernel copies up to 16 bytes of the C string.
    let _ = unsafe { super::call(libc::SYS_prctl, [libc::PR_SET_NAME as usize, name.as_ptr() as usize, 0, 0, 0]) };
}

/// Gives the calling thread the ordinary scheduling policy: what a real-time host has passed on is not for a debugging aid.
pub(crate) fn leave_real_time() {
    let parameter = libc::sched_param { sched_priority: 0 };
    // SAFETY: the kernel reads the structure; 0 is the calling thread.
    let _ = unsafe {
        super::call(
            libc::SYS_sched_setscheduler,
            [0, libc::SCHED_OTHER as usize, core::ptr::from_ref(&parameter) as usize],
        )
    };
}
