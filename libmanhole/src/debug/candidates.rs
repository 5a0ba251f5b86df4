//! The entries of one module that fit a name: the likeliest units first, and no more of them than are needed.
//!
//! Context: the agent's thread. Units are indexed one by one, so a name that hundreds of them mention must not lead through all:
//! the frame's own unit comes first, then the unit that has what a symbol of this name stands for, then what indexes and the
//! search through the bytes give.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use manhole_expressions::types::Language;

use super::image::Image;
use super::index::{NameKind, Named, ScopeKind};
use super::lookup::{Here, Match, Wanted, is_file};
use super::source::Likely;
use super::{Debug, Look, Place, spelling};
use crate::symbols::{Kinds, Likelihood};
use crate::sys::process;

/// A search in one module takes no longer than this,
const PATIENCE: Duration = Duration::from_secs(5);
/// or than this from its start, where something that fits was found.
const MORE: Duration = Duration::from_millis(800);
/// More of one name are not told apart by anybody.
const LIMIT: usize = 4096;
/// Units that seem to have a member or a local variable of the name only, and are looked at all the same.
const MENTIONS: usize = 8;

/// An entry that fits.
pub(super) struct Candidate<'s> {
    pub(super) image: Rc<Image<'s>>,
    pub(super) place: Place,
    pub(super) kind: NameKind,
    pub(super) matched: Match,
    /// Whether it is in the unit of the frame.
    pub(super) is_here: bool,
}

/// What is asked for.
pub(super) struct Sought<'a, 's> {
    pub(super) wanted: &'a Wanted,
    pub(super) here: Option<&'a Here>,
    pub(super) kinds: Kinds,
    pub(super) is_kind: &'a dyn Fn(NameKind, Language) -> bool,
    /// Whether nothing else is needed where this is there.
    pub(super) is_enough: &'a dyn Fn(&Candidate<'s>) -> bool,
}

/// A search at work.
struct Search<'a, 's> {
    look: Look<'a, 's>,
    image: &'a Rc<Image<'s>>,
    sought: &'a Sought<'a, 's>,
    /// The units that were looked at.
    seen: BTreeSet<u32>,
    found: Vec<Candidate<'s>>,
    started: Duration,
}

/// It has what it needs, or gives up.
struct Done;

impl<'s> Debug<'s> {
    /// Everything of a module that fits and is of a kind that is asked for, best first.
    pub(super) fn candidates(
        &mut self,
        look: Look<'_, 's>,
        image: &Rc<Image<'s>>,
        sought: &Sought<'_, 's>,
    ) -> Vec<Candidate<'s>> {
        let started = process::monotonic();
        let mut search = Search { look, image, sought, seen: BTreeSet::new(), found: Vec::new(), started };
        let _ = search.run();
        self.gave_up |= search.found.is_empty() && search.is_late();
        let mut found = search.found;
        found.sort_by_key(|candidate| (candidate.matched, !candidate.is_here));
        found
    }
}

impl<'s> Search<'_, 's> {
    fn is_late(&self) -> bool {
        let spent = process::monotonic().saturating_sub(self.started);
        (self.look.stop)() || spent > if self.found.is_empty() { PATIENCE } else { MORE }
    }

    fn run(&mut self) -> Result<(), Done> {
        if let Some((image, unit)) = self.sought.here.and_then(|here| here.unit)
            && self.image.place(0, 0).image == image
        {
            self.visit(unit)?;
        }
        self.by_symbols()?;
        let name = spelling::base(self.sought.wanted.last());
        for likely in self.remembered(false, name).iter() {
            self.visit_likely(likely)?;
        }
        let mut mentions = 0;
        for likely in self.remembered(true, name).iter() {
            if likely.likelihood == Likelihood::Mention {
                mentions += 1;
                if mentions > MENTIONS {
                    break;
                }
            } else if !likely.kinds.overlap(self.sought.kinds) {
                continue;
            }
            // What is only declared says nothing where there is the definition.
            let is_found = self.found.iter().any(|it| it.matched == Match::Exact && !it.kind.is_declared());
            if likely.likelihood >= Likelihood::Declaration && is_found {
                break;
            }
            self.visit_likely(likely)?;
        }
        Ok(())
    }

    /// The units of a name, by the search through the bytes or by indexes.
    fn remembered(&self, by_bytes: bool, name: &str) -> Rc<[Likely]> {
        let stop = || self.is_late();
        let source = &self.image.source;
        match by_bytes {
            true => self.image.remembered.likely(name, || source.with_name(name, &stop)),
            // No name has a blank at its end: the indexes' answers have one here.
            false => self.image.remembered.likely(&format!("{name} "), || {
                let found = source.by_index(name, &stop);
                (found, !stop())
            }),
        }
    }

    /// The units of what symbols with the whole name stand for.
    fn by_symbols(&mut self) -> Result<(), Done> {
        let kinds = self.sought.kinds;
        let (variables, functions) = (kinds.overlap(Kinds::VARIABLES), kinds.overlap(Kinds::FUNCTIONS));
        if !variables && !functions || self.sought.wanted.file.is_some() {
            return Ok(());
        }
        let (look, image) = (self.look, self.image);
        let Some(module) = look.modules.modules.iter().find(|module| module.start == image.start) else {
            return Ok(());
        };
        let name = self.sought.wanted.parts.join("::");
        let symbols = look.files.find(look.modules, look.memory, module, &name);
        for symbol in symbols.iter().take(LIMIT) {
            let address = symbol.address.wrapping_sub(image.bias);
            if symbol.is_function && functions {
                for unit in image.source.units_at(address, false) {
                    self.visit_number(unit)?;
                }
            } else if !symbol.is_function && variables {
                let units = image.source.with_variable_at(address, &|| self.is_late());
                for likely in units {
                    self.visit_likely(&likely)?;
                }
            }
        }
        Ok(())
    }

    fn visit_likely(&mut self, likely: &Likely) -> Result<(), Done> {
        self.visit_number(likely.unit)
    }

    fn visit_number(&mut self, unit: usize) -> Result<(), Done> {
        u32::try_from(unit).map_or(Ok(()), |unit| self.visit(unit))
    }

    /// Looks at a unit.
    fn visit(&mut self, unit: u32) -> Result<(), Done> {
        let (image, sought) = (self.image, self.sought);
        let wanted = sought.wanted;
        if !self.seen.insert(unit) {
            return Ok(());
        }
        if self.is_late() {
            return Err(Done);
        }
        if wanted.file.as_ref().is_some_and(|file| !is_file(&image.unit_name(unit), file)) {
            return Ok(());
        }
        let find = || image.index(unit).map_or(Vec::new(), |index| index.with_name(wanted.last()).copied().collect());
        let named: Rc<[Named]> = image.remembered.named(spelling::base(wanted.last()), unit, find);
        if named.is_empty() {
            return Ok(());
        }
        let language = image.language(unit);
        let mut enough = false;
        for named in named.iter().filter(|named| (sought.is_kind)(named.kind, language)) {
            let place = image.place(unit, named.offset);
            let chain = image.chain(place);
            let (Some(name), Some(last)) = (image.name(&chain), chain.last()) else { continue };
            let scopes = image.scope_names(last.place);
            let Some(matched) = wanted.matches(&name, &scopes, sought.here) else { continue };
            // In a class, its name means the class, not what makes objects of it.
            let is_constructor = matches!(named.kind, NameKind::Function | NameKind::DeclaredFunction)
                && scopes.first().is_some_and(|scope| scope.kind == ScopeKind::Type && scope.name == name);
            if is_constructor && matched != Match::Exact {
                continue;
            }
            let is_here = sought.here.is_some_and(|here| here.unit == Some((place.image, unit)));
            let candidate = Candidate { image: Rc::clone(image), place, kind: named.kind, matched, is_here };
            enough |= (sought.is_enough)(&candidate);
            self.found.push(candidate);
            if self.found.len() >= LIMIT {
                return Err(Done);
            }
        }
        if enough { Err(Done) } else { Ok(()) }
    }
}
