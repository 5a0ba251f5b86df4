//! Hosts that are in unusual company: another allocator, an auditor or a checker of memory beside us, several namespaces of the loader, stacks of a
//! page, runtimes that bring signals and stacks of their own, and files that are not what they were.

use std::path::{Path, PathBuf};
use std::process::Command;

use manhole_tests::text::value;
use manhole_tests::victim::{Host, Victim};
use manhole_tests::{place, requires, turn, victims};

const FLAGS: &[&str] = &["-O1", "-g"];

fn company() -> PathBuf {
    victims::c_with("company", FLAGS)
}

/// A program that counts answers that it has counted, and found nothing wrong.
fn counts_on(victim: &mut Victim, what: &str) -> i64 {
    let answer = victim.ask("how much");
    assert_eq!(value(&answer, "wrong"), Some(0), "{what}: {answer}");
    value(&answer, "count").unwrap()
}

fn allocator(library: &str, package: &str) {
    let _turn = turn::shared();
    let path = format!("/usr/lib/x86_64-linux-gnu/{library}");
    if !requires::installed_file(&path, package) {
        return;
    }
    let ours = place::library();
    let mut alone = Host::without_manhole(company()).env("LD_PRELOAD", &path).args(["allocator", "3000"]).ready();
    let expected = counts_on(&mut alone, "without us");
    for order in [format!("{path}:{}", ours.display()), format!("{}:{path}", ours.display())] {
        for options in ["verbose=True, reinstall_delay=0", "verbose=True, thread=True"] {
            let mut victim =
                Host::new(company()).library(Path::new(&order)).options(options).args(["allocator", "3000"]).ready();
            assert_eq!(counts_on(&mut victim, &order), expected, "{order}: {}", victim.log());
            let mut client = victim.text().0;
            let answer = client.run("print (unsigned long)malloc_usable_size(malloc(100)) >= 100");
            assert!(answer.ends_with(" = 1\n"), "{order}: {answer}");
            assert_eq!(counts_on(&mut victim, &order), expected / 2 * 3, "{order}: with a client");
            client.end();
            let (_, status) = victim.finish();
            assert!(status.success(), "{order}: {}", victim.log());
        }
    }
}

#[test]
fn jemalloc() {
    allocator("libjemalloc.so.2", "libjemalloc2");
}

#[test]
fn tcmalloc() {
    allocator("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4");
}

#[test]
fn mimalloc() {
    allocator("libmimalloc.so.2", "libmimalloc2.0");
}

#[test]
fn an_auditor_of_the_loader() {
    let _turn = turn::shared();
    let auditor = victims::c_with("auditor", &["-O1", "-shared", "-fPIC"]);
    for options in ["", "thread=True"] {
        let mut victim = Host::new(company()).options(options).env("LD_AUDIT", &auditor).arg("plain").ready();
        victim.answers();
        assert_eq!(counts_on(&mut victim, options), 0);
        assert_eq!(victim.log(), "");
        assert!(victim.finish().1.success());
    }
}

#[test]
fn a_loader_that_tells_what_it_does() {
    let _turn = turn::shared();
    let told = tempfile::tempdir().unwrap();
    let host = Host::new(company()).options("").env("LD_DEBUG", "all").env("LD_DEBUG_OUTPUT", told.path().join("told"));
    let mut victim = host.arg("plain").ready();
    victim.answers();
    assert_eq!(counts_on(&mut victim, "LD_DEBUG"), 0);
    assert_eq!(victim.log(), "");
    assert!(victim.finish().1.success());
    assert!(std::fs::read_dir(told.path()).unwrap().count() > 0, "the loader has told nothing");
}

/// The checker runs the program's code in its own; its frames are those of the checker, and the program's answers are the program's.
#[test]
fn a_checker_of_memory() {
    let _turn = turn::shared();
    if !requires::installed("valgrind", "valgrind") {
        return;
    }
    let started = |host: fn(&'static str) -> Host| {
        host("valgrind").args(["-q", "--error-exitcode=9"]).arg(company()).args(["allocator", "500"]).ready()
    };
    let mut alone = started(Host::without_manhole);
    let expected = counts_on(&mut alone, "without us");
    let mut victim = started(Host::new);
    assert_eq!(counts_on(&mut victim, "checked"), expected, "{}", victim.log());
    let mut client = victim.text().0;
    assert_eq!(client.run("print 6*7"), "$1 = 42\n");
    assert!(client.run("info threads").contains("blocked in read("));
    client.end();
    assert_eq!(counts_on(&mut victim, "checked, after a session"), expected / 2 * 3);
    let (_, status) = victim.finish();
    assert!(status.success(), "{status}: {}", victim.log());
    assert!(!victim.log().contains("Invalid"), "{}", victim.log());
}

#[test]
fn a_second_namespace_of_the_loader() {
    let _turn = turn::shared();
    let plugin = victims::c_with("company", &["-O1", "-g", "-shared", "-fPIC", "-DPLUGIN"]);
    let mut victim = Host::new(company()).arg("namespace").arg(&plugin).ready();
    let stacks = victim.stacks();
    let thread = stacks.iter().find(|thread| thread.is_in("waits_in_plugin")).expect("the plugin's thread");
    // Its C library is another one than the program's, and has its own names.
    for function in ["poll", "waits_in_plugin", "in_namespace", "start_thread"] {
        assert!(thread.functions().iter().any(|name| name.contains(function)), "{function}: {:?}", thread.functions());
    }
    let mut client = victim.text().0;
    assert_eq!(client.run("info sharedlibrary").matches("/libc.so.6").count(), 2);
    assert!(client.run("print waits_in_plugin").contains("<waits_in_plugin>"));
    client.end();
    assert_eq!(counts_on(&mut victim, "namespace"), 0);
    assert!(victim.finish().1.success());
}

/// The thread is running, so it is asked by a signal, whose frame has to find room there.
#[test]
fn a_coroutine_on_a_page() {
    let _turn = turn::shared();
    for options in ["verbose=True", "verbose=True, thread=True"] {
        let mut victim = Host::new(company()).options(options).args(["coroutine", "4096"]).ready();
        let mut last = counts_on(&mut victim, options);
        for _ in 0..20 {
            assert!(victim.stacks().iter().any(|thread| thread.is_in("counts")), "{}", victim.log());
            let now = counts_on(&mut victim, options);
            assert!(now > last);
            last = now;
        }
        assert!(victim.finish().1.success(), "{}", victim.log());
    }
}

/// What is mapped is shown by what is mapped; the file that has its name now is another one.
#[test]
fn a_program_that_was_replaced() {
    let _turn = turn::shared();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("upgraded");
    std::fs::copy(company(), &path).unwrap();
    let victim = Host::new(&path).arg("plain").ready();
    let other = directory.path().join("new");
    std::fs::copy(victims::c("exits"), &other).unwrap();
    std::fs::rename(&other, &path).unwrap();
    let greeting = victim.text().1;
    assert!(greeting.contains("__libc_start"), "{greeting}");
    let stacks = victim.stacks();
    let frames = &stacks[0].frames;
    let own: Vec<_> =
        frames.iter().filter(|frame| frame.object.as_deref().is_some_and(|o| o.contains("upgraded"))).collect();
    assert!(!own.is_empty(), "{frames:?}");
    for frame in own {
        let is_ours = |name: &str| matches!(name, "main" | "_start");
        assert!(frame.function.as_deref().is_none_or(is_ours), "a name of another program: {frame:?}");
        assert!(frame.file.as_deref().is_none_or(|file| file.ends_with("company.c")), "another program's: {frame:?}");
    }
}

#[test]
fn a_library_that_was_deleted() {
    let _turn = turn::shared();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("plugin.so");
    std::fs::copy(victims::c_with("company", &["-O1", "-g", "-shared", "-fPIC", "-DPLUGIN"]), &path).unwrap();
    let victim = Host::new(company()).arg("namespace").arg(&path).ready();
    std::fs::remove_file(&path).unwrap();
    // What a library exports is in its memory.
    assert!(victim.stacks().iter().any(|thread| thread.is_in("waits_in_plugin")));
}

const GO: &str = r#"package main

/*
#include <unistd.h>
static int waits(int fd) { char byte; return read(fd, &byte, 1); }
*/
import "C"
import ("fmt"; "os"; "os/signal"; "runtime"; "syscall"; "time")

func fib(n int) int { if n < 2 { return n }; return fib(n-1) + fib(n-2) }
func deep(n int) int { if n == 0 { time.Sleep(time.Millisecond); return 0 }; return deep(n-1) + 1 }

func main() {
	signals := make(chan os.Signal, 100)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGURG)
	results := make(chan int)
	for n := 0; n < 50; n++ {
		go func() { wrong := 0; for i := 0; i < 40; i++ { if fib(18) != 2584 || deep(500) != 500 { wrong++ }; runtime.GC() }; results <- wrong }()
	}
	fmt.Printf("ready pid=%d\n", os.Getpid())
	wrong := 0
	for n := 0; n < 50; n++ { wrong += <-results }
	fmt.Printf("wrong=%d\n", wrong)
	fmt.Println("end", C.waits(0))
}
"#;

/// Its stacks grow and move, its handlers are for all signals, and its C is on other stacks than its Go.
#[test]
fn go_with_c() {
    let _turn = turn::shared();
    if !requires::installed("go", "golang-go") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("go_with_c");
    std::fs::write(directory.path().join("main.go"), GO).unwrap();
    let built = Command::new("go")
        .args(["build", "-o", "go_with_c", "main.go"])
        .current_dir(directory.path())
        .env("CGO_ENABLED", "1")
        .env("GOCACHE", place::target().join("victims/go.cache"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    for options in ["verbose=True", "verbose=True, thread=True"] {
        let mut victim = Host::new(&program).options(options).ready();
        let mut client = victim.text().0;
        for _ in 0..20 {
            assert!(client.run("bt all").contains("runtime."), "{}", victim.log());
        }
        client.end();
        assert_eq!(victim.line_that_starts("wrong="), "wrong=0");
        let stacks = victim.stacks();
        assert!(stacks.iter().any(|thread| thread.is_in("waits")), "{stacks:?}");
        let (said, status) = victim.finish();
        assert_eq!(said, ["end 0"], "{}", victim.log());
        assert!(status.success(), "{status} {}", victim.log());
    }
}
