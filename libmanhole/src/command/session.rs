//! What one client's commands share: symbols, the last look at the threads, the selected thread and frame, the history.
//!
//! Context: the agent's thread.

use std::collections::VecDeque;
use std::rc::Rc;

use super::{examine, output::Output, stacks::Look};
use crate::capture::Wanted;
use crate::eval::{self, Reading};
use crate::memory::{self, Memory};
use crate::modules::Modules;
use crate::render::{Level, Stack, arch, frames::hex};
use crate::snapshot::Location;
use crate::symbols::{Store, Symbol, Symbols};
use crate::sys::process;

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
        let modules = Modules::read(&memory).unwrap_or_default();
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
        }
    }

    /// Forgets what was read for the line before: mappings and code may have changed.
    pub(crate) fn begin_line(&mut self) {
        self.world = None;
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

    /// The mappings and modules as they are now.
    pub(super) fn modules(&mut self) -> &Modules {
        &self.world.get_or_insert_with(World::read).modules
    }

    /// The symbol that covers the address.
    pub(super) fn symbol_at(&mut self, address: u64) -> Option<Symbol> {
        let (symbols, world) = self.parts();
        // An address outside every object has no symbol, and no table needs to be loaded to know that.
        world.modules.module(address)?;
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
    interrupted: &'c dyn Fn() -> bool,
}

impl<'c, 's> Context<'c, 's> {
    pub(crate) fn new(session: &'c mut Session<'s>, wants_data: bool, interrupted: &'c dyn Fn() -> bool) -> Self {
        Context { session, out: Output::new(wants_data), interrupted }
    }

    /// An error when the client wants the command to end.
    pub(super) fn check(&self) -> Result<(), String> {
        if (self.interrupted)() { Err("interrupted".to_owned()) } else { Ok(()) }
    }

    /// The value of an expression where an address is wanted: symbols stand for their addresses.
    pub(super) fn address(&mut self, text: &str) -> Result<u64, String> {
        eval::evaluate(text, Reading::Address, self).map(|word| word.bits)
    }

    /// The value of an expression.
    pub(super) fn value(&mut self, text: &str) -> Result<eval::Word, String> {
        eval::evaluate(text, Reading::Content, self)
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
        let selected = self.session.selected;
        let look = self.look();
        let held = || look.stacks.iter().find(|stack| stack.is_held());
        let main = || held().or_else(|| look.stacks.iter().find(|stack| !stack.thread.own)).or(look.stacks.first());
        match selected {
            None => main().cloned().ok_or_else(|| "no thread could be seen".to_owned()),
            Some(tid) => look
                .stack(tid)
                .cloned()
                .ok_or_else(|| format!("the selected thread {tid} is gone; info threads lists the others")),
        }
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

impl eval::Environment for Context<'_, '_> {
    fn register(&mut self, name: &str) -> Result<u64, String> {
        let Some(number) = arch::register(name) else {
            let shown = crate::render::quote::short(name, 40);
            return Err(format!("no register ${shown}; info registers lists them"));
        };
        let (_, level) = self.selected_level()?;
        let stack = self.selected()?;
        let value = stack.frames.get(level.frame).and_then(|frame| frame.registers.get(number));
        value.ok_or_else(|| format!("${name} is <not captured> in the selected frame"))
    }

    fn symbol(&mut self, name: &str) -> Option<eval::Named> {
        self.session.find(name).first().map(|symbol| eval::Named {
            address: symbol.address,
            size: symbol.size,
            is_function: symbol.is_function,
        })
    }

    fn local(&mut self, name: &str) -> Option<String> {
        self.session.local(name).map(str::to_owned)
    }

    fn load(&mut self, address: u64, size: usize) -> Result<u64, String> {
        let mut bytes = [0; 8];
        let wanted = bytes.get_mut(..size).unwrap_or_default();
        match memory::read_now(address, wanted) {
            Ok(count) if count == size => Ok(u64::from_le_bytes(bytes)),
            Ok(count) => Err(no_access(address.wrapping_add(count as u64))),
            Err(_) => Err(no_access(address)),
        }
    }
}

/// gdb's words for an address that cannot be read.
pub(super) fn no_access(address: u64) -> String {
    format!("cannot access memory at address {}", hex(address))
}
