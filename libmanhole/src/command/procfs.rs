//! Files and links below `/proc`, by formatted paths.
//!
//! Context: the agent's thread.

use core::fmt::Arguments;

use crate::sys::{self, fd};
use crate::text::Text;

/// What a file of `/proc` may have at most; longer ones are cut.
const LIMIT: usize = 16 << 20;

fn path(path: Arguments<'_>) -> Text<128> {
    let mut text = Text::new();
    text.push_fmt(path);
    text
}

/// The content of a file as text; what is not UTF-8 is replaced.
pub(super) fn text(name: Arguments<'_>) -> sys::Result<String> {
    text_up_to(name, LIMIT)
}

/// The first `limit` bytes of a file (rounded up to pages) as text.
pub(super) fn text_up_to(name: Arguments<'_>, limit: usize) -> sys::Result<String> {
    fd::read_file(path(name).as_c_str(), limit).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The target of a link.
pub(super) fn link(name: Arguments<'_>) -> sys::Result<String> {
    let mut buffer = [0; 4096];
    let target = fd::read_link(path(name).as_c_str(), &mut buffer)?;
    Ok(String::from_utf8_lossy(target).into_owned())
}

/// Type, mode, size and identity of what a link leads to, without opening it.
pub(super) fn stat(name: Arguments<'_>) -> sys::Result<fd::Stat> {
    fd::Fd::open(path(name).as_c_str(), libc::O_PATH)?.stat()
}

/// The ids of the threads, or the numbers of the descriptors, that a directory lists.
pub(super) fn numbers(name: Arguments<'_>) -> sys::Result<Vec<i32>> {
    sys::directory::numbers(path(name).as_c_str())
}

/// The value of a `Name:\tvalue` line in a status file.
pub(super) fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

/// A field of hexadecimal digits, such as a signal set.
pub(super) fn hex_field(text: &str, name: &str) -> Option<u64> {
    u64::from_str_radix(field(text, name)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_of_this_process() {
        let status = text(format_args!("/proc/thread-self/status")).unwrap();
        assert_eq!(field(&status, "Pid").unwrap().parse(), Ok(sys::process::tid()));
        assert!(hex_field(&status, "SigBlk").is_some());
        assert_eq!(field(&status, "Nothing"), None);
    }
}
