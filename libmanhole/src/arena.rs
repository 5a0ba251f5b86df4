//! The agent's allocator: dlmalloc over mappings of our own. The host's malloc is never entered.
//!
//! Context: the agent's thread, the constructor, a fork child. Signal handlers do not allocate, and host threads other
//! than those two do not either, so the lock is never waited for by a thread that could hold a lock of the host.
//!
//! A forked child inherits a copy whose lock may be held by a thread that does not exist there. [`start_afresh`] puts an
//! empty arena in its place; what the old one holds stays readable and is never given back.
#![allow(unsafe_code)]

use core::alloc::{GlobalAlloc, Layout};

use crate::sys::{lock::Lock, mapping, process};

/// Memory is taken from the kernel in pieces of this size.
const GRANULARITY: usize = 64 * 1024;

struct Mappings;

// SAFETY: hands out fresh private mappings, and takes back only what dlmalloc got here.
unsafe impl dlmalloc::Allocator for Mappings {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        match mapping::map(size) {
            Ok(address) => (address, size, 0),
            Err(_) => (core::ptr::null_mut(), 0, 0),
        }
    }

    fn remap(&self, address: *mut u8, old: usize, new: usize, can_move: bool) -> *mut u8 {
        // SAFETY: dlmalloc owns the mapping.
        unsafe { mapping::remap(address, old, new, can_move) }.unwrap_or(core::ptr::null_mut())
    }

    fn free_part(&self, address: *mut u8, old: usize, new: usize) -> bool {
        // SAFETY: dlmalloc owns the tail that it gives back.
        unsafe { mapping::unmap(address.wrapping_add(new), old.saturating_sub(new)) }.is_ok()
    }

    fn free(&self, address: *mut u8, size: usize) -> bool {
        // SAFETY: dlmalloc owns the mapping.
        unsafe { mapping::unmap(address, size) }.is_ok()
    }

    fn can_release_part(&self, _flags: u32) -> bool {
        true
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        mapping::PAGE
    }
}

const fn empty() -> dlmalloc::Dlmalloc<Mappings> {
    let mut arena = dlmalloc::Dlmalloc::new_with_allocator(Mappings);
    arena.set_granularity(GRANULARITY);
    arena
}

static ARENA: Lock<dlmalloc::Dlmalloc<Mappings>> = Lock::new(empty());

/// The arena as Rust's global allocator.
pub(crate) struct Arena;

// SAFETY: dlmalloc keeps the contract; the lock makes it one thread at a time.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the layout comes from the caller of `alloc`, whose contract is the same.
        given(unsafe { ARENA.lock().malloc(layout.size(), layout.align()) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        given(unsafe { ARENA.lock().calloc(layout.size(), layout.align()) })
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        // SAFETY: the caller says that the block came from here with this layout.
        unsafe { ARENA.lock().free(address, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, address: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`.
        given(unsafe { ARENA.lock().realloc(address, layout.size(), layout.align(), size) })
    }
}

/// Lets a failed allocation end where it harms nobody: Rust's own answer to one is to abort the process.
///
/// The agent's thread stops for ever, its client unanswered; the host runs on. A constructor or fork child allocates so
/// little that the mapping which [`reserve`] has made covers it.
fn given(address: *mut u8) -> *mut u8 {
    if address.is_null() && crate::state::on_agent_thread() {
        crate::log::problem(format_args!("out of memory: the manhole is off"));
        loop {
            process::sleep(core::time::Duration::from_secs(1 << 30));
        }
    }
    address
}

/// Makes sure that small allocations will work: an error here means that the agent stays off.
pub(crate) fn reserve() -> Result<(), ()> {
    let layout = Layout::new::<[u64; 1024]>();
    // SAFETY: the layout is not empty, and the block is given back at once.
    unsafe {
        let mut arena = ARENA.lock();
        let block = arena.malloc(layout.size(), layout.align());
        if block.is_null() {
            return Err(());
        }
        arena.free(block, layout.size(), layout.align());
    }
    Ok(())
}

/// Gives what is free back to the kernel.
pub(crate) fn give_back() {
    // SAFETY: releases pages that hold no block.
    unsafe { ARENA.lock().trim(0) };
}

/// Puts an empty arena in the place of the inherited one. Called by the only thread of a freshly forked child.
pub(crate) fn start_afresh() {
    // SAFETY: only `install::process_is_forked` comes here, and the child of a fork has one thread (fork(2)).
    unsafe { ARENA.reset(empty()) };
}
