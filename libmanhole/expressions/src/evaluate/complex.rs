//! Complex numbers: gdb's arithmetic of them, which is that of the parts.
//!
//! Pure.

use super::numbers::{Number, builtin_of};
use super::{Answer, Evaluator, error};
use crate::access::part;
use crate::ast::{Binary, Builtin, Unary};
use crate::target::Stop;
use crate::types::{Base, Encoding, Type, TypeId};
use crate::value::Value;

/// A complex number in its parts.
struct Complex {
    real: Value,
    imaginary: Value,
    /// The type of the whole, stripped; `None` for a real number.
    type_id: Option<TypeId>,
}

/// The type of a complex type's parts.
pub(crate) fn part_of(base: &Base) -> Option<Base> {
    let size = base.size / 2;
    match base.encoding {
        Encoding::ComplexFloat => {
            let builtin = match size {
                4 => Builtin::Float,
                8 => Builtin::Double,
                16 if base.name.contains("128") => {
                    return Some(Base { name: "_Float128".to_owned(), size, encoding: Encoding::Float });
                }
                10 | 12 | 16 => Builtin::LongDouble,
                _ => return None,
            };
            builtin.base()
        }
        Encoding::ComplexInteger => {
            let name = base.name.trim_start_matches("_Complex ").trim_start_matches("complex ").to_owned();
            let is_unsigned = name.contains("unsigned");
            Some(Base { name, size, encoding: if is_unsigned { Encoding::Unsigned } else { Encoding::Signed } })
        }
        _ => None,
    }
}

/// The complex type with such parts, as gdb names it.
fn whole_of(part: &Base) -> Option<Base> {
    let encoding = match part.encoding {
        Encoding::Float => Encoding::ComplexFloat,
        Encoding::ComplexFloat | Encoding::ComplexInteger | Encoding::Utf => return None,
        _ => Encoding::ComplexInteger,
    };
    let name = match part.name.as_str() {
        "float" => "complex".to_owned(),
        "double" => "double complex".to_owned(),
        name => format!("_Complex {name}"),
    };
    Some(Base { name, size: part.size.saturating_mul(2), encoding })
}

impl Evaluator<'_> {
    pub(super) fn is_complex(&mut self, value: &Value) -> bool {
        self.is_complex_type(value.type_id)
    }

    fn is_complex_type(&mut self, type_id: TypeId) -> bool {
        matches!(&*self.stripped(type_id).1, Type::Base(base) if part_of(base).is_some())
    }

    /// The complex type whose parts are of this one.
    pub(super) fn complex_type(&mut self, part: TypeId) -> Result<TypeId, Stop> {
        match &*self.stripped(part).1 {
            Type::Base(base) if let Some(whole) = whole_of(base) => Ok(self.intern(Type::Base(whole))),
            _ => error("Argument to complex arithmetic operation not supported."),
        }
    }

    /// A complex number, or a real one as a complex one.
    fn complex(&mut self, value: &Value) -> Result<Complex, Stop> {
        let (type_id, described) = self.stripped(value.type_id);
        if let Type::Base(base) = &*described
            && let Some(of) = part_of(base)
        {
            let size = of.size;
            let of = self.intern(Type::Base(of));
            let whole = Value::new(type_id, self.bytes(value)?);
            let real = part(&whole, 0, of, self.target);
            let imaginary = part(&whole, size, of, self.target);
            return Ok(Complex { real, imaginary, type_id: Some(type_id) });
        }
        let imaginary = self.zero(value.type_id);
        Ok(Complex { real: value.clone(), imaginary, type_id: None })
    }

    /// The real part of a complex number, or the other one.
    pub(super) fn complex_part(&mut self, value: &Value, is_real: bool) -> Answer {
        if !self.is_complex(value) {
            return error("expected a complex number");
        }
        let parts = self.complex(value)?;
        Ok(if is_real { parts.real } else { parts.imaginary })
    }

    /// The number of a complex type with these parts.
    fn assembled(&mut self, real: Value, imaginary: Value, type_id: TypeId) -> Answer {
        let of = match &*self.stripped(type_id).1 {
            Type::Base(base) => part_of(base),
            _ => None,
        };
        let Some(of) = of else { return error("Argument to complex arithmetic operation not supported.") };
        let of = self.intern(Type::Base(of));
        let (real, imaginary) = (self.cast(of, real)?, self.cast(of, imaginary)?);
        let mut bytes = self.bytes(&real)?;
        bytes.extend(self.bytes(&imaginary)?);
        Ok(Value::new(type_id, bytes))
    }

    /// `2i`.
    #[inline(never)]
    pub(super) fn imaginary(&mut self, number: Value) -> Answer {
        let type_id = self.complex_type(number.type_id)?;
        let zero = self.zero(number.type_id);
        self.assembled(zero, number, type_id)
    }

    /// A number as one of a complex type; `None`: the type is none.
    pub(super) fn cast_to_complex(&mut self, to: TypeId, value: &Value) -> Result<Option<Value>, Stop> {
        if !self.is_complex_type(to) {
            return Ok(None);
        }
        if !self.is_complex(value) && self.number(value)?.is_none() {
            return error("cannot cast non-number to complex");
        }
        let parts = self.complex(value)?;
        self.assembled(parts.real, parts.imaginary, to).map(Some)
    }

    /// The type that the parts of two operands are converted to: integers are not promoted.
    fn common_part(&mut self, left: &Value, right: &Value) -> Result<TypeId, Stop> {
        Ok(match (self.number(left)?, self.number(right)?) {
            (Some(Number::Float(a)), Some(Number::Float(b))) => {
                if b.size > a.size {
                    b.type_id
                } else {
                    a.type_id
                }
            }
            (Some(Number::Float(only)), Some(_)) | (Some(_), Some(Number::Float(only))) => only.type_id,
            (Some(Number::Integer(a)), Some(Number::Integer(b))) => {
                let (size, is_signed) = a.common(b);
                match (a.size == size && a.is_signed == is_signed, b.size == size && b.is_signed == is_signed) {
                    (true, _) => self.stripped(left.type_id).0,
                    (_, true) => self.stripped(right.type_id).0,
                    _ => self.intern(builtin_of(size, is_signed).as_type()),
                }
            }
            _ => return error("Argument to complex arithmetic operation not supported."),
        })
    }

    /// `+`, `-`, `*`, `/` where one operand is complex.
    #[inline(never)]
    pub(super) fn binary_of_complex(&mut self, operator: Binary, left: &Value, right: &Value) -> Answer {
        let (left, right) = (self.complex(left)?, self.complex(right)?);
        let of = self.common_part(&left.real, &right.real)?;
        let mut type_id = self.complex_type(of)?;
        for own in [left.type_id, right.type_id].into_iter().flatten() {
            // The operand's own type, as the debug information names it, when it is long enough.
            if self.same_base(own, type_id) {
                type_id = own;
                break;
            }
        }
        let right_is_complex = right.type_id.is_some();
        let (a, b) = (self.cast(of, left.real)?, self.cast(of, left.imaginary)?);
        let (c, d) = (self.cast(of, right.real)?, self.cast(of, right.imaginary)?);
        let (real, imaginary) = match operator {
            Binary::Add | Binary::Subtract => (self.binary(operator, a, c)?, self.binary(operator, b, d)?),
            Binary::Multiply => self.product(a, b, c, d)?,
            Binary::Divide if right_is_complex => {
                // By the conjugate, and by the square of the absolute value.
                let conjugate = self.unary(Unary::Minus, d.clone())?;
                let (real, imaginary) = self.product(a, b, c.clone(), conjugate)?;
                let (square, other) =
                    (self.binary(Binary::Multiply, c.clone(), c)?, self.binary(Binary::Multiply, d.clone(), d)?);
                let absolute = self.binary(Binary::Add, square, other)?;
                (
                    self.binary(Binary::Divide, real, absolute.clone())?,
                    self.binary(Binary::Divide, imaginary, absolute)?,
                )
            }
            Binary::Divide => (self.binary(operator, a, c.clone())?, self.binary(operator, b, c)?),
            _ => return error("Invalid binary operation on numbers."),
        };
        self.assembled(real, imaginary, type_id)
    }

    /// (a + bi)(c + di).
    fn product(&mut self, a: Value, b: Value, c: Value, d: Value) -> Result<(Value, Value), Stop> {
        let ac = self.binary(Binary::Multiply, a.clone(), c.clone())?;
        let bd = self.binary(Binary::Multiply, b.clone(), d.clone())?;
        let ad = self.binary(Binary::Multiply, a, d)?;
        let bc = self.binary(Binary::Multiply, b, c)?;
        Ok((self.binary(Binary::Subtract, ac, bd)?, self.binary(Binary::Add, ad, bc)?))
    }

    /// `-`, `+`, and gdb's `~`, the conjugate.
    #[inline(never)]
    pub(super) fn unary_of_complex(&mut self, operator: Unary, value: &Value) -> Answer {
        let parts = self.complex(value)?;
        let type_id = parts.type_id.unwrap_or(value.type_id);
        let real = if operator == Unary::Minus { self.unary(operator, parts.real)? } else { parts.real };
        let turns = matches!(operator, Unary::Minus | Unary::Complement);
        let imaginary = if turns { self.unary(Unary::Minus, parts.imaginary)? } else { parts.imaginary };
        self.assembled(real, imaginary, type_id)
    }

    fn same_base(&mut self, one: TypeId, other: TypeId) -> bool {
        let (one, other) = (self.stripped(one).1, self.stripped(other).1);
        matches!((&*one, &*other), (Type::Base(a), Type::Base(b)) if (a.size, a.encoding) == (b.size, b.encoding))
    }
}
