//! Constants that each start reads, side by side: wherever the linker puts them otherwise, each is in another page, and the kernel maps fifteen more around it.
//!
//! Context: any. Constant memory.

use core::ffi::CStr;

/// The bytes of a text, and zeroes behind.
pub(super) const fn bytes<const N: usize>(text: &str) -> [u8; N] {
    let (mut bytes, mut n) = ([0; N], 0);
    while n < text.len() {
        bytes[n] = text.as_bytes()[n];
        n += 1;
    }
    bytes
}

/// Defines texts, in the section that they share.
macro_rules! texts {
    ($($(#[$about:meta])* $name:ident = $text:expr;)*) => {
        $(
            $(#[$about])*
            pub(crate) const $name: &CStr = {
                #[unsafe(link_section = ".rodata.manhole_start")]
                static BYTES: [u8; $text.len() + 1] = bytes($text);
                match CStr::from_bytes_with_nul(&BYTES) {
                    Ok(text) => text,
                    Err(_) => c"",
                }
            };
        )*
    };
}

texts! {
    /// The variable that has the options.
    OPTIONS = manhole_options::OPTIONS_VARIABLE;
    /// The variable that has those of Python's manhole.
    PYTHON_OPTIONS = manhole_options::PYTHON_VARIABLE;
    /// The variable that names the libraries to preload (ld.so(8)).
    PRELOAD = "LD_PRELOAD";
    /// The variable in which the launcher keeps what it was before.
    ORIGINAL_PRELOAD = manhole_options::ORIGINAL_PRELOAD_VARIABLE;
    /// The path that stands for a descriptor itself (AT_EMPTY_PATH).
    NOTHING = "";
    /// The root directory.
    ROOT = "/";
    /// Where the socket is, unless the options say otherwise.
    SOCKET_PATH = "/tmp/manhole-{pid}";
    /// A function that [`super::next`] looks for, beside those of its table.
    MINIMAL_STACK = "__pthread_get_minstack";
}
