//! The handler of the capture signal, and the memory that it fills.
//!
//! Context: **signal handler** on any host thread, whatever that thread holds. It makes system calls by the bare
//! instruction (getpid, process_vm_readv, rt_sigpending, rt_sigaction, tgkill) and touches atomics; no errno, no allocation, no
//! lock, no thread-local storage, no formatting. Its frame is small; the stack it needs is the thread's alternate one
//! where there is one.
//!
//! A signal may arrive late, after the collector has given up: it then finds that its shot is over and changes nothing.
//! The memory of the shots therefore stays mapped for ever; between dumps its pages are given back.
#![allow(unsafe_code)]

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use super::passive::RED_ZONE;
use crate::interrupted::{Interrupted, entry};
use crate::loan;
use crate::snapshot::{Chain, Links, RSP, Registers};
use crate::sys::timer::BY_CLOCK;
use crate::sys::{self, mapping, own_memory};

/// Threads that are shot at the same time.
pub(super) const SHOTS: usize = 32;

/// Stack bytes of one shot.
pub(super) const ROOM: usize = 64 * 1024;

/// Stack bytes when one shot has all the room.
pub(super) const ALL_ROOM: usize = SHOTS * ROOM;

// The phases of a shot, in the low byte of its state; the rest is its generation.
const IDLE: u64 = 0;
const ARMED: u64 = 1;
const FILLING: u64 = 2;
const DONE: u64 = 3;

/// In the value that comes with the signal the number of the shot; beside it is [`BY_CLOCK`], and in the rest the shot's generation.
const INDEX: u64 = 0x7f;

/// Where one handler puts what it has seen.
struct Shot {
    state: AtomicU64,
    /// Whether the collector holds it.
    held: AtomicBool,
    /// How many stack bytes may be copied.
    room: AtomicUsize,
    /// The chain that is to be copied too; none whose elements have no size. All zeroes at first, so that the table takes no room in the file.
    chain: UnsafeCell<Chain>,
    content: UnsafeCell<Content>,
}

#[derive(Clone, Copy)]
struct Content {
    registers: Registers,
    start: u64,
    copied: usize,
    /// How many elements of the chain were copied, if that is all of them.
    links: Option<usize>,
}

// SAFETY: `content` is written by the one handler that has moved the state from ARMED to FILLING, and read by the
// collector only after it has seen DONE. `chain` is written by the collector before it makes the state ARMED.
unsafe impl Sync for Shot {}

const NO_CHAIN: Chain = Chain { head: 0, behind: None, next: 0, size: 0 };

// Behind what a start touches.
#[unsafe(link_section = ".gnu.linkonce.b.manhole.shots")]
static TABLE: [Shot; SHOTS] = [const {
    Shot {
        state: AtomicU64::new(0),
        held: AtomicBool::new(false),
        room: AtomicUsize::new(0),
        chain: UnsafeCell::new(NO_CHAIN),
        content: UnsafeCell::new(Content { registers: Registers::NONE, start: 0, copied: 0, links: None }),
    }
}; SHOTS];

/// How many elements of a chain are copied, and how many bytes of each there can be, its address among them. The handler takes a third of a
/// microsecond for each.
const LINKS: usize = 256;
const LINK: usize = 128;

/// Where the elements of chains are copied, behind the stacks: shot `n` starts at `n * LINKS * LINK`.
const ALL_LINKS: usize = SHOTS * LINKS * LINK;

/// The memory for the stacks, mapped when first needed: shot `n` starts at `n * ROOM`.
static STACKS: AtomicUsize = AtomicUsize::new(0);

/// Whether this kernel raises a processor-time timer's signal on the way back to user space (task work, Linux 5.10).
static TIMER_INTERRUPTS_NOTHING: AtomicBool = AtomicBool::new(false);

/// Called by the kernel on the thread that is looked at.
pub(super) extern "C" fn on_capture(number: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel passes valid structures to a handler with SA_SIGINFO, and nobody else has them.
    let (info, interrupted) = unsafe { (&*info, Interrupted::from_kernel(context)) };
    if let Some(other) = loan::pass_on(number, info.si_code) {
        type Handler = extern "C" fn(i32, *const libc::siginfo_t, *mut libc::c_void);
        // SAFETY: a handler with SA_SIGINFO, whose disposition ours stands for.
        let handler = unsafe { core::mem::transmute::<usize, Handler>(other.handler) };
        return handler(number, info, context);
    }
    let mut interrupts_nothing = false;
    if info.si_code == libc::SI_TIMER {
        // SAFETY: signals with this code carry a value (sigaction(2)).
        let value = unsafe { info.si_value() }.sival_ptr as u64;
        fill(value, &interrupted);
        interrupts_nothing = value & BY_CLOCK != 0 && TIMER_INTERRUPTS_NOTHING.load(Ordering::Relaxed);
    }
    // The signal of a timer on processor time is made on the way back to user space and interrupts nothing: an EINTR that stands here is the
    // host's, unless the host had the signal blocked and lets it in for the length of one call (ppoll and its kin).
    if interrupts_nothing && !interrupted.mask().contains(number) {
        interrupted.heed_host();
    } else {
        interrupted.go_on();
    }
}

fn fill(value: u64, interrupted: &Interrupted<'_>) {
    let index = (value & INDEX) as usize;
    let Some(shot) = TABLE.get(index) else { return };
    let generation = value & !(INDEX | BY_CLOCK);
    let claimed =
        shot.state.compare_exchange(generation | ARMED, generation | FILLING, Ordering::AcqRel, Ordering::Acquire);
    if claimed.is_err() {
        return;
    }
    let registers = interrupted.registers();
    let start = registers.get(RSP).unwrap_or(0).saturating_sub(RED_ZONE);
    let place = STACKS.load(Ordering::Acquire) + index * ROOM;
    let room = shot.room.load(Ordering::Acquire);
    // SAFETY: the room of this shot in the mapping of `STACKS`, which this handler has claimed.
    let bytes = unsafe { core::slice::from_raw_parts_mut(place as *mut u8, room) };
    let copied = own_memory::read(start, bytes).unwrap_or(0);
    // SAFETY: this handler has claimed the shot, which the collector does not touch meanwhile.
    let chain = unsafe { *shot.chain.get() };
    let links = if chain.size == 0 { None } else { copy_links(&chain, links_of(index)) };
    // SAFETY: this handler has claimed the shot.
    unsafe { *shot.content.get() = Content { registers, start, copied, links } };
    shot.state.store(generation | DONE, Ordering::Release);
}

/// The room for the elements of the chain of shot `index`.
fn links_of(index: usize) -> *mut u8 {
    (STACKS.load(Ordering::Acquire) + ALL_ROOM + index * LINKS * LINK) as *mut u8
}

/// Copies the elements of a chain, each behind its address, and says how many there are, if these are all.
fn copy_links(chain: &Chain, room: *mut u8) -> Option<usize> {
    const WORD: usize = size_of::<u64>();
    let mut next = word_at(chain.head)?;
    if let Some(offset) = chain.behind {
        next = word_at(next.checked_add(offset)?)?;
    }
    for number in 0..LINKS {
        if next == 0 {
            return Some(number);
        }
        // SAFETY: the room of one element, which this handler has claimed with its shot.
        let bytes = unsafe { core::slice::from_raw_parts_mut(room.add(number * LINK), LINK) };
        let (address, element) = bytes.split_at_mut(WORD);
        let element = element.get_mut(..chain.size)?;
        if own_memory::read(next, element) != Ok(chain.size) {
            return None;
        }
        address.copy_from_slice(&next.to_le_bytes());
        let pointer = usize::try_from(chain.next).ok()?;
        next = u64::from_le_bytes(element.get(pointer..pointer.checked_add(WORD)?)?.try_into().ok()?);
    }
    None
}

fn word_at(address: u64) -> Option<u64> {
    let mut word = [0; size_of::<u64>()];
    (own_memory::read(address, &mut word) == Ok(word.len())).then(|| u64::from_le_bytes(word))
}

entry!(
    /// The disposition of the capture signal.
    pub(super) capture_entry, on_capture
);

/// A shot that the collector has armed.
pub(super) struct Armed {
    index: usize,
    generation: u64,
}

/// What a handler has seen.
pub(super) struct Seen {
    pub(super) registers: Registers,
    /// The address of the first stack byte.
    pub(super) start: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) links: Option<Links>,
}

/// Makes sure that there is memory for the stacks.
pub(super) fn prepare() -> sys::Result<()> {
    TIMER_INTERRUPTS_NOTHING.store(sys::process::kernel() >= (5, 10), Ordering::Relaxed);
    if STACKS.load(Ordering::Acquire) == 0 {
        STACKS.store(mapping::map(ALL_ROOM + ALL_LINKS)? as usize, Ordering::Release);
    }
    touch_code();
    Ok(())
}

/// The pages of code that the handler runs may have been let go while nothing was done. They are touched here, so that the thread that is asked does not pay
/// for it.
fn touch_code() {
    let functions: [*const u8; 6] = [
        capture_entry as *const u8,
        on_capture as *const u8,
        own_memory::read as *const u8,
        Interrupted::heed_host as *const u8,
        Interrupted::go_on as *const u8,
        sys::arch::sigreturn_trampoline as *const u8,
    ];
    for function in functions {
        // SAFETY: code of this library, which is mapped and can be read.
        unsafe { function.read_volatile() };
    }
}

/// Arms shot `index` with room for `room` stack bytes, and for `chain`; `None` while it is held or an earlier handler is still at work.
pub(super) fn arm(index: usize, room: usize, chain: Option<Chain>) -> Option<Armed> {
    let shot = TABLE.get(index)?;
    let state = shot.state.load(Ordering::Acquire);
    // With more than its own room it writes into that of the others.
    let others_at_work = || TABLE.iter().any(|shot| shot.state.load(Ordering::Acquire) & 0xff == FILLING);
    if room > ROOM && others_at_work() {
        return None;
    }
    if state & 0xff == FILLING || shot.held.swap(true, Ordering::AcqRel) {
        return None;
    }
    // The pages are touched here, so that the handler does not pay for it.
    let place = STACKS.load(Ordering::Acquire) + index * ROOM;
    for offset in (0..room).step_by(mapping::PAGE) {
        // SAFETY: inside the mapping of `STACKS`; the shot is not armed, so no handler uses it.
        unsafe { (place as *mut u8).add(offset).write_volatile(0) };
    }
    // SAFETY: the shot is neither armed nor held by anybody else, so no handler looks.
    unsafe { *shot.chain.get() = chain.filter(|chain| chain.size <= LINK - size_of::<u64>()).unwrap_or(NO_CHAIN) };
    let generation = (state & !0xff).wrapping_add(0x100);
    shot.room.store(room, Ordering::Release);
    shot.state.store(generation | ARMED, Ordering::Release);
    Some(Armed { index, generation })
}

impl Armed {
    /// What the signal has to carry.
    pub(super) fn value(&self) -> u64 {
        self.generation | self.index as u64
    }

    /// What the handler has seen, once it has.
    pub(super) fn seen(&self) -> Option<Seen> {
        let shot = TABLE.get(self.index)?;
        if shot.state.load(Ordering::Acquire) != self.generation | DONE {
            return None;
        }
        // SAFETY: the handler is done, and no other can claim this generation.
        let content = unsafe { *shot.content.get() };
        let place = STACKS.load(Ordering::Acquire) + self.index * ROOM;
        let len = content.copied.min(shot.room.load(Ordering::Acquire));
        // SAFETY: the handler has filled this much of the shot's room.
        let bytes = unsafe { core::slice::from_raw_parts(place as *const u8, len) }.to_vec();
        // SAFETY: nobody has armed the shot anew: it is held.
        let size = unsafe { *shot.chain.get() }.size;
        let link = |number: usize| {
            // SAFETY: the handler has filled this much of the shot's links.
            let link = unsafe { core::slice::from_raw_parts(links_of(self.index).add(number * LINK), LINK) };
            let (address, element) = link.split_first_chunk()?;
            Some((u64::from_le_bytes(*address), element.get(..size)?.to_vec()))
        };
        let links = content.links.and_then(|count| (0..count.min(LINKS)).map(link).collect::<Option<_>>());
        Some(Seen { registers: content.registers, start: content.start, bytes, links: links.map(Links) })
    }
}

impl Drop for Armed {
    /// Calls the shot off: a handler that comes later finds nothing to do. One that is at work now keeps the shot.
    fn drop(&mut self) {
        if let Some(shot) = TABLE.get(self.index) {
            let _ = shot.state.compare_exchange(
                self.generation | ARMED,
                self.generation | IDLE,
                Ordering::AcqRel,
                Ordering::Acquire,
            );
            shot.held.store(false, Ordering::Release);
        }
    }
}

/// In a forked child no handler of the parent's is at work and no shot is held.
pub(super) fn forget() {
    for shot in &TABLE {
        let generation = shot.state.load(Ordering::Acquire) & !0xff;
        shot.state.store(generation | IDLE, Ordering::Release);
        shot.held.store(false, Ordering::Release);
    }
}

/// Gives the pages of the stacks back, when no handler is at work.
pub(super) fn give_back() {
    let stacks = STACKS.load(Ordering::Acquire);
    let busy = TABLE.iter().any(|shot| shot.state.load(Ordering::Acquire) & 0xff == FILLING);
    if stacks != 0 && !busy {
        // SAFETY: the mapping of the stacks; nothing of it is needed.
        unsafe { mapping::discard(stacks as *mut u8, ALL_ROOM + ALL_LINKS) };
    }
}
