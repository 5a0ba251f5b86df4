//! The manhole opens when everything else is stuck: every lock of libc and the loader held for ever by some thread.

use std::path::Path;
use std::time::{Duration, Instant};

use manhole_tests::structured::StructuredClient;
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{TextClient, place, requires, text, turn, victims};

/// Dump and prompt within a second, with these locks held.
fn opens(glibc: bool, which: &[&str]) {
    opens_in(&Host::new(victims::locks(glibc)).args(which).ready(), which);
}

fn opens_in(victim: &Victim, which: &[&str]) {
    // More than once: the end of a session must not need the locks either. And other tests run beside this one, so
    // that the quickest of three sessions is judged.
    let quickest = (0..3).map(|_| session(victim, which)).min().unwrap();
    assert!(quickest < Duration::from_secs(1), "{which:?}: a greeting and some commands take {quickest:?}");
}

/// One session of the manhole of a program whose locks are held, and how long it takes.
fn session(victim: &Victim, which: &[&str]) -> Duration {
    let began = Instant::now();
    let mut client = TextClient::connect(&victim.socket());
    let greeting = client.until_prompt();
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
    took
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

/// An allocator that is preloaded, before us and after us, and how it is told to have one lock for all threads.
fn preloaded(library: &str, package: &str, settings: &str) {
    let _turn = turn::shared();
    let path = format!("/usr/lib/x86_64-linux-gnu/{library}");
    if !requires::installed_file(&path, package) {
        return;
    }
    for order in [format!("{path}:{}", place::library().display()), format!("{}:{path}", place::library().display())] {
        let host = Host::new(victims::locks(true)).library(Path::new(&order)).env("MALLOC_CONF", settings);
        let victim = host.arg("preloaded").ready();
        opens_in(&victim, &[&order]);
    }
}

#[test]
fn jemalloc() {
    preloaded("libjemalloc.so.2", "libjemalloc2", "narenas:1,tcache:false");
}

#[test]
fn tcmalloc() {
    preloaded("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4", "");
}

/// Not even for a moment: a lock that nobody holds now may be held next time.
#[test]
fn the_hosts_allocator_and_thread_locals_are_not_touched() {
    let _turn = turn::shared();
    let trap = victims::c_with("trap", &["-O2", "-g", "-rdynamic"]);
    let mut victim = Host::new(trap).ready();
    victim.text().0.end();
    assert_eq!(victim.ask("arm"), "armed");
    for _ in 0..2 {
        let mut client = victim.text().0;
        for line in [
            "bt all",
            "info threads",
            "info registers",
            "info fds",
            "info sharedlibrary",
            "info signals",
            "info env",
            "disassemble main",
            "x/8gx $sp",
            "x/4i main",
            "print main",
            "nonsense",
            "info symbol main",
        ] {
            assert!(!client.run(line).is_empty(), "{line}");
        }
        client.end();
        assert!(!StructuredClient::connect(&victim.socket()).stacks().is_empty());
    }
    assert_eq!(victim.ask("count"), "trapped malloc=0 tls=0");
}
