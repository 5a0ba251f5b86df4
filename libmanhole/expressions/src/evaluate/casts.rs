//! C's casts and C++'s, and the conversions that assignments and calls make.

use super::floats::Float;
use super::numbers::{Number, is_boolean, is_float, is_integral};
use super::{Answer, CODE_WITHOUT_TYPE, Evaluator, error};
use crate::access::integer_bytes;
use crate::ast::{CastKind, Expression, TypeName};
use crate::float::Format;
use crate::target::{Found, Stop};
use crate::types::{Base, Type, TypeId};
use crate::value::{Content, Place, Value};

impl Evaluator<'_> {
    #[inline(never)]
    pub(super) fn cast_expression(&mut self, kind: CastKind, name: &TypeName, operand: &Expression) -> Answer {
        let to = self.named_type(name)?;
        match operand {
            // What has no type is what the cast says: a function that returns it, data that is one.
            Expression::Call { function, arguments } if kind == CastKind::C => {
                let value = self.call_expression(function, arguments, Some(to))?;
                return self.cast(to, value);
            }
            Expression::Name(path) => {
                if let Found::Symbol { address, is_function: false, type_id: None, .. } = self.resolved(path)? {
                    return Ok(Value::at(to, address));
                }
            }
            _ => {}
        }
        let value = self.value(operand)?;
        match kind {
            CastKind::C | CastKind::Static | CastKind::Const => self.cast(to, value),
            CastKind::Dynamic => self.dynamic_cast(to, value),
            CastKind::Reinterpret => self.reinterpret_cast(to, value),
        }
    }

    /// The value as one of another type.
    #[inline(never)]
    pub(super) fn cast(&mut self, to: TypeId, value: Value) -> Answer {
        let (to_stripped, target_type) = self.stripped(to);
        if let Type::Reference { to: referred, .. } = &*target_type {
            let value = self.referent(value)?;
            let value = self.cast(*referred, value)?;
            let address = self.standing(&value)?;
            return Ok(Value::new(to, address.to_le_bytes().to_vec()));
        }
        let value = self.referent(value)?;
        let (from_stripped, from_type) = self.stripped(value.type_id);
        let is_same = to_stripped == from_stripped
            // A type that C's own words name is not the one of the debug information, though it is the same.
            || matches!((&*target_type, &*from_type), (Type::Base(a), Type::Base(b)) if (a.size, a.encoding) == (b.size, b.encoding));
        if is_same && !matches!(&*from_type, Type::Function(_)) {
            return Ok(Value { type_id: to, ..value });
        }
        if let Type::Array { of, count: None, is_vector: false } = &*target_type
            && !matches!(&*from_type, Type::Void | Type::Function(_))
        {
            return self.cast_to_open_array(*of, value);
        }
        if let Some(text) = self.cast_to_rust_text(to, &target_type, &value)? {
            return Ok(text);
        }
        // As gdb has it: what an array is cast from is a pointer, unless it is an array of this very type.
        let value = self.decayed(value)?;
        let (_, from_type) = self.stripped(value.type_id);
        if let Some(complex) = self.cast_to_complex(to, &value)? {
            return Ok(complex);
        }
        let from_pointer = matches!(&*from_type, Type::Pointer(_));
        match &*target_type {
            Type::Void => return Ok(Value::new(to, Vec::new())),
            Type::Record(_) if matches!(&*from_type, Type::Record(_)) => {
                if let Some(part) = self.cast_record(to, &value)? {
                    return Ok(part);
                }
            }
            Type::Base(base) if is_float(&target_type) => {
                if let Some(number) = self.number(&value)? {
                    let size = self.size_of(to).unwrap_or(8);
                    let Some(format) = Format::of(base) else {
                        return error(format!("the format of {} is not known", base.name));
                    };
                    return Ok(match number {
                        Number::Float(float) => float.to(format, to, size).value(),
                        Number::Integer(integer) => Float::new(&[], format, to, size).of_integer(integer).value(),
                    });
                }
            }
            Type::Base(_) | Type::Enumeration(_) if is_integral(&target_type) => {
                let number = match self.number(&value)? {
                    Some(number) => Some(number),
                    None if from_pointer => Some(Number::Integer(super::numbers::Integer {
                        value: i128::from(self.word(&value)?),
                        size: 8,
                        is_signed: false,
                        is_boolean: false,
                    })),
                    None => None,
                };
                if let Some(number) = number {
                    return self.cast_to_integral(to, &target_type, number);
                }
            }
            Type::Pointer(pointee) => {
                if let Some(Number::Integer(integer)) = self.number(&value)? {
                    return Ok(Value::new(to, integer_bytes(integer.value, 8)));
                }
                if let (true, Type::Pointer(from)) = (from_pointer, &*from_type) {
                    return self.cast_pointer(to, *pointee, *from, &value);
                }
            }
            Type::MemberPointer { to: member, .. } => {
                if let Some(Number::Integer(super::numbers::Integer { value: 0, .. })) = self.number(&value)? {
                    // Itanium C++ ABI, 2.3: an offset of -1 is no member, an address of 0 no function.
                    let is_code = matches!(&*self.stripped(*member).1, Type::Function(_));
                    return Ok(if is_code { self.zero(to) } else { Value::new(to, vec![0xff; 8]) });
                }
            }
            Type::Array { of, is_vector: true, count } => {
                if let (Some(_), Some(count)) = (self.number(&value)?, count) {
                    return self.widened(to, *of, *count, value);
                }
            }
            _ => {}
        }
        self.reinterpreted(to, value)
    }

    /// gdb's last resort: the same bytes, or what is in memory there.
    fn reinterpreted(&mut self, to: TypeId, value: Value) -> Answer {
        let sizes = (self.size_of(to), self.size_of(value.type_id));
        match (sizes, &value.place, &value.content) {
            ((Some(size), Some(same)), Place::None | Place::Memory(_), _) if size == same => {
                Ok(Value { type_id: to, ..value })
            }
            ((Some(_), _), Place::Memory(address), _) => {
                Ok(Value { is_stale: value.is_stale, ..Value::at(to, *address) })
            }
            ((Some(size), Some(same)), _, Content::Bytes(bytes)) if size == same => Ok(Value::new(to, bytes.clone())),
            _ => error("Invalid cast."),
        }
    }

    fn cast_to_integral(&mut self, to: TypeId, target_type: &Type, number: Number) -> Answer {
        if is_boolean(target_type) {
            let truth = match number {
                // gdb goes through an integer.
                Number::Float(float) => float.is_true_cut(),
                Number::Integer(integer) => integer.value != 0,
            };
            return Ok(self.integral_value(i128::from(truth), to));
        }
        let size = self.size_of(to).unwrap_or(4);
        let integer = match number {
            Number::Float(float) => float.truncated(crate::access::is_signed(target_type), size),
            Number::Integer(integer) => integer.value,
        };
        Ok(Value::new(to, integer_bytes(integer, size)))
    }

    /// `(char[])x`: as many elements as there is room for.
    fn cast_to_open_array(&mut self, of: TypeId, value: Value) -> Answer {
        let (Some(size), Some(all)) = (self.size_of(of), self.size_of(value.type_id)) else {
            return error("Invalid cast.");
        };
        let count = all.checked_div(size).unwrap_or(0);
        let type_id = self.intern(Type::Array { of, count: Some(count), is_vector: false });
        Ok(Value { type_id, ..value })
    }

    fn widened(&mut self, to: TypeId, of: TypeId, count: u64, value: Value) -> Answer {
        let element = self.cast(of, value)?;
        let bytes = self.bytes(&element)?;
        if (bytes.len() as u64).saturating_mul(count) > crate::access::LARGEST {
            return error("the vector is too large");
        }
        Ok(Value::new(to, bytes.repeat(usize::try_from(count).unwrap_or(0))))
    }

    /// Between pointers: those to related classes are moved to the part that the class is.
    fn cast_pointer(&mut self, to: TypeId, pointee: TypeId, from: TypeId, value: &Value) -> Answer {
        let address = self.word(value)?;
        let are_records = self.is_record_type(pointee) && self.is_record_type(from);
        if address != 0
            && are_records
            && let Some(part) = self.cast_record(pointee, &Value::at(from, address))?
            && let Place::Memory(address) = part.place
        {
            return Ok(Value::new(to, address.to_le_bytes().to_vec()));
        }
        Ok(Value::new(to, address.to_le_bytes().to_vec()))
    }

    #[inline(never)]
    fn reinterpret_cast(&mut self, to: TypeId, value: Value) -> Answer {
        let (_, target_type) = self.stripped(to);
        if matches!(&*target_type, Type::Reference { .. }) {
            let value = self.referent(value)?;
            let address = self.standing(&value)?;
            return Ok(Value::new(to, address.to_le_bytes().to_vec()));
        }
        let value = self.decayed(value)?;
        match (&*target_type, &*self.stripped(value.type_id).1) {
            (Type::Pointer(_), Type::Pointer(_)) => {
                let bytes = self.bytes(&value)?;
                Ok(Value::new(to, bytes))
            }
            (Type::Pointer(_), _) | (_, Type::Pointer(_)) => self.cast(to, value),
            (Type::Base(_) | Type::Enumeration(_), Type::Base(_) | Type::Enumeration(_)) => self.cast(to, value),
            (Type::MemberPointer { .. }, Type::MemberPointer { .. }) => Ok(Value { type_id: to, ..value }),
            _ => error("Invalid reinterpret_cast"),
        }
    }

    #[inline(never)]
    fn dynamic_cast(&mut self, to: TypeId, value: Value) -> Answer {
        let (_, target_type) = self.stripped(to);
        let (object, wanted, is_reference) = match &*target_type {
            Type::Pointer(wanted) => {
                let value = self.decayed(value)?;
                let (_, from) = self.stripped(value.type_id);
                let Type::Pointer(from) = &*from else {
                    return error("Argument to dynamic_cast does not have pointer type");
                };
                let address = self.word(&value)?;
                if address == 0 || self.types_only {
                    return Ok(self.zero(to));
                }
                (Value::at(*from, address), *wanted, false)
            }
            Type::Reference { to: wanted, .. } => (self.referent(value)?, *wanted, true),
            _ => return error("Argument to dynamic_cast must be a pointer or reference type"),
        };
        if !self.is_record(&object) {
            return error("Argument to dynamic_cast does not have class type");
        }
        if self.types_only {
            return Ok(self.zero(to));
        }
        let whole = self.whole_object(&object)?;
        let found = match whole {
            None => self.upcast(wanted, &object)?,
            Some(whole) if matches!(&*self.stripped(wanted).1, Type::Void) => Some(whole),
            Some(whole) if self.is_same_record(wanted, whole.type_id) => Some(whole),
            Some(whole) => self.upcast(wanted, &whole)?,
        };
        match found.map(|part| part.place) {
            Some(Place::Memory(address)) => Ok(Value::new(to, address.to_le_bytes().to_vec())),
            _ if is_reference => error("dynamic_cast failed"),
            _ => Ok(Value::new(to, vec![0; 8])),
        }
    }

    /// What is passed for a parameter that has no type: C's default argument promotions.
    pub(super) fn promoted_argument(&mut self, value: Value) -> Answer {
        let value = self.decayed(value)?;
        let (_, described) = self.stripped(value.type_id);
        match &*described {
            Type::Base(Base { size: 0..=4, .. }) if is_float(&described) => {
                let double = self.intern(crate::ast::Builtin::Double.as_type());
                self.cast(double, value)
            }
            _ if is_integral(&described) => match self.number(&value)? {
                Some(Number::Integer(integer)) if integer.size < 4 => {
                    Ok(self.builtin(crate::ast::Builtin::Int, integer.value))
                }
                _ => self.loaded(value),
            },
            Type::Unknown(name) if name != CODE_WITHOUT_TYPE => error("an argument has an unknown type; cast it"),
            _ => self.loaded(value),
        }
    }

    /// The value with its bytes, standing nowhere.
    pub(super) fn loaded(&mut self, value: Value) -> Result<Value, Stop> {
        if let Content::Missing(_) = value.content {
            self.bytes(&value)?;
        }
        let bytes = self.bytes(&value)?;
        Ok(Value::new(value.type_id, bytes))
    }
}
