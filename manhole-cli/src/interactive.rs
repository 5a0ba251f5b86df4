//! The structured session with a user at a terminal: greeting, prompt, editing, Ctrl-C, and input for a command that runs.
//!
//! Runs in the client's main thread, with threads beside it for replies, notices and signals.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::editor::{Editor, Input};
use crate::failure::Failure;
use crate::session::{Closed, Phase, Session, Shared};
use crate::terminal::{self, Terminal};
use crate::typed::Typed;
use crate::wire::{Hello, Outcome, Piece, Request};
use crate::{notices, visible};

const CLOSED: &str = "connection closed by the process";

/// Why the loop ends early.
enum Stop {
    Closed,
    Failed(Failure),
}

impl From<Closed> for Stop {
    fn from(_: Closed) -> Self {
        Self::Closed
    }
}

/// Serves the user until the session ends.
///
/// # Errors
/// Status 1: the terminal does not work.
pub(crate) fn run(stream: UnixStream, hello: &Hello, rest: Vec<u8>) -> Result<(), Failure> {
    let signals = terminal::hold_signals();
    let (editor, printer) = Editor::new().map_err(Failure::error)?;
    let terminal = Terminal::remember(printer.is_some());
    let shared: Arc<OnceLock<Arc<Shared>>> = Arc::default();
    let threads = |error: std::io::Error| Failure::error(format!("cannot start a thread: {error}"));

    let is_editing = {
        let shared = Arc::clone(&shared);
        move || shared.get().is_some_and(|shared| shared.phase() == Phase::Editing)
    };
    let on_close = {
        let (terminal, is_editing) = (terminal.clone(), is_editing.clone());
        move || {
            // What was printed just before appears only when the editor has taken it.
            std::thread::sleep(Duration::from_millis(30));
            terminal.leave(0, CLOSED, &is_editing)
        }
    };
    let notices = notices::start(printer, visible::on_terminal, is_editing.clone(), on_close).map_err(threads)?;
    let session = Session::start(stream, rest, notices).map_err(threads)?;
    let known = session.shared();
    let _ = shared.set(Arc::clone(&known));
    let for_signals = terminal.clone();
    terminal::on_signal(signals, move |signal| {
        act_on(signal, &known, &for_signals);
    })
    .map_err(threads)?;

    let result = Loop {
        session: Rc::new(session),
        editor,
        prompt: hello.prompt.clone(),
        is_line_open: false,
        typed: Typed::new(),
    }
    .run();
    match result {
        Err(Stop::Closed) => terminal.leave(0, CLOSED, is_editing),
        Err(Stop::Failed(failure)) => Err(failure),
        Ok(()) => Ok(()),
    }
}

/// Ctrl-C stops the running command; when it does not stop, or nothing runs, it leaves. The line editor sees its own Ctrl-C.
fn act_on(signal: Signal, shared: &Shared, terminal: &Terminal) {
    let is_editing = || shared.phase() == Phase::Editing;
    if signal != Signal::SIGINT {
        terminal.leave(terminal::status_of(signal), "", is_editing);
    }
    match shared.interrupt() {
        Phase::Running { .. } if shared.is_occupied() => terminal.leave(0, "", is_editing),
        Phase::Running { interrupts: 1, .. } => {}
        Phase::Running { interrupts: 2, .. } => {
            eprintln!("\nthe command has not stopped yet; Ctrl-C once more leaves the session");
        }
        _ => terminal.leave(terminal::status_of(signal), "", is_editing),
    }
}

/// The prompt of a statement of Python's that goes on, and the line that gives it up.
const CONTINUED: &str = "... ";
const INTERRUPT: &str = "\u{3}";

struct Loop {
    session: Rc<Session>,
    editor: Editor,
    prompt: String,
    /// Whether the last output did not end its line.
    is_line_open: bool,
    /// What was typed while a command ran, and was not for it.
    typed: Typed,
}

impl Loop {
    fn run(mut self) -> Result<(), Stop> {
        self.editor.complete_with(Rc::clone(&self.session));
        if self.ask(Request::Greet)? == Outcome::Quit {
            return Ok(());
        }
        self.session.await_turn()?;
        let shared = self.session.shared();
        loop {
            self.end_line()?;
            if let Some(line) = self.typed.whole_line() {
                let line = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
                self.show(&format!("{}{line}\n", self.prompt))?;
                if self.ask(Request::Run(&line))? == Outcome::Quit {
                    return self.end_line();
                }
                continue;
            }
            let begun = String::from_utf8_lossy(&self.typed.rest()).into_owned();
            shared.begin_editing()?;
            let input = self.editor.read(&visible::on_terminal(&self.prompt), &visible::on_terminal(&begun));
            shared.end_editing();
            match input.map_err(|text| Stop::Failed(Failure::error(text)))? {
                Input::Line(line) => {
                    if self.ask(Request::Run(&line))? == Outcome::Quit {
                        return self.end_line();
                    }
                }
                // A statement of Python's that goes on is given up by its interrupt character, as at a terminal of Python's own.
                Input::Cleared if self.prompt == CONTINUED => {
                    self.ask(Request::Run(INTERRUPT))?;
                }
                Input::Cleared => {}
                Input::End => return Ok(()),
            }
        }
    }

    /// Sends a request and shows its answer.
    fn ask(&mut self, request: Request<'_>) -> Result<Outcome, Stop> {
        let session = Rc::clone(&self.session);
        let mut typed = std::mem::take(&mut self.typed);
        let answer = typed.ask(&session, request, |piece| match piece {
            Piece::Text(text) => self.show(&text),
            _ => Ok(()),
        });
        self.typed = typed;
        let (outcome, prompt) = answer?;
        if let Some(prompt) = prompt {
            self.prompt = prompt;
        }
        if let Outcome::Error(text) = &outcome {
            self.end_line()?;
            self.show(text)?;
        }
        Ok(outcome)
    }

    fn show(&mut self, text: &str) -> Result<(), Stop> {
        if text.is_empty() {
            return Ok(());
        }
        self.is_line_open = !text.ends_with('\n');
        let mut output = std::io::stdout().lock();
        output
            .write_all(visible::on_terminal(text).as_bytes())
            .and_then(|()| output.flush())
            .map_err(|error| Stop::Failed(Failure::output(&error)))
    }

    /// The prompt, and the shell's after us, begin a line.
    fn end_line(&mut self) -> Result<(), Stop> {
        if self.is_line_open {
            self.show("\n")?;
        }
        Ok(())
    }
}
