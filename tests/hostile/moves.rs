//! Hosts that move after their start: to another root, into namespaces, to other rights, under limits, into the background. The manhole stays
//! reachable where its socket was made, and the host gets every answer that it would get without us.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use manhole_tests::other_user::ForAll;
use manhole_tests::text::{self, value};
use manhole_tests::victim::{Host, Victim, socket_of};
use manhole_tests::{PATIENCE, TextClient, requires, turn, victims, wait_for};

const OPTIONS: [&str; 2] = ["", "thread=True"];

fn is_root() -> bool {
    let is = nix::unistd::geteuid().is_root();
    if !is {
        requires::missing("root, to change roots, namespaces and rights");
    }
    is
}

fn host(options: &str) -> Host {
    Host::new(victims::c("moves")).options(options)
}

/// A whole session: the stack, and the commands that look at files.
fn answers(victim: &Victim, socket: &Path, what: &str) {
    let stream = wait_for("the manhole", PATIENCE, || UnixStream::connect(socket).ok());
    drop(stream);
    let mut client = TextClient::connect(socket);
    let greeting = client.until_prompt();
    assert!(greeting.contains(", in main"), "{what}: {greeting} {}", victim.log());
    for (line, part) in [
        ("bt all", " in main "),
        ("info threads", "moves"),
        ("info sharedlibrary", "libc.so.6"),
        ("info fds", "pipe:"),
        ("info limits", "open files"),
        ("info env", "LD_PRELOAD"),
        ("info signals", "SIGTERM"),
        ("info maps", "moves"),
        ("print 6*7", "42"),
        ("disassemble main", "ret"),
        ("x/2i $pc", "=> 0x"),
    ] {
        let answer = client.run(line);
        assert!(answer.contains(part), "{what}: {line}: {answer} {}", victim.log());
    }
    // No thread can begin any more in a process whose children get ids of another namespace: none that would make the call.
    if !what.contains("unshare pid") {
        let answer = client.run("print (int)getppid() > 0");
        assert!(answer.ends_with(" = 1\n"), "{what}: {answer} {}", victim.log());
    }
    client.end();
}

/// Without us, and with each way of being there: the same answer; and sessions before and after.
fn moves(line: &str) {
    let mut bare = Host::without_manhole(victims::c("moves")).ready();
    let expected = bare.ask(line);
    assert!(bare.finish().1.success());
    for options in OPTIONS {
        for visited in [false, true] {
            let what = format!("{line:?}, {options:?}, visited before: {visited}");
            let mut victim = host(options).ready();
            if visited {
                answers(&victim, &victim.socket(), &what);
            }
            assert_eq!(victim.ask(line), expected, "{what}: {}", victim.log());
            answers(&victim, &victim.socket(), &what);
            let (_, status) = victim.finish();
            assert!(status.success(), "{what}: {status:?}");
            let _ = std::fs::remove_file(victim.socket());
        }
    }
}

/// A root with nothing in it.
fn empty_root() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn to_another_root() {
    let _turn = turn::shared();
    if is_root() {
        let root = empty_root();
        moves(&format!("root {}", root.path().display()));
    }
}

/// Sooner than its manhole was to open: it opens where people look for it.
#[test]
fn a_forked_child_goes_to_another_root_at_once() {
    let _turn = turn::shared();
    if !is_root() {
        return;
    }
    let root = empty_root();
    for options in ["", "thread=True"] {
        let mut victim = Host::new(victims::c("moves")).options(options).ready();
        let said = victim.ask(&format!("child {}", root.path().display()));
        assert_eq!(value(&said, "result"), Some(0), "{options}: {said}");
        let child = socket_of(value(&said, "pid").unwrap().try_into().unwrap());
        answers(&victim, &child, options);
        // It could not remove its socket itself: that stands in the old root.
        victim.say("leave");
        assert!(victim.ended().success(), "{options}");
        assert!(!child.exists() && !victim.socket().exists(), "{options}");
    }
}

#[test]
fn to_another_root_by_a_mount() {
    let _turn = turn::shared();
    if is_root() {
        let root = empty_root();
        moves(&format!("pivot {}", root.path().display()));
    }
}

#[test]
fn into_namespaces() {
    let _turn = turn::shared();
    if is_root() {
        // Users have no numbers in a new namespace of theirs until it has a map: see `thread_free`.
        for kind in ["mount", "net", "ipc", "uts", "pid"] {
            moves(&format!("unshare {kind}"));
        }
    }
}

/// Nothing of ours is in the process's table that leads out of a root.
#[test]
fn nobody_gets_out() {
    let _turn = turn::shared();
    if !is_root() {
        return;
    }
    let root = empty_root();
    let line = format!("jail {}", root.path().display());
    let mut bare = Host::without_manhole(victims::c("moves")).ready();
    assert_eq!(bare.ask(&line), "jail found=0 out=0");
    for options in OPTIONS {
        let mut victim = host(options).ready();
        assert_eq!(victim.ask(&line), "jail found=0 out=0", "{options:?}");
        // Where nothing is left to tell of the threads, that is said, and the rest goes on.
        let mut client = TextClient::connect(&victim.socket());
        let answers = client.until_prompt() + &client.run("bt all") + &client.run("print 6*7");
        let is_told = answers.contains("cannot list the threads") || answers.contains(" in main ");
        assert!(is_told && answers.contains("$1 = 42"), "{options:?}: {answers} {}", victim.log());
        assert_eq!(answers.contains(" in main "), options == "thread=True", "{answers}");
    }
}

#[test]
fn the_old_file_system_can_be_unmounted() {
    let _turn = turn::shared();
    if !is_root() {
        return;
    }
    let root = empty_root();
    moves(&format!("unmount {}", root.path().display()));
}

/// What was open goes on, and what is asked for later is where it was.
#[test]
fn a_client_is_there_when_the_root_goes() {
    let _turn = turn::shared();
    if !is_root() {
        return;
    }
    let root = empty_root();
    for line in ["root", "pivot"] {
        let mut victim = host("").ready();
        let (mut client, _) = victim.text();
        assert_eq!(victim.ask(&format!("{line} {}", root.path().display())), format!("{line} result=0"));
        for (line, part) in [("bt all", " in main "), ("info threads", "moves"), ("info symbol main", "main in ")] {
            assert!(client.run(line).contains(part), "{line}");
        }
        client.end();
        answers(&victim, &victim.socket(), line);
        assert!(victim.finish().1.success());
        let _ = std::fs::remove_file(victim.socket());
    }
}

/// A child that shares the memory of a process and has no errno, with and without a manhole there.
#[test]
fn a_child_without_thread_local_storage_goes_to_another_root() {
    let _turn = turn::shared();
    if !is_root() {
        return;
    }
    for options in ["", "thread=True", "off"] {
        let mut victim = Host::new(victims::c("jailer")).options(options).start();
        assert_eq!(victim.line(), "child status=0x500 root=0", "{options}");
        assert!(victim.finish().1.success(), "{options}");
    }
}

/// Every order of what may be done to the rights of a process, in children that have manholes: the same answers as without us.
#[test]
fn rights_in_every_order() {
    let _turn = turn::shared();
    if !is_root() {
        return;
    }
    let mut bare = Host::without_manhole(victims::c("moves")).ready();
    let expected = bare.ask("rights");
    assert!(expected.starts_with("rights orders=720 wrong=0"), "{expected}");
    for options in ["reinstall_delay=0", "reinstall_delay=0, thread=True"] {
        let mut victim = host(options).ready();
        victim.answers();
        victim.say("rights");
        assert_eq!(victim.line_within(PATIENCE * 4), expected, "{options}: {}", victim.log());
        assert!(victim.finish().1.success());
    }
}

#[test]
fn not_dumpable_any_more() {
    let _turn = turn::shared();
    moves("undumpable");
}

/// The socket keeps the file system busy that it lies on (unmounting is refused), until the manhole is taken out.
#[test]
fn a_file_system_that_is_to_be_unmounted() {
    let _turn = turn::shared();
    if !is_root() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let mount =
        |arguments: &[&str]| assert!(Command::new(arguments[0]).args(&arguments[1..]).status().unwrap().success());
    let path = place.path().to_str().unwrap();
    mount(&["mount", "-t", "tmpfs", "none", path]);
    let socket: PathBuf = place.path().join("socket");
    let mut victim = host(&format!("socket_path='{}'", socket.display())).ready();
    wait_for("the socket", PATIENCE, || socket.exists().then_some(()));
    assert_eq!(victim.ask(&format!("busy {path}")), format!("busy result={}", libc::EBUSY));
    let mut client = TextClient::connect(&socket);
    client.until_prompt();
    client.send(b"call (int)manhole_uninstall()\n").unwrap();
    client.until_end();
    wait_for("the end of the socket", PATIENCE, || (!socket.exists()).then_some(()));
    wait_for("the file system to be free", PATIENCE, || {
        (victim.ask(&format!("busy {path}")) == "busy result=0").then_some(())
    });
    assert!(victim.finish().1.success());
}

/// As little memory as the host itself needs may be locked.
#[test]
fn all_memory_locked() {
    let _turn = turn::shared();
    let Some(all) = ForAll::new() else { return };
    let program = all.program(&victims::c("moves"));
    // Not as root, whose memory is not limited.
    let locked = |host: Host, bytes: u64| {
        let mut victim = host.user(65534, 65534).arg(bytes.to_string()).ready();
        let answer = victim.ask("locked");
        (answer, victim)
    };
    let (answer, _) = locked(Host::without_manhole(&program), 8 << 20);
    assert_eq!(answer, "locked result=0 mapped=1", "needs RLIMIT_MEMLOCK of 8 MiB");
    let (answer, mut victim) = locked(Host::new(&program).library(&all.library), 8 << 20);
    assert_eq!(answer, "locked result=0 mapped=1", "{}", victim.log());
    // Our own memory may be refused now, and nothing comes of that but a line.
    let stream = UnixStream::connect(victim.socket()).unwrap();
    drop(stream);
    assert!(victim.finish().1.success(), "{}", victim.log());
}

#[test]
fn into_the_background() {
    let _turn = turn::shared();
    for options in ["reinstall_delay=0", "thread=True, reinstall_delay=0"] {
        let mut victim = host(options).ready();
        victim.answers();
        let first = victim.socket();
        let daemon = victim.ask("daemon");
        let pid = i32::try_from(value(&daemon, "pid").unwrap()).unwrap();
        answers(&victim, &socket_of(pid), options);
        wait_for("the end of the first socket", PATIENCE, || (!first.exists()).then_some(()));
        victim.say("undumpable");
        assert_eq!(victim.line(), "undumpable result=0");
    }
}

/// A root without the library: the loader's word at each program is not ours to prevent, but by an option.
#[test]
fn programs_in_a_root_that_has_no_library() {
    let _turn = turn::shared();
    if !is_root() {
        return;
    }
    let root = empty_root();
    let copied = root_with(root.path(), "/bin/true");
    for (options, is_silent) in [("", false), ("children=False", true)] {
        let mut victim = host(options).ready();
        assert_eq!(victim.ask(&format!("root {}", root.path().display())), "root result=0");
        assert_eq!(victim.ask(&format!("spawn {}", copied.display())), "spawn status=0", "{}", victim.log());
        assert_eq!(!victim.log().contains("cannot be preloaded"), is_silent, "{options}: {}", victim.log());
        let _ = std::fs::remove_file(victim.socket());
    }
}

/// A root with nothing but the C library: what is preloaded there needs nothing else.
#[test]
fn a_root_with_nothing_but_the_c_library() {
    let _turn = turn::shared();
    if !is_root() {
        return;
    }
    let root = empty_root();
    let copied = root_with(root.path(), victims::c("moves").to_str().unwrap());
    std::fs::create_dir_all(root.path().join("tmp")).unwrap();
    std::fs::copy(manhole_tests::place::library(), root.path().join("libmanhole.so")).unwrap();
    let env = root_with(root.path(), "/usr/bin/env");
    let launched =
        Host::without_manhole("chroot").arg(root.path()).arg(env).arg("LD_PRELOAD=/libmanhole.so").arg(&copied);
    let victim = launched.ready();
    let socket = root.path().join("tmp").join(format!("manhole-{}", victim.pid()));
    let mut client = TextClient::connect(&socket);
    let greeting = client.until_prompt();
    assert!(greeting.contains(", in main"), "{greeting}");
    let stacks = text::backtraces(&client.run("bt all"));
    assert!(stacks[&victim.pid()].iter().any(|function| function == "main"), "{stacks:?}");
    client.end();
}

/// Copies a program and the libraries that it needs to where they are found below `root`; the program's path there.
fn root_with(root: &Path, program: &str) -> PathBuf {
    let output = Command::new("ldd").arg(program).output().unwrap();
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain([program]) {
        let place = root.join(file.trim_start_matches('/'));
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(file, place).unwrap();
    }
    PathBuf::from(program)
}

/// A namespace of process ids whose `/proc` is that of another one: the ids there are not those of the process's threads.
#[test]
fn a_proc_of_another_namespace() {
    let _turn = turn::shared();
    let Some(all) = ForAll::new() else { return };
    let program = all.program(&victims::c_with("company", &["-O1", "-g"]));
    let directory = program.parent().unwrap().to_owned();
    let option = format!("socket_path='{}/{{pid}}', verbose=True, reinstall_delay=0", directory.display());
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).unwrap();
    let inside = |user: &[&str]| {
        let environment = format!("MANHOLE={option}");
        let preload = format!("LD_PRELOAD={}", all.library.display());
        let host = Host::without_manhole("unshare").args(["--pid", "--fork", "--kill-child"]).args(user);
        let mut victim = host.args(["env", &environment, &preload]).arg(&program).args(["coroutine", "8192"]).ready();
        let socket = directory.join("1");
        wait_for("the manhole", PATIENCE, || UnixStream::connect(&socket).ok());
        let mut client = TextClient::connect(&socket);
        let answers = client.until_prompt() + &client.run("bt all") + &client.run("print 6*7");
        client.end();
        assert!(victim.ask("how much").ends_with("wrong=0"));
        let log = victim.log();
        assert!(victim.finish().1.success(), "{log}");
        let _ = std::fs::remove_file(socket);
        (answers, log)
    };
    // Who may mount one has one.
    let (answers, log) = inside(&[]);
    for part in ["ProcessID=1, ThreadID=1,", " in counts ", "Thread 1 (LWP 1)", "\"Manhole\" (manhole)", "$1 = 42"] {
        assert!(answers.contains(part), "{part}: {answers} {log}");
    }
    // Nobody else is shown the stack of one thread as that of another.
    let (answers, _) = inside(&["setpriv", "--reuid=65534", "--clear-groups", "--inh-caps=-all"]);
    let why = "cannot list the threads: the ids in /proc are those of another namespace";
    assert!(answers.contains(why) && answers.contains("$1 = 42"), "{answers}");
    assert!(!answers.contains(" in counts "), "{answers}");
}
