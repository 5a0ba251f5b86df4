//! Python's console as a client's prompt: its lines are run by the interpreter in the process, one script each, on a worker.
//!
//! Context: the agent's thread, which never waits for the interpreter's lock. Who does is the worker: if the lock does not come, the client has
//! the native prompt until it does.

mod expressions;
mod opening;
mod waiting;

use core::time::Duration;
use std::sync::Arc;

use serde_json::Value;

use expressions::{NOT_RUN, after_values, call_with, literal, opening};

pub(crate) use waiting::forget;
use waiting::{SOON, leave_waiting};

use super::jobs::{Followed, Job, Pending, Work};
use super::{Answer, Prompt, SIGN};
use crate::call::script::{Act, Ending, Progress, Script};
use crate::memory::Memory;
use crate::python::Api;
use crate::sys::process;
use crate::worker::{self, Outcome, Task};
use crate::{python, redirect, state};

/// What the console is made of, in the interpreter's own language.
const SETUP: &[u8] =
    concat!(include_str!("console.py"), include_str!("debugger.py"), include_str!("wire.py"), "\0").as_bytes();

/// How long an interrupted line may take to notice it.
const GRACE: Duration = Duration::from_secs(2);

/// How long a client that leaves is kept until nothing of its session is left in the interpreter.
const CLOSING: Duration = Duration::from_secs(2);

/// The line that gives up a statement which goes on: what Ctrl-C types at a terminal.
const INTERRUPT: &[u8] = b"\x03";

/// What a client hears whose line was interrupted.
const INTERRUPTED: &str = "\nKeyboardInterrupt\n";

/// The expression that gives what there is to tell of the opening. It evaluates the option `locals` itself: whatever becomes of that, it is open.
const OPENED: &[u8] = b"_opened()";

/// What a client hears whose process has Python's functions alone.
const NOT_THERE: &str =
    "the interpreter has not begun yet, or has ended: this is the native prompt; python tries again";

/// The longest text of a version.
const VERSION: usize = 1024;

/// The prompt while lines are Python's, the prompt of a statement that goes on, and the prompt of native lines in a process that has both.
const OWN: &str = ">>> ";
const CONTINUED: &str = "... ";
const NATIVE: &str = "native >>> ";

/// What a client of a process with Python has as its prompt.
#[derive(Default)]
pub(crate) struct Console {
    api: Option<Api>,
    /// The console's names in the interpreter: the address of a dictionary; 0 before there is one.
    globals: u64,
    /// The client's number for the interpreter.
    client: u32,
    /// What the interpreter knows the main thread by; 0 where that cannot be seen.
    main: u64,
    version: String,
    /// Whether it is known what prompt the client has.
    is_settled: bool,
    /// Whether lines are Python's.
    is_active: bool,
    /// Whether the client has been told that they are.
    has_greeted: bool,
    /// Whether the last line goes on.
    goes_on: bool,
    /// Whether the client has been told that the held thread goes on.
    has_told: bool,
    /// Whether the interpreter has yet to hear that it was given up.
    gives_up: bool,
    /// The debugger's prompt, while lines are for that.
    debugger: Option<String>,
    /// What waits for the interpreter's lock while the client has the native prompt.
    entering: Option<(Job, Arc<Progress>)>,
    /// What ends the session in the interpreter, and until when the client is kept for it.
    closing: Option<(Arc<Progress>, Duration)>,
}

/// What is done for a client.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Open,
    Line,
    /// Something for the debugger.
    Debug,
    Execute,
    /// Completes a name that starts at this offset.
    Complete(usize),
}

/// Something that the console does.
pub(crate) struct Errand {
    job: Job,
    progress: Arc<Progress>,
    what: What,
    began: Duration,
    /// When the line was interrupted, and how far that is.
    interrupted: Option<(Duration, Option<Arc<Progress>>)>,
}

impl Errand {
    /// When it is to be looked at, if nothing happens before.
    pub(super) fn until(&self) -> Option<Duration> {
        let times = [self.patience(), Some(SOON)];
        let next = times.into_iter().flatten().map(|time| self.began.saturating_add(time));
        next.filter(|time| self.progress.waits() && *time > process::monotonic()).min()
    }
}

impl Console {
    /// Whether it waits for the interpreter's lock behind the client's back.
    pub(super) fn waits(&self) -> bool {
        self.entering.is_some()
    }

    /// The text before the next line.
    pub(super) fn mark(&self) -> &str {
        match (self.is_active, self.api) {
            (true, _) if self.debugger.is_some() => self.debugger.as_deref().unwrap_or_default(),
            (true, _) if self.goes_on => CONTINUED,
            (false, Some(_)) => NATIVE,
            _ => OWN,
        }
    }

    /// As python-manhole's console greets.
    fn banner(&self) -> String {
        format!(
            "Python {} on linux\nType \"help\", \"copyright\", \"credits\" or \"license\" for more information.\n(ManholeConsole)\n",
            self.version
        )
    }
}

impl Prompt<'_> {
    /// Runs a line in the interpreter, if lines are its. `None`: the line is a native one.
    pub(super) fn run_in_console(
        &mut self,
        line: &[u8],
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Option<Answer>, String> {
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        let trimmed = text.trim_ascii();
        // A program that talks to a program greets nobody.
        let opens = !core::mem::replace(&mut self.console.is_settled, true) && state::settings().wants_python;
        if opens {
            self.console.api = self.session.interpreter();
            self.console.is_active = self.console.api.is_some();
        }
        self.session.sign = if self.console.is_active { SIGN } else { "" };
        if !self.console.is_active {
            return match trimmed {
                b"%python" | b"python" if self.knows_interpreter() => self.back_to_python(interrupted).map(Some),
                _ => Ok(None),
            };
        }
        if self.console.goes_on && text == INTERRUPT {
            (self.console.goes_on, self.console.gives_up) = (false, true);
            return Ok(Some(Answer { text: INTERRUPTED.to_owned(), ..Answer::default() }));
        }
        if !self.console.goes_on {
            match trimmed {
                b"%python" => return Ok(Some(Answer::default())),
                b"%native" => {
                    self.console.is_active = false;
                    return Ok(Some(Answer::default()));
                }
                _ if self.console.debugger.is_some() && !trimmed.starts_with(b"%") => {
                    let shown = String::from_utf8_lossy(text).into_owned();
                    return self.start_script(What::Debug, &shown, call_with("_pdb_line", text), interrupted).map(Some);
                }
                b"" => return Ok(Some(Answer::default())),
                // Whoever wants to leave need not wait for a lock that may never come.
                b"exit()" | b"quit()" => return Ok(Some(Answer { quit: true, ..Answer::default() })),
                b"dump_stacktraces()" => return Ok(None),
                _ if trimmed.starts_with(b"%") => {
                    let Some(expression) = self.of_own_word(trimmed)? else { return Ok(None) };
                    let expression = after_values(&expression);
                    let what = if trimmed.starts_with(b"%pdb") { What::Debug } else { What::Line };
                    let shown = String::from_utf8_lossy(trimmed);
                    return self.start_script(what, &shown, expression, interrupted).map(Some);
                }
                _ => {}
            }
        }
        let shown = String::from_utf8_lossy(text).into_owned();
        self.session.remember(super::line::kept(&shown));
        let begin: &[u8] =
            if core::mem::take(&mut self.console.gives_up) { b"_give_up() and _line(" } else { b"_line(" };
        let expression = after_values(&[begin, &*literal(text), b", "].concat());
        self.start_script(What::Line, &shown, expression, interrupted).map(Some)
    }

    /// Completes the name before the cursor. False where lines are not the interpreter's: the answer is at once then.
    pub(crate) fn complete_in_console(&mut self, line: &str, cursor: usize, interrupted: &dyn Fn() -> bool) -> bool {
        let cursor = crate::render::quote::boundary(line, cursor);
        if !self.console.is_active || line.starts_with('%') || python::has_ended() {
            return false;
        }
        let before = line.get(..cursor).unwrap_or_default();
        let is_of_name = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.');
        let name = before.trim_end_matches(is_of_name).len();
        let expression = after_values(&call_with("_complete", before.get(name..).unwrap_or_default().as_bytes()));
        let started = self.start_script(What::Complete(name), "(completion)", expression, interrupted);
        started.is_ok() && self.pending.is_some()
    }

    /// What is known by a word of its own.
    fn of_own_word(&mut self, line: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let text = String::from_utf8_lossy(line);
        let mut words = text.split_whitespace();
        let (word, argument) = (words.next().unwrap_or_default(), words.next());
        Ok(match (word, argument) {
            ("%gc", None) => Some(b"_gc()".to_vec()),
            ("%modules", None) => Some(b"_modules()".to_vec()),
            ("%objects", None) => Some(b"_objects(20)".to_vec()),
            ("%objects", Some(count)) => {
                let wrong =
                    || format!("\"{}\" is no number of types: %objects [N]", crate::render::quote::short(count, 40));
                Some(format!("_objects({})", count.parse::<u32>().map_err(|_| wrong())?).into_bytes())
            }
            ("%pdb", _) if self.console.debugger.is_some() => {
                return Err("the debugger has a thread already: detach lets it go".to_owned());
            }
            ("%pdb", _) => {
                // A name may have blanks in it.
                let thread = text.split_once(char::is_whitespace).map(|(_, thread)| thread.trim());
                let (state, ident, name) = self.session.thread_of_python(thread)?;
                Some([format!("_pdb({state}, {ident}, ").as_bytes(), &*literal(name.as_bytes()), b")"].concat())
            }
            ("%gc" | "%modules", Some(_)) => return Err(format!("{word} takes nothing")),
            _ => None,
        })
    }

    /// `connection_handler="exec"`: runs a line and shows nothing. `None` where there is no interpreter.
    pub(super) fn execute_in_console(
        &mut self,
        line: &[u8],
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Option<Answer>, String> {
        if !state::settings().wants_python {
            return Ok(None);
        }
        if self.console.api.is_none() {
            self.console.api = self.session.interpreter();
        }
        if self.console.api.is_none() {
            return Ok(None);
        }
        let expression = after_values(&call_with("_execute", line));
        self.start_script(What::Execute, &String::from_utf8_lossy(line), expression, interrupted).map(Some)
    }

    /// Has the interpreter evaluate an expression. The answer is empty, or that of a line that was interrupted before there was a thread for it.
    fn start_script(
        &mut self,
        what: What,
        line: &str,
        expression: Vec<u8>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Answer, String> {
        self.announce(what != What::Execute);
        // No thread is needed to say so: where the process waits in exit(3) none can be had.
        if python::has_ended() {
            self.console.forget();
            return Err(NOT_THERE.to_owned());
        }
        let name = if what == What::Open { "Python's prompt" } else { "the line" };
        let is_redirected = what == What::Line && redirect::concerns_lines();
        // What an earlier line has asked for is not this one's.
        let _ = redirect::input::is_asked_for();
        if !matches!(what, What::Complete(_)) {
            self.let_held_move(false);
        }
        let given = self.give_script(name, line, &expression, is_redirected, false, interrupted);
        if given.is_err() && what != What::Open && interrupted() {
            return Ok(Answer { text: INTERRUPTED.to_owned(), ..Answer::default() });
        }
        let (job, progress) = given?;
        // Finding a thread for it may have taken long, and is no wait for the lock.
        let began = process::monotonic();
        let errand = Errand { job, progress, what, began, interrupted: None };
        self.pending = Some(Pending { id: Value::Null, as_data: false, work: Work::Script(errand) });
        Ok(Answer::default())
    }

    /// Gives it to the worker that waits for the interpreter's lock already, or to another one. The end of the expression says whether its
    /// output is redirected.
    fn give_script(
        &mut self,
        name: &str,
        line: &str,
        expression: &[u8],
        is_redirected: bool,
        is_last: bool,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<(Job, Arc<Progress>), String> {
        let Some(api) = self.console.api else { return Err("there is no Python in this process".to_owned()) };
        let globals = self.console.globals;
        let opening = opening(self.console.client, self.console.main);
        let act = |is_redirected: bool| {
            let (setup, opening) = (SETUP.to_vec(), opening.clone());
            let end: &[u8] = match (expression.ends_with(b", "), is_redirected) {
                (false, _) => b"\0",
                (true, true) => b"True)\0",
                (true, false) => b"False)\0",
            };
            Act::Run { globals, setup, opening, expression: [expression, end].concat(), is_last }
        };
        if let Some((ticket, progress)) = waiting::take() {
            ticket.stay();
            let job = Job::new(ticket, None);
            // It has passed the point where a new one waits for that.
            if is_redirected {
                job.begin_redirection();
            }
            if progress.give(act(is_redirected && redirect::is_on())) {
                return Ok((job, progress));
            }
            drop(job.give_back());
        }
        let script = Script::new(api, act(is_redirected));
        let progress = script.progress.clone();
        let ticket =
            self.session.start_job(Task::Script(Box::new(script)), name, line, None, is_redirected, interrupted)?;
        Ok((Job::new(ticket, None), progress))
    }

    /// How it stands with a script.
    pub(super) fn follow_script(&mut self, errand: &mut Errand, interrupted: &dyn Fn() -> bool) -> Followed {
        // What the line prints itself goes another way: by descriptors comes what others print, too, and that belongs elsewhere as well.
        errand.job.redirect(false);
        if redirect::input::is_asked_for() {
            redirect::input::begin();
        }
        self.look_at_held(errand);
        let now = process::monotonic();
        let answer = match worker::outcome(&errand.job.ticket) {
            Outcome::Ran(mut script) => {
                if script.ending == Ending::Raised && errand.interrupted.is_some() {
                    script.ending = Ending::Interrupted;
                }
                let answer = self.script_has_run(errand.what, *script, errand.job.failure.take());
                self.tell_of_held(errand, answer)
            }
            Outcome::Faulted(fault) => {
                errand.job.failure = Some(self.session.fault_report(&errand.job.ticket, *fault));
                errand.job.ticket.release();
                return Followed::Waits;
            }
            // It waits for the lock that the fault has lost.
            Outcome::Running if errand.job.failure.is_some() && !interrupted() && errand.interrupted.is_none() => {
                return Followed::Waits;
            }
            Outcome::Running if errand.progress.is_lost() => self.interpreter_is_gone(&errand.progress),
            Outcome::Running if errand.progress.waits() => {
                let is_late = errand.patience().is_some_and(|limit| errand.began.saturating_add(limit) <= now);
                // Where no time is set, a client that has enough of it wants to know what holds it up.
                let is_interrupted = !is_late && interrupted();
                let is_late = is_late || is_interrupted && (errand.what == What::Open || errand.patience().is_none());
                // At this moment it may have come after all.
                match (is_late, is_interrupted) {
                    (true, _) if self.gives_up_waiting(errand) => self.lock_does_not_come(errand),
                    (false, true) if errand.progress.cancel() => {
                        leave_waiting(&errand.job, &errand.progress);
                        Answer { text: INTERRUPTED.to_owned(), ..Answer::default() }
                    }
                    _ => return Followed::Waits,
                }
            }
            Outcome::Running => match &errand.interrupted {
                None if interrupted() => {
                    errand.interrupted = Some((now, self.interrupt(errand)));
                    return Followed::Waits;
                }
                Some((since, _)) if since.saturating_add(GRACE) <= now => {
                    self.console.goes_on = false;
                    self.console.globals = errand.progress.globals();
                    let answer = self.session.given_up(&errand.job.ticket, "interrupted, and it does not notice");
                    if errand.what == What::Debug || self.console.debugger.take().is_some() {
                        // No thread is to stop in it that nobody waits for any more.
                        self.console.debugger = None;
                        let _ = self.give_script(
                            "the end",
                            "(the debugger was given up)",
                            b"_let_go() or b'0'",
                            false,
                            false,
                            &|| false,
                        );
                    }
                    answer
                }
                _ => return Followed::Waits,
            },
            Outcome::Vanished | Outcome::Returned(_) | Outcome::Called(_) => self.interpreter_is_gone(&errand.progress),
        };
        // One that comes now would be for the next line.
        if let Some((_, Some(interrupt))) = errand.interrupted.take() {
            interrupt.cancel();
        }
        let unread = errand.job.give_back();
        Followed::Answered(Answer { unread, ..answer })
    }

    /// The thread of a script is no more, or stands still for ever.
    fn interpreter_is_gone(&mut self, progress: &Progress) -> Answer {
        let console = &mut self.console;
        // If it is the line alone that has ended its thread, the session is still to be closed.
        console.globals = progress.globals().max(console.globals);
        (console.is_active, console.goes_on, console.debugger) = (false, false, None);
        let error = "the interpreter has ended, and with it the line, or the line has ended its thread: this is the native prompt";
        Answer { error: Some(error.to_owned()), ..Answer::default() }
    }

    /// What has come of a script.
    fn script_has_run(&mut self, what: What, script: Script, failure: Option<String>) -> Answer {
        let console = &mut self.console;
        console.globals = script.progress.globals().max(console.globals);
        if console.version.is_empty() && script.version != 0 {
            let text = Memory::new().c_string(script.version, VERSION).unwrap_or_default();
            console.version = String::from_utf8_lossy(&text).into_owned();
        }
        let error = |text: &str| Answer { error: Some(text.to_owned()), ..Answer::default() };
        let answer = match script.ending {
            // Its opening has failed.
            Ending::Answer(answer) if answer.is_empty() => return self.not_made(),
            Ending::Answer(answer) if answer == NOT_RUN => {
                console.goes_on = false;
                return Answer { text: INTERRUPTED.to_owned(), ..Answer::default() };
            }
            Ending::Answer(answer) => answer,
            Ending::NoInterpreter => {
                console.forget();
                return error(NOT_THERE);
            }
            Ending::Cancelled => return error("interrupted"),
            Ending::Interrupted => {
                console.goes_on = false;
                return Answer { text: INTERRUPTED.to_owned(), ..Answer::default() };
            }
            Ending::NotMade(reason) => {
                console.forget();
                return error(&format!(
                    "the console could not be made in the interpreter: {reason}; this is the native prompt"
                ));
            }
            Ending::Raised if what == What::Open => return self.not_made(),
            Ending::Raised => return error("the line was ended by an exception of the console's own"),
            Ending::Faulted => {
                (console.goes_on, console.debugger) = (false, None);
                let failure = failure.unwrap_or_else(|| "the line has faulted".to_owned());
                return error(&format!(
                    "{failure}\nThe interpreter's lock was given back; what the line had begun stays as it was at that moment."
                ));
            }
        };
        let (digit, text) = answer.split_first().map_or((b'0', &[][..]), |(digit, text)| (*digit, text));
        let text = String::from_utf8_lossy(text).into_owned();
        if let What::Complete(start) = what {
            let candidates = text.lines().map(str::to_owned).collect();
            return Answer { candidates: Some((start, candidates)), ..Answer::default() };
        }
        console.goes_on = digit == b'1';
        if what == What::Debug {
            console.debugger = None;
        }
        match (what, digit) {
            (What::Open, _) => {
                console.is_active = true;
                Answer { text: console.banner() + &text, ..Answer::default() }
            }
            (What::Debug, b'4') => {
                console.debugger = Some(text);
                Answer::default()
            }
            (_, b'2') => Answer { quit: true, ..Answer::default() },
            (_, b'3') => error(&text),
            _ => Answer { text, ..Answer::default() },
        }
    }

    fn not_made(&mut self) -> Answer {
        if self.console.globals != 0 {
            let _ = self.give_script("the end", "(the console could not be made)", b"_close()", false, true, &|| false);
        }
        self.console.forget();
        let error = "the console could not be made in the interpreter: this is the native prompt";
        Answer { error: Some(error.to_owned()), ..Answer::default() }
    }

    /// Raises KeyboardInterrupt in a line that runs.
    fn interrupt(&mut self, errand: &Errand) -> Option<Arc<Progress>> {
        // What makes the console ready is not to be torn in the middle: the line is not run.
        if errand.progress.refuse() {
            return None;
        }
        let script = Script::new(self.console.api?, Act::Interrupt(errand.progress.thread()));
        let progress = script.progress.clone();
        // Who cannot be interrupted goes on as a job after a while. The line may end at this moment: its worker keeps what has come of it.
        errand.job.ticket.keep(true);
        // Also for a client that has gone: its line is not to go on.
        let task = Task::Script(Box::new(script));
        let _ = self.session.start_job(task, "an interrupt", "(interrupt)", None, false, &|| false);
        errand.job.ticket.keep(false);
        Some(progress)
    }

    /// The session is over: nothing of it is left in the interpreter.
    pub(crate) fn close_console(&mut self) {
        redirect::outlet::close();
        let mut waits = self.console.waits();
        if let Some((job, progress)) = self.console.entering.take() {
            self.console.globals = progress.leave().max(self.console.globals);
            leave_waiting(&job, &progress);
        }
        if let Some(Pending { work: Work::Script(errand), .. }) = &self.pending {
            if let Some((_, Some(interrupt))) = &errand.interrupted {
                interrupt.cancel();
            }
            waits |= errand.progress.waits();
            self.console.globals = errand.progress.leave().max(self.console.globals);
            leave_waiting(&errand.job, &errand.progress);
        }
        if self.console.globals != 0 {
            let given = self.give_script("the end", "(end of the session)", b"_close()", false, true, &|| false);
            let until = process::monotonic().saturating_add(CLOSING);
            self.console.closing = given.ok().filter(|_| !waits).map(|(_, progress)| (progress, until));
        }
    }
}

impl Console {
    /// There is no interpreter any more.
    fn forget(&mut self) {
        *self = Console { is_settled: true, ..Console::default() };
    }
}
