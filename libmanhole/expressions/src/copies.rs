//! Whether copies of an object of a C++ class are more than copies of its bytes.
//!
//! Pure.

use crate::access::stripped;
use crate::target::Target;
use crate::types::{Copies, Language, MemberLocation, Record, Type, TypeId};

/// How deep classes in classes are followed.
const DEPTH: u32 = 64;

/// Classes that are looked at for one answer.
const MOST: usize = 4096;

/// What is asked of each class.
type Said = fn(&Record) -> Copies;

/// Whether objects of this type are passed by the address of a copy, since copying or ending them runs code ("non-trivial for the purposes of
/// calls", Itanium C++ ABI, 1.1 and 3.1.1); an error says why nobody can know.
pub fn run_code(type_id: TypeId, target: &mut dyn Target) -> Result<bool, String> {
    asked(type_id, |record| record.copies, DEPTH, &mut { MOST }, target)
}

/// Whether a copy of an object is that of its bytes, whatever is done at its end.
pub fn are_bytes(type_id: TypeId, target: &mut dyn Target) -> bool {
    asked(type_id, |record| record.copying, DEPTH, &mut { MOST }, target) == Ok(false)
}

fn asked(type_id: TypeId, said: Said, depth: u32, budget: &mut usize, target: &mut dyn Target) -> Result<bool, String> {
    let (_, described) = stripped(type_id, target);
    let record = match &*described {
        Type::Array { of, is_vector: false, .. } => return deeper(*of, said, depth, budget, target),
        Type::Record(record) if record.language == Language::Cpp => record,
        _ => return Ok(false),
    };
    let name = || record.name.clone().unwrap_or_else(|| "a class without a name".to_owned());
    if record.is_declaration {
        return Err(format!("{}, which is only declared,", name()));
    }
    match said(record) {
        Copies::RunCode => return Ok(true),
        Copies::Bytes => return Ok(false),
        Copies::Unknown => {
            return Err(format!("{}, of which debug information does not tell whether copying it runs code,", name()));
        }
        Copies::AsMembers => {}
    }
    if record.methods.iter().any(|method| method.is_virtual) {
        return Ok(true);
    }
    for member in &record.members {
        match member.location {
            MemberLocation::Virtual { .. } => return Ok(true),
            MemberLocation::Static { .. } => {}
            // `_vptr.X` of gcc, `_vptr$X` of clang.
            _ if member.name.as_deref().is_some_and(|name| name.starts_with("_vptr")) => return Ok(true),
            _ => {
                if deeper(member.type_id, said, depth, budget, target)? {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

fn deeper(
    type_id: TypeId,
    said: Said,
    depth: u32,
    budget: &mut usize,
    target: &mut dyn Target,
) -> Result<bool, String> {
    let (Some(depth), Some(rest)) = (depth.checked_sub(1), budget.checked_sub(1)) else {
        return Err("a class with too many others in it".to_owned());
    };
    *budget = rest;
    asked(type_id, said, depth, budget, target)
}
