//! What runs short while the manhole is open: descriptors, memory. The host goes on and ends as it would, and nothing of ours stays that could harm it.

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, requires, tasks, turn, wait_for};

/// A Python that does what each line says, as its `eval` understands it, and prints the result.
fn python(options: &str) -> Victim {
    const PROGRAM: &str = "import os, resource, sys, time
print('ready', flush=True)
for line in sys.stdin: print(eval(line), flush=True)";
    Host::new("/usr/bin/python3").options(format!("prompt='native', {options}")).args(["-I", "-c", PROGRAM]).ready()
}

/// The limit holds for the numbers that a poll may wait for, too.
#[test]
fn no_descriptor_is_allowed_any_more() {
    let _turn = turn::shared();
    for options in ["", "thread=True", "daemon_connection=True"] {
        let mut victim = python(options);
        let mut client = victim.text().0;
        let limit = "resource.setrlimit(resource.RLIMIT_NOFILE, (0, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))";
        assert_eq!(victim.ask(limit), "None");
        // For longer than it takes to look whether the process still has a thread.
        assert_eq!(victim.ask("time.sleep(2.5)"), "None");
        assert_eq!(client.run("print 6*7"), "$1 = 42\n", "{options}: {}", victim.log());
        client.end();
        let (_, status) = victim.finish();
        assert!(status.success(), "{options}: {}", victim.log());
        assert!(!victim.socket().exists(), "{options}");
    }
}

/// A thread that can do nothing any more keeps no rights that the host gives up.
#[test]
fn no_memory_is_left() {
    let _turn = turn::shared();
    if !nix::unistd::geteuid().is_root() {
        requires::missing("root, to become another user");
        return;
    }
    for options in ["", "thread=True"] {
        let mut victim = python(options);
        let mut client = victim.text().0;
        let limit =
            "resource.setrlimit(resource.RLIMIT_AS, (int(open('/proc/self/statm').read().split()[0]) * 4096, -1))";
        assert_eq!(victim.ask(limit), "None");
        // It wants memory, and there is none.
        let _ = client.send(b"bt all\ninfo functions printf\ninfo types .\nbt all\n");
        client.until_end();
        assert!(victim.log().contains("out of memory: the manhole is off"), "{options}: {}", victim.log());
        assert_eq!(victim.ask("resource.setrlimit(resource.RLIMIT_AS, (-1, -1))"), "None");
        assert_eq!(victim.ask("os.setresuid(65534, 65534, 65534)"), "None");
        let ours = || tasks::of(victim.pid()).iter().any(tasks::Task::is_ours);
        wait_for("the end of our thread", PATIENCE, || (!ours()).then_some(()));
        let (_, status) = victim.finish();
        assert!(status.success(), "{options}: {}", victim.log());
    }
}

/// Who comes after the lack is refused, and not kept waiting; and the program may have a manhole again.
#[test]
fn another_manhole_after_the_lack_of_memory() {
    let _turn = turn::shared();
    for options in ["", "thread=True"] {
        let mut victim = python(options);
        let mut client = victim.text().0;
        let limit =
            "resource.setrlimit(resource.RLIMIT_AS, (int(open('/proc/self/statm').read().split()[0]) * 4096, -1))";
        assert_eq!(victim.ask(limit), "None");
        let _ = client.send(b"bt all\ninfo functions printf\ninfo types .\nbt all\n");
        client.until_end();
        assert_eq!(victim.ask("resource.setrlimit(resource.RLIMIT_AS, (-1, -1))"), "None");
        wait_for("the end of the socket", PATIENCE, || (!victim.socket().exists()).then_some(()));
        assert_eq!(victim.ask("os.waitstatus_to_exitcode(os.waitpid(os.fork() or os._exit(0), 0)[1])"), "0");
        assert_eq!(victim.ask("__import__('ctypes').CDLL(None).manhole_install(b'')"), "0", "{}", victim.log());
        assert_eq!(victim.text().0.run("%print 6*7"), "$1 = 42\n", "{options}: {}", victim.log());
        assert!(victim.finish().1.success(), "{options}: {}", victim.log());
    }
}
