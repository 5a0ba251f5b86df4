//! The interposed functions that change what signals do: our handlers are not the host's business, and it may want the signal.
//!
//! Context: any thread, signal handlers and vfork children included.

use core::ffi::c_int;

use super::guarded;
use crate::sys::next::function as next;
use crate::sys::own_image;
use crate::sys::signal::Set;
use crate::{install, loan, worker};

/// sigaction(2). A handler of ours is shown as what the host has left there.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigaction(signal: c_int, new: *const libc::sigaction, old: *mut libc::sigaction) -> c_int {
    if !new.is_null() {
        install::disposition_is_wanted(signal);
    }
    // SAFETY: the caller's arguments, passed on as they are.
    let result = unsafe { next::sigaction(signal, new, old) };
    // SAFETY: when it is not null, the C library has filled it.
    if let Some(old) = unsafe { old.as_mut() }.filter(|old| result == 0 && own_image::contains(old.sa_sigaction)) {
        let (handler, flags, mask) = install::disposition_of_host(signal, old.sa_sigaction);
        old.sa_sigaction = handler;
        old.sa_flags = flags;
        // SAFETY: the first word of the C library's set is the kernel's.
        unsafe { core::ptr::from_mut(&mut old.sa_mask).cast::<u64>().write(mask.0) };
    }
    if !new.is_null() {
        guarded("sigaction", || install::disposition_has_changed(signal));
    }
    result
}

/// The functions of the form `handler = f(signal, handler)`.
macro_rules! older {
    ($($name:ident)*) => {
        $(
            /// signal(2) or one of its older forms.
            ///
            /// # Safety
            /// As the C library's.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name(signal: c_int, handler: usize) -> usize {
                install::disposition_is_wanted(signal);
                // SAFETY: the caller's arguments, passed on as they are.
                shown(signal, unsafe { next::$name(signal, handler) })
            }
        )*
    };
}

older!(signal bsd_signal sysv_signal __sysv_signal ssignal sigset);

fn shown(signal: c_int, before: usize) -> usize {
    guarded("signal", || install::disposition_has_changed(signal));
    if before != libc::SIG_ERR && own_image::contains(before) {
        install::disposition_of_host(signal, before).0
    } else {
        before
    }
}

/// sigprocmask(2).
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigprocmask(how: c_int, set: *const libc::sigset_t, old: *mut libc::sigset_t) -> c_int {
    // SAFETY: when it is not null, the C library reads it as well.
    let asked = unsafe { set.as_ref() }.map(in_kernel_s_terms);
    // SAFETY: the caller's arguments, passed on as they are.
    let result = unsafe { next::sigprocmask(how, set, old) };
    if let Some(set) = asked.filter(|_| result == 0) {
        guarded("sigprocmask", || mask_has_changed(how, set));
    }
    result
}

/// pthread_sigmask(3).
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_sigmask(how: c_int, set: *const libc::sigset_t, old: *mut libc::sigset_t) -> c_int {
    // SAFETY: when it is not null, the C library reads it as well.
    let asked = unsafe { set.as_ref() }.map(in_kernel_s_terms);
    // SAFETY: the caller's arguments, passed on as they are.
    let result = unsafe { next::pthread_sigmask(how, set, old) };
    if let Some(set) = asked.filter(|_| result == 0) {
        guarded("pthread_sigmask", || mask_has_changed(how, set));
    }
    result
}

/// sigwait(3).
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigwait(set: *const libc::sigset_t, signal: *mut c_int) -> c_int {
    // SAFETY: when it is not null, the C library reads it as well.
    note_waiter(unsafe { set.as_ref() });
    // SAFETY: the caller's arguments, passed on as they are.
    unsafe { next::sigwait(set, signal) }
}

/// sigwaitinfo(2).
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigwaitinfo(set: *const libc::sigset_t, info: *mut libc::siginfo_t) -> c_int {
    // SAFETY: as above.
    note_waiter(unsafe { set.as_ref() });
    // SAFETY: the caller's arguments, passed on as they are.
    unsafe { next::sigwaitinfo(set, info) }
}

/// sigtimedwait(2).
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sigtimedwait(
    set: *const libc::sigset_t,
    info: *mut libc::siginfo_t,
    limit: *const libc::timespec,
) -> c_int {
    // SAFETY: as above.
    note_waiter(unsafe { set.as_ref() });
    // SAFETY: the caller's arguments, passed on as they are.
    unsafe { next::sigtimedwait(set, info, limit) }
}

/// What the calling thread waits for now, it waits for again.
fn note_waiter(set: Option<&libc::sigset_t>) {
    if let Some(set) = set {
        loan::note_waiter(in_kernel_s_terms(set));
    }
}

fn mask_has_changed(how: c_int, set: Set) {
    worker::masks::mask_has_changed(how, set);
    install::mask_has_changed(how, set);
}

/// The set as it is now. It is read before the C library is called: `set` and `old` may be the same place.
fn in_kernel_s_terms(set: &libc::sigset_t) -> Set {
    // SAFETY: the first word of the C library's set is the kernel's.
    Set(unsafe { core::ptr::from_ref(set).cast::<u64>().read() })
}
