//! The agent's log: one line, one write, to where `verbose_destination` says.
//!
//! Context: any thread, signal handlers included; allocates nothing, waits for no lock. A line that cannot be written is dropped: the log never harms
//! the host. Failures are always logged, the rest with `verbose=True`.

use core::fmt::{Arguments, Write};
use core::time::Duration;

use crate::settings::{AtStart, Destination};
use crate::sys::lock::Lock;
use crate::sys::{self, fd, host_fd, process};
use crate::text::Text;
use crate::{hand, state};

/// Logs what went wrong.
#[inline(never)]
pub(crate) fn problem(message: Arguments<'_>) {
    line(message);
}

/// Logs what happens, when `verbose=True`.
#[inline(never)]
#[cold]
pub(crate) fn event(message: Arguments<'_>) {
    if state::settings().verbose {
        line(message);
    }
}

/// Says, by [`problem`] or [`event`], that the manhole is not open yet, `waited` after its start.
pub(crate) fn late_start(say: fn(Arguments<'_>), waited: Duration) {
    say(format_args!("WARNING: Waited {} seconds but Manhole thread didn't start yet :(", Seconds(waited)));
}

/// Says that the manhole opens only after `delay`.
pub(crate) fn delayed(delay: Duration) {
    event(format_args!("Delaying UDS binding {} seconds ...", Seconds(delay)));
}

/// A duration to the nearest millisecond, without trailing zeros.
struct Seconds(Duration);

impl core::fmt::Display for Seconds {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let rounded = self.0.saturating_add(Duration::from_micros(500));
        let (whole, thousandths) = (rounded.as_secs(), rounded.subsec_millis());
        match thousandths {
            0 => write!(f, "{whole}"),
            _ if thousandths % 100 == 0 => write!(f, "{whole}.{}", thousandths / 100),
            _ if thousandths % 10 == 0 => write!(f, "{whole}.{:02}", thousandths / 10),
            _ => write!(f, "{whole}.{thousandths:03}"),
        }
    }
}

/// Where a line is put together. Handlers log too, on alternate stacks of the host's that may have 2 KiB in all beside what the
/// kernel needs (MINSIGSTKSZ), so it is not on the stack.
#[allow(unsafe_code, reason = "for the place alone: behind what a start touches")]
#[unsafe(link_section = ".gnu.linkonce.b.manhole.line")]
static LINE: Lock<Text<LONGEST>> = Lock::new(Text::new());

/// In a freshly forked child: the thread that has put a line together does not exist.
pub(crate) fn forget() {
    LINE.forget(Text::new());
}

/// Writes one line. While another thread, or the code that a handler has interrupted, has the place for long ones, it is cut.
fn line(message: Arguments<'_>) {
    match LINE.try_lock() {
        Some(mut text) => finish(&mut text, message),
        None => short_line(message),
    }
}

#[inline(never)]
fn short_line(message: Arguments<'_>) {
    finish(&mut Text::<SHORT>::new(), message);
}

/// `Manhole[<pid>:<unix time>]: <message>`, as python-manhole writes it.
#[inline(never)]
fn finish<const N: usize>(text: &mut Text<N>, message: Arguments<'_>) {
    let now = process::realtime();
    text.clear();
    // What is cut of a long message must not be its newline.
    let _ = WithoutEnd(text).write_fmt(format_args!(
        "Manhole[{}:{}.{:04}]: {message}",
        process::pid(),
        now.as_secs(),
        now.subsec_micros() / 100
    ));
    text.push(b"\n");
    write(text.as_bytes());
}

/// The longest line, with its newline and a byte to spare; and the longest that a busy moment allows.
const LONGEST: usize = 2048;
const SHORT: usize = 256;

/// Takes text as long as a byte stays free.
struct WithoutEnd<'t, const N: usize>(&'t mut Text<N>);

impl<const N: usize> Write for WithoutEnd<'_, N> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let room = (N - 2).saturating_sub(self.0.as_bytes().len());
        self.0.push(text.as_bytes().get(..room).unwrap_or(text.as_bytes()));
        Ok(())
    }
}

/// How much is written at once: a pipe takes so much without mixing it with another's (PIPE_BUF in pipe(7)).
const PIECE: usize = 4096;

/// How long the agent's own thread lets a full pipe drain before it drops what is left. A host thread does not wait at all.
const PATIENCE: Duration = Duration::from_secs(1);

/// Writes whole lines to the log's destination.
pub(crate) fn write(mut lines: &[u8]) {
    let patience = if state::on_agent_thread() { PATIENCE } else { Duration::ZERO };
    let Ok(output) = open() else { return };
    while !lines.is_empty() {
        let (piece, rest) = lines.split_at(whole_lines(lines));
        if !output.is_for_logs() || output.write_without_harm(piece, patience).is_err() {
            return;
        }
        lines = rest;
    }
}

fn open() -> sys::Result<Output> {
    match &state::settings().destination {
        Destination::Descriptor(number, _) if state::on_agent_thread() => {
            Ok(Output::Own(host_fd::borrow(hand::place_of(*number))?))
        }
        Destination::Descriptor(number, _) => Ok(Output::OfCaller(hand::place_of(*number))),
        Destination::File(path) => {
            let flags = libc::O_WRONLY | libc::O_APPEND | libc::O_CREAT | libc::O_NONBLOCK;
            Ok(Output::Own(fd::Fd::open(path.as_c_str(), flags)?))
        }
    }
}

/// A descriptor to write to.
enum Output {
    /// Ours, closed after the write.
    Own(fd::Fd),
    /// Of the calling thread's table.
    OfCaller(i32),
}

impl Output {
    fn number(&self) -> i32 {
        match self {
            Output::Own(fd) => fd.number(),
            Output::OfCaller(number) => *number,
        }
    }

    /// Whether it is what the options mean: a host that has closed its standard error, or was started without, may have a data
    /// file or a connection under that number now. What the number stood for at the start is fine, and so are terminals and pipes.
    fn is_for_logs(&self) -> bool {
        let at_start = match state::settings().destination {
            Destination::Descriptor(_, at_start) if at_start != AtStart::Unknown => at_start,
            _ => return true,
        };
        fd::stat_of(self.number())
            .is_ok_and(|now| at_start == AtStart::Open(now.identity) || !(now.is_regular() || now.is_socket()))
    }

    fn write_without_harm(&self, bytes: &[u8], patience: Duration) -> sys::Result<usize> {
        fd::write_without_harm(self.number(), bytes, patience)
    }
}

/// The length of as many whole lines as fit into a piece; a line that is longer than a piece is cut.
fn whole_lines(lines: &[u8]) -> usize {
    let piece = lines.get(..PIECE).unwrap_or(lines);
    if piece.len() == lines.len() {
        return lines.len();
    }
    piece.iter().rposition(|&byte| byte == b'\n').map_or(piece.len(), |newline| newline + 1)
}

/// The panic hook: where it happened, without the stack walk of std's own hook, which takes the loader's lock.
pub(crate) fn panic(info: &std::panic::PanicHookInfo<'_>) {
    match info.location() {
        Some(place) => problem(format_args!("internal error at {}:{}", place.file(), place.line())),
        None => problem(format_args!("internal error")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_without_trailing_zeros() {
        for (milliseconds, text) in [(0, "0"), (500, "0.5"), (2000, "2"), (1250, "1.25"), (10_005, "10.005")] {
            assert_eq!(Seconds(Duration::from_millis(milliseconds)).to_string(), text);
        }
        assert_eq!(Seconds(Duration::from_nanos(249_997_155)).to_string(), "0.25");
    }

    #[test]
    fn a_long_line_keeps_its_newline() {
        let mut text = Text::<LONGEST>::new();
        let _ = write!(WithoutEnd(&mut text), "{}{}", "a".repeat(2000), "b".repeat(100));
        text.push(b"\n");
        assert_eq!(text.as_bytes().len(), LONGEST - 1);
        assert!(text.as_bytes().ends_with(b"b\n"));
    }

    #[test]
    fn pieces_end_with_lines() {
        assert_eq!(whole_lines(b"one\ntwo"), 7);
        let long = [vec![b'a'; 3000], vec![b'\n'], vec![b'b'; 3000]].concat();
        assert_eq!(whole_lines(&long), 3001);
        assert_eq!(whole_lines(&[b'a'; 5000]), PIECE);
    }
}
