//! A target for unit tests: memory, types and names that the test lays down.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use crate::ast::{Path, Tag};
use crate::target::{Found, Stop, SymbolAt, Target};
use crate::types::{Type, TypeId};
use crate::value::Value;

/// What a test has laid down.
#[derive(Clone, Default)]
pub(crate) struct Fake {
    pub(crate) memory: BTreeMap<u64, u8>,
    pub(crate) types: Vec<Rc<Type>>,
    pub(crate) named_types: BTreeMap<(Option<Tag>, String), TypeId>,
    pub(crate) names: BTreeMap<String, Found>,
    pub(crate) linkages: BTreeMap<String, u64>,
    pub(crate) registers: BTreeMap<String, Value>,
    /// Start, size, name, whether it is a function.
    pub(crate) symbols: Vec<(u64, u64, String, bool)>,
    /// The calls that were made, with the bytes of their arguments.
    pub(crate) calls: Vec<(u64, Vec<Vec<u8>>)>,
    /// What each call returns, last one first.
    pub(crate) answers: Vec<Value>,
    pub(crate) allocated: u64,
    /// When nobody waits any more.
    pub(crate) deadline: Option<Instant>,
}

impl Fake {
    pub(crate) fn poke(&mut self, address: u64, bytes: &[u8]) {
        self.memory.extend((address..).zip(bytes.iter().copied()));
    }
}

impl Target for Fake {
    fn read(&mut self, address: u64, buffer: &mut [u8]) -> Result<(), u64> {
        if address.checked_add(buffer.len() as u64).is_none() {
            return Err(address);
        }
        for (offset, slot) in (0..).zip(buffer) {
            let address = address.wrapping_add(offset);
            *slot = *self.memory.get(&address).ok_or(address)?;
        }
        Ok(())
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Stop> {
        if address.checked_add(bytes.len() as u64).is_none() {
            return Err(Stop::Error(format!("Cannot access memory at address {address:#x}")));
        }
        match (address..).take(bytes.len()).find(|address| !self.memory.contains_key(address)) {
            Some(missing) => Err(Stop::Error(format!("Cannot access memory at address {missing:#x}"))),
            None => {
                self.poke(address, bytes);
                Ok(())
            }
        }
    }

    fn describe(&mut self, type_id: TypeId) -> Rc<Type> {
        let known = self.types.get(type_id.0 as usize).cloned();
        known.unwrap_or_else(|| Rc::new(Type::Unknown("no such type".to_owned())))
    }

    fn intern(&mut self, type_: Type) -> TypeId {
        let at = self.types.iter().position(|known| **known == type_).unwrap_or_else(|| {
            self.types.push(Rc::new(type_));
            self.types.len() - 1
        });
        TypeId(u32::try_from(at).unwrap_or(u32::MAX))
    }

    fn find_type(&mut self, tag: Option<Tag>, path: &Path) -> Option<TypeId> {
        self.named_types.get(&(tag, path.to_string())).copied()
    }

    fn complete(&mut self, type_id: TypeId) -> TypeId {
        type_id
    }

    fn find(&mut self, path: &Path) -> Result<Found, Stop> {
        Ok(self.names.get(&path.to_string()).cloned().unwrap_or(Found::Nothing))
    }

    fn find_linkage(&mut self, name: &str) -> Option<u64> {
        self.linkages.get(name).copied()
    }

    fn register(&mut self, name: &str) -> Option<Value> {
        self.registers.get(name).cloned()
    }

    fn symbol_at(&mut self, address: u64) -> Option<SymbolAt> {
        let (start, _, name, is_function) =
            self.symbols.iter().find(|(start, size, ..)| (*start..start + size).contains(&address))?;
        Some(SymbolAt { name: name.clone(), offset: address - start, is_function: *is_function })
    }

    fn call(&mut self, function: u64, _function_type: TypeId, arguments: Vec<Value>) -> Result<Value, Stop> {
        let mut given = Vec::new();
        for argument in arguments {
            match crate::access::bytes(&argument, self)? {
                Ok(bytes) => given.push(bytes),
                Err(missing) => return Err(Stop::Error(format!("{missing:?}"))),
            }
        }
        self.calls.push((function, given));
        self.answers.pop().ok_or(Stop::Suspended)
    }

    fn function_behind(&mut self, _: u64) -> Result<Option<(u64, TypeId)>, Stop> {
        Ok(None)
    }

    fn allocate(&mut self, bytes: &[u8]) -> Result<u64, Stop> {
        let address = 0x7000_0000 + self.allocated;
        self.allocated += (bytes.len() as u64).next_multiple_of(16);
        self.poke(address, bytes);
        Ok(address)
    }

    fn owns(&mut self, _: u64) -> bool {
        false
    }
    fn check(&mut self) -> Result<(), Stop> {
        match self.deadline {
            Some(deadline) if Instant::now() > deadline => Err(Stop::Error("interrupted".to_owned())),
            _ => Ok(()),
        }
    }
}
