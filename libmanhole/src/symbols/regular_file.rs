//! Opening files that must be regular ones: objects, debug files, sources.
//!
//! Context: the agent's thread. Opening a device or a FIFO can act on it or wait, so the path is first opened as a mere
//! name (`O_PATH`, open(2)), looked at, and only then opened for reading, by way of the descriptor.

use core::cell::RefCell;
use std::ffi::CString;

use crate::arena;
use crate::sys::fd::{Fd, Stat};

/// A regular file: open, or to be opened again by the next reading.
pub(super) struct RegularFile {
    path: Vec<u8>,
    fd: RefCell<Option<Fd>>,
    stat: Stat,
}

impl RegularFile {
    /// Opens what stands at `path` for reading; the error names what is in the way.
    pub(super) fn open(path: &[u8]) -> Result<RegularFile, String> {
        let (fd, stat) = open(path)?;
        Ok(RegularFile { path: path.to_owned(), fd: RefCell::new(Some(fd)), stat })
    }

    /// Gives the descriptor back. Reading opens the file again, if it is still the same.
    pub(super) fn close(&self) {
        if let Ok(mut fd) = self.fd.try_borrow_mut() {
            *fd = None;
        }
    }

    /// The file's own path, where links lead to it.
    pub(super) fn real_path(&self) -> Option<Vec<u8>> {
        let link = self.with_fd(|fd| Ok(CString::new(format!("/proc/thread-self/fd/{}", fd.number())).ok())).ok()??;
        let mut buffer = [0; libc::PATH_MAX as usize];
        crate::sys::fd::read_link(&link, &mut buffer).ok().map(<[u8]>::to_vec)
    }

    /// Device and inode.
    pub(super) fn identity(&self) -> (u64, u64) {
        self.stat.identity
    }

    /// In bytes.
    pub(super) fn size(&self) -> u64 {
        self.stat.size
    }

    /// Exactly `len` bytes at `offset`; a file that is shorter is an error.
    pub(super) fn bytes(&self, offset: u64, len: u64) -> Result<Vec<u8>, String> {
        if offset.checked_add(len).is_none_or(|end| end > self.size()) {
            return Err(format!("the file ends before {len} bytes at {offset:#x}"));
        }
        let mut bytes = zeroed(len)?;
        self.read(offset, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `buffer` with what stands at `offset`; a file that is shorter is an error.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), String> {
        let n = self.with_fd(|fd| fd.read_at_fully(buffer, offset).map_err(|e| format!("cannot be read: {e}")))?;
        if n != buffer.len() {
            return Err(format!("the file was cut short at {:#x}", offset.saturating_add(n as u64)));
        }
        Ok(())
    }

    fn with_fd<T>(&self, act: impl FnOnce(&Fd) -> Result<T, String>) -> Result<T, String> {
        let mut fd = self.fd.try_borrow_mut().map_err(|_| "is in use".to_owned())?;
        if fd.is_none() {
            *fd = Some(self.open_again()?);
        }
        fd.as_ref().map_or_else(|| Err("is closed".to_owned()), act)
    }

    fn open_again(&self) -> Result<Fd, String> {
        let (fd, stat) = open(&self.path)?;
        if (stat.identity, stat.size) != (self.stat.identity, self.stat.size) {
            return Err("the file was replaced".to_owned());
        }
        Ok(fd)
    }
}

fn open(path: &[u8]) -> Result<(Fd, Stat), String> {
    let path = CString::new(path).map_err(|_| "a path with a zero byte cannot be opened".to_owned())?;
    let name = Fd::open(&path, libc::O_PATH).map_err(|e| format!("cannot be opened: {e}"))?;
    let stat = name.stat().map_err(|e| format!("cannot be looked at: {e}"))?;
    if !stat.is_regular() {
        return Err("is not a regular file".to_owned());
    }
    // thread-self: the agent's thread has a descriptor table of its own.
    let link = CString::new(format!("/proc/thread-self/fd/{}", name.number())).unwrap_or_default();
    let flags = libc::O_RDONLY | libc::O_NONBLOCK;
    let fd = Fd::open(&link, flags).or_else(|_| Fd::open(&path, flags));
    let fd = fd.map_err(|e| format!("cannot be opened for reading: {e}"))?;
    match fd.stat() {
        Ok(now) if now.is_regular() => Ok((fd, now)),
        Ok(_) => Err("is not a regular file".to_owned()),
        Err(e) => Err(format!("cannot be looked at: {e}")),
    }
}

/// `len` zero bytes; an error instead of an abort where there is no memory for them.
pub(super) fn zeroed(len: u64) -> Result<Vec<u8>, String> {
    let len = usize::try_from(len).map_err(|_| format!("{len} bytes are too much"))?;
    arena::zeroed(len).ok_or_else(|| format!("no memory for {len} bytes"))
}
