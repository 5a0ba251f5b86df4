//! Our stacks against gdb's, frame by frame: every difference, in words. Runs in the test process.
//!
//! Program counters must be equal, for every frame that is not inlined, and so must be what kind of frame it is. Names must
//! be equal up to spelling (arguments, template parameters, versions), or belong to the same function: both start at the
//! same address, as aliases do. What else gdb spells its own way is listed at `same_name`.

use crate::{Thread, gdb};

/// A difference between two stacks of the same thread.
#[derive(Debug)]
pub struct Difference {
    /// The thread.
    pub tid: i32,
    /// What differs, with both stacks.
    pub what: String,
}

/// Compares the threads that are blocked according to us. Our agent's own threads do not take part; threads that only
/// gdb sees are a difference.
#[must_use]
pub fn differences(ours: &[Thread], truth: &[gdb::Thread]) -> Vec<Difference> {
    let mut found = Vec::new();
    for theirs in truth.iter().filter(|thread| !thread.name.starts_with("Manhole")) {
        let what = match ours.iter().find(|thread| thread.tid == theirs.tid) {
            None => Some("gdb has this thread, we do not".to_owned()),
            Some(thread) if thread.state.starts_with("running") => None,
            Some(thread) => stack_difference(thread, theirs),
        };
        if let Some(what) = what {
            found.push(Difference { tid: theirs.tid, what });
        }
    }
    found
}

/// How far stacks that cannot all be certain are right.
#[derive(Debug, Default)]
pub struct Judgement {
    /// What is told as a fact and is not so. Must be empty.
    pub lies: Vec<Difference>,
    /// gdb's frames, inlined ones not counted.
    pub frames: usize,
    /// Those of them that we show without a mark.
    pub certain: usize,
    /// Those that we show, with a mark.
    pub uncertain: usize,
    /// The threads that are right to their ends, without a mark.
    pub whole: usize,
}

impl Judgement {
    /// How many of a hundred frames are shown without a mark.
    #[must_use]
    pub fn percent_certain(&self) -> usize {
        (self.certain * 100).checked_div(self.frames).unwrap_or(0)
    }
}

/// Judges stacks that may be marked as uncertain: whatever has no mark must be as gdb has it, a stack may end early only with
/// a mark or a problem, and what is marked may be wrong.
#[must_use]
pub fn judge(ours: &[Thread], truth: &[gdb::Thread]) -> Judgement {
    let mut judgement = Judgement::default();
    for theirs in truth.iter().filter(|thread| !thread.name.starts_with("Manhole")) {
        let Some(thread) = ours.iter().find(|thread| thread.tid == theirs.tid) else {
            let what = "gdb has this thread, we do not".to_owned();
            judgement.lies.push(Difference { tid: theirs.tid, what });
            continue;
        };
        let real: Vec<&crate::structured::Frame> = thread.frames.iter().filter(|frame| !frame.inlined).collect();
        let true_ones: Vec<&gdb::Frame> = theirs.frames.iter().filter(|frame| !frame.inlined).collect();
        judgement.frames += true_ones.len();
        for (n, frame) in real.iter().enumerate() {
            let right = true_ones.get(n).is_some_and(|theirs| theirs.pc == frame.pc && theirs.signal == frame.signal);
            match (right, frame.certain) {
                (true, true) => judgement.certain += 1,
                (true, false) => judgement.uncertain += 1,
                (false, false) => {}
                (false, true) => {
                    let what = show_both(&format!("{:#x} is told as a fact", frame.pc), thread, theirs);
                    judgement.lies.push(Difference { tid: theirs.tid, what });
                }
            }
        }
        // Up to the first mark everything must be equal, names and inlined frames included.
        let marked = thread.frames.iter().position(|frame| !frame.certain);
        let mut start = thread.clone();
        start.frames.truncate(marked.unwrap_or(usize::MAX));
        match first_difference(&start, theirs) {
            None => judgement.whole += 1,
            Some(what) if what.ends_with(MORE_IN_GDB) && (marked.is_some() || thread.problem.is_some()) => {}
            Some(what) => {
                judgement.lies.push(Difference { tid: theirs.tid, what: show_both(&what, thread, theirs) });
            }
        }
    }
    judgement
}

const MORE_IN_GDB: &str = "gdb has more";

fn stack_difference(ours: &Thread, theirs: &gdb::Thread) -> Option<String> {
    first_difference(ours, theirs).map(|what| show_both(&what, ours, theirs))
}

fn show_both(what: &str, ours: &Thread, theirs: &gdb::Thread) -> String {
    let left: Vec<String> = ours
        .frames
        .iter()
        .map(|f| show(f.pc, f.function.as_deref(), f.inlined) + if f.certain { "" } else { " ?" })
        .collect();
    let right: Vec<String> = theirs.frames.iter().map(|f| show(f.pc, f.name.as_deref(), f.inlined)).collect();
    format!(
        "{what}\n  ours ({}, {}, complete: {}, problem: {:?}):\n    {}\n  gdb (error: {:?}):\n    {}",
        ours.name,
        ours.state,
        ours.complete,
        ours.problem,
        left.join("\n    "),
        theirs.error,
        right.join("\n    ")
    )
}

fn show(pc: u64, name: Option<&str>, inlined: bool) -> String {
    format!("{pc:#014x} {}{}", name.unwrap_or("?"), if inlined { " (inlined)" } else { "" })
}

fn first_difference(ours: &Thread, theirs: &gdb::Thread) -> Option<String> {
    for (n, (a, b)) in ours.frames.iter().zip(&theirs.frames).enumerate() {
        if a.inlined != b.inlined {
            return Some(format!("frame {n}: inlined or not"));
        }
        if !a.inlined && a.pc != b.pc {
            return Some(format!("frame {n}: the program counters differ"));
        }
        if a.signal != b.signal {
            return Some(format!("frame {n}: a signal's trampoline or not"));
        }
        if b.signal && a.certain {
            continue; // it has the pc of the handler's return, and no function of the program; gdb makes a name up
        }
        let same_start = !a.inlined && b.start.is_some_and(|start| a.pc.checked_sub(a.offset) == Some(start));
        if !same_name(a.function.as_deref(), b.name.as_deref()) && !same_start {
            return Some(format!("frame {n}: the names differ"));
        }
        if !a.certain {
            return Some(format!("frame {n} is right but marked as uncertain"));
        }
    }
    match ours.frames.len().cmp(&theirs.frames.len()) {
        std::cmp::Ordering::Less => Some(format!("ours ends after {} frames, {MORE_IN_GDB}", ours.frames.len())),
        std::cmp::Ordering::Greater => Some(format!("gdb ends after {} frames, ours has more", theirs.frames.len())),
        std::cmp::Ordering::Equal => None,
    }
}

/// Whether two names mean the same function.
///
/// For Rust gdb makes names from the debug information's scopes: `io::{impl#5}::read<File>` or `io::Read::read<File>` for
/// `<File as io::Read>::read`, `{closure#1}` and `{closure_env#1}` for `{{closure}}`. These have neither type nor trait in
/// common with the symbol, so only the last component, the method, is compared; closures are compared with their parents.
fn same_name(ours: Option<&str>, theirs: Option<&str>) -> bool {
    match (ours, theirs) {
        (None, None) => true,
        (Some(a), Some(b)) => {
            let (a, b) = (closures_alike(a), closures_alike(b));
            let of_a_trait = |name: &str| name.starts_with('<') || name.contains("{impl#");
            plain(&a) == plain(&b) || ((of_a_trait(&a) || of_a_trait(&b)) && last_part(&a) == last_part(&b))
        }
        _ => false,
    }
}

/// A name without arguments, template parameters, `@plt`, versions, compiler suffixes and Rust's hashes.
#[must_use]
pub fn plain(name: &str) -> String {
    let mut text = String::new();
    let mut depth = 0_usize;
    let mut before = ' ';
    for c in name.chars() {
        // `operator<`, `operator->` and `<impl as trait>::f` at the start keep their brackets' content out all the same.
        let arrow = c == '>' && before == '-';
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' if !arrow => depth = depth.saturating_sub(1),
            _ if depth == 0 => text.push(c),
            _ => {}
        }
        before = c;
    }
    let cut = text.split('@').next().unwrap_or(&text);
    let cut = cut.split(".constprop").next().unwrap_or(cut);
    let cut = cut.split(".isra").next().unwrap_or(cut);
    let cut = cut.split(".part").next().unwrap_or(cut);
    let cut = cut.split(".cold").next().unwrap_or(cut);
    let cut = cut.split(" [clone").next().unwrap_or(cut);
    cut.trim().trim_end_matches("const").trim().trim_end_matches("::").to_owned()
}

/// All spellings of a closure as `{closure}`, without its number, which the symbol may lack.
fn closures_alike(name: &str) -> String {
    let mut text = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once('{') {
        text += before;
        let inside = after.trim_start_matches('{');
        let Some((part, after)) = inside.split_once('}').filter(|(part, _)| part.starts_with("closure")) else {
            text.push('{');
            rest = after;
            continue;
        };
        text += if part == "closure" || part.contains('#') { "{closure}" } else { part };
        rest = after.trim_start_matches('}');
    }
    text + rest
}

/// The last component of a qualified name.
fn last_part(name: &str) -> String {
    let plain = plain(name);
    plain.rsplit("::").next().unwrap_or(&plain).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_trimmings() {
        assert_eq!(plain("pool::Level<0>::descend<std::string>(pool::Task&, int)"), "pool::Level::descend");
        assert_eq!(plain("read@plt"), "read");
        assert_eq!(plain("work.constprop.0"), "work");
        assert!(same_name(Some("pool_rs::main::{{closure}}"), Some("pool_rs::main::{closure#1}")));
        assert!(same_name(Some("<pool_rs::Lock as pool_rs::Work>::run"), Some("pool_rs::{impl#1}::run")));
        assert!(same_name(
            Some("std::panicking::catch_unwind::do_call::<main::{closure#0}, i32>"),
            Some("std::panicking::catch_unwind::do_call<main::{closure_env#0}, i32>")
        ));
        assert!(same_name(Some("a::main::{{closure}}::{{closure}}"), Some("a::main::{closure#1}::{closure#0}<usize>")));
        assert!(!same_name(Some("a::main::{{closure}}"), Some("a::other::{closure#0}")));
        assert!(!same_name(Some("<a::Lock as a::Work>::run"), Some("a::{impl#1}::stop")));
        assert!(!same_name(Some("a::run"), Some("b::run")));
        assert!(!same_name(Some("read"), Some("write")));
    }

    fn ours(frames: &[(u64, bool)]) -> Thread {
        let frame = |&(pc, certain): &(u64, bool)| crate::structured::Frame {
            pc,
            function: Some(format!("f{pc}")),
            offset: 0,
            file: None,
            line: 0,
            object: None,
            inlined: false,
            certain,
            signal: false,
        };
        Thread {
            tid: 1,
            name: "t".into(),
            state: "blocked in read()".into(),
            frames: frames.iter().map(frame).collect(),
            complete: true,
            problem: None,
        }
    }

    fn theirs(pcs: &[u64]) -> gdb::Thread {
        let frame =
            |&pc: &u64| gdb::Frame { pc, name: Some(format!("f{pc}")), inlined: false, start: None, signal: false };
        gdb::Thread { tid: 1, name: "t".into(), frames: pcs.iter().map(frame).collect(), error: None }
    }

    #[test]
    fn what_has_no_mark_must_be_true() {
        let truth = [theirs(&[1, 2, 3])];
        let lies = |frames: &[(u64, bool)]| judge(&[ours(frames)], &truth).lies.len();
        assert_eq!(lies(&[(1, true), (2, true), (3, true)]), 0);
        assert_eq!(lies(&[(1, true), (9, false), (8, false)]), 0, "marked as uncertain");
        assert_eq!(lies(&[(1, true), (2, false), (9, true)]), 1, "certain again, and wrong");
        assert!(lies(&[(1, true), (9, true), (3, true)]) > 0, "told as a fact");
        assert!(lies(&[(1, true), (2, true)]) > 0, "ends early, without a word");
        assert!(lies(&[(1, true), (2, true), (3, true), (4, true)]) > 0, "goes on after the end");
        assert_eq!(judge(&[], &truth).lies.len(), 1, "not listed");
        assert_eq!(differences(&[ours(&[(1, true), (2, false), (3, true)])], &truth).len(), 1, "right, but marked");
        assert_eq!(differences(&[ours(&[(1, true), (2, true), (3, true)])], &truth).len(), 0);
    }
}
