//! The functions by which Python's console reaches a thread: one calls another one in its place, so that what is kept for each thread, such as its
//! trace function, is that thread's then; one interrupts it; one tells whether it is there still.
//!
//! Context: the worker that runs a script, with the interpreter's lock.
#![allow(unsafe_code)]

use core::ffi::{c_char, c_int, c_long, c_void};
use core::mem::transmute;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::emit::{Method, ONE_ARGUMENT};
use crate::memory::Memory;
use crate::python::Api;

/// `METH_VARARGS`: the function has a tuple of arguments.
const ARGUMENTS: c_int = 1;

static METHOD: Method =
    Method { name: NAME, function: Some(as_thread), flags: ARGUMENTS, documentation: core::ptr::null() };

const NAME: *const c_char = c"_as_thread".as_ptr();

static INTERRUPT_METHOD: Method = Method {
    name: c"_interrupt".as_ptr(),
    function: Some(interrupt),
    flags: ONE_ARGUMENT,
    documentation: core::ptr::null(),
};

static LIVES_METHOD: Method =
    Method { name: c"_lives".as_ptr(), function: Some(lives), flags: ONE_ARGUMENT, documentation: core::ptr::null() };

/// The caller's own state while it is in another one's place.
static OWN: AtomicU64 = AtomicU64::new(0);

/// The state to which a thread has to be put back that has faulted in another one's place.
pub(super) fn own() -> Option<u64> {
    Some(OWN.swap(0, SeqCst)).filter(|&own| own != 0)
}

/// The address of the method's description.
pub(super) fn method() -> u64 {
    &raw const METHOD as u64
}

/// The address of the other one's, the same.
pub(super) fn interrupt_method() -> u64 {
    &raw const INTERRUPT_METHOD as u64
}

/// The address of the third one's.
pub(super) fn lives_method() -> u64 {
    &raw const LIVES_METHOD as u64
}

/// `_interrupt(ident) -> int`: has the thread that the interpreter knows by this number raise KeyboardInterrupt. How many there are, 1 or 0.
extern "C-unwind" fn interrupt(_: *mut c_void, ident: *mut c_void) -> *mut c_void {
    let Some(api) = Api::noted() else { return core::ptr::null_mut() };
    // SAFETY: these are the interpreter's functions, with the prototypes of its reference.
    let (number, raise, long) = unsafe {
        (
            transmute::<usize, extern "C-unwind" fn(*mut c_void) -> u64>(api.unsigned_long as usize),
            transmute::<usize, extern "C-unwind" fn(u64, u64) -> c_int>(api.raise_in as usize),
            transmute::<usize, extern "C-unwind" fn(c_long) -> *mut c_void>(api.new_long as usize),
        )
    };
    match Memory::new().u64(api.keyboard_interrupt) {
        Ok(exception) => long(c_long::from(raise(number(ident), exception))),
        Err(_) => long(0),
    }
}

/// `_as_thread(state, function) -> int`: calls the function, which is none of Python's own, in the place of the thread with that
/// PyThreadState. 0; -1 where there is no such thread, or an exception was raised.
///
/// Only up to CPython 3.11 does PyThreadState_Swap keep the lock all the while; later ones are not asked.
extern "C-unwind" fn as_thread(_: *mut c_void, arguments: *mut c_void) -> *mut c_void {
    let Some(api) = Api::noted() else { return core::ptr::null_mut() };
    // SAFETY: these are the interpreter's functions, with the prototypes of its reference.
    let (item, number, long) = unsafe {
        (
            transmute::<usize, extern "C-unwind" fn(*mut c_void, isize) -> *mut c_void>(api.tuple_item as usize),
            transmute::<usize, extern "C-unwind" fn(*mut c_void) -> u64>(api.unsigned_long as usize),
            transmute::<usize, extern "C-unwind" fn(c_long) -> *mut c_void>(api.new_long as usize),
        )
    };
    let (state, function) = (item(arguments, 0), item(arguments, 1));
    if state.is_null() || function.is_null() {
        return core::ptr::null_mut();
    }
    long(call_as(api, number(state), function))
}

/// `_lives(state) -> int`: 1 if there is a thread with that PyThreadState, else 0.
extern "C-unwind" fn lives(_: *mut c_void, state: *mut c_void) -> *mut c_void {
    let Some(api) = Api::noted() else { return core::ptr::null_mut() };
    // SAFETY: as above.
    let (number, long) = unsafe {
        (
            transmute::<usize, extern "C-unwind" fn(*mut c_void) -> u64>(api.unsigned_long as usize),
            transmute::<usize, extern "C-unwind" fn(c_long) -> *mut c_void>(api.new_long as usize),
        )
    };
    long(c_long::from(known(api, number(state)).is_some()))
}

/// The state with this address, if the interpreter has it.
fn known(api: &Api, wanted: u64) -> Option<*mut c_void> {
    // SAFETY: as above.
    let (main, head, next) = unsafe {
        (
            transmute::<usize, extern "C-unwind" fn() -> *mut c_void>(api.main_interpreter as usize),
            transmute::<usize, extern "C-unwind" fn(*mut c_void) -> *mut c_void>(api.first_thread as usize),
            transmute::<usize, extern "C-unwind" fn(*mut c_void) -> *mut c_void>(api.next_thread as usize),
        )
    };
    // The lock is held: none of them ends meanwhile.
    let mut state = head(main());
    while !state.is_null() && state as u64 != wanted {
        state = next(state);
    }
    (!state.is_null()).then_some(state)
}

fn call_as(api: &Api, wanted: u64, function: *mut c_void) -> c_long {
    // SAFETY: as above.
    let (swap, call, clear, release) = unsafe {
        (
            transmute::<usize, extern "C-unwind" fn(*mut c_void) -> *mut c_void>(api.swap_thread as usize),
            transmute::<usize, extern "C-unwind" fn(*mut c_void, *mut c_void) -> *mut c_void>(api.call_object as usize),
            transmute::<usize, extern "C-unwind" fn()>(api.clear_error as usize),
            transmute::<usize, extern "C-unwind" fn(*mut c_void)>(api.release_object as usize),
        )
    };
    let Some(state) = known(api, wanted) else { return -1 };
    let own = swap(state);
    OWN.store(own as u64, SeqCst);
    let result = call(function, core::ptr::null_mut());
    if result.is_null() {
        clear();
    } else {
        release(result);
    }
    swap(own);
    OWN.store(0, SeqCst);
    if result.is_null() { -1 } else { 0 }
}
