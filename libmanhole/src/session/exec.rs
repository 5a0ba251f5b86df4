//! `connection_handler="exec"`: each line is run, its answer goes to the log, an error ends the connection.
//!
//! Context: the agent's thread. A plain client is sent nothing at all ([`Client::say`] sees to that). One of the
//! structured mode is told how each request has ended, as it would wait for that, and where the answers are.

use serde_json::Value;

use crate::client::{Client, Line};
use crate::log;
use crate::prompt::{Answer, Pending, Prompt};
use crate::session::interruption::Interruption;
use crate::session::repr::repr;
use crate::session::{Next, TOO_LONG};
use crate::wire;

/// The prompt of the structured mode, which nobody mistakes for one that answers.
pub(super) const PROMPT: &str = "exec> ";

/// What a structured client sees instead of the dump.
const GREETING: &str = "(ManholeConsole with connection_handler=\"exec\": lines are run, their answers go to the process's \
                        log, an error ends the connection.)\n";

/// What it sees instead of an answer.
const LOGGED: &str = "(The answer is in the process's log.)\n";

/// Characters of a line that the log shows.
const SHOWN: usize = 1000;

/// Runs a line of a plain client.
pub(super) fn line(client: &Client, prompt: &mut Prompt<'_>, line: &Line) -> Next {
    match line {
        Line::TooLong => failed(TOO_LONG),
        Line::Whole(line) => {
            let end: &[u8] = if client.line_was_open() { b"" } else { b"\n" };
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let look = || client.interrupts(&Value::Null);
            let interruption = Interruption::new(&look);
            let answer = obey(prompt, &[line, end].concat(), &|| interruption.has_come());
            if answer.quit || answer.error.is_some() { Next::Leave } else { Next::Wait }
        }
    }
}

/// Greets a structured client.
pub(super) fn greet(client: &mut Client, id: &Value) {
    client.reply(&wire::text(id, GREETING));
    client.reply(&wire::done(id, PROMPT));
}

/// Runs a line of a structured client.
pub(super) fn request(client: &mut Client, prompt: &mut Prompt<'_>, id: &Value, line: &str, as_data: bool) -> Next {
    let look = || client.interrupts(id);
    let interruption = Interruption::new(&look);
    let answer = obey(prompt, format!("{line}\n").as_bytes(), &|| interruption.has_come());
    if let Some(pending) = prompt.pending.as_mut() {
        pending.id = id.clone();
        pending.as_data = as_data;
        return Next::Wait;
    }
    client.give_back(id, &[]);
    reply(client, id, as_data, answer)
}

/// Ends a request whose job has ended or was given up.
pub(super) fn conclude(client: &mut Client, pending: &Pending, answer: Answer) -> Next {
    note(&answer);
    if client.is_structured() {
        return reply(client, &pending.id, pending.as_data, answer);
    }
    if answer.quit || answer.error.is_some() { Next::Leave } else { Next::Wait }
}

/// Tells a structured client how its request has ended.
fn reply(client: &mut Client, id: &Value, as_data: bool, answer: Answer) -> Next {
    if as_data {
        client.reply(&wire::data(id, &Value::Null));
    } else if !answer.text.is_empty() {
        client.reply(&wire::text(id, LOGGED));
    }
    if let Some(error) = answer.error {
        client.reply(&wire::failed(id, &error, PROMPT));
        return Next::Leave;
    }
    if answer.quit {
        client.reply(&wire::quit(id));
        return Next::Leave;
    }
    client.reply(&wire::done(id, PROMPT));
    Next::Wait
}

/// The client has left.
pub(super) fn ended() {
    log::event(format_args!("Exiting exec loop."));
}

/// Runs a line, and logs it and what comes of it.
fn obey(prompt: &mut Prompt<'_>, line: &[u8], interrupted: &dyn Fn() -> bool) -> Answer {
    log::event(format_args!("Running: {}.", repr(&String::from_utf8_lossy(line), SHOWN)));
    let answer = prompt.execute(line, interrupted);
    note(&answer);
    answer
}

/// Logs what has come of a line.
fn note(answer: &Answer) {
    log::write(answer.text.as_bytes());
    if let Some(error) = &answer.error {
        failed(error);
    } else if answer.quit {
        ended();
    }
}

/// Nobody else hears of it: it is logged in any case.
fn failed(reason: &str) -> Next {
    log::problem(format_args!("ManholeConnectionThread failure: {}", manhole_options::one_line(reason)));
    Next::Leave
}
