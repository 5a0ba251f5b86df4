//! Which of several C++ functions of one name a call means.

use super::numbers::{is_boolean, is_float, is_integral};
use super::{Evaluator, error};
use crate::target::Stop;
use crate::types::{Method, Type, TypeId};
use crate::value::Value;

/// A function that a call may mean.
pub(super) struct Candidate {
    pub(super) type_id: TypeId,
    /// As people read it, with its parameters.
    pub(super) name: String,
    /// Its first parameter is `this`.
    pub(super) has_this: bool,
    pub(super) way: Way,
}

/// How its code is found.
pub(super) enum Way {
    Address(u64),
    Method { method: Method, part: Value, is_qualified: bool },
}

/// How far an argument's type is from a parameter's; less is better.
type Distance = u32;

const PROMOTION: Distance = 1;
const CONVERSION: Distance = 10;
const FLOAT_CONVERSION: Distance = 11;
const POINTER_CONVERSION: Distance = 20;
const ODD_CONVERSION: Distance = 40;

impl Evaluator<'_> {
    /// The candidate that fits best. A single one is taken as it is, when it takes that many arguments.
    pub(super) fn chosen(
        &mut self,
        what: &str,
        candidates: Vec<Candidate>,
        object: Option<&Value>,
        arguments: &[Value],
    ) -> Result<Candidate, Stop> {
        let is_single = candidates.len() == 1;
        let mut fitting: Vec<(Vec<Distance>, Candidate)> = Vec::new();
        for candidate in candidates {
            self.target.check()?;
            let (_, described) = self.stripped(candidate.type_id);
            let Type::Function(function) = &*described else { continue };
            let parameters = function.parameters.get(usize::from(candidate.has_this)..).unwrap_or_default();
            let is_open = function.is_variadic || !function.is_prototyped && parameters.is_empty();
            if is_single && (arguments.len() <= parameters.len() || is_open) {
                // Too few are told by the call.
                return Ok(candidate);
            }
            if arguments.len() < parameters.len() || (arguments.len() > parameters.len() && !is_open) {
                continue;
            }
            let mut distances = Vec::new();
            for (argument, parameter) in arguments.iter().zip(parameters) {
                match self.distance(argument, *parameter)? {
                    Some(distance) => distances.push(distance),
                    None => break,
                }
            }
            if distances.len() == parameters.len() {
                distances.resize(arguments.len(), ODD_CONVERSION);
                fitting.push((distances, candidate));
            }
        }
        let least = fitting.iter().map(|(distances, _)| distances.iter().sum::<u32>()).min();
        let (mut best, _): (Vec<_>, Vec<_>) =
            fitting.into_iter().partition(|(distances, _)| Some(distances.iter().sum::<u32>()) == least);
        if let Some(object) = object.filter(|_| best.len() > 1) {
            // `data() const` is for those that cannot be changed, `data()` for all others.
            let is_const = self.is_const(object.type_id);
            if best.iter().any(|(_, candidate)| self.has_const_this(candidate) == is_const) {
                best.retain(|(_, candidate)| self.has_const_this(candidate) == is_const);
            }
        }
        match (best.pop(), best.is_empty()) {
            (None, _) => error(format!("Cannot resolve {what} to any overloaded instance")),
            (Some((_, candidate)), true) => Ok(candidate),
            (Some((_, last)), false) => {
                let mut names: Vec<_> = best.into_iter().map(|(_, candidate)| candidate.name).collect();
                names.push(last.name);
                error(format!("{what} is ambiguous for these arguments:\n  {}", names.join("\n  ")))
            }
        }
    }

    /// `None`: the argument does not fit.
    fn distance(&mut self, argument: &Value, parameter: TypeId) -> Result<Option<Distance>, Stop> {
        let given = self.without_reference(argument.type_id);
        let wanted = self.without_reference(parameter);
        let (given_id, given_type) = self.stripped(given);
        let (wanted_id, wanted_type) = self.stripped(wanted);
        if given_id == wanted_id || given_type == wanted_type {
            return Ok(Some(0));
        }
        let given_integral = is_integral(&given_type);
        Ok(match &*wanted_type {
            Type::Record(_) if matches!(&*given_type, Type::Record(_)) => {
                if self.is_same_record(given, wanted) {
                    Some(0)
                } else {
                    self.is_base(wanted, given).then_some(POINTER_CONVERSION)
                }
            }
            Type::Pointer(to) => match &*given_type {
                Type::Pointer(from) | Type::Array { of: from, .. } => self.pointer_distance(*from, *to),
                Type::Function(_) => Some(if self.stripped(*to).0 == given_id { 0 } else { ODD_CONVERSION }),
                // Zero is a null pointer.
                _ if given_integral => {
                    let is_null = self.bytes(argument)?.iter().all(|byte| *byte == 0);
                    is_null.then_some(POINTER_CONVERSION)
                }
                _ => None,
            },
            wanted if is_boolean(wanted) => {
                let is_scalar = given_integral || is_float(&given_type) || matches!(&*given_type, Type::Pointer(_));
                is_scalar.then_some(ODD_CONVERSION)
            }
            wanted if is_float(wanted) => {
                let sizes = (self.size_of(given), self.size_of(wanted_id));
                match sizes {
                    (Some(4), Some(8)) if is_float(&given_type) => Some(PROMOTION),
                    _ if is_float(&given_type) => Some(CONVERSION),
                    _ => given_integral.then_some(FLOAT_CONVERSION),
                }
            }
            wanted if is_integral(wanted) => {
                if is_float(&given_type) {
                    return Ok(Some(FLOAT_CONVERSION));
                }
                if !given_integral || matches!(wanted, Type::Enumeration(_)) {
                    return Ok(None);
                }
                let (given_size, wanted_size) =
                    (self.size_of(given).unwrap_or(0), self.size_of(wanted_id).unwrap_or(0));
                let is_signed = crate::access::is_signed(wanted);
                let is_promotion = wanted_size == 4 && is_signed && given_size < 4;
                let is_alias = given_size == wanted_size && is_signed == crate::access::is_signed(&given_type);
                // `long` and `long int`, the prompt's and the program's.
                let is_same = is_alias && matches!(&*given_type, Type::Base(_)) && given_size > 1;
                Some(if is_same {
                    0
                } else if is_promotion {
                    PROMOTION
                } else {
                    CONVERSION
                })
            }
            _ => None,
        })
    }

    fn pointer_distance(&mut self, from: TypeId, to: TypeId) -> Option<Distance> {
        let (from_id, from_type) = self.stripped(from);
        let (to_id, to_type) = self.stripped(to);
        if from_id == to_id || from_type == to_type || self.is_same_record(from, to) {
            return Some(0);
        }
        if self.is_base(to, from) {
            return Some(POINTER_CONVERSION);
        }
        matches!(&*to_type, Type::Void).then_some(POINTER_CONVERSION.saturating_add(1))
    }

    fn is_const(&mut self, type_id: TypeId) -> bool {
        let mut at = type_id;
        for _ in 0..64 {
            at = match &*self.target.describe(at) {
                Type::Const(_) => return true,
                Type::Volatile(to) | Type::Typedef { to, .. } | Type::Reference { to, .. } => *to,
                _ => return false,
            };
        }
        false
    }

    /// Whether a method's object is one that it does not change.
    fn has_const_this(&mut self, candidate: &Candidate) -> bool {
        let (_, described) = self.stripped(candidate.type_id);
        let Type::Function(function) = &*described else { return false };
        let this = function.parameters.first().filter(|_| candidate.has_this);
        this.is_some_and(|this| match &*self.stripped(*this).1 {
            Type::Pointer(to) => self.is_const(*to),
            _ => false,
        })
    }

    /// Whether `base` is a base class of `class`.
    fn is_base(&mut self, base: TypeId, class: TypeId) -> bool {
        self.has_base(class, base, 24, &mut 1000)
    }
}
