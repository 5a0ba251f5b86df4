//! The hand: a thread of ours in the host's descriptor table, which puts a pipe in the place of the host's descriptors 0 to 2,
//! and puts back what was there.
//!
//! Context: the agent's thread orders; [`come`] on a host thread inside a **signal handler**; [`restore_here`] on host threads inside
//! exit; [`forget`] in a freshly forked child. The hand itself blocks every signal, allocates nothing, has no panics and waits for orders on a
//! futex. Atomics and system calls only, everywhere.
//!
//! The agent has a descriptor table of its own, and only a task that shares a table can change it (dup2(2)). So the hand is created by a
//! thread of the host, and stays for as long as something is redirected: what must be put back is never left to whether a host
//! thread can be had again.

pub(crate) mod aside;

use core::sync::atomic::{AtomicBool, AtomicI32, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use core::time::Duration;

use crate::state;
use crate::sys::fd::{self, Fd};
use crate::sys::signal::{self, Set};
use crate::sys::{self, Errno, host_fd, lock, process, thread};

/// There is no hand.
const NONE: u32 = 0;
/// One is wanted: the first host thread that comes by creates it.
const WANTED: u32 = 1;
/// It is being created.
const COMING: u32 = 2;
/// It waits for orders.
const IDLE: u32 = 3;
/// It has an order.
const ASKED: u32 = 4;
/// The agent is about to give an order: nobody else may, and the hand waits on.
const CLAIMED: u32 = 5;
/// It has an order that nobody waits for any more: what it has done of it, it undoes.
const CANCELLED: u32 = 6;

static PHASE: AtomicU32 = AtomicU32::new(NONE);

/// How long the agent waits for the hand.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the hand is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Install = 1,
    Restore = 2,
    Follow = 3,
    Leave = 4,
}

static ORDER: AtomicU32 = AtomicU32::new(0);
/// The descriptors that the order is about: a bit for each.
static WHICH: AtomicU32 = AtomicU32::new(0);
/// An error number of the last order, or of the creation; 0 for none.
static RESULT: AtomicI32 = AtomicI32::new(0);
/// Whose table has the pipes.
static AGENT: AtomicI32 = AtomicI32::new(0);

static NUMBER: AtomicI64 = AtomicI64::new(0);
static ARGUMENTS: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

/// Numbers from these on are tried, one after the other: hosts expect to get the low ones.
const HIGH: [i32; 4] = [900, 210, 20, 3];

/// All of the host's descriptors 0 to 2, as [`chosen`] has them.
const ALL: u32 = 0b111;

const FREE: u32 = 0;
const INSTALLED: u32 = 1;
const BUSY: u32 = 2;

/// What is known of one of the host's descriptors 0 to 2. Numbers and identities stay when all is put back: a child that was
/// forked at that moment has the descriptors of before and the memory of after.
struct Slot {
    state: AtomicU32,
    /// Where the original is kept in the host's table; -1 for nowhere.
    saved: AtomicI32,
    original: Identity,
    /// Whether the original is closed on exec.
    closes: AtomicBool,
    pipe: Identity,
    /// The pipes of earlier redirections, the last one first: the descriptors of a fork may be older than its memory by so many.
    pipes_before: [Identity; 7],
    /// The number that the pipe has on its way to its place; -1 for none, [`SOMEWHERE`] while it is being opened.
    passing: AtomicI32,
    /// The agent's number of the pipe's end that is to be installed.
    end: AtomicI32,
    /// The agent's number of a copy of the original; -1 for none.
    copy: AtomicI32,
}

/// A number that is not known yet.
const SOMEWHERE: i32 = -2;

/// Up to which number a forked child looks for a pipe that was being opened: a new one gets the lowest that is free.
const SEARCHED: i32 = 4096;

struct Identity([AtomicU64; 2]);

impl Identity {
    const fn none() -> Identity {
        Identity([const { AtomicU64::new(0) }; 2])
    }

    fn set(&self, (device, inode): (u64, u64)) {
        for (slot, value) in self.0.iter().zip([device, inode]) {
            slot.store(value, SeqCst);
        }
    }

    fn get(&self) -> (u64, u64) {
        let [device, inode] = &self.0;
        (device.load(SeqCst), inode.load(SeqCst))
    }

    /// Whether descriptor `number` of the calling thread's table is this.
    fn is_at(&self, number: i32) -> bool {
        self.get() != (0, 0) && number >= 0 && fd::stat_of(number).is_ok_and(|stat| stat.identity == self.get())
    }
}

static SLOTS: [Slot; 3] = [const {
    Slot {
        state: AtomicU32::new(FREE),
        saved: AtomicI32::new(-1),
        original: Identity::none(),
        closes: AtomicBool::new(false),
        pipe: Identity::none(),
        pipes_before: [const { Identity::none() }; 7],
        passing: AtomicI32::new(-1),
        end: AtomicI32::new(-1),
        copy: AtomicI32::new(-1),
    }
}; 3];

/// How many threads of the host are about to execute a program, or to end the process.
static SHUT: AtomicU32 = AtomicU32::new(0);

/// Whether the hand is at an order that installs.
static INSTALLS: AtomicBool = AtomicBool::new(false);

/// On a host thread that is about to execute a program, or to end the process: nothing is put in the places any more until [`open`], and what
/// was under way is done. The pipe would have no reader.
#[cold]
pub(crate) fn shut() {
    SHUT.fetch_add(1, SeqCst);
    let start = process::monotonic();
    while INSTALLS.load(SeqCst) && process::monotonic().saturating_sub(start) < PATIENCE {
        thread::pause(Duration::from_micros(20));
    }
}

/// After [`shut`]: the program was not executed.
///
/// In a child that a handler has forked in between nothing is shut.
pub(crate) fn open() {
    let _ = SHUT.fetch_update(SeqCst, SeqCst, |count| count.checked_sub(1));
}

/// Whether a thread of the host is about to execute a program, or to end the process.
pub(crate) fn is_shut() -> bool {
    SHUT.load(SeqCst) != 0
}

/// Whether the hand is there.
pub(crate) fn is_there() -> bool {
    PHASE.load(SeqCst) >= IDLE
}

/// Wants a hand, which the next call of [`come`] creates, if it is not wanted or on its way already.
pub(crate) fn want() -> sys::Result<()> {
    thread::prepare(&thread::HAND)?;
    if PHASE.load(SeqCst) == NONE {
        RESULT.store(0, SeqCst);
        let _ = PHASE.compare_exchange(NONE, WANTED, SeqCst, SeqCst);
    }
    Ok(())
}

/// Whether a thread of the host is creating it at this moment.
pub(crate) fn is_coming() -> bool {
    PHASE.load(SeqCst) == COMING
}

/// What has become of the wish: `None` while nobody has come by, or the hand is on its way.
pub(crate) fn has_come() -> Option<sys::Result<()>> {
    match PHASE.load(SeqCst) {
        WANTED | COMING => None,
        NONE => Some(Err(Errno(RESULT.load(SeqCst)))),
        _ => Some(Ok(())),
    }
}

/// Gives up the wish; false when it comes true at this moment.
pub(crate) fn give_up() -> bool {
    PHASE.compare_exchange(WANTED, NONE, SeqCst, SeqCst).is_ok() || PHASE.load(SeqCst) == NONE
}

/// On a host thread, whatever it holds: creates the hand if one is wanted.
pub(crate) fn come() {
    if PHASE.compare_exchange(WANTED, COMING, SeqCst, SeqCst).is_err() {
        return;
    }
    if let Err(Errno(error)) = thread::start(&thread::HAND, run, false) {
        RESULT.store(error, SeqCst);
        PHASE.store(NONE, SeqCst);
    }
}

extern "C" fn run() -> ! {
    // Its creator leaves SIGSYS open.
    signal::exchange_mask(Set::ALL);
    thread::set_hand(process::tid());
    thread::set_name(c"Manhole hand");
    thread::leave_real_time();
    PHASE.store(IDLE, SeqCst);
    lock::wake(&PHASE, u32::MAX >> 1);
    loop {
        match PHASE.load(SeqCst) {
            ASKED | CANCELLED => {}
            other => {
                lock::wait(&PHASE, other, None);
                continue;
            }
        }
        let (order, which) = (ORDER.load(SeqCst), WHICH.load(SeqCst));
        if order == Order::Leave as u32 {
            thread::leave(&PHASE, ASKED, NONE);
            continue;
        }
        let result = obey(order, which);
        RESULT.store(result.err().map_or(0, |error| error.0), SeqCst);
        if PHASE.compare_exchange(ASKED, IDLE, SeqCst, SeqCst).is_err() {
            // Too late: what was installed is nobody's.
            if order == Order::Install as u32 {
                restore(which);
            }
            PHASE.store(IDLE, SeqCst);
            state::poke();
        }
        lock::wake(&PHASE, u32::MAX >> 1);
    }
}

fn obey(order: u32, which: u32) -> sys::Result<()> {
    if order == Order::Install as u32 {
        // In this order: whoever shuts looks at this one after that one.
        INSTALLS.store(true, SeqCst);
        let install = || chosen(which).try_for_each(|(number, slot)| slot.install(number));
        let result = if is_shut() { Err(Errno(libc::ECANCELED)) } else { install() };
        INSTALLS.store(false, SeqCst);
        result
    } else if order == Order::Follow as u32 {
        let mut arguments = [0; 3];
        for (argument, slot) in arguments.iter_mut().zip(&ARGUMENTS) {
            *argument = slot.load(SeqCst);
        }
        process::follow(NUMBER.load(SeqCst), arguments)
    } else {
        restore(which);
        Ok(())
    }
}

/// The slots that `which` names, with their numbers.
fn chosen(which: u32) -> impl Iterator<Item = (i32, &'static Slot)> {
    (0..).zip(&SLOTS).filter(move |(number, _)| which >> number & 1 == 1)
}

/// Gives the order, whose details `detail` writes down, and waits until it is carried out.
///
/// Nothing is written before the hand is claimed: a late hand may still read what the order before this one says.
fn ask(order: Order, which: u32, detail: impl FnOnce()) -> sys::Result<()> {
    if PHASE.compare_exchange(IDLE, CLAIMED, SeqCst, SeqCst).is_err() {
        return Err(Errno(if is_there() { libc::EBUSY } else { libc::ESRCH }));
    }
    detail();
    ORDER.store(order as u32, SeqCst);
    WHICH.store(which, SeqCst);
    PHASE.store(ASKED, SeqCst);
    lock::wake(&PHASE, u32::MAX >> 1);
    let start = process::monotonic();
    while PHASE.load(SeqCst) == ASKED {
        let left = PATIENCE.saturating_sub(process::monotonic().saturating_sub(start));
        if left.is_zero() {
            // To put back, and to go, is right at any time.
            let is_cancelled = matches!(order, Order::Install | Order::Follow)
                && PHASE.compare_exchange(ASKED, CANCELLED, SeqCst, SeqCst).is_ok();
            if is_cancelled || PHASE.load(SeqCst) == ASKED {
                return Err(Errno(libc::ETIMEDOUT));
            }
            break;
        }
        // The end of the hand itself wakes nobody.
        let pause = if order == Order::Leave { Duration::from_micros(50) } else { left };
        lock::wait(&PHASE, ASKED, Some(pause));
    }
    match RESULT.load(SeqCst) {
        0 => Ok(()),
        error if order != Order::Leave => Err(Errno(error)),
        _ => Ok(()),
    }
}

/// What is to be put in the place of one of the host's descriptors.
pub(crate) struct Piece<'f> {
    pub(crate) number: i32,
    /// The end of a pipe, in the agent's table.
    pub(crate) end: &'f Fd,
    /// A copy of the original in the agent's table, should the host close ours.
    pub(crate) copy: Option<&'f Fd>,
}

/// For the agent's thread: puts the pieces in their places, all of them or none. What is in a place of ours already is
/// exchanged for the piece. After `ETIMEDOUT` the ends and the copies must stay open until the hand [`is_late`] no more.
pub(crate) fn install(pieces: &[Piece<'_>]) -> sys::Result<()> {
    let which = pieces.iter().fold(0, |which, piece| which | 1 << piece.number);
    let result = ask(Order::Install, which, || {
        AGENT.store(process::tid(), SeqCst);
        for (number, slot) in chosen(which) {
            let piece = pieces.iter().find(|piece| piece.number == number);
            slot.end.store(piece.map_or(-1, |piece| piece.end.number()), SeqCst);
            slot.expect(piece.and_then(|piece| piece.end.stat().ok()).map_or((0, 0), |stat| stat.identity));
            slot.copy.store(piece.and_then(|piece| piece.copy).map_or(-1, Fd::number), SeqCst);
        }
    });
    result.inspect_err(|error| {
        if !matches!(error, Errno(libc::ETIMEDOUT | libc::EBUSY | libc::ESRCH | libc::ECANCELED)) {
            let _ = ask(Order::Restore, which, || ());
        }
    })
}

/// For the agent's thread: the host's own descriptors are in their places again, and the hand goes.
pub(crate) fn put_back() -> sys::Result<()> {
    if !is_there() {
        return Ok(());
    }
    let result = ask(Order::Restore, ALL, || ());
    dismiss();
    result
}

/// For the agent's thread: the host's own descriptor `number` is in its place again; the hand stays.
pub(crate) fn put_back_one(number: i32) -> sys::Result<()> {
    if !is_there() {
        return Ok(());
    }
    ask(Order::Restore, 1 << number, || ())
}

/// Whether the hand has not carried out an order in time and may still be at it: what it was given must stay.
pub(crate) fn is_late() -> bool {
    matches!(PHASE.load(SeqCst), ASKED | CANCELLED)
}

/// Lets the hand go, and waits until the kernel has forgotten it. One that does not go in time is known as ours for as long
/// as it lives, and takes orders again.
fn dismiss() {
    let tid = thread::hand();
    let _ = ask(Order::Leave, 0, || ());
    let start = process::monotonic();
    while tid != 0 && process::has_thread(tid) {
        if process::monotonic().saturating_sub(start) >= PATIENCE {
            return;
        }
        thread::pause(Duration::from_micros(50));
    }
    thread::set_hand(0);
}

/// For the agent's thread: the hand makes the change of credentials that the host has made.
pub(crate) fn follow(number: i64, arguments: [usize; 3]) -> sys::Result<()> {
    if !is_there() {
        return Ok(());
    }
    ask(Order::Follow, 0, || {
        NUMBER.store(number, SeqCst);
        for (slot, argument) in ARGUMENTS.iter().zip(arguments) {
            slot.store(argument, SeqCst);
        }
    })
}

/// Whether any of the host's descriptors is redirected.
pub(crate) fn is_at_work() -> bool {
    SLOTS.iter().any(|slot| slot.state.load(SeqCst) != FREE)
}

/// Whether the pipe is where it was put.
pub(crate) fn holds(number: i32) -> bool {
    let slot = usize::try_from(number).ok().and_then(|number| SLOTS.get(number));
    slot.is_some_and(|slot| slot.state.load(SeqCst) == INSTALLED && host_fd::identity(number) == Some(slot.pipe.get()))
}

/// On a thread that has the host's table: whether a pipe of ours is at `number`.
pub(crate) fn has_put(number: i32) -> bool {
    let slot = usize::try_from(number).ok().and_then(|number| SLOTS.get(number));
    slot.is_some_and(|slot| slot.has_pipe_at(number))
}

/// Where descriptor `number` of the host's is for as long as it is redirected.
pub(crate) fn place_of(number: i32) -> i32 {
    let slot = usize::try_from(number).ok().and_then(|number| SLOTS.get(number));
    slot.filter(|slot| slot.state.load(SeqCst) == INSTALLED).map_or(number, |slot| slot.saved.load(SeqCst))
}

/// On a thread that has the host's table, after [`shut`]: puts back all that is redirected and still is what was put there.
pub(crate) fn restore_here() {
    restore(ALL);
}

fn restore(which: u32) {
    for (number, slot) in chosen(which) {
        if slot.state.compare_exchange(INSTALLED, BUSY, SeqCst, SeqCst).is_ok() {
            slot.restore(number);
            slot.state.store(FREE, SeqCst);
        }
    }
}

/// In a freshly forked child, which has no hand: its descriptors are its own again. Safe in a signal handler.
pub(crate) fn forget() {
    PHASE.store(NONE, SeqCst);
    SHUT.store(0, SeqCst);
    INSTALLS.store(false, SeqCst);
    thread::set_hand(0);
    for (number, slot) in (0..).zip(&SLOTS) {
        if slot.pipe.get() == (0, 0) {
            continue;
        }
        let was_at_work = slot.state.load(SeqCst) != FREE;
        if was_at_work || slot.has_pipe_at(number) {
            slot.restore(number);
        } else {
            // The redirection had just ended, but for the copy.
            slot.close_saved();
        }
        let places = match slot.passing.swap(-1, SeqCst) {
            SOMEWHERE => 3..SEARCHED,
            passing => passing..passing + 1,
        };
        for place in places.filter(|&place| slot.pipe.is_at(place)) {
            drop(Fd::adopt(place));
        }
        slot.pipe.set((0, 0));
        slot.pipes_before.iter().for_each(|pipe| pipe.set((0, 0)));
        slot.saved.store(-1, SeqCst);
        slot.state.store(FREE, SeqCst);
    }
}

/// How descriptor `number` is used.
fn way(number: i32) -> i32 {
    if number == 0 { libc::O_RDONLY } else { libc::O_WRONLY }
}

impl Slot {
    /// On the hand: keeps what is at `number` and puts the pipe there; or puts it in the place of the pipe that is there.
    fn install(&self, number: i32) -> sys::Result<()> {
        let is_exchange = self.state.load(SeqCst) == INSTALLED;
        if is_exchange && !self.has_pipe_at(number) {
            // The host has put something else there, which stays.
            return Err(Errno(libc::EBADF));
        }
        let (original, status) = (fd::stat_of(number)?.identity, fd::status_flags(number)?);
        let closes = fd::is_closed_on_exec(number)?;
        // The host's own flags: who writes to a descriptor that does not wait expects to be told that it is full.
        let flags = way(number) | status & libc::O_NONBLOCK;
        // A child that is forked from here on finds the pipe by what it is.
        self.passing.store(SOMEWHERE, SeqCst);
        let result = host_fd::open_of(AGENT.load(SeqCst), self.end.load(SeqCst), flags).and_then(|pipe| {
            self.passing.store(pipe.number(), SeqCst);
            if !is_exchange {
                self.keep(number, original, closes)?;
            }
            self.put(&pipe, number, closes)
        });
        self.passing.store(-1, SeqCst);
        result
    }

    /// Notes which pipe comes next.
    fn expect(&self, pipe: (u64, u64)) {
        for (earlier, later) in self.pipes_before.iter().zip(self.pipes_before.iter().skip(1)).rev() {
            later.set(earlier.get());
        }
        let [last, ..] = &self.pipes_before;
        last.set(self.pipe.get());
        self.pipe.set(pipe);
    }

    /// On the hand: keeps what is at `number`.
    fn keep(&self, number: i32, original: (u64, u64), closes: bool) -> sys::Result<()> {
        let saved = HIGH.iter().find_map(|&lowest| fd::duplicate_from(number, lowest).ok());
        let saved = saved.ok_or(Errno(libc::EMFILE))?;
        self.original.set(original);
        self.closes.store(closes, SeqCst);
        self.saved.store(saved.into_number(), SeqCst);
        self.state.store(INSTALLED, SeqCst);
        Ok(())
    }

    /// On the hand: puts the pipe in its place, unless the order was cancelled meanwhile.
    fn put(&self, pipe: &Fd, number: i32, closes: bool) -> sys::Result<()> {
        if PHASE.load(SeqCst) == CANCELLED {
            return Err(Errno(libc::ECANCELED));
        }
        fd::replace(pipe.number(), number, closes)
    }

    /// Whether a pipe of ours is at `number`.
    fn has_pipe_at(&self, number: i32) -> bool {
        self.pipe.is_at(number) || self.pipes_before.iter().any(|pipe| pipe.is_at(number))
    }

    /// On a thread that has the host's table: puts back what was at `number`, unless the host has put something else there.
    fn restore(&self, number: i32) {
        let saved = self.saved.load(SeqCst);
        let is_kept = self.original.is_at(saved);
        let closes = self.closes.load(SeqCst);
        if self.has_pipe_at(number) {
            let done = is_kept && fd::replace(saved, number, closes).is_ok();
            if !done && let Some(copy) = self.agent_s_copy(number) {
                let _ = fd::replace(copy.number(), number, closes);
            }
        }
        self.close_saved();
    }

    /// Closes the copy of the original, if it is there. The host may have the same open file under the same number by now, but
    /// hardly closed on exec.
    fn close_saved(&self) {
        let saved = self.saved.load(SeqCst);
        if self.original.is_at(saved) && fd::is_closed_on_exec(saved) == Ok(true) {
            drop(Fd::adopt(saved));
        }
    }

    /// The original from the agent's table: for a host that has closed the kept one with all that it does not know.
    fn agent_s_copy(&self, number: i32) -> Option<Fd> {
        let (agent, copy) = (AGENT.load(SeqCst), self.copy.load(SeqCst));
        if copy < 0 || !process::has_thread(agent) {
            return None;
        }
        host_fd::share_of(agent, copy).or_else(|_| host_fd::open_of(agent, copy, way(number))).ok()
    }
}
