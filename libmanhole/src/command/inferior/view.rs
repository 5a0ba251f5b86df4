//! The selected frame as expressions see it: its registers, its stack as it was captured, the names in its blocks.
//!
//! Context: the agent's thread.

use core::cell::RefCell;
use std::rc::Rc;

use manhole_expressions::types::Language;
use manhole_expressions::value::Value;

use crate::capture;
use crate::command::session::Session;
use crate::debug::{Frame, Here, Local, Look, Scopes, Surroundings};
use crate::memory;
use crate::render::Stack;

/// A frame of a captured thread.
pub(crate) struct View {
    pub(super) stack: Rc<Stack>,
    /// The number of the frame, counted with inlined ones.
    pub(super) level: usize,
    /// Where names are looked up from.
    pub(super) here: Here,
    pub(super) scopes: Option<Scopes>,
    /// Which of the functions at this address the frame is: inlined ones come first.
    function: usize,
    /// Whether the thread has run since the capture, so that its values may be others now.
    pub(super) is_stale: bool,
}

impl View {
    /// The view of a frame.
    pub(crate) fn new(
        session: &mut Session<'_>,
        stack: Rc<Stack>,
        level: usize,
        interrupted: &dyn Fn() -> bool,
    ) -> View {
        let (pc, place) = match stack.levels.get(level) {
            // What Python's code has is not the machine's.
            Some(shown) if shown.is_python() => (None, 0),
            Some(shown) => (stack.frames.get(shown.frame).map(|frame| frame.lookup_address()), shown.place()),
            None => (None, 0),
        };
        let (symbols, debug, world) = session.all_parts();
        let files = RefCell::new(symbols);
        let look = Look { modules: &world.modules, memory: &world.memory, files: &files, stop: interrupted };
        let (here, scopes) = match pc {
            Some(pc) => (debug.here(look, pc), debug.at(look, pc)),
            None => (Here::default(), None),
        };
        let is_stale = !capture::has_rested(&stack.thread);
        View { stack, level, here, scopes, function: place, is_stale }
    }

    /// From where names are looked up.
    pub(crate) fn here(&self) -> &Here {
        &self.here
    }

    /// The address by which the frame's names are looked up.
    pub(crate) fn pc(&self) -> Option<u64> {
        let shown = self.stack.levels.get(self.level)?;
        self.stack.frames.get(shown.frame).map(|frame| frame.lookup_address())
    }

    /// Whether it is the view of this frame.
    pub(crate) fn is_of(&self, stack: &Rc<Stack>, level: usize) -> bool {
        Rc::ptr_eq(&self.stack, stack) && self.level == level
    }

    /// The language of the frame's code.
    pub(super) fn language(&self) -> Language {
        self.scopes.as_ref().map_or(Language::C, |scopes| scopes.language)
    }

    /// The variables of the frame's function, innermost block first.
    pub(crate) fn locals(&self) -> impl Iterator<Item = &Local> {
        let function = self.scopes.as_ref().and_then(|scopes| scopes.functions.get(self.function));
        function.into_iter().flat_map(|function| &function.blocks).flat_map(|block| &block.locals)
    }

    /// Whether debug information knows the frame's function.
    pub(crate) fn is_described(&self) -> bool {
        self.scopes.as_ref().is_some_and(|scopes| scopes.functions.get(self.function).is_some())
    }

    /// The value of one of them.
    pub(crate) fn value(&self, session: &mut Session<'_>, local: &Local) -> Option<Value> {
        let shown = self.stack.levels.get(self.level)?;
        let frame = self.stack.frames.get(shown.frame)?;
        let caller = self.stack.frames.get(shown.frame.saturating_add(1)).map(|caller| Frame {
            pc: caller.lookup_address(),
            registers: &caller.registers,
            cfa: caller.cfa,
            caller: None,
        });
        let frame =
            Frame { pc: frame.lookup_address(), registers: &frame.registers, cfa: frame.cfa, caller: caller.as_ref() };
        let tid = self.stack.thread.tid;
        let mut value = {
            let (symbols, debug, world) = session.all_parts();
            let mut around = Around { view: self, tid, symbols, world };
            debug.value(local, &frame, &mut around)
        };
        value.is_stale = self.is_stale;
        Some(value)
    }

    /// Reads what the stack was at the capture; false where it was not copied.
    pub(crate) fn read(&self, address: u64, buffer: &mut [u8]) -> bool {
        let Ok(capture) = &self.stack.thread.capture else { return false };
        let Some(offset) = address.checked_sub(capture.stack.start).and_then(|at| usize::try_from(at).ok()) else {
            return false;
        };
        let bytes = offset.checked_add(buffer.len()).and_then(|end| capture.stack.bytes.get(offset..end));
        bytes.is_some_and(|bytes| {
            buffer.copy_from_slice(bytes);
            true
        })
    }
}

/// What a location may ask for.
struct Around<'a, 's> {
    view: &'a View,
    tid: i32,
    symbols: &'a mut crate::symbols::Symbols<'s>,
    world: &'a crate::command::session::World,
}

impl Surroundings for Around<'_, '_> {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> bool {
        self.view.read(address, buffer) || memory::read_now(address, buffer).is_ok_and(|count| count == buffer.len())
    }

    fn thread_local(&mut self, module: u64, offset: u64) -> Option<u64> {
        super::thread_local::variable(self.symbols, self.world, self.tid, module, offset).ok()
    }
}
