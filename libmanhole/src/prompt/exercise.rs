//! Lines at the prompt that neither write nor call, whatever they are.
//!
//! Context: unit tests and the fuzzers, never the agent.

use std::time::{Duration, Instant};

use super::{Pending, completion, line, obey};
use crate::command::find::{self, Found};
use crate::command::{Context, Session};
use crate::memory::Memory;
use crate::modules::Modules;
use crate::symbols::{Store, Symbols};
use crate::sys::process;

/// Lines of one input that are looked at.
const LINES: usize = 4;

/// How long a line may take before it is interrupted.
const PATIENCE: Duration = Duration::from_secs(1);

/// The prompt of one client after the other, all with the same symbols.
pub(crate) struct Lines<'s> {
    store: &'s Store,
    symbols: Symbols<'s>,
    modules: Modules,
}

impl<'s> Lines<'s> {
    pub(crate) fn new(store: &'s Store) -> Self {
        // The program and what is installed are large: to look for a name that nobody knows takes a while in them.
        let mut modules = Modules::read(&Memory::new()).unwrap_or_default();
        let program = modules.module(process::program_entry()).map(|module| module.start);
        let is_small = |path: &str| !path.starts_with("/usr/lib") && !path.starts_with("/lib");
        modules.modules.retain(|module| Some(module.start) != program && is_small(&module.path));
        Lines { store, symbols: Symbols::new(store), modules }
    }

    /// The number of lines that led to no error.
    pub(crate) fn run(&mut self, text: &str, wants_data: bool) -> usize {
        let mut session = Session::new(self.store);
        core::mem::swap(&mut session.symbols, &mut self.symbols);
        let lines = text.split('\n').map(str::trim).take(LINES).filter(|line| is_harmless(line));
        let answers = lines.filter(|line| run(&mut session, &self.modules, line, wants_data)).count();
        core::mem::swap(&mut session.symbols, &mut self.symbols);
        answers
    }
}

fn run(session: &mut Session<'_>, modules: &Modules, line: &str, wants_data: bool) -> bool {
    session.begin_line_in(modules.clone());
    for cursor in [line.len(), line.len() / 2] {
        let (start, candidates) = completion::complete(session, line, cursor);
        assert!(start <= line.len() && candidates.len() <= 400, "{line:?}");
    }
    session.remember(line::kept(line));
    session.begin_line_in(modules.clone());
    let mut pending: Option<Pending> = None;
    // Nobody waits longer: the client interrupts the line.
    let start = Instant::now();
    let interrupted = || start.elapsed() > PATIENCE;
    let mut context = Context::new(session, line, wants_data, &interrupted).without_calls();
    let result = obey(&mut context, line, &mut pending);
    let (text, data) = context.out.finish();
    assert!(text.len() <= 17 << 20 && data.to_string().len() <= 64 << 20, "{line:?}");
    session.watch = None;
    session.end_line();
    if let Err(error) = &result {
        assert!(error.len() < 4096 && (!error.is_empty() || session.started.is_some()), "{line:?}: {error:?}");
    }
    result.is_ok()
}

/// Whether the line writes nothing into this process and leaves its descriptors alone.
fn is_harmless(line: &str) -> bool {
    let writes = line.replace("==", "").contains('=') || line.contains("++") || line.contains("--");
    let redirects = |line| matches!(find::find(line), Found::Command(command, _) if command.name() == "redirect");
    let inside = line.char_indices().filter(|(_, letter)| letter.is_whitespace());
    !writes && !redirects(line) && !inside.filter_map(|(at, _)| line.get(at..)).any(redirects)
}
