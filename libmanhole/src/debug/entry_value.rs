//! What a register held when the frame's function was entered: as the call says, if it is known that this call has entered it.
//!
//! Context: the agent's thread. A frame returns to a call that may have been of another function, which has jumped to this one; or the function
//! has jumped to itself. Then the call's arguments are not its own, and nothing is known.

use core::ops::ControlFlow;
use std::collections::BTreeSet;

use gimli::{AttributeValue, Expression, UnitRef};
use manhole_expressions::value::Missing;

use super::Place;
use super::entry::Entry;
use super::functions::entry_address;
use super::image::Image;
use super::location::{Context, Failure, Frame, Surroundings};
use super::source::Reader;

/// Expressions that need others.
const DEPTH: usize = 4;
/// Functions that are looked at for a jump back.
const JUMPS: usize = 64;

const UNKNOWN: Failure = Failure::Missing(Missing::OptimizedOut);

impl<'s> Context<'_, 's> {
    /// The value of the register that an expression names, at the function's entry (DWARF 5, 2.5.1.7 and 3.4.2).
    pub(super) fn entry_value(
        &mut self,
        unit: UnitRef<'_, Reader<'s>>,
        expression: Expression<Reader<'s>>,
    ) -> Result<u64, Failure> {
        let caller = self.frame.and_then(|frame| frame.caller).ok_or(UNKNOWN)?;
        let mut operations = expression.operations(unit.encoding());
        let Ok(Some(gimli::Operation::Register { register })) = operations.next() else { return Err(UNKNOWN) };
        if self.depth >= DEPTH || !matches!(operations.next(), Ok(None)) {
            return Err(UNKNOWN);
        }
        let address = caller.pc.wrapping_sub(self.image.bias);
        // A call from another module is not looked for.
        let (number, function) = self.image.function_at(address).ok_or(UNKNOWN)?;
        let calling = self.image.unit(number).ok_or(Failure::Corrupt)?;
        let site = call_site(self.image, calling, function, address.wrapping_add(1)).ok_or(UNKNOWN)?;
        if !self.was_entered_by(&site, number, function, caller)? {
            return Err(UNKNOWN);
        }
        let mut value = None;
        self.image.children(site.place, |parameter| {
            let is_parameter =
                matches!(parameter.tag, gimli::DW_TAG_call_site_parameter | gimli::DW_TAG_GNU_call_site_parameter);
            if let Some(place) = parameter.get(gimli::DW_AT_location).and_then(expression_of)
                && is_parameter
                && let Ok(Some(gimli::Operation::Register { register: its })) =
                    place.operations(calling.encoding()).next()
                && its == register
            {
                value =
                    parameter.get(gimli::DW_AT_call_value).or_else(|| parameter.get(gimli::DW_AT_GNU_call_site_value));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        let value = value.and_then(expression_of).ok_or(UNKNOWN)?;
        self.in_caller(caller, function, number, value)
    }

    /// What an expression of the caller's comes to in its frame.
    fn in_caller(
        &mut self,
        caller: &Frame<'_>,
        function: Place,
        unit: u32,
        expression: Expression<Reader<'s>>,
    ) -> Result<u64, Failure> {
        let mut context = Context {
            image: self.image,
            function: Some(function),
            frame: Some(caller),
            surroundings: &mut *self.surroundings,
            depth: self.depth + 1,
        };
        let pieces = context.evaluate(unit, expression)?;
        context.word_of(&pieces, true)
    }

    /// Whether the call has entered the frame's function itself, and no jump has since.
    fn was_entered_by(
        &mut self,
        site: &Entry<'s>,
        unit: u32,
        caller_function: Place,
        caller: &Frame<'_>,
    ) -> Result<bool, Failure> {
        let own = self.function.ok_or(Failure::Corrupt)?;
        let start = self.image.entry(own).and_then(|entry| entry_address(self.image, &entry)).ok_or(UNKNOWN)?;
        let mut entered = called(caller.pc.wrapping_add(1), self.surroundings) == Some(start);
        if !entered && let Some(target) = site.get(gimli::DW_AT_call_target).and_then(expression_of) {
            entered = self.in_caller(caller, caller_function, unit, target)? == start;
        }
        Ok(entered && !jumps_back(self.image, own))
    }
}

/// The function that the call before this address calls, by its instruction: directly, through the procedure linkage table, or through a
/// pointer that stands in the module.
fn called(returns_to: u64, around: &mut dyn Surroundings) -> Option<u64> {
    let mut code = [0; 6];
    around.read(returns_to.wrapping_sub(6), &mut code).then_some(())?;
    let [first, second, a, b, c, d] = code;
    let moved = i64::from(i32::from_le_bytes([a, b, c, d]));
    let to = returns_to.wrapping_add_signed(moved);
    match (first, second) {
        // call *pointer(%rip)
        (0xff, 0x15) => word(to, around),
        // call function; a stub of the table begins with endbr64, and jumps by a pointer.
        (_, 0xe8) => {
            let mut stub = [0; 12];
            let is_read = around.read(to, &mut stub);
            let at = if stub.starts_with(&[0xf3, 0x0f, 0x1e, 0xfa]) { 4 } else { 0 };
            let at = if stub.get(at) == Some(&0xf2) { at + 1 } else { at };
            match stub.get(at..at + 6) {
                Some([0xff, 0x25, a, b, c, d]) if is_read => {
                    let behind = to.wrapping_add(at as u64 + 6);
                    let moved = i64::from(i32::from_le_bytes([*a, *b, *c, *d]));
                    word(behind.wrapping_add_signed(moved), around)
                }
                _ => Some(to),
            }
        }
        _ => None,
    }
}

fn word(address: u64, around: &mut dyn Surroundings) -> Option<u64> {
    let mut bytes = [0; 8];
    around.read(address, &mut bytes).then(|| u64::from_le_bytes(bytes))
}

/// Whether a function may have been entered again by a jump, its own or that of one that it jumps to.
fn jumps_back(image: &Image<'_>, function: Place) -> bool {
    let own: BTreeSet<Place> = image.chain(function).iter().map(|entry| entry.place).collect();
    let (mut todo, mut seen) = (vec![function], BTreeSet::new());
    while let Some(place) = todo.pop() {
        if seen.len() >= JUMPS {
            return true;
        }
        if !seen.insert(place) {
            continue;
        }
        let Some(sites) = tail_calls(image, place) else { return true };
        for origin in sites {
            let Some(origin) = origin else { return true };
            let chain = image.chain(origin);
            if chain.iter().any(|entry| own.contains(&entry.place)) {
                return true;
            }
            // What has no code here is another module's, which does not know of this one.
            if chain.first().is_some_and(|entry| entry_address(image, entry).is_some()) {
                todo.push(origin);
            }
        }
    }
    false
}

/// What the calls of a function that are jumps are of: `None` where debug information does not say it. `None` in all: it cannot be read.
fn tail_calls(image: &Image<'_>, function: Place) -> Option<Vec<Option<Place>>> {
    let unit = image.unit(function.unit)?;
    let mut found = Vec::new();
    each_call_site(image, unit, function, |site| {
        if site.flag(gimli::DW_AT_call_tail_call) || site.flag(gimli::DW_AT_GNU_tail_call) {
            let origin = image.referred(&site, gimli::DW_AT_call_origin);
            found.push(origin.or_else(|| image.referred(&site, gimli::DW_AT_abstract_origin)));
        }
        ControlFlow::Continue(())
    })?;
    Some(found)
}

/// An expression, which is a block before DWARF 4.
fn expression_of<'s>(value: AttributeValue<Reader<'s>>) -> Option<Expression<Reader<'s>>> {
    match value {
        AttributeValue::Exprloc(expression) => Some(expression),
        AttributeValue::Block(bytes) => Some(Expression(bytes)),
        _ => None,
    }
}

/// The entry of the call that returns to this address of the file.
fn call_site<'s>(
    image: &Image<'s>,
    unit: UnitRef<'_, Reader<'s>>,
    function: Place,
    returns_to: u64,
) -> Option<Entry<'s>> {
    let mut found = None;
    each_call_site(image, unit, function, |site| {
        let value = site.get(gimli::DW_AT_call_return_pc).or_else(|| site.get(gimli::DW_AT_low_pc));
        if value.and_then(|value| unit.attr_address(value).ok().flatten()) == Some(returns_to) {
            found = Some(site);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    })?;
    found
}

/// Passes on the calls in a function; `None` where it cannot be read to its end.
fn each_call_site<'s>(
    image: &Image<'s>,
    unit: UnitRef<'_, Reader<'s>>,
    function: Place,
    mut each: impl FnMut(Entry<'s>) -> ControlFlow<()>,
) -> Option<()> {
    let mut entries = unit.entries_raw(Some(gimli::UnitOffset(function.offset))).ok()?;
    let abbreviation = entries.read_abbreviation().ok()??;
    entries.skip_attributes(abbreviation.attributes()).ok()?;
    let inside = entries.next_depth();
    while abbreviation.has_children() && !entries.is_empty() && entries.next_depth() >= inside {
        let offset = entries.next_offset();
        let Some(abbreviation) = entries.read_abbreviation().ok()? else { continue };
        if !matches!(abbreviation.tag(), gimli::DW_TAG_call_site | gimli::DW_TAG_GNU_call_site) {
            entries.skip_attributes(abbreviation.attributes()).ok()?;
            continue;
        }
        let mut attributes = Vec::new();
        entries.read_attributes(abbreviation.attributes(), &mut attributes).ok()?;
        let entry = Entry { place: image.place(function.unit, offset.0), tag: abbreviation.tag(), attributes };
        if each(entry).is_break() {
            return Some(());
        }
    }
    Some(())
}
