//! The interposed functions that change the user and the groups: the agent's thread follows.
//!
//! Context: host threads, signal handlers included.

use core::ffi::{c_char, c_int, c_long, c_uint};

use super::guarded;
use crate::install;
use crate::sys::next::function as next;
use crate::sys::process;

/// What stands for "leave as it is" (setresuid(2)).
const SAME: usize = c_uint::MAX as usize;

/// Runs `act`, after which the process is wholly user `uid`'s, if one is given: the socket's file becomes that user's. It is given
/// before, for after it the process may not.
fn becoming(uid: Option<c_uint>, act: impl FnOnce() -> c_int) -> c_int {
    let Some(uid) = uid.filter(|&uid| uid != c_uint::MAX) else { return act() };
    let mut given = None;
    guarded("setuid", || given = install::user_will_be(uid));
    let result = act();
    if let Some(given) = given {
        // SAFETY: the calling thread's errno, which is the answer of the call.
        let errno = unsafe { *libc::__errno_location() };
        guarded("setuid", || if result == 0 { drop(given) } else { given.take_back() });
        // SAFETY: as above.
        unsafe { *libc::__errno_location() = errno };
    }
    result
}

fn followed(result: c_int, number: c_long, arguments: [usize; 3]) -> c_int {
    if result == 0 {
        guarded("setuid", || install::credentials_have_changed(number, arguments));
    }
    result
}

/// The functions whose arguments are those of the system call of the same name, and the user that they make real, effective and
/// saved at once. Who changes only some of them (a daemon of root's that acts for a user for a while) keeps the socket.
macro_rules! same_call {
    ($($name:ident($($argument:ident),*) = $number:ident, $user:expr;)*) => {
        $(
            /// As the system call of the same name.
            #[unsafe(no_mangle)]
            pub extern "C" fn $name($($argument: c_uint),*) -> c_int {
                let mut arguments = [0; 3];
                for (slot, argument) in arguments.iter_mut().zip([$($argument as usize),*]) {
                    *slot = argument;
                }
                // SAFETY: numbers.
                let act = || unsafe { next::$name($($argument),*) };
                followed(becoming($user, act), libc::$number, arguments)
            }
        )*
    };
}

same_call! {
    setuid(uid) = SYS_setuid, (process::euid() == 0).then_some(uid);
    setreuid(real, effective) = SYS_setreuid, (real == effective).then_some(real);
    setresuid(real, effective, saved) = SYS_setresuid, (real == effective && effective == saved).then_some(real);
    setgid(gid) = SYS_setgid, None;
    setregid(real, effective) = SYS_setregid, None;
    setresgid(real, effective, saved) = SYS_setresgid, None;
}

/// seteuid(2), which the kernel knows as setresuid(2).
#[unsafe(no_mangle)]
pub extern "C" fn seteuid(uid: c_uint) -> c_int {
    // SAFETY: a number.
    followed(unsafe { next::seteuid(uid) }, libc::SYS_setresuid, [SAME, uid as usize, SAME])
}

/// setegid(2), which the kernel knows as setresgid(2).
#[unsafe(no_mangle)]
pub extern "C" fn setegid(gid: c_uint) -> c_int {
    // SAFETY: a number.
    followed(unsafe { next::setegid(gid) }, libc::SYS_setresgid, [SAME, gid as usize, SAME])
}

/// setgroups(2).
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn setgroups(count: usize, groups: *const c_uint) -> c_int {
    // SAFETY: the caller's arguments, passed on as they are.
    followed(unsafe { next::setgroups(count, groups) }, libc::SYS_setgroups, [count, groups as usize, 0])
}

/// initgroups(3): the groups that it has found are asked of the kernel.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn initgroups(user: *const c_char, group: c_uint) -> c_int {
    // SAFETY: the caller's arguments, passed on as they are.
    let result = unsafe { next::initgroups(user, group) };
    if result == 0 {
        guarded("initgroups", install::groups_have_changed);
    }
    result
}
