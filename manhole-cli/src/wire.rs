//! The messages of the structured mode: lines of JSON to and from data, as ARCHITECTURE.md describes them.
//!
//! Runs in the client; pure.

use serde_json::{Value, json};

/// The protocol's version that this client speaks.
pub(crate) const PROTOCOL: u64 = 1;

/// The first message of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    /// The version of the protocol.
    pub(crate) protocol: u64,
    /// The pid as the process knows it.
    pub(crate) pid: i32,
    /// Its effective uid.
    pub(crate) uid: u32,
    /// The program's path.
    pub(crate) program: String,
    /// The prompt to show.
    pub(crate) prompt: String,
}

/// Any later message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Message {
    /// Another client has the prompt.
    Occupied {
        /// That client's pid.
        pid: i64,
        /// Its uid.
        uid: i64,
    },
    /// The prompt is ours now.
    Turn,
    /// Belongs to a request.
    Reply {
        /// The request's id.
        id: u64,
        /// The piece of answer.
        piece: Piece,
    },
    /// Text that no request asked for.
    Text(String),
    /// Input that came when no command took any.
    Unread(String),
    /// A complaint about what we sent.
    Error(String),
    /// Something of a later version.
    Unknown(String),
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    /// A piece of text.
    Text(String),
    /// The answer as data.
    Data(Value),
    /// What may stand between `start` and the cursor.
    Candidates {
        /// A byte offset in the line.
        start: usize,
        /// The texts, in the order to show.
        list: Vec<String>,
    },
    /// From now on the command reads what is sent as input.
    TakesInput,
    /// The command goes on until input is sent, or its end.
    LastsUntilEnd,
    /// Input that the command has not read.
    Unread(String),
    /// The request has ended.
    Done {
        /// How it ended.
        outcome: Outcome,
        /// The next prompt, when it is told.
        prompt: Option<String>,
    },
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// As asked.
    Ok,
    /// With this message.
    Error(String),
    /// The process ends the session.
    Quit,
}

/// Reads the first line; nothing when it is no hello (a text manhole's greeting may be anything).
pub(crate) fn hello(line: &[u8]) -> Option<Hello> {
    let value: Value = serde_json::from_slice(line).ok()?;
    let hello = value.get("hello")?;
    Some(Hello {
        protocol: hello.get("protocol")?.as_u64()?,
        pid: i32::try_from(hello.get("pid")?.as_i64()?).ok()?,
        uid: u32::try_from(hello.get("uid")?.as_u64()?).ok()?,
        program: text(hello, "program").unwrap_or_default(),
        prompt: text(hello, "prompt").unwrap_or_else(|| ">>> ".to_owned()),
    })
}

/// Reads a later line.
pub(crate) fn message(line: &[u8]) -> Message {
    let unknown = || Message::Unknown(String::from_utf8_lossy(line).trim_end().to_owned());
    let Ok(value) = serde_json::from_slice::<Value>(line) else {
        return unknown();
    };
    if let Some(other) = value.get("occupied") {
        let number = |key| other.get(key).and_then(Value::as_i64).unwrap_or(-1);
        return Message::Occupied { pid: number("pid"), uid: number("uid") };
    }
    if value.get("turn").is_some() {
        return Message::Turn;
    }
    if let Some(error) = text(&value, "error") {
        return Message::Error(error);
    }
    match value.get("id").and_then(Value::as_u64) {
        Some(id) => match piece(&value) {
            Some(piece) => Message::Reply { id, piece },
            None => unknown(),
        },
        None => match text(&value, "unread") {
            Some(unread) => Message::Unread(unread),
            None => text(&value, "text").map_or_else(unknown, Message::Text),
        },
    }
}

fn piece(value: &Value) -> Option<Piece> {
    if let Some(text) = text(value, "text") {
        return Some(Piece::Text(text));
    }
    if let Some(unread) = text(value, "unread") {
        return Some(Piece::Unread(unread));
    }
    if let Some(takes) = value.get("takes") {
        return Some(if takes == "end" { Piece::LastsUntilEnd } else { Piece::TakesInput });
    }
    if let Some(data) = value.get("data") {
        return Some(Piece::Data(data.clone()));
    }
    if let Some(list) = value.get("candidates") {
        let list = list.as_array()?.iter();
        return Some(Piece::Candidates {
            start: usize::try_from(value.get("start")?.as_u64()?).ok()?,
            list: list.filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        });
    }
    let outcome = match value.get("done")?.as_str()? {
        "ok" => Outcome::Ok,
        "quit" => Outcome::Quit,
        other => Outcome::Error(text(value, "message").unwrap_or_else(|| other.to_owned())),
    };
    Some(Piece::Done { outcome, prompt: text(value, "prompt") })
}

fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

/// A request, before it has an id.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request<'a> {
    /// The dump and the banner.
    Greet,
    /// One prompt line, answered as text.
    Run(&'a str),
    /// One prompt line, answered as data.
    RunAsData(&'a str),
    /// What may stand before the cursor, a byte offset.
    Complete(&'a str, usize),
}

impl Request<'_> {
    /// The line to send, its end included.
    pub(crate) fn line(self, id: u64) -> String {
        let value = match self {
            Self::Greet => json!({"id": id, "greet": true}),
            Self::Run(line) => json!({"id": id, "run": line}),
            Self::RunAsData(line) => json!({"id": id, "run": line, "format": "json"}),
            Self::Complete(line, cursor) => json!({"id": id, "complete": line, "cursor": cursor}),
        };
        format!("{value}\n")
    }
}

/// The line that stops request `id`.
pub(crate) fn interrupt(id: u64) -> String {
    format!("{}\n", json!({ "interrupt": id }))
}

/// The line that gives the running command input.
pub(crate) fn input(text: &str) -> String {
    format!("{}\n", json!({ "input": text }))
}

/// The line that says that there is no more of it.
pub(crate) fn input_end() -> String {
    format!("{}\n", json!({ "input_end": true }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hello_of_the_map() {
        let line = br#"{"hello":{"protocol":1,"version":"0.1.0","pid":4711,"uid":1000,"program":"/usr/sbin/nginx","prompt":">>> "}}"#;
        let hello = hello(line).unwrap();
        assert_eq!((hello.protocol, hello.pid, hello.uid), (1, 4711, 1000));
        assert_eq!((hello.program.as_str(), hello.prompt.as_str()), ("/usr/sbin/nginx", ">>> "));
    }

    #[test]
    fn what_is_no_hello() {
        for line in ["", "{", "{}", "\n####", r#"{"hello":{"pid":"x"}}"#, "[1]"] {
            assert_eq!(hello(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn the_replies_of_the_map() {
        let reply = |id, piece| Message::Reply { id, piece };
        let done = |outcome, prompt: Option<&str>| Piece::Done { outcome, prompt: prompt.map(str::to_owned) };
        for (line, expected) in [
            (r#"{"occupied":{"pid":4712,"uid":1000}}"#, Message::Occupied { pid: 4712, uid: 1000 }),
            (r#"{"turn":{}}"#, Message::Turn),
            (r#"{"id":2,"text":"x"}"#, reply(2, Piece::Text("x".to_owned()))),
            (r#"{"id":3,"data":{"a":1}}"#, reply(3, Piece::Data(json!({"a": 1})))),
            (r#"{"id":3,"data":null}"#, reply(3, Piece::Data(Value::Null))),
            (
                r#"{"id":4,"candidates":["threads"],"start":5}"#,
                reply(4, Piece::Candidates { start: 5, list: vec!["threads".to_owned()] }),
            ),
            (r#"{"id":2,"done":"ok","prompt":">>> "}"#, reply(2, done(Outcome::Ok, Some(">>> ")))),
            (r#"{"id":2,"done":"error","message":"m"}"#, reply(2, done(Outcome::Error("m".to_owned()), None))),
            (r#"{"id":2,"done":"quit"}"#, reply(2, done(Outcome::Quit, None))),
            (r#"{"error":"bad"}"#, Message::Error("bad".to_owned())),
            (r#"{"text":"news"}"#, Message::Text("news".to_owned())),
            (r#"{"id":2,"takes":"input"}"#, reply(2, Piece::TakesInput)),
            (r#"{"id":2,"takes":"end"}"#, reply(2, Piece::LastsUntilEnd)),
            (r#"{"id":2,"unread":"bt\n"}"#, reply(2, Piece::Unread("bt\n".to_owned()))),
            (r#"{"unread":"late"}"#, Message::Unread("late".to_owned())),
            (r#"{"id":9}"#, Message::Unknown(r#"{"id":9}"#.to_owned())),
            ("nonsense\n", Message::Unknown("nonsense".to_owned())),
        ] {
            assert_eq!(message(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn requests_are_one_line_each() {
        assert_eq!(Request::Greet.line(1), "{\"greet\":true,\"id\":1}\n");
        for (request, id) in
            [(Request::Run("a\nb\"c"), 2), (Request::RunAsData("x"), 3), (Request::Complete("info th", 7), 4)]
        {
            let line = request.line(id);
            assert_eq!(line.matches('\n').count(), 1, "{line}");
            let value: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(value["id"], id);
        }
        assert_eq!(interrupt(3), "{\"interrupt\":3}\n");
        assert_eq!(input("a\n"), "{\"input\":\"a\\n\"}\n");
        assert_eq!(input_end(), "{\"input_end\":true}\n");
    }
}
