//! gdb's view of a process's stacks: the truth that ours are compared with. Runs in the test process.
//! gdb interrupts what it attaches to, so it always comes after our own dump.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::{victims, wait_for};

/// A frame as gdb sees it.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The program counter.
    pub pc: u64,
    /// The function's name.
    pub name: Option<String>,
    /// Whether it was inlined into the next frame's function.
    pub inlined: bool,
    /// Where the symbol that holds `pc` starts.
    pub start: Option<u64>,
    /// Whether it is the frame that the kernel makes to call a signal handler.
    pub signal: bool,
}

/// A thread as gdb sees it; frames innermost first.
#[derive(Debug, Clone)]
pub struct Thread {
    /// The kernel's thread id.
    pub tid: i32,
    /// Its name.
    pub name: String,
    /// Its frames, innermost first.
    pub frames: Vec<Frame>,
    /// Why gdb stopped early.
    pub error: Option<String>,
}

/// All threads of a process.
///
/// # Panics
/// When gdb cannot attach or takes longer than 60 seconds (it waits for ever for a thread in state D).
#[must_use]
pub fn stacks(pid: i32) -> Vec<Thread> {
    let script = tempfile::Builder::new().suffix(".py").tempfile().expect("a file for the script");
    std::fs::write(script.path(), include_str!("stacks.py")).expect("write the script");
    let mut command = Command::new("gdb");
    command.args(["-batch", "-nx", "-iex", "set debuginfod enabled off", "-iex", "set auto-load off"]);
    for setting in
        ["print frame-arguments none", "backtrace past-main on", "backtrace past-entry on", "backtrace limit unlimited"]
    {
        command.args(["-iex", &format!("set {setting}")]);
    }
    command.args(["-p", &pid.to_string(), "-x"]).arg(script.path());
    let output = output_within(command, Duration::from_secs(60));
    let threads: Vec<Thread> = output.lines().filter_map(|line| line.strip_prefix("STACK ")).map(parse).collect();
    assert!(!threads.is_empty(), "gdb showed no thread of {pid}: {output}");
    threads
}

/// Runs a command to its end, at most so long; gives its stdout and stderr.
fn output_within(mut command: Command, limit: Duration) -> String {
    let mut errors = tempfile::tempfile().expect("a file for stderr");
    let own = errors.try_clone().expect("a second handle");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(own).spawn().expect("start gdb");
    let mut stdout = child.stdout.take().expect("stdout is a pipe");
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        stdout.read_to_end(&mut text).map(|_| String::from_utf8_lossy(&text).into_owned())
    });
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_for("gdb's end", limit, || child.try_wait().expect("wait"));
    }));
    if let Err(panic) = ended {
        child.kill().ok();
        child.wait().ok();
        std::panic::resume_unwind(panic);
    }
    let mut text = reader.join().expect("the reader").expect("gdb's output");
    std::io::Seek::rewind(&mut errors).expect("rewind");
    errors.read_to_string(&mut text).ok();
    text
}

fn parse(line: &str) -> Thread {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
    let frames = value.get("frames").and_then(Value::as_array).expect("frames");
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let flag = |value: &Value, name: &str| value.get(name).and_then(Value::as_bool).unwrap_or(false);
    Thread {
        tid: value.get("tid").and_then(Value::as_i64).and_then(|tid| tid.try_into().ok()).expect("a tid"),
        name: text(&value, "name").unwrap_or_default(),
        error: text(&value, "error"),
        frames: frames
            .iter()
            .map(|frame| Frame {
                pc: frame.get("pc").and_then(Value::as_u64).expect("a pc"),
                name: text(frame, "name"),
                inlined: flag(frame, "inlined"),
                start: frame.get("start").and_then(Value::as_u64),
                signal: flag(frame, "signal"),
            })
            .collect(),
    }
}

/// What gdb answers to lines that a person would type, in the frame of `function`: the text without its newline, or the error.
/// `printers`: with the pretty printers that the system has, and further arguments for gdb.
///
/// # Panics
/// When gdb cannot attach or takes longer than two minutes.
#[must_use]
pub fn answers(pid: i32, function: &str, lines: &[String], printers: Option<&[&str]>) -> Vec<Result<String, String>> {
    let directory = tempfile::tempdir().expect("a directory");
    let (script, table) = (directory.path().join("prints.py"), directory.path().join("lines"));
    std::fs::write(&script, include_str!("prints.py")).expect("write the script");
    std::fs::write(&table, lines.join("\n")).expect("write the lines");
    let mut command = Command::new("gdb");
    command.args(["-batch", "-nx", "-iex", "set debuginfod enabled off"]).env("TABLE_OF_LINES", &table);
    command.env("LD_PRELOAD", victims::c_with("gdb_xstate", &["-O1", "-shared", "-fPIC"]));
    match printers {
        None => drop(command.args(["-iex", "set auto-load off"])),
        Some(more) => drop(command.args(more)),
    }
    command.args(["-p", &pid.to_string(), "-ex", &format!("frame function {function}"), "-x"]).arg(&script);
    let output = output_within(command, Duration::from_secs(120));
    let answers: Vec<Result<String, String>> = output
        .lines()
        .filter_map(|line| line.strip_prefix("ANSWER "))
        .map(|line| {
            let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
            let text = |name: &str| value.get(name).and_then(Value::as_str).map(|text| text.trim_end().to_owned());
            text("error").map_or_else(|| Ok(text("text").unwrap_or_default()), Err)
        })
        .collect();
    assert_eq!(answers.len(), lines.len(), "gdb has not answered everything: {output}");
    answers
}
