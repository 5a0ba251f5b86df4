//! Text of bounded length without allocation: paths, log lines.
//!
//! Context: any, signal handlers included. Text that does not fit is cut at the end, never an error.

use core::ffi::CStr;
use core::fmt::{self, Write};

/// Rows of texts as one text, in which a NUL ends each: of a table of texts the loader has to write each address, whenever a
/// program starts.
macro_rules! joined {
    ($(($($text:literal),+)),* $(,)?) => { concat!($($($text, "\0",)+)*) };
}
pub(crate) use joined;

/// Up to `N - 1` bytes of text and a terminating NUL. The length stands before them: a short text touches nothing behind it.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Text<const N: usize> {
    len: usize,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    pub(crate) const fn new() -> Self {
        Text { len: 0, bytes: [0; N] }
    }

    /// Forgets the text.
    pub(crate) fn clear(&mut self) {
        self.bytes.get_mut(..self.len).unwrap_or_default().fill(0);
        self.len = 0;
    }

    /// Appends what fits.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let room = self.bytes.get_mut(self.len..N.saturating_sub(1)).unwrap_or_default();
        let count = room.len().min(bytes.len());
        for (slot, byte) in room.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        self.len += count;
    }

    /// Appends a number in decimal. A start that formats nothing leaves the pages of the formatting alone.
    pub(crate) fn push_number(&mut self, number: u32) {
        let mut digits = [0; 10];
        let (mut rest, mut first) = (number, digits.len());
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            (rest, first) = (rest / 10, first - 1);
            if rest == 0 {
                break;
            }
        }
        self.push(digits.get(first..).unwrap_or_default());
    }

    /// Appends formatted text, as much as fits.
    pub(crate) fn push_fmt(&mut self, what: fmt::Arguments<'_>) {
        let _ = self.write_fmt(what);
    }

    /// The bytes so far.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The text up to its first NUL, as a C string.
    pub(crate) fn as_c_str(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

impl<const N: usize> Write for Text<N> {
    #[cold]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Lossy(self.as_bytes()).fmt(f)
    }
}

/// Bytes that are mostly UTF-8, shown.
pub(crate) struct Lossy<'t>(pub(crate) &'t [u8]);

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            f.write_str(chunk.valid())?;
            if !chunk.invalid().is_empty() {
                f.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal() {
        for number in [0, 7, 10, 4_194_304, u32::MAX] {
            let mut text = Text::<16>::new();
            text.push_number(number);
            assert_eq!(text.as_bytes(), number.to_string().as_bytes());
        }
    }

    #[test]
    fn what_does_not_fit_is_cut() {
        let mut text = Text::<8>::new();
        text.push_fmt(format_args!("{}-{}", "abc", 123456));
        assert_eq!(text.as_bytes(), b"abc-123");
        assert_eq!(text.as_c_str().to_bytes(), b"abc-123");
    }
}
