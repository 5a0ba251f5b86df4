//! The agent's allocator, over mappings of our own. The host's malloc is never entered.
//!
//! Context: the agent's thread, the constructor, a fork child. Signal handlers do not allocate, and host threads other
//! than those two do not either, so the lock is never waited for by a thread that could hold a lock of the host.
//!
//! Memory goes back to the kernel as soon as it is free, so that a dump leaves nothing behind: small blocks live in slabs of
//! one size, each unmapped when its last block is freed; large ones have a mapping each. A general allocator such as dlmalloc
//! keeps tens of megabytes after a dump, held by a few small blocks that outlive it.
//!
//! A forked child inherits a copy whose lock may be held by a thread that does not exist there. [`start_afresh`] puts an
//! empty arena in its place; what the old one holds stays readable.
#![allow(unsafe_code)]

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::sys::lock::Lock;
use crate::sys::{Errno, mapping};

/// Slabs have this size and alignment: the slab of a block is found by its address.
const SLAB: usize = 32 * 1024;

/// The sizes of small blocks, multiples of 16 so that each is aligned for any ordinary type.
const CLASSES: [usize; 18] =
    [16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192];

/// Empty slabs that are kept for the next need, so that a block that comes and goes makes no system calls.
const SPARE: usize = 1;

/// What stands at the start of a slab.
struct Slab {
    class: usize,
    /// Blocks in use.
    used: usize,
    /// The first of the freed blocks, each of which holds the address of the next.
    free: *mut Block,
    /// Where the blocks that were never used begin.
    untouched: usize,
    next: *mut Slab,
    previous: *mut Slab,
}

struct Block {
    next: *mut Block,
}

/// Where the blocks of a slab begin.
const FIRST: usize = size_of::<Slab>().next_multiple_of(16);

/// The slabs that have room, by class; and the spare ones.
struct Slabs {
    with_room: [*mut Slab; CLASSES.len()],
    spare: [*mut Slab; SPARE],
}

// SAFETY: the pointers lead to mappings that belong to the arena alone.
unsafe impl Send for Slabs {}

static SLABS: Lock<Slabs> = Lock::new(Slabs::EMPTY);

impl Slabs {
    const EMPTY: Slabs = Slabs { with_room: [ptr::null_mut(); CLASSES.len()], spare: [ptr::null_mut(); SPARE] };

    fn take(&mut self, class: usize) -> *mut u8 {
        let (Some(&size), Some(&head)) = (CLASSES.get(class), self.with_room.get(class)) else {
            return ptr::null_mut();
        };
        let slab = if head.is_null() { self.open(class) } else { head };
        if slab.is_null() {
            return ptr::null_mut();
        }
        // SAFETY: a slab in the list, or a new one; the lock makes it ours.
        unsafe {
            let block = (*slab).free;
            (*slab).used += 1;
            let given = if block.is_null() {
                let at = (*slab).untouched;
                (*slab).untouched += size;
                slab.cast::<u8>().add(at)
            } else {
                (*slab).free = (*block).next;
                block.cast()
            };
            if (*slab).free.is_null() && (*slab).untouched + size > SLAB {
                self.unlink(slab);
            }
            given
        }
    }

    /// # Safety
    /// `address` came from [`Slabs::take`] and is not used any more.
    unsafe fn give(&mut self, address: *mut u8) {
        let slab = (address as usize & !(SLAB - 1)) as *mut Slab;
        // SAFETY: the block lies in a slab, whose start holds its description.
        unsafe {
            let size = CLASSES.get((*slab).class).copied().unwrap_or(SLAB);
            let was_full = (*slab).free.is_null() && (*slab).untouched + size > SLAB;
            let block = address.cast::<Block>();
            (*block).next = (*slab).free;
            (*slab).free = block;
            (*slab).used -= 1;
            if was_full {
                self.link(slab);
            }
            if (*slab).used == 0 {
                self.unlink(slab);
                self.close(slab);
            }
        }
    }

    /// A slab with nothing in it, linked.
    fn open(&mut self, class: usize) -> *mut Slab {
        let spare = self.spare.iter_mut().find(|spare| !spare.is_null());
        let slab = match spare {
            Some(spare) => core::mem::replace(spare, ptr::null_mut()),
            None => match mapping::map_aligned(SLAB) {
                Ok(address) => address.cast(),
                Err(_) => return ptr::null_mut(),
            },
        };
        let empty = Slab {
            class,
            used: 0,
            free: ptr::null_mut(),
            untouched: FIRST,
            next: ptr::null_mut(),
            previous: ptr::null_mut(),
        };
        // SAFETY: a mapping of the slab's size that nobody uses.
        unsafe {
            slab.write(empty);
            self.link(slab);
        }
        slab
    }

    /// Keeps an empty slab, or gives it back.
    fn close(&mut self, slab: *mut Slab) {
        match self.spare.iter_mut().find(|spare| spare.is_null()) {
            Some(spare) => *spare = slab,
            // SAFETY: no block of it is in use, and it is in no list.
            None => drop(unsafe { mapping::unmap(slab.cast(), SLAB) }),
        }
    }

    /// # Safety
    /// `slab` is a slab in no list.
    unsafe fn link(&mut self, slab: *mut Slab) {
        // SAFETY: the slab and the head of its list are ours under the lock.
        unsafe {
            let Some(head) = self.with_room.get_mut((*slab).class) else { return };
            (*slab).next = *head;
            (*slab).previous = ptr::null_mut();
            if let Some(mut second) = NonNull::new(*head) {
                second.as_mut().previous = slab;
            }
            *head = slab;
        }
    }

    /// # Safety
    /// `slab` is in the list of its class.
    unsafe fn unlink(&mut self, slab: *mut Slab) {
        // SAFETY: the slab and its neighbours are ours under the lock.
        unsafe {
            let (next, previous) = ((*slab).next, (*slab).previous);
            if let Some(mut next) = NonNull::new(next) {
                next.as_mut().previous = previous;
            }
            match (NonNull::new(previous), self.with_room.get_mut((*slab).class)) {
                (Some(mut previous), _) => previous.as_mut().next = next,
                (None, Some(head)) => *head = next,
                (None, None) => {}
            }
        }
    }
}

/// The class of a small block; `None` for one that has a mapping of its own.
fn class_of(size: usize, align: usize) -> Option<usize> {
    if align > 16 { None } else { CLASSES.iter().position(|&class| size <= class) }
}

fn pages(size: usize) -> usize {
    size.next_multiple_of(mapping::PAGE)
}

/// `len` zero bytes, if there is memory for them; many are not written, for a fresh mapping has no others.
pub(crate) fn zeroed(len: usize) -> Option<Vec<u8>> {
    if len == 0 {
        return Some(Vec::new());
    }
    let layout = Layout::array::<u8>(len).ok()?;
    // SAFETY: the layout has a size.
    let block = ptr::NonNull::new(unsafe { std::alloc::alloc_zeroed(layout) })?;
    // SAFETY: the allocator that vectors have has given it, with this layout, and all of it is there.
    Some(unsafe { Vec::from_raw_parts(block.as_ptr(), len, len) })
}

/// The arena as Rust's global allocator.
pub(crate) struct Arena;

// SAFETY: blocks are disjoint, as large as asked for and aligned (16 bytes in a slab, a page in a mapping); the lock makes
// it one thread at a time.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        given(match class_of(layout.size(), layout.align()) {
            Some(class) => Some(SLABS.lock().take(class)).filter(|block| !block.is_null()).ok_or(NO_MEMORY),
            None if layout.align() > mapping::PAGE => Err(NO_MEMORY),
            None => mapping::map(pages(layout.size())),
        })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the layout comes from the caller, whose contract is the same.
        let block = unsafe { self.alloc(layout) };
        // A fresh mapping is zero already.
        if class_of(layout.size(), layout.align()).is_some() && !block.is_null() {
            // SAFETY: the block has this size.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        match class_of(layout.size(), layout.align()) {
            // SAFETY: the caller says that the block came from here with this layout.
            Some(_) => unsafe { SLABS.lock().give(address) },
            // SAFETY: as above; the mapping is the block's alone.
            None => drop(unsafe { mapping::unmap(address, pages(layout.size())) }),
        }
    }

    unsafe fn realloc(&self, address: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (old, new) = (class_of(layout.size(), layout.align()), class_of(size, layout.align()));
        match (old, new) {
            (Some(old), Some(new)) if old == new => address,
            (None, None) if layout.align() <= mapping::PAGE => {
                // SAFETY: the mapping is the block's alone, and the caller gives the block up.
                given(unsafe { mapping::remap(address, pages(layout.size()), pages(size)) })
            }
            _ => {
                // SAFETY: the alignment is that of a valid layout, and the caller says that the size fits one.
                let block = unsafe { self.alloc(Layout::from_size_align_unchecked(size, layout.align())) };
                if !block.is_null() {
                    // SAFETY: both blocks have at least the smaller size, and they are different blocks.
                    unsafe {
                        ptr::copy_nonoverlapping(address, block, layout.size().min(size));
                        self.dealloc(address, layout);
                    }
                }
                block
            }
        }
    }
}

/// Lets a failed allocation end where it harms nobody: Rust's own answer to one is to abort the process.
///
/// [`when_exhausted`] says what is done on the agent's thread; the host runs on. A constructor or fork child allocates so
/// little that the slab which [`reserve`] has made covers it.
fn given(address: Result<*mut u8, Errno>) -> *mut u8 {
    if let Err(error) = address
        && let Some(end) = NonNull::new(EXHAUSTED.load(Ordering::Acquire))
    {
        // SAFETY: only `when_exhausted` writes there, and a function's address.
        let end = unsafe { core::mem::transmute::<*mut (), fn(Errno)>(end.as_ptr()) };
        end(error);
    }
    address.unwrap_or(ptr::null_mut())
}

/// A slab cannot be had.
const NO_MEMORY: Errno = Errno(libc::ENOMEM);

/// The function of [`when_exhausted`].
static EXHAUSTED: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Says what is called when there is no memory for an allocation, and with which error: EFAULT where the block that was to grow has been unmapped
/// (mremap(2)). It does not return on a thread that has no other way out.
pub(crate) fn when_exhausted(end: fn(Errno)) {
    EXHAUSTED.store(end as *mut (), Ordering::Release);
}

/// Makes sure that small allocations will work: an error here means that the agent stays off.
#[cold]
pub(crate) fn reserve() -> Result<(), ()> {
    let mut slabs = SLABS.lock();
    let block = slabs.take(0);
    if block.is_null() {
        return Err(());
    }
    // SAFETY: taken above, used by nobody; its slab stays as the spare one.
    unsafe { slabs.give(block) };
    Ok(())
}

/// Gives back the pages of what is kept for the next need. It stays mapped: the next need may come where nothing can be mapped.
pub(crate) fn trim() {
    for spare in SLABS.lock().spare.iter().filter(|spare| !spare.is_null()) {
        // SAFETY: a spare slab has no block in use, and whoever opens it writes its description anew.
        unsafe { mapping::discard(spare.cast(), SLAB) };
    }
}

/// What a call of the C interface may need, in bytes.
pub(crate) const ROOM: usize = 2 << 20;

/// Whether there is room for what a call of the C interface needs: it is refused otherwise.
pub(crate) fn has_room() -> bool {
    let Ok(room) = mapping::map(ROOM) else { return false };
    // SAFETY: the mapping made above, which nobody uses.
    unsafe { mapping::unmap(room, ROOM) }.is_ok()
}

/// Puts an empty arena in the place of the inherited one. Called by the only thread of a freshly forked child.
pub(crate) fn start_afresh() {
    // SAFETY: only `install::process_is_forked` comes here, and the child of a fork has one thread (fork(2)).
    unsafe { SLABS.reset(Slabs::EMPTY) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_disjoint_aligned_and_keep_their_content() {
        let mut random = 0x2545_f491_4f6c_dd1du64;
        let mut blocks: Vec<(*mut u8, Layout, u8)> = Vec::new();
        for step in 0..20_000u32 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let size = 1 + (random >> 20) as usize % if step % 50 == 0 { 100_000 } else { 2_000 };
            let layout = Layout::from_size_align(size, 1 << (random as usize % 6)).unwrap();
            let mark = step as u8;
            // SAFETY: the layouts are those that the blocks were made with, and each block is as large as its layout.
            unsafe {
                match random >> 60 {
                    0..9 => {
                        let block = Arena.alloc(layout);
                        assert!(!block.is_null() && (block as usize).is_multiple_of(layout.align()));
                        block.write_bytes(mark, size);
                        blocks.push((block, layout, mark));
                    }
                    9..12 if !blocks.is_empty() => {
                        let at = random as usize % blocks.len();
                        let (block, old, mark) = blocks[at];
                        let block = Arena.realloc(block, old, size);
                        let kept = core::slice::from_raw_parts(block, size.min(old.size()));
                        assert!(kept.iter().all(|&byte| byte == mark));
                        block.write_bytes(mark, size);
                        blocks[at] = (block, Layout::from_size_align(size, old.align()).unwrap(), mark);
                    }
                    _ if !blocks.is_empty() => {
                        let (block, layout, mark) = blocks.swap_remove(random as usize % blocks.len());
                        assert!(core::slice::from_raw_parts(block, layout.size()).iter().all(|&byte| byte == mark));
                        Arena.dealloc(block, layout);
                    }
                    _ => {}
                }
            }
        }
        for (block, layout, _) in blocks {
            // SAFETY: as above.
            unsafe { Arena.dealloc(block, layout) };
        }
        let is_empty = |slabs: &[*mut Slab]| slabs.iter().all(|slab| slab.is_null());
        assert!(is_empty(&SLABS.lock().with_room), "a slab is left though every block is freed");
        trim();
        let spare = SLABS.lock().spare;
        let is_untouched = |slab: &*mut Slab| {
            // SAFETY: spare slabs stay mapped, and nobody else is here.
            let bytes = unsafe { core::slice::from_raw_parts(slab.cast::<u8>(), SLAB) };
            bytes.iter().all(|&byte| byte == 0)
        };
        assert!(!is_empty(&spare) && spare.iter().all(is_untouched), "a spare slab keeps its pages");
    }

    /// The errors that [`record`] was told of.
    static RECORDED: Lock<Vec<Errno>> = Lock::new(Vec::new());

    fn record(error: Errno) {
        RECORDED.lock().push(error);
    }

    #[test]
    fn a_block_that_was_unmapped_is_told_from_a_want_of_memory() {
        const SIZE: usize = 1 << 20;
        let layout = Layout::from_size_align(SIZE, 16).unwrap();
        RECORDED.lock().reserve(8);
        when_exhausted(record);
        // SAFETY: the block is mapped for itself, used by nobody, and given up by `realloc` or by the loss of its pages.
        unsafe {
            let block = Arena.alloc(layout);
            assert!(!block.is_null());
            // As much as an address space has, less than where the kernel calls it nonsense (EINVAL).
            assert!(Arena.realloc(block, layout, (1 << 47) - (1 << 30)).is_null());
            mapping::unmap(block, SIZE).unwrap();
            assert!(Arena.realloc(block, layout, 2 * SIZE).is_null());
        }
        EXHAUSTED.store(ptr::null_mut(), Ordering::Release);
        assert_eq!(*RECORDED.lock(), [Errno(libc::ENOMEM), Errno(libc::EFAULT)]);
    }
}
