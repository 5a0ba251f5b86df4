//! Where code and variables are, for the commands that tell: lines -> addresses, an address -> the variables around it.
//!
//! Context: the agent's thread. Nothing is called and nothing is written.

use core::cell::RefCell;

use manhole_expressions::access;
use manhole_expressions::types::{Type, TypeId};
use manhole_expressions::value::{Content, Place};

use super::Context;
use crate::debug::{Compiled, LinePlaces, Local, Look, Whereabouts};
use crate::render::quote::short;

impl Context<'_, '_> {
    /// Where the code of a line is.
    pub(super) fn line_places(&mut self, file: &str, line: u32) -> Result<LinePlaces, String> {
        let interrupted = self.interrupted;
        let groups = self.session.nearness(interrupted);
        let (symbols, debug, world) = self.session.all_parts();
        let files = RefCell::new(symbols);
        let found = groups.iter().find_map(|near| {
            let look = Look { modules: near, memory: &world.memory, files: &files, stop: interrupted };
            debug.line_places(look, file, line)
        });
        found.ok_or_else(|| format!("No source file named {}.", short(file, 100)))
    }

    /// How the code of the selected frame was compiled.
    pub(super) fn compiled(&mut self) -> Result<Option<Compiled>, String> {
        let (_, level) = self.selected_level()?;
        let pc = level.pc.wrapping_sub(u64::from(level.is_return_address));
        let interrupted = self.interrupted;
        let (symbols, debug, world) = self.session.all_parts();
        let files = RefCell::new(symbols);
        Ok(debug
            .compiled(Look { modules: &world.modules, memory: &world.memory, files: &files, stop: interrupted }, pc))
    }

    /// The variables around an address of code, innermost first, and where they are kept; `None` where no debug information knows it.
    pub(super) fn locals_at(&mut self, address: u64) -> Option<Vec<(Local, Whereabouts)>> {
        let interrupted = self.interrupted;
        let (symbols, debug, world) = self.session.all_parts();
        let files = RefCell::new(symbols);
        let look = Look { modules: &world.modules, memory: &world.memory, files: &files, stop: interrupted };
        let scopes = debug.at(look, address)?;
        let blocks = scopes.functions.into_iter().flat_map(|function| function.blocks);
        let locals = blocks.flat_map(|block| block.locals).filter(|local| !local.name.is_empty());
        Some(locals.map(|local| (local.clone(), debug.whereabouts(&local))).collect())
    }

    /// Where a variable of the selected frame is kept.
    pub(super) fn local_place(&mut self, name: &str) -> Option<Whereabouts> {
        let interrupted = self.interrupted;
        let view = self.session.view(interrupted)?;
        let local = view.locals().find(|local| local.name == name)?;
        Some(self.session.debug.whereabouts(local))
    }

    /// Where what a name stands for is, in words.
    pub(super) fn place_of_global(&mut self, name: &str) -> Result<String, String> {
        self.calls_nothing = true;
        let value = self.value(name)?;
        let Place::Memory(address) = value.place else {
            return Ok(match value.content {
                Content::Missing(_) => "optimized out".to_owned(),
                _ => "constant".to_owned(),
            });
        };
        let described = self.session.debug.describe(value.type_id);
        let at = format!("address {address:#x}");
        Ok(match &*described {
            Type::Function(_) => format!("a function at {at}"),
            Type::Unknown(_) => format!("at {at} in a file without debug information"),
            // Each thread has its own outside of what the file is mapped to.
            _ if self.session.modules().module(address).is_none() => {
                format!("a thread-local variable; that of the selected thread is at {at}")
            }
            _ => format!("static storage at {at}"),
        })
    }

    /// The size of a type, in bytes.
    pub(super) fn size_of(&mut self, type_id: TypeId) -> Option<u64> {
        self.with_inferior(|inferior, _| Ok(access::size_of(type_id, inferior))).ok().flatten()
    }
}
