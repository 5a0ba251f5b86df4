//! DWARF expressions: where a variable is, in a frame or without one.
//!
//! Context: the agent's thread. Evaluation is gimli's; what it asks for (registers, memory, other entries) is answered here, a
//! bounded number of times.

use std::rc::Rc;

use gimli::{AttributeValue, EvaluationResult, Expression, Location, Piece, UnitRef};

use super::entry::Entry;
use super::image::Image;
use super::source::Reader;
use super::{Debug, Place, Storage};
use crate::snapshot::Registers;
use manhole_expressions::value::Missing;

/// A frame whose variables are looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    /// [`crate::snapshot::Frame::lookup_address`].
    pub(crate) pc: u64,
    pub(crate) registers: &'a Registers,
    pub(crate) cfa: Option<u64>,
    /// The frame that has called it: some values are known from there only.
    pub(crate) caller: Option<&'a Frame<'a>>,
}

/// What surrounds a frame.
pub(crate) trait Surroundings {
    /// Fills `buffer` from `address`: from the stack's copy where it was copied, else from memory as it is now. Whether it could.
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> bool;

    /// The address of what is this many bytes from the start of the thread's block of the module that starts at `module`.
    fn thread_local(&mut self, module: u64, offset: u64) -> Option<u64>;
}

/// Nothing is known.
pub(super) struct Nowhere;

impl Surroundings for Nowhere {
    fn read(&mut self, _address: u64, _buffer: &mut [u8]) -> bool {
        false
    }

    fn thread_local(&mut self, _module: u64, _offset: u64) -> Option<u64> {
        None
    }
}

/// Why an expression has no result.
#[derive(Debug)]
pub(super) enum Failure {
    Missing(Missing),
    /// It wants the thread's block of the module, and this offset in it.
    ThreadLocal(u64),
    /// It is corrupt, or does what is not understood.
    Corrupt,
}

impl From<gimli::Error> for Failure {
    fn from(_: gimli::Error) -> Failure {
        Failure::Corrupt
    }
}

/// Operations of one expression, and questions that it may ask.
const STEPS: u32 = 10_000;
/// Expressions that need others.
const DEPTH: usize = 4;
/// Entries of one location list.
const LIST: usize = 1 << 16;

/// One evaluation's surroundings.
pub(super) struct Context<'a, 's> {
    pub(super) image: &'a Image<'s>,
    /// The function whose frame base counts.
    pub(super) function: Option<Place>,
    pub(super) frame: Option<&'a Frame<'a>>,
    pub(super) surroundings: &'a mut dyn Surroundings,
    pub(super) depth: usize,
}

type Pieces<'s> = Vec<Piece<Reader<'s>>>;

impl<'s> Context<'_, 's> {
    /// The pieces of the value that the attribute (a location) of an entry in this unit describes; `None` where it has none here.
    pub(super) fn locate(&mut self, unit: u32, value: AttributeValue<Reader<'s>>) -> Result<Pieces<'s>, Failure> {
        let parsed = self.image.unit(unit).ok_or(Failure::Corrupt)?;
        let expression = match value {
            AttributeValue::Exprloc(expression) => expression,
            AttributeValue::Block(bytes) => Expression(bytes),
            value => {
                let pc = self.frame.ok_or(Failure::Missing(Missing::OptimizedOut))?.pc;
                let address = pc.wrapping_sub(self.image.bias);
                let list = parsed.attr_locations(value)?;
                let mut list = list.ok_or(Failure::Corrupt)?;
                let mut found = None;
                for _ in 0..LIST {
                    match list.next()? {
                        Some(entry) if (entry.range.begin..entry.range.end).contains(&address) => {
                            found = Some(entry.data);
                            break;
                        }
                        Some(_) => {}
                        None => break,
                    }
                }
                found.ok_or(Failure::Missing(Missing::OptimizedOut))?
            }
        };
        self.evaluate(unit, expression)
    }

    pub(super) fn evaluate(&mut self, number: u32, expression: Expression<Reader<'s>>) -> Result<Pieces<'s>, Failure> {
        let unit = self.image.unit(number).ok_or(Failure::Corrupt)?;
        let mut evaluation = expression.evaluation(unit.encoding());
        evaluation.set_max_iterations(STEPS);
        let mut state = evaluation.evaluate()?;
        let mut indexed = None;
        for _ in 0..STEPS {
            state = match state {
                EvaluationResult::Complete => return Ok(evaluation.result()),
                EvaluationResult::RequiresMemory { address, size, space: _, base_type } => {
                    let value_type = value_type(unit, base_type)?;
                    let word = self.word(address, size).ok_or(Failure::Missing(Missing::NotCaptured))?;
                    evaluation.resume_with_memory(typed(value_type, word)?)?
                }
                EvaluationResult::RequiresRegister { register, base_type } => {
                    let word = self.register(register)?;
                    evaluation.resume_with_register(typed(value_type(unit, base_type)?, word)?)?
                }
                EvaluationResult::RequiresFrameBase => evaluation.resume_with_frame_base(self.frame_base()?)?,
                EvaluationResult::RequiresTls(offset) => {
                    let is_indexed = indexed == Some(offset);
                    let offset = if is_indexed { self.offset_in_block(number, offset)? } else { offset };
                    let address = self.surroundings.thread_local(self.image.start, offset);
                    evaluation.resume_with_tls(address.ok_or(Failure::ThreadLocal(offset))?)?
                }
                EvaluationResult::RequiresCallFrameCfa => {
                    let cfa = self.frame.and_then(|frame| frame.cfa);
                    evaluation.resume_with_call_frame_cfa(cfa.ok_or(Failure::Missing(Missing::NotCaptured))?)?
                }
                EvaluationResult::RequiresAtLocation(reference) => {
                    let value = match reference {
                        gimli::DieReference::UnitRef(offset) => AttributeValue::UnitRef(offset),
                        gimli::DieReference::DebugInfoRef(offset) => AttributeValue::DebugInfoRef(offset),
                    };
                    let place = self.image.resolve(self.image.place(number, 0), &value);
                    let entry = place.and_then(|place| self.image.entry(place)).ok_or(Failure::Corrupt)?;
                    match entry.get(gimli::DW_AT_location) {
                        Some(AttributeValue::Exprloc(expression)) => {
                            evaluation.resume_with_at_location(expression.0)?
                        }
                        _ => return Err(Failure::Corrupt),
                    }
                }
                EvaluationResult::RequiresRelocatedAddress(address) => {
                    evaluation.resume_with_relocated_address(self.relocated(address)?)?
                }
                EvaluationResult::RequiresIndexedAddress { index, relocate } => {
                    let address = unit.address(index)?;
                    let address = if relocate { self.relocated(address)? } else { address };
                    indexed = Some(address);
                    evaluation.resume_with_indexed_address(address)?
                }
                EvaluationResult::RequiresBaseType(offset) => {
                    evaluation.resume_with_base_type(value_type(unit, offset)?)?
                }
                EvaluationResult::RequiresEntryValue(expression) => {
                    let word = self.entry_value(unit, expression)?;
                    evaluation.resume_with_entry_value(gimli::Value::Generic(word))?
                }
                _ => return Err(Failure::Missing(Missing::OptimizedOut)),
            };
        }
        Err(Failure::Corrupt)
    }

    /// The offset of a thread-local variable that a table of addresses tells. GCC has no offset there, but where in the file the first
    /// content of the variable is.
    fn offset_in_block(&self, unit: u32, told: u64) -> Result<u64, Failure> {
        if !self.image.producer(unit).is_some_and(|producer| producer.starts_with("GNU ")) {
            return Ok(told);
        }
        let inside = self.image.thread_local.and_then(|(first, size)| told.checked_sub(first).filter(|it| *it < size));
        inside.ok_or(Failure::Corrupt)
    }

    /// Where in memory something stands, by its address in the file.
    fn relocated(&self, address: u64) -> Result<u64, Failure> {
        match self.image.source.is_discarded(address) {
            true => Err(Failure::Missing(Missing::OptimizedOut)),
            false => Ok(address.wrapping_add(self.image.bias)),
        }
    }

    pub(super) fn register(&self, register: gimli::Register) -> Result<u64, Failure> {
        let frame = self.frame.ok_or(Failure::Missing(Missing::OptimizedOut))?;
        frame.registers.get(register.0).ok_or(Failure::Missing(Missing::NotCaptured))
    }

    fn word(&mut self, address: u64, size: u8) -> Option<u64> {
        let mut bytes = [0; 8];
        let wanted = bytes.get_mut(..usize::from(size))?;
        self.surroundings.read(address, wanted).then(|| u64::from_le_bytes(bytes))
    }

    /// What `DW_AT_frame_base` of the function says.
    fn frame_base(&mut self) -> Result<u64, Failure> {
        if self.depth >= DEPTH {
            return Err(Failure::Corrupt);
        }
        let function = self.function.ok_or(Failure::Corrupt)?;
        let chain = self.image.chain(function);
        let stated = chain.iter().find_map(|entry| Some((entry.place.unit, entry.get(gimli::DW_AT_frame_base)?)));
        let (unit, value) = stated.ok_or(Failure::Missing(Missing::OptimizedOut))?;
        self.depth += 1;
        let pieces = self.locate(unit, value);
        self.depth -= 1;
        self.word_of(&pieces?, true)
    }

    /// The number that the pieces are: an address that is computed, or what a register holds.
    pub(super) fn word_of(&mut self, pieces: &Pieces<'s>, addresses_count: bool) -> Result<u64, Failure> {
        let [piece] = pieces.as_slice() else { return Err(Failure::Corrupt) };
        match &piece.location {
            Location::Address { address } if addresses_count => Ok(*address),
            Location::Address { address } => self.word(*address, 8).ok_or(Failure::Missing(Missing::NotCaptured)),
            Location::Register { register } => self.register(*register),
            Location::Value { value } => Ok(value.to_u64(u64::MAX)?),
            _ => Err(Failure::Missing(Missing::OptimizedOut)),
        }
    }
}

/// The type of a value on the stack: an entry, or the generic one.
fn value_type(unit: UnitRef<'_, Reader<'_>>, offset: gimli::UnitOffset) -> Result<gimli::ValueType, Failure> {
    if offset.0 == 0 {
        return Ok(gimli::ValueType::Generic);
    }
    let entry = unit.entry(offset)?;
    gimli::ValueType::from_entry(&entry)?.ok_or(Failure::Missing(Missing::OptimizedOut))
}

/// The low bytes of a word as a value of this type.
fn typed(value_type: gimli::ValueType, word: u64) -> Result<gimli::Value, Failure> {
    use gimli::{Value, ValueType};
    Ok(match value_type {
        ValueType::F32 => Value::F32(f32::from_bits(word as u32)),
        ValueType::F64 => Value::F64(f64::from_bits(word)),
        ValueType::Generic => Value::Generic(word),
        other => Value::from_u64(other, word)?,
    })
}

impl<'s> Debug<'s> {
    /// Where a variable is that needs no frame.
    pub(super) fn static_place(&mut self, image: &Rc<Image<'s>>, entry: &Entry<'s>) -> Storage {
        let Some(value) = entry.get(gimli::DW_AT_location) else { return Storage::OptimizedOut };
        let mut context = Context { image, function: None, frame: None, surroundings: &mut Nowhere, depth: 0 };
        let pieces = match context.locate(entry.place.unit, value) {
            Ok(pieces) => pieces,
            Err(Failure::ThreadLocal(offset)) => return Storage::ThreadLocal { module: image.start, offset },
            Err(Failure::Missing(_)) => return Storage::OptimizedOut,
            Err(Failure::Corrupt) => return Storage::Unsupported("an expression".to_owned()),
        };
        match pieces.as_slice() {
            [Piece { size_in_bits: None, location: Location::Address { address }, .. }] => Storage::Address(*address),
            [Piece { size_in_bits: None, location: Location::Value { value }, .. }] => value
                .to_u64(u64::MAX)
                .map_or(Storage::OptimizedOut, |value| Storage::Constant(value.to_le_bytes().to_vec())),
            [Piece { location: Location::Bytes { value }, .. }] => {
                let bytes = gimli::Reader::to_slice(value).map(|bytes| bytes.into_owned());
                bytes.map_or(Storage::OptimizedOut, Storage::Constant)
            }
            [] | [Piece { location: Location::Empty, .. }] => Storage::OptimizedOut,
            _ => Storage::Unsupported("in pieces".to_owned()),
        }
    }
}
