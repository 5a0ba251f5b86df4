//! Variables that live as long as the program or a thread, and enumerators, by name.
//!
//! Context: the agent's thread.

use std::rc::Rc;

use manhole_expressions::ast::Path;
use manhole_expressions::types::{Language, Type, TypeId};

use super::candidates::{Candidate, Sought};
use super::entry::{Entry, constant_bytes};
use super::image::Image;
use super::index::NameKind;
use super::lookup::Wanted;
use super::types::value_of_enumerator;
use super::{Debug, Declared, Here, Look, Match, Place};
use crate::symbols::Kinds;

/// A variable.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FoundVariable {
    /// With its scopes.
    pub(crate) name: String,
    /// By which the symbol tables know it.
    pub(crate) linkage: Option<String>,
    pub(crate) type_id: TypeId,
    pub(crate) storage: Storage,
    pub(crate) declared: Declared,
    /// The file of its unit as the compiler was given it: what stands before `::` to name it alone.
    pub(crate) unit: String,
    /// The path of its module.
    pub(crate) module: String,
    /// Whether other units can use it.
    pub(crate) is_external: bool,
    pub(crate) matched: Match,
    /// Whether it is in the unit of the frame.
    pub(crate) is_here: bool,
}

/// Where a variable is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Storage {
    /// In memory, at this address.
    Address(u64),
    /// Nowhere: it is always these bytes.
    Constant(Vec<u8>),
    /// In each thread's block of the module that starts at this address, this many bytes from the block's start.
    ThreadLocal {
        module: u64,
        offset: u64,
    },
    /// Only declared, and nobody knows the definition.
    Declared,
    OptimizedOut,
    /// In a way that is not understood.
    Unsupported(String),
}

/// An enumerator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Enumerator {
    /// With its scopes.
    pub(crate) name: String,
    pub(crate) type_id: TypeId,
    pub(crate) value: i128,
    pub(crate) matched: Match,
}

impl<'s> Debug<'s> {
    /// Every variable that fits the name, best first. `resolve` gives the address of a linkage name by the symbol tables: for what
    /// is only declared where debug information is.
    pub(crate) fn find_variable(
        &mut self,
        look: Look<'_, 's>,
        path: &Path,
        here: Option<&Here>,
        resolve: &mut dyn FnMut(&str) -> Option<u64>,
    ) -> Vec<FoundVariable> {
        let Some(wanted) = Wanted::of(path) else { return Vec::new() };
        let is_kind = |kind, _: Language| {
            matches!(kind, NameKind::Variable | NameKind::DeclaredVariable | NameKind::StaticMember)
        };
        let mut found: Vec<FoundVariable> = Vec::new();
        let is_enough = |it: &Candidate<'s>| {
            let chain = it.image.chain(it.place);
            let has = |name| chain.iter().any(|entry| entry.has(name));
            it.matched == Match::Exact
                && it.kind == NameKind::Variable
                && (has(gimli::DW_AT_location) || has(gimli::DW_AT_const_value))
                && (it.is_here || chain.iter().any(|entry| entry.flag(gimli::DW_AT_external)))
        };
        let sought =
            Sought { wanted: &wanted, here, kinds: Kinds::VARIABLES, is_kind: &is_kind, is_enough: &is_enough };
        for module in self.modules_from(look, here) {
            let Some(image) = self.image_of(look, module) else { continue };
            for candidate in self.candidates(look, &image, &sought) {
                found.extend(self.variable(&candidate));
            }
            let is_whole = |it: &FoundVariable| it.matched == Match::Exact && it.storage != Storage::Declared;
            if found.iter().any(is_whole) {
                break;
            }
        }
        // Another name of a variable has no place of its own in debug information.
        // What is only declared here may have its size there: `extern int table[]`.
        let placed: Vec<Storage> = found.iter().map(|it| it.storage.clone()).collect();
        let may_be_alias = |it: &FoundVariable| it.storage == Storage::OptimizedOut && it.is_external;
        for variable in found.iter_mut().filter(|it| it.storage == Storage::Declared || may_be_alias(it)) {
            let name = variable.linkage.as_ref().unwrap_or(&variable.name);
            if let Some(place) = resolve(name).map(Storage::Address).filter(|place| !placed.contains(place)) {
                variable.storage = place;
            }
        }
        // A declaration says nothing where there is the definition.
        let defined: Vec<String> = found
            .iter()
            .filter(|it| !matches!(it.storage, Storage::Declared | Storage::OptimizedOut))
            .map(|it| it.name.clone())
            .collect();
        found.retain(|it| {
            !matches!(it.storage, Storage::Declared | Storage::OptimizedOut) || !defined.contains(&it.name)
        });
        found.sort_by_key(|it| (it.matched, !it.is_here, !it.is_external));
        let mut seen: Vec<Storage> = Vec::new();
        found.retain(|it| {
            let is_place = matches!(it.storage, Storage::Address(_) | Storage::ThreadLocal { .. });
            let is_new = !is_place || !seen.contains(&it.storage);
            seen.extend(is_new.then(|| it.storage.clone()));
            is_new
        });
        found
    }

    fn variable(&mut self, candidate: &Candidate<'s>) -> Option<FoundVariable> {
        let image = &candidate.image;
        let chain = image.chain(candidate.place);
        let type_id = self.type_of(image, &chain);
        let name = image.name(&chain)?;
        let storage = match candidate.kind {
            NameKind::Variable => self.storage(image, &chain, type_id),
            _ if chain.iter().any(|entry| entry.has(gimli::DW_AT_const_value)) => self.storage(image, &chain, type_id),
            _ => Storage::Declared,
        };
        Some(FoundVariable {
            name: image.qualified(chain.last()?.place, &name),
            linkage: image.linkage(&chain),
            type_id,
            storage,
            declared: image.declared(&chain),
            unit: image.unit_name(candidate.place.unit),
            module: image.path.clone(),
            is_external: chain.iter().any(|entry| entry.flag(gimli::DW_AT_external)),
            matched: candidate.matched,
            is_here: candidate.is_here,
        })
    }

    /// Where the variable is; without a frame.
    pub(super) fn storage(&mut self, image: &Rc<Image<'s>>, chain: &[Entry<'s>], type_id: TypeId) -> Storage {
        let constant = chain.iter().find_map(|entry| entry.get(gimli::DW_AT_const_value));
        if let Some(value) = constant {
            let size = self.size_of(type_id).unwrap_or(8);
            let bytes = usize::try_from(size).ok().and_then(|size| constant_bytes(&value, size));
            return bytes.map_or(Storage::Unsupported("a constant".to_owned()), Storage::Constant);
        }
        let with_location = chain.iter().find(|entry| entry.has(gimli::DW_AT_location));
        match with_location {
            Some(entry) => self.static_place(image, entry),
            None => Storage::OptimizedOut,
        }
    }

    /// The enumerators that fit the name, best first.
    pub(crate) fn find_enumerator(&mut self, look: Look<'_, 's>, path: &Path, here: Option<&Here>) -> Vec<Enumerator> {
        let Some(wanted) = Wanted::of(path) else { return Vec::new() };
        let mut found: Vec<Enumerator> = Vec::new();
        let sought = Sought {
            wanted: &wanted,
            here,
            kinds: Kinds::ENUMERATORS,
            is_kind: &|kind, _| kind == NameKind::Enumerator,
            is_enough: &|it| it.matched == Match::Exact,
        };
        for module in self.modules_from(look, here) {
            let Some(image) = self.image_of(look, module) else { continue };
            for candidate in self.candidates(look, &image, &sought) {
                if let Some(enumerator) = self.enumerator(&image, candidate.place, candidate.matched)
                    && !found.iter().any(|known| known.name == enumerator.name && known.value == enumerator.value)
                {
                    found.push(enumerator);
                }
            }
            if found.iter().any(|it| it.matched == Match::Exact) {
                break;
            }
        }
        found.sort_by_key(|it| it.matched);
        found
    }

    fn enumerator(&mut self, image: &Rc<Image<'s>>, place: Place, matched: Match) -> Option<Enumerator> {
        let entry = image.entry(place)?;
        let (parent, _) = image.scopes(place).into_iter().next()?;
        let type_id = self.number(parent);
        let Type::Enumeration(described) = &*self.describe(type_id) else { return None };
        let name = image.qualified(place, &image.string(&entry, gimli::DW_AT_name)?);
        let value = value_of_enumerator(&entry, Some(described.size), described.is_signed);
        Some(Enumerator { name, type_id, value, matched })
    }
}
