//! The dump: every thread's stack in python-manhole's form, outermost frame first.
//!
//! Context: the agent's thread. Pure. Stacks that are the same are shown once with all their threads, and a process of
//! thousands of threads gives a dump that a person can still read.

use super::{Level, Stack, UNCERTAIN, quote};

/// Different stacks that a dump shows.
const STACKS: usize = 50;
/// Threads with the same stack that get a header of their own.
const HEADERS: usize = 8;
/// Ranges of thread ids in the line for the others.
const ID_RANGES: usize = 20;
/// Frames of one stack that are shown: the innermost and the outermost halves.
const FRAMES: usize = 200;

/// The closing line.
const CLOSING: &str = "#############################################\n\n\n";

/// The dump of the threads that are not our own. `sign` is what stands before a command at the prompt that follows.
pub(crate) fn dump<'a>(
    pid: i32,
    stacks: impl IntoIterator<Item = &'a Stack>,
    problems: &[String],
    sign: &str,
) -> String {
    let mut text = String::new();
    let groups = groups(stacks.into_iter().filter(|stack| !stack.thread.own));
    for group in groups.iter().take(STACKS) {
        push_group(&mut text, pid, group, sign);
    }
    if let Some(rest) = groups.get(STACKS..).filter(|rest| !rest.is_empty()) {
        let threads: usize = rest.iter().map(Vec::len).sum();
        text.push_str(&format!(
            "\n... and {} more stacks of {threads} threads ({sign}bt all shows everything)\n",
            rest.len()
        ));
    }
    for problem in problems {
        text.push_str(&format!("({problem})\n"));
    }
    text.push_str(CLOSING);
    text
}

/// Threads with the same stack, each group in the order of its threads.
fn groups<'a>(stacks: impl Iterator<Item = &'a Stack>) -> Vec<Vec<&'a Stack>> {
    let mut groups: Vec<Vec<&Stack>> = Vec::new();
    let mut by_frames: std::collections::BTreeMap<Vec<u64>, Vec<usize>> = std::collections::BTreeMap::new();
    for stack in stacks {
        let candidates = by_frames.entry(stack.frames.iter().map(|frame| frame.pc).collect()).or_default();
        let found = candidates.iter().find(|&&index| {
            groups.get(index).and_then(|group| group.first()).is_some_and(|first| first.is_like(stack))
        });
        match found.and_then(|&index| groups.get_mut(index)) {
            Some(group) => group.push(stack),
            None => {
                candidates.push(groups.len());
                groups.push(vec![stack]);
            }
        }
    }
    groups
}

fn push_group(text: &mut String, pid: i32, group: &[&Stack], sign: &str) {
    text.push('\n');
    for stack in group.iter().take(HEADERS) {
        text.push_str(&format!(
            "######### ProcessID={pid}, ThreadID={}, Name={}{}, State={} #########\n",
            stack.thread.tid,
            quote::plain(&stack.thread.name),
            stack.python_name.as_ref().map(|name| format!(" [{}]", quote::plain(name))).unwrap_or_default(),
            quote::plain(&stack.state)
        ));
    }
    if let Some(rest) = group.get(HEADERS..).filter(|rest| !rest.is_empty()) {
        let ids: Vec<i32> = rest.iter().map(|stack| stack.thread.tid).collect();
        text.push_str(&format!(
            "(and {} more threads with this stack: {})\n",
            rest.len(),
            quote::ranges(&ids, ID_RANGES)
        ));
    }
    let Some(stack) = group.first() else { return };
    if stack.is_uncertain() {
        text.push_str(UNCERTAIN);
        text.push('\n');
    }
    if let Some(line) = stack.problem_line() {
        text.push_str(&line);
        text.push('\n');
    }
    let count = stack.levels.len();
    for (index, level) in stack.levels.iter().enumerate().rev() {
        let hidden = count.saturating_sub(FRAMES);
        if hidden > 0 && (FRAMES / 2..FRAMES / 2 + hidden).contains(&index) {
            if index == FRAMES / 2 {
                text.push_str(&format!("... {hidden} more frames ({sign}bt {} shows them)\n", stack.thread.tid));
            }
            continue;
        }
        push_level(text, level);
    }
}

fn push_level(text: &mut String, level: &Level) {
    if !level.certain {
        text.push_str("? ");
    }
    if level.signal {
        text.push_str("<signal handler called>\n");
        return;
    }
    let location = level.location().cloned().unwrap_or_default();
    let inlined = if location.inlined { " (inlined)" } else { "" };
    let offset = level.offset();
    match (&location.function, &location.file, location.line) {
        (function, Some(file), Some(line)) => {
            let function = function.as_deref().unwrap_or("??");
            text.push_str(&format!("File: \"{file}\", line {line}, in {function}{inlined}\n"));
            if let Some(source) = level.source() {
                text.push_str(&format!("  {source}\n"));
            }
        }
        (function, Some(file), None) if level.is_python() => {
            text.push_str(&format!("File: \"{file}\", in {}\n", function.as_deref().unwrap_or("?")));
        }
        (Some(function), ..) if location.inlined => {
            text.push_str(&format!("File: \"{}\", in {function}{inlined}\n", location.object));
        }
        (Some(function), ..) => {
            text.push_str(&format!("File: \"{}\", in {function}+0x{offset:x}\n", location.object));
        }
        (None, ..) if location.object.is_empty() => text.push_str(&format!("File: \"?\", in 0x{:x}\n", level.pc)),
        (None, ..) => text.push_str(&format!("File: \"{}\", in ?? +0x{offset:x}\n", location.object)),
    }
}

/// What follows the dump on connect.
pub(crate) fn banner(program: &str, pid: i32, uid: u32, version: &str, libc: &str) -> String {
    format!(
        "{}, process {pid}, user {uid}; libmanhole {version}, glibc {libc}\n\
         Type \"help\" for the commands.\n(ManholeConsole)\n",
        quote::plain(program)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixtures;

    #[test]
    fn one_thread_outermost_frame_first() {
        let text = dump(42, &[fixtures::stack(1, 77)], &[], "");
        assert_eq!(
            text,
            "\n######### ProcessID=42, ThreadID=77, Name=worker, State=blocked in read(fd 3 = /x) #########\n\
             File: \"?\", in 0x1234\n\
             File: \"/bin/prog\", in ?? +0x601\n\
             File: \"prog.c\", line 12, in work\n  source_of(12);\n\
             File: \"prog.c\", line 7, in helper (inlined)\n  source_of(7);\n\
             File: \"/lib/libc.so.6\", in read+0x10\n\
             #############################################\n\n\n"
        );
    }

    #[test]
    fn the_same_stack_is_shown_once() {
        let mut stacks: Vec<Stack> = (0..1000).map(|i| fixtures::stack(i + 1, 100 + i as i32)).collect();
        stacks[999].problem = Some("torn".to_owned());
        let text = dump(42, &stacks, &[], "");
        assert_eq!(text.matches("in work\n").count(), 2);
        assert_eq!(text.matches("ProcessID=42").count(), 9);
        assert!(text.contains("(and 991 more threads with this stack: 108-1098)\n"), "{text}");
        assert!(text.contains("(stack incomplete: torn)\n"));
    }

    #[test]
    fn many_different_stacks_are_cut() {
        let stacks: Vec<Stack> = (0..120)
            .map(|i| {
                let mut stack = fixtures::stack(i + 1, 100 + i as i32);
                stack.frames[0].pc += i as u64;
                stack
            })
            .collect();
        let text = dump(42, &stacks, &["2 threads came and went".to_owned()], "%");
        assert_eq!(text.matches("ProcessID=42").count(), STACKS);
        assert!(text.contains("\n... and 70 more stacks of 70 threads (%bt all shows everything)\n"));
        assert!(text.contains("(2 threads came and went)\n"));
    }

    #[test]
    fn own_threads_are_left_out_and_missing_stacks_are_explained() {
        let mut own = fixtures::stack(1, 77);
        own.thread.own = true;
        let mut none = fixtures::stack(2, 78);
        (none.frames, none.levels) = (Vec::new(), Vec::new());
        none.problem = Some("the thread has ended".to_owned());
        let text = dump(42, &[own, none], &[], "");
        assert!(!text.contains("ThreadID=77"));
        assert!(text.contains("#########\n(no stack: the thread has ended)\n####"), "{text}");
    }

    #[test]
    fn uncertain_frames_are_marked() {
        let mut stack = fixtures::stack(1, 77);
        stack.levels[4].certain = false;
        stack.levels[0].signal = true;
        let text = dump(42, &[stack], &[], "");
        assert!(text.contains(&format!("{UNCERTAIN}\n? File: \"?\", in 0x1234\nFile: \"/bin")), "{text}");
        assert!(text.contains("<signal handler called>\n####"));
    }

    #[test]
    fn the_banner_ends_as_upstream_s() {
        let text = banner("/bin/x", 1, 2, "0.1.0", "2.41");
        assert!(text.ends_with("\n(ManholeConsole)\n"));
        assert!(text.starts_with("/bin/x, process 1, user 2; libmanhole 0.1.0, glibc 2.41\n"));
    }
}
