//! The C interface: manhole.h in programs that link the library, look for weak symbols, or dlopen it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use manhole_tests::victim::{Host, Victim, socket_of};
use manhole_tests::{PATIENCE, StructuredClient, TextClient, place, requires, tasks, turn, victims};
use serde_json::json;

/// How a program comes to the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Linked,
    Weak,
    Opened,
}

const WAYS: [Way; 3] = [Way::Linked, Way::Weak, Way::Opened];

impl Way {
    /// The victim, not started. Nothing is preloaded but where the way says so, with `MANHOLE` unset.
    fn host(self) -> Host {
        let library = place::library();
        match self {
            Way::Linked => {
                let directory = library.parent().unwrap().to_str().unwrap().to_owned();
                let (search, run) = (format!("-L{directory}"), format!("-Wl,-rpath,{directory}"));
                let flags = ["-O2", "-g", "-DLINKED", "-Wl,--no-as-needed", &search, &run, "-lmanhole"];
                Host::without_manhole(victims::c_with("interface", &flags))
            }
            Way::Weak => Host::without_manhole(victims::c_with("interface", &["-O2", "-g", "-DWEAK"])),
            Way::Opened => Host::without_manhole(victims::c("interface")).arg(library),
        }
    }

    /// Started, with nothing installed.
    fn start(self) -> Victim {
        if self != Way::Weak {
            return self.host().ready();
        }
        let program = victims::c_with("interface", &["-O2", "-g", "-DWEAK"]);
        let mut victim = Host::new(program).options("").ready();
        assert_eq!(victim.ask("uninstall"), "0", "a preloaded process has a manhole");
        victim
    }
}

/// The `fd=N task=N maps=N` that the victim counts.
fn count(victim: &mut Victim) -> String {
    victim.ask("count")
}

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn the_header_compiles_everywhere_without_a_warning() {
    let header = place::tests().join("../packaging/manhole.h");
    let check = |compiler: &str, language: &str, standard: &str, weak: bool| {
        let mut command = Command::new(compiler);
        command.args(["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only", standard, "-x", language]);
        if weak {
            command.arg("-DMANHOLE_WEAK");
        }
        let output = command.arg(&header).output().unwrap();
        assert!(output.status.success(), "{standard}: {}", String::from_utf8_lossy(&output.stderr));
    };
    for weak in [false, true] {
        for standard in ["-std=c89", "-std=c99", "-std=c17"] {
            check("gcc", "c", standard, weak);
        }
    }
    if requires::installed("g++", "g++") {
        for standard in ["-std=c++98", "-std=c++20"] {
            check("g++", "c++", standard, false);
            check("g++", "c++", standard, true);
        }
    }
}

#[test]
fn installed_and_uninstalled_in_three_ways() {
    let _turn = turn::shared();
    for way in WAYS {
        let mut victim = way.start();
        assert!(!victim.socket().exists(), "{way:?}: nothing is there before it is asked for");
        assert_eq!(victim.ask("uninstall"), "2", "{way:?}: NotInstalled");
        for options in ["", "thread=True", "verbose=True"] {
            assert_eq!(victim.ask(&format!("install {options}")), "0", "{way:?} {options}");
            assert!(victim.socket().exists(), "{way:?} {options}: the socket is there on return");
            assert_eq!(victim.ask("install"), "1", "{way:?}: AlreadyInstalled");
            let (mut client, greeting) = victim.text();
            assert!(greeting.contains(&format!("ProcessID={}", victim.pid())), "{way:?}: {greeting}");
            assert_eq!(client.run("1 + 1"), "$1 = 2\n");
            assert_eq!(victim.ask("uninstall"), "0", "{way:?}");
            assert!(
                client.until_end().contains("The process has taken its manhole out"),
                "{way:?}: the client is told"
            );
            assert!(!victim.socket().exists(), "{way:?}: no socket is left");
        }
        assert_eq!(victim.ask("install frob=1"), "4", "{way:?}: bad options");
        assert_eq!(victim.ask("install activate_on='USR1', oneshot_on='USR1'"), "3", "{way:?}: ConfigurationConflict");
        assert_eq!(victim.ask("uninstall"), "2", "{way:?}: nothing half installed");
        assert!(victim.log().contains("AlreadyInstalled"), "{way:?}");
    }
}

#[test]
fn the_environment_has_the_first_word() {
    let _turn = turn::shared();
    // Weak symbols are null where nothing is preloaded.
    let mut victim = Way::Weak.host().ready();
    assert_eq!(victim.ask("there"), "0");
    for way in [Way::Linked, Way::Opened] {
        let mut victim = way.host().env("MANHOLE", "").ready();
        assert!(victim.socket().exists(), "{way:?}: MANHOLE is obeyed");
        assert_eq!(victim.ask("install"), "1", "{way:?}");
        let mut victim = way.host().env("MANHOLE", "off").ready();
        assert_eq!(victim.ask("install"), "5", "{way:?}: the operator's word");
        assert_eq!(victim.ask("uninstall"), "2", "{way:?}");
    }
    // Preloaded without options is an ordinary manhole; so is one whose program is linked as well.
    let mut victim = Way::Linked.host().env("LD_PRELOAD", place::library()).ready();
    assert_eq!(victim.ask("install"), "1");
    // An environment that names the library only by now does not make a dlopen a preload.
    let mut victim = Way::Opened.host().arg(place::library()).ready();
    assert_eq!(victim.ask("uninstall"), "2");
}

/// The numbers in `fd=8 task=3 maps=32`.
fn counts(text: &str) -> Vec<usize> {
    text.split_whitespace().map(|word| word.split_once('=').unwrap().1.parse().unwrap()).collect()
}

#[test]
fn a_thousand_installations_leave_nothing_behind() {
    let _turn = turn::shared();
    for way in WAYS {
        // A machine that is busy with other things is not what is tested.
        for options in ["start_timeout=20", "start_timeout=20, thread=True, dump_on='USR2'"] {
            let mut victim = way.start();
            // What the first time leaves for the next ones is known by the second.
            assert_eq!(victim.ask(&format!("reinstall 40 {options}")), "40 bad=0", "{way:?} {options}");
            assert_eq!(victim.ask("uninstall"), "0");
            let before = count(&mut victim);
            assert_eq!(victim.ask(&format!("reinstall 1000 {options}")), "1000 bad=0", "{way:?} {options}");
            assert_eq!(victim.ask("uninstall"), "0");
            let (before, after) = (counts(&before), counts(&count(&mut victim)));
            assert_eq!(before[..2], after[..2], "descriptors and threads, {way:?} {options}");
            // The kernel joins neighbouring mappings of one kind or does not: one more or less is no leak, a thousand are.
            assert!(before[2].abs_diff(after[2]) <= 2, "{way:?} {options}: {before:?} {after:?}");
            assert!(!victim.socket().exists());
            assert_eq!(victim.ask("traces").trim(), "0000000000000000 0000000000000000", "no handler, no timer");
        }
    }
}

#[test]
fn one_of_many_threads_installs() {
    let _turn = turn::shared();
    let mut victim = Way::Linked.start();
    for _ in 0..50 {
        assert_eq!(victim.ask("compete thread=True"), "ok=1 other=0");
        let answer = victim.ask("compete strict=False");
        assert!(answer.ends_with("other=0") && !answer.starts_with("ok=0"), "{answer}");
        assert_eq!(victim.ask("uninstall"), "0");
        assert!(!victim.socket().exists());
    }
}

#[test]
fn signals_and_timers_are_given_back() {
    let _turn = turn::shared();
    let mut victim = Way::Linked.start();
    let before = victim.ask("traces");
    for options in ["activate_on='USR1', dump_on='USR2'", "oneshot_on='USR1'", "thread=False", "thread=True"] {
        assert_eq!(victim.ask(&format!("install {options}")), "0", "{options}");
        assert_eq!(victim.ask("uninstall"), "0", "{options}");
        assert_eq!(victim.ask("traces"), before, "{options}");
    }
    // A forked child has a timer until its manhole opens.
    assert_eq!(victim.ask("install reinstall_delay=600"), "0");
    assert!(victim.ask("fork").starts_with("child"));
    let traces = victim.ask("traces");
    assert!(traces.contains("timer") || !Path::new("/proc/self/timers").exists(), "{traces}");
    assert_eq!(victim.ask("uninstall"), "0");
    assert_eq!(victim.ask("traces"), before);
    assert_eq!(victim.ask("uninstall"), "2");
}

#[test]
fn the_programs_own_handler_is_what_sigaction_shows() {
    let _turn = turn::shared();
    let mut victim = Way::Linked.start();
    assert_eq!(victim.ask("own"), "1");
    for option in ["activate_on", "oneshot_on", "dump_on"] {
        assert_eq!(victim.ask(&format!("install {option}='USR1'")), "0", "{option}");
        assert_eq!(victim.ask("own still"), "1", "{option}");
        assert_eq!(victim.ask("uninstall"), "0", "{option}");
        assert_eq!(victim.ask("own still"), "1", "{option}");
    }
}

#[test]
fn children_have_manholes_of_their_own() {
    let _turn = turn::shared();
    for way in WAYS {
        let mut victim = way.start();
        assert_eq!(victim.ask("install reinstall_delay=0"), "0");
        let child: i32 = victim.ask("fork").strip_prefix("child ").unwrap().parse().unwrap();
        let mut client = TextClient::connect(&socket_of(child));
        assert!(client.until_prompt().contains(&format!("ProcessID={child}")), "{way:?}");
        assert_eq!(victim.ask("install"), "1", "{way:?}");
        assert_eq!(victim.ask("install strict=False"), "0", "{way:?}");
        assert!(client.until_end().contains("taken its manhole out"), "{way:?}");
        assert_eq!(victim.ask("uninstall"), "0", "{way:?}");
        assert!(!socket_of(child).exists(), "{way:?}");
        assert!(victim.socket().exists(), "{way:?}: the parent's is the parent's");
        let (_, status) = victim.finish();
        assert!(status.success());
    }
}

#[test]
fn a_late_start_is_a_warning_and_a_code() {
    let _turn = turn::shared();
    let mut victim = Way::Linked.start();
    let began = Instant::now();
    let options = "thread=True, start_timeout=0.25, socket_path='/nonexistent/{pid}'";
    assert_eq!(victim.ask(&format!("install {options}")), "6");
    assert!(began.elapsed() >= Duration::from_millis(250));
    victim.log_with("WARNING: Waited 0.25 seconds but Manhole thread didn't start yet :(");
    victim.log_with(&format!("Cannot listen at /nonexistent/{}", victim.pid()));
    assert_eq!(victim.ask("uninstall"), "0");
    assert_eq!(victim.ask("install"), "0");
    assert!(victim.socket().exists());
}

#[test]
fn what_was_not_to_start_starts_later() {
    let _turn = turn::shared();
    for way in WAYS {
        let mut victim = way.start();
        assert_eq!(victim.ask("install thread=False"), "0", "{way:?}");
        assert!(!victim.socket().exists(), "{way:?}");
        assert_eq!(victim.ask("install"), "0", "{way:?}");
        assert!(victim.socket().exists(), "{way:?}");
        assert_eq!(victim.ask("install"), "1", "{way:?}");
        // One that waits for a signal is there.
        assert_eq!(victim.ask("install strict=False, activate_on='USR2'"), "0", "{way:?}");
        assert_eq!(victim.ask("install"), "1", "{way:?}");
    }
}

#[test]
fn a_late_start_is_a_warning_in_a_preloaded_process_too() {
    let _turn = turn::shared();
    for thread in ["True", "'auto'"] {
        let options = format!("verbose=True, thread={thread}, start_timeout=0.2, socket_path='/nonexistent/x'");
        let victim = Host::new(victims::c("alone")).options(options).ready();
        victim.log_with("WARNING: Waited 0.2");
    }
}

#[test]
fn what_cannot_be_is_a_code_and_not_an_end() {
    let _turn = turn::shared();
    let mut victim = Way::Linked.start();
    assert_eq!(victim.ask("nomemory"), "8 8");
    assert_eq!(victim.ask("log NULL"), "10");
    for code in 0..=12 {
        let text = victim.ask(&format!("error {code}"));
        assert!(!text.is_empty() && text != "unknown code", "{code}: {text}");
    }
    assert_eq!(victim.ask("error 13"), "unknown code");
    assert_eq!(victim.ask("error -1"), "unknown code");
    assert_eq!(victim.ask("log my words"), "2", "nothing is installed");
    assert_eq!(victim.ask("install"), "0");
    assert_eq!(victim.ask("log my words"), "0");
    assert_eq!(victim.ask("log2"), "0");
    let log = victim.log_with("]: second\n");
    assert!(log.contains("]: my words\n") && log.contains("]: first\n"), "{log}");
    assert!(log.starts_with(&format!("Manhole[{}:", victim.pid())), "{log}");
}

#[test]
fn dumps_go_where_the_host_wants_them() {
    let _turn = turn::shared();
    let directory = directory();
    for way in WAYS {
        let mut victim = way.start();
        for (number, install) in [None, Some("install"), Some("install strict=False, thread=True")].iter().enumerate() {
            if let Some(install) = install {
                assert_eq!(victim.ask(install), "0");
            }
            let path = directory.path().join(format!("{way:?}{number}"));
            assert_eq!(victim.ask(&format!("dump {}", path.display())), "0", "{way:?}");
            let dump = std::fs::read_to_string(&path).unwrap();
            let own = format!("ThreadID={}", victim.pid());
            assert!(dump.starts_with("before\n\n#########") && dump.ends_with("#\n\n\nafter\n"), "{dump}");
            assert!(dump.contains(&own) && dump.contains("in main") && dump.contains("in manhole_dump"), "{dump}");
            assert!(!dump.contains("Type \"help\""), "{dump}");
        }
        // Deep stacks of many threads, a pipe of a page, a slow reader.
        assert_eq!(victim.ask("threads 40"), "ready");
        assert_eq!(victim.ask("slowdump 0"), "0 complete=1", "{way:?}");
        assert_eq!(victim.ask("slowdump 1"), "0 complete=1", "{way:?}: a pipe that does not wait");
        assert_eq!(victim.ask("baddump"), "1 1", "{way:?}: EPIPE without a signal; EBADF");
    }
}

/// A victim with a manhole and commands.
fn with_commands(options: &str, path: &Path) -> Victim {
    let mut victim = Way::Linked.start();
    assert_eq!(victim.ask(&format!("install {options}")), "0");
    for name in ["stats", "slow", "mask", "deep", "leaves", "reinstalls"] {
        assert_eq!(victim.ask(&format!("add {name} {name} {}", path.display())), "0", "{name}");
    }
    victim
}

fn said_by_stats(path: &PathBuf) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn commands_of_the_application_are_commands() {
    let _turn = turn::shared();
    let directory = directory();
    let path = directory.path().join("said");
    let mut victim = with_commands("", &path);
    let (mut client, _) = victim.text();
    assert_eq!(client.run("stats"), "");
    assert_eq!(said_by_stats(&path), "stats|end\n");
    assert_eq!(client.run("stats  one 'two three' \"f\\\"our\" fi\\ ve"), "returned 4\n");
    assert_eq!(said_by_stats(&path), "stats|one|two three|f\"our|fi ve|end\n");
    assert_eq!(client.run("sta x"), "returned 1\n", "an abbreviation");
    assert_eq!(client.run("stats 'x"), "a quote (') is not closed\n");
    assert_eq!(client.run("mask"), "returned 7\n", "the signals of faults are open on the worker");
    assert_eq!(client.run("deep"), "returned 1\n", "6 MiB of stack");
    let help = client.run("help");
    assert!(help.contains("Commands of this application:") && help.contains("stats"), "{help}");
    let help = client.run("help stats");
    assert!(help.contains("what it shows") && help.contains("and more of it"), "{help}");
    drop(client);
    let mut client = victim.structured();
    assert_eq!(client.data("stats a"), json!({"returned": 1}));
    assert_eq!(client.run("stats a b").text, "returned 2\n");
    let id = client.ask(json!({"complete": "sta", "cursor": 3}));
    let line = client.line();
    assert!(line["id"] == json!(id) && line["candidates"].as_array().unwrap().contains(&json!("stats")), "{line}");
    client.answer(id);
    assert!(client.data("help").as_array().unwrap().iter().any(|command| command["name"] == "stats"));
    // Names.
    for (name, code) in [("bt", 11), ("info", 11), ("p", 11), ("jobs", 11), ("3a", 10), ("a.b", 10), ("NULL", 10)] {
        assert_eq!(victim.ask(&format!("add {name} stats x")), code.to_string(), "{name}");
    }
    assert_eq!(victim.ask("add stats slow x"), "11", "taken");
    assert_eq!(victim.ask("add stats stats x"), "0", "the same once more");
    assert_eq!(victim.ask("add nothing none x"), "10", "no function");
}

#[test]
fn what_a_command_prints_goes_to_the_client() {
    let _turn = turn::shared();
    let directory = directory();
    let path = directory.path().join("said");
    let mut victim = with_commands("", &path);
    assert_eq!(victim.ask("add speaks speaks x"), "0");
    let (mut client, _) = victim.text();
    for _ in 0..3 {
        let answer = client.run("speaks");
        for line in ["by stdio\n", "by write\n", "on stderr\n"] {
            assert_eq!(answer.matches(line).count(), 1, "{answer}");
        }
    }
    client.end();
    // The program's own output has its own again, and nothing of the command's.
    assert_eq!(victim.ask("add nothing none x"), "10");
    assert!(!victim.log().contains("on stderr"), "{}", victim.log());
}

#[test]
fn a_command_that_does_not_return_gives_the_prompt_back() {
    let _turn = turn::shared();
    let directory = directory();
    let mut victim = with_commands("timeout=0.5", &directory.path().join("said"));
    let mut client = victim.structured();
    assert_eq!(client.run("jobs").text, "No job runs.\n");
    // Until the time is over; meanwhile others are served.
    let id = client.ask(json!({"run": "slow one"}));
    let mut second = TextClient::connect(&victim.socket());
    let mut notice = String::new();
    manhole_tests::wait_for("the notice", PATIENCE, || {
        notice += &second.read_available();
        notice.contains("The prompt is taken").then_some(())
    });
    let reply = client.answer(id);
    assert_eq!(reply.message, "no end after 0.5 s: slow still runs, as job 1; jobs lists it");
    let jobs = client.run("jobs").text;
    assert!(jobs.starts_with("job 1  slow one  runs for "), "{jobs}");
    assert_eq!(client.run("stats").text, "", "another command has another thread");
    assert_eq!(client.run("1 + 1").text, "$1 = 2\n");
    let stack = client.stacks().into_iter().find(|thread| thread.is_in("slow")).expect("the worker's stack");
    assert_eq!(stack.name, "Manhole-worker");
    assert_eq!(victim.ask("release"), "released");
    let ended = manhole_tests::wait_for("the job's end", PATIENCE, || {
        Some(client.run("jobs").text).filter(|text| text.contains("returned"))
    });
    assert!(ended.starts_with("job 1  slow one  returned 5 after"), "{ended}");
    assert_eq!(client.run("stats a").text, "returned 1\n");
    drop(second);
    // Ctrl-C.
    assert_eq!(victim.ask("install strict=False, timeout=None"), "0");
    let mut client = victim.structured();
    let id = client.ask(json!({"run": "slow"}));
    client.send(&json!({"interrupt": id}).to_string());
    let reply = client.answer(id);
    assert_eq!(reply.message, "interrupted: slow still runs, as job 2; jobs lists it");
    // A client that goes, and one that comes.
    drop(client);
    let mut client = victim.structured();
    assert!(client.run("jobs").text.contains("job 2"));
    // Not even the end of the manhole ends it, nor does it keep the manhole.
    assert_eq!(victim.ask("uninstall"), "0");
    assert_eq!(victim.ask("install"), "0");
    assert_eq!(victim.ask("release"), "released");
    let mut client = victim.structured();
    let ended = manhole_tests::wait_for("the job's end", PATIENCE, || {
        Some(client.run("stats a b")).filter(|reply| reply.done == "ok")
    });
    assert_eq!(ended.text, "returned 2\n");
}

#[test]
fn commands_may_do_what_they_like() {
    let _turn = turn::shared();
    let directory = directory();
    let path = directory.path().join("said");
    let mut victim = with_commands("", &path);
    // A command may end its thread, which is not the process's end.
    let mut client = victim.structured();
    assert_eq!(client.run("leaves").message, "leaves has ended its thread instead of returning");
    assert_eq!(client.run("stats").text, "", "the next command has another thread");
    assert_eq!(victim.ask(&format!("add stats stats {}", path.display())), "0", "and is there again");
    assert_eq!(client.run("stats a").text, "returned 1\n");
    // It may install the manhole anew, and write a dump while its client waits.
    let id = client.ask(json!({"run": "reinstalls"}));
    manhole_tests::wait_for("the last words", PATIENCE, || {
        client.line()["text"].as_str().is_some_and(|text| text.contains("taken its manhole out")).then_some(id)
    });
    let log = victim.log_with("in reinstalls");
    assert!(log.contains("in manhole_dump"), "{log}");
    let mut client = victim.structured();
    manhole_tests::wait_for("the worker", PATIENCE, || {
        Some(client.run("stats a b").text).filter(|text| text == "returned 2\n")
    });
}

#[test]
fn no_worker_stays_after_an_uninstallation() {
    let _turn = turn::shared();
    let directory = directory();
    let mut victim = with_commands("", &directory.path().join("said"));
    let (mut client, _) = victim.text();
    assert_eq!(client.run("stats a"), "returned 1\n");
    assert_eq!(victim.ask("uninstall"), "0");
    // The worker may be at the end of its command still.
    tasks::wait_until_there_are(1, victim.pid());
    let before = count(&mut victim);
    for _ in 0..50 {
        assert_eq!(victim.ask("install"), "0");
        assert_eq!(victim.ask("uninstall"), "0");
    }
    assert_eq!(count(&mut victim), before);
}

#[test]
fn a_forked_child_runs_commands() {
    let _turn = turn::shared();
    let directory = directory();
    let path = directory.path().join("said");
    let mut victim = with_commands("reinstall_delay=0", &path);
    let child: i32 = victim.ask("fork").strip_prefix("child ").unwrap().parse().unwrap();
    let mut client = StructuredClient::connect(&socket_of(child));
    assert!(client.run("help").text.contains("Commands of this application:"));
    assert_eq!(client.run("stats a").text, "returned 1\n");
    assert_eq!(victim.ask(&format!("add stats stats {}", path.display())), "0");
    assert_eq!(client.run("stats a b c").text, "returned 3\n");
    drop(client);
    let (_, status) = victim.finish();
    assert!(status.success());
}
