//! Tree -> value, by gdb's rules for C and C++.
//!
//! Pure: all that is outside is asked of the target. Where the rooms below differ from gdb on purpose, they say so.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::access::{self, size_of, stripped};
use crate::ast::{Binary, Builtin, Expression, Unary};
use crate::target::{Stop, Target};
use crate::types::{Language, Type, TypeId};
use crate::value::{Missing, Value};

mod arithmetic;
mod assignment;
mod calls;
mod casts;
mod classes;
mod comparison;
pub(crate) mod complex;
mod convenience;
mod expansions;
mod floats;
mod history;
mod functions;
mod literals;
mod member_pointers;
mod members;
mod names;
mod native;
mod numbers;
mod objects;
mod operators;
mod overloads;
mod pointers;
mod rust;
mod sizes;
mod type_names;
mod vectors;

#[cfg(test)]
pub(crate) mod tests;
#[cfg(all(fuzzing, not(test)))]
pub(crate) mod tests;

pub(crate) use classes::path_of;
pub use history::History;
pub use names::TargetNames;

/// The name of the type that data has which no debug information describes, as [`Type::Unknown`] holds it.
pub const DATA_WITHOUT_TYPE: &str = "<data variable, no debug info>";

/// The same of a function.
pub const CODE_WITHOUT_TYPE: &str = "<text variable, no debug info>";

/// Expressions inside expressions that are followed. The stack has 256 KiB.
const DEPTH: u32 = 64;

/// What one client's expressions leave for the next ones.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    /// `$1` is the first.
    pub history: History,
    /// `$name`; shared, so that what they were before a line costs nothing to keep.
    pub convenience: Rc<BTreeMap<String, Value>>,
    /// Of the selected frame: comparisons give `int` in C and `bool` in the others; only C++ has `this`.
    pub language: Language,
}

/// The value of an expression. It is not added to the history ([`Variables::record`] does).
pub fn evaluate(expression: &Expression, variables: &mut Variables, target: &mut dyn Target) -> Result<Value, Stop> {
    let mut evaluator = Evaluator::new(variables, target, false);
    let value = evaluator.value(expression);
    value.map_err(|stop| evaluator.blamed(stop))
}

/// The type that the value of an expression would have, or the type that it names. Nothing is called and nothing is written.
pub fn type_of(expression: &Expression, variables: &mut Variables, target: &mut dyn Target) -> Result<TypeId, Stop> {
    let mut evaluator = Evaluator::new(variables, target, true);
    let type_id = match expression {
        Expression::Type(name) => evaluator.named_type(name),
        Expression::Name(path) => evaluator.type_of_name(path),
        _ => evaluator.value(expression).map(|value| value.type_id),
    };
    type_id.map_err(|stop| evaluator.blamed(stop))
}

/// One evaluation.
struct Evaluator<'a> {
    variables: &'a mut Variables,
    target: &'a mut dyn Target,
    /// Only types are wanted: what cannot be read is zero, calls return zeros, assignments leave all as it is.
    types_only: bool,
    depth: u32,
    expansions: expansions::Expansions,
}

type Answer = Result<Value, Stop>;

/// An error with this text.
fn error<T>(text: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Error(text.into()))
}

impl<'a> Evaluator<'a> {
    fn new(variables: &'a mut Variables, target: &'a mut dyn Target, types_only: bool) -> Self {
        Evaluator { variables, target, types_only, depth: 0, expansions: expansions::Expansions::default() }
    }

    fn blamed(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Error(reason) => Stop::Error(self.expansions.blame(reason)),
            Stop::Suspended => Stop::Suspended,
        }
    }

    fn value(&mut self, expression: &Expression) -> Answer {
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH {
            return error(format!("more than {DEPTH} expressions stand in each other"));
        }
        self.target.check()?;
        let value = self.dispatched(expression);
        self.depth = self.depth.saturating_sub(1);
        value
    }

    /// What has locals of its own is a function that is not inlined: this one's frame is on the stack once a level.
    fn dispatched(&mut self, expression: &Expression) -> Answer {
        match expression {
            Expression::Integer(integer, builtin) => Ok(self.builtin(*builtin, *integer as i128)),
            Expression::Floating(text, builtin) => self.floating(text, *builtin),
            Expression::Imaginary(number) => {
                let number = self.value(number)?;
                self.imaginary(number)
            }
            Expression::Character(code, builtin) => Ok(self.builtin(*builtin, i128::from(*code))),
            Expression::String(bytes, builtin) => Ok(self.string(bytes, *builtin)),
            Expression::Truth(truth) => Ok(self.builtin(Builtin::Bool, i128::from(*truth))),
            Expression::NullPointer => Ok(self.null()),
            Expression::Name(path) => self.name(path),
            Expression::Dollar(name) => Ok(self.dollar(name)),
            Expression::HistoryBack(back) => self.history_back(*back),
            Expression::HistoryNumber(number) => self.history_number(*number),
            Expression::Unary(operator, operand) => self.unary_expression(*operator, operand),
            Expression::Binary(operator, left, right) => self.binary_expression(*operator, left, right),
            Expression::Assign(left, right) => self.assign_expression(left, right),
            Expression::Modify(operator, left, right) => self.modify_expression(*operator, left, right),
            Expression::Comma(left, right) => {
                self.value(left)?;
                self.value(right)
            }
            Expression::Conditional(condition, yes, no) => {
                if self.holds(condition)? {
                    self.value(yes)
                } else {
                    self.value(no)
                }
            }
            Expression::Cast(kind, name, operand) => self.cast_expression(*kind, name, operand),
            Expression::Index(array, index) => self.index_expression(array, index),
            Expression::Member { object, name, through_pointer } => {
                self.member_expression(object, name, *through_pointer)
            }
            Expression::ThroughMember { object, pointer, through_pointer } => {
                self.through_member(object, pointer, *through_pointer)
            }
            Expression::Call { function, arguments } => self.call_expression(function, arguments, None),
            Expression::Repeat(first, count) => self.repeat_expression(first, count),
            Expression::At(name, address) => self.at_expression(name, address),
            Expression::Type(_) => error("Attempt to use a type as an expression"),
            Expression::SizeofType(name) => self.size_of_name(name),
            Expression::SizeofValue(operand) => self.size_of_value(operand),
            Expression::AlignofType(name) => self.alignment_of_name(name),
            Expression::AlignofValue(operand) => self.alignment_of_value(operand),
        }
    }

    #[inline(never)]
    fn unary_expression(&mut self, operator: Unary, operand: &Expression) -> Answer {
        match operator {
            Unary::AddressOf => self.address_of(operand),
            Unary::PreIncrement | Unary::PreDecrement | Unary::PostIncrement | Unary::PostDecrement => {
                self.step_expression(operator, operand)
            }
            Unary::Dereference => {
                let value = self.value(operand)?;
                self.dereferenced(value)
            }
            Unary::Minus | Unary::Plus | Unary::Not | Unary::Complement => {
                let value = self.value(operand)?;
                self.unary(operator, value)
            }
        }
    }

    #[inline(never)]
    fn binary_expression(&mut self, operator: Binary, left: &Expression, right: &Expression) -> Answer {
        match operator {
            Binary::And | Binary::Or => {
                // The other operand decides only when this one does not.
                let decides = operator == Binary::Or;
                let first = self.value(left)?;
                let truth =
                    if self.truth_for(&first, Some(operator))? == decides { decides } else { self.holds(right)? };
                Ok(self.truth_value(truth))
            }
            _ => {
                let left = self.value(left)?;
                let right = self.value(right)?;
                self.binary(operator, left, right)
            }
        }
    }

    /// Below typedefs and qualifiers.
    fn stripped(&mut self, type_id: TypeId) -> (TypeId, std::rc::Rc<Type>) {
        stripped(type_id, self.target)
    }

    fn size_of(&mut self, type_id: TypeId) -> Option<u64> {
        size_of(type_id, self.target).or_else(|| match &*self.stripped(type_id).1 {
            // As a function that is described has.
            Type::Unknown(name) if name == CODE_WITHOUT_TYPE => Some(1),
            _ => None,
        })
    }

    fn intern(&mut self, type_: Type) -> TypeId {
        self.target.intern(type_)
    }

    /// How a type is spelled in messages.
    fn type_text(&mut self, type_id: TypeId) -> String {
        crate::print::name(type_id, self.target)
    }

    /// The bytes of a value, all of them.
    fn bytes(&mut self, value: &Value) -> Result<Vec<u8>, Stop> {
        let bytes = match access::bytes(value, self.target) {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(Missing::OptimizedOut)) => error("value has been optimized out"),
            Ok(Err(Missing::NotCaptured)) => error("value was not captured"),
            Ok(Err(Missing::SyntheticPointer)) => error(
                "this pointer is synthetic: the optimizer has left nothing of it; print the variable whose address it is by its own name",
            ),
            Err(stop) => Err(stop),
        };
        match bytes {
            Err(Stop::Error(_)) if self.types_only => Ok(self.zeros(value.type_id)),
            other => other,
        }
    }

    fn zeros(&mut self, type_id: TypeId) -> Vec<u8> {
        let size = self.size_of(type_id).unwrap_or(0).min(access::LARGEST);
        vec![0; usize::try_from(size).unwrap_or(0)]
    }

    /// A value of this type whose bytes are all zero.
    fn zero(&mut self, type_id: TypeId) -> Value {
        let bytes = self.zeros(type_id);
        Value::new(type_id, bytes)
    }

    /// An integer as a value of a type that the language has.
    #[inline(never)]
    fn builtin(&mut self, builtin: Builtin, integer: i128) -> Value {
        let type_id = self.builtin_type(builtin);
        let size = builtin.base().map_or(0, |base| base.size);
        Value::new(type_id, access::integer_bytes(integer, size))
    }

    /// The value of a comparison: C's is an `int`.
    fn truth_value(&mut self, truth: bool) -> Value {
        let builtin = if self.variables.language == Language::C { Builtin::Int } else { Builtin::Bool };
        self.builtin(builtin, i128::from(truth))
    }
}
