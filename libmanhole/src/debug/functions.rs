//! Functions by name.
//!
//! Context: the agent's thread.

use core::ops::ControlFlow;

use gimli::AttributeValue;
use manhole_expressions::ast::Path;
use manhole_expressions::types::{Language, TypeId};

use super::candidates::{Candidate, Sought};
use super::entry::Entry;
use super::image::Image;
use super::index::{self, NameKind};
use super::lookup::Wanted;
use super::{Debug, Declared, Here, Look, Match, spelling};
use crate::symbols::{self, Kinds};

/// A function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FoundFunction {
    /// With its scopes, without parameters.
    pub(crate) name: String,
    /// Demangled with its parameters, where it has a linkage name that says them.
    pub(crate) in_full: Option<String>,
    pub(crate) linkage: Option<String>,
    /// Where its code is; `None` when it is only declared and nobody knows the definition.
    pub(crate) address: Option<u64>,
    /// A [`manhole_expressions::types::Function`].
    pub(crate) type_id: TypeId,
    pub(crate) language: Language,
    pub(crate) declared: Declared,
    /// The file of its unit as the compiler was given it.
    pub(crate) unit: String,
    /// The path of its module.
    pub(crate) module: String,
    /// Whether other units can use it.
    pub(crate) is_external: bool,
    pub(crate) matched: Match,
    /// Whether it is in the unit of the frame.
    pub(crate) is_here: bool,
}

impl<'s> Debug<'s> {
    /// Every function that fits the name, best first: C++ functions may share it. `resolve` gives the address of a linkage name
    /// by the symbol tables.
    pub(crate) fn find_function(
        &mut self,
        look: Look<'_, 's>,
        path: &Path,
        here: Option<&Here>,
        resolve: &mut dyn FnMut(&str) -> Option<u64>,
    ) -> Vec<FoundFunction> {
        let Some(wanted) = Wanted::of(path) else { return Vec::new() };
        let is_kind = |kind, _: Language| matches!(kind, NameKind::Function | NameKind::DeclaredFunction);
        let mut found: Vec<FoundFunction> = Vec::new();
        // C++ functions share names, so all are needed.
        let is_enough = |it: &Candidate<'s>| {
            it.matched == Match::Exact
                && it.kind == NameKind::Function
                && it.image.language(it.place.unit) == Language::C
                && (it.is_here || it.image.chain(it.place).iter().any(|entry| entry.flag(gimli::DW_AT_external)))
        };
        let sought =
            Sought { wanted: &wanted, here, kinds: Kinds::FUNCTIONS, is_kind: &is_kind, is_enough: &is_enough };
        for module in self.modules_from(look, here) {
            let Some(image) = self.image_of(look, module) else { continue };
            for candidate in self.candidates(look, &image, &sought) {
                found.extend(self.function(&candidate));
            }
            if found.iter().any(|it| it.matched == Match::Exact && it.address.is_some()) {
                break;
            }
        }
        if let Some(in_full) = &wanted.in_full {
            let says = |it: &FoundFunction| it.in_full.as_ref().map(|name| spelling::normal(name));
            let ends = |name: String| name == *in_full || name.ends_with(&format!("::{in_full}"));
            if found.iter().any(|it| says(it).is_some()) {
                found.retain(|it| says(it).is_some_and(ends));
            }
        }
        for function in found.iter_mut().filter(|function| function.address.is_none()) {
            function.address = resolve(function.linkage.as_ref().unwrap_or(&function.name));
        }
        // C's functions of one name are one for all units: the one that the loader gives, whoever else has described his own.
        let is_common = |it: &FoundFunction| it.matched == Match::Exact && it.is_external && it.in_full.is_none();
        let meant =
            found.iter().find(|it| is_common(it)).map(|it| it.linkage.clone().unwrap_or_else(|| it.name.clone()));
        if let Some(address) = meant.and_then(|name| resolve(&name))
            && found.iter().any(|it| is_common(it) && it.address == Some(address))
        {
            found.retain(|it| !is_common(it) || it.address == Some(address));
        }
        found.sort_by_key(|it| (it.matched, !it.is_here, !it.is_external, it.address.is_none()));
        let mut seen: Vec<Option<u64>> = Vec::new();
        found.retain(|it| {
            let is_new = !seen.contains(&it.address);
            seen.push(it.address);
            is_new
        });
        if found.iter().any(|it| it.address.is_some()) {
            found.retain(|it| it.address.is_some());
        }
        found
    }

    /// The function whose code begins at an address.
    pub(crate) fn function_of(&mut self, look: Look<'_, 's>, address: u64) -> Option<FoundFunction> {
        let image = self.image_at(look, address)?;
        let (_, place) = image.function_at(address.wrapping_sub(image.bias))?;
        let begins = entry_address(&image, &image.entry(place)?) == Some(address);
        let kind = NameKind::Function;
        begins.then(|| self.function(&Candidate { image, place, kind, matched: Match::Exact, is_here: false }))?
    }

    /// What the compiler has done to the function whose code begins at an address, if it is not called as it is declared.
    pub(crate) fn changed(&mut self, look: Look<'_, 's>, address: u64) -> Option<String> {
        let image = self.image_at(look, address)?;
        let (_, place) = image.function_at(address.wrapping_sub(image.bias))?;
        let entry = image.entry(place)?;
        let chain = image.chain(place);
        let convention = chain.iter().find_map(|entry| entry.get(gimli::DW_AT_calling_convention));
        if matches!(convention, Some(AttributeValue::CallingConvention(gimli::DW_CC_nocall))) {
            return Some("the compiler has given it a convention of its own".to_owned());
        }
        // What other units use keeps its parameters; what one is always is not passed.
        if entry_address(&image, &entry) != Some(address) || chain.iter().any(|it| it.flag(gimli::DW_AT_external)) {
            return None;
        }
        let mut left_out = None;
        image.children(place, |child| {
            if child.tag == gimli::DW_TAG_formal_parameter && child.has(gimli::DW_AT_const_value) {
                left_out = image.name(&image.chain(child.place));
            }
            if left_out.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        left_out.map(|name| format!("the compiler has made its parameter {name} a constant"))
    }

    /// Of assembly nothing is said but where it is.
    fn function(&mut self, candidate: &Candidate<'s>) -> Option<FoundFunction> {
        let image = &candidate.image;
        let chain = image.chain(candidate.place);
        if image.is_assembly(candidate.place.unit) {
            return None;
        }
        let name = image.name(&chain)?;
        let linkage = image.linkage(&chain);
        let address = chain.first().and_then(|entry| entry_address(image, entry));
        Some(FoundFunction {
            name: image.qualified(chain.last()?.place, &name),
            in_full: linkage.as_deref().and_then(symbols::in_full),
            linkage,
            address,
            type_id: self.number(candidate.place),
            language: image.language(candidate.place.unit),
            declared: image.declared(&chain),
            unit: image.unit_name(candidate.place.unit),
            module: image.path.clone(),
            is_external: chain.iter().any(|entry| entry.flag(gimli::DW_AT_external)),
            matched: candidate.matched,
            is_here: candidate.is_here,
        })
    }
}

/// Where the function's code begins, in memory.
pub(super) fn entry_address<'s>(image: &Image<'s>, entry: &Entry<'s>) -> Option<u64> {
    let unit = image.unit(entry.place.unit)?;
    let address = |name| match entry.get(name)? {
        value @ (AttributeValue::Addr(_) | AttributeValue::DebugAddrIndex(_)) => address_of(unit, value),
        _ => None,
    };
    let mut first = None;
    index::ranges(unit, entry, |range| {
        first = image.source.code.contains(&range.start).then_some(range.start);
        first.is_some()
    });
    let start = first?;
    let stated = address(gimli::DW_AT_entry_pc).or_else(|| address(gimli::DW_AT_low_pc));
    let stated = stated.filter(|address| image.source.code.contains(address));
    Some(stated.unwrap_or(start).wrapping_add(image.bias))
}

fn address_of<'s>(
    unit: gimli::UnitRef<'_, super::source::Reader<'s>>,
    value: AttributeValue<super::source::Reader<'s>>,
) -> Option<u64> {
    unit.attr_address(value).ok().flatten()
}
