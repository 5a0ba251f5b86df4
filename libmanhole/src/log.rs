//! The agent's log: one line, one write, to where `verbose_destination` says.
//!
//! Context: any thread; allocates nothing, takes no lock. A line that cannot be written is dropped: the log never harms
//! the host. Failures are always logged, the rest with `verbose=True`.

use core::fmt::Arguments;

use crate::sys::{fd, host_fd, process};
use crate::{settings::Destination, state, text::Text};

/// Logs what went wrong.
pub(crate) fn problem(message: Arguments<'_>) {
    line(message);
}

/// Logs what happens, when `verbose=True`.
pub(crate) fn event(message: Arguments<'_>) {
    if state::settings().verbose {
        line(message);
    }
}

/// `Manhole[<pid>:<unix time>]: <message>`, as python-manhole writes it.
fn line(message: Arguments<'_>) {
    let now = process::realtime();
    let mut text = Text::<2048>::new();
    text.push_fmt(format_args!(
        "Manhole[{}:{}.{:04}]: {message}",
        process::pid(),
        now.as_secs(),
        now.subsec_micros() / 100
    ));
    text.push(b"\n");
    write(text.as_bytes());
}

/// Writes whole lines to the log's destination.
pub(crate) fn write(lines: &[u8]) {
    let _ = match state::settings().destination {
        Destination::Descriptor(number) if state::on_agent_thread() => host_fd::write(number, lines),
        Destination::Descriptor(number) => fd::write(number, lines),
        Destination::File(path) => fd::Fd::open(path.as_c_str(), libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT)
            .and_then(|file| fd::write(file.number(), lines)),
    };
}

/// The panic hook: where it happened, without the stack walk of std's own hook, which takes the loader's lock.
pub(crate) fn panic(info: &std::panic::PanicHookInfo<'_>) {
    match info.location() {
        Some(place) => problem(format_args!("internal error at {}:{}", place.file(), place.line())),
        None => problem(format_args!("internal error")),
    }
}
