//! Builds victims on demand, once a run, into `target/victims`. Runs in the test process.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::place;

/// The flags that victims are built with unless a test asks for others.
pub const USUAL: &[&str] = &["-O2", "-g"];

/// The C victim `tests/victims/NAME.c`, built with the usual flags.
///
/// # Panics
/// When it does not compile.
#[must_use]
pub fn c(name: &str) -> PathBuf {
    c_with(name, USUAL)
}

/// The C victim with flags of the test's choice; each choice is a build of its own.
///
/// # Panics
/// When it does not compile.
#[must_use]
pub fn c_with(name: &str, flags: &[&str]) -> PathBuf {
    compile("gcc", &format!("{name}.c"), &output_name(name, flags), flags, &["-lpthread", "-ldl", "-lrt", "-lutil"])
}

/// The C++ victim `tests/victims/NAME.cpp`; `None` when there is no C++ compiler and none could be installed.
///
/// # Panics
/// When it does not compile.
#[must_use]
pub fn cpp(name: &str, flags: &[&str]) -> Option<PathBuf> {
    if !crate::requires::installed("g++", "g++") {
        return None;
    }
    let mut all = vec!["-std=c++17"];
    all.extend(flags);
    Some(compile("g++", &format!("{name}.cpp"), &output_name(name, flags), &all, &["-lpthread"]))
}

/// The C++ victim with LLVM's library, by clang; `None` when one of them is missing and could not be installed.
///
/// # Panics
/// When it does not compile.
#[must_use]
pub fn libcxx(name: &str, flags: &[&str]) -> Option<PathBuf> {
    let is_there = crate::requires::installed("clang++", "clang")
        && crate::requires::installed_file("/usr/include/c++/v1/vector", "libc++-dev")
        && crate::requires::installed_file("/usr/lib/x86_64-linux-gnu/libc++abi.so", "libc++abi-dev");
    if !is_there {
        return None;
    }
    // Version 14 lacks a function of strings that optimized programs of C++17 need.
    let mut all = vec!["-stdlib=libc++", "-std=c++20"];
    all.extend(flags);
    let output = output_name(&format!("{name}_libcxx"), flags);
    Some(compile("clang++", &format!("{name}.cpp"), &output, &all, &["-lpthread"]))
}

/// The C++ victim by clang, with the C++ library that gcc has.
///
/// # Panics
/// When it does not compile.
#[must_use]
pub fn by_clang(name: &str, flags: &[&str]) -> PathBuf {
    let mut all = vec!["-std=c++17"];
    all.extend(flags);
    let output = output_name(&format!("{name}_clang"), flags);
    compile("clang++", &format!("{name}.cpp"), &output, &all, &["-lpthread"])
}

/// The Rust victim `tests/victims/NAME.rs`, a single file.
///
/// # Panics
/// When it does not compile.
#[must_use]
pub fn rust(name: &str, flags: &[&str]) -> PathBuf {
    let mut all = vec!["--edition=2021"];
    all.extend(flags);
    compile("rustc", &format!("{name}.rs"), &output_name(&format!("{name}_rs"), flags), &all, &[])
}

/// `locks.c` with its plugin beside it; `glibc`: with glibc's malloc instead of its own.
///
/// # Panics
/// When it does not compile.
#[must_use]
pub fn locks(glibc: bool) -> PathBuf {
    compile("gcc", "locks.c", "locks_plugin.so", &["-O2", "-g", "-shared", "-fPIC", "-DPLUGIN"], &[]);
    // -rdynamic: the plugin calls back into the program.
    if glibc {
        compile("gcc", "locks.c", "locks_glibc", &["-O2", "-g", "-rdynamic", "-DGLIBC_MALLOC"], &["-lpthread", "-ldl"])
    } else {
        compile("gcc", "locks.c", "locks", &["-O2", "-g", "-rdynamic"], &["-lpthread", "-ldl"])
    }
}

/// The Rust victim `tests/victims/pool_rs`, built by cargo with debug information.
///
/// # Panics
/// When it does not compile.
#[must_use]
pub fn pool_rs() -> PathBuf {
    once("pool_rs", || {
        let crate_directory = place::tests().join("victims/pool_rs");
        let target = place::target().join("victims/pool_rs.target");
        let output = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
            .args(["build", "--release", "--locked", "--quiet"])
            .current_dir(crate_directory)
            .env("CARGO_TARGET_DIR", &target)
            .output()
            .expect("start cargo");
        assert!(output.status.success(), "pool_rs: {}", String::from_utf8_lossy(&output.stderr));
        target.join("release/pool_rs").canonicalize().expect("pool_rs")
    })
}

/// A script that is not compiled.
#[must_use]
pub fn script(name: &str) -> PathBuf {
    place::tests().join("victims").join(name)
}

fn output_name(name: &str, flags: &[&str]) -> String {
    if flags == USUAL {
        return name.to_owned();
    }
    let suffix: String = flags.concat().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    name.to_owned() + &suffix
}

fn compile(compiler: &str, source: &str, output: &str, flags: &[&str], libraries: &[&str]) -> PathBuf {
    let source = place::tests().join("victims").join(source);
    let directory = place::target().join("victims");
    let output = directory.join(output);
    once(&output.to_string_lossy(), || {
        std::fs::create_dir_all(&directory).expect("make target/victims");
        if !newer(&output, &source) {
            // Under another name first: another test run may be starting the old one at this moment.
            let fresh = output.with_extension(format!("{}.new", std::process::id()));
            let result = Command::new(compiler).args(flags).arg("-o").arg(&fresh).arg(&source).args(libraries).output();
            let result = result.unwrap_or_else(|error| panic!("{compiler}: {error}"));
            assert!(result.status.success(), "{}: {}", source.display(), String::from_utf8_lossy(&result.stderr));
            std::fs::rename(&fresh, &output).expect("put the victim in its place");
        }
        output.canonicalize().expect("the victim")
    })
}

fn newer(output: &Path, source: &Path) -> bool {
    let time = |path: &Path| path.metadata().and_then(|data| data.modified()).ok();
    time(output).is_some_and(|built| built > time(source).unwrap_or(SystemTime::now()))
}

/// Builds each thing once a run, one after the other: the compilers share two cores.
fn once(key: &str, build: impl FnOnce() -> PathBuf) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = built.get(key) {
        return path.clone();
    }
    let path = build();
    built.insert(key.to_owned(), path.clone());
    path
}
