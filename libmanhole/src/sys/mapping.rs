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

/// Maps a page of nothing under a name that `/proc/PID/maps` shows as `/memfd:NAME` (memfd_create(2)).
pub(crate) fn map_named(name: &core::ffi::CStr) -> Result<usize> {
    // SAFETY: the name is a C string.
    let fd = unsafe { call(libc::SYS_memfd_create, [name.as_ptr() as usize, libc::MFD_CLOEXEC as usize]) }?;
    let (access, sharing) = (libc::PROT_READ as usize, libc::MAP_SHARED as usize);
    // SAFETY: a new mapping at a place of the kernel's choice touches nothing that exists.
    let mapping = unsafe { call(libc::SYS_mmap, [0, PAGE, access, sharing, fd, 0]) };
    // SAFETY: the descriptor made above.
    let _ = unsafe { call(libc::SYS_close, [fd]) };
    mapping
}

/// Maps `size` bytes (a power of two, a multiple of [`PAGE`]) of zeroes at a multiple of `size`.
pub(crate) fn map_aligned(size: usize) -> Result<*mut u8> {
    let first = map(size)?;
    if (first as usize).is_multiple_of(size) {
        return Ok(first);
    }
    // What the kernel does not take back, for it would need one mapping more, stays untouched and costs nothing.
    // SAFETY: the mapping made above; nothing refers to it.
    let _ = unsafe { unmap(first, size) };
    let wide = map(2 * size)?;
    let start = (wide as usize).next_multiple_of(size);
    let before = start - wide as usize;
    if before > 0 {
        // SAFETY: the part of the new mapping before the aligned piece; nothing refers to it.
        let _ = unsafe { unmap(wide, before) };
    }
    // SAFETY: the part behind it, likewise.
    let _ = unsafe { unmap((start + size) as *mut u8, size - before) };
    Ok(start as *mut u8)
}

/// Changes the size of a mapping, which may move.
///
/// # Safety
/// `address` and `old` describe a mapping of [`map`] that nothing else refers to.
pub(crate) unsafe fn remap(address: *mut u8, old: usize, new: usize) -> Result<*mut u8> {
    // SAFETY: the caller owns the mapping.
    let moved = unsafe { call(libc::SYS_mremap, [address as usize, old, new, libc::MREMAP_MAYMOVE as usize]) }?;
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

/// Lets the kernel take the pages back; they read afterwards as zeroes, or as what their file has.
///
/// # Safety
/// As [`unmap`], but the addresses stay valid.
pub(crate) unsafe fn discard(address: *mut u8, size: usize) {
    // SAFETY: the caller owns the pages and needs nothing of them.
    let _ = unsafe { call(libc::SYS_madvise, [address as usize, size, libc::MADV_DONTNEED as usize]) };
}

/// Has the kernel make the pages of a buffer that will be written from end to end, all at once: it comes for each by itself otherwise, which takes
/// several times as long. A kernel before Linux 5.14 does not know how (madvise(2), `MADV_POPULATE_WRITE`).
pub(crate) fn populate(bytes: &mut [u8]) {
    let start = (bytes.as_ptr() as usize).next_multiple_of(PAGE);
    let size = (bytes.as_ptr() as usize + bytes.len()).saturating_sub(start) / PAGE * PAGE;
    if size > 0 {
        // SAFETY: makes pages of a buffer that the caller may write, and changes none of its bytes.
        let _ = unsafe { call(libc::SYS_madvise, [start, size, libc::MADV_POPULATE_WRITE as usize]) };
    }
}
