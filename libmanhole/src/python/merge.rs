//! Python's frames in the native stack, each at the place of the evaluation loop that executes it.
//!
//! Context: the agent's thread. Pure.

use super::{PythonFrame, PythonThread};
use crate::render::Level;

/// The function that executes Python's code.
const LOOP: &str = "_PyEval_EvalFrameDefault";

/// The levels of a thread with Python's in the place of the evaluation loop's. `complete` says that the native stack reaches the
/// thread's start. An error says why they do not fit.
pub(crate) fn merge(
    native: &[Level],
    python: &PythonThread,
    complete: bool,
    level: &mut dyn FnMut(&Level, &PythonFrame) -> Level,
) -> Result<Vec<Level>, String> {
    let loops = native.iter().filter(|level| is_loop(level)).count();
    let calls = python.calls.len();
    if calls > loops && complete {
        return Err(format!("{calls} calls of Python's evaluation loop do not fit into {loops} native ones"));
    }
    // The outermost frames are the surest where all are there: a loop that has just begun has no frame yet.
    let mut without = if complete { loops.saturating_sub(calls) } else { 0 };
    let mut calls = python.calls.iter();
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
    if let Some(last) = native.last() {
        merged.extend(calls.flatten().map(|frame| level(last, frame)));
    }
    Ok(merged)
}

fn is_loop(level: &Level) -> bool {
    let function = level.location().and_then(|location| location.function.as_deref());
    // A compiler may have split it: `_PyEval_EvalFrameDefault.cold`.
    function.is_some_and(|name| name.split('.').next() == Some(LOOP))
}
