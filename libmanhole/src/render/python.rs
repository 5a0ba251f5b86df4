//! Python's frames in the native stack, each at the place of the evaluation loop that executes it.
//!
//! Context: the agent's thread. Pure.

use super::Level;
use crate::python::{PythonFrame, PythonThread};

/// The function that executes Python's code.
const LOOP: &str = "_PyEval_EvalFrameDefault";

/// Python's frames beside the native ones.
pub(crate) enum Merged {
    /// All in one, in the order of the calls.
    Together(Vec<Level>),
    /// Python's alone, and why they have no place among the others.
    Apart(Vec<Level>, String),
}

/// The levels of a thread with Python's in the place of the evaluation loop's. `complete` says that the native stack reaches the
/// thread's start; `level` makes a level of a frame, in the place of a native one.
pub(crate) fn merge(
    native: &[Level],
    python: &PythonThread,
    complete: bool,
    level: &mut dyn FnMut(&Level, &PythonFrame) -> Level,
) -> Merged {
    let loops = native.iter().filter(|level| is_loop(level)).count();
    // Where it has run since, what it has called meanwhile has no native frame; the outermost calls are still the same.
    let newer = if python.has_rested || !complete { 0 } else { python.calls.len().saturating_sub(loops) };
    let known = python.calls.get(newer..).unwrap_or_default();
    let calls = known.len();
    if calls > loops && (complete || loops == 0) {
        let all = native.last().map(|last| known.iter().flatten().map(|frame| level(last, frame)).collect());
        let reason = format!("{calls} calls of the evaluation loop, where the native stack has {loops}");
        return Merged::Apart(all.unwrap_or_default(), reason);
    }
    // The outermost frames are the surest where all are there: a loop that has just begun has no frame yet.
    let mut without = if complete { loops.saturating_sub(calls) } else { 0 };
    let mut calls = known.iter();
    let mut merged = Vec::new();
    for native in native {
        let call = match is_loop(native) {
            true if without > 0 => {
                without -= 1;
                None
            }
            true => calls.next(),
            false => None,
        };
        match call {
            Some(frames) if !frames.is_empty() => merged.extend(frames.iter().map(|frame| level(native, frame))),
            _ => merged.push(native.clone()),
        }
    }
    // What is further out than the native stack could be followed.
    if let Some(last) = native.last() {
        merged.extend(calls.flatten().map(|frame| level(last, frame)));
    }
    Merged::Together(merged)
}

fn is_loop(level: &Level) -> bool {
    let function = level.location().and_then(|location| location.function.as_deref());
    // A compiler may have split it: `_PyEval_EvalFrameDefault.cold`.
    function.is_some_and(|name| name.split('.').next() == Some(LOOP))
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::render::{Place, fixtures};

    /// Levels of these functions, innermost first.
    fn native(names: &[&str]) -> Vec<Level> {
        let level = |(index, name): (usize, &&str)| {
            let places: Rc<[Place]> = Rc::new([fixtures::place(Some(name), 0, "/bin/prog", None)]);
            Level::of_frame(index, &fixtures::frame(0x1000, index > 0), &places).next().unwrap()
        };
        names.iter().enumerate().map(level).collect()
    }

    fn python(calls: &[&[&str]]) -> PythonThread {
        let frame = |name: &&str| PythonFrame {
            file: "a.py".to_owned(),
            function: (*name).to_owned(),
            line: Some(1),
            certain: true,
        };
        PythonThread {
            calls: calls.iter().map(|call| call.iter().map(frame).collect()).collect(),
            has_gil: false,
            has_rested: true,
        }
    }

    fn names(levels: &[Level]) -> Vec<&str> {
        levels.iter().map(|level| level.location().unwrap().function.as_deref().unwrap()).collect()
    }

    fn merged(native: &[Level], python: &PythonThread, complete: bool) -> Merged {
        merge(native, python, complete, &mut |native, frame| {
            Level::of_python(
                native,
                fixtures::place(Some(&frame.function), 0, "", Some((&frame.file, 1))),
                frame.certain,
            )
        })
    }

    fn together(stack: &[&str], calls: &[&[&str]], complete: bool) -> String {
        match merged(&native(stack), &python(calls), complete) {
            Merged::Together(levels) => names(&levels).join(" "),
            Merged::Apart(levels, reason) => format!("{}: {reason}", names(&levels).join(" ")),
        }
    }

    #[test]
    fn frames_stand_where_their_loop_runs() {
        let stack = ["read", LOOP, "map", "_PyEval_EvalFrameDefault.cold", "main"];
        assert_eq!(together(&stack, &[&["c", "b"], &["a"]], true), "read c b map a main");
        // The innermost loop has no frame yet, or no longer.
        assert_eq!(together(&stack, &[&["a"]], true), format!("read {LOOP} map a main"));
        assert_eq!(together(&stack, &[&[], &["a"]], true), format!("read {LOOP} map a main"));
        assert_eq!(together(&stack, &[], true), stack.join(" "));
    }

    #[test]
    fn a_native_stack_that_ends_early() {
        assert_eq!(together(&["read", LOOP], &[&["c"], &["b"], &["a"]], false), "read c b a");
    }

    #[test]
    fn a_thread_that_has_run_since() {
        let both = PythonThread { has_rested: false, ..python(&[&["c"], &["b"], &["a"]]) };
        let Merged::Together(levels) = merged(&native(&["add", LOOP, "map", LOOP, "main"]), &both, true) else {
            panic!("they are apart");
        };
        assert_eq!(names(&levels).join(" "), "add b map a main");
    }

    #[test]
    fn what_does_not_fit_stays_apart() {
        let both = together(&["read", LOOP, "main"], &[&["b"], &["a"]], true);
        assert_eq!(both, "b a: 2 calls of the evaluation loop, where the native stack has 1");
        assert!(together(&["read"], &[&["a"]], false).starts_with("a: 1 call"));
    }
}
