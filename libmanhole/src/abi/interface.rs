//! The C interface: what packaging/manhole.h declares.
//!
//! Context: host threads in normal context, never in signal handlers ([`manhole_log`] excepted). The calling thread blocks
//! signals while it holds a lock of ours: a handler of the host that never returns must not take the lock along. It waits for
//! our locks for moments only, and their holders wait for nothing of the host.

use core::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::app::{self, Refusal};
use crate::command::find;
use crate::install::{self, Failure};
use crate::sys::signal::{self, Set};
use crate::sys::{Errno, fd};
use crate::text::Lossy;
use crate::{arena, dump, log, state, worker};

/// What the functions return, as in manhole.h.
#[repr(i32)]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Code {
    Ok = 0,
    AlreadyInstalled = 1,
    NotInstalled = 2,
    ConfigurationConflict = 3,
    BadOptions = 4,
    Off = 5,
    NotOpen = 6,
    Busy = 7,
    NoMemory = 8,
    System = 9,
    BadArgument = 10,
    Exists = 11,
    Internal = 12,
}

impl From<Failure> for Code {
    fn from(failure: Failure) -> Code {
        match failure {
            Failure::BadOptions => Code::BadOptions,
            Failure::ConfigurationConflict => Code::ConfigurationConflict,
            Failure::AlreadyInstalled => Code::AlreadyInstalled,
            Failure::NotInstalled => Code::NotInstalled,
            Failure::Off => Code::Off,
            Failure::NotOpen => Code::NotOpen,
            Failure::Busy => Code::Busy,
            Failure::NoMemory => Code::NoMemory,
            Failure::Kernel(error) => error.into(),
        }
    }
}

impl From<Errno> for Code {
    fn from(error: Errno) -> Code {
        match error {
            Errno(libc::EBUSY) => return Code::Busy,
            Errno(libc::ENOMEM) => return Code::NoMemory,
            // SAFETY: the calling thread's errno.
            Errno(number) => unsafe { *libc::__errno_location() = number },
        }
        Code::System
    }
}

/// Runs `act`; a panic becomes a log line and a code.
fn answer(place: &str, act: impl FnOnce() -> Result<(), Code>) -> c_int {
    let result = catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|_| {
        log::problem(format_args!("internal error in {place}: the manhole is off"));
        state::turn_off();
        Err(Code::Internal)
    });
    result.err().unwrap_or(Code::Ok) as c_int
}

/// Runs `act` with all signals blocked; it gets what the calling thread blocks otherwise.
fn in_peace<T>(act: impl FnOnce(Set) -> T) -> T {
    /// Puts the mask back, after a panic too.
    struct Back(Set);
    impl Drop for Back {
        fn drop(&mut self) {
            signal::exchange_mask(self.0);
        }
    }
    let before = Back(signal::block_all());
    act(before.0)
}

/// Installs the manhole.
///
/// # Safety
/// `options` is a C string or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn manhole_install(options: *const c_char) -> c_int {
    answer("manhole_install", || {
        // SAFETY: the caller's word.
        let options = if options.is_null() { c"" } else { unsafe { CStr::from_ptr(options) } };
        install::notice_fork();
        in_peace(|blocked| {
            if !arena::has_room() {
                return Err(Code::NoMemory);
            }
            install::install(options.to_bytes(), blocked)?;
            // A command that cannot run says so at the prompt.
            if app::all().next().is_some() {
                let _ = worker::ensure(blocked);
            }
            Ok(())
        })?;
        install::wait_until_open().map_err(Code::from)
    })
}

/// Takes the manhole out.
#[unsafe(no_mangle)]
pub extern "C" fn manhole_uninstall() -> c_int {
    answer("manhole_uninstall", || {
        install::notice_fork();
        in_peace(|_| install::uninstall()).map_err(Code::from)
    })
}

/// Writes lines to the log, up to 2,000 bytes of each. Safe in a signal handler.
///
/// # Safety
/// `text` is a C string or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn manhole_log(text: *const c_char) -> c_int {
    const LONGEST: usize = 2000;
    answer("manhole_log", || {
        if text.is_null() {
            return Err(Code::BadArgument);
        }
        if !state::is_on() {
            return Err(Code::NotInstalled);
        }
        // SAFETY: the caller's word.
        let text = unsafe { CStr::from_ptr(text) }.to_bytes();
        for line in text.strip_suffix(b"\n").unwrap_or(text).split(|&byte| byte == b'\n') {
            log::problem(format_args!("{}", Lossy(line.get(..LONGEST).unwrap_or(line))));
        }
        Ok(())
    })
}

/// Writes the stacks of all threads to a descriptor.
#[unsafe(no_mangle)]
pub extern "C" fn manhole_dump(fd: c_int) -> c_int {
    answer("manhole_dump", || {
        install::notice_fork();
        state::own();
        fd::stat_of(fd)?;
        if !arena::has_room() {
            return Err(Code::NoMemory);
        }
        dump::write(fd).map_err(Code::from)
    })
}

/// Adds a command of the application to the prompt.
///
/// # Safety
/// `name` and `help` are C strings or null; the function may be called with the context from now on, on another thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn manhole_add_command(
    name: *const c_char,
    help: *const c_char,
    function: Option<app::Function>,
    context: *mut c_void,
) -> c_int {
    answer("manhole_add_command", || {
        let Some(function) = function.filter(|_| !name.is_null()) else { return Err(Code::BadArgument) };
        // SAFETY: the caller's word.
        let (name, help) = unsafe { (CStr::from_ptr(name), if help.is_null() { c"" } else { CStr::from_ptr(help) }) };
        let Some(name) = name.to_str().ok().filter(|name| app::is_name(name.as_bytes())) else {
            return Err(Code::BadArgument);
        };
        if find::is_own_word(name) {
            return Err(Code::Exists);
        }
        install::notice_fork();
        state::own();
        in_peace(|blocked| {
            if !arena::has_room() || help.to_bytes().len() > arena::ROOM / 8 {
                return Err(Code::NoMemory);
            }
            app::add(name, &help.to_string_lossy(), function, context as usize).map_err(|refusal| match refusal {
                Refusal::Exists => Code::Exists,
                Refusal::Busy => Code::Busy,
            })?;
            worker::ensure(blocked).map_err(Code::from)
        })
    })
}

/// What a code means.
#[unsafe(no_mangle)]
pub extern "C" fn manhole_strerror(code: c_int) -> *const c_char {
    const TEXTS: [(Code, &CStr); 13] = [
        (Code::Ok, c"no error"),
        (
            Code::AlreadyInstalled,
            c"AlreadyInstalled: there is a manhole in this process already (strict=False replaces it)",
        ),
        (Code::NotInstalled, c"NotInstalled: there is no manhole in this process"),
        (Code::ConfigurationConflict, c"ConfigurationConflict: the options contradict each other"),
        (Code::BadOptions, c"the options are wrong (the log says what is wrong)"),
        (Code::Off, c"the manhole is switched off"),
        (Code::NotOpen, c"the manhole is installed but not open yet (the log says why)"),
        (Code::Busy, c"the manhole is being changed at this moment"),
        (Code::NoMemory, c"out of memory"),
        (Code::System, c"the system refuses (errno says why)"),
        (Code::BadArgument, c"a null pointer or a malformed name"),
        (Code::Exists, c"there is another command of this name"),
        (Code::Internal, c"internal error: the manhole is off"),
    ];
    let text = TEXTS.iter().find(|(known, _)| *known as c_int == code).map_or(c"unknown code", |(_, text)| text);
    text.as_ptr()
}
