//! Anonymous memory mappings.
//!
//! Context: any thread; a fork child.

use super::{Result, call};

/// The size of a page on this architecture, in bytes.
pub(crate) const PAGE: usize = 4096;

/// Maps `size` bytes (a multiple of [`PAGE`]) of zeroes, not counted against overcommit.
pub(crate) fn map(size: usize) -> Result<*mut u8> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new private mapping at a place of the kernel's choice touches nothing that exists.
    let address = unsafe {
        call(libc::SYS_mmap, [0, size, (libc::PROT_READ | libc::PROT_WRITE) as usize, flags as usize, usize::MAX, 0])
    }?;
    Ok(address as *mut u8)
}

/// Changes the size of a mapping, which may move.
///
/// # Safety
/// `address` and `old` describe a mapping of [`map`] that nothing else refers to.
pub(crate) unsafe fn remap(address: *mut u8, old: usize, new: usize, may_move: bool) -> Result<*mut u8> {
    let flags = if may_move { libc::MREMAP_MAYMOVE } else { 0 };
    // SAFETY: the caller owns the mapping.
    let moved = unsafe { call(libc::SYS_mremap, [address as usize, old, new, flags as usize]) }?;
    Ok(moved as *mut u8)
}

/// Gives memory back.
///
/// # Safety
/// The pages belong to a mapping of [`map`], and nothing refers to them any more.
pub(crate) unsafe fn unmap(address: *mut u8, size: usize) -> Result<()> {
    // SAFETY: the caller owns the pages.
    unsafe { call(libc::SYS_munmap, [address as usize, size]) }.map(drop)
}

/// Makes pages inaccessible: a guard.
///
/// # Safety
/// As [`unmap`].
pub(crate) unsafe fn protect_none(address: *mut u8, size: usize) -> Result<()> {
    // SAFETY: the caller owns the pages.
    unsafe { call(libc::SYS_mprotect, [address as usize, size, libc::PROT_NONE as usize]) }.map(drop)
}

/// Lets the kernel take the pages back; they read as zeroes afterwards.
///
/// # Safety
/// As [`unmap`], but the addresses stay valid.
pub(crate) unsafe fn discard(address: *mut u8, size: usize) {
    // SAFETY: the caller owns the pages and needs nothing of them.
    let _ = unsafe { call(libc::SYS_madvise, [address as usize, size, libc::MADV_DONTNEED as usize]) };
}
