//! What one client's commands share: symbols, the last look at the threads, the selected thread and frame, the history.
//!
//! Context: the agent's thread.

use std::collections::VecDeque;
use std::rc::Rc;

use super::inferior::{Journal, View, Written};
use super::watch::Watch;
use super::{examine, list, output::Output, stacks::Look};
use crate::capture::Wanted;
use crate::debug::Debug;
use crate::loader;
use crate::memory::Memory;
use crate::modules::Modules;
use crate::render::{Level, Stack, frames::hex};
use crate::snapshot::Location;
use crate::symbols::{Store, Symbol, Symbols};
use crate::sys::process;
use crate::worker::{self, Ticket};
use manhole_expressions::evaluate::Variables;
use manhole_expressions::print::Options;

/// Lines that the history keeps.
const HISTORY: usize = 1000;

/// One client's state.
pub(crate) struct Session<'s> {
    pub(crate) symbols: Symbols<'s>,
    /// Mappings and pages as they are while one line runs.
    pub(super) world: Option<World>,
    /// The last look at the threads; `bt`, `thread`, `frame` and `info registers` show this one.
    pub(super) look: Option<Rc<Look>>,
    /// The selected thread.
    pub(super) selected: Option<i32>,
    /// The selected frame, counted with inlined ones.
    pub(super) level: usize,
    /// The last lines with their numbers.
    history: VecDeque<(u64, String)>,
    lines: u64,
    /// The option `locals` as it was when the client came.
    pub(crate) locals: Vec<(String, String)>,
    /// Where `x` goes on.
    pub(super) examine: examine::Kept,
    /// Types, variables and scopes.
    pub(super) debug: Debug<'s>,
    /// `$1`, `$name`.
    pub(crate) variables: Variables,
    /// `set print ...`.
    pub(super) options: Options,
    /// What stands before a command at the client's prompt: where lines are Python's, a sign of its own.
    pub(crate) sign: &'static str,
    /// `set memory force`.
    pub(super) force: bool,
    /// The strings that expressions have put into the process, and the objects that its functions have returned.
    pub(super) strings: Vec<Box<[u8]>>,
    /// What the line has asked and done.
    pub(crate) journal: Journal,
    /// The call that the line has started, and waits for.
    pub(crate) started: Option<Ticket>,
    /// What was written since the last look.
    pub(super) written: Written,
    /// The selected frame, once it was needed.
    view: Option<Rc<View>>,
    /// What the line has begun to watch.
    pub(crate) watch: Option<Watch>,
    /// Whether stacks are read as they are now, not as they were captured.
    pub(super) is_live: bool,
    /// What `list` has shown last.
    pub(super) listed: list::Kept,
    /// Expressions that are shown after each line, with their numbers.
    pub(crate) displays: Vec<(u32, String)>,
}

/// What is mapped, and its pages.
pub(crate) struct World {
    pub(crate) memory: Memory,
    pub(crate) modules: Modules,
}

impl World {
    /// Looks at the mappings. Where they cannot be read nothing has a name, and addresses still work.
    fn read() -> World {
        let memory = Memory::new();
        let mut modules = Modules::read(&memory).unwrap_or_default();
        loader::rank(&memory, &mut modules);
        World { memory, modules }
    }
}

impl<'s> Session<'s> {
    pub(crate) fn new(store: &'s Store) -> Self {
        Session {
            symbols: Symbols::new(store),
            world: None,
            look: None,
            selected: None,
            level: 0,
            history: VecDeque::new(),
            lines: 0,
            locals: crate::state::settings().locals.pairs(),
            examine: examine::Kept::default(),
            debug: Debug::new(),
            variables: Variables::default(),
            options: Options::default(),
            sign: "",
            force: false,
            strings: Vec::new(),
            journal: Journal::default(),
            started: None,
            written: Written::default(),
            view: None,
            watch: None,
            is_live: false,
            listed: list::Kept::default(),
            displays: Vec::new(),
        }
    }

    /// Forgets what was read for the line before: mappings and code may have changed.
    pub(crate) fn begin_line(&mut self) {
        self.world = None;
    }

    /// The same, with what this line is to see of the process.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn begin_line_in(&mut self, modules: Modules) {
        self.world = Some(World { memory: Memory::new(), modules });
    }

    /// Gives back what only the last line needed.
    pub(crate) fn end_line(&mut self) {
        self.world = None;
    }

    /// Adds a line to the history.
    pub(crate) fn remember(&mut self, line: &str) {
        self.lines = self.lines.saturating_add(1);
        if self.history.len() >= HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((self.lines, line.to_owned()));
    }

    /// The last lines with their numbers, oldest first.
    pub(crate) fn history(&self) -> impl ExactSizeIterator<Item = &(u64, String)> {
        self.history.iter()
    }

    /// Symbols and the world of this line.
    pub(super) fn parts(&mut self) -> (&mut Symbols<'s>, &World) {
        (&mut self.symbols, self.world.get_or_insert_with(World::read))
    }

    /// All that names are looked up in.
    pub(super) fn all_parts(&mut self) -> (&mut Symbols<'s>, &mut Debug<'s>, &World) {
        (&mut self.symbols, &mut self.debug, self.world.get_or_insert_with(World::read))
    }

    /// The selected frame; looks at the threads if nobody has yet. `None` where there is none.
    pub(super) fn view(&mut self, interrupted: &dyn Fn() -> bool) -> Option<Rc<View>> {
        let look = self.look_or_take(interrupted);
        let stack = self.selected_stack(&look).ok()?;
        if let Some(view) = self.view.as_ref().filter(|view| view.is_of(&stack, self.level)) {
            return Some(view.clone());
        }
        let view = Rc::new(View::new(self, stack, self.level, interrupted));
        self.view = Some(view.clone());
        Some(view)
    }

    /// The selected frame, if it was needed before.
    pub(super) fn known_view(&self) -> Option<Rc<View>> {
        self.view.clone()
    }

    /// The selected thread of a look: at first the one that a signal holds, else the main thread.
    fn selected_stack(&self, look: &Look) -> Result<Rc<Stack>, String> {
        let held = || look.stacks.iter().find(|stack| stack.is_held());
        let main = || held().or_else(|| look.stacks.iter().find(|stack| !stack.thread.own)).or(look.stacks.first());
        match self.selected {
            None => main().cloned().ok_or_else(|| "no thread could be seen".to_owned()),
            Some(tid) => look
                .stack(tid)
                .cloned()
                .ok_or_else(|| format!("the selected thread {tid} is gone; info threads lists the others")),
        }
    }

    /// The modules in which names are searched, one group after the other: that of the selected frame, the program's, all.
    pub(super) fn nearness(&mut self, interrupted: &dyn Fn() -> bool) -> Vec<Modules> {
        let pc = self.view(interrupted).and_then(|view| view.pc());
        let modules = self.modules();
        let only = |address: u64| Modules::of(modules, address);
        let mut groups: Vec<Modules> = pc.into_iter().chain([process::program_entry()]).filter_map(only).collect();
        groups.push(modules.clone());
        groups
    }

    /// Where the program has its own copy of a library's variable (a copy relocation): that one is used by all.
    pub(super) fn copied(&mut self, address: u64, name: &str) -> Option<u64> {
        let modules = self.modules();
        let program = modules.module(process::program_entry())?;
        let (start, end) = (program.start, program.end);
        if (start..end).contains(&address) {
            return None;
        }
        let found = self.find(name);
        found
            .iter()
            .find(|symbol| !symbol.is_function && (start..end).contains(&symbol.address))
            .map(|symbol| symbol.address)
    }

    /// Whether the function at this address only gives the address of the one that is meant.
    pub(super) fn is_indirect(&mut self, address: u64) -> bool {
        let (symbols, world) = self.parts();
        let Some(symbol) = symbols.symbol_at(&world.modules, &world.memory, address) else { return false };
        symbol.address == address
            && (symbol.is_indirect
                || symbols
                    .find(&world.modules, &world.memory, &symbol.name)
                    .iter()
                    .any(|other| other.address == address && other.is_indirect))
    }

    /// The mappings and modules as they are now.
    pub(super) fn modules(&mut self) -> &Modules {
        &self.world.get_or_insert_with(World::read).modules
    }

    /// The symbol that covers the address.
    pub(super) fn symbol_at(&mut self, address: u64) -> Option<Symbol> {
        let (symbols, world) = self.parts();
        symbols.symbol_at(&world.modules, &world.memory, address)
    }

    /// The symbols of this name.
    pub(super) fn find(&mut self, name: &str) -> Vec<Symbol> {
        let (symbols, world) = self.parts();
        symbols.find(&world.modules, &world.memory, name)
    }

    /// Whether an expression can use this name.
    pub(crate) fn has_name(&mut self, name: &str) -> bool {
        self.local(name).is_some() || !self.find(name).is_empty()
    }

    /// The expression that the option `locals` has given this name to.
    pub(crate) fn local(&self, name: &str) -> Option<&str> {
        self.locals.iter().find(|(known, _)| known == name).map(|(_, expression)| expression.as_str())
    }

    /// Names that start with `prefix`, for an expression.
    pub(crate) fn complete(&mut self, prefix: &str, limit: usize) -> Vec<String> {
        let (symbols, world) = self.parts();
        let mut names = symbols.complete(&world.modules, &world.memory, prefix, limit);
        names.splice(0..0, self.locals.iter().map(|(name, _)| name.clone()).filter(|name| name.starts_with(prefix)));
        names
    }

    /// What an address of code means.
    pub(super) fn locate(&mut self, address: u64) -> Vec<Location> {
        let (symbols, world) = self.parts();
        symbols.locate(&world.modules, &world.memory, address)
    }

    /// The symbol's name as people read it, with its range of addresses.
    pub(super) fn name_at(&mut self, address: u64) -> Option<Name> {
        let symbol = self.symbol_at(address)?;
        let demangled = if symbol.is_function {
            self.locate(address).pop().filter(|outermost| outermost.function.is_some())
        } else {
            None
        };
        Some(Name {
            text: demangled.and_then(|location| location.function).unwrap_or_else(|| symbol.shown()),
            start: symbol.address,
            size: symbol.size,
            object: symbol.object,
        })
    }

    /// `name+off` or `name` of an address.
    pub(super) fn label(&mut self, address: u64) -> Option<String> {
        self.name_at(address).map(|name| name.with_offset(address))
    }

    /// ` <name+off>`, or nothing.
    pub(super) fn bracketed(&mut self, address: u64) -> String {
        self.label(address).map(|label| format!(" <{label}>")).unwrap_or_default()
    }

    /// The ids of the threads of the last look.
    pub(crate) fn thread_ids(&self) -> Vec<i32> {
        let stacks = self.look.as_ref().map(|look| look.stacks.as_slice()).unwrap_or_default();
        stacks.iter().map(|stack| stack.thread.tid).collect()
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        worker::leave_strings(&mut self.strings);
    }
}

/// A symbol's name and range.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) start: u64,
    pub(super) size: u64,
    pub(super) object: String,
}

impl Name {
    /// `name+off` of an address in the symbol.
    pub(super) fn with_offset(&self, address: u64) -> String {
        match address.wrapping_sub(self.start) {
            0 => self.text.clone(),
            offset => format!("{}+{offset}", self.text),
        }
    }

    /// Whether the address is inside, as far as the symbol's size is known.
    pub(super) fn covers(&self, address: u64) -> bool {
        address.checked_sub(self.start).is_some_and(|offset| offset < self.size)
    }
}

/// One command at work.
pub(crate) struct Context<'c, 's> {
    pub(crate) session: &'c mut Session<'s>,
    pub(crate) out: Output,
    /// Asked now and then; true ends the command early.
    pub(crate) interrupted: &'c dyn Fn() -> bool,
    /// The line that was typed.
    pub(super) line: String,
    /// Whether calls are made that could end the process or hang.
    pub(super) insists: bool,
    /// Whether nothing is called at all.
    pub(super) calls_nothing: bool,
    /// The thread that calls functions; `None` for a worker.
    pub(super) on: Option<i32>,
}

impl<'c, 's> Context<'c, 's> {
    pub(crate) fn new(
        session: &'c mut Session<'s>,
        line: &str,
        wants_data: bool,
        interrupted: &'c dyn Fn() -> bool,
    ) -> Self {
        Context {
            session,
            out: Output::new(wants_data),
            interrupted,
            line: line.to_owned(),
            insists: false,
            calls_nothing: false,
            on: None,
        }
    }

    /// The same for a line that is to call nothing.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn without_calls(self) -> Self {
        Context { calls_nothing: true, ..self }
    }

    /// An error when the client wants the command to end.
    pub(super) fn check(&self) -> Result<(), String> {
        if (self.interrupted)() { Err("interrupted".to_owned()) } else { Ok(()) }
    }

    /// Looks at the threads anew.
    pub(super) fn look_again(&mut self, insist: bool) {
        self.session.look_again(Wanted::All, insist, self.interrupted);
    }

    /// Looks at one thread anew; the others stay as they were seen.
    pub(super) fn look_at(&mut self, tid: i32, insist: bool) {
        self.session.look_again(Wanted::One(tid), insist, self.interrupted);
    }

    /// The last look, or the first one.
    pub(super) fn look(&mut self) -> Rc<Look> {
        let interrupted = self.interrupted;
        self.session.look_or_take(interrupted)
    }

    /// Says how old the look is when that is not obvious.
    pub(super) fn say_age(&mut self) {
        const OBVIOUS: u64 = 5;
        let age = process::monotonic().saturating_sub(self.look().taken).as_secs();
        if age >= OBVIOUS {
            self.out.line(format_args!("(as seen {age} s ago; bt all and info threads look again)"));
        }
    }

    /// The selected thread: at first the one that a signal holds, else the main thread.
    pub(super) fn selected(&mut self) -> Result<Rc<Stack>, String> {
        let look = self.look();
        self.session.selected_stack(&look)
    }

    /// The number and content of the selected frame of the selected thread.
    pub(super) fn selected_level(&mut self) -> Result<(usize, Level), String> {
        let number = self.session.level;
        let stack = self.selected()?;
        match stack.levels.get(number) {
            Some(level) => Ok((number, level.clone())),
            None => Err(stack.problem_line().unwrap_or_else(|| "the thread has no frames".to_owned())),
        }
    }

    /// The pc of the selected frame, where there is one.
    pub(super) fn selected_pc(&mut self) -> Option<u64> {
        self.selected_level().ok().map(|(_, level)| level.pc)
    }

    /// The thread that a number of ours or a kernel id stands for; a kernel id wins.
    pub(super) fn thread(&mut self, text: &str) -> Result<i32, String> {
        let shown = crate::render::quote::short(text, 40);
        let number: i32 =
            text.parse().map_err(|_| format!("\"{shown}\" is no thread: a number from info threads or a thread id"))?;
        let look = self.look();
        look.stack(number)
            .or_else(|| look.stacks.iter().find(|stack| i32::try_from(stack.number) == Ok(number)))
            .map(|stack| stack.thread.tid)
            .ok_or_else(|| format!("no thread {number}; info threads lists them"))
    }
}

/// gdb's words for an address that cannot be read.
pub(super) fn no_access(address: u64) -> String {
    format!("cannot access memory at address {}", hex(address))
}
