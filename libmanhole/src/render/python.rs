//! Python's frames in the native stack, each at the place of the evaluation loop that executes it.
//!
//! Context: the agent's thread. Pure.

use std::collections::BTreeMap;

use super::Level;
use crate::python::{Call, PythonFrame, PythonThread};
use crate::snapshot::Frame;

/// The function that executes Python's code.
const LOOP: &str = "_PyEval_EvalFrameDefault";

/// Python's frames beside the native ones.
pub(crate) enum Merged {
    /// All in one, in the order of the calls.
    Together(Vec<Level>),
    /// Python's alone, and why they have no place among the others.
    Apart(Vec<Level>, String),
}

/// The levels of a thread with Python's in the place of the evaluation loop's. `frames` are the physical ones, `complete` says that they
/// reach the thread's start; `level` makes a level of a frame, in the place of a native one.
pub(crate) fn merge(
    native: &[Level],
    frames: &[Frame],
    python: &PythonThread,
    complete: bool,
    level: &mut dyn FnMut(&Level, &PythonFrame) -> Level,
) -> Merged {
    let mut places = match by_address(native, frames, python, complete) {
        Some(places) => places,
        None => match by_name(native, python, complete) {
            Ok(places) => places,
            Err(reason) => {
                let all = native.last().map(|last| outer(last, &python.calls, level));
                return Merged::Apart(all.unwrap_or_default(), reason);
            }
        },
    };
    let mut merged = Vec::new();
    for (index, native) in native.iter().enumerate() {
        match places.at.remove(&index) {
            Some(frames) => merged.extend(frames.iter().map(|frame| level(native, frame))),
            None => merged.push(native.clone()),
        }
    }
    if let Some(last) = native.last() {
        merged.extend(outer(last, places.further_out, level));
    }
    Merged::Together(merged)
}

fn outer(last: &Level, calls: &[Call], level: &mut dyn FnMut(&Level, &PythonFrame) -> Level) -> Vec<Level> {
    calls.iter().flat_map(|call| &call.frames).map(|frame| level(last, frame)).collect()
}

/// Where calls of the evaluation loop have their places.
#[derive(Default)]
struct Places<'p> {
    /// By the index of the native level: the frames that stand there instead.
    at: BTreeMap<usize, &'p [PythonFrame]>,
    /// What is further out than the native stack could be followed.
    further_out: &'p [Call],
}

/// By what each call has on the stack: the frame around that is the loop, whatever it is called, or has it inlined. `None` where the
/// interpreter has nothing there, or on another stack than this one.
fn by_address<'p>(native: &[Level], frames: &[Frame], python: &'p PythonThread, complete: bool) -> Option<Places<'p>> {
    let innermost = frames.first()?.registers.sp()?;
    let mut places = Places::default();
    for (number, call) in python.calls.iter().enumerate() {
        let address = call.on_stack?;
        // It has run since, and has called this meanwhile.
        if address < innermost && !python.is_of_moment {
            continue;
        }
        let is_around = |frame: &Frame| {
            frame.registers.sp().is_some_and(|sp| sp <= address) && frame.cfa.is_some_and(|cfa| address < cfa)
        };
        let Some(around) = frames.iter().position(is_around) else {
            places.further_out = python.calls.get(number..).filter(|_| !complete)?;
            break;
        };
        let levels = || native.iter().enumerate().filter(|(_, level)| level.frame == around);
        let (index, level) = levels().find(|(_, level)| is_loop(level)).or_else(|| levels().next_back())?;
        let comes_next = places.at.last_key_value().is_none_or(|(&before, _)| before < index);
        if !comes_next || !python.interpreter.contains(&level.pc) {
            return None;
        }
        if !call.frames.is_empty() {
            places.at.insert(index, &call.frames);
        }
    }
    Some(places)
}

/// By the name of the function that is the loop.
fn by_name<'p>(native: &[Level], python: &'p PythonThread, complete: bool) -> Result<Places<'p>, String> {
    let loops: Vec<_> = native.iter().enumerate().filter(|(_, level)| is_loop(level)).map(|(index, _)| index).collect();
    // Where it has run since, what it has called meanwhile has no native frame; the outermost calls are still the same.
    let newer = if python.is_of_moment || !complete { 0 } else { python.calls.len().saturating_sub(loops.len()) };
    let known = python.calls.get(newer..).unwrap_or_default();
    if known.len() > loops.len() && (complete || loops.is_empty()) {
        let calls = known.len();
        return Err(format!("{calls} calls of the evaluation loop, where the native stack has {}", loops.len()));
    }
    // The outermost frames are the surest where all are there: a loop that has just begun has no frame yet.
    let without = if complete { loops.len().saturating_sub(known.len()) } else { 0 };
    let places = loops.iter().skip(without).zip(known);
    let at: BTreeMap<_, _> =
        places.map(|(&index, call)| (index, call.frames.as_slice())).filter(|(_, frames)| !frames.is_empty()).collect();
    Ok(Places { at, further_out: known.get(loops.len().saturating_sub(without)..).unwrap_or_default() })
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
            interpreter: 0x1000..0x2000,
            calls: calls.iter().map(|call| Call { frames: call.iter().map(frame).collect(), on_stack: None }).collect(),
            has_gil: false,
            name: None,
            is_of_moment: true,
        }
    }

    fn names(levels: &[Level]) -> Vec<&str> {
        levels.iter().map(|level| level.location().unwrap().function.as_deref().unwrap()).collect()
    }

    fn merged(native: &[Level], python: &PythonThread, complete: bool) -> Merged {
        merge(native, &[], python, complete, &mut |native, frame| {
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
        let both = PythonThread { is_of_moment: false, ..python(&[&["c"], &["b"], &["a"]]) };
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
