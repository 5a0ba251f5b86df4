//! Operators that a C++ class defines: methods of the left operand, and functions.

use super::classes::path_of;
use super::overloads::{Candidate, Way};
use super::{Answer, Evaluator, error};
use crate::ast::{Binary, Builtin, Path, Unary};
use crate::target::{Found, Stop};
use crate::types::Language;
use crate::value::Value;

impl Evaluator<'_> {
    /// Calls the operator of this name for these operands; the first one is the object of a method.
    pub(super) fn by_operator(&mut self, name: &str, operands: Vec<Value>) -> Answer {
        let Some((object, rest)) = operands.split_first() else { return error("an operator needs an operand") };
        if self.is_record(object) && !self.methods(object, name)?.is_empty() {
            return self.call_member(object, name, false, rest.to_vec());
        }
        let candidates = self.free_operators(name, &operands)?;
        if candidates.is_empty() {
            return match self.variables.language {
                Language::Cpp => error(format!("No symbol \"{name}\" in current context.")),
                _ => error(format!("Structure has no component named {name}.")),
            };
        }
        self.call_best(&format!("function {name}"), candidates, None, operands)
    }

    /// The functions of an operator's name, in the scopes of the operands' classes too.
    fn free_operators(&mut self, name: &str, operands: &[Value]) -> Result<Vec<Candidate>, Stop> {
        let mut paths = vec![Path::plain(name)];
        for operand in operands {
            let Some(class) = self.record_name(operand.type_id) else { continue };
            let mut path = path_of(&class);
            if path.segments.len() > 1 {
                if let Some(last) = path.segments.last_mut() {
                    name.clone_into(&mut last.text);
                }
                if !paths.contains(&path) {
                    paths.push(path);
                }
            }
        }
        let mut candidates: Vec<Candidate> = Vec::new();
        for path in paths {
            let found = match self.target.find(&path)? {
                Found::Function { address, type_id, name } => vec![(address, type_id, name)],
                Found::Overloads(overloads) => {
                    overloads.into_iter().map(|overload| (overload.address, overload.type_id, overload.name)).collect()
                }
                _ => Vec::new(),
            };
            for (address, type_id, name) in found {
                // One name may lead to it from here, and the other one too.
                let is_known = |it: &Candidate| matches!(it.way, Way::Address(known) if known == address);
                if !candidates.iter().any(is_known) {
                    candidates.push(Candidate { type_id, name, has_this: false, way: Way::Address(address) });
                }
            }
        }
        Ok(candidates)
    }

    pub(super) fn binary_by_operator(&mut self, operator: Binary, left: Value, right: Value) -> Answer {
        self.by_operator(&format!("operator{}", sign(operator)), vec![left, right])
    }

    /// `a += b`: by the operator of that name.
    pub(super) fn modify_by_operator(&mut self, operator: Binary, left: Value, right: Value) -> Answer {
        self.by_operator(&format!("operator{}=", sign(operator)), vec![left, right])
    }

    pub(super) fn unary_by_operator(&mut self, operator: Unary, operand: Value) -> Answer {
        let name = match operator {
            Unary::Minus => "operator-",
            Unary::Plus => "operator+",
            Unary::Not => "operator!",
            Unary::Complement => "operator~",
            _ => "operator*",
        };
        self.by_operator(name, vec![operand])
    }

    /// `++object` and `object++`; the latter's operator has an `int` that says no more than that.
    pub(super) fn step_by_operator(&mut self, operator: Unary, operand: Value) -> Answer {
        let mut operands = vec![operand];
        if matches!(operator, Unary::PostIncrement | Unary::PostDecrement) {
            let zero = self.builtin(Builtin::Int, 0);
            operands.push(zero);
        }
        let is_up = matches!(operator, Unary::PreIncrement | Unary::PostIncrement);
        self.by_operator(if is_up { "operator++" } else { "operator--" }, operands)
    }

    /// An object as a condition.
    pub(super) fn truth_of_record(&mut self, value: &Value, asking: Option<Binary>) -> Result<bool, Stop> {
        if !self.methods(value, "operator bool")?.is_empty() {
            let truth = self.call_member(value, "operator bool", false, Vec::new())?;
            let truth = self.referent(truth)?;
            return Ok(self.bytes(&truth)?.iter().any(|byte| *byte != 0));
        }
        match asking {
            Some(operator) => error(format!("Structure has no component named operator{}.", sign(operator))),
            None => error("a structure is neither true nor false"),
        }
    }
}

fn sign(operator: Binary) -> &'static str {
    match operator {
        Binary::Multiply => "*",
        Binary::Divide => "/",
        Binary::Remainder => "%",
        Binary::Add => "+",
        Binary::Subtract => "-",
        Binary::ShiftLeft => "<<",
        Binary::ShiftRight => ">>",
        Binary::Less => "<",
        Binary::LessOrEqual => "<=",
        Binary::Greater => ">",
        Binary::GreaterOrEqual => ">=",
        Binary::Equal => "==",
        Binary::NotEqual => "!=",
        Binary::BitAnd => "&",
        Binary::BitXor => "^",
        Binary::BitOr => "|",
        Binary::And => "&&",
        Binary::Or => "||",
    }
}
