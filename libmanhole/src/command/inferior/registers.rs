//! `$pc`, `$sp`, `$rax`: the registers of the selected frame, with the types that gdb gives them.
//!
//! Context: the agent's thread.

use manhole_expressions::Target;
use manhole_expressions::ast::Builtin;
use manhole_expressions::types::{Function, Type, TypeId};
use manhole_expressions::value::{Missing, Value};

use super::Inferior;
use crate::render::arch;
use crate::snapshot::{RBP, RIP, RSP};

impl Inferior<'_, '_> {
    /// The register of this name; `None` when there is no such register.
    pub(super) fn register_value(&mut self, name: &str) -> Option<Value> {
        let number = arch::register(name)?;
        let type_id = self.register_type(number);
        let view = self.view();
        let frame = view.as_ref().and_then(|view| {
            let shown = view.stack.levels.get(view.level)?;
            view.stack.frames.get(shown.frame)
        });
        Some(match frame.and_then(|frame| frame.registers.get(number)) {
            Some(value) => Value::new(type_id, value.to_le_bytes().to_vec()),
            None => Value::missing(type_id, Missing::NotCaptured),
        })
    }

    fn register_type(&mut self, number: u16) -> TypeId {
        let void = self.intern(Type::Void);
        match number {
            RIP => {
                let function = Function {
                    returns: void,
                    parameters: Vec::new(),
                    is_variadic: false,
                    is_prototyped: false,
                    is_of_rust: false,
                };
                let function = self.intern(Type::Function(function));
                self.intern(Type::Pointer(function))
            }
            RSP | RBP => self.intern(Type::Pointer(void)),
            _ => self.intern(Builtin::Long.as_type()),
        }
    }
}
