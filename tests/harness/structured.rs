//! A client of the structured mode (ARCHITECTURE.md, "The structured mode of the wire"). Runs in the test process.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, connect, getsockopt, socket};
use serde_json::{Value, json};

use crate::{PATIENCE, tasks, wait_for};

/// One frame of a stack, as the wire gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The program counter.
    pub pc: u64,
    /// The function's name, demangled, or `None`.
    pub function: Option<String>,
    /// How far the program counter is into the function.
    pub offset: u64,
    /// The source file.
    pub file: Option<String>,
    /// The source line, 0 when unknown.
    pub line: u64,
    /// The mapped object.
    pub object: Option<String>,
    /// Whether the function was inlined into the next frame's.
    pub inlined: bool,
    /// Whether the frame is certain.
    pub certain: bool,
    /// Whether it is the frame that the kernel makes to call a signal handler.
    pub signal: bool,
}

/// One thread, as the wire gives it. Frames are innermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// The kernel's thread id.
    pub tid: i32,
    /// Its name.
    pub name: String,
    /// What it was doing.
    pub state: String,
    /// Its frames, innermost first.
    pub frames: Vec<Frame>,
    /// Whether the stack goes back to the thread's start.
    pub complete: bool,
    /// Why it does not, or why there is none.
    pub problem: Option<String>,
}

impl Thread {
    /// The names of its functions, innermost first; `?` for unknown ones.
    #[must_use]
    pub fn functions(&self) -> Vec<&str> {
        self.frames.iter().map(|frame| frame.function.as_deref().unwrap_or("?")).collect()
    }

    /// Whether one of its functions has this name, arguments and templates aside.
    #[must_use]
    pub fn is_in(&self, function: &str) -> bool {
        self.functions().iter().any(|name| crate::compare::plain(name) == function)
    }
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// All pieces of text.
    pub text: String,
    /// The data, or null.
    pub data: Value,
    /// `ok`, `error` or `quit`.
    pub done: String,
    /// The error's message.
    pub message: String,
}

/// Connects from a name of its own that asks for the structured mode and starts so.
fn connect_from(kind: &str, path: &Path) -> std::io::Result<UnixStream> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let unique = format!("manhole-cli/1/{kind}/{}-{count}", std::process::id());
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(fd.as_raw_fd(), &UnixAddr::new_abstract(unique.as_bytes())?)?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    let stream = UnixStream::from(fd);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Asks for the hello alone, which takes nobody's turn, and gives it.
///
/// # Errors
/// When nobody listens, or the hello and the end do not come in time.
pub fn probe(path: &Path) -> std::io::Result<String> {
    let mut said = String::new();
    connect_from("probe", path)?.read_to_string(&mut said)?;
    Ok(said)
}

/// A connection in the structured mode on which nothing has been read yet, trying until the manhole is there.
///
/// # Panics
/// When it does not come.
#[must_use]
pub fn stream(path: &Path) -> UnixStream {
    wait_for(&format!("a manhole at {}", path.display()), PATIENCE, || connect_from("test", path).ok())
}

/// A connection in the structured mode.
pub struct StructuredClient {
    reader: BufReader<UnixStream>,
    writer: UnixStream,
    next: u64,
    /// What the process said first.
    pub hello: Value,
}

impl StructuredClient {
    /// Runs a line: all that comes until it has ended, whoever has written it, and how it has.
    pub fn run_through(&mut self, line: &str) -> (String, String) {
        let id = self.ask(serde_json::json!({ "run": line }));
        self.rest(id)
    }

    /// The rest of what comes until the request of this number has ended, and its message.
    pub fn rest(&mut self, id: u64) -> (String, String) {
        let mut text = String::new();
        loop {
            let reply = self.line();
            text += reply["text"].as_str().unwrap_or_default();
            if reply["id"] == id && reply["done"].is_string() {
                return (text, reply["message"].as_str().unwrap_or_default().to_owned());
            }
        }
    }

    /// Connects from a name that asks for the structured mode, trying until the manhole is there.
    ///
    /// # Panics
    /// When it does not come, or says something else than hello.
    #[must_use]
    pub fn connect(path: &Path) -> StructuredClient {
        let stream = stream(path);
        let writer = stream.try_clone().expect("a second handle");
        let mut client = StructuredClient { reader: BufReader::new(stream), writer, next: 1, hello: Value::Null };
        let first = client.line();
        client.hello = first.get("hello").unwrap_or_else(|| panic!("not a hello: {first}")).clone();
        client
    }

    /// The next line.
    ///
    /// # Panics
    /// When none comes in time or it is not JSON.
    pub fn line(&mut self) -> Value {
        let mut line = String::new();
        let count = self.reader.read_line(&mut line).unwrap_or_else(|error| {
            let process = getsockopt(&self.writer, PeerCredentials).map(|peer| peer.pid());
            panic!("no line of the structured mode: {error}{}", tasks::describe(process.unwrap_or_default()))
        });
        assert!(count > 0, "the connection has ended");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
    }

    /// Gives the answers another deadline.
    ///
    /// # Panics
    /// When the socket refuses it.
    pub fn patience(&mut self, limit: Duration) {
        self.writer.set_read_timeout(Some(limit)).expect("set a timeout");
    }

    /// Sends a line as it is.
    ///
    /// # Panics
    /// When the other side is gone.
    pub fn send(&mut self, line: &str) {
        self.writer.write_all(format!("{line}\n").as_bytes()).expect("send");
    }

    /// Sends a request, which gets an id, and gives that.
    ///
    /// # Panics
    /// When the other side is gone.
    pub fn ask(&mut self, mut request: Value) -> u64 {
        let id = self.next;
        self.next += 1;
        request.as_object_mut().expect("a request is an object").insert("id".into(), json!(id));
        self.send(&request.to_string());
        id
    }

    /// Collects the answer to a request.
    ///
    /// # Panics
    /// When it does not come in time.
    pub fn answer(&mut self, id: u64) -> Reply {
        let mut reply = Reply { text: String::new(), data: Value::Null, done: String::new(), message: String::new() };
        loop {
            let line = self.line();
            if line.get("id").and_then(Value::as_u64) != Some(id) {
                assert!(line.get("error").is_none(), "the request was refused: {line}");
                continue; // occupied, or the turn
            }
            if let Some(text) = line.get("text").and_then(Value::as_str) {
                reply.text += text;
            }
            if let Some(data) = line.get("data") {
                reply.data = data.clone();
            }
            if line.get("candidates").is_some() {
                reply.data = line.clone();
            }
            if let Some(done) = line.get("done").and_then(Value::as_str) {
                reply.done = done.to_owned();
                reply.message = line.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
                return reply;
            }
        }
    }

    /// Runs one line of the prompt, answered as text.
    ///
    /// # Panics
    /// When the answer does not come.
    pub fn run(&mut self, line: &str) -> Reply {
        let id = self.ask(json!({"run": line}));
        self.answer(id)
    }

    /// Runs one line of the prompt, answered as data.
    ///
    /// # Panics
    /// When the answer does not come or is an error.
    pub fn data(&mut self, line: &str) -> Value {
        let id = self.ask(json!({"run": line, "format": "json"}));
        let reply = self.answer(id);
        assert_eq!(reply.done, "ok", "{line}: {}", reply.message);
        reply.data
    }

    /// All threads' stacks, as the machine executes them.
    ///
    /// # Panics
    /// When they do not come or are not what the wire promises.
    pub fn stacks(&mut self) -> Vec<Thread> {
        let data = self.data("bt native all");
        let threads = data.get("threads").and_then(Value::as_array).unwrap_or_else(|| panic!("no threads in {data}"));
        threads.iter().map(thread).collect()
    }
}

fn thread(value: &Value) -> Thread {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let frames = value.get("frames").and_then(Value::as_array).unwrap_or_else(|| panic!("no frames in {value}"));
    Thread {
        tid: value.get("tid").and_then(Value::as_i64).and_then(|tid| tid.try_into().ok()).expect("a tid"),
        name: text("name").unwrap_or_default(),
        state: text("state").expect("a state"),
        frames: frames.iter().map(frame).collect(),
        complete: value.get("complete").and_then(Value::as_bool).expect("complete is true or false"),
        problem: text("problem"),
    }
}

fn frame(value: &Value) -> Frame {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(0);
    let flag = |name: &str| value.get(name).and_then(Value::as_bool).unwrap_or_else(|| panic!("no {name} in {value}"));
    let pc = text("pc").unwrap_or_else(|| panic!("no pc in {value}"));
    Frame {
        pc: u64::from_str_radix(pc.trim_start_matches("0x"), 16).unwrap_or_else(|_| panic!("pc is {pc:?}")),
        function: text("function"),
        offset: number("offset"),
        file: text("file"),
        line: number("line"),
        object: text("object"),
        inlined: flag("inlined"),
        certain: flag("certain"),
        signal: flag("signal"),
    }
}
