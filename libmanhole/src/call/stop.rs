//! A held thread that has the interpreter's lock, or something else that a line of Python needs, goes on to its next instruction of Python's, and is held
//! there without the lock, as python-manhole's handler of a signal holds it: in a pending call, which the interpreter has its main thread make. Where a thread waits for
//! the lock it may not be held: nobody could give the lock to anybody, for the C library waits until all that were to be woken have gone on.
//!
//! Context: [`let_go`] on the agent's thread; [`stop_again`] on a worker that has the lock; [`stop`] on the interpreter's main thread, which has it; [`forget`] in a
//! forked child, and when an interpreter ends.
#![allow(unsafe_code)]

use core::ffi::{c_char, c_int, c_void};
use core::mem::transmute;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};
use core::time::Duration;

use super::arch;
use super::script::{Faulted, call};
use crate::python::Api;
use crate::snapshot::is_fate;
use crate::sys::signal::{self, Silence};
use crate::sys::{own_image, process};
use crate::{held, interrupted};

/// How long the thread has to come by.
const LIMIT: Duration = Duration::from_millis(500);

/// Whether the interpreter has the pending call to make still.
static IS_QUEUED: AtomicBool = AtomicBool::new(false);

/// Whether the interpreter's main thread has been seen to be another than the one that was let go.
static IS_ANOTHER: AtomicBool = AtomicBool::new(false);

/// In a forked child, and where the interpreter has ended with all that it was to do.
pub(crate) fn forget() {
    IS_QUEUED.store(false, SeqCst);
    IS_ANOTHER.store(false, SeqCst);
}

/// Lets the held thread go on, if no signal that ends the process holds it, and if it is the one that makes pending calls, which is the process's first.
pub(crate) fn let_go() {
    let Some(held) = held::current() else { return };
    let has_stopped = held.registers.pc().is_some_and(|pc| own_image::contains(pc as usize));
    if held.tid == process::pid() && !is_fate(held.summons.signal) && !has_stopped && !IS_ANOTHER.load(SeqCst) {
        held::let_move();
    }
}

/// Has the thread that goes on stop, if one does.
///
/// # Safety
/// The functions are the interpreter's, and the calling thread, the worker of this number, has its lock.
pub(super) unsafe fn stop_again(slot: usize, api: &Api) -> Result<(), Faulted> {
    let (Some(add_pending), Some(restore), true) = (api.add_pending, api.restore, held::moving().is_some()) else {
        return Ok(());
    };
    // One is enough, and the interpreter has room for few. Who did not come at first is not waited for again.
    if IS_QUEUED.swap(true, SeqCst) {
        return Ok(());
    }
    let function = stop as extern "C-unwind" fn(*mut c_void) -> c_int as usize as u64;
    // SAFETY: the caller's word.
    unsafe {
        let answer = call(slot, add_pending, &[function, 0]).inspect_err(|_| IS_QUEUED.store(false, SeqCst))?;
        // Of C's `int`.
        if answer as i32 == 0 {
            let state = call(slot, api.save, &[])?;
            held::wait_while_moving(LIMIT);
            call(slot, restore, &[state])?;
        } else {
            IS_QUEUED.store(false, SeqCst);
        }
    }
    Ok(())
}

/// The pending call. It may come late, when nobody waits for it any more.
extern "C-unwind" fn stop(_: *mut c_void) -> c_int {
    IS_QUEUED.store(false, SeqCst);
    let is_here =
        held::moving().inspect(|tid| IS_ANOTHER.store(*tid != process::tid(), SeqCst)) == Some(process::tid());
    if let Some(api) = Api::noted()
        && let Some(restore) = api.restore
        && is_here
    {
        // SAFETY: these are the interpreter's functions, with the prototypes of its reference, on a thread that has its lock.
        unsafe {
            if imports(api)
                && let Some(add_pending) = api.add_pending
            {
                let add = transmute::<usize, extern "C-unwind" fn(*const (), usize) -> c_int>(add_pending as usize);
                IS_QUEUED.store(add(stop as *const (), 0) == 0, SeqCst);
                return 0;
            }
            let state = transmute::<usize, extern "C-unwind" fn() -> u64>(api.save as usize)();
            hold();
            transmute::<usize, extern "C-unwind" fn(u64)>(restore as usize)(state);
        }
    }
    0
}

/// Whether a thread, most likely this one, has the lock under which modules are looked for, as the console's own are. Only functions in C are called: the program's
/// thread executes no instruction here, which could raise something of the program's, and which its tracers would see.
///
/// # Safety
/// These are the interpreter's functions, on a thread that has its lock.
unsafe fn imports(api: &Api) -> bool {
    let (Some(module), Some(call_method)) = (api.module, api.call_method) else { return false };
    // SAFETY: the caller's word; the texts end with NUL. The module is there from the interpreter's start and lent, the answer is given back.
    unsafe {
        let module = transmute::<usize, extern "C-unwind" fn(*const c_char) -> u64>(module as usize);
        let call_method = transmute::<usize, unsafe extern "C-unwind" fn(u64, *const c_char, *const c_char, ...) -> u64>(
            call_method as usize,
        );
        let known = module(c"_imp".as_ptr());
        let answer = if known == 0 { 0 } else { call_method(known, c"lock_held".as_ptr(), core::ptr::null()) };
        if answer == 0 {
            transmute::<usize, extern "C-unwind" fn()>(api.clear_error as usize)();
            return false;
        }
        let is_held = transmute::<usize, extern "C-unwind" fn(u64) -> u64>(api.unsigned_long as usize)(answer) == 1;
        transmute::<usize, extern "C-unwind" fn(u64)>(api.release_object as usize)(answer);
        is_held
    }
}

/// The calling thread is held here until the client leaves.
#[inline(never)]
fn hold() {
    let mask = Silence::begin().keep();
    if let Some(number) = held::hold_again(arch::registers_here()) {
        held::wait(mask, true, || interrupted::forget_pending(number));
    }
    signal::exchange_mask(mask);
}
