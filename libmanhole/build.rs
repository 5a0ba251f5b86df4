//! Build script: keeps `libgcc_s.so.1` out of the agent's NEEDED entries, and what a start touches in few pages.
//!
//! Rust's std asks the linker for `-lgcc_s`. A linker script of that name, first on the search path, answers with the
//! static unwinder instead. Without it a root file system that lacks libgcc_s could not start any preloaded program,
//! and each exec would pay about 100 microseconds for one more library.

use std::{env, fs, io, path::PathBuf};

/// The agent's thread is unknown to glibc: `sys/x86_64.rs` answers for its thread-local storage.
const WRAP: &str = "-Wl,--wrap=__tls_get_addr";

/// What a start touches, as few pages as can be: each costs more than what is done there.
///
/// The agent asks for no arguments of the program's: std's constructor that keeps them for `std::env::args` is left out. What runs in the constructor and at the
/// end is marked `#[cold]`; of this crate (both manglings have its name with the length in front) it stands together, in sixteen aligned pages: so many the
/// kernel maps around the one that is touched. It goes by addresses in memory, so this holds where it puts large libraries at large boundaries; elsewhere
/// it may be two lots. The word of zeroes ends the call frame information, as the start files' would.
const START: &str = "
SECTIONS { /DISCARD/ : { *(.init_array.00099) } } INSERT BEFORE .init_array;
SECTIONS { .eh_frame_end : { LONG(0) } } INSERT AFTER .eh_frame;
SECTIONS {
  .text.manhole_start : {
    . = ALIGN(65536);
    *(.text.startup .text.startup.*) *(.text.unlikely.*7manhole*) *(.text.*from_bytes_until_nul*)
  }
} INSERT AFTER .text;
";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        return Err(io::Error::other("OUT_DIR is not set: this script is run by cargo"));
    };
    fs::write(out.join("libgcc_s.so"), "INPUT(-lgcc_eh -lgcc)\n")?;
    println!("cargo:rustc-link-search=native={}", out.display());
    let script = out.join("start.ld");
    fs::write(&script, START)?;
    match linker_without_scripts() {
        Some(linker) => println!(
            "cargo:warning={linker} does not know linker scripts: a start touches more pages than with lld or bfd"
        ),
        None => println!("cargo:rustc-cdylib-link-arg=-T\ncargo:rustc-cdylib-link-arg={}", script.display()),
    }
    for flag in [
        // No constructor and no destructor of the C compiler's own: each is pages of code that a start or an end touches for nothing.
        "-nostartfiles",
        "-Wl,-z,now",
        "-Wl,-z,relro",
        "-Wl,-z,noexecstack",
        "-Wl,-z,nodelete",
        "-Wl,-soname,libmanhole.so",
        WRAP,
    ] {
        println!("cargo:rustc-cdylib-link-arg={flag}");
    }
    Ok(())
}

/// The linker that the flags for rustc name, if it is one that refuses [`START`]; all else of the library does not depend on it.
fn linker_without_scripts() -> Option<&'static str> {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    ["mold", "gold"].into_iter().find(|linker| flags.contains(linker))
}
