//! What was found out about a module's units and is kept for the next question: their indexes, and which of them know a name.
//!
//! Context: the agent's thread. Bounded: what was not used for the longest time is found out again.

use core::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::index::{Index, Named};
use super::source::Likely;
use crate::symbols;

/// What the indexes of one module take at most, in bytes, and the share of the memory that is free.
const INDEXES: usize = 32 << 20;
const SHARE: u64 = 8;
/// By so many bytes they grow until it is asked again how much is free.
const GROWTH: usize = 1 << 20;
/// Names whose units are kept, and units of names.
const NAMES: usize = 4096;
const UNITS: usize = 1 << 16;

/// What of each name stands in each unit.
type ByName = BTreeMap<(String, u32), Rc<[Named]>>;

/// Remembered of one module.
#[derive(Default)]
pub(super) struct Remembered {
    indexes: RefCell<BTreeMap<u32, Kept>>,
    /// Their size together, and how often one was asked for.
    size: Cell<usize>,
    clock: Cell<u64>,
    /// How much they may take, and how much was built since that was found out.
    bound: Cell<(usize, usize)>,
    /// The units in which a name stands, as a search has found them; empty ones as well.
    likely: RefCell<BTreeMap<String, Rc<[Likely]>>>,
    /// What a unit has of a name, by the name.
    named: RefCell<ByName>,
}

struct Kept {
    index: Rc<Index>,
    used: u64,
    size: usize,
}

impl Remembered {
    /// The index of a unit; built where there is none.
    pub(super) fn index(&self, unit: u32, build: impl FnOnce() -> Index) -> Rc<Index> {
        let used = self.clock.get().wrapping_add(1);
        self.clock.set(used);
        if let Ok(mut indexes) = self.indexes.try_borrow_mut()
            && let Some(kept) = indexes.get_mut(&unit)
        {
            kept.used = used;
            return Rc::clone(&kept.index);
        }
        let index = Rc::new(build());
        let Ok(mut indexes) = self.indexes.try_borrow_mut() else { return index };
        let size = index.size();
        self.size.set(self.size.get().saturating_add(size));
        let bound = self.bound(size);
        while self.size.get() > bound
            && let Some(oldest) = indexes.iter().min_by_key(|(_, kept)| kept.used).map(|(unit, _)| *unit)
        {
            let dropped = indexes.remove(&oldest).map_or(0, |kept| kept.size);
            self.size.set(self.size.get().saturating_sub(dropped));
        }
        indexes.insert(unit, Kept { index: Rc::clone(&index), used, size });
        index
    }

    /// How much the indexes may take, now that one more of this size was built.
    fn bound(&self, size: usize) -> usize {
        let (mut bound, mut built) = self.bound.get();
        built = built.saturating_add(size);
        if built >= GROWTH {
            let free = symbols::free_memory().unwrap_or(u64::MAX) / SHARE;
            (bound, built) = (usize::try_from(free).unwrap_or(INDEXES).min(INDEXES), 0);
        }
        self.bound.set((bound, built));
        bound.max(GROWTH)
    }

    /// The units in which the name stands; `find` says as well whether they are all, else it is asked again.
    pub(super) fn likely(&self, name: &str, find: impl FnOnce() -> (Vec<Likely>, bool)) -> Rc<[Likely]> {
        if let Some(known) = self.likely.try_borrow().ok().and_then(|known| known.get(name).cloned()) {
            return known;
        }
        let (found, complete) = find();
        let found: Rc<[Likely]> = found.into();
        if let Ok(mut known) = self.likely.try_borrow_mut().map_err(drop)
            && complete
        {
            if known.len() >= NAMES {
                known.clear();
            }
            known.insert(name.to_owned(), Rc::clone(&found));
        }
        found
    }

    /// What a unit has of a name.
    pub(super) fn named(&self, name: &str, unit: u32, find: impl FnOnce() -> Vec<Named>) -> Rc<[Named]> {
        let key = (name.to_owned(), unit);
        if let Some(known) = self.named.try_borrow().ok().and_then(|known| known.get(&key).cloned()) {
            return known;
        }
        let found: Rc<[Named]> = find().into();
        if let Ok(mut known) = self.named.try_borrow_mut() {
            if known.len() >= UNITS {
                known.clear();
            }
            known.insert(key, Rc::clone(&found));
        }
        found
    }
}
