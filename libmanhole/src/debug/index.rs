//! What a unit defines: names by a hash, the scopes around them, functions by address.
//!
//! Context: the agent's thread. Made in one walk over a unit, without recursion; holds numbers only, names are read again when
//! they are compared. An error ends the walk, what was read before stands.

use core::ops::Range;

use gimli::{AttributeValue, DwTag, Reader as _, UnitRef};

use super::entry::Entry;
use super::image::Image;
use super::source::Reader;
use super::{Place, spelling};

/// What a unit defines.
#[derive(Default)]
pub(super) struct Index {
    /// In ascending order of offset.
    scopes: Vec<Scope>,
    /// In ascending order of hash.
    names: Vec<Named>,
    /// In ascending order of start.
    functions: Vec<(Range<u64>, usize)>,
    /// For each function the greatest end of it and all before.
    reach: Vec<u64>,
    /// The namespaces that `using namespace` names.
    pub(super) imports: Vec<Place>,
}

/// What other entries are inside of.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub(super) offset: usize,
    end: usize,
    /// The number of the scope around this one.
    parent: Option<u32>,
    pub(super) kind: ScopeKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScopeKind {
    Namespace,
    /// One whose names are found without it.
    InlineNamespace,
    Type,
    AnonymousType,
    /// Its enumerators belong to the scope around.
    Enumeration,
    EnumClass,
    Function,
}

/// Something that has a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    hash: u32,
    pub(super) kind: NameKind,
    pub(super) offset: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameKind {
    Variable,
    /// `extern`: defined elsewhere.
    DeclaredVariable,
    /// A member of a class.
    StaticMember,
    Function,
    DeclaredFunction,
    Enumerator,
    Struct,
    Union,
    Enumeration,
    Typedef,
    Base,
    /// A type that is only declared.
    DeclaredType,
}

impl NameKind {
    /// Whether it says that the thing is elsewhere.
    pub(super) fn is_declared(self) -> bool {
        matches!(
            self,
            NameKind::DeclaredVariable | NameKind::StaticMember | NameKind::DeclaredFunction | NameKind::DeclaredType
        )
    }
}

/// What is around an entry.
#[derive(Clone, Copy)]
struct Around {
    /// It stands in a function.
    is_local: bool,
    /// It stands directly in a type.
    in_type: bool,
}

impl Index {
    pub(super) fn build(image: &Image<'_>, unit: u32) -> Index {
        let mut index = Index::default();
        if let Some(parsed) = image.unit(unit) {
            // What was read before an error stands.
            let _ = index.walk(image, unit, parsed);
        }
        index.names.sort_unstable_by_key(|named| (named.hash, named.offset));
        index.functions.sort_by_key(|(range, _)| (range.start, core::cmp::Reverse(range.end)));
        let reach = index.functions.iter().scan(0, |most, (range, _)| {
            *most = range.end.max(*most);
            Some(*most)
        });
        index.reach = reach.collect();
        index
    }

    fn walk<'s>(&mut self, image: &Image<'s>, unit: u32, parsed: UnitRef<'_, Reader<'s>>) -> gimli::Result<()> {
        let mut entries = parsed.entries_raw(None)?;
        // Where the entries begin anew, behind what was skipped.
        let mut base = 0;
        let members_only = has_members_only(image, unit);
        // The scopes that are not closed yet: depth, number, and whether it or one around it is a function.
        let mut open: Vec<(isize, u32, bool)> = Vec::new();
        let mut used = Vec::new();
        // One list for the attributes of all entries, so that each needs no memory of its own.
        let mut room = Vec::new();
        while !entries.is_empty() {
            let (depth, offset) = (entries.next_depth().saturating_add(base), entries.next_offset());
            while let Some((_, number, _)) = open.pop_if(|(outer, ..)| *outer >= depth) {
                if let Some(scope) = self.scopes.get_mut(number as usize) {
                    scope.end = offset.0;
                }
            }
            let Some(abbreviation) = entries.read_abbreviation()? else { continue };
            let tag = abbreviation.tag();
            let is_declared = || abbreviation.attributes().iter().any(|it| it.name() == gimli::DW_AT_declaration);
            // Before DWARF 5 a static member is a declared one; there are none but those among most entries of many units.
            if !is_wanted(tag) || tag == gimli::DW_TAG_member && !is_declared() {
                entries.skip_attributes(abbreviation.attributes())?;
                continue;
            }
            let mut attributes = core::mem::take(&mut room);
            entries.read_attributes(abbreviation.attributes(), &mut attributes)?;
            let entry = Entry { place: image.place(unit, offset.0), tag, attributes };
            let around = open.last().and_then(|(_, number, _)| self.scopes.get(*number as usize));
            let in_type = around.is_some_and(|scope| scope.kind == ScopeKind::Type);
            let is_local = open.last().is_some_and(|(.., is_local)| *is_local);
            if let Some(kind) = scope_kind(&entry).filter(|_| abbreviation.has_children()) {
                let parent = open.last().map(|(_, number, _)| *number);
                let number = u32::try_from(self.scopes.len()).unwrap_or(u32::MAX);
                open.push((depth, number, is_local || kind == ScopeKind::Function));
                self.scopes.push(Scope { offset: offset.0, end: usize::MAX, parent, kind });
            }
            if tag == gimli::DW_TAG_imported_module
                && let Some((.., false)) = open.last()
                && let Some(target) = image.referred(&entry, gimli::DW_AT_import).filter(|target| target.unit == unit)
            {
                // In a namespace: what DWARF before 5 says of inline and anonymous ones in it.
                used.push(target.offset);
                continue;
            }
            self.see(image, parsed, &entry, Around { is_local, in_type });
            if members_only
                && matches!(tag, gimli::DW_TAG_structure_type | gimli::DW_TAG_union_type)
                && let Some(AttributeValue::UnitRef(sibling)) = entry.get(gimli::DW_AT_sibling)
                && sibling.0 > offset.0
            {
                entries = parsed.entries_raw(Some(sibling))?;
                base = depth;
            }
            room = entry.attributes;
        }
        for target in used {
            if let Ok(at) = self.scopes.binary_search_by_key(&target, |scope| scope.offset)
                && let Some(scope) = self.scopes.get_mut(at)
                && scope.parent.is_some()
                && scope.kind == ScopeKind::Namespace
            {
                scope.kind = ScopeKind::InlineNamespace;
            }
        }
        Ok(())
    }

    fn see<'s>(&mut self, image: &Image<'s>, unit: UnitRef<'_, Reader<'s>>, entry: &Entry<'s>, around: Around) {
        let Around { is_local, in_type } = around;
        let is_declaration = entry.flag(gimli::DW_AT_declaration);
        let type_kind = |kind| if is_declaration { NameKind::DeclaredType } else { kind };
        let kind = match entry.tag {
            gimli::DW_TAG_variable | gimli::DW_TAG_member if in_type => {
                let is_static =
                    entry.tag == gimli::DW_TAG_variable || entry.flag(gimli::DW_AT_external) && is_declaration;
                if !is_static {
                    return;
                }
                NameKind::StaticMember
            }
            gimli::DW_TAG_variable => {
                let constant = entry.has(gimli::DW_AT_const_value);
                let is_static = is_static(entry);
                match is_declaration {
                    true => NameKind::DeclaredVariable,
                    false if is_static || !is_local && (constant || entry.has(gimli::DW_AT_location)) => {
                        NameKind::Variable
                    }
                    // Optimised out, but still a name.
                    false if !is_local => NameKind::Variable,
                    false => return,
                }
            }
            gimli::DW_TAG_subprogram => {
                let before = self.functions.len();
                let offset = entry.place.offset;
                let code = &image.source.code;
                ranges(unit, entry, |range| {
                    if code.contains(&range.start) {
                        self.functions.push((range, offset));
                    }
                    false
                });
                match self.functions.len() > before {
                    true => NameKind::Function,
                    false if is_declaration && !in_type && !is_local => NameKind::DeclaredFunction,
                    false => return,
                }
            }
            gimli::DW_TAG_enumerator => NameKind::Enumerator,
            gimli::DW_TAG_structure_type | gimli::DW_TAG_class_type | gimli::DW_TAG_interface_type => {
                type_kind(NameKind::Struct)
            }
            gimli::DW_TAG_union_type => type_kind(NameKind::Union),
            gimli::DW_TAG_enumeration_type => type_kind(NameKind::Enumeration),
            gimli::DW_TAG_typedef => NameKind::Typedef,
            gimli::DW_TAG_base_type | gimli::DW_TAG_unspecified_type => NameKind::Base,
            gimli::DW_TAG_imported_module => {
                self.imports.extend(image.referred(entry, gimli::DW_AT_import));
                return;
            }
            _ => return,
        };
        let own = image.string(entry, gimli::DW_AT_name);
        let Some(name) = own.or_else(|| image.name(&image.chain(entry.place))) else { return };
        self.names.push(Named { hash: spelling::hash(&name), kind, offset: entry.place.offset });
    }

    /// How much memory it takes, in bytes.
    pub(super) fn size(&self) -> usize {
        fn of<T>(list: &Vec<T>) -> usize {
            list.capacity().saturating_mul(size_of::<T>())
        }
        of(&self.scopes) + of(&self.names) + of(&self.functions) + of(&self.reach) + of(&self.imports)
    }

    /// What may have this plain name.
    pub(super) fn with_name(&self, name: &str) -> impl Iterator<Item = &Named> {
        let hash = spelling::hash(name);
        let start = self.names.partition_point(|named| named.hash < hash);
        self.names.get(start..).unwrap_or_default().iter().take_while(move |named| named.hash == hash)
    }

    /// All names, in no order that means anything.
    pub(super) fn names(&self) -> &[Named] {
        &self.names
    }

    /// The scopes around an entry, innermost first.
    pub(super) fn around(&self, offset: usize) -> impl Iterator<Item = &Scope> {
        let before = self.scopes.partition_point(|scope| scope.offset < offset).checked_sub(1);
        let mut next = before.and_then(|at| self.scopes.get(at));
        // A parent stands before its child, so this ends.
        core::iter::from_fn(move || {
            let scope = next?;
            next = scope.parent.and_then(|parent| self.scopes.get(parent as usize));
            Some(scope)
        })
        .filter(move |scope| offset < scope.end)
    }

    /// The innermost function at an address of the file.
    pub(super) fn function_at(&self, address: u64) -> Option<usize> {
        let mut at = self.functions.partition_point(|(range, _)| range.start <= address);
        loop {
            at = at.checked_sub(1)?;
            if *self.reach.get(at)? <= address {
                return None;
            }
            let (range, offset) = self.functions.get(at)?;
            if range.contains(&address) {
                return Some(*offset);
            }
        }
    }
}

/// Whether the types of the unit have nothing in them but members, which have no names here: gcc lists what is declared in a structure of C beside
/// it. Most of a unit's entries are members, and so need not be read.
fn has_members_only(image: &Image<'_>, unit: u32) -> bool {
    let producer = image.producer(unit).unwrap_or_default();
    producer.strip_prefix("GNU C").is_some_and(|rest| rest.starts_with(|c: char| c == ' ' || c.is_ascii_digit()))
}

fn is_wanted(tag: DwTag) -> bool {
    matches!(
        tag,
        gimli::DW_TAG_namespace
            | gimli::DW_TAG_module
            | gimli::DW_TAG_variable
            | gimli::DW_TAG_member
            | gimli::DW_TAG_subprogram
            | gimli::DW_TAG_enumerator
            | gimli::DW_TAG_structure_type
            | gimli::DW_TAG_class_type
            | gimli::DW_TAG_interface_type
            | gimli::DW_TAG_union_type
            | gimli::DW_TAG_enumeration_type
            | gimli::DW_TAG_typedef
            | gimli::DW_TAG_base_type
            | gimli::DW_TAG_unspecified_type
            | gimli::DW_TAG_imported_module
    )
}

fn scope_kind(entry: &Entry<'_>) -> Option<ScopeKind> {
    Some(match entry.tag {
        gimli::DW_TAG_namespace | gimli::DW_TAG_module if entry.flag(gimli::DW_AT_export_symbols) => {
            ScopeKind::InlineNamespace
        }
        gimli::DW_TAG_namespace | gimli::DW_TAG_module => ScopeKind::Namespace,
        gimli::DW_TAG_structure_type
        | gimli::DW_TAG_class_type
        | gimli::DW_TAG_interface_type
        | gimli::DW_TAG_union_type => ScopeKind::Type,
        gimli::DW_TAG_enumeration_type if entry.flag(gimli::DW_AT_enum_class) => ScopeKind::EnumClass,
        gimli::DW_TAG_enumeration_type => ScopeKind::Enumeration,
        gimli::DW_TAG_subprogram => ScopeKind::Function,
        _ => return None,
    })
}

/// Whether the location of a variable says that it lives as long as the program or a thread.
fn is_static(entry: &Entry<'_>) -> bool {
    let Some(AttributeValue::Exprloc(expression)) = entry.get(gimli::DW_AT_location) else { return false };
    let Ok(bytes) = expression.0.to_slice() else { return false };
    let first = bytes.first().map(|byte| gimli::DwOp(*byte));
    let last = bytes.last().map(|byte| gimli::DwOp(*byte));
    matches!(first, Some(gimli::DW_OP_addr | gimli::DW_OP_addrx | gimli::DW_OP_GNU_addr_index))
        || matches!(last, Some(gimli::DW_OP_form_tls_address | gimli::DW_OP_GNU_push_tls_address))
}

/// Calls `act` with each range of code of the entry until it answers true; returns whether it did.
pub(super) fn ranges<'s>(
    unit: UnitRef<'_, Reader<'s>>,
    entry: &Entry<'s>,
    mut act: impl FnMut(Range<u64>) -> bool,
) -> bool {
    /// More pieces than any function has.
    const LIMIT: usize = 1 << 16;
    if let Some(value) = entry.get(gimli::DW_AT_ranges) {
        let Ok(Some(offset)) = unit.attr_ranges_offset(value) else { return false };
        let Ok(mut list) = unit.ranges(offset) else { return false };
        for _ in 0..LIMIT {
            match list.next() {
                Ok(Some(range)) if range.begin < range.end && act(range.begin..range.end) => return true,
                Ok(Some(_)) => {}
                _ => return false,
            }
        }
        return false;
    }
    let address = |name| unit.attr_address(entry.get(name)?).ok().flatten();
    let Some(low) = address(gimli::DW_AT_low_pc) else { return false };
    let size = || low.checked_add(entry.unsigned(gimli::DW_AT_high_pc)?);
    let high = address(gimli::DW_AT_high_pc).or_else(size);
    high.is_some_and(|high| low < high && act(low..high))
}
