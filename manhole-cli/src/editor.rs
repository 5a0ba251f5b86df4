//! The line editor: its settings, completion, and the history file.
//!
//! Runs in the client's main thread, only on a terminal.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, ExternalPrinter, Helper};

use crate::session::Session;
use crate::visible;

/// How long Tab waits for the process.
const PATIENCE: Duration = Duration::from_secs(2);

/// Writes above the line that is being edited.
pub(crate) type Printer = Box<dyn ExternalPrinter + Send>;

/// A line editor with history.
pub(crate) struct Editor {
    inner: rustyline::Editor<Completions, DefaultHistory>,
    history: Option<PathBuf>,
}

/// What the user typed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// A line.
    Line(String),
    /// Ctrl-C: the line was dropped.
    Cleared,
    /// Ctrl-D.
    End,
}

impl Editor {
    /// Makes the editor and loads `~/.manhole_history`; the printer is missing on a dumb terminal.
    ///
    /// # Errors
    /// The text of the terminal's error.
    pub(crate) fn new() -> Result<(Self, Option<Printer>), String> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .completion_show_all_if_ambiguous(true)
            .bracketed_paste(false) // a pasted line is a command, as it is for nc
            .max_history_size(10_000)
            .and_then(|config| config.history_ignore_dups(true))
            .map_err(|error| error.to_string())?
            .history_ignore_space(true)
            .build();
        let mut inner =
            rustyline::Editor::with_config(config).map_err(|error| format!("cannot use the terminal: {error}"))?;
        let printer = inner.create_external_printer().ok().map(|printer| Box::new(printer) as Printer);
        let history = std::env::home_dir().map(|home| home.join(".manhole_history"));
        if let Some(path) = &history {
            // A first session has none; an unreadable one is no reason not to enter.
            let _ = inner.load_history(path);
        }
        Ok((Self { inner, history }, printer))
    }

    /// From here on Tab asks the process.
    pub(crate) fn complete_with(&mut self, session: Rc<Session>) {
        self.inner.set_helper(Some(Completions { session }));
    }

    /// Lets the user edit one line, which begins as `begun`.
    ///
    /// # Errors
    /// The text of the terminal's error.
    pub(crate) fn read(&mut self, prompt: &str, begun: &str) -> Result<Input, String> {
        match self.inner.readline_with_initial(prompt, (begun, "")) {
            Ok(line) => {
                self.remember(&line);
                Ok(Input::Line(line))
            }
            Err(ReadlineError::Interrupted) => Ok(Input::Cleared),
            Err(ReadlineError::Eof) => Ok(Input::End),
            Err(error) => Err(format!("cannot read from the terminal: {error}")),
        }
    }

    /// Appends to the file at once: the session may end in the middle of a line, and others may run beside it.
    fn remember(&mut self, line: &str) {
        if line.trim().is_empty() || !self.inner.add_history_entry(line).unwrap_or(false) {
            return;
        }
        if let Some(path) = &self.history {
            let _ = self.inner.append_history(path);
        }
    }
}

struct Completions {
    session: Rc<Session>,
}

impl Completer for Completions {
    type Candidate = Shown;

    fn complete(&self, line: &str, cursor: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Shown>)> {
        let (start, list) = self.session.complete(line, cursor, PATIENCE);
        let list = list.into_iter().map(|text| Shown(visible::on_terminal(&text).into_owned())).collect();
        Ok((start, list))
    }
}

/// A candidate, safe to show and to insert.
struct Shown(String);

impl rustyline::completion::Candidate for Shown {
    fn display(&self) -> &str {
        &self.0
    }

    fn replacement(&self) -> &str {
        &self.0
    }
}

impl Hinter for Completions {
    type Hint = String;
}
impl Highlighter for Completions {}
impl Validator for Completions {}
impl Helper for Completions {}
