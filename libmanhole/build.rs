//! Build script: keeps `libgcc_s.so.1` out of the agent's NEEDED entries.
//!
//! Rust's std asks the linker for `-lgcc_s`. A linker script of that name, first on the search path, answers with the
//! static unwinder instead. Without it a root file system that lacks libgcc_s could not start any preloaded program,
//! and each exec would pay about 100 microseconds for one more library.

use std::{env, fs, io, path::PathBuf};

/// The agent's thread is unknown to glibc: `sys/x86_64.rs` answers for its thread-local storage.
const WRAP: &str = "-Wl,--wrap=__tls_get_addr";

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let Some(out) = env::var_os("OUT_DIR").map(PathBuf::from) else {
        return Err(io::Error::other("OUT_DIR is not set: this script is run by cargo"));
    };
    fs::write(out.join("libgcc_s.so"), "INPUT(-lgcc_eh -lgcc)\n")?;
    println!("cargo:rustc-link-search=native={}", out.display());
    for flag in [
        "-Wl,-z,now",
        "-Wl,-z,relro",
        "-Wl,-z,noexecstack",
        "-Wl,-z,nodelete",
        "-Wl,-soname,libmanhole.so",
        // Cold functions, which the start is made of, stand together: fewer pages are touched. Ignored where the linker does so anyway.
        "-Wl,-z,keep-text-section-prefix",
        WRAP,
    ] {
        println!("cargo:rustc-cdylib-link-arg={flag}");
    }
    Ok(())
}
