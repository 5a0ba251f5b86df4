//! Stops a thread that goes on (`errand/moving.rs`) between two instructions of Python's, without the interpreter's lock, as python-manhole's handler of
//! a signal stops it: by a pending call, which the interpreter has its main thread make. Where that waits for the lock it may not be stopped: nobody
//! could give the lock to anybody, for the C library waits until all that were to be woken have gone on.
//!
//! Context: [`stop_again`] on a worker that has the lock; [`stop`] on the interpreter's main thread, which has it.
#![allow(unsafe_code)]

use core::ffi::{c_int, c_void};
use core::mem::transmute;
use core::time::Duration;
use std::sync::OnceLock;

use super::script::{Faulted, call};
use crate::errand::moving;
use crate::held;
use crate::python::Api;

/// How long the thread has to come by.
const LIMIT: Duration = Duration::from_millis(500);

static API: OnceLock<Api> = OnceLock::new();

/// Has the thread that goes on stop, if one does.
///
/// # Safety
/// The functions are the interpreter's, and the calling thread, the worker of this number, has its lock.
pub(super) unsafe fn stop_again(slot: usize, api: &Api) -> Result<(), Faulted> {
    let (Some(add_pending), Some(restore), true) = (api.add_pending, api.restore, held::moving().is_some()) else {
        return Ok(());
    };
    API.get_or_init(|| *api);
    // SAFETY: the caller's word.
    unsafe {
        if call(slot, add_pending, &[stop as extern "C-unwind" fn(*mut c_void) -> c_int as usize as u64, 0])? as i32
            == 0
        {
            let state = call(slot, api.save, &[])?;
            moving::wait(LIMIT);
            call(slot, restore, &[state])?;
        }
    }
    Ok(())
}

/// The pending call. It may come late, when nobody waits for it any more.
extern "C-unwind" fn stop(_: *mut c_void) -> c_int {
    if let Some(api) = API.get()
        && let Some(restore) = api.restore
        && moving::is_here()
    {
        // SAFETY: these are the interpreter's functions, with the prototypes of its reference, on a thread that has its lock.
        unsafe {
            let state = transmute::<usize, extern "C-unwind" fn() -> u64>(api.save as usize)();
            moving::stop_here();
            transmute::<usize, extern "C-unwind" fn(u64)>(restore as usize)(state);
        }
    }
    0
}
