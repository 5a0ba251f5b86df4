//! Directories, read by getdents64(2): opendir(3) calls the host's malloc.
//!
//! Context: agent threads. [`find`] allocates nothing: the log needs it where there is no memory.

use core::ffi::CStr;

use super::{Result, call, fd::Fd};

/// What `look` finds in the first entry where it finds something; `.` and `..` are left out.
pub(crate) fn find<T>(path: &CStr, mut look: impl FnMut(&[u8]) -> Option<T>) -> Result<Option<T>> {
    let directory = Fd::open(path, libc::O_RDONLY | libc::O_DIRECTORY)?;
    let mut buffer = [0u8; 8192];
    loop {
        // SAFETY: the buffer is ours for the length that is given.
        let n = unsafe {
            call(libc::SYS_getdents64, [directory.number() as usize, buffer.as_mut_ptr() as usize, buffer.len()])
        }?;
        if n == 0 {
            return Ok(None);
        }
        let mut rest = buffer.get(..n).unwrap_or_default();
        // struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name.
        while let (Some(len), Some(name)) = (rest.get(16..18), rest.get(19..)) {
            let len = usize::from(u16::from_le_bytes([len[0], len[1]]));
            let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
            match name.get(..end) {
                Some(b"." | b"..") | None => {}
                Some(name) => {
                    if let Some(found) = look(name) {
                        return Ok(Some(found));
                    }
                }
            }
            match rest.get(len..) {
                Some(next) if len > 0 => rest = next,
                _ => break,
            }
        }
    }
}

/// The entries whose names are numbers, in ascending order: thread ids, descriptors.
pub(crate) fn numbers(path: &CStr) -> Result<Vec<i32>> {
    let mut all = Vec::new();
    find(path, |name| {
        all.extend(number(name));
        None::<()>
    })?;
    all.sort_unstable();
    Ok(all)
}

/// The number that an entry's name is.
pub(crate) fn number(name: &[u8]) -> Option<i32> {
    core::str::from_utf8(name).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_own_thread_is_among_the_tasks() {
        let tids = super::numbers(c"/proc/self/task").unwrap();
        assert!(tids.contains(&crate::sys::process::tid()));
    }
}
