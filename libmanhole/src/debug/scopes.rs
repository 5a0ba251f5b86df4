//! What is around an address of code: blocks, inlined functions, and their variables.
//!
//! Context: the agent's thread. Goes down from the function to the address without recursion.

use core::ops::ControlFlow;
use std::collections::BTreeSet;

use manhole_expressions::types::{Language, TypeId};

use super::entry::Entry;
use super::functions::entry_address;
use super::image::Image;
use super::{Debug, Declared, Look, Place, index};

/// How deep blocks are nested at most.
const DEPTH: usize = 256;
/// How many variables a function has at most.
const LOCALS: usize = 1 << 14;

/// The scopes at an address.
#[derive(Clone, Debug)]
pub(crate) struct Scopes {
    pub(crate) language: Language,
    /// The file of the unit as the compiler was given it.
    pub(crate) unit: String,
    /// Innermost first: those that were inlined, and the function that they were inlined into.
    pub(crate) functions: Vec<Function>,
}

/// A function, inlined or not.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// With its scopes, without parameters.
    pub(crate) name: String,
    pub(crate) linkage: Option<String>,
    pub(crate) type_id: TypeId,
    pub(crate) is_inlined: bool,
    /// Where its code begins, in memory; an inlined one's has no beginning.
    pub(crate) address: Option<u64>,
    pub(crate) declared: Declared,
    /// Where it was called, when it was inlined.
    pub(crate) called: Declared,
    /// Innermost first; the last one is the function's own, with its parameters.
    pub(crate) blocks: Vec<Block>,
}

/// A block with the variables that are declared in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Block {
    /// As declared.
    pub(crate) locals: Vec<Local>,
}

/// A variable or a parameter.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub(crate) name: String,
    pub(crate) type_id: TypeId,
    pub(crate) declared: Declared,
    pub(crate) is_parameter: bool,
    /// Made by the compiler: `this`.
    pub(crate) is_artificial: bool,
    pub(super) place: Place,
    /// The function whose frame it is in.
    pub(super) function: Place,
}

impl<'s> Debug<'s> {
    /// The scopes at an address of code; `None` where no debug information knows it.
    pub(crate) fn at(&mut self, look: Look<'_, 's>, pc: u64) -> Option<Scopes> {
        let image = self.image_at(look, pc)?;
        let address = pc.wrapping_sub(image.bias);
        let (unit, function) = image.function_at(address)?;
        let mut scopes = Scopes { language: image.language(unit), unit: image.unit_name(unit), functions: Vec::new() };
        let mut next = Some(function);
        for _ in 0..DEPTH {
            let Some(entry) = next.and_then(|place| image.entry(place)) else { break };
            if entry.tag != gimli::DW_TAG_lexical_block || scopes.functions.is_empty() {
                let described = self.scope_function(&image, &entry);
                scopes.functions.insert(0, described);
            }
            let (block, inner) = self.block(&image, &entry, function, address);
            if let Some(innermost) = scopes.functions.first_mut() {
                innermost.blocks.insert(0, block);
            }
            next = inner;
        }
        Some(scopes)
    }

    fn scope_function(&mut self, image: &Image<'s>, entry: &Entry<'s>) -> Function {
        let chain = image.chain(entry.place);
        let is_inlined = entry.tag == gimli::DW_TAG_inlined_subroutine;
        let name = image.name(&chain).unwrap_or_default();
        let around = chain.last().map_or(entry.place, |last| last.place);
        let line = entry.unsigned(gimli::DW_AT_call_line).and_then(|line| u32::try_from(line).ok());
        let file = entry.unsigned(gimli::DW_AT_call_file).and_then(|file| image.file(entry.place.unit, file));
        let described = if is_inlined { chain.get(1).map_or(around, |origin| origin.place) } else { entry.place };
        Function {
            name: image.qualified(around, &name),
            linkage: image.linkage(&chain),
            type_id: self.number(described),
            is_inlined,
            address: if is_inlined { None } else { entry_address(image, entry) },
            declared: image.declared(&chain),
            called: Declared { file, line },
            blocks: Vec::new(),
        }
    }

    /// The variables of one block, and the block in it that holds the address.
    fn block(&mut self, image: &Image<'s>, entry: &Entry<'s>, function: Place, address: u64) -> (Block, Option<Place>) {
        let (mut found, mut inner, mut blocks) = (Vec::new(), None, Vec::new());
        let mut todo = children_of(image, entry.place);
        while let Some(child) = todo.pop().filter(|_| found.len() < LOCALS) {
            match child.tag {
                gimli::DW_TAG_variable | gimli::DW_TAG_formal_parameter => found.push(child),
                gimli::DW_TAG_GNU_formal_parameter_pack => todo.extend(children_of(image, child.place)),
                _ => {
                    let Some(unit) = image.unit(child.place.unit) else { break };
                    blocks.extend(image.referred(&child, gimli::DW_AT_abstract_origin));
                    let has_code = child.has(gimli::DW_AT_ranges) || child.has(gimli::DW_AT_low_pc);
                    if !has_code && child.tag == gimli::DW_TAG_lexical_block {
                        // Blocks without addresses belong to the one around them.
                        todo.extend(children_of(image, child.place));
                    } else if inner.is_none() && index::ranges(unit, &child, |range| range.contains(&address)) {
                        inner = Some(child.place);
                    }
                }
            }
        }
        // What an instance has lost is still declared in what it is an instance of.
        if let Some(origin) = image.referred(entry, gimli::DW_AT_abstract_origin) {
            let origins = found.iter().filter_map(|child| image.referred(child, gimli::DW_AT_abstract_origin));
            let known: BTreeSet<Place> = origins.chain(blocks).collect();
            let mut todo = children_of(image, origin);
            while let Some(child) = todo.pop().filter(|_| found.len() < LOCALS) {
                match child.tag {
                    _ if known.contains(&child.place) => {}
                    gimli::DW_TAG_variable | gimli::DW_TAG_formal_parameter => found.push(child),
                    // A block of which nothing is left.
                    gimli::DW_TAG_lexical_block => todo.extend(children_of(image, child.place)),
                    _ => {}
                }
            }
        }
        let locals = found.iter().filter_map(|child| self.local(image, child, function)).collect();
        (Block { locals }, inner)
    }

    fn local(&mut self, image: &Image<'s>, entry: &Entry<'s>, function: Place) -> Option<Local> {
        let chain = image.chain(entry.place);
        // Declared to be elsewhere.
        if entry.flag(gimli::DW_AT_declaration) {
            return None;
        }
        Some(Local {
            name: image.name(&chain)?,
            type_id: self.type_of(image, &chain),
            declared: image.declared(&chain),
            is_parameter: entry.tag == gimli::DW_TAG_formal_parameter,
            is_artificial: chain.iter().any(|entry| entry.flag(gimli::DW_AT_artificial)),
            place: entry.place,
            function,
        })
    }
}

/// What stands in a block, of variables and blocks: the first one last.
fn children_of<'s>(image: &Image<'s>, place: Place) -> Vec<Entry<'s>> {
    let mut children = Vec::new();
    image.children(place, |child| {
        let is_wanted = matches!(
            child.tag,
            gimli::DW_TAG_variable
                | gimli::DW_TAG_formal_parameter
                | gimli::DW_TAG_GNU_formal_parameter_pack
                | gimli::DW_TAG_lexical_block
                | gimli::DW_TAG_inlined_subroutine
                | gimli::DW_TAG_try_block
                | gimli::DW_TAG_catch_block
        );
        if is_wanted {
            children.push(child);
        }
        if children.len() < LOCALS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    children.reverse();
    children
}
