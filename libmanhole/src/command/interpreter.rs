//! What Python's console needs to know of the process: the interpreter's functions, and who holds its lock.
//!
//! Context: the agent's thread.

use super::Session;
use crate::python::Api;
use crate::render::frames::{numbered, thread_line};

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

    /// The thread that holds the interpreter's lock, with its stack; or that none is seen to.
    pub(crate) fn holder_of_the_lock(&mut self) -> String {
        self.begin_line();
        let look = self.look_apart(crate::capture::Wanted::All, &|| false);
        self.end_line();
        let Some(stack) = look.stacks.iter().find(|stack| stack.has_gil) else {
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
