//! The process's own memory, through the kernel: a bad address is an error, never a fault.
//!
//! Context: any thread, signal handlers included. `process_vm_readv` on ourselves works with `PR_SET_DUMPABLE` 0, where
//! `/proc/thread-self/mem` does not; the latter stands in where a sandbox refuses the call.

use super::{Errno, Result, call, process};

/// Copies bytes at `address` into `buffer`; returns how many could be read before the first bad page (at least 1).
pub(crate) fn read(address: u64, buffer: &mut [u8]) -> Result<usize> {
    if buffer.is_empty() {
        return Ok(0);
    }
    let local = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    match vector(libc::SYS_process_vm_readv, &local, address, buffer.len()) {
        Err(Errno(libc::EPERM | libc::ENOSYS)) => read_through_file(address, buffer),
        other => other,
    }
}

/// Copies all of `bytes` to `address`, or nothing that counts: an error is that of the first bad page. With `by_force` even where the
/// memory is read-only, as a debugger does (a private page is copied first).
pub(crate) fn write(address: u64, bytes: &[u8], by_force: bool) -> Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let written = if by_force {
        super::fd::Fd::open(c"/proc/thread-self/mem", libc::O_WRONLY)?.write_at(bytes, address)
    } else {
        let local = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        vector(libc::SYS_process_vm_writev, &local, address, bytes.len())
    };
    if written? == bytes.len() { Ok(()) } else { Err(Errno(libc::EFAULT)) }
}

fn vector(nr: libc::c_long, local: &libc::iovec, address: u64, len: usize) -> Result<usize> {
    let remote = libc::iovec { iov_base: address as *mut libc::c_void, iov_len: len };
    // SAFETY: the local vector describes memory of the caller; the remote one is checked by the kernel.
    unsafe {
        call(
            nr,
            [
                // Not the process id: a main thread that has ended has no memory any more, and the kernel looks there.
                process::tid() as usize,
                core::ptr::from_ref(local) as usize,
                1,
                core::ptr::from_ref(&remote) as usize,
                1,
                0,
            ],
        )
    }
}

fn read_through_file(address: u64, buffer: &mut [u8]) -> Result<usize> {
    super::fd::Fd::open(c"/proc/thread-self/mem", libc::O_RDONLY)?.read_at(buffer, address)
}
