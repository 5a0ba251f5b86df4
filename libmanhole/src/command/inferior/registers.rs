//! `$pc`, `$sp`, `$rax`: the registers of the selected frame, with the types that gdb gives them.
//!
//! Context: the agent's thread.

use manhole_expressions::Target;
use manhole_expressions::ast::Builtin;
use manhole_expressions::types::{Base, Encoding, Function, Type, TypeId};
use manhole_expressions::value::{Content, Missing, Value};

use super::Inferior;
use crate::render::arch;
use crate::snapshot::{RBP, RIP, RSP};

impl Inferior<'_, '_> {
    /// The register of this name; `None` when there is no such register.
    pub(super) fn register_value(&mut self, name: &str) -> Option<Value> {
        let Some(number) = arch::register(name) else { return self.other_register(name) };
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

    /// A part of a register, or one that is never captured.
    fn other_register(&mut self, name: &str) -> Option<Value> {
        let Some(part) = arch::part(name) else {
            let is_known = arch::is_never_captured(name);
            let type_id = is_known.then(|| self.intern(Type::Unknown(name.to_owned())))?;
            return Some(Value::missing(type_id, Missing::NotCaptured));
        };
        let whole = self.register_value(&part.whole)?;
        let base = Base { name: part.type_name.to_owned(), size: part.size, encoding: Encoding::Signed };
        let type_id = self.intern(Type::Base(base));
        let size = usize::try_from(part.size).ok()?;
        Some(match whole.content {
            Content::Bytes(bytes) => Value::new(type_id, bytes.get(part.from..)?.get(..size)?.to_vec()),
            _ => Value::missing(type_id, Missing::NotCaptured),
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
