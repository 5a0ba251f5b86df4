//! The interposed functions that close, copy and ask about descriptors: while the manhole listens without a thread, its socket is in the host's
//! table. For the host its number is free: a shell that is to put a file there would save what it finds, and put it back.
//!
//! Context: any thread, signal handlers included; each is one comparison more than the C library's, as long as the host does
//! not mean our descriptor.

use core::ffi::{c_int, c_long, c_uint, c_void};

use crate::dormant;
use crate::sys::next as sys_next;
use crate::sys::next::function as next;

/// The host has not opened what is ours, so it is not open for it.
fn not_open() -> c_int {
    // SAFETY: the calling thread's errno.
    unsafe { *libc::__errno_location() = libc::EBADF };
    -1
}

/// close(2).
#[unsafe(no_mangle)]
pub extern "C" fn close(fd: c_int) -> c_int {
    if dormant::owns(fd) {
        return not_open();
    }
    // SAFETY: a number.
    unsafe { next::close(fd) }
}

/// The forms of fcntl(2), all of whose arguments are words: they come and go in the same registers whether or not the list is variable.
macro_rules! controls {
    ($($name:ident)*) => {
        $(
            /// fcntl(2).
            ///
            /// # Safety
            /// As the C library's.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name(fd: c_int, command: c_int, argument: usize) -> c_int {
                if dormant::owns(fd) {
                    return not_open();
                }
                // SAFETY: the caller's arguments, passed on as they are.
                unsafe { next::$name(fd, command, argument) }
            }
        )*
    };
}

controls!(fcntl fcntl64);

/// The forms of fstat(2), with what stands before the descriptor: by it a program learns which numbers are open.
macro_rules! looks {
    ($($name:ident($($version:ident)?))*) => {
        $(
            /// fstat(2).
            ///
            /// # Safety
            /// As the C library's.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($version: c_int,)? fd: c_int, into: *mut c_void) -> c_int {
                if dormant::owns(fd) {
                    return not_open();
                }
                // SAFETY: the caller's arguments, passed on as they are.
                unsafe { next::$name($($version,)? fd, into) }
            }
        )*
    };
}

looks!(fstat() fstat64() __fxstat(version) __fxstat64(version));

/// dup(2).
#[unsafe(no_mangle)]
pub extern "C" fn dup(fd: c_int) -> c_int {
    if dormant::owns(fd) {
        return not_open();
    }
    // SAFETY: a number.
    unsafe { next::dup(fd) }
}

/// dup2(2): a host that wants our number gets it.
#[unsafe(no_mangle)]
pub extern "C" fn dup2(from: c_int, to: c_int) -> c_int {
    if dormant::owns(from) {
        return not_open();
    }
    if from != to {
        dormant::make_room(to);
    }
    // SAFETY: numbers.
    unsafe { next::dup2(from, to) }
}

/// dup3(2).
#[unsafe(no_mangle)]
pub extern "C" fn dup3(from: c_int, to: c_int, flags: c_int) -> c_int {
    if dormant::owns(from) {
        return not_open();
    }
    if from != to {
        dormant::make_room(to);
    }
    // SAFETY: numbers.
    unsafe { next::dup3(from, to, flags) }
}

/// closefrom(3): everything but ours.
#[unsafe(no_mangle)]
pub extern "C" fn closefrom(lowest: c_int) {
    let ours = dormant::descriptor();
    if ours < lowest.max(0) || !dormant::owns(ours) {
        // SAFETY: a number.
        return unsafe { next::closefrom(lowest) };
    }
    for fd in lowest.max(0)..ours {
        // SAFETY: a number; an error is one that closefrom ignores as well.
        unsafe { next::close(fd) };
    }
    // SAFETY: a number.
    unsafe { next::closefrom(ours + 1) }
}

/// close_range(2): everything but ours. With `CLOSE_RANGE_CLOEXEC` nothing is closed now, and ours is closed on exec anyway.
#[unsafe(no_mangle)]
pub extern "C" fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    // SAFETY: numbers.
    range_but_ours(first, last, |first, last| unsafe { next::close_range(first, last, flags) })
}

/// Has `close` close a range, but not ours.
fn range_but_ours<R: PartialEq + From<i8>>(first: c_uint, last: c_uint, close: impl Fn(c_uint, c_uint) -> R) -> R {
    let ours = dormant::descriptor();
    let is_meant = u32::try_from(ours).is_ok_and(|ours| (first..=last).contains(&ours)) && dormant::owns(ours);
    if !is_meant {
        return close(first, last);
    }
    let ours = ours as c_uint;
    let below = if first < ours { close(first, ours - 1) } else { R::from(0) };
    if below != R::from(0) || last == ours {
        return below;
    }
    close(ours + 1, last)
}

/// The calls of syscall(2) that close descriptors; no points of cancellation, and there whatever the C library is like.
pub(super) extern "C" fn by_number(number: c_long, a: usize, b: usize, c: usize) -> c_long {
    // SAFETY: numbers.
    let call = |a: usize, b: usize| unsafe { sys_next::syscall_with(number, [a, b, c, 0, 0]) };
    match number {
        libc::SYS_close_range => {
            range_but_ours(a as c_uint, b as c_uint, |first, last| call(first as usize, last as usize))
        }
        _ if dormant::owns(a as c_int) => not_open().into(),
        libc::SYS_dup2 | libc::SYS_dup3 if a as c_int != b as c_int => {
            dormant::make_room(b as c_int);
            call(a, b)
        }
        _ => call(a, b),
    }
}
