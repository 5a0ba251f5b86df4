//! The host's output to the client, and the client's input to the host: what is redirected, what waits for whom, and what is left out.
//!
//! Context: the agent's thread, but for what says otherwise. Nothing here waits for the client or for the place where the
//! output belongs.
//!
//! The host writes into a pipe that the agent always empties, so that it neither waits for the client nor learns of its end. With `tee` the place
//! where the output belongs is served first and in full: as without us, the host waits when that is full. When the redirection
//! ends, a pipe may still have writers (a call that was under way, a program that was started meanwhile): it is emptied until the last
//! one has gone, and what comes is passed on to where it belonged.

pub(crate) mod input;
pub(crate) mod outlet;
mod readers;
mod stream;
mod writers;

use core::sync::atomic::{AtomicU32, Ordering::SeqCst};
use core::time::Duration;

use crate::client::Client;
use crate::hand::{self, Piece};
use crate::sys::fd::{self, Fd};
use crate::sys::lock::Lock;
use crate::sys::socket::Waited;
use crate::sys::{Errno, host_fd, lock, process, stdio};
use crate::{errand, log, state, wire};
use stream::{Original, Stream};
use writers::{Whose, Writers};

/// The size of a pipe: what the host may write while the agent computes. It is what an ordinary user may have (pipe(7)).
const PIPE: usize = 1 << 20;

/// What waits for the client at most; more is left out, and counted.
const BUFFER: usize = 1 << 20;

/// What is given to the client at once: lines of the prompt have their turn in between.
const PORTION: usize = 64 * 1024;

/// What is read of one pipe before others have their turn.
const TURN: usize = 1 << 20;

/// How long a thread of the host that ends the process waits for the pipes to be emptied.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// The same where an interpreter has left threads behind: each of them looks for its lock, which is gone, every 5 ms (`sys.getswitchinterval()`).
const MOMENT: Duration = Duration::from_millis(2);

/// And how long for the place where the output belongs, which it would wait for without us.
const SLOW_PLACE: Duration = Duration::from_secs(10);

/// How often it is looked whose the last words of a line are: some milliseconds in all.
const LAST_LOOKS: usize = 25;

/// How many turns are taken when a redirection ends: a pipe of ours is empty then, unless somebody writes on and on.
const LAST_TURNS: usize = 4;

/// Where the output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the client alone.
    Client,
    /// To the client and to where it belongs.
    Both,
    /// To the client; what other threads than the line's write, or may have written, to where it belongs as well.
    Line,
}

/// All that is redirected, and what is left of earlier times.
struct Room {
    way: Way,
    /// The socket of the client that gets it; -1 when there is none.
    client: i32,
    active: Vec<Stream>,
    late: Vec<Stream>,
    /// What the client has yet to take.
    buffer: Vec<u8>,
    /// Bytes that the client could not take.
    left_out: u64,
    /// Ends of pipes that a late hand may still install.
    held: Vec<Fd>,
    /// Who has written what, as long as a line runs.
    writers: Option<Writers>,
}

static ROOM: Lock<Room> = Lock::new(Room::EMPTY);

const DONE: u32 = 0;
/// A thread that ends the process waits.
const ASKED: u32 = 1;
/// The pipes are empty, and the place where the output belongs has yet to take some.
const PLACE_IS_SLOW: u32 = 2;

/// Whether what the process has written last is taken.
static LAST: AtomicU32 = AtomicU32::new(0);

/// Redirects the host's standard output, and its standard error where the options say so.
pub(crate) fn begin(way: Way) -> Result<String, String> {
    let mut room = ROOM.lock();
    if state::is_exiting() && state::settings().daemon_connection {
        return Err("the process is exiting".to_owned());
    }
    if !room.active.is_empty() {
        if way == Way::Both && room.active.iter().any(|stream| stream.original.is_none()) {
            return Err("where the output belongs takes nothing any more, so only redirect on works".to_owned());
        }
        room.way = way;
        return Ok(room.describe());
    }
    let mut streams = streams(way)?;
    let mut pipes = Vec::new();
    for stream in &mut streams {
        let (reader, writer) = fd::pipe(PIPE).map_err(|error| format!("no pipe ({error})"))?;
        stream.reader = reader;
        pipes.push(writer);
    }
    errand::fetch_hand()?;
    let mut pieces = Vec::new();
    for (stream, end) in streams.iter().zip(&pipes) {
        let copy = stream.original.as_ref().map(|original| &original.fd);
        pieces.extend(stream.numbers.iter().map(|&number| Piece { number, end, copy }));
    }
    if let Err(error) = hand::install(&pieces) {
        if error == Errno(libc::ETIMEDOUT) {
            // It may be at it still: nothing that it was given is closed, or becomes something else, under its hands.
            room.held.extend(pipes);
            room.late.extend(streams);
        } else {
            let _ = hand::put_back();
        }
        return Err(match error {
            Errno(libc::ECANCELED) => "the process is about to execute another program, or to end".to_owned(),
            _ => format!("its descriptors could not be changed ({error})"),
        });
    }
    room.way = way;
    room.active = streams;
    room.left_out = 0;
    Ok(room.describe())
}

/// The pipes that are needed: one for both descriptors where both lead to the same place, so that their order is kept. The
/// readers are put in by the caller.
fn streams(way: Way) -> Result<Vec<Stream>, String> {
    let numbers: &[i32] = if state::settings().redirect_stderr { &[1, 2] } else { &[1] };
    let mut found: Vec<((u64, u64), Stream)> = Vec::new();
    for &number in numbers {
        // A closed descriptor stays closed.
        let Some(identity) = host_fd::identity(number) else { continue };
        if let Some((_, stream)) = found.iter_mut().find(|(known, _)| *known == identity) {
            stream.numbers.push(number);
            continue;
        }
        let original = Original::of(number);
        if way == Way::Both && original.is_none() {
            return Err(format!("descriptor {number} cannot be copied here, so only redirect on works"));
        }
        let reader = Fd::open(c"/dev/null", libc::O_RDONLY).map_err(|error| error.to_string())?;
        found.push((
            identity,
            Stream {
                numbers: vec![number],
                reader,
                original,
                pending: Vec::new(),
                undecided: Vec::new(),
                ended: false,
            },
        ));
    }
    if found.is_empty() {
        return Err("its standard output is closed".to_owned());
    }
    Ok(found.into_iter().map(|(_, stream)| stream).collect())
}

/// Ends the redirection: the host's descriptors are what they were. What is in the pipes still goes to the client.
pub(crate) fn end() -> Result<(), String> {
    drop(input::end());
    let mut room = ROOM.lock();
    if room.active.is_empty() && !hand::is_there() {
        return Ok(());
    }
    let result = hand::put_back();
    // What was written before that is the client's, as long as the places where it belongs keep up.
    room.pump_to_the_end();
    room.decide_at_last();
    let streams = core::mem::take(&mut room.active);
    room.late.extend(streams.into_iter().filter(|stream| !stream.ended || !stream.pending.is_empty()));
    if state::is_exiting() {
        room.settle_late();
    }
    result.map_err(|error| {
        log::problem(format_args!("The host's output could not be given back ({error})."));
        format!("the output could not be given back ({error})")
    })
}

/// What holds now, in words.
pub(crate) fn describe() -> String {
    ROOM.lock().describe()
}

/// Whether something is redirected.
pub(crate) fn is_on() -> bool {
    !ROOM.lock().active.is_empty()
}

/// Whether earlier pipes have writers still, which nobody but this thread can serve.
pub(crate) fn has_late_writers() -> bool {
    !ROOM.lock().late.is_empty() || input::has_late()
}

/// What to wait for.
pub(crate) fn wait_for(waited: &mut Vec<Waited>) {
    let room = ROOM.lock();
    for stream in room.active.iter().chain(&room.late) {
        let none = Waited { fd: -1, events: 0, revents: 0 };
        let (read, write) = match &stream.original {
            Some(original) if !stream.pending.is_empty() => {
                (none, Waited { fd: original.fd.number(), events: libc::POLLOUT, revents: 0 })
            }
            _ if stream.ended => (none, none),
            _ => (Waited { fd: stream.reader.number(), events: libc::POLLIN, revents: 0 }, none),
        };
        waited.extend([read, write]);
    }
    drop(room);
    input::wait_for(waited);
}

/// Empties the pipes, as far as is to be done at once. A running command calls this now and then.
pub(crate) fn pump() {
    input::clean_up();
    let Some(mut room) = ROOM.try_lock() else { return };
    if !room.held.is_empty() && !hand::is_late() {
        room.held.clear();
        let _ = hand::put_back();
    }
    if room.active.is_empty() && room.late.is_empty() {
        return;
    }
    room.pump();
}

/// Gives the client one portion after the other, for as long as it takes them at once.
pub(crate) fn feed(client: &mut Client) {
    let mut room = ROOM.lock();
    room.keep(&outlet::take());
    while !client.has_output() && !client.is_gone() && room.has_something() {
        room.feed(client, PORTION);
    }
}

/// Gives the client all that is left: its session ends.
pub(crate) fn feed_the_rest(client: &mut Client) {
    let mut room = ROOM.lock();
    room.keep(&outlet::take());
    while room.has_something() {
        room.feed(client, BUFFER);
    }
}

/// The session of a client begins, or ends (`None`). Once it has gone, what the process writes goes where it belongs, until its descriptors are
/// what they were.
pub(crate) fn serve(client: Option<&Client>) {
    ROOM.lock().client = client.map_or(-1, |client| client.socket().number());
}

/// Throws away what waits for a client that has gone.
pub(crate) fn forget_client() {
    let mut room = ROOM.lock();
    room.buffer = Vec::new();
    room.left_out = 0;
}

/// Takes the last words of a process that ends, for the client too if there is one, and lets it go.
pub(crate) fn take_last_words(client: Option<&mut Client>) {
    if LAST.load(SeqCst) == DONE {
        return;
    }
    let mut room = ROOM.lock();
    room.pump_to_the_end();
    let is_slow = room.active.iter().chain(&room.late).any(|stream| !stream.pending.is_empty());
    drop(room);
    if let Some(client) = client {
        feed_the_rest(client);
    }
    LAST.store(if is_slow { PLACE_IS_SLOW } else { DONE }, SeqCst);
    lock::wake(&LAST, u32::MAX >> 1);
}

/// On a host thread that ends the process: its descriptors are what they were, for what libc still writes, and what was written
/// into the pipes is taken. The wait is bounded, and is but a moment where threads are left behind that others' waiting would harm. Without
/// `gives_back` the process ends at once, and nothing is written any more; or it executes another program.
#[cold]
pub(crate) fn process_ends(gives_back: bool, has_left_threads: bool) {
    if gives_back {
        hand::shut();
    }
    if !hand::is_at_work() {
        return;
    }
    if gives_back {
        hand::restore_here();
    }
    LAST.store(ASKED, SeqCst);
    state::poke();
    let start = process::monotonic();
    loop {
        let limit = match LAST.load(SeqCst) {
            DONE => return,
            ASKED => LAST_WORDS,
            _ => SLOW_PLACE,
        };
        let limit = if has_left_threads { limit.min(MOMENT) } else { limit };
        let left = limit.saturating_sub(process::monotonic().saturating_sub(start));
        if left.is_zero() || state::agent() == 0 {
            return;
        }
        lock::wait(&LAST, LAST.load(SeqCst), Some(left.min(Duration::from_millis(20))));
    }
}

/// In a freshly forked child. Safe in a signal handler.
pub(crate) fn forget() {
    hand::forget();
    errand::forget();
    input::forget();
    outlet::forget();
    LAST.store(DONE, SeqCst);
    ROOM.forget(Room::EMPTY);
}

/// `redirect="line"`: before a line runs code of the host. True when this has begun a redirection, which [`line_ends`] must end.
///
/// The thread of the host that will run the line can lend the hand, so that no other has to be asked: [`expect_hand`] here, then
/// [`lend_a_hand`] there, then this.
/// `tid` is that thread.
pub(crate) fn line_begins(tid: i32) -> Result<bool, String> {
    if !is_for_lines() {
        return Ok(false);
    }
    let writers = Writers::of_line(tid);
    begin(Way::Line)?;
    ROOM.lock().writers = Some(writers);
    Ok(true)
}

/// Whether output is to be redirected for the lines that run code of the host.
fn is_for_lines() -> bool {
    let settings = state::settings();
    settings.redirect == manhole_options::Redirect::Line && !settings.exec && !is_on()
}

/// Whether a line that runs code of the host has to wait for [`line_begins`], or for [`input::begin`].
pub(crate) fn concerns_lines() -> bool {
    is_for_lines() || is_on()
}

/// After the line, or when it is given up.
pub(crate) fn line_ends() -> Result<(), String> {
    end()
}

/// Before [`lend_a_hand`], on the agent's thread.
pub(crate) fn expect_hand() {
    if !hand::is_there() {
        let _ = hand::want();
    }
}

/// On the host thread that runs a line. Safe in a signal handler.
pub(crate) fn lend_a_hand() {
    hand::come();
}

/// On the host thread that runs a line, before and after it: what stdio holds back for standard output goes where it belongs. False
/// when another thread holds the stream: it is not waited for.
pub(crate) fn flush_stdio() -> bool {
    stdio::flush_standard_output()
}

impl Room {
    const EMPTY: Room = Room {
        way: Way::Client,
        client: -1,
        active: Vec::new(),
        late: Vec::new(),
        buffer: Vec::new(),
        left_out: 0,
        held: Vec::new(),
        writers: None,
    };

    /// One turn for each pipe; true when there may be more to do at once.
    fn pump(&mut self) -> bool {
        let Room { way, client, active, late, buffer, left_out, writers, .. } = self;
        if let Some(writers) = writers {
            writers.look();
        }
        let mut more = false;
        // What was given without a descriptor comes before what has got into the pipes since, and nothing is given until that is read.
        let mut given = outlet::hold();
        keep(&given.take(), buffer, left_out);
        for stream in active.iter_mut().filter(|stream| !stream.ended || !stream.pending.is_empty()) {
            more |= stream.read(*way, *client, |bytes| keep(bytes, buffer, left_out));
        }
        for stream in late.iter_mut() {
            more |= stream.read(Way::Both, -1, |_| {});
        }
        late.retain(|stream| !stream.ended || !stream.pending.is_empty());
        self.decide(!more, false);
        more
    }

    /// Finds out whose what was read is. `is_all`: the pipes were emptied. `is_last`: nobody waits for a better answer.
    fn decide(&mut self, is_all: bool, is_last: bool) {
        let Some(writers) = &mut self.writers else { return };
        let undecided: usize = self.active.iter().map(|stream| stream.undecided.len()).sum();
        let whose = match undecided {
            0 => return,
            count => writers.whose(count as u64, is_all),
        };
        let is_for_original = match whose {
            Whose::Lines => false,
            Whose::Others => true,
            Whose::NotYetKnown { may_be_others } if is_last || undecided > PIPE => may_be_others,
            Whose::NotYetKnown { .. } => return,
        };
        self.active.iter_mut().for_each(|stream| stream.decide(is_for_original));
    }

    /// The line has ended: what is left is decided on. Who has written has a moment to come back from that.
    fn decide_at_last(&mut self) {
        for _ in 0..LAST_LOOKS {
            if self.active.iter().all(|stream| stream.undecided.is_empty()) {
                break;
            }
            process::sleep(Duration::from_micros(200));
            self.decide(false, false);
        }
        self.decide(false, true);
        self.writers = None;
    }

    /// Keeps bytes for the client.
    fn keep(&mut self, bytes: &[u8]) {
        keep(bytes, &mut self.buffer, &mut self.left_out);
    }

    fn pump_to_the_end(&mut self) {
        for _ in 0..LAST_TURNS {
            if !self.pump() {
                return;
            }
        }
    }

    /// The process waits for its exit: what belongs elsewhere gets there, as it would without us.
    fn settle_late(&mut self) {
        let start = process::monotonic();
        for stream in &mut self.late {
            while !stream.settle() && process::monotonic().saturating_sub(start) < SLOW_PLACE {
                process::sleep(Duration::from_millis(5));
            }
        }
    }

    fn has_something(&self) -> bool {
        !self.buffer.is_empty() || self.left_out > 0
    }

    fn feed(&mut self, client: &mut Client, portion: usize) {
        if !self.buffer.is_empty() {
            let rest = self.buffer.split_off(portion.min(self.buffer.len()));
            let mut portion = core::mem::replace(&mut self.buffer, rest);
            if client.is_structured() {
                // A letter that is cut by the end of the portion waits for its rest.
                let cut = if self.buffer.is_empty() { unfinished(&portion) } else { 0 };
                let cut = if cut == 0 { unfinished(&portion) } else { cut };
                let tail = portion.split_off(portion.len() - cut);
                if !portion.is_empty() {
                    client.reply(&wire::notice(&String::from_utf8_lossy(&portion)));
                    self.buffer.splice(..0, tail);
                } else {
                    client.reply(&wire::notice(&String::from_utf8_lossy(&tail)));
                }
            } else {
                client.say_bytes(&portion);
            }
        } else if self.left_out > 0 {
            let left_out = core::mem::take(&mut self.left_out);
            let text = format!("\nManhole: {left_out} bytes of output were left out here, for they came too fast.\n");
            if client.is_structured() {
                client.reply(&wire::notice(&text));
            } else {
                client.say(&text);
            }
        }
    }

    fn describe(&self) -> String {
        if self.active.is_empty() {
            return "off: the output goes where it belongs".to_owned();
        }
        let mut numbers: Vec<i32> = self.active.iter().flat_map(|stream| stream.numbers.iter().copied()).collect();
        numbers.sort_unstable();
        let held: Vec<String> = numbers.iter().filter(|&&number| hand::holds(number)).map(i32::to_string).collect();
        if held.is_empty() {
            return "nothing any more: the process has put something else in the place of its output".to_owned();
        }
        match self.way {
            Way::Client => format!("on: descriptors {} go to this client alone", held.join(" and ")),
            Way::Line => format!("on for this line: descriptors {} go to this client", held.join(" and ")),
            Way::Both => format!("tee: descriptors {} go to this client and to where they belong", held.join(" and ")),
        }
    }
}

/// Keeps bytes that wait for the client, or counts those for which there is no room.
fn keep(bytes: &[u8], buffer: &mut Vec<u8>, left_out: &mut u64) {
    // Once something was left out, the gap stays one until the client has taken what was before it.
    let room = if *left_out > 0 { 0 } else { BUFFER.saturating_sub(buffer.len()) };
    let (taken, left) = bytes.split_at(room.min(bytes.len()));
    buffer.extend_from_slice(taken);
    *left_out += left.len() as u64;
}

/// How many bytes at the end are the beginning of a letter in UTF-8.
fn unfinished(bytes: &[u8]) -> usize {
    match core::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.len() - error.valid_up_to(),
        _ => {
            // Something else is wrong before: only the very end counts.
            let start = bytes.len().saturating_sub(3);
            let last = bytes.get(start..).unwrap_or_default();
            let lead = last.iter().rposition(|&byte| byte >= 0xc0);
            lead.map_or(0, |at| {
                let tail = last.get(at..).unwrap_or_default();
                let is_cut = core::str::from_utf8(tail).is_err_and(|error| error.error_len().is_none());
                if is_cut { tail.len() } else { 0 }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_not_cut() {
        assert_eq!(unfinished(b"abc"), 0);
        assert_eq!(unfinished("ä".as_bytes()), 0);
        assert_eq!(unfinished(&"ä".as_bytes()[..1]), 1);
        assert_eq!(unfinished(&[b"\xff ".as_slice(), &"€".as_bytes()[..2]].concat()), 2);
        assert_eq!(unfinished(b"\xff abc"), 0);
    }
}
