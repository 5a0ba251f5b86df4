//! A filter's program (`struct sock_fprog`, linux/filter.h) that the host hands to the kernel, copied.
//!
//! Context: host threads: no allocation, a mapping for as long as it is looked at.

use core::ops::Deref;

use super::{mapping, own_memory};

/// The most instructions that the kernel takes (BPF_MAXINSNS, linux/bpf_common.h).
const MOST: usize = 4096;

/// A copy of the program.
pub(crate) struct Copied {
    start: *mut u8,
    size: usize,
    count: usize,
}

/// Copies the program that the structure at `address` describes, if the kernel could.
pub(crate) fn copied(address: usize) -> Option<Copied> {
    let mut header = [0; size_of::<libc::sock_fprog>()];
    whole(address as u64, &mut header)?;
    let (count, rest) = header.split_first_chunk()?;
    let count = usize::from(u16::from_ne_bytes(*count));
    let from = u64::from_ne_bytes(*rest.last_chunk()?);
    let length = count.checked_mul(size_of::<libc::sock_filter>())?;
    if count == 0 || count > MOST {
        return None;
    }
    let size = length.next_multiple_of(mapping::PAGE);
    let copy = Copied { start: mapping::map(size).ok()?, size, count };
    // SAFETY: the new mapping, which nobody else knows, is at least that long.
    let room = unsafe { core::slice::from_raw_parts_mut(copy.start, length) };
    whole(from, room)?;
    Some(copy)
}

fn whole(address: u64, room: &mut [u8]) -> Option<()> {
    (own_memory::read(address, room) == Ok(room.len())).then_some(())
}

impl Deref for Copied {
    type Target = [libc::sock_filter];

    fn deref(&self) -> &[libc::sock_filter] {
        // SAFETY: the mapping holds that many, whose every pattern of bits is one; it starts with a page.
        unsafe { core::slice::from_raw_parts(self.start.cast(), self.count) }
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // SAFETY: the mapping made above, to which nothing refers any more.
        let _ = unsafe { mapping::unmap(self.start, self.size) };
    }
}
