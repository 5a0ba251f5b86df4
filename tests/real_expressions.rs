//! Expressions in programs that people run: redis, nginx and sqlite3, built with debug information, and Debian's python3 with its
//! separate file of it. What gdb prints in the same process is what we print, calls do what they say, and the programs go on serving.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use manhole_tests::http::{free_address, get};
use manhole_tests::victim::{Host, Victim, socket_of};
use manhole_tests::{PATIENCE, StructuredClient, gdb, processes, requires, sources, turn, wait_for};
use nix::sys::signal::Signal;

use super::expressions::comparable;

/// The text of a line's answer, without what is told before it.
fn answer(client: &mut StructuredClient, line: &str) -> String {
    let reply = client.run(line);
    assert_eq!(reply.done, "ok", "{line}: {reply:?}");
    reply.text.lines().filter(|line| !line.starts_with("(thread ")).collect::<Vec<_>>().join("\n")
}

/// The number that a line comes to.
fn number(client: &mut StructuredClient, line: &str) -> u64 {
    let text = answer(client, line);
    let number = text.rsplit_once("= ").and_then(|(_, number)| number.parse().ok());
    number.unwrap_or_else(|| panic!("{line}: no number: {text}"))
}

/// Each of the lines is answered as gdb answers it in the same process, which is asked afterwards. The program lives: what differs is
/// asked once more after that, since its own timers may have changed it in between.
fn as_in_gdb(client: &mut StructuredClient, pid: i32, function: &str, lines: &[&str]) {
    // gdb names functions by their debug information; we by the symbol table, where link-time optimization marks those it has renamed.
    let mut ours = |line: &str| answer(client, line).replace(".lto_priv.0", "");
    let before: Vec<String> = lines.iter().map(|line| ours(line)).collect();
    let owned: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
    let theirs = gdb::answers(pid, function, &owned, None);
    let mut differing = Vec::new();
    for (line, (before, theirs)) in lines.iter().zip(before.iter().zip(&theirs)) {
        let is_same = |ours: &str| theirs.as_ref().map(|theirs| comparable(theirs)) == Ok(comparable(ours));
        if !is_same(before) && !is_same(&ours(line)) {
            differing.push(format!("{line}\n   ours: {before}\n    gdb: {theirs:?}"));
        }
    }
    assert!(differing.is_empty(), "{} of {} lines differ:\n{}", differing.len(), lines.len(), differing.join("\n"));
}

/// A connection to redis.
struct Redis(BufReader<TcpStream>);

impl Redis {
    fn connect(address: SocketAddr) -> Option<Redis> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let mut redis = Redis(BufReader::new(stream));
        (redis.ask("PING") == "+PONG").then_some(redis)
    }

    /// The first line of the answer.
    fn ask(&mut self, line: &str) -> String {
        let _ = self.0.get_mut().write_all(format!("{line}\r\n").as_bytes());
        let mut answer = String::new();
        let _ = self.0.read_line(&mut answer);
        answer.trim_end().to_owned()
    }
}

#[test]
fn redis() {
    let _turn = turn::shared();
    let Some(program) = sources::program("redis") else { return };
    if !requires::installed("gdb", "gdb") {
        return;
    }
    let (address, directory) = (free_address(), tempfile::tempdir().unwrap());
    let log = directory.path().join("log");
    let mut victim = Host::new(program)
        .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"])
        .args(["--dir", &directory.path().display().to_string(), "--logfile", &log.display().to_string()])
        .ends_by(Signal::SIGTERM)
        .start();
    let mut redis = wait_for("redis", PATIENCE, || Redis::connect(address));
    let _second = Redis::connect(address).expect("a second connection");
    let mut client = victim.structured();
    assert_eq!(number(&mut client, "server.clients->len"), 2);
    assert_eq!(number(&mut client, "server.dbnum"), 16);
    assert_eq!(number(&mut client, "server.port"), u64::from(address.port()));
    assert_eq!(redis.ask("SET name value"), "+OK");
    assert_eq!(number(&mut client, "server.db[0].dict->ht_used[0]"), 1);
    // Its own functions.
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let told = u128::from(number(&mut client, "call ustime()"));
    let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    assert!((before..=after).contains(&told), "{before} {told} {after}");
    assert!(number(&mut client, "zmalloc_used_memory()") > 100_000);
    // What is changed has its effect.
    assert!(!std::fs::read_to_string(&log).unwrap().contains("Accepted 127.0.0.1"));
    assert_eq!(client.run("set var server.verbosity = 0").done, "ok");
    drop(Redis::connect(address));
    wait_for("redis to log more", PATIENCE, || {
        std::fs::read_to_string(&log).unwrap().contains("Accepted 127.0.0.1").then_some(())
    });
    assert_eq!(redis.ask("PING"), "+PONG");
    as_in_gdb(
        &mut client,
        victim.pid(),
        "main",
        &[
            "print server.dbnum",
            "print server.port",
            "print server.verbosity",
            "print server.clients->len",
            "print *server.clients",
            "print server.db[0].id",
            "print server.tcp_backlog",
            "print server.configfile",
            "print server.logfile",
            "print server.el->maxfd",
            "print *server.el",
            "ptype server.clients",
            "whatis server.db",
            "whatis server",
            "print sizeof(server)",
            "print &server.dbnum",
            "print ((client *)server.clients->head->value)->id",
            "print ((client *)server.clients->head->value)->flags",
            "print *server.db[0].dict",
            "print server.bindaddr[0]@1",
            "print shared.ok",
            "print *((client *)server.clients->head->value)->conn",
            "ptype struct redisDb",
            "print server.maxmemory_policy == 7",
            "print/x server.maxmemory_policy",
            "print ustime",
        ],
    );
    assert_eq!(redis.ask("GET name"), "$5");
    drop(client);
    victim.answers();
    victim.signal(Signal::SIGTERM);
    assert_eq!(victim.ended().code(), Some(0), "{}", victim.log());
}

fn nginx_in(program: &Path, address: SocketAddr, directory: &Path) -> Victim {
    std::fs::create_dir_all(directory.join("logs")).unwrap();
    std::fs::create_dir_all(directory.join("html")).unwrap();
    std::fs::write(directory.join("html/index.html"), "here").unwrap();
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    let configuration = format!(
        "daemon off; {user} worker_processes 1; error_log stderr notice; events {{ worker_connections 64; }}\n\
         http {{ access_log off; server {{ listen {address}; root html; }} }}\n"
    );
    std::fs::write(directory.join("nginx.conf"), configuration).unwrap();
    let directory = directory.display().to_string();
    Host::new(program).args(["-p", &directory, "-c", "nginx.conf"]).ends_by(Signal::SIGTERM).start()
}

#[test]
fn nginx() {
    let _turn = turn::shared();
    let Some(program) = sources::program("nginx") else { return };
    if !requires::installed("gdb", "gdb") {
        return;
    }
    let (address, directory) = (free_address(), tempfile::tempdir().unwrap());
    let mut victim = nginx_in(&program, address, directory.path());
    wait_for("nginx", PATIENCE, || get(address, "/").ok());
    let workers = processes::children(victim.pid());
    assert_eq!(workers.len(), 1, "{workers:?}");
    for (pid, process) in [(victim.pid(), 1), (workers[0], 3)] {
        let mut client = StructuredClient::connect(&socket_of(pid));
        assert_eq!(number(&mut client, "ngx_cycle->connection_n"), 64);
        assert_eq!(number(&mut client, "ngx_pagesize"), 4096);
        assert_eq!(number(&mut client, "ngx_process"), process);
        {
            assert_eq!(number(&mut client, "ngx_atoi(\"42\", 2)"), 42);
        }
        let whole = answer(&mut client, "*ngx_cycle");
        assert!(whole.contains("connection_n = 64") && whole.contains("conf_file = {"), "{whole}");
        assert_eq!(get(address, "/").unwrap(), "here");
        as_in_gdb(
            &mut client,
            pid,
            "main",
            &[
                "print ngx_cycle->connection_n",
                "print *ngx_cycle",
                "print ngx_pagesize",
                "print ngx_process",
                "print ngx_pid",
                "print ngx_cycle->conf_file",
                "print (char *)ngx_cycle->conf_file.data",
                "print ngx_cycle->listening",
                "print *(ngx_listening_t *)ngx_cycle->listening.elts",
                "ptype ngx_cycle",
                "whatis ngx_cycle->modules",
                "print ngx_cycle->modules[0]->name",
                "print *ngx_cycle->modules[0]",
                "print ngx_cycle->log->log_level",
                "print sizeof(ngx_connection_t)",
                "print ngx_modules_n",
                "print ngx_last_process",
                "print ngx_core_module",
                "ptype struct ngx_event_s",
            ],
        );
        for _ in 0..10 {
            assert_eq!(get(address, "/").unwrap(), "here");
        }
    }
    victim.signal(Signal::SIGTERM);
    assert_eq!(victim.ended().code(), Some(0), "{}", victim.log());
}

#[test]
fn sqlite3() {
    let _turn = turn::shared();
    let Some(program) = sources::program("sqlite3") else { return };
    if !requires::installed("gdb", "gdb") {
        return;
    }
    let mut victim = Host::new(program).arg(":memory:").options("redirect=\"off\"").start();
    victim.say("create table t(a); insert into t values (40), (2);");
    assert_eq!(victim.ask("select sum(a) from t;"), "42");
    let mut client = victim.structured();
    assert!(answer(&mut client, "sqlite3_version").contains("\"3."));
    assert!(number(&mut client, "sqlite3_libversion_number()") > 3_000_000);
    assert_eq!(number(&mut client, "sqlite3_threadsafe()"), 1);
    assert_eq!(number(&mut client, "sqlite3_complete(\"select 1;\")"), 1);
    assert_eq!(number(&mut client, "sqlite3_complete(\"select\")"), 0);
    assert!(number(&mut client, "sqlite3_memory_used()") > 10_000);
    as_in_gdb(
        &mut client,
        victim.pid(),
        "main",
        &[
            "print sqlite3_version",
            "print sqlite3Config.bMemstat",
            "print sqlite3Config.szLookaside",
            "print sqlite3Config.m",
            "print sqlite3Config",
            "print sizeof(sqlite3)",
            "ptype Mem",
            "whatis sqlite3Config",
            "print *sqlite3Config.pcache2.xInit",
            "print sqlite3UpperToLower['A']@4",
            "print sqlite3OpcodeProperty[0]@8",
            "print mem0",
            "print sqlite3_libversion_number",
        ],
    );
    assert_eq!(victim.ask("select sum(a) * 10 from t;"), "420");
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}

const PYTHON: &str =
    "import sys\nprint('ready', flush=True)\nfor line in sys.stdin:\n    print(eval(line), flush=True)\n";

#[test]
fn python3() {
    let _turn = turn::shared();
    if !requires::installed("gdb", "gdb")
        || !requires::installed_file("/usr/bin/python3", "python3")
        || !requires::installed_file("/usr/share/doc/python3-dbg", "python3-dbg")
    {
        return;
    }
    let mut victim =
        Host::new("/usr/bin/python3").args(["-c", PYTHON]).options("redirect='off', prompt='native'").ready();
    assert_eq!(victim.ask("6 * 7"), "42");
    let mut client = victim.structured();
    assert_eq!(number(&mut client, "_PyRuntime.initialized"), 1);
    assert_eq!(number(&mut client, "_PyRuntime.core_initialized"), 1);
    assert!(answer(&mut client, "_PyRuntime").contains("initialized = 1"));
    assert!(answer(&mut client, "Py_GetVersion()").contains("\"3."));
    assert_eq!(number(&mut client, "Py_IsInitialized()"), 1);
    as_in_gdb(
        &mut client,
        victim.pid(),
        "main",
        &[
            "print _PyRuntime.initialized",
            "print _PyRuntime.core_initialized",
            "print _PyRuntime.interpreters.next_id",
            "print _PyRuntime.interpreters.head->id",
            "print _PyRuntime.interpreters.head == _PyRuntime.interpreters.main",
            "print _PyRuntime.interpreters",
            "whatis _PyRuntime",
            "print sizeof(_PyRuntime)",
            "print PyLong_Type.tp_name",
            "print PyLong_Type",
            "print _PyRuntime.gilstate",
            "ptype struct pyinterpreters",
        ],
    );
    assert_eq!(victim.ask("sum(range(10))"), "45");
    drop(client);
    assert_eq!(victim.finish().1.code(), Some(0), "{}", victim.log());
}
