//! The next definitions of the functions that this library interposes: the C library's, or another preload's.
//!
//! Context: the constructor looks them up, when nobody can hold the loader's lock: no call must wait for it later. Only a
//! host that calls before our constructor has run looks up at the call. Then any thread, signal handlers included.

use core::ffi::{CStr, c_char, c_int, c_uint, c_void};
use core::num::NonZeroUsize;

use once_cell::race::OnceNonZeroUsize;

use super::at_start;

/// The address of the next definition of a function, looked up once where there is one. The cell takes no lock: two threads may both look.
fn next(function: Interposed) -> Option<NonZeroUsize> {
    let cell = CELLS.get(function as usize)?;
    if cell.get().is_none() {
        look_up_one(cell, names().nth(function as usize)?);
    }
    cell.get()
}

/// Looks all of them up. Called by the constructor.
#[cold]
pub(crate) fn look_up() {
    for (cell, name) in CELLS.iter().zip(names()) {
        look_up_one(cell, name);
    }
    look_up_one(&MINIMAL_STACK, at_start::MINIMAL_STACK);
}

#[cold]
fn look_up_one(cell: &OnceNonZeroUsize, name: &CStr) {
    // SAFETY: a C string; the loader answers with an address or null.
    let address = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    if let Some(address) = NonZeroUsize::new(address as usize) {
        let _ = cell.set(address);
    }
}

/// The name of the function at `address`, if it is one of these.
pub(crate) fn name_of(address: usize) -> Option<&'static CStr> {
    let known = |cell: &OnceNonZeroUsize| cell.get().is_some_and(|next| next.get() == address);
    CELLS.iter().zip(names()).find(|(cell, _)| known(cell)).map(|(_, name)| name)
}

/// Whether the host's own calls of `fork` come to this library.
#[cold]
pub(crate) fn takes_place_of_fork() -> bool {
    // What is first for the loader, as for the host.
    mod first {
        unsafe extern "C" {
            pub(super) fn fork();
        }
    }
    super::own_image::contains(first::fork as *const () as usize)
}

/// The names, in the order of [`Interposed`].
#[cold]
fn names() -> impl Iterator<Item = &'static CStr> {
    // SAFETY: each piece ends with the only NUL that it has.
    NAMES.split_inclusive(|&byte| byte == 0).map(|name| unsafe { CStr::from_bytes_with_nul_unchecked(name) })
}

/// The answer where the C library has no such function: as the kernel would answer.
trait Missing {
    fn missing() -> Self;
}

impl Missing for c_int {
    fn missing() -> c_int {
        // SAFETY: the calling thread's errno.
        unsafe { *libc::__errno_location() = libc::ENOSYS };
        -1
    }
}

impl Missing for usize {
    /// SIG_ERR of signal(2).
    fn missing() -> usize {
        c_int::missing() as usize
    }
}

impl Missing for *mut libc::FILE {
    fn missing() -> *mut libc::FILE {
        c_int::missing();
        core::ptr::null_mut()
    }
}

impl Missing for () {
    fn missing() {}
}

/// Defines a caller for each function, and the tables of all of them.
macro_rules! functions {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        /// Callers of the next definitions, by the functions' own names.
        ///
        /// # Safety
        /// Of each: as the C library's function of that name.
        #[allow(non_snake_case, reason = "named as what they stand for")]
        pub(crate) mod function {
            use super::*;
            $(
                #[allow(clippy::missing_safety_doc, dead_code, reason = "said of all of them; one is entered by its address")]
                pub(crate) unsafe fn $name($($argument: $type),*) -> $result {
                    match next(Interposed::$name) {
                        // SAFETY: the C library's function of this name has this type; the arguments are the caller's.
                        Some(address) => unsafe {
                            core::mem::transmute::<usize, unsafe extern "C" fn($($type),*) -> $result>(address.get())($($argument),*)
                        },
                        None => Missing::missing(),
                    }
                }
            )*
        }
        /// What is looked up.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "named as what they stand for")]
        #[derive(Clone, Copy)]
        enum Interposed {
            $($name,)*
        }
        /// Their names, each with its NUL. One text, and one table of addresses: each lies in one page, not wherever the linker puts it.
        #[unsafe(link_section = ".rodata.manhole_start")]
        static NAMES: [u8; JOINED.len()] = at_start::bytes(JOINED);
        const JOINED: &str = concat!($(stringify!($name), "\0"),*);
        static CELLS: [OnceNonZeroUsize; [$(Interposed::$name),*].len()] =
            [const { OnceNonZeroUsize::new() }; [$(Interposed::$name),*].len()];
    };
}

functions! {
    fork() -> c_int;
    _Fork() -> c_int;
    forkpty(terminal: *mut c_int, name: *mut c_char, attributes: *const libc::termios, size: *const libc::winsize) -> c_int;
    daemon(keep_directory: c_int, keep_descriptors: c_int) -> c_int;
    _exit(status: c_int) -> ();
    pthread_create(thread: *mut libc::pthread_t, attributes: *const libc::pthread_attr_t, start: *mut c_void, argument: *mut c_void) -> c_int;
    posix_spawn(pid: *mut libc::pid_t, path: *const c_char, actions: *const libc::posix_spawn_file_actions_t, attributes: *const libc::posix_spawnattr_t, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int;
    posix_spawnp(pid: *mut libc::pid_t, file: *const c_char, actions: *const libc::posix_spawn_file_actions_t, attributes: *const libc::posix_spawnattr_t, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int;
    system(command: *const c_char) -> c_int;
    popen(command: *const c_char, mode: *const c_char) -> *mut libc::FILE;
    execve(path: *const c_char, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int;
    execv(path: *const c_char, arguments: *const *mut c_char) -> c_int;
    execvp(file: *const c_char, arguments: *const *mut c_char) -> c_int;
    execvpe(file: *const c_char, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int;
    fexecve(fd: c_int, arguments: *const *mut c_char, environment: *const *mut c_char) -> c_int;
    execveat(directory: c_int, path: *const c_char, arguments: *const *mut c_char, environment: *const *mut c_char, flags: c_int) -> c_int;
    thrd_create(thread: *mut libc::pthread_t, start: *mut c_void, argument: *mut c_void) -> c_int;
    close(fd: c_int) -> c_int;
    fcntl(fd: c_int, command: c_int, argument: usize) -> c_int;
    fcntl64(fd: c_int, command: c_int, argument: usize) -> c_int;
    fstat(fd: c_int, into: *mut c_void) -> c_int;
    fstat64(fd: c_int, into: *mut c_void) -> c_int;
    __fxstat(version: c_int, fd: c_int, into: *mut c_void) -> c_int;
    __fxstat64(version: c_int, fd: c_int, into: *mut c_void) -> c_int;
    dup(fd: c_int) -> c_int;
    dup2(from: c_int, to: c_int) -> c_int;
    dup3(from: c_int, to: c_int, flags: c_int) -> c_int;
    closefrom(lowest: c_int) -> ();
    close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int;
    sigaction(signal: c_int, new: *const libc::sigaction, old: *mut libc::sigaction) -> c_int;
    signal(signal: c_int, handler: usize) -> usize;
    bsd_signal(signal: c_int, handler: usize) -> usize;
    sysv_signal(signal: c_int, handler: usize) -> usize;
    __sysv_signal(signal: c_int, handler: usize) -> usize;
    ssignal(signal: c_int, handler: usize) -> usize;
    sigset(signal: c_int, handler: usize) -> usize;
    sigprocmask(how: c_int, set: *const libc::sigset_t, old: *mut libc::sigset_t) -> c_int;
    pthread_sigmask(how: c_int, set: *const libc::sigset_t, old: *mut libc::sigset_t) -> c_int;
    sigwait(set: *const libc::sigset_t, signal: *mut c_int) -> c_int;
    sigwaitinfo(set: *const libc::sigset_t, info: *mut libc::siginfo_t) -> c_int;
    sigtimedwait(set: *const libc::sigset_t, info: *mut libc::siginfo_t, limit: *const libc::timespec) -> c_int;
    setuid(uid: c_uint) -> c_int;
    seteuid(uid: c_uint) -> c_int;
    setreuid(real: c_uint, effective: c_uint) -> c_int;
    setresuid(real: c_uint, effective: c_uint, saved: c_uint) -> c_int;
    setgid(gid: c_uint) -> c_int;
    setegid(gid: c_uint) -> c_int;
    setregid(real: c_uint, effective: c_uint) -> c_int;
    setresgid(real: c_uint, effective: c_uint, saved: c_uint) -> c_int;
    setgroups(count: usize, groups: *const c_uint) -> c_int;
    initgroups(user: *const c_char, group: c_uint) -> c_int;
    unshare(flags: c_int) -> c_int;
    setns(fd: c_int, kind: c_int) -> c_int;
    chroot(path: *const c_char) -> c_int;
    prctl(option: c_int, a: libc::c_ulong, b: libc::c_ulong, c: libc::c_ulong, d: libc::c_ulong) -> c_int;
    syscall() -> c_int;
}

/// The address of the next `syscall`, for the code that goes on there; 0 where there is none.
pub(crate) fn syscall() -> usize {
    next(Interposed::syscall).map_or(0, NonZeroUsize::get)
}

/// The next `syscall`, with up to five arguments.
///
/// # Safety
/// As the system call of that number.
pub(crate) unsafe fn syscall_with(number: libc::c_long, [a, b, c, d, e]: [usize; 5]) -> libc::c_long {
    type Function = unsafe extern "C" fn(libc::c_long, usize, usize, usize, usize, usize) -> libc::c_long;
    match next(Interposed::syscall) {
        // SAFETY: the C library's function takes its arguments as these would be given.
        Some(address) => unsafe { core::mem::transmute::<usize, Function>(address.get())(number, a, b, c, d, e) },
        None => c_int::missing().into(),
    }
}

static MINIMAL_STACK: OnceNonZeroUsize = OnceNonZeroUsize::new();

/// What glibc takes out of a thread's stack for itself, in bytes: the static thread-local storage of all libraries, which may
/// be large. glibc tells by a function made for the JVM, which Rust's std uses as well.
pub(crate) fn minimal_stack() -> usize {
    type Function = unsafe extern "C" fn(*const libc::pthread_attr_t) -> libc::size_t;
    const WITHOUT_ANSWER: usize = 64 * 1024;
    if MINIMAL_STACK.get().is_none() {
        look_up_one(&MINIMAL_STACK, at_start::MINIMAL_STACK);
    }
    match MINIMAL_STACK.get() {
        // SAFETY: glibc's function of this type; it does not look at its argument.
        Some(address) => unsafe { core::mem::transmute::<usize, Function>(address.get())(core::ptr::null()) },
        None => WITHOUT_ANSWER,
    }
}

/// Whether there is a next `fork`; glibc's own `__fork` stands in for one that is called before the loader knows.
pub(crate) fn fork() -> c_int {
    unsafe extern "C" {
        fn __fork() -> c_int;
    }
    match next(Interposed::fork) {
        // SAFETY: no arguments.
        Some(_) => unsafe { function::fork() },
        // SAFETY: glibc's own name of the same function.
        None => unsafe { __fork() },
    }
}

/// Ends the process at once, by the kernel where the C library does not.
pub(crate) fn exit_now(status: c_int) -> ! {
    // SAFETY: it does not come back.
    unsafe { function::_exit(status) };
    loop {
        // SAFETY: numbers only.
        let _ = unsafe { super::call(libc::SYS_exit_group, [status as usize]) };
    }
}
