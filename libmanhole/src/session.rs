//! One client's turn at the prompt: lines in, answers out.
//!
//! Context: the agent's thread. Says what is to be done next; the event loop does the waiting.

mod exec;
mod interruption;
mod repr;

use manhole_options::Redirect;

use serde_json::Value;

use crate::client::{Client, Line};
use crate::prompt::{Answer, Followed, Pending, Prompt, Work};
use crate::redirect::Way;
use crate::symbols::Store;
use crate::sys::process;
use crate::wire::{self, Request};
use crate::{hand, log, redirect, state, worker};
use interruption::Interruption;

/// What a text client sees when it ends its input, as python-manhole's do.
const FAREWELL: &str = "\nnow exiting ManholeConsole...\n";

/// How many lines are answered before others have their turn: who waits at the door, an exit.
const LINES: usize = 32;

const TOO_LONG: &str = "the line is longer than 1 MiB and was left out";

/// Whether the session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// There is nothing to do until something comes or can be sent.
    Wait,
    /// There is more to do; others may have their turn in between.
    GoOn,
    /// The client has left or wants to.
    Leave,
}

/// Whether lines are run and the answers not sent: `connection_handler="exec"`.
fn runs_only() -> bool {
    state::settings().exec
}

/// The first words to a structured client.
pub(crate) fn hello(client: &mut Client) {
    if client.is_structured() {
        let program = crate::sys::fd::read_link(c"/proc/self/exe", &mut [0; 4096])
            .map(|path| String::from_utf8_lossy(path).into_owned())
            .unwrap_or_default();
        let prompt = if runs_only() { exec::PROMPT } else { Prompt::PROMPT };
        client.reply(&wire::hello(process::pid(), process::euid(), &program, prompt));
    }
}

/// The first words to a client whose turn it is at once.
pub(crate) fn greet(client: &mut Client, prompt: &mut Prompt<'_>) {
    if !client.is_structured() && !client.is_silent() {
        let greeting = prompt.welcome(true);
        client.say(&greeting);
        say_prompt(client, prompt);
    }
}

/// The prompt, unless something is waited for that gives an answer first.
fn say_prompt(client: &mut Client, prompt: &Prompt<'_>) {
    if prompt.pending.is_none() {
        client.say(prompt.mark());
    }
}

/// The words to a client that has waited for its turn and has seen the dump.
pub(crate) fn take_turn(client: &mut Client, prompt: &mut Prompt<'_>) {
    if client.is_structured() {
        client.reply(&wire::turn());
    } else {
        client.say("The prompt is yours.\n");
        let words = prompt.welcome(false);
        client.say(&words);
        say_prompt(client, prompt);
    }
}

/// The words to a client that has to wait: who has the prompt, and the dump all the same.
pub(crate) fn keep_waiting(client: &mut Client, holder: crate::sys::socket::Peer) {
    if client.is_structured() {
        client.reply(&wire::occupied(holder));
        return;
    }
    if client.is_silent() {
        return;
    }
    client.say(&format!(
        "The prompt is taken by PID {} (UID {}). Here are the stacks; the prompt follows when it is free.\n",
        holder.pid, holder.uid
    ));
    let greeting = Prompt::new(&Store::default()).greeting();
    client.say(&greeting);
}

/// The session begins: the host's output goes to the client, where the options say so.
pub(crate) fn redirect_output(client: &mut Client) {
    redirect::serve(Some(client));
    if runs_only() {
        return;
    }
    let way = match state::settings().redirect {
        Redirect::Session => Way::Client,
        Redirect::Tee => Way::Both,
        Redirect::Line | Redirect::Thread | Redirect::Off => return,
    };
    if let Err(reason) = redirect::begin(way) {
        let say = if hand::is_shut() { log::event } else { log::problem };
        say(format_args!("The output of the process cannot be redirected: {reason}."));
        tell(client, &format!("The output of the process does not come here: {reason}.\n"), Prompt::PROMPT);
    }
}

/// The session has ended: the host's output goes where it belongs.
pub(crate) fn give_output_back(client: &mut Client) {
    let _ = redirect::end();
    redirect::serve(None);
    if client.is_gone() {
        redirect::forget_client();
    } else {
        redirect::feed_the_rest(client);
    }
}

/// Answers what a structured client may ask while it waits: the greeting; and a completion, by nothing, at once. Other
/// requests keep their place.
pub(crate) fn answer_while_waiting(client: &mut Client) {
    if !client.is_structured() {
        return;
    }
    let early = |request: &Request| matches!(request, Request::Greet { .. } | Request::Complete { .. });
    match client.take_early(early) {
        Some(Request::Greet { id }) => {
            let greeting = Prompt::new(&Store::default()).greeting();
            client.reply(&wire::text(&id, &greeting));
            client.reply(&wire::done(&id, Prompt::PROMPT));
        }
        Some(Request::Complete { id, cursor, .. }) => {
            client.reply(&wire::candidates(&id, cursor, &[]));
            client.reply(&wire::done(&id, Prompt::PROMPT));
        }
        _ => {}
    }
}

/// Tells the client something that it has not asked for.
pub(crate) fn tell(client: &mut Client, text: &str, mark: &str) {
    if client.is_structured() {
        client.reply(&wire::notice(text));
    } else {
        client.say(&format!("\n{text}{mark}"));
    }
}

/// The last words to a client whose manhole goes while it is there.
pub(crate) fn dismiss(client: &mut Client) {
    const WORDS: &str = "The process has taken its manhole out: this connection ends.\n";
    if client.is_structured() {
        client.reply(&wire::notice(WORDS));
    } else {
        client.say("\n");
        client.say(WORDS);
    }
    client.finish();
}

/// Answers the lines that are there, one after the other, as long as the client takes the answers.
pub(crate) fn advance(client: &mut Client, prompt: &mut Prompt<'_>) -> Next {
    for _ in 0..LINES {
        if client.is_gone() {
            return over();
        }
        if let Some(pending) = &prompt.pending {
            redirect::input::feed(client, &pending.id);
        }
        // A line that runs comes to its end, and gives back what it has redirected, whether the client reads or not.
        let runs = prompt.pending.as_ref().is_some_and(Pending::is_job);
        if client.has_output() && !runs {
            return Next::Wait;
        }
        if let Some(mut pending) = prompt.pending.take() {
            let id = pending.id.clone();
            let said = prompt.take_said();
            if !said.is_empty() {
                tell_piece(client, &id, &said);
            }
            let is_watch = matches!(pending.work, Work::Watch(_));
            if is_watch && has_seen_enough(client, &id) {
                match conclude(client, &pending, Answer::default(), prompt.mark()) {
                    Next::Leave => return Next::Leave,
                    _ => continue,
                }
            }
            let followed = {
                let look = || client.interrupts(&id);
                let interruption = Interruption::new(&look);
                prompt.follow(&mut pending, &|| interruption.has_come())
            };
            match followed {
                Followed::Answered(answer) => match conclude(client, &pending, answer, prompt.mark()) {
                    Next::Leave => return Next::Leave,
                    _ => continue,
                },
                Followed::Says(text) => {
                    tell_piece(client, &id, &text);
                    prompt.pending = Some(pending);
                    return Next::Wait;
                }
                Followed::Again(work, unread) => {
                    redirect::pump();
                    client.untake_typed(&unread);
                    prompt.pending = Some(Pending { work, ..pending });
                    return Next::Wait;
                }
                Followed::Waits => {
                    if !is_watch {
                        redirect::input::feed(client, &pending.id);
                    }
                    prompt.pending = Some(pending);
                    return Next::Wait;
                }
            }
        }
        if let Some(words) = prompt.lock_has_come() {
            tell(client, &words, prompt.mark());
            return Next::Wait;
        }
        let Some(line) = client.next_line() else {
            if !client.input_is_over() {
                return Next::Wait;
            }
            if !client.is_structured() {
                client.say(FAREWELL);
            }
            return over();
        };
        let next = if client.is_structured() {
            request(client, prompt, line)
        } else if client.is_silent() {
            exec::line(client, prompt, &line)
        } else {
            text(client, prompt, line)
        };
        if next == Next::Leave {
            return Next::Leave;
        }
    }
    Next::GoOn
}

/// Whether a client that watches something ends it: by an interrupt, by any line, or because it sends no more.
fn has_seen_enough(client: &mut Client, id: &Value) -> bool {
    if client.is_structured() {
        // What has come is looked through by the question for an interrupt.
        client.interrupts(id) || client.takes_typed_line()
    } else {
        client.next_line().is_some() || client.input_is_over()
    }
}

/// Tells a part of the answer.
fn tell_piece(client: &mut Client, id: &Value, text: &str) {
    if client.is_structured() {
        client.reply(&wire::text(id, text));
    } else {
        client.say(text);
    }
}

/// The client has ended its input, or is gone.
fn over() -> Next {
    if runs_only() {
        exec::ended();
    }
    Next::Leave
}

/// The session is over; what is left for the client may still be sent.
pub(crate) fn done(client: &Client) {
    if runs_only() {
        return;
    }
    // A structured client ends by closing its connection; only what it leaves unread is lost.
    if client.is_gone() && (!client.is_structured() || client.has_output()) {
        log::event(format_args!("REPL client disconnected"));
    }
    log::event(format_args!("DONE."));
}

/// Nothing is left of the session.
pub(crate) fn cleaned_up() {
    // The next session that calls something gets its own.
    worker::dismiss();
    if !runs_only() {
        log::event(format_args!("Cleaned up."));
    }
}

fn text(client: &mut Client, prompt: &mut Prompt<'_>, line: Line) -> Next {
    let answer = match line {
        Line::Whole(line) => {
            let look = || client.interrupts(&Value::Null);
            let interruption = Interruption::new(&look);
            prompt.run(&line, false, &|| interruption.has_come())
        }
        Line::TooLong => Answer { error: Some(TOO_LONG.to_owned()), ..Answer::default() },
    };
    if prompt.pending.is_some() { Next::Wait } else { said(client, answer, prompt.mark()) }
}

/// Answers a request whose job has ended or was given up.
fn conclude(client: &mut Client, pending: &Pending, answer: Answer, mark: &str) -> Next {
    // What it has printed comes before what it has returned.
    redirect::pump();
    redirect::feed_the_rest(client);
    client.give_back(&pending.id, &answer.unread);
    if runs_only() {
        exec::conclude(client, pending, answer)
    } else if client.is_structured() {
        answered(client, &pending.id, pending.as_data, answer, mark)
    } else {
        said(client, answer, mark)
    }
}

/// Gives a text client its answer.
fn said(client: &mut Client, answer: Answer, mark: &str) -> Next {
    let mut reply = answer.text;
    if let Some(error) = answer.error {
        reply.push_str(&error);
        reply.push('\n');
    }
    if !answer.quit {
        reply.push_str(mark);
    }
    client.say(&reply);
    if answer.quit { Next::Leave } else { Next::Wait }
}

fn request(client: &mut Client, prompt: &mut Prompt<'_>, line: Line) -> Next {
    let request = match line {
        Line::Whole(line) if line.trim_ascii().is_empty() => return Next::Wait,
        Line::Whole(line) => wire::parse(&line),
        Line::TooLong => Err(TOO_LONG.to_owned()),
    };
    match request {
        Err(reason) => client.reply(&wire::error(&reason)),
        // The request that it means has ended already.
        Ok(Request::Interrupt { .. } | Request::InputEnd) => {}
        Ok(Request::Input { text }) => client.reply(&wire::unread(None, &text)),
        Ok(Request::Greet { id }) => greet_structured(client, prompt, &id),
        Ok(Request::Complete { id, line, cursor }) => {
            let look = || client.interrupts(&id);
            let interruption = Interruption::new(&look);
            if prompt.complete_in_console(&line, cursor, &|| interruption.has_come()) {
                if let Some(pending) = prompt.pending.as_mut() {
                    pending.id = id;
                }
                return Next::Wait;
            }
            let (start, candidates) = prompt.complete(&line, cursor);
            client.give_back(&id, &[]);
            client.reply(&wire::candidates(&id, start, &candidates));
            client.reply(&wire::done(&id, if runs_only() { exec::PROMPT } else { prompt.mark() }));
        }
        Ok(Request::Run { id, line, as_data }) if runs_only() => {
            return exec::request(client, prompt, &id, &line, as_data);
        }
        Ok(Request::Run { id, line, as_data }) => {
            let look = || client.interrupts(&id);
            let interruption = Interruption::new(&look);
            let answer = prompt.run(line.as_bytes(), as_data, &|| interruption.has_come());
            if let Some(pending) = prompt.pending.as_mut() {
                if matches!(pending.work, Work::Watch(_)) {
                    client.reply(&wire::takes_end(&id));
                }
                pending.id = id;
                return Next::Wait;
            }
            client.give_back(&id, &[]);
            return answered(client, &id, as_data, answer, prompt.mark());
        }
    }
    Next::Wait
}

/// Gives a structured client its answer.
fn answered(client: &mut Client, id: &Value, as_data: bool, answer: Answer, mark: &str) -> Next {
    if let Some((start, candidates)) = &answer.candidates {
        client.reply(&wire::candidates(id, *start, candidates));
    } else if as_data {
        client.reply(&wire::data(id, &answer.data));
    } else if !answer.text.is_empty() {
        client.reply(&wire::text(id, &answer.text));
    }
    if answer.quit {
        client.reply(&wire::quit(id));
        return Next::Leave;
    }
    match answer.error {
        Some(error) => client.reply(&wire::failed(id, &error, mark)),
        None => client.reply(&wire::done(id, mark)),
    }
    Next::Wait
}

fn greet_structured(client: &mut Client, prompt: &mut Prompt<'_>, id: &Value) {
    if runs_only() {
        return exec::greet(client, id);
    }
    let greeting = prompt.welcome(true);
    client.reply(&wire::text(id, &greeting));
    match prompt.pending.as_mut() {
        Some(pending) => pending.id = id.clone(),
        None => client.reply(&wire::done(id, prompt.mark())),
    }
}
