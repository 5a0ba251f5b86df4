//! Starts a program with `libmanhole.so` preloaded: checks first that this can work, sets the environment, and
//! executes the program in this very process, which keeps its pid.
//!
//! Runs in the launcher. The program must start exactly as it would without us but for the environment: descriptors,
//! signal dispositions and the signal mask pass through untouched. That is why there is no Rust `main`: its start-up
//! code sets SIGPIPE to ignored, which an exec hands on, and safe code cannot set it back.

#![cfg_attr(not(test), no_main)]

// In the order of the flow: what is asked for, the library, the program, the environment, the exec.
mod announce;
mod args;
mod environment;
mod launch;
mod library;
mod preload;
mod privilege;
mod program;
mod refusal;
mod script;
mod search;
mod settings;
mod target;

/// The C entry. The standard library's arguments work without its own start-up: glibc hands them to it.
#[cfg(not(test))]
#[allow(unsafe_code, reason = "the entry needs its C name; see the top of this file")]
// SAFETY: this program defines no other `main`.
#[unsafe(no_mangle)]
pub extern "C" fn main(_count: i32, _arguments: *const *const u8) -> i32 {
    start()
}

#[cfg(test)]
fn main() {
    start();
}

fn start() -> i32 {
    let code = match launch::run(std::env::args_os()) {
        Ok(code) => code,
        Err(refusal) => {
            eprintln!("{refusal}");
            refusal.code
        }
    };
    // Unlike a return, this flushes what is still in stdout's buffer.
    std::process::exit(code)
}
