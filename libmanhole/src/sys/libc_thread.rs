//! What the C library keeps for the calling thread, and what a guest on that thread has to leave as it was.
//!
//! Context: a **signal handler** on a thread of the C library's. No lock, no allocation: both are words in the thread's own memory.

use core::ffi::c_int;

unsafe extern "C" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
}

const PTHREAD_CANCEL_DISABLE: c_int = 1;

/// The thread's `errno`, and whether it may be cancelled; both are put back when dropped. Meanwhile it cannot be cancelled.
pub(crate) struct Kept {
    errno: c_int,
    cancel_state: c_int,
}

impl Kept {
    pub(crate) fn keep() -> Kept {
        let mut cancel_state = 0;
        // SAFETY: the C library's own word of the calling thread, which is one of its threads.
        let errno = unsafe { *libc::__errno_location() };
        // SAFETY: changes a word of the calling thread, and fills ours.
        unsafe { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &mut cancel_state) };
        Kept { errno, cancel_state }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut ours = 0;
        // SAFETY: as above. The error number is last: nothing of the C library's comes after it.
        unsafe {
            pthread_setcancelstate(self.cancel_state, &mut ours);
            *libc::__errno_location() = self.errno;
        }
    }
}
