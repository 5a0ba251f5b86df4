//! The host's stdio: the one thing that is asked of it.
//!
//! Context: host threads that run code of the host on our behalf. Never the agent's thread.

use core::ffi::c_int;

unsafe extern "C" {
    static stdout: *mut libc::FILE;
    fn ftrylockfile(stream: *mut libc::FILE) -> c_int;
    fn funlockfile(stream: *mut libc::FILE);
}

/// Writes out what stdio holds back for standard output; false when another thread holds the stream, which is tried for a moment and not
/// waited for (flockfile(3)). The write itself takes as long as the descriptor takes. `fflush(NULL)` is not used: it waits for the lock of
/// every stream.
pub(crate) fn flush_standard_output() -> bool {
    // SAFETY: the C library's variable; a host that has set it to null has no such stream.
    let stream = unsafe { stdout };
    if stream.is_null() {
        return true;
    }
    for _ in 0..100 {
        // SAFETY: a stream of the C library.
        if unsafe { ftrylockfile(stream) } == 0 {
            // SAFETY: as above; the lock counts, so fflush may take it again.
            unsafe {
                libc::fflush(stream);
                funlockfile(stream);
            }
            return true;
        }
        super::thread::give_way();
    }
    false
}
