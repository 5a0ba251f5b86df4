//! Parsers of the text forms: the greeting, gdb's form of `bt`, the victims' lines. Runs in the test process.
//! All knowledge of the text's shape is in this file.

use std::collections::BTreeMap;

/// The line that ends the threads of a greeting.
pub const CLOSING: &str = "#############################################";

/// A thread of the greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The process that it belongs to.
    pub pid: i32,
    /// The kernel's thread id.
    pub tid: i32,
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: String,
    /// The lines between its header and the next one.
    pub body: Vec<String>,
}

impl Shown {
    /// The functions of its frames, outermost first, without `+0xoff` and remarks.
    #[must_use]
    pub fn functions(&self) -> Vec<String> {
        let frames = self.body.iter().filter(|line| line.starts_with("File: "));
        frames.filter_map(|line| Some(function_of(line.split_once(", in ")?.1))).collect()
    }
}

fn function_of(text: &str) -> String {
    let without_remark = text.split(" (inlined").next().unwrap_or(text);
    without_remark.rsplit_once("+0x").map_or(without_remark, |(name, _)| name).trim().to_owned()
}

/// The threads of a greeting, in its order. A header may name several threads that share one stack.
#[must_use]
pub fn greeting(text: &str) -> Vec<Shown> {
    let mut threads: Vec<Shown> = Vec::new();
    for line in text.lines() {
        if line == CLOSING {
            break;
        }
        if let Some(header) = line.strip_prefix("######### ").and_then(|rest| rest.strip_suffix(" #########")) {
            threads.push(shown(header));
        } else if let Some(thread) = threads.last_mut()
            && !line.is_empty()
        {
            thread.body.push(line.to_owned());
        }
    }
    threads
}

fn shown(header: &str) -> Shown {
    // The state comes last and may hold commas; so may the name, which the next key ends.
    let between = |start: &str, end: &str| {
        let rest = header.split_once(start).map_or("", |(_, rest)| rest);
        if end.is_empty() { rest } else { rest.split_once(end).map_or(rest, |(value, _)| value) }.to_owned()
    };
    Shown {
        pid: between("ProcessID=", ",").parse().unwrap_or_default(),
        tid: between("ThreadID=", ",").parse().unwrap_or_default(),
        name: between("Name=", ", State="),
        state: between("State=", ""),
        body: Vec::new(),
    }
}

/// What follows the closing line: the banner.
#[must_use]
pub fn banner(text: &str) -> &str {
    text.rsplit_once(CLOSING).map_or("", |(_, rest)| rest.trim_start_matches('\n'))
}

/// The functions of each thread of `bt all`, by tid, innermost first. The form is gdb's:
/// `Thread N (LWP T) "name" (state):`, then `#0  0x... in function () at file:line`.
#[must_use]
pub fn backtraces(text: &str) -> BTreeMap<i32, Vec<String>> {
    let mut found = BTreeMap::new();
    let mut current: Option<i32> = None;
    for line in text.lines() {
        if line.starts_with("Thread ") {
            current = line.split_once("LWP ").and_then(|(_, rest)| {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                digits.parse().ok()
            });
            if let Some(tid) = current {
                found.insert(tid, Vec::new());
            }
        } else if let (Some(frames), Some(function)) =
            (current.and_then(|tid| found.get_mut(&tid)), frame_function(line))
        {
            frames.push(function);
        }
    }
    found
}

/// The function of a line `#0  0x... in function (...) at file:line`, or `#1  function (...)` for inlined ones.
#[must_use]
pub fn frame_function(line: &str) -> Option<String> {
    let rest = line.strip_prefix('#')?.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
    let rest = if rest.starts_with("0x") { rest.split_once(" in ")?.1 } else { rest };
    Some(rest.split(" (").next().unwrap_or(rest).trim().to_owned())
}

/// The number in `name=N` of a victim's line.
#[must_use]
pub fn value(line: &str, name: &str) -> Option<i64> {
    word(line, name)?.parse().ok()
}

/// The text in `name=TEXT` of a victim's line.
#[must_use]
pub fn word<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_whitespace().find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_taken_apart() {
        let text = "\n######### ProcessID=5, ThreadID=6, Name=a, b, State=blocked in poll(3, 1 fd) #########\n\
                    File: \"/lib/libc.so.6\", in __libc_start_main+0x85\nFile: \"a.c\", line 3, in main\n  poll(p, 1, -1);\n\
                    File: \"a.c\", line 9, in helper (inlined)\n\n#############################################\n\n\nbanner\n";
        let threads = greeting(text);
        assert_eq!(threads.len(), 1);
        assert_eq!((threads[0].pid, threads[0].tid), (5, 6));
        assert_eq!(threads[0].name, "a, b");
        assert_eq!(threads[0].state, "blocked in poll(3, 1 fd)");
        assert_eq!(threads[0].functions(), ["__libc_start_main", "main", "helper"]);
        assert_eq!(banner(text), "banner\n");
    }

    #[test]
    fn gdb_form_is_taken_apart() {
        let text = "Thread 2 (LWP 77) \"w\" (state):\n#0  0x00007f in poll () from /lib/libc.so.6\n#1  inner (x=...) at a.c:3\n";
        assert_eq!(backtraces(text).get(&77).unwrap(), &["poll", "inner"]);
    }
}
