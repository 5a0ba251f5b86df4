//! The session's input for a line that runs code of the host: what the client sends meanwhile is the host's descriptor 0.
//!
//! Context: the agent's thread, but for what says otherwise. Nothing here waits for the client or for who reads.
//!
//! **One line at a time.** stdio reads as much as there is, so a command that takes one line by fgets would take all that was typed
//! ahead, and the prompt would never see it. So the next line is written only when the pipe is empty. The pipe has
//! room for one piece of memory, which makes the kernel say "may be written to" exactly when it is empty (fs/pipe.c, pipe_full):
//! nothing has to be looked at again and again.
//!
//! **The end of input belongs to the line.** A thread of the host that begins to read its standard input meanwhile reads the
//! pipe, and would take an end for the end of its own work. So the end is given like Ctrl-D at a terminal: another pipe comes into the
//! place first, the host's other threads begin their calls anew there, and then the writing end of the old one is closed. It is given when the
//! line's thread waits for it, and as often as it waits. When the line has ended the same is done with the original.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use core::time::Duration;

use serde_json::Value;

use super::readers;
use crate::client::Client;
use crate::hand::{self, Piece};
use crate::sys::fd::{self, Fd};
use crate::sys::lock::Lock;
use crate::sys::socket::{self, Waited};
use crate::sys::{Errno, host_fd, process, stdio};
use crate::{log, state, wire};

/// The size of the pipe: one page, so that it is full as soon as it is not empty.
const PIPE: usize = 4096;

/// How long it takes until the line's thread is looked at again, when it has not waited for the end of input.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The host's descriptor 0 while a line runs.
struct Input {
    /// Who waited for the host's own input when this one came.
    before: readers::Before,
    /// The agent's own end for reading: what nobody has read is taken back.
    reader: Fd,
    writer: Fd,
    /// A copy of the original, should the host close ours.
    original: Option<Fd>,
    /// Whether a structured client has been told that the line takes input.
    told: bool,
    /// Whether there is something to write once the pipe is empty.
    waits: bool,
    /// When the end of input may be given, on the monotonic clock; `None` while there is input.
    end: Option<Duration>,
    pause: Duration,
}

struct Room {
    input: Option<Input>,
    /// Writing ends whose pipes a thread of the host could not be sent away from.
    late: Vec<Fd>,
    /// What a late hand may still install.
    held: Vec<Fd>,
}

impl Room {
    const EMPTY: Room = Room { input: None, late: Vec::new(), held: Vec::new() };
}

static ROOM: Lock<Room> = Lock::new(Room::EMPTY);

/// Which line has the session's input, counted from 1; 0 for none.
static LINE: AtomicU32 = AtomicU32::new(0);
static LINES: AtomicU32 = AtomicU32::new(0);

/// Whether a line that takes the session's input only when it needs it has asked for that.
static WANTED: AtomicBool = AtomicBool::new(false);

/// What stdio had read ahead when the line ended, and which line that was: it comes before what is in the pipe.
static READ_AHEAD: Lock<(u32, Vec<u8>)> = Lock::new((0, Vec::new()));

/// Puts the session's input in the place of the host's, for a line whose output is redirected. Without it the line reads what
/// the host reads.
pub(crate) fn begin() {
    let mut room = ROOM.lock();
    // A closed descriptor stays closed.
    if room.input.is_some() || !hand::is_there() || !hand::holds(1) || host_fd::identity(0).is_none() {
        return;
    }
    let Some(before) = readers::waiting() else {
        log::event(format_args!(
            "A thread of the process polls its standard input, which is left to it: the line does not read the client's."
        ));
        return;
    };
    let Ok((reader, writer)) = fd::pipe(PIPE) else { return };
    let original = original();
    match hand::install(&[Piece { number: 0, end: &reader, copy: original.as_ref() }]) {
        Ok(()) => {
            let (end, pause) = (None, PAUSE);
            room.input = Some(Input { before, reader, writer, original, told: false, waits: false, end, pause });
            LINE.store(LINES.fetch_add(1, SeqCst).wrapping_add(1).max(1), SeqCst);
        }
        Err(error) => {
            log::event(format_args!(
                "The line does not read the client's input: descriptor 0 could not be changed ({error})."
            ));
            if error == Errno(libc::ETIMEDOUT) {
                room.held.extend([reader, writer].into_iter().chain(original));
            }
        }
    }
}

/// On the host thread that runs a line which has the host's input until it needs the session's: asks for that. True when it is there.
pub(crate) fn ask() -> bool {
    if LINE.load(SeqCst) != 0 && hand::has_put(0) {
        return true;
    }
    WANTED.store(true, SeqCst);
    state::poke();
    false
}

/// Whether that was asked for since the last time.
pub(crate) fn is_asked_for() -> bool {
    WANTED.swap(false, SeqCst)
}

/// A descriptor here for what the host reads.
fn original() -> Option<Fd> {
    host_fd::share(0).ok().or_else(|| {
        let fd = host_fd::reopen(0, libc::O_RDONLY | libc::O_NONBLOCK).ok()?;
        matches!(fd.stat().ok()?.mode & libc::S_IFMT, libc::S_IFIFO | libc::S_IFCHR).then_some(fd)
    })
}

/// Writes what the client has sent, as far as it is to be had now. `id` is the running request's.
pub(crate) fn feed(client: &mut Client, id: &Value) {
    let mut room = ROOM.lock();
    let Room { input: Some(input), late, held } = &mut *room else { return };
    if client.is_structured() && !core::mem::replace(&mut input.told, true) {
        client.reply(&wire::takes_input(id));
    }
    input.waits = false;
    loop {
        let is_over = client.typed_is_over();
        if fd::unread(&input.reader) != Ok(0) {
            input.waits = is_over || client.has_typed();
            return;
        }
        let Some(bytes) = client.take_typed(PIPE) else {
            input.end = is_over.then(|| input.end.unwrap_or_default());
            break;
        };
        input.end = None;
        input.pause = PAUSE;
        let written = fd::write_without_signal(input.writer.number(), &bytes).unwrap_or(0);
        client.untake_typed(bytes.get(written..).unwrap_or_default());
        if written == 0 {
            return;
        }
    }
    if input.end.is_some_and(|end| end <= process::monotonic()) {
        input.give_end(late, held);
    }
}

/// When the line's thread is to be looked at again, if nothing happens before.
pub(crate) fn time() -> Option<Duration> {
    let room = ROOM.lock();
    let end = room.input.as_ref()?.end?;
    Some(end.saturating_sub(process::monotonic()))
}

/// Ends it: the host's descriptor 0 is what it was. What nobody has read is returned.
pub(crate) fn end() -> Vec<u8> {
    let mut room = ROOM.lock();
    let Some(input) = room.input.take() else { return Vec::new() };
    let result = hand::put_back_one(0);
    let line = LINE.swap(0, SeqCst);
    let (whose, ahead) = core::mem::take(&mut *READ_AHEAD.lock());
    let mut rest = if whose == line { ahead } else { Vec::new() };
    let mut piece = [0; PIPE];
    while let Ok(count @ 1..) = input.reader.read(&mut piece) {
        rest.extend_from_slice(piece.get(..count).unwrap_or_default());
    }
    let Input { before, reader, writer, original, .. } = input;
    drop(reader);
    if hand::is_late() {
        // It may have to put back what the host has closed.
        room.held.extend(original);
    }
    match result {
        Ok(()) => room.late.extend(close(writer, &before)),
        Err(error) => {
            log::problem(format_args!("The host's input could not be given back ({error})."));
            room.late.push(writer);
        }
    }
    rest
}

/// Closes the writing end of a pipe that is in no place any more, once the host's threads have let go of the pipe. If they
/// do not, it is returned.
fn close(writer: Fd, before: &readers::Before) -> Option<Fd> {
    if readers::send_away(|| is_left(&writer), before) {
        return None;
    }
    log::event(format_args!(
        "A thread of the process that blocks signals waits for the input that this session had: it goes on once something ends its call."
    ));
    Some(writer)
}

/// Whether nobody can read the pipe any more (poll(2): POLLERR).
fn is_left(writer: &Fd) -> bool {
    let mut waited = [Waited { fd: writer.number(), events: 0, revents: 0 }];
    let _ = socket::poll(&mut waited, Some(Duration::ZERO));
    matches!(waited, [Waited { revents, .. }] if revents & libc::POLLERR != 0)
}

/// Whether pipes of earlier lines have to be kept.
pub(super) fn has_late() -> bool {
    ROOM.lock().late.iter().any(|writer| !is_left(writer))
}

/// Closes what nobody needs any more.
pub(super) fn clean_up() {
    let Some(mut room) = ROOM.try_lock() else { return };
    room.late.retain(|writer| !is_left(writer));
    if !hand::is_late() {
        room.held.clear();
    }
}

/// What to wait for.
pub(super) fn wait_for(waited: &mut Vec<Waited>) {
    let room = ROOM.lock();
    let room_in_pipe = room.input.as_ref().filter(|input| input.waits);
    waited.extend(room_in_pipe.map(|input| Waited { fd: input.writer.number(), events: libc::POLLOUT, revents: 0 }));
    waited.extend(room.late.iter().map(|writer| Waited { fd: writer.number(), events: 0, revents: 0 }));
}

/// In a freshly forked child. Safe in a signal handler.
pub(super) fn forget() {
    LINE.store(0, SeqCst);
    WANTED.store(false, SeqCst);
    ROOM.forget(Room::EMPTY);
    READ_AHEAD.forget((0, Vec::new()));
}

/// On the host thread that runs the line, before it: how stdio's standard input stands.
pub(crate) fn before_line() -> Option<(u32, stdio::Input)> {
    let line = LINE.load(SeqCst);
    if line == 0 { None } else { Some((line, stdio::standard_input()?)) }
}

/// On the host thread that has run the line: stdio holds nothing of the session's back, and has seen no end. What was in the
/// stream before stays.
pub(crate) fn after_line(before: Option<(u32, stdio::Input)>) {
    let Some((line, before)) = before else { return };
    // One that was given up has read the process's own by now, perhaps, but the end that it has seen is ours.
    let was_given_up = LINE.load(SeqCst) != line;
    // What a command has put in the place of the session's input itself is its own.
    let is_the_session_s = !was_given_up && hand::has_put(0);
    let rest = stdio::settle_standard_input(&before, is_the_session_s);
    if !rest.is_empty() {
        *READ_AHEAD.lock() = (line, rest);
    }
}

impl Input {
    /// Gives the line's thread the end of input, if it waits for something.
    fn give_end(&mut self, late: &mut Vec<Fd>, held: &mut Vec<Fd>) {
        self.end = Some(process::monotonic().saturating_add(self.pause));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        if !readers::line_waits() {
            return;
        }
        let Ok((reader, writer)) = fd::pipe(PIPE) else { return };
        match hand::install(&[Piece { number: 0, end: &reader, copy: self.original.as_ref() }]) {
            Ok(()) => {
                self.reader = reader;
                late.extend(close(core::mem::replace(&mut self.writer, writer), &self.before));
            }
            Err(Errno(libc::ETIMEDOUT)) => held.extend([reader, writer]),
            // What the host has put there itself has an end of its own.
            Err(_) => {}
        }
    }
}
