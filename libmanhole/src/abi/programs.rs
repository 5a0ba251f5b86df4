//! The interposed functions that start programs, or execute one in the place of this: one that is started by a line of the prompt gets the
//! signals that the host's own threads have open.
//!
//! Context: host threads; those that execute anywhere, signal handlers and children of vfork(2) included. A worker blocks all signals, so
//! that the host's handlers run where the host expects them; what it starts must not inherit that: nobody could end it by SIGTERM. On all
//! other threads these go on to the C library at once.

use core::ffi::{c_char, c_int};
use core::mem::MaybeUninit;

use super::room;
use crate::sys::next::function as next;
use crate::sys::signal::{self, Set};
use crate::{hand, redirect, state, worker};

type Actions = *const libc::posix_spawn_file_actions_t;
type Attributes = *const libc::posix_spawnattr_t;
type Strings = *const *mut c_char;

/// What a program is to block that a worker starts, or a child of a worker's vfork(2).
fn mask_to_start_with() -> Option<Set> {
    worker::masks::host_mask().or_else(worker::masks::mask_of_program).inspect(|_| worker::note_start())
}

/// Attributes as the caller's, with `mask` where those leave the mask as it is.
///
/// # Safety
/// `given` is null or initialised.
unsafe fn with_mask(given: Attributes, mask: Set) -> libc::posix_spawnattr_t {
    let mut attributes = MaybeUninit::<libc::posix_spawnattr_t>::zeroed();
    // SAFETY: glibc's attributes are plain data without pointers (spawn.h), which an initialisation fills; the set's first word is the
    // kernel's mask.
    unsafe {
        if given.is_null() {
            libc::posix_spawnattr_init(attributes.as_mut_ptr());
        } else {
            attributes.write(given.read());
        }
        let mut flags = 0;
        libc::posix_spawnattr_getflags(attributes.as_ptr(), &mut flags);
        if c_int::from(flags) & libc::POSIX_SPAWN_SETSIGMASK == 0 {
            let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
            set.as_mut_ptr().cast::<u64>().write(mask.0);
            libc::posix_spawnattr_setsigmask(attributes.as_mut_ptr(), set.as_ptr());
            libc::posix_spawnattr_setflags(attributes.as_mut_ptr(), flags | libc::POSIX_SPAWN_SETSIGMASK as i16);
        }
        attributes.assume_init()
    }
}

/// posix_spawn(3).
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_spawn(
    pid: *mut libc::pid_t,
    path: *const c_char,
    actions: Actions,
    attributes: Attributes,
    arguments: Strings,
    environment: Strings,
) -> c_int {
    let Some(mask) = mask_to_start_with() else {
        // SAFETY: the caller's arguments, passed on as they are.
        let spawn = || unsafe { next::posix_spawn(pid, path, actions, attributes, arguments, environment) };
        return room::with_room(spawn, room::by_result);
    };
    // SAFETY: as above, with attributes like the caller's.
    unsafe { next::posix_spawn(pid, path, actions, &with_mask(attributes, mask), arguments, environment) }
}

/// posix_spawnp(3).
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn posix_spawnp(
    pid: *mut libc::pid_t,
    file: *const c_char,
    actions: Actions,
    attributes: Attributes,
    arguments: Strings,
    environment: Strings,
) -> c_int {
    let Some(mask) = mask_to_start_with() else {
        // SAFETY: the caller's arguments, passed on as they are.
        let spawn = || unsafe { next::posix_spawnp(pid, file, actions, attributes, arguments, environment) };
        return room::with_room(spawn, room::by_result);
    };
    // SAFETY: as above, with attributes like the caller's.
    unsafe { next::posix_spawnp(pid, file, actions, &with_mask(attributes, mask), arguments, environment) }
}

/// system(3). On a worker the host's dispositions of SIGINT and SIGQUIT stay what they are.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn system(command: *const c_char) -> c_int {
    unsafe extern "C" {
        static environ: Strings;
    }
    let mask = mask_to_start_with();
    let Some(mask) = mask.filter(|_| !command.is_null()) else {
        return run(command);
    };
    let arguments = [c"sh".as_ptr().cast_mut(), c"-c".as_ptr().cast_mut(), command.cast_mut(), core::ptr::null_mut()];
    let (mut pid, mut status) = (0, 0);
    // SAFETY: a path, attributes and an array of strings that ends with null; the program that is started does not change them.
    let error = unsafe {
        let attributes = with_mask(core::ptr::null(), mask);
        next::posix_spawn(&mut pid, c"/bin/sh".as_ptr(), core::ptr::null(), &attributes, arguments.as_ptr(), environ)
    };
    if error != 0 {
        return NOT_EXECUTED;
    }
    loop {
        // SAFETY: the status is ours; errno is the calling thread's.
        let (result, errno) = unsafe { (libc::waitpid(pid, &mut status, 0), *libc::__errno_location()) };
        match result {
            -1 if errno == libc::EINTR => {}
            -1 => return -1,
            _ => return status,
        }
    }
}

/// As of a shell that could not be executed (system(3)).
const NOT_EXECUTED: c_int = 127 << 8;

/// The C library's system(3). A shell of which there is none says the same as one that ends with 127: only errno, which a shell leaves alone, tells them apart.
fn run(command: *const c_char) -> c_int {
    // SAFETY: the calling thread's errno.
    let before = unsafe { core::mem::replace(&mut *libc::__errno_location(), 0) };
    // SAFETY: the caller's argument, passed on as it is.
    let system = || unsafe { next::system(command) };
    let status = room::with_room(system, |status| room::by_errno(matches!(*status, NOT_EXECUTED | -1)));
    // SAFETY: as above.
    unsafe {
        if *libc::__errno_location() == 0 {
            *libc::__errno_location() = before;
        }
    }
    status
}

/// popen(3). On a worker the signals are open for the moment of the start: the C library keeps what pclose(3) needs to itself.
///
/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn popen(command: *const c_char, mode: *const c_char) -> *mut libc::FILE {
    let before = mask_to_start_with().map(signal::exchange_mask);
    // SAFETY: the caller's arguments, passed on as they are.
    let popen = || unsafe { next::popen(command, mode) };
    let stream = room::with_room(popen, |stream| room::by_errno(stream.is_null()));
    if let Some(before) = before {
        signal::exchange_mask(before);
    }
    stream
}

/// Executes with the host's mask where the thread has a worker's, and with the host's own input and output. A call that comes back has failed.
fn executing(execute: impl FnOnce() -> c_int) -> c_int {
    let is_process = state::is_of_this_process();
    // What a line of the prompt starts has the client's input and output.
    let is_of_line = !is_process && worker::is_below();
    if is_of_line {
        worker::note_start();
    }
    if is_process {
        hand::shut();
    }
    let aside = (hand::is_at_work() && !is_of_line).then(hand::aside::stand_aside);
    if is_process && aside.is_some() {
        redirect::process_ends(false, false);
    }
    let before = worker::masks::mask_to_execute_with().map(signal::exchange_mask);
    let result = execute();
    if let Some(before) = before {
        signal::exchange_mask(before);
    }
    if let Some(aside) = aside {
        hand::aside::come_back(aside);
    }
    if is_process {
        hand::open();
    }
    result
}

/// The functions that execute a program whose arguments are an array.
macro_rules! executes {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        $(
            /// exec(3), execve(2), or another form of it.
            ///
            /// # Safety
            /// As the C library's.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($argument: $type),*) -> c_int {
                // SAFETY: the caller's arguments, passed on as they are.
                executing(|| unsafe { next::$name($($argument),*) })
            }
        )*
    };
}

executes! {
    execve(path: *const c_char, arguments: Strings, environment: Strings);
    execv(path: *const c_char, arguments: Strings);
    execvp(file: *const c_char, arguments: Strings);
    execvpe(file: *const c_char, arguments: Strings, environment: Strings);
    fexecve(fd: c_int, arguments: Strings, environment: Strings);
    execveat(directory: c_int, path: *const c_char, arguments: Strings, environment: Strings, flags: c_int);
}

/// The functions whose arguments are an array's elements: the array is made of the registers and what the stack has of them, as the C library
/// does it.
#[cfg(target_arch = "x86_64")]
macro_rules! lists {
    ($($name:ident: $execute:ident;)*) => {
        $(
            /// exec(3).
            ///
            /// # Safety
            /// As the C library's.
            #[unsafe(no_mangle)]
            #[unsafe(naked)]
            pub unsafe extern "C" fn $name() {
                core::arch::naked_asm!(
                    // The way back makes room for the arguments that came in registers, right before those of the stack.
                    "pop rax",
                    "push r9",
                    "push r8",
                    "push rcx",
                    "push rdx",
                    "push rsi",
                    "mov rsi, rsp",
                    "push rax",
                    "call {execute}",
                    "pop rcx",
                    "add rsp, 40",
                    "push rcx",
                    "ret",
                    execute = sym $execute,
                )
            }
        )*
    };
}

#[cfg(target_arch = "x86_64")]
lists! {
    execl: execute;
    execlp: search_and_execute;
    execle: execute_with_environment;
}

unsafe extern "C" fn execute(path: *const c_char, arguments: Strings) -> c_int {
    // SAFETY: the caller's arguments, which end with null.
    executing(|| unsafe { next::execv(path, arguments) })
}

unsafe extern "C" fn search_and_execute(file: *const c_char, arguments: Strings) -> c_int {
    // SAFETY: as above.
    executing(|| unsafe { next::execvp(file, arguments) })
}

unsafe extern "C" fn execute_with_environment(path: *const c_char, arguments: Strings) -> c_int {
    // SAFETY: the environment follows the null that ends the arguments (exec(3)).
    let environment = unsafe {
        let mut end = arguments;
        while !(*end).is_null() {
            end = end.add(1);
        }
        (*end.add(1)).cast()
    };
    // SAFETY: as above.
    executing(|| unsafe { next::execve(path, arguments, environment) })
}
