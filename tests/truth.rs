//! Our stacks against gdb's, on real programs: blocked threads must show the same frames, every one of them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use manhole_tests::victim::{Host, Victim, socket_of};
use manhole_tests::{PATIENCE, StructuredClient, compare, gdb, place, requires, text, turn, victims, wait_for};
use nix::sys::signal::Signal;

/// Compares the process of a pid, dump first. A thread that moved between the two looks is looked at again.
fn compare(what: &str, pid: i32, at_least: usize) {
    let mut last = Vec::new();
    for _ in 0..4 {
        let ours = StructuredClient::connect(&socket_of(pid)).stacks();
        let blocked = ours.iter().filter(|t| !t.name.starts_with("Manhole") && !t.state.starts_with("running")).count();
        let truth = gdb::stacks(pid);
        last = compare::differences(&ours, &truth);
        if last.is_empty() && blocked >= at_least {
            return;
        }
        if last.is_empty() {
            last.push(compare::Difference { tid: pid, what: format!("only {blocked} blocked threads") });
        }
    }
    let all: Vec<String> = last.iter().map(|d| format!("thread {}: {}", d.tid, d.what)).collect();
    panic!("{what} ({pid}): {} differences:\n{}", all.len(), all.join("\n\n"));
}

fn with_gdb() -> bool {
    requires::installed("gdb", "gdb")
        // Without libc's debug information gdb itself must guess in libc, and sees no inlined frames there.
        && requires::installed_file("/usr/lib/debug/.build-id", "libc6-dbg")
}

/// Waits until a server answers on a port, or the victim's log shows why it does not.
fn answers(victim: &mut Victim, port: u16) {
    wait_for("the server's port", PATIENCE, || {
        assert!(victim.runs(), "{}", victim.log());
        std::net::TcpStream::connect(("127.0.0.1", port)).ok()
    });
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn children_of(pid: i32) -> Vec<i32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|child| child.parse().unwrap()).collect()
}

fn wait_for_manhole(pid: i32) {
    wait_for("the child's manhole", PATIENCE, || {
        std::os::unix::net::UnixStream::connect(socket_of(pid)).ok().map(drop)
    });
}

#[test]
fn cpp_pool() {
    let _turn = turn::shared();
    if !with_gdb() {
        return;
    }
    for flags in [&["-O2", "-g"][..], &["-O0", "-g"], &["-O3", "-g", "-fomit-frame-pointer"]] {
        let Some(pool) = victims::cpp("pool", flags) else {
            return;
        };
        let victim = Host::new(pool).args(["12", "15"]).ready();
        compare(&format!("pool {flags:?}"), victim.pid(), 13);
    }
}

#[test]
fn rust_pool() {
    let _turn = turn::shared();
    if !with_gdb() {
        return;
    }
    let victim = Host::new(victims::pool_rs()).ready();
    compare("pool_rs", victim.pid(), 12);
}

#[test]
fn rust_pool_by_its_own_word() {
    let _turn = turn::shared();
    let victim = Host::new(victims::pool_rs()).arg("truth").ready();
    let stacks = victim.stacks();
    let traces: Vec<String> = victim.said().iter().filter(|line| line.starts_with("trace ")).cloned().collect();
    assert_eq!(traces.len(), 6);
    for line in traces {
        let mut parts = line.splitn(3, ' ').skip(1);
        let tid: i32 = parts.next().unwrap().parse().unwrap();
        let told: Vec<String> = parts.next().unwrap().split('|').map(compare::plain).collect();
        let thread = stacks.iter().find(|thread| thread.tid == tid).unwrap();
        let ours: Vec<String> = thread.functions().into_iter().map(compare::plain).collect();
        // From the caller of `arrive` outwards the two must be the same, down to the last frame that the program knows.
        let from = told.iter().position(|name| name.ends_with("arrive")).unwrap() + 1;
        let told = &told[from..];
        let start =
            ours.iter().position(|name| *name == told[0]).unwrap_or_else(|| panic!("no {} in {ours:?}", told[0]));
        let common = told.len().min(ours.len() - start);
        assert_eq!(&ours[start..start + common], &told[..common], "thread {tid}");
        assert!(common + 3 >= told.len(), "ours ends too early: {ours:?} {told:?}");
    }
}

#[test]
fn stacks_that_lead_astray() {
    let _turn = turn::shared();
    if !with_gdb() {
        return;
    }
    // The registers of a blocked thread are known in part only. Where a frame's size is not known either (alloca), more than
    // one stack is consistent, and what lies behind it must be marked. How much stays certain is a floor, build by build.
    for (flags, percent, whole) in [
        (&["-O2", "-g"][..], 35, 1),
        (&["-O0", "-g"], 100, 43),
        (&["-O2", "-g", "-fno-omit-frame-pointer"], 85, 37),
        (&["-O1", "-g", "-fno-omit-frame-pointer", "-mno-omit-leaf-frame-pointer"], 85, 37),
        (&["-O3", "-g", "-fcf-protection=full"], 35, 1),
    ] {
        let victim = Host::new(victims::c_with("stale", flags)).ready();
        let ours = victim.stacks();
        let blocked = ours.iter().filter(|t| !t.name.starts_with("Manhole") && !t.state.starts_with("running")).count();
        assert_eq!(blocked, 43, "{flags:?}: all threads are blocked");
        let judgement = compare::judge(&ours, &gdb::stacks(victim.pid()));
        let lies: Vec<String> = judgement.lies.iter().map(|lie| format!("thread {}: {}", lie.tid, lie.what)).collect();
        assert!(lies.is_empty(), "{flags:?}: {} lies:\n{}", lies.len(), lies.join("\n\n"));
        assert!(
            judgement.percent_certain() >= percent && judgement.whole >= whole,
            "{flags:?}: of {} frames {} are certain, {} uncertain and right; {} of 43 threads are certain to their ends",
            judgement.frames,
            judgement.certain,
            judgement.uncertain,
            judgement.whole
        );
    }
}

#[test]
fn hard_kinds() {
    let _turn = turn::shared();
    if !with_gdb() {
        return;
    }
    let victim = Host::new(victims::c("kinds")).arg("no-vfork").ready();
    let ours = victim.stacks();
    let truth = gdb::stacks(victim.pid());
    // The 100,000 frames may be cut with a reason, and gdb does not unwind a coroutine's end as we do. What lies behind the
    // over-aligned frame and those of alloca may be marked, as their sizes are in a register that nobody has saved.
    let left_out: Vec<i32> = ours
        .iter()
        .filter(|t| ["deep", "coroutine", "alloca_frames"].contains(&t.name.as_str()))
        .map(|t| t.tid)
        .collect();
    let differences: Vec<String> = compare::differences(&ours, &truth)
        .into_iter()
        .filter(|difference| !left_out.contains(&difference.tid))
        .map(|difference| format!("thread {}: {}", difference.tid, difference.what))
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n\n"));
    // Those that were left out for their marks are right as far as they have none.
    let only = |name: &str| -> Vec<gdb::Thread> {
        let tids: Vec<i32> = ours.iter().filter(|thread| thread.name == name).map(|thread| thread.tid).collect();
        truth.iter().filter(|thread| tids.contains(&thread.tid)).cloned().collect()
    };
    let judgement = compare::judge(&ours, &only("alloca_frames"));
    assert!(judgement.lies.is_empty(), "{:?}", judgement.lies);
    assert!(judgement.certain >= 3 && judgement.frames == 8, "{judgement:?}");
    let judgement = compare::judge(&ours, &only("deep"));
    assert!(judgement.lies.is_empty(), "{:.4000}", format!("{:?}", judgement.lies));
    assert!(judgement.certain >= 1000, "{}", judgement.certain);
}

#[test]
fn every_blocking_call() {
    let _turn = turn::shared();
    if !with_gdb() {
        return;
    }
    let victim = Host::new(victims::c("witness")).arg("forever").ready();
    compare("witness", victim.pid(), 60);
}

#[test]
fn nginx_master_and_workers() {
    let _turn = turn::shared();
    if !with_gdb() || !requires::installed("nginx", "nginx-light") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let library = place::library_for_all(directory.path());
    let port = free_port();
    let root = directory.path().display();
    let configuration = format!(
        "daemon off; master_process on; worker_processes 2; pid {root}/pid; error_log stderr;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f;\n\
         uwsgi_temp_path {root}/u; scgi_temp_path {root}/s; server {{ listen 127.0.0.1:{port}; }} }}\n"
    );
    let file = directory.path().join("nginx.conf");
    std::fs::write(&file, configuration).unwrap();
    let mut victim = Host::new(requires::program("nginx").unwrap())
        .args(["-p", &directory.path().to_string_lossy(), "-c", &file.to_string_lossy(), "-e", "stderr"])
        .library(&library)
        .ends_by(Signal::SIGTERM)
        .start();
    answers(&mut victim, port);
    let workers = wait_for("two workers", PATIENCE, || {
        let children = children_of(victim.pid());
        (children.len() == 2).then_some(children)
    });
    compare("nginx master", victim.pid(), 1);
    for worker in workers {
        wait_for_manhole(worker);
        compare("nginx worker", worker, 1);
    }
    // It still serves, and the parent's manhole still answers.
    answers(&mut victim, port);
    victim.text().0.end();
}

#[test]
fn redis() {
    let _turn = turn::shared();
    if !with_gdb() || !requires::installed("redis-server", "redis-server") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut victim = Host::new(requires::program("redis-server").unwrap())
        .args([
            "--port",
            &port.to_string(),
            "--save",
            "",
            "--bind",
            "127.0.0.1",
            "--dir",
            &directory.path().to_string_lossy(),
        ])
        .ends_by(Signal::SIGTERM)
        .start();
    answers(&mut victim, port);
    compare("redis-server", victim.pid(), 2);
    answers(&mut victim, port);
}

#[test]
fn postgres() {
    let _turn = turn::shared();
    if !with_gdb() || !requires::installed("psql", "postgresql") {
        return;
    }
    let Some(programs) = postgres_programs() else {
        requires::missing("postgres: apt-get install postgresql");
        return;
    };
    let Some(user) = nix::unistd::User::from_name("postgres").unwrap() else {
        requires::missing("the user postgres: apt-get install postgresql");
        return;
    };
    if !nix::unistd::geteuid().is_root() {
        requires::missing("root, to run as the user postgres");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let library = place::library_for_all(directory.path());
    let data = directory.path().join("data");
    std::fs::create_dir(&data).unwrap();
    std::os::unix::fs::chown(&data, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    let made = Command::new("setpriv")
        .args(["--reuid", &uid.to_string(), "--regid", &gid.to_string(), "--clear-groups"])
        .arg(programs.join("initdb"))
        .args(["--auth", "trust", "--no-sync", "-D"])
        .arg(&data)
        .current_dir("/")
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let port = free_port();
    let mut victim = Host::new(programs.join("postgres"))
        .args(["-D", &data.to_string_lossy(), "-p", &port.to_string(), "-h", "127.0.0.1"])
        .args(["-k", &data.to_string_lossy()])
        .library(&library)
        .directory(Path::new("/"))
        .user(uid, gid)
        .ends_by(Signal::SIGINT)
        .start();
    answers(&mut victim, port);
    compare("postgres", victim.pid(), 1);
    let children = wait_for("postgres's own processes", PATIENCE, || {
        let children = children_of(victim.pid());
        (children.len() >= 4).then_some(children)
    });
    for child in children {
        wait_for_manhole(child);
        compare("postgres child", child, 1);
    }
    answers(&mut victim, port);
}

fn postgres_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).find(|path| path.join("initdb").exists())
}

#[test]
fn python() {
    let _turn = turn::shared();
    if !with_gdb() || !requires::installed_file("/usr/bin/python3", "python3") {
        return;
    }
    let mut victim = Host::new("/usr/bin/python3").arg(victims::script("threads.py")).start();
    let ready = victim.line_that_starts("ready");
    let threads = usize::try_from(text::value(&ready, "threads").unwrap()).unwrap();
    compare("python3", victim.pid(), threads);
}

#[test]
fn node() {
    let _turn = turn::shared();
    if !with_gdb() || !requires::installed("node", "nodejs") {
        return;
    }
    let program = "console.log('ready pid=' + process.pid); process.stdin.resume(); process.stdin.on('end', () => process.exit(0));";
    let victim = Host::new(requires::program("node").unwrap()).args(["-e", program]).ready();
    compare("node", victim.pid(), 5);
}

/// In compiled JavaScript gdb is wrong: it knows neither the frames' sizes nor the frame pointers. node itself knows its stack.
#[test]
fn node_in_javascript_by_its_own_word() {
    let _turn = turn::shared();
    if !requires::installed("node", "nodejs") {
        return;
    }
    for (flags, rounds, interpreted) in [
        (&["--no-opt", "--no-sparkplug"][..], "2", true),
        (&["--no-opt", "--always-sparkplug"], "2", false),
        // Functions that the compiler has inlined have no frames of their own.
        (&["--no-turbo-inlining"], "20000", false),
    ] {
        let mut victim = Host::new(requires::program("node").unwrap())
            .args(flags)
            .arg(victims::script("javascript.js"))
            .arg(rounds)
            .ends_by(Signal::SIGTERM)
            .ready();
        let said = victim.said();
        let trace = said.iter().find_map(|line| line.strip_prefix("trace ")).expect("node's own trace");
        let told: Vec<&str> = trace.split('|').collect();
        assert!(told.starts_with(&["inner", "middle", "middle"]) && told.len() > 8, "{trace}");
        let main = wait_for("the main thread to block", PATIENCE, || {
            let main = victim.stacks().into_iter().find(|thread| thread.tid == victim.pid())?;
            (main.state.contains("blocked") && main.is_in("v8::internal::Builtin_AtomicsWait")).then_some(main)
        });
        assert!(main.complete && main.problem.is_none(), "{flags:?}: {main:#?}");
        let names = main.functions();
        let at = |name: &str| {
            names
                .iter()
                .position(|function| compare::plain(function) == name)
                .unwrap_or_else(|| panic!("no {name}: {names:#?}"))
        };
        // The builtin, its entry from JavaScript, JavaScript, and the entry into JavaScript from C++.
        let javascript = at("v8::internal::Builtin_AtomicsWait") + 2..at("Builtins_JSEntryTrampoline");
        assert_eq!(javascript.len(), told.len(), "{flags:?}: {trace}\n{main:#?}");
        let named = names.get(javascript.clone()).unwrap();
        let interpreter = named.iter().filter(|name| **name == "Builtins_InterpreterEntryTrampoline").count();
        assert!(!interpreted || interpreter == told.len(), "{flags:?}: {names:#?}");
        // `middle` calls itself from one place, five times.
        let recursion: Vec<u64> =
            main.frames.get(javascript.start + 2..javascript.start + 7).unwrap().iter().map(|f| f.pc).collect();
        assert!(recursion.iter().all(|pc| *pc == recursion[0]), "{flags:?}: {recursion:x?}");
        // C++ again, with its own unwind information, out to the start.
        assert!(at("node::Start") > javascript.end && names.last() == Some(&"_start"), "{names:#?}");
        assert!(victim.runs());
    }
}

#[test]
fn bash() {
    let _turn = turn::shared();
    if !with_gdb() || !requires::installed("bash", "bash") {
        return;
    }
    let script = "inner() { echo ready; read -r line; }; outer() { inner; }; outer";
    let victim = Host::new(requires::program("bash").unwrap()).args(["-c", script]).ready();
    compare("bash", victim.pid(), 1);
    // And while it waits for a child.
    let victim = Host::new(requires::program("bash").unwrap()).args(["-c", "echo ready; sleep 1000; true"]).ready();
    let child = wait_for("bash's child", Duration::from_secs(5), || children_of(victim.pid()).first().copied());
    compare("bash", victim.pid(), 1);
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child), Signal::SIGKILL).ok();
}
