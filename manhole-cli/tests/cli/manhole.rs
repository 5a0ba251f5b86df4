//! The process's end of a manhole: a server on a real socket that speaks the protocol of ARCHITECTURE.md, or text.
//!
//! Runs in the test binary. One client after the other; what it was asked is kept for the test to look at.

use std::io::{BufRead, BufReader, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

use crate::client::PATIENCE;

/// How the server begins.
#[derive(Clone)]
pub(crate) struct Manner {
    /// The pid in the hello.
    pub(crate) pid: i64,
    /// The version in the hello.
    pub(crate) protocol: u64,
    /// Another client has the prompt.
    pub is_occupied: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self { pid: i64::from(std::process::id()), protocol: 1, is_occupied: false }
    }
}

/// A manhole of the test's own process.
pub(crate) struct Manhole {
    directory: tempfile::TempDir,
    path: PathBuf,
    shared: Arc<(Mutex<Seen>, Condvar)>,
}

#[derive(Default)]
pub(crate) struct Seen {
    requests: Vec<Value>,
    client: Option<UnixStream>,
}

impl Manhole {
    /// Opens `app.sock`, a name that says no pid.
    pub(crate) fn open() -> Self {
        Self::open_as("app.sock", Manner::default())
    }

    /// Opens a socket of this name in a directory of its own, and serves structured clients.
    pub(crate) fn open_as(name: &str, manner: Manner) -> Self {
        Self::serve(name, move |stream, shared| {
            let name = stream.peer_addr().unwrap();
            let name = name.as_abstract_name().unwrap_or_default();
            assert!(name.starts_with(b"manhole-cli/1/"), "{name:?}");
            Server { output: stream.try_clone().unwrap(), shared }.structured(stream, &manner);
        })
    }

    /// Opens a socket whose clients get what `serve` does.
    pub(crate) fn serve(name: &str, serve: impl Fn(UnixStream, Arc<(Mutex<Seen>, Condvar)>) + Send + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        let listener = UnixListener::bind(&path).unwrap();
        let shared: Arc<(Mutex<Seen>, Condvar)> = Arc::default();
        let for_server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let (seen, changed) = &*for_server;
                seen.lock().unwrap().client = Some(stream.try_clone().unwrap());
                changed.notify_all();
                serve(stream, Arc::clone(&for_server));
                seen.lock().unwrap().client = None;
            }
        });
        Self { directory, path, shared }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A directory for the client's home.
    pub(crate) fn home(&self) -> &Path {
        self.directory.path()
    }

    /// Waits until a request came for which `is_it` is true, and returns it.
    pub(crate) fn expect_request(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let (seen, changed) = &*self.shared;
        let (seen, _) = changed
            .wait_timeout_while(seen.lock().unwrap(), PATIENCE, |seen| !seen.requests.iter().any(&is_it))
            .unwrap();
        let found = seen.requests.iter().find(|request| is_it(request));
        found.unwrap_or_else(|| panic!("not among {:?}", seen.requests)).clone()
    }

    /// The lines that were run, in order.
    pub(crate) fn lines_run(&self) -> Vec<String> {
        let seen = self.shared.0.lock().unwrap();
        let lines = seen.requests.iter().filter_map(|request| request["run"].as_str());
        lines.map(str::to_owned).collect()
    }

    /// Says something to the client that it did not ask for.
    pub(crate) fn say(&self, message: &Value) {
        self.say_text(&format!("{message}\n"));
    }

    /// Writes bytes to the client.
    pub(crate) fn say_text(&self, text: &str) {
        self.with_client(|client| client.write_all(text.as_bytes()).unwrap());
    }

    /// Closes the connection.
    pub(crate) fn hang_up(&self) {
        self.with_client(|client| client.shutdown(std::net::Shutdown::Both).unwrap());
    }

    fn with_client(&self, act: impl FnOnce(&mut UnixStream)) {
        let (seen, changed) = &*self.shared;
        let (mut seen, result) =
            changed.wait_timeout_while(seen.lock().unwrap(), PATIENCE, |seen| seen.client.is_none()).unwrap();
        assert!(!result.timed_out(), "no client");
        act(seen.client.as_mut().unwrap());
    }
}

struct Server {
    output: UnixStream,
    shared: Arc<(Mutex<Seen>, Condvar)>,
}

impl Server {
    fn structured(mut self, stream: UnixStream, manner: &Manner) {
        self.say(&json!({"hello": {"protocol": manner.protocol, "version": "0.1.0", "pid": manner.pid,
            "uid": nix::unistd::geteuid().as_raw(), "program": "/usr/bin/victim", "prompt": ">>> "}}));
        if manner.is_occupied {
            self.say(&json!({"occupied": {"pid": 4712, "uid": 1000}}));
        }
        let mut input = BufReader::new(stream);
        while let Some(request) = self.next(&mut input) {
            let id = &request["id"];
            if request["greet"] == true {
                self.say(&json!({"id": id, "text": "GREETING\n"}));
                self.say(&json!({"id": id, "done": "ok", "prompt": ">>> "}));
            } else if let Some(line) = request["run"].as_str() {
                if !self.command(id, line, request["format"] == "json", &mut input) {
                    return;
                }
            } else if let Some(line) = request["complete"].as_str() {
                let cursor = request["cursor"].as_u64().unwrap() as usize;
                let start = line[..cursor].rfind(' ').map_or(0, |space| space + 1);
                let words = ["threads", "thread-names", "line", "sharedlibrary"];
                let word = &line[start..cursor];
                let fitting: Vec<_> = words.iter().filter(|one| one.starts_with(word)).collect();
                self.say(&json!({"id": id, "candidates": fitting, "start": start}));
                self.say(&json!({"id": id, "done": "ok"}));
            } else if let Some(late) = request["input"].as_str() {
                self.say(&json!({ "unread": late }));
            } else if request.get("interrupt").is_none() && request.get("input_end").is_none() {
                self.say(&json!({"error": "what?"}));
            }
        }
    }

    /// Runs a line; false ends the connection.
    fn command(&mut self, id: &Value, line: &str, is_json: bool, input: &mut impl BufRead) -> bool {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "quit" => {
                self.say(&json!({"id": id, "done": "quit"}));
                return false;
            }
            "die" => return false,
            "fail" => {
                self.say(&json!({"id": id, "done": "error", "message": "no such thing", "prompt": ">>> "}));
                return true;
            }
            "slow" => {
                self.say(&json!({"id": id, "text": "begun\n"}));
                while let Some(request) = self.next(input) {
                    if request["interrupt"] == *id {
                        self.say(&json!({"id": id, "done": "error", "message": "interrupted"}));
                        return true;
                    }
                }
                return false;
            }
            "reads" => {
                // One line; it gives the rest back, and so what comes late.
                self.say(&json!({"id": id, "takes": "input"}));
                let mut typed = String::new();
                let mut is_over = false;
                while !typed.contains('\n') && !is_over {
                    let Some(request) = self.next(input) else { return false };
                    typed += request["input"].as_str().unwrap_or("");
                    is_over = request.get("input_end").is_some();
                }
                let (line, rest) = typed.split_once('\n').unwrap_or((typed.as_str(), ""));
                self.say(&json!({"id": id, "text": format!("read {line:?}\n")}));
                if !rest.is_empty() {
                    self.say(&json!({"id": id, "unread": rest}));
                }
            }
            "stubborn" => {
                self.say(&json!({"id": id, "text": "begun\n"}));
                while self.next(input).is_some() {}
                return false;
            }
            "chatter" => {
                let piece = format!("{}\n", json!({"id": id, "text": "more\n"}));
                while self.output.write_all(piece.as_bytes()).is_ok() {}
                return false;
            }
            "escape" => self.say(&json!({"id": id, "text": "\u{1b}]0;owned\u{7}\n"})),
            "mode" => {
                self.say(&json!({"id": id, "done": "ok", "prompt": format!("{rest}> ")}));
                return true;
            }
            _ if is_json => self.say(&json!({"id": id, "data": {"line": line}})),
            "echo" => {
                self.say(&json!({"id": id, "text": rest}));
                self.say(&json!({"id": id, "text": "\n"}));
            }
            _ => {}
        }
        self.say(&json!({"id": id, "done": "ok", "prompt": ">>> "}));
        true
    }

    fn next(&self, input: &mut impl BufRead) -> Option<Value> {
        let mut line = String::new();
        // A client that was killed resets the connection.
        if input.read_line(&mut line).unwrap_or(0) == 0 {
            return None;
        }
        let request: Value = serde_json::from_str(&line).unwrap();
        let (seen, changed) = &*self.shared;
        seen.lock().unwrap().requests.push(request.clone());
        changed.notify_all();
        Some(request)
    }

    fn say(&mut self, message: &Value) {
        // The client may have left.
        let _ = self.output.write_all(format!("{message}\n").as_bytes());
    }
}

/// A python-manhole, as far as its bytes go: greeting, prompt, an answer to each line, a farewell at the end of input.
pub(crate) fn python_like() -> Manhole {
    Manhole::serve("app.sock", |stream, _| {
        let mut output = stream.try_clone().unwrap();
        let greeting = "\n######### ProcessID=7, ThreadID=8 #########\n(ManholeConsole)\n>>> ";
        output.write_all(greeting.as_bytes()).unwrap();
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { return };
            let answer = match line.as_str() {
                "1234+2345" => "3579\n>>> ",
                "exit()" => return,
                "def f():" => "... ",
                "input('name? ')" => "name? ",
                other => &format!("<{other}>\n>>> "),
            };
            if output.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
        let _ = output.write_all(b"\nnow exiting ManholeConsole...\n");
    })
}
