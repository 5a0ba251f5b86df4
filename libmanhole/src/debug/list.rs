//! All names of a kind: `info variables|functions|types REGEX`.
//!
//! Context: the agent's thread. The caller is asked after each name whether it goes on, and after each unit that has none.

use core::ops::ControlFlow;

use manhole_expressions::types::{Language, TypeId};

use super::index::NameKind;
use super::{Debug, Declared, Look};
use crate::modules::Module;

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Variables,
    Functions,
    Types,
}

/// A name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// With its scopes.
    pub(crate) name: String,
    /// The type of a variable or a function; a type itself.
    pub(crate) type_id: TypeId,
    pub(crate) declared: Declared,
    pub(crate) language: Language,
    /// The tag before a type's name, where C needs it: `struct`.
    pub(crate) tag: Option<&'static str>,
    pub(crate) is_external: bool,
    /// The address of a function's code.
    pub(crate) address: Option<u64>,
}

impl<'s> Debug<'s> {
    /// Passes on every name of the kind in a module that `wants` (given the name with its scopes) wants, unit by unit, until one of
    /// them breaks. `wants` is asked before anything else is read.
    pub(crate) fn list(
        &mut self,
        look: Look<'_, 's>,
        module: &Module,
        kind: Kind,
        wants: &mut dyn FnMut(&str) -> ControlFlow<(), bool>,
        each: &mut dyn FnMut(Listed) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(image) = self.image_of(look, module) else { return ControlFlow::Continue(()) };
        for unit in 0..image.source.units() {
            let Ok(unit) = u32::try_from(unit) else { break };
            // A question for interruption alone.
            wants("")?;
            let Some(index) = image.index(unit) else { continue };
            let language = image.language(unit);
            for named in index.names() {
                let is_wanted = match kind {
                    Kind::Variables => named.kind == NameKind::Variable,
                    Kind::Functions => named.kind == NameKind::Function,
                    Kind::Types => matches!(
                        named.kind,
                        NameKind::Struct | NameKind::Union | NameKind::Enumeration | NameKind::Typedef | NameKind::Base
                    ),
                };
                if !is_wanted {
                    continue;
                }
                let place = image.place(unit, named.offset);
                let chain = image.chain(place);
                let (Some(name), Some(first), Some(last)) = (image.name(&chain), chain.first(), chain.last()) else {
                    continue;
                };
                let name = image.qualified(last.place, &name);
                if !wants(&name)? {
                    continue;
                }
                let tag = match named.kind {
                    NameKind::Struct if language == Language::C => Some("struct"),
                    NameKind::Union if language == Language::C => Some("union"),
                    NameKind::Enumeration if language == Language::C => Some("enum"),
                    _ => None,
                };
                let address = match kind {
                    Kind::Functions => super::functions::entry_address(&image, first),
                    _ => None,
                };
                each(Listed {
                    name,
                    type_id: match kind {
                        Kind::Variables => self.type_of(&image, &chain),
                        _ => self.number(place),
                    },
                    declared: image.declared(&chain),
                    language,
                    tag,
                    is_external: chain.iter().any(|entry| entry.flag(gimli::DW_AT_external)),
                    address,
                })?;
            }
        }
        ControlFlow::Continue(())
    }
}
