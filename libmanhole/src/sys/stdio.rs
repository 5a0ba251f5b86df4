//! The host's stdio: what is asked of it before and after a line that runs code of the host.
//!
//! Context: host threads that run code of the host on our behalf. Never the agent's thread.

use core::ffi::c_int;

unsafe extern "C" {
    static stdin: *mut libc::FILE;
    static stdout: *mut libc::FILE;
    static stderr: *mut libc::FILE;
    fn clearerr_unlocked(stream: *mut libc::FILE);
    fn feof_unlocked(stream: *mut libc::FILE) -> c_int;
    fn fwide(stream: *mut libc::FILE, mode: c_int) -> c_int;
    fn __fpurge(stream: *mut libc::FILE);
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

/// Where a stream's lock is: `_lock` of struct _IO_FILE, as the C library's public header has it.
const LOCK: usize = 136;

/// What it points to: `_IO_lock_t` of glibc, unchanged since 2.3.
#[repr(C)]
struct StreamLock {
    word: c_int,
    count: c_int,
    owner: *const core::ffi::c_void,
}

/// Gives back the locks of the standard streams that the calling thread has: a function of stdio that was left in its middle has not.
pub(crate) fn unlock_standard_streams() {
    // SAFETY: the C library's variables.
    for stream in unsafe { [stdin, stdout, stderr] } {
        // It may be taken several times over.
        for _ in 0..16 {
            if stream.is_null() || !is_locked_here(stream) {
                break;
            }
            // SAFETY: a stream of the C library, which this thread has locked.
            unsafe { funlockfile(stream) };
        }
    }
}

/// Whether the calling thread has the stream's lock.
fn is_locked_here(stream: *mut libc::FILE) -> bool {
    // SAFETY: a stream of the C library; its lock stays as long as the stream. Only this thread writes its own identity there.
    unsafe {
        let lock = stream.byte_add(LOCK).cast::<*const StreamLock>().read();
        !lock.is_null() && (&raw const (*lock).owner).read_volatile() as usize == libc::pthread_self() as usize
    }
}

/// The beginning of struct _IO_FILE as the C library's public header has it (bits/types/struct_FILE.h): what was read and not yet taken
/// lies between the two.
#[repr(C)]
struct Beginning {
    flags: c_int,
    read_pointer: *const u8,
    read_end: *const u8,
}

/// How standard input stood before a line.
pub(crate) struct Input {
    is_empty: bool,
    has_ended: bool,
}

/// How standard input stands; `None` when another thread holds the stream, or it is one of wide characters.
pub(crate) fn standard_input() -> Option<Input> {
    with_standard_input(|stream, unread| {
        // SAFETY: a stream of the C library, whose lock is held.
        Input { is_empty: unread.is_empty(), has_ended: unsafe { feof_unlocked(stream) } != 0 }
    })
}

/// Takes out of standard input the end that was seen since `before`, and if `takes_rest`, what was read since and not used. What was
/// there before stays, and what came after it as well.
pub(crate) fn settle_standard_input(before: &Input, takes_rest: bool) -> Vec<u8> {
    let settled = with_standard_input(|stream, unread| {
        let mut rest = Vec::new();
        if takes_rest && before.is_empty {
            rest.extend_from_slice(unread);
            // SAFETY: as above; nobody looks at the bytes any more.
            unsafe { __fpurge(stream) };
        }
        if !before.has_ended {
            // SAFETY: as above.
            unsafe { clearerr_unlocked(stream) };
        }
        rest
    });
    settled.unwrap_or_default()
}

/// Runs `act` with standard input and what it holds, if the stream can be had at once.
fn with_standard_input<T>(act: impl FnOnce(*mut libc::FILE, &[u8]) -> T) -> Option<T> {
    // SAFETY: the C library's variable.
    let stream = unsafe { stdin };
    // SAFETY: a stream of the C library; a mode of 0 asks only.
    if stream.is_null() || unsafe { fwide(stream, 0) } > 0 || unsafe { ftrylockfile(stream) } != 0 {
        return None;
    }
    // SAFETY: the structure begins so, and its lock is held.
    let Beginning { read_pointer, read_end, .. } = unsafe { stream.cast::<Beginning>().read() };
    let length = (read_end as usize).saturating_sub(read_pointer as usize);
    let unread = match length {
        0 => &[],
        // SAFETY: the stream's buffer, which stays while the lock is held.
        _ => unsafe { core::slice::from_raw_parts(read_pointer, length) },
    };
    let result = act(stream, unread);
    // SAFETY: locked above.
    unsafe { funlockfile(stream) };
    Some(result)
}
