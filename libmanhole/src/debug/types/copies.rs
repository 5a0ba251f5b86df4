//! What a class says of copies of its objects: its copy and move constructors, its destructor, or the compiler's own word.
//!
//! Context: the agent's thread.

use core::ops::ControlFlow;

use gimli::AttributeValue;
use manhole_expressions::types::Copies;

use super::Image;
use crate::debug::Place;
use crate::debug::entry::Entry;

/// The first version of gcc that says of each function of a class whether it is defaulted.
const TELLING_GCC: u32 = 7;

/// What the functions of a class that were seen say.
#[derive(Default)]
pub(super) struct Special {
    run_code: bool,
    unknown: bool,
    /// Copy and move constructors that were declared, and how many of them nobody may call.
    declared: usize,
    deleted: usize,
    /// What its copy constructor says alone.
    copying: Copies,
    /// Whether it has a copy constructor of its own, and a move constructor.
    copies: bool,
    moves: bool,
}

impl Special {
    /// Takes one more function of the class that `chain` is.
    pub(super) fn add<'s>(&mut self, image: &Image<'s>, chain: &[Entry<'s>], function: &Entry<'s>) {
        // What the compiler has made itself does what the members do.
        if function.flag(gimli::DW_AT_artificial) {
            return;
        }
        let Some(name) = image.string(function, gimli::DW_AT_name) else { return };
        let class = image.name(chain).unwrap_or_default();
        let class = class.split('<').next().unwrap_or_default();
        let own = (name == class).then(|| takes_its_own(image, chain, function)).flatten();
        let copies = own.is_some();
        if !copies && !name.starts_with('~') {
            return;
        }
        let is_copy = own == Some(gimli::DW_TAG_reference_type);
        self.copies |= is_copy;
        self.moves |= copies && !is_copy;
        let is_deleted = function.flag(gimli::DW_AT_deleted);
        self.declared += usize::from(copies);
        self.deleted += usize::from(copies && is_deleted);
        // DW_DEFAULTED_in_class; one that is defaulted elsewhere runs code.
        let defaulted = function.unsigned(gimli::DW_AT_defaulted);
        let is_defaulted = defaulted == Some(u64::from(gimli::DW_DEFAULTED_in_class.0));
        if is_deleted && is_copy {
            self.copying = Copies::RunCode;
        }
        if is_deleted || is_defaulted {
            return;
        }
        let tells = tells(image, function.place.unit);
        if is_copy {
            self.copying = if tells { Copies::RunCode } else { Copies::Unknown };
        }
        match tells {
            true => self.run_code = true,
            false => self.unknown = true,
        }
    }

    /// What the copy constructor says. Where there is a move constructor alone there is none.
    pub(super) fn said_of_copying(&self) -> Copies {
        if self.moves && !self.copies { Copies::RunCode } else { self.copying }
    }

    /// What they say together, if the compiler has not said it of the class.
    pub(super) fn said(&self, class: &Entry<'_>) -> Copies {
        match class.get(gimli::DW_AT_calling_convention) {
            Some(AttributeValue::CallingConvention(gimli::DW_CC_pass_by_value)) => return Copies::Bytes,
            Some(AttributeValue::CallingConvention(gimli::DW_CC_pass_by_reference)) => return Copies::RunCode,
            _ => {}
        }
        if self.run_code {
            Copies::RunCode
        } else if self.unknown {
            Copies::Unknown
        } else if self.declared > 0 && self.declared == self.deleted {
            // What cannot be copied at all is passed by its address (Itanium C++ ABI, 1.1).
            Copies::RunCode
        } else {
            Copies::AsMembers
        }
    }
}

/// The kind of reference that a constructor takes to an object of its class, if that is its one parameter.
fn takes_its_own<'s>(image: &Image<'s>, chain: &[Entry<'s>], function: &Entry<'s>) -> Option<gimli::DwTag> {
    let mut parameters: Vec<Option<Place>> = Vec::new();
    image.children(function.place, |child| {
        if child.tag == gimli::DW_TAG_formal_parameter && !child.flag(gimli::DW_AT_artificial) {
            parameters.push(image.referred(&child, gimli::DW_AT_type));
        }
        ControlFlow::Continue(())
    });
    let [Some(only)] = parameters.as_slice() else { return None };
    let reference = image.entry(*only)?;
    let is_reference = matches!(reference.tag, gimli::DW_TAG_reference_type | gimli::DW_TAG_rvalue_reference_type);
    let mut at = image.referred(&reference, gimli::DW_AT_type).filter(|_| is_reference);
    // const, volatile.
    for _ in 0..4 {
        let place = at?;
        if chain.iter().any(|entry| entry.place == place) {
            return Some(reference.tag);
        }
        let qualified = image
            .entry(place)
            .filter(|entry| matches!(entry.tag, gimli::DW_TAG_const_type | gimli::DW_TAG_volatile_type));
        at = qualified.and_then(|entry| image.referred(&entry, gimli::DW_AT_type));
    }
    None
}

/// Whether the compiler of the unit says of functions of classes that they are defaulted.
fn tells(image: &Image<'_>, unit: u32) -> bool {
    let producer = image.producer(unit).unwrap_or_default();
    let mut words = producer.split_whitespace();
    let is_gcc = words.next() == Some("GNU");
    let version = words.find(|word| word.contains('.')).and_then(|word| word.split('.').next()?.parse::<u32>().ok());
    is_gcc && version.is_some_and(|version| version >= TELLING_GCC) && !producer.contains("-gstrict-dwarf")
}
