//! The manhole opens when everything else is stuck: every lock of libc and the loader held for ever by some thread.

use std::time::{Duration, Instant};

use manhole_tests::victim::Host;
use manhole_tests::{TextClient, text, turn, victims};

/// Dump and prompt within a second, with these locks held.
fn opens(glibc: bool, which: &[&str]) {
    let victim = Host::new(victims::locks(glibc)).args(which).ready();
    let began = Instant::now();
    let mut client = TextClient::connect(&victim.socket());
    client.patience = Duration::from_secs(5);
    let greeting = client.until_prompt();
    let greeted = began.elapsed();
    for part in ["ThreadID=", ", in main", "locks_block"] {
        assert!(greeting.contains(part), "{which:?}: no {part:?} in {greeting}");
    }
    let threads = usize::try_from(victim.told("threads")).unwrap();
    assert!(text::backtraces(&client.run("bt all")).len() >= threads);
    for (line, part) in [
        ("info threads", "locks"),
        ("info sharedlibrary", "libc.so.6"),
        ("info fds", "pipe:"),
        ("info env", "LD_PRELOAD"),
        ("print 6*7", "42"),
        ("disassemble main", "ret"),
        ("nonsense", "nonsense"),
    ] {
        let answer = client.run(line);
        assert!(answer.contains(part), "{which:?}: {line}: {answer}");
    }
    let took = began.elapsed();
    client.end();
    assert!(took < Duration::from_secs(1), "{which:?}: greeting {greeted:?}, everything {took:?}");
    // And again: the end of a session must not need them either.
    victim.text().0.end();
}

macro_rules! held {
    ($($name:ident: $glibc:expr, $which:expr;)*) => {$(
        #[test]
        fn $name() {
            let _turn = turn::shared();
            opens($glibc, $which);
        }
    )*};
}

held! {
    own_malloc: false, &["malloc"];
    glibc_malloc: true, &["malloc"];
    stdio: false, &["stdio"];
    stdio_with_glibc_malloc: true, &["stdio"];
    loader: true, &["loader"];
    dl_iterate_phdr: true, &["phdr"];
    environment: false, &["env"];
    fork_handlers: true, &["atfork"];
    all_at_once: false, &["all"];
    all_at_once_with_glibc_malloc: true, &["all"];
}
