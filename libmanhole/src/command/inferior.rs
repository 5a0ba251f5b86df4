//! The process as expressions see it: names, types, memory, registers, calls.
//!
//! Context: the agent's thread. Nothing here waits: a call is started, and the line is evaluated again when it has returned ([`Journal`]).

mod calls;
mod journal;
mod names;
mod own_variables;
mod prototypes;
mod registers;
mod thread_local;
mod view;
mod visits;

use core::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use manhole_expressions::access::cannot_access;
use manhole_expressions::ast::{Path, Tag};
use manhole_expressions::target::{Found, Stop, SymbolAt};
use manhole_expressions::types::{Language, Type, TypeId};
use manhole_expressions::value::Value;
use manhole_expressions::{Target, print};

use super::session::Session;
use crate::call::ALIGNMENT;
use crate::debug::Look;
use crate::sys::{own_memory, process};
use crate::{memory, symbols};
use journal::Entry;
pub(crate) use journal::Journal;
pub(crate) use view::View;

/// Strings that a session may put into the process, in bytes.
const STRINGS: usize = 16 << 20;

/// The process, from the selected frame of a client's session.
pub(crate) struct Inferior<'a, 's> {
    pub(super) session: &'a mut Session<'s>,
    /// Asked now and then; true ends the line.
    pub(super) interrupted: &'a dyn Fn() -> bool,
    /// Whether calls are made that could end the process or hang.
    pub(super) insists: bool,
    /// Whether nothing is called at all.
    pub(super) calls_nothing: bool,
    /// The thread that calls functions; `None` for a worker.
    pub(super) on: Option<i32>,
    /// The line that was typed, for `jobs`.
    pub(super) line: &'a str,
}

impl Inferior<'_, '_> {
    /// The selected frame; `None` where no thread could be seen.
    pub(crate) fn view(&mut self) -> Option<Rc<View>> {
        self.session.view(self.interrupted)
    }

    /// The language of the selected frame's code.
    pub(crate) fn language(&mut self) -> Language {
        self.view().map_or(Language::C, |view| view.language())
    }
}

impl Target for Inferior<'_, '_> {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> Result<(), u64> {
        match self.session.journal.next() {
            Some(Entry::Read(Ok(bytes))) if bytes.len() == buffer.len() => {
                buffer.copy_from_slice(bytes);
                return Ok(());
            }
            Some(Entry::Read(Err(bad))) => return Err(*bad),
            Some(_) => return Err(address),
            None => {}
        }
        let result = self.read_now(address, buffer);
        let entry = Entry::Read(result.map(|()| buffer.to_vec()));
        self.session.journal.add(entry).map_err(|_| address)?;
        result
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Stop> {
        match self.session.journal.next() {
            Some(Entry::Written(result)) => return result.clone(),
            Some(_) => return Err(journal::astray()),
            None => {}
        }
        let result = self.write_now(address, bytes);
        self.session.journal.add(Entry::Written(result.clone()))?;
        result
    }

    fn describe(&mut self, type_id: TypeId) -> Rc<Type> {
        self.session.debug.describe(type_id)
    }

    fn intern(&mut self, type_: Type) -> TypeId {
        self.session.debug.intern(type_)
    }

    fn find_type(&mut self, tag: Option<Tag>, path: &Path) -> Option<TypeId> {
        let view = self.view();
        for near in self.session.nearness(self.interrupted) {
            let (symbols, debug, world) = self.session.all_parts();
            let files = RefCell::new(symbols);
            let look = Look { modules: &near, memory: &world.memory, files: &files, stop: self.interrupted };
            let found = debug.find_type(look, tag, path, view.as_ref().map(|view| &view.here));
            if found.is_some() {
                return found;
            }
        }
        None
    }

    fn complete(&mut self, type_id: TypeId) -> TypeId {
        let (symbols, debug, world) = self.session.all_parts();
        let files = RefCell::new(symbols);
        let look = Look { modules: &world.modules, memory: &world.memory, files: &files, stop: self.interrupted };
        debug.complete(look, type_id)
    }

    fn find(&mut self, path: &Path) -> Result<Found, Stop> {
        self.find_name(path)
    }

    fn find_linkage(&mut self, name: &str) -> Option<u64> {
        self.session.find(name).first().map(|symbol| symbol.address)
    }

    fn register(&mut self, name: &str) -> Option<Value> {
        self.register_value(name).or_else(|| self.own_variable(name))
    }

    fn symbol_at(&mut self, address: u64) -> Option<SymbolAt> {
        let symbol = self.session.symbol_at(address)?;
        let described = if symbol.is_function { self.name_by_debug(symbol.address) } else { None };
        let name = described.or_else(|| symbols::in_full(&symbol.name)).unwrap_or_else(|| symbol.shown());
        Some(SymbolAt { name, offset: address.wrapping_sub(symbol.address), is_function: symbol.is_function })
    }

    fn call(&mut self, function: u64, function_type: TypeId, arguments: Vec<Value>) -> Result<Value, Stop> {
        self.call_function(function, function_type, &arguments)
    }

    fn function_behind(&mut self, function: u64) -> Result<Option<(u64, TypeId)>, Stop> {
        if !self.session.is_indirect(function) {
            return Ok(None);
        }
        let meant = self.resolved(function)?;
        Ok(self.function_of(meant).map(|found| (meant, found.type_id)))
    }

    fn allocate(&mut self, bytes: &[u8]) -> Result<u64, Stop> {
        match self.session.journal.next() {
            Some(Entry::Allocated(address)) => return Ok(*address),
            Some(_) => return Err(journal::astray()),
            None => {}
        }
        self.check_room(bytes.len())?;
        let mut kept = vec![0; bytes.len().saturating_add(ALIGNMENT)].into_boxed_slice();
        let start = kept.as_ptr() as usize;
        let place = start.next_multiple_of(ALIGNMENT);
        kept.iter_mut().skip(place.wrapping_sub(start)).zip(bytes).for_each(|(slot, byte)| *slot = *byte);
        self.session.strings.push(kept);
        let address = place as u64;
        self.session.journal.add(Entry::Allocated(address))?;
        Ok(address)
    }

    fn owns(&mut self, address: u64) -> bool {
        self.session.strings.iter().any(|string| string.as_ptr_range().contains(&(address as *const u8)))
    }

    fn check(&mut self) -> Result<(), Stop> {
        if (self.interrupted)() { Err(Stop::Error("interrupted".to_owned())) } else { Ok(()) }
    }
}

impl Inferior<'_, '_> {
    /// An error when the session has no room for so many bytes more in the process.
    fn check_room(&self, bytes: usize) -> Result<(), Stop> {
        let used: usize = self.session.strings.iter().map(|string| string.len()).sum();
        if used.saturating_add(bytes) > STRINGS {
            let most = STRINGS >> 20;
            return Err(Stop::Error(format!("the strings and objects of this session take more than {most} MiB")));
        }
        Ok(())
    }

    /// The name of a function of the program's that its debug information knows better than a symbol: which of several names it was given,
    /// and the parameters of C++'s `main(int, char**)`. A library's debug information is not opened for that.
    fn name_by_debug(&mut self, address: u64) -> Option<String> {
        let program = self.session.modules().module(process::program_entry())?;
        if !(program.start..program.end).contains(&address) {
            return None;
        }
        let function = self.function_of(address)?;
        if function.linkage.is_some() {
            return function.in_full;
        }
        if function.language != Language::Cpp {
            return Some(function.name);
        }
        let described = self.describe(function.type_id);
        let Type::Function(described) = &*described else { return None };
        let parameters = described.parameters.iter().map(|type_id| in_a_name(&print::name(*type_id, self)));
        Some(format!("{}({})", function.name, parameters.collect::<Vec<_>>().join(", ")))
    }

    /// The stack of the selected thread is what it was when it was captured; everything else is as it is now.
    fn read_now(&mut self, address: u64, buffer: &mut [u8]) -> Result<(), u64> {
        if buffer.is_empty() {
            return Ok(());
        }
        if let Some(view) = self.session.known_view()
            && !self.session.is_live
            && view.read(address, buffer)
        {
            self.session.written.overlay(address, buffer);
            return Ok(());
        }
        match memory::read_now(address, buffer) {
            Ok(count) if count == buffer.len() => Ok(()),
            Ok(count) => Err(address.wrapping_add(count as u64)),
            Err(_) => Err(address),
        }
    }

    fn write_now(&mut self, address: u64, bytes: &[u8]) -> Result<(), Stop> {
        let by_force = self.session.force;
        let last = address.wrapping_add(bytes.len() as u64).wrapping_sub(1);
        if self.calls_nothing {
            return Err(Stop::Error(
                "this would change the process, and what is shown again and again only reads".to_owned(),
            ));
        }
        let modules = self.session.modules();
        for at in [address, last] {
            let Some(mapping) = modules.mapping(at) else { return Err(cannot_access(at)) };
            if !mapping.writable && !by_force {
                let name = if mapping.path.is_empty() { "memory without a name" } else { &mapping.path };
                let name = crate::render::quote::short(name, 200);
                return Err(Stop::Error(format!(
                    "{at:#x} is read-only: it is in {:#x}-{:#x} of {name}; \"set memory force on\" writes all the same",
                    mapping.start, mapping.end
                )));
            }
        }
        own_memory::write(address, bytes, by_force).map_err(|_| cannot_access(address))?;
        let look = self.session.look.as_deref();
        let copies =
            look.into_iter().flat_map(|look| &look.stacks).filter_map(|stack| stack.thread.capture.as_ref().ok());
        for copy in copies {
            self.session.written.add(copy.stack.start, copy.stack.bytes.len(), address, bytes);
        }
        Ok(())
    }
}

/// A type as demangled names spell it: `char const*`.
fn in_a_name(spelled: &str) -> String {
    let text = spelled.replace(" *", "*").replace(" &", "&");
    let Some(rest) = text.strip_prefix("const ") else { return text };
    let end = rest.find(['*', '&', '[']).unwrap_or(rest.len());
    let (base, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
    format!("{base} const{behind}")
}

/// What was written since the last look at the threads: the copies of their stacks do not have it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written(BTreeMap<u64, u8>);

impl Written {
    /// Remembers what was written at `address`, as far as it lies in the copy of a stack: it takes no more than all of that.
    fn add(&mut self, start: u64, size: usize, address: u64, bytes: &[u8]) {
        let copied = start..start.saturating_add(size as u64);
        self.0.extend((address..).zip(bytes).map(|(at, byte)| (at, *byte)).filter(|(at, _)| copied.contains(at)));
    }

    /// Puts what was written over what was copied.
    fn overlay(&self, address: u64, buffer: &mut [u8]) {
        for (at, byte) in self.0.range(address..address.saturating_add(buffer.len() as u64)) {
            let place = at.checked_sub(address).and_then(|at| usize::try_from(at).ok());
            if let Some(slot) = place.and_then(|at| buffer.get_mut(at)) {
                *slot = *byte;
            }
        }
    }

    /// The threads were looked at anew.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}
