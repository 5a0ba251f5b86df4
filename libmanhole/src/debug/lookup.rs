//! Names with scopes -> entries.
//!
//! Context: the agent's thread. A name is looked for in the unit and the module of the selected frame first; a module that knows
//! it ends the search, so that not every library's debug information is opened for each name.

use std::rc::Rc;

use manhole_expressions::ast::{Path, Tag};
use manhole_expressions::types::{Language, Type, TypeId};

use super::candidates::{Candidate, Sought};
use super::image::{Image, ScopeName};
use super::index::{NameKind, ScopeKind};
use super::spelling::{self, Fit};
use super::{Debug, Look, Place};
use crate::symbols::Kinds;

/// From where names are looked up: a frame.
#[derive(Clone, Debug, Default)]
pub(crate) struct Here {
    pub(crate) pc: u64,
    /// The unit: its module and its number.
    pub(super) unit: Option<(u32, u32)>,
    /// The names of the scopes around the frame's code and of its function, outermost first.
    scopes: Vec<String>,
    /// The namespaces that the unit uses.
    imports: Vec<String>,
}

/// How well something fits a name, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Match {
    /// It is its whole name.
    Exact,
    /// It is its name from where it was looked up, or with template arguments left out.
    Used,
    /// Its last names are the same, the others stand elsewhere.
    Loose,
}

/// What is looked for.
pub(super) struct Wanted {
    /// The end of a file's path.
    pub(super) file: Option<String>,
    /// Outermost first, in one spelling.
    pub(super) parts: Vec<String>,
    /// No scopes but these.
    is_global: bool,
    /// Rust's `crate::`: any outermost scope.
    in_crate: bool,
    /// The whole name with parameters, where they were stated.
    pub(super) in_full: Option<String>,
}

impl Wanted {
    pub(super) fn of(path: &Path) -> Option<Wanted> {
        let mut segments = path.segments.as_slice();
        let mut wanted =
            Wanted { file: None, parts: Vec::new(), is_global: path.global, in_crate: false, in_full: None };
        if let [first, rest @ ..] = segments
            && first.quoted
            && !rest.is_empty()
            && (first.text.contains('.') || first.text.contains('/'))
        {
            wanted.file = Some(first.text.clone());
            segments = rest;
        }
        for segment in segments {
            let (name, has_parameters) = spelling::without_parameters(&segment.text);
            if has_parameters {
                wanted.in_full = Some(spelling::normal(&segment.text));
            }
            wanted.parts.extend(spelling::parts(name).into_iter().map(spelling::normal));
        }
        if wanted.parts.len() > 1 && wanted.parts.first().is_some_and(|first| first == "crate") {
            wanted.parts.remove(0);
            wanted.in_crate = true;
        }
        // `'::x'`.
        if wanted.parts.len() > 1 && wanted.parts.first().is_some_and(String::is_empty) {
            wanted.parts.remove(0);
            wanted.is_global = true;
        }
        wanted.parts.last().is_some_and(|last| !last.is_empty()).then_some(wanted)
    }

    fn whole(name: &str) -> Option<Wanted> {
        let parts: Vec<String> = spelling::parts(name).into_iter().map(spelling::normal).collect();
        parts.last()?;
        Some(Wanted { file: None, parts, is_global: true, in_crate: false, in_full: None })
    }

    pub(super) fn last(&self) -> &str {
        self.parts.last().map_or("", String::as_str)
    }

    /// How the entry of this name in these scopes (innermost first) fits.
    pub(super) fn matches(&self, name: &str, scopes: &[ScopeName], here: Option<&Here>) -> Option<Match> {
        let mut shortened = match spelling::fit(&spelling::normal(name), self.last()) {
            Fit::Same => false,
            Fit::Shortened => true,
            Fit::No => return None,
        };
        let mut around = scopes.iter();
        for part in self.parts.iter().rev().skip(1) {
            loop {
                let scope = around.next()?;
                match spelling::fit(&spelling::normal(&scope.name), part) {
                    Fit::Same => break,
                    Fit::Shortened => {
                        shortened = true;
                        break;
                    }
                    Fit::No if is_transparent(scope) => {}
                    Fit::No => return None,
                }
            }
        }
        let mut outer: Vec<&str> =
            around.filter(|scope| !is_transparent(scope)).map(|scope| scope.name.as_str()).collect();
        outer.reverse();
        if self.in_crate && outer.len() <= 1 {
            outer.clear();
        }
        let matched = if outer.is_empty() {
            Match::Exact
        } else if self.is_global || self.in_crate {
            return None;
        } else if here.is_some_and(|here| here.sees(&outer)) {
            Match::Used
        } else {
            Match::Loose
        };
        Some(if shortened { matched.max(Match::Used) } else { matched })
    }
}

impl Here {
    /// Whether what stands in these scopes is found without them.
    fn sees(&self, outer: &[&str]) -> bool {
        let same = |(mine, theirs): (&String, &&str)| mine == theirs;
        outer.len() <= self.scopes.len() && self.scopes.iter().zip(outer).all(same)
            || self.imports.iter().any(|import| *import == outer.join("::"))
    }
}

/// Whether names in the scope are found without naming it.
fn is_transparent(scope: &ScopeName) -> bool {
    match scope.kind {
        ScopeKind::InlineNamespace | ScopeKind::AnonymousType | ScopeKind::Enumeration => true,
        ScopeKind::Namespace | ScopeKind::Type => scope.is_anonymous,
        ScopeKind::Function | ScopeKind::EnumClass => false,
    }
}

impl<'s> Debug<'s> {
    /// Looks up from the code at this address.
    pub(crate) fn here(&mut self, look: Look<'_, 's>, pc: u64) -> Here {
        let mut here = Here { pc, ..Here::default() };
        let Some(image) = self.image_at(look, pc) else { return here };
        let Some((unit, function)) = image.function_at(pc.wrapping_sub(image.bias)) else { return here };
        here.unit = Some((function.image, unit));
        let chain = image.chain(function);
        let scopes = chain.last().map(|last| image.scope_names(last.place)).unwrap_or_default();
        let scopes = scopes.iter().rev().filter(|scope| !is_transparent(scope));
        here.scopes = scopes.map(|scope| scope.name.clone()).collect();
        here.scopes.extend(image.name(&chain));
        let imports = image.index(unit).map(|index| index.imports.clone()).unwrap_or_default();
        here.imports = imports
            .into_iter()
            .filter_map(|place| {
                let chain = image.chain(place);
                Some(image.qualified(place, &image.name(&chain)?))
            })
            .collect();
        here
    }

    /// The type of this name: a definition rather than a declaration, near rather than far.
    pub(crate) fn find_type(
        &mut self,
        look: Look<'_, 's>,
        tag: Option<Tag>,
        path: &Path,
        here: Option<&Here>,
    ) -> Option<TypeId> {
        let wanted = Wanted::of(path)?;
        let is_kind = |kind: NameKind, language: Language| match (tag, kind) {
            (_, NameKind::DeclaredType) => tag.is_some() || language != Language::C,
            (Some(Tag::Struct | Tag::Class), NameKind::Struct) => true,
            (Some(Tag::Union), NameKind::Union) | (Some(Tag::Enum), NameKind::Enumeration) => true,
            (None, NameKind::Typedef | NameKind::Base) => true,
            // C's tags are names of their own.
            (None, NameKind::Struct | NameKind::Union | NameKind::Enumeration) => language != Language::C,
            _ => false,
        };
        let mut best: Option<(Match, bool, Place)> = None;
        let is_enough = |it: &Candidate<'s>| it.matched == Match::Exact && it.kind != NameKind::DeclaredType;
        let sought = Sought { wanted: &wanted, here, kinds: Kinds::TYPES, is_kind: &is_kind, is_enough: &is_enough };
        for module in self.modules_from(look, here) {
            let Some(image) = self.image_of(look, module) else { continue };
            for candidate in self.candidates(look, &image, &sought) {
                let is_declared = candidate.kind == NameKind::DeclaredType;
                if is_declared && !has_tag(&image, candidate.place, tag) {
                    continue;
                }
                let key = (candidate.matched, is_declared);
                if best.is_none_or(|(matched, declared, _)| key < (matched, declared)) {
                    best = Some((candidate.matched, is_declared, candidate.place));
                }
            }
            if best.is_some_and(|(matched, is_declared, _)| matched == Match::Exact && !is_declared) {
                break;
            }
        }
        best.map(|(.., place)| self.number(place))
    }

    /// The definition of a declared type with this whole name.
    pub(super) fn definition(&mut self, look: Look<'_, 's>, declared: TypeId, name: &str) -> Option<TypeId> {
        let wanted = Wanted::whole(name)?;
        let described = self.describe(declared);
        let is_enumeration = matches!(&*described, Type::Enumeration(_));
        let is_kind = |kind, _| match kind {
            NameKind::Struct | NameKind::Union => !is_enumeration,
            NameKind::Enumeration => is_enumeration,
            _ => false,
        };
        let near = self.place_of(declared);
        let first = near.and_then(|place| self.image(place));
        // The unit of the declaration is looked at first, as a frame's is.
        let here = near.map(|near| Here { unit: Some((near.image, near.unit)), ..Here::default() });
        let is_enough = |it: &Candidate<'s>| it.matched == Match::Exact;
        let sought = Sought {
            wanted: &wanted,
            here: here.as_ref(),
            kinds: Kinds::TYPES,
            is_kind: &is_kind,
            is_enough: &is_enough,
        };
        let find = |debug: &mut Self, image: &Rc<Image<'s>>| {
            let found = debug.candidates(look, image, &sought);
            found.iter().find(|candidate| candidate.matched == Match::Exact).map(|candidate| candidate.place)
        };
        let mut place = first.as_ref().and_then(|image| find(self, image));
        for module in &look.modules.modules {
            if place.is_some() {
                break;
            }
            let Some(image) = self.image_of(look, module) else { continue };
            if first.as_ref().is_none_or(|first| !Rc::ptr_eq(first, &image)) {
                place = find(self, &image);
            }
        }
        Some(self.number(place?))
    }
}

/// Whether a declared type is one of this tag.
fn has_tag(image: &Image<'_>, place: Place, tag: Option<Tag>) -> bool {
    let Some(entry) = image.entry(place) else { return false };
    match tag {
        None => true,
        Some(Tag::Union) => entry.tag == gimli::DW_TAG_union_type,
        Some(Tag::Enum) => entry.tag == gimli::DW_TAG_enumeration_type,
        Some(Tag::Struct | Tag::Class) => {
            matches!(entry.tag, gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type | gimli::DW_TAG_interface_type)
        }
    }
}

/// Whether the file's path is this, or ends with it at a `/`.
pub(super) fn is_file(path: &str, wanted: &str) -> bool {
    path == wanted || path.strip_suffix(wanted).is_some_and(|before| before.ends_with('/'))
}
