//! The prompt: every command, every kind of bad input, more than one client.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use manhole_tests::victim::{Host, Victim};
use manhole_tests::{PATIENCE, TextClient, text, turn, victims, wait_for};
use serde_json::{Value, json};

fn pool() -> Victim {
    let program = victims::cpp("pool", &["-O2", "-g"]).unwrap_or_else(|| victims::c("stale"));
    Host::new(program).args(["6", "15"]).ready()
}

#[test]
fn commands_answer() {
    let _turn = turn::shared();
    let victim = pool();
    let pid = victim.pid();
    let (mut client, _) = victim.text();
    let mut expect = |line: &str, parts: &[&str]| {
        let answer = client.run(line);
        for part in parts {
            assert!(answer.contains(part), "{line}: no {part:?} in {answer}");
        }
        assert!(answer.ends_with('\n') || answer.is_empty(), "{line}: the answer does not end its line: {answer:?}");
        answer
    };
    let pid_text = pid.to_string();
    expect("help", &["bt", "info threads", "disassemble", "x", "history", "dump_stacktraces"]);
    expect("help bt", &["bt"]);
    expect("bt", &["#0 ", "main"]);
    expect("where", &["#0 ", "main"]);
    let short = expect("bt 2", &["#0 ", "#1 "]);
    assert!(!short.contains("\n#2 "), "{short}");
    expect(&format!("bt {pid}"), &["#0 ", "main"]);
    let all = expect("thread apply all bt", &["LWP", "#0 "]);
    assert_eq!(text::backtraces(&expect("bt all", &[])).len(), text::backtraces(&all).len());
    expect("info threads", &[&pid_text, "pool"]);
    expect(&format!("thread {pid}"), &[&pid_text]);
    expect("frame 1", &["#1 "]);
    expect("up", &["#2 "]);
    expect("down", &["#1 "]);
    expect("info registers", &["rip", "rsp"]);
    expect("disassemble main", &["main", "ret"]);
    expect("info sharedlibrary", &["libc.so.6"]);
    expect("info maps", &["[stack]", "r-x"]);
    expect("info fds", &["pipe:", "0", "1"]);
    expect("info symbol main", &["main"]);
    expect("info line main", &["pool.cpp"]);
    expect("info env", &["LD_PRELOAD="]);
    expect("info limits", &["Max open files"]);
    expect("info signals", &["SIGINT"]);
    expect("x/4i main", &["main"]);
    expect("x/8xb main", &["0x"]);
    expect("x/2gx main", &["0x"]);
    expect("print 6*7", &["42"]);
    expect("print/x 255", &["0xff"]);
    expect("print main", &["main"]);
    expect("dump_stacktraces()", &["######### ProcessID=", "main"]);
    expect("history", &["print 6*7"]);
}

#[test]
fn abbreviations_are_those_of_gdb() {
    let _turn = turn::shared();
    let victim = pool();
    let (mut client, _) = victim.text();
    assert!(client.run("i thr").contains(&victim.pid().to_string()));
    assert!(client.run("backtrace").contains("#0 "));
    assert!(client.run("i r").contains("rip"));
    assert!(client.run("p 1+1").contains('2'));
    assert!(client.run("info s").to_lowercase().contains("ambiguous"));
}

#[test]
fn a_variable_may_be_called_as_several_commands_begin() {
    let _turn = turn::shared();
    let victim = Host::new(victims::c_with("optimized", &["-O0", "-g"])).ready();
    let mut client = victim.structured();
    assert!(client.run("s").message.contains("ambiguous command \"s\": set, show"));
    super::expressions::select(&mut client, "main");
    assert_eq!(client.run("s").text, "$1 = 42\n");
    assert_eq!(client.run("s + 1").text, "$2 = 43\n");
    assert!(client.run("s nothing").message.contains("ambiguous command \"s\": set, show"));
}

#[test]
fn registers_have_parts() {
    let _turn = turn::shared();
    let victim = Host::new(victims::c_with("optimized", &["-O0", "-g"])).ready();
    let mut client = victim.structured();
    for (line, answer) in [
        ("print $esp == (int)$sp", "$1 = 1\n"),
        ("print $spl == (signed char)$sp", "$2 = 1\n"),
        ("whatis $r8w", "type = int16_t\n"),
        ("whatis $ah", "type = int8_t\n"),
        ("print $xmm0", "$3 = <not captured>\n"),
        ("print $eflags", "$4 = <not captured>\n"),
        ("print $xmm99", "void\n"),
    ] {
        assert_eq!(client.run(line).text, answer, "{line}");
    }
}

#[test]
fn python_words_get_a_helpful_answer() {
    let _turn = turn::shared();
    let victim = pool();
    let (mut client, _) = victim.text();
    let answer = client.run("import os");
    assert!(answer.to_lowercase().contains("python"), "{answer}");
}

#[test]
fn sessions_end_as_their_users_end_them() {
    let _turn = turn::shared();
    let mut victim = pool();
    for line in ["quit", "exit", "exit()", "quit()"] {
        let (mut client, _) = victim.text();
        client.send(format!("{line}\n").as_bytes()).unwrap();
        client.until_end();
    }
    let (mut client, _) = victim.text();
    assert!(client.end().contains("now exiting"), "the end of input is answered");
    assert!(victim.runs());
}

#[test]
fn bad_lines_are_errors_and_nothing_more() {
    let _turn = turn::shared();
    let mut victim = pool();
    let (mut client, _) = victim.text();
    for line in [
        "nonsense",
        "x/4gx 0",
        "x/4gx 0xffffffffffffffff",
        "x/8s 0x10",
        "x/99999999999gx main",
        "print 1/0",
        "print 9999999999999999999999",
        "print (((",
        "print no_such_symbol",
        "bt 99999999999999999999",
        "thread 1",
        "thread -1",
        "frame 4000000000",
        "disassemble 1",
        "info",
        "info nonsense",
        "info line nonsense",
        "%",
        "\u{1b}[A",
        "bt \0 all",
        "🕳",
        "print 1 << 1000",
        "print -9223372036854775808 / -1",
        "print -9223372036854775808 % -1",
        "x/-5i main",
        "x/w",
        "help nonsense",
    ] {
        let answer = client.run(line);
        assert!(!answer.trim().is_empty(), "{line:?} is answered by nothing");
        assert!(!answer.contains("panicked"), "{line:?}: {answer}");
    }
    assert_eq!(client.run(""), "", "an empty line is no command");
    assert!(client.run("print 6*7").contains("42"));
    assert!(victim.runs());
}

#[test]
fn a_line_of_a_megabyte() {
    let _turn = turn::shared();
    let mut victim = pool();
    let (mut client, _) = victim.text();
    let answer = client.run(&"x".repeat(1 << 20));
    assert!(!answer.is_empty() && answer.len() < 10_000, "{} bytes: {answer:.200}", answer.len());
    assert!(client.run("print 6*7").contains("42"));
    let nested = "(".repeat(500_000);
    let answer = client.run(&format!("print {nested}1"));
    assert!(answer.len() < 10_000 && !answer.is_empty());
    assert!(client.run("print 6*7").contains("42"));
    assert!(victim.runs());
}

#[test]
fn bytes_that_are_not_utf8() {
    let _turn = turn::shared();
    let mut victim = pool();
    let (mut client, _) = victim.text();
    client.send(b"print \xff\xfe\x80\n").unwrap();
    assert!(!client.until_prompt().is_empty());
    client.send(b"\xc3\x28\r\n").unwrap();
    client.until_prompt();
    assert!(client.run("print 6*7").contains("42"));
    assert!(victim.runs());
}

#[test]
fn clients_that_vanish() {
    let _turn = turn::shared();
    let mut victim = pool();
    for _ in 0..50 {
        // Gone before, during and after the greeting, and in the middle of an answer.
        drop(TextClient::connect(&victim.socket()));
        let (mut client, _) = victim.text();
        client.send(b"bt all\nbt all\nbt all\n").unwrap();
        drop(client);
    }
    victim.text().0.end();
    assert!(victim.runs());
}

#[test]
fn a_client_that_never_reads_blocks_nobody() {
    let _turn = turn::shared();
    let mut victim = pool();
    let mut deaf = wait_for("the manhole", PATIENCE, || UnixStream::connect(victim.socket()).ok());
    deaf.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    // Asks without end; it may fail once the buffers are full.
    for _ in 0..2000 {
        if deaf.write_all(b"bt all\n").is_err() {
            break;
        }
    }
    // The host runs on, and the next client is at least told who has the prompt and gets the dump.
    let mut second = TextClient::connect(&victim.socket());
    let mut seen = String::new();
    wait_for("the second client's dump", PATIENCE, || {
        seen += &second.read_available();
        seen.contains("ThreadID=").then_some(())
    });
    drop(second);
    drop(deaf);
    let (mut third, _) = victim.text();
    assert!(third.run("print 6*7").contains("42"));
    assert!(victim.runs());
}

#[test]
fn a_second_client_is_told_and_gets_the_dump_and_its_turn() {
    let _turn = turn::shared();
    let victim = pool();
    let (mut first, _) = victim.text();
    let mut second = TextClient::connect(&victim.socket());
    let mut seen = String::new();
    let own = std::process::id().to_string();
    wait_for("the second client's dump", PATIENCE, || {
        seen += &second.read_available();
        (seen.contains("ThreadID=") && seen.contains(&own)).then_some(())
    });
    assert!(first.run("print 6*7").contains("42"), "the first keeps the prompt");
    first.end();
    seen += &second.until_prompt();
    assert!(second.run("print 2*4").contains('8'), "its turn has come");
    second.end();
}

#[test]
fn lines_that_are_sent_at_once_are_answered_in_order() {
    let _turn = turn::shared();
    let victim = pool();
    let mut client = TextClient::connect(&victim.socket());
    client.send(b"print 1001\nprint 1002\nprint 1003\nexit()\n").unwrap();
    let all = client.until_end();
    let places: Vec<_> = ["1001", "1002", "1003"].iter().map(|text| all.find(text)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{all}");
}

#[test]
fn the_structured_mode_keeps_its_promises() {
    let _turn = turn::shared();
    let victim = pool();
    let mut client = victim.structured();
    let hello = client.hello.clone();
    assert_eq!(hello.get("protocol"), Some(&json!(1)), "{hello}");
    assert_eq!(hello.get("pid"), Some(&json!(victim.pid())));
    assert_eq!(hello.get("uid"), Some(&json!(nix::unistd::geteuid().as_raw())));
    assert_eq!(hello.get("prompt"), Some(&json!(">>> ")));
    assert!(hello.get("program").and_then(Value::as_str).is_some_and(|program| program.starts_with('/')));

    let id = client.ask(json!({"greet": true}));
    let greeting = client.answer(id);
    assert!(greeting.text.contains("######### ProcessID="));
    assert_eq!(greeting.done, "ok");

    let reply = client.run("print 6*7");
    assert!(reply.text.contains("42") && reply.done == "ok", "{reply:?}");
    let reply = client.run("nonsense");
    assert!(reply.done == "error" && !reply.message.is_empty(), "{reply:?}");

    let id = client.ask(json!({"complete": "info th", "cursor": 7}));
    let candidates = client.answer(id).data;
    assert!(candidates.get("candidates").unwrap().as_array().unwrap().contains(&json!("threads")), "{candidates}");
    assert_eq!(candidates.get("start"), Some(&json!(5)));

    for bad in ["not json", "{}", "[1,2]", "{\"id\":7}", "{\"id\":8,\"run\":5}"] {
        client.send(bad);
        let line = client.line();
        assert!(line.get("error").is_some() || line.get("done") == Some(&json!("error")), "{bad}: {line}");
    }
    // The id is of the client's choice.
    client.send("{\"id\":\"x\",\"run\":\"print 6*7\"}");
    loop {
        let line = client.line();
        assert_eq!(line.get("id"), Some(&json!("x")), "{line}");
        if let Some(done) = line.get("done") {
            assert_eq!(done, "ok");
            break;
        }
    }
    for command in
        ["bt", "info threads", "info sharedlibrary", "info maps", "info fds", "info signals", "print 6*7", "help"]
    {
        assert!(!client.data(command).is_null(), "{command}");
    }
    let reply = client.run("exit()");
    assert_eq!(reply.done, "quit");
}

#[test]
fn a_running_request_can_be_interrupted() {
    let _turn = turn::shared();
    let victim = Host::new(victims::c("kinds")).arg("no-vfork").ready();
    let mut client = victim.structured();
    let id = client.ask(json!({"run": "x/100000000gx main"}));
    client.send(&json!({"interrupt": id}).to_string());
    client.patience(Duration::from_secs(20));
    let reply = client.answer(id);
    assert!(!reply.done.is_empty());
    assert!(client.run("print 6*7").text.contains("42"));
}

#[test]
fn a_signal_dumps_to_the_log() {
    let _turn = turn::shared();
    let program = victims::cpp("pool", &["-O2", "-g"]).unwrap_or_else(|| victims::c("stale"));
    let mut victim = Host::new(program).args(["6", "15"]).options("dump_on='QUIT', verbose=True").ready();
    victim.log_with("Waiting for new connection");
    for _ in 0..3 {
        victim.signal(nix::sys::signal::Signal::SIGQUIT);
        let log = victim.log_with("######### ProcessID=");
        assert!(log.contains(", in main"), "{log}");
    }
    assert!(victim.runs());
}
