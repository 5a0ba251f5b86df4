//! Source lines that only the interpreter has: the cells of a notebook stand in no file, but the module `linecache` keeps them.
//!
//! Context: the agent's thread. The program changes what is read meanwhile: it is read twice, and what differs is not believed.

use std::collections::BTreeMap;

use super::dicts::BASIC_SIZE;
use super::objects;
use super::threads::Threads;

/// `PyVarObject`: behind the head its size. `PyListObject` has the address of its items there; `PyTupleObject` has its own at the end, whose place
/// `tp_basicsize` says.
const ITEMS: u64 = 8;

/// What an entry of the cache has: size, time, lines, name. One whose lines are yet to be read has less.
const ENTRY: u64 = 4;
const LINES: u64 = 2;

impl Threads<'_> {
    /// The line (counted from 1) without surrounding blanks, where `linecache.cache` has it.
    pub(crate) fn kept_line(&self, file: &str, line: u32) -> Option<String> {
        // Many texts have such a name, and the cache one of them.
        if matches!(file, "<string>" | "<stdin>" | "<console>") {
            return None;
        }
        let entry = *self.kept.get_or_init(|| self.kept_sources().unwrap_or_default()).get(file)?;
        let text = self.line_of(entry, line)?;
        (self.line_of(entry, line)? == text).then(|| text.trim().to_owned())
    }

    /// The entries by the file's name.
    fn kept_sources(&self) -> Option<BTreeMap<String, u64>> {
        let python = self.interpreter;
        let modules = objects::field(self.main, python.layout.modules)?;
        let cache = python.item(python.names_of_module(python.item(modules, "linecache")?)?, "cache")?;
        let named = |(name, entry)| {
            let is_text = python.type_of(name)? == python.types.str;
            Some((objects::text(name, &python.layout.unicode).filter(|_| is_text)?, entry))
        };
        Some(python.items(cache)?.into_iter().filter_map(named).collect())
    }

    fn line_of(&self, entry: u64, line: u32) -> Option<String> {
        let python = self.interpreter;
        let (types, head) = (&python.types, python.layout.head);
        if python.type_of(entry)? != types.tuple || objects::field(entry, head)? != ENTRY {
            return None;
        }
        let items = python.behind_head(types.tuple, BASIC_SIZE)?;
        let lines = objects::field(entry, items.checked_add(LINES * 8)?)?;
        let index = u64::from(line.checked_sub(1)?);
        if python.type_of(lines)? != types.list || index >= objects::field(lines, head)? {
            return None;
        }
        let text = objects::field(objects::field(lines, head.checked_add(ITEMS)?)?, index.checked_mul(8)?)?;
        let is_text = python.type_of(text)? == types.str;
        objects::text(text, &python.layout.unicode).filter(|_| is_text)
    }
}
