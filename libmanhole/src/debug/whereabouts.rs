//! Where a variable of a function is, whatever the frame: what its debug information says, in a word.
//!
//! Context: the agent's thread. Nothing is evaluated but what needs no frame.

use gimli::{AttributeValue, Expression, Operation};

use super::{Debug, Local, Storage};

/// Where a variable is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// So many bytes from the frame's base.
    Frame(i64),
    /// In a register, by its number in DWARF.
    Register(u16),
    /// At so many bytes from what a register holds.
    Beside(u16, i64),
    /// Another place in each part of the function.
    Varies,
    /// As a variable that needs no frame.
    Fixed(Storage),
    /// An expression says it.
    Computed,
}

impl<'s> Debug<'s> {
    /// Where a variable of a function is kept.
    pub(crate) fn whereabouts(&mut self, local: &Local) -> Whereabouts {
        const LOST: Whereabouts = Whereabouts::Fixed(Storage::OptimizedOut);
        let Some(image) = self.image(local.place) else { return LOST };
        let chain = image.chain(local.place);
        let stated = chain.iter().find_map(|entry| Some((entry, entry.get(gimli::DW_AT_location)?)));
        if let Some((entry, value)) = stated {
            let Some(unit) = image.unit(entry.place.unit) else { return LOST };
            let expression = match value {
                AttributeValue::Exprloc(expression) => expression,
                AttributeValue::Block(bytes) => Expression(bytes),
                _ => return Whereabouts::Varies,
            };
            let mut operations = expression.operations(unit.encoding());
            match (operations.next(), operations.next()) {
                (Ok(Some(Operation::FrameOffset { offset })), Ok(None)) => return Whereabouts::Frame(offset),
                (Ok(Some(Operation::Register { register })), Ok(None)) => return Whereabouts::Register(register.0),
                (Ok(Some(Operation::RegisterOffset { register, offset, .. })), Ok(None)) => {
                    return Whereabouts::Beside(register.0, offset);
                }
                _ => {}
            }
        }
        match self.storage(&image, &chain, local.type_id) {
            // An expression that wants a frame.
            Storage::OptimizedOut | Storage::Unsupported(_) if stated_in_frame(&chain) => Whereabouts::Computed,
            storage => Whereabouts::Fixed(storage),
        }
    }
}

/// Whether an expression that is not empty says where it is.
fn stated_in_frame(chain: &[super::entry::Entry<'_>]) -> bool {
    chain.iter().find_map(|entry| entry.get(gimli::DW_AT_location)).is_some_and(|value| match value {
        AttributeValue::Exprloc(expression) => !gimli::Reader::is_empty(&expression.0),
        AttributeValue::Block(bytes) => !gimli::Reader::is_empty(&bytes),
        _ => false,
    })
}
