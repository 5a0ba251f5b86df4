//! Hosts that close, overwrite and exhaust descriptors: their files stay theirs, and the manhole comes back.

use std::time::Duration;

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, TextClient, turn, victims, wait_for};

fn closer(mode: &str) -> Victim {
    Host::new(victims::c("closer")).arg(mode).ready()
}

/// Before, during and after the act; the host's files intact all along.
fn survives(mode: &str, files: usize) {
    let mut bare = Host::without_manhole(victims::c("closer")).arg(mode).ready();
    let expected = bare.ask("go");
    assert!(expected.ends_with(&format!("files={files}")), "{expected}");

    let mut victim = closer(mode);
    victim.text().0.end();
    assert_eq!(victim.ask("go"), expected, "{mode}: not the numbers it would get without us");
    assert_eq!(victim.ask("check"), "intact");
    // It may take a moment until the agent sees its loss.
    let mut client = TextClient::connect(&victim.socket());
    let greeting = client.until_prompt();
    assert!(greeting.contains("ThreadID="), "{mode}: {greeting}");
    assert!(client.run("print 6*7").contains("42"));
    assert_eq!(victim.ask("check"), "intact", "{mode}, while a client is connected");
    client.end();
    assert_eq!(victim.ask("check"), "intact", "{mode}, after the session");

    // The act again, while a client is connected: the session may end, nothing else.
    let (mut client, _) = victim.text();
    let mut second = closer(mode);
    let (mut connected, _) = second.text();
    assert_eq!(second.ask("go"), expected);
    connected.send(b"bt all\nprint 6*7\n").ok();
    connected.until_end_or_prompt();
    assert_eq!(second.ask("check"), "intact", "{mode}, with a session open meanwhile");
    drop(connected);
    second.text().0.end();
    assert_eq!(second.ask("check"), "intact");
    client.end();
    for mut each in [victim, second] {
        assert!(each.finish().1.success(), "{}", each.log());
    }
}

#[test]
fn closefrom() {
    let _turn = turn::shared();
    survives("closefrom", 8);
}

#[test]
fn close_range() {
    let _turn = turn::shared();
    survives("close-range", 8);
}

#[test]
fn a_loop_of_closes() {
    let _turn = turn::shared();
    survives("loop", 8);
}

#[test]
fn dup2_over_everything() {
    let _turn = turn::shared();
    survives("dup2", 1021);
}

#[test]
fn exec_three() {
    let _turn = turn::shared();
    survives("exec3", 9);
}

/// A shell asks about the number that a script wants, saves what it finds there, and puts it back.
#[test]
fn a_script_gets_the_number_that_it_wants() {
    let _turn = turn::shared();
    // 200 is where the manhole listens, and the next ones are where it goes when it has to make room.
    let script = "for n in 200 201 202 203; do eval \"exec $n>&1; echo in $n >&$n; exec 3>&$n; exec $n>&-; echo in 3 >&3\"; done
                  exec 200>&1; exec 201>&200; echo once more >&201; exec 200>&- 201>&-; (exec 4>&200) 2>/dev/null || echo closed
                  echo ready; read line; echo $line";
    let start = |host: Host| host.args(["-c", script]).ready();
    let mut bare = start(Host::without_manhole("bash"));
    let mut victim = start(Host::new("bash").options(""));
    assert_eq!(victim.said(), bare.said(), "{}", victim.log());
    victim.answers();
    assert_eq!(victim.ask("done"), bare.ask("done"));
    assert_eq!(victim.log(), bare.log());
}

#[test]
fn for_the_host_our_number_is_not_open() {
    let _turn = turn::shared();
    let script = "import ctypes, fcntl, os, sys
libc = ctypes.CDLL(None)
stat = ctypes.create_string_buffer(1000)
def look(n, function, *version): return n if function(*version, n, stat) == 0 else -1
def opened(act):
    found = []
    for n in range(3, 1000):
        copy = act(n)
        if copy >= 0: found.append(n)
        if copy >= 3 and copy != n: libc.close(copy)
    return found
# What the tests themselves were started with.
os.closerange(3, 1000)
print('sockets', len([n for n in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{n}') and int(n) > 2]))
for name, act in dict(getfd=lambda n: libc.fcntl(n, fcntl.F_GETFD), copy=lambda n: libc.fcntl(n, fcntl.F_DUPFD, 300),
        fcntl64=lambda n: libc.fcntl64(n, fcntl.F_GETFL), dup=libc.dup, dup2=lambda n: libc.dup2(n, 1001),
        dup3=lambda n: libc.dup3(n, 1002, 0), fstat=lambda n: look(n, libc.fstat), fstat64=lambda n: look(n, libc.fstat64),
        fxstat=lambda n: look(n, libc.__fxstat, 1), fxstat64=lambda n: look(n, libc.__fxstat64, 1), itself=lambda n: libc.dup2(n, n)).items(): print(name, opened(act))
print('ready', flush=True)
sys.stdin.readline()";
    let start = |host: Host| host.args(["-I", "-c", script]).ready();
    let bare = start(Host::without_manhole("/usr/bin/python3"));
    let victim = start(Host::new("/usr/bin/python3").options("prompt='native'"));
    assert_eq!(bare.said()[0], "sockets 0");
    assert_eq!(victim.said()[0], "sockets 1", "it is there all the same");
    assert_eq!(victim.said()[1..], bare.said()[1..]);
    assert_eq!(victim.said()[1], "getfd []");
    victim.answers();
}

#[test]
fn a_limit_lowered_later() {
    let _turn = turn::shared();
    survives("limit", 8);
}

#[test]
fn a_low_limit_from_the_start() {
    let _turn = turn::shared();
    let script = format!("ulimit -n 20; exec {} plain", victims::c("closer").display());
    let mut victim = Host::new("/bin/sh").args(["-c", &script]).ready();
    assert_eq!(victim.ask("go"), "done first=3 files=8");
    victim.text().0.end();
    assert_eq!(victim.ask("check"), "intact");
}

#[test]
fn no_descriptor_left() {
    let _turn = turn::shared();
    let mut victim = closer("exhaust");
    victim.text().0.end();
    let done = victim.ask("go");
    assert!(done.ends_with("files=8"), "{done}");
    // The agent may serve or refuse; either way at once, and the host keeps its files.
    let mut client = TextClient::connect(&victim.socket());
    client.patience = Duration::from_secs(5);
    client.until_end_or_prompt();
    drop(client);
    assert_eq!(victim.ask("check"), "intact");
    assert_eq!(victim.ask("free"), "freed");
    let greeting = wait_for("the manhole to serve again", PATIENCE, || {
        let mut client = TextClient::connect(&victim.socket());
        let got = client.until_end_or_prompt();
        got.contains("ThreadID=").then_some(got)
    });
    assert!(greeting.contains(", in main"), "{greeting}");
    assert_eq!(victim.ask("check"), "intact");
}

#[test]
fn started_without_standard_descriptors() {
    let _turn = turn::shared();
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let first = |preload: Host| -> String {
            let script = format!("exec {} std-closed {} {closed}", victims::c("closer").display(), path.display());
            let victim = preload.args(["-c", &script]).start();
            let ask = || {
                std::fs::write(path.join("ask"), "").unwrap();
                let answer = wait_for("its answer", PATIENCE, || std::fs::read_to_string(path.join("answer")).ok());
                std::fs::remove_file(path.join("answer")).unwrap();
                answer.split_once(' ').unwrap().1.trim().to_owned()
            };
            let before = ask();
            if victim.socket().exists() {
                victim.text().0.end();
                assert_eq!(ask(), before, "after a session");
            }
            std::fs::write(path.join("stop"), "").unwrap();
            let mut victim = victim;
            victim.ended();
            std::fs::remove_file(path.join("stop")).unwrap();
            before
        };
        let expected = first(Host::without_manhole("/bin/sh"));
        assert!(expected.ends_with("intact"), "{expected}");
        // What it opens under the number of the log is its own.
        assert_eq!(first(Host::new("/bin/sh").options("verbose=True")), expected, "started with {closed}");
    }
}
