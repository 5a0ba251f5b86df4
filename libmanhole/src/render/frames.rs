//! Frames in gdb's form, and as data.
//!
//! Context: the agent's thread. Pure.

use serde_json::{Value, json};

use super::{Level, Stack};
use crate::snapshot::Method;

/// `0x… in function () at file:line`, as gdb writes a frame without its number.
pub(crate) fn in_gdb_s_form(level: &Level) -> String {
    if level.signal {
        return marked(level, "<signal handler called>".to_owned());
    }
    let mut text = String::new();
    if level.is_innermost() {
        text.push_str(&format!("0x{:016x} in ", level.pc));
    }
    let location = level.location();
    text.push_str(location.and_then(|location| location.function.as_deref()).unwrap_or("??"));
    text.push_str(" ()");
    if let Some(location) = location {
        match (&location.file, location.line) {
            (Some(file), Some(line)) => text.push_str(&format!(" at {file}:{line}")),
            (Some(file), None) => text.push_str(&format!(" at {file}")),
            _ if location.object.is_empty() => {}
            _ => text.push_str(&format!(" from {}", location.object)),
        }
        if location.inlined {
            text.push_str(" (inlined)");
        }
        if level.is_python() {
            text.push_str(" (Python)");
        }
    }
    marked(level, text)
}

fn marked(level: &Level, text: String) -> String {
    if level.certain { text } else { format!("? {text}") }
}

/// `#0  …`.
pub(crate) fn numbered(number: usize, level: &Level) -> String {
    format!("#{number:<2} {}", in_gdb_s_form(level))
}

/// `Thread N (LWP T) "name" (state):`.
pub(crate) fn thread_line(stack: &Stack) -> String {
    format!("Thread {} (LWP {}) {} ({}):", stack.number, stack.thread.tid, names(stack), stack.state)
}

/// `"name"`, with what Python calls it behind that in brackets.
pub(crate) fn names(stack: &Stack) -> String {
    let own = if stack.thread.own { " (manhole)" } else { "" };
    let python = stack.python_name.as_ref().map(|name| format!(" [{}]", super::quote::plain(name)));
    format!("\"{}\"{}{own}", super::quote::plain(&stack.thread.name), python.unwrap_or_default())
}

/// Which frames of a stack to show: the innermost `n`, the outermost `n`, or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    All,
    Innermost(usize),
    Outermost(usize),
}

impl Range {
    /// The first one of `count` frames that is shown, and the first one behind it that is not.
    fn bounds(self, count: usize) -> (usize, usize) {
        match self {
            Range::All => (0, count),
            Range::Innermost(n) => (0, n.min(count)),
            Range::Outermost(n) => (count.saturating_sub(n), count),
        }
    }
}

/// The lines of a backtrace, innermost frame first, problems last.
pub(crate) fn backtrace(stack: &Stack, range: Range) -> Vec<String> {
    let mut lines: Vec<String> = levels(stack, range).map(|(number, level)| numbered(number, level)).collect();
    lines.extend(ending(stack, range));
    lines
}

/// The frames of a range with their numbers.
pub(crate) fn levels(stack: &Stack, range: Range) -> impl Iterator<Item = (usize, &Level)> {
    let (first, last) = range.bounds(stack.levels.len());
    stack.levels.iter().enumerate().take(last).skip(first)
}

/// What is said below these frames.
pub(crate) fn ending(stack: &Stack, range: Range) -> Vec<String> {
    let mut lines = Vec::new();
    if range.bounds(stack.levels.len()).1 < stack.levels.len() {
        lines.push("(More stack frames follow...)".to_owned());
    } else {
        lines.extend(stack.problem_line());
    }
    if levels(stack, range).any(|(_, level)| !level.certain) {
        lines.push(super::UNCERTAIN.to_owned());
    }
    lines
}

/// A frame as data.
pub(crate) fn level_data(number: usize, level: &Level) -> Value {
    let location = level.location().cloned().unwrap_or_default();
    json!({
        "level": number,
        "pc": hex(level.pc),
        "function": location.function,
        "offset": level.offset(),
        "object": Some(location.object).filter(|object| !object.is_empty()),
        "file": location.file,
        "line": location.line,
        "source": level.source(),
        "inlined": location.inlined,
        "python": level.is_python(),
        "certain": level.certain,
        "signal": level.signal,
    })
}

/// A thread with its stack as data.
pub(crate) fn stack_data(stack: &Stack) -> Value {
    let mut data = thread_data(stack);
    let frames: Vec<Value> = stack.levels.iter().enumerate().map(|(number, level)| level_data(number, level)).collect();
    if let Some(object) = data.as_object_mut() {
        object.insert("frames".to_owned(), Value::Array(frames));
        object.insert("complete".to_owned(), Value::Bool(stack.problem.is_none()));
        object.insert("problem".to_owned(), stack.problem.clone().map_or(Value::Null, Value::String));
    }
    data
}

/// A thread without its stack as data.
pub(crate) fn thread_data(stack: &Stack) -> Value {
    let method = stack.thread.capture.as_ref().ok().map(|capture| match capture.method {
        Method::Passive => "passive",
        Method::Signal => "signal",
    });
    json!({
        "number": stack.number,
        "tid": stack.thread.tid,
        "name": stack.thread.name,
        "python_name": stack.python_name,
        "state": stack.state,
        "own": stack.thread.own,
        "method": method,
    })
}

/// `0x…`.
pub(crate) fn hex(value: u64) -> String {
    format!("0x{value:x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixtures;
    use crate::snapshot::Certainty;

    #[test]
    fn a_stack_in_gdb_s_form() {
        let stack = fixtures::stack(2, 77);
        assert_eq!(thread_line(&stack), "Thread 2 (LWP 77) \"worker\" (blocked in read(fd 3 = /x)):");
        assert_eq!(
            backtrace(&stack, Range::All),
            [
                "#0  0x0000000000007f01 in read () from /lib/libc.so.6",
                "#1  0x0000000000005501 in helper () at prog.c:7 (inlined)",
                "#2  work () at prog.c:12",
                "#3  0x0000000000005601 in ?? () from /bin/prog",
                "#4  0x0000000000001234 in ?? ()",
            ]
        );
    }

    #[test]
    fn parts_of_a_stack() {
        let stack = fixtures::stack(1, 77);
        let lines = backtrace(&stack, Range::Innermost(1));
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1], "(More stack frames follow...)");
        let lines = backtrace(&stack, Range::Outermost(1));
        assert_eq!(lines, ["#4  0x0000000000001234 in ?? ()"]);
        assert_eq!(backtrace(&stack, Range::Outermost(900)).len(), 5);
    }

    #[test]
    fn uncertain_frames_and_missing_ones_are_said() {
        let mut stack = fixtures::stack(1, 77);
        stack.levels[4].certain = false;
        stack.levels[3].signal = true;
        stack.problem = Some("the stack is torn".to_owned());
        let lines = backtrace(&stack, Range::All);
        assert_eq!(lines[3], "#3  <signal handler called>");
        assert_eq!(lines[4], "#4  ? 0x0000000000001234 in ?? ()");
        assert_eq!(lines[5], "(stack incomplete: the stack is torn)");
        assert!(lines[6].contains("marked ?"));
    }

    #[test]
    fn frames_as_data() {
        let mut stack = fixtures::stack(1, 77);
        stack.frames[0].certainty = Certainty::Uncertain;
        let data = stack_data(&stack);
        assert_eq!(data["frames"][1]["function"], "helper");
        assert_eq!(data["frames"][1]["inlined"], true);
        assert_eq!(data["frames"][2]["offset"], 0x21);
        assert_eq!(data["frames"][4]["object"], Value::Null);
        assert_eq!((&data["complete"], &data["problem"]), (&Value::Bool(true), &Value::Null));
        assert_eq!(data["tid"], 77);
    }
}
