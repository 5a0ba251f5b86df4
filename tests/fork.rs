//! Children: which get a manhole of their own, and that all of them work as without us.

use std::os::unix::net::UnixStream;

use manhole_tests::victim::{Host, Victim, descriptors_of, socket_of};
use manhole_tests::{PATIENCE, TextClient, turn, victims, wait_for};

fn forker(argument: &str) -> Victim {
    Host::new(victims::c("forker")).arg(argument).options("verbose=True, reinstall_delay=0.1").ready()
}

/// The child that the answer `child NAME PID …` tells of.
fn child(answer: &str) -> i32 {
    assert!(answer.starts_with("child "), "{answer}");
    answer.split_whitespace().nth(2).unwrap().parse().unwrap()
}

fn answers(pid: i32) {
    let mut client = TextClient::connect(&socket_of(pid));
    let greeting = client.until_prompt();
    assert!(greeting.contains(&format!("ProcessID={pid},")), "{pid}: {greeting}");
    assert!(client.run("print 6*7").contains("42"));
    client.end();
}

#[test]
fn forked_children_have_manholes_of_their_own() {
    let _turn = turn::shared();
    let mut victim = forker("busy");
    victim.text().0.end();
    let mut children = Vec::new();
    for kind in ["fork", "forkpty", "daemon", "fork-fork"] {
        let answer = victim.ask(kind);
        children.push(child(&answer));
        if kind == "fork" {
            let log = victim.log_with("Delaying UDS binding 0.1 seconds ...");
            assert!(log.contains("Fork detected. Reinstalling Manhole."), "{log}");
        }
    }
    for &pid in &children {
        answers(pid);
        answers(pid);
    }
    victim.text().0.end();
    // The child holds nothing of the parent's manhole.
    for &pid in &children {
        let sockets: Vec<_> =
            descriptors_of(pid).into_iter().filter(|(_, target)| target.starts_with("socket:")).collect();
        let parents: Vec<String> = descriptors_of(victim.pid()).into_iter().map(|(_, target)| target).collect();
        assert!(sockets.iter().all(|(_, target)| !parents.contains(target)), "{sockets:?}");
    }
    assert!(victim.finish().1.success());
    // The children leave by _exit, at which nobody can be asked to clean up: nobody listens there any more.
    for pid in children {
        wait_for("the children to end", PATIENCE, || UnixStream::connect(socket_of(pid)).is_err().then_some(()));
        let _ = std::fs::remove_file(socket_of(pid));
    }
}

#[test]
fn a_single_threaded_host_forks_as_well() {
    let _turn = turn::shared();
    let mut victim = forker("quiet");
    let pid = child(&victim.ask("fork"));
    answers(pid);
    victim.text().0.end();
}

#[test]
fn children_that_are_not_forks_are_left_alone() {
    let _turn = turn::shared();
    let mut victim = forker("busy");
    assert_eq!(victim.ask("system"), "child system 0 fine");
    assert_eq!(victim.ask("popen"), "child popen 0 fine");
    let clone = child(&victim.ask("clone"));
    // The parent works on while the others come up.
    for kind in ["vfork-exec", "spawn", "fork-exec"] {
        let pid = child(&victim.ask(kind));
        assert!(pid > 0, "{kind}");
        // What is executed is a program of its own and inherits the preload.
        wait_for("the executed program's manhole", PATIENCE, || socket_of(pid).exists().then_some(()));
    }
    assert!(!socket_of(clone).exists(), "a raw clone has no manhole");
    assert!(std::fs::metadata(format!("/proc/{clone}")).is_ok());
    victim.text().0.end();
}

#[test]
fn children_that_end_at_once_never_had_one() {
    let _turn = turn::shared();
    let mut victim = forker("busy");
    for (kind, status) in [("fork-exit", 7), ("fork-return", 5)] {
        let answer = victim.ask(kind);
        assert!(answer.ends_with(&format!("status={status}")), "{answer}");
        assert!(!socket_of(child(&answer)).exists());
    }
    victim.text().0.end();
    assert!(victim.socket().exists(), "the child's end took the parent's socket away");
}

#[test]
fn a_storm_of_forks_under_dumps() {
    let _turn = turn::shared();
    let mut victim = forker("busy");
    let turns = if manhole_tests::requires::in_ci() { 3000 } else { 600 };
    victim.say(&format!("storm {turns}"));
    let mut dumps = 0;
    let socket = victim.socket();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let dumper = scope.spawn(|| {
            let mut dumps = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let mut client = TextClient::connect(&socket);
                assert!(client.until_prompt().contains("ThreadID="));
                assert!(client.run("bt all").contains("#0 "));
                client.end();
                dumps += 2;
            }
            dumps
        });
        let answer = victim.line_within(PATIENCE * 6);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        dumps += dumper.join().unwrap();
        assert_eq!(answer, format!("storm {turns} failures=0"));
    });
    assert!(dumps > 10, "only {dumps} dumps in {turns} forks");
    assert!(victim.finish().1.success());
}

/// What is made once in a process, when somebody first needs it, is not left half made in a child that is forked meanwhile.
#[test]
fn children_that_are_forked_while_the_first_client_is_answered() {
    let _turn = turn::shared();
    for _ in 0..2 {
        let mut victim = forker("busy");
        let socket = victim.socket();
        let client = std::thread::spawn(move || {
            let mut client = TextClient::connect(&socket);
            client.until_prompt();
            assert!(client.run("x/2i $pc").starts_with("=> "));
        });
        let mut children = Vec::new();
        while !client.is_finished() {
            children.push(child(&victim.ask("fork")));
        }
        client.join().unwrap();
        for pid in children {
            let mut client = TextClient::connect(&socket_of(pid));
            assert!(client.until_prompt().contains(&format!("ProcessID={pid},")), "{pid}");
            let code = client.run("x/2i $pc");
            assert!(code.starts_with("=> "), "{pid}: {code}");
            client.end();
        }
        assert!(victim.finish().1.success());
    }
}

/// A process, and its forked child that was killed, whose socket is still there.
fn with_killed_child() -> (Victim, i32) {
    let mut victim = forker("busy");
    let pid = child(&victim.ask("fork"));
    answers(pid);
    assert!(std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
    wait_for("the child's end", PATIENCE, || UnixStream::connect(socket_of(pid)).is_err().then_some(()));
    assert!(socket_of(pid).exists(), "somebody else has removed it");
    (victim, pid)
}

#[test]
fn the_socket_of_a_child_that_was_killed_goes_with_the_parents_next_client() {
    let _turn = turn::shared();
    let (mut victim, pid) = with_killed_child();
    victim.text().0.end();
    wait_for("the file to go", PATIENCE, || (!socket_of(pid).exists()).then_some(()));
    assert!(victim.finish().1.success());
}

#[test]
fn the_socket_of_a_child_that_was_killed_goes_with_its_parent() {
    let _turn = turn::shared();
    for owner in [None, Some(65534)] {
        let (mut victim, pid) = with_killed_child();
        // As a child's that has become another user. Only root may do that, and remove it afterwards.
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(socket_of(pid), owner, None).unwrap();
        }
        assert!(victim.finish().1.success());
        assert!(!socket_of(pid).exists(), "{owner:?}");
    }
}

/// The child has nothing of what the parent was about to do.
#[test]
fn a_handler_forks_while_the_process_executes() {
    let _turn = turn::shared();
    let preload = victims::c_with("forks_in_execution", &["-DPRELOAD", "-shared", "-fPIC"]);
    let mut victim = Host::new(victims::c("forks_in_execution")).also_preloads(&preload).ready();
    let mut client = TextClient::connect(&socket_of(child(&victim.line())));
    client.until_prompt();
    let answer = client.run("redirect on");
    assert!(answer.contains("redirect is on"), "{answer}");
    client.end();
    assert!(victim.finish().1.success());
}

/// The C library tells of the fork, and so does ours, which it goes on to: the child has one manhole all the same.
#[test]
fn another_library_forks_before_ours() {
    let _turn = turn::shared();
    let first = victims::c_with("forks_first", &["-shared", "-fPIC"]);
    for thread in ["True", "\"auto\""] {
        let options = format!("verbose=True, reinstall_delay=0, thread={thread}");
        let host = Host::new(victims::c("forker")).arg("busy").options(options);
        let mut victim = host.library(&first).also_preloads(&manhole_tests::place::library()).ready();
        let pid = child(&victim.ask("fork"));
        answers(pid);
        answers(pid);
        let log = victim.log();
        let count = |text: &str| log.lines().filter(|line| line.contains(text)).count();
        assert_eq!(count("Fork detected. Reinstalling Manhole."), 1, "{thread}: {log}");
        assert!(!log.contains("Cannot listen"), "{thread}: {log}");
        victim.answers();
        assert!(victim.finish().1.success(), "{thread}: {log}");
    }
}
