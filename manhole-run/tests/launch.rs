//! The launcher as its users meet it: the built binary starts real programs with a stand-in for libmanhole.so.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use house::{DEADLINE, House, LAUNCHER, bare, compile, run};
use tempfile::TempDir;

// A test module, so that the lints know its helpers for tests.
#[cfg(test)]
mod house;

/// The value of a variable in the output of env(1).
fn variable<'a>(output: &'a str, name: &str) -> Option<&'a str> {
    output.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

#[test]
fn the_program_runs_in_our_place_with_the_library() {
    let house = House::new();
    let script = "echo $$ \"$0\" \"$@\"; exit 42";
    let ended = run(house.launch().args(["sh", "-c", script, "name", "--verbose", "--", "it's"]));
    assert_eq!(ended.out, format!("{} name --verbose -- it's\n", ended.pid));
    assert_eq!((ended.code, ended.err.as_str()), (42, "loaded\n"));
    let ended = run(house.launch().args(["--", "sh", "-c", "kill -TERM $$"]));
    assert_eq!(ended.code, 128 + libc::SIGTERM);
}

#[test]
fn the_name_arrives_as_it_was_typed() {
    let house = House::new();
    let ended = run(house.launch().args(["sed", "-z", "-n", "1p", "/proc/self/cmdline"]));
    assert_eq!(ended.out, "sed\0");
}

#[test]
fn variables_are_set_for_the_program() {
    let house = House::new();
    let library = house.library.to_str().unwrap();
    let ended = run(house
        .launch()
        .env("LD_PRELOAD", "libm.so.6 libdl.so.2")
        .env("ASAN_OPTIONS", "color=never")
        .env("MANHOLE", "strict=False, verbose=True")
        .args(["--no-verbose", "--no-children", "--oneshot-on", "usr2", "--locals", "pool=&g_pool", "env"]));
    let get = |name| variable(&ended.out, name);
    let preload = format!("{library}:libm.so.6 libdl.so.2");
    assert_eq!(get("LD_PRELOAD"), Some(preload.as_str()));
    assert_eq!(get("MANHOLE_ORIGINAL_LD_PRELOAD"), Some("libm.so.6 libdl.so.2"));
    assert_eq!(get("MANHOLE"), Some(r#"strict=False, oneshot_on="USR2", locals={"pool": "&g_pool"}, children=False"#));
    assert_eq!(get("ASAN_OPTIONS"), Some("color=never:verify_asan_link_order=0"));
    assert_eq!((ended.code, ended.err.as_str()), (0, "loaded\n"));
}

#[test]
fn a_launch_within_a_launch_preloads_once() {
    let house = House::new();
    let library = house.library.to_str().unwrap();
    let ended = run(house.launch().env("LD_PRELOAD", "libm.so.6").arg(LAUNCHER).args(["--lib", library, "env"]));
    let preload = format!("{library}:libm.so.6");
    assert_eq!(variable(&ended.out, "LD_PRELOAD"), Some(preload.as_str()));
    assert_eq!(variable(&ended.out, "MANHOLE_ORIGINAL_LD_PRELOAD"), Some("libm.so.6"));
    assert_eq!(ended.err, "loaded\nloaded\n");
    assert_eq!(variable(&ended.out, "MANHOLE"), None);
}

#[test]
fn signals_and_descriptors_pass_through_untouched() {
    let house = House::new();
    // The thread of the stand-in would have glibc take signal 33 for itself.
    let quiet = compile(house.root.path(), "quiet.so", "", &["-shared", "-fPIC"]);
    let quiet = quiet.display();
    for before in ["", "trap '' PIPE;", "trap '' PIPE HUP USR1;", "exec <&-;", "exec <&- 9>/dev/null;"] {
        let through = |launcher: &str, what: &str| {
            let script = format!("{before} exec {launcher} {what}");
            run(bare("sh").args(["-c", &script])).out
        };
        let launcher = format!("'{LAUNCHER}' --lib '{quiet}'");
        for what in ["grep Sig[BI] /proc/self/status", "ls /proc/self/fd"] {
            let direct = through("", what);
            assert!(!direct.is_empty());
            assert_eq!(through(&launcher, what), direct, "{before} {what}");
        }
    }
}

#[test]
fn programs_that_cannot_have_a_manhole_are_not_started() {
    let house = House::new();
    let fixed = house.compile("static", &["-static"]);
    let script = house.script("script", &format!("#!{}\n", fixed.display()));
    let chain = house.script("chain", &format!("#!/usr/bin/env -S {}\n", script.display()));
    let musl = house.compile("musl", &["-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1"]);
    let foreign = house.compile("foreign", &[]);
    let mut bytes = fs::read(&foreign).unwrap();
    bytes[18] = 243;
    fs::write(&foreign, bytes).unwrap();
    for (path, said) in [
        (&fixed, "is statically linked"),
        (&script, "is a script for"),
        (&chain, "is a script for"),
        (&musl, "uses the musl C library"),
        (&foreign, "is a program for 64-bit RISC-V, and libmanhole.so is for"),
    ] {
        let ended = run(house.launch().arg(path));
        assert_eq!(ended.code, 125, "{}", ended.err);
        assert!(ended.err.starts_with("manhole-run: "), "{}", ended.err);
        assert!(ended.err.contains(said), "{}", ended.err);
        assert!(ended.err.lines().count() <= 2, "{}", ended.err);
        assert_eq!(ended.out, "");
    }
}

#[test]
fn programs_that_gain_privileges_are_not_started() {
    let house = House::new();
    let program = house.compile("program", &[]);
    let own = fs::metadata(&program).unwrap().uid();
    let path = if own == 0 {
        chown(&program, Some(65534), None).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o4755)).unwrap();
        program
    } else {
        // Only root can make such a program; every Debian has this one.
        PathBuf::from("/usr/bin/passwd")
    };
    let ended = run(house.launch().arg(path));
    assert_eq!(ended.code, 125, "{}", ended.err);
    assert!(ended.err.contains("is setuid to uid"), "{}", ended.err);
}

#[test]
fn programs_that_are_missing_or_not_executable_have_the_codes_of_a_shell() {
    let house = House::new();
    let plain = house.path("plain");
    fs::write(&plain, "text").unwrap();
    let lost = house.script("lost", "#!/nowhere/interpreter\n");
    let loaderless = house.compile("loaderless", &["-Wl,--dynamic-linker=/nowhere/ld-linux-x86-64.so.2"]);
    for (program, code, said) in [
        (Path::new("no-such-program-anywhere"), 127, "no-such-program-anywhere: command not found"),
        (Path::new("/no/such/program"), 127, "/no/such/program: no such file"),
        (&lost, 127, "a script for /nowhere/interpreter, which does not exist"),
        (&loaderless, 127, "its dynamic loader /nowhere/ld-linux-x86-64.so.2 does not exist here"),
        (&plain, 126, "plain: permission denied"),
        (house.root.path(), 126, "is a directory"),
    ] {
        let ended = run(house.launch().arg(program));
        assert_eq!(ended.code, code, "{}", ended.err);
        assert!(ended.err.contains(said), "{}", ended.err);
    }
}

#[test]
fn wrong_options_are_refused_before_anything_starts() {
    let house = House::new();
    for (words, inherited, said) in [
        (
            &["--options", "oneshoton='USR2'"][..],
            "",
            "manhole-run: --options: unknown option 'oneshoton' at column 1: >>>oneshoton<<<='USR2' (did you mean 'oneshot_on'?)\n",
        ),
        (&["--oneshot-on", "KILL"], "", "KILL (9) cannot be caught"),
        (&[], "verbose=maybe", "the inherited MANHOLE: 'maybe' is not a literal"),
        (&["--activate-on", "USR2"], "oneshot_on=12", "cannot both be USR2"),
        (&["--bogus"], "", "unexpected argument '--bogus'"),
    ] {
        let ended = run(house.launch().env("MANHOLE", inherited).args(words).args(["echo", "started"]));
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{}", ended.err);
        assert!(ended.err.contains(said), "{}", ended.err);
    }
}

#[test]
fn scripts_run_as_a_shell_would_run_them() {
    let house = House::new();
    for (name, text) in [
        ("with-line", "#!/bin/sh\necho \"$@\"\n"),
        ("by-env", "#!/usr/bin/env sh\necho \"$@\"\n"),
        ("without-line", "echo \"$@\"\n"),
    ] {
        let ended = run(house.launch().arg(house.script(name, text)).args(["a b", "c"]));
        assert_eq!((ended.code, ended.out.as_str()), (0, "a b c\n"), "{name}: {}", ended.err);
        assert!(ended.err.starts_with("loaded\n"), "{name}: {}", ended.err);
    }
}

#[test]
fn programs_built_with_sanitizers_start() {
    let house = House::new();
    let source = "#include <stdio.h>\n#include <stdlib.h>\n\
                  int main(void) { free(malloc(3)); puts(\"sane\"); return 7; }";
    for sanitizer in ["address", "thread", "undefined", "leak"] {
        let flag = format!("-fsanitize={sanitizer}");
        let program = compile(house.root.path(), sanitizer, source, &[&flag]);
        let ended = run(house.launch().arg(&program));
        assert_eq!((ended.code, ended.out.as_str()), (7, "sane\n"), "{sanitizer}: {}", ended.err);
        assert_eq!(ended.err, "loaded\n", "{sanitizer}");
        // So does one that a program without a sanitizer starts.
        let program = program.to_str().unwrap();
        let ended = run(house.launch().args(["sh", "-c", &format!("{program}; exit $?")]));
        assert_eq!((ended.code, ended.out.as_str()), (7, "sane\n"), "{sanitizer}: {}", ended.err);
    }
}

#[test]
fn the_library_is_found_beside_the_launcher_or_where_a_variable_says() {
    let house = House::new();
    for place in ["bin", "lib/libmanhole", "lib"] {
        let installed = TempDir::new_in(house.root.path()).unwrap();
        let launcher = installed.path().join("bin/manhole-run");
        fs::create_dir_all(installed.path().join("bin")).unwrap();
        fs::create_dir_all(installed.path().join(place)).unwrap();
        fs::copy(LAUNCHER, &launcher).unwrap();
        fs::copy(&house.library, installed.path().join(place).join("libmanhole.so")).unwrap();
        // A link to the launcher does not mislead it.
        let link = installed.path().join("link");
        symlink(&launcher, &link).unwrap();
        let ended = run(bare(link.to_str().unwrap()).arg("true"));
        assert_eq!((ended.code, ended.err.as_str()), (0, "loaded\n"), "{place}");
    }
    let alone = house.path("alone");
    fs::create_dir(&alone).unwrap();
    fs::copy(LAUNCHER, alone.join("manhole-run")).unwrap();
    let launcher = alone.join("manhole-run");
    let launcher = launcher.to_str().unwrap();
    let ended = run(bare(launcher).arg("true").env("MANHOLE_LIB", &house.library));
    assert_eq!((ended.code, ended.err.as_str()), (0, "loaded\n"));
    fs::remove_file(&house.library).unwrap();
    let ended = run(bare(launcher).arg("true"));
    assert_eq!(ended.code, 125);
    assert!(ended.err.contains("libmanhole.so was not found"), "{}", ended.err);
    assert!(ended.err.contains("--lib PATH"), "{}", ended.err);
}

#[test]
fn a_library_that_the_loader_would_not_find_is_refused() {
    let house = House::new();
    let spaced = house.path("a b");
    fs::create_dir(&spaced).unwrap();
    fs::copy(&house.library, spaced.join("libmanhole.so")).unwrap();
    let ended = run(bare(LAUNCHER).arg("--lib").arg(&spaced).args(["echo", "started"]));
    assert_eq!((ended.code, ended.out.as_str()), (125, ""));
    assert!(ended.err.contains("has a space in it"), "{}", ended.err);
}

#[test]
fn a_relative_library_is_found_from_everywhere() {
    let house = House::new();
    let ended = run(bare(LAUNCHER).current_dir(house.root.path()).args([
        "--lib",
        "libmanhole.so",
        "sh",
        "-c",
        "cd / && env true",
    ]));
    assert_eq!((ended.code, ended.err.as_str()), (0, "loaded\nloaded\nloaded\n"));
}

#[test]
fn check_prints_what_would_be_set_and_starts_nothing() {
    let house = House::new();
    let library = house.library.to_str().unwrap();
    let script = house.script("script", "#!/bin/sh\necho started\n");
    let ended = run(house.launch().args(["--check", "--options", "socket_path='/run/x'"]).arg(&script));
    let expected = format!(
        "# program: {}\n# run by: /bin/sh\n# socket: /run/x\n\
         # Not patching os.fork and os.forkpty. Using user socket path /run/x\n\
         LD_PRELOAD={library}\nMANHOLE='socket_path=\"/run/x\"'\n\
         MANHOLE_ORIGINAL_LD_PRELOAD=''\nASAN_OPTIONS=verify_asan_link_order=0\n",
        script.display()
    );
    assert_eq!((ended.code, ended.out), (0, expected), "{}", ended.err);
    let ended = run(house.launch().args(["--dry-run", "--options", "off"]));
    assert!(ended.out.starts_with("# manhole: off\nLD_PRELOAD="), "{}", ended.out);
    let fixed = house.compile("static", &["-static"]);
    assert_eq!(run(house.launch().arg("--check").arg(fixed)).code, 125);
}

#[test]
fn a_terminal_is_told_where_the_manhole_is() {
    let house = House::new();
    for (options, told) in [
        (["--socket-path", "/run/x-{pid}"], "/run/x-{pid}"),
        (["--activate-on", "USR2"], "/tmp/manhole-{pid}, opened by: manhole-cli -s USR2 {pid}"),
        (["--thread", "false"], "closed (thread=False): only the program itself can open it, by manhole_install()"),
    ] {
        let pty = nix::pty::openpty(None, None).unwrap();
        let mut child = house.launch().args(options).arg("true").stderr(Stdio::from(pty.slave)).spawn().unwrap();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut shown = Vec::new();
            // The terminal ends with an error once nobody holds its other side.
            let _ = File::from(pty.master).read_to_end(&mut shown);
            sender.send(String::from_utf8(shown).unwrap())
        });
        let shown = receiver.recv_timeout(DEADLINE).unwrap();
        let told = told.replace("{pid}", &child.id().to_string());
        assert_eq!(shown, format!("manhole: {told}\r\nloaded\r\n"));
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn help_is_complete_and_version_known() {
    let ended = run(bare(LAUNCHER).arg("--help"));
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    for said in ["--oneshot-on <SIGNAL>", "--no-children", "--check", "127", "cannot be entered yet", "Examples:"] {
        assert!(ended.out.contains(said), "{said}");
    }
    let ended = run(bare(LAUNCHER).arg("--version"));
    assert_eq!(ended.out, concat!("manhole-run ", env!("CARGO_PKG_VERSION"), "\n"));
    let ended = run(&mut bare(LAUNCHER));
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("PROGRAM"), "{}", ended.err);
}
