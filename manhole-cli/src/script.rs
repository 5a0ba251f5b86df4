//! The structured session without a user: commands of `-c`, or lines from a pipe.
//!
//! A command of `-c` that reads its input sees the end of it, as the client's own input may be its caller's, and one that lasts until the end
//! of input ends with the client's, none of which is read; lines of a pipe are for the prompt, or for a command that reads while it runs,
//! as they come.
//!
//! Runs in the client's main thread. Ctrl-C ends the program as it ends any other; the process sees that we left.

use std::io::{IsTerminal, Write};
use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::failure::{COMMAND_FAILED, Failure};
use crate::notices;
use crate::session::{Closed, Session};
use crate::typed::{self, Typed};
use crate::visible;
use crate::wire::{Outcome, Piece, Request};

enum Stop {
    Closed,
    Failed(Failure),
}

impl From<Closed> for Stop {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

/// Runs the commands one after the other; their answers go to stdout, errors to stderr. All are run, even after an error.
///
/// # Errors
/// Status 3 when one was answered with an error, 1 when the session ended before the last.
pub(crate) fn commands(stream: UnixStream, rest: Vec<u8>, commands: &[String], is_json: bool) -> Result<(), Failure> {
    let session = start(stream, rest)?;
    let mut has_failed = false;
    for (place, command) in commands.iter().enumerate() {
        let left = commands.len().saturating_sub(place);
        match run_one(&session, command, is_json) {
            Ok(Outcome::Ok) => {}
            Ok(Outcome::Error(text)) => {
                eprintln!("{}", text.trim_end_matches('\n'));
                has_failed = true;
            }
            Ok(Outcome::Quit) if left == 1 => {}
            Ok(Outcome::Quit) => {
                return Err(Failure::error(format!(
                    "{command:?} ended the session; commands not run: {}",
                    left.saturating_sub(1)
                )));
            }
            Err(Stop::Closed) => {
                return Err(Failure::error(format!(
                    "connection closed by the process before {command:?} was answered"
                )));
            }
            Err(Stop::Failed(failure)) => return Err(failure),
        }
    }
    verdict(has_failed)
}

/// Behaves as a pipe: greeting and prompts as a text client sees them, each line of stdin a command. With `is_json` only data.
///
/// # Errors
/// Status 1 when the output fails; with `is_json` also 3, when a command was answered with an error.
pub(crate) fn piped(stream: UnixStream, rest: Vec<u8>, first_prompt: &str, is_json: bool) -> Result<(), Failure> {
    let session = start(stream, rest)?;
    match pipe_lines(&session, first_prompt, is_json) {
        Ok(has_failed) => verdict(has_failed),
        Err(Stop::Closed) => {
            eprintln!("connection closed by the process");
            Ok(())
        }
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

fn pipe_lines(session: &Session, first_prompt: &str, is_json: bool) -> Result<bool, Stop> {
    let shared = session.shared();
    let mut prompt = first_prompt.to_owned();
    let mut has_failed = false;
    let mut input = Typed::new();
    if !is_json {
        let (outcome, next) = session.ask(Request::Greet, print)?;
        prompt = next.unwrap_or(prompt);
        if outcome == Outcome::Quit {
            return Ok(false);
        }
        session.await_turn()?;
    }
    loop {
        if !is_json {
            put(&prompt)?;
        }
        shared.begin_editing()?;
        let read = input.line();
        shared.end_editing();
        let line = match read {
            Ok(line) if line.is_empty() => break,
            Ok(line) => line,
            Err(error) => {
                return Err(Stop::Failed(Failure::error(format!("cannot read standard input: {error}"))));
            }
        };
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']);
        let request = if is_json { Request::RunAsData(text) } else { Request::Run(text) };
        let (outcome, next) = answer(request, |request, take| input.ask(session, request, take))?;
        prompt = next.unwrap_or(prompt);
        match outcome {
            Outcome::Ok => {}
            Outcome::Error(text) if is_json => {
                eprintln!("{}", text.trim_end_matches('\n'));
                has_failed = true;
            }
            // As a text client would see it: in its place between the answers.
            Outcome::Error(text) => put(&format!("{}\n", text.trim_end_matches('\n')))?,
            Outcome::Quit => return Ok(has_failed),
        }
    }
    if !is_json {
        put("\n")?;
    }
    Ok(has_failed)
}

fn verdict(has_failed: bool) -> Result<(), Failure> {
    if has_failed {
        return Err(Failure { status: COMMAND_FAILED, text: String::new() });
    }
    Ok(())
}

fn run_one(session: &Session, command: &str, is_json: bool) -> Result<Outcome, Stop> {
    let request = if is_json { Request::RunAsData(command) } else { Request::Run(command) };
    let shared = session.shared();
    let without_input = |request, take: Take<'_>| {
        session.ask(request, |piece| match piece {
            Piece::TakesInput => shared.end_input().map_err(Stop::from),
            Piece::LastsUntilEnd => typed::end_with_ours(session.shared()).map_err(Stop::from),
            other => take(other),
        })
    };
    answer(request, without_input).map(|(outcome, _)| outcome)
}

/// What is done with a piece of an answer.
type Take<'t> = &'t mut dyn FnMut(Piece) -> Result<(), Stop>;

/// Asks and prints. Asked for data, a command that ends well prints one document, `null` when it has nothing to say.
fn answer<'r>(
    request: Request<'r>,
    ask: impl FnOnce(Request<'r>, Take<'_>) -> Result<(Outcome, Option<String>), Stop>,
) -> Result<(Outcome, Option<String>), Stop> {
    if !matches!(request, Request::RunAsData(_)) {
        return ask(request, &mut print);
    }
    let mut documents: Vec<Value> = Vec::new();
    let (outcome, prompt) = ask(request, &mut |piece| {
        if let Piece::Data(data) = piece {
            documents.push(data);
        }
        Ok::<(), Stop>(())
    })?;
    if documents.is_empty() && outcome == Outcome::Ok {
        documents.push(Value::Null);
    }
    for document in documents {
        put(&format!("{document}\n"))?;
    }
    Ok((outcome, prompt))
}

fn print(piece: Piece) -> Result<(), Stop> {
    match piece {
        Piece::Text(text) => put(&text),
        _ => Ok(()),
    }
}

/// Writes at once: whoever reads our pipe sees each answer when it is there.
fn put(text: &str) -> Result<(), Stop> {
    let mut output = std::io::stdout().lock();
    let is_terminal = output.is_terminal();
    let text = if is_terminal { visible::on_terminal(text) } else { text.into() };
    output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
        .map_err(|error| Stop::Failed(Failure::output(&error)))
}

/// A session whose notices go to stderr. A connection that is closed while we wait for our own input ends the program at once.
fn start(stream: UnixStream, rest: Vec<u8>) -> Result<Session, Failure> {
    let on_close = || {
        eprintln!("connection closed by the process");
        std::process::exit(0)
    };
    let threads = |error: std::io::Error| Failure::error(format!("cannot start a thread: {error}"));
    let notices = notices::start(None, visible::on_terminal, || false, on_close).map_err(threads)?;
    let session = Session::start(stream, rest, notices).map_err(threads)?;
    Ok(session)
}
