//! The interposed functions that close descriptors: while the manhole listens without a thread, its socket is in the host's table.
//!
//! Context: any thread, signal handlers included; each is one comparison more than the C library's, as long as the host does
//! not mean our descriptor.

use core::ffi::{c_int, c_uint};

use crate::dormant;
use crate::sys::next::function as next;

/// close(2): the host has not opened what is ours, so it is not open for it.
#[unsafe(no_mangle)]
pub extern "C" fn close(fd: c_int) -> c_int {
    if dormant::owns(fd) {
        // SAFETY: the calling thread's errno.
        unsafe { *libc::__errno_location() = libc::EBADF };
        return -1;
    }
    // SAFETY: a number.
    unsafe { next::close(fd) }
}

/// dup2(2): a host that wants our number gets it.
#[unsafe(no_mangle)]
pub extern "C" fn dup2(from: c_int, to: c_int) -> c_int {
    if from != to {
        dormant::make_room(to);
    }
    // SAFETY: numbers.
    unsafe { next::dup2(from, to) }
}

/// dup3(2).
#[unsafe(no_mangle)]
pub extern "C" fn dup3(from: c_int, to: c_int, flags: c_int) -> c_int {
    if from != to {
        dormant::make_room(to);
    }
    // SAFETY: numbers.
    unsafe { next::dup3(from, to, flags) }
}

/// What is ours in this range, in ascending order.
fn ours_within(first: c_uint, last: c_uint) -> impl Iterator<Item = c_uint> {
    let mut ours = dormant::numbers();
    ours.sort_unstable();
    let within =
        move |fd: &c_int| u32::try_from(*fd).is_ok_and(|fd| (first..=last).contains(&fd)) && dormant::owns(*fd);
    ours.into_iter().filter(within).map(|fd| fd as c_uint)
}

/// closefrom(3): everything but ours.
#[unsafe(no_mangle)]
pub extern "C" fn closefrom(lowest: c_int) {
    let mut next_one = lowest.max(0) as c_uint;
    for ours in ours_within(next_one, c_uint::MAX) {
        for fd in next_one..ours {
            // SAFETY: a number; an error is one that closefrom ignores as well.
            unsafe { next::close(fd as c_int) };
        }
        next_one = ours + 1;
    }
    let rest = if next_one == lowest.max(0) as c_uint { lowest } else { next_one as c_int };
    // SAFETY: a number.
    unsafe { next::closefrom(rest) }
}

/// close_range(2): everything but ours. With `CLOSE_RANGE_CLOEXEC` nothing is closed now, and ours is closed on exec anyway.
#[unsafe(no_mangle)]
pub extern "C" fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    let mut next_one = first;
    for ours in ours_within(first, last) {
        // SAFETY: numbers.
        let result = if next_one < ours { unsafe { next::close_range(next_one, ours - 1, flags) } } else { 0 };
        if result != 0 || ours == last {
            return result;
        }
        next_one = ours + 1;
    }
    // SAFETY: numbers.
    unsafe { next::close_range(next_one, last, flags) }
}
