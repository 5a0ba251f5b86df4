//! The loader's own list of what it has loaded, which is in the order in which it looks for names.
//!
//! Context: the agent's thread. The loader is not asked: its list is read as memory, and may change meanwhile.

use crate::memory::Memory;
use crate::modules::{Module, Modules};

/// Entries of the list that are followed.
const OBJECTS: usize = 100_000;

/// The dynamic section's entry that leads to the list, for debuggers.
const DT_DEBUG: u64 = 21;

/// Bytes of a dynamic section that are looked at.
const DYNAMIC: u64 = 1 << 16;

/// An entry of the list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object {
    /// The address of its `struct link_map` (link.h).
    pub(crate) map: u64,
    /// `l_addr`: what was added to the addresses of the file.
    pub(crate) bias: u64,
}

/// The list, as far as it can be read.
pub(crate) fn objects(memory: &Memory, modules: &[Module]) -> Vec<Object> {
    let mut objects = Vec::new();
    let mut next = modules.iter().find_map(|module| first_object(memory, module));
    while let Some(map) = next.filter(|_| objects.len() < OBJECTS) {
        // l_addr, l_name, l_ld, l_next.
        let Ok(bias) = memory.u64(map) else { break };
        objects.push(Object { map, bias });
        next = memory.u64(map.wrapping_add(24)).ok().filter(|next| *next != 0);
    }
    objects
}

/// Gives each module its place in the order in which the loader looks for names.
pub(crate) fn rank(memory: &Memory, modules: &mut Modules) {
    let objects = objects(memory, &modules.modules);
    for module in &mut modules.modules {
        // It is in the list, and asked for nothing.
        let is_asked = module.path != "[vdso]";
        let place = objects.iter().position(|object| is_asked && object.bias == module.bias);
        module.rank = place.and_then(|place| u32::try_from(place).ok()).unwrap_or(u32::MAX);
    }
}

/// `r_map` of what a program's DT_DEBUG points to.
fn first_object(memory: &Memory, module: &Module) -> Option<u64> {
    let (start, size) = module.dynamic?;
    for at in (0..size.min(DYNAMIC)).step_by(16) {
        let entry = start.wrapping_add(at);
        match memory.u64(entry).ok()? {
            0 => break,
            DT_DEBUG => {
                let debug = memory.u64(entry.wrapping_add(8)).ok().filter(|debug| *debug != 0)?;
                return memory.u64(debug.wrapping_add(8)).ok().filter(|map| *map != 0);
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_comes_first_and_libc_has_a_place() {
        let memory = Memory::new();
        let mut modules = Modules::read(&memory).unwrap();
        rank(&memory, &mut modules);
        let here = modules.module(this_program_comes_first_and_libc_has_a_place as *const () as u64).unwrap();
        assert_eq!(here.rank, 0);
        let libc = modules.module(libc::getpid as *const () as u64).unwrap();
        assert!((1..1000).contains(&libc.rank), "{}", libc.rank);
    }
}
