//! The prompt: a line -> what is meant -> an answer.
//!
//! Context: the agent's thread.

mod completion;
mod console;
mod jobs;
mod line;
mod python;
#[cfg(any(test, fuzzing))]
pub(crate) mod exercise;

use std::rc::Rc;

use console::Console;
pub(crate) use console::forget;
use jobs::Job;
pub(crate) use jobs::{Followed, Pending, Work};
use line::Meaning;

use crate::command::find::{self, Found};
use crate::command::{Context, Journal, Session, display, dump_stacktraces, print};
use crate::symbols::Store;

/// What a line has led to.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    /// The answer for people; ends with a newline unless empty.
    pub(crate) text: String,
    /// The answer for programs.
    pub(crate) data: serde_json::Value,
    /// What was wrong, without newline; the text then holds what was said before the error.
    pub(crate) error: Option<String>,
    /// Whether the client wants to leave.
    pub(crate) quit: bool,
    /// What may stand at the cursor, and where it starts: the answer to a completion.
    pub(crate) candidates: Option<(usize, Vec<String>)>,
    /// What the client has sent for the line and the line has not read.
    pub(crate) unread: Vec<u8>,
}

/// What stands before a command where lines are Python's: as users of IPython type commands that are not.
const SIGN: &str = "%";

/// One client's prompt: its symbols, its last snapshot, its selected thread and frame, its history.
pub(crate) struct Prompt<'s> {
    session: Session<'s>,
    /// What the last line has started, and waits for.
    pub(crate) pending: Option<Pending>,
    /// What is to be told of it at once.
    said: String,
    /// Python's, where the process has one.
    console: Console,
}

impl<'s> Prompt<'s> {
    /// The text before a client's first line.
    pub(crate) const PROMPT: &'static str = ">>> ";

    /// The text before the next line.
    pub(crate) fn mark(&self) -> &str {
        self.console.mark()
    }

    pub(crate) fn new(store: &'s Store) -> Self {
        Prompt { session: Session::new(store), pending: None, said: String::new(), console: Console::default() }
    }

    /// Takes over what [`Prompt::remember`] of an earlier session has given.
    pub(crate) fn recall(&mut self, packed: &[u8]) {
        self.session.symbols.recall(packed);
    }

    /// What is worth keeping when the session ends: little memory that saves the next session much work.
    pub(crate) fn remember(&self) -> Vec<u8> {
        self.session.symbols.remember()
    }

    /// Runs a line for its effect alone: `connection_handler="exec"`.
    pub(crate) fn execute(&mut self, line: &[u8], interrupted: &dyn Fn() -> bool) -> Answer {
        match self.execute_in_console(line, interrupted) {
            Ok(Some(answer)) => answer,
            Ok(None) => self.run(line, false, interrupted),
            Err(error) => Answer { error: Some(error), ..Answer::default() },
        }
    }

    /// What a client sees on connect: the dump of all threads, its closing line, and the banner.
    pub(crate) fn greeting(&mut self) -> String {
        self.wants_console();
        let mut text = self.dump();
        text.push_str(&dump_stacktraces::banner());
        text
    }

    /// What a client whose prompt this is sees on connect, after the dump if that is wanted. The console is opened by the first line that is
    /// Python's: for that a thread of the process is disturbed, and who only looks disturbs nobody. Where the interpreter's version cannot be
    /// read, it is opened now, and its words come as an answer.
    pub(crate) fn welcome(&mut self, with_dump: bool) -> String {
        let wants_console = self.wants_console();
        let mut text = if with_dump { self.dump() } else { String::new() };
        if !wants_console {
            if with_dump {
                text.push_str(&dump_stacktraces::banner());
            }
        } else if let Some(banner) = self.greet_as_console() {
            text.push_str(&banner);
        } else {
            self.opens_console();
        }
        text
    }

    /// The dump of all threads and its closing line.
    pub(crate) fn dump(&mut self) -> String {
        self.session.begin_line();
        let mut context = Context::new(&mut self.session, "", false, &|| false);
        dump_stacktraces::dump_all(&mut context);
        let (text, _) = context.out.finish();
        self.session.end_line();
        text
    }

    /// Runs one line (without its newline) for its text, and for its data too when they are wanted. `interrupted` is asked now and then; true ends the command early.
    pub(crate) fn run(&mut self, line: &[u8], wants_data: bool, interrupted: &dyn Fn() -> bool) -> Answer {
        // Data are the native commands'.
        if !wants_data {
            match self.run_in_console(line, interrupted) {
                Ok(Some(answer)) => return answer,
                Ok(None) => {}
                Err(error) => return Answer { error: Some(error), ..Answer::default() },
            }
        }
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        let command = line.strip_prefix(SIGN).map(str::trim_start);
        if command == Some("") {
            let error = "a command follows %, as in %bt; %help lists them".to_owned();
            return Answer { error: Some(error), ..Answer::default() };
        }
        let line = command.unwrap_or(line);
        if line.is_empty() {
            return Answer::default();
        }
        self.session.remember(line::kept(line));
        self.session.journal = Journal::default();
        self.run_here(line, wants_data, interrupted)
    }

    /// Runs a line from its beginning once more, when the call that it waits for has returned.
    fn run_again(&mut self, line: &str, wants_data: bool, interrupted: &dyn Fn() -> bool) -> Answer {
        self.session.journal.rewind();
        self.run_here(line, wants_data, interrupted)
    }

    fn run_here(&mut self, line: &str, wants_data: bool, interrupted: &dyn Fn() -> bool) -> Answer {
        self.session.begin_line();
        let convenience = Rc::clone(&self.session.variables.convenience);
        let mut context = Context::new(&mut self.session, line, wants_data, interrupted);
        let error = obey(&mut context, line, &mut self.pending).err();
        if error.is_none() && context.session.started.is_none() && self.pending.is_none() {
            display::show_all(&mut context);
        }
        let quit = context.out.quit;
        let (text, data) = context.out.finish();
        self.session.end_line();
        if let Some(ticket) = self.session.started.take() {
            // What the line has done to variables it does again.
            self.session.variables.convenience = convenience;
            let job = Job::new(ticket, Some(line.to_owned()));
            self.pending = Some(Pending { id: serde_json::Value::Null, as_data: wants_data, work: Work::Job(job) });
            return Answer::default();
        }
        self.session.journal = Journal::default();
        if let Some(watch) = self.session.watch.take() {
            let work = Work::Watch(watch);
            self.pending = Some(Pending { id: serde_json::Value::Null, as_data: wants_data, work });
            self.said = text;
            return Answer::default();
        }
        Answer { text, data, error, quit, ..Answer::default() }
    }

    /// What is to be told at once of what is waited for.
    pub(crate) fn take_said(&mut self) -> String {
        core::mem::take(&mut self.said)
    }

    /// What may stand before the byte offset `cursor`: the offset where the replaced text starts, and the candidates.
    pub(crate) fn complete(&mut self, line: &str, cursor: usize) -> (usize, Vec<String>) {
        if let Some(rest) = line.strip_prefix('%') {
            let (start, candidates) = self.complete(rest, cursor.saturating_sub(1));
            return (start + 1, candidates);
        }
        self.session.begin_line();
        let result = completion::complete(&mut self.session, line, cursor);
        self.session.end_line();
        result
    }
}

fn obey(context: &mut Context<'_, '_>, line: &str, pending: &mut Option<Pending>) -> Result<(), String> {
    match line::meaning(line) {
        Meaning::Line(line) => obey_native(context, line, pending),
        Meaning::Say(text) => {
            context.out.line(format_args!("{text}"));
            Ok(())
        }
        Meaning::Quit => {
            context.out.quit = true;
            Ok(())
        }
        Meaning::Refused(reason) => Err(reason),
    }
}

fn obey_native(context: &mut Context<'_, '_>, line: &str, pending: &mut Option<Pending>) -> Result<(), String> {
    let (word, _) = find::split_word(line);
    // A name that was given on purpose wins over an abbreviation, though not over a command.
    if context.session.local(word).is_some() && !find::is_full_word(word) {
        return print::bare(context, line);
    }
    match find::find(line) {
        Found::Command(command, arguments) => (command.run)(context, arguments),
        Found::OfApplication(command, arguments) => {
            *pending = Some(Pending::start(context, command, line, arguments)?);
            Ok(())
        }
        Found::Incomplete(first, rest) => Err(find::incomplete(first, rest)),
        // It is no command, so it may be a variable: of the selected frame too, which the symbol tables do not know.
        Found::Ambiguous(several) if several == word => print::bare(context, line).map_err(|error| {
            let is_no_name = error.starts_with(&format!("No symbol \"{word}\""));
            let has_words = line.trim() != word && line::looks_like_a_command(line);
            match (is_no_name || has_words) && !context.session.has_name(word) {
                true => find::ambiguous(word),
                false => error,
            }
        }),
        Found::Ambiguous(several) => Err(find::ambiguous(several)),
        Found::Unknown => print::bare(context, line).map_err(|error| match line::looks_like_a_command(line) {
            true if !context.session.has_name(word) => find::unknown(line),
            _ => error,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_prompt<T>(act: impl FnOnce(&mut Prompt<'_>) -> T) -> T {
        let store = Store::default();
        act(&mut Prompt::new(&store))
    }

    fn run(line: &str) -> Answer {
        with_prompt(|prompt| prompt.run(line.as_bytes(), true, &|| false))
    }

    #[test]
    fn what_upstream_s_clients_type() {
        assert_eq!(run("print('FOOBAR')").text, "FOOBAR\n");
        assert!(run("1234+2345").text.contains("3579"));
        for line in ["exit()", "quit()", "exit", "quit", "q", "raise SystemExit()", "raise SystemExit", "sys.exit(0)"] {
            let answer = run(line);
            assert!(answer.quit && answer.error.is_none(), "{line}");
        }
        let answer = run("import os");
        assert!(answer.error.unwrap().contains("no Python"));
        assert!(run("dump_stacktraces()").text.ends_with("#############################################\n\n\n"));
    }

    #[test]
    fn the_greeting_ends_with_the_banner() {
        let text = with_prompt(|prompt| prompt.greeting());
        assert!(text.contains("#############################################\n\n\n"));
        assert!(text.ends_with("\nType \"help\" for the commands.\n(ManholeConsole)\n"), "{text}");
        assert!(text.contains(&format!("process {}, user ", crate::sys::process::pid())));
    }

    #[test]
    fn errors_help() {
        let error = |line: &str| run(line).error.unwrap();
        assert!(error("hlep").contains("did you mean \"help\""));
        assert!(error("frobnicate 3").contains("help lists the commands"));
        assert!(error("*8").contains("Cannot access memory at address 0x8"));
        assert!(error("d").contains("ambiguous"));
        assert!(error("info theads").contains("threads"));
        assert!(error("x/8gx 8").contains("cannot access memory"));
        assert!(error("1 +").contains("ends"));
        let long = "y".repeat(1 << 20);
        assert!(error(&long).len() < 300);
        assert!(error(&format!("print {long}")).len() < 300);
        assert!(error(&format!("x/{long} 1")).len() < 300);
        assert!(error(&format!("info {long}")).len() < 1000);
        assert!(error(&format!("bt {long}")).len() < 300);
    }

    #[test]
    fn empty_lines_and_bytes_that_are_not_utf_8() {
        with_prompt(|prompt| {
            for line in [&b""[..], b"   ", b"\r", b"\t"] {
                let answer = prompt.run(line, true, &|| false);
                assert!(answer.text.is_empty() && answer.error.is_none());
            }
            assert!(prompt.run(b"\xff\xfe\x00 bt", true, &|| false).error.is_some());
        });
    }

    #[test]
    fn the_history_is_this_session_s() {
        with_prompt(|prompt| {
            for i in 0..1100 {
                prompt.run(format!("{i}").as_bytes(), true, &|| false);
            }
            let answer = prompt.run(b"history 2", true, &|| false);
            assert_eq!(answer.text, " 1100  1099\n 1101  history 2\n");
            let all = prompt.run(b"history", true, &|| false);
            assert_eq!(all.text.lines().count(), 1000);
            assert_eq!(all.data[999]["line"], "history");
        });
    }

    #[test]
    fn values_of_bare_lines_and_formats() {
        assert_eq!(run("1 + 2").text, "$1 = 3\n");
        assert_eq!(run("p/x 255").text, "$1 = 0xff\n");
        assert_eq!(run("p/t 5").text, "$1 = 101\n");
        assert_eq!(run("p/c 65").text, "$1 = 65 'A'\n");
        assert_eq!(run("print (1 + 2)").text, "$1 = 3\n");
        assert_eq!(run("print(1 + 2)").text, "$1 = 3\n");
        let word = 42u64;
        let answer = run(&format!("*{}", core::ptr::from_ref(&word) as u64));
        assert_eq!(answer.text, "$1 = 42\n");
        assert_eq!(answer.data["value"], 42);
    }

    #[test]
    fn lists_answer_with_data() {
        let maps = run("info maps").data;
        assert!(maps.as_array().unwrap().iter().any(|mapping| mapping["path"] == "[stack]"));
        assert!(run("info proc mappings").text.contains("[stack]"));
        let limits = run("info limits").data;
        assert!(limits.as_array().unwrap().iter().any(|limit| limit["limit"] == "Max open files"));
        let fds = run("info fds").data;
        assert!(!fds.as_array().unwrap().is_empty());
        assert!(run("info signals").data["threads"].is_array());
        assert!(run("info sharedlibrary").text.contains("libc.so.6"));
        let help = run("help");
        assert!(help.text.contains("info threads") && help.data.as_array().unwrap().len() > 20);
        assert!(run("help bt").text.contains("-f"));
        assert!(run("help info").text.contains("info maps"));
        let bt = run("bt all").data;
        assert!(bt["threads"].is_array() && bt["problems"].is_array());
        let env = run("info env PATH");
        assert_eq!(env.data["PATH"], std::env::var("PATH").unwrap());
    }

    #[test]
    fn a_long_command_can_be_interrupted() {
        let data = vec![0u8; 1 << 16];
        let asked = core::cell::Cell::new(0);
        let answer = with_prompt(|prompt| {
            prompt.run(format!("x/60000xb {}", data.as_ptr() as u64).as_bytes(), true, &|| {
                asked.set(asked.get() + 1);
                asked.get() > 100
            })
        });
        assert_eq!(answer.error.as_deref(), Some("interrupted"));
        assert!((1..=100).contains(&answer.text.lines().count()), "{}", answer.text.len());
    }

    #[test]
    fn random_lines_are_errors_or_answers() {
        // A small generator of its own: the lines are the same in every run.
        let mut state = 0x2545_f491_4f6c_dd1du64;
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let words = [
            "bt",
            "info",
            "x",
            "/",
            "print",
            "thread",
            "frame",
            "up",
            "-",
            "8",
            "*",
            "(",
            "'",
            "$pc",
            "help",
            "all",
            "+",
            "x/s",
            "disassemble",
            ",",
            "history",
            "\"",
            "&",
            "<<",
            "info line",
            "info symbol",
            "p/x",
            "99999999999999999999",
        ];
        with_prompt(|prompt| {
            for i in 0..2000 {
                let mut line = Vec::new();
                for _ in 0..next() % 12 {
                    if i % 2 == 0 {
                        line.push(next() as u8);
                    } else {
                        line.extend_from_slice(words[next() as usize % words.len()].as_bytes());
                        line.push(b' ');
                    }
                }
                let answer = prompt.run(&line, true, &|| false);
                let blank = String::from_utf8_lossy(&line).trim().is_empty();
                let said = answer.error.is_some() || !answer.text.is_empty() || answer.quit || !answer.data.is_null();
                assert!(said || blank, "{:?}", String::from_utf8_lossy(&line));
                assert!(answer.text.is_empty() || answer.text.ends_with('\n'));
                let text = String::from_utf8_lossy(&line).into_owned();
                let (start, _) = prompt.complete(&text, next() as usize % (text.len() + 2));
                assert!(start <= text.len());
            }
        });
    }
}
