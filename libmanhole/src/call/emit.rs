//! The functions that Python's streams call: with what is for the client, and for what comes from it.
//!
//! Context: host threads that hold the interpreter's lock, in normal context: whoever prints while a client is there. It waits for nobody.
#![allow(unsafe_code)]

use core::ffi::{c_char, c_int, c_long, c_void};
use core::mem::transmute;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use crate::hand;
use crate::python::Api;
use crate::redirect::{input, outlet};
use crate::state;
use crate::sys::fd;

/// `PyMethodDef` of Include/methodobject.h.
#[repr(C)]
pub(super) struct Method {
    pub(super) name: *const c_char,
    pub(super) function: Option<extern "C-unwind" fn(*mut c_void, *mut c_void) -> *mut c_void>,
    pub(super) flags: c_int,
    pub(super) documentation: *const c_char,
}

// SAFETY: it is never written, and its texts live for ever.
unsafe impl Sync for Method {}

/// `METH_O`: the function has one argument.
pub(super) const ONE_ARGUMENT: c_int = 8;

static METHOD: Method =
    Method { name: c"_emit".as_ptr(), function: Some(emit), flags: ONE_ARGUMENT, documentation: core::ptr::null() };

/// `METH_NOARGS`.
const NO_ARGUMENTS: c_int = 4;

static INPUT_METHOD: Method = Method {
    name: c"_has_input".as_ptr(),
    function: Some(has_input),
    flags: NO_ARGUMENTS,
    documentation: core::ptr::null(),
};

static THREAD_METHOD: Method =
    Method { name: c"_ident".as_ptr(), function: Some(ident), flags: NO_ARGUMENTS, documentation: core::ptr::null() };

/// The interpreter's functions that [`emit`] calls.
static BYTES: AtomicU64 = AtomicU64::new(0);
static SIZE: AtomicU64 = AtomicU64::new(0);
static LONG: AtomicU64 = AtomicU64::new(0);

/// The address of the method's description, for an interpreter with these functions.
pub(super) fn method(api: &Api) -> u64 {
    BYTES.store(api.bytes, SeqCst);
    SIZE.store(api.size_of_bytes, SeqCst);
    LONG.store(api.new_long, SeqCst);
    &raw const METHOD as u64
}

/// The address of the other one's, the same.
pub(super) fn input_method(api: &Api) -> u64 {
    LONG.store(api.new_long, SeqCst);
    &raw const INPUT_METHOD as u64
}

/// The address of the third one's, the same.
pub(super) fn thread_method(api: &Api) -> u64 {
    LONG.store(api.new_long, SeqCst);
    &raw const THREAD_METHOD as u64
}

/// `_ident() -> int`: the calling thread, as the interpreter's own functions name it. The module `_thread` may have another one's idea of what a thread is (gevent).
extern "C-unwind" fn ident(_: *mut c_void, _: *mut c_void) -> *mut c_void {
    // SAFETY: `thread_method` has stored the address of this function before the interpreter knew of this one; the other one asks for the calling thread's own id.
    let (long, own) = unsafe {
        (
            transmute::<usize, extern "C-unwind" fn(c_long) -> *mut c_void>(LONG.load(SeqCst) as usize),
            libc::pthread_self(),
        )
    };
    long(own as c_long)
}

/// `_has_input() -> int`: 1 when descriptor 0 is the client's input. It is asked for if it is not.
extern "C-unwind" fn has_input(_: *mut c_void, _: *mut c_void) -> *mut c_void {
    // SAFETY: `input_method` has stored the address of this function before the interpreter knew of this one.
    let long = unsafe { transmute::<usize, extern "C-unwind" fn(c_long) -> *mut c_void>(LONG.load(SeqCst) as usize) };
    long(c_long::from(input::ask()))
}

/// `_emit(bytes) -> int`: how many of the bytes the client will get, and -1 when there is no client. Without bytes: eight times the client's number, 0 for
/// none, and 1 more while the descriptor 1 leads to it, 2 more while something is on its way there by descriptors, and 4 more if the process is not to end
/// before it has left.
extern "C-unwind" fn emit(_: *mut c_void, argument: *mut c_void) -> *mut c_void {
    // SAFETY: `method` has stored the addresses of these functions before the interpreter knew of this one.
    let (bytes, size, long) = unsafe {
        (
            transmute::<usize, extern "C-unwind" fn(*mut c_void) -> *const u8>(BYTES.load(SeqCst) as usize),
            transmute::<usize, extern "C-unwind" fn(*mut c_void) -> isize>(SIZE.load(SeqCst) as usize),
            transmute::<usize, extern "C-unwind" fn(c_long) -> *mut c_void>(LONG.load(SeqCst) as usize),
        )
    };
    let start = bytes(argument);
    let Ok(length) = usize::try_from(size(argument)) else { return core::ptr::null_mut() };
    if start.is_null() {
        return core::ptr::null_mut();
    }
    if length == 0 {
        let leads = |number: i32| hand::place_of(number) != number;
        let is_on_its_way = |number: i32| leads(number) && fd::unread_of(number).is_ok_and(|count| count > 0);
        let waits = !state::settings().daemon_connection;
        let bits = [leads(1), [1, 2].into_iter().any(is_on_its_way), waits];
        let bits = bits.into_iter().rev().fold(0, |bits, bit| bits << 1 | c_long::from(bit));
        return long(c_long::from(outlet::client()) << 3 | bits);
    }
    // SAFETY: the object is the caller's, and its bytes do not change as long as it lives.
    let given = outlet::give(unsafe { core::slice::from_raw_parts(start, length) });
    long(given.map_or(-1, |given| given as c_long))
}
