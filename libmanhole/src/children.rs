//! What exec'ed programs inherit: `children=False` gives them the `LD_PRELOAD` that was there before the launcher's.
//!
//! Context: constructor only, before the host has other threads. The strings of the environment are edited in place, in
//! the memory where the kernel has put them; nothing is allocated and libc's environment lock is not needed.
#![allow(unsafe_code)]

use core::ffi::{CStr, c_char};

use crate::sys::at_start;

/// The environment block of the process.
pub(crate) struct Environment(*mut *mut c_char);

impl Environment {
    /// The block as the loader left it.
    pub(crate) fn of_process() -> Self {
        unsafe extern "C" {
            static mut environ: *mut *mut c_char;
        }
        // SAFETY: libc's variable; read in the constructor, before the host has other threads.
        Environment(unsafe { environ })
    }

    /// The value of a variable, for as long as the host leaves its environment alone.
    #[cold]
    pub(crate) fn get(&self, name: &CStr) -> Option<&'static [u8]> {
        let (_, entry) = self.find(name)?;
        // SAFETY: the block ends its strings with NUL and lives as long as the process.
        let entry = unsafe { CStr::from_ptr(entry) }.to_bytes();
        entry.get(name.count_bytes() + 1..)
    }

    /// Puts the original `LD_PRELOAD` back, or removes the variable when there was none; and removes the note of it.
    pub(crate) fn restore_preload(&self) {
        match self.get(at_start::ORIGINAL_PRELOAD) {
            Some(original) if !original.is_empty() => self.shorten(at_start::PRELOAD, original),
            _ => self.remove(at_start::PRELOAD),
        }
        self.remove(at_start::ORIGINAL_PRELOAD);
    }

    /// The position and the text of the entry of `name`.
    fn find(&self, name: &CStr) -> Option<(*mut *mut c_char, *mut c_char)> {
        let mut slot = self.0;
        if slot.is_null() {
            return None;
        }
        loop {
            // SAFETY: the block ends with a null pointer, at which the loop stops.
            let entry = unsafe { *slot };
            if entry.is_null() {
                return None;
            }
            // SAFETY: each entry is a C string.
            let text = unsafe { CStr::from_ptr(entry) }.to_bytes();
            if text.strip_prefix(name.to_bytes()).is_some_and(|rest| rest.first() == Some(&b'=')) {
                return Some((slot, entry));
            }
            // SAFETY: this entry was not the last.
            slot = unsafe { slot.add(1) };
        }
    }

    /// Takes the entry of `name` out of the block.
    fn remove(&self, name: &CStr) {
        let Some((mut slot, _)) = self.find(name) else { return };
        loop {
            // SAFETY: the entries up to the null pointer move down by one; the null moves last.
            let following = unsafe {
                let following = *slot.add(1);
                *slot = following;
                following
            };
            if following.is_null() {
                return;
            }
            // SAFETY: not the last entry.
            slot = unsafe { slot.add(1) };
        }
    }

    /// Replaces the value of `name` by one that is not longer; a longer one is left alone.
    fn shorten(&self, name: &CStr, value: &[u8]) {
        let (Some((_, entry)), Some(current)) = (self.find(name), self.get(name)) else { return };
        if value.len() > current.len() {
            return;
        }
        // SAFETY: the old value is at least as long, so value and NUL fit into its place; they may not overlap, but copy
        // in order is what `copy` does.
        unsafe {
            let place = entry.add(name.count_bytes() + 1).cast::<u8>();
            core::ptr::copy(value.as_ptr(), place, value.len());
            *place.add(value.len()) = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &[&str], after: &[&str]) {
        let mut strings: Vec<Vec<u8>> = before.iter().map(|text| [text.as_bytes(), b"\0"].concat()).collect();
        let mut block: Vec<*mut c_char> = strings.iter_mut().map(|text| text.as_mut_ptr().cast()).collect();
        block.push(core::ptr::null_mut());
        Environment(block.as_mut_ptr()).restore_preload();
        let left: Vec<String> = block
            .iter()
            .take_while(|entry| !entry.is_null())
            // SAFETY: the entries point to the strings above.
            .map(|entry| unsafe { CStr::from_ptr(*entry) }.to_str().unwrap().to_owned())
            .collect();
        assert_eq!(left, after);
    }

    #[test]
    fn the_original_preload_comes_back() {
        let note = format!("{}=/b.so", manhole_options::ORIGINAL_PRELOAD_VARIABLE);
        check(&["A=1", "LD_PRELOAD=/libmanhole.so:/b.so", &note, "B=2"], &["A=1", "LD_PRELOAD=/b.so", "B=2"]);
        check(&["LD_PRELOAD=/libmanhole.so", "A=1"], &["A=1"]);
        check(&["A=1"], &["A=1"]);
    }
}
