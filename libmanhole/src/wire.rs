//! The structured mode: lines of JSON <-> requests and replies. ARCHITECTURE.md describes it.
//!
//! Context: the agent's thread. Pure.

use serde_json::{Value, json};

use crate::sys::socket::Peer;

/// How the abstract name of a structured client's socket starts.
pub(crate) const CLIENT_NAME: &[u8] = b"\0manhole-cli/1/";

/// How it starts for a client that only wants the hello, and takes nobody's turn.
pub(crate) const PROBE_NAME: &[u8] = b"\0manhole-cli/1/probe/";

/// What a structured client asks for.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    /// The dump and the banner.
    Greet { id: Value },
    /// One line of the prompt; the answer as data instead of text if asked so.
    Run { id: Value, line: String, as_data: bool },
    /// What may stand before the cursor.
    Complete { id: Value, line: String, cursor: usize },
    /// Stop the running request.
    Interrupt { id: Value },
    /// Input for the line that runs.
    Input { text: String },
    /// There is no more of it.
    InputEnd,
}

/// Reads a request, or says what is wrong with it.
pub(crate) fn parse(line: &[u8]) -> Result<Request, String> {
    let request: Value = serde_json::from_slice(line).map_err(|error| format!("not a line of JSON: {error}"))?;
    if let Some(id) = request.get("interrupt") {
        return Ok(Request::Interrupt { id: id.clone() });
    }
    if let Some(text) = request.get("input").and_then(Value::as_str) {
        return Ok(Request::Input { text: text.to_owned() });
    }
    if request.get("input_end").is_some() {
        return Ok(Request::InputEnd);
    }
    let id = request.get("id").cloned().ok_or("a request needs an \"id\"")?;
    let text = |name: &str| request.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Some(line) = text("run") {
        let as_data = match text("format").as_deref() {
            None | Some("text") => false,
            Some("json") => true,
            Some(other) => return Err(format!("unknown \"format\" {other:?}: \"text\" or \"json\"")),
        };
        return Ok(Request::Run { id, line, as_data });
    }
    if let Some(line) = text("complete") {
        let end = line.len();
        let cursor = request.get("cursor").and_then(Value::as_u64).map_or(end, |cursor| end.min(cursor as usize));
        return Ok(Request::Complete { id, line, cursor });
    }
    if request.get("greet").is_some() {
        return Ok(Request::Greet { id });
    }
    Err("a request is one of \"greet\", \"run\", \"complete\", \"interrupt\", \"input\", \"input_end\"".to_owned())
}

/// The first line of the process.
pub(crate) fn hello(pid: i32, uid: u32, program: &str, prompt: &str) -> Value {
    json!({"hello": {
        "protocol": 1, "version": env!("CARGO_PKG_VERSION"), "pid": pid, "uid": uid, "program": program, "prompt": prompt,
    }})
}

/// Another client has the prompt.
pub(crate) fn occupied(holder: Peer) -> Value {
    json!({"occupied": {"pid": holder.pid, "uid": holder.uid}})
}

/// The prompt is yours now.
pub(crate) fn turn() -> Value {
    json!({"turn": {}})
}

/// Something to tell that no request has asked for.
pub(crate) fn notice(text: &str) -> Value {
    json!({"text": text})
}

/// A piece of an answer.
pub(crate) fn text(id: &Value, text: &str) -> Value {
    json!({"id": id, "text": text})
}

/// An answer as data.
pub(crate) fn data(id: &Value, data: &Value) -> Value {
    json!({"id": id, "data": data})
}

/// What may stand between `start` and the cursor.
pub(crate) fn candidates(id: &Value, start: usize, candidates: &[String]) -> Value {
    json!({"id": id, "candidates": candidates, "start": start})
}

/// The running line reads what the client sends as input from now on.
pub(crate) fn takes_input(id: &Value) -> Value {
    json!({"id": id, "takes": "input"})
}

/// The running line goes on until the client sends input, or its end.
pub(crate) fn takes_end(id: &Value) -> Value {
    json!({"id": id, "takes": "end"})
}

/// Input that the line has not read, or that has come when none ran.
pub(crate) fn unread(id: Option<&Value>, text: &str) -> Value {
    match id {
        Some(id) => json!({"id": id, "unread": text}),
        None => json!({"unread": text}),
    }
}

/// A request has ended; the next prompt.
pub(crate) fn done(id: &Value, prompt: &str) -> Value {
    json!({"id": id, "done": "ok", "prompt": prompt})
}

/// A request has ended in an error.
pub(crate) fn failed(id: &Value, message: &str, prompt: &str) -> Value {
    json!({"id": id, "done": "error", "message": message, "prompt": prompt})
}

/// The session ends.
pub(crate) fn quit(id: &Value) -> Value {
    json!({"id": id, "done": "quit"})
}

/// A line that is no request.
pub(crate) fn error(message: &str) -> Value {
    json!({"error": message})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests() {
        let parse = |line: &str| parse(line.as_bytes());
        let id = json!(1);
        assert_eq!(parse(r#"{"id":1,"greet":true}"#), Ok(Request::Greet { id: id.clone() }));
        let run = Request::Run { id: id.clone(), line: "bt".into(), as_data: true };
        assert_eq!(parse(r#"{"id":1,"run":"bt","format":"json"}"#), Ok(run));
        let complete = Request::Complete { id: id.clone(), line: "in".into(), cursor: 2 };
        assert_eq!(parse(r#"{"id":1,"complete":"in","cursor":99}"#), Ok(complete));
        assert_eq!(parse(r#"{"interrupt":1}"#), Ok(Request::Interrupt { id }));
        assert_eq!(parse(r#"{"input":"a\n"}"#), Ok(Request::Input { text: "a\n".into() }));
        assert_eq!(parse(r#"{"input_end":true}"#), Ok(Request::InputEnd));
        for bad in ["", "{", "[]", r#"{"run":"bt"}"#, r#"{"id":1}"#, r#"{"id":1,"run":"bt","format":"xml"}"#] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
