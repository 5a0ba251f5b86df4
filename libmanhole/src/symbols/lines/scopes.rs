//! The namespaces and types of one unit: what a function without linkage name is a member of.
//!
//! Context: the agent's thread. Compilers give no linkage name to functions that no other unit can call: members of
//! anonymous namespaces, what takes a lambda as template argument.

use core::ops::Range;

use gimli::{UnitOffset, UnitRef};

use super::Reader;
use super::functions::{Names, is_of_c};

/// All scopes of a unit.
#[derive(Default)]
pub(super) struct Scopes(Vec<Scope>);

struct Scope {
    entries: Range<usize>,
    is_namespace: bool,
    /// The entry that has the name.
    entry: UnitOffset,
}

impl Scopes {
    pub(super) fn parse(unit: UnitRef<'_, Reader<'_>>) -> Scopes {
        let mut scopes = Scopes::default();
        // C has none, and C's units can be large.
        if is_of_c(unit) == Ok(true) {
            return scopes;
        }
        // What was read before an error stands.
        let _ = scopes.fill(unit);
        scopes
    }

    fn fill(&mut self, unit: UnitRef<'_, Reader<'_>>) -> gimli::Result<()> {
        let mut entries = unit.entries_raw(None)?;
        // The scopes that are not closed yet: depth and place in the list.
        let mut open: Vec<(isize, usize)> = Vec::new();
        while !entries.is_empty() {
            let (depth, entry) = (entries.next_depth(), entries.next_offset());
            while let Some((_, place)) = open.pop_if(|(outer, _)| *outer >= depth) {
                if let Some(scope) = self.0.get_mut(place) {
                    scope.entries.end = entry.0;
                }
            }
            let Some(abbreviation) = entries.read_abbreviation()? else { continue };
            entries.skip_attributes(abbreviation.attributes())?;
            let is_namespace = match abbreviation.tag() {
                gimli::DW_TAG_namespace => true,
                gimli::DW_TAG_class_type | gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type => false,
                gimli::DW_TAG_interface_type | gimli::DW_TAG_enumeration_type | gimli::DW_TAG_module => false,
                _ => continue,
            };
            if abbreviation.has_children() {
                open.push((depth, self.0.len()));
                self.0.push(Scope { entries: entry.0..usize::MAX, is_namespace, entry });
            }
        }
        Ok(())
    }

    /// What stands before the name of this entry, `::` at its end; empty for what is global.
    pub(super) fn prefix(&self, unit: UnitRef<'_, Reader<'_>>, entry: UnitOffset) -> String {
        let mut prefix = String::new();
        let around = self.0.iter().filter(|scope| scope.entries.contains(&entry.0) && scope.entry != entry);
        for scope in around {
            match Names::read(unit, scope.entry).plain {
                Some(name) => prefix.push_str(&name.text()),
                None if scope.is_namespace => prefix.push_str("(anonymous namespace)"),
                None => continue,
            }
            prefix.push_str("::");
        }
        prefix
    }
}
