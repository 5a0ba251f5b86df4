//! Types, variables and scopes: what DWARF tells of a program beyond its lines, in the evaluator's terms.
//!
//! Context: the agent's thread. Files may be corrupt: every walk is bounded by the bytes it reads or by a constant, nothing is
//! believed, and what is not understood is said to be unknown. Memory of the process is read through what the caller passes.
#![allow(
    dead_code,
    unused_imports,
    reason = "what the tests compare with gdb's reading is more than the commands show"
)]

use core::borrow::BorrowMut;
use core::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use manhole_expressions::types::{Language, TypeId};

use crate::memory::Memory;
use crate::modules::{Module, Modules};
use crate::symbols::{Dwarf, Key, Symbol, Symbols};
use image::Image;
use types::Types;

mod list;
mod locals;
mod location;
mod entry_value;
mod line_places;
mod whereabouts;
mod compiled;
mod scopes;
mod functions;
mod variables;
mod lookup;
mod spelling;
mod canonical;
mod types;
mod index;
mod remembered;
mod candidates;
mod image;
mod entry;
mod source;
#[cfg(any(test, fuzzing))]
pub(crate) mod exercise;

#[cfg(test)]
mod tests;

pub(crate) use compiled::Compiled;
pub(crate) use functions::FoundFunction;
pub(crate) use line_places::LinePlaces;
pub(crate) use list::{Kind, Listed};
pub(crate) use location::{Frame, Surroundings};
pub(crate) use lookup::{Here, Match};
pub(crate) use scopes::{Block, Function, Local, Scopes};
pub(crate) use variables::{Enumerator, FoundVariable, Storage};
pub(crate) use whereabouts::Whereabouts;

/// What is mapped, the memory to see it in, and who opens the files.
#[derive(Clone, Copy)]
pub(crate) struct Look<'a, 's> {
    /// The modules that are looked into.
    pub(crate) modules: &'a Modules,
    pub(crate) memory: &'a Memory,
    pub(crate) files: &'a dyn Files<'s>,
    /// Asked now and then whether to give up.
    pub(crate) stop: &'a dyn Fn() -> bool,
}

/// What gives the files' contents: symbol tables and DWARF.
pub(crate) trait Files<'s> {
    /// The DWARF of the module; `None` where it has none.
    fn dwarf(&self, modules: &Modules, memory: &Memory, module: &Module) -> Option<Rc<Dwarf<'s>>>;

    /// The symbols of this name in the module.
    fn find(&self, modules: &Modules, memory: &Memory, module: &Module, name: &str) -> Vec<Symbol>;
}

impl<'s, T: BorrowMut<Symbols<'s>>> Files<'s> for RefCell<T> {
    fn dwarf(&self, modules: &Modules, memory: &Memory, module: &Module) -> Option<Rc<Dwarf<'s>>> {
        let mut symbols = self.try_borrow_mut().ok()?;
        let symbols: &mut Symbols<'s> = (*symbols).borrow_mut();
        symbols.dwarf(modules, memory, module)
    }

    fn find(&self, modules: &Modules, memory: &Memory, module: &Module, name: &str) -> Vec<Symbol> {
        let Ok(mut symbols) = self.try_borrow_mut() else { return Vec::new() };
        let symbols: &mut Symbols<'s> = (*symbols).borrow_mut();
        symbols.find_in((modules, memory, module), name)
    }
}

/// An entry of a module's DWARF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The number of the module among those that were opened.
    image: u32,
    unit: u32,
    offset: usize,
}

/// Where something is declared.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Declared {
    /// The path, joined with its directories.
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
}

/// The debug information of all modules; each module's is opened when it is first needed.
pub(crate) struct Debug<'s> {
    images: Vec<(Key, Option<Rc<Image<'s>>>)>,
    types: Types,
    /// The definitions of declared types, or themselves where there is none among so many modules.
    completed: BTreeMap<TypeId, TypeId>,
    searched: usize,
    /// Whether a search was ended before it had found something.
    gave_up: bool,
}

impl<'s> Debug<'s> {
    pub(crate) fn new() -> Self {
        Debug { images: Vec::new(), types: Types::new(), completed: BTreeMap::new(), searched: 0, gave_up: false }
    }

    /// Whether a search since the last question of this kind took too long, or was interrupted, and has found nothing.
    pub(crate) fn take_gave_up(&mut self) -> bool {
        core::mem::take(&mut self.gave_up)
    }

    /// The whole path of a file that ends with `name`: a unit's own, else one that was included.
    pub(crate) fn source_file(&mut self, look: Look<'_, 's>, name: &str) -> Option<String> {
        let own = look.modules.modules.iter().find_map(|module| {
            let image = self.image_of(look, module)?;
            (0..image.source.units())
                .take_while(|_| !(look.stop)())
                .find_map(|unit| image.source_path(u32::try_from(unit).ok()?).filter(|path| ends_with(path, name)))
        });
        own.or_else(|| self.file_of_lines(look, name))
    }

    /// The DWARF of the module that holds the address.
    fn image_at(&mut self, look: Look<'_, 's>, address: u64) -> Option<Rc<Image<'s>>> {
        let module = look.modules.module(address)?;
        self.image_of(look, module)
    }

    /// The DWARF of the module; `None` where it has none.
    fn image_of(&mut self, look: Look<'_, 's>, module: &Module) -> Option<Rc<Image<'s>>> {
        let key = Key::of(module);
        if let Some((_, image)) = self.images.iter().find(|(known, _)| *known == key) {
            return image.clone();
        }
        let number = u32::try_from(self.images.len()).ok()?;
        let opened = look.files.dwarf(look.modules, look.memory, module);
        let image = opened.map(|dwarf| Rc::new(Image::new(number, module, source::Source::new(dwarf))));
        self.images.push((key, image.clone()));
        image
    }

    fn image(&self, place: Place) -> Option<Rc<Image<'s>>> {
        self.images.get(usize::try_from(place.image).ok()?)?.1.clone()
    }

    /// The modules in the order in which names are searched: the one of `here` first, then as the loader has them.
    fn modules_from<'a>(&self, look: Look<'a, 's>, here: Option<&Here>) -> Vec<&'a Module> {
        let mut modules = look.modules.in_order();
        if let Some(here) = here {
            modules.sort_by_key(|module| !(module.start..module.end).contains(&here.pc));
        }
        modules
    }
}

/// Whether a path is this, or ends with it at a `/`.
fn ends_with(path: &str, name: &str) -> bool {
    path == name || path.strip_suffix(name).is_some_and(|before| before.ends_with('/'))
}
