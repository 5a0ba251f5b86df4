//! The creation of the agent's thread.
//!
//! Context: constructor, fork child. A pthread, because setuid(2) in glibc must reach it; on a stack of ours, so that the
//! host's stack cache and its limits stay out of it. pthread_create allocates its thread vector by the host's calloc: in the
//! constructor nobody can hold its lock, and after a fork glibc has freed it (an allocator of the host's own must do so too,
//! by pthread_atfork(3); for one that does not there is `patch_fork=False`).

use core::ffi::CStr;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::{Errno, Result, mapping, next, signal};

/// What the agent's code may use of its stack, in bytes. Untouched pages cost nothing.
const STACK: usize = 512 * 1024;

/// The mapping of the stack, made once; a forked child finds it in its copy of the memory and uses it again.
static STACK_BASE: AtomicUsize = AtomicUsize::new(0);

/// The size of that mapping without its guard.
static STACK_SIZE: AtomicUsize = AtomicUsize::new(0);

/// Starts the agent's thread with every signal blocked (but glibc's own two).
pub(crate) fn start(entry: extern "C" fn(*mut libc::c_void) -> *mut libc::c_void) -> Result<()> {
    let base = stack()?;
    let before = signal::block_all();
    let result = create(entry, base);
    signal::exchange_mask(before);
    result
}

fn create(entry: extern "C" fn(*mut libc::c_void) -> *mut libc::c_void, base: usize) -> Result<()> {
    let mut attributes = core::mem::MaybeUninit::<libc::pthread_attr_t>::zeroed();
    // SAFETY: initialises the attributes in place.
    check(unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) })?;
    // SAFETY: they are initialised, and the stack is a mapping of ours that no thread uses.
    let stack = unsafe {
        libc::pthread_attr_setstack(attributes.as_mut_ptr(), base as *mut _, STACK_SIZE.load(Ordering::Acquire))
    };
    // SAFETY: initialised attributes and a plain constant.
    let detached = unsafe { libc::pthread_attr_setdetachstate(attributes.as_mut_ptr(), libc::PTHREAD_CREATE_DETACHED) };
    let mut thread: libc::pthread_t = 0;
    let started = check(stack).and(check(detached)).and_then(|()| {
        // SAFETY: the entry never unwinds out (it catches panics), and needs no argument.
        check(unsafe { libc::pthread_create(&mut thread, attributes.as_ptr(), entry, core::ptr::null_mut()) })
    });
    // SAFETY: initialised above, not used afterwards.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    started
}

fn stack() -> Result<usize> {
    match STACK_BASE.load(Ordering::Acquire) {
        0 => {
            let size = (STACK + next::minimal_stack()).next_multiple_of(mapping::PAGE);
            let whole = mapping::map(size + mapping::PAGE)?;
            // SAFETY: the lowest page of the new mapping becomes the guard.
            unsafe { mapping::protect_none(whole, mapping::PAGE) }?;
            let base = whole as usize + mapping::PAGE;
            STACK_SIZE.store(size, Ordering::Release);
            STACK_BASE.store(base, Ordering::Release);
            Ok(base)
        }
        base => Ok(base),
    }
}

fn check(error: i32) -> Result<()> {
    if error == 0 { Ok(()) } else { Err(Errno(error)) }
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
