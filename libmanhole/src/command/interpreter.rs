//! What Python's console needs to know of the process: the interpreter's functions, and who holds its lock.
//!
//! Context: the agent's thread.

use super::Session;
use crate::python::{Api, Interpreter};
use crate::render::frames::{names, numbered, thread_line};
use crate::render::{Stack, quote};
use crate::snapshot::Location;
use crate::sys::process;

/// Frames of the holder that are shown.
const SHOWN: usize = 30;

impl Session<'_> {
    /// The interpreter's functions, if there is one in the process.
    pub(crate) fn interpreter(&mut self) -> Option<Api> {
        self.begin_line();
        let (_, world) = self.parts();
        let api = Api::find(&world.modules, &world.memory);
        self.end_line();
        api
    }

    /// The interpreter's version, as a banner has it; `None` where it cannot be read.
    pub(crate) fn version_of_python(&mut self) -> Option<String> {
        self.begin_line();
        let (_, world) = self.parts();
        let interpreter = Interpreter::find(&world.modules, &world.memory).and_then(Result::ok);
        let version = interpreter.and_then(|interpreter| interpreter.version());
        self.end_line();
        version
    }

    /// What Python knows the main thread by; 0 where that cannot be seen.
    pub(crate) fn main_thread_of_python(&mut self) -> u64 {
        self.begin_line();
        let (_, world) = self.parts();
        let identity = Interpreter::find(&world.modules, &world.memory).and_then(|found| {
            let interpreter = found.ok()?;
            let main = process::pid();
            interpreter.threads(Some(main)).and_then(|threads| threads.identity(main))
        });
        self.end_line();
        identity.map_or(0, |(_, ident)| ident)
    }

    /// A thread of the interpreter's, by number, id or name, the main one where none is named: the address of its state, what Python knows
    /// it by, and what people do.
    pub(crate) fn thread_of_python(&mut self, word: Option<&str>) -> Result<(u64, u64, String), String> {
        self.begin_line();
        let found = self.find_thread_of_python(word);
        self.end_line();
        found
    }

    fn find_thread_of_python(&mut self, word: Option<&str>) -> Result<(u64, u64, String), String> {
        let look = self.look_or_take(&|| false);
        let is_meant = |stack: &Stack| match word {
            None => stack.thread.tid == process::pid(),
            Some(word) => {
                let number = word.parse::<i32>().ok();
                number == Some(stack.thread.tid)
                    || number.is_some() && number == i32::try_from(stack.number).ok()
                    || stack.python_name.as_deref().unwrap_or(&stack.thread.name) == word
            }
        };
        let shown = || quote::short(word.unwrap_or("the main thread"), 40);
        let found = look.stacks.iter().find(|stack| is_meant(stack)).cloned();
        // It may have begun since. What the selected frame shows stays.
        let found = found.or_else(|| {
            let look = self.look_apart(crate::capture::Wanted::All, &|| false);
            look.stacks.into_iter().find(|stack| is_meant(stack))
        });
        let stack = found.ok_or_else(|| format!("no thread {}; %info threads lists them", shown()))?;
        let tid = stack.thread.tid;
        let (_, world) = self.parts();
        let interpreter =
            Interpreter::find(&world.modules, &world.memory).ok_or("there is no Python in this process")?;
        let interpreter = interpreter.map_err(|reason| format!("the threads of Python are not known: {reason}"))?;
        if interpreter.has_audit_hooks_in_the_way() {
            return Err("there are audit hooks (sys.addaudithook): before Python 3.12 they would be called in the place of the thread that is to \
                        be debugged"
                .to_owned());
        }
        if interpreter.runs_threads_at_once() {
            return Err("a free-threaded build runs its threads at the same time: none can be debugged in its place (with PYTHON_GIL=1 it can)".to_owned());
        }
        let identity = interpreter.threads(Some(tid)).and_then(|threads| threads.identity(tid));
        let (state, ident) = identity.ok_or_else(|| format!("thread {tid} is none of Python's"))?;
        Ok((state, ident, format!("thread {tid} {}", names(&stack))))
    }

    /// Whether thread `tid` is seen to hold the interpreter's lock, or waits for a condition as one does that wants it. Where there is none, whoever needs all
    /// others to stand still waits for each that executes. `is_late` says that the lock does not come: where nobody has it either, a thread that does not go on may have what
    /// guards it, in a place that does not tell.
    pub(crate) fn keeps_the_lock(&mut self, tid: i32, is_late: bool) -> bool {
        self.begin_line();
        let look = self.look_apart(crate::capture::Wanted::One(tid), &|| false);
        let (_, world) = self.parts();
        let interpreter = Interpreter::find(&world.modules, &world.memory).and_then(Result::ok);
        let is_any = interpreter
            .is_some_and(|interpreter| interpreter.runs_threads_at_once() || is_late && interpreter.is_lock_free());
        self.end_line();
        let keeps = |stack: &Stack| stack.has_gil || is_any || is_at_the_lock(stack) || imports(stack);
        look.stacks.iter().any(|stack| stack.thread.tid == tid && keeps(stack))
    }

    /// The thread that holds the interpreter's lock, with its stack; or that none is seen to.
    pub(crate) fn holder_of_the_lock(&mut self) -> String {
        self.begin_line();
        let look = self.look_apart(crate::capture::Wanted::All, &|| false);
        self.end_line();
        let Some(stack) = look.stacks.iter().find(|stack| stack.has_gil) else {
            let (_, world) = self.parts();
            let interpreter = Interpreter::find(&world.modules, &world.memory).and_then(Result::ok);
            if interpreter.is_some_and(|interpreter| interpreter.runs_threads_at_once()) {
                return "There is none in a free-threaded build: a thread has all others stopped, or wants to and waits for one that never pauses.\n"
                    .to_owned();
            }
            let others = look.problems.iter().find(|problem| problem.contains("Python"));
            let reason = others.map(|problem| format!(" ({problem})")).unwrap_or_default();
            return format!("No thread is seen to hold it{reason}.\n");
        };
        let mut text = format!("It is held by:\n{}\n", thread_line(stack));
        for (number, level) in stack.levels.iter().enumerate().take(SHOWN) {
            text.push_str(&numbered(number, level));
            text.push('\n');
        }
        if stack.levels.len() > SHOWN {
            text.push_str(&format!("... ({} more; %bt {} shows all)\n", stack.levels.len() - SHOWN, stack.thread.tid));
        }
        if let Some(problem) = stack.problem_line() {
            text.push_str(&problem);
            text.push('\n');
        }
        text
    }
}

/// Whether a thread that does not hold the interpreter's lock takes it or gives it back: it executes the interpreter's own code, which needs the lock for all else, or is in
/// a function of the C library's that the lock is made of.
fn is_at_the_lock(stack: &Stack) -> bool {
    let is_part = |at: &&Location| {
        let function = at.function.as_deref().unwrap_or_default();
        ["pthread_cond_", "pthread_mutex_"].iter().any(|name| function.contains(name))
    };
    let innermost = || stack.levels.iter().map_while(|level| level.native_location());
    let part = innermost().position(|at| is_part(&at)).unwrap_or(0);
    innermost().skip(part).find(|at| !is_part(at)).is_some_and(|at| match at.function.as_deref() {
        Some(name) => {
            let is_api = name.starts_with("Py") || name.starts_with("_Py");
            is_api || ["take_gil", "drop_gil"].contains(&name)
        }
        // The lock's functions have no names in a stripped interpreter.
        None => at.object.rsplit('/').next().is_some_and(|file| file.trim_start_matches("lib").starts_with("python")),
    })
}

/// Whether a thread looks for a module at this moment, and does not execute one: then it may hold the lock that the console's own imports need.
fn imports(stack: &Stack) -> bool {
    let functions = stack.levels.iter().filter(|level| level.is_python()).filter_map(|level| level.location());
    let mut inner = functions.take_while(|at| at.function.as_deref() != Some("<module>"));
    inner.any(|at| at.file.as_deref().is_some_and(|file| file.starts_with("<frozen importlib")))
}
